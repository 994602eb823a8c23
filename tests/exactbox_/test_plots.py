"""Pictures: which inputs are images, what is drawn, and that equal pictures are equal files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exactbox.certifying import certify
from exactbox.plots import Picture, draw, image_layout, picture_of
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"

pytest.importorskip("matplotlib")


def picture(size: int, image: tuple[int, int, int, bool] | None = None) -> Picture:
    numbers = np.linspace(-1, 1, size)
    names = tuple(f"a feature with a long name, number {i}" for i in range(size))
    return Picture("title", "caption", names, np.abs(numbers), numbers, numbers * np.abs(numbers), image)


@pytest.mark.parametrize(
    ("shape", "wanted", "layout"),
    [
        ((1, 1, 8, 8), None, (1, 8, 8, False)),
        ((1, 3, 4, 5), None, (3, 4, 5, False)),
        ((1, 4, 5, 3), None, (3, 4, 5, True)),
        ((1, 28, 28), None, (1, 28, 28, False)),
        ((8, 8), None, (1, 8, 8, False)),
        ((1, 64), None, None),
        ((64,), None, None),
        ((1, 5, 8, 8), None, None),
        ((1, 64), "8x8", (1, 8, 8, False)),
        ((1, 64), "4X16", (1, 4, 16, False)),
        ((12,), "2x2", (3, 2, 2, False)),
    ],
)
def test_what_is_an_image(
    shape: tuple[int, ...], wanted: str | None, layout: tuple[int, int, int, bool] | None
) -> None:
    assert image_layout(Port("x", shape), wanted) == layout


@pytest.mark.parametrize("wanted", ["8", "8x9", "0x0", "axb", "4x8", "-8x8"])
def test_images_that_do_not_fit(wanted: str) -> None:
    with pytest.raises(InputError, match=f"image {wanted}: "):
        image_layout(Port("x", (1, 64)), wanted)


@pytest.mark.parametrize(
    "image", [None, (1, 3, 4, False), (3, 2, 2, False), (3, 2, 2, True)], ids=["bars", "grey", "first", "last"]
)
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_equal_pictures_are_equal_files(
    tmp_path: Path, image: tuple[int, int, int, bool] | None, ending: str
) -> None:
    for name in ("a", "b"):
        draw(picture(12, image), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("size", [1, 5, 64])
def test_bars_of_any_number(tmp_path: Path, size: int) -> None:
    draw(picture(size), tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    assert ("the 20 largest of 64 inputs" in text) == (size == 64)


def test_a_constant_image_is_drawn(tmp_path: Path) -> None:
    flat = np.zeros(4)
    draw(Picture("t", "c", ("a",) * 4, flat, flat, flat, (1, 2, 2, False)), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_picture_of_a_result() -> None:
    found = certify(DATA / "iris_pipeline.onnx", DATA / "iris_samples.csv", row=1, minimal=False, measure=False)
    drawn = picture_of(found)
    assert drawn.title == "versicolor: iris_pipeline.onnx at iris_samples.csv, row 1 below the header"
    assert drawn.caption.startswith("versicolor: 0.951159 = contributions -5.47934 + intercept 6.4305")
    assert (drawn.weights * drawn.values).tolist() == pytest.approx(drawn.contributions.tolist())
    other = certify(found.model, DATA / "iris_samples.csv", row=1, minimal=False, measure=False, target=0)
    assert picture_of(other).title.startswith("setosa (decided: versicolor): ")


def test_nothing_to_draw() -> None:
    found = certify(DATA / "iris_pipeline.onnx", DATA / "iris_samples.csv", row=1, decision="none", minimal=False)
    with pytest.raises(InputError, match="no output is explained"):
        picture_of(found)
