"""The float search: what it proposes is well scaled, short, and usually right; nothing here is trusted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from exactbox.polytope import farkas, rays
from exactbox.polytope.candidates import candidates
from exactbox.polytope.centre import analytic_offset, good_centre
from exactbox.polytope.core import core
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.floatlp import FloatLP
from exactbox.polytope.floats import float_view, ratio, scaled_functional, uniform_view
from exactbox.polytope.rational import Rationals, exact, int_array, zeros
from exactbox.polytope.rows import Rows
from exactbox.polytope.space import Space, independent_columns, space
from exactbox.polytope.system import System
from exactbox.polytope.verdicts import Dropped, Free, Same
from tests.polytopes import AWKWARD, SPECK, polytopes, unit_rows


def system(domain: Domain, rows: Rows) -> System:
    return candidates(domain, rows).system


def around(name: str) -> Space:
    case = AWKWARD[name]
    kernel = core(candidates(case.domain, case.rows))
    return space(kernel, case.interior[case.domain.free])


@pytest.mark.parametrize(
    ("num", "den", "exponent", "value"),
    [
        (3, 4, 0, 0.75), (-3, 4, 1, -0.375), (0, 7, 5, 0.0), (10**400, 10**400, 0, 1.0), (1, 3, 0, 1 / 3),
        (1 << 3000, 1, 3000, 1.0), (1, 1 << 3000, -3000, 1.0), (1 << 3000, 1, 0, np.inf), (1, 1 << 3000, 0, 0.0),
    ],
)
def test_ratios_of_huge_numbers(num: int, den: int, exponent: int, value: float) -> None:
    assert ratio(num, den, exponent) == value


@given(polytopes())
@settings(max_examples=60)
def test_views_are_scaled_and_shifted(drawn: tuple[Domain, Rows, Rationals]) -> None:
    domain, rows, inside = drawn
    part = system(domain, rows)
    base = inside[domain.free]
    for view in (float_view(part, base), uniform_view(part, base, 3)):
        assert np.all(view.high > 0) and np.all(view.low < 0)
        assert np.all(np.abs(view.matrix).max(axis=1, initial=0) <= 1)
        at_corner = view.unscaled(np.where(np.isfinite(view.high), view.high, 0.0)) + base
        for value, bound in zip(at_corner.fractions(), part.upper, strict=True):
            assert bound is None or abs(value - bound) <= abs(bound - 0) / 2**40 + Fraction(1, 2**30)


def test_rows_of_wild_scales_become_comparable() -> None:
    rows = unit_rows([["1e300", "1e-300"], ["-1e-300", 0], [1, 1]], ["1e300", 0, 1], 2)
    view = float_view(system(everything(2), rows), exact(["1e-3", "1e-3"]))
    assert np.all(np.abs(view.matrix).max(axis=1) > 0.05) and np.isfinite(view.matrix).all()


def test_functionals_are_scaled_to_one() -> None:
    assert scaled_functional(int_array([10**400, 0]), np.array([0, 5])).tolist()[1] == 0
    assert 0.25 < scaled_functional(int_array([10**400, 3]), np.array([0, 0]))[0] <= 1
    assert scaled_functional(int_array([0, 0]), np.array([0, 5])).tolist() == [0, 0]


class TestCentres:
    """Interior points."""

    @given(polytopes())
    @settings(max_examples=60)
    def test_they_are_strictly_inside(self, drawn: tuple[Domain, Rows, Rationals]) -> None:
        domain, rows, inside = drawn
        part = system(domain, rows)
        assert part.strictly_inside(good_centre(part, inside[domain.free]))

    def test_the_middle_of_a_box(self) -> None:
        part = system(box([0, 0], [1, 4]), unit_rows([], [], 2))
        centre = good_centre(part, exact(["0.0001", "3.9"]))
        for value, middle in zip(centre.fractions(), (Fraction(1, 2), Fraction(2)), strict=True):
            assert abs(value - middle) <= middle / 8
        assert max(len(str(v)) for v in centre.fractions()) <= 8

    def test_a_corner_is_left(self) -> None:
        part = system(box([0] * 9, [1] * 9), unit_rows([[1] * 9], [1], 9))
        view = float_view(part, exact(["1e-6"] * 9))
        moved = analytic_offset(view)
        assert np.all(view.slack - view.matrix @ moved > 0) and np.all(moved - view.low > 100 * -view.low)

    def test_unbounded_coordinates_stay_near(self) -> None:
        part = system(everything(3), unit_rows([[1, 1, 1]], [1], 3))
        assert max(abs(v) for v in good_centre(part, exact([0, 0, 0])).fractions()) < 10**4

    def test_a_polytope_too_thin_for_floats_keeps_a_point_inside(self) -> None:
        case = AWKWARD["thinner than any float"]
        part = system(case.domain, case.rows)
        assert part.strictly_inside(good_centre(part, case.interior))


class TestCore:
    """Comparison of rows."""

    def test_duplicates_parallels_and_zeros_are_settled(self) -> None:
        rows = unit_rows([[0, 0], [1, 2], [2, 4], [3, 6], [1, 0]], [1, 3, 6, 12, 1], 2)
        kernel = core(candidates(box([0, 0], [1, 1]), rows))
        assert kernel.settled[0] == Free() and kernel.settled[2] == Same(1)
        assert kernel.settled[3] == Dropped({1: Fraction(1)})
        assert kernel.rows == (1,) and kernel.high.tolist() == [4, 8] and kernel.low.tolist() == [5, 6]
        assert kernel.settled[7] == Same(4)
        assert kernel.above == {1: Fraction(1)}

    def test_a_tighter_row_replaces_a_bound(self) -> None:
        kernel = core(candidates(box([0], [1]), unit_rows([[4]], [2], 1)))
        assert kernel.system.upper == (Fraction(1, 2),) and kernel.settled == {2: Dropped({0: Fraction(1, 2)})}
        assert kernel.above == {0: Fraction(1, 2)}

    def test_multipliers_of_bounds_that_are_rows_are_spelled_out(self) -> None:
        rows = unit_rows([[2, 0], [1, 1], [3, 1]], [1, 1, 2], 2)
        kernel = core(candidates(box([0, 0], [1, 1]), rows))
        assert kernel.spell({0: Fraction(1)}, 2) == {1: Fraction(1), 0: Fraction(1)}

    def test_a_zero_row_that_cannot_hold_is_refused(self) -> None:
        with pytest.raises(InputError, match="cannot be satisfied"):
            core(candidates(everything(1), unit_rows([[0]], ["-1/2"], 1)))


class TestSpace:
    """Targets and columns."""

    def test_targets_name_rows_then_upper_then_lower_bounds(self) -> None:
        here = around("touches a vertex")
        assert here.positions == (0, 3, 4, 1, 2)
        assert here.exact_functional(2).tolist() == [0, 1] and here.exact_functional(3).tolist() == [-1, 0]
        assert here.functional(1).tolist() == [1.0, 0.0]
        assert here.distance(1) == here.distance(3) == Fraction(1, 2) * here.den

    def test_limits_stop_at_the_next_parallel(self) -> None:
        here = around("close behind a box face")
        target = here.positions.index(3)
        assert here.limit(target) == here.distance(target) + SPECK * here.den
        other = here.positions.index(4)
        assert here.limit(other) == 2 * here.distance(other)
        assert here.ceiling[target] == here.reach[target]

    def test_columns_that_span_the_rest(self) -> None:
        matrix = int_array([1, 2, 0, 0, 2, 4, 0, 5]).reshape(2, 4)
        assert len(independent_columns(matrix, np.ones(4, dtype=np.bool_))) == 2
        assert len(independent_columns(matrix, np.array([True, True, True, False]))) == 1
        assert independent_columns(matrix, np.zeros(4, dtype=np.bool_)) == []

    def test_large_columns_come_first(self) -> None:
        matrix = int_array([1, 10**30, 10**15]).reshape(1, 3)
        assert independent_columns(matrix, np.ones(3, dtype=np.bool_)) == [1]


class TestRays:
    """Exits and rounding."""

    def test_rays_find_the_first_row(self) -> None:
        here = around("cut off entirely by rows")
        exits = rays.shoot(here.view, np.array([[0.0, 1.0, 0.0], [-1.0, 0.2, 0.0]]), here.ceiling)
        first = exits.first.tolist()
        assert here.positions[first[0]] == 2 and here.positions[first[1]] == 0 and first[2] == -1

    def test_two_rows_at_once_are_no_exit(self) -> None:
        here = around("no rows in a box")
        exits = rays.shoot(here.view, np.array([[1.0], [1.0]]), here.ceiling)
        assert exits.first.tolist() == [-1]

    def test_coordinate_rays_of_a_box_need_few_bits(self) -> None:
        here = around("no rows in a box")
        targets, lengths = rays.coordinate_exits(here.view, here.ceiling)
        assert sorted(targets.tolist()) == [0, 1, 2, 3]
        assert sorted(lengths.tolist()) == [-1.0, -1.0, 1.0, 1.0]

    def test_short_points_stay_beyond_their_row(self) -> None:
        here = around("cut off entirely by rows")
        directions = rays.metric_directions(here.view, here.view.matrix.T, 1.0)
        exits = rays.shoot(here.view, directions, here.ceiling)
        assert exits.first.tolist() == [0, 1]
        short, good = rays.shorten(here.view, exits.first, exits.points, here.ceiling)
        assert good.all()
        assert rays.beyond_alone(here.view, exits.first, short, here.ceiling[exits.first]).all()
        longest = max(len(str(v)) for v in exact(short).fractions())
        assert longest < max(len(str(v)) for v in exact(exits.points).fractions()) and longest <= 8

    def test_without_rows_the_metric_is_the_box(self) -> None:
        here = around("no rows in a box")
        directions = rays.metric_directions(here.view, np.eye(2), 1.0)
        assert np.count_nonzero(directions) == 2


class TestFarkas:
    """Rounded multipliers."""

    def test_short_multipliers_where_there_is_room(self) -> None:
        case = AWKWARD["clears by a speck"]
        view = float_view(system(case.domain, case.rows), case.interior)
        rows = unit_rows([[1, 1], [1, 2]], [1, 3], 2)
        view = float_view(system(box([0, 0], [2, 2]), rows), exact(["1/4", "1/4"]))
        duals, good = farkas.round_duals(view, view.matrix[1:], view.slack[1:], np.array([[1.37, 0.0]]))
        assert good.tolist() == [True] and float(duals[0, 0] * 8).is_integer()

    def test_no_room_means_no_multipliers(self) -> None:
        rows = unit_rows([[1, 1]], [1], 2)
        view = float_view(system(box([0, 0], [2, 2]), rows), exact(["1/4", "1/4"]))
        _, good = farkas.round_duals(view, view.matrix, view.slack, np.array([[0.0]]))
        assert good.tolist() == [False]

    def test_rows_that_the_box_implies(self) -> None:
        rows = unit_rows([[1, 1], [1, -1], [1, 1]], [3, 2, 1], 2)
        view = float_view(system(box([0, 0], [1, 1]), rows), exact(["1/4", "1/4"]))
        assert farkas.box_implied(view).tolist() == [0, 1]


def test_the_float_model_can_be_changed_and_restored() -> None:
    rows = unit_rows([[1, 1]], [1], 2)
    view = float_view(system(box([0, 0], [1, 1]), rows), exact(["1/4", "1/4"]))
    model = FloatLP(view)
    objective = np.array([1.0, 1.0])
    first = model.maximize(objective)
    assert first is not None and first.value == pytest.approx(float(view.slack[0]) / view.matrix[0, 0])
    assert model.basis().active == (0,)
    model.row(0, np.inf)
    model.bounds(0, view.low[0], 0.0)
    second = model.maximize(objective)
    assert second is not None and second.point.tolist() == [0.0, view.high[1]]
    model.bounds(1, -np.inf, np.inf)
    assert model.maximize(objective) is None


def test_offsets_are_exact() -> None:
    part = System(zeros(0, 2).num, int_array([]), (Fraction(0),) * 2, (Fraction(1, 3), Fraction(9)))
    view = float_view(part, exact(["1/9", 1]))
    moved = view.unscaled(np.array([0.75, -0.5])).fractions()
    first, second = (Fraction(2) ** e for e in view.scale.tolist())
    assert moved == [Fraction(3, 4) * first, Fraction(-1, 2) * second]
