"""Resizing against the standard's reference in every mode, and where text, reference and runtime part."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from exactbox.importers.onnx_model import load
from exactbox.importers.ops.resize import keys
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import Rationals, float_fraction
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers.onnx_models import AnyArray, reference, save
from tests.importers.optable import Operand, Row, ints, numbers

COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
)  # fmt: skip
TARGETS: tuple[tuple[tuple[int, int], str, tuple[float, float]], ...] = (
    ((7, 5), "sizes", (3, 4)),
    ((4, 3), "sizes", (9, 2)),
    ((5, 4), "scales", (2, 0.5)),
)
REGION = numbers(0.25, -0.5, 0.75, 1.25)


def resize(size: tuple[int, int], kind: str, target: tuple[float, float], **attributes: Any) -> onnx.ModelProto:
    """Build a model that resizes the last two axes of an image."""
    region = REGION if attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize" else None
    scales = numbers(*target) if kind == "scales" else None
    sizes = [] if kind == "scales" else [ints(*(int(item) for item in target))]
    operands: list[Operand] = [(1, 1, *size), region, scales, *sizes]
    return Row("resize", "Resize", operands, {"axes": [2, 3], **attributes}).model()


def at(model: onnx.ModelProto, point: AnyArray, folder: Path) -> AnyArray:
    """Return the program's exact output at a float point, rounded to floats at the end."""
    program = load(save(model, folder), verify=False).program
    values = exact.forward(program, exact_numbers(point.astype(np.float64).reshape(-1, 1)))
    return values.to_float().reshape(program.output.shape)


@pytest.mark.parametrize("mode", COORDINATES)
def test_every_filter_follows_the_reference(mode: str, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    filters: list[Mapping[str, Any]] = [
        {"mode": kind, "antialias": antialias, "exclude_outside": outside}
        for kind, antialias, outside in itertools.product(("linear", "cubic"), (0, 1), (0, 1))
    ]
    filters += [{"mode": "nearest", "nearest_mode": kind} for kind in ("round_prefer_ceil", "floor", "ceil")]
    for (size, kind, target), chosen in itertools.product(TARGETS, filters):
        if mode == "tf_crop_and_resize" and kind == "scales":
            continue
        model = resize(size, kind, target, coordinate_transformation_mode=mode, extrapolation_value=2.5, **chosen)
        point = random.standard_normal((1, 1, *size)).astype(np.float32)
        expected = reference(model, {"in0": point})[0]
        assert np.allclose(at(model, point, tmp_path), expected, rtol=1e-5, atol=1e-5), (chosen, size, target)


def test_fractional_lengths_align_corners_as_the_test_data_say(tmp_path: Path) -> None:
    """Four places by 0.6 are 2.4 long: the second of the two reads 3 / 1.4, where onnxruntime reads 3 / 1."""
    model = resize((1, 4), "scales", (1, 0.6), mode="linear", coordinate_transformation_mode="align_corners")
    row = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 1, 4)
    width = float_fraction(float(np.float32(0.6))) * 4
    program = load(save(model, tmp_path), verify=False).program
    found = exact.forward(program, Rationals(np.array([[1], [2], [3], [4]], dtype=object), 1)).fractions()
    assert found == [1, 1 + 3 / (width - 1)]
    assert np.allclose(reference(model, {"in0": row})[0].ravel(), [1, 3.142857])


def test_a_runtime_that_rounds_the_length_is_reported(tmp_path: Path) -> None:
    model = resize((1, 4), "scales", (1, 0.6), mode="linear", coordinate_transformation_mode="align_corners")
    path = save(model, tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"Resize 'node'.*where onnxruntime rounds the length"):
        load(path)
    assert any("fractional length 2.4" in note for note in load(path, verify=False).notes)


def test_a_runtime_that_ignores_the_region_is_reported(tmp_path: Path) -> None:
    """onnxruntime leaves an axis alone whose length stays, though the region is half of it."""
    model = resize((5, 5), "sizes", (3, 5), mode="linear", coordinate_transformation_mode="tf_crop_and_resize")
    point = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    assert np.allclose(at(model, point, tmp_path), reference(model, {"in0": point})[0])
    with pytest.raises(UnsupportedModelError, match=r"Resize 'node'.*onnxruntime takes for the whole"):
        load(save(model, tmp_path))


