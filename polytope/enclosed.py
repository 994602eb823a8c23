"""The enclosed float64 interpreter: every result comes with a radius that rigorously covers the exact value.

Running error analysis (N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002, sections 3.1
and 3.3): a sum of k products, in any order and with or without fused multiply-add, departs from the exact one by
at most ``gamma(k) * sum |w| |x|``. The radius covers this interpreter's own rounding and, on request, that of another
execution of the same program in a shorter float format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import InputError
from exactbox.polytope.exact import Winners
from exactbox.polytope.float_constants import Constants, FloatArray, constants
from exactbox.polytope.program import (
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
)

BoolArray = npt.NDArray[np.bool_]

_UNIT = 2.0**-53
_SMALLEST = 2.0**-1074
_ULP = 2.0**-52


@dataclass(frozen=True)
class Arithmetic:
    """A float format in which the program may be executed elsewhere.

    Args:
        unit: unit roundoff; 0 stands for exact arithmetic.
        tiny: smallest normal number; results and operands below it may be flushed to zero.
        huge: largest finite number.
    """

    unit: float = 0.0
    tiny: float = 0.0
    huge: float = float("inf")


EXACT = Arithmetic()
FLOAT16 = Arithmetic(2.0**-11, 2.0**-14, 65504.0)
BFLOAT16 = Arithmetic(2.0**-8, 2.0**-126, (2 - 2.0**-7) * 2.0**127)
FLOAT32 = Arithmetic(2.0**-24, 2.0**-126, (2 - 2.0**-23) * 2.0**127)
FLOAT64 = Arithmetic(2.0**-53, 2.0**-1022, (2 - 2.0**-52) * 2.0**1023)


@dataclass(frozen=True, eq=False)
class Rounding:
    """How an execution elsewhere differs from one rounding for each operation of an instruction.

    Args:
        terms: operations beyond those of the instruction, each one more rounding of the whole.
        magnitude: (n,) absolute values that take part in the same sum (a bias added first, a mean subtracted first).
        operand_error: how far the constants of the execution may be from the exact ones, shaped like them.
        share: what the execution multiplies its finished sum by, where that is in the instruction's own constants (1/n
            of a mean): its partial sums are 1/share times as large, and what they lose to underflow grows by share.
        compared: for a maximum that the execution takes as a choice: the earlier vector, laid out like the result,
            whose sign it chooses by.
    """

    terms: int = 0
    magnitude: FloatArray | None = None
    operand_error: FloatArray | None = None
    share: float = 1.0
    compared: int | None = None


PLAIN = Rounding()


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Values with a radius: the true value of each entry is within ``radius`` of ``centre``; both have shape (n, b)."""

    centre: FloatArray
    radius: FloatArray

    def rows(self, start: int, end: int) -> Enclosure:
        """Select rows start..end-1."""
        return Enclosure(self.centre[start:end], self.radius[start:end])


def enclose(
    program: Program,
    points: FloatArray,
    arithmetic: Arithmetic | Sequence[Arithmetic] = EXACT,
    roundings: Mapping[int, Rounding] | None = None,
    radius: FloatArray | None = None,
) -> list[Enclosure]:
    """Enclose every vector of the program at a batch of points.

    Args:
        points: shape (d, b), taken as exact.
        arithmetic: the radius also covers any execution in this arithmetic (or in these, one an instruction), started
            at the same points.
        roundings: by position, what that execution does beyond one rounding an operation.
        radius: shape (d, b), uncertainty of the points themselves.

    Returns:
        one enclosure of shape (n, b) for each instruction; an infinite radius where floats overflow.
    """
    if points.ndim != 2 or points.shape[0] != program.input_size:
        raise InputError(f"expected points of shape ({program.input_size}, b), got {points.shape}")
    start = Enclosure(points, np.zeros(points.shape) if radius is None else radius)
    values: list[Enclosure] = []
    for position in range(len(program.instructions)):
        used = arithmetic if isinstance(arithmetic, Arithmetic) else arithmetic[position]
        values.append(step(program, position, values, start, used, (roundings or {}).get(position, PLAIN)))
    return values


