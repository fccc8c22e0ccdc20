"""Recurrent layers as the products and gates of their time steps: ``torch.func.vmap`` cannot batch the layers whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_LAYERS = {
    torch.lstm: torch.ops.aten.lstm.input,
    torch.gru: torch.ops.aten.gru.input,
    torch.rnn_tanh: torch.ops.aten.rnn_tanh.input,
    torch.rnn_relu: torch.ops.aten.rnn_relu.input,
}


class Unrolled(TorchFunctionMode):
    """Runs recurrent layers step by step in time, by torch's own decomposition of them.

    Packed sequences, whose steps differ in size, and dropout between layers, which draws from torch's own stream, stay
    as they are.
    """

    def __torch_function__(
        self, func: Any, kinds: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Unroll what can be unrolled."""
        if func in _LAYERS and not kwargs and _is_plain(args):
            return _LAYERS[func].decompose(*args)
        return func(*args, **(kwargs or {}))


def _is_plain(args: Sequence[Any]) -> bool:
    """Whether the arguments are those of whole sequences, without dropout."""
    if len(args) != 9 or isinstance(args[3], list | tuple):  # of packed sequences, the weights come fourth
        return False
    dropout, training = args[5:7]
    return not (dropout and training)
