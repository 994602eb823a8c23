"""Choices between two affine functions of one quantity that meet where the choice changes: those are continuous.

``where(z > 0, z, a * z)``, ``z * (z > 0)``, thresholds and soft shrinkage are written so. A choice is lowered only
where the two branches are proved to differ by a multiple of the compared quantity, entry by entry: if
``f - g = m * d`` then ``where(d > 0, f, g)`` is ``max(f, g)`` for m >= 0 and ``min(f, g)`` for m <= 0.

A float execution chooses by the sign of a d that it rounded, so d is a vector of its own, beside the maximum: where its
sign is not settled, the bound covers both branches (``enclosed.Rounding.compared``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from onnx import TensorProto

from exactbox.importers.builder import Builder
from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import common_shape, largest, operands, plus
from exactbox.importers.ops.head import cast_tail
from exactbox.importers.registry import heads
from exactbox.importers.values import (
    NEVER_WINS,
    Choice,
    Comparison,
    Constant,
    Data,
    Scores,
    Tensor,
    Total,
    Value,
    raise_unless,
)
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, Gather, IndexArray, Scale, Shift
from exactbox.polytope.rational import Rationals, from_fractions, zeros

_SIGN = {"Greater": 1, "GreaterOrEqual": 1, "Less": -1, "LessOrEqual": -1}


@heads("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def compare(call: Call) -> Tensor | None:
    """Remember what is compared; it is lowered where a continuous choice uses it."""
    left, right = call.tensor(0), call.tensor(1)
    if not isinstance(left, (Data, Constant)) or not isinstance(right, (Data, Constant)):
        return None
    if isinstance(left, Constant) and isinstance(right, Constant):
        return None
    if any(isinstance(side, Data) and not side.is_float for side in (left, right)):
        return None
    first, second, shape = operands(call)
    pair = (first, second) if _SIGN[call.node.op] > 0 else (second, first)
    strict = not call.node.op.endswith("OrEqual")
    return Comparison(pair[0], pair[1], shape, strict, False, ((call.node.name, call.node.op),))


@heads("Not")
def opposite(call: Call) -> Tensor | None:
    """The other side; on the boundary both branches of a continuous choice agree."""
    given = call.tensor(0)
    if not isinstance(given, Comparison):
        return None
    return Comparison(given.right, given.left, given.shape, not given.strict, given.number, given.origin)


@heads("Cast")
def as_number(call: Call) -> Tensor | None:
    """A comparison as 1 or 0; a sum of positive scores as a truth value is not 0; scores and labels as another type."""
    given = call.tensor(0)
    if isinstance(given, (Scores, Choice)):
        return cast_tail(call, given)
    if isinstance(given, Total) and call.node.integer("to", 0) == TensorProto.BOOL:
        return Constant(np.ones(given.shape, dtype=np.bool_), "bool")
    if not isinstance(given, Comparison):
        return None
    return Comparison(given.left, given.right, given.shape, given.strict, True, given.origin)


@heads("Where")
def choose_by_comparison(call: Call) -> Tensor | None:
    """Lower a choice that is continuous; None where that is not shown."""
    condition = call.tensor(0)
    if not isinstance(condition, Comparison) or condition.number:
        return None
    return _chosen(call, condition, call.value(1), call.value(2))


@heads("Mul")
def times_comparison(call: Call) -> Tensor | None:
    """z * (z > 0) is a choice between z and 0."""
    for one, other in ((0, 1), (1, 0)):
        condition, value = call.tensor(one), call.tensor(other)
        if isinstance(condition, Comparison) and condition.number and isinstance(value, (Data, Constant)):
            zero = Constant(np.zeros((), dtype=np.float32), "float32")
            return _chosen(call, condition, value, zero)
    return None


def _chosen(call: Call, condition: Comparison, above: Value, below: Value) -> Data | None:
    builder = call.builder
    parts = (condition.left, condition.right, above, below)
    shape = common_shape(call, [*parts, Constant(np.zeros(condition.shape), "float32")])
    lines = [_line(builder, part, shape) for part in parts]
    slope = _common_slope(lines[0].minus(lines[1]), lines[2].minus(lines[3]))
    if slope is None:
        return None
    signs = slope.signs()
    compared = builder.vector(plus(call, condition.left, condition.right, shape, -1))
    rounding = Rounding(compared=compared)
    if (signs >= 0).all() or (signs <= 0).all():
        data = above if isinstance(above, Data) else builder.data(above)
        return largest(builder, [data, below], shape, 1 if (signs >= 0).all() else -1, rounding)
    turn = from_fractions(np.where(signs < 0, -1, 1).ravel().tolist(), shape)
    sides = [builder.scale(builder.data(part).broadcast(shape), turn) for part in (above, below)]
    return builder.scale(builder.elementwise_maximum(sides, rounding=rounding), turn)


@dataclass(frozen=True, eq=False)
class _Line:
    """``factor * vector[index] + offset`` for each entry; an index of ``CONSTANT_ZERO`` for constants."""

    source: int
    index: IndexArray
    factor: Rationals
    offset: Rationals

    def minus(self, other: _Line) -> _Line | None:
        """Subtract, where both are functions of one entry."""
        mine, theirs = self.factor.num != 0, other.factor.num != 0
        same = (self.index == other.index) & (self.source == other.source)
        if not (same | ~mine | ~theirs).all():
            return None
        if mine.any() and theirs.any() and self.source != other.source:
            return None
        index = np.where(mine, self.index, other.index)
        source = self.source if mine.any() else other.source
        return _Line(source, index, self.factor - other.factor, self.offset - other.offset)


def _common_slope(distance: _Line | None, difference: _Line | None) -> Rationals | None:
    """Return m with difference = m * distance for every entry, or None where there is none."""
    if distance is None or difference is None:
        return None
    moving = difference.factor.num != 0
    if (moving & ((difference.index != distance.index) | (difference.source != distance.source))).any():
        return None
    if (moving & (distance.factor.num == 0)).any():
        return None
    numbers = (part.fractions() for part in (difference.factor, distance.factor, difference.offset, distance.offset))
    slopes = [f / d if d else e / c if c else Fraction(0) for f, d, e, c in zip(*numbers, strict=True)]
    slope = from_fractions(slopes, distance.factor.shape)
    return slope if difference.offset.equals(slope * distance.offset) else None


def _line(builder: Builder, value: Value, shape: tuple[int, ...]) -> _Line:
    """Follow a tensor's entries down through scales, shifts and moves."""
    if isinstance(value, Constant):
        offset = value.broadcast(shape).rationals()
        return _Line(-1, np.full(shape, CONSTANT_ZERO, dtype=np.int64), zeros(*shape), offset)
    data = value.broadcast(shape)
    ones, none = from_fractions([1] * data.size, shape), zeros(*shape)
    if len(data.srcs) != 1:
        line = _Line(_gathered(builder, data), np.arange(data.size, dtype=np.int64).reshape(shape), ones, none)
    else:
        line = _masked(data.srcs[0], data.index, ones, none)
    while True:
        below = _below(builder, line)
        if below is None:
            return line
        line = below


