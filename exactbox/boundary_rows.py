"""The decision boundary in any dimension, bounded or not, as half-spaces: each piece's facets by exact proofs."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from exactbox.decisions import DecisionPlan
from exactbox.partition import Boundary, class_names, score_rows
from exactbox.polytope.envelope import Tie, winners_within
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.facets import minimal
from exactbox.polytope.lp import maximize
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.rational import Rationals, int_array, zeros
from exactbox.polytope.region import Region, cross, facet_crossing
from exactbox.polytope.rows import Rows, RowSource, integer_rows, join
from exactbox.polytope.shapes import Row
from exactbox.polytope.simplex import Optimal, Unbounded
from exactbox.polytope.verdicts import Kept, Minimal, Same
from exactbox.polytope.wording import counted

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated


@dataclass(frozen=True, eq=False)
class _Side:
    """One piece's view of a facet on which several classes attain the maximum.

    Args:
        key: equal for the two pieces that share the facet.
        region: the piece's region.
        name: what is decided in the piece.
        classes: what attains the maximum.
        comes_in: whether one of these does not on all of the piece.
        equation: the facet's row.
        rows: the piece's other facets.
    """

    key: Hashable
    region: int
    name: str
    classes: tuple[str, ...]
    comes_in: bool
    equation: Rows
    rows: Rows


def boundary_rows(found: Enumerated, seconds: float | None = None) -> tuple[Boundary, ...]:
    """Return the decision boundary; ``corners`` are left out, and ``rows`` may hold some that are not needed.

    Args:
        seconds: give up after so long.

    Raises:
        InputError: nothing is decided.
        BudgetError: the time was up, or a budget left open whether a row is a facet.
    """
    if found.plan.rule == "none":
        raise InputError(f"classes: nothing is decided ({found.plan.text}); state a rule with decision=")
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    grouped: dict[Hashable, list[_Side]] = {}
    for number, region in enumerate(found):
        if time.monotonic() > deadline:
            raise BudgetError(f"{number} of {counted(len(found), 'region')} were looked at in {seconds} seconds")
        for side in _sides(found.plan, number, region):
            grouped.setdefault(side.key, []).append(side)
    numbers = {cell.pattern: i for i, cell in enumerate(found.cells)}
    names = class_names(found.plan)
    return tuple(
        _boundary(key, sides, names, numbers, found.model.program.input_size)
        for key, sides in grouped.items()
        if any(side.comes_in for side in sides)
    )


def _boundary(
    key: Hashable, sides: Sequence[_Side], names: Sequence[str], numbers: dict[Pattern, int], size: int
) -> Boundary:
    beyond = {numbers[p] for p in key[0] if p in numbers} if isinstance(key, tuple) and key[1] == "facet" else set()
    regions = {side.region for side in sides} | beyond
    decided = {side.name for side in sides}
    first = sides[0]
    return Boundary(
        tuple(name for name in dict.fromkeys(names) if name in first.classes),
        tuple(name for name in dict.fromkeys(names) if name in decided),
        tuple(sorted(regions)), first.equation, first.rows, zeros(0, size),
    )  # fmt: skip


def _sides(plan: DecisionPlan, number: int, region: Region) -> Iterator[_Side]:
    names, scores, tie = _reduced_scores(plan, region)
    pieces = winners_within(region.domain, region.rows, scores, tie)
    groups = {tuple(j for j, other in enumerate(scores) if other == own) for own in scores}
    for winner, equal in pieces.items():
        others = sorted(group for group in groups if group != equal)
        gaps = _gaps(scores, winner, others)
        if len(pieces) == 1 and len(equal) == 1 and not _touches(region, gaps):
            continue
        cut = join(region.rows, gaps)
        piece = minimal(region.domain, cut, _inside(region, gaps))
        if piece.undecided:
            raise BudgetError(f"region {number}: a budget left open whether {len(piece.undecided)} rows are facets")
        for facet in piece.facets:
            tied = [others[j] for j in range(len(others)) if _position(piece, len(region.rows) + j) == facet]
            everyone = sorted((*equal, *(k for group in tied for k in group)))
            if len(everyone) > 1:
                classes = tuple(names[k] for k in everyone)
                rest = piece.rows.subset([i for i in piece.facets if i != facet])
                key = _key(region, number, piece, facet, tuple(everyone))
                equation = piece.rows.subset([facet])
                yield _Side(key, number, names[winner], classes, bool(tied), equation, rest)


def _key(region: Region, number: int, piece: Minimal, facet: int, tied: tuple[int, ...]) -> Hashable:
    """Name a facet so that both pieces that share it name it alike: by what ties, within a region or between two."""
    kinds = {piece.sources[i].kind for i in range(len(piece.sources)) if _position(piece, i) == facet}
    if kinds == {"decision"}:
        return number, "inside", tied
    if not kinds <= {"unit", "decision"}:
        return number, "rim", _lines(piece.rows.subset([facet]))[0], tied
    beyond = cross(region.program, region.domain, *facet_crossing(piece, facet))
    return frozenset((region.pattern, beyond.pattern)), "facet", tied


def _position(piece: Minimal, row: int) -> int | None:
    """Return the facet that a row is, None for a row that is none."""
    verdict = piece.verdicts[row]
    if isinstance(verdict, Same):
        return verdict.as_row
    return row if isinstance(verdict, Kept) else None


def _reduced_scores(plan: DecisionPlan, region: Region) -> tuple[list[str], list[Row], Tie]:
    """Return what is compared, as functions of the input modulo the domain's equations."""
    return score_rows(plan, reduced_map(region))