def enclosed_output(
    program: Program,
    points: FloatArray,
    arithmetic: Sequence[Arithmetic] | None = None,
    roundings: Mapping[int, Rounding] | None = None,
) -> Enclosure:
    """Return the last of ``enclose``, point by point, holding no vector longer than it is read."""
    parts: list[Enclosure] = []
    compared = compared_vectors(roundings or {})
    for i in range(points.shape[1]):
        start = Enclosure(points[:, [i]], np.zeros((len(points), 1)))
        values: dict[int, Enclosure] = {}
        for position in range(len(program.instructions)):
            used = EXACT if arithmetic is None else arithmetic[position]
            values[position] = step(program, position, values, start, used, (roundings or {}).get(position, PLAIN))
            for spent in set(program.spent[position]) - compared:
                del values[spent]
        parts.append(values[len(program.instructions) - 1])
    return joined_columns(parts)


def compared_vectors(roundings: Mapping[int, Rounding]) -> frozenset[int]:
    """Return the vectors that an execution chooses by, which no instruction need read."""
    return frozenset(item.compared for item in roundings.values() if item.compared is not None)


def joined_columns(parts: Sequence[Enclosure]) -> Enclosure:
    """Return enclosures of one vector at several points as one."""
    centre, radius = [part.centre for part in parts], [part.radius for part in parts]
    return Enclosure(np.concatenate(centre, axis=1), np.concatenate(radius, axis=1))


def step(
    program: Program,
    position: int,
    values: Mapping[int, Enclosure] | Sequence[Enclosure],
    start: Enclosure,
    arithmetic: Arithmetic = EXACT,
    rounding: Rounding = PLAIN,
) -> Enclosure:
    """Enclose one vector from the earlier ones; ``start`` is the input."""
    instruction = program.instructions[position]
    with np.errstate(all="ignore"):
        match instruction:
            case Input():
                return start
            case Gather(srcs, index):
                return _gather([values[src] for src in srcs], index)
            case Max(src, groups) if rounding.compared is not None:
                return _chosen(values[src], groups, values[rounding.compared])
            case Max(src, groups):
                return _maximum(values[src], groups)
            case Add(left, right):
                return _add(values[left], values[right], arithmetic, rounding)
            case Shift(src, _):
                return _shift(values[src], constants(program, position), arithmetic, rounding)
            case Scale(src, _):
                return _scale(values[src], constants(program, position), arithmetic, rounding)
            case MatMul(src, _, rows):
                return _multiply(values[src], constants(program, position), rows, arithmetic, rounding)


def winners_at(program: Program, values: Sequence[Enclosure]) -> list[tuple[IndexArray, BoolArray]]:
    """Find, for every ``Max`` in program order, the winning position in each group and whether it is certain.

    Returns:
        pairs of shape (n, b): the position of the largest centre, and True where every rival is proved smaller.
    """
    result: list[tuple[IndexArray, BoolArray]] = []
    with np.errstate(all="ignore"):
        for position in program.max_positions:
            instruction = program.instructions[position]
            if isinstance(instruction, Max):
                result.append(group_winners(values[instruction.src], instruction.groups))
    return result


def enclosed_pullback(
    program: Program, winners: Winners, cotangents: Mapping[int, Enclosure]
) -> tuple[Enclosure, Enclosure]:
    """Enclose what ``exact.pullback`` computes exactly.

    Args:
        winners: source index of each winner, by ``Max`` position.
        cotangents: by position, shape (size of that vector, b).

    Returns:
        gradients (d, b) and constants (1, b).
    """

    def through(position: int, unit: Max, cotangent: Enclosure) -> Enclosure:
        if position not in winners:
            raise InputError(f"no winners for the Max at instruction {position}")
        return scatter(program.sizes[unit.src], winners[position], cotangent)

    return sweep(program, cotangents, through)


