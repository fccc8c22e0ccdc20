r"""Adam without first moment whose second moment of a matrix is kept as one number a row and one a column.

.. math::
    R_t &= (1 - t^{\tau}) R_{t-1} + t^{\tau} \operatorname{mean}_j(G_t^2)_{ij}, \qquad
    C_t = (1 - t^{\tau}) C_{t-1} + t^{\tau} \operatorname{mean}_i(G_t^2)_{ij} \\
    V_t &= R_t C_t / \max(\operatorname{mean}(R_t), \epsilon_1), \qquad
    U_t = G_t / \max(\sqrt{V_t}, \epsilon_1) \\
    W_t &= (1 - lr \, \lambda) W_{t-1} - \max(\epsilon_2, \operatorname{rms}(W_{t-1})) \min(lr, 1 / \sqrt{t}) \,
        \frac{U_t}{\max(1, \operatorname{rms}(U_t) / d)}

for each tensor, the last two of its dimensions being the matrix; a vector keeps the second moment of each entry in the
place of V. The rms of W is taken before it decays. State: row, column, and v of vectors. Reference: Shazeer and Stern,
"Adafactor: Adaptive Learning Rates with Sublinear Memory Cost" (ICML 2018), algorithms 4 and 5, in torch's form (with
ε₁ at the end, means for sums, decoupled decay).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuner.hyper import Hyper, log, uniform
from tuner.optim.hypers import learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout, Part
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers; the share of the new falls with the step."""
    return {
        "-rate": -torch.minimum(h["lr"], t**-0.5),
        "-lr*decay": -h["lr"] * h["weight_decay"],
        "new": t ** h["beta2_decay"],
        "eps1": h["eps1"],
        "eps2": h["eps2"],
        "d": h["d"],
    }


def init(params: Tensor, *, layout: Layout) -> State:
    """Nothing seen yet."""
    sizes = {name: sum(_sizes(part)[name] for part in layout.parts) for name in ("row", "column", "v")}
    return {name: params.new_zeros(len(params), size) for name, size in sizes.items()}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, layout: Layout) -> None:
    """One step of every row in place."""
    starts = dict.fromkeys(state, 0)
    rms = layout.norms(params) / layout.lengths(params).sqrt()
    params.addcmul_(params, c["-lr*decay"])
    for i, part in enumerate(layout.parts):
        g, w = (x[:, part.start : part.stop] for x in (grads, params))
        own = {}
        for name, size in _sizes(part).items():
            own[name] = state[name][:, starts[name] : starts[name] + size]
            starts[name] += size
        u = g * torch.maximum(_second_moment(g, own, part, c), c["eps1"] ** 2).rsqrt_()
        excess = torch.linalg.vector_norm(u, dim=1, keepdim=True) / (math.sqrt(u.shape[1]) * c["d"])
        w.addcmul_(u, c["-rate"] * torch.maximum(rms[:, i : i + 1], c["eps2"]) / excess.clamp_min(1.0))


def _second_moment(g: Tensor, own: State, part: Part, c: Numbers) -> Tensor:
    """Of one tensor [K, n], from its own share of the state, which is brought up to date."""
    if len(part.shape) < 2:
        return own["v"].copy_(torch.lerp(own["v"], g * g, c["new"]))
    rows, columns = part.shape[-2:]
    squares = g.view(len(g), -1, rows, columns).square()
    for name, dim in (("row", -1), ("column", -2)):
        own[name].copy_(torch.lerp(own[name], squares.mean(dim).flatten(1), c["new"]))
    row, column = own["row"].view(len(g), -1, rows, 1), own["column"].view(len(g), -1, 1, columns)
    scale = torch.maximum(row.mean(-2, keepdim=True), c["eps1"][..., None, None])
    return (row * column / scale).flatten(1)


def _sizes(part: Part) -> dict[str, int]:
    """How many numbers are kept of a tensor."""
    size = part.stop - part.start
    if len(part.shape) < 2:
        return {"row": 0, "column": 0, "v": size}
    return {"row": size // part.shape[-1], "column": size // part.shape[-2], "v": 0}


rule = Rule(
    name="adafactor",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-2, 1e-4, 1.0),
        "beta2_decay": Hyper(default=-0.8, high=0, search=uniform(-1.0, -0.5), low=-2.0, doc="power of the step count"),
        "eps1": Hyper(default=2.0**-23, low=0, low_open=True, doc="smallest root of the second moment"),
        "eps2": Hyper(default=1e-3, low=0, low_open=True, search=log(1e-4, 1e-1), doc="smallest size of parameters"),
        "d": Hyper(default=1.0, low=1, doc="largest rms of a step, in units of the rate"),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    structured=True,
    torch_equivalent=TorchEquivalent(
        optimizer="Adafactor",
        arguments={
            "lr": "lr",
            "beta2_decay": "beta2_decay",
            "eps": ("eps1", "eps2"),
            "d": "d",
            "weight_decay": "weight_decay",
        },
        state={"row_var": kept("row"), "col_var": kept("column"), "variance": kept("v")},
    ),
)
