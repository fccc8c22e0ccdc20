"""Optimizers and schedules as a space sees them, names and hyperparameters: the registered ones, and users' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tuner import optim
from tuner import schedules as shapes
from tuner.errors import TunerError, UsageError
from tuner.hyper import DRIVE, THEN, Hyper
from tuner.space import Draft, Problems
from tuner.space.draft import Group
from tuner.space.problems import Path
from tuner.trial import owner

Entries = Mapping[str, Mapping[str, Hyper]]
REHEARSED = 100  # steps at which a user's own schedule is tried


def optimizers() -> Entries:
    """Every optimizer's hyperparameters."""
    return {name: optim.get(name).hypers for name in optim.names()}


def schedules() -> Entries:
    """Every registered schedule's hyperparameters."""
    return {name: shapes.get(name).hypers for name in shapes.names()}


def own_schedules(draft: Draft, steps: int | None, problems: Problems, at: Path) -> Entries:
    """The hyperparameters of the schedules in users' own code that ``draft`` names: loaded, tried, and pinned.

    They are tried with their defaults over a run of ``steps``. What is wrong, whatever that code raised included, is
    noted in ``problems``.
    """
    found: dict[str, Mapping[str, Hyper]] = {}
    total = steps or REHEARSED
    taken = {**dict.fromkeys(optim.names(), "an optimizer"), **dict.fromkeys(shapes.names(), "a schedule")}
    taken |= dict.fromkeys((DRIVE.removesuffix("."), THEN.removesuffix(".")), "a section of parameters")
    for place, ref in named(draft, at):
        if ref in found or not shapes.is_own(ref):
            continue
        try:
            if (name := owner(ref)) in taken:
                raise UsageError(f"{name} is the name of {taken[name]} already; call {ref} something else")
            schedule = shapes.load(ref)
            for n in range(REHEARSED):
                schedule(n * total // REHEARSED, total)
        except TunerError as error:
            problems.add(place, str(error))
        else:
            shapes.pin(ref, schedule)
            found[ref] = schedule.hypers
            taken[name] = f"another schedule, {ref},"
    return found


def check_drives(draft: Draft, problems: Problems, at: Path) -> None:
    """Note every registered schedule that follows a metric and is to move another hyperparameter than the rate."""
    for place, part in draft.parts(at):
        for name, entries in part.drives.items():
            for ref in entries.keys() & set(shapes.names()):
                try:
                    shapes.get_fixed(ref, f"give {name} another schedule")
                except UsageError as error:
                    problems.add((*place, "drives", name, ref), str(error))


def with_schedules(draft: Draft, rename: Callable[[str], str | None]) -> Draft:
    """``draft`` with its schedules called as ``rename`` says, and without those for which it says None."""

    def renamed(entries: Mapping[str, Group]) -> Mapping[str, Group]:
        return {name: group for ref, group in entries.items() if (name := rename(ref)) is not None}

    return replace(
        draft,
        schedule=renamed(draft.schedule),
        drives={name: renamed(entries) for name, entries in draft.drives.items()},
        configurations=tuple(with_schedules(one, rename) for one in draft.configurations),
    )


def named(draft: Draft, at: Path) -> Iterator[tuple[Path, str]]:
    """Every schedule that a draft names, with its place."""
    for place, part in draft.parts(at):
        yield from (((*place, "schedule", ref), ref) for ref in part.schedule)
        yield from (((*place, "drives", name, ref), ref) for name, refs in part.drives.items() for ref in refs)
