r"""SGD with one rate for the whole model that shrinks with all gradients so far: no guess of the curvature is needed.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    b_t^2 &= b_{t-1}^2 + \lVert g_t \rVert_2^2 \\
    w_t &= w_{t-1} - \frac{lr}{b_t} \, g_t

with the norm over all parameters of a model. State: the sum of squared norms, without b0². Reference: Ward, Wu and
Bottou, "AdaGrad stepsizes: Sharp convergence over nonconvex landscapes" (arXiv:1806.01811), algorithm 1.

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([3.0, -4.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("adagrad-norm", [w], lr=1.0)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> w.detach()
tensor([ 2.4000, -3.2000])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.optim.hypers import L2, learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {"-lr": -h["lr"], "b0^2": h["b0"] ** 2, "l2": h["l2"]}


def init(params: Tensor) -> State:
    """No gradient yet."""
    return {"squares": params.new_zeros(len(params), 1)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    g = torch.addcmul(grads, params, c["l2"])
    squares = state["squares"].add_((g * g).sum(1, keepdim=True))
    params.addcmul_(g, c["-lr"] / (squares + c["b0^2"]).sqrt_())


rule = Rule(
    name="adagrad-norm",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.1, 1e-3, 10.0),
        "b0": Hyper(default=1e-2, low=1e-10, search=log(1e-4, 10.0), doc="what b starts from; lr / b0 bounds the rate"),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    coupled=True,
)
