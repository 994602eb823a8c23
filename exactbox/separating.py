"""The search for a point where two programs differ: floats propose points, exact evaluation decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.polytope import exact
from exactbox.polytope.enclosed import Enclosure, enclose, enclosed_pullback, winners_at
from exactbox.polytope.gradients import gradients
from exactbox.polytope.gradients import winners_at as exact_winners_at
from exactbox.polytope.identical import Divergence
from exactbox.polytope.program import Gather, MatMul, Max, Program, Shift
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as exact_numbers

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEED = 20240229
SCALES = (1.0, 0.125, 8.0, 64.0)
"""Typical sizes of random coordinates that have no bounds."""

AIMS = 16
"""How many units whose constants differ are aimed at."""

STARTS = 4
"""Random starts of each climb towards a point where a unit is active."""

CLIMBS = 8
"""Steps of each climb."""

STRIDES = (2.0**-6, 2.0**-3, 1.0, 8.0)
"""Lengths of a step that are tried, in units of the scale."""

MIXES = (0.0, 2.0**-10, 2.0**-4, 2.0**-2, 0.5)
"""How far points that a climb found are mixed with random ones, so that no input is exactly on its bound."""

GRADIENTS = 8
"""At how many points the local classifiers are compared where the outputs agree."""

STEPPED = 24
"""Along how many inputs a step is taken there."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The box in which points are looked for, as floats of the inputs' types.

    Args:
        lower: shape (d,), -inf where there is no bound.
        upper: shape (d,), inf where there is no bound.
        kinds: element types of the inputs, as (start, stop, name); points are rounded to each in turn.
    """

    lower: Floats
    upper: Floats
    kinds: tuple[tuple[int, int, str], ...]

    def rounded(self, points: Floats) -> Floats:
        """Return points (d, b) in the inputs' types; those that rounding moves out of the box are left out."""
        out = np.clip(points, self.lower[:, None], self.upper[:, None])
        for start, stop, kind in self.kinds:
            out[start:stop] = _in_type(out[start:stop], kind)
        inside = (out >= self.lower[:, None]) & (out <= self.upper[:, None]) & np.isfinite(out)
        return out[:, inside.all(axis=0)]

    def corners(self, signs: Floats, scale: float) -> Floats:
        """Return the corner in the direction of signs (d, b); ``scale`` stands for missing bounds."""
        low = np.where(np.isfinite(self.lower), self.lower, -scale)[:, None]
        high = np.where(np.isfinite(self.upper), self.upper, scale)[:, None]
        middle = np.clip(np.zeros_like(low), low, high)
        return np.where(signs > 0, high, np.where(signs < 0, low, middle))

    def uniform(self, random: np.random.Generator, count: int, scale: float) -> Floats:
        """Return random points (d, count); coordinates without bounds are normal with this scale."""
        shape = (len(self.lower), count)
        both = (np.isfinite(self.lower) & np.isfinite(self.upper))[:, None]
        low = np.where(both, self.lower[:, None], 0.0)
        high = np.where(both, self.upper[:, None], 0.0)
        return np.where(both, _between(low, high, random.random(shape)), scale * random.standard_normal(shape))


def _between(low: Floats, high: Floats, share: Floats) -> Floats:
    """Return points of intervals, also where their length is no float."""
    return np.clip(low * (1 - share) + high * share, low, high)


def _in_type(values: Floats, kind: str) -> Floats:
    """Round floats to numbers of an element type (towards zero for bfloat16)."""
    if kind.startswith(("int", "uint")):
        return np.rint(values)
    with np.errstate(over="ignore"):
        if kind == "bfloat16":
            bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
            return bits.view(np.float32).astype(np.float64)
        return values.astype(kind).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Separated:
    """Points where the exact outputs differ.

    Args:
        points: shape (d, s), floats of the inputs' types; no columns where none was found.
        differences: shape (s,), the largest absolute difference of an output, correctly rounded.
        tried: how many points were evaluated exactly.
    """

    points: Floats
    differences: Floats
    tried: int


