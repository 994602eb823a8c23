"""Exact cuts of small polytopes against brute force: vertices, facets, edges in order, volumes."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.exact_cells import solve_integers
from exactbox.polytope.shapes import Row, Shape, cube, homogeneous
from tests.oracles import polygon_area

TINY = Fraction(1, 10**40)


def slow_corners(shape: Shape) -> set[tuple[Fraction, ...]]:
    """Solve every n of the rows and keep the points that satisfy all of them."""
    n = shape.dimension
    found: set[tuple[Fraction, ...]] = set()
    for chosen in combinations(shape.rows, n):
        solved = solve_integers([list(row[:n]) for row in chosen], [-row[n] for row in chosen])
        if solved is None:
            continue
        corner = tuple(Fraction(top, solved[1]) for top in solved[0])
        if all(sum(a * x for a, x in zip(row, corner, strict=False)) + row[n] >= 0 for row in shape.rows):
            found.add(corner)
    return found


@st.composite
def cuts(draw: st.DrawFn, size: int) -> list[Row]:
    """Draw rows that often meet in one vertex, run along a face or touch a corner of [-1, 1]^n."""
    slope = st.integers(-2, 2)
    rows = draw(st.lists(st.tuples(*[slope] * size, st.integers(-3, 3)), max_size=5))
    return [row for row in rows if any(row[:-1])]


@pytest.mark.parametrize("size", [1, 2, 3])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_parts_add_up_and_have_the_right_vertices(size: int, data: st.DataObject) -> None:
    parts = [cube([-1] * size, [1] * size)]
    for number, row in enumerate(data.draw(cuts(size)), 1):
        halves = [side for part in parts for side in part.split(row, number) if side is not None]
        cut = [part.cut(row, number) for part in parts]
        above = [half for half in halves if max(half.values(row)) > 0]
        assert [half.corners for half in cut if half is not None] == [half.corners for half in above]
        parts = halves
    assert sum(part.volume for part in parts) == 2**size
    for part in parts:
        assert set(part.corners) == slow_corners(part)
        assert all(len(on_it) >= size for _, on_it in part.facets)


@settings(max_examples=60, deadline=None)
@given(rows=cuts(2))
def test_polygons_have_the_area_of_the_shoelace_formula(rows: list[Row]) -> None:
    shape: Shape | None = cube([-1, -1], [1, 1])
    for row in rows:
        shape = shape and shape.cut(row, 1)
    if shape is not None:
        assert shape.volume == polygon_area(shape.corners)


@pytest.mark.parametrize(
    ("row", "count", "volume"),
    [
        pytest.param((1, 1, 0), 3, Fraction(1, 2), id="through two corners"),
        pytest.param((2, 0, 0), 4, Fraction(1, 2), id="across"),
        pytest.param((1, 0, 1), 4, Fraction(1), id="along a side"),
        pytest.param((1, 1, 2), 4, Fraction(1), id="touches a corner"),
        pytest.param((0, 0, 3), 4, Fraction(1), id="constant and positive"),
        pytest.param((0, 0, 0), 4, Fraction(1), id="constant and zero"),
        pytest.param((1, 1, 1), 5, Fraction(7, 8), id="cuts off a corner"),
    ],
)
def test_a_square_cut_once(row: Row, count: int, volume: Fraction) -> None:
    half = cube([-1, -1], [1, 1]).cut(row, 1)
    assert half is not None
    assert (len(half.points), half.volume) == (count, 4 * volume)


@pytest.mark.parametrize("row", [(-1, 0, -1), (-1, -1, -2), (0, 0, -1), (-1, 0, -5)])
def test_nothing_is_left_without_an_interior(row: Row) -> None:
    square = cube([-1, -1], [1, 1])
    assert square.cut(row, 1) is None
    assert square.split(row, 1) == (None, square)


def test_a_strip_that_no_float_sees() -> None:
    square = cube([0, 0], [1, 1])
    upper = square.cut((1, 1, -1), 1)
    strip = upper and upper.cut((-(10**40), -(10**40), 10**40 + 1), 2)
    assert strip is not None and strip.volume == TINY - TINY * TINY / 2
    assert len(strip.points) == 4 and strip.names == (0, 0, 0, 0, 1, 2)


def test_facets_are_the_rows_that_matter() -> None:
    square = cube([0, 0], [1, 1], 9)
    small = square.cut((-2, 0, 1), 1)
    small = small and small.cut((-4, 0, 1), 2)
    assert small is not None
    assert sorted(small.names[number] for number, _ in small.facets) == [2, 9, 9, 9]


def ring(shape: Shape) -> tuple[int, ...]:
    return shape.around(frozenset(range(len(shape.points))))


def test_the_vertices_of_a_polygon_in_order() -> None:
    shape: Shape | None = cube([-1, -1], [1, 1])
    for number, row in enumerate([(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1), (3, 1, 2)], 1):
        shape = shape and shape.cut(row, number)
    assert shape is not None and sorted(ring(shape)) == [0, 1, 2, 3, 4]
    sides = {frozenset(pair) for pair in zip(ring(shape), (*ring(shape)[1:], ring(shape)[0]), strict=True)}
    assert sides == {on_it for _, on_it in shape.facets}


def test_the_vertices_of_faces_in_order() -> None:
    solid = cube([0] * 3, [1] * 3).cut((-2, -2, -2, 5), 1)
    assert solid is not None and len(solid.points) == 10
    for _, face in solid.facets:
        order = solid.around(face)
        for pair in zip(order, (*order[1:], order[0]), strict=True):
            assert sum(1 for _, other in solid.facets if set(pair) <= other) == 2


def test_two_vertices_come_by_their_coordinates() -> None:
    assert [cube([0], [1]).corner(i) for i in ring(cube([0], [1]))] == [(Fraction(0),), (Fraction(1),)]
    triangle = cube([0, 0], [1, 1]).cut((-1, -1, 1), 1)
    assert triangle is not None and sorted(ring(triangle)) == [0, 1, 2]


def test_a_point_is_a_polytope_of_volume_one() -> None:
    point = cube([], [])
    assert (point.points, ring(point)) == (((1,),), (0,))
    assert (point.volume, point.dimension) == (Fraction(1), 0)


def test_an_octahedron_from_a_cube() -> None:
    shape: Shape | None = cube([-1] * 3, [1] * 3)
    for number in range(8):
        row = tuple(1 if number >> k & 1 else -1 for k in range(3))
        shape = shape and shape.cut((*row, 1), number + 1)
    assert shape is not None
    assert (len(shape.points), len(shape.facets), shape.volume) == (6, 8, Fraction(4, 3))


def test_homogeneous_coordinates_share_no_factor() -> None:
    assert homogeneous([Fraction(2, 4), Fraction(6, 4)]) == (1, 3, 2)
    half = cube([0, 0], [6, 4]).cut((-2, -3, 12), 1)
    assert half is not None and all(point[-1] == 1 for point in half.points)
