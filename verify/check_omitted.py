"""Checks that candidates of a group win nowhere inside a cell, section 7 of FORMAT.md.

The standard library, integers only. check_enumeration.py runs this file.
"""

from __future__ import annotations

import re
from operator import mul, sub
from typing import NamedTuple

from exactbox.verify.check import Rejected, form, hold, need, spend, width

Form = tuple[int, ...]  # an affine function of D's free coordinates: its gradient, then its constant

ITEM = re.compile(rb"(?:0|[1-9][0-9]{0,8})(?: (?:0|[1-9][0-9]{0,8}))+")
MAX_KNOWN = 1 << 12
MEMORY = 1 << 26  # bytes of what is remembered


class Basis(NamedTuple):
    """As many independent gradients as coordinates, those of the rows (() for the unit vector of its place).

    The sum of y_k times gradient k is minus a gradient g for y = matrix . g / den.
    """

    rows: list[Form]
    matrix: list[list[int]]
    den: int


class Solver(NamedTuple):
    """A basis that holds these rows, their entries by coordinate, and their lines of its matrix."""

    basis: Basis
    rows: list[Form]
    columns: list[tuple[int, ...]]
    lines: list[list[int]]


def check(
    line: bytes, candidates: list[Form], first: int, rows: dict[int, Form], known: dict[tuple[int, ...], Solver]
) -> list[int]:
    """Check that the candidates on a line win nowhere inside the cell of the rows, and return them.

    The rows are positive inside the cell. The number ``first + s`` is that of the row that compares with candidate s.
    ``known`` is the memory from one call to the next: what was solved for rows of these numbers, and last (``()``).
    """
    found: list[int] = []
    for item in line.split(b";"):
        form(ITEM.fullmatch(item), "a node is not in the format, or missing")
        c, r, *names = map(int, item.split())
        form(r < len(candidates) > c > (found[-1] if found else -1) and c != r, "a node names wrong candidates")
        found.append(c)
        spend((len(names) + 4) * len(candidates[c]), width(candidates[c]) + width(candidates[r]))
        gap = list(map(sub, candidates[c], candidates[r]))
        if not names:
            need(not any(gap[:-1]), "a node: nothing proves that a candidate never wins")
            need(gap[-1] < 0 or (gap[-1] == 0 and r < c), "a node: a candidate is omitted that wins")
            continue
        named = [rows.get(k) or _own(k - first, c, r, candidates) for k in names]
        solver = known.get(key := tuple(names))
        if solver is None or solver.rows != named:
            last = known[()].basis if known else unit_basis(len(gap) - 1)
            size = last.den.bit_length() + 512 >> 3  # about the bytes of a number
            if len(known) >= min(MAX_KNOWN, MEMORY // (len(last.matrix) ** 2 * size + 1)):
                known.clear()
            solver = known[key] = known[()] = solved(named, last)
        _prove(gap, solver)
    return found


def _own(s: int, c: int, r: int, candidates: list[Form]) -> Form:
    """Return the row of candidate c against a rival of its group other than r: c wins where it is positive."""
    need(0 <= s < len(candidates) and s not in (c, r), "a node: no row of its cell")
    return tuple(map(sub, candidates[c], candidates[s]))


def _prove(gap: list[int], solver: Solver) -> None:
    """Check that the gap is negative where all rows are positive: ``gap + sum of y_k rows[k]`` is a constant <= 0.

    The sum is positive there where some y is; where all are 0 the constant must be less than 0. The elimination only
    finds y; what is computed from it here decides.
    """
    den = solver.basis.den
    spend(2 * len(solver.rows) * len(gap), den.bit_length(), width(gap) + den.bit_length())
    weights = [sum(map(mul, line, gap)) for line in solver.lines]
    total = [sum(map(mul, weights, column), den * v) for v, column in zip(gap, solver.columns, strict=True)]
    constant = total.pop()
    proved = min(weights) >= 0 < den and not any(total) and (constant < 0 or (constant == 0 and max(weights) > 0))
    need(proved, "a node: its rows do not prove that a candidate never wins")


def unit_basis(size: int) -> Basis:
    """Return the basis of the unit vectors."""
    hold(size * size, keep=False)
    spend(size * size)
    return Basis([()] * size, [[-int(i == j) for j in range(size)] for i in range(size)], 1)


def solved(rows: list[Form], basis: Basis) -> Solver:
    """Exchange vectors of a basis for the gradients of rows until it holds all of them.

    The matrix stays integer: with the denominator it is the adjugate, up to the sign (J. Edmonds, Systems of distinct
    representatives and linear algebra, 1967).

    >>> solver = solved([(1, 0, 5), (1, 2, 5)], unit_basis(2))
    >>> solver.lines, solver.basis.den
    ([[-2, 1], [0, -1]], 2)
    """
    need(len({*rows}) == len(rows), "a node: its rows depend on each other")
    held, matrix, den = [*basis.rows], basis.matrix, basis.den
    places = [p for p, row in enumerate(held) if row not in rows]
    for row in rows:
        if row in held:
            continue
        spend(3 * len(matrix) ** 2, den.bit_length(), width(row) + den.bit_length())
        heights = [sum(map(mul, line, row)) for line in matrix]
        place = next((p for p in places if heights[p]), None)
        if place is None:
            raise Rejected("a node: its rows depend on each other")
        places.remove(place)
        top, sign = matrix[place], 1 if heights[place] < 0 else -1
        heights, pivot, held[place] = [sign * v for v in heights], abs(heights[place]), row
        matrix = [[(pivot * v + h * t) // den for v, t in zip(line, top, strict=True)]
                  for line, h in zip(matrix, heights, strict=True)]  # fmt: skip
        matrix[place], den = [sign * t for t in top], pivot
    lines = [matrix[held.index(row)] for row in rows]
    return Solver(Basis(held, matrix, den), rows, list(zip(*rows, strict=True)), lines)
