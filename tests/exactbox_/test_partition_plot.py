"""Pictures as files: what is in them, equal for equal input, whole or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exactbox.drawing import Drawing, Tile, drawing_of
from exactbox.partition_plot import MOST_IN_LEGEND, MOST_VECTORS, draw_partition, line_width
from exactbox.polytope.domain import box
from exactbox.polytope.errors import InputError
from exactbox.region_colours import class_colour
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, random_mlp

PNG = b"\x89PNG\r\n"


def svg(drawing: Drawing, folder: Path) -> str:
    draw_partition(drawing, folder / "picture.svg")
    return (folder / "picture.svg").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plane() -> Drawing:
    return drawing_of(enumerated(BATTERY["integer"](), neighbors=True))


def labels(text: str) -> list[str]:
    """Return the texts of a picture, which matplotlib leaves as comments beside its outlines."""
    return re.findall(r"<!-- (.*?) -->", text)


def test_a_plane_has_regions_boundary_and_legend(plane: Drawing, tmp_path: Path) -> None:
    text = svg(plane, tmp_path)
    words = labels(text)
    for expected in ("output 0", "output 1", "decision boundary", "tie, same decision", "tie everywhere"):
        assert expected in words
    assert any("8 activation regions, 6 linear regions" in word for word in words)
    assert any("8 regions, all there are" in word for word in words)
    assert "not enumerated" not in words
    assert [path.name for path in tmp_path.iterdir()] == ["picture.svg"]


def test_equal_pictures_are_equal_files(plane: Drawing, tmp_path: Path) -> None:
    again = drawing_of(enumerated(BATTERY["integer"](), neighbors=True))
    (tmp_path / "a").mkdir()
    assert svg(plane, tmp_path) == svg(again, tmp_path / "a")


def test_a_line_has_curves_and_breakpoints(tmp_path: Path) -> None:
    drawing = drawing_of(enumerated(random_mlp([1, 6, 4, 3], 2)))
    words = labels(svg(drawing, tmp_path))
    assert {"output 0", "output 1", "output 2"} <= set(words)
    assert any(word.startswith("decided: output") for word in words)


def test_png(plane: Drawing, tmp_path: Path) -> None:
    draw_partition(plane, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG)


def test_marks_and_what_is_missing(tmp_path: Path) -> None:
    drawing = drawing_of(enumerated(random_mlp([2, 8, 6, 3], 2), box([-1, -1], [1, 1]), max_regions=4))
    words = labels(svg(replace(drawing, marks=(("x1", np.zeros(2)),)), tmp_path))
    assert "x1" in words and "not enumerated" in words
    assert any("INCOMPLETE" in word for word in words)


def test_many_classes_do_not_fill_the_picture(plane: Drawing, tmp_path: Path) -> None:
    many = tuple((f"a class with quite a long name, number {i}", class_colour(i)) for i in range(40))
    words = labels(svg(replace(plane, classes=many), tmp_path))
    assert f"and {40 - MOST_IN_LEGEND + 1} more classes" in words
    assert sum(word.startswith("a class with") for word in words) == MOST_IN_LEGEND - 1
    assert max(len(word) for word in words if word.startswith("a class with")) <= 26


def test_very_many_regions(plane: Drawing, tmp_path: Path) -> None:
    side = 145
    x, y = (part.ravel() / side for part in np.meshgrid(np.arange(side), np.arange(side)))
    squares = np.stack([np.stack([x + dx, y + dy], axis=1) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))], axis=1)
    squares[:, 1:3, 0] = (x + 1 / side)[:, None]
    squares[:, 2:, 1] = (y + 1 / side)[:, None]
    tiles = tuple(Tile(i, "output 0", False, one, class_colour(0)) for i, one in enumerate(squares))
    drawing = replace(plane, tiles=tiles, outlines=dict(enumerate(squares)), frame=((0, 1), (0, 1)), boundary=())
    assert len(tiles) > MOST_VECTORS
    text = svg(drawing, tmp_path)
    assert len(text) < 5_000_000 and "<image" in text


def test_lines_get_thinner() -> None:
    widths = [line_width(count) for count in (0, 1, 100, 1000, 10_000, 10**9)]
    assert widths == sorted(widths, reverse=True) and widths[-1] > 0


def test_a_folder_that_is_not_there(plane: Drawing, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not writable"):
        draw_partition(plane, tmp_path / "no" / "picture.png")
