r"""Limited-memory BFGS with a fixed step: a quasi-Newton direction from the last few changes of the gradient.

.. math::
    s_t &= w_t - w_{t-1}, \qquad y_t = g_{t+1} - g_t, \qquad \rho_t = 1 / (y_t^\top s_t) \\
    w_t &= w_{t-1} - lr \, H_t g_t

H is applied by the two-loop recursion over the last ``history_size`` pairs (s, y), starting from
:math:`(s^\top y / y^\top y) I`; a pair with :math:`y^\top s \le 10^{-10}` is not kept. The first step is
:math:`lr \min(1, 1 / \lVert g \rVert_1)` times -g. A slot rests while no entry of its gradient exceeds
``tolerance_grad``, or while its direction goes down by no more than ``tolerance_change``.

State: pairs and their rho (newest first), last gradient and step, scale of H, updates done. The same as torch's LBFGS
with max_iter=1 and no line search. Reference: Liu and Nocedal, "On the limited memory BFGS method for large scale
optimization" (1989); Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, integer
from tuner.optim.hypers import learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.quasi_newton import MOST, advance, init, prepare
from tuner.optim.rule import Numbers, Rule, TorchEquivalent


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {name: h[name] for name in rule.hypers}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place; a row that rests keeps its state."""
    plan = prepare(grads, state, c)
    advance(params, grads, state, plan, plan.lengths)


TWIN = TorchEquivalent(
    optimizer="LBFGS",
    arguments={
        "lr": "lr",
        "history_size": "history_size",
        "tolerance_grad": "tolerance_grad",
        "tolerance_change": "tolerance_change",
    },
    constants={"max_iter": 1},
    state={
        "prev_flat_grad": lambda state, _: state["grad"],
        "H_diag": lambda state, _: state["scale"],
    },
)

rule = Rule(
    name="lbfgs",
    page=__doc__,
    hypers={
        "lr": learning_rate(1.0, 1e-2, 1.0),
        "history_size": Hyper(
            default=10, low=1, high=MOST, integer=True, search=integer(3, MOST), doc="pairs of changes remembered"
        ),
        "tolerance_grad": Hyper(default=1e-7, low=0, doc="rest while no gradient entry is larger"),
        "tolerance_change": Hyper(default=1e-9, low=0, doc="rest while the slope along the step is no steeper"),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    full_batch=True,
    coupled=True,
    torch_equivalent=TWIN,
)
