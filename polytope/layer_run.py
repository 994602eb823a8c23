"""Splitting of a batch of cells by the units of one layer, which can be left after any part and gone on with later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exactbox.polytope.cell_arrays import capacity, empty_cells, first_cells, join_cells, reach, take_cells
from exactbox.polytope.cell_kernels import STRICT, Cells, Flags, Ints, Refs, Shorts, Work, work_space
from exactbox.polytope.exact_cells import Child, Omitted, branch
from exactbox.polytope.layer_rows import ExactRows, FloatRows, integer_row
from exactbox.polytope.rational import exact
from exactbox.polytope.splitting import (
    CURSOR,
    DEPTH,
    DONE,
    EVENTS,
    LEAVES,
    RECORDING,
    STEPS,
    STUCK,
    Table,
    advance,
    copy_cell,
)

if TYPE_CHECKING:
    from exactbox.polytope.enumeration import Space

_STEPS = 1 << 15
_EXACT_STEP = 1 << 9
_EXACT_DIMENSION = 6
"""Up to here an exact step counts as ``_EXACT_STEP``; beyond, it takes longer with the square of the dimension."""
_EVENT_ROWS = 1 << 14


class Batch(NamedTuple):
    """The B cells at the start of a layer whose rows are computed together.

    Rounding depends on which cells are computed together, so a run that is gone on with keeps the batch it began with.

    Args:
        winners: (B, units of the program).
        counts: (B,) the number of rows of each cell.
    """

    winners: Shorts
    counts: Ints


class Drained(NamedTuple):
    """What a run has finished since it was last asked, and how many cells it has left; see ``enumeration.Part``."""

    cells: Cells
    events: Refs
    waiting: int


def batch_of(cells: Cells) -> tuple[Batch, Cells]:
    """Make cells at the start of a layer a batch of their own."""
    batch = Batch(cells.winners, cells.filled)
    places = np.arange(len(cells.filled), dtype=np.int64)
    return batch, cells._replace(unit=np.zeros_like(places), seed=places)


class LayerRun:
    """The state of splitting cells through one layer.

    Args:
        space: the program on its domain.
        number: which layer.
        batch: the cells at the layer's start that ``seeds`` come from.
        seeds: cells to be split, in order; ``seed`` says from which of the batch, ``unit`` where to go on.
    """

    def __init__(self, space: Space, number: int, batch: Batch, seeds: Cells) -> None:
        self._space, self._layer, self._seeds = space, space.layers[number], seeds
        self.number, self.batch = number, batch
        n, layer = space.chart.dimension, self._layer
        extra = int((layer.widths - 1).sum())
        rows = int(batch.counts.max(initial=0)) + extra
        self._table = self._make_table(FloatRows(space.program, space.chart, space.layers, layer))
        self._stack = empty_cells(extra + int(layer.widths.max(initial=1)) + 2, n, space.units, rows)
        self._leaves = empty_cells(capacity(n, rows, space.units), n, space.units, rows)
        self._work: Work = work_space(n, rows)
        self._work.column[STRICT] = space.recording
        self._control = np.zeros(8, dtype=np.int64)
        self._control[RECORDING] = space.recording
        events = _EVENT_ROWS + int(layer.widths.max(initial=0)) if space.recording else 0
        self._events: Refs = np.zeros((events, 3 + n), dtype=np.int32)
        self._exact: dict[int, ExactRows] = {}

    def _make_table(self, source: FloatRows) -> Table:
        layer, space = self._layer, self._space
        rows, radius = source.rows(self.batch.winners)
        bounds = reach(rows, radius, space.chart.extent)
        offsets = np.array([layer.first, len(space.chart.rows) + layer.base], dtype=np.int64)
        ranks, inner = self._spans()
        rows, radius, bounds = (np.ascontiguousarray(part) for part in (rows, radius, bounds))
        return Table(
            rows, radius, bounds, layer.starts, layer.widths, space.chart.extent, offsets,
            ranks, inner, self.batch.counts,
        )

    def _spans(self) -> tuple[Ints, Flags]:
        """Find what is known of the spans (see ``cell_kernels.Span``) for those of the batch that have seeds left."""
        known, flags = self._space.spans[self._layer.position].of(self._seeds)
        ranks = np.zeros(len(self.batch.counts), dtype=np.int64)
        inner = np.zeros((len(ranks), flags.shape[1]), dtype=np.bool_)
        ranks[self._seeds.seed], inner[self._seeds.seed] = known, flags
        return ranks, inner

    def advance(self) -> bool:
        """Go on until a buffer is full or some time has passed; True where the batch is finished."""
        self._control[STEPS] = _STEPS
        while True:
            status = advance(
                self._seeds, self._stack, self._leaves, self._table, self._work, self._control, self._events
            )
            if status != STUCK:
                return bool(status == DONE)
            self._resolve()

    def drain(self) -> Drained:
        """Take the finished cells and events out of the buffers."""
        count, events = int(self._control[LEAVES]), int(self._control[EVENTS])
        width = int(self._leaves.filled[:count].max(initial=0))
        waiting = int(self._control[DEPTH] - self._control[CURSOR]) + len(self._seeds.filled)
        drained = Drained(first_cells(self._leaves, count, width), self._events[:events].copy(), waiting)
        self._control[LEAVES] = self._control[EVENTS] = 0
        return drained

    def rest(self) -> Cells:
        """Return what is left, after ``drain``, as the seeds of a run on the same batch that goes on from here."""
        depth, cursor = int(self._control[DEPTH]), int(self._control[CURSOR])
        begun = take_cells(self._stack, range(depth - 1, -1, -1))
        left = join_cells([begun, take_cells(self._seeds, slice(cursor, None))])
        return first_cells(left, len(left.filled), int(left.filled.max(initial=0)))

    def _resolve(self) -> None:
        """Branch the cell on top of the stack on its unit in exact arithmetic."""
        dearer = max(1, self._space.chart.dimension**2 // _EXACT_DIMENSION**2)
        self._control[STEPS] -= min(_EXACT_STEP * dearer, _STEPS)
        stack, top = self._stack, int(self._control[DEPTH]) - 1
        unit = int(stack.unit[top])
        width, start = int(self._layer.widths[unit]), int(self._layer.starts[unit])
        pairs = range(start, start + width * (width - 1) // 2)
        rows = {
            (int(self._layer.pairs[p, 1]), int(self._layer.pairs[p, 2])): (self._name(p), self._pair_row(p))
            for p in pairs
        }
        cell = self._space.exact_cell(stack, top, self._exact_rows(int(stack.seed[top])))
        found = branch(cell, rows, width, self._hints(top))
        for item in found:
            if isinstance(item, Omitted):
                self._note([self._layer.first + unit, item.candidate, item.rival, *item.names])
        self._note([self._layer.first + unit, *[-1] * (2 + self._space.chart.dimension)])
        children = [item for item in found if isinstance(item, Child)]
        stack.unit[top] = unit + 1
        for slot in range(top + 1, top + len(children)):
            copy_cell(stack, top, stack, slot)
        for slot, child in enumerate(reversed(children), top):
            self._fill(slot, unit, child)
        self._control[DEPTH] += len(children) - 1

    def _hints(self, place: int) -> list[list[int]]:
        """Return rows that may prove bounds of a cell: those of the search's vertex, those through each corner."""
        stack = self._stack
        sides = stack.sides[place, : int(stack.corner_count[place])].tolist()
        return [stack.tight[place].tolist(), *([sides[k - 1], side] for k, side in enumerate(sides))]

    def _fill(self, slot: int, unit: int, child: Child) -> None:
        """Write a child of the exact branching into a place of the stack that holds its parent."""
        stack, count = self._stack, int(self._stack.filled[slot])
        stack.winners[slot, self._layer.first + unit] = child.candidate
        added = child.cell.names[count:]
        if not added:
            return
        seed = int(stack.seed[slot])
        for place, name in enumerate(added, count):
            pair = abs(name) - 1 - int(self._table.offsets[1])
            stack.refs[slot, place] = name
            stack.cols[slot, :, place] = self._table.rows[seed, pair] * (1 if name > 0 else -1)
            stack.radius[slot, place] = self._table.radius[seed, pair]
            stack.reach[slot, place] = self._table.reach[seed, pair]
        stack.filled[slot] = count + len(added)
        self._space.place(stack, slot, child.cell.witness)

    def _note(self, event: list[int]) -> None:
        if self._space.recording:
            row = self._events[int(self._control[EVENTS])]
            row[: len(event)], row[len(event) :] = event, 0
            self._control[EVENTS] += 1

    def _name(self, pair: int) -> int:
        return int(self._table.offsets[1]) + pair

    def _pair_row(self, pair: int) -> list[int]:
        """Return a row of this layer for the seed of the cell on top of the stack."""
        seed = int(self._stack.seed[int(self._control[DEPTH]) - 1])
        if self._table.radius[seed, pair] == 0.0:
            return integer_row(exact(self._table.rows[seed, pair]).num)
        return self._exact_rows(seed).row(self._layer.base + pair)

    def _exact_rows(self, seed: int) -> ExactRows:
        if seed not in self._exact:
            space = self._space
            self._exact[seed] = ExactRows(
                space.program, space.chart, space.layers, self._layer.position, self.batch.winners[seed]
            )
        return self._exact[seed]
