"""Checks the distances of a certificate, section 5 of FORMAT.md; check_region.py runs this file.

The standard library, integers only.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from exactbox.verify.check import Rejected, array, fields, form, integers, need, show, spend, strings, vector, width
from exactbox.verify.check_domain import Row

if TYPE_CHECKING:
    from exactbox.verify.check_region import Region

Room = int | None  # how far a coordinate can move, None: without end


def check(region: Region, stated: Any, evidence: Any) -> list[str]:
    """Check every distance, and return the statement in words."""
    form(region.domain.is_box, "distances: the domain has rows or equations")
    form(len(array(stated, "distances")) == len(array(evidence, "distances")), "distances: one entry of evidence each")
    sets: dict[str, list[Row]] = {}
    words: list[str] = []
    for item, multipliers in zip(stated, evidence, strict=True):
        to, norm, value, row, nearest = fields(item, "distance", "to", "norm", "value", "row", "nearest")
        strings([to], "distance: to", "region", "decision")
        strings([norm], "distance: norm", "l1", "linf", "l2")
        if to not in sets:
            sets[to] = region.rows(to)
        gaps = enumerate(region.gaps, len(region.pairs)) if to == "decision" else ()
        lost = {r for r, k in gaps if k in region.lost}
        distance = Distance(region, sets[to], norm, lost)
        place = "leaves P'" if to == "decision" else "leaves P"
        place += ", or a tie is lost" if lost else ""
        if value is None:
            form(row is nearest is multipliers is None, "distance: a reason for none")
            distance.unreachable()
            words.append(f"D nowhere {place}")
            continue
        nums, den = vector([value], "distance: value")
        form(nums[0] >= 0, "distance: a negative value")
        distance.reached(Fraction(nums[0], den), integers([row], "distance: row", 0, len(sets[to]))[0], nearest)
        distance.nothing_closer(Fraction(nums[0], den), multipliers)
        what = f"{show(Fraction(nums[0], den))}, " + ("the square of the l2 distance" if norm == "l2" else f"by {norm}")
        words.append(f"from x0 to where D {place}: {what}, {'at' if lost else 'across'} row {row}")
    return words


class Distance:
    """The moves t = y - x0 within the box, over a common denominator ``den``, and rows that they may violate.

    Those that are ``lost`` must not hold with equality either.
    """

    def __init__(self, region: Region, rows: list[Row], norm: str, lost: set[int]) -> None:
        domain, (point, den) = region.domain, region.point
        self.region, self.rows, self.norm, self.lost, self.den = region, rows, norm, lost, den * domain.den
        self.down: list[Room] = [None if end is None else point[i] * domain.den - end * den
                                 for i, end in enumerate(domain.lower)]  # fmt: skip
        self.up: list[Room] = [None if end is None else end * den - point[i] * domain.den
                               for i, end in enumerate(domain.upper)]  # fmt: skip
        self.slacks = [Fraction(row.slack(region.point), den) for row in rows]
        self.wide = width(room for room in (*self.down, *self.up, self.den) if room is not None)

    def _terms(self, row: Row) -> list[tuple[int, Room]]:
        """Return the absolute value of each coefficient, and how far its coordinate can move towards the row."""
        spend(6 * len(row.a) + 96, row.width + self.wide, self.wide)
        return [(abs(v), (self.up if v > 0 else self.down)[i]) for i, v in row.a]

    def _within(self, r: int, strictly: bool) -> bool:
        """Say whether no move violates the row; strictly: nor reaches it."""
        reach = 0
        for v, room in self._terms(self.rows[r]):
            if room is None:
                return False
            reach += v * room
        return reach < self.slacks[r] * self.den or (reach == self.slacks[r] * self.den and not strictly)

    def unreachable(self) -> None:
        """Check that D lies in the set."""
        for r in range(len(self.rows)):
            need(self._within(r, r in self.lost), f"distance: D does not lie within row {r}")

    def reached(self, value: Fraction, r: int, nearest: Any) -> None:
        """Check that a point of D at the distance lies on row r, and that D goes on beyond the row."""
        point, den = vector(nearest, "distance: nearest", self.region.domain.size)
        need(self.region.domain.contains((point, den)), "distance: the nearest point is not in the domain")
        need(self.rows[r].slack((point, den)) == 0, f"distance: the nearest point is not on row {r}")
        start, scale = self.region.point
        moves = [abs(p * scale - x * den) for p, x in zip(point, start, strict=True)]
        size = max(moves) if self.norm == "linf" else sum(moves) if self.norm == "l1" else sum(v * v for v in moves)
        need(value == Fraction(size, (den * scale) ** (2 if self.norm == "l2" else 1)),
             "distance: the nearest point is at another distance")  # fmt: skip
        need(r in self.lost or not self._within(r, strictly=False), f"distance: row {r} ends where D ends")

    def nothing_closer(self, value: Fraction, multipliers: Any) -> None:
        """Check that all of D up to a distance lies within every row."""
        if value == 0 or self.norm == "linf":
            form(multipliers is None, "distance: multipliers where none are needed")
            limit = value * self.den
            for r, (row, slack) in enumerate(zip(self.rows, self.slacks, strict=True)):
                ends = [(v, limit if room is None or limit < room else room) for v, room in self._terms(row)]
                most = sum(v * move for v, move in ends)
                need(most <= slack * self.den, "distance: a row is closer")
                # equal: reached before the limit unless some coordinate moves until then
                touched = r in self.lost and most == slack * self.den and all(move < limit for _, move in ends)
                need(not touched, "distance: a tie that is lost is closer")
            return
        nums, den = vector(multipliers, "distance: multipliers", len(self.rows))
        for r, (row, slack, num) in enumerate(zip(self.rows, self.slacks, nums, strict=True)):
            form(num >= 0, "distance: a negative multiplier")
            weight = Fraction(num, den)
            if not num:
                need(self._within(r, r in self.lost), f"distance: row {r} needs a multiplier")
            else:
                most = self._most_l1(row, weight) if self.norm == "l1" else self._most_l2(row, weight)
                need(most + weight * value <= slack, f"distance: row {r} may be closer")

    def _most_l1(self, row: Row, weight: Fraction) -> Fraction:
        """Return the sum over i of the maximum of a_i t - weight * abs(t) over the box."""
        total = Fraction(0)
        for v, room in self._terms(row):
            if v > weight:
                if room is None:
                    raise Rejected("distance: a multiplier is too small for a coordinate without bound")
                total += (v - weight) * room
        return total / self.den

    def _most_l2(self, row: Row, weight: Fraction) -> Fraction:
        """Return the sum over i of the maximum of a_i t - weight * t * t over the box."""
        squares = clipped = clipped_squares = 0
        p, q = weight.numerator * 2, weight.denominator * self.den
        for v, room in self._terms(row):
            if room is None or v * q <= p * room:  # the maximum of the parabola, v / (2 weight), is within the box
                squares += v * v
            else:
                clipped += v * room
                clipped_squares += room * room
        return squares / (4 * weight) + Fraction(clipped, self.den) - weight * Fraction(clipped_squares, self.den**2)
