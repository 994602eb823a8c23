"""What is left of a polytope's rows when duplicates, parallels and empty rows are settled by comparison alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope.candidates import Candidates, Direction, Key
from exactbox.polytope.domain import show
from exactbox.polytope.errors import InputError
from exactbox.polytope.floats import Ints
from exactbox.polytope.system import Bound, System, select
from exactbox.polytope.verdicts import Dropped, Free, Same, Verdict


@dataclass(frozen=True, eq=False)
class Core:
    """One tightest row for each outward direction; rows of one coordinate are bounds.

    Args:
        candidates: all rows.
        system: the tightest rows over the free coordinates.
        rows: the position of each row of the system.
        low: the position of each coordinate's tightest lower bound, -1 where there is none.
        high: the position of each coordinate's tightest upper bound, -1 where there is none.
        settled: the verdicts of all other positions.
        above: by position of a core row or bound, how much its right-hand side may grow until it meets the next
            parallel row: a point that violates the core row alone must satisfy that one.
    """

    candidates: Candidates
    system: System
    rows: tuple[int, ...]
    low: Ints
    high: Ints
    settled: Mapping[int, Verdict]
    above: Mapping[int, Fraction]

    def spell(self, weights: Mapping[int, Fraction], target: int) -> dict[int, Fraction]:
        """Name multipliers of core rows by position; what they leave over is absorbed where bounds are given rows.

        Args:
            weights: positive multipliers by row of the system.
            target: the position of the row that they are to imply.
        """
        scale = Fraction(1)
        bounds = self._row_bounds
        for i, _, position in bounds:
            own = self._left(weights, target, i) / self._weight(target, i) if position == target else Fraction(0)
            if 0 < own < 1:
                scale = 1 / (1 - own)
        scaled = {row: weight * scale for row, weight in weights.items() if weight}
        named = {self.rows[row]: weight for row, weight in scaled.items()}
        for i, sign, position in bounds:
            left = self._left(scaled, target, i)
            if left * sign > 0 and position != target:
                named[position] = left / self._weight(position, i)
        factor = self.candidates.factor(target)
        return {position: weight * self.candidates.factor(position) / factor for position, weight in named.items()}

    def _left(self, weights: Mapping[int, Fraction], target: int, i: int) -> Fraction:
        """Return what a combination leaves over of the target's coefficient i."""
        taken = (weight * int(self.system.matrix[row, i]) for row, weight in weights.items())
        return self._weight(target, i) - sum(taken, Fraction(0))

    @functools.cached_property
    def _row_bounds(self) -> list[tuple[int, int, int]]:
        """The coordinates (with side and position) whose tightest bound is a general row."""
        general = self.candidates.by_position
        sides = ((-1, self.low), (1, self.high))
        return [(i, sign, int(p)) for sign, side in sides for i, p in enumerate(side) if int(p) in general]

    def _weight(self, position: int, i: int) -> Fraction:
        """Return coefficient i of the row at a position."""
        row = self.candidates.by_position.get(position)
        if row is not None:
            return Fraction(self.candidates.system.matrix[row, i])
        axis = self.candidates.keys[position].axis
        return Fraction(0) if abs(axis) != i + 1 else Fraction(1 if axis > 0 else -1)


def core(candidates: Candidates) -> Core:
    """Group rows by outward direction, keep the tightest of each, and settle the others.

    Raises:
        InputError: a row that is identically zero on the affine hull cannot be satisfied.
    """
    groups: dict[tuple[int, Direction], list[tuple[Fraction, int]]] = {}
    settled: dict[int, Verdict] = {}
    for position, key in enumerate(candidates.keys):
        if key.is_zero:
            settled[position] = _constant(candidates, position, key)
        else:
            groups.setdefault((key.axis, key.direction), []).append((key.offset, position))
    size = len(candidates.low)
    low, high = np.full(size, -1, dtype=np.int64), np.full(size, -1, dtype=np.int64)
    rows: list[int] = []
    above: dict[int, Fraction] = {}
    for (axis, _), members in groups.items():
        members.sort()
        offset, first = members[0]
        if axis:
            (high if axis > 0 else low)[abs(axis) - 1] = first
        else:
            rows.append(first)
        settled.update(_parallels(candidates, members))
        looser = next((other for other, _ in members if other > offset), None)
        if looser is not None:
            above[first] = (looser - offset) * (1 if axis else _factor(candidates, first))
    return Core(candidates, _tightest(candidates, rows, low, high), tuple(rows), low, high, settled, above)


def _tightest(candidates: Candidates, rows: list[int], low: Ints, high: Ints) -> System:
    """Return the system of the rows and bounds at some positions."""
    chosen = [candidates.by_position[position] for position in rows]
    keys, whole = candidates.keys, candidates.system
    lower: tuple[Bound, ...] = tuple(-keys[p].offset if p >= 0 else None for p in low.tolist())
    upper: tuple[Bound, ...] = tuple(keys[p].offset if p >= 0 else None for p in high.tolist())
    return select(whole, chosen, range(len(low))).changed(lower=lower, upper=upper)


def _constant(candidates: Candidates, position: int, key: Key) -> Free:
    if key.offset < 0:
        raise InputError(f"rows: {candidates.sources[position]} cannot be satisfied: it reads 0 <= {show(key.offset)}")
    return Free()


def _parallels(candidates: Candidates, members: list[tuple[Fraction, int]]) -> dict[int, Verdict]:
    """Settle all rows of one direction but the tightest; the members are sorted by offset, then position."""
    tightest = members[0][1]
    found: dict[int, Verdict] = {}
    leader, level = tightest, members[0][0]
    for offset, position in members[1:]:
        if offset == level:
            found[position] = Same(leader)
            continue
        leader, level = position, offset
        share = _length(candidates, position) / _length(candidates, tightest)
        share *= candidates.factor(tightest) / candidates.factor(position)
        found[position] = Dropped({tightest: share} if tightest in candidates.by_position else {})
    return found


def _factor(candidates: Candidates, position: int) -> int:
    """Return the gcd of a row's coefficients."""
    return math.gcd(*candidates.system.matrix[candidates.by_position[position]].tolist())


def _length(candidates: Candidates, position: int) -> Fraction:
    """Return the first non-zero coefficient's absolute value: parallel rows are to each other as these."""
    row = candidates.by_position.get(position)
    if row is None:
        return Fraction(1)
    values = candidates.system.matrix[row]
    return Fraction(abs(int(values[np.flatnonzero(values)[0]])))
