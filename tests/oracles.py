"""Slow exact answers about small systems of inequalities, for comparison: Fourier-Motzkin elimination and its uses."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from exactbox.polytope.domain import Domain
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rows import Rows, integer_rows, join
from exactbox.polytope.simplex import Infeasible, Optimal, Outcome, Unbounded
from exactbox.polytope.system import System

Inequality = tuple[tuple[Fraction, ...], Fraction, bool]
"""Coefficients, right-hand side, and whether the inequality is strict."""


def inequality(coefficients: Sequence[Fraction | int], bound: Fraction | int, strict: bool = False) -> Inequality:
    """Return an inequality scaled so that its largest coefficient is 1 in absolute value."""
    top = max((abs(Fraction(a)) for a in coefficients), default=Fraction(0)) or Fraction(1)
    return tuple(Fraction(a) / top for a in coefficients), Fraction(bound) / top, strict


def feasible(system: Sequence[Inequality]) -> bool:
    """Decide by Fourier-Motzkin elimination whether some point satisfies all inequalities.

    >>> feasible([inequality([1], 0), inequality([-1], 0)])
    True
    >>> feasible([inequality([1], 0), inequality([-1], 0, strict=True)])
    False
    """
    rows = set(system)
    size = len(next(iter(rows))[0]) if rows else 0
    for k in range(size):
        rest = {row for row in rows if row[0][k] == 0}
        for a, b, s in (row for row in rows if row[0][k] > 0):
            for c, d, t in (row for row in rows if row[0][k] < 0):
                mixed = [x * -c[k] + y * a[k] for x, y in zip(a, c, strict=True)]
                rest.add(inequality(mixed, b * -c[k] + d * a[k], s or t))
        rows = rest
    return all(b > 0 if strict else b >= 0 for _, b, strict in rows)


def system_inequalities(system: System) -> list[Inequality]:
    """Write a system as inequalities."""
    found = [inequality(row.tolist(), bound) for row, bound in zip(system.matrix, system.rhs.tolist(), strict=True)]
    for i, (low, high) in enumerate(zip(system.lower, system.upper, strict=True)):
        for sign, bound in ((-1, low), (1, high)):
            if bound is not None:
                found.append(inequality([sign if k == i else 0 for k in range(len(system.lower))], sign * bound))
    return found


def reduced_candidates(domain: Domain, given: Rows) -> Rows:
    """Return every candidate as a dense row modulo the domain's equations."""
    rows = join(given, domain.rows, domain.bound_rows)
    gradient, constant = domain.reduce(Rationals(rows.matrix), Rationals(-rows.rhs))
    return integer_rows(gradient, -constant, rows.sources)


def verdict_names(domain: Domain, given: Rows) -> list[str]:
    """Name the right verdict of each candidate: "Free", "Same", "Kept" or "Dropped".

    A row is a facet when some point violates it and its positive multiples alone.
    """
    rows = reduced_candidates(domain, given)
    free = domain.free.tolist()
    all_rows = [
        inequality(row[free].tolist(), bound) for row, bound in zip(rows.matrix, rows.rhs.tolist(), strict=True)
    ]
    names: list[str] = []
    for position, (coefficients, bound, _) in enumerate(all_rows):
        same = [i for i, row in enumerate(all_rows) if row == all_rows[position]]
        others = [row for row in all_rows if row != all_rows[position]]
        if not any(coefficients):
            names.append("Free")
        elif same[0] < position:
            names.append("Same")
        else:
            outside = inequality([-a for a in coefficients], -bound, strict=True)
            names.append("Kept" if feasible([*others, outside]) else "Dropped")
    return names


def dual_value(system: System, objective: Sequence[Fraction], multipliers: dict[int, Fraction]) -> Fraction:
    """Return the upper bound of an objective that multipliers and bounds prove; fails where a bound is missing."""
    total, residual = Fraction(0), list(objective)
    for row, weight in multipliers.items():
        assert weight > 0
        total += weight * system.rhs[row]
        residual = [r - weight * int(a) for r, a in zip(residual, system.matrix[row], strict=True)]
    for r, low, high in zip(residual, system.lower, system.upper, strict=True):
        needed = high if r > 0 else low
        assert r == 0 or needed is not None
        total += r * needed if needed is not None else 0
    return total


def satisfies(system: System, point: Rationals) -> bool:
    """Say whether a point satisfies all rows and bounds, one by one."""
    values = point.fractions()
    return all(
        sum((a * y for a, y in zip(coefficients, values, strict=True)), Fraction(0)) <= bound
        for coefficients, bound, _ in system_inequalities(system)
    )


def assert_proved(system: System, objective: Sequence[Fraction], outcome: Outcome) -> None:
    """Check the evidence that an outcome of linear programming carries."""
    match outcome:
        case Optimal(value, point, multipliers):
            assert satisfies(system, point)
            assert value == sum((c * y for c, y in zip(objective, point.fractions(), strict=True)), Fraction(0))
            assert dual_value(system, objective, multipliers) == value
        case Unbounded(point, ray):
            assert satisfies(system, point) and satisfies(system, point + ray)
            assert satisfies(system, point + ray.scaled(10**30))
            assert sum((c * y for c, y in zip(objective, ray.fractions(), strict=True)), Fraction(0)) > 0
        case Infeasible(multipliers):
            assert dual_value(system, [Fraction(0)] * len(objective), multipliers) < 0


def polygon_area(corners: Sequence[Sequence[Fraction]]) -> Fraction:
    """Return the area of a convex polygon by the shoelace formula; its corners may come in any order."""
    ordered = sorted(tuple(corner) for corner in corners)
    first, last = ordered[0], ordered[-1]

    def turn(corner: Sequence[Fraction]) -> Fraction:
        across = (last[0] - first[0]) * (corner[1] - first[1])
        return across - (last[1] - first[1]) * (corner[0] - first[0])

    ring = [c for c in ordered if turn(c) <= 0] + [c for c in reversed(ordered) if turn(c) > 0]
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return abs(sum((a[0] * b[1] - a[1] * b[0] for a, b in pairs), Fraction(0))) / 2
