"""Checks that an enumeration lists all regions, section 7 of FORMAT.md; check.py runs this file.

The standard library, integers only. The text is unpacked line by line; no more than the path to one cell is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import accumulate, pairwise
from operator import mul, sub
from typing import Any, NamedTuple

from exactbox.verify.check import Opened, Program, beside, fields, form, hold, need, some, spend, vector, width
from exactbox.verify.check_domain import Domain

Form = tuple[int, ...]  # an affine function of D's free coordinates: its gradient, then its constant


def prove(file: Opened) -> list[str]:
    """Check the tree, and return the statement in words."""
    domain, given, regions, patterns = fields(file.statement, "statement", "domain", "given", "regions", "patterns")
    (part,) = fields(file.evidence, "evidence", "given")
    form(type(regions) is int and type(patterns) is str, "statement: expected a number of regions and a hash")
    tree = Tree(Program(file.program), domain, file.lines)
    tree.stated = regions
    tree.worth = 1024 * len(tree.units) + (len(tree.free) + 1) * (len(file.program) // 4 + 64 * (len(tree.free) + 1))
    words = [*tree.program.in_words(), *tree.domain.in_words()]
    if not given is part is None:
        words += beside("given")(tree, given, part)
    tree.grow()
    need((tree.regions, tree.patterns.hexdigest()) == (regions, patterns), f"these are {tree.regions} other regions")
    words.append(f"the max units have exactly {some(regions, 'pattern')} whose P has D's dimension, {len(tree.free)}")
    return [*words, f"these patterns in their order, a line each, have the SHA-256 {patterns}"]


def primitive(row: Form) -> Form:
    """Divide a row that is not constant by the greatest common divisor of its entries."""
    divisor = math.gcd(*row)
    return tuple(v // divisor for v in row)


class Unit(NamedTuple):
    """One group: which max, the entries that are candidates, and the row for comparing with the first."""

    layer: int
    group: list[int]
    first: int


class Tree:
    """The cells of a program on a domain; ``rows`` are those of the present one: affine functions, positive inside."""

    def __init__(self, program: Program, domain: Any, lines: Iterator[bytes]) -> None:
        self.program, self.lines, self.omitted = program, lines, beside("omitted")
        self.domain = Domain(domain, program.steps[0].size)
        need(all(row.a or row.b >= 0 for row in self.domain.rows), "a row of the domain holds nowhere")
        self.free = [i for i in range(self.domain.size) if i not in self.domain.equations]
        halves = enumerate((dict(row.a), row.b) for row in self.domain.rows)
        self.rows: dict[int, Form] = {k: (*(-a.get(i, 0) for i in self.free), b) for k, (a, b) in halves if a}
        maxima = [i for i, step in enumerate(program.steps) if step.op == "max"]
        self.ends = list(accumulate((program.steps[i].size for i in maxima), initial=0))
        self.layers = [i for i in maxima if program.steps[i].data]
        self.units: list[Unit] = []
        for layer, step in enumerate(program.steps[i] for i in self.layers):
            for group in step.data:
                last = self.units[-1] if self.units else Unit(0, [], len(self.domain.rows))
                self.units.append(Unit(layer, group, last.first + len(last.group)))
        self.winners: list[int] = []  # of the units above
        self.vectors: list[list[list[list[int]]]] = []  # for each layer and coordinate: the vectors before the max
        self.forms: list[list[Form]] = []  # for each layer: the entries of its max's source, and 0
        self.pending: list[tuple[int, int, int, dict[int, Form]]] = []  # unit, rows above, winner, more rows
        self.known: dict[tuple[int, ...], Any] = {}
        self.regions, self.patterns = 0, hashlib.sha256()
        self.stated = self.worth = self.waiting = 0  # of regions; what one may cost; rows that wait

    def grow(self) -> None:
        """Follow the tree to its end."""
        self._enter(0)
        while self.pending:
            number, count, winner, added = self.pending.pop()
            self.waiting -= len(added)
            self.winners[number:] = [winner]
            while len(self.rows) > count:
                self.rows.popitem()
            self.rows.update(added)
            self._enter(number + 1)

    def _enter(self, number: int) -> None:
        """Check the line of one cell: a region, or a node, whose children are put on the list."""
        if number == len(self.units):
            return self._region(next(self.lines, b""))
        unit = self.units[number]
        if number == 0 or self.units[number - 1].layer < unit.layer:
            self._compose(unit.layer)
        forms = [self.forms[unit.layer][j] for j in unit.group]  # -1 is the 0 at the end
        line = next(self.lines, b"missing") if len(forms) > 1 else b""
        lost = self.omitted(line, forms, unit.first, self.rows, self.known) if line else []
        kept = [c for c in range(len(forms)) if c not in lost]
        need(kept, "a node keeps no candidate")
        if len(kept) == 1:  # it wins everywhere
            return self.pending.append((number, len(self.rows), kept[0], {}))
        count, wide = len(kept) * len(forms), max(map(width, forms))
        hold((count + len(self.rows) + self.waiting) * (len(self.free) + 1), wide, keep=False)
        for c in reversed(kept):
            spend(4 * len(forms) * (len(self.free) + 1), wide, wide >> 4)
            gaps = {r: tuple(map(sub, forms[c], forms[r])) for r in range(len(forms)) if r != c}
            flat = {r: row[-1] for r, row in gaps.items() if not any(row[:-1])}
            need(all(v > 0 or (v == 0 and c < r) for r, v in flat.items()), "a candidate is kept that never wins")
            added = {unit.first + r: primitive(row) for r, row in gaps.items() if r not in flat}
            self.pending.append((number, len(self.rows), c, added))
            self.waiting += len(added)

    def _compose(self, layer: int) -> None:
        """Evaluate what lies between two max on the present cell: a run for each coordinate and for the constant."""
        spend(len(self.winners))
        chosen: dict[int, list[int]] = {}
        for unit, winner in zip(self.units, self.winners, strict=False):
            chosen.setdefault(self.layers[unit.layer], []).append(unit.group[winner])
        equations, size, scale = self.domain.equations, range(self.domain.size), self.domain.scale
        starts = [[-equations[j][0].get(i, 0) if j in equations else scale * (i == j) for j in size] for i in self.free]
        points = [*((start, 0) for start in starts), ([equations[j][1] if j in equations else 0 for j in size], scale)]
        del self.vectors[layer:], self.forms[layer:]
        runs = zip(points, self.vectors[-1] if layer else [[]] * len(points), strict=True)
        self.vectors.append([self.program.forward(chosen, point, len(points), old, self.layers[layer])
                             for point, old in runs])  # fmt: skip
        (source,) = self.program.steps[self.layers[layer]].srcs
        hold(len(points) * self.program.steps[source].size, keep=False)
        self.forms.append([*zip(*(run[source] for run in self.vectors[layer]), strict=True), (0,) * len(points)])

    def _region(self, line: bytes) -> None:
        """Check that a point lies strictly inside the cell, and count its pattern."""
        nums, den = vector(line.decode("latin-1").split(" "), "a witness", self.domain.size, keep=False)
        need(self.domain.on_hull(nums, den), "a witness violates an equation of the domain")
        point = [*(nums[i] for i in self.free), den]
        spend(len(self.rows) * len(point) + len(self.units), den.bit_length())
        need(all(sum(map(mul, row, point)) > 0 for row in self.rows.values()), "a witness is not strictly inside")
        pattern = [self.winners[low:high] for low, high in pairwise(self.ends)]
        self.patterns.update(json.dumps(pattern, separators=(",", ":")).encode() + b"\n")
        need(self.regions < self.stated, f"there are more than {self.stated} regions")
        self.regions += 1
        spend(-self.worth)  # what a region may cost, once it is one
