"""What ``benchmarks.engine_throughput`` compares, each arm in a process of its own.

    python -m benchmarks.engine_arms ARM WORKLOAD THREADS

Every arm trains on minibatches without replacement, each epoch in a fresh order, as the engine does.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap

from benchmarks.crew import Work, rate, serve, threads_from
from benchmarks.engine_models import CASES, Case
from tuner.training import Engine
from tuner.training.bucket import Bucket
from tuner.training.compiler import Compiler
from tuner.training.setup import Setup
from tuner.trial import Objective, TrainingPlan, TrialSpec, Value
from tuner.workloads import loss_arguments, model_arguments

Step = Callable[[Tensor, Tensor], None]
"""Inputs and labels of a batch -> a step of one trial."""

WIDTHS = (4, 16, 64)
"""Trials at once among which an arm that leaves the choice to its user takes the fastest."""
NEVER = 1_000_000
"""Steps of a trial, and steps between two evaluations: none falls into the measurement."""
SETTLING = 60
"""Steps after compiling in which the engine finds out what is fastest."""
LIMIT = 300.0
"""Seconds that the engine may take to be warm."""
RULES = ("adamw", "momentum", "nadam", "lion")
SCHEDULES = ("cosine", "constant", "linear")


def batches(case: Case, trials: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches [trials, batch, ...], each trial's in an order of its own."""
    workload = case.kind()
    inputs, labels = workload.data().train
    size = _batch_size(case)
    while True:
        orders = torch.stack([torch.randperm(len(inputs)) for _ in range(trials)])
        for first in range(0, len(inputs) - size + 1, size):
            index = orders[:, first : first + size]
            flat = index.reshape(-1)
            yield tuple(p.index_select(0, flat).view(*index.shape, *p.shape[1:]) for p in (inputs, labels))  # type: ignore[misc]


def _batch_size(case: Case) -> int:
    return int(case.hypers.get("batch_size") or 64)


def _model(case: Case) -> nn.Module:
    workload = case.kind()
    return workload.model(**model_arguments(workload, case.hypers))


def _loss(case: Case) -> Callable[[Tensor, Tensor], Tensor]:
    workload, hypers = case.kind(), loss_arguments(case.kind(), case.hypers)
    return lambda outputs, labels: workload.loss(outputs, labels, **hypers)


# ---------------------------------------------------------------- one trial at a time


def single(case: Case) -> tuple[Work, str]:
    """The plain loop, with torch's fused AdamW."""
    return _warm(_stepping(case, loop_step(case))), ""


def compiled(case: Case) -> tuple[Work, str]:
    """``torch.compile`` on the whole step as one graph, or on the loop where that cannot be (recurrent layers)."""
    try:
        return _warm(_stepping(case, torch.compile(graph_step(case), fullgraph=True))), "one graph"
    except torch._dynamo.exc.TorchDynamoException:
        return _warm(_stepping(case, torch.compile(loop_step(case)))), "the loop, with breaks"


def _stepping(case: Case, step: Step) -> Work:
    data = batches(case, 1)

    def work() -> int:
        inputs, labels = next(data)
        step(inputs[0], labels[0])
        return 1

    return work


def loop_step(case: Case) -> Step:
    model, loss = _model(case), _loss(case)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        loss(model(inputs), labels).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        optimizer.step()

    return step


