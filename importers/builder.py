"""Writes program instructions for tensors, copying entries only where arithmetic needs them in another order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from exactbox.importers.limits import DEFAULT_LIMITS, Limits
from exactbox.importers.values import NEVER_WINS, Constant, Data, FloatArray, object_array, raise_unless
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    Head,
    IndexArray,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Provenance,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.simplify import sorted_groups


@dataclass(eq=False)
class Builder:
    """A program under construction.

    Args:
        inputs: the ports whose concatenation is vector 0.
        limits: caps on the size of vectors.
        label: the node that the following instructions belong to.
        roundings: how the runtime's float execution of an instruction differs from one rounding an operation.
    """

    inputs: tuple[Port, ...]
    limits: Limits = DEFAULT_LIMITS
    label: str = "input"
    instructions: list[Instruction] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    provenance: list[Provenance] = field(default_factory=list)
    roundings: dict[int, Rounding] = field(default_factory=dict)
    total: int = 0

    def __post_init__(self) -> None:
        size = sum(port.size for port in self.inputs)
        self.emit(Input(size), size, (size,))

    def emit(
        self, instruction: Instruction, size: int, shape: tuple[int, ...], rounding: Rounding | None = None
    ) -> int:
        """Append an instruction that makes ``size`` entries laid out as ``shape``; returns its position."""
        self.limits.check_elements(self.label, size)
        self.total += size
        self.limits.check(
            self.label, "entries of all vectors", self.total, self.limits.total_elements, "total_elements"
        )
        self.instructions.append(instruction)
        self.sizes.append(size)
        self.provenance.append(Provenance(self.label, shape))
        if rounding is not None:
            self.roundings[len(self.sizes) - 1] = rounding
        return len(self.sizes) - 1

    def program(self, output: Port, head: Head) -> Program:
        """Return the finished program; the last instruction is the output."""
        return Program(self.inputs, tuple(self.instructions), output, head, tuple(self.provenance))

    def joined(self, parts: Sequence[Data]) -> Data:
        """Return the flat concatenation of tensors as entries of the union of their vectors."""
        srcs = tuple(dict.fromkeys(src for part in parts for src in part.srcs))
        starts = dict(zip(srcs, np.cumsum([0, *(self.sizes[src] for src in srcs)])[:-1].tolist(), strict=True))
        flat = [self._rebased(part, starts).ravel() for part in parts]
        return Data(srcs, np.concatenate(flat), parts[0].dtype)

    def concatenated(self, parts: Sequence[Data], axis: int) -> Data:
        """Concatenate tensors along one axis without copying entries."""
        flat = self.joined(parts)
        ends = np.cumsum([0, *(part.size for part in parts)])
        blocks = [flat.index[ends[i] : ends[i + 1]].reshape(part.shape) for i, part in enumerate(parts)]
        return Data(flat.srcs, np.concatenate(blocks, axis=axis), flat.dtype)

    def vector(self, data: Data) -> int:
        """Return a vector whose entries are the tensor's, in C order."""
        whole = len(data.srcs) == 1 and data.size == self.sizes[data.srcs[0]]
        flat = data.index.ravel()
        if whole and np.array_equal(flat, np.arange(data.size)):
            return data.srcs[0]
        self.no_infinity(data)
        return self.emit(Gather(data.srcs, np.ascontiguousarray(flat)), data.size, data.shape)

    def fresh(self, data: Data) -> int:
        """Return the tensor as a vector of its own, as the last instruction so far."""
        position = self.vector(data)
        if position == len(self.sizes) - 1:
            return position
        size = self.sizes[position]
        return self.emit(Gather((position,), np.arange(size, dtype=np.int64)), size, data.shape)

    def wrap(self, position: int, shape: tuple[int, ...], dtype: str) -> Data:
        """Return a vector's entries in order as a tensor."""
        return Data((position,), np.arange(math.prod(shape), dtype=np.int64).reshape(shape), dtype)

    def no_infinity(self, data: Data) -> None:
        """Refuse minus infinity outside of a maximum."""
        raise_unless(not (data.index == NEVER_WINS).any(), "an infinite padding value is used outside of a maximum")

    def constants(self, values: Rationals, dtype: str, error: FloatArray | None = None) -> Data:
        """Return numbers as a tensor of the same shape: a vector of zeros, shifted."""
        rounding = None if error is None else Rounding(operand_error=error.ravel())
        size = values.size
        zero = self.emit(Gather((0,), np.full(size, CONSTANT_ZERO, dtype=np.int64)), size, values.shape)
        position = self.emit(Shift(zero, values.reshape(size)), size, values.shape, rounding)
        return self.wrap(position, values.shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Data:
        """Return a tensor that is 0 everywhere: what sums of nothing are."""
        return self.constants(from_fractions([0] * math.prod(shape), shape), dtype)

    def data(self, value: Data | Constant) -> Data:
        """Return a tensor of either kind as entries of vectors."""
        return value if isinstance(value, Data) else self.constants(value.rationals(), value.dtype, value.error)

    def scale(self, data: Data, factor: Rationals, rounding: Rounding | None = None) -> Data:
        """Multiply entries by constants (broadcast to the tensor's shape)."""
        source, index, order = self._storage(data)
        values = _ordered(factor, data.shape, order)
        extra = _ordered_rounding(rounding, data.shape, order)
        position = self.emit(Scale(source, values), values.size, self._layout(source, data), extra)
        return Data((position,), index, data.dtype)

    def shift(self, data: Data, offset: Rationals, rounding: Rounding | None = None) -> Data:
        """Add constants (broadcast to the tensor's shape)."""
        source, index, order = self._storage(data)
        values = _ordered(offset, data.shape, order)
        extra = _ordered_rounding(rounding, data.shape, order)
        position = self.emit(Shift(source, values), values.size, self._layout(source, data), extra)
        return Data((position,), index, data.dtype)

    def add(self, left: Data, right: Data, rounding: Rounding | None = None) -> Data:
        """Add two tensors, broadcasting by numpy's rules."""
        shape = np.broadcast_shapes(left.shape, right.shape)
        self.limits.check_elements(self.label, math.prod(shape))
        same = left.shape == right.shape and np.array_equal(left.index, right.index)
        if same and self._is_permutation(left) and self._is_permutation(right):
            layout = self._layout(left.srcs[0], left)
            position = self.emit(Add(left.srcs[0], right.srcs[0]), left.size, layout, rounding)
            return Data((position,), left.index, left.dtype)
        first, second = (self.vector(part.broadcast(shape)) for part in (left, right))
        position = self.emit(Add(first, second), math.prod(shape), shape, rounding)
        return self.wrap(position, shape, left.dtype)

    def negate(self, data: Data) -> Data:
        """Multiply by -1."""
        return self.scale(data, from_fractions([-1], ()))

    def matmul(
        self, data: Data, weight: Rationals, rows: int, shape: tuple[int, ...], rounding: Rounding | None = None
    ) -> Data:
        """Multiply entries laid out as (g, p, k) by (g, m, k) matrices; ``shape`` is how (g, p, m) reads."""
        if not data.size:
            return self.zeros(shape, data.dtype)
        source = self.vector(data)
        position = self.emit(MatMul(source, weight, rows), math.prod(shape), shape, rounding)
        return self.wrap(position, shape, data.dtype)

    def maximum(
        self, data: Data, groups: IndexArray, shape: tuple[int, ...], rounding: Rounding | None = None
    ) -> Data:
        """Take maxima of groups of a tensor's entries (counted in C order), one for each entry of ``shape``.

        Args:
            groups: shape (n, w); ``CONSTANT_ZERO`` is the candidate 0, ``NO_CANDIDATE`` is none.
        """
        source, flat = self._candidates(data)
        inside = np.where(groups >= 0, flat[groups], groups) if flat.size else groups
        ordered = sorted_groups(inside)
        raise_unless(not (len(ordered) and (ordered[:, 0] == NO_CANDIDATE).any()), "a maximum over nothing but padding")
        position = self.emit(Max(source, ordered), len(ordered), shape, rounding)
        return self.wrap(position, shape, data.dtype)

    def elementwise_maximum(
        self, parts: Sequence[Data], with_zero: bool = False, rounding: Rounding | None = None
    ) -> Data:
        """Take the entrywise maximum of tensors of one shape, and of 0 where asked."""
        shape, size = parts[0].shape, parts[0].size
        columns = [np.arange(i * size, (i + 1) * size, dtype=np.int64) for i in range(len(parts))]
        if with_zero:
            columns.insert(0, np.full(size, CONSTANT_ZERO, dtype=np.int64))
        flat = parts[0] if len(parts) == 1 else self.joined(parts)
        return self.maximum(flat, np.stack(columns, axis=1), shape, rounding)

    def _candidates(self, data: Data) -> tuple[int, IndexArray]:
        """Return one source vector and, for each entry of the tensor, its place there."""
        flat = data.index.ravel()
        if len(data.srcs) == 1:
            return data.srcs[0], flat
        index = np.where(flat == NEVER_WINS, CONSTANT_ZERO, flat)
        source = self.vector(Data(data.srcs, index, data.dtype))
        return source, np.where(flat == NEVER_WINS, NEVER_WINS, np.arange(len(flat)))

    def _is_permutation(self, data: Data) -> bool:
        if len(data.srcs) != 1 or data.size != self.sizes[data.srcs[0]] or (data.index < 0).any():
            return False
        return bool((np.bincount(data.index.ravel(), minlength=data.size) == 1).all())

    def _storage(self, data: Data) -> tuple[int, IndexArray, IndexArray | None]:
        """Return a vector that holds each entry once, the tensor's index into it, and that index where not plain."""
        if self._is_permutation(data):
            flat = data.index.ravel()
            plain = np.array_equal(flat, np.arange(data.size))
            return data.srcs[0], data.index, None if plain else flat
        wrapped = self.wrap(self.vector(data), data.shape, data.dtype)
        return wrapped.srcs[0], wrapped.index, None

    def _layout(self, source: int, data: Data) -> tuple[int, ...]:
        """Return the shape that an elementwise result of ``source`` is laid out in."""
        shape = self.provenance[source].shape
        return shape if math.prod(shape) == data.size and source else data.shape

    def _rebased(self, part: Data, starts: dict[int, int]) -> IndexArray:
        ends = np.cumsum([0, *(self.sizes[src] for src in part.srcs)])
        moved = np.concatenate([np.arange(self.sizes[src], dtype=np.int64) + starts[src] for src in part.srcs])
        if part.index.size and int(part.index.max()) >= ends[-1]:
            raise_unless(False, "an index leaves its vector")
        return np.where(part.index >= 0, moved[part.index], part.index)


def _ordered(values: Rationals, shape: tuple[int, ...], order: IndexArray | None) -> Rationals:
    """Broadcast to ``shape``, flatten, and put into storage order."""
    flat = object_array(np.broadcast_to(values.num, shape)).ravel()
    if order is None:
        return Rationals(flat.copy() if flat.base is not None else flat, values.den)
    out = np.empty(len(flat), dtype=object)
    out[order] = flat
    return Rationals(out, values.den)


def _ordered_rounding(
    rounding: Rounding | None, shape: tuple[int, ...], order: IndexArray | None
) -> Rounding | None:
    if rounding is None:
        return None
    magnitude, error = (_ordered_floats(part, shape, order) for part in (rounding.magnitude, rounding.operand_error))
    return replace(rounding, magnitude=magnitude, operand_error=error)


def _ordered_floats(
    values: FloatArray | None, shape: tuple[int, ...], order: IndexArray | None
) -> FloatArray | None:
    if values is None:
        return None
    flat = np.broadcast_to(values, shape).ravel()
    out = np.empty(len(flat))
    out[slice(None) if order is None else order] = flat
    return out
