"""What a spec that comes over HTTP may name: registered things only, nothing that lies on this machine or elsewhere.

Nothing that it names is looked up before this was checked.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from tuner import spec as specs
from tuner import workloads
from tuner.errors import SpecError, TunerError, suggest
from tuner.space import Problems
from tuner.space.problems import brief
from tuner.spec import SweepSpec
from tuner.spec.load import slug
from tuner.trial import Sweep

_HERE = "a spec that comes over HTTP names no code; run it where its files are: `tuner run`, `tuner submit`"


def read(body: bytes, kind: str, source: str) -> tuple[SweepSpec, str]:
    """The spec in a request's body, and the body as text. ``kind`` is json or yaml, ``source`` what messages call it.

    Raises SpecError listing every problem.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"expected text in UTF-8, got other bytes ({source})") from None
    return (specs.parse(text, source) if kind == "yaml" else _from_json(text, source)), text


def check(spec: SweepSpec, allowed: Collection[str]) -> None:
    """Raise SpecError unless the spec names an ``allowed`` workload, schedules that are registered, and no address."""
    specs.refuse_own(spec, _HERE)
    problems = Problems()
    if spec.workload not in allowed:
        known = sorted(allowed)
        near = suggest(spec.workload, known)
        problems.add(("workload",), f"expected one of {', '.join(known)}, got {brief(spec.workload)}{near}")
    if getattr(spec.executor, "address", None) is not None:
        problems.add(
            ("executor", "address"),
            "expected none: where a sweep runs is the service's to say; leave it out, or give a target",
        )
    if spec.executor.name == "simulated":
        problems.add(("executor",), "expected ray or inline, got simulated: that is for `tuner simulate`")
    problems.raise_any(spec.source)


def is_registered(sweep: Sweep) -> bool:
    """Whether nothing that a recorded sweep names is code outside tuner itself."""
    try:
        check(specs.from_data({**sweep.spec, "executor": "inline"}), workloads.names())
    except TunerError:
        return False
    return True


def _from_json(text: str, source: str) -> SweepSpec:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise SpecError(f"{brief(key)} is given twice ({source})")
            found[key] = value
        return found

    def refuse(word: str) -> object:
        raise SpecError(f"expected a finite number, got {word} ({source})")

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise SpecError(f"not valid JSON: {error.msg} ({source}:{error.lineno})") from None
    except (RecursionError, ValueError) as error:  # nested without end; a number of thousands of digits
        raise SpecError(f"not valid JSON: {str(error).partition(';')[0]} ({source})") from None
    if not isinstance(data, dict):
        raise SpecError(f"expected an object with workload, objective, budget and space, got {brief(data)} ({source})")
    return specs.from_data({"name": slug(source.rpartition(".")[0] or source), **data})
