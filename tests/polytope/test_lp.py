"""Exact linear programs over domains: outcomes in input coordinates, with multipliers by position."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.candidates import candidates
from exactbox.polytope.domain import Domain, box, everything, no_rows
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.lp import guess_basis, maximize
from exactbox.polytope.rational import Rationals, exact, from_fractions, int_array
from exactbox.polytope.rows import Rows
from exactbox.polytope.simplex import Infeasible, Limits, Optimal, Outcome, Unbounded
from exactbox.polytope.system import System
from tests.polytopes import polytopes, unit_rows


def dot(left: Rationals, right: Rationals) -> Fraction:
    return sum((a * b for a, b in zip(left.fractions(), right.fractions(), strict=True)), Fraction(0))


def proved_bound(domain: Domain, rows: Rows, objective: Rationals, multipliers: dict[int, Fraction]) -> Fraction:
    """Return what multipliers by position and the bounds of free coordinates prove, from the rows as they are given."""
    whole = [*zip(rows.matrix.tolist(), rows.rhs.tolist(), strict=True)]
    whole += zip(domain.rows.matrix.tolist(), domain.rows.rhs.tolist(), strict=True)
    for source in domain.bound_sources:
        sign, side = (-1, domain.lower) if source.kind == "lower" else (1, domain.upper)
        unit = [sign * int(k == source.index) for k in range(domain.size)]
        whole.append((unit, sign * (side[source.index] or Fraction(0))))
    left, total = objective.fractions(), Fraction(0)
    for position, weight in multipliers.items():
        assert weight > 0
        left = [r - weight * a for r, a in zip(left, whole[position][0], strict=True)]
        total += weight * whole[position][1]
    gradient, constant = domain.reduce(from_fractions(left, (1, domain.size)), from_fractions([total]))
    total = constant.item(0)
    for i, r in enumerate(gradient.fractions()):
        bound = domain.upper[i] if r > 0 else domain.lower[i]
        assert r == 0 or bound is not None
        total += r * (bound or 0)
    return total


def assert_right(domain: Domain, rows: Rows, objective: Rationals, outcome: Outcome) -> None:
    match outcome:
        case Optimal(value, point, multipliers):
            assert domain.contains(point) and not np.any(rows.slack(point).num < 0)
            assert value == dot(objective, point) == proved_bound(domain, rows, objective, multipliers)
        case Unbounded(point, ray):
            for moved in (point, point + ray, point + ray.scaled(10**20)):
                assert domain.contains(moved) and not np.any(rows.slack(moved).num < 0)
            assert dot(objective, ray) > 0
        case Infeasible(multipliers):
            assert proved_bound(domain, rows, exact([0] * domain.size), multipliers) < 0


@given(polytopes(), st.data())
@settings(max_examples=80)
def test_random_programs(drawn: tuple[Domain, Rows, Rationals], data: st.DataObject) -> None:
    domain, rows, _ = drawn
    objective = from_fractions([Fraction(data.draw(st.integers(-3, 3))) for _ in range(domain.size)])
    outcome = maximize(domain, rows, objective)
    assert not isinstance(outcome, Infeasible)
    assert_right(domain, rows, objective, outcome)


NOTHING: list[object] = []
SKEW = ([0, 0, None], [1, 1, None], NOTHING, NOTHING, [[1, 2, 0], [1, 0, 1]], [1, 0])


@pytest.mark.parametrize(
    ("objective", "value"), [([1, 0, 0], 1), ([-1, 0, 0], 0), ([0, 1, 0], "1/2"), ([0, 0, 1], 0), ([0, 0, -1], 1)]
)
def test_domains_with_equations(objective: list[object], value: object) -> None:
    domain = domain_from_rows(*SKEW)
    outcome = maximize(domain, no_rows(3), exact(objective))
    assert isinstance(outcome, Optimal) and outcome.value == exact([value]).item(0)
    assert_right(domain, no_rows(3), exact(objective), outcome)


def test_a_row_of_a_domain_with_equations() -> None:
    domain = domain_from_rows(*SKEW)
    rows = unit_rows([[0, 0, 4]], [-1], 3)
    outcome = maximize(domain, rows, exact([-1, 5, 2]))
    assert_right(domain, rows, exact([-1, 5, 2]), outcome)


def test_rows_that_contradict_the_domain() -> None:
    rows = unit_rows([[1, 1], [-1, 0]], ["-1/3", 5], 2)
    outcome = maximize(box([0, 0], [1, 1]), rows, exact([1, 0]))
    assert isinstance(outcome, Infeasible) and set(outcome.multipliers) == {0}
    assert_right(box([0, 0], [1, 1]), rows, exact([1, 0]), outcome)


def test_rows_that_contradict_each_other_by_a_speck() -> None:
    rows = unit_rows([[1, 3], [-1, -3]], [0, "-1e-60"], 2)
    outcome = maximize(everything(2), rows, exact([0, 0]))
    assert isinstance(outcome, Infeasible) and set(outcome.multipliers) == {0, 1}


def test_no_rows_and_no_bounds() -> None:
    assert isinstance(maximize(everything(2), no_rows(2), exact([0, 1])), Unbounded)
    still = maximize(everything(2), no_rows(2), exact([0, 0]))
    assert isinstance(still, Optimal) and still.value == 0


def test_a_point_has_one_value() -> None:
    outcome = maximize(box([1, 2], [1, 2]), no_rows(2), exact([10, 100]))
    assert isinstance(outcome, Optimal) and outcome.value == 210


def test_a_medium_program_starts_from_the_float_basis() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((25, 120)).astype(np.float32)
    rows = unit_rows(matrix.tolist(), (np.abs(matrix).sum(axis=1) / 40).tolist(), 120)
    objective = exact(rng.standard_normal(120))
    domain = box([0] * 120, [1] * 120)
    outcome = maximize(domain, rows, objective, Limits(pivots=3))
    assert_right(domain, rows, objective, outcome)
    assert isinstance(outcome, Optimal) and len(outcome.multipliers) > 3


def test_the_objective_must_fit() -> None:
    with pytest.raises(InputError, match=r"expected shape \(2,\)"):
        maximize(everything(2), no_rows(2), exact([1]))


def test_the_budget_is_an_answer() -> None:
    with pytest.raises(BudgetError):
        maximize(box([0], [1]), unit_rows([[3]], [1], 1), exact([1]), Limits(pivots=0))


def test_the_guess_of_an_empty_system_is_some_basis() -> None:
    system = System(int_array([1, -1]).reshape(2, 1), int_array([0, -1]), (None,), (None,))
    basis = guess_basis(system, exact([1]), exact([0]))
    assert len(basis.active) == len(basis.basic) <= 1


def test_candidates_lift_points_and_directions() -> None:
    whole = candidates(domain_from_rows(*SKEW), no_rows(3))
    point = whole.lift(exact(["-1/2"] * len(whole.low)))
    assert whole.domain.contains(point)
    moved = point + whole.lift_direction(exact(["1/8"] * len(whole.low)))
    assert whole.domain.contains(moved) and not moved.equals(point)
    step = whole.lift_step({0: Fraction(1, 8)})
    shifted = point + from_fractions([step.get(i, Fraction(0)) for i in range(3)])
    assert whole.domain.contains(shifted) and shifted.equals(moved)
