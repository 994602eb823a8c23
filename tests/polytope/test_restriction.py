"""Slices: the composed program is the program on the slice, and its regions are the slice's."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
import pytest

from exactbox.polytope import exact as interpreter
from exactbox.polytope import restriction
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.enumeration import enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.facets import minimal
from exactbox.polytope.program import Provenance
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.restriction import preimage, restrict, through_points
from exactbox.polytope.simplex import Limits
from tests.nets import BATTERY, random_mlp

WIDE = box([-9, -9], [9, 9])
ORIGIN, AXES = exact([0, 0, 0]), exact([[1, 0], [0, 1], [1, 1]])
TRIANGLE = domain_from_rows([0, 0], [None, None], [[1, 1]], [1])


@pytest.mark.parametrize("name", [name for name in BATTERY if BATTERY[name]().input_size == 2])
def test_values_agree_on_a_line(name: str) -> None:
    program = BATTERY[name]()
    origin, direction = exact(["1/3", "-0.1"]), exact([["2"], ["-1/7"]])
    line = restrict(program, origin, direction)
    for t in ("-2", "0", "1/5", "3"):
        x = origin + (direction * exact([[t]])).reshape(-1)
        assert interpreter.forward(line, exact([[t]])).equals(interpreter.forward(program, x.reshape(-1, 1)))


def test_corners_of_a_plane_through_three_points() -> None:
    points = exact(np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32))
    origin, directions = through_points(points)
    program = random_mlp([5, 6, 2], 1)
    plane = restrict(program, origin, directions)
    for i, corner in enumerate(([0, 0], [1, 0], [0, 1])):
        value = interpreter.forward(plane, exact(corner).reshape(-1, 1))
        assert value.equals(interpreter.forward(program, points[i].reshape(-1, 1)))


def test_regions_of_a_slice_are_those_that_points_of_it_see() -> None:
    program = random_mlp([6, 7, 5, 2], 2)
    origin, directions = through_points(exact(np.random.default_rng(1).standard_normal((3, 6)).astype(np.float32)))
    plane = restrict(program, origin, directions)
    cells = list(enumerate_regions(plane, box([-1, -1], [1, 1])))
    patterns = {cell.pattern.key for cell in cells}
    for cell in cells:
        values = interpreter.trace(plane, cell.witness.reshape(-1, 1))
        assert interpreter.forward(plane, cell.witness.reshape(-1, 1)).equals(values[-1])
    assert len(patterns) == len(cells) > 10


def test_provenance_names_the_same_units() -> None:
    base = random_mlp([2, 3, 1], 0)
    marks = tuple(Provenance(f"node{i}", (1, size)) for i, size in enumerate(base.sizes))
    program = type(base)(base.inputs, base.instructions, base.output, base.head, marks)
    sliced = restrict(program, exact([0, 0]), exact([[1], [1]]))
    assert sliced.unit_name(sliced.max_positions[0], 1) == program.unit_name(program.max_positions[0], 1)


@pytest.mark.parametrize(
    ("origin", "directions", "message"),
    [
        (exact([0]), exact([[1], [1]]), "origin: expected shape"),
        (exact([0, 0]), exact([[1]]), "directions: expected shape"),
        (exact([0, 0]), exact([1, 1]), "directions: expected shape"),
    ],
)
def test_wrong_shapes_are_refused(origin: Rationals, directions: Rationals, message: str) -> None:
    with pytest.raises(InputError, match=message):
        restrict(random_mlp([2, 3, 1], 0), origin, directions)


def test_one_point_spans_nothing() -> None:
    with pytest.raises(InputError, match="points: expected shape"):
        through_points(exact([[1, 2]]))


PREIMAGES = {
    "all of R^3": (everything(3), WIDE, 0, 2),
    "a cube meets the plane in a hexagon": (box([-1, -1, -1], [1, 1, 1]), WIDE, 2, 2),
    "a bound of one coordinate alone": (box([-1, None, None], [1, None, None]), WIDE, 0, 2),
    "far redundant rows": (box([-1, -1, -99], [1, 1, 99]), WIDE, 0, 2),
    "a slab": (box([None, None, 0], [None, None, 1]), WIDE, 2, 2),
    "a coordinate of width zero": (box([None, None, 1], [None, None, 1]), WIDE, None, 1),
    "one point": (box([0, 0, 0], [0, 0, 0]), WIDE, None, 0),
    "a corner touches": (box([-9, -9, 18], [9, 9, 20]), WIDE, None, 0),
    "an unbounded frame": (box([-1, -1, -1], [1, 1, 1]), everything(2), 2, 2),
    "a polytope with a row": (domain_from_rows([0, 0, 0], [None] * 3, [[1, 1, 1]], [1]), WIDE, 1, 2),
    "a polytope with an equation": (domain_from_rows([None] * 3, [None] * 3, [], [], [[1, 0, 1]], [1]), WIDE, None, 1),
}


@pytest.mark.parametrize("name", PREIMAGES)
def test_preimages(name: str) -> None:
    domain, frame, rows, dimension = PREIMAGES[name]
    part = preimage(domain, ORIGIN, AXES, frame)
    assert part.dimension == dimension
    if rows is not None:
        assert len(part.rows) == rows
    steps = [Fraction(k, 4) for k in range(-42, 43, 3)]
    for s in steps:
        for t in steps:
            inside = frame.contains(exact([s, t])) and domain.contains(exact([s, t, s + t]))
            assert part.contains(exact([s, t])) == inside
    assert domain.contains(exact([*part.witness.fractions(), sum(part.witness.fractions())]))


def test_rows_that_a_budget_leaves_open_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, bounds = exact([[1, 1], [1, -2], [-3, 1], [-1, -1], [1, 2], [2, 1]]), exact([1, 1, 1, 1, 3, 3])
    domain = domain_from_rows([None] * 2, [None] * 2, rows, bounds)
    plane = exact([0, 0]), exact([[1, 0], [0, 1]])
    assert len(preimage(domain, *plane, everything(2)).rows) == 4
    monkeypatch.setattr(restriction, "minimal", functools.partial(minimal, limits=Limits(0)))
    assert len(preimage(domain, *plane, everything(2)).rows) == 6


def test_a_line_has_an_interval() -> None:
    part = preimage(TRIANGLE, exact(["1/3", "1/4"]), exact([[1], [1]]), box([-9], [9]))
    assert (part.lower, part.upper, len(part.rows)) == ((Fraction(-1, 4),), (Fraction(5, 24),), 0)


def test_many_rows_leave_those_of_the_polygon() -> None:
    rng = np.random.default_rng(3)
    origin, directions = through_points(exact(rng.random((3, 60)).astype(np.float32)))
    part = preimage(box([0] * 60, [1] * 60), origin, directions, box([-2, -2], [3, 3]))
    assert 3 <= len(part.rows) < 30
    for point in rng.uniform(-2, 3, (200, 2)):
        y = exact(point)
        x = origin + Rationals(directions.num.dot(y.num), directions.den * y.den)
        assert part.contains(y) == box([0] * 60, [1] * 60).contains(x)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (box([5, 5, 0], [6, 6, 1]), "empty"),
        (box([0, 0, 30], [1, 1, 40]), "empty"),
        (domain_from_rows([None] * 3, [None] * 3, [[1, 1, -1]], [-1]), "empty: a row or bound .* violated by 1 every"),
        (domain_from_rows([None] * 3, [None] * 3, [], [], [[1, 1, -1]], [1]), "empty"),
    ],
)
def test_nothing_is_left(domain: Domain, message: str) -> None:
    with pytest.raises(InputError, match=message):
        preimage(domain, ORIGIN, AXES, WIDE)
