"""Integer rows ``a . y <= b`` with the reason why each one is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import IntArray, Rationals, int_array
from exactbox.polytope.wording import counted

RowKind = Literal["unit", "lower", "upper", "domain", "decision"]


@dataclass(frozen=True, order=True)
class RowSource:
    """Why a row is there.

    ``unit``: in the ``Max`` at instruction ``index``, group ``group``, the winner is at least candidate ``rival``
    (a position within the group). ``lower``/``upper``: a bound of input coordinate ``index``. ``domain``: row ``index``
    of the domain's general rows. ``decision``: output ``group`` is at least (at most, for arg min) output ``rival``.
    """

    kind: RowKind
    index: int
    group: int = 0
    rival: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Half-spaces ``matrix @ y <= rhs`` in integers, each (row, rhs) pair divided by its gcd.

    Args:
        matrix: shape (m, d), Python ints.
        rhs: shape (m,), Python ints.
        sources: one an entry.
    """

    matrix: IntArray
    rhs: IntArray
    sources: tuple[RowSource, ...]

    def __repr__(self) -> str:
        return brief(self, [counted(len(self), 'row'), counted(self.matrix.shape[1], 'coordinate')])

    def __post_init__(self) -> None:
        count = len(self.sources)
        if self.matrix.ndim != 2 or len(self.matrix) != count or self.rhs.shape != (count,):
            raise InputError(f"rows: {count} sources, matrix {self.matrix.shape}, right-hand side {self.rhs.shape}")
        self.matrix.setflags(write=False)
        self.rhs.setflags(write=False)

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, keep: list[int]) -> Rows:
        """Return the rows of the given positions, in that order."""
        return Rows(self.matrix[keep], self.rhs[keep], tuple(self.sources[i] for i in keep))

    def slack(self, point: Rationals) -> Rationals:
        """Return ``rhs - matrix @ y`` at one point (d,), exactly; shape (m,)."""
        image = self.matrix.dot(point.num) if len(self) else int_array([])
        return Rationals(np.asarray(self.rhs * point.den - image, dtype=object), point.den)


def integer_rows(matrix: Rationals, rhs: Rationals, sources: tuple[RowSource, ...]) -> Rows:
    """Scale rational rows ``matrix @ y <= rhs`` (m, d), (m,) to primitive integers.

    >>> from exactbox.polytope.rational import from_fractions
    >>> rows = integer_rows(from_fractions([2, 4], (1, 2)), from_fractions([6]), (RowSource("domain", 0),))
    >>> rows.matrix.tolist(), rows.rhs.tolist()
    ([[1, 2]], [3])
    """
    den = math.lcm(matrix.den, rhs.den)
    left, right = matrix.over(den), rhs.over(den)
    factors = int_array(math.gcd(*row, bound) or 1 for row, bound in zip(left.tolist(), right.tolist(), strict=True))
    return Rows(left // factors[:, None], right // factors, sources)


def join(*parts: Rows) -> Rows:
    """Stack rows."""
    return Rows(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.rhs for part in parts]),
        tuple(source for part in parts for source in part.sources),
    )
