"""Certificates made by hand to deceive: with one check less, each would prove something false."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from exactbox.polytope.canonical import hex_text, program_text
from exactbox.polytope.distance import NORMS, Norm
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.program import Head, HeadStep, Input, MatMul, Max, Port, Program
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at
from exactbox.verify.certificate import certificate_text
from tests.nets import BATTERY, mlp
from tests.verify.cases import Case, Outcome, battery, outcome, run, worked_example
from tests.verify.mutations import Path, replaced


def written(program: Program, domain: Domain, point: list[object], **statement: Any) -> Case:
    """Return a region's certificate with some fields of the statement written by hand."""
    case = Case(
        json.loads(certificate_text(region_at(program, exact(point), domain))), json.loads(program_text(program))
    )
    case.certificate["statement"].update(statement)
    return case


def with_evidence(case: Case, **evidence: Any) -> Case:
    """Return a case with other evidence."""
    case.certificate["evidence"].update(evidence)
    return case


def refused(case: Case, why: str) -> None:
    """Assert that the evidence is rejected for a reason."""
    found = outcome(case)
    assert found.code == 1, found
    assert why in found.reason


def at(*keys: str | int) -> Path:
    """Return a path into the certificate."""
    return ("certificate", *keys)


def test_a_region_of_lower_dimension() -> None:
    """relu(x1 - x2) - relu(x2 - x1) at 0 is x1 - x2 everywhere, but W = 0 on the line where both units are off."""
    case = written(BATTERY["difference of relus"](), everything(2), [0, 0], pattern=[[0, 0]], coef=[["0", "0"]])
    for witness in (["0", "0"], ["1", "1"]):
        refused(with_evidence(case, witness=witness), "ties, but not everywhere")
    refused(with_evidence(case, witness=["1", "0"]), "beats the winner")


def test_a_region_of_lower_dimension_within_a_flat_domain() -> None:
    """The same line is a full-dimensional region of the domain x2 = 0 only in the point 0."""
    case = written(BATTERY["difference of relus"](), box([-1, 0], [1, 0]), [0, 0], pattern=[[0, 0]], coef=[["0", "0"]])
    refused(with_evidence(case, witness=["0", "0"]), "ties, but not everywhere")


def test_a_pattern_that_contradicts_a_max_group() -> None:
    case = replaced(worked_example(), at("statement", "pattern"), [[0, 0]])
    case.certificate["statement"].update(coef=[["0", "0"], ["0", "0"]])
    refused(case, "at the point, instruction 3, group 0: candidate 1 beats the winner")


def test_a_winner_that_is_no_candidate() -> None:
    assert outcome(replaced(worked_example(), at("statement", "pattern"), [[2, 0]])).code == 3
    assert outcome(replaced(worked_example(), at("statement", "pattern"), [[-1, 0]])).code == 3


@pytest.mark.parametrize(("low", "high"), [("9/10", "1"), ("0", "7/10"), ("3/4", "1")])
def test_a_smaller_domain_than_claimed(low: str, high: str) -> None:
    """In a smaller box the same region is smaller: point, witness, facets and distances are those of the stated box."""
    case = replaced(worked_example(), at("statement", "domain", "lower"), [low, "0"])
    found = outcome(replaced(case, at("statement", "domain", "upper"), [high, "1"]))
    assert found.code == 1


def test_a_larger_domain_than_proved() -> None:
    """Facets proved in the unit square do not carry over to a larger box, or to all of the plane."""
    case = worked_example()
    refused(replaced(case, at("statement", "domain", "upper"), ["2", "1"]), "its step violates")
    plane = {"lower": [None] * 2, "upper": [None] * 2, "rows": [], "equations": []}
    whole = replaced(case, at("statement", "domain"), plane)
    assert outcome(whole).code in (1, 3)


def test_the_domain_that_is_printed_is_the_one_that_is_used() -> None:
    """A domain that is true but other is another statement, printed as such."""
    case = worked_example()
    for section, empty in (("facets", None), ("distances", [])):
        case = replaced(replaced(case, at("statement", section), empty), at("evidence", section), empty)
    smaller = replaced(case, at("statement", "domain", "upper"), ["3/4", "1"])
    first, second = outcome(case), outcome(smaller)
    assert (first.code, second.code) == (0, 0) and first.statement != second.statement
    assert "D: upper bounds of y in R^2: all 1" in first.lines and "D: upper bounds of y in R^2: 3/4, 1" in second.lines


