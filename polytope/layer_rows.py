"""The rows that the units of one ``Max`` cut cells with: enclosed in float64 for many cells, exactly for one.

Every vector of the program is an affine function of the chart's coordinates on a cell whose earlier winners are fixed.
For B cells it is an array (size, B, n+1): gradients, and the constant in the last column. Where all operands are
multiples of one power of two and all sums stay below 2**53 units, float64 makes no error and the radius is zero
(so nets with few bits are exact throughout); elsewhere it follows from running error analysis (N. J. Higham, "Accuracy
and Stability of Numerical Algorithms", 2nd edition, 2002, section 3.3).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.polytope import exact
from exactbox.polytope.chart import Chart
from exactbox.polytope.errors import InternalError
from exactbox.polytope.float_constants import constants
from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    IndexArray,
    Input,
    MatMul,
    Max,
    Program,
    Scale,
    Shift,
    sources,
)
from exactbox.polytope.rational import IntArray, Rationals

Floats = npt.NDArray[np.float64]

_UNIT = 2.0**-53
_UP = 1 + 2.0**-30
_TINY = 2.0**-1000
_EXACT_LIMIT = 2.0**53


@dataclass(frozen=True, eq=False)
class Layer:
    """The groups of one ``Max`` as units, and the pairs of candidates whose differences are its rows.

    Args:
        position: the instruction.
        first: the number of units of earlier ``Max`` instructions.
        base: the number of pairs of earlier ``Max`` instructions.
        starts: (units,) the first pair of each unit.
        widths: (units,) the number of candidates of each unit.
        pairs: (p, 3): unit, lower and higher candidate; for each unit in lexicographic order.
        ends: (p, 2): source index of the two candidates.
    """

    position: int
    first: int
    base: int
    starts: IndexArray
    widths: IndexArray
    pairs: IndexArray
    ends: IndexArray


def layers(program: Program) -> tuple[Layer, ...]:
    """Describe every ``Max`` of a program, in order."""
    found: list[Layer] = []
    first = base = 0
    for position in program.max_positions:
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            layer = _layer(instruction.groups, position, first, base)
            found.append(layer)
            first, base = first + len(layer.widths), base + len(layer.pairs)
    return tuple(found)


def _layer(groups: IndexArray, position: int, first: int, base: int) -> Layer:
    widths = (groups != NO_CANDIDATE).sum(axis=1).astype(np.int64)
    counts = widths * (widths - 1) // 2
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)[: len(groups)]
    pairs = [(u, i, j) for u, width in enumerate(widths.tolist()) for i in range(width) for j in range(i + 1, width)]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 3)
    ends = np.stack([groups[table[:, 0], table[:, 1]], groups[table[:, 0], table[:, 2]]], axis=1)
    return Layer(position, first, base, starts, widths, table, ends.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Values:
    """Enclosed values (size, b); ``grain`` g where all are exact multiples of 2**g, else None."""

    centre: Floats
    radius: Floats
    grain: int | None


class FloatTrace:
    """Computes one enclosed vector as affine functions of the chart's coordinates, for many cells at once.

    Args:
        program: the program.
        chart: coordinates of the domain.
        every: all layers.
        position: which vector.
    """

    def __init__(self, program: Program, chart: Chart, every: Sequence[Layer], position: int) -> None:
        self.program, self.chart, self.position = program, chart, position
        self._first = {layer.position: layer.first for layer in every}
        self._needed = _ancestors(program, position)

    def affine(self, winners: npt.NDArray[np.int16]) -> tuple[Floats, Floats]:
        """Return gradients and constants (B, size, n+1) of the vector, and the radius of each."""
        with np.errstate(all="ignore"):
            found = self.trace(winners)
        shape = len(found.centre), len(winners), self.chart.dimension + 1
        return found.centre.reshape(shape).transpose(1, 0, 2), found.radius.reshape(shape).transpose(1, 0, 2)

    def trace(self, winners: npt.NDArray[np.int16]) -> Values:
        """Enclose the vector under winners (B, units of the program)."""
        cells = len(winners)
        values: dict[int, Values] = {}
        for position in self._needed:
            instruction = self.program.instructions[position]
            if isinstance(instruction, Input):
                values[position] = self._start(cells)
            elif isinstance(instruction, Max):
                first = self._first[position]
                chosen = winners[:, first : first + len(instruction.groups)].astype(np.int64)
                values[position] = self._select(values[instruction.src], instruction.groups, chosen)
            else:
                values[position] = self._linear(position, values)
        return values[self.position]

    def _start(self, cells: int) -> Values:
        columns = self.chart.columns
        centre = columns.to_float()
        grain = 1 - columns.den.bit_length() if columns.den & (columns.den - 1) == 0 else None
        fits = max((abs(v) for v in columns.num.ravel().tolist()), default=0) < 1 << 53
        whole = grain if fits and grain is not None and grain > -1000 else None
        radius = np.zeros(centre.shape) if whole is not None else _UNIT * _UP * np.abs(centre) + _TINY
        return Values(np.tile(centre, (1, cells)), np.tile(radius, (1, cells)), whole)

    def _select(self, source: Values, groups: IndexArray, chosen: IndexArray) -> Values:
        """Take each cell's winners."""
        cells, width = len(chosen), self.chart.dimension + 1
        index = groups[np.arange(len(groups))[None, :], chosen].T
        out: list[Floats] = []
        for values in (source.centre, source.radius):
            shaped = values.reshape(-1, cells, width)
            if not len(shaped):
                shaped = np.zeros((1, cells, width))
            part = shaped[np.maximum(index, 0), np.arange(cells)[None, :]]
            part[index == CONSTANT_ZERO] = 0.0
            out.append(part.reshape(len(groups), -1))
        return Values(out[0], out[1], source.grain)

    def _linear(self, position: int, values: dict[int, Values]) -> Values:
        instruction = self.program.instructions[position]
        width = self.chart.dimension + 1
        match instruction:
            case Gather(srcs, index):
                return _take(_concatenate([values[src] for src in srcs]), index)
            case Add(left, right):
                return _sum(values[left], values[right])
            case Shift(src, _):
                offset = _constants(self.program, position)
                column = np.zeros((len(offset.centre), width))
                error = column.copy()
                column[:, -1], error[:, -1] = offset.centre, offset.radius
                cells = values[src].centre.shape[1] // width
                return _sum(values[src], Values(np.tile(column, (1, cells)), np.tile(error, (1, cells)), offset.grain))
            case Scale(src, _):
                return _scaled(_constants(self.program, position), values[src])
            case MatMul(src, _, rows):
                return _product(_constants(self.program, position), values[src], rows)
            case _:
                raise InternalError(f"instruction {position} is not linear")


