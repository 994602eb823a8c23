"""Images read between their pixels: hand-made cases, other implementations, and what fits no image."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from exactbox.importers.onnx_model import load
from exactbox.importers.ops.grid import reflected
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, reference, save
from tests.importers.optable import Operand, Row, ints, numbers, whole


def node(op: str, *operands: Operand, opset: int = 20, **attributes: Any) -> onnx.ModelProto:
    """Build a model of one node."""
    return Row("sampling", op, list(operands), attributes, opset=opset).model()


def forward(model: onnx.ModelProto, point: list[int], folder: Path, verify: bool = True) -> list[Fraction]:
    """Return the exact output at one point of whole numbers."""
    program = load(save(model, folder), verify=verify).program
    return exact.forward(program, Rationals(int_array(point).reshape(-1, 1))).fractions()


def offsets(*pairs: tuple[float, float]) -> AnyArray:
    """Return the offset of a 1 x 1 kernel at each place of a row, as (1, 2, 1, n)."""
    return np.array(pairs, dtype=np.float32).T.reshape(1, 2, 1, -1)


IMAGE = [10, 20, 30, 40]  # 1 x 4


def test_displaced_places_read_between_pixels_and_nothing_outside(tmp_path: Path) -> None:
    """A quarter to the right mixes 3 : 1; half a row down loses half; a whole row up or far away is nothing."""
    shift = offsets((0, 0.25), (0.5, 0), (-1, 0), (0, 100))
    model = node("DeformConv", (1, 1, 1, 4), np.full((1, 1, 1, 1), 2, np.float32), shift)
    assert forward(model, IMAGE, tmp_path) == [2 * Fraction(25, 2), 20, 0, 0]


def test_a_displacement_of_nothing_is_a_convolution(tmp_path: Path) -> None:
    weight = whole(4, 1, 2, 2)
    shared: dict[str, Any] = {"group": 2, "pads": [1, 0, 0, 1], "strides": [2, 1], "dilations": [1, 2]}
    plain = node("Conv", (1, 2, 4, 4), weight, **shared)
    zeros = np.zeros((1, 8, 2, 3), np.float32)
    displaced = node("DeformConv", (1, 2, 4, 4), weight, zeros, **shared)
    point = list(range(-16, 16))
    assert forward(displaced, point, tmp_path) == forward(plain, point, tmp_path)


def test_a_mask_scales_each_place(tmp_path: Path) -> None:
    mask = np.array([0, 1, -3, 0.5], np.float32).reshape(1, 1, 1, 4)
    shift = offsets(*[(0, 0)] * 4)
    model = node("DeformConv", (1, 1, 1, 4), np.ones((1, 1, 1, 1), np.float32), shift, numbers(7), mask)
    assert forward(model, IMAGE, tmp_path) == [7, 27, -83, 27]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (node("DeformConv", (1, 1, 2), whole(1, 1, 2, 2), offsets((0, 0))), "does not fit data"),
        (node("DeformConv", (1, 3, 2, 2), whole(1, 1, 1, 1), offsets((0, 0))), "do not fit 1 groups"),
        (node("DeformConv", (1, 1, 2, 2), whole(1, 1, 1, 1), offsets((0, 0))), "an offset of shape"),
        (node("DeformConv", (1, 1, 1, 1), whole(1, 1, 1, 1), offsets((0, 0)), whole(2)), "a bias of shape"),
        (node("DeformConv", (1, 1, 1, 1), whole(1, 1, 1, 1), (1, 2, 1, 1)), "depends on the model's input"),
        (node("DeformConv", (1, 1, 1, 1), whole(1, 1, 1, 1), offsets((0, 0)), kernel_shape=[2, 2]), "kernel_shape"),
        (node("DeformConv", (1, 1, 1, 1), whole(1, 1, 1, 1), offsets((0, 0)), offset_group=2), "2 of offsets"),
        (node("DeformConv", (1, 1, 1, 1), whole(1, 1, 2, 2), offsets((0, 0))), "a window of 2"),
    ],
)
def test_a_displacement_that_fits_no_image_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("corners", "attributes"),
    [
        ([[0.0, 0.0, 1e30, 1e30]], {}),
        ([[0.0, 0.0, 1e30, 0.0]], {}),
        ([[0.0, 2.0, 1.0, 0.0]], {"output_width": 2**31}),
        ([[0.0, 0.0, 1.0, 1.0]], {"sampling_ratio": 2**31}),
    ],
)
def test_more_places_than_can_be_sampled_are_refused(
    corners: list[list[float]], attributes: dict[str, Any], tmp_path: Path
) -> None:
    """Also where there is none along the other axis."""
    with pytest.raises(InputError, match="RoiAlign 'node': sampled places: expected at most"):
        load(save(roi(corners, **attributes), tmp_path))


@pytest.mark.parametrize(("x", "column"), [(1e30, 3), (-1e30, 0), (2.0**20, 3)])
def test_a_place_very_far_away_reads_the_border(x: float, column: int, tmp_path: Path) -> None:
    grid = np.array([x, 0], np.float32).reshape(1, 1, 1, 2)
    model = node("GridSample", (1, 1, 1, 4), grid, mode="nearest", padding_mode="border")
    assert forward(model, IMAGE, tmp_path, verify=False) == [IMAGE[column]]
    notes = load(save(model, tmp_path), verify=False).notes
    assert any("coordinates overflow" in note for note in notes) == (abs(x) > 2**24)


@pytest.mark.parametrize("size", [(1, 1, 1, 3), (1, 1, 3, 1), (1, 1, 1, 1)])
def test_one_corner_cannot_be_aligned(size: tuple[int, ...], tmp_path: Path) -> None:
    """The step is 2 / (1 - 1): the reference reads -1, onnxruntime 1, and 0 would be as good."""
    with pytest.raises(UnsupportedModelError, match="an axis of length 1"):
        load(save(node("AffineGrid", (1, 2, 3), ints(*size), align_corners=1), tmp_path))
    assert load(save(node("AffineGrid", (1, 2, 3), ints(*size)), tmp_path)).program.output.shape == (1, *size[2:], 2)


def roi(corners: list[list[float]], images: list[int] | None = None, opset: int = 16, **attributes: Any) -> Any:
    """Build a pooling of regions of an image of 4 x 4."""
    chosen = ints(*(images if images is not None else [0] * len(corners)))
    return node("RoiAlign", (1, 1, 4, 4), np.array(corners, np.float32), chosen, opset=opset, **attributes)


SQUARE = list(range(16))


def test_a_region_of_one_pixel_is_that_pixel(tmp_path: Path) -> None:
    assert forward(roi([[1, 2, 2, 3]]), SQUARE, tmp_path) == [9]


def test_without_the_shift_a_region_reads_half_a_pixel_further(tmp_path: Path) -> None:
    model = roi([[1, 2, 2, 3]], coordinate_transformation_mode="output_half_pixel")
    assert forward(model, SQUARE, tmp_path) == [Fraction(9 + 10 + 13 + 14, 4)]
    assert forward(roi([[1, 2, 2, 3]], opset=10), SQUARE, tmp_path) == [Fraction(9 + 10 + 13 + 14, 4)]


def test_a_region_without_extent_has_no_places(tmp_path: Path) -> None:
    for mode in ("avg", "max"):
        assert forward(roi([[2, 2, 2, 2], [3, 3, 1, 1]], mode=mode), SQUARE, tmp_path) == [0, 0]


def test_a_region_beyond_the_rim_is_zero_and_its_places_count(tmp_path: Path) -> None:
    """Two places of four lie more than a pixel beyond the last column."""
    model = roi([[3, 0, 7, 2]], sampling_ratio=2)
    assert forward(model, SQUARE, tmp_path) == [Fraction(3 + 7, 4)]


def test_the_maximum_is_that_of_weighted_pixels(tmp_path: Path) -> None:
    """The only place lies on pixel 9, whose neighbours weigh 0: a negative pixel gives 0, as in the reference."""
    model = roi([[1, 2, 2, 3]], mode="max")
    assert forward(model, SQUARE, tmp_path) == [9]
    assert forward(model, [-1 - item for item in SQUARE], tmp_path) == [0]
    feeds = {"in0": -1 - np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)}
    assert reference(model, feeds)[0].ravel().tolist() == [0]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (roi([[0, 0, 1, 1]], [1]), "do not fit data"),
        (roi([[0, 0, 1, 1]], [-1]), "do not fit data"),
        (roi([[0, 0, 1, 1]], [0, 0]), "do not fit data"),
        (roi([[0, 0, 1, 1]], mode="sum"), "mode sum"),
        (roi([[0, 0, 1, 1]], sampling_ratio=-1), "do not fit data"),
        (roi([[0, 0, 1, 1]], output_height=0), "do not fit data"),
        (roi([[0, 0, 1, 1]], coordinate_transformation_mode="bent"), "bent is not known"),
        (roi([[0, 0, 1, float("nan")]]), "not finite"),
        (node("RoiAlign", (1, 1, 4, 4), (1, 4), ints(0), opset=16), "depends on the model's input"),
        (roi([[0, 0, 4e6, 4e6]], output_height=2), "sampled places"),
    ],
)
def test_a_region_that_fits_no_image_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedModelError, InputError), match=why):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("x", "low", "high", "expected"),
    [
        (Fraction(-7, 2), -1, 1, Fraction(1, 2)),  # the standard's own example
        (Fraction(3), 0, 3, Fraction(3)),
        (Fraction(4), 0, 3, Fraction(2)),
        (Fraction(-4), 0, 3, Fraction(2)),
        (Fraction(13, 2), 0, 3, Fraction(1, 2)),
        (Fraction(5), 0, 0, Fraction(0)),
    ],
)
def test_coordinates_are_mirrored_until_they_lie_inside(x: Fraction, low: int, high: int, expected: Fraction) -> None:
    assert reflected(x, Fraction(low), Fraction(high)) == expected


def test_a_single_pixel_is_its_own_mirror(tmp_path: Path) -> None:
    grid = np.array([[[[0.5, -3.0], [7.0, 1.0]]]], np.float32)
    model = node("GridSample", (1, 1, 1, 1), grid, padding_mode="reflection", align_corners=1)
    assert forward(model, [5], tmp_path, verify=False) == [5, 5]


def test_a_cubic_place_beyond_the_border_follows_the_reference(tmp_path: Path) -> None:
    """onnxruntime weighs the border's neighbours there; the difference is reported, not passed over."""
    grid = np.array([[[[0.0, -1.25]]]], np.float32)
    model = node("GridSample", (1, 1, 4, 1), grid, mode="cubic", padding_mode="border", align_corners=1)
    path = save(model, tmp_path)
    feeds = {"in0": np.array([8, -3, 5, 7], np.float32).reshape(1, 1, 4, 1)}
    assert forward(model, [8, -3, 5, 7], tmp_path, verify=False) == reference(model, feeds)[0].ravel().tolist() == [8]
    assert any("beyond the border" in note for note in load(path, verify=False).notes)
    with pytest.raises(UnsupportedModelError, match="where onnxruntime weighs the pixels beside it"):
        load(path)