def separate(
    left: Program, right: Program, parting: Sequence[Divergence], reach: Reach, given: Floats, budget: int
) -> Separated:
    """Look for points where two programs of equal input and output size differ.

    Args:
        parting: where the programs differ, to aim at those units.
        given: shape (d, g), points to try as well.
        budget: how many points are evaluated at most.
    """
    tried, stays = 0, np.zeros((left.input_size, 0))
    for points in _proposals(left, parting, reach, given):
        rounded = reach.rounded(points)[:, : budget - tried]
        if rounded.shape[1]:
            tried += rounded.shape[1]
            apart = _differences(left, right, rounded)
            if (apart > 0).any():
                return Separated(rounded[:, apart > 0], apart[apart > 0], tried)
            stays = rounded[:, :GRADIENTS]
        if tried >= budget:
            break
    if stays.shape[1] and tried < budget:
        steps = reach.rounded(_steps_along_gradients(left, right, stays))
        apart = _differences(left, right, steps)
        return Separated(steps[:, apart > 0], apart[apart > 0], tried + steps.shape[1])
    return Separated(np.zeros((left.input_size, 0)), np.zeros(0), tried)


def _differences(left: Program, right: Program, points: Floats) -> Floats:
    """Return the largest exact output difference at each point, as a float that is positive where the exact one is."""
    if not points.shape[1]:
        return np.zeros(0)
    columns = exact_numbers(points)
    apart = exact.forward(left, columns) - exact.forward(right, columns)
    sizes = np.abs(apart.to_float()).max(axis=0, initial=0.0)
    nonzero = np.asarray(apart.num != 0, dtype=np.bool_).any(axis=0)
    return np.where(nonzero, np.maximum(sizes, 2.0**-1074), 0.0)


def _proposals(left: Program, parting: Sequence[Divergence], reach: Reach, given: Floats) -> Iterator[Floats]:
    """Yield batches of points (d, b): simple ones, random ones, the given ones, then points that are aimed."""
    random = np.random.default_rng(SEED)
    size = left.input_size
    for scale in SCALES:
        yield reach.uniform(random, 16, scale)
    signs = np.sign(random.standard_normal((size, 14)))
    yield np.concatenate([reach.corners(np.stack([np.ones(size), -np.ones(size)], axis=1), 1.0),
                          reach.corners(signs, 1.0), np.zeros((size, 1))], axis=1)  # fmt: skip
    for start in range(0, given.shape[1], 64):
        yield given[:, start : start + 64]
    for aim in _aims(left, parting):
        for scale in SCALES[:3]:
            found = _climb(left, aim, reach, random, scale)
            mixed = [(1 - t) * found + t * reach.uniform(random, found.shape[1], scale) for t in MIXES]
            points = np.concatenate(mixed, axis=1)
            yield points[:, _aim_values(left, aim, points).min(axis=0) > 0]
    for scale in SCALES:
        yield reach.uniform(random, 128, scale)


Aim = tuple[tuple[int, int], ...]
"""Entries (position, entry) that all are to become positive."""


