"""The pattern at a point: ties are decided symbolically, by an infinitesimal step into the domain.

At ``x + eps*v`` with eps -> 0+, every vector of the program is ``value + eps * derivative`` under the winners chosen so
far, so a ``Max`` compares (value, derivative) pairs lexicographically. A pair that ties in both must be identically
tied on the affine hull of the domain (a *free* unit); otherwise the direction was unlucky and the next one is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope import exact
from exactbox.polytope.certain import certain_winners
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray, Max, Program
from exactbox.polytope.rational import IntArray, Rationals, from_fractions, int_array
from exactbox.polytope.source_names import CONSTANT, BoolArray, source_names
from exactbox.polytope.unit_rows import ENTRIES, Pair, pair_functionals

DIRECTION_TRIES = 24
"""How many directions are tried; each has a probability of at most ties / 2**15 of being unlucky."""

FEW = 1 << 8
"""So few numbers are computed faster exactly than enclosed."""


@dataclass(frozen=True, eq=False)
class Ties:
    """Rivals that tie with the winners of the ``Max`` at instruction ``position``, number ``number`` of its kind.

    Args:
        groups: shape (t,), the group of each.
        rivals: shape (t,), the position of each within its group.
    """

    position: int
    number: int
    groups: IndexArray
    rivals: IndexArray

    def pairs(self, pattern: Pattern, chosen: Iterable[int]) -> Iterator[Pair]:
        """Yield some of them with the winners of a pattern."""
        winners = pattern.winners[self.number]
        for i in chosen:
            group = int(self.groups[i])
            yield Pair(self.position, group, int(winners[group]), int(self.rivals[i]))


@dataclass(frozen=True, eq=False)
class LocalPattern:
    """A pattern whose region contains ``x`` and ``x + step`` with ``step`` pointing into its interior.

    Args:
        pattern: the winners, each the lowest position among identical candidates.
        step: shape (d,); zero where x itself is strictly inside everything.
        ties: the rivals that are identically tied with their winners on the domain's affine hull.
    """

    pattern: Pattern
    step: Rationals
    ties: tuple[Ties, ...] = ()

    @property
    def free(self) -> tuple[Pair, ...]:
        """The pairs that are identically tied on the domain's affine hull."""
        return tuple(pair for tied in self.ties for pair in tied.pairs(self.pattern, range(len(tied.groups))))


def pattern_at(program: Program, point: Rationals, domain: Domain) -> LocalPattern:
    """Find the pattern of a full-dimensional region that contains ``point`` (d,), a point of the domain.

    Raises:
        BudgetError: every direction of the sequence was unlucky.
    """
    tied = strict_pattern(program, point)
    if tied is not None and domain.strictly_contains(point):
        return LocalPattern(tied, point.scaled(0))
    for direction in directions(domain, point):
        found = directed_pattern(program, point, direction, domain)
        if found is not None:
            return found
    raise BudgetError(f"no lucky direction among {DIRECTION_TRIES}: the pattern at the point is undecided")


def directed_pattern(program: Program, point: Rationals, direction: Rationals, domain: Domain) -> LocalPattern | None:
    """Find the pattern at ``point + eps*direction``, or None where the direction runs inside a boundary.

    Args:
        point: shape (d,), in the domain.
        direction: shape (d,), such that ``point + direction`` is in the domain's relative interior.
    """
    den = math.lcm(point.den, direction.den)
    columns = np.stack([direction.over(den), point.over(den)], axis=1)
    scan = _scan(program, Rationals(columns, den))
    pattern = Pattern(tuple(scan.winners))
    if not _identical(program, pattern, scan, domain):
        return None
    return LocalPattern(pattern, direction.scaled(Fraction(1, 1 << scan.halvings)), tuple(scan.ties))


