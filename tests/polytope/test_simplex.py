"""The exact simplex method: outcomes with evidence, degenerate and cycling programs, budgets."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.rational import exact, from_fractions, int_array
from exactbox.polytope.simplex import Basis, Infeasible, Limits, Optimal, Unbounded, optimize
from exactbox.polytope.system import Bound, System, on_grid, select
from tests.oracles import assert_proved, feasible, inequality, system_inequalities
from tests.polytopes import systems


def system(matrix: list[list[int]], rhs: list[int], lower: list[object], upper: list[object]) -> System:
    size = len(lower)
    rows = int_array(v for row in matrix for v in row).reshape(len(rhs), size)
    return System(rows, int_array(rhs), bounds(lower), bounds(upper))


def bounds(values: list[object]) -> tuple[Bound, ...]:
    return tuple(None if v is None else exact([v]).item() for v in values)


# Beale's example (1955) cycles under the largest-coefficient rule with lowest-index ties.
BEALE = (
    [[25, -6000, -4, 900], [25, -4500, -1, 150], [0, 0, 1, 0]],
    [0, 0, 1],
    [Fraction(3, 4), -150, Fraction(1, 50), -6],
)

CASES: dict[str, tuple[System, list[object], type[object], object]] = {
    "nothing at all": (system([], [], [], []), [], Optimal, 0),
    "a box": (system([], [], [0, -1], [2, 5]), [1, -1], Optimal, 3),
    "a zero-width coordinate": (system([[1, 1]], [1], [0, "1/3"], [None, "1/3"]), [1, 7], Optimal, 3),
    "zero objective": (system([[1]], [4], [None], [None]), [0], Optimal, 0),
    "a free coordinate between rows": (system([[1], [-1]], [3, -3], [None], [None]), [5], Optimal, 15),
    "unbounded below a bound": (system([], [], [0], [None]), [1], Unbounded, None),
    "unbounded along a row": (system([[1, -1]], [0], [None, None], [None, None]), [1, 1], Unbounded, None),
    "zero row that cannot hold": (system([[0]], [-1], [0], [1]), [1], Infeasible, None),
    "zero row that holds": (system([[0]], [0], [0], [1]), [1], Optimal, 1),
    "contradiction with the box": (system([[1, 1]], [-1], [0, 0], [1, 1]), [1, 0], Infeasible, None),
    "contradicting rows": (system([[1, 2], [-1, -2]], [0, -1], [None] * 2, [None] * 2), [0, 0], Infeasible, None),
    "a point only": (system([[1, 1], [-1, 0], [0, -1]], [0, 0, 0], [None] * 2, [None] * 2), [1, 1], Optimal, 0),
    "copies of one row": (system([[1, 1]] * 5, [1] * 5, [0, 0], [None] * 2), [1, 2], Optimal, 2),
    "Beale's cycling example": (
        system(BEALE[0], BEALE[1], [0] * 4, [None] * 4), list(BEALE[2]), Optimal, Fraction(1, 20)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_awkward_programs(name: str) -> None:
    program, objective, kind, value = CASES[name]
    costs = [Fraction(str(c)) for c in objective]
    outcome = optimize(program, from_fractions(costs))
    assert type(outcome) is kind
    assert_proved(program, costs, outcome)
    if isinstance(outcome, Optimal):
        assert outcome.value == value


@given(systems(), st.data())
@settings(max_examples=150)
def test_outcomes_are_proved_and_agree_with_elimination(
    drawn: tuple[System, list[Fraction]], data: st.DataObject
) -> None:
    program, objective = drawn
    rows, size = program.shape
    count = data.draw(st.integers(0, min(rows, size)))
    basis = Basis(
        tuple(data.draw(st.permutations(range(rows)))[:count]),
        tuple(data.draw(st.permutations(range(size)))[:count]),
        frozenset(data.draw(st.sets(st.integers(0, size - 1)))),
    )
    outcome = optimize(program, from_fractions(objective), basis)
    assert_proved(program, objective, outcome)
    assert isinstance(outcome, Infeasible) != feasible(system_inequalities(program))
    if isinstance(outcome, Optimal):
        better = inequality([-c for c in objective], -outcome.value, strict=True)
        assert not feasible([*system_inequalities(program), better])


def test_every_start_gives_the_same_optimum() -> None:
    program = system([[1, 2, 1], [2, 1, 3], [-1, 1, 1]], [7, 9, 4], [0] * 3, [4, None, 2])
    costs = from_fractions([Fraction(3), Fraction(2), Fraction(4)])
    cold = optimize(program, costs)
    assert isinstance(cold, Optimal)
    for active in [(), (0,), (1, 2), (0, 1, 2)]:
        warm = optimize(program, costs, Basis(active, tuple(range(len(active))), frozenset({2})))
        assert isinstance(warm, Optimal) and warm.value == cold.value


def test_a_singular_basis_is_no_obstacle() -> None:
    program = system([[1, 1], [2, 2], [1, -1]], [4, 8, 1], [0, 0], [None, None])
    outcome = optimize(program, from_fractions([1, 1]), Basis((0, 1), (0, 1)))
    assert isinstance(outcome, Optimal) and outcome.value == 4


def test_huge_numbers() -> None:
    big = 10**400
    program = system([[big, 1], [1, big]], [big, big], [0, 0], [None, None])
    outcome = optimize(program, from_fractions([1, 1]))
    assert isinstance(outcome, Optimal) and outcome.value == Fraction(2 * big, big + 1)


def test_the_pivot_budget_is_an_answer() -> None:
    program = system([[1, 1], [1, -1]], [4, 1], [0, 0], [None, None])
    with pytest.raises(BudgetError, match="undecided after 1 pivots"):
        optimize(program, from_fractions([2, 1]), None, Limits(pivots=1))


def test_the_deadline_is_an_answer() -> None:
    program = system([[1, 1], [1, -1]], [4, 1], [0, 0], [None, None])
    with pytest.raises(BudgetError, match="time limit"):
        optimize(program, from_fractions([2, 1]), None, Limits(deadline=time.monotonic() - 1))


def test_a_system_with_crossed_bounds_is_refused() -> None:
    with pytest.raises(InputError, match="coordinate 1 is empty"):
        system([], [], [0, 2], [1, 1])


def test_a_system_of_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="1 bounds"):
        System(int_array([1, 2]).reshape(1, 2), int_array([1]), (None,), (None,))


def test_absorbing_a_residual_needs_the_right_bound() -> None:
    half = system([[1, 1]], [1], [0, None], [2, 5])
    values, possible = half.absorb(int_array([3, 1, -1, 0, 0, -1]).reshape(3, 2))
    assert possible.tolist() == [True, True, False]
    assert values.fractions()[:2] == [11, 0]


def test_selecting_rows_and_coordinates() -> None:
    part = select(system([[1, 2], [3, 4]], [5, 6], [0, 1], [2, 3]), [1], [0])
    assert part.matrix.tolist() == [[3]] and part.rhs.tolist() == [6] and part.lower == (Fraction(0),)


@pytest.mark.parametrize(
    ("value", "exponent", "expected"), [("1/3", -2, "1/4"), ("5/8", -2, "3/4"), (-7, 2, -8), (6, 2, 8), ("1/3", 3, 0)]
)
def test_rounding_to_a_grid(value: object, exponent: int, expected: object) -> None:
    assert on_grid(exact([value]), [exponent]).item(0) == exact([expected]).item(0)
