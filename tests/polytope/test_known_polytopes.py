"""Polytopes whose dimension, facets, vertices and volume are in the books; most are as degenerate as can be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from exactbox.polytope.domain import Domain, box, everything, no_rows
from exactbox.polytope.domain_rows import domain_from_rows, verify_given
from exactbox.polytope.evidence import verify
from exactbox.polytope.facets import minimal
from exactbox.polytope.geometry import bounding_box, chebyshev, vertices, volume
from exactbox.polytope.rational import exact
from exactbox.polytope.verdicts import Kept, Minimal
from tests.polytopes import unit_rows

Table = list[list[int]]


@dataclass(frozen=True)
class Known:
    """A polytope given by a domain of its own, and what is known of it."""

    domain: Domain
    dimension: int
    facets: int


def cross(size: int) -> Known:
    """The cross-polytope: all sums of signed coordinates are at most 1 (2**size facets)."""
    signs = [list(signs) for signs in itertools.product([-1, 1], repeat=size)]
    return Known(domain_from_rows([None] * size, [None] * size, signs, [1] * len(signs)), size, 2**size)


def birkhoff(size: int) -> Known:
    """The doubly stochastic matrices: dimension (size-1)**2, one facet for each entry that may be 0 (size >= 3)."""
    count = size * size
    equations: Table = []
    for k in range(size):
        equations.append([int(i // size == k) for i in range(count)])
        equations.append([int(i % size == k) for i in range(count)])
    domain = domain_from_rows([0] * count, [1] * count, [], [], equations, [1] * (2 * size))
    return Known(domain, (size - 1) ** 2, count)


def permutohedron(size: int) -> Known:
    """The hull of all orders of 1..size: dimension size-1, a facet for each proper non-empty subset."""
    rows: Table = []
    rhs: list[int] = []
    for length in range(1, size):
        for subset in itertools.combinations(range(size), length):
            rows.append([-int(i in subset) for i in range(size)])
            rhs.append(-length * (length + 1) // 2)
    total = size * (size + 1) // 2
    return Known(
        domain_from_rows([None] * size, [None] * size, rows, rhs, [[1] * size], [total]), size - 1, 2**size - 2
    )


def hypersimplex(size: int, level: int) -> Known:
    """The slice of the unit cube where coordinates add up to ``level`` (2*size facets for 2 <= level <= size-2)."""
    return Known(domain_from_rows([0] * size, [1] * size, [], [], [[1] * size], [level]), size - 1, 2 * size)


def order_polytope(size: int) -> Known:
    """The increasing sequences 0 <= y_0 <= ... <= y_k <= 1: a simplex, all other bounds are redundant."""
    rows = [[int(i == k) - int(i == k + 1) for i in range(size)] for k in range(size - 1)]
    return Known(domain_from_rows([0] * size, [1] * size, rows, [0] * (size - 1)), size, size + 1)


def simplex_of_rows(size: int) -> Known:
    """A simplex with every sum of its rows given as well; only size+1 rows are facets."""
    base = [*(-np.eye(size, dtype=int)).tolist(), [1] * size]
    rhs = [0] * size + [1]
    rows: Table = []
    bounds: list[int] = []
    for length in (1, 2, 3):
        for chosen in itertools.combinations(range(size + 1), length):
            rows.append([sum(base[i][k] for i in chosen) for k in range(size)])
            bounds.append(sum(rhs[i] for i in chosen))
    return Known(domain_from_rows([None] * size, [None] * size, rows, bounds), size, size + 1)


def pyramid_of_many_sides(sides: int) -> Known:
    """All rows pass through one apex: a cone with integer normals around a circle, cut by a base."""
    rows = [[5 * a, 5 * b, 13] for a, b in around(sides)]
    return Known(domain_from_rows([None] * 3, [None] * 3, [*rows, [0, 0, -1]], [0] * len(rows) + [1]), 3, len(rows) + 1)


def around(sides: int) -> list[tuple[int, int]]:
    """Return integer directions around a circle, all of them corners of their hull."""
    first = [(m * m - k * k, 2 * m * k, m * m + k * k) for m in range(1, sides) for k in range(m)]
    found = {(Fraction(a, c), Fraction(b, c)) for a, b, c in first}
    scale = math.lcm(*(v.denominator for pair in found for v in pair))
    quarter = sorted((int(a * scale), int(b * scale)) for a, b in found)
    return [(s * a, t * b) for a, b in quarter for s in (1, -1) for t in (1, -1) if (a or s > 0) and (b or t > 0)]


KNOWN: dict[str, Callable[[], Known]] = {
    "cross-polytope in 2 dimensions": lambda: cross(2),
    "cross-polytope in 6 dimensions": lambda: cross(6),
    "doubly stochastic 3 by 3": lambda: birkhoff(3),
    "doubly stochastic 5 by 5": lambda: birkhoff(5),
    "permutohedron of order 3": lambda: permutohedron(3),
    "permutohedron of order 5": lambda: permutohedron(5),
    "hypersimplex (4, 2)": lambda: hypersimplex(4, 2),
    "hypersimplex (9, 4)": lambda: hypersimplex(9, 4),
    "order polytope of 2": lambda: order_polytope(2),
    "order polytope of 25": lambda: order_polytope(25),
    "simplex with sums of its rows": lambda: simplex_of_rows(7),
    "pyramid": lambda: pyramid_of_many_sides(5),
}


def solve(known: Known) -> Minimal:
    return minimal(known.domain, no_rows(known.domain.size), known.domain.witness)


@pytest.mark.parametrize("name", KNOWN)
def test_dimension_and_facets(name: str) -> None:
    known = KNOWN[name]()
    assert known.domain.dimension == known.dimension
    found = solve(known)
    assert len(found.facets) == known.facets and not found.undecided
    assert verify(found) == () and verify_given(known.domain)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cross-polytope in 2 dimensions", 4), ("permutohedron of order 3", 6), ("hypersimplex (4, 2)", 6),
        ("order polytope of 2", 3),
    ],
)
def test_vertices(name: str, count: int) -> None:
    found = vertices(solve(KNOWN[name]()))
    assert len(found) == count
    assert all(value.denominator == 1 for value in found.fractions())


def test_the_cross_polytope_has_its_volume() -> None:
    assert volume(solve(cross(3))) == Fraction(8, 6)


def test_the_order_polytope_has_its_volume() -> None:
    assert volume(solve(order_polytope(3))) == Fraction(1, 6)


def test_the_pyramid_has_as_many_base_corners_as_sides() -> None:
    pyramid = solve(pyramid_of_many_sides(4))
    assert len(vertices(pyramid)) == len(pyramid.facets)


def test_doubly_stochastic_entries_reach_zero_and_one() -> None:
    assert set(bounding_box(solve(birkhoff(3)))) == {(Fraction(0), Fraction(1))}


def test_the_ball_of_the_cross_polytope() -> None:
    ball = chebyshev(solve(cross(4)))
    assert ball.limit is not None and float(ball.radius) <= 0.5 <= float(ball.limit) <= 0.5005


def test_doubly_stochastic_upper_bounds_are_implied() -> None:
    found = solve(birkhoff(4))
    kinds = {found.sources[position].kind for position in found.facets}
    assert kinds == {"lower"}


@pytest.mark.parametrize("size", [2, 5, 40])
def test_a_cube_cut_at_every_corner_of_a_face(size: int) -> None:
    """Rows that touch the cube in single corners only are redundant, however many."""
    rows = [[1 if i <= k else 0 for i in range(size)] for k in range(1, size)]
    rhs = [k + 1 for k in range(1, size)]
    found = minimal(box([0] * size, [1] * size), unit_rows(rows, rhs, size), exact(["1/2"] * size))
    assert found.facets == tuple(range(size - 1, 3 * size - 1)) and verify(found) == ()


@pytest.mark.parametrize("size", [2, 6, 30])
def test_a_cube_cut_through_its_centre(size: int) -> None:
    """Half a cube: the cut and all bounds are facets."""
    inside = exact([Fraction(1, 4)] * size)
    found = minimal(box([0] * size, [1] * size), unit_rows([[2] * size], [size], size), inside)
    assert len(found.facets) == 2 * size + (1 if size > 2 else -1)
    assert verify(found) == ()


@pytest.mark.parametrize("turns", [3, 6])
def test_tangents_of_a_circle_are_all_facets(turns: int) -> None:
    normals = around(turns)
    radius = math.isqrt(normals[0][0] ** 2 + normals[0][1] ** 2)
    found = minimal(everything(2), unit_rows(normals, [radius] * len(normals), 2), exact([0, 0]))
    assert len(found.facets) == len(normals) and verify(found) == ()


def test_tangents_and_a_copy_of_each_a_speck_further_out() -> None:
    normals = around(4)
    radius = math.isqrt(normals[0][0] ** 2 + normals[0][1] ** 2)
    rhs = [Fraction(radius)] * len(normals) + [radius + Fraction(1, 10**60)] * len(normals)
    found = minimal(everything(2), unit_rows([*normals, *normals], rhs, 2), exact([0, 0]))
    assert found.facets == tuple(range(len(normals))) and verify(found) == ()
    for position in found.facets:
        verdict = found.verdicts[position]
        assert isinstance(verdict, Kept)
        end = exact([0, 0]) + found.centre
        reached = [e + verdict.step.get(i, Fraction(0)) for i, e in enumerate(end.fractions())]
        level = sum((a * y for a, y in zip(normals[position], reached, strict=True)), Fraction(0))
        assert radius < level <= radius + Fraction(1, 10**60)
