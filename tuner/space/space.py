"""A validated search space: what a sampler draws from, and what a grid walks over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tuner.space.distributions import Choice, Distribution, Edge, Fixed
from tuner.trial import Params, Value

Suggest = Callable[[str, Distribution], Value]


@dataclass(frozen=True)
class Branch:
    """A parameter whose value decides which others there are.

    ``name`` is ``optimizer`` or ``schedule``; ``options`` gives each entry's own parameters by flat name
    (``{"adamw": {"adamw.lr": Log(1e-4, 0.1)}}``).
    """

    name: str
    options: Mapping[str, Mapping[str, Distribution]]

    @property
    def choice(self) -> Distribution:
        """What the branch itself is drawn from: fixed where there is one option."""
        names = tuple(self.options)
        return Fixed(names[0]) if len(names) == 1 else Choice(names)


@dataclass(frozen=True)
class Space:
    """Every parameter of a configuration; those of a branch are there only under the chosen option.

    A space may instead be a list, ``configurations``, each of them whole: then there is nothing to draw from, and its
    grid is the list, in order.
    """

    branches: tuple[Branch, ...]
    shared: Mapping[str, Distribution]
    configurations: tuple[Params, ...] = ()

    def sample(self, suggest: Suggest) -> dict[str, Value]:
        """One whole configuration, fixed values included.

        ``suggest`` is asked for every parameter that is searched and present, always in the same order: each branch's
        choice, then the parameters of the chosen option, then the shared ones.
        """
        found: dict[str, Value] = {}
        for branch in self.branches:
            chosen = found[branch.name] = _draw(suggest, branch.name, branch.choice)
            found |= {name: _draw(suggest, name, d) for name, d in branch.options[str(chosen)].items()}
        return found | {name: _draw(suggest, name, d) for name, d in self.shared.items()}

    def distributions(self) -> dict[str, Distribution]:
        """Every searched parameter by flat name, branch choices and conditional ones included."""
        return {name: d for name, d in self._parameters() if not isinstance(d, Fixed)}

    def grid(self, points: int) -> Iterator[dict[str, Value]]:
        """Every combination, each a whole configuration; a range gives ``points`` values evenly apart on its scale.

        A range of at most ``points`` whole numbers or steps, and a list, are taken whole.
        """
        if self.configurations:
            yield from map(dict, self.configurations)
            return
        paths = itertools.product(*([(branch, option) for option in branch.options] for branch in self.branches))
        for path in paths:
            present: dict[str, Distribution] = {}
            for branch, option in path:
                present |= {branch.name: Fixed(option), **branch.options[option]}
            present |= self.shared
            for values in itertools.product(*(d.points(points) for d in present.values())):
                yield dict(zip(present, values, strict=True))

    def contains(self, params: Params) -> bool:
        """Whether ``params`` is a configuration of this space: the right parameters, each with a value it can have."""
        if self.configurations:
            return params in self.configurations
        present: dict[str, Distribution] = {}
        for branch in self.branches:
            present |= {branch.name: branch.choice, **branch.options.get(str(params.get(branch.name)), {})}
        present |= self.shared
        return present.keys() == params.keys() and all(d.contains(params[name]) for name, d in present.items())

    def at_edge(self, name: str, value: Value) -> Edge | None:
        """The end of the range of parameter ``name`` that ``value`` lies within 2 % of in its search scale, if any."""
        distribution = self.distributions().get(name)
        return distribution.edge(value) if distribution else None

    def _parameters(self) -> Iterator[tuple[str, Distribution]]:
        for branch in self.branches:
            yield branch.name, branch.choice
            for option in branch.options.values():
                yield from option.items()
        yield from self.shared.items()


def _draw(suggest: Suggest, name: str, distribution: Distribution) -> Value:
    return distribution.value if isinstance(distribution, Fixed) else suggest(name, distribution)
