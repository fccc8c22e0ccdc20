"""Where the study lives: Optuna's memory, less what would make a resumed sampler differ from an uninterrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from optuna._typing import JSONSerializable
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class ReplayableStorage(InMemoryStorage):
    """Keeps of a trial what the ledger can give back.

    TPE and GP note on a running trial what they are about to suggest, parameters of the options not taken included,
    for other processes to see. Here one driver asks, a configuration is complete when ``ask`` returns, and the note
    would be missing after a replay.

    ``completed`` holds the trials that were told as completed, in the order of telling.
    """

    def __init__(self) -> None:
        super().__init__()
        self.completed: list[FrozenTrial] = []

    def reopen(self, trial_id: int) -> None:
        """Let a trial be told of once more: a configuration that paused counts as pruned until it goes on and ends."""
        with self._lock:
            trial = copy(self._get_trial(trial_id))
            trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
            self._set_trial(trial_id, trial)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See Optuna's."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        if state is TrialState.COMPLETE:
            self.completed.append(self._get_trial(trial_id))
        return is_set

    def set_trial_system_attr(self, trial_id: int, key: str, value: JSONSerializable) -> None:
        """Store everything but the note."""
        if ":relative_params:" not in key:
            super().set_trial_system_attr(trial_id, key, value)
