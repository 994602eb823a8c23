"""Damaged certificates are refused, or state another truth and say so; hashes are recomputed, so none of them helps."""

from __future__ import annotations

import functools
import json
from collections import Counter
from typing import Any

import pytest

from exactbox.polytope.canonical import program_text
from exactbox.polytope.domain import box
from exactbox.polytope.program import Program
from exactbox.polytope.rational import exact
from exactbox.polytope.region import Region, region_at
from exactbox.verify.certificate import certificate_text
from tests.nets import BATTERY
from tests.verify.cases import Case, Outcome, battery, outcome, run
from tests.verify.mutations import Mutant, mutants, nodes, replaced, thinned
from tests.verify.truth import objections

NAMES = list(battery())
SAME_KINDS = 2
FREE_FIELDS = ("certificate.evidence", "certificate.program")
"""Where a change need not change the statement: evidence has room, and the program file's name is no part of it."""


@functools.cache
def verdicts(name: str) -> list[tuple[Mutant, Outcome]]:
    """Check the mutants of one case."""
    return [(mutant, outcome(mutant.case)) for mutant in thinned(mutants(battery()[name]), SAME_KINDS)]


@pytest.mark.parametrize("name", NAMES)
def test_the_undamaged_certificate_is_accepted_and_true(name: str) -> None:
    assert outcome(battery()[name]).code == 0
    assert objections(battery()[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_change_is_refused_or_states_another_truth(name: str) -> None:
    original = outcome(battery()[name])
    for mutant, found in verdicts(name):
        assert found.code in (0, 1, 3), mutant
        if found.code:
            assert found.reason and not found.lines, (mutant.path, mutant.change)
            continue
        assert objections(mutant.case) == [], (mutant.path, mutant.change)
        if not mutant.field.startswith(FREE_FIELDS):
            assert found.statement != original.statement, (mutant.path, mutant.change)


@pytest.mark.parametrize("name", NAMES)
def test_evidence_states_nothing(name: str) -> None:
    """However the evidence is changed, what is accepted is the same statement in the same words."""
    original = outcome(battery()[name])
    kept = [found for mutant, found in verdicts(name) if mutant.field.startswith(FREE_FIELDS) and not found.code]
    assert all((found.statement, found.lines) == (original.statement, original.lines) for found in kept)
    assert len(kept) < len(verdicts(name)) // 20


def test_many_changes_of_every_field_are_refused() -> None:
    everything = [pair for name in NAMES for pair in verdicts(name)]
    codes = Counter(found.code for _, found in everything)
    assert codes[1] >= 1000 and codes[3] >= 5000
    fields = {mutant.field for mutant, found in everything if found.code}
    expected = {".".join("*" if isinstance(k, int) else k for k in path) for case in battery().values()
                for root in ("certificate", "program") for path, _ in nodes(getattr(case, root), (root,))}  # fmt: skip
    untouched = {"certificate.program.sha256", "certificate.info", "certificate.info.model", "certificate.info.note",
                 "certificate.info.labels", "certificate.info.labels.*"}  # fmt: skip
    assert expected - fields == untouched


def sign_flips(name: str) -> list[Case]:
    """Flip the sign of each nonzero multiplier, one at a time."""
    case = battery()[name]
    evidence: dict[str, Any] = case.certificate["evidence"]
    places: list[tuple[str | int, ...]] = []
    for i, item in enumerate(evidence["facets"]["verdicts"] if evidence["facets"] else []):
        if item[0] == "dropped":
            places += [("facets", "verdicts", i, 2, k) for k in range(len(item[2]))]
    for i, item in enumerate(evidence["distances"]):
        places += [("distances", i, k) for k, text in enumerate(item or []) if text != "0"]
    places += [("given", i, 2) for i in range(len(evidence["given"] or []))]
    flipped: list[Case] = []
    for place in places:
        value: Any = evidence
        for key in place:
            value = value[key]
        flipped.append(replaced(case, ("certificate", "evidence", *place), "-" + value))
    return flipped


def test_the_sign_flip_of_any_multiplier_is_refused() -> None:
    flipped = [case for name in NAMES for case in sign_flips(name)]
    assert len(flipped) >= 50
    assert {outcome(case).code for case in flipped} <= {1, 3}


def test_any_two_rows_swapped_are_refused() -> None:
    """Verdicts belong to rows by their order: exchanging two different ones breaks at least one of them."""
    count = 0
    for name in NAMES:
        case = battery()[name]
        items = (case.certificate["evidence"]["facets"] or {"verdicts": []})["verdicts"]
        for i in range(len(items)):
            for j in range(i):
                other = [*items]
                other[i], other[j] = items[j], items[i]
                changed = replaced(case, ("certificate", "evidence", "facets", "verdicts"), other)
                refused = outcome(changed).code != 0
                assert refused or not objections(changed)
                count += refused
    assert count >= 100


def certified(program: Program, region: Region) -> Case:
    """Return a region's certificate without further claims."""
    return Case(json.loads(certificate_text(region)), json.loads(program_text(program)))


@pytest.mark.parametrize("name", [name for name in BATTERY if name != "no unit"])
def test_a_neighbours_pattern_is_refused(name: str) -> None:
    """The pattern, or the witness, of the region across a facet does not fit the rest."""
    program = BATTERY[name]()
    region = region_at(program, exact(["1/3", "1/7"]), box([-1, -1], [1, 1]))
    facets = [facet for facet in region.facets.facets if region.facets.sources[facet].kind == "unit"]
    own = certified(program, region)
    for facet in facets:
        neighbor = region.neighbor(facet)
        assert neighbor is not None
        other = certified(program, neighbor)
        for section, field in (("statement", "pattern"), ("evidence", "witness")):
            mixed = replaced(own, ("certificate", section, field), other.certificate[section][field])
            assert outcome(mixed).code == 1
    assert facets or name in ("zero second layer", "scaled layers", "pruned", "max over dead units")


def test_another_models_hash_is_refused() -> None:
    first, second = (battery()[name].texts() for name in ("worked example", "region alone"))
    assert run(first[0], second[1]).code == 3
    assert "not about this program" in run(first[0], second[1]).reason


def test_another_models_program_under_its_own_hash_is_refused() -> None:
    for name in NAMES:
        for other in NAMES:
            case = Case(battery()[name].certificate, battery()[other].program)
            assert name == other or case.program == battery()[name].program or outcome(case).code in (1, 3)


@pytest.mark.parametrize("name", ["worked example", "segment"])
def test_truncated_files_are_malformed(name: str) -> None:
    certificate, program = battery()[name].texts()
    assert {run(certificate[:end], program).code for end in range(0, len(certificate), 7)} == {3}
    assert {run(certificate, program[:end]).code for end in range(0, len(program), 7)} == {3}
