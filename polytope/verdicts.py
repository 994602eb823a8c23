"""What is known of every row of a polytope: facet, redundant, duplicate, no constraint, or undecided; with evidence.

The candidates of a domain and some rows are numbered in one fixed order: the given rows, the domain's general rows,
the domain's bounds (``Domain.bound_sources``: lower bounds first, in coordinate order).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from exactbox.polytope.brief import brief
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rows import Rows, RowSource, join
from exactbox.polytope.wording import counted


@dataclass(frozen=True)
class Free:
    """The row is identically zero on the domain's affine hull: no constraint, no facet."""


@dataclass(frozen=True)
class Same:
    """The row is a positive multiple of the row at position ``as_row``, the lowest such position."""

    as_row: int


@dataclass(frozen=True)
class Kept:
    """The row is a facet: ``centre + step`` violates it and its positive multiples alone.

    Args:
        step: offsets by coordinate of the input space, exact; coordinates that are not named do not move.
    """

    step: Mapping[int, Fraction]


@dataclass(frozen=True)
class Dropped:
    """The row is redundant: the multipliers and the domain's bounds imply it.

    With r the gradient of ``a . y - sum_j y_j (a_j . y)`` after the domain's equations have eliminated the pivot
    coordinates, ``sum_j y_j b_j + sum_i max(r_i l_i, r_i u_i) <= b`` over the remaining coordinates i; where a bound
    is missing, r_i must not need it. For a row that is itself a bound of coordinate i, the multiple of that bound
    within the sum is below 1, so that the rest implies it.

    Rows count as they are stored: ``given`` and ``domain.rows`` as their integer rows, bounds as ``y_i <= u_i`` and
    ``-y_i <= -l_i``.

    Args:
        multipliers: positive, by position; never of the row itself, its positive multiples, or the bound of a
            coordinate that is no pivot.
    """

    multipliers: Mapping[int, Fraction]


@dataclass(frozen=True)
class Open:
    """The row is undecided, for the stated reason."""

    reason: str


Verdict = Free | Same | Kept | Dropped | Open


@dataclass(frozen=True, eq=False)
class Minimal:
    """A polytope's rows with a verified verdict for each.

    Args:
        domain: the domain D.
        given: the rows that cut D, reduced modulo D's equations.
        centre: a point (d,) of D strictly inside every row that is not identically zero on aff(D).
        verdicts: one for each candidate, in candidate order.
    """

    domain: Domain
    given: Rows
    centre: Rationals
    verdicts: tuple[Verdict, ...]

    def __repr__(self) -> str:
        return brief(self, [f"{counted(len(self.facets), 'facet')} of {counted(len(self.verdicts), 'row')}"])

    def __post_init__(self) -> None:
        if len(self.verdicts) != len(self.sources):
            raise InputError(f"minimal: expected {len(self.sources)} verdicts, got {len(self.verdicts)}")

    @functools.cached_property
    def sources(self) -> tuple[RowSource, ...]:
        """Why each candidate is there."""
        return (*self.given.sources, *self.domain.rows.sources, *self.domain.bound_sources)

    @functools.cached_property
    def facets(self) -> tuple[int, ...]:
        """The positions of the rows that are kept."""
        return tuple(i for i, verdict in enumerate(self.verdicts) if isinstance(verdict, Kept))

    @functools.cached_property
    def undecided(self) -> tuple[int, ...]:
        """The positions of the rows that are open."""
        return tuple(i for i, verdict in enumerate(self.verdicts) if isinstance(verdict, Open))

    @functools.cached_property
    def rows(self) -> Rows:
        """Every candidate as a dense row; made on first use."""
        return join(self.given, self.domain.rows, self.domain.bound_rows)
