"""Which form of a step is chosen, by given numbers of seconds."""

from __future__ import annotations

from tuner.training.pace import COMPILED, FUSED, LOOPED, SINGLE, TRIES, Pace

STEPS = 4 * TRIES + 3


def forms(seconds, *, rows=8, active=8, compiled=(), pace=None):
    """The forms of some steps, each of which takes the seconds given for its form."""
    pace, chosen = pace or Pace(), []
    for _ in range(STEPS):
        chosen.append(pace.choose(rows, active, compiled))
        pace.note(chosen[-1], rows, active, seconds[chosen[-1]])
    return chosen


def test_each_form_is_tried_and_the_fastest_is_kept():
    assert forms({LOOPED: 0.8, FUSED: 0.1})[-3:] == [FUSED] * 3
    assert forms({LOOPED: 0.1, FUSED: 0.8})[-3:] == [LOOPED] * 3
    assert set(forms({LOOPED: 0.8, FUSED: 0.1})[: 2 * TRIES]) == {LOOPED, FUSED}


def test_compiled_code_is_used_once_it_is_there_and_only_if_it_is_faster():
    pace, seconds = Pace(), {LOOPED: 0.8, FUSED: 0.2, COMPILED: 0.1}
    assert COMPILED not in forms(seconds, pace=pace)
    assert forms(seconds, pace=pace, compiled={8})[-3:] == [COMPILED] * 3
    assert forms({**seconds, COMPILED: 0.3}, compiled={8})[-3:] == [FUSED] * 3


def test_one_by_one_costs_by_the_trials_that_are_there():
    pace, seconds = Pace(), {LOOPED: 0.8, FUSED: 0.4}
    assert forms(seconds, pace=pace)[-1] == FUSED
    assert pace.choose(8, 5, compiled=()) == FUSED
    assert pace.choose(8, 3, compiled=()) == LOOPED


def test_a_first_step_and_a_disturbed_one_do_not_count():
    pace = Pace()
    for seconds in (9.0, 0.1, 5.0, 0.1):
        pace.note(FUSED, 8, 8, seconds)
    for seconds in [0.8] * TRIES:
        pace.note(LOOPED, 8, 8, seconds)
    assert pace.choose(8, 8, compiled=()) == FUSED


def test_one_row_and_what_cannot_be_fused_are_looped():
    assert set(forms({LOOPED: 9.0}, rows=1, active=1, compiled={8})) == {LOOPED}
    pace = Pace(FUSED)
    pace.refuse(RuntimeError(""))
    assert set(forms({LOOPED: 9.0}, pace=pace, compiled={8})) == {LOOPED}


def test_a_form_that_is_asked_for_is_kept():
    assert set(forms({FUSED: 9.0}, pace=Pace(FUSED), compiled={8})) == {FUSED}
    assert set(forms({LOOPED: 9.0}, pace=Pace(LOOPED), compiled={8})) == {LOOPED}
    assert set(forms({COMPILED: 9.0}, pace=Pace(COMPILED), compiled={8})) == {COMPILED}
    assert set(forms({FUSED: 9.0}, pace=Pace(COMPILED))) == {FUSED}, "until there is compiled code"


def test_a_compiled_step_of_one_trial_serves_any_number_of_them():
    seconds = {LOOPED: 0.8, FUSED: 0.9, SINGLE: 0.4}
    assert forms(seconds, compiled={1})[-3:] == [SINGLE] * 3
    assert forms(seconds, rows=1, active=1, compiled={1})[-3:] == [SINGLE] * 3
    pace = Pace()
    pace.refuse(RuntimeError(""))
    assert forms(seconds, pace=pace, compiled={1})[-3:] == [SINGLE] * 3


def test_what_is_faster_uncompiled_is_compiled_first_and_what_is_far_slower_never():
    for looped, fused, widths in ((0.8, 0.2, [8]), (0.2, 0.8, [1]), (0.80, 0.81, [1, 8]), (0.81, 0.80, [8, 1])):
        pace = Pace()
        forms({LOOPED: looped, FUSED: fused}, pace=pace)
        assert pace.worth_compiling(8) == widths
        assert pace.worth_compiling(1) == [1]
        pace.refuse(RuntimeError(""))
        assert pace.worth_compiling(8) == [1]
    assert Pace(LOOPED).worth_compiling(8) == []


def test_only_uncompiled_seconds_bring_compiling_nearer():
    pace = Pace()
    for form in (LOOPED, FUSED, COMPILED):
        pace.note(form, 8, 8, 1.0)
    assert (pace.spent(8), pace.spent(4)) == (2.0, 0.0)
