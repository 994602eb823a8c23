"""Branching of one cell in exact arithmetic: the judge wherever float64 cannot decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope.errors import InternalError
from exactbox.polytope.rational import Rationals, exact, from_fractions, int_array
from exactbox.polytope.simplex import Optimal, Unbounded, optimize
from exactbox.polytope.system import System

Row = list[int]


@dataclass(frozen=True, eq=False)
class ExactCell:
    """A cell as integer rows (n+1,) ``row[:n] . z + row[n] >= 0`` and a point strictly inside all of them.

    Args:
        names: one name a row, as in ``cell_kernels.Cells``.
        rows: the rows.
        witness: n coordinates.
    """

    names: tuple[int, ...]
    rows: tuple[Row, ...]
    witness: tuple[Fraction, ...]

    def value(self, row: Row) -> Fraction:
        """Evaluate a row at the witness."""
        return evaluate(row, self.witness)

    def with_row(self, name: int, row: Row, witness: Sequence[Fraction]) -> ExactCell:
        """Cut by one more row."""
        return ExactCell((*self.names, name), (*self.rows, row), tuple(witness))


@dataclass(frozen=True, eq=False)
class Beyond:
    """The cell has this point strictly beyond the row."""

    point: tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class Nothing:
    """The cell has no interior point beyond the row: proved by the rows of these positions."""

    basis: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Child:
    """What is left of a cell where ``candidate`` wins its unit."""

    candidate: int
    cell: ExactCell


@dataclass(frozen=True, eq=False)
class Omitted:
    """Nowhere inside the cell (cut by earlier rivals of the candidate) does ``candidate`` beat ``rival``.

    Args:
        names: the rows that prove it; none where the difference is constant.
    """

    candidate: int
    rival: int
    names: tuple[int, ...]


def evaluate(row: Row, point: Sequence[Fraction]) -> Fraction:
    """Evaluate a row (n+1,) at a point (n,)."""
    return sum((c * x for c, x in zip(row, point, strict=False) if c), Fraction(row[-1]))


def beyond(cell: ExactCell, row: Row, hints: Sequence[Sequence[int]] = ()) -> Beyond | Nothing:
    """Decide whether a cell has interior points where a row that is not constant is positive.

    Args:
        hints: each the positions of n rows (-1 for none) that may prove that there are none.
    """
    if cell.value(row) > 0:
        return Beyond(cell.witness)
    for hint in hints:
        proof = proving(cell.rows, row, hint)
        if proof is not None:
            return Nothing(proof)
    point = highest(cell, row)
    if isinstance(point, Nothing):
        return point
    here, there = cell.value(row), evaluate(row, point)
    share = Fraction(1, 2) if here == 0 else there / (there - here) / 2
    inner = [there_i + share * (here_i - there_i) for here_i, there_i in zip(cell.witness, point, strict=True)]
    return Beyond(_shortened(cell, row, inner))


def highest(cell: ExactCell, row: Row) -> list[Fraction] | Nothing:
    """Maximise a row over a cell: a point where it is positive, or the rows that prove that there is none."""
    n = len(row) - 1
    table = int_array([v for r in cell.rows for v in r]).reshape(-1, n + 1)
    free = (None,) * n
    system = System(-table[:, :-1], table[:, -1], free, free)
    outcome = optimize(system, Rationals(int_array(row[:-1])))
    if isinstance(outcome, Unbounded):
        start, ray = outcome.point.fractions(), outcome.ray.fractions()
        slope = evaluate([*row[:-1], 0], ray)
        length = 1 + 2 * max(Fraction(0), -evaluate(row, start)) / slope
        return [p + length * r for p, r in zip(start, ray, strict=True)]
    if not isinstance(outcome, Optimal):
        raise InternalError("a cell with a witness was found infeasible")
    if outcome.value + row[-1] > 0:
        return outcome.point.fractions()
    return Nothing(tuple(outcome.multipliers))


def proving(rows: Sequence[Row], target: Row, hint: Sequence[int]) -> tuple[int, ...] | None:
    """Return the hinted rows that prove ``target <= 0`` by multipliers ``target = value - sum y_k row_k``, if they do.

    Needs y >= 0 and value <= 0; a hint of -1 in place k stands for coordinate k, whose multiplier must be 0.
    """
    n = len(target) - 1
    base = [rows[i][:n] if i >= 0 else [int(k == j) for j in range(n)] for k, i in enumerate(hint)]
    solved = solve_integers([[row[j] for row in base] for j in range(n)], target[:n])
    if solved is None:
        return None
    weights, den = solved
    if any(w > 0 or (w and hint[k] < 0) for k, w in enumerate(weights)):
        return None
    value = target[n] * den - sum(w * rows[i][n] for w, i in zip(weights, hint, strict=True) if w)
    return tuple(i for w, i in zip(weights, hint, strict=True) if w) if value <= 0 else None


def solve_integers(matrix: Sequence[Sequence[int]], right: Sequence[int]) -> tuple[list[int], int] | None:
    """Solve an integer system (n, n) by elimination without fractions (E. H. Bareiss, 1968).

    Returns:
        numerators and their positive common denominator; None where the matrix is singular.

    >>> solve_integers([[2, 0], [0, 4]], [1, 1])
    ([4, 2], 8)
    """
    n = len(right)
    rows = [[*matrix[i], right[i]] for i in range(n)]
    last = 1
    for k in range(n):
        chosen = next((i for i in range(k, n) if rows[i][k]), None)
        if chosen is None:
            return None
        rows[k], rows[chosen] = rows[chosen], rows[k]
        top = rows[k]
        for i in range(n):
            if i != k:
                factor = rows[i][k]
                rows[i] = [(top[k] * v - factor * t) // last for v, t in zip(rows[i], top, strict=True)]
        last = top[k]
    sign = 1 if last > 0 else -1
    return [sign * rows[i][n] for i in range(n)], abs(last)


def _shortened(cell: ExactCell, row: Row, point: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Round a point strictly inside a cell and beyond a row to as few bits as keep it so."""
    for bits in (20, 32, 44, 52):
        rounded = [_rounded(value, bits) for value in point]
        if evaluate(row, rounded) > 0 and all(evaluate(r, rounded) > 0 for r in cell.rows):
            return tuple(rounded)
    return tuple(point)


