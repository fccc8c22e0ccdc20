"""Each way in which a user's workload can break its contract has its own message, before any training."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from tuner.errors import WorkloadError
from tuner.hyper import Hyper
from tuner.workloads import Classification, Regression, Split, Workload, check_workload, loss_arguments, model_arguments

WIDTH = Hyper(default=4, low=1, integer=True, doc="hidden units")
POINTS = torch.arange(12.0).reshape(6, 2)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])


class Good(Classification):
    hypers: ClassVar = {"width": WIDTH}

    def data(self) -> Split:
        return Split(train=(POINTS, LABELS), valid=(POINTS, LABELS))

    def model(self, width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 2))


class ManyTaken(Good):
    def model(self, **sizes: int) -> nn.Module: ...


class Undeclared(Good):
    def model(self, width: int, widht: int) -> nn.Module: ...


class Unused(Good):
    hypers: ClassVar = {"depth": WIDTH}


class Misspelled(Good):
    hypers: ClassVar = {"label_smoothin": WIDTH}


class Reserved(Good):
    hypers: ClassVar = {"seed": WIDTH}

    def model(self, width: int, seed: int) -> nn.Module: ...


class WrongDefault(Good):
    hypers: ClassVar = {"width": Hyper(default=0, low=1, integer=True, doc="hidden units")}


class NoSuchDirection(Good):
    metrics: ClassVar = {"accuracy": "up"}


class ReservedMetric(Good):
    metrics: ClassVar = {"lr": "minimize"}


class NoSplit(Good):
    def data(self) -> Split:
        return (POINTS, LABELS), (POINTS, LABELS)


class NoPair(Good):
    def data(self) -> Split:
        return Split(train=(POINTS, LABELS), valid=POINTS)


class NoTargets(Good):
    def data(self) -> Split:
        return Split(train=(POINTS, LABELS[:5]), valid=(POINTS, LABELS))


class NoExamples(Good):
    def data(self) -> Split:
        return Split(train=(POINTS, LABELS), valid=(POINTS[:0], LABELS[:0]))


class NotFinite(Good):
    def data(self) -> Split:
        return Split(train=(POINTS / 0, LABELS), valid=(POINTS, LABELS))


class OtherDevice(Good):
    def data(self) -> Split:
        return Split(train=(POINTS.to("meta"), LABELS), valid=(POINTS, LABELS))


class DataRaises(Good):
    def data(self) -> Split:
        return POINTS.reshape(5)


class NoModule(Good):
    def model(self, width: int) -> nn.Module:
        return torch.zeros(width)


class NothingToTrain(Good):
    def model(self, width: int) -> nn.Module:
        return nn.Identity(width)


class WrongInputs(Good):
    def model(self, width: int) -> nn.Module:
        return nn.Linear(3, width)


class LossOfEach(Good):
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return outputs.sum(1) * label_smoothing


class LossNotFinite(Good):
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return outputs.sum() / 0 + label_smoothing


class LossConstant(Good):
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return outputs.detach().sum() + label_smoothing


class NoMapping(Good):
    def measure(self, outputs: Tensor, targets: Tensor) -> float:
        return 1.0


class NoDirection(Good):
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"loss": 1.0, "accuracy": 1.0, "acuracy": 1.0}


class NotMeasured(Good):
    metrics: ClassVar = {"f1": "maximize"}


class MeasuredEach(Good):
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"loss": outputs, "accuracy": outputs}


class Broadcast(Regression):
    def data(self) -> Split:
        return Split(train=(POINTS, POINTS[:, 0]), valid=(POINTS, POINTS[:, 0]))

    def model(self) -> nn.Module:
        return nn.Linear(2, 1)


HERE = re.escape(__file__)
BROKEN = {
    ManyTaken: r"model takes \*\*sizes: .*; name each hyperparameter that it takes",
    Undeclared: r"model takes 'widht', which hypers does not declare; did you mean 'width'\?",
    Unused: r"hypers\['depth'\]: neither model nor loss takes it",
    Misspelled: r"hypers\['label_smoothin'\]: .*did you mean 'label_smoothing'\?",
    Reserved: r"hypers\['seed'\]: every trial has a 'seed' already; choose another name",
    WrongDefault: r"hypers\['width'\]: expected a default a whole number >= 1, got 0",
    NoSuchDirection: r"metrics\['accuracy'\]: expected 'minimize' or 'maximize', got 'up'",
    ReservedMetric: r"metrics\['lr'\]: every trial reports it already; choose another name",
    NoSplit: r"data\(\): expected a tuner.workloads.Split, got tuple",
    NoPair: r"data\(\).valid: expected \(inputs \[N, ...\], targets \[N, ...\]\), got \[6, 2\]",
    NoTargets: r"data\(\).train: expected N >= 1 of both, got 6 inputs and 5 targets",
    NoExamples: r"data\(\).valid: expected N >= 1 of both, got 0 inputs and 0 targets",
    NotFinite: r"data\(\).train: expected finite numbers",
    OtherDevice: r"data\(\).train: expected CPU tensors, got meta and cpu",
    DataRaises: rf"data\(\): {HERE}:\d+: RuntimeError: shape",
    NoModule: r"model\(\): expected a torch.nn.Module, got \[4\]",
    NothingToTrain: r"model\(\): expected a module with parameters to train",
    WrongInputs: r"the model on inputs \[6, 2\]: RuntimeError: mat1 and mat2",
    LossOfEach: r"loss\(\) of outputs \[6, 2\] and targets \[6\]: expected a scalar tensor.*, got \[6\]",
    LossNotFinite: r"loss\(\) of .*: expected a finite number of an untrained model, got -?(inf|nan)",
    LossConstant: r"loss\(\) of .*: expected a tensor that depends on the model's parameters",
    NoMapping: r"measure\(\) of .*: expected a mapping from metric to number, got float",
    NoDirection: r"measure\(\) returns 'acuracy', whose direction metrics does not declare; did you mean 'accuracy'\?",
    NotMeasured: r"metrics declares 'f1', which measure\(\) does not return",
    MeasuredEach: r"measure\(\)\['loss'\]: expected one number, got \[6, 2\]",
    Broadcast: r"loss\(\) .*: ValueError: outputs \[6, 1\] and targets \[6\] must have one shape",
}


def test_a_good_workload_passes():
    check_workload(Good())


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_workload_is_told_apart(broken: type[Workload]):
    with pytest.raises(WorkloadError, match=rf"^workload {broken.__name__}: {BROKEN[broken]}"):
        check_workload(broken())


def test_a_subclass_adds_to_what_it_inherits():
    assert list(Good.hypers) == ["batch_size", "label_smoothing", "width"]
    assert dict(NotMeasured.metrics) == {"loss": "minimize", "accuracy": "maximize", "f1": "maximize"}
    assert list(Classification.hypers) == ["batch_size", "label_smoothing"]


def test_a_subclass_may_declare_again_what_it_inherits():
    assert WrongDefault.hypers["width"].default == 0
    assert Good.hypers["width"].default == 4


def test_arguments_go_to_the_method_that_takes_them():
    given = {"width": 9, "label_smoothing": 0.2, "batch_size": 8, "optimizer": "sgd", "sgd.lr": 0.1}
    assert model_arguments(Good(), given) == {"width": 9}
    assert loss_arguments(Good(), given) == {"label_smoothing": 0.2}


def test_an_argument_that_is_not_given_has_its_default():
    assert model_arguments(Good(), {}) == {"width": 4}
    assert loss_arguments(Good(), {}) == {"label_smoothing": 0.0}
