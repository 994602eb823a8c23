"""Whatever bytes or values stand in the files, the checker answers or refuses; and what is written is accepted."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.canonical import hex_text, program_text
from exactbox.polytope.decision import decide, decision_rows
from exactbox.polytope.distance import NORMS, Distance, distance
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.facets import minimal
from exactbox.polytope.region import region_at
from exactbox.polytope.rows import join
from exactbox.verify.certificate import Claims, Of, certificate_text
from tests.strategies import points, programs
from tests.verify.cases import Case, battery, lost_rows, outcome, run
from tests.verify.mutations import nodes, replaced
from tests.verify.truth import objections

texts = st.one_of(
    st.text(max_size=5),
    st.fractions(max_denominator=40).map(hex_text),
    st.sampled_from(["0", "1", "-1", "1/2", "region", "decision", "kept", "dropped", "same", "free", "argmax", "max"]),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 40), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_random_bytes(certificate: bytes, program: bytes) -> None:
    assert run(certificate, program).code == 3


@given(values, values)
def test_random_values(certificate: Any, program: Any) -> None:
    assert outcome(Case(certificate, program)).code == 3


@settings(max_examples=300)
@given(st.data())
def test_a_random_value_in_a_random_place(data: st.DataObject) -> None:
    """No traceback, and whatever is accepted is true."""
    case = battery()[data.draw(st.sampled_from(list(battery())))]
    for _ in range(data.draw(st.integers(1, 2))):
        root = {"certificate": case.certificate, "program": case.program}
        places = [path for path, _ in nodes(root) if len(path) > 1 and path[1] != "info"]
        case = replaced(case, data.draw(st.sampled_from(places)), data.draw(values))
    found = outcome(case)
    assert found.code in (0, 1, 3)
    if found.code == 0:
        assert objections(case) == []
    else:
        assert found.reason


@settings(max_examples=200)
@given(st.data())
def test_a_random_edit_of_the_text(data: st.DataObject) -> None:
    certificate, program = battery()[data.draw(st.sampled_from(list(battery())))].texts()
    start = data.draw(st.integers(0, len(certificate)))
    end = data.draw(st.integers(start, min(len(certificate), start + 8)))
    signs = st.sampled_from([b'"', b"]", b"[", b"{", b"}", b",", b"1", b"-"])
    inserted = data.draw(st.one_of(st.binary(max_size=6), signs))
    found = run(certificate[:start] + inserted + certificate[end:], program)
    assert found.code in (0, 1, 3) and bool(found.reason) == (found.code != 0)


@st.composite
def domains(draw: st.DrawFn, point: list[Fraction]) -> Domain:
    """Draw a domain around a point: everything, a box, perhaps flat, or a polytope, perhaps with hidden equations."""
    size = len(point)
    kind = draw(st.sampled_from(["everything", "box", "box", "rows"]))
    if kind == "everything":
        return everything(size)
    room = st.sampled_from([None, Fraction(0), Fraction(1, 3), Fraction(2)])
    lower = [None if (r := draw(room)) is None else v - r for v in point]
    upper = [None if (r := draw(room)) is None else v + r for v in point]
    if kind == "box":
        return box(lower, upper)
    matrix = draw(st.lists(st.lists(st.integers(-2, 2), min_size=size, max_size=size), min_size=1, max_size=3))
    matrix += [[-v for v in row] for row in matrix if draw(st.booleans())]
    at = [sum((a * v for a, v in zip(row, point, strict=True)), Fraction(0)) for row in matrix]
    return domain_from_rows(lower, upper, matrix, [v + draw(st.sampled_from([0, 0, 1])) for v in at])


@settings(max_examples=60)
@given(st.data())
def test_whatever_is_certified_is_accepted_and_true(data: st.DataObject) -> None:
    """Random programs of every degenerate kind, at ties, in domains of every kind."""
    program = data.draw(programs())
    x = data.draw(points(program.input_size))
    domain = data.draw(domains(x.fractions()))
    region = region_at(program, x, domain)
    decision = decide("argmax", range(program.output_size), region.value(x))
    found: list[tuple[Of, Distance]] = []
    if domain.is_box:
        rows = join(region.rows, decision_rows(region, decision))
        found = [("decision", distance(domain, rows, x, norm, lost_rows(region, decision))) for norm in NORMS]
    try:
        text = certificate_text(region, Claims(decision, minimal(domain, region.rows, region.witness), "region", found))
    except BudgetError:
        return
    case = Case(json.loads(text), json.loads(program_text(program)))
    accepted = run(text.encode(), program_text(program).encode())
    assert accepted.code == 0, accepted.reason
    assert objections(case) == []
