"""A sweep in the tables of Optuna's own storage, so that ``optuna.load_study`` and optuna-dashboard open it.

The study is named by the sweep's id, and its trial ``n`` is the sweep's trial ``n``. Where Optuna has no word for
something it is a user attribute:

    state        waiting, running, paused, lost -> RUNNING    completed -> COMPLETE (FAIL without an objective's value)
                 pruned -> PRUNED    diverged, failed -> FAIL
    values       the objectives; of a pruned trial what it had reached, as in Optuna
    curve        the first objective; none where there are several, as in Optuna
    parameters   those that are searched, with their ranges; the others are the attribute ``fixed``

Every write may be repeated: a trial is found by its attribute ``trial`` and written in one transaction, and nothing of
it changes once it is finished. Times are those of the events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection
from optuna.study.study import _SYSTEM_ATTR_METRIC_NAMES
from optuna.trial import FrozenTrial, TrialState

from tuner.errors import UsageError
from tuner.search.scales import to_optuna
from tuner.search.tables import DatedStorage, Update
from tuner.space import Normal, Space
from tuner.trial import Event, Finished, Lost, Proposed, Reported, Started, State, Sweep, Value

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "oracle")
_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}


def check_storage(url: str) -> None:
    """Raise UsageError unless ``url`` names a database that Optuna may know."""
    scheme, found, _ = url.partition("://")
    if not found or scheme.partition("+")[0] not in SCHEMES:
        raise UsageError(
            f"optuna storage: expected a database URL of {', '.join(f'{s}:' for s in SCHEMES)} got {_shown(url)!r}; "
            "give e.g. sqlite:///optuna.db"
        )


class OptunaMirror:
    """A sweep's study (see ``tuner.tracking.place.View``)."""

    def __init__(self, url: str, sweep: Sweep, space: Space) -> None:
        self._sweep, self._distributions = sweep, _distributions(space)
        timeout = {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {}
        self._storage = DatedStorage(url, engine_kwargs=timeout)
        try:
            self._study = self._find_study(url)
            trials = self._storage.get_all_trials(self._study, deepcopy=False)
        except BaseException:
            self.close()
            raise
        self._trials = {trial.user_attrs["trial"]: trial._trial_id for trial in trials}

    @property
    def is_new(self) -> bool:
        """Whether the study has no trial yet."""
        return not self._trials

    def write(self, events: Sequence[Event]) -> Counter[str]:
        """Write recorded events, in order."""
        refused = Counter[str]()
        histories: dict[int, list[Event]] = {}
        for event in events:
            histories.setdefault(event.trial, []).append(event)
        for trial, history in histories.items():
            try:
                self._write_trial(trial, history)
            except ValueError as error:  # a parameter that has another range, or other choices, than it had before
                refused[str(error)] += len(history)
        return refused

    def finish(self, end: object) -> Counter[str]:  # noqa: ARG002 - a study of Optuna's has no end
        """Nothing is left to be written."""
        return Counter()

    def close(self) -> None:
        """Close every connection."""
        self._storage.close()

    def _find_study(self, url: str) -> int:
        sweep, storage = self._sweep, self._storage
        try:
            study = storage.create_new_study([_DIRECTIONS[o.direction] for o in sweep.objectives], sweep.id)
        except DuplicatedStudyError:
            study = storage.get_study_id_from_name(sweep.id)
        trials = storage.get_n_trials(study)
        created_at = storage.get_study_user_attrs(study).get("created_at", None if trials else sweep.created_at)
        if created_at != sweep.created_at:
            raise UsageError(
                f"optuna storage: {_shown(url)} has another study of the name {sweep.id}; "
                "give another storage, or delete that study"
            )
        if not trials:
            facts = {"created_at": created_at, "seed": sweep.seed, "repeats": sweep.repeats, "spec": sweep.spec_text}
            for name, value in (facts | {"workload": sweep.spec.get("workload", "")}).items():
                storage.set_study_user_attr(study, name, value)
            storage.set_study_system_attr(study, _SYSTEM_ATTR_METRIC_NAMES, [o.metric for o in sweep.objectives])
        return study

    def _write_trial(self, trial: int, events: Sequence[Event]) -> None:
        new = self._update_of(events)
        if trial in self._trials:
            self._storage.update(self._trials[trial], new)
            return
        first = next((event for event in events if isinstance(event, Proposed)), None)
        if first is None:
            raise ValueError("no trial in the study for one that was proposed before")
        params = first.spec.params
        searched = {name: value for name, value in params.items() if name in self._distributions}
        fixed = {name: value for name, value in params.items() if name not in self._distributions}
        made = FrozenTrial(
            number=-1,  # the storage counts
            trial_id=-1,
            state=TrialState.RUNNING if new.state is None else new.state,
            value=None,
            values=new.values or None,
            datetime_start=datetime.fromtimestamp(first.at),  # local and without a zone, as Optuna has it
            datetime_complete=new.at,
            params=searched,
            distributions={name: self._distributions[name] for name in searched},
            user_attrs=new.attributes | {"fixed": fixed},
            system_attrs={},
            intermediate_values=new.curve,
        )
        self._trials[trial] = self._storage.create_new_trial(self._study, made)

    def _update_of(self, events: Sequence[Event]) -> Update:
        """The events of one trial, in order, as one update."""
        new, objectives, repeats = Update(), self._sweep.objectives, self._sweep.repeats
        for event in events:
            match event:
                case Proposed(spec=spec):
                    configuration, repeat = divmod(spec.index, repeats)
                    new.attributes |= {"trial": spec.index, "configuration": configuration, "repeat": repeat}
                    new.attributes |= {"seed": spec.seed, "attempt": spec.attempt}
                case Started(worker=worker):
                    new.attributes["worker"] = worker
                case Reported(step=step, metrics=metrics) if len(objectives) == 1 and objectives[0].metric in metrics:
                    new.curve[step] = metrics[objectives[0].metric]
                case Lost(reason=reason):
                    new.attributes["lost"] = reason
                case Finished():
                    self._end(new, event)
        return new

    def _end(self, new: Update, finished: Finished) -> None:
        outcome = finished.outcome
        values = [finished.values.get(objective.metric) for objective in self._sweep.objectives]
        whole = [value for value in values if value is not None]
        has_values = len(whole) == len(values)
        new.attributes |= {"outcome": outcome.value, "steps": finished.step, "note": finished.note}
        new.at = datetime.fromtimestamp(finished.at)
        if outcome is State.PRUNED:
            new.state = TrialState.PRUNED
            new.values = whole if has_values and len(values) == 1 else ()
        elif outcome is State.COMPLETED and has_values:
            new.state, new.values = TrialState.COMPLETE, whole
        else:
            new.state = TrialState.FAIL


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    """Each searched parameter as Optuna writes it; of a list of configurations, what differs among them."""
    if not space.configurations:
        return {name: _as_optuna(distribution) for name, distribution in space.distributions().items()}
    values: dict[str, dict[Value, None]] = {}
    for params in space.configurations:
        for name, value in params.items():
            values.setdefault(name, {})[value] = None
    return {name: CategoricalDistribution(list(seen)) for name, seen in values.items() if len(seen) > 1}


def _as_optuna(distribution: object) -> BaseDistribution:
    """Optuna knows no normal distribution: the sampler is told a quantile, a person the number between its ends."""
    if isinstance(distribution, Normal):
        return FloatDistribution(distribution.low, distribution.high, log=distribution.log10)
    return to_optuna(distribution)


def _shown(url: str) -> str:
    """``url`` without its user and password."""
    return url if "@" not in url else "***@" + url.rpartition("@")[2]
