"""Compiled kernels on one cell: walk its vertices in float64, and prove what the walk found with rigorous bounds.

A cell is a list of rows ``cols[:n, i] . z + cols[n, i] >= 0`` whose gradients have their largest entry in [1/2, 2),
each with a radius that covers the error of every entry. Its state is that of the simplex method (Dantzig, Linear
Programming and Extensions, 1963) in the form of a current point, n edges leaving it, and the row that each edge
leaves: edge k raises row ``tight[k]`` by one a unit and keeps the other tight rows. An edge with ``tight[k] < 0``
leaves nothing: it is free to go both ways, and stands for coordinate k.

Nothing decided here rests on a tolerance: constants below only steer the search. A proof is ``ceiling``, which
bounds an affine function from above over the cell by its multipliers (with the error of the inverse as in S. M. Rump,
"Verification methods: rigorous results using floating-point arithmetic", 2010), or ``inside``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exactbox.polytope.compiled import inlined, kernel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.int16]
Refs = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

UNIT = 2.0**-53
UP = 1 + 2.0**-30
TINY = 2.0**-1000

GAIN = 2.0**-40
"""Edges that gain less than this a unit of length are not followed."""
NOISE = 2.0**-46
"""Values below this are taken for zero by the search."""
STEEP = 2.0**-40
"""Rows that fall less than this a unit of length do not block an edge."""

OPTIMAL, CROSSING, LOST = 0, 1, 2

EDGE, STRICT, FLAT, RIVAL = 0, 1, 2, 3
"""Places in ``Work.column``: a crossing's edge; whether multipliers must be strict; whether the row was constant; the
rival that a candidate lost to."""


class Cells(NamedTuple):
    """B cells of at most R rows each.

    Args:
        unit: (B,) the next unit of the layer to branch on.
        seed: (B,) the cell of the layer's start that this one came from.
        winners: (B, units of the program).
        filled: (B,) the number of rows.
        refs: (B, R) name of each row: plus or minus (1 + number); domain rows first, then pairs of candidates.
        cols: (B, n+1, R) the rows, as columns.
        radius: (B, R) error of each entry of a row.
        reach: (B, R) a bound of each row over the domain, infinite where it has none.
        tight: (B, n) the row that each edge leaves, -1 for none.
        point: (B, n) the current vertex.
        edges: (B, n, n).
        witness: (B, n) a point strictly inside every row; NaN where no float64 point was found.
        token: (B,) the number of the exact witness in the latter case, else -1.
        corner_count: (B,) the number of corners of a polygon that covers a cell in a plane, 0 for none.
        corners: (B, C, 3) x, y and radius of each corner, in order.
        sides: (B, C) the row on which the side from each corner to the next one lies.
    """

    unit: Ints
    seed: Ints
    winners: Shorts
    filled: Ints
    refs: Refs
    cols: Floats
    radius: Floats
    reach: Floats
    tight: Ints
    point: Floats
    edges: Floats
    witness: Floats
    token: Ints
    corner_count: Ints
    corners: Floats
    sides: Ints


class Work(NamedTuple):
    """Scratch space for n coordinates and R rows.

    Args:
        slack: (R,) row values.
        rate: (R,) change of the rows along an edge.
        gains: (n,) change of the objective along each edge, the multipliers of the tight rows but for their sign.
        objective: (n+1,).
        base: (n, n+1) tight rows.
        error: (n+2,) their radii.
        far: (n,) a point.
        inner: (n,) a point.
        numbers: (4,) lengths of a crossing.
        column: (4,) see ``EDGE``.
        proof: (n,) rows whose multipliers prove what was found, -1 for none.
        ends: (2, 3) corners.
        polygon: (R, 3) corners.
        polygon_sides: (R,) rows.
    """

    slack: Floats
    rate: Floats
    gains: Floats
    objective: Floats
    base: Floats
    error: Floats
    far: Floats
    inner: Floats
    numbers: Floats
    column: Ints
    proof: Ints
    ends: Floats
    polygon: Floats
    polygon_sides: Ints


class Span(NamedTuple):
    """What is known by construction of the linear span V that holds the gradients of all rows of the layer.

    A layer that reads the input only through an earlier ``Max`` has its gradients in the span of that layer's active
    units. Multipliers that are zero for this reason cannot be seen in float64.

    Args:
        rank: a bound of V's dimension.
        inner: for each row of the seed, whether its gradient lies in V; rows added later are the layer's own.
    """

    rank: int
    inner: Flags


def work_space(dimension: int, rows: int) -> Work:
    """Allocate scratch space for n coordinates and R rows."""
    n = dimension
    return Work(
        np.zeros(rows), np.zeros(rows), np.zeros(n), np.zeros(n + 1), np.zeros((n, n + 1)), np.zeros(n + 2),
        np.zeros(n), np.zeros(n), np.zeros(4), np.zeros(4, dtype=np.int64), np.zeros(n, dtype=np.int64),
        np.zeros((2, 3)), np.zeros((rows, 3)), np.zeros(rows, dtype=np.int64),
    )


@kernel
def evaluate(row: Floats, point: Floats) -> float:
    """Return ``row[:n] . point + row[n]``, rounded."""
    total = 0.0 + row[len(point)]
    for j in range(len(point)):
        total += row[j] * point[j]
    return float(total)


@kernel
def certain_sign(row: Floats, radius: float, point: Floats) -> int:
    """Return the sign of a row at a point, 0 where float64 cannot tell."""
    n = len(point)
    value, size, norm = row[n], abs(row[n]), 1.0
    for j in range(n):
        term = row[j] * point[j]
        value += term
        size += abs(term)
        norm += abs(point[j])
    error = ((n + 2) * UNIT * size + radius * norm) * UP + TINY
    if value > error:
        return 1
    return -1 if -value > error else 0


@kernel
def values(cols: Floats, count: int, point: Floats, out: Floats) -> None:
    """Evaluate all rows at a point."""
    n = len(point)
    for i in range(count):
        out[i] = cols[n, i]
    for j in range(n):
        move = point[j]
        for i in range(count):
            out[i] += cols[j, i] * move


@kernel
def inside(cols: Floats, radius: Floats, count: int, point: Floats, out: Floats) -> bool:
    """Prove that a point is strictly inside every row; False where float64 cannot."""
    n = len(point)
    values(cols, count, point, out)
    norm = 0.0
    for j in range(n):
        norm += abs(point[j])
    for i in range(count):
        error = ((n + 2) * UNIT * (2 * norm + abs(cols[n, i])) + radius[i] * (norm + 1)) * UP + TINY
        if not out[i] > error:
            return False
    return True


@inlined
def _rates(cols: Floats, count: int, edge: Floats, sign: float, out: Floats) -> None:
    for i in range(count):
        out[i] = 0.0
    for j in range(len(edge)):
        move = edge[j] * sign
        for i in range(count):
            out[i] += cols[j, i] * move


@inlined
def _entering(tight: Ints, edges: Floats, objective: Floats, gains: Floats) -> int:
    """Choose the edge along which the objective rises most a unit of length, or -1."""
    n = len(tight)
    best, column = GAIN, -1
    for k in range(n):
        gain, size = 0.0, 0.0
        for j in range(n):
            gain += edges[k, j] * objective[j]
            size += abs(edges[k, j])
        gains[k] = gain
        if tight[k] < 0:
            gain = abs(gain)
        if gain > best * size:
            best, column = gain / size, k
    return column


@inlined
def _blocking(slack: Floats, rate: Floats, count: int, size: float) -> int:
    """Choose the row that stops a move first; among equals the steepest; -1 where none does."""
    row, length = -1, np.inf
    for i in range(count):
        if rate[i] < -STEEP * size:
            step = max(slack[i], 0.0) / -rate[i]
            if step < length or (step == length and rate[i] < rate[row]):
                row, length = i, step
    return row


@kernel
def pivot(row: Floats, label: int, column: int, tight: Ints, edges: Floats) -> None:
    """Let edge ``column`` leave a row (n+1,) that holds with equality at the point; the other edges run along it."""
    n = len(tight)
    step = 0.0
    for j in range(n):
        step += row[j] * edges[column, j]
    for j in range(n):
        edges[column, j] /= step
    for k in range(n):
        if k == column:
            continue
        height = 0.0
        for j in range(n):
            height += row[j] * edges[k, j]
        if height != 0.0:
            for j in range(n):
                edges[k, j] -= height * edges[column, j]
    tight[column] = label


@inlined
def _advance_along(
    cols: Floats, count: int, column: int, row: int, length: float, tight: Ints, point: Floats, edges: Floats,
    work: Work,
) -> None:
    """Walk edge ``column`` a signed length up to a row that blocks it (``work.rate`` is a unit of length's change)."""
    n = len(tight)
    for j in range(n):
        point[j] += length * edges[column, j]
    for i in range(count):
        work.slack[i] += abs(length) * work.rate[i]
    work.slack[row] = 0.0
    for j in range(n):
        work.base[0, j] = cols[j, row]
    pivot(work.base[0], row, column, tight, edges)


@inlined
def _follow(cols: Floats, count: int, column: int, sign: float, edges: Floats, work: Work) -> int:
    """Find the row that blocks an edge, and put the change of all rows a unit of length into ``work.rate``."""
    size = 0.0
    for j in range(len(edges)):
        size += abs(edges[column, j])
    _rates(cols, count, edges[column], sign, work.rate)
    return _blocking(work.slack, work.rate, count, size)


@inlined
def _lean(cols: Floats, count: int, tight: Ints, point: Floats, edges: Floats, work: Work) -> bool:
    """Walk one free edge, along which the objective stays, up to a row; False where no row blocks any."""
    for column in range(len(tight)):
        if tight[column] >= 0:
            continue
        for sign in (1.0, -1.0):
            row = _follow(cols, count, column, sign, edges, work)
            if row >= 0:
                length = max(work.slack[row], 0.0) / -work.rate[row]
                _advance_along(cols, count, column, row, sign * length, tight, point, edges, work)
                return True
    return False


@inlined
def climb(cols: Floats, count: int, tight: Ints, point: Floats, edges: Floats, work: Work) -> int:
    """Walk along edges until ``work.objective`` would cross zero (CROSSING) or rises no more (OPTIMAL).

    A crossing is not walked: ``work.column[EDGE]`` is its edge, ``work.numbers`` its signed length to zero and to the
    edge's end.
    """
    objective, slack, rate = work.objective, work.slack, work.rate
    values(cols, count, point, slack)
    for _ in range(20 + 4 * len(tight) + count):
        column = _entering(tight, edges, objective, work.gains)
        if column < 0:
            if not _lean(cols, count, tight, point, edges, work):
                return OPTIMAL
            continue
        gain = work.gains[column]
        sign = 1.0 if gain > 0 else -1.0
        row = _follow(cols, count, column, sign, edges, work)
        value = evaluate(objective, point)
        length = np.inf if row < 0 else max(slack[row], 0.0) / -rate[row]
        if value + length * abs(gain) > NOISE:
            cross = max(-value, 0.0) / abs(gain)
            work.column[EDGE] = column
            work.numbers[0] = sign * cross
            work.numbers[1] = sign * (length if row >= 0 else 2 * cross + 1.0)
            return CROSSING
        _advance_along(cols, count, column, row, sign * length, tight, point, edges, work)
    return LOST


@inlined
def _inverse_error(base: Floats, radius: Floats, edges: Floats) -> float:
    """Bound the largest column sum of ``abs(I - base @ edges.T)``, rounding and data errors included."""
    n = len(edges)
    worst = 0.0
    for k in range(n):
        size = 0.0
        for j in range(n):
            size += abs(edges[k, j])
        total = 0.0
        for i in range(n):
            value = -1.0 if i == k else 0.0
            for j in range(n):
                value += base[i, j] * edges[k, j]
            total += abs(value) + (n + 3) * UNIT * (2 * size + 1.0) + radius[i] * size
        worst = max(worst, total)
    return worst * UP


@kernel
def _is_inner(row: int, span: Span) -> bool:
    """Say whether a row of the cell is known to lie in the span of the layer's rows."""
    return row >= 0 and (row >= len(span.inner) or span.inner[row])


@inlined
def _spans(tight: Ints, span: Span) -> bool:
    """Say whether the tight rows, where independent, span the layer's rows, so that all others have multiplier 0."""
    found = 0
    for row in tight:
        if _is_inner(row, span):
            found += 1
    return found >= span.rank


@inlined
def _gather_base(cols: Floats, radius: Floats, tight: Ints, work: Work) -> None:
    """Copy the tight rows into ``work.base`` and their radii into ``work.error``; free edges stand for coordinates."""
    n = len(tight)
    for k in range(n):
        i = tight[k]
        for j in range(n + 1):
            work.base[k, j] = (1.0 if j == k else 0.0) if i < 0 else cols[j, i]
        work.error[k] = 0.0 if i < 0 else radius[i]


@inlined
def _residual(objective: Floats, objective_radius: float, gains: Floats, work: Work) -> float:
    """Put bounds of ``abs(objective - gains @ base)`` into ``work.far``; returns the common part of their errors."""
    n = len(gains)
    weight, spread = 0.0, objective_radius
    for k in range(n):
        weight += abs(gains[k])
        spread += abs(gains[k]) * work.error[k]
    for j in range(n):
        value = objective[j]
        for k in range(n):
            value -= gains[k] * work.base[k, j]
        error = (n + 2) * UNIT * (abs(objective[j]) + 2 * weight) + spread
        work.far[j] = (abs(value) + error) * UP
    return spread


@inlined
def ceiling(
    cols: Floats, radius: Floats, reach: Floats, extent: Floats, tight: Ints, edges: Floats, span: Span,
    objective_radius: float, work: Work,
) -> float:
    """Bound ``work.objective``, a row of the layer, from above over the cell by multipliers of tight rows, rigorously.

    Multipliers of the wrong sign (or of that possibility) are paid for with the row's bound over the domain; they are
    refused where ``work.column[STRICT]`` asks for multipliers that prove it alone.
    """
    n = len(tight)
    objective, gains = work.objective, work.gains
    spanned = _spans(tight, span)
    _gather_base(cols, radius, tight, work)
    inverse = _inverse_error(work.base, work.error, edges)
    if not inverse < 0.25:
        return np.inf
    for k in range(n):
        gains[k] = 0.0
        for j in range(n):
            gains[k] += objective[j] * edges[k, j]
    spread = _residual(objective, objective_radius, gains, work)
    largest = 0.0
    for k in range(n):
        work.inner[k] = 0.0
        for j in range(n):
            work.inner[k] += work.far[j] * abs(edges[k, j])
        largest = max(largest, work.inner[k])
    shared = largest * inverse / (1 - inverse)
    value, size, payment = objective[n], abs(objective[n]), spread
    for k in range(n):
        if spanned and not _is_inner(tight[k], span):
            continue
        constant = 0.0 if tight[k] < 0 else work.base[k, n]
        error = (work.inner[k] + shared) * UP
        value -= gains[k] * constant
        size += abs(gains[k] * constant)
        payment += error * (abs(constant) + work.error[k])
        excess = gains[k] + error if tight[k] >= 0 else abs(gains[k]) + error
        if excess > 0:
            if work.column[STRICT]:
                return np.inf
            payment += excess * (reach[tight[k]] if tight[k] >= 0 else extent[k]) * UP
    bound = value + ((n + 3) * UNIT * size + payment) * UP + TINY
    return bound if bound == bound else np.inf