def _aims(program: Program, parting: Sequence[Divergence]) -> list[Aim]:
    """Return entries to activate so that constants that differ can be seen: the unit's own, with its source's."""
    aims: list[Aim] = []
    for one in parting:
        if one.position is not None:
            for entry in one.entries[:: max(1, len(one.entries) // AIMS)]:
                aims += _aims_at(program, one.position, entry)
    return aims[:AIMS]


def _aims_at(program: Program, position: int, entry: int) -> list[Aim]:
    instruction = program.instructions[position]
    seen = _biased(program, position)
    last = len(program.instructions) - 1
    if not isinstance(instruction, MatMul):
        return [((seen, entry),)] if seen != last else []
    _, height, width = instruction.weight.shape
    group, rest = divmod(entry, height * width)
    row, column = divmod(rest, width)
    aims: list[Aim] = []
    for place in sorted({0, instruction.rows // 2, instruction.rows - 1}):
        unit = (seen, (group * instruction.rows + place) * height + row)
        source = _gate(program, instruction.src, (group * instruction.rows + place) * width + column)
        known = tuple(one for one in (source, unit if seen != last else None) if one is not None)
        aims += [known] if known else []
    return aims


def _gate(program: Program, position: int, entry: int) -> tuple[int, int] | None:
    """Return the entry that has to be positive for this one to be, looking through data movement and one maximum."""
    instruction = program.instructions[position]
    while isinstance(instruction, Gather) and entry >= 0:
        entry = int(instruction.index[entry])
        for src in instruction.srcs:
            if entry < program.sizes[src]:
                position = src
                break
            entry -= program.sizes[src]
        instruction = program.instructions[position]
    if entry < 0 or position == 0:
        return None
    if isinstance(instruction, Max):
        return instruction.src, int(instruction.groups[entry].max())
    return position, entry


def _biased(program: Program, position: int) -> int:
    """Return the position where the constants behind a product have been added."""
    for later in range(position + 1, len(program.instructions)):
        instruction = program.instructions[later]
        if isinstance(instruction, Shift) and instruction.src == position:
            return later
    return position


def _climb(program: Program, aim: Aim, reach: Reach, random: np.random.Generator, scale: float) -> Floats:
    """Return points (d, b) on the way up from random starts: at each step the best of several strides uphill.

    What grows is the smallest entry aimed at; strides go up each entry and up all of them together.
    """
    best = reach.uniform(random, STARTS, scale)
    found = [best]
    for _ in range(CLIMBS):
        slopes = _slopes(program, aim, best)
        steepest = slopes / np.maximum(np.abs(slopes).max(axis=1, keepdims=True), 2.0**-1000)
        ways = [*steepest, steepest.sum(axis=0)]
        moves = [stride * scale * way for stride in STRIDES for up in ways for way in (np.sign(up), up)]
        trials = np.stack([best, *(reach.corners(way, scale) for way in ways), *(best + move for move in moves)])
        trials = np.clip(trials, reach.lower[:, None], reach.upper[:, None])
        flat = np.concatenate(list(trials), axis=1)
        values = _aim_values(program, aim, flat).min(axis=0).reshape(len(trials), STARTS)
        best = trials[values.argmax(axis=0), :, np.arange(STARTS)].T
        found.append(best)
    return np.concatenate(found[-2:], axis=1)


def _aim_values(program: Program, aim: Aim, points: Floats) -> Floats:
    """Return the entries aimed at, in floats, shape (entries, b)."""
    values = enclose(program, points)
    return np.stack([values[position].centre[entry] for position, entry in aim])


def _slopes(program: Program, aim: Aim, points: Floats) -> Floats:
    """Return float gradients (entries, d, b) of what is aimed at, at points (d, b)."""
    winners = winners_at(program, enclose(program, points))
    slopes = np.zeros((len(aim), *points.shape))
    for column in range(points.shape[1]):
        chosen: dict[int, npt.NDArray[np.int64]] = {}
        for position, (part, _) in zip(program.max_positions, winners, strict=True):
            instruction = program.instructions[position]
            if isinstance(instruction, Max):
                chosen[position] = np.take_along_axis(instruction.groups, part[:, column : column + 1], axis=1)[:, 0]
        for i, (position, entry) in enumerate(aim):
            seed = np.zeros((program.sizes[position], 1))
            seed[entry] = 1.0
            up, _ = enclosed_pullback(program, chosen, {position: Enclosure(seed, np.zeros(seed.shape))})
            slopes[i, :, column] = up.centre[:, 0]
    return slopes


def _steps_along_gradients(left: Program, right: Program, points: Floats) -> Floats:
    """Return points beside those given, one step along each input in which the local classifiers differ."""
    columns = exact_numbers(points)
    outputs = range(left.output_size)
    found: list[Floats] = []
    sides = [_local(program, columns, outputs) for program in (left, right)]
    for i, (mine, theirs) in enumerate(zip(*sides, strict=True)):
        apart = (mine - theirs).num.astype(bool).any(axis=0)
        for coordinate in np.flatnonzero(apart)[:STEPPED].tolist():
            for step in (2.0**-10, -(2.0**-10), 0.5, -0.5):
                moved = points[:, i : i + 1].copy()
                moved[coordinate] += step
                found.append(moved)
    return np.concatenate(found, axis=1) if found else np.zeros((left.input_size, 0))


def _local(program: Program, columns: Rationals, outputs: Sequence[int]) -> list[Rationals]:
    winners = exact_winners_at(program, exact.trace(program, columns))
    maps = list(gradients(program, winners, outputs))
    return maps if winners else maps * columns.shape[1]
