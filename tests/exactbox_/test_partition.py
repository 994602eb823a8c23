"""Volumes, classes and the decision boundary against other algorithms: elimination, single polytopes, exact points."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings

from exactbox.enumerating import Enumerated
from exactbox.partition import Measure, Partition, class_names, score_rows, total
from exactbox.polytope.decision import decide
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact import forward
from exactbox.polytope.geometry import volume
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.region import Region
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, mlp, random_mlp
from tests.oracles import feasible, inequality
from tests.strategies import programs

RULES = ("argmax", "argmin")


def decided(found: Enumerated, point: Rationals) -> str:
    """Name what is decided at one point, by an exact forward pass."""
    plan = found.plan
    assert plan.rule != "none"
    outputs = forward(found.model.program, point.reshape(-1, 1)).reshape(-1)
    decision = decide(plan.rule, plan.outputs, outputs, plan.tie)
    return plan.outcome(decision.chosen, decision.positive)


def centroid(corners: Rationals) -> Rationals:
    """Return the mean (d,) of points (v, d)."""
    total_of = [sum(corners[:, k].fractions(), Fraction(0)) for k in range(corners.shape[1])]
    return from_fractions([value / len(corners) for value in total_of])


def linear_scores(found: Enumerated, region: Region) -> tuple[list[str], list[list[Fraction]]]:
    """Return what is compared on a region as functions [gradient, constant] of the input."""
    coef, intercept = region.affine
    values = [[*coef[k].fractions(), intercept.item(k)] for k in range(len(intercept))]
    if found.plan.rule == "sign":
        return class_names(found.plan), [[Fraction(0)] * len(values[0]), values[found.plan.outputs[0]]]
    sign = -1 if found.plan.rule == "argmin" else 1
    return class_names(found.plan), [[sign * v for v in values[k]] for k in found.plan.outputs]


def slow_classes(found: Enumerated, region: Region) -> set[str]:
    """Decide by elimination where in the inside of a region each class is decided on a full-dimensional part."""
    names, scores = linear_scores(found, region)
    polytope = region.facets
    rows = polytope.rows.subset(list(polytope.facets))
    inner = [inequality(row.tolist(), bound, strict=True) for row, bound in zip(rows.matrix, rows.rhs, strict=True)]
    here = set()
    for k, own in enumerate(scores):
        same = [j for j, other in enumerate(scores) if other == own]
        gaps = [[a - b for a, b in zip(own, other, strict=True)] for other in scores if other != own]
        wins = [inequality([-a for a in gap[:-1]], gap[-1], strict=True) for gap in gaps]
        if k == same[-1 if found.plan.tie == "last" else 0] and feasible([*inner, *wins]):
            here.add(names[k])
    return here


def check(found: Enumerated) -> Partition:
    """Check everything that is true of every partition."""
    seen = Partition(found)
    regions = list(found)
    assert list(seen.volumes) == [volume(region.facets) for region in regions]
    assert sum(seen.volumes) == seen.whole_volume
    exactly = [measure.exact for measure in seen.class_volumes.values()]
    assert sum(size for size in exactly if size is not None) == seen.whole_volume
    for number, region in enumerate(regions):
        assert {part.name for part in seen.parts if part.region == number} == slow_classes(found, region)
    for part in seen.parts:
        corners = seen.where.lifted(part.shape.points)
        middle = centroid(corners)
        assert decided(found, middle) == part.name and regions[part.region].contains(middle)
        outputs = {decided(found, middle)} | set(part.attained)
        assert len(outputs) == len(part.attained)
    check_boundary(found, seen)
    return seen


def check_boundary(found: Enumerated, seen: Partition) -> None:
    for one in seen.boundary:
        at = [one.corners[i] for i in range(len(one.corners))]
        assert all(one.equation.slack(corner).num[0] == 0 for corner in at)
        assert all(min(one.rows.slack(corner).num.tolist(), default=0) >= 0 for corner in at)
        middle = centroid(one.corners)
        for number in one.regions:
            region = found[number]
            names, scores = linear_scores(found, region)
            values = [sum(a * x for a, x in zip(f, [*middle.fractions(), Fraction(1)], strict=True)) for f in scores]
            assert {name for name, v in zip(names, values, strict=True) if v == max(values)} == set(one.classes)
            assert region.contains(middle)
        inside = [number for number, region in enumerate(found) if region.contains(middle)]
        assert tuple(inside) == one.regions
    keys = [frozenset(map(tuple, one.corners.num.tolist())) for one in seen.boundary]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    check(enumerated(BATTERY[name]()))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["duplicated", "integer", "residual", "max over dead units", "no unit"])
def test_rules(name: str, rule: str) -> None:
    check(enumerated(BATTERY[name](), decision=rule))


@settings(max_examples=30, deadline=None)
@given(program=programs())
def test_generated_degenerate_nets(program: Program) -> None:
    check(enumerated(program))


@pytest.mark.parametrize("sizes", [[1, 6, 4, 3], [2, 6, 5, 4], [3, 4, 3, 3]])
def test_generic_nets(sizes: list[int]) -> None:
    seen = check(enumerated(random_mlp(sizes, 3)))
    assert seen.tie_parts == () and seen.boundary != ()


def test_neighbouring_samples_of_different_classes_have_a_boundary_between_them() -> None:
    """Along a line, the class changes only where a boundary polytope is crossed."""
    found = enumerated(random_mlp([2, 8, 6, 3], 3))
    edges = [one for one in Partition(found).boundary if one.changes]
    height = Fraction(1, 7)
    grid = [Fraction(k, 40) for k in range(-40, 41)]
    names = [decided(found, from_fractions([x, height])) for x in grid]
    crossings = []
    for one in edges:
        (x0, y0), (x1, y1) = (one.corners[i].fractions() for i in (0, 1))
        if min(y0, y1) <= height < max(y0, y1):
            crossings.append(x0 + (x1 - x0) * (height - y0) / (y1 - y0))
    changes = [i for i in range(len(grid) - 1) if names[i] != names[i + 1]]
    assert changes
    for i in changes:
        assert any(grid[i] <= x <= grid[i + 1] for x in crossings)
    lone = [i for i in range(len(grid) - 1) if sum(grid[i] < x < grid[i + 1] for x in crossings) == 1]
    assert set(lone) <= set(changes)


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param(box(["-1/3", -5], ["2/7", 11]), id="uneven box"),
        pytest.param(box([0, "1/3"], [1, "1/3"]), id="fixed coordinate"),
        pytest.param(box(["1/5", "1/3"], ["1/5", "1/3"]), id="a point"),
    ],
)
def test_boxes(domain: Domain) -> None:
    seen = Partition(enumerated(random_mlp([2, 5, 4, 2], 3), domain))
    widths = [h - low for low, h in zip(domain.lower, domain.upper, strict=True) if h is not None and low is not None]
    assert sum(seen.volumes) == math.prod([width for width in widths if width], start=Fraction(1))
    assert {part.name for part in seen.parts} <= {"output 0", "output 1"}


def test_boxes_at_the_ends_of_the_floats() -> None:
    """Areas, classes and boundary on a box of 10^300 by 10^-300, whose products no float holds."""
    found = enumerated(BATTERY["integer"](), box([0, "-1e-300"], ["1e300", "1e-300"]))
    seen = check(found)
    assert seen.whole_volume == 2 and len(seen.class_volumes) > 0


def test_identical_logits_tie_everywhere() -> None:
    program = mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1], [1, 1]], [0, 0])])
    seen = Partition(enumerated(program))
    assert [part.attained for part in seen.tie_parts] == [("output 0", "output 1")] * 4
    assert seen.boundary == () and seen.class_volumes == {"output 0": Measure(Fraction(4), Fraction(4))}


def test_a_boundary_on_a_facet_is_listed_once() -> None:
    """|x| against 0 is decided at x = 0 only, on the facet between the two regions: the logits touch there."""
    program = mlp([([[1, 0], [-1, 0]], [0, 0]), ([[1, 1], [0, 0]], [0, 0])])
    found = enumerated(program)
    (touch,) = Partition(found).boundary
    assert (touch.classes, touch.decided, touch.regions) == (("output 0", "output 1"), ("output 0",), (0, 1))
    assert not touch.changes and {source.kind for source in touch.equation.sources} == {"unit"}
    assert touch.equation.matrix.tolist() in ([[1, 0]], [[-1, 0]])


def test_a_boundary_on_the_rim_of_the_box() -> None:
    (rim,) = Partition(enumerated(mlp([([[1, 0]], [-1])]), decision="sign")).boundary
    assert (rim.decided, rim.regions) == (("not positive",), (0,))
    assert [rim.corners[i].fractions() for i in (0, 1)] == [[1, -1], [1, 1]]
    assert rim.equation.sources[0].kind == "upper"


def test_a_boundary_of_one_dimension_is_a_point() -> None:
    (point,) = Partition(enumerated(mlp([([[3]], [-1])]))).boundary
    assert point.corners.fractions() == [Fraction(1, 3)] and len(point.rows) == 0
    assert point.equation.matrix.tolist() in ([[3]], [[-3]]) and point.changes


def test_a_boundary_in_space_is_a_polygon_in_order() -> None:
    (face,) = Partition(enumerated(mlp([([[1, 1, 1]], [0])]))).boundary
    assert len(face.corners) == len(face.rows) == 6
    steps = [face.corners[i] - face.corners[(i + 1) % 6] for i in range(6)]
    assert all(step.num.tolist().count(0) == 1 for step in steps)


def test_three_classes_meet_in_a_point_and_have_three_segments() -> None:
    program = mlp([([[1, 0], [0, 1], [-1, -1]], [0, 0, 0])])
    edges = Partition(enumerated(program)).boundary
    assert {one.classes for one in edges} == set(combinations(("output 0", "output 1", "output 2"), 2))
    assert all([0, 0] in [one.corners[i].fractions() for i in (0, 1)] for one in edges)


def test_a_window_shows_a_part() -> None:
    found = enumerated(random_mlp([2, 8, 6, 2], 5), everything(2))
    seen = Partition(found, box([0, 0], ["1/2", 1]))
    assert sum(seen.volumes) == seen.whole_volume == Fraction(1, 2)
    assert 0 < sum(shape is not None for shape in seen.shapes) < len(found)
    with pytest.raises(InputError, match="unbounded"):
        Partition(found)


def test_nothing_decided_is_said() -> None:
    seen = Partition(enumerated(mlp([([[1, 0]], [0])]), decision="none"))
    assert list(seen.volumes) == [Fraction(4)]
    with pytest.raises(InputError, match="nothing is decided"):
        seen.parts  # noqa: B018 - the property is what is tested


def test_sums_are_exact_or_enclosed() -> None:
    primes = [n for n in range(2, 800) if all(n % k for k in range(2, n))]
    sizes = [Fraction(1, prime) for prime in primes]
    assert total(sizes).exact == sum(sizes)
    many = [Fraction(1, (1 << 4000) + prime) for prime in primes]
    measure = total(many)
    assert measure.exact is None and measure.low < sum(many) < measure.high
    assert measure.high - measure.low < measure.low / 2**200
    assert total([]).exact == 0


def test_sums_of_huge_sizes_are_enclosed() -> None:
    huge = [10**300 + Fraction(1, 3**600 + k) for k in range(400)]
    measure = total(huge)
    assert measure.exact is None and measure.low <= sum(huge) <= measure.high
    assert measure.high - measure.low < measure.low / 2**200


def test_scores_say_what_is_compared() -> None:
    values = exact([[1, 2], [3, 4], [5, 6]])
    plan = enumerated(random_mlp([1, 2, 3], 1), decision="argmin").plan
    assert score_rows(plan, values) == (["output 0", "output 1", "output 2"], [(-1, -2), (-3, -4), (-5, -6)], "first")
