"""K slots stepped together, whatever rule, hyperparameters and schedule each one has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tuner.optim.clip import clip_rows_
from tuner.optim.group import Group, Update
from tuner.optim.rows import Rows, rows
from tuner.optim.rule import Numbers, Rule
from tuner.optim.rules import get
from tuner.trial import Value

Trajectory = Callable[[Tensor], Mapping[str, Tensor]]
"""0-based steps [n] in float64 -> the hypers that vary with the step, ``lr`` at least, [n] each."""

HORIZON = 256
"""Steps for which coefficients are computed in one go."""


@dataclass
class _Slot:
    rule: Rule
    hypers: Numbers
    trajectory: Trajectory
    clip_norm: float | None
    steps: int = 0
    first: int = 0  # the step that the first of `rates` is for
    rates: list[float] = field(default_factory=list)

    def hypers_at(self, steps: Tensor) -> Numbers:
        return {**self.hypers, **self.trajectory(steps)}


@dataclass(frozen=True)
class _Plan:
    slots: tuple[int, ...]
    clipped: tuple[tuple[Rows, Tensor], ...]  # with the limits of those rows
    groups: tuple[tuple[Group, Rows], ...]


class Population:
    """K slots of P parameters each. ``params`` and ``grads`` [K, P] are live: write gradients, call ``step``.

    Rules and schedules are pure in the step count, so each slot's coefficients are computed for many steps ahead, in
    float64, and a step only reads a row of that table. A slot's counter, schedule and state are its own: its results
    do not depend on its neighbours.
    """

    def __init__(
        self, slots: int, size: int, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self.params = torch.zeros(slots, size, device=device, dtype=dtype)
        self.grads = torch.zeros_like(self.params)
        self._slots: dict[int, _Slot] = {}
        self._groups: dict[Update, Group] = {}
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._now = 0  # the row of every table that the next step reads
        self._stale: set[int] = set()  # slots whose rows of the table are not those of their next steps

    @torch.no_grad()
    def fill(
        self,
        slot: int,
        rule: str,
        hypers: Mapping[str, Value],
        params: Tensor,
        *,
        schedule: Trajectory,
        clip_norm: float | None = None,
    ) -> None:
        """Start afresh in a slot, whatever was there: parameters [P], completed hypers, no steps done.

        ``schedule`` gives the hypers that vary; ``clip_norm`` bounds the norm of the slot's gradient. Raises
        UnknownNameError for a rule that does not exist.
        """
        self.clear(slot)
        chosen = get(rule)
        numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in hypers.items()}
        state = chosen.init(params.to(self.params)[None])
        filled = _Slot(chosen, numbers, schedule, clip_norm)
        if chosen.update not in self._groups:
            now = torch.zeros(1, dtype=torch.float64)
            coefficients = chosen.coefficients(filled.hypers_at(now), now + 1)
            self._groups[chosen.update] = Group(chosen.update, len(self.params), HORIZON, state, coefficients)
        self._groups[chosen.update].start(slot, state)
        self.params[slot] = params
        self._slots[slot] = filled
        self._stale.add(slot)

    def clear(self, slot: int) -> None:
        """Leave a slot idle. Its parameters stay as they are until it is filled again."""
        self._slots.pop(slot, None)
        used = {filled.rule.update for filled in self._slots.values()}
        self._groups = {update: group for update, group in self._groups.items() if update in used}
        self._stale.discard(slot)
        self._plans.clear()

    @torch.no_grad()
    def step(self, active: Tensor | None = None) -> None:
        """One update of every filled slot, or of those that ``active`` (bool [K], best on the CPU) allows.

        The other slots keep every bit. Gradients are left as they were, except that those of slots with a
        ``clip_norm`` are clipped in place.
        """
        plan = self._plan(self._slots if active is None else [k for k in self._slots if active[k]])
        if self._now == HORIZON:
            self._now = 0
            self._stale.update(self._slots)
        for slot in self._stale.intersection(plan.slots):
            self._tabulate(slot)
        for chosen, limits in plan.clipped:
            chosen.put(self.grads, clip_rows_(chosen.take(self.grads), limits))
        for group, chosen in plan.groups:
            group.step(chosen, self.params, self.grads, self._now)
        for slot in plan.slots:
            self._slots[slot].steps += 1
        self._now += 1
        self._stale.update(self._slots.keys() - plan.slots)

    def lr(self, slot: int) -> float:
        """The base learning rate times its schedule, as the slot's next step will use it."""
        filled = self._slots[slot]
        if not 0 <= filled.steps - filled.first < len(filled.rates):
            self._look_ahead(filled, HORIZON)
        return filled.rates[filled.steps - filled.first]

    def steps(self, slot: int) -> int:
        """Steps done since the slot was filled."""
        return self._slots[slot].steps

    def save(self, slot: int) -> dict[str, Tensor]:
        """A copy of a slot's row: ``params`` [P], ``steps``, and its rule's state as ``state.<name>``."""
        filled = self._slots[slot]
        state = self._groups[filled.rule.update].state
        return {
            "params": self.params[slot].clone(),
            "steps": torch.tensor(filled.steps),
            **{f"state.{name}": tensor[slot].clone() for name, tensor in state.items()},
        }

    @torch.no_grad()
    def load(self, slot: int, saved: Mapping[str, Tensor]) -> None:
        """Put what ``save`` gave into a slot that was filled with the same rule, hypers and schedule.

        It goes on bit for bit as if never interrupted. Raises ValueError where ``saved`` is of another rule.
        """
        filled = self._slots[slot]
        state = self._groups[filled.rule.update].state
        expected = {"params", "steps", *(f"state.{name}" for name in state)}
        if expected != saved.keys():
            raise ValueError(f"{filled.rule.name} saves {sorted(expected)}, got {sorted(saved)}: saved by another rule")
        self.params[slot] = saved["params"]
        for name, tensor in state.items():
            tensor[slot] = saved[f"state.{name}"]
        filled.steps = int(saved["steps"])
        self._stale.add(slot)

    def _tabulate(self, slot: int) -> None:
        filled = self._slots[slot]
        steps, hypers = self._look_ahead(filled, HORIZON - self._now)
        group = self._groups[filled.rule.update]
        group.tabulate(slot, self._now, filled.rule.coefficients(hypers, steps + 1))
        self._stale.discard(slot)

    def _look_ahead(self, filled: _Slot, count: int) -> tuple[Tensor, Numbers]:
        """The next ``count`` steps and the hypers at them; their rates are kept for ``lr``."""
        steps = torch.arange(filled.steps, filled.steps + count, dtype=torch.float64)
        hypers = filled.hypers_at(steps)
        filled.first, filled.rates = filled.steps, hypers["lr"].expand(count).tolist()
        return steps, hypers

    def _plan(self, stepping: Iterable[int]) -> _Plan:
        """Who steps with whom; made once for each set of slots, until one is filled or cleared."""
        slots = tuple(sorted(stepping))
        if slots not in self._plans:
            self._plans[slots] = self._make_plan(slots)
        return self._plans[slots]

    def _make_plan(self, slots: tuple[int, ...]) -> _Plan:
        device = self.params.device
        limits = {k: limit for k in slots if (limit := self._slots[k].clip_norm) is not None}
        members: dict[Update, list[int]] = {}
        for k in slots:
            members.setdefault(self._slots[k].rule.update, []).append(k)
        return _Plan(
            slots=slots,
            clipped=((rows(list(limits), device), self.params.new_tensor([*limits.values()])[:, None]),)
            if limits
            else (),
            groups=tuple((self._groups[update], rows(together, device)) for update, together in members.items()),
        )
