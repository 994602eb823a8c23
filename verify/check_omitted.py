"""Checks that candidates of a group win nowhere inside a cell, section 7 of FORMAT.md.

The standard library, integers only. check_tree.py runs this file.
"""

from __future__ import annotations

import re
from operator import mul, sub

from exactbox.verify.check import Rejected, form, need

Form = list[int]  # an affine function of D's free coordinates: its gradient, then its constant

ITEM = re.compile(rb"(?:0|[1-9][0-9]{0,8})(?: (?:0|[1-9][0-9]{0,8}))+")


def check(line: bytes, candidates: list[Form], first: int, rows: dict[int, Form]) -> list[int]:
    """Check that the candidates on a line win nowhere inside the cell of the rows, and return them.

    The rows are positive inside the cell. The number ``first + s`` is that of the row that compares with candidate s.
    """
    found: list[int] = []
    for item in line.split(b";"):
        form(ITEM.fullmatch(item), "a node is not in the format, or missing")
        c, r, *names = map(int, item.split())
        form(r < len(candidates) > c > max(found, default=-1) and c != r, "a node names wrong candidates")
        found.append(c)
        gap = list(map(sub, candidates[c], candidates[r]))
        if not names:
            need(not any(gap[:-1]), "a node: nothing proves that a candidate never wins")
            need(gap[-1] < 0 or (gap[-1] == 0 and r < c), "a node: a candidate is omitted that wins")
            continue
        own = {k: k - first for k in names if k >= first}
        need(all(s < len(candidates) and s not in (c, r) for s in own.values()), "a node: no row of its cell")
        extra = {k: list(map(sub, candidates[c], candidates[s])) for k, s in own.items()}
        need(all(k in rows or k in extra for k in names), "a node: no row of its cell")
        _prove(gap, [extra[k] if k in extra else rows[k] for k in names])
    return found


def _prove(gap: Form, rows: list[Form]) -> None:
    """Check that the gap is negative where all rows are positive: ``gap + sum of y_k rows[k]`` is a constant <= 0.

    The sum is positive there where some y is; where all are 0 the constant must be less than 0. The elimination only
    finds y; what is computed from it here decides.
    """
    weights, den = solved(rows, gap)
    total = [sum(map(mul, weights, entries), den * v) for v, *entries in zip(gap, *rows, strict=True)]
    constant = total.pop()
    proved = min(weights) >= 0 < den and not any(total) and (constant < 0 or (constant == 0 and max(weights) > 0))
    need(proved, "a node: its rows do not prove that a candidate never wins")


def solved(rows: list[Form], gap: Form) -> tuple[list[int], int]:
    """Return y over a denominator with ``gap + sum of y_k rows[k]`` constant, by elimination without fractions.

    Right where there is one solution (E. H. Bareiss, Sylvester's identity and multistep integer-preserving Gaussian
    elimination, 1968).

    >>> solved([[1, 0, 5], [0, 2, 5]], [-3, -1, 0])
    ([6, 1], 2)
    """
    table = [[*entries, -v] for v, *entries in zip(gap, *rows, strict=True)][:-1]
    den = 1
    for k in range(len(rows)):
        chosen = next((i for i in range(k, len(table)) if table[i][k]), None)
        if chosen is None:
            raise Rejected("a node: its rows depend on each other")
        table[k], table[chosen] = table[chosen], table[k]
        top = table[k]
        for i, line in enumerate(table):
            if i != k:
                table[i] = [(top[k] * v - line[k] * t) // den for v, t in zip(line, top, strict=True)]
        den = top[k]
    sign = 1 if den > 0 else -1
    return [sign * line[-1] for line in table[: len(rows)]], abs(den)
