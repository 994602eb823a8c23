"""Ball, bounding box, vertices and volume: against closed forms, the shoelace formula and each other."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings

from exactbox.polytope.domain import Domain, box, everything, no_rows
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.facets import minimal
from exactbox.polytope.geometry import bounding_box, chebyshev, vertices, volume
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.region import region_at
from exactbox.polytope.rows import Rows
from exactbox.polytope.simplex import Limits
from exactbox.polytope.verdicts import Minimal
from tests.nets import random_mlp
from tests.oracles import polygon_area
from tests.polytopes import SPECK, TINY, polytopes, unit_rows


def cut(domain: Domain, matrix: list[list[object]], rhs: list[object], inside: list[object]) -> Minimal:
    return minimal(domain, unit_rows(matrix, rhs, domain.size), exact(inside))


def simplex(size: int) -> Minimal:
    return cut(box([0] * size, [None] * size), [[1] * size], [1], [Fraction(1, 2 * size)] * size)


def octahedron() -> Minimal:
    signs: list[list[object]] = [list(signs) for signs in itertools.product([-1, 1], repeat=3)]
    return cut(everything(3), signs, [1] * 8, [0, 0, 0])


def wedge() -> Minimal:
    return cut(box([0, None], [None, None]), [[-1, 1], [-1, -1]], [0, 0], [1, 0])


def strip(width: Fraction) -> Minimal:
    return cut(box([0, 0], [1, 1]), [[1, -1], [-1, 1]], [width, 0], ["1/2", Fraction(1, 2) - width / 2])


VOLUMES: dict[str, tuple[Minimal, object, int]] = {
    "segment": (cut(box([0], [9]), [[3]], [1], ["1/4"]), "1/3", 2),
    "half-line": (cut(box([0], [None]), [], [], [1]), None, 1),
    "line": (cut(everything(1), [], [], [0]), None, 0),
    "plane": (cut(everything(2), [], [], [0, 0]), None, 0),
    "square": (cut(box([0, 0], [1, 1]), [], [], ["1/2", "1/2"]), 1, 4),
    "triangle": (simplex(2), "1/2", 3),
    "tetrahedron": (simplex(3), "1/6", 4),
    "octahedron": (octahedron(), "4/3", 6),
    "cube without a corner": (
        cut(box([0] * 3, [1] * 3), [[1, 1, 1]], ["5/2"], ["1/2"] * 3), Fraction(1) - Fraction(1, 48), 10
    ),
    "cube touched at a corner": (cut(box([0] * 3, [1] * 3), [[1, 1, 1]], [3], ["1/2"] * 3), 1, 8),
    "wedge": (wedge(), None, 1),
    "prism without ends": (cut(box([0, 0, None], [1, 1, None]), [], [], ["1/2", "1/2", 0]), None, 0),
    "strip": (cut(everything(2), [[1, 1], [-1, -1]], [1, 0], ["1/4", "1/4"]), None, 0),
    "square in three dimensions": (cut(box([0, 0, 5], [2, 3, 5]), [], [], [1, 1, 5]), 6, 4),
    "point": (cut(box([1, 2], [1, 2]), [], [], [1, 2]), 1, 1),
    "thin strip": (strip(TINY), TINY - TINY**2 / 2, 4),
    "thinner than any float": (strip(SPECK), SPECK - SPECK**2 / 2, 4),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes_and_vertices(name: str) -> None:
    polytope, expected, corners = VOLUMES[name]
    assert volume(polytope) == (None if expected is None else Fraction(str(expected)))
    assert vertices(polytope).shape == (corners, polytope.domain.size)


def test_vertices_are_sorted_and_exact() -> None:
    found = vertices(cut(box([0, 0], [1, 1]), [[3, 3]], [1], ["1/9", "1/9"]))
    third = Fraction(1, 3)
    assert found.fractions() == [0, 0, 0, third, third, 0]


@given(polytopes(most=5))
@settings(max_examples=60)
def test_random_measures_agree(drawn: tuple[Domain, Rows, Rationals]) -> None:
    polytope = minimal(*drawn)
    corners, size = vertices(polytope), polytope.domain.size
    points = [corners[k] for k in range(len(corners))]
    for point in points:
        assert polytope.domain.contains(point) and not np.any(polytope.given.slack(point).num < 0)
    extent = bounding_box(polytope)
    content = volume(polytope)
    if content is None:
        assert any(low is None or high is None for low, high in extent)
        return
    assert content > 0
    for i, pair in enumerate(extent):
        values = [point.item(i) for point in points]
        assert pair == (min(values), max(values))
    if polytope.domain.dimension == 2 and size == 2:
        assert content == polygon_area([point.fractions() for point in points])
    elif polytope.domain.dimension == 1:
        assert content == sum(high - low for low, high in extent if low is not None and high is not None)


@given(polytopes(most=4))
@settings(max_examples=40)
def test_random_balls_are_inside_and_bounded(drawn: tuple[Domain, Rows, Rationals]) -> None:
    polytope = minimal(*drawn)
    assume(polytope.facets)
    ball = chebyshev(polytope)
    assert ball.radius > 0 and (ball.limit is None or ball.radius <= ball.limit)
    rows = polytope.rows
    free = polytope.domain.free
    for slack, row in zip(rows.slack(ball.centre).fractions(), rows.matrix[:, free], strict=True):
        assert slack > 0 or not np.any(row)
        assert slack**2 >= ball.radius**2 * int((row * row).sum())


BALLS: dict[str, tuple[Minimal, float]] = {
    "square": (cut(box([0, 0], [2, 2]), [], [], [1, 1]), 1.0),
    "triangle": (simplex(2), 1 / (2 + math.sqrt(2))),
    "tetrahedron": (simplex(3), 1 / (3 + math.sqrt(3))),
    "octahedron": (octahedron(), 1 / math.sqrt(3)),
    "thin strip": (strip(TINY), float(TINY) / 2 / math.sqrt(2)),
    "fixed coordinate": (cut(box([0, 0, 5], [2, 9, 5]), [], [], [1, 1, 5]), 1.0),
    "unbounded strip": (cut(everything(2), [[1, 1], [-1, -1]], [2, 0], [1, 0]), 1 / math.sqrt(2)),
}


@pytest.mark.parametrize("name", BALLS)
def test_balls_of_known_radius(name: str) -> None:
    polytope, radius = BALLS[name]
    ball = chebyshev(polytope)
    assert ball.limit is not None and ball.limit <= ball.radius * (1 + Fraction(1, 500))
    assert float(ball.radius) <= radius * (1 + 2.0**-50) and float(ball.limit) >= radius * (1 - 2.0**-50)


def test_balls_that_grow_without_end_have_no_limit() -> None:
    ball = chebyshev(wedge())
    assert ball.limit is None and ball.radius > 0


def test_the_ball_of_a_net() -> None:
    region = region_at(random_mlp((30, 10, 2), 5), exact(["1/2"] * 30), box([0] * 30, [1] * 30))
    ball = chebyshev(region.facets)
    assert ball.limit is not None and ball.limit <= ball.radius * (1 + Fraction(1, 500))
    assert region.contains(ball.centre)


def test_the_bounding_box_of_a_net() -> None:
    region = region_at(random_mlp((6, 10, 10, 2), 5), exact(["1/3"] * 6), box([0] * 6, [1] * 6))
    extent = bounding_box(region.facets)
    assert all(low is not None and high is not None and 0 <= low < high <= 1 for low, high in extent)
    assert any(low != 0 for low, _ in extent)


def test_the_bounding_box_of_a_skew_segment() -> None:
    domain = domain_from_rows([0, 0], [1, 1], [], [], [[1, 2]], [1])
    segment = minimal(domain, no_rows(2), domain.witness)
    assert [v for pair in bounding_box(segment) for v in pair] == [0, 1, 0, Fraction(1, 2)]
    assert vertices(segment).fractions() == [1, 0, 0, Fraction(1, 2)]


@pytest.mark.parametrize("measure", [volume, chebyshev])
def test_lengths_in_skew_domains_are_refused(measure: object) -> None:
    domain = domain_from_rows([0, 0], [1, 1], [], [], [[1, 2]], [1])
    segment = minimal(domain, no_rows(2), domain.witness)
    with pytest.raises(InputError, match="zero-width"):
        volume(segment) if measure is volume else chebyshev(segment)


@pytest.mark.parametrize("measure", [volume, vertices])
def test_four_dimensions_are_too_many(measure: object) -> None:
    with pytest.raises(InputError, match="at most 3, got 4"):
        volume(simplex(4)) if measure is volume else vertices(simplex(4))


def test_a_ball_needs_a_facet() -> None:
    with pytest.raises(InputError, match="no facet"):
        chebyshev(cut(everything(2), [], [], [0, 0]))


def test_undecided_rows_are_not_measured() -> None:
    rows = unit_rows([[1, 1], [1, 1 + SPECK], [1, 1 - SPECK], [-1, 1]], [1, 1, 1, 1], 2)
    left = minimal(everything(2), rows, exact([0, 0]), limits=Limits(pivots=0))
    with pytest.raises(BudgetError, match="undecided"):
        volume(left)


def test_the_bounding_box_has_a_budget() -> None:
    with pytest.raises(BudgetError):
        bounding_box(simplex(2), Limits(pivots=0))
