"""Activation patterns: which candidate wins in every group of every ``Max``."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from exactbox.polytope.errors import InputError
from exactbox.polytope.program import NO_CANDIDATE, IndexArray, Max, Program


@dataclass(frozen=True, eq=False)
class Pattern:
    """The winning position within each group, one int64 array (n,) for each ``Max`` in program order.

    Patterns compare and hash by value.
    """

    winners: tuple[IndexArray, ...]

    def __post_init__(self) -> None:
        for part in self.winners:
            part.setflags(write=False)

    @functools.cached_property
    def key(self) -> bytes:
        """The pattern's value as bytes."""
        return b"|".join(part.astype(np.int32).tobytes() for part in self.winners)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def differences(self, other: Pattern) -> list[tuple[int, int]]:
        """List the (max number, group) pairs in which two patterns of one program differ."""
        return [
            (number, int(group))
            for number, (mine, theirs) in enumerate(zip(self.winners, other.winners, strict=True))
            for group in np.flatnonzero(mine != theirs)
        ]


def check_pattern(program: Program, pattern: Pattern) -> None:
    """Raise ``InputError`` unless every winner names a candidate of its group."""
    if len(pattern.winners) != len(program.max_positions):
        raise InputError(f"pattern: expected {len(program.max_positions)} parts, got {len(pattern.winners)}")
    for position, part in zip(program.max_positions, pattern.winners, strict=True):
        instruction = program.instructions[position]
        if not isinstance(instruction, Max) or part.shape != (len(instruction.groups),):
            raise InputError(f"pattern: instruction {position} has {program.sizes[position]} groups, got {part.shape}")
        width = (instruction.groups != NO_CANDIDATE).sum(axis=1)
        if ((part < 0) | (part >= width)).any():
            raise InputError(f"pattern: instruction {position} names a winner outside its group")


def winning(program: Program, pattern: Pattern) -> dict[int, IndexArray]:
    """Map each ``Max`` position to the source index of each group's winner (``CONSTANT_ZERO`` for the constant)."""
    chosen: dict[int, IndexArray] = {}
    for position, part in zip(program.max_positions, pattern.winners, strict=True):
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            chosen[position] = np.take_along_axis(instruction.groups, part[:, None], axis=1)[:, 0]
    return chosen
