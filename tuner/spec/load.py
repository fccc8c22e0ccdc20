"""From a file, a text or plain data to a SweepSpec; everything that is wrong is said at once, with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as File

from pydantic import ValidationError

from tuner import space
from tuner.errors import SpecError
from tuner.schedules import is_own
from tuner.space import document
from tuner.space.problems import Problems, Source, brief
from tuner.spec.messages import explain
from tuner.spec.models import SweepSpec
from tuner.spec.registries import check_drives, optimizers, schedules, with_schedules
from tuner.spec.rules import breaches

DEFAULT_SPACE: Mapping[str, object] = {"use": "default"}
RECORD = "the sweep's spec"


def load(path: str | File) -> SweepSpec:
    """The spec in a YAML file. Raises SpecError listing every problem with its line."""
    return parse(document.read_file(path), File(path).name)


def parse(text: str, name: str) -> SweepSpec:
    """The spec in a YAML text; ``name`` is what messages call it, and its stem the sweep's name where none is given.

    The registered optimizers and schedules of the space are checked here; ``search_space`` and ``objectives`` check
    what depends on the user's own code, which is not loaded here. Raises SpecError listing every problem with its line.
    """
    read = document.parse(text, name)
    data = _mapping(read.data, read.source)
    problems = Problems()
    draft = space.read(data.get("space", DEFAULT_SPACE), space.draft_of, problems, ("space",))
    check_drives(draft, problems, ("space",))
    registered = with_schedules(draft, lambda ref: None if is_own(ref) else ref)
    for at, part in registered.parts(("space",)):
        space.build_branches(part, optimizers=optimizers(), schedules=schedules(), problems=problems, at=at)
    return _validate({"name": slug(File(name).stem), **data}, draft, problems, read.source)


def from_data(data: Mapping[str, object]) -> SweepSpec:
    """The spec that ``dump`` gave as plain data. Raises SpecError listing every problem.

    A name that the registries no longer know is no problem here: a sweep on record can always be read.
    """
    source = Source(RECORD)
    plain = _mapping(document.copy_plain(data, RECORD), source)
    problems = Problems()
    draft = space.read(plain.get("space", DEFAULT_SPACE), space.draft_of, problems, ("space",))
    return _validate(plain, draft, problems, source)


def renamed(spec: SweepSpec, name: str) -> SweepSpec:
    """The spec under another name. Raises SpecError where that cannot be one."""
    return from_data({**spec.dump(), "name": name}).read_from(spec.source)


def slug(text: str) -> str:
    """``text`` as a name: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64] or "sweep"


def _mapping(data: document.Plain, source: Source) -> dict[str, document.Plain]:
    if isinstance(data, dict):
        return data
    got = "an empty file" if data is None else brief(data)
    raise SpecError(f"expected a mapping with workload, objective, budget and space, got {got} ({source.place(())})")


def _validate(data: Mapping[str, object], draft: space.Draft, problems: Problems, source: Source) -> SweepSpec:
    # A space that lists its configurations is walked through, any other searched.
    sampler = {"sampler": "grid"} if draft.configurations else {}
    try:
        spec = SweepSpec.model_validate({**sampler, **data, "space": draft.form()})
    except ValidationError as error:
        explain(error, SweepSpec, data, problems)
        raise problems.error(source) from None
    for path, text in breaches(spec):
        problems.add(path, text)
    problems.raise_any(source)
    return spec.read_from(source)