def tied(tie: str, chosen: int) -> Outcome:
    """Decide between the equal outputs 1 and 2 of (0, x, x) at x = 1."""
    code = (Input(1), MatMul(0, exact([[[0], [1], [1]]]), 1))
    head = Head((HeadStep("ArgMax"),), "argmax", "last" if tie == "last" else "first")
    program = Program((Port("x", (1,)),), code, Port("y", (3,)), head)
    decision = {"rule": "argmax", "outputs": [0, 1, 2], "chosen": chosen}
    return outcome(written(program, everything(1), [1], decision=decision))


def test_a_tie_decided_for_the_wrong_class() -> None:
    codes = {(tie, chosen): tied(tie, chosen).code for tie in ("first", "last") for chosen in (0, 1, 2)}
    assert codes == {
        ("first", 0): 1, ("first", 1): 0, ("first", 2): 1, ("last", 0): 1, ("last", 1): 1, ("last", 2): 0,
    }  # fmt: skip
    assert "another one wins the tie" in tied("first", 2).reason and "0 is beaten" in tied("first", 0).reason
    assert any("by winning a tie" in line for line in tied("first", 1).lines)


@pytest.mark.parametrize(
    ("point", "chosen", "code"), [("1", 1, 0), ("1", 0, 1), ("-1", 1, 1), ("0", 1, 1), ("0", 0, 0)]
)
def test_the_sign_of_zero_is_not_positive(point: str, chosen: int, code: int) -> None:
    program = Program((Port("x", (1,)),), (Input(1),), Port("y", (1,)))
    decision = {"rule": "sign", "outputs": [0], "chosen": chosen}
    assert outcome(written(program, everything(1), [point], decision=decision)).code == code


def test_a_forged_winner_of_a_free_unit() -> None:
    """max(x, x): both candidates are the same, and the lower position names the region."""
    code = (Input(1), MatMul(0, exact([[[1], [1]]]), 1), Max(1, np.array([[0, 1]])))
    case = written(Program((Port("x", (1,)),), code, Port("y", (1,))), everything(1), [1])
    assert case.certificate["statement"]["pattern"] == [[0]] and outcome(case).code == 0
    refused(replaced(case, at("statement", "pattern"), [[1]]), "ties everywhere, and comes before the winner")


def verdict(position: int, item: list[Any]) -> Case:
    """Return the worked example with one other verdict; its facets are adapted."""
    case = replaced(worked_example(), at("evidence", "facets", "verdicts", position), item)
    verdicts = case.certificate["evidence"]["facets"]["verdicts"]
    rows = {tag: [i for i, v in enumerate(verdicts) if v[0] == tag] for tag in ("kept", "open")}
    case.certificate["statement"]["facets"].update(rows=rows["kept"], open=rows["open"])
    return case


def test_a_kept_row_whose_point_violates_two_rows() -> None:
    """From (1/2, 1/4) up by 1 in the first coordinate: row 1 and the upper bound are both violated."""
    refused(verdict(1, ["kept", [0], ["1"]]), "its step violates the rows [1, 5], expected [1]")


def test_a_kept_row_whose_point_violates_nothing_or_another_row() -> None:
    refused(verdict(1, ["kept", [0], ["1/10"]]), "violates the rows [], expected [1]")
    refused(verdict(1, ["kept", [1], ["1"]]), "violates the rows [6], expected [1]")
    refused(verdict(0, ["kept", [], []]), "violates the rows [], expected [0]")


def test_a_redundant_row_stated_as_a_facet() -> None:
    """Row 0 follows from row 2, so no point violates it alone."""
    refused(verdict(0, ["kept", [0, 1], ["-1/2", "-1/2"]]), "expected [0]")


def test_a_facet_stated_as_redundant() -> None:
    proposed: list[list[Any]] = [[[], []], [[0], ["1"]], [[1, 3], ["1", "2"]], [[0, 2, 6], ["1", "1", "1"]]]
    for multipliers in proposed:
        refused(verdict(5, ["dropped", *multipliers]), "")