def sweep(
    program: Program, cotangents: Mapping[int, Enclosure], through: Callable[[int, Max, Enclosure], Enclosure]
) -> tuple[Enclosure, Enclosure]:
    """Pull linear functionals of the vectors back to the input.

    Args:
        cotangents: by position, shape (size of that vector, b).
        through: given a ``Max``, its position first, and its cotangent, returns the cotangent of its source.

    Returns:
        gradients (d, b) and constants (1, b), those of the linear instructions.
    """
    pending = dict(cotangents)
    batch = next(iter(cotangents.values())).centre.shape[1]
    constant = Enclosure(np.zeros((1, batch)), np.zeros((1, batch)))
    with np.errstate(all="ignore"):
        for position in range(max(pending), 0, -1):
            cotangent = pending.pop(position, None)
            if cotangent is None:
                continue
            instruction = program.instructions[position]
            if isinstance(instruction, Shift):
                row = constants(program, position)
                part = _multiply(cotangent, Constants(row.values[None, None, :], row.inexact), 1, EXACT, PLAIN)
                constant = _add(constant, part, EXACT)
            if isinstance(instruction, Max):
                parts = [(instruction.src, through(position, instruction, cotangent))]
            else:
                parts = _pull(program, position, cotangent)
            for src, part in parts:
                pending[src] = _add(pending[src], part, EXACT) if src in pending else part
    none = Enclosure(np.zeros((program.input_size, batch)), np.zeros((program.input_size, batch)))
    return pending.get(0, none), constant


def combine(weights: FloatArray, values: Enclosure) -> Enclosure:
    """Enclose the sums ``weights.T @ values`` of values (n, 1) under exact weights (n, b); shape (b, 1)."""
    with np.errstate(all="ignore"):
        return _multiply(values, Constants(weights.T[None], 0), 1, EXACT, PLAIN)


def gamma(terms: int, unit: float) -> float:
    """Bound the relative error of ``terms`` roundings: k*u / (1 - k*u), rounded up; infinite where k*u >= 1/2.

    >>> gamma(1, 2.0**-24) > 2.0**-24, gamma(5, 0.0)
    (True, 0.0)
    """
    product = terms * unit
    return product / (1 - product) * (1 + 8 * _ULP) if product < 0.5 else float("inf")


def _gather(sources: Sequence[Enclosure], index: IndexArray) -> Enclosure:
    centre = sources[0].centre if len(sources) == 1 else np.concatenate([part.centre for part in sources])
    radius = sources[0].radius if len(sources) == 1 else np.concatenate([part.radius for part in sources])
    return _take(Enclosure(centre, radius), index)


def _take(source: Enclosure, index: IndexArray) -> Enclosure:
    if not len(source.centre):
        blank = np.zeros((len(index), source.centre.shape[1]))
        return Enclosure(blank, blank)
    inside = np.maximum(index, 0)
    centre, radius = source.centre[inside], source.radius[inside]
    zero = index < 0
    if zero.any():
        centre[zero] = 0.0
        radius[zero] = 0.0
    return Enclosure(centre, radius)


def group_winners(source: Enclosure, groups: IndexArray) -> tuple[IndexArray, BoolArray]:
    """Return the largest centre of each group of a vector (n, b), and where every rival is proved smaller."""
    best = _take(source, groups[:, 0])
    centre, radius = best.centre, best.radius
    winner = np.zeros(centre.shape, dtype=np.int64)
    for column in range(1, groups.shape[1]):
        rival = _take(source, groups[:, column])
        better = (rival.centre > centre) & (groups[:, column] != NO_CANDIDATE)[:, None]
        centre, radius = np.where(better, rival.centre, centre), np.where(better, rival.radius, radius)
        winner[better] = column
    certain = np.isfinite(radius)
    for column in range(groups.shape[1]):
        rival = _take(source, groups[:, column])
        absent = (groups[:, column] == NO_CANDIDATE)[:, None]
        certain &= absent | (winner == column) | _beats(centre, radius, rival)
    return winner, certain


