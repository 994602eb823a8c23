"""Exact integer linear algebra: products, primitive rows, solving, rank, row reduction."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
from flint import fmpq_mat, fmpz_mat

from exactbox.polytope.errors import InputError
from exactbox.polytope.limbs import LimbMatrix
from exactbox.polytope.rational import IntArray, Rationals, from_fractions, int_array

LIMB_THRESHOLD = 1 << 14
"""From this number of entry products on, limbs beat FLINT."""


def to_flint(matrix: IntArray) -> fmpz_mat:
    """Convert an (m, n) integer array to FLINT."""
    return fmpz_mat(matrix.shape[0], matrix.shape[1], matrix.ravel().tolist())


def from_flint(matrix: fmpz_mat) -> IntArray:
    """Convert a FLINT integer matrix to an (m, n) array of Python ints."""
    return int_array(map(int, matrix.entries())).reshape(matrix.nrows(), matrix.ncols())


class IntMatrix:
    """An integer matrix (m, k) prepared once for repeated exact products.

    Small products go to FLINT, large ones to float64 BLAS on limbs (2 to 4 times faster, conversions included).
    """

    def __init__(self, entries: IntArray) -> None:
        self.entries = entries

    def __reduce__(self) -> tuple[type[IntMatrix], tuple[IntArray]]:
        """Pickle the entries alone: FLINT's matrices cannot be, and each process prepares its own."""
        return IntMatrix, (self.entries,)

    @functools.cached_property
    def transposed(self) -> IntMatrix:
        """The transpose."""
        return IntMatrix(self.entries.T)

    @functools.cached_property
    def _flint(self) -> fmpz_mat:
        return to_flint(self.entries)

    @functools.cached_property
    def _limbs(self) -> LimbMatrix:
        return LimbMatrix(self.entries)

    def times(self, right: IntArray) -> IntArray:
        """Multiply by an integer matrix (k, n) exactly; shape (m, n)."""
        large = self.entries.size * right.shape[1] >= LIMB_THRESHOLD
        return self._limbs.times(right) if large else from_flint(self._flint * to_flint(right))


def product(left: IntArray, right: IntArray) -> IntArray:
    """Multiply integer matrices (m, k) and (k, n) exactly.

    >>> product(int_array([1, 2]).reshape(1, 2), int_array([3, 4]).reshape(2, 1)).tolist()
    [[11]]
    """
    return IntMatrix(left).times(right)


def matmul(left: Rationals, right: Rationals) -> Rationals:
    """Multiply rational matrices (m, k) and (k, n) exactly."""
    return Rationals(product(left.num, right.num), left.den * right.den)


def matvec(matrix: Rationals, vector: Rationals) -> Rationals:
    """Multiply a rational matrix (m, k) with a vector (k,) exactly; shape (m,)."""
    return matmul(matrix, vector.reshape(-1, 1)).reshape(-1)


def primitive(row: IntArray) -> tuple[IntArray, int]:
    """Divide an integer row by the gcd of its entries; returns the row and the gcd (0 for a zero row).

    >>> row, factor = primitive(int_array([4, -6]))
    >>> row.tolist(), factor
    ([2, -3], 2)
    """
    factor = math.gcd(*row.tolist())
    return (row // factor if factor > 1 else row), factor


def solve(matrix: Rationals, right: Rationals) -> Rationals | None:
    """Solve the square system (n, n) x = (n,) exactly, or return None where the matrix is singular.

    >>> solution = solve(from_fractions([2, 0, 0, 4], (2, 2)), from_fractions([1, 1]))
    >>> [str(v) for v in solution.fractions()] if solution else None
    ['1/2', '1/4']
    """
    rows, columns = matrix.shape
    if rows != columns or right.shape != (rows,):
        raise InputError(f"solve: expected (n, n) and (n,), got {matrix.shape} and {right.shape}")
    if rows == 0:
        return right
    try:
        found = fmpq_mat(to_flint(matrix.num)).solve(fmpq_mat(to_flint(right.num.reshape(-1, 1))))
    except ZeroDivisionError:
        return None
    num, den = found.numer_denom()
    sign = matrix.den if den > 0 else -matrix.den
    return Rationals(from_flint(num).reshape(-1) * sign, abs(int(den)) * right.den).reduced()


def rank(matrix: IntArray) -> int:
    """Return the rank of an integer matrix (m, n)."""
    return int(to_flint(matrix).rank()) if matrix.size else 0


def row_reduce(matrix: Rationals) -> tuple[Rationals, tuple[int, ...]]:
    """Return the reduced row-echelon form without its zero rows, (r, n), and its r pivot columns.

    >>> form, pivots = row_reduce(from_fractions([2, 4, 1, 2], (2, 2)))
    >>> [str(v) for v in form.fractions()], pivots
    (['1', '2'], (0,))
    """
    if not matrix.size:
        return matrix[:0], ()
    form, count = fmpq_mat(to_flint(matrix.num)).rref()
    entries = [Fraction(int(v.p), int(v.q)) for v in form.entries()]
    columns = matrix.shape[1]
    reduced = from_fractions(entries[: count * columns], (count, columns))
    pivots = tuple(int(np.flatnonzero(reduced.num[i])[0]) for i in range(count))
    return reduced, pivots
