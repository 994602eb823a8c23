"""Checks the facets section of a certificate, section 4 of FORMAT.md; check_region.py runs this file.

The standard library, integers only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from exactbox.verify.check import (
    Rejected,
    Sparse,
    Vector,
    array,
    fields,
    form,
    hold,
    integers,
    need,
    some,
    spend,
    strings,
    vector,
    width,
)
from exactbox.verify.check_domain import Row

if TYPE_CHECKING:
    from exactbox.verify.check_region import Region


def check(region: Region, stated: Any, evidence: Any) -> list[str]:
    """Check the verdict on every row, and return the statement in words."""
    of, facets, undecided = fields(stated, "facets", "of", "rows", "open")
    strings([of], "facets: of", "region", "decision")
    centre, verdicts = fields(evidence, "evidence of facets", "centre", "verdicts")
    rows = [*region.rows(of), *region.domain.rows]
    polytope = Polytope(region, rows, vector(centre, "centre", region.domain.size))
    tags = [polytope.verdict(i, item) for i, item in enumerate(array(verdicts, "verdicts", len(rows)))]
    for tag, claimed in (("kept", facets), ("open", undecided)):
        integers(claimed, "facets", 0, len(rows))
        need(claimed == [i for i, found in enumerate(tags) if found == tag], f"facets: not the rows that are {tag}")
    name = "P'" if of == "decision" else "P"
    ends = [0, len(region.pairs), len(rows) - len(region.domain.rows), len(rows)]
    units, deciding, own = (sum(low <= r < high for r in facets) for low, high in pairwise(ends))
    words = [f"{name} has {some(len(facets), 'facet')}: {units} of units, {deciding} of the decision, {own} of D"]
    if undecided:
        words.append(f"{name}: {some(len(undecided), 'further row')} undecided, so these may not be all of its facets")
    return words


class Polytope:
    """Rows with a centre strictly inside, so that a facet is a row that the others do not imply."""

    def __init__(self, region: Region, rows: list[Row], centre: Vector) -> None:
        self.domain, self.rows, self.den = region.domain, rows, centre[1]
        need(self.domain.on_hull(*centre), "the centre violates an equation of the domain")
        self.slacks = [row.slack(centre) for row in rows]
        self.wide = max((row.width for row in rows), default=0)
        self.hull = sum(len(left) + 1 for left, _ in self.domain.equations.values())
        self.same: dict[Row, list[int]] = {}  # the rows that are the same half-space
        self.columns: dict[int, Sparse] = {}  # by coordinate: coefficients by row
        for r, row in enumerate(rows):
            if row.a:
                need(self.slacks[r] > 0, f"the centre is not strictly inside row {r}")
                self.same.setdefault(row, []).append(r)
            hold(3 * len(row.a))
            for i, v in row.a:
                self.columns.setdefault(i, {})[r] = v

    def verdict(self, r: int, item: Any) -> str:
        """Check the verdict on row r and return its first word."""
        tag, *details = array(item, f"verdict {r}") or [None]
        strings([tag], f"verdict {r}", "free", "same", "kept", "dropped", "open")
        form(len(details) == {"same": 1, "kept": 2, "dropped": 2}.get(tag, 0), f"verdict {r}: wrong length")
        if tag == "free":
            need(not self.rows[r].a, f"row {r} is not free")
            return str(tag)
        need(self.rows[r].a, f"row {r} is free")
        same = self.same[self.rows[r]]
        if tag == "same":
            need(integers(details, f"verdict {r}", 0, r) == same[:1], f"row {r} is not the same as row {details[0]}")
            return str(tag)
        need(same[0] == r, f"row {r} is the same as row {same[0]}")
        if tag != "open":
            prove, count = (self._kept, self.domain.size) if tag == "kept" else (self._dropped, len(self.rows))
            indices = integers(details[0], f"verdict {r}", 0, count, rising=True)
            prove(r, same, indices, *vector(details[1], f"verdict {r}", len(indices)))
        return str(tag)

    def _kept(self, r: int, same: list[int], coordinates: list[int], moves: list[int], den: int) -> None:
        """Check that the centre and a step together violate the row and the same ones, and no other."""
        step = dict(zip(coordinates, moves, strict=True))
        spend(4 * self.hull + 1, width(moves), self.domain.scale.bit_length())
        for pivot, (left, _) in self.domain.equations.items():
            change = self.domain.scale * step.get(pivot, 0) + sum(v * step.get(i, 0) for i, v in left.items())
            need(change == 0, f"row {r}: its step violates an equation")
        changes: Sparse = {}
        for i, move in step.items():
            spend(3 * len(self.columns.get(i, {})), move.bit_length(), self.wide)
            for other, v in self.columns.get(i, {}).items():
                changes[other] = changes.get(other, 0) + v * move
        spend(2 * len(changes), self.wide + den.bit_length(), self.den.bit_length())
        violated = sorted(other for other, change in changes.items() if self.slacks[other] * den < change * self.den)
        need(violated == same, f"row {r}: its step violates the rows {violated[:5]}, expected {same[:5]}")

    def _dropped(self, r: int, same: list[int], used: list[int], weights: list[int], den: int) -> None:
        """Check that other rows and the bounds imply the row."""
        need(set(used).isdisjoint(same), f"row {r}: implied by itself")
        spend(4 * len(self.rows[r].a), self.wide, den.bit_length() + self.domain.den.bit_length())
        rest, room = {i: v * den for i, v in self.rows[r].a}, self.rows[r].b * den
        for other, weight in zip(used, weights, strict=True):
            need(weight > 0, f"row {r}: a multiplier is not positive")
            spend(3 * len(self.rows[other].a) + 1, weight.bit_length(), self.wide)
            room -= weight * self.rows[other].b
            for i, v in self.rows[other].a:
                rest[i] = rest.get(i, 0) - weight * v
        room *= self.domain.den
        for i, v in ((i, v) for i, v in rest.items() if v):
            bound = (self.domain.upper if v > 0 else self.domain.lower)[i]
            if bound is None:
                raise Rejected(f"row {r}: coordinate {i} has no bound to absorb what the multipliers leave")
            room -= v * bound
            if len(self.rows[r].a) == 1:
                sign = 1 if v > 0 else -1
                own = self.domain.reduced({i: sign * self.domain.den}, sign * bound)
                need(own != self.rows[r] or abs(v) < abs(own.a[0][1]) * den, f"row {r}: implied by itself, a bound")
        need(room >= 0, f"row {r}: the multipliers do not imply it")
