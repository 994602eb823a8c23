"""What is left of a polytope's rows when duplicates, parallels and empty rows are settled by comparison alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.candidates import Candidates, Direction, Key
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import int_array
from exactbox.polytope.system import Bound, System
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
    """

    candidates: Candidates
    system: System
    rows: tuple[int, ...]
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    settled: Mapping[int, Verdict]

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
        return named

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
    for (axis, _), members in groups.items():
        first = min(members)
        if axis:
            (high if axis > 0 else low)[abs(axis) - 1] = first[1]
        else:
            rows.append(first[1])
        settled.update((p, _parallel(candidates, first, offset, p)) for offset, p in members if p != first[1])
    chosen = [candidates.by_position[position] for position in rows]
    keys = candidates.keys
    lower: tuple[Bound, ...] = tuple(-keys[p].offset if p >= 0 else None for p in low.tolist())
    upper: tuple[Bound, ...] = tuple(keys[p].offset if p >= 0 else None for p in high.tolist())
    whole = candidates.system
    system = System(whole.matrix[chosen], whole.rhs[chosen] if chosen else int_array([]), lower, upper)
    return Core(candidates, system, tuple(rows), low, high, settled)


def _constant(candidates: Candidates, position: int, key: Key) -> Free:
    if key.offset < 0:
        raise InputError(f"rows: {candidates.sources[position]} cannot be satisfied: it reads 0 <= {key.offset}")
    return Free()


def _parallel(candidates: Candidates, first: tuple[Fraction, int], offset: Fraction, position: int) -> Verdict:
    """Settle a row that is parallel to a tighter or equal one."""
    if offset == first[0]:
        return Same(first[1])
    tightest = candidates.by_position.get(first[1])
    if tightest is None:
        return Dropped({})
    return Dropped({first[1]: _length(candidates, position) / _length(candidates, first[1])})


def _length(candidates: Candidates, position: int) -> Fraction:
    """Return the first non-zero coefficient's absolute value: parallel rows are to each other as these."""
    row = candidates.by_position.get(position)
    if row is None:
        return Fraction(1)
    values = candidates.system.matrix[row]
    return Fraction(abs(int(values[np.flatnonzero(values)[0]])))
