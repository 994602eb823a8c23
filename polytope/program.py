"""The intermediate form: an immutable list of six kinds of instructions over vectors.

A vector is named by the position of the instruction that makes it. Wherever an index selects entries,
``CONSTANT_ZERO`` (-1) stands for the constant 0; ``NO_CANDIDATE`` (-2) pads the shorter groups of a ``Max``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.linalg import IntMatrix
from exactbox.polytope.rational import Rationals
from exactbox.polytope.wording import counted

IndexArray = npt.NDArray[np.int64]
Rule = Literal["argmax", "argmin", "sign", "none"]

CONSTANT_ZERO = -1
NO_CANDIDATE = -2


@dataclass(frozen=True, eq=False)
class Input:
    """The flattened input vector of ``size`` entries (several graph inputs are concatenated)."""

    size: int


@dataclass(frozen=True, eq=False)
class Gather:
    """``out[i] = concat(srcs)[index[i]]``, or 0 where the index is ``CONSTANT_ZERO``."""

    srcs: tuple[int, ...]
    index: IndexArray


@dataclass(frozen=True, eq=False)
class MatMul:
    """``out[g, p, m] = sum_k weight[g, m, k] * src[g, p, k]``: one matrix a group, shared by its p rows.

    Args:
        src: a vector of g*p*k entries.
        weight: shape (g, m, k).
        rows: p.
    """

    src: int
    weight: Rationals
    rows: int

    @functools.cached_property
    def matrices(self) -> tuple[IntMatrix, ...]:
        """The numerators of each group's (m, k) matrix, prepared for products."""
        return tuple(IntMatrix(group) for group in self.weight.num)


@dataclass(frozen=True, eq=False)
class Scale:
    """``out[i] = factor[i] * src[i]``."""

    src: int
    factor: Rationals


@dataclass(frozen=True, eq=False)
class Shift:
    """``out[i] = src[i] + offset[i]``."""

    src: int
    offset: Rationals


@dataclass(frozen=True, eq=False)
class Add:
    """``out[i] = left[i] + right[i]``."""

    left: int
    right: int


@dataclass(frozen=True, eq=False)
class Max:
    """``out[i] = max(src[j] for j in groups[i])``; ``CONSTANT_ZERO`` is the candidate 0.

    Args:
        src: the source vector.
        groups: shape (n, w); each row lists distinct candidates and is padded with ``NO_CANDIDATE`` at its end.
    """

    src: int
    groups: IndexArray


Instruction = Input | Gather | MatMul | Scale | Shift | Add | Max


@dataclass(frozen=True)
class Port:
    """A named tensor at the rim of a program: name, shape and element type ("float32", ...)."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class HeadStep:
    """One operator above the logits.

    Args:
        op: its name.
        domain: its operator set; empty for the standard's own.
        version: of that operator set, which says what the name means.
        settings: what else says what it computes, as ``name=value``: attributes, constants.
        over: the axes of the output tensor along which it compares or sums entries; None where it takes each by itself.
    """

    op: str
    domain: str = ""
    version: int = 0
    settings: tuple[str, ...] = ()
    over: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Head:
    """The monotone tail above the explained output, and the decision that it stands for.

    Args:
        steps: its operators, from the logits upwards.
        rule: the decision that the tail itself makes, "none" where it makes none.
        tie: which index an arg max or arg min takes among equals.
        labels: class names in the order of the logits, or empty.
        shape: of the model's own output tensor, or None where that is the logits' shape.
        dtype: element type of that tensor; empty where it is the logits' own.
        moved: the axis of that tensor which is the logits' last one, where it is not its own last; else None.
        partial: whether the tail divides by sums over logits that the output does not hold.
    """

    steps: tuple[HeadStep, ...] = ()
    rule: Rule = "none"
    tie: Literal["first", "last"] = "first"
    labels: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    moved: int | None = None
    partial: bool = False

    @property
    def ops(self) -> tuple[str, ...]:
        """The operators' names."""
        return tuple(step.op for step in self.steps)


@dataclass(frozen=True)
class Replaced:
    """Irrational constants of one node that rationals stand for.

    Args:
        node: the model's node.
        formula: what the constants are, e.g. ``1/sqrt(variance + epsilon)``.
        count: how many.
        bits: significant bits of the rationals, which are the floors of the constants.
    """

    node: str
    formula: str
    count: int
    bits: int


