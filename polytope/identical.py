"""Whether two programs are the same list of instructions, and so the same function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from exactbox.polytope.program import Add, Gather, Input, Instruction, MatMul, Max, Program, Scale, Shift, sources
from exactbox.polytope.rational import Rationals
from exactbox.polytope.wording import counted


@dataclass(frozen=True)
class Divergence:
    """Where two programs part.

    Args:
        position: of the instruction; None where the lists differ in length only.
        text: what differs, in words.
        entries: indices into the constants (flattened) that differ, where the instructions differ in constants only.
    """

    position: int | None
    text: str
    entries: tuple[int, ...] = ()


def divergences(left: Program, right: Program) -> Iterator[Divergence]:
    """Yield where two programs differ as functions, in order; nothing where they are the same list of instructions.

    Names, shapes of inputs and outputs, heads and provenance take no part. The first difference in kind, size, sources
    or indices ends the list: what follows reads other vectors.

    >>> from exactbox.polytope.program import Port
    >>> from exactbox.polytope.rational import exact
    >>> one, other = (Program((Port("x", (1,)),), (Input(1), Scale(0, exact([s]))), Port("y", (1,))) for s in (2, 3))
    >>> list(divergences(one, one)), [d.text for d in divergences(one, other)]
    ([], ['instruction 1 (Scale): 1 of 1 constants differ'])
    """
    for position, (one, other) in enumerate(zip(left.instructions, right.instructions, strict=False)):
        name = type(one).__name__
        if not _same_structure(one, other) or left.sizes[position] != right.sizes[position]:
            text = f"instruction {position}: {_words(left, position)}, and {_words(right, position)}"
            yield Divergence(position, text)
            return
        mine, theirs = _constants(one), _constants(other)
        if mine is None or theirs is None:
            continue
        apart = np.flatnonzero(((mine.num * theirs.den) != (theirs.num * mine.den)).ravel())
        if len(apart):
            text = f"instruction {position} ({name}): {len(apart)} of {mine.size} constants differ"
            yield Divergence(position, text, tuple(int(i) for i in apart))
    if len(left.instructions) != len(right.instructions):
        yield Divergence(None, f"{counted(len(left.instructions), 'instruction')}, and {len(right.instructions)}")


def _same_structure(one: Instruction, other: Instruction) -> bool:
    if type(one) is not type(other) or sources(one) != sources(other):
        return False
    match one, other:
        case (Gather(_, first), Gather(_, second)) | (Max(_, first), Max(_, second)):
            return np.array_equal(first, second)
        case MatMul(_, weight, rows), MatMul(_, weights, others):
            return weight.shape == weights.shape and rows == others
        case _:
            return True


def _constants(instruction: Instruction) -> Rationals | None:
    match instruction:
        case MatMul(_, values, _) | Scale(_, values) | Shift(_, values):
            return values
        case Input() | Gather() | Add() | Max():
            return None


def _words(program: Program, position: int) -> str:
    instruction = program.instructions[position]
    read = ", ".join(str(src) for src in sources(instruction))
    return (
        f"a {type(instruction).__name__} of {counted(program.sizes[position], 'entry', 'entries')} reading "
        f"{read or 'nothing'}"
    )
