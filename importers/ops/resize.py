"""Resizing of images: each axis is a fixed linear map of its entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data, FloatArray, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO
from exactbox.polytope.rational import float_fraction, from_fractions
from exactbox.polytope.wording import counted

_NEAREST = {
    "round_prefer_floor": lambda x: math.ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: math.floor(x + Fraction(1, 2)),
    "floor": math.floor,
    "ceil": math.ceil,
}


@dataclass(frozen=True)
class Axis:
    """How one axis is resized.

    Args:
        number: which axis.
        scale: of the coordinates; the resized length before rounding is scale times the axis' own length.
        length: of the result.
        start: where the region that is resized begins, as a share of the axis; ``end``: where it ends.
    """

    number: int
    scale: Fraction
    length: int
    start: Fraction = Fraction(0)
    end: Fraction = Fraction(1)


@lowers("Resize", since=11)
def resize(call: Call) -> Value:
    """Nearest, linear or cubic interpolation, axis after axis."""
    value = call.value(0)
    mode = call.node.text("mode", "nearest")
    if mode not in ("nearest", "linear", "cubic"):
        call.refuse(f"mode {mode} is not known")
    if mode == "nearest" and call.node.flag("antialias", 0):
        call.refuse("antialias is defined for the modes linear and cubic only")
    axes = _axes(call, value)
    _check_targets(call, value, axes)
    _tell_copied(call, value, axes)
    beyond: list[tuple[int, list[bool]]] = []
    for axis in axes:
        points = _points(call, axis, value.shape[axis.number])
        outside = _outside(call, points, value.shape[axis.number])
        points = [Fraction(0) if out else x for x, out in zip(points, outside, strict=True)]
        value = _along(call, value, axis, points, mode)
        if any(outside):
            beyond.append((axis.number, outside))
    return _extrapolated(call, value, beyond) if beyond else value


@lowers("Resize", "Upsample")
def upsample(call: Call) -> Value:
    """Older operator sets: coordinates are divided by the scale."""
    value = call.value(0)
    mode = call.node.text("mode", "nearest")
    if call.node.op == "Upsample" and call.node.version < 7:
        call.refuse("before operator set 7 the standard does not say where the entries of a result lie")
    given = call.node.numbers("scales")
    scales = [float_fraction(s) for s in given] if given else call.constant(1, "the scales").rationals().fractions()
    least = 1 if call.node.op == "Upsample" else 0
    if len(scales) != len(value.shape) or min(scales, default=Fraction(1)) < least or 0 in scales:
        call.refuse(f"scales {[float(scale) for scale in scales]} for {len(value.shape)} axes")
    if mode not in ("nearest", "linear"):
        call.refuse(f"mode {mode} is not known")
    axes = [Axis(i, scale, math.floor(value.shape[i] * scale)) for i, scale in enumerate(scales)]
    _check_targets(call, value, axes)
    _tell_copied(call, value, axes)
    for axis in axes:
        _tell_length(call, axis, value.shape[axis.number])
        points = [place / axis.scale for place in range(axis.length)]
        if mode == "nearest" and axis.scale < 1 and any(x.denominator > 1 for x in points):
            call.refuse("this operator set does not say which of the two entries beside a place is nearest")
        value = _along(call, value, axis, points, mode, "floor")
    return value


def _axes(call: Call, value: Value) -> list[Axis]:
    """Read what is resized to what."""
    numbers = [call.axis(axis, len(value.shape)) for axis in call.node.integers("axes") or range(len(value.shape))]
    if len(set(numbers)) != len(numbers):
        call.refuse(f"axes {numbers} name one axis twice")
    lengths = [value.shape[number] for number in numbers]
    scales = call.optional_constant(2, "the scales")
    if scales is not None and scales.size:
        found = scales.rationals().fractions()
        targets = [(scale, math.floor(n * scale)) for scale, n in zip(found, lengths, strict=False)]
    else:
        targets = _sized(call, call.integers(3, "the sizes"), lengths)
    if len(targets) != len(numbers) or any(scale <= 0 or length < 1 for scale, length in targets):
        call.refuse("scales or sizes do not fit the axes")
    regions = _regions(call, len(numbers))
    parts = zip(numbers, targets, regions, strict=True)
    axes = [Axis(number, scale, length, start, end) for number, (scale, length), (start, end) in parts]
    for axis, n in zip(axes, lengths, strict=True):
        if scales is not None and scales.size and math.floor(n * (axis.end - axis.start) * axis.scale) != axis.length:
            call.refuse("a region with scales: the standard's text and its reference disagree on the size; give sizes")
        _tell_fractional(call, axis, n)
        _tell_length(call, axis, n)
    return axes


def _sized(call: Call, sizes: list[int], lengths: list[int]) -> list[tuple[Fraction, int]]:
    """Return scale and length for each axis from the wanted sizes; one scale for all where the aspect is kept."""
    found = [Fraction(size, n) for size, n in zip(sizes, lengths, strict=False) if n and size > 0]
    policy = call.node.text("keep_aspect_ratio_policy", "stretch")
    if policy not in ("stretch", "not_larger", "not_smaller"):
        call.refuse(f"keep_aspect_ratio_policy {policy} is not known")
    if policy == "stretch" or len(found) != len(lengths) or len(sizes) != len(lengths):
        return list(zip(found, sizes, strict=False)) if len(found) == len(sizes) else []
    scale = min(found) if policy == "not_larger" else max(found)
    return [(scale, math.floor(scale * n + Fraction(1, 2))) for n in lengths]


def _regions(call: Call, count: int) -> list[tuple[Fraction, Fraction]]:
    """Return start and end of the resized region for each axis; the whole axis in most modes."""
    if call.node.text("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return [(Fraction(0), Fraction(1))] * count
    ends = call.constant(1, "the region").rationals().fractions()
    if len(ends) != 2 * count:
        call.refuse(f"a region of {counted(len(ends), 'number')} does not fit {count} axes")
    return list(zip(ends[:count], ends[count:], strict=True))


def _tell_fractional(call: Call, axis: Axis, size: int) -> None:
    """Tell where the standard's test data and the runtime read a length in two ways."""
    kind = call.node.text("coordinate_transformation_mode", "half_pixel")
    if kind in ("align_corners", "tf_crop_and_resize") and axis.scale * size != axis.length > 1:
        call.notes.append(
            f"{call.node}: {kind} with the fractional length {float(axis.scale * size):g}: lowered as the standard's "
            "test data say, where onnxruntime rounds the length"
        )
    if kind == "tf_crop_and_resize" and axis.scale == 1 and not (axis.start == 0 and axis.end == 1):
        call.notes.append(f"{call.node}: a part of an axis whose length stays, which onnxruntime takes for the whole")