@dataclass(frozen=True)
class Provenance:
    """Where a vector comes from: the model's node and the tensor shape its entries are laid out in."""

    node: str
    shape: tuple[int, ...]

    def units(self) -> list[str]:
        """Name all entries, in order.

        >>> Provenance("x", (1, 2, 2)).units(), Provenance("y", ()).units()
        (['x[0,0]', 'x[0,1]', 'x[1,0]', 'x[1,1]'], ['y'])
        """
        shape = self.shape[1:] if len(self.shape) > 1 and self.shape[0] == 1 else self.shape
        if not shape:
            return [self.node]
        return [f"{self.node}[{','.join(index)}]" for index in product(*(map(str, range(n)) for n in shape))]

    def unit(self, position: int) -> str:
        """Name one entry, e.g. ``relu1[3]`` or ``conv[2,0,5]`` (the leading batch axis of length 1 is left out)."""
        shape = self.shape[1:] if len(self.shape) > 1 and self.shape[0] == 1 else self.shape
        if math.prod(shape) <= position:
            return f"{self.node}[{position}]"
        index = ",".join(str(int(i)) for i in np.unravel_index(position, shape)) if shape else ""
        return f"{self.node}[{index}]" if shape else self.node


@dataclass(frozen=True, eq=False)
class Program:
    """A shape-checked list of instructions whose last vector is the explained output.

    Args:
        inputs: the graph inputs; their flattened concatenation is the vector of instruction 0.
        instructions: instruction 0 is the only ``Input``; each reads earlier vectors only.
        output: name and shape of the last vector.
        head: the monotone tail above it.
        provenance: one entry an instruction, or empty; informative, no part of the program's identity.
        replaced: the irrational constants that rationals stand for; where there are any, the function is called f~.

    Raises:
        InputError: a size, index or reference does not fit; the message names the instruction.
    """

    inputs: tuple[Port, ...]
    instructions: tuple[Instruction, ...]
    output: Port
    head: Head = Head()
    provenance: tuple[Provenance, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    sizes: tuple[int, ...] = field(init=False)

    def __repr__(self) -> str:
        counts = {"input": self.input_size, "output": self.output_size, "unit": self.unit_count}
        counts["instruction"] = len(self.instructions)
        return brief(self, [counted(count, noun) for noun, count in counts.items()])

    def __post_init__(self) -> None:
        if not self.instructions or not isinstance(self.instructions[0], Input):
            raise InputError("program: expected an Input as instruction 0")
        sizes: list[int] = []
        for position, instruction in enumerate(self.instructions):
            try:
                sizes.append(_size(instruction, sizes))
            except InputError as error:
                raise InputError(f"instruction {position} ({type(instruction).__name__}): {error}") from None
        if sizes[0] != sum(port.size for port in self.inputs):
            raise InputError(
                f"program: the inputs hold {counted(sum(p.size for p in self.inputs), 'entry', 'entries')}, "
                f"Input {sizes[0]}"
            )
        if sizes[-1] != self.output.size:
            raise InputError(f"program: the output's shape {self.output.shape} does not hold {sizes[-1]} entries")
        if self.provenance and len(self.provenance) != len(self.instructions):
            raise InputError("program: expected one provenance an instruction")
        object.__setattr__(self, "sizes", tuple(sizes))

    @property
    def input_size(self) -> int:
        """The number d of input coordinates."""
        return self.sizes[0]

    @property
    def output_size(self) -> int:
        """The number of output coordinates."""
        return self.sizes[-1]

    @functools.cached_property
    def max_positions(self) -> tuple[int, ...]:
        """The positions of the ``Max`` instructions, in order; a pattern has one entry for each."""
        return tuple(i for i, item in enumerate(self.instructions) if isinstance(item, Max))

    @functools.cached_property
    def spent(self) -> tuple[tuple[int, ...], ...]:
        """For each instruction, the vectors that none after it reads; the last vector is never spent."""
        last = list(range(len(self.instructions)))
        for position, instruction in enumerate(self.instructions):
            for src in sources(instruction):
                last[src] = position
        done: list[list[int]] = [[] for _ in self.instructions]
        for position, use in enumerate(last[:-1]):
            done[use].append(position)
        return tuple(tuple(vectors) for vectors in done)

    @property
    def unit_count(self) -> int:
        """The number of ``Max`` groups."""
        return sum(self.sizes[i] for i in self.max_positions)

    def unit_name(self, position: int, group: int) -> str:
        """Name unit ``group`` of the ``Max`` at ``position`` after the model's node."""
        if self.provenance:
            return self.provenance[position].unit(group)
        return f"max{position}[{group}]"

    def input_name(self, coordinate: int) -> str:
        """Name one input coordinate after its graph input."""
        for port in self.inputs:
            if coordinate < port.size:
                return Provenance(port.name, port.shape).unit(coordinate)
            coordinate -= port.size
        raise InputError(f"input coordinate out of range by {coordinate}")


def sources(instruction: Instruction) -> tuple[int, ...]:
    """Return the positions that an instruction reads."""
    match instruction:
        case Input():
            return ()
        case Gather(srcs, _):
            return srcs
        case Add(left, right):
            return (left, right)
        case _:
            return (instruction.src,)


def with_sources(instruction: Instruction, rename: Callable[[int], int]) -> Instruction:
    """Return the same instruction reading from renamed positions (compiled weights are kept)."""
    if all(rename(src) == src for src in sources(instruction)):
        return instruction
    match instruction:
        case Input():
            return instruction
        case Gather(srcs, index):
            return Gather(tuple(rename(src) for src in srcs), index)
        case Add(left, right):
            return Add(rename(left), rename(right))
        case MatMul(src, weight, rows):
            return MatMul(rename(src), weight, rows)
        case Scale(src, factor):
            return Scale(rename(src), factor)
        case Shift(src, offset):
            return Shift(rename(src), offset)
        case Max(src, groups):
            return Max(rename(src), groups)


def _size(instruction: Instruction, sizes: Sequence[int]) -> int:
    for src in sources(instruction):
        if not 0 <= src < len(sizes):
            raise InputError(f"reads vector {src}, expected one of the {len(sizes)} earlier ones")
    match instruction:
        case Input(size):
            if sizes:
                raise InputError("only instruction 0 may be an Input")
            return size
        case Gather(srcs, index):
            _check_index(index, 1, sum(sizes[src] for src in srcs), CONSTANT_ZERO)
            return len(index)
        case MatMul(src, weight, rows):
            return _matmul_size(sizes[src], weight, rows)
        case Scale(src, constants) | Shift(src, constants):
            if constants.shape != (sizes[src],):
                raise InputError(f"expected {counted(sizes[src], 'constant')}, got shape {constants.shape}")
            return sizes[src]
        case Add(left, right):
            if sizes[left] != sizes[right]:
                raise InputError(f"expected vectors of one size, got {sizes[left]} and {sizes[right]}")
            return sizes[left]
        case Max(src, groups):
            _check_index(groups, 2, sizes[src], NO_CANDIDATE)
            _check_groups(groups)
            return len(groups)


def _matmul_size(size: int, weight: Rationals, rows: int) -> int:
    if len(weight.shape) != 3:
        raise InputError(f"expected a weight of shape (g, m, k), got {weight.shape}")
    groups, height, width = weight.shape
    if groups * rows * width != size:
        raise InputError(f"expected {groups}*{rows}*{counted(width, 'entry', 'entries')}, got {size}")
    return groups * rows * height


def _check_index(index: IndexArray, ndim: int, size: int, low: int) -> None:
    if index.dtype != np.int64 or index.ndim != ndim:
        raise InputError(
            f"expected an int64 index of {counted(ndim, 'axis', 'axes')}, got {index.dtype} of {index.ndim}"
        )
    if index.size and not (low <= int(index.min()) and int(index.max()) < size):
        raise InputError(f"indices {int(index.min())}..{int(index.max())} do not fit {size} entries")
    index.setflags(write=False)


def _check_groups(groups: IndexArray) -> None:
    if len(groups) and (groups.shape[1] == 0 or (groups[:, 0] == NO_CANDIDATE).any()):
        raise InputError("every group needs a candidate")
    absent = groups == NO_CANDIDATE
    if (absent[:, :-1] & ~absent[:, 1:]).any():
        raise InputError("a group's padding must follow its candidates")
    ordered = np.sort(groups, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_CANDIDATE)).any():
        raise InputError("a group names one candidate twice")
