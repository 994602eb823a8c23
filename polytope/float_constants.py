"""The constants of instructions as floats, and whether they had to be rounded."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Instruction, MatMul, Program, Scale, Shift
from exactbox.polytope.rational import Rationals

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Constants:
    """The constants of one instruction as floats; ``inexact`` is 1 where one of them had to be rounded, else 0."""

    values: FloatArray
    inexact: int


_CACHE: WeakKeyDictionary[Program, dict[int, Constants]] = WeakKeyDictionary()


def constants(program: Program, position: int) -> Constants:
    """Return an instruction's constants as floats, converted once for each program."""
    known = _CACHE.setdefault(program, {})
    if position not in known:
        known[position] = _to_floats(_exact_constants(program.instructions[position]))
    return known[position]


def _exact_constants(instruction: Instruction) -> Rationals:
    match instruction:
        case MatMul(_, weight, _):
            return weight
        case Scale(_, factor):
            return factor
        case Shift(_, offset):
            return offset
        case _:
            raise InputError(f"a {type(instruction).__name__} has no constants")


def _to_floats(values: Rationals) -> Constants:
    """Convert exactly where numerators fit 53 bits over a power of two, else to the nearest float."""
    den = values.den
    if den & (den - 1) == 0 and den.bit_length() < 1000:
        floats = np.asarray(values.num, dtype=np.float64) if _fits(values) else None
        if floats is not None:
            return Constants(np.ldexp(floats, 1 - den.bit_length()), 0)
    return Constants(values.to_float(), 1)


def _fits(values: Rationals) -> bool:
    flat = values.num.ravel().tolist()
    return not flat or max(max(flat), -min(flat)) < 1 << 53
