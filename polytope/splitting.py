"""Compiled depth-first splitting of cells by the units of one layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exactbox.polytope.cell_kernels import (
    CROSSING,
    EDGE,
    FLAT,
    OPTIMAL,
    RIVAL,
    Cells,
    Flags,
    Floats,
    Ints,
    Refs,
    Span,
    Work,
    ceiling,
    certain_sign,
    climb,
    evaluate,
    inside,
    pivot,
)
from exactbox.polytope.compiled import compiled, inlined, kernel
from exactbox.polytope.planar import ABOVE, BELOW, BOTH, UNDECIDED, far_centre, glance, trim

TOUCHING = 4

DONE, LEAVES_FULL, EVENTS_FULL, STUCK, PAUSED = 0, 1, 2, 3, 4

CURSOR, DEPTH, LEAVES, EVENTS, STEPS, RECORDING = 0, 1, 2, 3, 4, 5


class Table(NamedTuple):
    """The rows of one layer for B seeds, and the layer's shape.

    Args:
        rows: (B, p, n+1).
        radius: (B, p).
        reach: (B, p).
        starts: (units,) first pair of each unit.
        widths: (units,) candidates of each unit.
        extent: (n,) bounds of the coordinates over the domain.
        offsets: number of the first unit in the program; number of the first pair as a row.
        ranks: (B,) see ``cell_kernels.Span``.
        inner: (B, rows of the seeds).
        counts: (B,) the number of rows of each seed.
    """

    rows: Floats
    radius: Floats
    reach: Floats
    starts: Ints
    widths: Ints
    extent: Floats
    offsets: Ints
    ranks: Ints
    inner: Flags
    counts: Ints


@compiled
def copy_cell(source: Cells, i: int, target: Cells, j: int) -> None:
    """Copy cell i of one array of cells to place j of another."""
    count = source.filled[i]
    target.unit[j] = source.unit[i]
    target.seed[j] = source.seed[i]
    target.filled[j] = count
    target.token[j] = source.token[i]
    corners = source.corner_count[i]
    target.corner_count[j] = corners
    for k in range(corners):
        target.sides[j, k] = source.sides[i, k]
        for m in range(3):
            target.corners[j, k, m] = source.corners[i, k, m]
    for u in range(source.winners.shape[1]):
        target.winners[j, u] = source.winners[i, u]
    n = source.point.shape[1]
    for r in range(count):
        target.refs[j, r] = source.refs[i, r]
        target.radius[j, r] = source.radius[i, r]
        target.reach[j, r] = source.reach[i, r]
    for k in range(n + 1):
        for r in range(count):
            target.cols[j, k, r] = source.cols[i, k, r]
    for k in range(n):
        target.tight[j, k] = source.tight[i, k]
        target.point[j, k] = source.point[i, k]
        target.witness[j, k] = source.witness[i, k]
        for m in range(n):
            target.edges[j, k, m] = source.edges[i, k, m]


@compiled
def restart(cells: Cells, i: int) -> None:
    """Put the search of a cell at its witness, with all edges free."""
    for k in range(cells.point.shape[1]):
        cells.tight[i, k] = -1
        cells.point[i, k] = cells.witness[i, k]
        for m in range(cells.point.shape[1]):
            cells.edges[i, k, m] = 1.0 if k == m else 0.0


@kernel
def _aim(row: Floats, sign: float, work: Work) -> None:
    for j in range(len(row)):
        work.objective[j] = sign * row[j]


@inlined
def _far_witness(cells: Cells, i: int, row: Floats, radius: float, side: int, work: Work) -> bool:
    """Prove a point of the cell strictly on the other side: on the way from the witness to ``work.far``.

    The point halves what lies beyond the row. It is left in ``work.inner``.
    """
    here, there = evaluate(row, cells.witness[i]), evaluate(row, work.far)
    if not here * there < 0:
        return False
    share = there / (there - here) / 2
    for j in range(len(work.far)):
        work.inner[j] = work.far[j] + share * (cells.witness[i, j] - work.far[j])
    if certain_sign(row, radius, work.inner) != -side:
        return False
    return inside(cells.cols[i], cells.radius[i], cells.filled[i], work.inner, work.slack)


@inlined
def _cross(cells: Cells, i: int, row: Floats, work: Work) -> None:
    """Walk a crossing up to the row and let the edge leave it; the row gets the number that comes next."""
    column = work.column[EDGE]
    for j in range(len(work.far)):
        cells.point[i, j] += work.numbers[0] * cells.edges[i, column, j]
    pivot(row, cells.filled[i], column, cells.tight[i], cells.edges[i])


@inlined
def _search(cells: Cells, i: int, row: Floats, radius: float, side: int, table: Table, work: Work) -> int:
    """Look for points of the cell on the other side of a row than its witness, and prove what is found.

    ``TOUCHING`` means that the optimum is at hand and floats cannot tell it from zero.
    """
    _aim(row, -side, work)
    beyond = evaluate(work.objective, cells.point[i]) > NOISE_OF_A_VERTEX
    if beyond:
        for j in range(len(work.far)):
            work.far[j] = cells.point[i, j]
        _aim(row, side, work)
    found = climb(cells.cols[i], cells.filled[i], cells.tight[i], cells.point[i], cells.edges[i], work)
    if found == CROSSING:
        if not beyond:
            edge = cells.edges[i, work.column[EDGE]]
            for j in range(len(work.far)):
                work.far[j] = cells.point[i, j] + work.numbers[1] * edge[j]
        if not _far_witness(cells, i, row, radius, side, work):
            return UNDECIDED
        _cross(cells, i, row, work)
        return BOTH
    if found == OPTIMAL and not beyond:
        seed = cells.seed[i]
        span = Span(int(table.ranks[seed]), table.inner[seed, : table.counts[seed]])
        bound = ceiling(
            cells.cols[i], cells.radius[i], cells.reach[i], table.extent, cells.tight[i], cells.edges[i], span, radius,
            work,
        )
        if bound < 0:
            for k in range(len(work.proof)):
                work.proof[k] = cells.tight[i, k]
            return ABOVE if side > 0 else BELOW
        return TOUCHING if bound < np.inf else UNDECIDED
    return UNDECIDED


NOISE_OF_A_VERTEX = 2.0**-44
"""A vertex this close to a row counts as lying on it, for the search."""


@kernel
def probe(cells: Cells, i: int, row: Floats, radius: float, table: Table, work: Work) -> int:
    """Decide on which sides of a row a cell has interior points.

    For ``BOTH`` the search is left at a vertex on the row, or at the witness with all edges free, and ``work.inner`` is
    inside on the witness's other side.
    """
    n = cells.point.shape[1]
    flat = radius == 0.0
    for j in range(n):
        flat = flat and row[j] == 0.0
    work.column[FLAT] = 1 if flat else 0
    if flat:
        return BELOW if row[n] < 0 else ABOVE
    glanced = glance(cells, i, row, radius, work) if cells.corner_count[i] > 0 else UNDECIDED
    if glanced == ABOVE or glanced == BELOW:
        return glanced
    side = certain_sign(row, radius, cells.witness[i])
    if side == 0:
        return UNDECIDED
    if glanced == BOTH and far_centre(cells, i, side, work) and certain_sign(row, radius, work.inner) == -side:
        restart(cells, i)
        return BOTH
    found = UNDECIDED
    for attempt in range(2):
        if attempt > 0:
            restart(cells, i)
        found = _search(cells, i, row, radius, side, table, work)
        if found != UNDECIDED:
            break
    return UNDECIDED if found == TOUCHING else found


@kernel
def cut(
    cells: Cells, i: int, row: Floats, radius: float, reach: float, name: int, sign: int, work: Work,
    moved: bool,
) -> None:
    """Keep one side of a row that was found to lie on both; ``moved`` takes the other side's witness."""
    n = cells.point.shape[1]
    count = cells.filled[i]
    cells.refs[i, count] = sign * (name + 1)
    cells.radius[i, count] = radius
    cells.reach[i, count] = reach
    for j in range(n + 1):
        cells.cols[i, j, count] = sign * row[j]
    cells.filled[i] = count + 1
    if cells.corner_count[i] > 0:
        trim(cells, i, row, radius, sign, count, work)
    for k in range(n):
        if sign < 0 and cells.tight[i, k] == count:
            for j in range(n):
                cells.edges[i, k, j] = -cells.edges[i, k, j]
    if moved:
        for j in range(n):
            cells.witness[i, j] = work.inner[j]
        if n > 0 and cells.tight[i, 0] < 0:
            restart(cells, i)


