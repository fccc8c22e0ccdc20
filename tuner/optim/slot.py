"""One slot of a population: the stages of its rule, what stands around the rule, and how many steps are done."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tuner.optim.followers import FOLLOWERS, Follower, init
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout, is_matrix
from tuner.optim.options import Options
from tuner.optim.rule import Probe, Update, sparing
from tuner.optim.stage import Stage


@dataclass(frozen=True, eq=False)
class Piece:
    """Something that a slot does at each step. Pieces of one ``key`` do it together.

    ``order`` is its turn within a step; ``name`` opens the names of its saved state; ``coefficients`` are those at
    0-based steps of the slot; ``fresh`` is its state at parameters [1, P].
    """

    name: str
    order: int
    key: Hashable
    update: Update
    coefficients: Callable[[Tensor], Coefficients]
    fresh: Callable[[Tensor], State]
    probing: bool = False


@dataclass
class Slot:
    """A filled slot. ``stage`` is the one that makes its next step."""

    stages: tuple[Stage, ...]
    options: Options
    pieces: list[Piece] = field(default_factory=list)
    stage: int = 0
    steps: int = 0
    first: int = 0  # the step that the first of `rates` is for
    rates: list[float] = field(default_factory=list)

    @property
    def now(self) -> Stage:
        """The stage at work."""
        return self.stages[self.stage]

    def stage_at(self, steps: int) -> int:
        """Which stage is at work once ``steps`` steps are done."""
        return sum(stage.start <= steps for stage in self.stages) - 1

    def is_past_stage(self) -> bool:
        """Whether the next step belongs to the next stage."""
        return self.stage + 1 < len(self.stages) and self.steps >= self.stages[self.stage + 1].start

    def look_ahead(self, count: int) -> Tensor:
        """The next ``count`` steps; their rates are kept for ``lr``."""
        steps = torch.arange(self.steps, self.steps + count, dtype=torch.float64)
        self.first, self.rates = self.steps, self.now.hypers_at(steps)["lr"].expand(count).tolist()
        return steps

    def uses_probe(self) -> bool:
        """Whether its steps need gradients at other points."""
        return self.now.rule.probing or self.options.sam_rho is not None


def rule_piece(slot: Slot, layout: Layout, probe: Probe, like: Tensor) -> Piece:
    """The rule of the slot's present stage. ``like`` has the type and device of what is computed."""
    stage = slot.now
    rule = stage.rule
    update = rule.stepping(layout, probe)
    if slot.options.decay_exclude == "vectors":
        update = sparing(update, rule.decay, layout.mask(like, is_matrix))
    return Piece(
        name="state",
        order=0,
        key=(rule.update, slot.options.decay_exclude),
        update=update,
        coefficients=stage.coefficients,
        fresh=lambda params: rule.fresh(params, layout),
        probing=rule.probing,
    )


def follower_pieces(options: Options) -> list[Piece]:
    """The copies that the options ask for."""
    return [
        Piece(
            name=follower.name,
            order=order,
            key=follower.name,
            update=follower.update,
            coefficients=_rates(follower, options),
            fresh=init,
        )
        for order, follower in enumerate(FOLLOWERS, start=1)
        if follower.wanted(options)
    ]


def _rates(follower: Follower, options: Options) -> Callable[[Tensor], Coefficients]:
    return lambda steps: follower.coefficients(options, steps + 1.0)
