"""Enumerate all full-dimensional activation regions of a program on a domain: complete, exact, with witnesses.

Cells are split unit by unit in program order, depth first. Float64 proposes; a split is believed when points strictly
inside both children are proved by enclosures or exact integers, and a side is ruled out only by multipliers proved
the same way (``cell_kernels``, ``exact_cells``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_kernels import STRICT, Cells, Floats, Refs, Work, work_space
from exactbox.polytope.chart import Chart, chart
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact_cells import Child, ExactCell, Omitted, branch, equal_floats
from exactbox.polytope.layer_rows import ExactRows, FloatRows, Layer, integer_row, layers, normalised
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.spans import Spans
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
    restart,
)

_BATCH_BYTES = 1 << 24
_LARGEST_BATCH = 512
_STEPS = 1 << 15
_EXACT_STEP = 1 << 9
_EVENT_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class Cell:
    """One full-dimensional activation region.

    Args:
        pattern: the winners; the lowest candidate where several are identical on the region.
        witness: shape (d,), exact, strictly inside every row that is not identically zero on the domain's affine hull.
    """

    pattern: Pattern
    witness: Rationals


@dataclass(frozen=True)
class Progress:
    """What has been found so far, in how many seconds, and how many cells wait on the way."""

    regions: int
    seconds: float
    frontier: int


@dataclass(frozen=True, eq=False)
class Part:
    """Cells that one layer was split into, next to each other in depth-first order, and the events on the way.

    Args:
        layer: number of the layer; the number of layers for finished regions.
        cells: the cells.
        events: shape (e, 3+n), see ``splitting.advance``; empty unless recorded.
        waiting: the number of cells that this layer has not come to.
    """

    layer: int
    cells: Cells
    events: Refs
    waiting: int = 0


@dataclass(frozen=True, eq=False)
class Packed:
    """Cells with those of their witnesses that no floats hold, by token; made of arrays and fractions alone."""

    cells: Cells
    witnesses: dict[int, tuple[Fraction, ...]]


class Space:
    """A program on a domain, prepared for splitting.

    Args:
        program: the program.
        domain: the domain.
        recording: whether the proofs of omitted candidates are kept as events.
    """

    def __init__(self, program: Program, domain: Domain, recording: bool = False) -> None:
        if domain.size != program.input_size:
            raise InputError(f"domain: expected {program.input_size} coordinates, got {domain.size}")
        self.program, self.domain, self.recording = program, domain, recording
        self.chart: Chart = chart(domain)
        self.layers: tuple[Layer, ...] = layers(program)
        self.units = sum(len(layer.widths) for layer in self.layers)
        self.spans = {layer.position: Spans(program, self.layers, layer, len(self.chart.rows)) for layer in self.layers}
        self.exact_witnesses: list[tuple[Fraction, ...]] = []

    def start(self) -> Cells:
        """Return the whole domain as one cell."""
        n, rows = self.chart.dimension, self.chart.rows
        cells = empty_cells(1, n, self.units, len(rows))
        columns, radius = _float_rows(rows)
        cells.filled[0] = len(rows)
        cells.refs[0] = np.arange(1, len(rows) + 1)
        cells.cols[0], cells.radius[0] = columns.T, radius
        cells.reach[0] = _reach(columns, radius, self.chart.extent)
        self.place(cells, 0, tuple(next(self.chart.starts()).fractions()))
        if n == 2:
            _cover(cells, self.chart.extent)
        return cells

    def place(self, cells: Cells, i: int, witness: tuple[Fraction, ...]) -> None:
        """Give a cell an exact witness and put its search there."""
        floats = equal_floats(witness)
        cells.token[i] = -1
        if floats is None:
            cells.token[i] = len(self.exact_witnesses)
            self.exact_witnesses.append(witness)
            floats = [np.nan] * len(witness)
        cells.witness[i] = floats
        restart(cells, i)

    def witness(self, cells: Cells, i: int) -> tuple[Fraction, ...]:
        """Return a cell's witness (n,) in the chart's coordinates."""
        if cells.token[i] >= 0:
            return self.exact_witnesses[int(cells.token[i])]
        return tuple(exact(cells.witness[i]).fractions())

    def pack(self, cells: Cells) -> Packed:
        """Make cells independent of this space, for another process or for storing."""
        tokens = [int(token) for token in cells.token if token >= 0]
        return Packed(cells, {token: self.exact_witnesses[token] for token in tokens})

    def unpack(self, packed: Packed) -> Cells:
        """Take over cells that a space of the same program and domain packed."""
        token = packed.cells.token.copy()
        for i in np.flatnonzero(token >= 0).tolist():
            self.exact_witnesses.append(packed.witnesses[int(token[i])])
            token[i] = len(self.exact_witnesses) - 1
        return packed.cells._replace(token=token)

    def exact_cell(self, cells: Cells, i: int, source: ExactRows) -> ExactCell:
        """Return a cell in exact numbers; ``source`` knows its winners."""
        rows: list[list[int]] = []
        names = cells.refs[i, : cells.filled[i]].tolist()
        for place, name in enumerate(names):
            number = abs(name) - 1
            if number < len(self.chart.rows):
                rows.append(integer_row(self.chart.rows[number]))
            elif cells.radius[i, place] == 0.0:
                rows.append(integer_row(exact(cells.cols[i, :, place]).num))
            else:
                row = source.row(number - len(self.chart.rows))
                rows.append(row if name > 0 else [-v for v in row])
        return ExactCell(tuple(names), tuple(rows), self.witness(cells, i))

    def split(self, number: int, seeds: Cells) -> Iterator[Part]:
        """Split cells by all units of one layer."""
        run = _LayerRun(self, self.layers[number], seeds)
        while True:
            done = run.advance()
            yield run.drain(number + 1)
            if done:
                return

    def parts(self, number: int = 0, seeds: Cells | None = None) -> Iterator[Part]:
        """Split cells by all layers from ``number`` on, depth first; parts of all layers are passed on."""
        cells = self.start() if seeds is None else seeds
        if not self.layers:
            yield Part(0, cells, np.zeros((0, 3 + self.chart.dimension), dtype=np.int32))
        if number == len(self.layers):
            return
        for part in self.split(number, cells):
            yield part
            if len(part.cells.filled):
                yield from self.parts(number + 1, part.cells)

    def cell(self, cells: Cells, i: int) -> Cell:
        """Return one finished region."""
        winners = cells.winners[i].astype(np.int64)
        pattern = Pattern(tuple(winners[a.first : a.first + len(a.widths)].copy() for a in self.layers))
        point = from_fractions(self.witness(cells, i), (self.chart.dimension, 1))
        return Cell(pattern, self.chart.lift(point).reshape(-1).reduced())


class _LayerRun:
    """The state of splitting a batch of seeds through one layer."""

    def __init__(self, space: Space, layer: Layer, seeds: Cells) -> None:
        self._space, self._layer, self._seeds = space, layer, seeds
        n = space.chart.dimension
        extra = int((layer.widths - 1).sum())
        rows = int(seeds.filled.max(initial=0)) + extra
        self._table = self._make_table(FloatRows(space.program, space.chart, space.layers, layer))
        self._stack = empty_cells(extra + int(layer.widths.max(initial=1)) + 2, n, space.units, rows)
        self._leaves = empty_cells(_capacity(n, rows, space.units), n, space.units, rows)
        self._work: Work = work_space(n, rows)
        self._work.column[STRICT] = space.recording
        self._control = np.zeros(8, dtype=np.int64)
        self._control[RECORDING] = space.recording
        events = _EVENT_ROWS + int(layer.widths.max(initial=0)) if space.recording else 0
        self._events: Refs = np.zeros((events, 3 + n), dtype=np.int32)
        self._exact: dict[int, ExactRows] = {}

    def _make_table(self, source: FloatRows) -> Table:
        layer, space = self._layer, self._space
        rows, radius = source.rows(self._seeds.winners)
        reach = _reach(rows, radius, space.chart.extent)
        offsets = np.array([layer.first, len(space.chart.rows) + layer.base], dtype=np.int64)
        ranks, inner = space.spans[layer.position].of(self._seeds)
        return Table(
            np.ascontiguousarray(rows), radius, reach, layer.starts, layer.widths, space.chart.extent, offsets,
            ranks, inner, self._seeds.filled,
        )

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

    def drain(self, number: int) -> Part:
        """Take the finished cells and events out of the buffers."""
        count, events = int(self._control[LEAVES]), int(self._control[EVENTS])
        width = int(self._leaves.filled[:count].max(initial=0))
        waiting = int(self._control[DEPTH] - self._control[CURSOR]) + len(self._seeds.filled)
        part = Part(number, _first_cells(self._leaves, count, width), self._events[:events].copy(), waiting)
        self._control[LEAVES] = self._control[EVENTS] = 0
        return part

    def _resolve(self) -> None:
        """Branch the cell on top of the stack on its unit in exact arithmetic."""
        self._control[STEPS] -= _EXACT_STEP
        stack, top = self._stack, int(self._control[DEPTH]) - 1
        unit = int(stack.unit[top])
        width, start = int(self._layer.widths[unit]), int(self._layer.starts[unit])
        pairs = range(start, start + width * (width - 1) // 2)
        rows = {
            (int(self._layer.pairs[p, 1]), int(self._layer.pairs[p, 2])): (self._name(p), self._pair_row(p))
            for p in pairs
        }
        cell = self._space.exact_cell(stack, top, self._exact_rows(int(stack.seed[top])))
        found = branch(cell, rows, width, stack.tight[top].tolist())
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
                space.program, space.chart, space.layers, self._layer.position, self._seeds.winners[seed]
            )
        return self._exact[seed]


class Enumeration(Iterator[Cell]):
    """A running enumeration: iterate over it for the regions, then ask whether they are all.

    Args:
        space: the program on its domain.
        max_regions: stop after so many.
        time_limit: stop after so many seconds.
        progress: called now and then.

    Attributes:
        complete: whether all regions were delivered.
        reason: why not, where they were not.
        count: regions delivered.
    """

    def __init__(
        self, space: Space, max_regions: int | None = None, time_limit: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.space = space
        self.complete, self.reason, self.count = False, "not finished", 0
        self._max_regions, self._time_limit, self._progress = max_regions, time_limit, progress
        self._began = time.monotonic()
        self._cells = self._run()

    def __iter__(self) -> Enumeration:
        return self

    def __next__(self) -> Cell:
        return next(self._cells)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def batches(self) -> Iterator[Cells]:
        """Yield the regions as arrays, many at a time (witnesses in the chart's coordinates); ends like iteration."""
        last = len(self.space.layers)
        waiting: dict[int, int] = {}
        for part in self.space.parts():
            if part.layer == last and len(part.cells.filled):
                allowed = len(part.cells.filled) if self._max_regions is None else self._max_regions - self.count
                kept = _first_cells(part.cells, min(allowed, len(part.cells.filled)), part.cells.cols.shape[2])
                self.count += len(kept.filled)
                yield kept
                if allowed < len(part.cells.filled):
                    self.reason = f"stopped: more than {self._max_regions} regions"
                    return
            waiting[part.layer] = part.waiting
            if self._progress is not None:
                self._progress(Progress(self.count, self.seconds, sum(waiting.values())))
            if self._time_limit is not None and self.seconds > self._time_limit:
                self.reason = f"stopped: the time limit of {self._time_limit} seconds was reached"
                return
        self.complete, self.reason = True, "all regions were found"

    def _run(self) -> Iterator[Cell]:
        for cells in self.batches():
            for i in range(len(cells.filled)):
                yield self.space.cell(cells, i)


def enumerate_regions(
    program: Program, domain: Domain, *, max_regions: int | None = None, time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Enumeration:
    """Iterate over all full-dimensional activation regions of a program on a domain.

    Args:
        max_regions: stop cleanly after so many.
        time_limit: stop cleanly after so many seconds.
        progress: called with a ``Progress`` now and then.

    Raises:
        InputError: the domain has another number of coordinates than the program.
    """
    return Enumeration(Space(program, domain), max_regions, time_limit, progress)


def empty_cells(count: int, dimension: int, units: int, rows: int) -> Cells:
    """Allocate places for cells."""
    n = dimension
    return Cells(
        np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), np.zeros((count, units), dtype=np.int16),
        np.zeros(count, dtype=np.int64), np.zeros((count, rows), dtype=np.int32), np.zeros((count, n + 1, rows)),
        np.zeros((count, rows)), np.zeros((count, rows)), np.full((count, n), -1, dtype=np.int64),
        np.zeros((count, n)), np.zeros((count, n, n)), np.zeros((count, n)), np.full(count, -1, dtype=np.int64),
        np.zeros(count, dtype=np.int64), np.zeros((count, rows if n == 2 else 0, 3)),
        np.zeros((count, rows if n == 2 else 0), dtype=np.int64),
    )


def _cover(cells: Cells, extent: Floats) -> None:
    """Give the cell of a whole bounded box its rectangle, where each side is one of the rows."""
    a, b = extent.tolist()
    if not np.isfinite(extent).all():
        return
    corners = np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    outward = np.array([(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)])
    for k, normal in enumerate(outward):
        gradients = cells.cols[0, :2, : cells.filled[0]].T
        aligned = np.flatnonzero((gradients @ normal < 0) & (np.abs(gradients @ normal[::-1]) == 0))
        if len(aligned) != 1:
            return
        cells.sides[0, k] = aligned[0]
    cells.corners[0, :4, :2] = corners
    cells.corners[0, :4, 2] = np.where((extent == 1).all(), 0.0, extent.max() * 2.0**-45)
    cells.corner_count[0] = 4


def _first_cells(cells: Cells, count: int, rows: int) -> Cells:
    """Copy the first cells, with room for so many rows."""
    narrow = {"refs", "radius", "reach", "corners", "sides"}
    parts = {
        name: (array[:count, :, :rows] if name == "cols" else array[:count, :rows] if name in narrow else array[:count])
        for name, array in cells._asdict().items()
    }
    return Cells(**{name: array.copy(order="C") for name, array in parts.items()})


def _capacity(dimension: int, rows: int, units: int) -> int:
    size = 8 * (dimension + 4) * (rows + dimension) + 2 * units
    return max(4, min(_LARGEST_BATCH, _BATCH_BYTES // size))


def _float_rows(rows: npt.NDArray[np.object_]) -> tuple[Floats, Floats]:
    """Enclose integer rows (m, n+1), scaled to gradients near 1."""
    scaled = np.zeros(rows.shape)
    radius = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        size = max(abs(int(v)) for v in row[:-1]).bit_length()
        fractions = Rationals(row, 1 << size)
        scaled[i] = fractions.to_float()
        if not exact(scaled[i]).equals(fractions):
            radius[i] = np.abs(scaled[i]) * 2.0**-52 + 2.0**-1000
    return normalised(scaled, radius)


def _reach(rows: Floats, radius: Floats, extent: Floats) -> Floats:
    """Bound rows (..., n+1) from above over ``abs(z) <= extent``."""
    with np.errstate(all="ignore"):
        terms = np.where(rows[..., :-1] == 0, 0.0, np.abs(rows[..., :-1]) * extent).sum(axis=-1)
        spread = np.where(radius == 0, 0.0, radius * (1 + extent.sum()))
        return np.asarray((terms + np.abs(rows[..., -1]) + spread) * (1 + 2.0**-30))
