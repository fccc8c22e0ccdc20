"""From a draft to a space: names looked up in the registries, ranges held against domains, the rest at defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuner.errors import SpecError, UnknownNameError, UsageError
from tuner.hyper import CLIP_NORM, ONE_MINUS, SEED, Hyper, find
from tuner.hyper import Range as SearchRange
from tuner.space.distributions import Choice, Distribution, Fixed, Int, Log, Range, Uniform, is_number
from tuner.space.draft import DefaultRange, Draft, Group, Written
from tuner.space.problems import Path, Problems, brief
from tuner.space.space import Branch, Space

Hypers = Mapping[str, Hyper]
Entries = Mapping[str, Hypers]

CONSTANT = "constant"
_DISTRIBUTIONS: Mapping[str, Callable[[SearchRange], Distribution]] = {
    "uniform": lambda r: Uniform(r.low, r.high),
    "log": lambda r: Log(r.low, r.high),
    "int": lambda r: Int(int(r.low), int(r.high)),
    "choice": lambda r: Choice(r.choices),
}


def build(
    draft: Draft, *, optimizers: Entries, schedules: Entries, workload: Hypers, problems: Problems, at: Path = ()
) -> Space:
    """The space that ``draft`` says. ``optimizers`` and ``schedules`` map names to hyperparameters.

    Every hyperparameter that is not mentioned is fixed at its default, so that a configuration is complete. What is
    wrong is noted in ``problems``; the space is of use only where nothing was.
    """
    branches = build_branches(draft, optimizers=optimizers, schedules=schedules, problems=problems, at=at)
    return Space(branches, build_shared(draft, workload=workload, problems=problems, at=at))


def build_branches(
    draft: Draft, *, optimizers: Entries, schedules: Entries, problems: Problems, at: Path = ()
) -> tuple[Branch, Branch]:
    """The choice of optimizer and of schedule: the part of a space that does not depend on the workload."""
    if not draft.optimizer:
        problems.add((*at, "optimizer"), f"expected at least one optimizer; known: {', '.join(optimizers)}")
    return (
        _branch("optimizer", draft.optimizer, optimizers, problems, (*at, "optimizer")),
        _branch("schedule", draft.schedule, schedules, problems, (*at, "schedule"))
        if draft.schedule
        else Branch("schedule", {CONSTANT: _options(CONSTANT, schedules[CONSTANT], {}, problems, at)}),
    )


def build_shared(draft: Draft, *, workload: Hypers, problems: Problems, at: Path = ()) -> dict[str, Distribution]:
    """``clip_norm`` and the workload's own parameters, by flat name."""
    clip = {} if draft.clip_norm is None else {"clip_norm": draft.clip_norm}
    declared = {key: written for key, written in draft.optional.items() if key in workload}
    # A seed that is searched takes the place of the trial's own; otherwise it is no parameter.
    known = {**workload, "seed": SEED} if "seed" in draft.workload else workload
    return _parameters("space", {"clip_norm": CLIP_NORM}, clip, problems, at) | _parameters(
        "the workload", known, {**declared, **draft.workload}, problems, (*at, "workload")
    )


def _branch(name: str, entries: Mapping[str, Group], known: Entries, problems: Problems, at: Path) -> Branch:
    options = {}
    for entry, group in entries.items():
        if entry not in known:
            problems.add((*at, entry), str(UnknownNameError(name, entry, known)))
            continue
        hypers = known[entry]
        chosen = group or {key: DefaultRange() for key, hyper in hypers.items() if hyper.search is not None}
        options[entry] = _options(entry, hypers, chosen, problems, (*at, entry))
    return Branch(name, options)


def _options(entry: str, hypers: Hypers, group: Group, problems: Problems, at: Path) -> dict[str, Distribution]:
    """The parameters of an optimizer or a schedule by flat name."""
    found = _parameters(entry, hypers, group, problems, at)
    return {f"{entry}.{key}": distribution for key, distribution in found.items()}


def _parameters(owner: str, hypers: Hypers, group: Group, problems: Problems, at: Path) -> dict[str, Distribution]:
    """Every hyperparameter of ``owner``: as written, else fixed at its default; in the order of their declaration."""
    found: dict[str, tuple[str, Distribution]] = {name: (name, Fixed(h.default)) for name, h in hypers.items()}
    spelled: set[str] = set()
    for key, written in group.items():
        try:
            name, hyper = find(owner, hypers, key)
            if name in spelled:
                raise SpecError(f"expected {name} or {ONE_MINUS}{name}, got both")
            spelled.add(name)
            found[name] = _place(key, name, hyper, written)
        except UsageError as error:
            problems.add((*at, key), str(error))
    return dict(found.values())


def _place(key: str, name: str, hyper: Hyper, written: Written) -> tuple[str, Distribution]:
    """What is searched and under which spelling. Raises SpecError where it leaves the hyperparameter's domain."""
    if isinstance(written, DefaultRange):
        if hyper.search is None:
            raise SpecError("expected a range or a value: it has no default range to search")
        return (ONE_MINUS + name if hyper.one_minus else name), _DISTRIBUTIONS[hyper.search.kind](hyper.search)
    if hyper.choices and isinstance(written, Range):
        raise SpecError(f"expected {hyper.expected()}, got a range; write {{choice: [...]}}")
    if hyper.integer and isinstance(written, Uniform | Log):
        raise SpecError(f"expected {hyper.expected()}, got a range of fractions; write {{int: [low, high]}}")
    for end in written.ends():
        if key == name and not hyper.contains(end):
            raise SpecError(f"expected {hyper.expected()}, got {brief(end)}")
        if key != name and not (is_number(end) and hyper.contains(1 - end)):
            raise SpecError(f"expected 1 - {key} {hyper.expected()}, got {key} = {brief(end)}")
    return key, written
