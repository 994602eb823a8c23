"""Slices: the composed program is the program on the slice, and its regions are the slice's."""

from __future__ import annotations

import numpy as np
import pytest

from exactbox.polytope import exact as interpreter
from exactbox.polytope.domain import box
from exactbox.polytope.enumeration import enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Provenance
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.restriction import restrict, through_points
from tests.nets import BATTERY, random_mlp


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
