"""Where the study lives: Optuna's memory, less what would make a resumed sampler differ from an uninterrupted one."""

from __future__ import annotations

from optuna._typing import JSONSerializable
from optuna.storages import InMemoryStorage


class ReplayableStorage(InMemoryStorage):
    """Keeps of a trial what the ledger can give back.

    TPE and GP note on a running trial what they are about to suggest, parameters of the options not taken included,
    for other processes to see. Here one driver asks, a configuration is complete when ``ask`` returns, and the note
    would be missing after a replay.
    """

    def set_trial_system_attr(self, trial_id: int, key: str, value: JSONSerializable) -> None:
        """Store everything but the note."""
        if ":relative_params:" not in key:
            super().set_trial_system_attr(trial_id, key, value)