def _beats(centre: FloatArray, radius: FloatArray, rival: Enclosure) -> BoolArray:
    """Say where the true value is proved larger than the rival's."""
    return (centre - rival.centre) * (1 - 2 * _ULP) > (radius + rival.radius) * (1 + 2 * _ULP)


def _maximum(source: Enclosure, groups: IndexArray) -> Enclosure:
    """The largest centre, with the largest radius among the candidates that may win."""
    best = _take(source, groups[:, 0])
    centre, radius = best.centre, best.radius
    for column in range(1, groups.shape[1]):
        rival = _take(source, groups[:, column])
        better = (rival.centre > centre) & (groups[:, column] != NO_CANDIDATE)[:, None]
        centre, radius = np.where(better, rival.centre, centre), np.where(better, rival.radius, radius)
    widest = radius
    for column in range(groups.shape[1]):
        rival = _take(source, groups[:, column])
        beaten = (groups[:, column] == NO_CANDIDATE)[:, None] | _beats(centre, radius, rival)
        widest = np.where(beaten, widest, np.maximum(widest, rival.radius))
    return Enclosure(centre, widest)


def _chosen(source: Enclosure, groups: IndexArray, compared: Enclosure) -> Enclosure:
    """Enclose a maximum that the execution takes as a choice by the sign of a difference d that it rounds.

    The branches meet where d = 0, and exactly the larger one is chosen. Let the candidates be c_j +- r_j, c the largest
    centre, and the execution's difference d' within E of the centre of d:

    1. Where |centre of d| > E, d and d' have one sign and choose one candidate j, which no rival is proved to exceed:
       its value in either arithmetic is within r_j of c_j, so within r_j + (c - c_j) of c.
    2. Elsewhere the execution may take any candidate, however clearly it is exceeded: the same bound over all of them.
       There c - c_j is E times the slope by which the branches part, at most, and not of the size of a rounding.
    """
    best = _maximum(source, groups)
    settled = np.abs(compared.centre) * (1 - 2 * _ULP) > compared.radius * (1 + 2 * _ULP)
    widest = best.radius
    for column in range(groups.shape[1]):
        rival = _take(source, groups[:, column])
        reach = (rival.radius + (best.centre - rival.centre)) * (1 + 4 * _ULP)
        beaten = settled & _beats(best.centre, best.radius, rival)
        widest = np.where((groups[:, column] == NO_CANDIDATE)[:, None] | beaten, widest, np.maximum(widest, reach))
    broken = ~np.isfinite(widest)
    return Enclosure(np.where(broken, 0.0, best.centre), np.where(broken, np.inf, widest))


def _add(left: Enclosure, right: Enclosure, arithmetic: Arithmetic, rounding: Rounding = PLAIN) -> Enclosure:
    centre = left.centre + right.centre
    incoming = left.radius + right.radius
    size = np.abs(left.centre) + np.abs(right.centre) + incoming
    rounded = size if rounding.terms else np.abs(centre) + incoming
    unit = gamma(1 + rounding.terms, arithmetic.unit)
    radius = incoming + _UNIT * np.abs(centre) + unit * rounded
    return _finish(centre, radius, size * (1 + unit) / rounding.share, 3 + rounding.terms, arithmetic, 3)


