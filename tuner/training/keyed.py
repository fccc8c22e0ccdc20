r"""Random numbers that are a function of a key: dropout that depends on the trial and the step, and on nothing else.

A generator's stream would tie a trial to its neighbours. Here the n-th number of the c-th draw under key k is

.. math:: mix(mix(k + c \, \phi) + n \, \phi)

with the finalizer of SplitMix64 and its odd constant phi (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014). Plain tensor arithmetic: the same on every device, for one trial and for many at once, and
visible to a compiler.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PHI = 0x9E3779B97F4A7C15 - 2**64
_ALL = 2**63 - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


def mix(z: Tensor) -> Tensor:
    """Scramble int64 numbers, elementwise; a bijection."""
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; torch's own brings copies of the sign in."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def device_generator(device: torch.device) -> torch.Generator:
    """The generator that a model's own random numbers come from on ``device``.

    ``torch.manual_seed`` would seed every device's, and without CUDA it queues each call, for ever, with a stack trace.
    """
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


class Keyed(TorchFunctionMode):
    """Within it, torch's random functions draw from the key of a step of a trial with ``seed``.

    Both are int64, one number, and under vmap one a slot. Attention is written out, since its dropout is out of reach
    inside torch's own kernels, and these have no batching rule on CPU. Random functions that are not known here go on
    drawing from torch's generator.
    """

    def __init__(self, seed: Tensor, step: Tensor) -> None:
        super().__init__()
        self._seed, self._step = seed, step
        self._draws = 0

    def __torch_function__(
        self, func: Any, kinds: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Put our own in the place of a random function."""
        own = None if kwargs and "generator" in kwargs else _OWN.get(func)
        return func(*args, **(kwargs or {})) if own is None else own(self, *args, **(kwargs or {}))

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Numbers in [0, 1) on the device of ``like``: in float64 with 53 random bits, else in float32 with 24."""
        self._draws += 1
        wide = like.dtype == torch.float64
        # The mask changes nothing, but hides from torch's compiler that these are places, whose sizes it works out
        # and gives up where they are beyond an int64, as here.
        count = torch.arange(1, math.prod(shape) + 1, device=like.device) & _ALL
        key = mix(self._seed + self._step * PHI)
        bits = mix(mix(key + self._draws * count.new_tensor(PHI)) + count * PHI)
        numbers = _shifted(bits, 11).double() * 2.0**-53 if wide else _shifted(bits, 40).float() * 2.0**-24
        return numbers.reshape(tuple(shape))

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normal numbers by Box and Muller's transform."""
        radius = (-2.0 * torch.log1p(-self.uniform(shape, like))).sqrt()
        return radius * torch.cos(2.0 * math.pi * self.uniform(shape, like))

    def kept(self, x: Tensor, p: float, shape: Sequence[int]) -> Tensor:
        """``x`` with numbers dropped with probability ``p``, together where ``shape`` has a 1; the rest scaled up."""
        if p >= 1.0:
            return x * 0.0
        return x * (self.uniform(shape, x) >= p) / (1.0 - p)


def _dropout(keyed: Keyed, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002, ARG001 - torch's signature
    return keyed.kept(input, p, input.shape) if training and p else input


def _channel_dropout(spatial: int) -> Callable[..., Tensor]:
    """Dropout of whole channels, which ``spatial`` dimensions follow; in 2D torch takes the first two for [N, C]."""

    def dropout(keyed: Keyed, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002, ARG001 - torch's signature
        channels = 2 if spatial == 2 else input.ndim - spatial
        shape = (*input.shape[:channels], *[1] * (input.ndim - channels))
        return keyed.kept(input, p, shape) if training and p else input

    return dropout


def _attention(  # noqa: PLR0917 - torch's signature
    keyed: Keyed,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Scaled dot-product attention, as torch documents it."""
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    if attn_mask is None:
        weights = scores.softmax(-1)
    else:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
        blind = (scores == -math.inf).all(-1, keepdim=True)  # nothing to look at: nothing is seen
        weights = scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)
    return _dropout(keyed, weights, dropout_p) @ value


def _multi_head(keyed: Keyed, *args: Any, **kwargs: Any) -> Any:
    """torch's own code, reading our functions where it names random ones: inside it, no mode is active."""
    source = functional.multi_head_attention_forward
    names = {
        "dropout": functools.partial(_dropout, keyed),
        "scaled_dot_product_attention": functools.partial(_attention, keyed),
        "has_torch_function": lambda _: False,
    }
    copy = types.FunctionType(source.__code__, {**source.__globals__, **names}, source.__name__, source.__defaults__)
    return copy(*args, **kwargs)


def _typed(x: Tensor, kwargs: Mapping[str, Any], like: Tensor) -> Tensor:
    return x.to(dtype=kwargs.get("dtype") or like.dtype)


def _rand_like(keyed: Keyed, input: Tensor, **kwargs: Any) -> Tensor:  # noqa: A002 - torch's signature
    return _typed(keyed.uniform(input.shape, input), kwargs, input)


def _randn_like(keyed: Keyed, input: Tensor, **kwargs: Any) -> Tensor:  # noqa: A002 - torch's signature
    return _typed(keyed.normal(input.shape, input), kwargs, input)


def _bernoulli(keyed: Keyed, input: Tensor, p: float | None = None) -> Tensor:  # noqa: A002 - torch's signature
    return (keyed.uniform(input.shape, input) < (input if p is None else p)).to(input.dtype)


_OWN: Mapping[Any, Callable[..., Any]] = {
    functional.dropout: _dropout,
    functional.dropout1d: _channel_dropout(1),
    functional.dropout2d: _channel_dropout(2),
    functional.dropout3d: _channel_dropout(3),
    functional.scaled_dot_product_attention: _attention,
    functional.multi_head_attention_forward: _multi_head,
    torch.rand_like: _rand_like,
    torch.randn_like: _randn_like,
    torch.bernoulli: _bernoulli,
}
