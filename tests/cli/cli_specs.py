"""A small spec, and ways to spoil it."""

from __future__ import annotations


def spec_text(
    *,
    workload="noisy-quadratic",
    objective="loss",
    optimizer="{sgd: {lr: {log: [1e-3, 1e-1]}}}",
    sampler="random",
    budget="{trials: 6, steps: 20}",
    executor="inline",
    extra="",
):
    return (
        f"workload: {workload}\nobjective: {objective}\nbudget: {budget}\nsampler: {sampler}\n"
        f"executor: {executor}\nspace:\n  optimizer: {optimizer}\n{extra}"
    )
