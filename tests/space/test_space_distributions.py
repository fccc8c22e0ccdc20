"""Every distribution keeps its promises: what it gives it contains, grids reach both ends, edges are where they are."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.space import Choice, Distribution, Draft, Fixed, Int, Log, Normal, Problems, Range, Uniform, draft_of, read

finite = st.floats(-1e9, 1e9)
positive = st.floats(1e-12, 1e9)
whole = st.integers(-(10**6), 10**6)
count = st.integers(1, 12)


@st.composite
def stepped(draw):
    step = draw(st.sampled_from([0.1, 0.25, 0.5, 1, 3]))
    low = draw(st.integers(-50, 50))
    return Uniform(low, round(low + step * draw(st.integers(1, 40)), 6), step)


@st.composite
def integers(draw):
    step = draw(st.integers(1, 5))
    low = draw(whole)
    return Int(low, low + step * draw(st.integers(1, 10**5)), step=step)


continuous = st.one_of(
    st.tuples(finite, finite).filter(lambda r: r[0] < r[1]).map(lambda r: Uniform(*r)),
    st.tuples(positive, positive).filter(lambda r: r[0] < r[1]).map(lambda r: Log(*r)),
)
normals = st.one_of(
    st.builds(Normal, finite, st.floats(1e-2, 1e6)),
    st.builds(Normal, st.floats(-10, 10), st.floats(1e-2, 5), st.just(True)),
)
ranges = st.one_of(
    continuous,
    stepped(),
    integers(),
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)).map(lambda r: Int(r[0], sum(r), log=True)),
)
values = st.one_of(st.none(), st.booleans(), whole, finite, st.text(max_size=5))
distributions = st.one_of(
    ranges, normals, values.map(Fixed), st.lists(values, min_size=1, unique=True).map(lambda v: Choice(tuple(v)))
)
# Wide enough for their inner points to be different numbers.
roomy = continuous.filter(lambda d: d.high - d.low > max(1e-3 * abs(d.low), 1e-300))


@given(distributions, count)
def test_points_are_contained_and_distinct(distribution: Distribution, n: int) -> None:
    points = distribution.points(n)
    assert len(set(points)) == len(points) > 0
    assert all(distribution.contains(point) for point in points)


@given(ranges, st.integers(2, 12))
def test_grid_of_a_range_ascends_from_end_to_end(distribution: Range, n: int) -> None:
    points = distribution.points(n)
    assert points[0] == distribution.low
    assert points[-1] == distribution.high
    assert all(a < b for a, b in pairwise(points))
    assert len(points) <= n


@given(roomy, count)
def test_a_continuous_range_has_as_many_points_as_asked(distribution: Range, n: int) -> None:
    assert len(distribution.points(n)) == n


@given(integers(), stepped())
def test_short_ranges_are_taken_whole(whole_numbers: Int, steps: Uniform) -> None:
    small = Int(whole_numbers.low, whole_numbers.low + 3 * whole_numbers.step, step=whole_numbers.step)
    assert len(small.points(9)) == 4
    assert len(steps.points(100)) == round((steps.high - steps.low) / steps.step) + 1


def test_log_points_are_a_factor_apart() -> None:
    points = Log(1e-4, 1e-1).points(4)
    assert points == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert Int(1, 64, log=True).points(4) == (1, 4, 16, 64)
    assert Log(1e-4, 1.0).points(1) == pytest.approx((1e-2,))


@given(st.one_of(ranges, normals), st.floats(0, 1))
def test_any_part_of_a_range_lies_in_it(distribution: Range, part: float) -> None:
    assert distribution.contains(distribution.at(part))


@given(roomy, st.floats(0, 1))
def test_edges_are_two_per_cent_of_the_search_scale(distribution: Range, part: float) -> None:
    near = {0.0: "low", 0.015: "low", 0.03: None, 0.5: None, 0.97: None, 0.985: "high", 1.0: "high"}
    assert {p: distribution.edge(distribution.at(p)) for p in near} == near
    assert math.isclose(distribution.part(distribution.at(part)), part, abs_tol=1e-4)


def test_a_part_of_a_normal_is_a_quantile() -> None:
    # The quartiles and the 97.5 % point of the standard normal; cutting at four deviations moves the latter by 3e-5.
    assert [Normal(0, 1).at(part) for part in (0.25, 0.5, 0.75)] == pytest.approx([-0.67448, 0, 0.67448], abs=1e-4)
    assert Normal(-3, 0.5, log10=True).at(0.975) == pytest.approx(10 ** (-3 + 0.5 * 1.95996), rel=1e-3)
    assert Normal(2, 3).ends() == (-10, 14)
    assert Normal(-3, 0.5, log10=True).ends() == pytest.approx((1e-5, 1e-1))
    assert not Normal(-3, 0.5, log10=True).contains(0.2)
    assert Normal(-3, 0.5, log10=True).points(2) == pytest.approx([10**-3.33724, 10**-2.66276], rel=1e-3)
    assert Normal(-3, 0.5, log10=True).part(0.0) < 0


def test_edges_of_what_has_none() -> None:
    assert Fixed(1.0).edge(1.0) is None
    assert Choice((1, 2)).edge(1) is None
    assert Log(1e-4, 1e-1).edge(5.0) is None
    assert Uniform(0, 1).edge("low") is None


@given(distributions)
def test_the_written_form_reads_back(distribution: Distribution) -> None:
    problems = Problems()
    draft = read({"optimizer": {"x": {"y": distribution.form()}}}, draft_of, problems)
    assert draft == Draft(optimizer={"x": {"y": distribution}})


WRONG = [
    (lambda: Uniform(1, 1), "low < high"),
    (lambda: Uniform(2, 1), "low < high"),
    (lambda: Uniform(0, math.inf), "finite"),
    (lambda: Uniform(-1e308, 1e308), "finite length"),
    (lambda: Uniform(True, 2), "finite numbers"),
    (lambda: Uniform(0, 1, 0), "step > 0"),
    (lambda: Uniform(0, 1, 0.3), "divides"),
    (lambda: Log(0, 1), "above 0"),
    (lambda: Log(-1, 1), "above 0"),
    (lambda: Int(0, 4, log=True), "above 0"),
    (lambda: Int(0, 1.5), "whole"),
    (lambda: Int(0, 2**60), r"2\^53"),
    (lambda: Int(0, 3, step=2), "divides"),
    (lambda: Int(1, 5, step=2, log=True), "step 1"),
    (lambda: Int(1, 5, step=0), ">= 1"),
    (lambda: Normal(0, 0), "standard deviation > 0, got 0"),
    (lambda: Normal(0, math.nan), "two finite numbers"),
    (lambda: Normal(1e9, 1e-12), "finite length"),
    (lambda: Normal(0, 1e308), "finite length"),
    (lambda: Normal(0, 1, 10), "log10: true or false, got 10"),
    (lambda: Normal(-3, 100, log10=True), "powers of ten"),
    (lambda: Choice(()), "at least one"),
    (lambda: Choice((1, 1.0)), "twice"),
    (lambda: Choice(([1],)), "plain values"),
    (lambda: Fixed([1]), "plain value"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_ranges_that_hold_nothing_are_refused(make, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()
