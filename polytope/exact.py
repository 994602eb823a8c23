"""The exact interpreter: forward passes and vector-Jacobian products in rational arithmetic.

Vectors carry a trailing batch axis: a ``Rationals`` of shape (n, b) holds b vectors of n entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import mul

import numpy as np

from exactbox.polytope import linalg
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import (
    NO_CANDIDATE,
    Add,
    Gather,
    IndexArray,
    Input,
    Instruction,
    MatMul,
    Max,
    Program,
    Scale,
    Shift,
)
from exactbox.polytope.rational import IntArray, Rationals, concatenate, int_array, zeros

Winners = Mapping[int, IndexArray]
Vectors = Mapping[int, Rationals] | Sequence[Rationals]
"""Earlier vectors by position."""


def forward(program: Program, points: Rationals) -> Rationals:
    """Evaluate the program at a batch of points, exactly.

    Args:
        points: shape (d, b).

    Returns:
        shape (outputs, b).
    """
    _check_points(program, points)
    values: dict[int, Rationals] = {}
    for position, instruction in live(program, values):
        if isinstance(instruction, Max):
            values[position] = maximum(values[instruction.src], instruction.groups)
        else:
            values[position] = linear_step(instruction, values, points)
    return values[len(program.instructions) - 1]


def live(program: Program, values: dict[int, Rationals]) -> Iterator[tuple[int, Instruction]]:
    """Yield each position and instruction; the caller adds its vector to the values, which keep what is still read."""
    for position, instruction in enumerate(program.instructions):
        yield position, instruction
        for spent in program.spent[position]:
            del values[spent]


def trace(program: Program, points: Rationals) -> list[Rationals]:
    """Return the vector of every instruction at a batch of points (d, b), exactly."""
    _check_points(program, points)
    values: list[Rationals] = []
    for instruction in program.instructions:
        if isinstance(instruction, Max):
            values.append(maximum(values[instruction.src], instruction.groups))
        else:
            values.append(linear_step(instruction, values, points))
    return values


def affine_trace(program: Program, winners: Winners, columns: Rationals, until: int | None = None) -> list[Rationals]:
    """Push directions and one point through the affine program that fixed winners make.

    Args:
        winners: source index of each winner, by ``Max`` position (see ``pattern.winning``).
        columns: shape (d, b): b - 1 directions (constants are left out: Jacobian-vector products), then a point.
        until: stop before this instruction.

    Returns:
        every vector, shape (size, b).
    """
    _check_points(program, columns)
    values: list[Rationals] = []
    for position, instruction in enumerate(program.instructions[:until]):
        values.append(affine_step(instruction, values, columns, winners.get(position)))
    return values


def affine_forward(program: Program, winners: Winners, columns: Rationals) -> Rationals:
    """Return the last vector of ``affine_trace``, shape (outputs, b)."""
    _check_points(program, columns)
    values: dict[int, Rationals] = {}
    for position, instruction in live(program, values):
        values[position] = affine_step(instruction, values, columns, winners.get(position))
    return values[len(program.instructions) - 1]


def affine_step(
    instruction: Instruction, values: Vectors, columns: Rationals, winners: IndexArray | None
) -> Rationals:
    """Evaluate one instruction of the affine program on earlier vectors; a ``Max`` needs its winners."""
    if isinstance(instruction, Max) and winners is not None:
        return take(values[instruction.src], winners)
    if isinstance(instruction, Shift):
        return shift_last(values[instruction.src], instruction.offset)
    return linear_step(instruction, values, columns)


def shift_last(source: Rationals, offset: Rationals) -> Rationals:
    """Add constants (n,) to the last column of (n, b) only: directions have none."""
    den = math.lcm(source.den, offset.den)
    num = source.over(den).copy()
    num[:, -1] += offset.over(den)
    return Rationals(num, den)


def pullback(program: Program, winners: Winners, cotangents: Mapping[int, Rationals]) -> tuple[Rationals, Rationals]:
    """Express linear functionals of the vectors as affine functionals of the input, under fixed winners.

    Args:
        winners: source index of each winner, by ``Max`` position.
        cotangents: by position, shape (size of that vector, b): the functional is the sum over positions.

    Returns:
        gradients (d, b) and constants (b,): the functional's value at y is ``gradient . y + constant``.
    """
    pending = dict(cotangents)
    batch = next(iter(cotangents.values())).shape[1]
    constant = zeros(batch)
    for position in range(max(pending), 0, -1):
        cotangent = pending.pop(position, None)
        if cotangent is None:
            continue
        instruction = program.instructions[position]
        if isinstance(instruction, Shift):
            used = np.flatnonzero((cotangent.num != 0).any(axis=1))
            offset = instruction.offset.num[used].tolist()
            shifted = int_array(sum(map(mul, offset, column)) for column in cotangent.num[used].T.tolist())
            constant = constant + Rationals(shifted, cotangent.den * instruction.offset.den)
        for src, part in pull(program, position, winners.get(position), cotangent):
            pending[src] = pending[src] + part if src in pending else part
    return pending.get(0, zeros(program.input_size, batch)), constant


def take(source: Rationals, index: IndexArray) -> Rationals:
    """Select rows of (n, b) by index, with 0 for the constant's index."""
    if not len(source):
        return zeros(len(index), *source.shape[1:])
    num = source.num[np.maximum(index, 0)]
    num[index < 0] = 0
    return Rationals(num, source.den)


