"""The exact vertices of many cells at once: all cells that begin with the same winners are cut together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_kernels import Floats, Shorts
from exactbox.polytope.chart import Chart, chart
from exactbox.polytope.domain import Bound, Domain, no_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.layer_rows import ExactRows, Layer, layers
from exactbox.polytope.lp import maximize
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.program import Max, Program
from exactbox.polytope.rational import Rationals, from_fractions, int_array, zeros
from exactbox.polytope.rows import Rows, RowSource, integer_rows
from exactbox.polytope.shapes import Point, Row, Shape, cube
from exactbox.polytope.simplex import Optimal

MOST_DIMENSIONS = 3
OUTSIDE = 0
"""The name of rows that begin a domain's shape and lie outside it."""

_DOUBT = 2.0**-46
_TINY = 2.0**-1000

Members = npt.NDArray[np.int64]


class CellShapes:
    """The shapes of cells of a program on a bounded domain of at most three dimensions.

    Rows are named as in ``cell_kernels.Cells``: the domain's rows from 1 on, then pairs of candidates.

    Args:
        program: the program.
        domain: where; cells without an interior here have no shape.

    Raises:
        InputError: the domain is unbounded, or of more dimensions.
    """

    def __init__(self, program: Program, domain: Domain) -> None:
        self.program, self.domain = program, domain
        self.chart: Chart = chart(domain)
        self.layers: tuple[Layer, ...] = layers(program)
        self.whole = domain_shape(self.chart)

    def of(self, patterns: Sequence[Pattern]) -> list[Shape | None]:
        """Return the shape of each cell, in the chart's coordinates; None for one without an interior here."""
        winners = winner_table(patterns)
        found: list[Shape | None] = [None] * len(patterns)
        everyone = np.arange(len(patterns), dtype=np.int64)
        for shape, members in self._through(0, self.whole, everyone, winners):
            for i in members.tolist():
                found[i] = shape
        return found

    def scores(self, pattern: Pattern) -> Rationals:
        """Return a cell's affine map on the chart: shape (outputs, n+1), the constants in the last column."""
        count = len(self.program.instructions)
        return ExactRows(self.program, self.chart, self.layers, count, winner_table([pattern])[0]).values[-1]

    @property
    def unit_volume(self) -> Fraction:
        """The volume in the domain's free coordinates that has volume 1 in the chart's.

        Raises:
            InputError: the domain has equations other than zero-width coordinates.
        """
        if not self.domain.is_axis_aligned:
            raise InputError(
                "the domain has equations other than zero-width coordinates: volumes in its free coordinates would "
                "not be those of its affine hull"
            )
        product = Fraction(1)
        for k, i in enumerate(self.domain.free.tolist()):
            product *= self.chart.columns.item(i, k)
        return product

    def lifted(self, points: Sequence[Point]) -> Rationals:
        """Return chart points as inputs, exactly; shape (v, d)."""
        n = self.chart.dimension
        values = [Fraction(point[k], point[-1]) for point in points for k in range(n)]
        columns = from_fractions(values, (len(points), n)).transposed()
        return self.chart.lift(columns).transposed()

    def input_rows(self, rows: Sequence[Row], sources: tuple[RowSource, ...]) -> Rows:
        """Write chart rows as ``a . x <= b`` over the inputs, in primitive integers."""
        n, free = self.chart.dimension, self.domain.free.tolist()
        units = [self.chart.columns.item(i, k) for k, i in enumerate(free)]
        centres = [self.chart.columns.item(i, n) for i in free]
        matrix: list[Fraction] = []
        rhs: list[Fraction] = []
        for row in rows:
            slopes = [Fraction(row[k]) / units[k] for k in range(n)]
            line = [Fraction(0)] * self.domain.size
            for i, slope in zip(free, slopes, strict=True):
                line[i] = -slope
            matrix += line
            rhs.append(row[n] - sum((s * c for s, c in zip(slopes, centres, strict=True)), Fraction(0)))
        shape = len(rows), self.domain.size
        return integer_rows(from_fractions(matrix, shape), from_fractions(rhs), sources)

    def source(self, name: int) -> RowSource:
        """Say where a row comes from.

        Raises:
            InputError: it lies outside the domain, or is of somebody else's making.
        """
        first = len(self.chart.rows)
        if 0 < name <= first:
            return self.chart.sources[name - 1]
        pair = abs(name) - 1 - first
        for layer in self.layers:
            if 0 <= pair - layer.base < len(layer.pairs):
                unit, low, high = layer.pairs[pair - layer.base].tolist()
                return RowSource("unit", layer.position, unit, high if name > 0 else low)
        raise InputError(f"row {name}: neither of the domain nor of a unit")

    def _through(
        self, number: int, shape: Shape, members: Members, winners: Shorts
    ) -> Iterator[tuple[Shape, Members]]:
        """Cut a shape by all layers from ``number`` on; yields what is left with the cells that it belongs to."""
        if number == len(self.layers):
            yield shape, members
            return
        layer = self.layers[number]
        source = ExactRows(self.program, self.chart, self.layers, layer.position, winners[members[0]])
        for part, own in self._by_layer(layer, source, shape, members, winners):
            yield from self._through(number + 1, part, own, winners)

    def _by_layer(
        self, layer: Layer, source: ExactRows, shape: Shape, members: Members, winners: Shorts
    ) -> list[tuple[Shape, Members]]:
        instruction = self.program.instructions[layer.position]
        vector = source.values[instruction.src] if isinstance(instruction, Max) else zeros(0, 0)
        table = winners[members][:, layer.first : layer.first + len(layer.widths)]
        open_units, agree = _undecided(layer, vector, shape, table)
        parts = [(shape, members[agree])] if agree.any() else []
        for unit in open_units:
            parts = [
                (piece, own[chosen == candidate])
                for part, own in parts
                for chosen in [winners[own, layer.first + unit]]
                for candidate, piece in self._claimed(layer, unit, source, part, chosen)
            ]
        return parts

    def _claimed(
        self, layer: Layer, unit: int, source: ExactRows, shape: Shape, chosen: Shorts
    ) -> Iterator[tuple[int, Shape]]:
        """Yield what each candidate that wins in some cell has of a shape."""
        first, width = layer.base + int(layer.starts[unit]), int(layer.widths[unit])
        present = {int(c) for c in chosen.tolist()}
        if width == 2 and len(present) == 2:
            sides = shape.split(tuple(source.row(first)), self._name(first))
            yield from ((c, side) for c, side in enumerate(sides) if side is not None)
            return
        for candidate in sorted(present):
            part: Shape | None = shape
            for rival in range(width):
                if rival == candidate or part is None:
                    continue
                low, high = min(candidate, rival), max(candidate, rival)
                pair = first + low * width - low * (low + 1) // 2 + high - low - 1
                sign = 1 if candidate == low else -1
                row = tuple(sign * v for v in source.row(pair))
                part = part.cut(row, sign * self._name(pair)) if any(row) else part
            if part is not None:
                yield candidate, part

    def _name(self, pair: int) -> int:
        return 1 + len(self.chart.rows) + pair