class FloatRows:
    """Computes the enclosed rows of one layer for many cells at once.

    Args:
        program: the program.
        chart: coordinates of the domain.
        every: all layers.
        layer: which ``Max``.
    """

    def __init__(self, program: Program, chart: Chart, every: Sequence[Layer], layer: Layer) -> None:
        instruction = program.instructions[layer.position]
        if not isinstance(instruction, Max):
            raise InternalError(f"instruction {layer.position} is no Max")
        self._layer, self._width = layer, chart.dimension + 1
        self._source = FloatTrace(program, chart, every, instruction.src)

    def rows(self, winners: npt.NDArray[np.int16]) -> tuple[Floats, Floats]:
        """Return every pair's lower candidate minus the higher one, scaled to gradients near 1.

        Args:
            winners: shape (B, units of the program), the winners of earlier units.

        Returns:
            rows (B, p, n+1), and a radius (B, p) that covers the error of each entry of a row.
        """
        with np.errstate(all="ignore"):
            source = self._source.trace(winners)
            low, high = (_take(source, self._layer.ends[:, side]) for side in (0, 1))
            centre, radius = low.centre - high.centre, low.radius + high.radius
            plain = (self._layer.ends == CONSTANT_ZERO).any(axis=1)[:, None]
            if source.grain is None or not _is_exact(np.abs(low.centre) + np.abs(high.centre), source.grain):
                radius = radius + np.where(plain, 0.0, _UNIT * np.abs(centre) * _UP)
            shape = -1, len(winners), self._width
            return normalised(centre.reshape(shape).transpose(1, 0, 2), radius.reshape(shape).transpose(1, 0, 2))


