"""Exact linear algebra: products, solving, rank and row reduction against plain Python."""

from __future__ import annotations

import pickle
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.errors import InputError
from exactbox.polytope.linalg import (
    IntMatrix,
    from_flint,
    matmul,
    matvec,
    primitive,
    product,
    rank,
    row_reduce,
    solve,
    to_flint,
)
from exactbox.polytope.rational import IntArray, Rationals, exact, from_fractions, int_array, zeros

HUGE = 10**60
numbers = st.one_of(st.integers(-3, 3), st.integers(-HUGE, HUGE))
ratios = st.one_of(st.integers(-2, 2).map(Fraction), st.fractions(-5, 5, max_denominator=10**6))


def grid(rows: int, columns: int, entries: list[int]) -> IntArray:
    return int_array(entries).reshape(rows, columns)


@st.composite
def matrices(draw: st.DrawFn, rows: int, columns: int) -> Rationals:
    """Draw a rational matrix whose rows are often combinations of earlier ones."""
    table: list[list[Fraction]] = []
    for _ in range(rows):
        combine = bool(table) and draw(st.booleans())
        if combine:
            factor, source = draw(ratios), table[draw(st.integers(0, len(table) - 1))]
            table.append([factor * value for value in source])
        else:
            table.append([draw(ratios) for _ in range(columns)])
    return from_fractions([value for row in table for value in row], (rows, columns))


def elimination_rank(matrix: Rationals) -> int:
    """Return the rank by Gaussian elimination on fractions."""
    columns = matrix.shape[1]
    values = matrix.fractions()
    rows = [values[i * columns : (i + 1) * columns] for i in range(matrix.shape[0])]
    found = 0
    for k in range(columns):
        pivot = next((row for row in rows[found:] if row[k]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        found += 1
        for row in rows[found:]:
            factor = row[k] / pivot[k]
            row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
    return found


@given(st.data(), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4))
def test_products(data: st.DataObject, rows: int, inner: int, columns: int) -> None:
    left = grid(rows, inner, [data.draw(numbers) for _ in range(rows * inner)])
    right = grid(inner, columns, [data.draw(numbers) for _ in range(inner * columns)])
    across = right.T.tolist()
    expected = [[sum(a * b for a, b in zip(row, col, strict=True)) for col in across] for row in left.tolist()]
    assert product(left, right).tolist() == expected
    prepared = IntMatrix(left)
    assert prepared.times(right).tolist() == expected
    assert prepared.transposed.transposed.times(right).tolist() == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (2, 3)])
def test_flint_and_back(shape: tuple[int, int]) -> None:
    matrix = grid(*shape, [HUGE - i for i in range(shape[0] * shape[1])])
    assert from_flint(to_flint(matrix)).tolist() == matrix.tolist()
    assert from_flint(to_flint(matrix)).shape == shape


def test_rational_products_keep_denominators() -> None:
    left, right = exact([["1/2", "1/3"]]), exact([["1/5"], [3]])
    assert matmul(left, right).fractions() == [Fraction(11, 10)]
    assert matvec(left, exact([4, 9])).fractions() == [5]
    assert matvec(left, exact([4, 9])).shape == (1,)


@pytest.mark.parametrize(
    ("row", "expected", "factor"),
    [
        ([4, -6], [2, -3], 2), ([0, 0], [0, 0], 0), ([0, -7], [0, -1], 7), ([1, 9], [1, 9], 1), ([], [], 0),
        ([-3], [-1], 3),
    ],
)
def test_primitive_rows(row: list[int], expected: list[int], factor: int) -> None:
    found, shared = primitive(int_array(row))
    assert found.tolist() == expected and shared == factor


@given(st.data(), st.integers(1, 4))
@settings(max_examples=80)
def test_solving(data: st.DataObject, size: int) -> None:
    matrix = data.draw(matrices(size, size))
    right = from_fractions([data.draw(ratios) for _ in range(size)])
    solution = solve(matrix, right)
    if elimination_rank(matrix) < size:
        assert solution is None
    else:
        assert solution is not None and matvec(matrix, solution).equals(right)


@pytest.mark.parametrize(
    ("matrix", "right", "solution"),
    [
        ([[2, 0], [0, 4]], [1, 1], ["1/2", "1/4"]),
        ([[0, 1], [1, 0]], [3, 5], [5, 3]),
        ([[-1]], ["1/3"], ["-1/3"]),
        ([["1e-11", 0], [0, "1e11"]], [1, 1], ["1e11", "1e-11"]),
        ([[1, 1], [1, "1.00000000000000000000000000000001"]], [0, "1e-32"], [-1, 1]),
    ],
)
def test_known_solutions(matrix: list[list[object]], right: list[object], solution: list[object]) -> None:
    found = solve(exact(matrix), exact(right))
    assert found is not None and found.equals(exact(solution))


def test_a_matrix_that_is_singular_by_no_speck() -> None:
    assert solve(exact([[1, 2], ["1/3", "2/3"]]), exact([1, 1])) is None


def test_an_empty_system_has_an_empty_solution() -> None:
    solution = solve(zeros(0, 0), zeros(0))
    assert solution is not None and solution.shape == (0,)


@pytest.mark.parametrize(("matrix", "right"), [((2, 3), (2,)), ((2, 2), (3,)), ((2, 2), (2, 1))])
def test_misshapen_systems_are_refused(matrix: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="solve"):
        solve(zeros(*matrix), zeros(*right))


@given(st.data(), st.integers(0, 4), st.integers(1, 4))
@settings(max_examples=80)
def test_rank_and_row_reduction(data: st.DataObject, rows: int, columns: int) -> None:
    matrix = data.draw(matrices(rows, columns))
    expected = elimination_rank(matrix)
    form, pivots = row_reduce(matrix)
    assert rank(matrix.num) == len(pivots) == form.shape[0] == expected
    assert list(pivots) == sorted(set(pivots))
    values = [form[i].fractions() for i in range(expected)]
    for i, pivot in enumerate(pivots):
        assert [row[pivot] for row in values] == [int(k == i) for k in range(expected)]
        assert not any(values[i][:pivot])
    if expected and rows:
        both = from_fractions([*matrix.fractions(), *form.fractions()], (rows + expected, columns))
        assert elimination_rank(both) == expected


def test_rank_of_nothing() -> None:
    assert rank(zeros(0, 3).num) == 0 and rank(zeros(3, 3).num) == 0
    form, pivots = row_reduce(zeros(2, 3))
    assert form.shape == (0, 3) and pivots == ()


def test_a_prepared_matrix_goes_to_another_process() -> None:
    matrix, right = IntMatrix(grid(2, 2, [1, 2, 3, HUGE])), grid(2, 1, [1, HUGE])
    expected = matrix.times(right)
    assert (pickle.loads(pickle.dumps(matrix)).times(right) == expected).all()
