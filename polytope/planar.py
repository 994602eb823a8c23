"""Compiled kernels for cells in a plane: a polygon that covers the cell decides most rows at a glance.

Each corner is the intersection of two rows in float64 with a rigorous radius (residual times the inverse of the 2 x 2
matrix). A row that is certainly positive at all corners is positive on the cell. Whatever the corners leave open is
decided by the general walk; the polygon then stays as it is, larger than the cell.
"""

from __future__ import annotations

import numpy as np

from exactbox.polytope.cell_kernels import STRICT, TINY, UNIT, UP, Cells, Floats, Work, inside
from exactbox.polytope.compiled import inlined

UNDECIDED, ABOVE, BELOW, BOTH = 0, 1, 2, 3


@inlined
def _corner_values(cells: Cells, i: int, row: Floats, radius: float, work: Work) -> None:
    """Put the row's value at each corner into ``work.slack`` and its error into ``work.rate``."""
    a, b, c = row[0], row[1], row[2]
    slope, constant = abs(a) + abs(b), abs(c)
    for k in range(cells.corner_count[i]):
        x, y = cells.corners[i, k, 0], cells.corners[i, k, 1]
        norm = abs(x) + abs(y)
        work.slack[k] = a * x + b * y + c
        spread = (slope + 2 * radius) * cells.corners[i, k, 2]
        work.rate[k] = (4 * UNIT * (slope * norm + constant) + radius * (norm + 1.0) + spread) * UP + TINY


@inlined
def glance(cells: Cells, i: int, row: Floats, radius: float, work: Work) -> int:
    """Decide on which sides of a row a cell lies, by its corners; ``BOTH`` leaves a point of the far side to prove."""
    count = cells.corner_count[i]
    _corner_values(cells, i, row, radius, work)
    above = below = 0
    for k in range(count):
        if work.slack[k] > work.rate[k]:
            above += 1
        elif -work.slack[k] > work.rate[k]:
            below += 1
    if above + below < count:
        return UNDECIDED
    if above == 0 or below == 0:
        if work.column[STRICT] and not _name_proof(cells, i, 1.0 if below == 0 else -1.0, work):
            return UNDECIDED
        return ABOVE if below == 0 else BELOW
    return BOTH


@inlined
def _name_proof(cells: Cells, i: int, side: float, work: Work) -> bool:
    """Name the two rows through the corner nearest to the row, where it is certainly nearer than its neighbours."""
    count = cells.corner_count[i]
    near = 0
    for k in range(1, count):
        if side * work.slack[k] < side * work.slack[near]:
            near = k
    before, after = (near - 1) % count, (near + 1) % count
    for k in (before, after):
        gap = side * work.slack[k] - side * work.slack[near]
        if not gap > (work.rate[k] + work.rate[near]) * UP:
            return False
    work.proof[0], work.proof[1] = cells.sides[i, before], cells.sides[i, near]
    return True


@inlined
def far_centre(cells: Cells, i: int, side: int, work: Work) -> bool:
    """Prove the centre of what the polygon has on the other side of the row (``work.slack``); in ``work.inner``."""
    count = cells.corner_count[i]
    x = y = 0.0
    found = 0
    for k in range(count):
        follower = k + 1 if k + 1 < count else 0
        here, there = work.slack[k], work.slack[follower]
        if side * here < 0:
            x += cells.corners[i, k, 0]
            y += cells.corners[i, k, 1]
            found += 1
        if here * there < 0:
            share = here / (here - there)
            x += cells.corners[i, k, 0] + share * (cells.corners[i, follower, 0] - cells.corners[i, k, 0])
            y += cells.corners[i, k, 1] + share * (cells.corners[i, follower, 1] - cells.corners[i, k, 1])
            found += 1
    work.inner[0], work.inner[1] = x / found, y / found
    return inside(cells.cols[i], cells.radius[i], cells.filled[i], work.inner, work.slack)


@inlined
def _meet(cells: Cells, i: int, side: int, row: Floats, radius: float, out: Floats) -> None:
    """Intersect a side of the polygon with a row: x, y and a rigorous radius."""
    d, e, f = cells.cols[i, 0, side], cells.cols[i, 1, side], cells.cols[i, 2, side]
    a, b, c = row[0], row[1], row[2]
    det = d * b - e * a
    x, y = (e * c - f * b) / det, (f * a - d * c) / det
    norm = abs(x) + abs(y)
    own = cells.radius[i, side]
    first = abs(d * x + e * y + f) + 4 * UNIT * ((abs(d) + abs(e)) * norm + abs(f)) + own * (norm + 1.0)
    second = abs(a * x + b * y + c) + 4 * UNIT * ((abs(a) + abs(b)) * norm + abs(c)) + radius * (norm + 1.0)
    spread = own + radius
    least = abs(det) - (4 * UNIT * (abs(d * b) + abs(e * a)) + 8 * spread) * UP - TINY
    error = (2.0 + spread) * (first + second) / least * UP + TINY if least > 0 else np.inf
    out[0], out[1], out[2] = x, y, error if error == error else np.inf


@inlined
def trim(cells: Cells, i: int, row: Floats, radius: float, sign: int, label: int, work: Work) -> None:
    """Clip the polygon by one side of a row that becomes row ``label``; leaves it where a corner is in doubt."""
    count = cells.corner_count[i]
    _corner_values(cells, i, row, radius, work)
    entry = leave = -1
    for k in range(count):
        follower = k + 1 if k + 1 < count else 0
        if not abs(work.slack[k]) > work.rate[k]:
            return
        if work.slack[k] * sign < 0 and work.slack[follower] * sign > 0:
            entry = k
        if work.slack[k] * sign > 0 and work.slack[follower] * sign < 0:
            leave = k
    if entry < 0 or leave < 0:
        return
    kept = (leave - entry) % count
    _meet(cells, i, cells.sides[i, entry], row, radius, work.ends[0])
    _meet(cells, i, cells.sides[i, leave], row, radius, work.ends[1])
    first_side, last_side = cells.sides[i, entry], cells.sides[i, leave]
    for k in range(kept):
        source = (entry + 1 + k) % count
        for j in range(3):
            work.polygon[k, j] = cells.corners[i, source, j]
        work.polygon_sides[k] = cells.sides[i, source]
    for j in range(3):
        cells.corners[i, 0, j] = work.ends[0, j]
        cells.corners[i, kept + 1, j] = work.ends[1, j]
    cells.sides[i, 0], cells.sides[i, kept + 1] = first_side, label
    for k in range(kept):
        for j in range(3):
            cells.corners[i, k + 1, j] = work.polygon[k, j]
        cells.sides[i, k + 1] = work.polygon_sides[k]
    cells.sides[i, kept] = last_side
    cells.corner_count[i] = kept + 2