class ExactRows:
    """Computes rows of one cell exactly.

    Args:
        program: the program.
        chart: coordinates of the domain.
        every: all layers.
        until: the instruction before which winners are known.
        winners: shape (units,), the winners of units before ``until``.
    """

    def __init__(
        self, program: Program, chart: Chart, every: Sequence[Layer], until: int, winners: npt.NDArray[np.int16]
    ) -> None:
        self._program, self._chart, self._layers, self._until = program, chart, every, until
        self._winners = winners
        self._rows: dict[int, list[int]] = {}

    @functools.cached_property
    def values(self) -> list[Rationals]:
        """Every vector before ``until`` as (size, n+1): gradients, and constants in the last column."""
        chosen: dict[int, IndexArray] = {}
        for layer in self._layers:
            instruction = self._program.instructions[layer.position]
            if layer.position < self._until and isinstance(instruction, Max):
                part = self._winners[layer.first : layer.first + len(layer.widths)].astype(np.int64)
                chosen[layer.position] = instruction.groups[np.arange(len(part)), part]
        return exact.affine_trace(self._program, chosen, self._chart.columns, self._until)

    def row(self, pair: int) -> list[int]:
        """Return the row (n+1,) of a pair numbered through the program, scaled to integers by a positive factor."""
        if pair not in self._rows:
            self._rows[pair] = self._row(pair)
        return self._rows[pair]

    def _row(self, pair: int) -> list[int]:
        layer = next(one for one in reversed(self._layers) if one.base <= pair and len(one.pairs))
        instruction = self._program.instructions[layer.position]
        if not isinstance(instruction, Max):
            raise InternalError(f"instruction {layer.position} is no Max")
        source = self.values[instruction.src]
        low, high = layer.ends[pair - layer.base].tolist()
        zero = source.num[0] * 0 if len(source) else np.zeros(self._chart.dimension + 1, dtype=object)
        difference = (source.num[low] if low >= 0 else zero) - (source.num[high] if high >= 0 else zero)
        return integer_row(difference)


