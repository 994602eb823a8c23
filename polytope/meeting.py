"""Whether other regions contain a region's point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from exactbox.polytope import exact
from exactbox.polytope.distance import distance
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray, Max
from exactbox.polytope.rational import IntArray, Rationals
from exactbox.polytope.region import Region
from exactbox.polytope.unit_rows import Pair, unit_rows

FEW_ROWS = 8
"""How many rows through a point on the rim of the domain are looked at."""


def others_meet(region: Region) -> bool | None:
    """Say whether another full-dimensional region of the domain contains the region's point; None where it is open.

    Where a row that is not identically zero vanishes at a point from which the domain goes on beyond it, the domain's
    points there lie in other regions, and one of these, being finitely many and closed, contains the point. In the
    domain's relative interior it goes on beyond every row.
    """
    tied = list(islice(_borders(region), FEW_ROWS + 1))
    if not tied:
        return False
    if region.domain.strictly_contains(region.point):
        return True
    if not region.domain.is_box:
        return None
    rows = unit_rows(region.program, region.pattern, region.domain, sorted(tied[:FEW_ROWS]))
    if distance(region.domain, rows, region.point, "linf").value == 0:
        return True
    return None if len(tied) > FEW_ROWS else False


def _borders(region: Region) -> Iterator[Pair]:
    """Yield pairs whose row vanishes at the region's point and not identically: it does not at the witness."""
    step = region.witness - region.point
    if not np.any(step.num):
        return
    den = math.lcm(step.den, region.point.den)
    columns = Rationals(np.stack([step.over(den), region.point.over(den)], axis=1), den)
    winners = iter(region.pattern.winners)
    values: dict[int, Rationals] = {}
    for position, instruction in exact.live(region.program, values):
        if isinstance(instruction, Max):
            yield from _tied(position, instruction.groups, next(winners), values[instruction.src].num)
        values[position] = exact.affine_step(instruction, values, columns, region.winners.get(position))


def _tied(position: int, groups: IndexArray, winners: IndexArray, source: IntArray) -> Iterator[Pair]:
    """Yield the pairs of one ``Max`` that tie in value and differ in derivative; ``source`` holds both, (n, 2)."""
    padded = np.concatenate([source, np.zeros((1, 2), dtype=object)])
    entries = padded[np.maximum(groups, CONSTANT_ZERO)]
    best = np.take_along_axis(entries, winners[:, None, None], axis=1)
    differs = (entries != best).astype(np.bool_)
    found = differs[:, :, 0] & ~differs[:, :, 1] & (groups != NO_CANDIDATE)
    for group, rival in np.argwhere(found).tolist():
        yield Pair(position, group, int(winners[group]), rival)
