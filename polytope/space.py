"""The coordinates in which facets are searched: offsets from the centre, without coordinates that cannot matter."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import nmod_mat

from exactbox.polytope.core import Core
from exactbox.polytope.floats import Floats, FloatView, Ints, bit_lengths, float_view
from exactbox.polytope.rational import IntArray, Rationals, zeros
from exactbox.polytope.system import Mask, System, select

_PRIME = (1 << 61) - 1


@dataclass(frozen=True, eq=False)
class Space:
    """A core around its centre: ``v = den * (y - centre)`` over some of the coordinates.

    Targets number its half-spaces: rows 0..m-1, upper bounds m..m+k-1, lower bounds m+k..m+2k-1.

    Args:
        core: the tightest rows.
        den: the factor of the offsets.
        columns: the k coordinates that take part.
        system: the rows over v; 0 is strictly inside.
    """

    core: Core
    den: int
    columns: tuple[int, ...]
    system: System

    @functools.cached_property
    def view(self) -> FloatView:
        """The system in scaled floats around the centre."""
        return float_view(self.system, zeros(len(self.columns)))

    @property
    def is_bounded(self) -> bool:
        """Whether all coordinates have both bounds, which can absorb what rounded multipliers leave over."""
        return bool((self.system.has_lower & self.system.has_upper).all())

    @functools.cached_property
    def positions(self) -> tuple[int, ...]:
        """The candidate position of each target, -1 where there is no such bound."""
        chosen = list(self.columns)
        return (*self.core.rows, *self.core.high[chosen].tolist(), *self.core.low[chosen].tolist())

    @functools.cached_property
    def reach(self) -> Floats:
        """The right-hand side of each target in scaled floats."""
        return np.concatenate([self.view.slack, self.view.high, -self.view.low])

    def distance(self, target: int) -> Fraction:
        """Return the target's right-hand side over v: how far its functional may grow from the centre."""
        rows, size = len(self.system.rhs), len(self.columns)
        if target < rows:
            return Fraction(self.system.rhs[target])
        side = self.system.upper if target < rows + size else self.system.lower
        return abs(side[(target - rows) % size] or Fraction(0))

    def limit(self, target: int) -> Fraction:
        """Return twice the target's distance, or less where a parallel row comes first."""
        distance = self.distance(target)
        room = self.core.above.get(self.positions[target])
        return 2 * distance if room is None else min(2 * distance, distance + room * self.den)

    @functools.cached_property
    def ceiling(self) -> Floats:
        """How far beyond each target a point may lie, in scaled floats: up to the next parallel row."""
        top = np.full(len(self.positions), np.inf)
        for target, position in enumerate(self.positions):
            if position in self.core.above:
                share = self.core.above[position] * self.den / self.distance(target)
                top[target] = self.reach[target] * (1.0 + float(min(share, Fraction(1))))
        return top

    @functools.cached_property
    def exponents(self) -> Ints:
        """The binary exponent of each target's scaled functional."""
        return np.concatenate([self.view.row_scale, self.view.scale, self.view.scale])

    def functional(self, target: int) -> Floats:
        """Return the target's gradient (k,) over scaled coordinates."""
        rows = len(self.view.slack)
        if target < rows:
            return np.asarray(self.view.matrix[target])
        gradient = np.zeros(len(self.columns))
        upper = target < rows + len(self.columns)
        gradient[(target - rows) % len(self.columns)] = 1.0 if upper else -1.0
        return gradient

    def exact_functional(self, target: int) -> IntArray:
        """Return the target's gradient (k,) over v."""
        rows = len(self.system.rhs)
        if target < rows:
            return np.asarray(self.system.matrix[target])
        gradient = np.zeros(len(self.columns), dtype=object)
        gradient[(target - rows) % len(self.columns)] = 1 if target < rows + len(self.columns) else -1
        return gradient

    def steps(self, points: Rationals) -> list[dict[int, Fraction]]:
        """Return offsets v, shape (k, b), as sparse steps over input coordinates."""
        found: list[dict[int, Fraction]] = []
        den = points.den * self.den
        for column in points.num.T:
            sparse = {self.columns[i]: Fraction(int(column[i]), den) for i in np.flatnonzero(column).tolist()}
            found.append(self.core.candidates.lift_step(sparse))
        return found

    def multipliers(self, target: int, weights: Mapping[int, Fraction]) -> dict[int, Fraction]:
        """Name multipliers of the system's rows, which imply a target, by candidate position."""
        return self.core.spell(weights, self.positions[target])


def space(core: Core, centre: Rationals) -> Space:
    """Shift a core to its centre (n,) and leave out unbounded coordinates that others make up for.

    Moving along an unbounded coordinate changes the rows as some combination of moves along independent ones does, so
    the latter reach every facet, and multipliers that fit them fit all.
    """
    system = core.system
    gaps = system.slack(centre)
    below, above = (centre - system.lows).fractions(), (system.highs - centre).fractions()
    shifted = system.changed(
        gaps.num,
        [-g * centre.den if has else None for g, has in zip(below, system.has_lower.tolist(), strict=True)],
        [g * centre.den if has else None for g, has in zip(above, system.has_upper.tolist(), strict=True)],
    )
    # gaps has the centre's denominator, and rows over v = den * (y - centre) keep their integer coefficients
    bounded = system.has_lower | system.has_upper
    columns = sorted([*np.flatnonzero(bounded).tolist(), *independent_columns(system.matrix, ~bounded)])
    rows = range(len(system.rhs))
    return Space(core, centre.den, tuple(columns), select(shifted, rows, columns))


def independent_columns(matrix: IntArray, among: Mask) -> list[int]:
    """Choose columns that span what all the columns in a mask (n,) span, numerically large ones first.

    The rank is taken modulo a prime: too small with a probability near 2**-61, which later checks would notice.
    """
    where = np.flatnonzero(among)
    if not len(where) or not len(matrix):
        return []
    part = matrix[:, where]
    order = _large_first(part)
    return [int(where[order[j]]) for j in leading_columns(part[:, order])]


def leading_columns(matrix: IntArray) -> list[int]:
    """Choose the first columns of (m, n) that span all of them: the rank is taken modulo a prime, never too large."""
    if not matrix.size:
        return []
    rows, columns = matrix.shape
    form, rank = nmod_mat(rows, columns, (matrix % _PRIME).ravel().tolist(), _PRIME).rref()
    return [next(j for j in range(columns) if int(form[i, j])) for i in range(int(rank))]


def _large_first(matrix: IntArray) -> list[int]:
    """Order columns by Gram-Schmidt with column pivoting on floats, so that the first ones are well conditioned."""
    bits = bit_lengths(matrix)
    top = bits.max(axis=1, initial=0)
    part = np.array([[float(_head(v, int(t))) for v in row] for row, t in zip(matrix.tolist(), top, strict=True)])
    chosen: list[int] = []
    rest = part.copy()
    for _ in range(min(part.shape)):
        norms = (rest**2).sum(axis=0)
        norms[chosen] = -1
        best = int(norms.argmax())
        if norms[best] <= 0:
            break
        chosen.append(best)
        unit = rest[:, best] / np.sqrt(norms[best])
        rest -= np.outer(unit, unit @ rest)
    return chosen + [j for j in range(part.shape[1]) if j not in set(chosen)]


def _head(value: int, top: int) -> float:
    """Return value / 2**top."""
    return value / (1 << max(top, 0))