def _shift(source: Enclosure, offset: Constants, arithmetic: Arithmetic, rounding: Rounding) -> Enclosure:
    column = offset.values[:, None]
    centre = source.centre + column
    error, unit = _column(rounding.operand_error), gamma(1 + rounding.terms, arithmetic.unit)
    size = np.abs(source.centre) + source.radius + np.abs(column) + error + _column(rounding.magnitude)
    # A constant that no float holds is rounded before it is added: (x + c (1 + d))(1 + e), where abs(d), abs(e) <= u.
    own = _UNIT * np.abs(centre) + offset.inexact * (_UNIT + gamma(2, arithmetic.unit)) * np.abs(column)
    radius = source.radius + own + unit * size + error
    return _finish(centre, radius, size * (1 + unit) / rounding.share, 3 + rounding.terms, arithmetic, 3)


def _scale(source: Enclosure, factor: Constants, arithmetic: Arithmetic, rounding: Rounding) -> Enclosure:
    column = factor.values[:, None]
    centre = source.centre * column
    reach = np.abs(source.centre) + source.radius
    error, unit = _column(rounding.operand_error), gamma(2 + rounding.terms, arithmetic.unit)
    size = (np.abs(column) + error) * reach + _column(rounding.magnitude)
    simple = np.abs(column) == 1 if rounding is PLAIN else np.zeros(column.shape, dtype=bool)
    own = np.where(simple, 0.0, gamma(1 + factor.inexact, _UNIT) * np.abs(centre) + _underflow(1, reach))
    radius = np.abs(column) * source.radius + own + np.where(simple, 0.0, unit * size) + error * reach
    flushed = arithmetic.tiny * (reach + np.abs(column))
    # A factor beyond the largest number is infinite in the execution, and infinity times 0 is none of the reals.
    size = np.where((np.abs(column) + error) * (1 + unit) <= arithmetic.huge, size * (1 + unit), np.inf)
    return _finish(centre, radius + flushed, size, 3 + rounding.terms, arithmetic, 3)


def _multiply(
    source: Enclosure, weight: Constants, rows: int, arithmetic: Arithmetic, rounding: Rounding
) -> Enclosure:
    """Enclose k-term sums of products, s = sum w x, with magnitudes M = sum |w| |x| (k is the width).

    1. This interpreter: |s' - s| <= gamma(k + 1) M in any order, a term more for rounded weights (Higham, section 3.1).
    2. The execution: gamma(k + 1 + terms) (M + magnitude) in its unit: products, sums, rounded weights, ``terms``.
    3. Points and weights off by r and e: sum |w| r + sum e |x|.
    4. What is 0 below the smallest normal number t: t (sum |w| + sum |x| + 2 k), times a ``share`` above 1.
    5. No overflow: every partial sum, in any order, is at most (1 + gamma) (M + magnitude) / share.
    """
    groups, height, width = weight.values.shape
    batch = source.centre.shape[1]

    def columns(values: FloatArray) -> FloatArray:
        shaped = values.reshape(groups, rows, width, batch)
        return shaped.transpose(0, 2, 1, 3).reshape(groups, width, rows * batch)

    def flat(values: FloatArray) -> FloatArray:
        shaped = values.reshape(groups, height, rows, batch)
        return shaped.transpose(0, 2, 1, 3).reshape(groups * rows * height, batch)

    magnitudes = np.abs(weight.values)
    reach = np.abs(source.centre) + source.radius
    unit = gamma(width + rounding.terms + 1, arithmetic.unit) if arithmetic.unit else 0.0
    own = gamma(width + weight.inexact + 1, _UNIT)
    late = max(1.0, abs(rounding.share))
    spread = source.radius + (own + unit) * reach + arithmetic.tiny * late
    centre = flat(weight.values @ columns(source.centre))
    radius = flat(magnitudes @ columns(spread)) + unit * _column(rounding.magnitude) + _underflow(width, reach)
    off: FloatArray | float = 0.0
    if rounding.operand_error is not None:
        off = flat(rounding.operand_error @ columns(reach))
        radius = radius + (1 + unit) * off
    size = radius
    if arithmetic.unit:
        total = flat(np.repeat(columns(reach).sum(axis=1, keepdims=True), height, axis=1))
        largest = float(magnitudes.max(initial=0.0))
        # Two bounds of M: the largest weight times sum |x|, and the radius, whose part is (own + unit) times it.
        size = np.minimum(largest * total, radius / (own + unit)) * (1 + 2.0**-20)
        size = (1 + unit) * (size + off + _column(rounding.magnitude)) / abs(rounding.share)
        size = size if largest * (1 + unit) <= arithmetic.huge * abs(rounding.share) else np.full(size.shape, np.inf)
        radius = radius + arithmetic.tiny * late * total
    return _finish(centre, radius, size, (2 * width + rounding.terms) * late, arithmetic, width + 4)


