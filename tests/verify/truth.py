"""Whether a certificate states the truth, decided by the package's own mathematics and not by the checker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from exactbox.polytope.candidates import candidates
from exactbox.polytope.canonical import parse_program, parse_rationals
from exactbox.polytope.decision import Decision, decide, decision_rows
from exactbox.polytope.distance import distance
from exactbox.polytope.domain import Domain, Given, no_rows
from exactbox.polytope.domain_rows import domain_from_rows, verify_given
from exactbox.polytope.evidence import verify
from exactbox.polytope.pattern import Pattern, check_pattern
from exactbox.polytope.rational import Rationals, concatenate, from_fractions, zeros
from exactbox.polytope.region import Region
from exactbox.polytope.rows import Rows, RowSource, integer_rows, join
from exactbox.polytope.verdicts import Dropped, Free, Kept, Minimal, Open, Same, Verdict
from exactbox.verify.certificate import RowSizes
from tests.verify.cases import Case, lost_rows


def objections(case: Case) -> list[str]:
    """Return what is wrong with a certificate; an empty list where all that it states is true and its evidence fits."""
    statement, evidence = case.certificate["statement"], case.certificate["evidence"]
    program = parse_program(json.dumps(case.program, separators=(",", ":")) + "\n")
    domain = read_domain(statement["domain"], parse_rationals(evidence["witness"]))
    pattern = Pattern(tuple(np.array(part, dtype=np.int64) for part in statement["pattern"]))
    check_pattern(program, pattern)
    region = Region(program, domain, pattern, parse_rationals(statement["point"]), domain.witness)
    decision = read_decision(region, statement["decision"])
    return [
        *_region(region, statement),
        *_decision(decision, statement["decision"]),
        *_facets(region, decision, statement["facets"], evidence["facets"]),
        *_distances(region, decision, statement["distances"]),
        *_given(domain, statement["given"], evidence["given"]),
    ]


def fraction(text: str | None) -> Fraction | None:
    """Read one rational."""
    return None if text is None else parse_rationals([text]).item(0)


def table(rows: Sequence[Sequence[str]], width: int) -> Rationals:
    """Read rows of rationals, shape (m, width)."""
    return parse_rationals([text for row in rows for text in row], (len(rows), width))


def read_domain(stated: Any, witness: Rationals) -> Domain:
    """Build the domain that a statement describes, its equations being in reduced form."""
    lower, upper = (tuple(map(fraction, stated[side])) for side in ("lower", "upper"))
    size = len(lower)
    fixed = [(i, low) for i, low in enumerate(lower) if low is not None and low == upper[i]]
    unit = np.zeros((len(fixed), size + 1), dtype=object)
    unit[np.arange(len(fixed)), [i for i, _ in fixed]] = 1
    values = from_fractions([value for _, value in fixed])
    unit = unit * values.den
    unit[:, -1] = values.num
    equations = concatenate([Rationals(unit, values.den), table(stated["equations"], size + 1)])
    order = np.argsort([int(np.flatnonzero(row)[0]) for row in equations.num], kind="stable")
    bare = Domain(lower, upper, no_rows(size), equations[order], witness)
    given = table(stated["rows"], size + 1)
    gradient, constant = bare.reduce(given[:, :-1], -given[:, -1])
    sources = tuple(RowSource("domain", i) for i in range(len(given)))
    return replace(bare, rows=integer_rows(gradient, -constant, sources))


def read_decision(region: Region, stated: Any) -> Decision | None:
    """Decide again what a statement decides."""
    if stated is None:
        return None
    return decide(stated["rule"], stated["outputs"], region.value(region.point), region.program.head.tie)


def _region(region: Region, stated: Any) -> Iterator[str]:
    if not region.contains(region.point):
        yield "the point is not in the region"
    domain, rows = region.domain, region.rows
    if not domain.contains(region.witness):
        yield "the witness is not in the domain"
    strict = join(domain.rows, domain.bound_rows)
    gradient, _ = domain.reduce(Rationals(strict.matrix), Rationals(-strict.rhs))
    flat = ~(gradient.num != 0).astype(np.bool_).any(axis=1)
    if np.any((strict.slack(region.witness).num <= 0) & ~flat):
        yield "the witness is on the domain's boundary"
    tied = rows.slack(region.witness).num <= 0
    if np.any(tied & (rows.matrix != 0).astype(np.bool_).any(axis=1)):
        yield "the witness is on the region's boundary"
    for source, tie, bound in zip(rows.sources, tied, rows.rhs, strict=True):
        number = region.program.max_positions.index(source.index)
        if tie and bound == 0 and source.rival < region.pattern.winners[number][source.group]:
            yield "a free unit has a later winner"
    outputs = stated["outputs"]
    if not table(stated["coef"], domain.size).equals(region.coef[outputs]):
        yield "coef"
    if not parse_rationals(stated["intercept"]).equals(region.intercept[outputs]):
        yield "intercept"


def _decision(decision: Decision | None, stated: Any) -> Iterator[str]:
    if decision is None:
        return
    chosen = int(bool(decision.positive)) if decision.rule == "sign" else decision.chosen
    if chosen != stated["chosen"]:
        yield f"the decision is {chosen}"


def rows_of(region: Region, decision: Decision | None, of: str) -> Rows:
    """Return the rows of P or P'."""
    return region.rows if of == "region" or decision is None else join(region.rows, decision_rows(region, decision))


