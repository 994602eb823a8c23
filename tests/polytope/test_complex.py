"""The dual graph and linear regions against brute force, and invariants that every complex has."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.complex import Complex, region_complex
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.program import Program
from exactbox.polytope.region import Region, region_at
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


def slow_borders(found: Complex) -> set[tuple[int, int]]:
    """Find the dual graph with the exact facets of each region, one by one."""
    index = {cell.pattern: i for i, cell in enumerate(found.cells)}
    pairs: set[tuple[int, int]] = set()
    for i, cell in enumerate(found.cells):
        region = Region(found.program, found.domain, cell.pattern, cell.witness, cell.witness)
        assert len(set(region.facets.facets)) == found.facet_counts[i]
        for facet in region.facets.facets:
            beyond = region.neighbor(facet)
            if beyond is not None:
                j = index[beyond.pattern]
                pairs.add((min(i, j), max(i, j)))
    return pairs


def slow_groups(found: Complex) -> set[frozenset[int]]:
    """Merge by comparing exact affine maps at points that span the domain."""
    probes = [cell.witness for cell in found.cells]
    regions = [Region(found.program, found.domain, c.pattern, c.witness, c.witness) for c in found.cells]
    maps = [[tuple(region.value(probe).fractions()) for probe in probes] for region in regions]
    groups = [{i} for i in range(len(found.cells))]
    for i, j in found.borders:
        if regions[i].coef.equals(regions[j].coef) and maps[i] == maps[j]:
            mine, theirs = (next(g for g in groups if k in g) for k in (i, j))
            if mine is not theirs:
                groups.remove(theirs)
                mine |= theirs
    return {frozenset(group) for group in groups}


def unit_box(size: int) -> Domain:
    """Return [-1, 1]^d."""
    return box([-1] * size, [1] * size)


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    program = BATTERY[name]()
    found = region_complex(program, unit_box(program.input_size))
    assert found.complete
    assert set(found.borders) == slow_borders(found)
    assert {frozenset(group) for group in found.linear_regions} == slow_groups(found)


@pytest.mark.parametrize("sizes", [[1, 5, 4, 2], [2, 6, 5, 2], [3, 5, 4, 2], [4, 4, 3, 2]])
@pytest.mark.parametrize("bounded", [True, False])
def test_generic_nets(sizes: list[int], bounded: bool) -> None:
    program = random_mlp(sizes, 1)
    found = region_complex(program, unit_box(sizes[0]) if bounded else everything(sizes[0]))
    assert set(found.borders) == slow_borders(found)
    assert {frozenset(group) for group in found.linear_regions} == slow_groups(found)


@settings(max_examples=40, deadline=None)
@given(program=programs(), bounded=st.booleans())
def test_generated_degenerate_nets(program: Program, bounded: bool) -> None:
    size = program.input_size
    found = region_complex(program, unit_box(size) if bounded else everything(size))
    assert set(found.borders) == slow_borders(found)


def test_the_dual_graph_is_connected_and_planar() -> None:
    found = region_complex(random_mlp([2, 16, 16, 2], 4), unit_box(2))
    seen, pending = {0}, [0]
    while pending:
        for j in found.neighbors[pending.pop()]:
            if j not in seen:
                seen.add(j)
                pending.append(j)
    assert len(seen) == len(found.cells)
    assert len(found.borders) <= 3 * len(found.cells) - 6


def test_cells_of_generic_nets_have_on_average_at_most_twice_d_facets() -> None:
    for size in (2, 3):
        found = region_complex(random_mlp([size, 8, 6, 1], 2), everything(size))
        assert Fraction(sum(found.facet_counts), len(found.cells)) <= 2 * size


def test_coincident_neurons_flip_together() -> None:
    program = mlp([([[1, 0], [1, 0], [-2, 0]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    found = region_complex(program, unit_box(2))
    assert len(found.cells) == 2 and found.borders == ((0, 1),)
    assert len(found.cells[0].pattern.differences(found.cells[1].pattern)) == 3


def test_equal_maps_merge_across_facets() -> None:
    program = mlp([([[1], [-1], [1]], [0, 0, "1/2"]), ([[1, -1, 0]], [0])])
    found = region_complex(program, unit_box(1))
    assert len(found.cells) == 3 and len(found.linear_regions) == 1


def test_equal_maps_that_do_not_touch_stay_apart() -> None:
    program = mlp([([[1], [1]], [0, "-1/2"]), ([[1, -2]], [0])])
    found = region_complex(program, box([-1], [2]))
    slopes = [region_at(program, cell.witness, found.domain).coef.item(0, 0) for cell in found.cells]
    assert sorted(slopes) == [-1, 0, 1] and len(found.linear_regions) == 3


def test_a_stopped_complex_says_so() -> None:
    found = region_complex(random_mlp([2, 8, 8, 1], 1), unit_box(2), max_regions=7)
    assert len(found.cells) == 7 and not found.complete and "7 regions" in found.reason