def scatter_add(size: int, index: IndexArray, values: Rationals) -> Rationals:
    """Return the transpose of ``take``: row i of ``values`` (n, b) is added to row ``index[i]`` of (size, b)."""
    out = np.empty((size, values.shape[1]), dtype=object)
    out[...] = 0
    kept = np.flatnonzero(index >= 0)
    order = kept[np.argsort(index[kept], kind="stable")]
    if len(order):
        targets = index[order]
        starts = np.flatnonzero(np.r_[True, targets[1:] != targets[:-1]])
        rows = values.num[order]
        out[targets[starts]] = rows if len(starts) == len(rows) else np.add.reduceat(rows, starts, axis=0)
    return Rationals(out, values.den)


def linear_step(instruction: Instruction, values: Vectors, points: Rationals) -> Rationals:
    """Evaluate one instruction other than ``Max`` on earlier vectors; ``points`` is the input batch."""
    match instruction:
        case Input():
            return points
        case Gather(srcs, index):
            return take(values[srcs[0]] if len(srcs) == 1 else concatenate([values[src] for src in srcs]), index)
        case MatMul(src, weight, rows):
            return _multiply(instruction.matrices, weight.den, rows, values[src])
        case Scale(src, factor):
            return values[src] * factor.reshape(-1, 1)
        case Shift(src, offset):
            return values[src] + offset.reshape(-1, 1)
        case Add(left, right):
            return values[left] + values[right]
        case Max():
            raise InputError("a Max is not linear: its winners must be fixed first")


def _check_points(program: Program, points: Rationals) -> None:
    if len(points.shape) != 2 or points.shape[0] != program.input_size:
        raise InputError(f"expected points of shape ({program.input_size}, b), got {points.shape}")


def maximum(source: Rationals, groups: IndexArray) -> Rationals:
    """Return the largest candidate of each group of a vector (n, b)."""
    best = take(source, groups[:, 0])
    for column in range(1, groups.shape[1]):
        candidate = take(source, groups[:, column]).num
        absent = (groups[:, column] == NO_CANDIDATE)[:, None]
        best = Rationals(np.where(absent, best.num, np.maximum(best.num, candidate)), best.den)
    return best


def _multiply(matrices: Sequence[linalg.IntMatrix], den: int, rows: int, source: Rationals) -> Rationals:
    """Apply one matrix a group to (g*p*k, b), giving (g*p*m, b)."""
    batch = source.shape[1]
    blocks = source.num.reshape(len(matrices), rows, -1, batch)
    parts: list[IntArray] = []
    for matrix, block in zip(matrices, blocks, strict=True):
        columns = block.transpose(1, 0, 2).reshape(-1, rows * batch)
        image = matrix.times(columns)
        parts.append(image.reshape(-1, rows, batch).transpose(1, 0, 2).reshape(-1, batch))
    return Rationals(np.concatenate(parts), source.den * den)


def pull(
    program: Program, position: int, winners: IndexArray | None, cotangent: Rationals
) -> list[tuple[int, Rationals]]:
    """Return the cotangents that one instruction hands to its sources; a ``Max`` needs its winners' source indices."""
    instruction = program.instructions[position]
    match instruction:
        case Input():
            return []
        case Gather(srcs, index):
            sizes = [program.sizes[src] for src in srcs]
            whole = scatter_add(sum(sizes), index, cotangent)
            ends = np.cumsum([0, *sizes])
            return [(src, whole[ends[i] : ends[i + 1]]) for i, src in enumerate(srcs)]
        case MatMul(src, weight, rows):
            transposed = [matrix.transposed for matrix in instruction.matrices]
            return [(src, _multiply(transposed, weight.den, rows, cotangent))]
        case Scale(src, factor):
            return [(src, cotangent * factor.reshape(-1, 1))]
        case Shift(src, _):
            return [(src, cotangent)]
        case Add(left, right):
            return [(left, cotangent), (right, cotangent)]
        case Max(src, _):
            if winners is None:
                raise InputError(f"no winners for the Max at instruction {position}")
            return [(src, scatter_add(program.sizes[src], winners, cotangent))]
