"""The parts that workloads are made of: splits, losses, networks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from torch import nn
from torch.nn import functional

from tuner.workloads import Classification, Regression, Split, load
from tuner.workloads.networks import convnet, mlp
from tuner.workloads.splits import random_split, standardise_inputs, standardise_targets, stratified_split

quick = settings(max_examples=50, deadline=None)
fractions = st.floats(0.1, 0.5)


class Labels(Classification):
    data = model = None


class Numbers(Regression):
    data = model = None


@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=5), fraction=fractions)
@quick
def test_a_stratified_split_uses_each_example_once_and_holds_out_its_share_of_every_class(counts, fraction):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    split = stratified_split(torch.arange(len(labels)), labels, fraction)
    assert sorted(torch.cat((split.train[0], split.valid[0])).tolist()) == list(range(len(labels)))
    assert torch.equal(labels[split.valid[0]], split.valid[1])
    assert torch.equal(labels[split.train[0]], split.train[1])
    held_out = split.valid[1].bincount(minlength=len(counts)).tolist()
    assert held_out == [round(fraction * count) for count in counts]


@given(examples=st.integers(1, 60), fraction=fractions)
@quick
def test_a_random_split_uses_each_example_once(examples, fraction):
    split = random_split(torch.arange(examples), -torch.arange(examples), fraction)
    assert sorted(torch.cat((split.train[0], split.valid[0])).tolist()) == list(range(examples))
    assert torch.equal(split.valid[1], -split.valid[0])
    assert len(split.valid[0]) == round(fraction * examples)


def test_a_random_split_is_not_the_order_of_the_file():
    held_out = random_split(torch.arange(1000), torch.arange(1000)).valid[0]
    assert 400 < held_out.float().mean() < 600


@pytest.mark.parametrize("over", [(0,), (0, 2, 3)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_inputs_are_standardised_by_the_training_examples_alone(over, dtype):
    train = torch.randint(0, 256, (50, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(dtype)
    valid = torch.full((7, 3, 4, 4), 200).to(dtype)
    split = standardise_inputs(Split(train=(train, torch.zeros(50)), valid=(valid, torch.zeros(7))), over)
    deviation, mean = torch.std_mean(train.double(), dim=over, correction=0, keepdim=True)
    for before, (after, _) in ((train, split.train), (valid, split.valid)):
        assert after.dtype == torch.float32
        torch.testing.assert_close(after.double(), (before - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_a_constant_feature_becomes_zero():
    train = torch.tensor([[5.0, 1.0], [5.0, 3.0]])
    split = standardise_inputs(Split(train=(train, train), valid=(train + 1, train)))
    assert split.train[0].tolist() == [[0.0, -1.0], [0.0, 1.0]]
    assert split.valid[0].tolist() == [[0.0, 0.0], [0.0, 2.0]]


def test_targets_are_standardised_and_inputs_left_alone():
    inputs, targets = torch.arange(4.0), torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    split = standardise_targets(Split(train=(inputs, targets), valid=(inputs, targets + 3)))
    assert split.train[0] is inputs
    assert split.train[1].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert split.train[1].std(correction=0).item() == pytest.approx(1.0)
    assert split.valid[1][0].item() == pytest.approx(split.train[1][0].item() + 3 / targets.std(correction=0).item())


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), smoothing=st.floats(0.0, 0.9), seed=st.integers(0, 99)
)
@quick
def test_the_classification_loss_is_torchs_cross_entropy(shape, smoothing, seed):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(*shape, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 5, shape, generator=generator)
    expected = functional.cross_entropy(outputs.reshape(-1, 5), targets.reshape(-1), label_smoothing=smoothing)
    torch.testing.assert_close(Labels.loss(Labels, outputs, targets, smoothing), expected)


def test_classification_metrics_by_hand():
    outputs = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 0.5]]).log_softmax(-1)
    measured = Labels.measure(Labels, outputs, torch.tensor([0, 1, 1, 1]))
    assert measured["accuracy"].item() == 0.75
    assert measured["loss"].item() == pytest.approx(-(outputs[0, 0] + outputs[1:, 1].sum()).item() / 4)


@given(columns=st.integers(1, 3), seed=st.integers(0, 99))
@quick
def test_regression_metrics_are_scikit_learns(columns, seed):
    targets, noise = torch.randn(2, 20, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    outputs = targets + 0.5 * noise
    measured = {name: value.item() for name, value in Numbers.measure(Numbers, outputs, targets).items()}
    assert measured == pytest.approx(
        {
            "loss": mean_squared_error(targets, outputs),
            "mae": mean_absolute_error(targets, outputs),
            "r2": r2_score(targets, outputs, multioutput="variance_weighted"),
        }
    )


def test_regression_does_not_broadcast():
    with pytest.raises(ValueError, match=r"outputs \[4, 1\] and targets \[4\] must have one shape"):
        Numbers.loss(Numbers, torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_an_mlp_has_the_layers_it_is_asked_for(layers):
    sizes = [(part.in_features, part.out_features) for part in mlp(6, 8, layers, 3) if isinstance(part, nn.Linear)]
    assert sizes == [(6, 8), *[(8, 8)] * (layers - 1), (8, 3)]


@pytest.mark.parametrize("side", [8, 28, 32])
def test_a_convnet_takes_images_of_any_size(side):
    assert convnet(3, 4, 10)(torch.zeros(2, 3, side, side)).shape == (2, 10)


@pytest.mark.parametrize("network", [lambda p: mlp(6, 8, 2, 3, p), lambda p: convnet(1, 4, 10, p)])
def test_a_network_draws_random_numbers_only_where_it_drops(network):
    assert not any(isinstance(part, nn.Dropout) for part in network(0.0).modules())
    assert {part.p for part in network(0.3).modules() if isinstance(part, nn.Dropout)} == {0.3}


def test_the_transformer_does_not_see_the_future():
    model = load("char-transformer").model(width=32, layers=2, dropout=0.0)
    early = torch.zeros(1, 64, dtype=torch.long)
    late = early.clone()
    late[0, 40:] = 5
    with torch.no_grad():
        same = (model(early) == model(late)).all(-1)[0]
    assert same[:40].all()
    assert not same[40:].any()


def test_the_transformers_targets_are_its_inputs_one_later():
    inputs, targets = load("char-transformer").data().train
    assert torch.equal(inputs.flatten()[1:], targets.flatten()[:-1])


def test_the_transformers_held_out_text_is_not_a_repetition_of_its_training_text():
    split = load("char-transformer").data()
    text = bytes(split.train[0].flatten().tolist())
    repeated = [window for window in split.valid[0].tolist() if bytes(window) in text]
    assert len(repeated) <= 0.1 * len(split.valid[0])


@pytest.mark.parametrize("condition", [1.0, 100.0])
def test_the_noisy_quadratic_has_its_minimum_at_the_origin(condition):
    workload = load("noisy-quadratic")
    split, model = workload.data(), workload.model(condition=condition, noise=1.0)
    with torch.no_grad():
        model.point.zero_()
    workload.loss(model(split.train[0]), split.train[1]).backward()
    torch.testing.assert_close(model.point.grad, torch.zeros(32), rtol=0, atol=1e-6)
    assert {name: value.item() for name, value in workload.measure(model(split.valid[0]), split.valid[1]).items()} == {
        "loss": 0.0,
        "distance": 0.0,
    }


def test_the_noisy_quadratic_measures_exactly():
    workload = load("noisy-quadratic")
    inputs, targets = workload.data().valid
    model = workload.model(condition=1.0, noise=5.0)
    measured = workload.measure(model(inputs), targets)
    assert measured["distance"].item() == pytest.approx(model.point.norm().item())
    assert measured["loss"].item() == pytest.approx(0.5 * model.point.square().sum().item())