def _facets(region: Region, decision: Decision | None, stated: Any, evidence: Any) -> Iterator[str]:
    if stated is None:
        return
    rows, items = rows_of(region, decision, stated["of"]), evidence["verdicts"]
    bare = Minimal(region.domain, rows, parse_rationals(evidence["centre"]), (Open(""),) * len(items))
    minimal = replace(bare, verdicts=tuple(_verdict(i, item, RowSizes(bare)) for i, item in enumerate(items)))
    if verify(minimal):
        yield f"verdicts {verify(minimal)}"
    if (stated["rows"], stated["open"]) != (list(minimal.facets), list(minimal.undecided)):
        yield "facets"


def _verdict(position: int, item: Any, sizes: RowSizes) -> Verdict:
    values = dict(zip(item[1], parse_rationals(item[2]).fractions(), strict=True)) if len(item) == 3 else {}
    match item[0]:
        case "free":
            return Free()
        case "same":
            return Same(item[1])
        case "kept":
            return Kept(values)
        case "dropped":
            return Dropped({
                other: y * sizes.of(position) / sizes.of(other)
                for other, y in values.items()
                if not absorbed(sizes.minimal, other)
            })
        case _:
            return Open("")


def absorbed(minimal: Minimal, position: int) -> bool:
    """Say whether a row is a bound that takes what multipliers leave, and needs none itself."""
    source = minimal.sources[position]
    return source.kind in ("lower", "upper") and source.index not in minimal.domain.pivots


def _distances(region: Region, decision: Decision | None, stated: Any) -> Iterator[str]:
    for item in stated:
        rows = rows_of(region, decision, item["to"])
        lost = lost_rows(region, decision) if item["to"] == "decision" else frozenset[int]()
        true = distance(region.domain, rows, region.point, item["norm"], lost).value
        if true != fraction(item["value"]):
            yield f"the distance is {true}"
        elif true is not None:
            nearest, row = parse_rationals(item["nearest"]), rows.subset([item["row"]])
            own = {0} if item["row"] in lost else set[int]()
            if distance(region.domain, row, region.point, item["norm"], own).value != true:
                yield "row"
            if row.slack(nearest).item(0) != 0 or not region.domain.contains(nearest):
                yield "nearest"
            moves = [abs(v) for v in (nearest - region.point).fractions()]
            sizes = {"l1": sum(moves), "linf": max(moves), "l2": sum(v * v for v in moves)}
            if sizes[item["norm"]] != true:
                yield "nearest point's distance"


def _given(domain: Domain, stated: Any, evidence: Any) -> Iterator[str]:
    if stated is None:
        return
    size = domain.size
    lower, upper = (tuple(map(fraction, stated[side])) for side in ("lower", "upper"))
    rows, equations = table(stated["rows"], size + 1), table(stated["equations"], size + 1)
    equal = (equations[:, :-1], equations[:, -1]) if len(equations) else (zeros(0, size), zeros(0))
    built = domain_from_rows(lower, upper, rows[:, :-1], rows[:, -1], *equal)
    keys = [{key for key in candidates(d, no_rows(size)).keys if not key.is_zero} for d in (built, domain)]
    if not built.equalities.equals(domain.equalities) or keys[0] != keys[1]:
        yield "the given domain is another set"
    kinds = {"row": "domain", "lower": "lower", "upper": "upper"}
    implicit = tuple((RowSource(kinds[kind], i), fraction(m) or Fraction(0)) for kind, i, m in evidence)  # type: ignore[arg-type]
    sources = tuple(RowSource("domain", i) for i in range(len(rows)))
    raw = Rows(rows.num[:, :-1], rows.num[:, -1], sources)
    scaled = tuple((s, m / rows.den if s.kind == "domain" else m) for s, m in implicit)
    if not verify_given(replace(domain, given=Given(lower, upper, raw, equations, scaled))):
        yield "the multipliers prove no equations"
