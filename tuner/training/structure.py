"""What trials must have in common to be trained side by side: one model, one loss, one batch size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tuner.errors import UsageError
from tuner.optim import Layout
from tuner.training.compiler import Compilation, Compiler, Flat
from tuner.training.feed import Feed
from tuner.training.pace import FUSED, LOOPED, Pace
from tuner.training.program import Program
from tuner.training.recipe import Recipe
from tuner.training.recurrent import Unrolled
from tuner.trial import Value
from tuner.workloads import Workload, loss_arguments, model_arguments

AGREEMENT = 1e-2
"""How far a row of a compiled step may lie from the step, relative to its largest number, in half of the rows.

A row may be idle, diverge, or stand where rounding is all there is; another formula would be wrong in every row.
"""

Arguments = tuple[Tensor, Sequence[Tensor], *tuple[Tensor, ...]]
"""What ``Program.gradients`` is given."""

Gradients = Callable[..., tuple[Tensor, Tensor, Sequence[Tensor]]]
"""As ``Program.gradients``: eager, or the same compiled for one K."""


def key_of(workload: Workload, recipe: Recipe, full_batch: bool) -> Hashable:
    """Trials with equal keys have one structure. Numbers that the loss takes may differ, all else may not."""
    fixed, _ = loss_hypers(workload, recipe)
    arguments = model_arguments(workload, recipe.workload)
    return tuple(arguments.items()), tuple(fixed.items()), None if full_batch else recipe.batch_size


def loss_hypers(workload: Workload, recipe: Recipe) -> tuple[dict[str, Value], dict[str, float]]:
    """The loss's hypers: those that the trials of a structure share, and the numbers that each has for itself."""
    given = loss_arguments(workload, recipe.workload)
    own = {name: value for name, value in given.items() if isinstance(value, float)}
    return {name: value for name, value in given.items() if name not in own}, own


@dataclass(eq=False)
class Structure:
    """One structure on one device: its program, its data, and what was learned about its speed."""

    workload: Workload
    program: Program
    layout: Layout
    buffers: tuple[Tensor, ...]  # of the first model: shapes and types
    knobs: tuple[str, ...]
    batch_size: int
    feed: Feed
    pace: Pace
    compiler: Compiler | None
    compiled: dict[int, Gradients] = field(default_factory=dict)
    compilations: dict[int, Compilation | None] = field(default_factory=dict)
    evaluation_batch: int = 8192  # examples of all trials together in one pass through the models
    evaluates_together: bool = True
    measures_together: bool = True

    @classmethod
    def of(
        cls,
        workload: Workload,
        recipe: Recipe,
        model: nn.Module,
        feed: Feed,
        *,
        full_batch: bool,
        pace: Pace,
        compiler: Compiler | None,
        autocast: torch.dtype | None,
    ) -> Structure:
        """The structure of a trial whose freshly made ``model`` is given; it is not kept.

        Raises UsageError where a rule wants the whole training set and the workload has batches only.
        """
        if full_batch and not feed.keyed:
            raise UsageError(f"{recipe.optimizer} needs the whole training set, but data().train is a DataLoader")
        fixed, own = loss_hypers(workload, recipe)
        return cls(
            workload=workload,
            program=Program(workload, model, fixed, tuple(own), autocast),
            layout=Layout.of_model(model),
            buffers=tuple(buffer.detach().clone() for buffer in model.buffers()),
            knobs=tuple(own),
            batch_size=feed.examples if full_batch else recipe.batch_size,
            feed=feed,
            pace=pace,
            compiler=compiler,
        )

    def advance_compiling(self, rows: int, arguments: Callable[[int], Arguments]) -> None:
        """Bring a compiled step for ``rows`` rows nearer, if there is to be one.

        ``arguments`` gives those of a step of so many of them.
        """
        wanted = self.pace.worth_compiling(rows) if self.compiler is not None else []
        width = next((width for width in wanted if width not in self.compiled), None)
        if self.compiler is None or width is None:
            return
        params, buffers, *others = arguments(width)
        flat = (params, *buffers, *others)
        try:
            last = self.compilations.get(width)
            now = self.compilations[width] = self.compiler.next(last, self.pace.spent(rows), self._flat, flat)
            if now is not None and (run := now.ready()) is not None:
                self._check(run, flat)
                self.compiled[width] = lambda params, buffers, *others: _nested(run(params, *buffers, *others))
        except Exception as error:  # noqa: BLE001 - whatever a compiler says, the steps go on as they are
            self._stay_uncompiled(error)

    def give_up(self, form: str, error: BaseException) -> None:
        """No more steps of a form that raised: of compiled code, or of all trials in one program."""
        if form in {LOOPED, FUSED}:
            self.pace.refuse(error)
        else:
            self.compiled.clear()
            self._stay_uncompiled(error)

    def close(self) -> None:
        """Give up compiling what is not ready."""
        for compilation in self.compilations.values():
            if compilation is not None:
                compilation.close()

    def _stay_uncompiled(self, error: BaseException) -> None:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        level = logging.WARNING if self.pace.can_fuse else logging.INFO  # what cannot be batched may not be traceable
        logging.getLogger(__name__).log(level, "steps stay uncompiled, and somewhat slower: %s", reason)
        self.compiler = None

    def _flat(self, params: Tensor, *rest: Tensor) -> Sequence[Tensor]:
        """The gradients, with every tensor a plain argument and a plain result."""
        count = len(self.buffers)
        with Unrolled():
            losses, grads, after = self.program.gradients(params, rest[:count], *rest[count:])
        return losses, grads, *after

    def _check(self, run: Flat, flat: Sequence[Tensor]) -> None:
        """Raise ValueError where the compiled step does not compute what the step computes."""
        for ours, theirs in zip(run(*flat), self._flat(*flat), strict=True):
            right = theirs.double().flatten(1) if theirs.ndim > 1 else theirs.double()[:, None]
            if not right.numel():
                continue
            apart = (ours.double().view_as(right) - right).abs().amax(1)
            agrees = apart <= AGREEMENT * right.abs().amax(1)
            known = right.isfinite().all(1)
            if known.any() and agrees[known].double().mean() < 0.5:
                raise ValueError(f"what it computes is off by {apart[known].max().item():g}")


def _nested(outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
    return outputs[0], outputs[1], outputs[2:]