def rounded(point: Point) -> Floats:
    """Return a vertex as n + 1 floats, each correctly rounded; the last is 1.

    >>> rounded((1, -3, 2)).tolist()
    [0.5, -1.5, 1.0]
    """
    return Rationals(int_array(point), point[-1]).to_float()


def winner_table(patterns: Sequence[Pattern]) -> Shorts:
    """Return all winners as (R, units)."""
    nothing = np.zeros(0, dtype=np.int64)
    lines = [np.concatenate([nothing, *pattern.winners]) for pattern in patterns]
    return np.array(lines, dtype=np.int16).reshape(len(lines), -1)


def domain_shape(where: Chart) -> Shape:
    """Return the shape of a chart's domain.

    Raises:
        InputError: it is unbounded, or of more than three dimensions.
    """
    if where.dimension > MOST_DIMENSIONS:
        raise InputError(f"expected a domain of at most {MOST_DIMENSIONS} dimensions, got {where.dimension}")
    low, high = [], []
    for k, i in enumerate(where.domain.free.tolist()):
        unit, centre = where.columns.item(i, k), where.columns.item(i, where.dimension)
        ends = _extreme(where.domain, i, -1), _extreme(where.domain, i, 1)
        if ends[0] is None or ends[1] is None:
            raise InputError("the domain is unbounded: a box gives every input two bounds")
        low.append((ends[0] - centre) / unit - 1)
        high.append((ends[1] - centre) / unit + 1)
    shape: Shape | None = cube(low, high, OUTSIDE)
    for name, row in enumerate(where.rows.tolist(), 1):
        shape = None if shape is None else shape.cut(tuple(row), name)
    if shape is None:
        raise InputError("the domain has no interior in its affine hull")
    return shape


def _extreme(domain: Domain, i: int, sign: int) -> Bound:
    """Return a bound of one coordinate: the domain's own, or its extreme value."""
    own = (domain.upper if sign > 0 else domain.lower)[i]
    if own is not None:
        return own
    objective = zeros(domain.size).num.copy()
    objective[i] = sign
    outcome = maximize(domain, no_rows(domain.size), Rationals(objective))
    return sign * outcome.value if isinstance(outcome, Optimal) else None


def _undecided(
    layer: Layer, vector: Rationals, shape: Shape, table: Shorts
) -> tuple[list[int], npt.NDArray[np.bool_]]:
    """Return the units that float64 cannot decide on all of a shape, and which cells agree with the decided ones.

    Rows are differences of two rows of ``vector`` (size, n+1). Entries and vertices are rounded once, or underflow;
    so differences of sums of at most four products are off by less than ``_DOUBT`` times the sum of the sizes.
    """
    pairs = np.flatnonzero(layer.widths == 2)
    ends = layer.ends[layer.starts[pairs]]
    corners = np.array([rounded(point) for point in shape.points])
    with np.errstate(all="ignore"):
        entries = np.concatenate([vector.to_float(), np.zeros((1, corners.shape[1]))])
        low, high = entries[ends[:, 0]], entries[ends[:, 1]]
        values = (low - high) @ corners.T
        doubt = _DOUBT * ((np.abs(low) + np.abs(high) + _TINY) @ (np.abs(corners) + _TINY).T) + _TINY
        above, below = (values > doubt).all(axis=1), (values < -doubt).all(axis=1)
    agree = (table[:, pairs[above]] == 0).all(axis=1) & (table[:, pairs[below]] == 1).all(axis=1)
    settled = set(pairs[above | below].tolist())
    return [unit for unit in range(len(layer.widths)) if unit not in settled], agree
