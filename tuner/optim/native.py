"""The two-moment update in one pass over memory, compiled for this machine's processor when first asked for.

Eager PyTorch makes a dozen passes; an update is bound by memory, so they cost about as many times more. A compiler
takes a quarter of a second for the seventy lines below, once a machine, and what comes out knows no shapes: every
population, mix of rules and set of rows uses it. The arithmetic is that of ``kernel.eager``, operation by operation;
only the square root may differ in its last bit, because here it is correctly rounded. A row's bits depend neither on
the other rows nor on the number of threads. A moment that a rule has not costs nothing; where an infinite gradient
would make it NaN in eager torch, it stays 0 here.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from tuner.machine import cache_folder, processor

SOURCE = r"""
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <omp.h>

// Neighbouring parameters of one row. WIDE: whether l2 and decay are a number a parameter, not a number a row. M, V:
// whether the row's rule has that moment; one that it has not is 0 and is neither read nor written.
template <bool WIDE, bool M, bool V>
void stretch(int64_t n, T* __restrict w, const T* __restrict grad, T* __restrict m, T* __restrict v,
             const T* __restrict l2, const T* __restrict decay, const T* c, int64_t next) {
    const auto p = [&](int q) { return c[q * next]; };
    const T a1_1 = p(1), a2 = p(2), e = p(3), root_b2 = p(4), b1_1 = p(5), by = p(6), s = p(7), d = p(8), n1 = p(9),
            n2 = p(10), high = p(11), low = p(12), lr = p(14), constant = std::sqrt(s) + d;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        const T g = std::fma(w[i], l2[WIDE ? i : 0], grad[i]);
        const T first = M ? std::fma(g, a2, std::fma(m[i], a1_1, m[i])) : T(0);
        const T x = std::fma(first, e, g) * root_b2;
        const T second = V ? std::fma(x, x, std::fma(v[i], b1_1, v[i])) : T(0);
        T u = std::fma(first, n1, g * n2) / (V ? std::sqrt(second * by + s) + d : constant);
        u = u < low ? low : u;  // false for NaN, which passes
        u = u > high ? high : u;
        w[i] = std::fma(u, lr, std::fma(w[i], decay[WIDE ? i : 0], w[i]));
        if (M) m[i] = first;
        if (V) v[i] = second;
    }
}

// `index` of the rows to step, `size` parameters each. c: the coefficients of row 0. jump: elements from one row to the
// next, of w, grad, m, v, l2 and decay; from one coefficient to the next; from one row's coefficients to the next's.
template <bool WIDE>
void update(int64_t rows, int64_t size, const int64_t* index, T* w, const T* grad, T* m, T* v, const T* l2,
            const T* decay, const T* c, const int64_t* jump, int threads) {
    constexpr decltype(&stretch<WIDE, true, true>) kinds[] = {
        stretch<WIDE, false, false>, stretch<WIDE, false, true>, stretch<WIDE, true, false>, stretch<WIDE, true, true>};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int64_t total = rows * size, team = omp_get_num_threads(), self = omp_get_thread_num();
        const int64_t end = total * (self + 1) / team;
        for (int64_t at = total * self / team, n; at < end; at += n) {
            const int64_t k = index[at / size], j = at % size;
            n = std::min(size - j, end - at);
            const T* const own = c + k * jump[7];
            const auto p = [&](int q) { return own + q * jump[6]; };
            const bool has_m = *p(1) != -1 || *p(2) != 0, has_v = *p(5) != -1 || *p(4) != 0;
            kinds[2 * has_m + has_v](n, w + k * jump[0] + j, grad + k * jump[1] + j, m + k * jump[2] + j,
                                     v + k * jump[3] + j, WIDE ? l2 + k * jump[4] + j : p(0),
                                     WIDE ? decay + k * jump[5] + j : p(13), own, jump[6]);
        }
    }
}

#define EXPORT(NAME, WIDE)                                                                                           \
    extern "C" void NAME(int64_t rows, int64_t size, const int64_t* index, T* w, const T* grad, T* m, T* v,          \
                         const T* l2, const T* decay, const T* c, const int64_t* jump, int threads) {                \
        update<WIDE>(rows, size, index, w, grad, m, v, l2, decay, c, jump, threads);                                 \
    }
