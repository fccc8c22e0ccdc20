r"""Each parameter's rate shrinks with the squares of all its gradients so far: rare features keep long steps.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    v_t &= v_{t-1} + g_t^2, \qquad v_0 = 0 \\
    w_t &= w_{t-1} - \frac{lr}{1 + (t - 1)\, lr\_decay} \, \frac{g_t}{\sqrt{v_t + initial\_accumulator} + \epsilon}

State: v. Reference: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization" (JMLR 2011), figure 1, diagonal.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper
from tuner.optim.hypers import L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule, TorchEquivalent


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The gradient over the root of the sum of squares."""
    lr = h["lr"] / (1.0 + (t - 1.0) * h["lr_decay"])
    return two_moment(lr=lr, l2=h["l2"], b1=1.0, b2=1.0, n2=1.0, c=1.0, s=h["initial_accumulator"], d=h["eps"])


rule = Rule(
    name="adagrad",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.01, 1e-3, 1.0),
        "lr_decay": Hyper(default=0.0, low=0, doc="the rate falls as 1 / (1 + lr_decay * steps done)"),
        "initial_accumulator": Hyper(default=0.0, low=0, doc="sum of squares to start from"),
        "eps": epsilon(1e-10),
        "l2": L2,
    },
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="Adagrad",
        arguments={
            "lr": "lr",
            "lr_decay": "lr_decay",
            "initial_accumulator_value": "initial_accumulator",
            "eps": "eps",
            "weight_decay": "l2",
        },
        state={"sum": lambda state, hypers: state["v"] + float(hypers["initial_accumulator"] or 0.0)},
    ),
)
