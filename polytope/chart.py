"""Coordinates of a domain's affine hull in which bounded coordinates have widths near 2 and centres near 0."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope import linalg
from exactbox.polytope.domain import Domain
from exactbox.polytope.rational import IntArray, Rationals, exact, float_fraction, from_fractions, zeros
from exactbox.polytope.rows import RowSource, integer_rows, join

Floats = npt.NDArray[np.float64]

_ROUNDED_UP = 1 + 2.0**-50
_GRID = 1 << 52
_NUDGES = 60


@dataclass(frozen=True, eq=False)
class Chart:
    """The affine map ``x = columns[:, :-1] z + columns[:, -1]`` from R^n onto the affine hull of a domain.

    Args:
        domain: the domain D, of dimension n.
        columns: shape (d, n+1).
        rows: shape (m, n+1), integers, different half-spaces: D is where ``rows[:, :-1] z + rows[:, -1] >= 0``.
        sources: the bound or row of D behind each row.
        extent: shape (n,): ``abs(z_i) <= extent[i]`` on D, infinite where D gives no bound.
    """

    domain: Domain
    columns: Rationals
    rows: IntArray
    sources: tuple[RowSource, ...]
    extent: Floats

    @property
    def dimension(self) -> int:
        """The number n of coordinates."""
        return self.columns.shape[1] - 1

    def lift(self, points: Rationals) -> Rationals:
        """Map points (n, b) to (d, b)."""
        if not self.dimension:
            return Rationals(np.repeat(self.columns.num, points.shape[1], axis=1), self.columns.den)
        return Rationals(self._linear.times(points.num), self.columns.den * points.den) + self.columns[:, -1:]

    @functools.cached_property
    def _linear(self) -> linalg.IntMatrix:
        """The numerators of the columns but the last, prepared for products."""
        return linalg.IntMatrix(self.columns.num[:, :-1])

    def starts(self) -> Iterator[Rationals]:
        """Yield points (n,) strictly inside D: the domain's witness, moved a little off symmetric places.

        The movement is an irrational rotation's fractional parts, halved until the point stays inside.
        """
        base = self._coordinates(self.domain.witness)
        golden = (np.sqrt(5.0) - 1) / 2
        spread = np.array([(k * golden) % 1.0 - 0.5 for k in range(1, self.dimension + 1)])
        offset = exact(np.round(spread * 2.0**20) * 2.0**-20)
        for halvings in range(_NUDGES):
            point = exact((base + offset.scaled(Fraction(1, 1 << halvings))).to_float())
            if self.strictly_contains(point):
                yield point
        yield base

    def strictly_contains(self, point: Rationals) -> bool:
        """Decide exactly whether a point (n,) is strictly inside every row of D."""
        return all(value > 0 for value in self._slack(point).tolist())

    def _slack(self, point: Rationals) -> IntArray:
        if not len(self.rows):
            return self.rows[:, 0]
        return np.asarray(self.rows[:, :-1].dot(point.num) + self.rows[:, -1] * point.den, dtype=object)

    def _coordinates(self, point: Rationals) -> Rationals:
        """Return the coordinates (n,) of a point (d,) of the affine hull."""
        free = self.domain.free
        shifted = (point - self.columns[:, -1])[free].fractions()
        scales = [self.columns.item(int(i), k) for k, i in enumerate(free)]
        return from_fractions([value / scale for value, scale in zip(shifted, scales, strict=True)])


def chart(domain: Domain) -> Chart:
    """Choose coordinates: the domain's free coordinates, shifted by floats and scaled by powers of two."""
    frames = [_frame(domain.lower[i], domain.upper[i], domain.witness.item(int(i))) for i in domain.free]
    columns = _columns(domain, frames)
    rows = join(domain.bound_rows, domain.rows)
    image = linalg.matmul(Rationals(rows.matrix), columns) if len(rows) else zeros(0, len(frames) + 1)
    values = -image.num
    values[:, -1] += rows.rhs * image.den
    reduced = integer_rows(Rationals(values[:, :-1]), Rationals(values[:, -1]), rows.sources)
    whole = np.concatenate([reduced.matrix, reduced.rhs.reshape(-1, 1)], axis=1)
    first = {tuple(row): i for i, row in reversed(list(enumerate(whole.tolist())))}
    kept = sorted(i for row, i in first.items() if any(row[:-1]))
    matrix = whole[kept]
    extent = np.array([size for _, _, size in frames], dtype=np.float64)
    return Chart(domain, columns, matrix, tuple(rows.sources[i] for i in kept), extent)


def _frame(low: Fraction | None, high: Fraction | None, near: Fraction) -> tuple[Fraction, Fraction, float]:
    """Return a coordinate's centre, its unit and a bound on its absolute value in that unit."""
    if low is None or high is None:
        return _short(near, Fraction(1)), Fraction(1), math.inf
    half = (high - low) / 2
    exponent = half.numerator.bit_length() - half.denominator.bit_length()
    unit = Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
    centre = _short((low + high) / 2, unit)
    extent = max(high - centre, centre - low) / unit
    rounded = float(extent)
    return centre, unit, rounded if float_fraction(rounded) == extent else rounded * _ROUNDED_UP


def _short(value: Fraction, unit: Fraction) -> Fraction:
    """Return a number of few digits that is near another, measured in units."""
    return round(value / unit * _GRID) * unit / _GRID


def _columns(domain: Domain, frames: list[tuple[Fraction, Fraction, float]]) -> Rationals:
    size, count = domain.size, len(frames)
    entries = [[Fraction(0)] * (count + 1) for _ in range(size)]
    for k, (i, (centre, unit, _)) in enumerate(zip(domain.free.tolist(), frames, strict=True)):
        entries[i][k], entries[i][count] = unit, centre
    for equation, pivot in enumerate(domain.pivots):
        values = domain.equalities[equation].fractions()
        entries[pivot][count] = values[-1]
        for k, (i, (centre, unit, _)) in enumerate(zip(domain.free.tolist(), frames, strict=True)):
            entries[pivot][k] = -values[i] * unit
            entries[pivot][count] -= values[i] * centre
    return from_fractions([v for row in entries for v in row], (size, count + 1))
