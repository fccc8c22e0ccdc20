"""Optuna's own tables, written faster than by its API and with the times at which things happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import TrialState


@dataclass(slots=True)
class Update:
    """What is new of a trial; where it has finished, its ``state``, and with what ``values`` it did so ``at`` when."""

    curve: dict[int, float] = field(default_factory=dict)  # by step
    attributes: dict[str, object] = field(default_factory=dict)
    state: TrialState | None = None
    values: Sequence[float] = ()
    at: datetime | None = None


class DatedStorage(RDBStorage):
    """Optuna's tables, where a trial ends when it is said to, and all that is new of it is one transaction."""

    def update(self, trial_id: int, new: Update) -> None:
        """Write what is new of a trial; of one that is finished nothing can be."""
        with _create_scoped_session(self.scoped_session) as session:
            trial = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
            if trial.state.is_finished():
                return
            for step, value in new.curve.items():
                self._set_trial_intermediate_value_without_commit(session, trial_id, step, value)
            for key, attribute in new.attributes.items():
                self._set_trial_attr_without_commit(session, models.TrialUserAttributeModel, trial_id, key, attribute)
            for objective, value in enumerate(new.values):
                self._set_trial_value_without_commit(session, trial, objective, value)
            if new.state is not None:
                trial.state, trial.datetime_complete = new.state, new.at

    def close(self) -> None:
        """Close every connection of this thread and of the pool."""
        self.remove_session()
        self.engine.dispose()