def _masked(source: int, index: IndexArray, factor: Rationals, offset: Rationals) -> _Line:
    """Return a line whose entries without a place in the vector are the constant 0."""
    raise_unless(not (index == NEVER_WINS).any(), "an infinite padding value is compared")
    inside = (index >= 0).astype(np.int64)
    kept = from_fractions(inside.ravel().tolist(), index.shape)
    return _Line(source, np.where(index < 0, 0, index), factor * kept, offset)


def _gathered(builder: Builder, data: Data) -> int:
    """Return the first vector that holds the tensor's entries in order."""
    flat = data.index.ravel()
    for position, instruction in enumerate(builder.instructions):
        if not isinstance(instruction, Gather) or instruction.srcs != data.srcs:
            continue
        if np.array_equal(instruction.index, flat):
            return position
    return builder.vector(data)


def _below(builder: Builder, line: _Line) -> _Line | None:
    instruction = builder.instructions[line.source]
    match instruction:
        case Scale(src, factor):
            return _Line(src, line.index, line.factor * factor[line.index], line.offset)
        case Shift(src, offset):
            return _Line(src, line.index, line.factor, line.offset + line.factor * offset[line.index])
        case Gather(srcs, index) if len(srcs) == 1:
            return _masked(srcs[0], index[line.index], line.factor, line.offset)
        case _:
            return None
