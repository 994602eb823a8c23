"""The domain of a statement: a box, possibly unbounded or of lower dimension, cut by rational rows."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact, from_fractions, zeros
from exactbox.polytope.rows import Rows, RowSource, integer_rows
from exactbox.polytope.wording import counted

Bound = Fraction | None

_SHORT = 10**6


@dataclass(frozen=True, eq=False)
class Given:
    """What a domain was made from, before its implicit equations were found.

    Args:
        lower: d lower bounds.
        upper: d upper bounds.
        rows: all inequality rows, unreduced; row i has the source ("domain", i).
        equations: shape (e, d+1), the explicit equations ``[E | e]``.
        implicit: positive multipliers of rows and bounds that add up to ``0 <= 0`` modulo the explicit equations and
            zero-width coordinates; hence each of these rows and bounds holds with equality everywhere.
    """

    lower: tuple[Bound, ...]
    upper: tuple[Bound, ...]
    rows: Rows
    equations: Rationals
    implicit: tuple[tuple[RowSource, Fraction], ...]


@dataclass(frozen=True, eq=False)
class Domain:
    """All y with ``lower <= y <= upper``, ``rows`` (<=) and ``equalities`` (=); never empty.

    Args:
        lower: d lower bounds, None where there is none.
        upper: d upper bounds, None where there is none.
        rows: general inequality rows, kind "domain"; none of them is an implicit equality.
        equalities: shape (e, d+1), the reduced row-echelon form of ``[E | e]`` for the equations ``E y = e``;
            zero-width coordinates (lower equal to upper) are among them.
        witness: a point (d,) in the relative interior.
        given: what the domain was made from, where that was more than a box.

    Build one with ``everything``, ``box`` or ``domain_rows.domain_from_rows``.
    """

    lower: tuple[Bound, ...]
    upper: tuple[Bound, ...]
    rows: Rows
    equalities: Rationals
    witness: Rationals
    given: Given | None = None

    def __repr__(self) -> str:
        kind = "a box" if self.is_box else f"{counted(len(self.rows), 'row')} and bounds"
        return brief(self, [kind, f"dimension {self.dimension} of {self.size}"])

    @property
    def size(self) -> int:
        """The number d of coordinates."""
        return len(self.lower)

    @property
    def dimension(self) -> int:
        """The dimension of the affine hull."""
        return self.size - self.equalities.shape[0]

    @property
    def is_everything(self) -> bool:
        """Whether the domain is all of R^d."""
        return not self.dimension < self.size and not len(self.rows) and all(
            b is None for b in (*self.lower, *self.upper)
        )

    @property
    def is_box(self) -> bool:
        """Whether there are no general rows or equations besides bounds."""
        return not len(self.rows) and self.is_axis_aligned

    @property
    def is_axis_aligned(self) -> bool:
        """Whether all equations are zero-width coordinates, so that free coordinates measure the affine hull."""
        return self.equalities.shape[0] == int(self.fixed.sum())

    @functools.cached_property
    def fixed(self) -> npt.NDArray[np.bool_]:
        """Mask (d,) of the zero-width coordinates."""
        pairs = zip(self.lower, self.upper, strict=True)
        return np.array([low is not None and low == high for low, high in pairs], dtype=np.bool_)

    @functools.cached_property
    def pivots(self) -> tuple[int, ...]:
        """The coordinate that each equation eliminates."""
        return tuple(int(np.flatnonzero(row)[0]) for row in self.equalities.num)

    @functools.cached_property
    def free(self) -> npt.NDArray[np.int64]:
        """The coordinates that parametrise the affine hull: all but the pivots."""
        kept = np.ones(self.size, dtype=np.bool_)
        kept[list(self.pivots)] = False
        return np.flatnonzero(kept)

    def contains(self, point: Rationals) -> bool:
        """Decide exactly whether a point (d,) lies in the domain."""
        return not self.violations(point)

    def strictly_contains(self, point: Rationals) -> bool:
        """Decide exactly whether a point (d,) of the domain is strictly inside its rows and its bounds."""
        if np.any(self.rows.slack(point).num <= 0):
            return False
        for mask, bound, sign in self._finite_bounds:
            if np.any((bound.num * point.den - point.num[mask] * bound.den) * sign <= 0):
                return False
        return True

    @functools.cached_property
    def _finite_bounds(self) -> tuple[tuple[npt.NDArray[np.bool_], Rationals, int], ...]:
        """The finite bounds of positive width as (coordinates, values, 1 for upper and -1 for lower)."""
        found: list[tuple[npt.NDArray[np.bool_], Rationals, int]] = []
        for limits, sign in ((self.lower, -1), (self.upper, 1)):
            mask = ~self.fixed & np.array([limit is not None for limit in limits], dtype=np.bool_)
            values = [limit for limit, used in zip(limits, mask, strict=True) if used and limit is not None]
            found.append((mask, from_fractions(values), sign))
        return tuple(found)

    def violations(self, point: Rationals) -> list[str]:
        """Say in words which bounds, rows or equations a point (d,) violates."""
        found: list[str] = []
        for i, (value, low, high) in enumerate(zip(point.fractions(), self.lower, self.upper, strict=True)):
            if (low is not None and value < low) or (high is not None and value > high):
                found.append(f"coordinate {i} is {show(value)}, outside [{show(low)}, {show(high)}]")
        broken = np.flatnonzero(self.rows.slack(point).num < 0).tolist()
        found += [f"domain row {self.rows.sources[i].index} is violated" for i in broken]
        inside, outside = self.equalities[:, :-1], self.equalities[:, -1]
        gap = Rationals(inside.num.dot(point.num), inside.den * point.den) - outside
        return found + [f"domain equation {i} is violated" for i in np.flatnonzero(gap.num)]

    def reduce(self, matrix: Rationals, constants: Rationals) -> tuple[Rationals, Rationals]:
        """Rewrite affine functionals ``matrix @ y + constants`` so that pivot coordinates do not occur.

        On the affine hull the values stay the same, and a functional is constant there exactly when its reduced
        gradient is zero.

        Args:
            matrix: shape (m, d).
            constants: shape (m,).
        """
        if not self.pivots:
            return matrix, constants
        weights = matrix[:, list(self.pivots)]
        if self.is_box:
            fixed = self.equalities[:, -1]
            shift = Rationals(weights.num.dot(fixed.num), weights.den * fixed.den)
            kept = matrix.num.copy()
            kept[:, list(self.pivots)] = 0
            return Rationals(kept, matrix.den), constants + shift
        inside, outside = self.equalities[:, :-1], self.equalities[:, -1]
        gradient = matrix - Rationals(weights.num.dot(inside.num), weights.den * inside.den)
        return gradient, constants + Rationals(weights.num.dot(outside.num), weights.den * outside.den)

    @functools.cached_property
    def bound_rows(self) -> Rows:
        """The rows of the finite bounds of positive width, dense: lower bounds first, in coordinate order."""
        sources = self.bound_sources
        matrix = np.zeros((len(sources), self.size), dtype=object)
        values: list[Fraction] = []
        for i, source in enumerate(sources):
            sign = -1 if source.kind == "lower" else 1
            bound = (self.lower if source.kind == "lower" else self.upper)[source.index]
            matrix[i, source.index] = sign
            values.append(sign * (bound or Fraction(0)))
        return integer_rows(Rationals(matrix), from_fractions(values), sources)

    @functools.cached_property
    def bound_sources(self) -> tuple[RowSource, ...]:
        """The finite bounds of positive width, lower bounds first, in coordinate order."""
        low = [RowSource("lower", i) for i, b in enumerate(self.lower) if b is not None and not self.fixed[i]]
        return (*low, *(RowSource("upper", i) for i, b in enumerate(self.upper) if b is not None and not self.fixed[i]))


def everything(size: int) -> Domain:
    """Return R^d."""
    unbounded: tuple[Bound, ...] = (None,) * size
    return _assemble(unbounded, unbounded, zeros(size))


def box(lower: object, upper: object) -> Domain:
    """Return the box of the given bounds (exact numbers, or None for no bound), each of d entries.

    Raises:
        InputError: lengths differ, or a lower bound exceeds its upper bound; the message names the coordinate.

    >>> box(["0", "0.1"], ["1", "0.1"]).dimension
    1
    """
    low, high = bounds(lower), bounds(upper)
    if len(low) != len(high):
        raise InputError(f"box: {len(low)} lower bounds but {len(high)} upper bounds")
    inside: list[Fraction] = []
    for i, (left, right) in enumerate(zip(low, high, strict=True)):
        if left is not None and right is not None and left > right:
            raise InputError(f"box: coordinate {i} is empty, its lower bound {show(left)} exceeds {show(right)}")
        inside.append(between(left, right))
    return _assemble(low, high, from_fractions(inside))


def bounds(values: object) -> tuple[Bound, ...]:
    """Read d bounds exactly; None, "inf" and infinite floats mean that there is none."""
    entries = values.fractions() if isinstance(values, Rationals) else list(values)  # type: ignore[call-overload]
    finite = iter(exact([entry for entry in entries if not _infinite(entry)]).fractions())
    return tuple(None if _infinite(entry) else next(finite) for entry in entries)


def no_rows(size: int) -> Rows:
    """Return zero rows over ``size`` coordinates."""
    return Rows(np.zeros((0, size), dtype=object), np.zeros(0, dtype=object), ())


def _assemble(lower: tuple[Bound, ...], upper: tuple[Bound, ...], witness: Rationals) -> Domain:
    size = len(lower)
    fixed = [i for i, (a, b) in enumerate(zip(lower, upper, strict=True)) if a is not None and a == b]
    equations = np.zeros((len(fixed), size), dtype=object)
    equations[np.arange(len(fixed)), fixed] = 1
    values = from_fractions([lower[i] or Fraction(0) for i in fixed])
    joined = np.concatenate([equations * values.den, values.num.reshape(-1, 1)], axis=1)
    return Domain(lower, upper, no_rows(size), Rationals(joined, values.den), witness)


def between(low: Bound, high: Bound) -> Fraction:
    """Return the middle of two bounds, or a point inside the one that there is."""
    if low is None:
        return Fraction(0) if high is None else min(high - 1, Fraction(0))
    if high is None:
        return max(low + 1, Fraction(0))
    return (low + high) / 2


def _infinite(entry: object) -> bool:
    if entry is None:
        return True
    if isinstance(entry, str):
        return entry.strip().lower() in {"inf", "+inf", "-inf", "infinity", "-infinity"}
    return isinstance(entry, (float, np.floating)) and bool(np.isinf(entry))


def show(bound: Bound) -> str:
    """Write a bound in a message: short fractions exactly, others rounded to nine digits.

    >>> show(Fraction(1, 3)), show(Fraction(10**400)), show(None)
    ('1/3', 'inf', 'unbounded')
    """
    if bound is None:
        return "unbounded"
    if max(abs(bound.numerator), bound.denominator) < _SHORT:
        return str(bound)
    return f"{from_fractions([bound]).to_float()[0]:.9g}"
