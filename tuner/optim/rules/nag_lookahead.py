r"""Nesterov's accelerated gradient in the look-ahead form: the gradient is taken where momentum is about to lead.

.. math::
    g_t &= \nabla f(w_{t-1}) + l_2 w_{t-1}, \qquad w_{t-1} = \theta_{t-1} - \mu m_{t-1} \\
    m_t &= \mu m_{t-1} + lr \, g_t, \qquad m_0 = 0 \\
    \theta_t &= \theta_{t-1} - m_t

The stored parameters are the looked-ahead point w itself, so that one gradient, taken there, is enough; told in w alone
the step is :math:`w_t = w_{t-1} - (\mu m_t + lr \, g_t)`, and θ is :math:`w + \mu m`. The momentum m has the rate
inside it: with a constant rate this makes the steps of nag, while under a schedule it keeps the speed it has gathered.
Where μ varies too, w looks ahead by the μ of the step just made. State: m. Reference: Sutskever et al., "On the
importance of initialization and momentum in deep learning" (ICML 2013), eq. 3 and 4, after Nesterov (1983).

>>> import torch
>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("nag-lookahead", [w], lr=0.1, momentum=0.5)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.7000, -2.1000])
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, MOMENTUM, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The rate inside the momentum, and beside it for the newest gradient."""
    return two_moment(lr=1.0, l2=h["l2"], a1=h["momentum"], a2=h["lr"], n1=h["momentum"], n2=h["lr"])


rule = Rule(
    name="nag-lookahead",
    page=__doc__,
    hypers={"lr": learning_rate(0.01, 1e-4, 1.0), "momentum": MOMENTUM, "l2": L2},
    coefficients=coefficients,
)
