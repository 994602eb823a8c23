"""Walks over facets: the same neighbours as the full enumeration's dual graph, on degenerate nets too."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np
import pytest

from exactbox.polytope.complex import region_complex
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.region import Region, beyond, region_at
from exactbox.polytope.walk import Walk, walk
from tests.nets import BATTERY, mlp, random_mlp

POINTS = {"origin": ["0", "0"], "inside": ["1/7", "-2/5"], "corner": ["1", "1"], "far": ["1/2", "-1"]}


def distances(program: Program, domain: Domain, start: Pattern) -> tuple[dict[Pattern, int], set[frozenset[Pattern]]]:
    """Return the distance of every region from one, and all borders, by the full enumeration's dual graph."""
    whole = region_complex(program, domain)
    patterns = [cell.pattern for cell in whole.cells]
    first = patterns.index(start)
    found, queue = {first: 0}, deque([first])
    while queue:
        i = queue.popleft()
        for j in whole.neighbors[i]:
            if j not in found:
                found[j] = found[i] + 1
                queue.append(j)
    borders = {frozenset((patterns[i], patterns[j])) for i, j in whole.borders}
    return {patterns[i]: depth for i, depth in found.items()}, borders


def start_at(program: Program, domain: Domain, point: list[str]) -> Region:
    return region_at(program, exact((point * program.input_size)[: program.input_size]), domain)


def check(program: Program, domain: Domain, start: Region, depth: int) -> Walk:
    """Compare a walk with the dual graph, and its evidence with the definition."""
    known, borders = distances(program, domain, start.pattern)
    found = walk(start, depth)
    assert found.complete and found.frontier == () and found.reason.startswith("all regions")
    seen = {place.region.pattern: place.depth for place in found.places}
    assert len(seen) == len(found.places)
    assert seen == {pattern: far for pattern, far in known.items() if far <= depth}
    pairs = {frozenset(found.places[i].region.pattern for i in (c.before, c.after)) for c in found.crossings}
    near = {pattern for pattern, far in seen.items() if far < depth}
    assert pairs == {pair for pair in borders if pair & near}
    for crossing in found.crossings:
        before, after = (found.places[i] for i in (crossing.before, crossing.after))
        assert before.polytope is not None
        row = before.polytope.rows.subset([crossing.facet])
        assert row.slack(crossing.point).item(0) == 0
        assert row.slack(before.region.witness).item(0) > 0 > row.slack(after.region.witness).item(0)
        for side in (before, after):
            assert side.region.contains(crossing.point)
        value = before.region.value(crossing.point)
        assert value.equals(after.region.value(crossing.point))
    return found


@pytest.mark.parametrize("name", BATTERY)
@pytest.mark.parametrize("where", ["origin", "inside", "corner"])
def test_degenerate_nets_in_a_box(name: str, where: str) -> None:
    program = BATTERY[name]()
    domain = box([-1] * program.input_size, [1] * program.input_size)
    for depth in (1, 2, 9):
        check(program, domain, start_at(program, domain, POINTS[where]), depth)


@pytest.mark.parametrize("name", BATTERY)
def test_degenerate_nets_in_the_whole_space(name: str) -> None:
    program = BATTERY[name]()
    domain = everything(program.input_size)
    check(program, domain, start_at(program, domain, POINTS["far"]), 2)


@pytest.mark.parametrize("seed", range(4))
def test_random_nets_in_three_dimensions(seed: int) -> None:
    program = random_mlp([3, 5, 3, 2], seed)
    domain = box([-1] * 3, [1] * 3)
    found = check(program, domain, region_at(program, exact([0, 0, 0]), domain), 2)
    assert len(found.places) > 4


def test_small_integer_nets() -> None:
    rng = np.random.default_rng(5)
    for _ in range(8):
        layers = [
            (rng.integers(-1, 2, (height, width)).tolist(), rng.integers(-1, 2, height).tolist())
            for width, height in ((2, 5), (5, 4), (4, 2))
        ]
        program, domain = mlp(layers), box([-2, -2], [2, 2])
        check(program, domain, start_at(program, domain, POINTS["origin"]), 2)


def test_domains_of_lower_dimension_and_polytopes() -> None:
    program = BATTERY["integer"]()
    domains = [
        box(["1/3", -2], ["1/3", 2]),
        domain_from_rows([-2, -2], [2, 2], [[1, 1]], [1]),
        domain_from_rows([None, None], [None, None], [], [], [[1, -2]], ["1/3"]),
    ]
    for domain in domains:
        check(program, domain, region_at(program, domain.witness, domain), 3)


def test_depth_zero_is_the_start() -> None:
    start = start_at(BATTERY["integer"](), box([-1, -1], [1, 1]), POINTS["inside"])
    found = walk(start, 0)
    assert (len(found.places), found.crossings, found.complete) == (1, (), True)
    assert found.places[0].region is start and found.places[0].polytope is None


def test_a_program_without_units_has_no_neighbours() -> None:
    program = BATTERY["no unit"]()
    found = walk(region_at(program, exact([0, 0]), everything(2)), 3)
    assert (len(found.places), found.complete) == (1, True)


def test_a_limit_on_regions() -> None:
    program, domain = random_mlp([2, 9, 2], 1), everything(2)
    start = region_at(program, exact([0, 0]), domain)
    whole = walk(start, 2)
    for limit in (1, 2, len(whole.places) - 1, len(whole.places)):
        found = walk(start, 2, max_regions=limit)
        assert len(found.places) == limit
        assert found.complete == (limit == len(whole.places))
        if not found.complete:
            assert found.reason == f"stopped: more than {limit} region{'s' * (limit != 1)}" and found.frontier
            assert all(found.places[i].depth < 2 for i in found.frontier)
        expected = {place.region.pattern for place in whole.places}
        assert {place.region.pattern for place in found.places} <= expected


def test_no_time() -> None:
    start = region_at(random_mlp([2, 9, 2], 1), exact([0, 0]), everything(2))
    found = walk(start, 2, time_limit=-1)
    assert (found.complete, found.frontier, len(found.places)) == (False, (0,), 1)
    assert "time limit" in found.reason


def test_rows_that_a_budget_leaves_open() -> None:
    program, domain = random_mlp([12, 30, 2], 3), everything(12)
    start = region_at(program, exact([Fraction(k, 7) for k in range(12)]), domain)
    whole, poor = walk(start, 1), walk(start, 1, pivots=0)
    assert whole.complete and not whole.undecided
    if poor.undecided:
        assert not poor.complete and poor.reason.startswith("undecided")
    assert len(poor.places) + sum(map(len, poor.undecided.values())) >= len(whole.places)
    assert {p.region.pattern for p in poor.places} <= {p.region.pattern for p in whole.places}


def test_progress_is_heard() -> None:
    heard: list[tuple[int, int]] = []
    start = region_at(random_mlp([2, 5, 2], 0), exact([0, 0]), everything(2))
    found = walk(start, 2, progress=lambda regions, looked: heard.append((regions, looked)))
    assert heard[-1][0] == len(found.places) and [looked for _, looked in heard] == list(range(1, len(heard) + 1))


def test_a_row_that_is_no_facet() -> None:
    program = BATTERY["duplicated"]()
    start: Region = region_at(program, exact(["1/3", "1/5"]), everything(2))
    other = next(i for i in range(len(start.facets.verdicts)) if i not in start.facets.facets)
    with pytest.raises(InputError, match="no facet"):
        beyond(start, start.facets, other)
    across = start.neighbor(start.facets.facets[0])
    assert across is not None and isinstance(across.point, Rationals)
