"""Makes examples/curves.csv: four optimizers train one small logistic regression at many settings, NumPy only.

    python examples/make_curves.py examples/curves.csv

Two classes of 2 x 20 correlated inputs, 200 examples to train on and 400 to validate; batches of 20, 12 evaluations
of 20 steps each. Every number follows from the seeds below.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
INPUTS, EVALUATIONS, STEPS, BATCH = 20, 12, 20, 20


def problem() -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(0)
    scales = np.logspace(-1.0, 0.5, INPUTS)  # badly conditioned on purpose: adaptive rules have something to gain
    inputs = rng.normal(size=(600, INPUTS)) * scales
    truth = rng.normal(size=INPUTS) / scales
    targets = (rng.random(600) < sigmoid(inputs @ truth)).astype(float)
    return inputs[:200], targets[:200], inputs[200:], targets[200:]


def sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def train(optimizer: str, hypers: dict[str, float], seed: int) -> list[float]:
    """Validation accuracy after every evaluation's steps."""
    inputs, targets, valid_inputs, valid_targets = problem()
    rng = np.random.default_rng(seed)
    w = np.zeros(INPUTS)
    m, v = np.zeros(INPUTS), np.zeros(INPUTS)
    lr, curve = hypers["lr"], []
    for step in range(1, EVALUATIONS * STEPS + 1):
        batch = rng.integers(0, len(inputs), BATCH)
        grad = inputs[batch].T @ (sigmoid(inputs[batch] @ w) - targets[batch]) / BATCH
        match optimizer:
            case "sgd":
                w = w - lr * grad
            case "momentum":
                m = hypers["momentum"] * m + grad
                w = w - lr * m
            case "rmsprop":
                v = 0.99 * v + 0.01 * grad**2
                w = w - lr * grad / (np.sqrt(v) + 1e-8)
            case "adam":
                m = 0.9 * m + 0.1 * grad
                v = 0.999 * v + 0.001 * grad**2
                w = w - lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        if step % STEPS == 0:
            curve.append(float(np.mean((valid_inputs @ w > 0) == valid_targets)))
    return curve


def runs() -> list[tuple[str, dict[str, float]]]:
    rng = np.random.default_rng(1)
    settings: list[tuple[str, dict[str, float]]] = []
    for optimizer, low, high in [("sgd", 1e-2, 10), ("momentum", 1e-3, 1), ("rmsprop", 1e-4, 1), ("adam", 1e-4, 1)]:
        for lr in np.geomspace(low, high, 16):
            hypers = {"lr": float(f"{lr:.3g}")}
            if optimizer == "momentum":
                hypers["momentum"] = float(rng.choice([0.5, 0.8, 0.9, 0.95]))
            settings.append((optimizer, hypers))
    return settings


def main(path: str) -> None:
    rows = [
        {
            "optimizer": optimizer,
            **{f"{optimizer}.{name}": value for name, value in hypers.items()},
            "accuracy": json.dumps(train(optimizer, hypers, seed=number)),
        }
        for number, (optimizer, hypers) in enumerate(runs())
    ]
    columns = ["optimizer", "sgd.lr", "momentum.lr", "momentum.momentum", "rmsprop.lr", "adam.lr", "accuracy"]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1])
