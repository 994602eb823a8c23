"""Classes of regions: shapes and linear programs agree, budgets end cleanly, degenerate ties have their rule."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from exactbox.class_regions import ClassRegions, classes_within
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


@pytest.mark.parametrize("rule", ["argmax", "argmin"])
@pytest.mark.parametrize("name", ["duplicated", "integer", "residual", "max over dead units", "no unit"])
def test_shapes_and_linear_programs_agree_on_the_battery(name: str, rule: str) -> None:
    found = enumerated(BATTERY[name](), decision=rule)
    assert [set(own) for own in found.class_regions().by_region] == [
        set(classes_within(found.plan, region)) for region in found
    ]


@settings(max_examples=25, deadline=None)
@given(program=programs())
def test_shapes_and_linear_programs_agree(program: Program) -> None:
    found = enumerated(program)
    seen = found.class_regions()
    assert [set(own) for own in seen.by_region] == [set(classes_within(found.plan, region)) for region in found]
    assert sum(seen.wholly.values()) + seen.several == len(found)
    assert all(seen.meets[name] >= seen.wholly[name] for name in seen.names)


@pytest.mark.parametrize("size", [4, 5])
def test_more_dimensions(size: int) -> None:
    found = enumerated(random_mlp([size, 5, 4, 3], 1))
    seen = found.class_regions()
    assert seen.complete and len(seen.by_region) == len(found) and not found.has_shapes
    assert all(found.classes[i] in own for i, own in enumerate(seen.by_region))
    assert Counter(name for own in seen.by_region for name in own) == Counter(seen.meets)
    for region, own in list(zip(found, seen.by_region, strict=True))[:20]:
        assert set(own) == set(classes_within(found.plan, region))


def test_all_of_space_holds_at_least_what_a_box_holds() -> None:
    program = random_mlp([2, 5, 4, 3], 2)
    small, whole = enumerated(program), enumerated(program, everything(2))
    wide = {region.pattern: set(own) for region, own in zip(whole, whole.class_regions().by_region, strict=True)}
    for region, own in zip(small, small.class_regions().by_region, strict=True):
        assert set(own) <= wide[region.pattern]
    assert not whole.has_shapes and whole.no_shapes is not None and "unbounded" in whole.no_shapes


def test_ties_follow_the_rule() -> None:
    program = mlp([([[1], [1], [0]], [0, 0, 0])])
    assert enumerated(program, everything(1)).class_regions().by_region == (("output 0", "output 2"),)
    assert enumerated(program, decision="argmin").class_regions().by_region == (("output 0", "output 2"),)
    zero = enumerated(mlp([([[0, 0]], [0])]), everything(2))
    assert zero.class_regions().by_region == (("not positive",),)


def test_classes_that_nothing_has_are_counted_as_none() -> None:
    found = enumerated(mlp([([[0], [1], [0]], [9, 0, 0])]))
    seen = found.class_regions()
    assert seen.meets == seen.wholly == {"output 0": 1, "output 1": 0, "output 2": 0}
    assert seen.several == 0


def test_a_budget_ends_cleanly() -> None:
    found = enumerated(random_mlp([4, 6, 5, 3], 1))
    seen = found.class_regions(seconds=0)
    assert not seen.complete and len(seen.by_region) < len(found)
    assert f"of {len(found)} regions" in seen.reason


def test_a_domain_of_lower_dimension() -> None:
    found = enumerated(random_mlp([5, 5, 4, 3], 1), box([0, -1, 0, -1, 0], [0, 1, 0, 1, 0]))
    assert found.has_shapes and found.domain.domain.dimension == 2
    for region, own in zip(found, found.class_regions().by_region, strict=True):
        assert set(own) == set(classes_within(found.plan, region))


def test_nothing_decided_is_said() -> None:
    found = enumerated(mlp([([[1, 0]], [0])]), decision="none")
    with pytest.raises(InputError, match="nothing is decided"):
        found.class_regions()


def test_counts_of_no_region() -> None:
    assert ClassRegions((), True, "", ("a",)).meets == {"a": 0}
