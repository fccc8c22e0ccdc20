"""What every workload must do, checked for each that is registered and for the example of a user's own."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from workload_image_files import write_cifar10, write_mnist

from tuner.hyper import Hyper
from tuner.trial import Value
from tuner.workloads import Workload, check_workload, load, loss_arguments, model_arguments, names

SPIRAL = f"{Path(__file__).parents[2] / 'examples' / 'spiral.py'}:Spiral"


@pytest.fixture(scope="module", autouse=True)
def local_images(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder / "mnist")
    write_cifar10(folder / "cifar-10-batches-bin")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TUNER_DATA", str(folder))
        yield


@pytest.fixture(params=[*names(), SPIRAL], ids=lambda ref: ref.rpartition(":")[2])
def workload(request: pytest.FixtureRequest) -> Workload:
    return load(request.param)


def new_model(workload: Workload, seed: int = 0, **hypers: Value) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return workload.model(**model_arguments(workload, hypers))


def batch(workload: Workload, examples: int = 32) -> tuple[Tensor, Tensor]:
    inputs, targets = workload.data().train
    return inputs[:examples], targets[:examples]


def test_it_passes_its_own_check(workload: Workload):
    check_workload(workload)


def test_its_check_leaves_the_global_generator_alone(workload: Workload):
    before = torch.get_rng_state()
    check_workload(workload)
    assert torch.equal(torch.get_rng_state(), before)


def test_its_data_is_the_same_whatever_was_drawn_before(workload: Workload):
    first = workload.data()
    for function in vars(sys.modules[type(workload).__module__]).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        second = workload.data()
    assert second is not first
    for before, after in zip((*first.train, *first.valid), (*second.train, *second.valid), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("name", names())
def test_a_builtin_makes_its_data_once(name: str):
    assert load(name).data() is load(name).data()


def test_its_validation_examples_are_not_trained_on(workload: Workload):
    split = workload.data()
    train, valid = ({tuple(row) for row in inputs.flatten(1).tolist()} for inputs, _ in (split.train, split.valid))
    assert not train & valid


def test_its_model_depends_on_the_seed_alone(workload: Workload):
    one, same, other = (new_model(workload, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def searched_values(hyper: Hyper) -> tuple[Value, ...]:
    if hyper.search is None:
        return ()
    return hyper.search.choices or (hyper.search.low, hyper.search.high)


def test_it_trains_at_the_ends_of_its_search_ranges(workload: Workload):
    inputs, targets = batch(workload, 4)
    for name, hyper in workload.hypers.items():
        for value in searched_values(hyper):
            hyper.check(name, value)
            outputs = new_model(workload, **{name: value})(inputs)
            assert workload.loss(outputs, targets, **loss_arguments(workload, {name: value})).isfinite()


def test_plain_sgd_lowers_its_training_loss(workload: Workload):
    model = new_model(workload)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    inputs, targets = batch(workload, 64)
    losses = []
    for _ in range(15):
        loss = workload.loss(model(inputs), targets, **loss_arguments(workload, {}))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]


def test_what_it_measures_are_its_metrics_and_its_plain_loss(workload: Workload):
    inputs, targets = workload.data().valid
    with torch.no_grad():
        outputs = new_model(workload).eval()(inputs)
        measured = workload.measure(outputs, targets)
        loss = workload.loss(outputs, targets, **loss_arguments(workload, {}))
    assert measured.keys() == workload.metrics.keys()
    assert float(measured["loss"]) == pytest.approx(float(loss), rel=1e-5)


def slot_hypers(workload: Workload) -> dict[str, Tensor]:
    """The loss's hyperparameters, other ones in each of two slots."""
    default = loss_arguments(workload, {})
    return {name: torch.tensor([value, 0.5 * value + 0.1]) for name, value in default.items()}


def test_two_fused_copies_have_the_gradients_of_each(workload: Workload):
    inputs, targets = batch(workload)
    models = [new_model(workload, seed) for seed in (0, 1)]
    parameters, buffers = stack_module_state(models)
    hypers = slot_hypers(workload)

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], hypers: dict[str, Tensor]) -> Tensor:
        outputs = functional_call(models[0], (parameters, buffers), (inputs,))
        return workload.loss(outputs, targets, **hypers)

    fused = vmap(grad(loss))(parameters, buffers, hypers)
    for slot, model in enumerate(models):
        alone = workload.loss(model(inputs), targets, **{name: float(value[slot]) for name, value in hypers.items()})
        gradients = torch.autograd.grad(alone, list(model.parameters()))
        for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
            torch.testing.assert_close(fused[name][slot], gradient, rtol=1e-3, atol=1e-5)


def test_two_fused_copies_have_the_metrics_of_each(workload: Workload):
    inputs, targets = workload.data().valid
    with torch.no_grad():
        outputs = torch.stack([new_model(workload, seed).eval()(inputs) for seed in (0, 1)])
        fused = vmap(workload.measure, in_dims=(0, None))(outputs, targets)
        for slot in (0, 1):
            alone = workload.measure(outputs[slot], targets)
            assert {name: fused[name][slot].item() for name in fused} == pytest.approx(
                {name: float(value) for name, value in alone.items()}, rel=1e-4, abs=1e-6
            )


@pytest.mark.parametrize("name", names())
def test_a_builtin_travels_to_another_process(name: str):
    assert type(pickle.loads(pickle.dumps(load(name)))) is type(load(name))  # noqa: S301 - written a moment ago