def _tell_length(call: Call, axis: Axis, size: int) -> None:
    """Tell where a length just below a whole number is that number once it is rounded to float32."""
    width = axis.scale * size
    if axis.length < width < math.ceil(width) <= width * (1 + Fraction(1, 2**23)):
        call.notes.append(f"{call.node}: a length just below {math.ceil(width)}, which onnxruntime rounds up")


def _tell_copied(call: Call, value: Value, axes: Sequence[Axis]) -> None:
    """Tell where no length changes though a scale is not 1."""
    if all(axis.length == value.shape[axis.number] for axis in axes) and any(axis.scale != 1 for axis in axes):
        call.deviates("scales under which every length stays still move the places read, where onnxruntime copies")


def _check_targets(call: Call, value: Value, axes: Sequence[Axis]) -> None:
    """Stop before coordinates are computed one by one that no limit allows."""
    longest = max((axis.length for axis in axes), default=0)
    call.limits.check(str(call.node), "length of an axis", longest, call.limits.tensor_elements >> 8)
    widest = max(value.shape, default=0)
    call.limits.check_elements(str(call.node), math.prod(axis.length for axis in axes))
    if call.node.text("mode", "nearest") != "nearest":
        cap = call.limits.tensor_elements >> 4
        call.limits.check(str(call.node), "weights of places", longest * widest, cap)


def _along(
    call: Call, value: Value, axis: Axis, points: list[Fraction], mode: str, rounding: str = ""
) -> Value:
    """Resize one axis, given the coordinate that each of its places reads."""
    number, length, size = axis.number, axis.length, value.shape[axis.number]
    if length == size and points == list(range(size)):
        return value
    call.check_size((*value.shape[:number], length, *value.shape[number + 1 :]))
    if mode == "nearest":
        pick = _NEAREST.get(rounding or call.node.text("nearest_mode", "round_prefer_floor"))
        if pick is None:
            call.refuse("nearest_mode is not known")
        _doubt_steps(call, axis, points, size, pick)
        places = np.array([min(max(pick(x), 0), size - 1) for x in points], dtype=np.int64)
        return value.moved(lambda array: np.take(array, places, axis=number))
    if not value.is_float:
        call.refuse(f"mode {mode} of {value.dtype} numbers, which rounds")
    call.check_size((length, size))
    stretch = min(axis.scale, Fraction(1)) if call.node.flag("antialias", 0) else Fraction(1)
    a = call.rational("cubic_coeff_a", -0.75)
    taps = [_taps(call, x, mode, stretch, a) for x in points]
    rows = [_row(call, item, size) for item in taps]
    return _multiplied(call, call.builder.data(value), number, rows)


