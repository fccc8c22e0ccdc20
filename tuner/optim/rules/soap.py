r"""Adam in a rotated frame: the axes of a matrix's gradients, found again every few steps as in Shampoo.

.. math::
    L_t &= \beta_2 L_{t-1} + (1 - \beta_2) G_t G_t^\top, \qquad
    R_t = \beta_2 R_{t-1} + (1 - \beta_2) G_t^\top G_t \\
    M_t &= \beta_1 M_{t-1} + (1 - \beta_1) G_t, \qquad
    V_t = \beta_2 V_{t-1} + (1 - \beta_2) (Q_L^\top G_t Q_R)^2 \\
    N_t &= \frac{Q_L^\top M_t Q_R / (1 - \beta_1^t)}{\sqrt{V_t / (1 - \beta_2^t)} + \epsilon} \\
    W_t &= (1 - lr \, \lambda) W_{t-1} - lr \, Q_L N_t Q_R^\top

The first gradient moves nothing: Q_L and Q_R become the eigenvectors of L and R (along which that gradient would be a
diagonal, the rest rounding errors), and M, V and t start at the second. After every ``interval`` steps they become the
orthogonal part of L Q_L and R Q_R, by a QR decomposition. A tensor of more dimensions is a matrix with its first as
rows; vectors, and sides longer than 2048, are not rotated. State: m, v, and of each side its average and its axes.
Reference: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam" (ICLR 2025), algorithms 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tuner.hyper import Hyper, integer
from tuner.optim import kernel
from tuner.optim.hypers import beta, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout, Part, is_matrix
from tuner.optim.rule import Numbers, Rule
from tuner.optim.rules import lamb

LONGEST = 2048


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """AdamW's from the second step on, and at which steps the axes are found."""
    moves = (t > 1.0).to(t)
    adam = lamb.coefficients(h, (t - 1.0).clamp_min(1.0))
    return {
        **adam,
        **{name: adam[name] * moves for name in ("-lr", "1-beta1", "1-beta2")},
        "-lr*decay": -h["lr"] * h["weight_decay"] * moves,
        "new": 1.0 - h["beta2"],
        "first": 1.0 - moves,
        "turns": moves * ((t - 1.0) % h["interval"] == 0.0),
    }


def init(params: Tensor, *, layout: Layout) -> State:
    """Both moments at zero, nothing seen of any side."""
    state = kernel.init(params)
    for part in layout.parts:
        for side, size in _sides(part):
            for name in ("average", "axes"):
                state[f"{name} {side} {part.start}"] = params.new_zeros(len(params), size, size)
    return state


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, layout: Layout) -> None:
    """One step of every row in place."""
    m, v = state["m"], state["v"]
    first, turns = (c[name].flatten().nonzero().flatten() for name in ("first", "turns"))
    for part in layout.parts:
        for side, _ in _sides(part):
            g = part.of(grads) if side == "left" else part.of(grads).mT
            average, axes = (state[f"{name} {side} {part.start}"] for name in ("average", "axes"))
            average.mul_(c["beta2"][..., None]).add_(c["new"][..., None] * (g @ g.mT))
            if len(first):
                axes[first] = _eigenvectors(average[first])
    m.mul_(c["beta1"]).addcmul_(grads, c["1-beta1"])
    g, n = _turned(grads, state, layout), _turned(m, state, layout)
    v.mul_(c["beta2"]).addcmul_(g * c["1-beta2"], g)
    n.mul_(c["n"]).div_((v * c["c"]).sqrt_().add_(c["eps"]))
    params.addcmul_(params, c["-lr*decay"]).addcmul_(_turned(n, state, layout, back=True), c["-lr"])
    for name in [name for name in state if name.startswith("axes") and len(turns)]:
        axes, average = state[name], state[name.replace("axes", "average")]
        axes[turns] = torch.linalg.qr(average[turns] @ axes[turns])[0]


def _sides(part: Part) -> Iterator[tuple[str, int]]:
    """The sides of a tensor that are rotated, with their lengths."""
    if is_matrix(part):
        yield from ((side, size) for side, size in zip(("left", "right"), part.matrix, strict=True) if size <= LONGEST)


def _turned(x: Tensor, state: State, layout: Layout, *, back: bool = False) -> Tensor:
    """A copy of rows [K, P] with each tensor seen along its own axes, or back from there."""
    x = x.clone()
    for part in layout.parts:
        for side, _ in _sides(part):
            axes = state[f"axes {side} {part.start}"]
            turn = axes if back else axes.mT
            matrix = part.of(x)
            matrix.copy_(turn @ matrix if side == "left" else matrix @ turn.mT)
    return x


def _eigenvectors(averages: Tensor) -> Tensor:
    """Of symmetric matrices [n, s, s]; NaN where one is not finite."""
    finite = averages.isfinite().all(-1).all(-1)[:, None, None]
    return torch.where(finite, torch.linalg.eigh(torch.where(finite, averages, 0.0))[1], torch.nan)


rule = Rule(
    name="soap",
    page=__doc__,
    hypers={
        "lr": learning_rate(3e-3, 1e-4, 1e-1),
        "beta1": beta(0.95, "decay rate of the first moment", 1e-2, 0.5),
        "beta2": beta(0.95, "decay rate of the second moment and of the averages of each side", 1e-3, 0.2),
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.01),
        "interval": Hyper(default=10, low=1, integer=True, search=integer(1, 50), doc="steps until axes are turned"),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    structured=True,
)
