"""What a tensor of the model is while it is lowered: a constant, or entries of program vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import ExactboxError, InputError
from exactbox.polytope.program import HeadStep, IndexArray
from exactbox.polytope.rational import Rationals, exact

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Move = Callable[[AnyArray], AnyArray]

NEVER_WINS = -2
"""Index of an entry that is minus infinity: allowed only as a candidate of a maximum, where it is dropped."""

FLOAT_TYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
NARROW_TYPES = frozenset(
    {"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn"}
)
"""Float types without arithmetic of their own: they are stored, moved and widened."""

SHORT_INTEGERS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
"""Widths in bits of the whole numbers that are stored several to a byte."""

INTEGER_TYPES = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", *SHORT_INTEGERS})


class RefusedError(ExactboxError):
    """A node has no exact piecewise-linear meaning; the text says why. Caught by the lowering, never shown alone."""

    exit_code = 4


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the input.

    Args:
        values: numbers as the file holds them (any numpy dtype), or exact rationals where arithmetic made them.
        dtype: element type of the model ("float32", "int64", "bool", "string", ...).
        error: how far the runtime's own value may be from the exact one, entry by entry; None for not at all.
    """

    values: AnyArray | Rationals
    dtype: str
    error: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.values.shape

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the element type is a float."""
        return self.dtype in FLOAT_TYPES

    def rationals(self) -> Rationals:
        """Return the exact values.

        Raises:
            RefusedError: an entry is NaN or infinite, or the tensor does not hold numbers.
        """
        if isinstance(self.values, Rationals):
            return self.values
        array = self.values
        if array.dtype == np.bool_:
            return exact(array.astype(np.int64))
        if array.dtype.kind not in "iuf" and array.dtype.name not in FLOAT_TYPES | INTEGER_TYPES:
            raise RefusedError(f"a constant operand of type {self.dtype} is no number")
        try:
            return exact(array if array.dtype.kind in "iuf" else array.astype(np.float64))
        except InputError as error:
            raise RefusedError(f"a constant operand is not finite: {error}") from None

    def moved(self, change: Move) -> Constant:
        """Rearrange the entries: reshape, transpose, slice, ..."""
        error = None if self.error is None else np.asarray(change(self.error))
        if isinstance(self.values, Rationals):
            return Constant(Rationals(object_array(change(self.values.num)), self.values.den), self.dtype, error)
        return Constant(np.asarray(change(self.values)), self.dtype, error)

    def broadcast(self, shape: tuple[int, ...]) -> Constant:
        """Repeat the entries to a larger shape by numpy's rules."""
        return self if self.shape == shape else self.moved(lambda array: np.broadcast_to(array, shape))

    def magnitudes(self) -> FloatArray:
        """Return upper bounds of the absolute values, also of the runtime's own."""
        if isinstance(self.values, Rationals):
            size = np.abs(self.values.to_float()) * (1 + 2.0**-50)
        else:
            size = np.abs(self.values.astype(np.float64))
        return size if self.error is None else size + self.error

    def plain(self) -> AnyArray:
        """Return the values as an array that numpy compares exactly (rationals become ``Fraction`` objects)."""
        if not isinstance(self.values, Rationals):
            return self.values
        out = np.empty(self.values.size, dtype=object)
        out[:] = self.values.fractions()
        return out.reshape(self.shape)

    def integers(self) -> list[int]:
        """Return the entries, flattened, of a constant of whole numbers."""
        flat = self.plain().ravel().tolist()
        if any(isinstance(value, (str, bytes)) or value != int(value) for value in flat):
            raise RefusedError(f"expected whole numbers, got a constant of type {self.dtype}")
        return [int(value) for value in flat]


@dataclass(frozen=True, eq=False)
class Data:
    """A tensor that depends on the input: entries of program vectors, not yet copied anywhere.

    Args:
        srcs: positions of program vectors.
        index: shaped like the tensor; entries count through ``concat(srcs)``, ``CONSTANT_ZERO`` is the number 0,
            ``NEVER_WINS`` is minus infinity.
        dtype: element type of the model.
    """

    srcs: tuple[int, ...]
    index: IndexArray
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.index.shape

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self.index.size)

    @property
    def is_float(self) -> bool:
        """Whether the element type is a float."""
        return self.dtype in FLOAT_TYPES

    def moved(self, change: Move) -> Data:
        """Rearrange the entries: reshape, transpose, slice, ..."""
        return Data(self.srcs, np.asarray(change(self.index), dtype=np.int64), self.dtype)

    def broadcast(self, shape: tuple[int, ...]) -> Data:
        """Repeat the entries to a larger shape by numpy's rules."""
        return self if self.shape == shape else self.moved(lambda array: np.broadcast_to(array, shape))