def _doubt_steps(
    call: Call, axis: Axis, points: Sequence[Fraction], size: int, pick: Callable[[Fraction], int]
) -> None:
    """Doubt places where the nearest entry changes, if the runtime computes their coordinates with a rounded scale.

    A float32 division is exact where its result is a float32, as every coordinate is at which the entry changes.
    """
    if float_fraction(float(np.float32(float(axis.scale)))) == axis.scale:
        return
    off = Fraction(size + 1, 2**20)
    for x in points:
        below, above = (min(max(pick(x + shift), 0), size - 1) for shift in (-off, off))
        if below != above:
            call.doubt(f"the coordinate {float(x):g} of axis {axis.number} lies where the nearest entry changes")
            return


def _points(call: Call, axis: Axis, size: int) -> list[Fraction]:
    """Return the coordinate in the input that each output position reads."""
    kind = call.node.text("coordinate_transformation_mode", "half_pixel")
    return [_source(call, kind, place, axis, size) for place in range(axis.length)]


def _source(call: Call, kind: str, place: int, axis: Axis, size: int) -> Fraction:
    """Return the coordinate in the input that an output position reads; lengths from scales may be fractional."""
    width = axis.scale * size
    half = (place + Fraction(1, 2)) / axis.scale - Fraction(1, 2)
    match kind:
        case "half_pixel":
            return half
        case "pytorch_half_pixel":
            return half if axis.length > 1 else Fraction(0)
        case "half_pixel_symmetric":
            return Fraction(size, 2) * (1 - axis.length / width) + half
        case "align_corners":
            return place * (size - 1) / (width - 1) if width != 1 else Fraction(0)
        case "asymmetric":
            return place / axis.scale
        case "tf_crop_and_resize":
            share = place / (width - 1) if width != 1 else Fraction(1, 2)
            return (axis.start + share * (axis.end - axis.start)) * (size - 1)
        case _:
            call.refuse(f"coordinate_transformation_mode {kind} is not lowered")


def _outside(call: Call, points: list[Fraction], size: int) -> list[bool]:
    """Say which places read beyond the image; only resizing a region gives them a value of their own."""
    if call.node.text("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return [False] * len(points)
    return [not 0 <= x <= size - 1 for x in points]


def _extrapolated(call: Call, value: Value, beyond: Sequence[tuple[int, list[bool]]]) -> Data:
    """Put one number where some axis is read beyond the image."""
    data = call.builder.data(value)
    if not data.is_float:
        call.refuse(f"extrapolation of {data.dtype} numbers")
    mask = np.zeros(data.shape, dtype=bool)
    for number, outside in beyond:
        mask |= np.array(outside).reshape(-1, *(1 for _ in data.shape[number + 1 :]))
    cleared = Data(data.srcs, np.where(mask, CONSTANT_ZERO, data.index), data.dtype)
    fill = call.rational("extrapolation_value", 0.0)
    if not fill:
        return cleared
    offset = from_fractions([fill if out else Fraction(0) for out in mask.ravel()], data.shape)
    return call.builder.shift(cleared, offset)


Taps = list[tuple[int, Fraction]]


def linear_taps(x: Fraction) -> Taps:
    """Return the two positions beside a coordinate, with their weights."""
    low = math.floor(x)
    return [(low, 1 - (x - low)), (low + 1, x - low)]


def cubic_taps(x: Fraction, a: Fraction) -> Taps:
    """Keys' cubic convolution (R. Keys, "Cubic convolution interpolation for digital image processing", 1981)."""
    low = math.floor(x)
    return [(place, keys(abs(x - place), a)) for place in range(low - 1, low + 3)]


def keys(d: Fraction, a: Fraction) -> Fraction:
    """Return the weight of an entry at distance ``d`` of 0 to 2.

    >>> keys(Fraction(1, 2), Fraction(-3, 4))
    Fraction(19, 32)
    """
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return near if d <= 1 else far


def _taps(call: Call, x: Fraction, mode: str, stretch: Fraction, a: Fraction) -> Taps:
    """Return the places that a coordinate reads, with their weights; a stretched filter is made to sum to 1."""
    if stretch == 1:
        return linear_taps(x) if mode == "linear" else cubic_taps(x, a)
    reach = (1 if mode == "linear" else 2) / stretch
    places = range(math.floor(x - reach) + 1, math.ceil(x + reach))
    distances = [abs(place - x) * stretch for place in places]
    weights = [1 - d if mode == "linear" else keys(d, a) for d in distances]
    total = sum(weights)
    if not total:
        call.refuse("the weights of a stretched filter sum to 0")
    return [(place, weight / total) for place, weight in zip(places, weights, strict=True)]


def _row(call: Call, taps: Taps, size: int) -> list[Fraction]:
    """Return the weights of one output entry; positions outside repeat the edge, or are left out on request."""
    row = [Fraction(0)] * size
    outside = call.node.flag("exclude_outside", 0)
    for place, weight in taps:
        if not outside or 0 <= place < size:
            row[min(max(place, 0), size - 1)] += weight
    total = sum(row) if outside else Fraction(1)
    if not total:
        call.refuse("the weights inside the image sum to 0: a division by 0")
    return [weight / total for weight in row]


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
