"""Regions: contained points, all regions at a point, neighbours across facets, agreement with sympy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exactbox.polytope import exact, symbolic
from exactbox.polytope.decision import decide, decision_rows
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.rational import exact as read
from exactbox.polytope.region import Region, facet_crossing, region_at, regions_at
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import points, programs


def values_by_sympy(program: Program, point: Rationals) -> list[Fraction]:
    found = symbolic.forward(program, [symbolic.rational(v) for v in point.fractions()])
    return [Fraction(int(v.p), int(v.q)) for v in found]


def random_point_inside(region: Region, seed: int) -> Rationals:
    """Return a convex combination of the witness, the point and a far point pulled in until it satisfies all rows."""
    rng = np.random.default_rng(seed)
    far = [Fraction(int(v), 16) for v in rng.integers(-64, 65, region.domain.size)]
    step = from_fractions([f - w for f, w in zip(far, region.witness.fractions(), strict=True)])
    for halving in range(400):
        moved = region.witness + step.scaled(Fraction(1, 1 << halving))
        if region.contains(moved):
            return moved
    raise AssertionError("no point of the ray is in the region")


def assert_linear_inside(region: Region, seed: int) -> None:
    inside = random_point_inside(region, seed)
    expected = values_by_sympy(region.program, inside)
    assert region.value(inside).fractions() == expected
    image = Rationals(region.coef.num.dot(inside.num), region.coef.den * inside.den) + region.intercept
    assert image.fractions() == expected


@given(st.data())
@settings(max_examples=60)
def test_the_classifier_is_the_function_inside_and_differs_just_outside(data: st.DataObject) -> None:
    program = data.draw(programs())
    point = data.draw(points(program.input_size))
    domain = everything(program.input_size)
    region = region_at(program, point, domain)
    assert region.contains(point) and region.contains(region.witness)
    assert_linear_inside(region, data.draw(st.integers(0, 99)))
    for facet in region.facets.facets:
        beyond = region.neighbor(facet)
        assert beyond is not None and beyond.pattern != region.pattern
        onto, _ = facet_crossing(region.facets, facet)
        assert region.contains(onto) and beyond.contains(onto)
        just_outside = beyond.witness
        assert not region.contains(just_outside)
        differs = not region.coef.equals(beyond.coef) or not region.intercept.equals(beyond.intercept)
        truth = values_by_sympy(program, just_outside)
        assert beyond.value(just_outside).fractions() == truth
        assert (region.value(just_outside).fractions() != truth) == differs


@pytest.mark.parametrize("name", BATTERY)
def test_neighbors_share_the_facet_and_lead_back(name: str) -> None:
    program, domain = BATTERY[name](), box([-1, -1], [1, "3/4"])
    region = region_at(program, read(["1/5", "1/3"]), domain)
    for facet in region.facets.facets:
        source = region.facets.sources[facet]
        beyond = region.neighbor(facet)
        assert (beyond is None) == (source.kind != "unit")
        if beyond is None:
            continue
        back = [beyond.neighbor(f) for f in beyond.facets.facets]
        assert region.pattern in {other.pattern for other in back if other is not None}


def count_around(name: str, point: list[object], domain: Domain | None = None) -> int:
    program = BATTERY[name]()
    found = regions_at(program, read(point), domain or everything(2))
    assert found.complete
    assert all(region.contains(read(point)) for region in found.regions)
    return len(found.regions)


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("difference of relus", [0, 0], 2),
        ("difference of relus", [1, 0], 1),
        ("duplicated", ["-1/4", 0], 2),
        ("negated", ["-1/12", "-1/12"], 2),
        ("pruned", [0, 0], 2),
        ("pruned", [1, 1], 1),
        ("thin strip", [0, 0], 2),
        ("thin strip", ["0.000000000001", 0], 2),
        ("thin strip", ["0.0000000000005", 0], 1),
        ("no unit", [0, 0], 1),
    ],
)
def test_regions_at_points_on_few_hyperplanes(name: str, point: list[object], expected: int) -> None:
    assert count_around(name, point) == expected


def test_all_regions_of_a_bias_free_net_meet_at_the_origin() -> None:
    """Three lines through the origin make six sectors; the box cuts a quarter of the plane out of them."""
    program = mlp([([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    assert len(regions_at(program, read([0, 0]), everything(2)).regions) == 6
    quarter = regions_at(program, read([0, 0]), box([0, -1], [1, 0]))
    assert quarter.complete and len(quarter.regions) == 2


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_generic_hyperplanes_through_a_point_in_four_dimensions(planes: int) -> None:
    """k hyperplanes in general position through the origin of R^4 make 2 (C(k-1, 0) + ... + C(k-1, 3)) = 2^k cones."""
    weights = [[1, 0, 0, 0], [1, 2, 0, 0], [0, 1, -1, 3], [1, 1, 1, -1]][:planes]
    program = mlp([(weights, [0] * planes), ([[1] * planes], [0])])
    assert len(regions_at(program, read([0] * 4), everything(4)).regions) == 2**planes


def test_the_budget_of_regions_at_is_said() -> None:
    program = mlp([(np.eye(6, dtype=int).tolist(), [0] * 6), ([[1] * 6], [0])])
    found = regions_at(program, read([0] * 6), everything(6), budget=10)
    assert not found.complete and len(found.regions) == 10 and "undecided" in found.reason
    assert len(regions_at(program, read([0] * 6), everything(6)).regions) == 64


@given(st.data())
@settings(max_examples=25)
def test_regions_at_random_points_cover_a_neighbourhood(data: st.DataObject) -> None:
    program = data.draw(programs())
    size = program.input_size
    point = data.draw(points(size))
    found = regions_at(program, point, everything(size), budget=64)
    assume(found.complete)
    for _ in range(4):
        direction = from_fractions([data.draw(st.integers(-9, 9)) + Fraction(1, 10**6 + 3) for _ in range(size)])
        near = point + direction.scaled(Fraction(1, 10**40))
        assert any(region.contains(near) for region in found.regions)


def test_regions_of_lower_dimensional_domains() -> None:
    """On the segment x1 = 1/3 two neurons coincide that do not in the plane."""
    program = mlp([([[1, 1], [2, 1]], ["-2/3", -1]), ([[1, 1]], [0])])
    flat = box(["1/3", 0], ["1/3", 1])
    region = region_at(program, read(["1/3", "1/3"]), flat)
    assert region.domain.dimension == 1 and len(region.facets.facets) == 2
    assert len(regions_at(program, read(["1/3", "1/3"]), flat).regions) == 2
    assert len(regions_at(program, read(["1/3", "1/3"]), everything(2)).regions) == 4


def test_a_domain_of_one_point_is_one_region() -> None:
    program = BATTERY["integer"]()
    region = region_at(program, read([0, 0]), box([0, 0], [0, 0]))
    assert region.facets.facets == () and region.witness.fractions() == [0, 0]


def test_points_outside_or_of_another_size_are_refused() -> None:
    program = BATTERY["integer"]()
    with pytest.raises(InputError, match=r"outside the domain: coordinate 1 is 2, outside \[-1, 1\]"):
        region_at(program, read([0, 2]), box([-1, -1], [1, 1]))
    with pytest.raises(InputError, match="expected 2 coordinates"):
        region_at(program, read([0]), everything(2))


def test_a_row_that_is_no_facet_has_no_neighbor() -> None:
    region = region_at(BATTERY["duplicated"](), read([1, 1]), everything(2))
    with pytest.raises(InputError, match="no facet"):
        region.neighbor(1)


def test_decision_rows_hold_exactly_where_the_decision_does() -> None:
    program = random_mlp([3, 8, 4], seed=5)
    point = read(["1/3", "-1/4", "1/2"])
    region = region_at(program, point, everything(3))
    decision = decide("argmax", range(4), region.value(point))
    rows = decision_rows(region, decision)
    assert len(rows) == 3 and not np.any(rows.slack(point).num < 0)
    for seed in range(20):
        inside = random_point_inside(region, seed)
        holds = not np.any(rows.slack(inside).num < 0)
        outputs = exact.forward(program, inside.reshape(-1, 1)).fractions()
        assert holds == (outputs[decision.chosen] == max(outputs))


@pytest.mark.parametrize("positive", [True, False])
def test_the_sign_rule_has_one_row(positive: bool) -> None:
    program = mlp([([[1, 1]], [0])])
    point = read([1, 1] if positive else [-1, 0])
    region = region_at(program, point, everything(2))
    rows = decision_rows(region, decide("sign", [0], region.value(point)))
    assert rows.matrix.tolist() == ([[-1, -1]] if positive else [[1, 1]])
