"""Where each of several affine functions is the largest on a polytope, and where two of them are equal there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exactbox.polytope.domain import Domain
from exactbox.polytope.layer_rows import integer_row
from exactbox.polytope.lp import maximize
from exactbox.polytope.rational import Rationals, int_array
from exactbox.polytope.rows import Rows, RowSource, join
from exactbox.polytope.shapes import Row, Shape
from exactbox.polytope.simplex import Optimal

BETWEEN = 1 << 40
"""The name of rows that compare two functions."""

Tie = Literal["first", "last"]


@dataclass(frozen=True, eq=False)
class Piece:
    """A full-dimensional part of a shape on which one function is at least all others.

    Args:
        winner: the function, by number; the first or last of those equal to it, as ties go.
        equal: all functions that are identical with it, by number.
        shape: the part.
    """

    winner: int
    equal: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Wall:
    """A facet of a piece on which several functions attain the maximum.

    Args:
        tied: all functions that attain the maximum on it, by number.
        row: the facet's row, by number among the piece's.
        corners: its vertices, by number among the piece's.
    """

    tied: tuple[int, ...]
    row: int
    corners: frozenset[int]


def envelope(shape: Shape, scores: Sequence[Row], tie: Tie = "first") -> list[Piece]:
    """Cut a shape into the parts on which one function is the largest; exact.

    Args:
        scores: functions ``row[:n] . z + row[n]``, all over one positive denominator.
        tie: which of several identical functions is named.

    >>> from exactbox.polytope.shapes import cube
    >>> found = envelope(cube([-1], [1]), [(1, 0), (-1, 0), (1, 0)])
    >>> [(piece.winner, piece.equal, piece.shape.volume) for piece in found]
    [(0, (0, 2), Fraction(1, 1)), (1, (1,), Fraction(1, 1))]
    """
    found: list[Piece] = []
    groups = _groups(scores)
    for own in groups:
        part: Shape | None = shape
        for other in groups:
            if part is not None and other is not own:
                part = part.cut(_difference(scores[own[0]], scores[other[0]]), BETWEEN)
        if part is not None:
            found.append(Piece(own[0 if tie == "first" else -1], own, part))
    return found


def walls(piece: Piece, scores: Sequence[Row]) -> list[Wall]:
    """List the facets of a piece where several functions attain the maximum; all, where several do on the piece.

    >>> from exactbox.polytope.shapes import cube
    >>> [piece, _] = envelope(cube([-1], [1]), [(1, 0), (-1, 0)])
    >>> [wall.tied for wall in walls(piece, [(1, 0), (-1, 0)])]
    [(0, 1)]
    """
    groups = _groups(scores)
    own = scores[piece.winner]
    level = [
        (other, {i for i, v in enumerate(piece.shape.values(_difference(own, scores[other[0]]))) if v == 0})
        for other in groups
        if other != piece.equal
    ]
    found: list[Wall] = []
    for number, corners in piece.shape.facets:
        tied = [other for other, zero in level if corners <= zero]
        everyone = (*piece.equal, *(i for other in tied for i in other))
        if len(everyone) > 1:
            found.append(Wall(tuple(sorted(everyone)), number, corners))
    return found


def winners_within(
    domain: Domain, rows: Rows, scores: Sequence[Row], tie: Tie = "first"
) -> dict[int, tuple[int, ...]]:
    """Find which functions are the largest on a full-dimensional part of a polytope of any dimension, bounded or not.

    Args:
        rows: cut the domain to a full-dimensional polytope; reduced modulo the domain's equations.
        scores: functions of the d inputs (d+1,), reduced likewise.

    Returns:
        by number of the winner, see ``Piece``, all functions that are identical with it.

    >>> from exactbox.polytope.domain import everything, no_rows
    >>> winners_within(everything(1), no_rows(1), [(1, 0), (2, 0), (2, 5)])
    {0: (0,), 2: (2,)}
    """
    groups = _groups(scores)
    return {
        own[0 if tie == "first" else -1]: own
        for own in groups
        if _has_part(domain, rows, [_difference(scores[own[0]], scores[o[0]]) for o in groups if o is not own])
    }


def _has_part(domain: Domain, rows: Rows, gaps: Sequence[Row]) -> bool:
    """Decide whether a full-dimensional part of a full-dimensional polytope has all functions positive."""
    for gap in gaps:
        if not any(gap[:-1]):
            if gap[-1] < 0:
                return False
            continue
        found = maximize(domain, rows, Rationals(int_array(gap[:-1])))
        if isinstance(found, Optimal) and found.value + gap[-1] <= 0:
            return False
        row = Rows(int_array(-v for v in gap[:-1]).reshape(1, -1), int_array([gap[-1]]), (RowSource("decision", 0),))
        rows = join(rows, row)
    return True


def _groups(scores: Sequence[Row]) -> list[tuple[int, ...]]:
    """Group identical functions."""
    groups: dict[Row, list[int]] = {}
    for number, row in enumerate(scores):
        groups.setdefault(tuple(row), []).append(number)
    return [tuple(group) for group in groups.values()]


def _difference(one: Row, other: Row) -> Row:
    return tuple(integer_row(int_array(a - b for a, b in zip(one, other, strict=True))))