def test_a_dropped_row_that_uses_itself() -> None:
    refused(verdict(1, ["dropped", [1], ["1"]]), "implied by itself")


def test_a_dropped_bound_that_uses_itself_as_the_absorbing_bound() -> None:
    """Without multipliers all of y_0 <= 1 is left over for the bounds, and that is the row itself."""
    refused(verdict(5, ["dropped", [], []]), "implied by itself, a bound")


def test_a_dropped_unit_row_that_uses_the_same_bound() -> None:
    """relu(x) on [0, 1]: the unit's row and the lower bound are the same; either alone is the facet."""
    program = mlp([([[1]], [0]), ([[1]], [0])])
    case = written(program, box([0], [1]), ["1/2"], facets={"of": "region", "rows": [2], "open": []})

    def with_first(item: list[Any]) -> Case:
        facets = {"centre": ["1/2"], "verdicts": [item, ["same", 0], ["kept", [0], ["1"]]]}
        return with_evidence(case.copy(), facets=facets)

    refused(with_first(["dropped", [], []]), "implied by itself, a bound")
    refused(with_first(["dropped", [1], ["1"]]), "implied by itself")
    honest = with_first(["kept", [0], ["-1"]])
    honest.certificate["statement"]["facets"]["rows"] = [0, 2]
    assert outcome(honest).code == 0


def twins() -> Case:
    """Two units with the same row: x >= 0 twice, in R."""
    program = mlp([([[1], [2]], [0, 0]), ([[1, 1]], [0])])
    case = written(program, everything(1), [1], facets={"of": "region", "rows": [0], "open": []})
    facets = {"centre": ["1"], "verdicts": [["kept", [0], ["-2"]], ["same", 0]]}
    return with_evidence(case, facets=facets)


def test_two_rows_that_imply_each_other_are_not_both_dropped() -> None:
    assert outcome(twins()).code == 0
    case = replaced(twins(), at("statement", "facets", "rows"), [])
    both = [["dropped", [1], ["1"]], ["dropped", [0], ["1"]]]
    refused(replaced(case, at("evidence", "facets", "verdicts"), both), "implied by itself")
    second = [["same", 1], ["dropped", [0], ["1"]]]
    assert outcome(replaced(case, at("evidence", "facets", "verdicts"), second)).code == 3


def test_a_facet_is_listed_once() -> None:
    again = [["kept", [0], ["-2"]], ["kept", [0], ["-2"]]]
    case = replaced(twins(), at("statement", "facets", "rows"), [0, 1])
    refused(replaced(case, at("evidence", "facets", "verdicts"), again), "row 1 is the same as row 0")


@pytest.mark.parametrize("rows", [[], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6]])
def test_facets_that_are_not_those_proved(rows: list[int]) -> None:
    refused(replaced(worked_example(), at("statement", "facets", "rows"), rows), "not the rows that are kept")


def test_an_open_row_must_be_stated() -> None:
    case = verdict(0, ["open"])
    assert outcome(case).code == 0
    assert any("1 further row undecided" in line for line in outcome(case).lines)
    refused(replaced(case, at("statement", "facets", "open"), []), "not the rows that are open")


@pytest.mark.parametrize("centre", [["1/2", "0"], ["2", "1/4"], ["9/10", "1/10"]])
def test_a_centre_that_is_not_strictly_inside(centre: list[str]) -> None:
    refused(replaced(worked_example(), at("evidence", "facets", "centre"), centre), "not strictly inside")


def test_facets_of_a_flat_decision_polytope() -> None:
    """Where output 0 is at least output 1 on a line only, P' has no interior and no facets in this sense."""
    program = Program((Port("x", (1,)),), (Input(1), MatMul(0, exact([[[1], [2]]]), 1)), Port("y", (2,)))
    decision = {"rule": "argmax", "outputs": [0, 1], "chosen": 0}
    stated = {"of": "decision", "rows": [], "open": [0, 1, 2]}
    case = written(program, box([0], [1]), [0], decision=decision, facets=stated)
    facets = {"centre": ["0"], "verdicts": [["open"], ["open"], ["open"]]}
    refused(with_evidence(case, facets=facets), "not strictly inside")


