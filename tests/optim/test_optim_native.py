"""The compiled kernel is the eager one: same numbers, any shape and choice of rows; bits depend on nothing else."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import optim_cases as cases
import pytest
import torch
from torch import Tensor

from tuner import optim
from tuner.optim import Population, kernel, native

TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-12}
Case = tuple[Tensor, Tensor, kernel.State, dict[str, Tensor]]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def case(rows: int, size: int, dtype: torch.dtype, *, wide: bool = False) -> Case:
    """Parameters, gradients, moments and coefficients that use every part of the formula, different in each row."""
    random = torch.Generator().manual_seed(rows * size)

    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(rows, columns, generator=random, dtype=torch.float64)

    columns = size if wide else 1
    numbers = kernel.two_moment(
        lr=uniform(0.01, 0.5),
        decay=uniform(0.0, 0.3, columns),
        l2=uniform(-0.3, 0.3, columns),
        a1=uniform(-0.5, 1.0),
        a2=uniform(0.1, 1.0),
        b1=uniform(0.5, 1.0),
        b2=uniform(0.1, 1.0),
        e=uniform(-1.0, 1.0),
        n1=uniform(0.1, 1.0),
        n2=uniform(0.1, 1.0),
        c=uniform(0.1, 2.0),
        s=uniform(0.0, 0.1),
        d=uniform(0.1, 1.0),
        limit=uniform(0.2, 1.0),
    )
    params, grads, m, v = torch.randn(4, rows, size, generator=random, dtype=torch.float64).to(dtype)
    tensors = {name: torch.as_tensor(number).to(dtype) for name, number in numbers.items()}
    return params, grads, {"m": m, "v": v.abs()}, tensors


def copy(made: Case) -> Case:
    params, grads, state, c = made
    return params.clone(), grads.clone(), {name: tensor.clone() for name, tensor in state.items()}, c


def in_one_pass(made: Case, rows: Tensor) -> bool:
    params, grads, state, c = made
    table = torch.cat([c[name] for name in kernel.NAMES], dim=1).t()
    step = kernel.in_one_pass(params, grads, state, torch.stack([torch.zeros_like(table), table]), rows)
    if step:
        step(1)
    return step is not None


def everything(made: Case) -> Tensor:
    return torch.stack([made[0], made[1], made[2]["m"], made[2]["v"]])


@pytest.mark.parametrize("dtype", native.TYPES)
def test_it_is_there_where_a_compiler_is(dtype: torch.dtype) -> None:
    assert (native.binder(dtype) is None) == (shutil.which("c++") is None)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", native.TYPES)
@pytest.mark.parametrize(("rows", "size"), [(1, 1), (3, 1), (2, 0), (2, 33), (5, 1003), (3, 40_000)])
def test_it_makes_the_steps_of_the_eager_kernel(
    rows: int, size: int, dtype: torch.dtype, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = kernel.eager
    if native.binder(dtype):
        monkeypatch.setattr(kernel, "eager", None)  # not to be called
    compiled = case(rows, size, dtype, wide=wide)
    eager = copy(compiled)
    for _ in range(5):
        kernel.update(*compiled)
        reference(*eager)
    torch.testing.assert_close(everything(compiled), everything(eager), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("index", [[1, 3, 4], [4], [0, 1, 2, 3, 4]])
def test_the_rows_asked_for_are_stepped_and_no_others(index: list[int]) -> None:
    some, every, before = (case(5, 100, torch.float64) for _ in range(3))
    rows = torch.tensor(index)
    others = [k for k in range(5) if k not in index]
    assert in_one_pass(some, rows)
    kernel.update(*every)
    assert torch.equal(everything(some)[:, index], everything(every)[:, index])
    assert torch.equal(everything(some)[:, others], everything(before)[:, others])
    assert not torch.equal(everything(every), everything(before))


def test_rows_may_be_pieces_of_longer_ones() -> None:
    params, grads, state, c = case(3, 20, torch.float64)
    around = torch.zeros(3, 50, dtype=torch.float64)
    piece = around[:, 10:30]
    piece.copy_(params)
    assert in_one_pass((piece, grads, copy((params, grads, state, c))[2], c), torch.arange(3))
    kernel.update(params, grads, state, c)
    assert torch.equal(piece, params)
    assert not around[:, :10].any()
    assert not around[:, 30:].any()


@pytest.mark.usefixtures("threads")
def test_bits_depend_neither_on_threads_nor_on_company() -> None:
    rows, size = 3, native.GRAIN + 77
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        made = case(rows, size, torch.float32)
        kernel.update(*made)
        results.append(everything(made))
    params, grads, state, c = case(rows, size, torch.float32)
    alone = params[1:2], grads[1:2], {n: t[1:2] for n, t in state.items()}, {n: t[1:2] for n, t in c.items()}
    kernel.update(*alone)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[0][:, 1:2], everything(alone))


def test_nan_and_infinity_pass_the_limit_as_in_the_eager_kernel() -> None:
    compiled = case(1, 40, torch.float32)
    compiled[1][0, :3] = torch.tensor([math.nan, math.inf, -math.inf])
    compiled[0][0, 3] = math.nan
    eager = copy(compiled)
    kernel.update(*compiled)
    kernel.eager(*eager)
    assert compiled[0][0, [0, 3]].isnan().all()
    assert torch.equal(compiled[0].isnan(), eager[0].isnan())


@pytest.mark.parametrize("dtype", native.TYPES)
@pytest.mark.parametrize("lost", [("m",), ("v",), ("m", "v")])
def test_a_moment_that_a_rule_has_not_is_neither_read_nor_written(lost: tuple[str, ...], dtype: torch.dtype) -> None:
    without = {"m": {"a1-1": -1.0, "a2": 0.0}, "v": {"b1-1": -1.0, "sqrt b2": 0.0}}
    compiled = case(4, 1003, dtype)
    for name in lost:
        compiled[2][name][::2] = 0.0
        for coefficient, number in without[name].items():
            compiled[3][coefficient][::2] = number
    eager = copy(compiled)
    for name in lost:
        compiled[2][name][::2] = math.nan
    for _ in range(5):
        assert in_one_pass(compiled, torch.arange(4))
        kernel.eager(*eager)
    for name in lost:
        assert compiled[2][name][::2].isnan().all()
        compiled[2][name][::2] = eager[2][name][::2]
        assert not compiled[2][name][::2].any()
    torch.testing.assert_close(everything(compiled), everything(eager), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("rule", [name for name in optim.names() if optim.get(name).update is kernel.update])
def test_a_rule_has_a_moment_at_every_step_or_at_none(rule: str) -> None:
    hypers = {name: torch.tensor(value, dtype=torch.float64) for name, value in cases.defaults(rule).items()}
    c = optim.get(rule).coefficients(hypers, torch.arange(1.0, 2000.0, dtype=torch.float64))
    for keep, take in (("a1-1", "a2"), ("b1-1", "sqrt b2")):
        has = (torch.as_tensor(c[keep]) != -1.0) | (torch.as_tensor(c[take]) != 0.0)
        assert has.all() or not has.any()


def strided(made: Case) -> Case:
    params, grads, state, c = made
    return params.t().contiguous().t(), grads, state, c


def half(made: Case) -> Case:
    params, grads, state, c = made
    return (
        params.bfloat16(),
        grads.bfloat16(),
        {n: t.bfloat16() for n, t in state.items()},
        {n: t.bfloat16() for n, t in c.items()},
    )


def narrow_moment(made: Case) -> Case:
    params, grads, state, c = made
    return params, grads, {**state, "v": state["v"].float()}, c


def wide_step(made: Case) -> Case:
    params, grads, state, c = made
    return params, grads, state, {**c, "-lr": c["-lr"] * torch.ones_like(params)}


def wide_decay(made: Case) -> Case:
    params, grads, state, c = made
    return params, grads, state, {**c, "-lr*decay": c["-lr*decay"] * torch.ones_like(params)}


@pytest.mark.parametrize("change", [strided, half, narrow_moment, wide_step, wide_decay])
def test_what_it_was_not_made_for_goes_the_eager_way(
    change: Callable[[Case], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "binder", None)  # not to be called
    made = change(case(3, 17, torch.float64))
    eager = change(case(3, 17, torch.float64))
    kernel.update(*made)
    kernel.eager(*eager)
    assert torch.equal(made[0], eager[0])


@pytest.mark.parametrize("compiler", ["no-such-compiler --fast", "false", "true", "c++ -fno-such-option"])
def test_without_a_working_compiler_it_says_so_and_gives_way(compiler: str, caplog: pytest.LogCaptureFixture) -> None:
    assert native.build(compiler, torch.float32) is None
    (record,) = caplog.records
    assert f"the C++ compiler {compiler!r} made no kernel" in record.getMessage()
    assert "install g++ or set CXX" in record.getMessage()


def test_what_was_compiled_is_kept_for_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path))
    assert native.build("c++", torch.float32)
    (kept,) = (tmp_path / "kernels").iterdir()
    ran: list[object] = []
    run = native.subprocess.run
    monkeypatch.setattr(native.subprocess, "run", lambda *a, **k: (ran.append(a), run(*a, **k))[1])
    assert native.build("c++", torch.float32)
    assert not ran
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "damaged"))
    damaged = tmp_path / "damaged" / "kernels" / kept.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"damaged")
    assert native.build("c++", torch.float32)
    assert len(ran) == 1
    assert damaged.read_bytes() == kept.read_bytes()
    assert native.build("c++", torch.float64)
    assert len(ran) == len(list(damaged.parent.iterdir())) == 2


def test_without_a_folder_to_keep_it_in_it_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels").touch()
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path))
    assert native.build("c++", torch.float32)


def test_a_population_without_a_compiler_makes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def stepped() -> Tensor:
        made = Population(4, 30, dtype=torch.float64)
        for slot, rule in enumerate(("adamw", "adadelta", "lion", "sgd")):
            hypers = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "rho": 0.9, "l2": 0.0}
            made.fill(slot, rule, hypers, torch.ones(30), schedule=lambda s: {"lr": torch.full_like(s, 0.1)})
        for step in range(5):
            made.grads.copy_(torch.sin(made.params + step))
            made.step()
        return made.params

    compiled = stepped()
    monkeypatch.setattr(native, "binder", lambda dtype: None)
    torch.testing.assert_close(compiled, stepped(), rtol=1e-12, atol=1e-12)


def test_a_tracer_sees_the_eager_kernel() -> None:
    traced, eager = case(2, 7, torch.float64), case(2, 7, torch.float64)
    torch.compile(kernel.update, backend="eager", fullgraph=True)(*traced)
    kernel.eager(*eager)
    assert torch.equal(everything(traced), everything(eager))
