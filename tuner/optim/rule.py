"""What an update rule is, and what it says about its counterpart in torch.optim."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from tuner.hyper import Hyper
from tuner.optim import kernel
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout
from tuner.trial import Value

Numbers = Mapping[str, Tensor]
"""Hyperparameters or coefficients by name."""

Update = Callable[[Tensor, Tensor, State, Numbers], None]
"""(params, grads, state, coefficients): one step in place."""

Probe = Callable[[Tensor, Sequence[int]], tuple[Tensor, Tensor]]
"""Other points [n, P] for n of the rows that are stepping -> their losses [n, 1] and gradients [n, P] there.

On the batch, and with the random numbers, of this step. What an update was given stays as it is.
"""


@dataclass(frozen=True, kw_only=True)
class TorchEquivalent:
    """The same rule in torch.optim, as data.

    ``arguments`` maps each argument of torch's class to the hyper that fills it, or to several (``betas``);
    ``constants`` are the arguments that never vary; ``state`` maps names in torch's per-parameter state to functions
    of this rule's state and hypers.
    """

    optimizer: str
    arguments: Mapping[str, str | tuple[str, ...]]
    constants: Mapping[str, Value] = field(default_factory=dict)
    state: Mapping[str, Callable[[State, Mapping[str, Value]], Tensor]] = field(default_factory=dict)

    def keywords(self, hypers: Mapping[str, Value]) -> dict[str, Any]:
        """Keyword arguments of ``torch.optim.<optimizer>`` for completed ``hypers``."""
        named = {
            argument: hypers[source] if isinstance(source, str) else tuple(hypers[s] for s in source)
            for argument, source in self.arguments.items()
        }
        return {**named, **self.constants}


def kept(name: str) -> Callable[[State, Mapping[str, Value]], Tensor]:
    """A state tensor that both keep, ``name`` being this rule's word for it."""
    return lambda state, _: state[name]


MOMENTS = {"exp_avg": kept("m"), "exp_avg_sq": kept("v")}
"""Where torch's Adam family keeps the two moments."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An update rule for a population: every tensor leads with K slots, and slots never mix.

    ``coefficients(h, t)`` maps hypers and the 1-based step count, float64 and broadcasting against each other, to the
    numbers that ``update`` reads: pure in t, so many future steps of one slot can be asked for at once.
    ``init(params)`` gives the state of a fresh start, ``update(params, grads, state, c)`` makes one step in place from
    [K, P] rows and [K, 1] coefficients and leaves ``grads`` alone. Rules with one ``update`` between them step
    together; by default it is the two-moment kernel. Every state tensor leads with K and holds floating-point numbers.

    ``full_batch``: made for the gradient of the whole training set. ``coupled``: a parameter's step depends on
    parameters of other tensors, so all of a model must lie in one row. ``structured``: it looks at tensors, so
    ``init`` and ``update`` take the keyword ``layout``. ``probing``: it needs gradients at other points, so ``update``
    takes the keyword ``probe``. ``evaluated`` names the state tensor that holds the weights to evaluate where these
    are not the parameters. ``decay`` names the coefficients of weight decay, each a factor: they may come as [K, P].
    """

    name: str
    page: str
    hypers: Mapping[str, Hyper]
    coefficients: Callable[[Numbers, Tensor], Coefficients]
    init: Callable[..., State] = kernel.init
    update: Callable[..., None] = kernel.update
    full_batch: bool = False
    coupled: bool = False
    structured: bool = False
    probing: bool = False
    evaluated: str | None = None
    decay: tuple[str, ...] = ("l2", "-lr*decay")
    torch_equivalent: TorchEquivalent | None = None

    @property
    def doc(self) -> str:
        """The first sentence of ``page``, the rule's own docstring."""
        return self.page.strip().splitlines()[0]

    def fresh(self, params: Tensor, layout: Layout) -> State:
        """The state of a fresh start at ``params`` [K, P]."""
        return self.init(params, layout=layout) if self.structured else self.init(params)

    def stepping(self, layout: Layout, probe: Probe) -> Update:
        """``update`` with what it needs besides the rows."""
        needs = {**({"layout": layout} if self.structured else {}), **({"probe": probe} if self.probing else {})}
        return functools.partial(self.update, **needs) if needs else self.update


def sparing(update: Update, decay: Sequence[str], decays: Tensor) -> Update:
    """``update`` with the coefficients named in ``decay`` at work only where ``decays`` [P] is 1, not where it is 0."""

    def spared(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
        update(params, grads, state, {**c, **{name: c[name] * decays for name in decay if name in c}})

    return spared
