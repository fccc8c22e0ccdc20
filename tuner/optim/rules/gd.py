r"""Gradient descent on the whole training set: a step straight downhill.

.. math:: w_t = w_{t-1} - lr \, (g_t + l_2 w_{t-1})

where g is the gradient over all training examples. State: none. Reference: Cauchy, "Méthode générale pour la
résolution des systèmes d'équations simultanées" (1847).
"""

from __future__ import annotations

from tuner.optim.hypers import L2, learning_rate
from tuner.optim.rule import Rule, TorchEquivalent
from tuner.optim.rules.sgd import coefficients

rule = Rule(
    name="gd",
    page=__doc__,
    hypers={"lr": learning_rate(0.1, 1e-3, 10.0), "l2": L2},
    coefficients=coefficients,
    full_batch=True,
    torch_equivalent=TorchEquivalent(optimizer="SGD", arguments={"lr": "lr", "weight_decay": "l2"}),
)
