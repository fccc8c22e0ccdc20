"""Every sampler with every pruner proposes the same again, told the same in the same order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from search_sweeps import CONDITIONAL, PRUNER_NAMES, REPEATS, SAMPLER_NAMES, Sweep, make

from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.span import space_of
from tuner.execution.synthetic import synthetic_table
from tuner.replay import Difference, replay
from tuner.search import make_search
from tuner.study import Budget, Study
from tuner.trial import Event, Objective, Proposed, TrainingPlan
from tuner.trial import Sweep as Recorded

LENGTH = dict.fromkeys(SAMPLER_NAMES, 14) | {"gp": 4}  # GP fits a model at each ask that comes after its random ones


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize("pruner", PRUNER_NAMES)
def test_every_sampler_and_pruner_proposes_the_same_again(sampler: str, pruner: str) -> None:
    repeats = REPEATS[pruner]
    search = make(sampler, pruner, seed=5, repeats=repeats)
    sweep = Sweep(search, repeats=repeats, slots=2 * repeats + 1, seed=5)
    sweep.run(LENGTH[sampler] + (pruner == "none"))
    again = replay(make(sampler, pruner, seed=5, repeats=repeats), sweep.history, repeats)
    went_on = sum(isinstance(e, Proposed) and e.spec.resume_step > 0 for e in sweep.history)
    assert again.differs is None
    assert again.same == again.proposals >= len(sweep.asked)
    assert (again.proposals > len(sweep.asked)) == (pruner == "asha" and went_on > 0)


@pytest.mark.parametrize("sampler", [name for name in SAMPLER_NAMES if name != "grid"])
def test_another_seed_differs_at_once_and_both_parameter_sets_are_told(sampler: str) -> None:
    sweep = Sweep(make(sampler, seed=1), seed=1).run(4)
    again = replay(make(sampler, seed=2), sweep.history, 1)
    assert (again.same, again.proposals) == (0, len(sweep.asked))
    assert again.differs is not None
    assert again.differs.recorded == {**sweep.asked[0], "pauses after": None}
    assert again.differs.proposed == {**make(sampler, seed=2).ask(), "pauses after": None}


@pytest.mark.parametrize("place", [0, 5])
def test_the_first_difference_is_found_where_it_is(place: int) -> None:
    sweep = Sweep(make("tpe", seed=1), seed=1).run(8)
    asked = [n for n, e in enumerate(sweep.history) if isinstance(e, Proposed) and e.attempt == 0]
    history = list(sweep.history)
    event = history[asked[place]]
    history[asked[place]] = replace(event, spec=replace(event.spec, params={**event.spec.params, "width": 1}))
    again = replay(make("tpe", seed=1), history, 1)
    assert (again.same, again.proposals) == (place, 8)
    recorded = {**event.spec.params, "pauses after": None}
    assert again.differs == Difference(trial=place, recorded={**recorded, "width": 1}, proposed=recorded)


def test_a_sampler_that_has_nothing_left_is_a_difference() -> None:
    sweep = Sweep(make("random", seed=1), seed=1).run(3)
    again = replay(make("grid", points=1, space=replace(CONDITIONAL, branches=(), shared={})), sweep.history, 1)
    assert again.differs is not None
    assert again.differs.proposed == {"pauses after": None}  # its one configuration is empty, and then there is none
    assert again.same == 0


class Kept:
    """A ledger and a sink in one list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, sweep: str, events: list[Event]) -> None:
        self.events += events

    def write(self, events: list[Event]) -> None: ...

    def close(self) -> None: ...


LOSS = Objective(metric="loss", direction="minimize")


@pytest.mark.parametrize("pruner", ["asha", "successive-halving", "median"])
def test_a_sweep_of_several_drivers_proposes_the_same_again(pruner: str) -> None:
    table, steps = synthetic_table(rows=60, evaluations=9, seed=1, diverging=0.1), 9
    options = {"asha": {"min_steps": 1, "eta": 3}, "successive-halving": {"min_steps": 1, "factor": 3}, "median": {}}
    plan = TrainingPlan(objectives=(LOSS,), evaluate_every=1)
    kept, repeats = Kept(), 2
    recorded = Recorded(
        id="s-1",
        name="s",
        spec={},
        spec_text="",
        environment={},
        objectives=(LOSS,),
        seed=3,
        repeats=repeats,
        created_at=0.0,
    )

    def search():
        return make_search(
            space=space_of(table),
            objectives=(LOSS,),
            sampler="tpe",
            sampler_options={"startup_trials": 4},
            pruner=pruner,
            pruner_options=options[pruner],
            seed=3,
            repeats=repeats,
            total_steps=steps,
        )

    lives = 0
    status = "interrupted"
    while status == "interrupted":  # every driver goes on for a while from what is recorded, with new workers
        lives += 1
        ticks = iter([False] * 10)
        study = Study(
            recorded,
            sampler=search(),
            executor=SimulatedExecutor(table, plan=plan, slots=5),
            ledger=kept,
            sink=kept,
            budget=Budget(steps=steps, trials=60),
            history=kept.events,
        )
        status = study.run(lambda: next(ticks, True)).status  # noqa: B023
    assert lives > 2
    again = replay(search(), kept.events, repeats)
    assert again.differs is None
    assert again.same == again.proposals >= 30
