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

from exactbox.polytope.cell_arrays import cover, empty_cells, first_cells, float_rows, reach, take_cells
from exactbox.polytope.cell_kernels import Cells, Refs
from exactbox.polytope.chart import Chart, chart
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact_cells import ExactCell, equal_floats
from exactbox.polytope.layer_rows import ExactRows, Layer, integer_row, layers
from exactbox.polytope.layer_run import LayerRun, batch_of
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, exact, from_fractions, zeros
from exactbox.polytope.reading import reading_domain
from exactbox.polytope.spans import Spans
from exactbox.polytope.splitting import restart
from exactbox.polytope.wording import counted


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

    Attributes:
        chart: coordinates of the domain, without those that the program need not see.
        bounds_left_out: how many facets of every region belong to bounds of the latter.
    """

    def __init__(self, program: Program, domain: Domain, recording: bool = False) -> None:
        if domain.size != program.input_size:
            raise InputError(f"domain: expected {counted(program.input_size, 'coordinate')}, got {domain.size}")
        self.program, self.domain, self.recording = program, domain, recording
        seen, self.bounds_left_out = reading_domain(program, domain)
        self.chart: Chart = chart(seen)
        self.layers: tuple[Layer, ...] = layers(program)
        self.units = sum(len(layer.widths) for layer in self.layers)
        self.spans = {layer.position: Spans(program, self.layers, layer, len(self.chart.rows)) for layer in self.layers}
        self.exact_witnesses: list[tuple[Fraction, ...]] = []

    def start(self) -> Cells:
        """Return the whole domain as one cell."""
        n, rows = self.chart.dimension, self.chart.rows
        cells = empty_cells(1, n, self.units, len(rows))
        columns, radius = float_rows(rows)
        cells.filled[0] = len(rows)
        cells.refs[0] = np.arange(1, len(rows) + 1)
        cells.cols[0], cells.radius[0] = columns.T, radius
        cells.reach[0] = reach(columns, radius, self.chart.extent)
        self.place(cells, 0, tuple(next(self.chart.starts()).fractions()))
        if n == 2:
            cover(cells, self.chart.extent)
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
        count = int(cells.filled[i])
        plain = np.flatnonzero(cells.radius[i, :count] == 0.0)
        whole = dict(zip(plain.tolist(), exact(cells.cols[i, :, plain]).num, strict=True))
        names = cells.refs[i, :count].tolist()
        for place, name in enumerate(names):
            number = abs(name) - 1
            if place in whole:
                rows.append(integer_row(whole[place]))
            elif number < len(self.chart.rows):
                rows.append(integer_row(self.chart.rows[number]))
            else:
                row = source.row(number - len(self.chart.rows))
                rows.append(row if name > 0 else [-v for v in row])
        return ExactCell(tuple(names), tuple(rows), self.witness(cells, i))

    def split(self, number: int, seeds: Cells) -> Iterator[Part]:
        """Split cells by all units of one layer."""
        walk = Walk(self, [LayerRun(self, number, *batch_of(seeds))], descend=False)
        return walk.parts()

    def parts(self, number: int = 0, seeds: Cells | None = None) -> Iterator[Part]:
        """Split cells by all layers from ``number`` on, depth first; parts of all layers are passed on."""
        cells = self.start() if seeds is None else seeds
        if not self.layers:
            yield Part(0, cells, np.zeros((0, 3 + self.chart.dimension), dtype=np.int32))
        if number < len(self.layers):
            yield from Walk(self, [LayerRun(self, number, *batch_of(cells))]).parts()

    def cell(self, cells: Cells, i: int) -> Cell:
        """Return one finished region."""
        return self.regions(take_cells(cells, [i]))[0]

    def regions(self, cells: Cells) -> list[Cell]:
        """Return all these finished regions, faster than one by one."""
        points: list[Rationals] = [zeros(0)] * len(cells.token)
        plain = np.flatnonzero(cells.token < 0)
        lifted = self.chart.lift(exact(cells.witness[plain].T))
        for i, point in zip(plain.tolist(), lifted.num.T, strict=True):
            points[i] = Rationals(point, lifted.den).reduced()
        for i in np.flatnonzero(cells.token >= 0).tolist():
            witness = from_fractions(self.witness(cells, i), (self.chart.dimension, 1))
            points[i] = self.chart.lift(witness).reshape(-1).reduced()
        ends = [(layer.first, layer.first + len(layer.widths)) for layer in self.layers]
        patterns = cells.winners.astype(np.int64)
        return [
            Cell(Pattern(tuple([row[low:high] for low, high in ends])), point)
            for row, point in zip(patterns, points, strict=True)
        ]


class Walk:
    """Runs of several layers, depth first: the last run is gone on with, and those before it wait.

    Args:
        space: the program on its domain.
        runs: where to begin.
        descend: whether the cells that a run has finished are split by the next layer.
    """

    def __init__(self, space: Space, runs: list[LayerRun], descend: bool = True) -> None:
        self._space, self.runs, self._descend = space, runs, descend

    def parts(self) -> Iterator[Part]:
        """Go on, part by part; between parts ``runs`` are what is left."""
        last = len(self._space.layers)
        while self.runs:
            run = self.runs[-1]
            done, number = run.advance(), run.number + 1
            cells, events, waiting = run.drain()
            if done:
                self.runs.pop()
            if self._descend and number < last and len(cells.filled):
                self.runs.append(LayerRun(self._space, number, *batch_of(cells)))
            yield Part(number, cells, events, waiting)


class Enumeration(Iterator[Cell]):
    """A running enumeration: iterate over it for the regions, then ask whether they are all.

    Args:
        space: the program on its domain.
        max_regions: stop after so many.
        time_limit: stop after so many seconds.
        progress: called now and then; where it answers True, the run stops cleanly.
        began: when the time began, on the monotonic clock; now by default.

    Attributes:
        complete: whether all regions were delivered.
        reason: why not, where they were not.
        count: regions delivered.
    """

    def __init__(
        self, space: Space, max_regions: int | None = None, time_limit: float | None = None,
        progress: Callable[[Progress], bool | None] | None = None, began: float | None = None,
    ) -> None:
        self.space = space
        self.complete, self.reason, self.count = False, "not finished", 0
        self._max_regions, self._time_limit, self._progress = max_regions, time_limit, progress
        self._began = time.monotonic() if began is None else began
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
                kept = first_cells(part.cells, min(allowed, len(part.cells.filled)), part.cells.cols.shape[2])
                self.count += len(kept.filled)
                yield kept
                if allowed < len(part.cells.filled):
                    self.reason = f"stopped: more than {counted(self.count, 'region')}"
                    return
            waiting[part.layer] = part.waiting
            heard = Progress(self.count, self.seconds, sum(waiting.values()))
            if self._progress is not None and self._progress(heard):
                self.reason = "stopped: interrupted"
                return
            if self._time_limit is not None and self.seconds > self._time_limit:
                self.reason = f"stopped: the time limit of {self._time_limit} seconds was reached"
                return
        self.complete, self.reason = True, "all regions were found"

    def _run(self) -> Iterator[Cell]:
        for cells in self.batches():
            yield from self.space.regions(cells)


def enumerate_regions(
    program: Program, domain: Domain, *, max_regions: int | None = None, time_limit: float | None = None,
    progress: Callable[[Progress], bool | None] | None = None,
) -> Enumeration:
    """Iterate over all full-dimensional activation regions of a program on a domain.

    Args:
        max_regions: stop cleanly after so many.
        time_limit: stop cleanly after so many seconds.
        progress: called with a ``Progress`` now and then; where it answers True, the run stops cleanly.

    Raises:
        InputError: the domain has another number of coordinates than the program.
    """
    return Enumeration(Space(program, domain), max_regions, time_limit, progress)
