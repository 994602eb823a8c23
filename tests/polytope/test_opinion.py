"""The second solver's opinion: agreement where facets are right, objections to planted errors, and its limits."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings

from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.facets import minimal
from exactbox.polytope.opinion import opinion
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.region import region_at
from exactbox.polytope.rows import Rows
from exactbox.polytope.verdicts import Dropped, Kept, Minimal, Open, Verdict
from tests.nets import random_mlp
from tests.polytopes import AWKWARD, polytopes, unit_rows

# On these the distances differ by more than floats can compare.
THIN = {"thin strip", "thinner than any float"}


def awkward(name: str) -> Minimal:
    case = AWKWARD[name]
    return minimal(case.domain, case.rows, case.interior)


def with_verdict(found: Minimal, position: int, verdict: Verdict) -> Minimal:
    return replace(found, verdicts=(*found.verdicts[:position], verdict, *found.verdicts[position + 1 :]))


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_polytopes(name: str) -> None:
    found = opinion(awkward(name), seconds=60)
    assert found.stance == ("too thin to tell" if name in THIN else "agrees")
    assert found.rows_checked == found.rows_total == sum(letter in "KD" for letter in AWKWARD[name].verdicts)


@given(polytopes(most=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_it_never_disagrees_with_exact_verdicts(drawn: tuple[Domain, Rows, Rationals]) -> None:
    assert opinion(minimal(*drawn), seconds=60).stance != "disagrees"


@pytest.mark.parametrize(
    ("sizes", "bounded"), [((5, 20, 20, 3), True), ((5, 20, 20, 3), False), ((30, 10, 5, 2), True)]
)
def test_regions_of_nets(sizes: tuple[int, ...], bounded: bool) -> None:
    size = sizes[0]
    domain = box([0] * size, [1] * size) if bounded else everything(size)
    found = region_at(random_mlp(sizes, 2), exact([Fraction(2, 5)] * size), domain).facets
    judged = opinion(found, seconds=60)
    assert judged.agrees and judged.verdict == "agrees on all rows"
    assert judged.radius is not None and judged.exact_radius is not None and judged.exact_radius > 0
    if judged.exact_limit is not None:
        assert judged.exact_radius * (1 - 2.0**-20) <= judged.radius <= judged.exact_limit * (1 + 2.0**-20)


def test_a_missing_facet_is_noticed() -> None:
    square = awkward("no rows in a box")
    judged = opinion(with_verdict(square, 2, Dropped({})))
    assert judged.stance == "disagrees" and judged.row == 2 and judged.verdict == "disagrees at row 2"
    assert judged.largest_gap is not None and judged.largest_gap > 0.4


def test_a_missing_facet_without_bounds_is_noticed() -> None:
    pair = awkward("negated pair")
    assert opinion(with_verdict(pair, 1, Dropped({}))).row == 1


def test_a_redundant_row_called_a_facet_is_noticed() -> None:
    touched = awkward("touches a vertex")
    judged = opinion(with_verdict(touched, 0, Kept({0: Fraction(3, 4), 1: Fraction(3, 4)})))
    assert judged.stance == "disagrees" and judged.row == 0


def test_exact_evidence_too_small_to_see_is_unclear() -> None:
    judged = opinion(awkward("misses by a speck"))
    assert judged.agrees and judged.rows_unclear == 1
    assert judged.verdict == "agrees on all rows, 1 of them too close to call"


def test_open_rows_are_left_out() -> None:
    square = with_verdict(awkward("no rows in a box"), 0, Open("no time"))
    assert opinion(square).rows_total == 3


def test_no_time_means_a_sample_of_none() -> None:
    judged = opinion(awkward("no rows in a box"), seconds=0)
    assert judged.rows_checked == 0 and judged.verdict == "agrees on a sample of 0 of 4 rows"


def test_general_rows_come_first_in_a_sample() -> None:
    rows = unit_rows([[1] * 9, [-1] * 9], [8, -1], 9)
    found = minimal(box([0] * 9, [1] * 9), rows, exact(["1/2"] * 9))
    wrong = with_verdict(found, 0, Dropped({}))
    assert opinion(wrong, seconds=60).row == 0


def test_an_unbounded_ball_is_said_to_be_capped() -> None:
    judged = opinion(awkward("half-line"))
    assert judged.agrees and judged.radius_capped and judged.exact_limit is None


def test_domains_with_equations() -> None:
    domain = domain_from_rows([0, 0, 0], [1, 1, 1], [], [], [[1, 1, 1]], [1])
    judged = opinion(minimal(domain, unit_rows([[0, 1, 0]], ["1/2"], 3), domain.witness))
    assert judged.agrees and judged.exact_limit is None
    assert sum(judged.centre) == pytest.approx(1)


def test_the_figures_are_plain_json() -> None:
    figures = opinion(awkward("touches a vertex")).as_dict()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["solver"] == "CLARABEL" and figures["seconds"] >= 0 and len(figures["centre"]) == 2


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected one of .*CLARABEL.*got 'NOPE'"):
        opinion(awkward("no rows in a box"), solver="NOPE")
