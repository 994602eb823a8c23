"""The rows of a domain and the rows that cut it, as one system over the coordinates of the domain's affine hull."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import IntArray, Rationals, concatenate, from_fractions, int_array
from exactbox.polytope.rows import Rows, RowSource
from exactbox.polytope.system import System
from exactbox.polytope.wording import counted

Direction = tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """A half-space on the affine hull: its outward direction in primitive form, and its offset along it.

    A row of one coordinate i is named by ``axis`` +(i+1) or -(i+1) and has no ``direction``; a row that is
    identically zero has neither. Two rows are positive multiples of each other exactly when their keys are equal.
    """

    axis: int
    direction: Direction
    offset: Fraction

    @property
    def is_zero(self) -> bool:
        """Whether the row is identically zero."""
        return self.axis == 0 and not self.direction


@dataclass(frozen=True, eq=False)
class Candidates:
    """All rows of a polytope, numbered: the given rows, the domain's general rows, the domain's bounds.

    Args:
        domain: the domain D.
        given: rows over d coordinates that do not use D's pivot coordinates.
        system: the same rows over D's free coordinates; bounds of pivot coordinates are general rows there.
        general: the position of each row of the system.
        factors: each row of the system is this positive multiple of its candidate, modulo D's equations.
        low: the position of each free coordinate's lower bound, -1 where there is none.
        high: the position of each free coordinate's upper bound, -1 where there is none.
    """

    domain: Domain
    given: Rows
    system: System
    general: tuple[int, ...]
    factors: tuple[Fraction, ...]
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """The number of candidates."""
        return len(self.given) + len(self.domain.rows) + len(self.domain.bound_sources)

    @functools.cached_property
    def sources(self) -> tuple[RowSource, ...]:
        """Why each candidate is there."""
        return (*self.given.sources, *self.domain.rows.sources, *self.domain.bound_sources)

    @functools.cached_property
    def keys(self) -> tuple[Key, ...]:
        """The half-space of each candidate on the affine hull."""
        found: dict[int, Key] = {}
        for position, row, bound in zip(self.general, self.system.matrix, self.system.rhs, strict=True):
            found[position] = _key(row, bound)
        for i, (low, high) in enumerate(zip(self.low.tolist(), self.high.tolist(), strict=True)):
            found[low] = Key(-(i + 1), (), -(self.system.lower[i] or Fraction(0)))
            found[high] = Key(i + 1, (), self.system.upper[i] or Fraction(0))
        return tuple(found[position] for position in range(self.count))

    @functools.cached_property
    def by_position(self) -> dict[int, int]:
        """The system row of each position that has one."""
        return {position: row for row, position in enumerate(self.general)}

    def factor(self, position: int) -> Fraction:
        """Return the factor of the system's row at a position; 1 for bounds that the system has as bounds."""
        row = self.by_position.get(position)
        return Fraction(1) if row is None else self.factors[row]

    def lift(self, point: Rationals) -> Rationals:
        """Return the point (d,) of the affine hull with the given free coordinates (n,)."""
        return self._spread(point, offsets=True)

    def lift_direction(self, direction: Rationals) -> Rationals:
        """Return the direction (d,) of the affine hull with the given free coordinates (n,)."""
        return self._spread(direction, offsets=False)

    def lift_step(self, step: dict[int, Fraction]) -> dict[int, Fraction]:
        """Rename an offset by free coordinate to input coordinates, adding what the equations move with it."""
        free = self.domain.free
        named = {int(free[i]): value for i, value in step.items() if value}
        equations = self.domain.equalities
        for pivot, row in zip(self.domain.pivots, equations.num, strict=True):
            if self.domain.fixed[pivot]:
                continue
            moved = sum((row[i] * value for i, value in list(named.items()) if row[i] and i != pivot), Fraction(0))
            if moved:
                named[pivot] = -moved / equations.den
        return named

    def _spread(self, values: Rationals, offsets: bool) -> Rationals:
        equations, free = self.domain.equalities, self.domain.free
        num = np.zeros(self.domain.size, dtype=object)
        num[free] = values.num * equations.den
        if self.domain.pivots:
            images = -equations.num[:, free].dot(values.num) if len(free) else int_array([0] * len(self.domain.pivots))
            num[list(self.domain.pivots)] = images + equations.num[:, -1] * values.den if offsets else images
        return Rationals(num, values.den * equations.den).reduced()


def candidates(domain: Domain, given: Rows) -> Candidates:
    """Number all rows of a polytope and write them over the affine hull's coordinates.

    Raises:
        InputError: a given row has another number of coordinates or uses one that the domain's equations eliminate.
    """
    if given.matrix.shape[1] != domain.size:
        raise InputError(f"rows: expected {counted(domain.size, 'coordinate')}, got {given.matrix.shape[1]}")
    if np.any(given.matrix[:, list(domain.pivots)] != 0):
        raise InputError("rows: expected rows reduced modulo the domain's equations (see Domain.reduce)")
    free, pivots = domain.free, set(domain.pivots)
    first = len(given) + len(domain.rows)
    column = {int(i): k for k, i in enumerate(free)}
    low, high = np.full(len(free), -1, dtype=np.int64), np.full(len(free), -1, dtype=np.int64)
    dense: list[int] = []
    for position, source in enumerate(domain.bound_sources, first):
        if source.index in pivots:
            dense.append(position)
        else:
            (low if source.kind == "lower" else high)[column[source.index]] = position
    matrix, rhs, factors = _reduced_rows(domain, [position - first for position in dense])
    system = System(
        np.concatenate([given.matrix[:, free], matrix[:, free]]), np.concatenate([given.rhs, rhs]),
        tuple(domain.lower[i] for i in free), tuple(domain.upper[i] for i in free),
    )
    return Candidates(
        domain, given, system, (*range(first), *dense), ((Fraction(1),) * len(given) + factors), low, high
    )


def _reduced_rows(domain: Domain, bounds: list[int]) -> tuple[IntArray, IntArray, tuple[Fraction, ...]]:
    """Return the domain's general rows and some of its bounds without pivot coordinates, as integer rows."""
    matrix = np.zeros((len(bounds), domain.size), dtype=object)
    values: list[Fraction] = []
    for k, bound in enumerate(bounds):
        source = domain.bound_sources[bound]
        sign, value = (-1, domain.lower[source.index]) if source.kind == "lower" else (1, domain.upper[source.index])
        matrix[k, source.index] = sign
        values.append(sign * (value or Fraction(0)))
    stacked = np.concatenate([domain.rows.matrix, matrix])
    gradient, constant = domain.reduce(
        Rationals(stacked), concatenate([Rationals(-domain.rows.rhs), -from_fractions(values)])
    )
    den = math.lcm(gradient.den, constant.den)
    left, right = gradient.over(den), -constant.over(den)
    shares = [math.gcd(*row, end) or 1 for row, end in zip(left.tolist(), right.tolist(), strict=True)]
    divisors = int_array(shares)
    return left // divisors[:, None], right // divisors, tuple(Fraction(den, share) for share in shares)


def _key(row: IntArray, bound: int) -> Key:
    where = np.flatnonzero(row)
    if not len(where):
        return Key(0, (), Fraction(bound))
    if len(where) == 1:
        axis, weight = int(where[0]) + 1, int(row[where[0]])
        return Key(axis if weight > 0 else -axis, (), Fraction(bound, abs(weight)))
    values = row.tolist()
    factor = math.gcd(*values)
    return Key(0, tuple(value // factor for value in values) if factor > 1 else tuple(values), Fraction(bound, factor))
