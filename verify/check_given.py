"""Checks that D is a domain given by rows that need not be reduced, section 3 of FORMAT.md.

The standard library, integers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from exactbox.verify.check import array, common, fields, form, hold, integers, need, spend, strings, vector, width

if TYPE_CHECKING:
    from exactbox.verify.check_region import Region

Line = dict[int, Fraction]  # coefficients of a . y and, at index d, the other side


def check(region: Region, stated: Any, evidence: Any) -> list[str]:
    """Check that D and the given domain are the same set, and return the statement in words."""
    domain, size = region.domain, region.domain.size
    lower, upper, rows, equations = fields(stated, "given", "lower", "upper", "rows", "equations")
    halves = {("row", r): read(item, size) for r, item in enumerate(array(rows, "given: rows"))}
    for kind, side, sign in (("lower", lower, -1), ("upper", upper, 1)):
        for i, end in enumerate(array(side, f"given: {kind}", size)):
            if end is not None:
                nums, den = vector([end], f"given: {kind}")
                halves[kind, i] = plus({i: Fraction(sign)}, {size: Fraction(sign * nums[0], den)}, Fraction(1))
    equal = [read(item, size) for item in array(equations, "given: equations")]
    fixed = [i for i in range(size) if lower[i] is not None and lower[i] == upper[i]]
    equal += [halves["upper", i] for i in fixed]

    tight = [named(item, halves) for item in array(evidence, "evidence of given")]
    total: Line = {}
    for line, weight in tight:
        total = plus(total, line, weight)
    need(not remainder(total, echelon(equal, size)), "given: the multipliers do not prove that rows hold with equality")
    found = echelon([*equal, *(line for line, _ in tight)], size)
    need(found == hull(region), "given: what holds with equality is not what D's equations say")

    reduced = [domain.reduced(*integral(line, size)) for line in halves.values()]
    need(all(row.b >= 0 for row in reduced if not row.a), "given: a row or bound contradicts D's equations")
    need({row for row in reduced if row.a} == {row for row in domain.rows if row.a}, "given: not D's rows and bounds")
    return [f"D is what rows and bounds ({len(halves)}) and equations ({len(equations)}) give, as in the certificate"]


def read(item: Any, size: int) -> Line:
    """Read a row or an equation."""
    nums, den = vector(item, "given: row or equation", size + 1)
    return {i: Fraction(v, den) for i, v in enumerate(nums) if v}


def named(item: Any, halves: dict[tuple[str, int], Line]) -> tuple[Line, Fraction]:
    """Read one row or bound with its multiplier."""
    kind, i, weight = array(item, "evidence of given", 3)
    strings([kind], "evidence of given", "row", "lower", "upper")
    integers([i], "evidence of given", 0, 1 << 24)
    form((kind, i) in halves, f"evidence of given: there is no {kind} {i}")
    nums, den = vector([weight], "evidence of given")
    need(nums[0] > 0, "given: a multiplier is not positive")
    return halves[kind, i], Fraction(nums[0], den)


def plus(line: Line, other: Line, factor: Fraction) -> Line:
    """Return ``line + factor * other``."""
    bits = width(n for v in (factor, *other.values()) for n in (v.numerator, v.denominator))
    spend(32 * len(other) + len(line) + 1, 2 * bits, bits)
    total = dict(line)
    for i, v in other.items():
        total[i] = total.get(i, Fraction(0)) + factor * v
    return {i: v for i, v in total.items() if v}


def remainder(line: Line, solved: dict[int, Line]) -> Line:
    """Return a line without the pivots of solved equations."""
    for pivot in [pivot for pivot in line if pivot in solved]:
        line = plus(line, solved[pivot], -line[pivot])
    return line


def echelon(lines: Iterable[Line], size: int) -> dict[int, Line]:
    """Return the reduced row-echelon form of equations, by pivot; it depends on their span only."""
    solved: dict[int, Line] = {}
    for line in lines:
        rest = remainder(line, solved)
        pivot = min(rest, default=size)
        need(pivot < size or not rest, "given: the equations contradict each other")
        if rest:
            rest = {i: v / rest[pivot] for i, v in rest.items()}
            solved = {p: plus(other, rest, -other[pivot]) if pivot in other else other for p, other in solved.items()}
            solved[pivot] = rest
            hold(8 * sum(map(len, solved.values())), keep=False)
    return solved


def hull(region: Region) -> dict[int, Line]:
    """Return D's equations by pivot."""
    domain, size = region.domain, region.domain.size
    lines = {pivot: {**left, pivot: domain.scale, size: right} for pivot, (left, right) in domain.equations.items()}
    return {pivot: {i: Fraction(v, domain.scale) for i, v in line.items() if v} for pivot, line in lines.items()}


def integral(line: Line, size: int) -> tuple[dict[int, int], int]:
    """Return a half-space in integers."""
    scale = common({value.denominator for value in line.values()}, len(line), "given")
    spend(len(line), scale.bit_length(), width(value.numerator for value in line.values()))
    return {i: int(v * scale) for i, v in line.items() if i < size}, int(line.get(size, Fraction(0)) * scale)