def reduced_map(region: Region) -> Rationals:
    """Return a region's affine map modulo the domain's equations as (outputs, d+1), constants in the last column."""
    gradients, constants = region.domain.reduce(*region.affine)
    den = math.lcm(gradients.den, constants.den)
    return Rationals(np.concatenate([gradients.over(den), constants.over(den).reshape(-1, 1)], axis=1), den)


def _gaps(scores: Sequence[Row], winner: int, others: Sequence[tuple[int, ...]]) -> Rows:
    """Return the rows that say that a winner is at least each other function."""
    size = len(scores[winner]) - 1
    lines = [[b - a for a, b in zip(scores[winner], scores[group[0]], strict=True)] for group in others]
    table = int_array(v for line in lines for v in line).reshape(len(lines), size + 1)
    sources = tuple(RowSource("decision", 0, winner, group[0]) for group in others)
    return integer_rows(Rationals(table[:, :-1]), Rationals(-table[:, -1]), sources)


def _touches(region: Region, gaps: Rows) -> bool:
    """Say whether a function may reach the winner on a facet; it then is a positive multiple of the facet's row."""
    domain = region.domain
    if not domain.is_box:
        return True
    rows = join(region.rows, domain.bound_rows)
    known = set(_lines(rows))
    return any(line in known for line in _lines(gaps))


def _lines(rows: Rows) -> list[tuple[int, ...]]:
    return [(*row, bound) for row, bound in zip(rows.matrix.tolist(), rows.rhs.tolist(), strict=True)]


def _inside(region: Region, gaps: Rows) -> Rationals:
    """Move a region's witness to a point strictly inside a full-dimensional piece, one row after the other."""
    point, rows = region.witness, region.rows
    for j in range(len(gaps)):
        row = gaps.subset([j])
        here = row.slack(point).item(0)
        if here <= 0 and np.any(row.matrix):
            there_at = _farthest(region, rows, row)
            there = row.slack(there_at).item(0)
            share = (here / (here - there) + 1) / 2
            point = point + (there_at - point).scaled(share)
        rows = join(rows, row)
    return point


def _farthest(region: Region, rows: Rows, row: Rows) -> Rationals:
    """Return a point of a polytope strictly within one more row, which is there."""
    found = maximize(region.domain, rows, Rationals(-row.matrix[0]))
    if isinstance(found, Optimal):
        return found.point
    if isinstance(found, Unbounded):
        slope = Rationals(-row.matrix[0]) * found.ray
        gain = sum(slope.fractions(), Fraction(0))
        return found.point + found.ray.scaled((1 + abs(row.slack(found.point).item(0))) / gain)
    raise InputError("a piece of the region is empty")