def integer_row(values: IntArray) -> list[int]:
    """Return an integer row without its common factor."""
    row = [int(v) for v in values.tolist()]
    factor = math.gcd(*row)
    return [v // factor for v in row] if factor > 1 else row


def normalised(centre: Floats, radius: Floats) -> tuple[Floats, Floats]:
    """Scale rows (..., n+1) by powers of two to gradients in [1/2, 2); returns them with one radius a row."""
    largest = np.abs(centre[..., :-1]).max(axis=-1, initial=0.0)
    whole = np.where(largest > 0, largest, np.abs(centre[..., -1]))
    known = np.where((whole > 0) & (whole < np.inf), whole, 1.0)
    shift = -np.clip(np.floor(np.log2(known)), -900, 900).astype(np.int32)
    scaled = np.ldexp(centre, shift[..., None])
    spread = radius.max(axis=-1)
    error = np.ldexp(spread, shift) * _UP
    lost = ((np.abs(scaled) < _TINY) & (centre != 0)).any(axis=-1)
    return scaled, np.where(lost | ((error == 0) & (spread > 0)), error + _TINY, error)


def _ancestors(program: Program, position: int) -> list[int]:
    needed = {position}
    for current in range(position, -1, -1):
        if current in needed:
            needed.update(sources(program.instructions[current]))
    return sorted(needed)


def _constants(program: Program, position: int) -> Values:
    """Return an instruction's constants; the grain is found from the exact numbers."""
    found = constants(program, position)
    if found.inexact:
        return Values(found.values, _UNIT * _UP * np.abs(found.values) + _TINY, None)
    return Values(found.values, np.zeros(found.values.shape), _grain(program, position))


@functools.lru_cache(maxsize=256)
def _grain(program: Program, position: int) -> int | None:
    """Return g such that all constants of an instruction are multiples of 2**g."""
    match program.instructions[position]:
        case MatMul(_, values, _) | Scale(_, values) | Shift(_, values):
            reduced = values.reduced()
            power = reduced.den & (reduced.den - 1) == 0
            return 1 - reduced.den.bit_length() if power else None
        case _:
            return None


def _is_exact(size: Floats, grain: int | None) -> bool:
    """Say whether sums of at most ``size`` (itself rounded) of multiples of 2**grain are exact in float64."""
    if grain is None or grain < -1000:
        return False
    return float(size.max(initial=0.0)) * _UP < _EXACT_LIMIT * 2.0**grain


def _take(source: Values, index: IndexArray) -> Values:
    if not len(source.centre):
        blank = np.zeros((len(index), source.centre.shape[1]))
        return Values(blank, blank, source.grain)
    centre, radius = source.centre[np.maximum(index, 0)], source.radius[np.maximum(index, 0)]
    centre[index < 0] = 0.0
    radius[index < 0] = 0.0
    return Values(centre, radius, source.grain)


def _concatenate(parts: Sequence[Values]) -> Values:
    if len(parts) == 1:
        return parts[0]
    centre, radius = np.concatenate([p.centre for p in parts]), np.concatenate([p.radius for p in parts])
    return Values(centre, radius, _common([p.grain for p in parts]))


def _common(grains: Sequence[int | None]) -> int | None:
    known = [grain for grain in grains if grain is not None]
    return min(known) if len(known) == len(grains) else None


def _sum(left: Values, right: Values) -> Values:
    centre, radius = left.centre + right.centre, left.radius + right.radius
    grain = _common([left.grain, right.grain])
    if _is_exact(np.abs(left.centre) + np.abs(right.centre), grain):
        return Values(centre, radius, grain)
    rounded = (left.centre != 0) & (right.centre != 0)
    return Values(centre, (radius + np.where(rounded, _UNIT * np.abs(centre), 0.0)) * _UP, None)


def _scaled(factor: Values, source: Values) -> Values:
    column, error = factor.centre[:, None], factor.radius[:, None]
    centre = column * source.centre
    if source.grain is not None and factor.grain is not None:
        grain = source.grain + factor.grain
        if _is_exact(np.abs(centre), grain):
            return Values(centre, np.zeros(centre.shape), grain)
    reach = np.abs(source.centre) + source.radius
    radius = np.abs(column) * source.radius + error * reach + _UNIT * np.abs(centre)
    return Values(centre, np.where(reach != 0, radius * _UP + _TINY, 0.0), None)


def _product(weight: Values, source: Values, rows: int) -> Values:
    groups, height, width = weight.centre.shape
    batch = source.centre.shape[1]

    def apply(matrix: Floats, values: Floats) -> Floats:
        shaped = values.reshape(groups, rows, width, batch).transpose(0, 2, 1, 3).reshape(groups, width, rows * batch)
        image = (matrix @ shaped).reshape(groups, height, rows, batch)
        return image.transpose(0, 2, 1, 3).reshape(groups * rows * height, batch)

    centre = apply(weight.centre, source.centre)
    magnitude = np.abs(weight.centre)
    if source.grain is not None and weight.grain is not None:
        grain = source.grain + weight.grain
        if _is_exact(apply(magnitude, np.abs(source.centre)), grain):
            return Values(centre, np.zeros(centre.shape), grain)
    reach = np.abs(source.centre) + source.radius
    own = (width + 2) * _UNIT * _UP
    radius = apply(magnitude + weight.radius, source.radius + own * reach) + apply(weight.radius, reach)
    alive = apply((magnitude + weight.radius != 0).astype(np.float64), (reach != 0).astype(np.float64)) > 0
    return Values(np.where(alive, centre, 0.0), np.where(alive, radius * _UP + width * _TINY, 0.0), None)
