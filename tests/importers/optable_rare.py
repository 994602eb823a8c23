"""Rows of the rarer operators: resizing of regions, scattering, sampling, rotations and sorting."""

from __future__ import annotations

import numpy as np

from tests.importers.optable import Row, ints, numbers, whole

_PIXELS = (1, 1, 7, 6)

RESIZE = [
    Row(
        "resize_linear_antialias", "Resize", [_PIXELS, None, numbers(1, 1, 0.5, 0.375)],
        {"mode": "linear", "antialias": 1}, exact=False,
    ),
    Row(
        "resize_antialias_larger", "Resize", [(1, 1, 3, 3), None, None, ints(1, 1, 5, 6)],
        {"mode": "linear", "antialias": 1}, exact=False,
    ),
    Row(
        "resize_cubic_antialias", "Resize", [_PIXELS, None, None, ints(1, 1, 3, 2)],
        {"mode": "cubic", "antialias": 1, "cubic_coeff_a": -0.5}, exact=False,
    ),
    Row(
        "resize_antialias_outside", "Resize", [_PIXELS, None, None, ints(1, 1, 3, 2)],
        {"mode": "cubic", "antialias": 1, "exclude_outside": 1}, exact=False,
    ),
    Row(
        "resize_not_larger", "Resize", [(1, 1, 9, 8), None, None, ints(4, 3)],
        {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}, exact=False,
    ),
    Row(
        "resize_not_smaller", "Resize", [(1, 1, 9, 8), None, None, ints(7, 4)],
        {"axes": [3, 2], "keep_aspect_ratio_policy": "not_smaller"},
    ),
    Row(
        "resize_region", "Resize", [(1, 1, 5, 5), numbers(0, 0, 0.25, 0.5, 1, 1, 0.75, 1), None, ints(1, 1, 3, 4)],
        {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, exact=False,
    ),
    Row(
        "resize_region_beyond", "Resize", [(1, 1, 5, 5), numbers(-0.5, 0.5, 0.75, 1.5), None, ints(4, 3)],
        {"mode": "cubic", "coordinate_transformation_mode": "tf_crop_and_resize", "axes": [2, 3],
         "extrapolation_value": 10.0}, exact=False,
    ),
    Row(
        "resize_region_nearest_beyond", "Resize", [(1, 2, 3, 3), numbers(0.5, 0, 1.5, 1), None, ints(5, 2)],
        {"coordinate_transformation_mode": "tf_crop_and_resize", "axes": [2, 3], "extrapolation_value": -4.0},
    ),
    Row(
        "resize_region_to_one", "Resize", [(1, 1, 5, 5), numbers(0.25, 0.5, 0.75, 1), None, ints(1, 1)],
        {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "axes": [-2, -1]},
        exact=False, reference=False,
    ),
    Row(
        "resize_fractional_symmetric", "Resize", [(1, 1, 5, 6), None, numbers(0.5, 0.75)],
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric", "axes": [2, 3]}, exact=False,
    ),
    Row(
        "resize_one_pixel", "Resize", [(1, 1, 1, 1), None, None, ints(1, 1, 3, 2)],
        {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
    ),
]  # fmt: skip

_ANGLES = (whole(5, 2), whole(5, 2, seed=2))
_TURNS = (whole(2, 3, 2), whole(2, 3, 2, seed=2))
_IDS = np.array([[0, 4, 2], [2, 2, 1]])

ROTATION = [
    Row("rotary", "RotaryEmbedding", [(2, 2, 3, 4), *_ANGLES, _IDS], opset=23),
    Row("rotary_interleaved", "RotaryEmbedding", [(2, 2, 3, 4), *_ANGLES, _IDS], {"interleaved": 1}, opset=23),
    Row("rotary_places", "RotaryEmbedding", [(2, 1, 3, 4), *_TURNS], opset=23),
    Row("rotary_flat", "RotaryEmbedding", [(2, 3, 8), *_TURNS], {"num_heads": 2}, opset=23),
    Row(
        "rotary_flat_interleaved", "RotaryEmbedding", [(2, 3, 8), *_ANGLES, _IDS],
        {"num_heads": 2, "interleaved": 1}, opset=23,
    ),
    Row("rotary_part", "RotaryEmbedding", [(2, 1, 3, 6), *_TURNS], {"rotary_embedding_dim": 4}, opset=23),
    Row(
        "rotary_part_interleaved", "RotaryEmbedding", [(2, 2, 3, 7), *_TURNS],
        {"rotary_embedding_dim": 4, "interleaved": 1}, opset=23,
    ),
]  # fmt: skip

MORE_ROWS = [*RESIZE, *ROTATION]
