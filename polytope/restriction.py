"""Put an affine map in front of a program: slices of high-dimensional models become programs of few inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from exactbox.polytope import linalg
from exactbox.polytope.domain import Bound, Domain, no_rows, show
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.facets import minimal
from exactbox.polytope.program import Input, MatMul, Port, Program, Provenance, Shift, with_sources
from exactbox.polytope.rational import Rationals, concatenate, from_fractions

Corner = tuple[Fraction, Fraction]


def restrict(program: Program, origin: Rationals, directions: Rationals) -> Program:
    """Return the program of ``y -> program(origin + directions @ y)``, exactly.

    Args:
        origin: shape (d,).
        directions: shape (d, k), k at least 1.

    Raises:
        InputError: a shape does not fit the program.

    >>> from exactbox.polytope import exact as interpreter
    >>> from exactbox.polytope.rational import exact
    >>> one = Program((Port("x", (1, 2)),), (Input(2),), Port("x", (1, 2)))
    >>> line = restrict(one, exact([1, 2]), exact([[3], [4]]))
    >>> [str(v) for v in interpreter.forward(line, exact([["0.5"]])).fractions()]
    ['5/2', '4']
    """
    size = program.input_size
    if origin.shape != (size,):
        raise InputError(f"origin: expected shape ({size},), got {origin.shape}")
    if len(directions.shape) != 2 or directions.shape[0] != size or directions.shape[1] < 1:
        raise InputError(f"directions: expected shape ({size}, k) with k at least 1, got {directions.shape}")
    count = directions.shape[1]
    front = (Input(count), MatMul(0, directions.reshape(1, size, count), 1), Shift(1, origin))
    rest = tuple(with_sources(one, lambda position: position + 2) for one in program.instructions[1:])
    provenance = program.provenance
    if provenance:
        first = Provenance("slice", (1, count))
        provenance = (first, provenance[0], provenance[0], *provenance[1:])
    inputs = (Port("slice", (1, count)),)
    return replace(program, inputs=inputs, instructions=(*front, *rest), provenance=provenance)


def through_points(points: Rationals) -> tuple[Rationals, Rationals]:
    """Return the origin (d,) and directions (d, k) of the affine hull of k+1 points (k+1, d): point i is unit vector i.

    Raises:
        InputError: there are fewer than two points.

    >>> from exactbox.polytope.rational import exact
    >>> origin, directions = through_points(exact([[1, 1], [2, 1], [1, 3]]))
    >>> [str(v) for v in directions.fractions()]
    ['1', '0', '0', '2']
    """
    if len(points.shape) != 2 or len(points) < 2:
        raise InputError(f"points: expected shape (k+1, d) with k at least 1, got {points.shape}")
    return points[0], (points[1:] - points[:1]).transposed()


def preimage(domain: Domain, origin: Rationals, directions: Rationals, frame: Domain) -> Domain:
    """Return the part of a box in which ``origin + directions @ y`` lies in a domain; exact.

    No row is redundant, except where the budget of the exact simplex method leaves that open.

    Args:
        domain: over d coordinates.
        origin: shape (d,).
        directions: shape (d, k).
        frame: a box over k coordinates.

    Raises:
        InputError: the part is empty.

    >>> from exactbox.polytope.domain import box
    >>> from exactbox.polytope.rational import exact
    >>> part = preimage(box([0, 0], [1, 1]), exact([0, "1/2"]), exact([[1], [1]]), box([-9], [9]))
    >>> [str(v) for v in (*part.lower, *part.upper)], len(part.rows)
    (['0', '1/2'], 0)
    """
    if domain.is_everything:
        return frame
    gradients, rhs = _rows_of_slice(domain, origin, directions)
    equal = domain.equalities
    inside, outside = linalg.matmul(equal[:, :-1], directions), equal[:, -1] - linalg.matvec(equal[:, :-1], origin)
    lower, upper = list(frame.lower), list(frame.upper)
    kept: list[int] = []
    for i, row in enumerate(gradients.num):
        where, room = np.flatnonzero(row), rhs.item(i)
        if not len(where):
            if room < 0:
                raise InputError(f"empty: a row or bound of the domain is violated by {show(-room)} everywhere")
        elif len(where) == 1:
            k, slope = int(where[0]), gradients.item(i, int(where[0]))
            side, better = (upper, min) if slope > 0 else (lower, max)
            old = side[k]
            side[k] = room / slope if old is None else better(old, room / slope)
        else:
            kept.append(i)
    kept = _cutting(gradients, rhs, kept, lower, upper)
    part = domain_from_rows(lower, upper, gradients[kept], rhs[kept], inside, outside)
    if not len(part.rows) or part.dimension < part.size:
        return part
    facets = minimal(part, no_rows(part.size), part.witness)
    stay = sorted((*facets.facets, *facets.undecided))
    needed = [kept[facets.sources[i].index] for i in stay if facets.sources[i].kind == "domain"]
    return domain_from_rows(lower, upper, gradients[needed], rhs[needed])


def _cutting(
    gradients: Rationals, rhs: Rationals, rows: list[int], lower: Sequence[Bound], upper: Sequence[Bound]
) -> list[int]:
    """Leave out rows that cut nothing off a rectangle cut by those before; all stay where it is no rectangle."""
    low, high = [b for b in lower if b is not None], [b for b in upper if b is not None]
    if (len(low), len(high)) != (2, 2) or low[0] > high[0] or low[1] > high[1]:
        return rows
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    needed: list[int] = []
    for i in rows:
        a, b, c = gradients.item(i, 0), gradients.item(i, 1), rhs.item(i)
        slack = [c - a * x - b * y for x, y in corners]
        if min(slack, default=c) < 0:
            needed.append(i)
            corners = _clipped(corners, slack)
    return needed


def _clipped(corners: list[Corner], slack: list[Fraction]) -> list[Corner]:
    """Keep the part of a convex polygon where the slack of its corners is not negative."""
    kept: list[Corner] = []
    for k, ((x, y), here) in enumerate(zip(corners, slack, strict=True)):
        (u, v), before = corners[k - 1], slack[k - 1]
        if here * before < 0:
            share = before / (before - here)
            kept.append((u + share * (x - u), v + share * (y - v)))
        if here >= 0:
            kept.append((x, y))
    return kept


def _rows_of_slice(domain: Domain, origin: Rationals, directions: Rationals) -> tuple[Rationals, Rationals]:
    """Return a domain's bounds of positive width and its rows over y: gradients (m, k) and right-hand sides (m,)."""
    gradients, rhs = [directions[:0]], [origin[:0]]
    for limits, sign in ((domain.lower, -1), (domain.upper, 1)):
        where = [i for i, limit in enumerate(limits) if limit is not None and not domain.fixed[i]]
        values = from_fractions([limit for i in where if (limit := limits[i]) is not None])
        gradients.append(directions[where].scaled(sign))
        rhs.append((values - origin[where]).scaled(sign))
    matrix = Rationals(domain.rows.matrix)
    gradients.append(linalg.matmul(matrix, directions))
    rhs.append(Rationals(domain.rows.rhs) - linalg.matvec(matrix, origin))
    return concatenate(gradients), concatenate(rhs)