def distance(position: int, **fields: Any) -> Case:
    """Return the worked example with other fields of one distance."""
    case = worked_example()
    for key, value in fields.items():
        case = replaced(case, at("statement", "distances", position, key), value)
    return case


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_wrong_nearest_row(position: int) -> None:
    refused(distance(position, row=0), "not on row 0")


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("factor", [Fraction(1, 2), Fraction(3, 2), Fraction(1000001, 1000000)])
def test_a_distance_too_large_or_too_small(position: int, factor: Fraction) -> None:
    top, bottom = worked_example().certificate["statement"]["distances"][position]["value"].split("/")
    value = Fraction(int(top, 16), int(bottom, 16)) * factor
    refused(distance(position, value=hex_text(value)), "at another distance")


def test_a_distance_to_a_farther_row() -> None:
    """Row 2, y_0 + y_1 >= 1/6, ends at (1/6, 0), 1/3 away in L-infinity, and at (0, 1/6), but row 1 is nearer."""
    refused(distance(0, to="decision", value="1/3", row=2, nearest=["1/6", "0"]), "a row is closer")
    refused(distance(1, value="7/c", row=2, nearest=["0", "1/6"]), "row 1 may be closer")


def test_no_distance_where_there_is_one() -> None:
    case = distance(0, value=None, row=None, nearest=None)
    refused(case, "does not lie within row 1")


def test_a_distance_to_a_row_that_the_domain_only_touches() -> None:
    """Row 0, y_0 + y_1 >= 0, touches the unit square in 0, at L1 distance 3/4; the square does not go on beyond it."""
    case = distance(1, to="region", value="3/4", row=0, nearest=["0", "0"])
    refused(replaced(case, at("evidence", "distances", 1), ["0", "2"]), "ends where D ends")


def test_a_nearest_point_outside_of_the_domain() -> None:
    """(3/8, -1/8) lies on row 1 at L-infinity distance 3/8, below the square."""
    refused(distance(0, value="3/8", nearest=["3/8", "-1/8"]), "not in the domain")


def restated(name: str, norm: Norm, multipliers: list[str] | None = None, **fields: object) -> Case:
    """Return a certificate of the battery with other fields, and evidence, of its distance in one norm."""
    case, place = battery()[name], NORMS.index(norm)
    stated = case.certificate["statement"]["distances"][place]
    case = replaced(case, at("statement", "distances", place), {**stated, **fields})
    return replaced(case, at("evidence", "distances", place), multipliers)


@pytest.mark.parametrize(("norm", "value"), [("linf", "1/2"), ("l1", "1/2"), ("l2", "1/4")])
def test_a_lost_tie_on_the_domain_s_rim_is_where_the_decision_ends(norm: Norm, value: str) -> None:
    """f = (0, y) on 0 <= y <= 1 at y = 1/2: the choice is 1, D lies in P', and at y = 0, 1/2 away, the choice is 0."""
    case = battery()["rim: a tie is lost"]
    assert case.certificate["statement"]["distances"][NORMS.index(norm)]["value"] == value
    refused(restated("rim: a tie is lost", norm, value=None, row=None, nearest=None), "does not lie within row 0")
    if norm != "linf":
        refused(restated("rim: a tie is lost", norm, ["0"]), "needs a multiplier")


def test_a_lost_tie_nearer_than_the_row_beyond_which_the_domain_goes_on() -> None:
    """f = (0, y_0, y_1 - 1/4) at (1/8, -1/2): the choice is 0 on y_0 = 0, 1/8 away; 2 ties at (0, 1/4), 3/4 away.

    At an L-infinity distance of 3/4 no row is violated, and the lost tie is touched from 1/8 on.
    """
    far = restated("rim beside a row", "linf", value="3/4", row=1, nearest=["0", "1/4"])
    refused(far, "a tie that is lost is closer")
    far = restated("rim beside a row", "l1", ["0", "1"], value="7/8", row=1, nearest=["0", "1/4"])
    refused(far, "row 0 needs a multiplier")


def test_a_tie_that_is_won_on_the_rim_ends_nothing() -> None:
    values = [item["value"] for item in battery()["rim: a tie is won"].certificate["statement"]["distances"]]
    assert values == [None, None, None]