@kernel
def _close(events: Refs, control: Ints, unit: int) -> None:
    """Note that all candidates of a unit are settled (or with -2 that a cell of the next layer is reached)."""
    if control[RECORDING]:
        at = control[EVENTS]
        events[at, 0] = unit
        for k in range(1, events.shape[1]):
            events[at, k] = -1
        control[EVENTS] = at + 1


@inlined
def _omit(
    events: Refs, control: Ints, unit: int, candidate: int, rival: int, cells: Cells, i: int, work: Work
) -> None:
    """Note that a candidate nowhere beats a rival inside the cell, and the names of the rows that prove it."""
    if control[RECORDING]:
        at = control[EVENTS]
        events[at, 0], events[at, 1], events[at, 2] = unit, candidate, rival
        for k in range(len(work.proof)):
            position = work.proof[k]
            known = position >= 0 and work.column[FLAT] == 0
            events[at, 3 + k] = cells.refs[i, position] if known else 0
        control[EVENTS] = at + 1


@inlined
def _branch_two(stack: Cells, top: int, table: Table, work: Work, control: Ints, events: Refs) -> int:
    """Branch on a unit of two candidates; returns the number of children, 0 where it stays undecided."""
    unit, seed = stack.unit[top], stack.seed[top]
    pair = table.starts[unit]
    row, radius, reach = table.rows[seed, pair], float(table.radius[seed, pair]), float(table.reach[seed, pair])
    found = probe(stack, top, row, radius, table, work)
    if found == UNDECIDED:
        return 0
    place = table.offsets[0] + unit
    stack.unit[top] = unit + 1
    if found != BOTH:
        winner = 0 if found == ABOVE else 1
        stack.winners[top, place] = winner
        _omit(events, control, place, 1 - winner, winner, stack, top, work)
        _close(events, control, place)
        return 1
    _close(events, control, place)
    name = table.offsets[1] + pair
    above = certain_sign(row, radius, stack.witness[top]) > 0
    copy_cell(stack, top, stack, top + 1)
    stack.winners[top, place] = 1
    cut(stack, top, row, radius, reach, name, -1, work, above)
    stack.winners[top + 1, place] = 0
    cut(stack, top + 1, row, radius, reach, name, 1, work, not above)
    return 2


