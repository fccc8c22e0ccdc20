r"""Limited-memory BFGS that looks for a good step length along its direction, by losses and gradients there.

.. math:: w_t = w_{t-1} - a_t \, H_t g_t

with H as in ``lbfgs`` and a_t from a search for the strong Wolfe conditions (``tuner.optim.strong_wolfe``) on the same
batch, which starts at lr (at the first step at :math:`lr \min(1, 1 / \lVert g \rVert_1)`) and takes at most 27
evaluations, often two. State: that of ``lbfgs``. The same as torch's LBFGS with max_iter=1 and its line search.
Reference: Liu and Nocedal, "On the limited memory BFGS method for large scale optimization" (1989).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from tuner.optim.kernel import State
from tuner.optim.quasi_newton import advance, dot, init, prepare
from tuner.optim.rule import Numbers, Probe, Rule
from tuner.optim.rules import lbfgs
from tuner.optim.strong_wolfe import Point, Search, search


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, probe: Probe) -> None:
    """One step of every row in place; a row that rests keeps its state."""
    plan = prepare(grads, state, c)
    moving = [k for k, stays in enumerate(plan.stays.flatten().tolist()) if not stays]
    lengths = plan.lengths.clone()
    if moving:
        line = _Line(params[moving], plan.direction[moving], probe, moving)
        slopes = dot(grads[moving], line.direction).flatten().tolist()
        lengths[moving] = _search(line, slopes, lengths[moving].flatten().tolist())
    advance(params, grads, state, plan, lengths)


@dataclass(frozen=True)
class _Line:
    """Points ``start + length * direction`` of n rows [n, P], those at places ``which`` of the rows that step."""

    start: Tensor
    direction: Tensor
    probe: Probe
    which: list[int]

    def at(self, lengths: Mapping[int, float]) -> list[tuple[float, float]]:
        """Losses and slopes where some of the rows have gone these lengths."""
        rows = list(lengths)
        direction = self.direction[rows]
        points = self.start[rows] + direction * direction.new_tensor([*lengths.values()])[:, None]
        losses, grads = self.probe(points, [self.which[i] for i in rows])
        return list(zip(losses.flatten().tolist(), dot(grads, direction).flatten().tolist(), strict=True))


def _search(line: _Line, slopes: list[float], first: list[float]) -> Tensor:
    """A length for each row [n, 1]; all rows that still search are evaluated together."""
    found, reach = list(first), line.direction.abs().amax(1).tolist()
    searches: dict[int, Search] = {}
    wanted: dict[int, float] = {}

    def go_on(i: int, seen: tuple[float, float] | None) -> None:
        try:
            wanted[i] = next(searches[i]) if seen is None else searches[i].send(seen)
        except StopIteration as end:
            wanted.pop(i, None)
            found[i] = end.value

    for i, (value, _) in enumerate(line.at(dict.fromkeys(range(len(first)), 0.0))):
        searches[i] = search(Point(0.0, value, slopes[i]), first[i], reach[i])
        go_on(i, None)
    while wanted:
        for i, seen in zip(list(wanted), line.at(wanted), strict=True):
            go_on(i, seen)
    return line.start.new_tensor(found)[:, None]


rule = Rule(
    name="lbfgs-wolfe",
    page=__doc__,
    hypers=lbfgs.rule.hypers,
    coefficients=lbfgs.coefficients,
    init=init,
    update=update,
    full_batch=True,
    coupled=True,
    probing=True,
    torch_equivalent=dataclasses.replace(
        lbfgs.TWIN, constants={"max_iter": 1, "max_eval": 26, "line_search_fn": "strong_wolfe"}
    ),
)
