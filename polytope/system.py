"""The kernel that exact linear programming works on: integer rows over coordinates with optional bounds."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope import linalg
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import IntArray, Rationals, from_fractions, int_array

Bound = Fraction | None
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class System:
    """All y with ``matrix @ y <= rhs`` and ``lower <= y <= upper``; possibly empty.

    Args:
        matrix: shape (m, n), Python ints.
        rhs: shape (m,), Python ints.
        lower: n bounds, None where there is none.
        upper: n bounds, None where there is none.

    Raises:
        InputError: the shapes do not fit, or a lower bound exceeds its upper bound.
    """

    matrix: IntArray
    rhs: IntArray
    lower: tuple[Bound, ...]
    upper: tuple[Bound, ...]

    def __post_init__(self) -> None:
        rows, columns = self.matrix.shape
        if self.rhs.shape != (rows,) or len(self.lower) != columns or len(self.upper) != columns:
            raise InputError(f"system: matrix ({rows}, {columns}), rhs {self.rhs.shape}, {len(self.lower)} bounds")
        for i, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if low is not None and high is not None and low > high:
                raise InputError(f"system: coordinate {i} is empty, its lower bound exceeds its upper bound")

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers m of rows and n of coordinates."""
        return len(self.rhs), len(self.lower)

    @functools.cached_property
    def _products(self) -> linalg.IntMatrix:
        return linalg.IntMatrix(self.matrix)

    def changed(
        self, rhs: IntArray | None = None, lower: Sequence[Bound] | None = None, upper: Sequence[Bound] | None = None
    ) -> System:
        """Return the system with other right-hand sides (m,) or bounds (n,); the prepared matrix is shared."""
        other = System(
            self.matrix, self.rhs if rhs is None else rhs,
            self.lower if lower is None else tuple(lower), self.upper if upper is None else tuple(upper),
        )
        # a frozen instance keeps its cached properties in __dict__
        other.__dict__.update({"_products": self._products, "row_orders": self.row_orders})
        return other

    @functools.cached_property
    def row_orders(self) -> tuple[int, ...]:
        """The bit length of each row's largest coefficient."""
        return tuple(max((abs(value) for value in row), default=0).bit_length() for row in self.matrix.tolist())

    @functools.cached_property
    def has_lower(self) -> Mask:
        """Mask (n,) of the coordinates with a lower bound."""
        return np.array([b is not None for b in self.lower], dtype=np.bool_)

    @functools.cached_property
    def has_upper(self) -> Mask:
        """Mask (n,) of the coordinates with an upper bound."""
        return np.array([b is not None for b in self.upper], dtype=np.bool_)

    @functools.cached_property
    def lows(self) -> Rationals:
        """The lower bounds (n,), 0 where there is none."""
        return from_fractions([b or 0 for b in self.lower])

    @functools.cached_property
    def highs(self) -> Rationals:
        """The upper bounds (n,), 0 where there is none."""
        return from_fractions([b or 0 for b in self.upper])

    def times(self, columns: IntArray) -> IntArray:
        """Return ``matrix @ columns`` for integer columns (n, b); shape (m, b)."""
        if not len(self.rhs) or not columns.size:
            return np.zeros((len(self.rhs), columns.shape[1]), dtype=object)
        return self._products.times(columns)

    def combine(self, weights: IntArray) -> IntArray:
        """Return ``weights @ matrix`` for integer weights (b, m); shape (b, n)."""
        if not len(self.rhs) or not weights.size:
            return np.zeros((len(weights), len(self.lower)), dtype=object)
        if len(weights) == 1:
            used = np.flatnonzero(weights[0])
            return np.asarray(weights[0, used].dot(self.matrix[used]) if len(used) else self.matrix[0] * 0)[None, :]
        return self._products.transposed.times(weights.T).T

    def slack(self, point: Rationals) -> Rationals:
        """Return ``rhs - matrix @ y`` at one point (n,); shape (m,)."""
        image = self.times(point.num.reshape(-1, 1))[:, 0]
        return Rationals(self.rhs * point.den - image, point.den)

    def strictly_inside(self, point: Rationals) -> bool:
        """Say whether a point (n,) is strictly inside every bound and every row that is not zero."""
        below, above = point - self.lows, self.highs - point
        if np.any((below.num <= 0) & self.has_lower) or np.any((above.num <= 0) & self.has_upper):
            return False
        slack = self.slack(point).num
        return not np.any(slack < 0) and not np.any((slack == 0) & self.nonzero)

    @functools.cached_property
    def nonzero(self) -> Mask:
        """Mask (m,) of the rows that are not identically zero."""
        return np.asarray((self.matrix != 0).any(axis=1), dtype=np.bool_)

    def absorb(self, residual: IntArray) -> tuple[Rationals, Mask]:
        """Bound linear functionals over the box of the bounds alone.

        Args:
            residual: gradients, shape (b, n), integers.

        Returns:
            The maxima (b,) over ``lower <= y <= upper``, and a mask (b,) that is False where a bound that the
            maximum needs is missing (the value is then meaningless).
        """
        positive, negative = residual > 0, residual < 0
        missing = (positive & ~self.has_upper).any(axis=1) | (negative & ~self.has_lower).any(axis=1)
        den = math.lcm(self.lows.den, self.highs.den)
        corners = np.where(positive, self.highs.over(den), self.lows.over(den))
        total = (residual * corners).sum(axis=1) if residual.shape[1] else np.zeros(len(residual), dtype=object)
        return Rationals(int_array(map(int, total)), den), ~np.asarray(missing, dtype=np.bool_)


def select(system: System, rows: Sequence[int], columns: Sequence[int]) -> System:
    """Return the system of some rows and some coordinates (the other coordinates are held at 0)."""
    chosen, (height, width) = list(columns), system.shape
    if list(rows) == list(range(height)) and chosen == list(range(width)):
        return system
    return System(
        system.matrix[np.ix_(list(rows), chosen)],
        system.rhs[list(rows)],
        tuple(system.lower[i] for i in chosen),
        tuple(system.upper[i] for i in chosen),
    )


def on_grid(point: Rationals, exponents: Sequence[int]) -> Rationals:
    """Round each coordinate of a point (n,) to the nearest multiple of its power of two.

    >>> [str(v) for v in on_grid(from_fractions([Fraction(1, 3), Fraction(7)]), [-2, 2]).fractions()]
    ['1/4', '8']
    """
    rounded: list[Fraction] = []
    for num, exponent in zip(point.num.tolist(), exponents, strict=True):
        top, bottom = (num << -exponent, point.den) if exponent < 0 else (num, point.den << exponent)
        whole = (2 * top + bottom) // (2 * bottom)
        rounded.append(Fraction(whole, 1 << -exponent) if exponent < 0 else Fraction(whole << exponent))
    return from_fractions(rounded)
