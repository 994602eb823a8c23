"""Gradients of a program's outputs at many samples at once, each under winners of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from exactbox.polytope import exact
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray, Max, Program
from exactbox.polytope.rational import Rationals, zeros

ENTRIES = 1 << 19
"""How many entries of the largest vector are held at once."""


def gradients(program: Program, winners: Mapping[int, IndexArray], outputs: Sequence[int]) -> Iterator[Rationals]:
    """Yield, sample after sample, the gradients of some outputs, shape (outputs, d), exactly.

    Args:
        winners: source index of each winner, shape (n, samples), by ``Max`` position.
        outputs: output indices.

    Raises:
        InputError: a ``Max`` has no winners.
    """
    missing = [position for position in program.max_positions if position not in winners]
    if missing:
        raise InputError(f"no winners for the Max at instruction {missing[0]}")
    samples = next((part.shape[1] for part in winners.values()), 1)
    together = max(1, ENTRIES // (max(program.sizes) * max(len(outputs), 1)))
    for start in range(0, samples, together):
        part = {position: chosen[:, start : start + together] for position, chosen in winners.items()}
        yield from _together(program, part, outputs, min(together, samples - start))


def lowest_winners(
    source: Rationals, best: Rationals, groups: IndexArray
) -> tuple[IndexArray, npt.NDArray[np.bool_]]:
    """Return the lowest winning position of each group (n, b), and by sample whether any group has several winners.

    Args:
        source: shape (size, b), what the groups choose from.
        best: shape (n, b), their exact maxima.
    """
    factor = best.den // source.den
    padded = np.concatenate([source.num, np.zeros((1, source.shape[1]), dtype=object)])
    winners = np.full(best.shape, -1, dtype=np.int64)
    count = np.zeros(best.shape, dtype=np.int64)
    for column in reversed(range(groups.shape[1])):
        entries = groups[:, column]
        wins = (padded[np.maximum(entries, CONSTANT_ZERO)] * factor == best.num).astype(np.bool_)
        wins &= (entries != NO_CANDIDATE)[:, None]
        winners[wins] = column
        count += wins
    return winners, np.asarray((count > 1).any(axis=0), dtype=np.bool_)


def winners_at(program: Program, vectors: Sequence[Rationals]) -> dict[int, IndexArray]:
    """Return the source index of each group's lowest winner, shape (n, b), by ``Max`` position.

    Args:
        vectors: every vector of the program at b points (``exact.trace``).
    """
    chosen: dict[int, IndexArray] = {}
    for position in program.max_positions:
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            winners, _ = lowest_winners(vectors[instruction.src], vectors[position], instruction.groups)
            chosen[position] = np.take_along_axis(instruction.groups, winners, axis=1)
    return chosen


def _together(
    program: Program, winners: Mapping[int, IndexArray], outputs: Sequence[int], samples: int
) -> Iterator[Rationals]:
    """One backward sweep with a column for each sample and output, sample by sample."""
    count = len(outputs)
    seed = np.zeros((program.output_size, samples * count), dtype=object)
    columns = np.arange(samples * count)
    seed[np.tile(np.asarray(outputs, dtype=np.int64), samples), columns] = 1
    last = len(program.instructions) - 1
    pending = {last: Rationals(seed)}
    for position in range(last, 0, -1):
        cotangent = pending.pop(position, None)
        if cotangent is None:
            continue
        instruction = program.instructions[position]
        if isinstance(instruction, Max):
            spread = np.repeat(winners[position], count, axis=1)
            parts = [(instruction.src, _scatter(program.sizes[instruction.src], spread, cotangent))]
        else:
            parts = exact.pull(program, position, None, cotangent)
        for src, part in parts:
            pending[src] = pending[src] + part if src in pending else part
    found = pending.get(0, zeros(program.input_size, samples * count))
    for sample in range(samples):
        yield found[:, sample * count : (sample + 1) * count].transposed()


def _scatter(size: int, index: IndexArray, values: Rationals) -> Rationals:
    """Add entry (i, j) of ``values`` (n, b) to entry ``(index[i, j], j)`` of (size, b), skipping constants."""
    batch = values.shape[1]
    flat = np.where(index < 0, index, index * batch + np.arange(batch)).ravel()
    return exact.scatter_add(size * batch, flat, values.reshape(-1, 1)).reshape(size, batch)
