"""Integer rows: scaling to primitive integers, slacks, subsets, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact, from_fractions, int_array
from exactbox.polytope.rows import Rows, RowSource, integer_rows, join


def sources(count: int) -> tuple[RowSource, ...]:
    return tuple(RowSource("unit", 2, i) for i in range(count))


def rows(matrix: Sequence[Sequence[object]], rhs: Sequence[object]) -> Rows:
    return integer_rows(exact([list(row) for row in matrix]), exact(list(rhs)), sources(len(rhs)))


@pytest.mark.parametrize(
    ("row", "bound", "integers"),
    [
        ([2, 4], 6, [1, 2, 3]), (["1/2", "1/3"], 1, [3, 2, 6]), ([-2, 0], -4, [-1, 0, -2]), ([0, 0], 5, [0, 0, 1]),
        ([0, 0], 0, [0, 0, 0]), ([0, 0], "-1/7", [0, 0, -1]), (["1e-11", "1e11"], 0, [1, 10**22, 0]),
        ([3, 0], 0, [1, 0, 0]),
    ],
)
def test_rows_are_primitive(row: list[object], bound: object, integers: list[int]) -> None:
    found = rows([row], [bound])
    assert [*found.matrix[0].tolist(), found.rhs[0]] == integers


values = st.fractions(-9, 9, max_denominator=50)


@given(st.lists(values, min_size=2, max_size=4), st.fractions(1, 50, max_denominator=9))
def test_positive_multiples_become_one_row(drawn: list[Fraction], factor: Fraction) -> None:
    first = rows([drawn[:-1]], [drawn[-1]])
    second = rows([[factor * v for v in drawn[:-1]]], [factor * drawn[-1]])
    assert first.matrix.tolist() == second.matrix.tolist() and first.rhs.tolist() == second.rhs.tolist()
    assert gcd(*first.matrix[0].tolist(), first.rhs[0]) in (0, 1)


@given(st.lists(values, min_size=3, max_size=3))
def test_slacks(point: list[Fraction]) -> None:
    table = rows([[1, 2, 3], [0, -1, "1/2"]], [4, "1/3"])
    slack = table.slack(from_fractions(point)).fractions()
    assert slack[0] == 4 - point[0] - 2 * point[1] - 3 * point[2]
    assert slack[1] == 2 - (-6 * point[1] + 3 * point[2])


def test_no_rows() -> None:
    empty = Rows(int_array([]).reshape(0, 2), int_array([]), ())
    assert len(empty) == 0 and empty.slack(exact([1, 2])).shape == (0,)
    assert len(join(empty, rows([[1, 2]], [3]))) == 1


def test_subsets_keep_order_and_sources() -> None:
    part = rows([[1, 0], [0, 1], [1, 1]], [1, 2, 3]).subset([2, 0])
    assert part.rhs.tolist() == [3, 1] and [source.group for source in part.sources] == [2, 0]


def test_join() -> None:
    joined = join(rows([[1, 2]], [3]), rows([[4, 5], [6, 7]], [8, 9]))
    assert joined.matrix.tolist() == [[1, 2], [4, 5], [6, 7]] and len(joined.sources) == 3


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        rows([[1, 2]], [3]).matrix[0, 0] = 9


@pytest.mark.parametrize(
    ("matrix", "rhs", "count"),
    [(np.zeros((2, 2), dtype=object), np.zeros(1, dtype=object), 1),
     (np.zeros((1, 2), dtype=object), np.zeros(2, dtype=object), 1),
     (np.zeros(2, dtype=object), np.zeros(2, dtype=object), 2)],
)
def test_misfits_are_refused(matrix: np.ndarray, rhs: np.ndarray, count: int) -> None:
    with pytest.raises(InputError, match="rows"):
        Rows(matrix, rhs, sources(count))


def test_sources_have_an_order() -> None:
    first, second, bound = RowSource("unit", 1, 1), RowSource("unit", 1, 2), RowSource("lower", 5)
    assert sorted([second, bound, first]) == [bound, first, second]