def graph_step(case: Case) -> Step:
    """Forward, backward and AdamW as a function; compiled, it is faster here than the loop compiled."""
    model, loss = _model(case), _loss(case)
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    first, second = ({name: torch.zeros_like(p) for name, p in params.items()} for _ in range(2))
    count = torch.zeros(())

    def losses(params: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        own = {name: b.clone() for name, b in buffers.items()}
        return loss(functional_call(model, (dict(params), own), (inputs,)), labels), own

    def step(inputs: Tensor, labels: Tensor) -> None:
        grads, (_, after) = grad_and_value(losses, has_aux=True)(params, inputs, labels)
        count.add_(1)
        for name, p in params.items():
            m = first[name].lerp_(grads[name], 0.1)
            v = second[name].mul_(0.999).addcmul_(grads[name], grads[name], value=0.001)
            p.mul_(1 - 1e-5).sub_(1e-3 * (m / (1 - 0.9**count)) / ((v / (1 - 0.999**count)).sqrt() + 1e-8))
        for name, b in buffers.items():
            b.copy_(after[name])

    return step


def _warm(work: Work) -> Work:
    for _ in range(10):
        work()
    return work


# ---------------------------------------------------------------- many trials at a time


def _fastest(make: Callable[[int], Work]) -> tuple[Work, str]:
    """The work of the width with the highest rate."""
    works = {}
    for width in WIDTHS:
        work = _warm(make(width))
        works[rate(work, 0.5)] = work, f"K = {width}"
    return works[max(works)]


def tutorial(case: Case) -> tuple[Work, str]:
    """An ensemble as PyTorch's tutorial on model ensembling writes it, with a foreach AdamW on the stacked values."""

    def make(width: int) -> Work:
        models, loss, data = [_model(case) for _ in range(width)], _loss(case), batches(case, width)
        params, buffers = stack_module_state(models)
        optimizer = torch.optim.AdamW(params.values(), lr=1e-3, foreach=True)

        def loss_of(
            params: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, labels: Tensor
        ) -> Tensor:
            return loss(functional_call(models[0], (dict(params), dict(buffers)), (inputs,)), labels)

        gradients = vmap(grad(loss_of), randomness="different")

        def work() -> int:
            values = {name: p.detach() for name, p in params.items()}
            for name, gradient in gradients(values, buffers, *next(data)).items():
                params[name].grad = gradient
            optimizer.step()
            return width

        return work

    return _fastest(make)


def jax(case: Case) -> tuple[Work, str]:
    """The same in JAX."""
    del case  # there is one model
    from benchmarks.engine_jax import epoch_of  # noqa: PLC0415 - an optional dependency

    return _fastest(epoch_of)


def products(case: Case) -> tuple[Work, str]:
    """The bound: the batched matrix products of the MLP's forward and backward pass, and nothing else."""
    size, sizes = _batch_size(case), [tuple(p.shape) for p in _model(case).parameters() if p.ndim == 2]

    def make(width: int) -> Work:
        layers = [
            (torch.randn(width, size, n), torch.randn(width, n, m), torch.randn(width, size, m)) for m, n in sizes
        ]

        def work() -> int:
            for number, (inputs, weights, grads) in enumerate(layers):
                inputs @ weights
                inputs.mT @ grads
                if number:
                    grads @ weights.mT
            return width

        return work

    return _fastest(make)


# ---------------------------------------------------------------- the engine


def mixed(case: Case) -> tuple[Work, str]:
    """The engine with its defaults, on four optimizers under three schedules."""
    chosen = itertools.product(RULES, SCHEDULES)
    return _engine(case, [{"optimizer": rule, f"{rule}.lr": 1e-4, "schedule": name} for rule, name in chosen])


def alone(case: Case) -> tuple[Work, str]:
    """The engine with its defaults, on AdamW at a constant rate."""
    return _engine(case, [{"optimizer": "adamw"}])


def _engine(case: Case, kinds: Sequence[Mapping[str, Value]]) -> tuple[Work, str]:
    plan = TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=NEVER)
    engine = Setup().engine(case.kind(), plan)
    params, numbers = itertools.cycle(kinds), itertools.count()

    def work() -> int:
        for _ in range(engine.free()):
            number = next(numbers)
            given = {**case.hypers, **next(params)}
            engine.admit(TrialSpec(sweep="bench", index=number, params=given, seed=number, total_steps=NEVER))
        engine.step()
        return engine.slots - engine.free()

    began = time.perf_counter()
    for _ in range(SETTLING):
        work()
    while (waiting := _awaited(engine)) and time.perf_counter() - began < LIMIT:
        work()
        if any(bucket.structure.pace.spent(bucket.rows) > Compiler.pay for bucket in waiting):
            time.sleep(0.1)  # the compiler, of low priority, has a core to itself
    for _ in range(SETTLING):
        work()
    return work, ", ".join(f"K = {b.rows} {b.structure.pace.last}" for b in engine._rack.buckets())


def _awaited(engine: Engine) -> list[Bucket]:
    """Those whose steps will be compiled."""
    return [
        bucket
        for bucket in engine._rack.buckets()
        if bucket.structure.compiler is not None
        and not bucket.structure.compiled.keys() >= set(bucket.structure.pace.worth_compiling(bucket.rows))
    ]


ARMS: Mapping[str, Callable[[Case], tuple[Work, str]]] = {
    made.__name__: made for made in (single, compiled, tutorial, jax, products, mixed, alone)
}


def main(arguments: Sequence[str]) -> None:
    began = time.perf_counter()
    warnings.simplefilter("ignore")
    threads_from(arguments)
    torch.manual_seed(0)
    arm, workload = arguments[0], arguments[1]
    serve(lambda: ARMS[arm](CASES[workload]), began)


if __name__ == "__main__":
    main(sys.argv[1:])
