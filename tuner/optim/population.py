"""K slots stepped together, whatever rule, hyperparameters and schedule each one has."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.optim.clip import clip_norms_, clip_units_, clip_values_
from tuner.optim.followers import AVERAGES
from tuner.optim.group import Group
from tuner.optim.kernel import State
from tuner.optim.layout import Layout
from tuner.optim.options import Options
from tuner.optim.probe import Evaluate, RowProbe, sharpened
from tuner.optim.rows import Rows, rows
from tuner.optim.rule import Rule
from tuner.optim.slot import Piece, Slot, follower_pieces, rule_piece
from tuner.optim.stage import Then, Trajectory, hand_over, stages
from tuner.trial import Value

HORIZON = 256
"""Steps for which coefficients are computed in one go."""


@dataclass(frozen=True)
class _Joint:
    """Slots that do the same thing at once, with one number each [n, 1] where the thing needs one."""

    slots: tuple[int, ...]
    rows: Rows
    numbers: Tensor


@dataclass(frozen=True)
class _Turn:
    group: Group
    members: _Joint
    probing: bool


@dataclass(frozen=True)
class _Plan:
    slots: tuple[int, ...]
    bounds: Mapping[str, _Joint]  # by the option that asks for it
    turns: tuple[_Turn, ...]
    probing: bool


class Population:
    """K slots of P parameters each. ``params`` and ``grads`` [K, P] are live: write gradients, call ``step``.

    Rules and schedules are pure in the step count, so each slot's coefficients are computed for many steps ahead, in
    float64, and a step only reads a row of that table. A slot's counter, schedule and state are its own: its results
    do not depend on its neighbours. ``size`` is P, or the layout of the P parameters, which some rules look at; plain
    P is one vector. Parameters of half precision are stepped in float32 and rounded once; their state is in float32.
    """

    def __init__(
        self,
        slots: int,
        size: int | Layout,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.layout = size if isinstance(size, Layout) else Layout.of([(size,)])
        self.params = torch.zeros(slots, self.layout.size, device=device, dtype=dtype)
        self.grads = torch.zeros_like(self.params)
        self._probe = RowProbe(self.params, self.grads)
        self._slots: dict[int, Slot] = {}
        self._groups: dict[Hashable, Group] = {}
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
        options: Options | None = None,
        then: Sequence[Then] = (),
    ) -> None:
        """Start afresh in a slot, whatever was there: parameters [P], completed hypers, no steps done.

        ``schedule`` gives the hypers that vary; ``then`` are rules that take over later. Raises UnknownNameError for a
        rule that does not exist.
        """
        planned = stages(rule, hypers, schedule, then)
        self.clear(slot)
        self.params[slot] = params
        self._slots[slot] = filled = Slot(planned, options or Options())
        filled.pieces = [self._rule_piece(filled), *follower_pieces(filled.options)]
        for piece in filled.pieces:
            self._begin(slot, piece, piece.fresh(self._wide(self.params[slot])[None]))

    def clear(self, slot: int) -> None:
        """Leave a slot idle. Its parameters stay as they are until it is filled again."""
        self._slots.pop(slot, None)
        self._stale.discard(slot)
        self._drop_unused()

    @torch.no_grad()
    def step(self, active: Tensor | None = None, evaluate: Evaluate | None = None) -> None:
        """One update of every filled slot, or of those that ``active`` (bool [K], best on the CPU) allows.

        The other slots keep every bit. Gradients are left as they were, except that those of slots with ``sam_rho`` or
        a bound are replaced by what the rule gets. ``evaluate`` serves slots that need gradients at other points;
        raises UsageError where one does and it is missing.
        """
        plan = self._plan(self._slots if active is None else [k for k in self._slots if active[k]])
        if self._now == HORIZON:
            self._now = 0
            self._stale.update(self._slots)
        for slot in self._stale.intersection(plan.slots):
            self._tabulate(slot)
        if plan.probing:
            self._probe.aim(plan.slots, evaluate)
        self._bound(plan)
        params, grads = self._wide(self.params), self._wide(self.grads)
        for turn in plan.turns:
            if turn.probing:
                self._probe.aim(turn.members.slots, evaluate)
            turn.group.step(turn.members.rows, params, grads, self._now)
        if params is not self.params:
            self.params.copy_(params)
        for slot in plan.slots:
            filled = self._slots[slot]
            filled.steps += 1
            if filled.is_past_stage():
                self._switch(slot)
        self._now += 1
        self._stale.update(self._slots.keys() - plan.slots)

    def lr(self, slot: int) -> float:
        """The base learning rate times its schedule, as the slot's next step will use it."""
        filled = self._slots[slot]
        if not 0 <= filled.steps - filled.first < len(filled.rates):
            filled.look_ahead(HORIZON)
        return filled.rates[filled.steps - filled.first]

    def steps(self, slot: int) -> int:
        """Steps done since the slot was filled."""
        return self._slots[slot].steps

    def rule(self, slot: int) -> Rule:
        """The rule that makes the slot's next step."""
        return self._slots[slot].now.rule

    def uses_probe(self, slot: int) -> bool:
        """Whether the slot's next step needs gradients at other points."""
        return self._slots[slot].uses_probe()

    def weights(self, slot: int) -> dict[str, Tensor]:
        """What is worth evaluating, each [P]: the slot's weights as ``""``, and its averages ``ema``, ``swa``."""
        evaluated = self.rule(slot).evaluated
        state = {piece.name: self._state(slot, piece) for piece in self._slots[slot].pieces}
        raw = self.params[slot] if evaluated is None else state["state"][evaluated][0]
        return {"": raw, **{name: state[name]["weights"][0] for name in AVERAGES if name in state}}

    def save(self, slot: int) -> dict[str, Tensor]:
        """A copy of a slot's row: ``params`` [P], ``steps``, its rule's state as ``state.<name>``, its averages."""
        filled = self._slots[slot]
        return {
            "params": self.params[slot].clone(),
            "steps": torch.tensor(filled.steps),
            **{
                f"{piece.name}.{name}": row[0].clone()
                for piece in filled.pieces
                for name, row in self._state(slot, piece).items()
            },
        }

    @torch.no_grad()
    def load(self, slot: int, saved: Mapping[str, Tensor]) -> None:
        """Put what ``save`` gave into a slot that was filled with the same rules, hypers, schedules and options.

        It goes on bit for bit as if never interrupted. Raises ValueError where ``saved`` is of another rule.
        """
        filled = self._slots[slot]
        filled.steps = int(saved["steps"])
        if (stage := filled.stage_at(filled.steps)) != filled.stage:
            self._enter(slot, stage)
        states = {piece.name: self._state(slot, piece) for piece in filled.pieces}
        expected = {"params", "steps", *(f"{piece}.{name}" for piece, state in states.items() for name in state)}
        if expected != saved.keys():
            raise ValueError(
                f"{filled.now.rule.name} saves {sorted(expected)}, got {sorted(saved)}: saved by another rule"
            )
        self.params[slot] = saved["params"]
        for piece, state in states.items():
            for name, row in state.items():
                row[0] = saved[f"{piece}.{name}"]
        self._stale.add(slot)

    def _rule_piece(self, filled: Slot) -> Piece:
        return rule_piece(filled, self.layout, self._probe, self._wide(self.params[:0]))

    def _wide(self, tensor: Tensor) -> Tensor:
        """Half precision as float32; anything wider is itself."""
        return tensor.float() if tensor.dtype.itemsize < 4 else tensor

    def _state(self, slot: int, piece: Piece) -> State:
        """Views [1, ...] of a slot's rows of what a piece keeps."""
        return {name: tensor[slot : slot + 1] for name, tensor in self._groups[piece.key].state.items()}

    def _begin(self, slot: int, piece: Piece, state: State) -> None:
        if piece.key not in self._groups:
            now = piece.coefficients(torch.zeros(1, dtype=torch.float64))
            self._groups[piece.key] = Group(piece.update, len(self.params), HORIZON, state, now)
        self._groups[piece.key].start(slot, state)
        self._stale.add(slot)
        self._plans.clear()

    def _switch(self, slot: int) -> None:
        """Go over to the slot's next stage, with what of the state means something there."""
        filled = self._slots[slot]
        last, state = filled.now, self._state(slot, filled.pieces[0])
        new = filled.stages[filled.stage + 1]
        self._enter(slot, filled.stage + 1, hand_over(last, new, state) if new.goes_on else None)

    def _enter(self, slot: int, stage: int, state: State | None = None) -> None:
        """Put a slot into one of its stages, with a fresh state where none is given."""
        filled = self._slots[slot]
        filled.stage, filled.rates = stage, []
        piece = filled.pieces[0] = self._rule_piece(filled)
        self._begin(slot, piece, state or piece.fresh(self._wide(self.params[slot])[None]))
        self._drop_unused()

    def _drop_unused(self) -> None:
        used = {piece.key for filled in self._slots.values() for piece in filled.pieces}
        self._groups = {key: group for key, group in self._groups.items() if key in used}
        self._plans.clear()

    def _tabulate(self, slot: int) -> None:
        filled = self._slots[slot]
        steps = filled.look_ahead(HORIZON - self._now)
        for piece in filled.pieces:
            self._groups[piece.key].tabulate(slot, self._now, piece.coefficients(steps))
        self._stale.discard(slot)

    def _bound(self, plan: _Plan) -> None:
        """Make each slot's gradient what its options ask for, in place."""
        for option, joint in plan.bounds.items():
            grads, params = joint.rows.take(self.grads), joint.rows.take(self.params)
            if option == "sam_rho":
                which = [plan.slots.index(slot) for slot in joint.slots]
                grads.copy_(sharpened(params, grads, joint.numbers, lambda at, w=which: self._probe(at, w)[1]))  # type: ignore[misc]
            elif option == "clip_value":
                clip_values_(grads, joint.numbers)
            elif option == "clip_adaptive":
                clip_units_(grads, joint.numbers, params, self.layout)
            else:
                clip_norms_(grads, joint.numbers)
            joint.rows.put(self.grads, grads)

    def _plan(self, stepping: Iterable[int]) -> _Plan:
        """Who steps with whom; made once for each set of slots, until one is filled, cleared or switched."""
        slots = tuple(sorted(stepping))
        if slots not in self._plans:
            self._plans[slots] = self._make_plan(slots)
        return self._plans[slots]

    def _make_plan(self, slots: tuple[int, ...]) -> _Plan:
        bounds = {}
        for option in ("sam_rho", "clip_value", "clip_adaptive", "clip_norm"):
            numbers = {k: x for k in slots if (x := getattr(self._slots[k].options, option)) is not None}
            if numbers:
                bounds[option] = self._joint(numbers)
        members: dict[tuple[int, Hashable], list[int]] = {}
        probing = set()
        for k in slots:
            for piece in self._slots[k].pieces:
                members.setdefault((piece.order, piece.key), []).append(k)
                if piece.probing:
                    probing.add(piece.key)
        turns = tuple(
            _Turn(self._groups[key], self._joint(dict.fromkeys(together, 0.0)), key in probing)
            for (_, key), together in sorted(members.items(), key=lambda item: item[0][0])
        )
        return _Plan(slots, bounds, turns, any(self._slots[k].uses_probe() for k in slots))

    def _joint(self, numbers: Mapping[int, float]) -> _Joint:
        column = self._wide(self.params[:0]).new_tensor([*numbers.values()])[:, None]
        return _Joint(tuple(numbers), rows(list(numbers), self.params.device), column)