Value = Constant | Data


def object_array(value: AnyArray | int) -> AnyArray:
    """Undo numpy's habit of turning 0-d object results into bare ints."""
    if isinstance(value, np.ndarray):
        return value
    out = np.empty((), dtype=object)
    out[()] = value
    return out


def integer_constant(values: AnyArray | list[int]) -> Constant:
    """Make an int64 tensor."""
    return Constant(np.asarray(values, dtype=np.int64), "int64")


def raise_unless(condition: bool, why: str) -> None:
    """Refuse the node unless the condition holds."""
    if not condition:
        raise RefusedError(why)


@dataclass(frozen=True, eq=False)
class Tail:
    """One operator of a monotone tail.

    Args:
        step: what it is; where it sums or compares entries, ``over`` is told once all moves above it are known.
        fibre: shaped like the tensor; it sums over, or compares, the entries whose numbers agree (a Softmax divides by
            one sum along each fibre). None where it takes each entry by itself.
        sizes: how many entries each fibre had there.
    """

    step: HeadStep
    fibre: IndexArray | None = None
    sizes: IndexArray | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """A tensor above the logits: strictly increasing functions of them, so that comparisons carry over.

    Args:
        data: the logits, shaped like the tensor.
        tails: operators from the logits upwards.
        positive: whether every entry is larger than 0.
        origin: the nodes that made it, as (name, operator), to be named where the result is used otherwise.
        labels: class names along the last axis, or empty.
    """

    data: Data
    tails: tuple[Tail, ...]
    positive: bool
    origin: tuple[tuple[str, str], ...]
    labels: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.data.shape

    @property
    def ops(self) -> tuple[str, ...]:
        """The operators' names."""
        return tuple(tail.step.op for tail in self.tails)

    @property
    def fibre(self) -> IndexArray | None:
        """Shaped like the tensor; two entries compare like their logits only where their numbers agree; None: all."""
        return next((tail.fibre for tail in reversed(self.tails) if tail.fibre is not None), None)


@dataclass(frozen=True, eq=False)
class Choice:
    """The index or label of the largest (or smallest) logit along the last axis.

    Args:
        data: the logits, with the decision's axis last.
        rule: "argmax" or "argmin".
        tie: which index wins among equals.
        shape: of the tensor itself.
        steps: operators from the logits upwards.
        labels: what stands for each index, in the order of the logits; empty for the index itself.
        dtype: element type of the tensor, and so of the labels.
    """

    data: Data
    rule: Literal["argmax", "argmin"]
    tie: Literal["first", "last"]
    shape: tuple[int, ...]
    steps: tuple[HeadStep, ...]
    origin: tuple[tuple[str, str], ...]
    labels: tuple[str, ...] = ()
    dtype: str = "int64"

    @property
    def names(self) -> tuple[str, ...]:
        """One name a class."""
        return self.labels or tuple(str(i) for i in range(self.data.shape[-1]))


@dataclass(frozen=True, eq=False)
class Total:
    """The sum of positive scores along their last axis; only a division of the same scores by it is understood."""

    scores: Scores
    shape: tuple[int, ...]

    @property
    def origin(self) -> tuple[tuple[str, str], ...]:
        """The nodes behind it."""
        return self.scores.origin


@dataclass(frozen=True, eq=False)
class Comparison:
    """Where one tensor exceeds another (or equals it): only a continuous choice by it is understood.

    Args:
        left: is compared to be the larger one.
        strict: whether it is false where both are equal.
        number: whether it was cast to 1 and 0.
    """

    left: Value
    right: Value
    shape: tuple[int, ...]
    strict: bool
    number: bool
    origin: tuple[tuple[str, str], ...]


Above = Scores | Choice | Total | Comparison
"""What lies above the numbers that a program computes."""


@dataclass(frozen=True, eq=False)
class Items:
    """A sequence of tensors: how many there are is known at import."""

    items: tuple[Value, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of tensors, which were counted themselves when they were made."""
        return (len(self.items),)


@dataclass(frozen=True)
class Absent:
    """An optional without an element; one with an element is that element."""

    shape: tuple[int, ...] = ()


Held = Constant | Data | Items | Absent
"""What the body of a loop or a branch takes and gives."""

Tensor = Held | Above