@inlined
def _claim(stack: Cells, i: int, candidate: int, table: Table, work: Work) -> int:
    """Cut a cell to where a candidate wins its unit: ABOVE where it does somewhere, BELOW where nowhere."""
    unit, seed = stack.unit[i], stack.seed[i]
    width = table.widths[unit]
    for rival in range(width):
        if rival == candidate:
            continue
        low, high = min(candidate, rival), max(candidate, rival)
        pair = table.starts[unit] + low * (2 * width - low - 1) // 2 + high - low - 1
        row, radius, reach = table.rows[seed, pair], float(table.radius[seed, pair]), float(table.reach[seed, pair])
        found = probe(stack, i, row, radius, table, work)
        wanted = 1 if candidate < rival else -1
        if found == UNDECIDED:
            return UNDECIDED
        if found == BOTH:
            moved = certain_sign(row, radius, stack.witness[i]) != wanted
            cut(stack, i, row, radius, reach, table.offsets[1] + pair, wanted, work, moved)
        elif (found == ABOVE) != (wanted > 0):
            work.column[RIVAL] = rival
            return BELOW
    return ABOVE


@kernel
def _branch_many(stack: Cells, top: int, table: Table, work: Work, control: Ints, events: Refs) -> int:
    """Branch on a unit of any number of candidates; returns the number of children, 0 where undecided."""
    unit = stack.unit[top]
    place, width, start = table.offsets[0] + unit, table.widths[unit], control[EVENTS]
    children = 0
    for candidate in range(width - 1, -1, -1):
        slot = top + 1 + children
        copy_cell(stack, top, stack, slot)
        found = _claim(stack, slot, candidate, table, work)
        if found == UNDECIDED:
            control[EVENTS] = start
            return 0
        if found == BELOW:
            _omit(events, control, place, candidate, work.column[RIVAL], stack, slot, work)
            continue
        stack.unit[slot] = unit + 1
        stack.winners[slot, place] = candidate
        children += 1
    _close(events, control, place)
    for child in range(children):
        copy_cell(stack, top + 1 + child, stack, top + child)
    return children


@compiled
def advance(
    seeds: Cells, stack: Cells, leaves: Cells, table: Table, work: Work, control: Ints, events: Refs
) -> int:
    """Split the seeds depth first through one layer until done, a buffer is full, or a cell needs exact numbers.

    Cells are taken in order and the lowest candidate first. Events come in that order too: for each unit of a cell
    the omitted candidates, then a closing one; -2 in place of the unit ends a cell of the next layer.
    """
    units = len(table.starts)
    while control[DEPTH] > 0 or control[CURSOR] < len(seeds.filled):
        if control[STEPS] <= 0:
            return PAUSED
        if control[DEPTH] == 0:
            copy_cell(seeds, control[CURSOR], stack, 0)
            control[CURSOR] += 1
            control[DEPTH] = 1
        top = control[DEPTH] - 1
        unit = stack.unit[top]
        if control[RECORDING] and control[EVENTS] + 2 + (table.widths[unit] if unit < units else 0) > len(events):
            return EVENTS_FULL
        if unit == units:
            if control[LEAVES] == len(leaves.filled):
                return LEAVES_FULL
            copy_cell(stack, top, leaves, control[LEAVES])
            control[LEAVES] += 1
            control[DEPTH] = top
            _close(events, control, -2)
            continue
        control[STEPS] -= 1
        if table.widths[unit] == 1:
            stack.unit[top] = unit + 1
            continue
        if table.widths[unit] == 2:
            children = _branch_two(stack, top, table, work, control, events)
        else:
            children = _branch_many(stack, top, table, work, control, events)
        if children == 0:
            return STUCK
        control[DEPTH] += children - 1
    return DONE
