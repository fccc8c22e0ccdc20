"""The two-moment update in one pass over memory, compiled for this machine's processor when first asked for.

Eager PyTorch makes a dozen passes; an update is bound by memory, so they cost about as many times more. A compiler
takes a quarter of a second for the fifty lines below, once a process, and what comes out knows no shapes: every
population, mix of rules and set of rows uses it. The arithmetic is that of ``kernel.eager``, operation by operation;
only the square root may differ in its last bit, because here it is correctly rounded. A row's bits depend neither on the
other rows nor on the number of threads.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

SOURCE = r"""
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <omp.h>

// Neighbouring parameters of one row. L2, DECAY: whether that coefficient is one number a parameter, not one a row.
template <bool L2, bool DECAY, typename T>
void stretch(int64_t n, T* __restrict w, const T* __restrict grad, T* __restrict m, T* __restrict v,
             const T* __restrict l2, T a1_1, T a2, T e, T root_b2, T b1_1, T c, T s, T d, T n1, T n2,
             T high, T low, const T* __restrict decay, T lr) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        const T g = std::fma(w[i], l2[L2 ? i : 0], grad[i]);
        const T first = std::fma(g, a2, std::fma(m[i], a1_1, m[i]));
        const T x = std::fma(first, e, g) * root_b2;
        const T second = std::fma(x, x, std::fma(v[i], b1_1, v[i]));
        T u = std::fma(first, n1, g * n2) / (std::sqrt(second * c + s) + d);
        u = u < low ? low : u;  // false for NaN, which passes
        u = u > high ? high : u;
        w[i] = std::fma(u, lr, std::fma(w[i], decay[DECAY ? i : 0], w[i]));
        m[i] = first;
        v[i] = second;
    }
}

// c: where each coefficient of the first row is; jump: elements from one row to the next, of w, grad, m, v and each c.
template <bool L2, bool DECAY, typename T>
void update(int64_t rows, int64_t size, T* w, const T* grad, T* m, T* v, const T* const* c, const int64_t* jump,
            int threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int64_t total = rows * size, team = omp_get_num_threads(), self = omp_get_thread_num();
        const int64_t end = total * (self + 1) / team;
        for (int64_t at = total * self / team, n; at < end; at += n) {
            const int64_t k = at / size, j = at % size;
            n = std::min(size - j, end - at);
            const auto p = [&](int q) { return c[q] + k * jump[4 + q]; };
            stretch<L2, DECAY, T>(
                n, w + k * jump[0] + j, grad + k * jump[1] + j, m + k * jump[2] + j, v + k * jump[3] + j,
                p(0) + (L2 ? j : 0), *p(1), *p(2), *p(3), *p(4), *p(5), *p(6), *p(7), *p(8), *p(9), *p(10),
                *p(11), *p(12), p(13) + (DECAY ? j : 0), *p(14));
        }
    }
}

#define EXPORT(NAME, L2, DECAY, T)                                                                                   \
    extern "C" void NAME(int64_t rows, int64_t size, T* w, const T* grad, T* m, T* v, const T* const* c,             \
                         const int64_t* jump, int threads) {                                                         \
        update<L2, DECAY, T>(rows, size, w, grad, m, v, c, jump, threads);                                           \
    }
EXPORT(float_00, false, false, float)
EXPORT(float_01, false, true, float)
EXPORT(float_10, true, false, float)
EXPORT(float_11, true, true, float)
EXPORT(double_00, false, false, double)
EXPORT(double_01, false, true, double)
EXPORT(double_10, true, false, double)
EXPORT(double_11, true, true, double)
"""
FLAGS = "-x c++ -std=c++17 -O3 -march=native -fno-math-errno -ffp-contract=off -fopenmp -shared -fPIC".split()
TYPES = {torch.float32: "float", torch.float64: "double"}
L2, DECAY = 0, 13
"""Which coefficients may differ within a row."""

GRAIN = 1 << 15
"""Parameters that a thread must have to be worth waking."""

Step = Callable[[Sequence[Tensor], Sequence[Tensor]], None]
"""In place on w, grad, m and v [K, P], by the coefficients [K, 1] (two of them perhaps [K, P]) in the kernel's order."""


def build(compiler: str) -> ctypes.CDLL | None:
    """The compiled source, or None, with one line in the log, where ``compiler`` (a command) cannot make it."""
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        library = Path(folder) / "kernel.so"
        try:
            command = [*shlex.split(compiler), *FLAGS, "-o", str(library), "-"]
            subprocess.run(command, input=SOURCE, text=True, check=True, capture_output=True, timeout=120)
            return ctypes.CDLL(str(library))
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            logging.getLogger(__name__).warning(
                "optimizers step several times slower: the C++ compiler %r made no kernel (%s); install g++ or set CXX",
                compiler,
                said[0] if said else "no message",
            )
            return None


@functools.cache
def step() -> Step | None:
    """The compiled update, made by the first call (``CXX`` names another compiler than ``c++``), or None."""
    library = build(os.environ.get("CXX", "c++"))
    if library is None:
        return None

    def run(tensors: Sequence[Tensor], coefficients: Sequence[Tensor]) -> None:
        rows, size = tensors[0].shape
        wide = "".join("1" if coefficients[q].shape[1] > 1 else "0" for q in (L2, DECAY))
        jumps = [t.stride(0) for t in tensors] + [c.stride(0) if len(c) > 1 else 0 for c in coefficients]
        library[f"{TYPES[tensors[0].dtype]}_{wide}"](
            ctypes.c_int64(rows),
            ctypes.c_int64(size),
            *(ctypes.c_void_p(t.data_ptr()) for t in tensors),
            (ctypes.c_void_p * len(coefficients))(*(c.data_ptr() for c in coefficients)),
            (ctypes.c_int64 * len(jumps))(*jumps),
            ctypes.c_int(max(1, min(torch.get_num_threads(), rows * size // GRAIN))),
        )

    return run


def fits(tensors: Sequence[Tensor], coefficients: Sequence[Tensor]) -> bool:
    """Whether the compiled update can take these: on the CPU, of one type that it has, each row in one piece."""
    rows, size = tensors[0].shape
    return (
        tensors[0].dtype in TYPES
        and len({t.dtype for t in (*tensors, *coefficients)}) == 1
        and all(t.is_cpu and t.shape == (rows, size) and (t.stride(1) == 1 or size <= 1) for t in tensors)
        and all(
            c.is_cpu
            and c.dim() == 2
            and c.shape[0] in {1, rows}
            and (c.shape[1] == 1 or (q in {L2, DECAY} and c.shape[1] == size and c.stride(1) == 1))
            for q, c in enumerate(coefficients)
        )
    )
