"""Recurrent layers unrolled in time compute what torch's whole layers do, for one model and for several at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from tuner.training.recurrent import Unrolled

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "tanh": nn.RNN, "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k)}
OPTIONS = [{}, {"batch_first": True}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}]


def gradients(layer, values, inputs):
    def loss(values, inputs):
        outputs, state = functional_call(layer, values, (inputs,))
        return outputs.square().sum() + torch.cat([s.flatten() for s in state]).sum()

    values = {name: value.clone().requires_grad_() for name, value in values.items()}
    losses = vmap(loss)(values, inputs) if inputs.ndim == 4 else loss(values, inputs)
    return torch.autograd.grad(losses.sum(), list(values.values()))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_several_models_unrolled_are_each_of_them_whole(name, options):
    torch.manual_seed(0)
    layer = LAYERS[name](3, 4, **options).double()
    values = {n: torch.randn(3, *p.shape, dtype=torch.float64) for n, p in layer.named_parameters()}
    inputs = torch.randn(3, 5, 2, 3, dtype=torch.float64)
    with Unrolled():
        together = gradients(layer, values, inputs)
    for k in range(3):
        alone = gradients(layer, {n: v[k] for n, v in values.items()}, inputs[k])
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-10, atol=1e-12)


def test_what_torch_alone_can_do_is_left_to_it():
    """Dropout draws from torch's stream, in torch's order; packed sequences differ in length."""
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    inputs = torch.randn(5, 2, 3)
    packed = nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor([5, 3]))
    for given in (inputs, packed):
        torch.manual_seed(1)
        whole = layer(given)[0]
        torch.manual_seed(1)
        with Unrolled():
            unrolled = layer(given)[0]
        assert torch.equal(*(getattr(x, "data", x) for x in (whole, unrolled)))
    with Unrolled(), pytest.raises(RuntimeError, match="Batching rule"):
        vmap(lambda x: layer(x)[0], randomness="different")(inputs[None])