EXPORT(narrow, false)
EXPORT(wide, true)
"""
FLAGS = "-std=c++17 -O3 -march=native -fno-math-errno -ffp-contract=off -fopenmp -shared -fPIC"
TYPES = {torch.float32: "float", torch.float64: "double"}
SIGNATURE = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 9 + [ctypes.c_int]

GRAIN = 1 << 15
"""Parameters that a thread must have to be worth waking."""

Step = Callable[[int], None]
"""One update, given which of the tables holds its coefficients."""

Bind = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor], Step]
"""To a step in place on these very w, grad, m and v [K, P]; by l2 and decay [K, P], or nothing where these do not vary
within a row; by tables [T, C, K] of coefficients in the kernel's order; of the rows whose indices are given, int64 on
the CPU, each once."""


def fits(tensors: Sequence[Tensor], wide: Sequence[Tensor], table: Tensor) -> bool:
    """Whether the compiled update can take these: on the CPU, of one type that it has, each row in one piece."""
    w = tensors[0]
    shape, dtype = w.shape, w.dtype
    return (
        dtype in TYPES
        and table.dtype == dtype
        and all(t.is_cpu and t.dtype == dtype and t.shape == shape and t.stride(1) == 1 for t in (*tensors, *wide))
    )


def build(compiler: str, dtype: torch.dtype) -> ctypes.CDLL | None:
    """The source compiled for ``dtype``, or None, with a line in the log, where ``compiler`` (a command) fails.

    What was compiled is kept on disk for the next process, where there is a folder for that.
    """
    try:
        made = _compiled(compiler, dtype)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        logging.getLogger(__name__).warning(
            "optimizers step several times slower: the C++ compiler %r made no kernel (%s); install g++ or set CXX",
            compiler,
            said[0] if said else "no message",
        )
        return None
    made.narrow.argtypes = made.wide.argtypes = SIGNATURE
    return made


def _compiled(compiler: str, dtype: torch.dtype) -> ctypes.CDLL:
    command = [*shlex.split(compiler), *shlex.split(FLAGS), f"-DT={TYPES[dtype]}", "-x", "c++"]
    kept = _place(command)
    with suppress(OSError):  # it is not there, or damaged
        return ctypes.CDLL(str(kept))
    is_kept = _is_made(kept.parent)
    with tempfile.TemporaryDirectory(prefix="tuner-", dir=kept.parent if is_kept else None) as folder:
        library = Path(folder, "kernel.so")
        command += ["-o", str(library), "-"]
        subprocess.run(command, input=SOURCE, text=True, check=True, capture_output=True, timeout=120)  # noqa: S603
        made = ctypes.CDLL(str(library))
        if is_kept:
            library.replace(kept)
        return made


def _place(command: Sequence[str]) -> Path:
    """Where what ``command`` makes of the source is kept: under another name for another compiler or processor."""
    found = shutil.which(command[0])
    version = f"{Path(found).resolve()} {Path(found).stat().st_mtime_ns}" if found else ""
    about = "\n".join([SOURCE, *command, version, processor()])
    return cache_folder("kernels") / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.so"


def _is_made(folder: Path) -> bool:
    """Make a folder; whether it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@functools.cache
def binder(dtype: torch.dtype) -> Bind | None:
    """The compiled update, made by the first call (``CXX`` names another compiler than ``c++``), or None."""
    library = build(os.environ.get("CXX", "c++"), dtype)
    if library is None:
        return None

    def bind(tensors: Sequence[Tensor], wide: Sequence[Tensor], tables: Tensor, rows: Tensor) -> Step:
        update = library.wide if wide else library.narrow
        matrices = (*tensors, *(wide or tensors[:2]))
        jumps = (ctypes.c_int64 * 8)(*[t.stride(0) for t in matrices], *tables.stride()[1:])
        count, size = rows.shape[0], tensors[0].shape[1]
        busy = max(1, count * size // GRAIN)
        stride = tables.stride(0) * tables.element_size()

        def step(at: int) -> None:
            pointers = [t.data_ptr() for t in (rows, *matrices)]
            coefficients = tables.data_ptr() + at * stride
            update(count, size, *pointers, coefficients, jumps, min(torch.get_num_threads(), busy))

        return step

    return bind
