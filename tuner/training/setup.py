"""How an engine is to train: how many trials at once, how exactly, and what it may do to be faster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from tuner.training.checkpointer import NEVER, Checkpoints
from tuner.training.compiler import Compiler
from tuner.training.engine import Engine
from tuner.trial import TrainingPlan
from tuner.workloads import Workload

Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """``slots`` trials at once, or, where that is None, as many as are fast and fit, up to ``most``.

    ``precision``: "float32"; "tf32" lets GPUs round the factors of products; "bfloat16" computes the model in it
    (autocast), with parameters and optimizer in float32. ``compiles``: long work is compiled behind the running steps.
    ``share_prefixes``: trials that agree up to a step are trained once up to there. ``checkpoints``: where states are
    kept, and how often.
    """

    slots: int | None = None
    most: int = 64
    precision: Precision = "float32"
    compiles: bool = True
    share_prefixes: bool = False
    checkpoints: Checkpoints = NEVER

    def engine(self, workload: Workload, plan: TrainingPlan, *, worker: str = "inline", device: str = "cpu") -> Engine:
        """An engine on ``device``. What "tf32" allows holds for the whole process."""
        if self.precision == "tf32":
            torch.set_float32_matmul_precision("high")
        return Engine(
            workload,
            plan,
            slots=self.slots,
            most=self.most,
            worker=worker,
            device=device,
            autocast=torch.bfloat16 if self.precision == "bfloat16" else None,
            compiler=Compiler() if self.compiles else None,
            share_prefixes=self.share_prefixes,
            checkpoints=self.checkpoints,
        )
