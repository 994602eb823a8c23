"""The exact judge of evidence on rows; it knows nothing of the search that found it.

A row that is no facet is implied by the rest (Farkas, Theorie der einfachen Ungleichungen, 1902); residuals are
absorbed by bounds as in Neumaier and Shcherbina, Safe bounds in linear and mixed-integer linear programming, 2004.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope import linalg
from exactbox.polytope.candidates import Candidates, candidates
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import IntArray, Rationals, from_fractions, int_array
from exactbox.polytope.system import Mask
from exactbox.polytope.verdicts import Dropped, Free, Kept, Minimal, Open, Same, Verdict

Step = Mapping[int, Fraction]
Multipliers = Mapping[int, Fraction]


@dataclass(frozen=True, eq=False)
class Judge:
    """Decides exactly whether evidence about candidates proves what it says.

    Args:
        rows: the candidates.
        centre: a point (d,) of the domain's affine hull, strictly inside every row that is not zero on it.

    Raises:
        InputError: the centre is not such a point.
    """

    rows: Candidates
    centre: Rationals

    def __post_init__(self) -> None:
        domain = self.rows.domain
        if not domain.contains(self.centre) or not self.rows.system.strictly_inside(self.centre[domain.free]):
            raise InputError("centre: expected a point strictly inside every row and bound")

    @functools.cached_property
    def _matrix(self) -> IntArray:
        return np.concatenate([self.rows.given.matrix, self.rows.domain.rows.matrix])

    def _times(self, columns: IntArray) -> IntArray:
        """Multiply the general rows with integer columns (d, b)."""
        if not self.rows.domain.pivots and all(factor == 1 for factor in self.rows.factors):
            return self.rows.system.times(columns)
        return linalg.product(self._matrix, columns) if len(self._matrix) else columns[:0]

    @functools.cached_property
    def _slack(self) -> Rationals:
        """The general rows' slacks at the centre."""
        rhs = np.concatenate([self.rows.given.rhs, self.rows.domain.rows.rhs])
        image = self._times(self.centre.num.reshape(-1, 1))[:, 0]
        return Rationals(rhs * self.centre.den - image, self.centre.den)

    @functools.cached_property
    def _bound_positions(self) -> dict[tuple[int, bool], int]:
        """The position of each bound by coordinate and side (True: upper)."""
        first = len(self._matrix)
        return {(s.index, s.kind == "upper"): i for i, s in enumerate(self.rows.domain.bound_sources, first)}

    def kept(self, claims: Mapping[int, Step]) -> dict[int, bool]:
        """Decide for each position whether centre + step violates that row and its positive multiples alone."""
        verdict: dict[int, bool] = {}
        for position, violated in self.violated(claims).items():
            key = self.rows.keys[position]
            verdict[position] = violated is not None and position in violated and all(
                self.rows.keys[other] == key for other in violated
            )
        return verdict

    def violated(self, claims: Mapping[int, Step]) -> dict[int, set[int] | None]:
        """List the positions of the rows that centre + step violates; None where a step leaves the affine hull."""
        found: dict[int, set[int] | None] = {}
        dense: list[int] = []
        for position, step in claims.items():
            if not all(0 <= i < self.rows.domain.size for i in step) or not self._on_hull(step):
                found[position] = None
            elif len(step) == 1:
                ((i, offset),) = step.items()
                change = self._matrix[:, i] * offset.numerator
                found[position] = self._general(change, offset.denominator) | self._bounds(step)
            else:
                dense.append(position)
        if dense:
            moves = [_column(claims[position], self.rows.domain.size) for position in dense]
            stacked = np.stack([num for num, _ in moves], axis=1)
            image = self._times(stacked)
            for k, position in enumerate(dense):
                found[position] = self._general(image[:, k], moves[k][1]) | self._all_bounds(*moves[k])
        return found

    def _on_hull(self, step: Step) -> bool:
        domain = self.rows.domain
        if domain.is_box:
            return not any(domain.fixed[i] and offset for i, offset in step.items())
        equations = domain.equalities.num
        return all(sum(row[i] * offset for i, offset in step.items()) == 0 for row in equations)

    def _general(self, change: IntArray, den: int) -> set[int]:
        """List the general rows that a move violates whose change of ``a . y`` is ``change / den``."""
        return set(np.flatnonzero(self._slack.num * den < change * self._slack.den).tolist())

    def _bounds(self, step: Step) -> set[int]:
        domain, out = self.rows.domain, set[int]()
        for i, offset in step.items():
            value = self.centre.item(i) + offset
            low, high = domain.lower[i], domain.upper[i]
            if low is not None and value < low:
                out.add(self._bound_positions[i, False])
            if high is not None and value > high:
                out.add(self._bound_positions[i, True])
        return out

    def _all_bounds(self, move: IntArray, den: int) -> set[int]:
        """List the bounds that a move (d,) over a denominator violates."""
        value = self.centre.num * den + move * self.centre.den
        scale = self.centre.den * den
        below = (value * self._lows.den < self._lows.num * scale) & self._has_bound[0]
        above = (value * self._highs.den > self._highs.num * scale) & self._has_bound[1]
        sides = ((False, below), (True, above))
        return {self._bound_positions[int(i), upper] for upper, side in sides for i in np.flatnonzero(side)}

    @functools.cached_property
    def _lows(self) -> Rationals:
        return from_fractions([b or 0 for b in self.rows.domain.lower])

    @functools.cached_property
    def _highs(self) -> Rationals:
        return from_fractions([b or 0 for b in self.rows.domain.upper])

    @functools.cached_property
    def _has_bound(self) -> tuple[Mask, Mask]:
        lower, upper = self.rows.domain.lower, self.rows.domain.upper
        return np.array([b is not None for b in lower]), np.array([b is not None for b in upper])

    def dropped(self, claims: Mapping[int, Multipliers]) -> dict[int, bool]:
        """Decide for each position whether the multipliers and the bounds imply that row."""
        verdict = dict.fromkeys(claims, False)
        sound = [position for position, multipliers in claims.items() if self._may_use(position, multipliers)]
        if not sound:
            return verdict
        system = self.rows.system
        scaled = [self._for_system(position, claims[position]) for position in sound]
        dens = int_array(math.lcm(1, *(w.denominator for w in row.values())) for row in scaled)
        weights = np.zeros((len(sound), len(system.rhs)), dtype=object)
        for k, row in enumerate(scaled):
            for j, weight in row.items():
                weights[k, j] = weight.numerator * (dens[k] // weight.denominator)
        targets = [self._target(position) for position in sound]
        residual = np.stack([row for row, _ in targets]) * dens[:, None] - system.combine(weights)
        absorbed, possible = system.absorb(residual)
        total = [int(w.dot(system.rhs)) for w in weights] if len(system.rhs) else [0] * len(sound)
        for k, position in enumerate(sound):
            reach = Fraction(total[k] + absorbed.item(k), dens[k])
            own = self._own_share(position, residual[k], dens[k])
            verdict[position] = bool(possible[k]) and reach <= targets[k][1] and own < 1
        return verdict

    def _may_use(self, position: int, multipliers: Multipliers) -> bool:
        key = self.rows.keys[position]
        return not key.is_zero and all(
            weight > 0 and other in self.rows.by_position and self.rows.keys[other] != key
            for other, weight in multipliers.items()
        )

    def _for_system(self, position: int, multipliers: Multipliers) -> dict[int, Fraction]:
        """Turn multipliers that imply a candidate into multipliers of the system's rows that imply its system row."""
        factor, rows = self.rows.factor(position), self.rows.by_position
        return {rows[j]: weight * factor / self.rows.factor(j) for j, weight in multipliers.items()}

    def _target(self, position: int) -> tuple[IntArray, Fraction]:
        """Return a row's gradient over the free coordinates and its right-hand side."""
        row = self.rows.by_position.get(position)
        if row is not None:
            return self.rows.system.matrix[row], Fraction(self.rows.system.rhs[row])
        key = self.rows.keys[position]
        gradient = np.zeros(len(self.rows.low), dtype=object)
        gradient[abs(key.axis) - 1] = 1 if key.axis > 0 else -1
        return gradient, key.offset

    def _own_share(self, position: int, residual: IntArray, den: int) -> Fraction:
        """Return the multiple of the row itself that the absorption uses, where the row is (a multiple of) a bound."""
        key = self.rows.keys[position]
        if not key.axis:
            return Fraction(0)
        i = abs(key.axis) - 1
        twin = int((self.rows.high if key.axis > 0 else self.rows.low)[i])
        if twin < 0 or self.rows.keys[twin] != key:
            return Fraction(0)
        return Fraction(residual[i], den * self._target(position)[0][i])

    def proves(self, position: int, verdict: Verdict) -> bool:
        """Decide whether one verdict is proved by its evidence (an open one claims nothing and is not)."""
        keys = self.rows.keys
        match verdict:
            case Free():
                return keys[position].is_zero and keys[position].offset >= 0
            case Same(as_row):
                return 0 <= as_row < position and keys[as_row] == keys[position] and not keys[position].is_zero
            case Kept(step):
                return self.kept({position: step})[position]
            case Dropped(multipliers):
                return self.dropped({position: multipliers})[position]
            case Open():
                return False


def verify(minimal: Minimal) -> tuple[int, ...]:
    """Return the positions whose verdict is not proved by its evidence, open ones left out; () is success.

    Raises:
        InputError: the centre is not strictly inside.
    """
    judge = Judge(candidates(minimal.domain, minimal.given), minimal.centre)
    return wrong(judge, minimal.verdicts)


def wrong(judge: Judge, verdicts: Sequence[Verdict]) -> tuple[int, ...]:
    """Return the positions whose verdict (one for each candidate) is not proved, open ones left out."""
    kept = judge.kept({i: v.step for i, v in enumerate(verdicts) if isinstance(v, Kept)})
    dropped = judge.dropped({i: v.multipliers for i, v in enumerate(verdicts) if isinstance(v, Dropped)})
    bad = [i for i, fine in (*kept.items(), *dropped.items()) if not fine]
    for i, verdict in enumerate(verdicts):
        if isinstance(verdict, Free) and not judge.proves(i, verdict):
            bad.append(i)
        if isinstance(verdict, Same):
            first = isinstance(verdicts[verdict.as_row], Same) if 0 <= verdict.as_row < i else True
            if first or not judge.proves(i, verdict):
                bad.append(i)
    return tuple(sorted(bad))


def verify_verdict(minimal: Minimal, position: int) -> bool:
    """Decide whether the verdict on one row is proved by its evidence."""
    judge = Judge(candidates(minimal.domain, minimal.given), minimal.centre)
    return judge.proves(position, minimal.verdicts[position])


def _column(step: Step, size: int) -> tuple[IntArray, int]:
    """Write a sparse step as numerators (d,) over a common denominator."""
    den = math.lcm(1, *(offset.denominator for offset in step.values()))
    column = np.zeros(size, dtype=object)
    for i, offset in step.items():
        column[i] = offset.numerator * (den // offset.denominator)
    return column, den
