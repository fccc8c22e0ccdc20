"""Tables without a computation behind them: as many learning curves as a test or a benchmark wants."""

from __future__ import annotations

import numpy as np

from tuner.execution.table import CurveTable


def synthetic_table(*, rows: int, evaluations: int, seed: int, diverging: float = 0.0) -> CurveTable:
    """Losses (``loss``, to be minimized) of ``rows`` runs that fall towards a floor set by the learning rate.

    Half of the rows are ``sgd`` (lr in [1e-3, 1]), half ``adam`` (lr in [1e-5, 1e-1]); the floor is least at the
    middle of the range on a log scale, and rates of decay differ, so that early ranks mislead now and then. The share
    ``diverging`` of the rows turns to NaN halfway.
    """
    rng = np.random.default_rng(seed)
    place = rng.random(rows)
    is_adam = np.arange(rows) % 2 == 1
    lr = np.where(is_adam, 1e-5 * 1e4**place, 1e-3 * 1e3**place)
    floor = 0.05 + np.square(place - 0.5) + 0.02 * is_adam
    rate = rng.uniform(0.1, 1.0, rows)
    steps = np.arange(1, evaluations + 1)
    curves = floor[:, np.newaxis] + np.exp(-rate[:, np.newaxis] * steps)
    curves += rng.normal(scale=0.01, size=curves.shape)
    curves[: round(diverging * rows), evaluations // 2 :] = np.nan
    return CurveTable(
        source="synthetic table",
        metric="loss",
        hypers={
            "optimizer": tuple("adam" if adam else "sgd" for adam in is_adam),
            "adam.lr": tuple(float(x) if adam else None for x, adam in zip(lr, is_adam, strict=True)),
            "sgd.lr": tuple(None if adam else float(x) for x, adam in zip(lr, is_adam, strict=True)),
        },
        curves=curves,
        epochs=np.ones(rows),
    )
