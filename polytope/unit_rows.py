"""The rows of a region: ``winner - rival >= 0`` for every rival, as affine functionals of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from exactbox.polytope import exact
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.exact import Winners
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import NO_CANDIDATE, IndexArray, Max, Program
from exactbox.polytope.rational import Rationals, concatenate, zeros
from exactbox.polytope.rows import Rows, RowSource, integer_rows
from exactbox.polytope.wording import counted

CHUNK = 512
"""How many functionals are pulled back at once at most."""

ENTRIES = 1 << 21
"""How many numbers of one vector are held at once while functionals are pulled back or pushed forward."""

RESULT = 1 << 24
"""How many coefficients functionals may have altogether: at some 100 bytes each, a GiB or two."""


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

    Raises:
        BudgetError: there are more than ``RESULT`` coefficients.
    """
    check_size(len(pairs), program.input_size)
    width = program.input_size + 1
    forwards = width < len(pairs) and width * max(program.sizes) <= ENTRIES
    parts = [(zeros(0, program.input_size), zeros(0))]
    values = _affine_values(program, winners, max(p.position for p in pairs)) if forwards else []
    for position, run in groupby(pairs, key=lambda pair: pair.position):
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            won, lost = _indices(instruction, list(run))
            parts += (
                [_forward(values[instruction.src], won, lost)]
                if forwards
                else _backward(program, winners, instruction.src, won, lost)
            )
    return concatenate([part[0] for part in parts]), concatenate([part[1] for part in parts])


def output_functionals(program: Program, winners: Winners, outputs: Sequence[int]) -> tuple[Rationals, Rationals]:
    """Return some outputs as affine functionals of the input under fixed winners.

    Returns:
        gradients (k, d) and constants (k,).

    Raises:
        BudgetError: there are more than ``RESULT`` coefficients.
    """
    check_size(len(outputs), program.input_size)
    chosen = np.array(outputs, dtype=np.int64)
    parts = [(zeros(0, program.input_size), zeros(0))]
    parts += _backward(program, winners, len(program.instructions) - 1, chosen)
    return concatenate([part[0] for part in parts]), concatenate([part[1] for part in parts])


def check_size(count: int, inputs: int) -> None:
    """Raise ``BudgetError`` where so many functionals of so many inputs would not fit into memory."""
    if count * inputs > RESULT:
        raise BudgetError(
            f"{count} affine functionals of {counted(inputs, 'input')} have {count * inputs} exact coefficients; "
            f"at most {RESULT} are held in memory at once"
        )


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


def _forward(values: Rationals, won: IndexArray, lost: IndexArray) -> tuple[Rationals, Rationals]:
    difference = exact.take(values, won) - exact.take(values, lost)
    return difference[:, :-1], difference[:, -1]


def _backward(
    program: Program, winners: Winners, src: int, won: IndexArray, lost: IndexArray | None = None
) -> list[tuple[Rationals, Rationals]]:
    """Pull entries of a vector back, less others where they are given, a few at a time."""
    parts: list[tuple[Rationals, Rationals]] = []
    chunk = max(1, min(CHUNK, ENTRIES // max(program.sizes[: src + 1])))
    for start in range(0, len(won), chunk):
        end = min(start + chunk, len(won))
        cotangent = np.zeros((program.sizes[src] + 1, end - start), dtype=object)
        columns = np.arange(end - start)
        cotangent[won[start:end], columns] += 1
        if lost is not None:
            cotangent[lost[start:end], columns] -= 1
        gradients, constants = exact.pullback(program, winners, {src: Rationals(cotangent[:-1])})
        parts.append((gradients.transposed(), constants))
    return parts
