"""A small transformer that learns to write like Python's help pages, one character at a time."""

from __future__ import annotations

import functools
import string
from typing import ClassVar

import torch
from torch import Tensor, nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.networks import DROPOUT, dropped
from tuner.workloads.tasks import Classification

CONTEXT = 64
_HEAD_WIDTH = 16
# Any other character is read as the last of these.
_ALPHABET = [*sorted(set(string.printable) - set("\t\r\x0b\x0c")), "\N{REPLACEMENT CHARACTER}"]
_VALID_WINDOWS = 128


@WORKLOADS.register("char-transformer")
class CharTransformer(Classification):
    """A causal transformer predicts each next character of the help pages that every CPython carries.

    The text is ``pydoc_data.topics``, so it differs a little between versions of Python. Metrics are per character;
    ``loss`` is in nats.
    """

    hypers: ClassVar = {
        "width": Hyper(
            default=64,
            choices=(16, 32, 64, 128, 256),
            search=choice(32, 64, 128),
            doc=f"features of a character, in heads of {_HEAD_WIDTH}",
        ),
        "layers": Hyper(default=2, low=1, integer=True, search=choice(1, 2, 4), doc="blocks of attention and MLP"),
        "dropout": DROPOUT,
    }
    default_steps: ClassVar = 500

    def data(self) -> Split:
        """Windows of 64 characters as whole numbers [N, 64], and the same windows one character later."""
        return _split()

    def model(self, width: int, layers: int, dropout: float) -> nn.Module:
        """[N, T] with T up to 64 -> logits [N, T, characters]."""
        return _Transformer(width, layers, dropout)


class _Transformer(nn.Module):
    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.characters = nn.Embedding(len(_ALPHABET), width)
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT, width))
        self.blocks = nn.Sequential(*(_Block(width, dropout) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(_ALPHABET)))

    def forward(self, inputs: Tensor) -> Tensor:
        embedded = self.characters(inputs) + self.positions[: inputs.shape[-1]]
        logits: Tensor = self.head(self.blocks(embedded))
        return logits


class _Block(nn.Module):
    """Attention, then an MLP, each normalised before and added to its input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(width), _CausalAttention(width), dropped(dropout))
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), dropped(dropout)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        attended = inputs + self.attend(inputs)
        outputs: Tensor = attended + self.think(attended)
        return outputs


class _CausalAttention(nn.Module):
    """Written out: torch's fused attention has no batching rule on CPU, and would run the slots one by one."""

    hidden: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self._heads = width // _HEAD_WIDTH
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.register_buffer("hidden", torch.ones(CONTEXT, CONTEXT).triu(1).bool())

    def forward(self, inputs: Tensor) -> Tensor:
        examples, length, width = inputs.shape
        query, key, value = self.project(inputs).reshape(examples, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        weights = scores.masked_fill(self.hidden[:length, :length], float("-inf")).softmax(-1)
        merged: Tensor = self.merge((weights @ value).transpose(1, 2).reshape(examples, length, width))
        return merged


@functools.cache
def _split() -> Split:
    """Every tenth stretch of 20 paragraphs is held out.

    Help pages repeat one another, indented anew: a paragraph is used once, or most of what is held out would be known.
    """
    from pydoc_data.topics import topics  # noqa: PLC0415 - half a megabyte that other workloads do without

    pages = (topics[name] for name in sorted(topics))
    paragraphs = {" ".join(text.split()): text for page in pages for text in page.split("\n\n")}.values()
    train = [text for number, text in enumerate(paragraphs) if number // 20 % 10 != 9]
    valid = [text for number, text in enumerate(paragraphs) if number // 20 % 10 == 9]
    valid_inputs, valid_targets = _windows(valid)
    return Split(train=_windows(train), valid=(valid_inputs[:_VALID_WINDOWS], valid_targets[:_VALID_WINDOWS]))


def _windows(paragraphs: list[str]) -> tuple[Tensor, Tensor]:
    """The text cut into windows that follow one another: characters [N, 64], and the character after each [N, 64]."""
    codes = {character: code for code, character in enumerate(_ALPHABET)}
    other = len(_ALPHABET) - 1
    text = torch.tensor([codes.get(character, other) for character in "\n\n".join(paragraphs)])
    count = (len(text) - 1) // CONTEXT
    return text[: count * CONTEXT].reshape(count, CONTEXT), text[1 : count * CONTEXT + 1].reshape(count, CONTEXT)