def test_multipliers_of_a_distance() -> None:
    case = worked_example()
    for position, multipliers, why in (
        (1, ["0", "0", "6"], "row 1 needs a multiplier"),
        (1, ["0", "3", "6"], "row 1 may be closer"),
        (2, ["0", "7", "24"], "row 1 may be closer"),
        (2, ["0", "8", "0"], "row 2 needs a multiplier"),
    ):
        refused(replaced(case, at("evidence", "distances", position), multipliers), why)
    assert outcome(replaced(case, at("evidence", "distances", 1), ["0", "2"])).code == 3
    assert outcome(replaced(case, at("evidence", "distances", 0), ["0", "2"])).code == 3
    assert outcome(replaced(case, at("evidence", "distances", 1), None)).code == 3


def test_a_multiplier_too_small_for_an_unbounded_coordinate() -> None:
    case = battery()["no domain"]
    refused(replaced(case, at("evidence", "distances", 0, 0), "1"), "a coordinate without bound")


def given(**fields: Any) -> Case:
    """Return the segment's certificate with other fields of the given domain."""
    case = battery()["segment"]
    for key, value in fields.items():
        case = replaced(case, at("statement", "given", key), value)
    return case


def test_a_given_domain_that_is_another_set() -> None:
    """The segment is y_0 + y_1 = 1 in the positive quadrant; its third row, y_0 - 3 y_1 <= 1, adds nothing there."""
    sum_is_1 = [["1", "1", "1"], ["-1", "-1", "-1"]]
    assert battery()["segment"].certificate["statement"]["given"]["rows"] == [*sum_is_1, ["1", "-3", "1"]]
    assert outcome(given(rows=sum_is_1)).code == 0
    refused(given(rows=[*sum_is_1, ["1", "-3", "2"]]), "not D's rows and bounds")
    refused(given(rows=[*sum_is_1, ["1", "1", "1/2"]]), "contradicts D's equations")
    refused(given(upper=["1/2", None]), "not D's rows and bounds")
    refused(given(rows=[["1", "1", "1"], ["-1", "-1", "0"]]), "hold with equality")
    refused(given(equations=[["1", "-1", "0"]]), "not what D's equations say")
    refused(given(equations=[["1", "0", "0"], ["1", "0", "1"]]), "contradict each other")


def test_a_given_domain_whose_hidden_equation_is_not_proved() -> None:
    for evidence in ([], [["row", 0, "1"]], [["row", 0, "1"], ["row", 1, "2"]], [["row", 0, "1"], ["lower", 0, "1"]]):
        case = replaced(battery()["segment"], at("evidence", "given"), evidence)
        refused(case, "given: ")


def test_facets_and_distances_need_a_decision() -> None:
    case = replaced(worked_example(), at("statement", "decision"), None)
    assert outcome(case).code == 3 and "decision that is not stated" in outcome(case).reason


def test_distances_need_a_box() -> None:
    case = replaced(battery()["triangle"], at("statement", "distances"), [
        {"to": "region", "norm": "linf", "value": None, "row": None, "nearest": None}
    ])  # fmt: skip
    found = outcome(replaced(case, at("evidence", "distances"), [None]))
    assert found.code == 3 and "rows or equations" in found.reason


@pytest.mark.parametrize(
    "equations",
    [
        [["2", "0", "1"]],
        [["0", "0", "0"]],
        [["0", "0", "1"]],
        [["1", "1", "1"], ["0", "1", "1/2"]],
        [["1", "0", "1/2"], ["1", "0", "1/2"]],
        [["0", "1", "1/4"], ["1", "1", "3/4"]],
    ],
)
def test_equations_that_are_not_in_reduced_form(equations: list[list[str]]) -> None:
    case = replaced(worked_example(), at("statement", "domain", "equations"), equations)
    found = outcome(case)
    assert found.code == 3 and "reduced form" in found.reason


def test_a_hash_in_another_spelling() -> None:
    certificate, program = worked_example().texts()
    digest = hashlib.sha256(program).hexdigest()
    assert run(certificate.replace(digest.encode(), digest.upper().encode()), program).code == 3
    assert run(certificate.replace(digest.encode(), digest[:16].encode()), program).code == 3