def test_one_cubic_place_follows_the_text_and_the_runtime(tmp_path: Path) -> None:
    """Text and onnxruntime read place 0 where one place is left; the reference reads -1/2."""
    model = resize(
        (1, 4), "sizes", (1, 1), mode="cubic", coordinate_transformation_mode="pytorch_half_pixel", cubic_coeff_a=-0.5
    )
    assert load(save(model, tmp_path)).confirmation.status == "confirmed"
    point = np.array([8, -3, 5, 7], dtype=np.float32).reshape(1, 1, 1, 4)
    assert at(model, point, tmp_path).ravel().tolist() == [8]
    assert reference(model, {"in0": point})[0].ravel().tolist() != [8]


@pytest.mark.parametrize(
    ("size", "kind", "target", "attributes", "why"),
    [
        ((4, 4), "scales", (2, 2), {"coordinate_transformation_mode": "tf_crop_and_resize"}, "give sizes"),
        ((4, 4), "sizes", (2, 2), {"antialias": 1}, "linear and cubic only"),
        ((4, 4), "sizes", (2, 0), {}, "do not fit the axes"),
        ((4, 4), "scales", (2, 0.2), {}, "do not fit the axes"),
        ((4, 4), "sizes", (2, 2), {"keep_aspect_ratio_policy": "bent"}, "bent is not known"),
        ((4, 4), "sizes", (0, 2), {"keep_aspect_ratio_policy": "not_smaller"}, "do not fit the axes"),
        ((4, 4), "sizes", (2, 2), {"axes": [2, -2]}, "one axis twice"),
        ((4, 4), "sizes", (2, 2), {"mode": "linear", "coordinate_transformation_mode": "bent"}, "bent is not"),
        ((4, 4), "sizes", (2, 2), {"nearest_mode": "bent"}, "nearest_mode"),
        ((1, 3), "scales", (1, 2), {"mode": "cubic", "cubic_coeff_a": -9.0, "exclude_outside": 1}, "a division by 0"),
    ],
)
def test_what_has_no_one_meaning_is_refused(
    size: tuple[int, int], kind: str, target: tuple[float, float], attributes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    path = save(resize(size, kind, target, **attributes), tmp_path)
    with pytest.raises(UnsupportedModelError, match=why):
        load(path)


@pytest.mark.parametrize(
    ("op", "opset", "scale", "mode", "why"),
    [
        ("Resize", 10, 0.625, "nearest", "does not say which"),
        ("Upsample", 9, 0.5, "nearest", "scales"),
        ("Resize", 10, 0.0, "linear", "scales"),
        ("Resize", 10, 2.0, "bilinear", "bilinear is not known"),
        ("Upsample", 9, 2.0, "cubic", "cubic is not known"),
    ],
)
def test_older_operator_sets_leave_open(
    op: str, opset: int, scale: float, mode: str, why: str, tmp_path: Path
) -> None:
    path = save(Row("old", op, [(1, 1, 1, 4), numbers(1, 1, 1, scale)], {"mode": mode}, opset=opset).model(), tmp_path)
    with pytest.raises(UnsupportedModelError, match=why):
        load(path)


@pytest.mark.parametrize("dtype", [onnx.TensorProto.INT32, onnx.TensorProto.UINT8])
def test_whole_numbers_have_no_interpolation(dtype: int, tmp_path: Path) -> None:
    """Half of 1 and 2 is no whole number; moving entries is fine."""
    for mode, refused in (("linear", True), ("nearest", False)):
        row = Row("whole", "Resize", [(1, 1, 1, 3), None, numbers(1, 1, 1, 2)], {"mode": mode}, dtype=dtype)
        path = save(row.model(), tmp_path)
        if refused:
            with pytest.raises(UnsupportedModelError, match=r"mode linear of u?int.* which rounds"):
                load(path)
        else:
            assert load(path).program.output.shape == (1, 1, 1, 6)


def test_a_length_just_below_a_whole_number_is_cut(tmp_path: Path) -> None:
    """The float32 next to 0.7 lies below it, so that ten places become six; onnxruntime's product is 7."""
    path = save(resize((1, 10), "scales", (1, 0.7)), tmp_path)
    assert load(path, verify=False).program.output.shape == (1, 1, 1, 6)
    with pytest.raises(UnsupportedModelError, match="a length just below 7, which onnxruntime rounds up"):
        load(path)


def test_the_cubic_filter_is_one_at_its_centre_and_sums_to_one() -> None:
    a = float_fraction(-0.75)
    assert [keys(float_fraction(d), a) for d in (0.0, 1.0, 2.0)] == [1, 0, 0]
    assert sum(keys(abs(float_fraction(0.375) - place), a) for place in range(-1, 3)) == 1
