"""Products on limbs equal Python's, at every size where the method changes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.limbs import LIMB_BITS, MAX_TERMS, LimbMatrix, join, split
from exactbox.polytope.linalg import LIMB_THRESHOLD, IntMatrix, product
from exactbox.polytope.rational import IntArray, int_array

EDGES = [
    0,
    1,
    -1,
    2**23 - 1,
    2**23,
    -(2**23),
    2**24,
    2**47,
    -(2**47) - 1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**63,
    2**64,
    -(2**200),
]


def random_matrix(rows: int, columns: int, bits: int, seed: int) -> IntArray:
    source = random.Random(seed)
    entries = [source.getrandbits(bits) - (1 << bits >> 1) for _ in range(rows * columns)]
    return int_array(entries).reshape(rows, columns)


def by_python(left: IntArray, right: IntArray) -> list[list[int]]:
    columns = right.T.tolist()
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in left.tolist()]


@given(st.lists(st.one_of(st.sampled_from(EDGES), st.integers(-(2**150), 2**150)), max_size=8))
def test_limbs_join_to_the_value(values: list[int]) -> None:
    limbs = split(int_array(values))
    assert np.all(np.abs(limbs) <= 2.0 ** (LIMB_BITS - 1))
    assert [sum(int(limb) << (LIMB_BITS * i) for i, limb in enumerate(column)) for column in limbs.T] == values
    assert join(limbs.astype(np.int64)).tolist() == values


@pytest.mark.parametrize("bits", [1, 8, 23, 24, 25, 46, 62, 63, 64, 65, 100, 400])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, MAX_TERMS, 2), (2, MAX_TERMS + 1, 3), (5, 3 * MAX_TERMS, 1), (7, 4, 0)]
)
def test_products_of_random_matrices(bits: int, shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    left, right = random_matrix(rows, inner, bits, 1), random_matrix(inner, columns, max(1, bits // 2), 2)
    assert LimbMatrix(left).times(right).tolist() == by_python(left, right)


def test_the_largest_sums_stay_exact() -> None:
    """Every limb at its largest absolute value, in a sum as long as float64 holds."""
    extreme = -(2 ** (LIMB_BITS - 1))
    left = int_array([extreme] * (2 * MAX_TERMS)).reshape(2, MAX_TERMS)
    right = int_array([extreme] * MAX_TERMS).reshape(MAX_TERMS, 1)
    assert LimbMatrix(left).times(right).tolist() == [[MAX_TERMS * extreme**2]] * 2


def test_rows_of_zeros_are_skipped_without_a_change() -> None:
    left, right = random_matrix(6, 40, 44, 3), random_matrix(40, 5, 90, 4)
    right[::2] = 0
    assert LimbMatrix(left).times(right).tolist() == by_python(left, right)
    right[:] = 0
    assert LimbMatrix(left).times(right).tolist() == [[0] * 5] * 6


@pytest.mark.parametrize("size", [2, 25, 26, 40])
def test_both_ways_of_a_product_agree(size: int) -> None:
    left, right = random_matrix(size, size, 50, 5), random_matrix(size, size, 50, 6)
    assert (size**3 >= LIMB_THRESHOLD) == (size > 25)
    assert product(left, right).tolist() == by_python(left, right)
    assert IntMatrix(left).transposed.times(right).tolist() == by_python(left.T, right)
