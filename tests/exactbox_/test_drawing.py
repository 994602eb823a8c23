"""What pictures show: areas, colours that stay, windows, curves, and refusals that say what to do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from exactbox.drawing import Drawing, drawing_of
from exactbox.enumerating import Enumerated
from exactbox.polytope.domain import box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact
from exactbox.region_colours import (
    BASES,
    Colour,
    class_colour,
    hashed_colour,
    hexadecimal,
    map_key,
    share_of,
    tinted,
)
from exactbox.slices import Slice
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, mlp, random_mlp


def area(drawing: Drawing) -> float:
    """Add up the areas of all tiles by the shoelace formula, or their lengths."""
    total = 0.0
    for tile in drawing.tiles:
        x = tile.corners
        if x.shape[1] == 1:
            total += float(x[:, 0].max() - x[:, 0].min())
        else:
            total += abs(float(np.sum(x[:, 0] * np.roll(x[:, 1], -1) - x[:, 1] * np.roll(x[:, 0], -1)))) / 2
    return total


@pytest.mark.parametrize("name", [name for name, make in BATTERY.items() if make().input_size == 2])
def test_tiles_fill_the_square(name: str) -> None:
    found = enumerated(BATTERY[name]())
    drawing = drawing_of(found)
    assert abs(area(drawing) - 4) < 2**-40
    assert drawing.frame == ((-1, 1), (-1, 1)) and sorted(drawing.outlines) == list(range(len(found)))
    assert {tile.region for tile in drawing.tiles} == set(drawing.outlines)
    assert [name for name, _ in drawing.classes] == sorted({tile.name for tile in drawing.tiles}, key=order_of)


def order_of(name: str) -> int:
    return {"not positive": 0, "positive": 1, "output 0": 0, "output 1": 1, "output 2": 2}[name]


def colours(found: Enumerated, by: str) -> dict[bytes, set[Colour]]:
    drawing = drawing_of(found, colour="map" if by == "map" else "region" if by == "region" else "class")
    seen: dict[bytes, set[Colour]] = {}
    for tile in drawing.tiles:
        key = map_key(*found[tile.region].affine) if by == "map" else found.cells[tile.region].pattern.key
        seen.setdefault(key + (tile.name.encode() if by == "class" else b""), set()).add(tile.colour)
    return seen


@pytest.mark.parametrize("by", ["class", "region", "map"])
def test_colours_are_those_of_every_run(by: str) -> None:
    program = random_mlp([2, 8, 6, 3], 3)
    whole, corner = enumerated(program), enumerated(program, box([0, 0], ["1/2", 1]))
    all_of_it, part = colours(whole, by), colours(corner, by)
    assert all(len(own) == 1 for own in all_of_it.values())
    assert part.items() <= all_of_it.items() and len(part) < len(all_of_it)


def test_equal_maps_have_one_colour_and_others_mostly_not() -> None:
    fold = enumerated(mlp([([[1, -1], [-1, 1]], [0, 0]), ([[1, -1]], [0])]))
    assert len({tile.colour for tile in drawing_of(fold, colour="map").tiles}) == 1
    assert len({tile.colour for tile in drawing_of(fold, colour="region").tiles}) == 2
    many = drawing_of(enumerated(random_mlp([2, 8, 6, 3], 3)), colour="region")
    assert len({tile.colour for tile in many.tiles}) > len(many.outlines) * 0.8
    assert many.classes == () and many.boundary != ()


def test_colours_by_hand() -> None:
    assert hexadecimal(class_colour(2)) == BASES[2]
    assert class_colour(len(BASES))[0] < class_colour(0)[0]
    assert tinted((0.0, 0.5, 1.0), 0) == (0.0, 0.5, 1.0)
    assert all(light > dark for light, dark in zip(tinted((0.2, 0.3, 0.4), 1), (0.2, 0.3, 0.4), strict=True))
    assert hexadecimal(hashed_colour(b"a region")) == "#e4995e"
    assert {round(share_of(bytes([i])), 3) for i in range(50)} != {0}
    assert map_key(exact([[1]]), exact([2])) != map_key(exact([[2]]), exact([1]))


def test_the_boundary_says_where_the_decision_changes() -> None:
    drawing = drawing_of(enumerated(BATTERY["integer"]()))
    assert sorted(changes for _, changes in drawing.boundary) == [False, False, True, True]
    assert sum(tile.tie for tile in drawing.tiles) == 2
    assert all(corners.shape == (2, 2) for corners, _ in drawing.boundary)


def test_curves_are_exact_at_breakpoints() -> None:
    program = mlp([([[1], [-1]], [0, 0]), ([[1, 1], [0, 0]], [0, "1/2"])])
    drawing = drawing_of(enumerated(program))
    assert [name for name, _, _ in drawing.curves] == ["output 0", "output 1"]
    first, second = (points.tolist() for _, _, points in drawing.curves)
    assert first == [[-1, 1], [0, 0], [1, 1]] and second == [[-1, 0.5], [0, 0.5], [1, 0.5]]
    assert sorted(float(corners[0, 0]) for corners, _ in drawing.boundary) == [-0.5, 0.5]
    assert area(drawing) == 2 and not drawing.level


def test_one_output_is_drawn_against_zero() -> None:
    drawing = drawing_of(enumerated(mlp([([[1]], ["1/4"])])))
    assert drawing.level and [name for name, _, _ in drawing.curves] == ["output 0"]
    assert [name for name, _ in drawing.classes] == ["not positive", "positive"]


def test_an_unbounded_domain_is_cut_and_said() -> None:
    found = enumerated(random_mlp([2, 8, 6, 3], 2), everything(2))
    drawing = drawing_of(found)
    (left, right), (low, high) = drawing.frame
    assert abs(area(drawing) - (right - left) * (high - low)) < 2**-30
    assert "of an unbounded domain" in drawing.caption and "shown: [" in drawing.caption
    inside = [c.witness.to_float() for c in found.cells]
    seen = [left <= x <= right and low <= y <= high for x, y in inside]
    assert sum(seen) > 0.75 * len(seen)


def test_a_view_shows_a_part() -> None:
    found = enumerated(random_mlp([2, 8, 6, 3], 2), everything(2))
    drawing = drawing_of(found, view=("-1/8", "1/4"))
    assert drawing.frame == ((-0.125, 0.25),) * 2
    assert f"{len(found)} regions, {len(drawing.outlines)} of them shown, all there are" in drawing.caption
    assert abs(area(drawing) - 0.375**2) < 2**-40
    with pytest.raises(InputError, match="lower bound below"):
        drawing_of(found, view=(1, 1))


def test_fixed_coordinates_are_not_axes() -> None:
    found = enumerated(random_mlp([4, 6, 3], 2), box([0, 0, "1/2", -1], [0, 1, "1/2", 1]))
    drawing = drawing_of(found)
    assert drawing.frame == ((0, 1), (-1, 1)) and len(drawing.names) == 2
    assert abs(area(drawing) - 2) < 2**-40


def test_a_triangle_as_domain() -> None:
    domain = domain_from_rows([None, None], [None, None], [[-1, 0], [0, -1], [1, 1]], [0, 0, 1])
    drawing = drawing_of(enumerated(random_mlp([2, 6, 3], 1), domain))
    assert drawing.frame == ((0, 1), (0, 1)) and abs(area(drawing) - 0.5) < 2**-40


def test_a_plane_through_three_inputs_marks_them() -> None:
    found = enumerated(random_mlp([2, 6, 3], 1), box(["-1/2", "-1/2"], ["3/2", "1/2"]))
    cut = Slice(exact([[0, 0], [1, 0], [0, 1]]), ("a", "b", "c"))
    sliced = replace(found, model=replace(found.model, slice=cut))
    drawing = drawing_of(sliced)
    assert drawing.names == ("s", "t") and "on a plane through 3 inputs" in drawing.title
    assert [(name, place.tolist()) for name, place in drawing.marks] == [("x1", [0, 0]), ("x2", [1, 0])]


def test_an_incomplete_enumeration_says_so() -> None:
    drawing = drawing_of(enumerated(random_mlp([2, 8, 6, 3], 2), max_regions=5))
    assert not drawing.complete and "INCOMPLETE: stopped" in drawing.caption and len(drawing.outlines) == 5


@pytest.mark.parametrize("size", [3, 4])
def test_more_dimensions_are_refused(size: int) -> None:
    with pytest.raises(InputError, match=rf"the domain has {size}: give a plane through three inputs \(plane=…\)"):
        drawing_of(enumerated(random_mlp([size, 3, 2], 1)))


@pytest.mark.parametrize("ends", [("1e30", Fraction(10**30 + 1)), ("-1e308", "1e308")])
def test_boxes_that_floats_cannot_draw_are_refused(ends: tuple[object, object]) -> None:
    found = enumerated(mlp([([[1, 1]], [0])]), box([ends[0], 0], [ends[1], 1]))
    with pytest.raises(InputError, match=r"too narrow or too wide"):
        drawing_of(found)


def test_nothing_decided_is_coloured_by_region() -> None:
    found = enumerated(random_mlp([2, 6, 3], 1), decision="none")
    drawing = drawing_of(found)
    assert not drawing.classes and not drawing.boundary and {tile.name for tile in drawing.tiles} == {""}
    with pytest.raises(InputError, match="nothing is decided"):
        drawing_of(found, colour="class")


def test_a_strip_thinner_than_a_float_is_still_a_tile() -> None:
    program = mlp([([[1, 0], [1, 0]], [0, Fraction(-1, 10**40)]), ([[1, -1]], [0])])
    drawing = drawing_of(enumerated(program))
    assert len(drawing.outlines) == 3 and {len(corners) for corners in drawing.outlines.values()} == {4}
