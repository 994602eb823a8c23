"""The rows of a region: ``winner - rival >= 0`` for every rival, as affine functionals of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from exactbox.polytope import exact
from exactbox.polytope.domain import Domain
from exactbox.polytope.exact import Winners
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import NO_CANDIDATE, IndexArray, Max, Program
from exactbox.polytope.rational import Rationals, concatenate, zeros
from exactbox.polytope.rows import Rows, RowSource, integer_rows

CHUNK = 512
"""How many functionals are pulled back at once."""


@dataclass(frozen=True, order=True)
class Pair:
    """Winner and rival, as positions within group ``group`` of the ``Max`` at instruction ``position``."""

    position: int
    group: int
    winner: int
    rival: int


def all_pairs(program: Program, pattern: Pattern) -> list[Pair]:
    """List every (winner, rival) pair in program order, rivals ascending."""
    pairs: list[Pair] = []
    for position, winners in zip(program.max_positions, pattern.winners, strict=True):
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            present = instruction.groups != NO_CANDIDATE
            present[np.arange(len(winners)), winners] = False
            groups, rivals = np.nonzero(present)
            chosen = winners[groups]
            columns = zip(groups.tolist(), chosen.tolist(), rivals.tolist(), strict=True)
            pairs += [Pair(position, group, winner, rival) for group, winner, rival in columns]
    return pairs


def unit_rows(program: Program, pattern: Pattern, domain: Domain, pairs: Sequence[Pair] | None = None) -> Rows:
    """Return the rows ``rival - winner <= 0`` of a pattern, reduced modulo the domain's equations.

    Args:
        pairs: which rows, in program order; all by default.
    """
    wanted = all_pairs(program, pattern) if pairs is None else list(pairs)
    gradients, constants = pair_functionals(program, winning(program, pattern), wanted)
    reduced, rest = domain.reduce(gradients, constants)
    sources = tuple(RowSource("unit", pair.position, pair.group, pair.rival) for pair in wanted)
    return integer_rows(-reduced, rest, sources)


def pair_functionals(program: Program, winners: Winners, pairs: Sequence[Pair]) -> tuple[Rationals, Rationals]:
    """Return ``winner - rival`` as affine functionals of the input under fixed winners.

    Args:
        winners: source index of each winner, by ``Max`` position.
        pairs: p pairs, those of one ``Max`` next to each other.

    Returns:
        gradients (p, d) and constants (p,).
    """
    forwards = program.input_size + 1 < len(pairs)
    parts = [(zeros(0, program.input_size), zeros(0))]
    values = _affine_values(program, winners, max(p.position for p in pairs)) if forwards else []
    for position, run in groupby(pairs, key=lambda pair: pair.position):
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            index = _indices(instruction, list(run))
            parts += (
                [_forward(values[instruction.src], index)]
                if forwards
                else _backward(program, winners, instruction.src, index)
            )
    return concatenate([part[0] for part in parts]), concatenate([part[1] for part in parts])


def _affine_values(program: Program, winners: Winners, until: int) -> list[Rationals]:
    """Return every vector as (size, d+1): its Jacobian, and its value at the origin in the last column."""
    size = program.input_size
    identity = np.zeros((size, size + 1), dtype=object)
    identity[np.arange(size), np.arange(size)] = 1
    return exact.affine_trace(program, winners, Rationals(identity), until)


def _indices(instruction: Max, pairs: list[Pair]) -> tuple[IndexArray, IndexArray]:
    groups = np.array([pair.group for pair in pairs], dtype=np.int64)
    ends = ([pair.winner for pair in pairs], [pair.rival for pair in pairs])
    return instruction.groups[groups, ends[0]], instruction.groups[groups, ends[1]]


def _forward(values: Rationals, index: tuple[IndexArray, IndexArray]) -> tuple[Rationals, Rationals]:
    difference = exact.take(values, index[0]) - exact.take(values, index[1])
    return difference[:, :-1], difference[:, -1]


def _backward(
    program: Program, winners: Winners, src: int, index: tuple[IndexArray, IndexArray]
) -> list[tuple[Rationals, Rationals]]:
    parts: list[tuple[Rationals, Rationals]] = []
    for start in range(0, len(index[0]), CHUNK):
        won, lost = index[0][start : start + CHUNK], index[1][start : start + CHUNK]
        cotangent = np.zeros((program.sizes[src] + 1, len(won)), dtype=object)
        columns = np.arange(len(won))
        cotangent[won, columns] += 1
        cotangent[lost, columns] -= 1
        gradients, constants = exact.pullback(program, winners, {src: Rationals(cotangent[:-1])})
        parts.append((gradients.transposed(), constants))
    return parts