def _identical(program: Program, pattern: Pattern, scan: _Scan, domain: Domain) -> bool:
    """Say whether all pairs that tie in value and derivative are tied everywhere on the domain's affine hull.

    Most are so by their sources alone; the others' functionals are computed, a few at a time.
    """
    names = source_names(program, scan.chosen, domain.fixed) if scan.ties else {}
    size = max(1, ENTRIES // max(program.input_size, 1))
    for tied in scan.ties:
        alike = _same_names(program, tied, scan.chosen[tied.position], names[tied.position])
        pairs = list(tied.pairs(pattern, np.flatnonzero(~alike).tolist()))
        for start in range(0, len(pairs), size):
            gradients, constants = pair_functionals(program, scan.chosen, pairs[start : start + size])
            reduced, rest = domain.reduce(gradients, constants)
            if np.any(reduced.num) or np.any(rest.num):
                return False
    return True


def _same_names(program: Program, tied: Ties, chosen: IndexArray, names: IndexArray) -> BoolArray:
    """Say which ties are between entries of one name, which at a point where they agree are the same function."""
    instruction = program.instructions[tied.position]
    groups = instruction.groups if isinstance(instruction, Max) else np.zeros((0, 1), dtype=np.int64)
    named = np.append(names, CONSTANT)
    ends = (groups[tied.groups, tied.rivals], chosen[tied.groups])
    return np.asarray(named[ends[0]] == named[ends[1]])


def directions(domain: Domain, point: Rationals) -> Iterator[Rationals]:
    """Yield the documented sequence of directions from a point (d,) to points of the domain's relative interior.

    Direction number t ends in ``w + s*r``: w the domain's witness, r pseudo-random integers below 2**15 from
    SplitMix64 (Steele, Lea and Flood, 2014) seeded with t, scaled with the widths of finite bounds and completed on the
    affine hull, s the largest power of two that stays inside.
    """
    for attempt in range(DIRECTION_TRIES):
        yield domain.witness + _inner_step(domain, attempt) - point


@dataclass(frozen=True, eq=False)
class _Scan:
    winners: list[IndexArray]
    chosen: dict[int, IndexArray]
    ties: list[Ties]
    halvings: int


def _scan(program: Program, columns: Rationals) -> _Scan:
    """Run the program on (derivative, value) columns (d, 2), choosing winners lexicographically."""
    winners: list[IndexArray] = []
    chosen: dict[int, IndexArray] = {}
    ties: list[Ties] = []
    halvings = 0
    values: dict[int, Rationals] = {}
    for position, instruction in exact.live(program, values):
        if isinstance(instruction, Max):
            part, tied, need = _lexicographic(values[instruction.src].num, instruction.groups)
            ties += [Ties(position, len(winners), *tied)] if len(tied[0]) else []
            halvings = max(halvings, need)
            winners.append(part)
            chosen[position] = np.take_along_axis(instruction.groups, part[:, None], axis=1)[:, 0]
        values[position] = exact.affine_step(instruction, values, columns, chosen.get(position))
    return _Scan(winners, chosen, ties, halvings)


def _lexicographic(source: IntArray, groups: IndexArray) -> tuple[IndexArray, tuple[IndexArray, IndexArray], int]:
    """Choose the lexicographic winner of each group.

    Returns:
        winners (n,), the groups and rivals that tie with the winner in value and derivative, and how often the step
        must be halved so that every strict comparison holds at its end.
    """
    padded = np.concatenate([source, np.zeros((1, 2), dtype=object)])
    entries = np.maximum(groups, CONSTANT_ZERO)
    best = padded[entries[:, 0]].copy()
    winners = np.zeros(len(groups), dtype=np.int64)
    for column in range(1, groups.shape[1]):
        slope, value = padded[entries[:, column]].T
        wins = (value > best[:, 1]) | ((value == best[:, 1]) & (slope > best[:, 0]))
        wins &= groups[:, column] != NO_CANDIDATE
        best[wins] = padded[entries[wins, column]]
        winners[wins] = column
    tied: list[IndexArray] = []
    halvings = 0
    for column in range(groups.shape[1]):
        rivals = np.flatnonzero((groups[:, column] != NO_CANDIDATE) & (winners != column))
        slope, margin = (best[rivals] - padded[entries[rivals, column]]).T
        equal = rivals[np.flatnonzero((margin == 0) & (slope == 0))]
        tied.append(np.stack([equal, np.full(len(equal), column)]))
        halvings = max(halvings, _halvings(margin, slope))
    together = np.concatenate(tied, axis=1) if tied else np.zeros((2, 0), dtype=np.int64)
    return winners, (together[0], together[1]), halvings


def _halvings(margin: IntArray, slope: IntArray) -> int:
    """Return k such that ``margin + slope / 2**k > 0`` wherever the margin is positive."""
    falling = np.flatnonzero((slope < 0) & (margin > 0))
    pairs = zip(margin[falling].tolist(), slope[falling].tolist(), strict=True)
    return max((max(0, (-s).bit_length() - m.bit_length() + 1) for m, s in pairs), default=0)


def strict_pattern(program: Program, point: Rationals) -> Pattern | None:
    """Return the pattern at a point where no group has a tie, else None."""
    certain = certain_winners(program, point) if sum(program.sizes) > FEW else None
    if certain is not None:
        return Pattern(tuple(certain))
    column = point.reshape(-1, 1)
    winners: list[IndexArray] = []
    values: dict[int, Rationals] = {}
    for position, instruction in exact.live(program, values):
        if not isinstance(instruction, Max):
            values[position] = exact.linear_step(instruction, values, column)
            continue
        values[position] = exact.maximum(values[instruction.src], instruction.groups)
        source = np.concatenate([values[instruction.src].num[:, 0], int_array([0])])
        matches = source[np.maximum(instruction.groups, CONSTANT_ZERO)] == values[position].num
        matches = matches.astype(np.bool_) & (instruction.groups != NO_CANDIDATE)
        if (matches.sum(axis=1) != 1).any():
            return None
        winners.append(matches.argmax(axis=1).astype(np.int64))
        if len(winners) == len(program.max_positions):
            break
    return Pattern(tuple(winners))


def _inner_step(domain: Domain, attempt: int) -> Rationals:
    """Return s*r of ``directions``: a step (d,) from the domain's witness that stays in the relative interior."""
    step = _on_hull(domain, _random_step(domain, attempt))
    halvings = 0
    if len(domain.rows):
        slack = domain.rows.slack(domain.witness)
        change = domain.rows.matrix.dot(step.num)
        halvings = _halvings(slack.num * step.den, -change * slack.den)
    bounds = zip(domain.lower, domain.upper, domain.witness.fractions(), step.fractions(), strict=True)
    for low, high, value, move in bounds:
        wall = low if move < 0 else high
        if wall is not None and move != 0:
            while abs(move) >= abs(wall - value) * (1 << halvings):
                halvings += 1
    return step.scaled(Fraction(1, 1 << halvings))


def _random_step(domain: Domain, attempt: int) -> list[Fraction]:
    """Return one pseudo-random nonzero entry a coordinate, below half the width where the width is finite."""
    state = attempt * domain.size
    entries: list[Fraction] = []
    for i, (low, high) in enumerate(zip(domain.lower, domain.upper, strict=True)):
        width = high - low if low is not None and high is not None else Fraction(1 << 16)
        entries.append(width * (_split_mix(state + i + 1) % (1 << 16) * 2 + 1 - (1 << 16)) / (1 << 17))
    return entries


def _on_hull(domain: Domain, step: list[Fraction]) -> Rationals:
    """Complete the free entries of a step to a direction of the domain's affine hull."""
    for equation, pivot in enumerate(domain.pivots):
        coefficients = domain.equalities[equation].fractions()
        step[pivot] = -sum((coefficients[i] * step[i] for i in domain.free if coefficients[i]), Fraction(0))
    return from_fractions(step)


def _split_mix(seed: int) -> int:
    """Return the SplitMix64 output for one 64-bit state."""
    mask = (1 << 64) - 1
    z = seed * 0x9E3779B97F4A7C15 & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)
