"""Checks the certificate of one region, sections 3 to 5 of FORMAT.md; the standard library, integers only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from exactbox.verify.check import (
    MAX_SIZE,
    Opened,
    Program,
    Sparse,
    Vector,
    Winners,
    array,
    beside,
    fields,
    form,
    hold,
    integers,
    need,
    show,
    spend,
    strings,
    vector,
    width,
)
from exactbox.verify.check_domain import Domain, Row

Pair = tuple[str, int, Sparse, bool]  # a rival's name, the vector it is in, winner less rival there, winner is first
STATEMENT = ("domain", "given", "point", "pattern", "outputs", "coef", "intercept", "decision", "facets", "distances")


def prove(file: Opened) -> list[str]:
    """Check the certificate of a region, and return its statement in words."""
    witness, *parts = fields(file.evidence, "evidence", "witness", "given", "facets", "distances")
    region = Region(Program(file.program), file.statement, witness)
    lines = list(in_words(region))
    for part, evidence in zip(("given", "facets", "distances"), parts, strict=True):
        if not (file.statement[part] is evidence is None or file.statement[part] == evidence == []):
            lines += beside(part)(region, file.statement[part], evidence)
    return lines


class Region:
    """What a certificate states of a region and a decision, checked when built."""

    def __init__(self, program: Program, statement: Any, witness: Any) -> None:
        domain, _, point, pattern, outputs, coef, intercept, decision, _, _ = fields(statement, "statement", *STATEMENT)
        self.program, self.last, self.domain = program, len(program.steps) - 1, Domain(domain, program.steps[0].size)
        self.winners, self.pairs = self._read_pattern(pattern)
        self.point = vector(point, "point", self.domain.size)
        need(self.domain.contains(self.point), "the point is not in the domain")
        values = self._full_dimensional(vector(witness, "witness", self.domain.size))
        self.values = [Fraction(value, program.steps[-1].scale * self.point[1]) for value in values]
        self.outputs = integers(outputs, "outputs", 0, len(self.values), rising=True)
        self._affine(array(coef, "coef", len(self.outputs)), vector(intercept, "intercept", len(self.outputs)))
        self.rule = ""
        if decision is not None:
            self._decide(*fields(decision, "decision", "rule", "outputs", "chosen"))

    def _read_pattern(self, pattern: Any) -> tuple[Winners, list[Pair]]:
        winners: Winners = {}
        pairs: list[Pair] = []
        maxima = [i for i, step in enumerate(self.program.steps) if step.op == "max"]
        for i, part in zip(maxima, array(pattern, "pattern", len(maxima)), strict=True):
            (src,), groups = self.program.steps[i].srcs, self.program.steps[i].data
            for g, w in enumerate(integers(array(part, "pattern", len(groups)), "pattern", 0, MAX_SIZE)):
                form(w < len(groups[g]), f"pattern: instruction {i}, group {g} has no candidate {w}")
                winners.setdefault(i, []).append(groups[g][w])
                hold(8 * len(groups[g]))
                for r in (r for r in range(len(groups[g])) if r != w):
                    ends = {j: v for j, v in ((groups[g][w], 1), (groups[g][r], -1)) if j >= 0}
                    pairs.append((f"instruction {i}, group {g}: candidate {r}", src, ends, w < r))
        return winners, pairs

    def _full_dimensional(self, witness: Vector) -> list[int]:
        """Check that the point lies in P and the witness in its relative interior; return the outputs at the point."""
        need(self.domain.on_hull(*witness), "the witness violates an equation of the domain")
        need(self.domain.contains(witness, strictly=True), "the witness is not strictly inside the domain")
        runs = [self.program.forward(self.winners, place, 2) for place in (self.point, witness)]
        for name, src, ends, winner_first in self.pairs:
            here, there = (sum(v * run[src][j] for j, v in ends.items()) for run in runs)
            need(here >= 0, f"at the point, {name} beats the winner")
            need(there >= 0, f"at the witness, {name} beats the winner")
            need(there or not self.row(src, ends).a, f"at the witness, {name} ties, but not everywhere")
            need(there or winner_first, f"{name} ties everywhere, and comes before the winner")
        return runs[0][-1]

    def _affine(self, coef: list[Any], intercept: Vector) -> None:
        scale = self.program.steps[self.last].scale
        for output, line, constant in zip(self.outputs, coef, intercept[0], strict=True):
            stated, den = vector(line, "coef", self.domain.size)
            gradient, offset = self.program.pullback(self.winners, self.last, {output: 1})
            spend(len(stated), scale.bit_length() + width(stated), den.bit_length())
            right = all(gradient.get(i, 0) * den == v * scale for i, v in enumerate(stated))
            need(right and offset * intercept[1] == constant * scale, f"coef or intercept: wrong for output {output}")

    def _decide(self, rule: Any, outputs: Any, chosen: Any) -> None:
        """Compare: a gap is a weighted sum of outputs, by which the chosen one is ahead of a rival (of a sign: 0)."""
        self.rule = strings([rule], "decision: rule", "argmax", "argmin", "sign")[0]
        self.compared = integers(outputs, "decision: outputs", 0, len(self.values), rising=True)
        self.chosen = integers([chosen], "decision: chosen", 0, MAX_SIZE)[0]
        form(rule != "sign" or len(self.compared) == 1, "decision: the sign is that of one output")
        form(chosen in ((0, 1) if rule == "sign" else self.compared), "decision: chosen is not among those compared")
        one, last = -1 if rule == "argmin" else 1, self.program.tie == "last" and rule != "sign"
        self.gaps: dict[int, Sparse] = {k: {chosen: one, k: -one} for k in self.compared if k != chosen}
        if rule == "sign":
            self.gaps = {1 - chosen: {self.compared[0]: 1 if chosen else -1}}
        found = {k: sum((v * self.values[j] for j, v in gap.items()), Fraction(0)) for k, gap in self.gaps.items()}
        self.margin = min(found.values(), default=None)
        need(all(gap >= 0 for gap in found.values()), f"decision: {chosen} is beaten")
        self.lost = [k for k in self.gaps if (k < chosen) != last]  # those that win a tie with the chosen one
        need(all(found[k] for k in self.lost), "decision: another one wins the tie")

    def label(self) -> str:
        """Return the head's name of the chosen one: of an output of one whole row, or of a sign that the head takes."""
        names, n, first = self.program.labels, len(self.program.labels), self.compared[0]
        if self.rule == "sign":
            return names[self.chosen] if (self.program.rule, len(self.values), n) == ("sign", 1, 2) else ""
        row = n in (self.program.width, len(self.values)) and self.compared == list(range(first, first + n))
        return names[self.chosen - first] if row and first % n == 0 else ""

    def row(self, position: int, weights: Sparse) -> Row:
        """Return the half-space of the input on which the weighted sum of a vector's entries is at least 0."""
        gradient, constant = self.program.pullback(self.winners, position, weights)
        return self.domain.reduced({i: -v for i, v in gradient.items()}, constant)

    def rows(self, of: str) -> list[Row]:
        """Return the rows of P ("region") or P' ("decision"), without the domain's."""
        form(of == "region" or self.rule, "facets or distances of a decision that is not stated")
        rows = [self.row(src, ends) for _, src, ends, _ in self.pairs]
        return rows + [self.row(self.last, gap) for gap in self.gaps.values()] if of == "decision" else rows


def in_words(region: Region) -> Iterator[str]:
    """State what a region certificate proves, but for facets and distances."""
    domain, program, units = region.domain, region.program, sum(map(len, region.winners.values()))
    yield from (*program.in_words(), *domain.in_words())
    yield f"x0 = ({show(*(Fraction(v, region.point[1]) for v in region.point[0]))}) lies in D and in P"
    part = f"the part of D where every max unit ({units} in all) takes the pattern's candidate" if units else "all of D"
    yield f"P: {part}; its dimension is D's, {domain.size - len(domain.equations)}"
    yield f"on P, outputs {region.outputs} of {json.dumps(program.output)} are W y + c, as in the certificate"
    if region.rule:
        label = f" ({json.dumps(name)})" if (name := region.label()) else ""
        how = "alone" if region.margin is None else f"by {show(region.margin)}" if region.margin else "by winning a tie"
        words = f"at x0, {region.rule} of outputs {region.compared} is {region.chosen}{label}, {how}; on P' it is "
        yield words + {"argmax": "largest, ties", "argmin": "least, ties", "sign": "so, 0"}[region.rule] + " included"
