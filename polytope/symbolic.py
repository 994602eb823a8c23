"""The symbolic interpreter: small programs and their regions as sympy expressions.

It shares no arithmetic with the exact interpreter, so that tests can use it as a third opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import sympy

from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Program,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals
from exactbox.polytope.wording import counted

MAX_UNITS = 64
"""The largest number of ``Max`` groups that is unfolded into one expression."""

Vector = list[Any]


def variables(program: Program) -> list[Any]:
    """Return one real sympy symbol for each input coordinate: x0, x1, ..."""
    return list(sympy.symbols(f"x0:{program.input_size}", real=True))


def forward(program: Program, inputs: Sequence[Any]) -> Vector:
    """Return the outputs as expressions in ``Max`` of d inputs (symbols or numbers), exactly.

    Raises:
        InputError: the program has more than ``MAX_UNITS`` groups and an input is symbolic.
    """
    symbolic = any(sympy.sympify(value).free_symbols for value in inputs)
    if symbolic and program.unit_count > MAX_UNITS:
        raise InputError(f"symbolic: expected at most {MAX_UNITS} units, the program has {program.unit_count}")
    return _run(program, inputs, lambda _, instruction, source: _maxima(source, instruction))[-1]


def affine(program: Program, pattern: Pattern, inputs: Sequence[Any]) -> Vector:
    """Return the outputs as affine expressions of d inputs under a fixed pattern."""
    return _pattern_run(program, pattern, inputs)[-1]


def margins(program: Program, pattern: Pattern, inputs: Sequence[Any]) -> Vector:
    """Return ``winner - rival`` for every rival, in program order, as affine expressions under a fixed pattern."""
    values = _pattern_run(program, pattern, inputs)
    found: Vector = []
    for position, part in zip(program.max_positions, pattern.winners, strict=True):
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            source = values[instruction.src]
            for group, winner in zip(instruction.groups.tolist(), part.tolist(), strict=True):
                rivals = [j for i, j in enumerate(group) if i != winner and j != NO_CANDIDATE]
                found += [sympy.expand(_entry(source, group[winner]) - _entry(source, j)) for j in rivals]
    return found


def inequalities(program: Program, pattern: Pattern) -> Vector:
    """Return the region of a pattern in R^d: the distinct relations ``margin >= 0``, free units left out."""
    relations = [margin >= 0 for margin in margins(program, pattern, variables(program))]
    return list(dict.fromkeys(relation for relation in relations if relation is not sympy.true))


def piecewise(program: Program, patterns: Sequence[Pattern], output: int = 0) -> Any:
    """Return one output as a ``Piecewise`` over the regions of the given patterns."""
    inputs = variables(program)
    cases = [
        (affine(program, pattern, inputs)[output], sympy.And(*inequalities(program, pattern))) for pattern in patterns
    ]
    return sympy.Piecewise(*cases)


def rational(value: Fraction) -> Any:
    """Convert a fraction to sympy."""
    return sympy.Rational(value.numerator, value.denominator)


def _pattern_run(program: Program, pattern: Pattern, inputs: Sequence[Any]) -> list[Vector]:
    chosen = winning(program, pattern)
    return _run(program, inputs, lambda i, _, source: [_entry(source, j) for j in chosen[i].tolist()])


def _run(program: Program, inputs: Sequence[Any], maximum: Callable[[int, Max, Vector], Vector]) -> list[Vector]:
    if len(inputs) != program.input_size:
        raise InputError(f"expected {counted(program.input_size, 'input')}, got {len(inputs)}")
    values: list[Vector] = []
    for position, instruction in enumerate(program.instructions):
        if isinstance(instruction, Max):
            values.append(maximum(position, instruction, values[instruction.src]))
        else:
            values.append([sympy.expand(value) for value in _linear(instruction, values, inputs)])
    return values


def _linear(instruction: Instruction, values: list[Vector], inputs: Sequence[Any]) -> Vector:
    match instruction:
        case Input():
            return list(inputs)
        case Gather(srcs, index):
            joined = [value for src in srcs for value in values[src]]
            return [_entry(joined, i) for i in index.tolist()]
        case MatMul(src, weight, rows):
            return _matmul(values[src], weight, rows)
        case Scale(src, factor):
            return [rational(f) * v for f, v in zip(factor.fractions(), values[src], strict=True)]
        case Shift(src, offset):
            return [v + rational(c) for c, v in zip(offset.fractions(), values[src], strict=True)]
        case Add(left, right):
            return [a + b for a, b in zip(values[left], values[right], strict=True)]
        case Max():
            raise InputError("a Max is not linear: its winners must be fixed first")


def _matmul(source: Vector, weight: Rationals, rows: int) -> Vector:
    groups, height, width = weight.shape
    out: Vector = []
    for g in range(groups):
        matrix = [[rational(v) for v in weight[g, m].fractions()] for m in range(height)]
        for p in range(rows):
            start = (g * rows + p) * width
            part = source[start : start + width]
            out += [sum((a * b for a, b in zip(row, part, strict=True)), sympy.S.Zero) for row in matrix]
    return out


def _maxima(source: Vector, instruction: Max) -> Vector:
    return [
        sympy.Max(*(_entry(source, j) for j in group if j != NO_CANDIDATE)) for group in instruction.groups.tolist()
    ]


def _entry(source: Vector, index: int) -> Any:
    return sympy.S.Zero if index == CONSTANT_ZERO else source[index]
