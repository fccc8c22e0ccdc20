"""Two ways to come to a configuration: from its index alone, or from what the study has seen.

A configuration's index is its place in the order of asking; the index-th ask draws on a seed of its own, never on a
stream, so that what was asked before a restart need not be drawn again after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from optuna import Study, Trial
from optuna.samplers import BaseSampler

from tuner.trial import Params


class Proposer(Protocol):
    """Where configurations come from. Each has a trial in the Optuna study, whose number is its index."""

    def ask(self, study: Study, index: int) -> tuple[Trial, Params] | None:
        """A new trial and its configuration, or None (and no trial) where there is none left."""

    def recall(self, study: Study, index: int, params: Params) -> Trial:
        """The trial that ``ask`` would have left behind when it came to ``params``."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Learns nothing, so the study need not know the parameters: it is a bare scoreboard for the pruner."""

    configuration: Callable[[int], Params | None]

    def ask(self, study: Study, index: int) -> tuple[Trial, Params] | None:
        """See Proposer."""
        params = self.configuration(index)
        return None if params is None else (study.ask(), params)

    def recall(self, study: Study, index: int, params: Params) -> Trial:  # noqa: ARG002 - the index says it all
        """See Proposer."""
        return study.ask()


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """An Optuna sampler, new for each configuration: what it has learnt lies in the study.

    ``sampler`` makes the one that asks. ``recaller`` makes the one that is there when a configuration is recalled: the
    same where sampling leaves notes in the study that later asks read, a cheap one where it does not. ``suggest`` draws
    every parameter that the study shall know and returns the configuration; ``known`` goes back, from a configuration
    to the parameters as the study knows them.
    """

    sampler: Callable[[int], BaseSampler]
    recaller: Callable[[int], BaseSampler]
    suggest: Callable[[Trial], Params]
    known: Callable[[Params], Params]

    def __post_init__(self) -> None:
        self.sampler(0)  # a wrong option raises ValueError here, not at the first ask

    def ask(self, study: Study, index: int) -> tuple[Trial, Params] | None:
        """See Proposer."""
        study.sampler = self.sampler(index)
        trial = study.ask()
        return trial, self.suggest(trial)

    def recall(self, study: Study, index: int, params: Params) -> Trial:
        """See Proposer."""
        study.sampler = self.recaller(index)
        study.enqueue_trial(dict(self.known(params)))
        trial = study.ask()
        _ = trial.relative_params  # read for its effect: known values alone would not make the sampler leave its notes
        self.suggest(trial)
        return trial
