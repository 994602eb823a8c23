"""Bounded polytopes of few dimensions by their vertices: exact cuts, facets, edges and volumes.

A cut keeps the vertices on one side and adds a point on each edge that crosses. Two vertices share an edge where no
third vertex lies on all rows on which both lie (T. S. Motzkin, H. Raiffa, G. L. Thompson, R. M. Thrall, The double
description method, 1953).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from operator import mul

Point = tuple[int, ...]
"""Homogeneous coordinates (n+1,) without a common factor; the last is positive."""
Row = tuple[int, ...]
"""A half-space ``row[:n] . z + row[n] >= 0``."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A full-dimensional bounded polytope in R^n, n at most 3; exact.

    Args:
        points: the vertices.
        tight: for each vertex the rows on which it lies, as bits.
        rows: half-spaces whose intersection this is; some may have become redundant.
        names: where each row comes from, as whoever cut says.
    """

    points: tuple[Point, ...]
    tight: tuple[int, ...]
    rows: tuple[Row, ...]
    names: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """The number n of coordinates."""
        return len(self.points[0]) - 1

    def cut(self, row: Row, name: int) -> Shape | None:
        """Return the part where a row is at least 0; None where it has no interior.

        >>> half = cube([0, 0], [1, 1]).cut((-1, -1, 1), 7)
        >>> half and [[str(v) for v in corner] for corner in half.corners]
        [['0', '0'], ['0', '1'], ['1', '0']]
        """
        values = self.values(row)
        if min(values) >= 0:
            return self
        return None if max(values) <= 0 else self._side(values, row, name, self._crossings(values))

    def split(self, row: Row, name: int) -> tuple[Shape | None, Shape | None]:
        """Return the parts where a row is at least 0 and at most 0; None where one has no interior.

        The other side's row has the name ``-name``.
        """
        values = self.values(row)
        if min(values) >= 0:
            return self, None
        if max(values) <= 0:
            return None, self
        crossings = self._crossings(values)
        negated = [-v for v in values]
        other = tuple(-v for v in row)
        return self._side(values, row, name, crossings), self._side(negated, other, -name, crossings)

    def values(self, row: Row) -> list[int]:
        """Evaluate a row at each vertex, times the vertex's last coordinate."""
        return [sum(map(mul, row, point)) for point in self.points]

    @functools.cached_property
    def corners(self) -> tuple[tuple[Fraction, ...], ...]:
        """The vertices as n coordinates each, sorted."""
        return tuple(sorted(self.corner(i) for i in range(len(self.points))))

    @functools.cached_property
    def facets(self) -> tuple[tuple[int, frozenset[int]], ...]:
        """The rows that are facets, each with its vertices by number.

        In at most three dimensions a face with k + 1 vertices has dimension k or more, because no vertex lies between
        two others.
        """
        found: list[tuple[int, frozenset[int]]] = []
        for number in range(len(self.rows)):
            on_it = frozenset(i for i, mask in enumerate(self.tight) if mask >> number & 1)
            if len(on_it) >= self.dimension:
                found.append((number, on_it))
        return tuple(found)

    def around(self, face: frozenset[int]) -> tuple[int, ...]:
        """Return the vertices of a polygon (a face, or all of a shape in a plane) in order around it, by number.

        Up to two vertices come in the order of their coordinates.
        """
        if len(face) < 3:
            return tuple(sorted(face, key=self.corner))
        after: dict[int, list[int]] = {i: [] for i in face}
        for side in {face & on_it for _, on_it in self.facets}:
            if len(side) == 2:
                first, second = side
                after[first].append(second)
                after[second].append(first)
        order = [min(face)]
        while len(order) < len(face):
            order.append(next(i for i in sorted(after[order[-1]]) if i not in order[-2:]))
        return tuple(order)

    def corner(self, i: int) -> tuple[Fraction, ...]:
        """Return the n coordinates of a vertex."""
        return tuple(Fraction(v, self.points[i][-1]) for v in self.points[i][:-1])

    @functools.cached_property
    def volume(self) -> Fraction:
        """The volume in R^n; a point has volume 1.

        >>> half = cube([0, 0, 0], [1, 1, 2]).cut((-1, -1, -1, 1), 7)
        >>> half and half.volume
        Fraction(1, 6)
        """
        n = self.dimension
        faces = [on_it for _, on_it in self.facets]
        total = Fraction(0)
        for simplex in _simplices(frozenset(range(len(self.points))), n, faces):
            corners = [self.points[i] for i in simplex]
            total += Fraction(abs(_determinant(corners)), math.prod(corner[-1] for corner in corners))
        return total / math.factorial(n)

    def _crossings(self, values: Sequence[int]) -> list[tuple[Point, int]]:
        """Return the points where edges cross zero, each with the rows of the edge."""
        above = [i for i, v in enumerate(values) if v > 0]
        below = [i for i, v in enumerate(values) if v < 0]
        found: list[tuple[Point, int]] = []
        for i in above:
            for j in below:
                common = self.tight[i] & self.tight[j]
                if self._is_edge(i, j, common):
                    here, there = self.points[i], self.points[j]
                    mixed = [values[i] * q - values[j] * p for p, q in zip(here, there, strict=True)]
                    factor = math.gcd(*mixed)
                    found.append((tuple(v // factor for v in mixed), common))
        return found

    def _is_edge(self, i: int, j: int, common: int) -> bool:
        n = self.dimension
        if common.bit_count() < n - 1:
            return False
        if n < 3:
            return True
        return not any(mask & common == common for k, mask in enumerate(self.tight) if k not in (i, j))

    def _side(self, values: Sequence[int], row: Row, name: int, crossings: Sequence[tuple[Point, int]]) -> Shape:
        bit = 1 << len(self.rows)
        kept = [
            (point, mask | bit if v == 0 else mask)
            for point, mask, v in zip(self.points, self.tight, values, strict=True)
            if v >= 0
        ]
        kept += [(point, mask | bit) for point, mask in crossings]
        return Shape(tuple(p for p, _ in kept), tuple(m for _, m in kept), (*self.rows, row), (*self.names, name))


def cube(low: Sequence[Fraction | int], high: Sequence[Fraction | int], name: int = 0) -> Shape:
    """Return a box with sides of positive length, all its rows of one name.

    >>> cube([0, 0], [1, Fraction(1, 2)]).volume
    Fraction(1, 2)
    """
    n = len(low)
    rows: list[Row] = []
    for i, (a, b) in enumerate(zip(map(Fraction, low), map(Fraction, high), strict=True)):
        rows.append(tuple(a.denominator if k == i else -a.numerator if k == n else 0 for k in range(n + 1)))
        rows.append(tuple(-b.denominator if k == i else b.numerator if k == n else 0 for k in range(n + 1)))
    points: list[Point] = []
    tight: list[int] = []
    for choice in range(1 << n):
        corner = [Fraction((high if choice >> i & 1 else low)[i]) for i in range(n)]
        points.append(homogeneous(corner))
        tight.append(sum(1 << (2 * i + (choice >> i & 1)) for i in range(n)))
    return Shape(tuple(points), tuple(tight), tuple(rows), (name,) * len(rows))


def homogeneous(corner: Sequence[Fraction]) -> Point:
    """Return n coordinates as n + 1 integers.

    >>> homogeneous([Fraction(1, 2), Fraction(1, 3)])
    (3, 2, 6)
    """
    den = math.lcm(*(value.denominator for value in corner))
    return (*(value.numerator * (den // value.denominator) for value in corner), den)


def _simplices(face: frozenset[int], size: int, facets: Sequence[frozenset[int]]) -> Iterator[tuple[int, ...]]:
    """Cut a face of dimension ``size`` into simplices: its lowest vertex over all its own facets without it.

    This is the pulling triangulation (C. W. Lee, Regular triangulations of convex polytopes, 1991).
    """
    apex = min(face)
    if size == 0:
        yield (apex,)
        return
    sides = {face & other for other in facets}
    for side in sides:
        if side != face and len(side) >= size and apex not in side:
            for simplex in _simplices(side, size - 1, facets):
                yield (apex, *simplex)


def _determinant(rows: Sequence[Sequence[int]]) -> int:
    if len(rows) == 1:
        return rows[0][0]
    if len(rows) == 2:
        return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    first, rest = rows[0], rows[1:]
    minors = combinations(range(len(rows)), len(rows) - 1)
    return sum(
        (-1) ** k * first[k] * _determinant([[row[c] for c in kept] for row in rest])
        for k, kept in zip(reversed(range(len(rows))), minors, strict=True)
    )
