"""Rows of the rarer operators: resizing of regions, scattering, sampling, rotations and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.importers.onnx_models import AnyArray
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
    Row("resize_opset_10", "Resize", [(1, 1, 3, 4), numbers(1, 1, 2, 0.5)], opset=10, reference=False),
    Row(
        "resize_opset_10_linear", "Resize", [(1, 1, 3, 4), numbers(1, 1, 1.5, 2)], {"mode": "linear"}, opset=10,
        exact=False, reference=False,
    ),
    Row("upsample_attribute", "Upsample", [(1, 1, 2, 3)], {"scales": [1.0, 1.0, 2.0, 3.0]}, opset=8, reference=False),
    Row(
        "upsample_linear", "Upsample", [(1, 1, 2, 3), numbers(1, 1, 2, 2)], {"mode": "linear"}, opset=9,
        exact=False, reference=False,
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

_TWICE = np.array([[1, 1, 0], [1, -3, 0]])
_ROWS_TWICE = np.array([[2], [0], [-2]])
_CACHE = (2, 3, 4)

SCATTER = [
    Row("scatter_add_twice", "ScatterElements", [(4, 3), _TWICE, (2, 3)], {"reduction": "add"}),
    Row("scatter_add_twice_axis", "ScatterElements", [(2, 4), _TWICE, (2, 3)], {"axis": -1, "reduction": "add"}),
    Row("scatter_add_constants", "ScatterElements", [(4, 3), _TWICE, whole(2, 3)], {"reduction": "add"}),
    Row("scatter_add_to_constant", "ScatterElements", [whole(4, 3), _TWICE, (2, 3)], {"reduction": "add"}),
    Row("scatter_max", "ScatterElements", [(4, 3), _TWICE, (2, 3)], {"reduction": "max"}),
    Row("scatter_min", "ScatterElements", [(4, 3), _TWICE, (2, 3)], {"reduction": "min"}),
    Row("scatter_max_constants", "ScatterElements", [(4, 3), _TWICE, whole(2, 3)], {"reduction": "max"}),
    Row("scatter_min_into_constant", "ScatterElements", [whole(4, 3), _TWICE, (2, 3)], {"reduction": "min"}),
    Row(
        "scatter_max_into_infinity", "ScatterElements", [np.full(2, -np.inf, np.float32), ints(0, 1, 1), (3,)],
        {"reduction": "max"},
    ),
    Row(
        "scatter_min_into_infinity", "ScatterElements", [np.full(2, np.inf, np.float32), ints(0, 1, 1), (3,)],
        {"reduction": "min"},
    ),
    Row("scatter_mul_constants", "ScatterElements", [(4, 3), _TWICE, whole(2, 3)], {"reduction": "mul"}),
    Row("scatter_mul_into_constant", "ScatterElements", [whole(3, 3), ints(2, 0, 1).reshape(1, 3), (1, 3)],
        {"reduction": "mul"}),
    Row("scatter_nd_add_twice", "ScatterND", [(4, 2), np.array([[2], [2], [-2]]), (3, 2)], {"reduction": "add"}),
    Row("scatter_nd_max", "ScatterND", [(4, 2), _ROWS_TWICE, (3, 2)], {"reduction": "max"}),
    Row("scatter_nd_min", "ScatterND", [(4, 2), _ROWS_TWICE, (3, 2)], {"reduction": "min"}),
    Row("scatter_nd_max_entries", "ScatterND", [(2, 2), np.array([[0, 1], [1, 0], [-2, 1]]), (3,)],
        {"reduction": "max"}),
    Row("scatter_nd_mul", "ScatterND", [(4, 2), _ROWS_TWICE, whole(3, 2)], {"reduction": "mul"}),
    Row("scatter_nd_constants", "ScatterND", [(4, 2), _ROWS_TWICE, whole(3, 2)], {"reduction": "add"}),
    Row("scatter_nd_nothing", "ScatterND", [(3, 2), np.zeros((0, 1), np.int64), np.zeros((0, 2), np.float32)]),
    Row("tensor_scatter", "TensorScatter", [_CACHE, (2, 2, 4), ints(1, 0)], opset=24),
    Row("tensor_scatter_start", "TensorScatter", [_CACHE, whole(2, 3, 4)], opset=24),
    Row("tensor_scatter_constant", "TensorScatter", [whole(2, 3, 4), (2, 1, 4), ints(2, 1)], opset=24),
    Row("tensor_scatter_round", "TensorScatter", [_CACHE, (2, 2, 4), ints(2, 5)], {"mode": "circular"}, opset=24),
    Row(
        "tensor_scatter_axis", "TensorScatter", [(2, 2, 3, 2), (2, 1, 3, 2), ints(1, 0)], {"axis": 1}, opset=24,
    ),
]  # fmt: skip

_FAR = np.array([[[[-1.5, 0.25], [2.25, -3.75]], [[1.0, 1.0], [-1.0, 0.0]], [[5.0, -1.25], [-7.0, 9.5]]]], np.float32)


def _grid(name: str, size: tuple[int, ...], grid: AnyArray, **attributes: Any) -> Row:
    return Row(f"grid_sample_{name}", "GridSample", [(1, 1, *size), grid], attributes, exact=False)


GRID = [
    _grid("reflection", (4, 5), _FAR, padding_mode="reflection"),
    _grid("reflection_corners", (4, 5), _FAR, padding_mode="reflection", align_corners=1),
    _grid("reflection_nearest", (4, 5), _FAR, padding_mode="reflection", mode="nearest"),
    _grid("reflection_nearest_corners", (3, 4), _FAR, padding_mode="reflection", mode="nearest", align_corners=1),
    _grid("reflection_cubic", (4, 5), _FAR, padding_mode="reflection", mode="cubic"),
    _grid("reflection_cubic_corners", (4, 5), _FAR, padding_mode="reflection", mode="cubic", align_corners=1),
    _grid("border_corners", (4, 5), _FAR, padding_mode="border", align_corners=1),
    _grid("border_nearest", (4, 5), _FAR, padding_mode="border", mode="nearest"),
    _grid("border_cubic", (4, 5), _FAR, padding_mode="border", mode="cubic"),
    _grid("zeros_cubic_corners", (4, 5), _FAR, mode="cubic", align_corners=1),
    _grid("volume", (2, 3, 4), np.array([[[[[0.5, -0.25, 1.0]], [[-1.25, 0.0, 0.125]]]]], np.float32)),
    _grid("zeros_nearest_corners", (4, 5), _FAR, mode="nearest", align_corners=1),
]


def _deform(name: str, size: tuple[int, ...], weight: AnyArray, out: tuple[int, int], parts: int = 1,
            bias: AnyArray | None = None, masked: bool = False, **attributes: Any) -> Row:  # fmt: skip
    random = np.random.default_rng(sum(size))
    count = parts * weight.shape[2] * weight.shape[3]
    offset = (random.integers(-12, 13, (size[0], 2 * count, *out)) / 4).astype(np.float32)
    mask = (random.integers(-4, 5, (size[0], count, *out)) / 2).astype(np.float32) if masked else None
    operands = [size, weight, offset, *([bias, mask] if masked else [bias] if bias is not None else [])]
    return Row(f"deform_{name}", "DeformConv", operands, {"offset_group": parts, **attributes}, exact=False)


DEFORM = [
    _deform("plain", (1, 1, 4, 5), whole(1, 1, 2, 2), (3, 4)),
    _deform("channels", (2, 2, 4, 4), whole(3, 2, 2, 2), (3, 3)),
    _deform("pads", (1, 1, 3, 3), whole(1, 1, 2, 2), (4, 5), pads=[1, 0, 1, 3]),
    _deform("strides", (1, 2, 5, 5), whole(1, 2, 2, 3), (2, 2), strides=[3, 2]),
    _deform("dilations", (1, 1, 5, 5), whole(2, 1, 2, 2), (3, 2), dilations=[2, 3]),
    _deform("groups", (1, 4, 3, 3), whole(4, 2, 2, 2), (2, 2), group=2),
    _deform("offset_groups", (1, 4, 3, 3), whole(2, 4, 2, 2), (2, 2), parts=2),
    _deform("mask", (1, 2, 3, 4), whole(2, 2, 2, 2), (2, 3), bias=whole(2), masked=True),
    _deform("all", (2, 4, 4, 4), whole(4, 2, 2, 2), (3, 3), parts=4, bias=whole(4), masked=True, group=2),
]

_ROIS = np.array([[0.5, 1, 4.25, 5], [-3, -2, 2, 1.5], [3, 3, 3.25, 3.5], [4, 4, 30, 20]], np.float32)
_IMAGES = ints(0, 1, 1, 0)


def _roi(name: str, confirmed: bool = True, opset: int = 16, **attributes: Any) -> Row:
    return Row(
        f"roi_align_{name}", "RoiAlign", [(2, 2, 6, 5), _ROIS, _IMAGES], attributes, opset=opset, exact=False,
        confirmed=confirmed, reference=opset >= 16,
    )  # fmt: skip


ROI = [
    _roi("average", output_height=2, output_width=3),
    _roi("average_counted", output_height=2, output_width=2, sampling_ratio=2),
    _roi("unshifted", output_height=2, output_width=2, coordinate_transformation_mode="output_half_pixel"),
    _roi("scaled", output_height=3, output_width=1, spatial_scale=0.5, sampling_ratio=3),
    _roi("max", mode="max", output_height=2, output_width=2, sampling_ratio=2),
    _roi("max_adaptive", mode="max", output_height=1, output_width=2),
    _roi("old", opset=10, output_height=2, output_width=2),
    _roi("one", confirmed=False, opset=22),
]

SORTING = [
    Row("top_one", "TopK", [(3, 4), ints(1)], spare=1),
    Row("top_one_smallest", "TopK", [(3, 4), ints(1)], {"largest": 0}, spare=1),
    Row("top_two", "TopK", [(2, 5), ints(2)], spare=1),
    Row("top_all", "TopK", [(2, 7), ints(7)], spare=1),
    Row("top_all_smallest", "TopK", [(2, 6), ints(6)], {"largest": 0}, spare=1),
    Row("top_three_smallest", "TopK", [(2, 9), ints(3)], {"largest": 0}, spare=1),
    Row("top_axis", "TopK", [(2, 5, 3), ints(3)], {"axis": 1}, spare=1),
    Row("top_front", "TopK", [(4, 2), ints(2)], {"axis": -2}, spare=1),
    Row("top_unsorted_one", "TopK", [(2, 5), ints(1)], {"sorted": 0}, spare=1),
    Row("top_of_one", "TopK", [(2, 1), ints(1)], spare=1),
    Row("top_attribute", "TopK", [(2, 4)], {"k": 3}, opset=9, spare=1),
    Row("top_opset_10", "TopK", [(2, 4), ints(3)], opset=10, spare=1),
]

WEIGHTS = [
    Row("conv_of_constant", "Conv", [whole(1, 2, 4, 5), (3, 2, 2, 2), whole(3)]),
    Row("conv_of_constant_groups", "Conv", [whole(2, 4, 4, 4), (6, 2, 3, 3)], {"group": 2, "pads": [1, 0, 1, 2]}),
    Row(
        "conv_of_constant_steps", "Conv", [whole(2, 1, 7), (2, 1, 3), whole(2)], {"strides": [2], "dilations": [2]}
    ),
    Row("conv_of_constant_same", "Conv", [whole(1, 1, 4, 4), (1, 1, 2, 4)], {"auto_pad": "SAME_UPPER"}),
]  # fmt: skip

MORE_ROWS = [*RESIZE, *ROTATION, *SCATTER, *GRID, *DEFORM, *ROI, *SORTING, *WEIGHTS]
