"""Compiling a fused step behind the running one, and keeping what came out for the next time.

The step is traced here, in a fraction of a second; another process of low priority turns the trace into machine code
and puts it into a folder on disk, from where it is loaded in milliseconds, now and in every later sweep. The file is
named by a digest of all that it depends on. Nobody ever waits for it, and where there is no C++ compiler, or anything
else goes wrong, steps stay as they are and the log has one line about it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import platform
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from tuner.machine import cache_folder, processor

Flat = Callable[..., Sequence[Tensor]]
"""Tensors by position -> tensors."""


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """When to compile, and where to keep the code. Seconds are those spent in steps that were not compiled.

    After ``look`` seconds the step is traced, to see whether its code is there already; after ``pay`` seconds it is
    compiled: whoever has trained for so long will probably go on for longer than compiling takes.
    """

    folder: Path = field(default_factory=functools.partial(cache_folder, "steps"))
    look: float = 6.0
    pay: float = 8.0

    def next(self, last: Compilation | None, spent: float, run: Flat, example: Sequence[Tensor]) -> Compilation | None:
        """How the compilation of ``run`` stands after ``spent`` seconds. Raises what torch raises."""
        if last is None and spent >= self.look:
            last = Compilation(run, example, self.folder)
        if last is not None and spent >= self.pay:
            last.start()
        return last


class Compilation:
    """One step on its way to machine code, or there already. Raises what tracing raises."""

    def __init__(self, run: Flat, example: Sequence[Tensor], folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):
            self._traced = make_fx(lambda *tensors: tuple(run(*tensors)), tracing_mode="fake")(*example)
        self._example = tuple(torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device) for t in example)
        self._path = folder / f"{_digest(self._traced, example)}.pt2"
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._loaded: Flat | None = None

    def start(self) -> None:
        """Have it compiled, once, unless that is done or under way."""
        if self._scratch is None and not self._path.exists():
            try:
                self._start()
            except Exception:
                self.close()
                raise

    def ready(self) -> Flat | None:
        """The compiled step once it is there. Raises OSError where compiling has failed, saying why."""
        if self._loaded is None and self._is_over() and self._path.exists():
            try:
                self._loaded = torch._inductor.aoti_load_package(str(self._path))
                self._example = ()  # tensors as large as those of a step, of no more use
            except Exception:
                self._path.unlink(missing_ok=True)  # a damaged file: to be compiled anew
                if self._scratch is not None:
                    raise
        return self._loaded

    def close(self) -> None:
        """Give up what is not ready."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)  # with the compilers that it has started
            self._process.wait()
            self._process = None
        if self._scratch is not None:
            self._scratch.cleanup()

    def _start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(prefix="tuner-")
        source = Path(self._scratch.name) / "step.pt2"
        with warnings.catch_warnings(action="ignore"):
            exported = torch.export.export(_Module(self._traced), self._example, strict=False)
            torch.export.save(exported, source)
        module, threads = "tuner.training.compile_step", torch.get_num_threads()
        command = [sys.executable, "-m", module, str(source), str(self._path), str(threads)]
        with (source.parent / "log").open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )

    def _is_over(self) -> bool:
        if self._process is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        said = Path(self._scratch.name, "log").read_text(errors="replace") if self._scratch else ""
        self.close()
        if code:
            raise OSError(said.strip().splitlines()[-1] if said.strip() else f"the compiler ended with {code}")
        return True


class _Module(nn.Module):
    """A traced function as the exporter wants it."""

    def __init__(self, traced: torch.fx.GraphModule) -> None:
        super().__init__()
        self.traced = traced

    def forward(self, *tensors: Tensor) -> Sequence[Tensor]:
        outputs: Sequence[Tensor] = self.traced(*tensors)
        return outputs


def _digest(traced: torch.fx.GraphModule, example: Sequence[Tensor]) -> str:
    """A name for the code that is made from a trace, for these tensors, on this machine."""
    device = example[0].device
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    about = [
        traced.code,
        *(f"{t.dtype} {tuple(t.shape)} {t.stride()} {t.device}" for t in example),
        *(_bytes(constant) for constant in _constants(traced)),
        torch.__version__,
        platform.python_version(),
        str(torch.get_num_threads()),
        chip,
    ]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]


def _bytes(tensor: Tensor) -> str:
    file = io.BytesIO()
    torch.save(tensor.detach().cpu(), file)
    return hashlib.sha256(file.getvalue()).hexdigest()


def _constants(traced: torch.fx.GraphModule) -> list[Tensor]:
    return [value for value in vars(traced).values() if isinstance(value, Tensor)] + list(traced.buffers())
