"""Resizing of images: each axis is a fixed linear map of its entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data, FloatArray, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import float_fraction, from_fractions

_NEAREST = {
    "round_prefer_floor": lambda x: math.ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: math.floor(x + Fraction(1, 2)),
    "floor": math.floor,
    "ceil": math.ceil,
}


@lowers("Resize", since=11)
def resize(call: Call) -> Value:
    """Nearest, linear or cubic interpolation, axis after axis."""
    value = call.value(0)
    mode = call.node.text("mode", "nearest")
    if call.node.flag("antialias", 0):
        call.refuse("antialias is not lowered")
    if mode not in ("nearest", "linear", "cubic"):
        call.refuse(f"mode {mode} is not known")
    axes = call.node.integers("axes") or tuple(range(len(value.shape)))
    targets = _targets(call, value, axes)
    _check_targets(call, value, [length for _, length in targets])
    for axis, (scale, length) in zip(axes, targets, strict=True):
        value = _along(call, value, call.axis(axis, len(value.shape)), scale, length, mode)
    return value


@lowers("Resize", "Upsample")
def upsample(call: Call) -> Value:
    """Older operator sets: coordinates are divided by the scale."""
    value = call.value(0)
    mode = call.node.text("mode", "nearest")
    given = call.node.numbers("scales")
    scales = [float_fraction(s) for s in given] if given else call.constant(1, "the scales").rationals().fractions()
    if len(scales) != len(value.shape):
        call.refuse(f"{len(scales)} scales for {len(value.shape)} axes")
    _check_targets(call, value, [math.floor(n * scale) for n, scale in zip(value.shape, scales, strict=True)])
    for axis, scale in enumerate(scales):
        length = math.floor(value.shape[axis] * scale)
        value = _along(call, value, axis, scale, length, mode, "asymmetric", "floor")
    return value


def _targets(call: Call, value: Value, axes: Sequence[int]) -> list[tuple[Fraction, int]]:
    """Return scale and length for each axis."""
    lengths = [value.shape[call.axis(axis, len(value.shape))] for axis in axes]
    scales = call.optional_constant(2, "the scales")
    if scales is not None and scales.size:
        found = scales.rationals().fractions()
        result = [(scale, math.floor(n * scale)) for scale, n in zip(found, lengths, strict=False)]
    else:
        if call.node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            call.refuse("keep_aspect_ratio_policy other than stretch is not lowered")
        sizes = call.integers(3, "the sizes")
        result = [(Fraction(size, n), size) for size, n in zip(sizes, lengths, strict=False) if n]
    if len(result) != len(axes) or any(scale <= 0 or length < 1 for scale, length in result):
        call.refuse("scales or sizes do not fit the axes")
    return result


def _check_targets(call: Call, value: Value, lengths: Sequence[int]) -> None:
    """Stop before coordinates are computed one by one that no limit allows."""
    call.limits.check(str(call.node), "length of an axis", max(lengths, default=0), call.limits.tensor_elements >> 8)
    widest = max(value.shape, default=0)
    call.limits.check_elements(str(call.node), math.prod(lengths))
    if call.node.text("mode", "nearest") != "nearest":
        cap = call.limits.tensor_elements >> 4
        call.limits.check(str(call.node), "weights of places", max(lengths, default=0) * widest, cap)


def _along(
    call: Call, value: Value, axis: int, scale: Fraction, length: int, mode: str,
    coordinates: str = "", rounding: str = "",
) -> Value:  # fmt: skip
    """Resize one axis."""
    size = value.shape[axis]
    if scale == 1 and length == size:
        return value
    call.check_size((*value.shape[:axis], length, *value.shape[axis + 1 :]))
    kind = coordinates or call.node.text("coordinate_transformation_mode", "half_pixel")
    points = [_source(call, kind, i, scale, size, length) for i in range(length)]
    if mode == "nearest":
        pick = _NEAREST.get(rounding or call.node.text("nearest_mode", "round_prefer_floor"))
        if pick is None:
            call.refuse("nearest_mode is not known")
        places = np.array([min(max(pick(x), 0), size - 1) for x in points], dtype=np.int64)
        return value.moved(lambda array: np.take(array, places, axis=axis))
    call.check_size((length, size))
    a = call.rational("cubic_coeff_a", -0.75)
    taps = [linear_taps(x) if mode == "linear" else cubic_taps(x, a) for x in points]
    rows = [_row(call, item, size) for item in taps]
    return _multiplied(call, call.builder.data(value), axis, rows)


def _source(call: Call, kind: str, place: int, scale: Fraction, size: int, length: int) -> Fraction:
    """Return the coordinate in the input that an output position reads."""
    half = (place + Fraction(1, 2)) / scale - Fraction(1, 2)
    match kind:
        case "half_pixel":
            return half
        case "pytorch_half_pixel":
            return half if length > 1 else Fraction(0)
        case "half_pixel_symmetric":
            return Fraction(size, 2) * (1 - Fraction(length) / (scale * size)) + half
        case "align_corners":
            return Fraction(place * (size - 1), length - 1) if length > 1 else Fraction(0)
        case "asymmetric":
            return place / scale
        case _:
            call.refuse(f"coordinate_transformation_mode {kind} is not lowered")


Taps = list[tuple[int, Fraction]]


def linear_taps(x: Fraction) -> Taps:
    """Return the two positions beside a coordinate, with their weights."""
    low = math.floor(x)
    return [(low, 1 - (x - low)), (low + 1, x - low)]


def cubic_taps(x: Fraction, a: Fraction) -> Taps:
    """Keys' cubic convolution (R. Keys, "Cubic convolution interpolation for digital image processing", 1981)."""
    low = math.floor(x)
    result: Taps = []
    for place in range(low - 1, low + 3):
        d = abs(x - place)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        result.append((place, near if d <= 1 else far))
    return result


def _row(call: Call, taps: Taps, size: int) -> list[Fraction]:
    """Return the weights of one output entry; positions outside repeat the edge, or are left out on request."""
    row = [Fraction(0)] * size
    outside = call.node.flag("exclude_outside", 0)
    for place, weight in taps:
        if not outside or 0 <= place < size:
            row[min(max(place, 0), size - 1)] += weight
    total = sum(row)
    return [weight / total for weight in row] if outside and total else row


def _multiplied(call: Call, data: Data, axis: int, rows: list[list[Fraction]]) -> Data:
    length, size = len(rows), len(rows[0])
    weight = from_fractions([w for row in rows for w in row], (1, length, size))
    turned = data.moved(lambda array: np.moveaxis(array, axis, -1))
    shape = (*turned.shape[:-1], length)
    rounding = Rounding(terms=4, operand_error=_weight_error(weight.to_float(), size))
    result = call.builder.matmul(turned, weight, math.prod(shape[:-1]), shape, rounding)
    return result.moved(lambda array: np.moveaxis(array, -1, axis))


def _weight_error(weight: FloatArray, size: int) -> FloatArray:
    """Bound what float32 coordinates do to the weights: those of used entries and their neighbours."""
    used = weight != 0
    near = used.copy()
    near[..., 1:] |= used[..., :-1]
    near[..., :-1] |= used[..., 1:]
    return np.where(near, (size + 1) * 2.0**-19, 0.0)