def _rounded(value: Fraction, bits: int) -> Fraction:
    """Round to a float64 of at most the given number of significant bits."""
    if value == 0:
        return value
    shift = bits - (abs(value.numerator).bit_length() - value.denominator.bit_length())
    scaled = value * (1 << shift) if shift >= 0 else value / (1 << -shift)
    return Fraction(round(scaled), 1 << shift) if shift >= 0 else Fraction(round(scaled) << -shift)


def branch(
    cell: ExactCell, differences: dict[tuple[int, int], tuple[int, Row]], width: int,
    hints: Sequence[Sequence[int]] = (),
) -> list[Child | Omitted]:
    """Cut a cell to where each candidate of a unit wins.

    Args:
        differences: for each pair of candidates i < j the name and the row of candidate i minus candidate j.
        width: the number of candidates.
        hints: see ``beyond``; tried for every candidate.
    """
    return [_claim(cell, differences, width, candidate, hints) for candidate in range(width)]


def _claim(
    cell: ExactCell, differences: dict[tuple[int, int], tuple[int, Row]], width: int, candidate: int,
    hints: Sequence[Sequence[int]],
) -> Child | Omitted:
    for rival in range(width):
        if rival == candidate:
            continue
        sign = 1 if candidate < rival else -1
        name, row = differences[min(candidate, rival), max(candidate, rival)]
        row = [sign * v for v in row]
        if not any(row[:-1]):
            if row[-1] < 0 or (row[-1] == 0 and rival < candidate):
                return Omitted(candidate, rival, ())
            continue
        found = beyond(cell, row, hints)
        if isinstance(found, Nothing):
            return Omitted(candidate, rival, tuple(cell.names[i] for i in found.basis))
        if isinstance(beyond(cell, [-v for v in row], hints), Beyond):
            cell = cell.with_row(sign * (name + 1), row, found.point)
    return Child(candidate, cell)


def equal_floats(witness: Sequence[Fraction]) -> list[float] | None:
    """Return a point as floats where they are equal to it."""
    point = from_fractions(witness)
    floats = point.to_float()
    return floats.tolist() if np.isfinite(floats).all() and exact(floats).equals(point) else None