def _underflow(terms: int, reach: FloatArray) -> FloatArray:
    """Bound what products and constants lose below the smallest float, over ``terms`` products; shape (1, b)."""
    largest: FloatArray = reach.max(axis=0, initial=0.0, keepdims=True)
    return 2.0 * terms * _SMALLEST * (1.0 + largest)


def _column(values: FloatArray | None) -> FloatArray:
    return np.zeros((1, 1)) if values is None else values[:, None]


def _finish(
    centre: FloatArray, radius: FloatArray, size: FloatArray, operations: float, arithmetic: Arithmetic, depth: int
) -> Enclosure:
    """Add underflow, round the radius up over ``depth`` operations of its own, and mark overflow as infinite."""
    total = (radius + operations * arithmetic.tiny) * (1 + (depth + 8) * _ULP)
    broken = ~np.isfinite(centre) | ~np.isfinite(total) | ~(size <= arithmetic.huge)
    if broken.any():
        centre, total = np.where(broken, 0.0, centre), np.where(broken, np.inf, total)
    return Enclosure(centre, total)


def _pull(program: Program, position: int, cotangent: Enclosure) -> list[tuple[int, Enclosure]]:
    instruction = program.instructions[position]
    match instruction:
        case Input():
            return []
        case Gather(srcs, index):
            sizes = [program.sizes[src] for src in srcs]
            whole = scatter(sum(sizes), index, cotangent)
            ends = np.cumsum([0, *sizes])
            return [(src, whole.rows(int(ends[i]), int(ends[i + 1]))) for i, src in enumerate(srcs)]
        case MatMul(src, _, rows):
            weight = constants(program, position)
            turned = Constants(np.swapaxes(weight.values, 1, 2), weight.inexact)
            return [(src, _multiply(cotangent, turned, rows, EXACT, PLAIN))]
        case Scale(src, _):
            return [(src, _scale(cotangent, constants(program, position), EXACT, PLAIN))]
        case Shift(src, _):
            return [(src, cotangent)]
        case Add(left, right):
            return [(left, cotangent), (right, cotangent)]
        case Max():
            raise InputError("a Max is not linear: its winners must be fixed first")


def scatter(size: int, index: IndexArray, values: Enclosure) -> Enclosure:
    """Enclose the sums (size, b) of rows: row i of ``values`` is added to row ``index[i]``, skipping constants."""
    shape = (size, values.centre.shape[1])
    centre, radius = np.zeros(shape), np.zeros(shape)
    kept = np.flatnonzero(index >= 0)
    order = kept[np.argsort(index[kept], kind="stable")]
    if not len(order):
        return Enclosure(centre, radius)
    targets = index[order]
    starts = np.flatnonzero(np.r_[True, targets[1:] != targets[:-1]])
    depth = int(np.diff(np.r_[starts, len(order)]).max())
    centre[targets[starts]] = np.add.reduceat(values.centre[order], starts, axis=0)
    spread = values.radius[order]
    if depth > 1:
        spread = spread + gamma(depth, _UNIT) * np.abs(values.centre[order])
    radius[targets[starts]] = np.add.reduceat(spread, starts, axis=0)
    return _finish(centre, radius, radius, 0, EXACT, depth + 4) if depth > 1 else Enclosure(centre, radius)
