"""Images read at constant places between their pixels: deformable convolutions and pooled regions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.resize import Taps, linear_taps
from exactbox.importers.ops.shape import FORMAT_BITS
from exactbox.importers.ops.windows import windows
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE
from exactbox.polytope.rational import float_fraction, from_fractions

_UNIT = 2.0**-18
"""How far the runtime's weights of two neighbours may be off for each pixel of an axis, in float32 coordinates."""


@lowers("DeformConv")
def deform_conv(call: Call) -> Data:
    """Read the image at displaced places, times the mask; then multiply by the weights that all places share.

    X. Zhu, H. Hu, S. Lin, J. Dai, "Deformable ConvNets v2: more deformable, better results", 2019.
    """
    data, weight = call.data(), call.constant(1, "the weight")
    groups, parts = call.node.integer("group", 1), call.node.integer("offset_group", 1)
    axes = len(data.shape) - 2
    if axes < 1 or len(weight.shape) != axes + 2 or min(groups, parts, *weight.shape) < 1:
        call.refuse(f"a weight of shape {weight.shape} does not fit data of shape {data.shape}")
    channels, kernel = data.shape[1], weight.shape[2:]
    if channels != weight.shape[1] * groups or weight.shape[0] % groups or channels % parts:
        call.refuse(f"data {data.shape} and weight {weight.shape} do not fit {groups} groups, {parts} of offsets")
    if tuple(call.node.integers("kernel_shape") or kernel) != kernel:
        call.refuse(f"the weight's shape {weight.shape} is not that of the attribute kernel_shape")
    read = _displaced(call, data, kernel, parts)
    result = _weighted(call, read, weight, groups)
    bias = call.optional_constant(3, "the bias")
    if bias is None:
        return result
    if bias.shape != weight.shape[:1]:
        call.refuse(f"a bias of shape {bias.shape} does not fit {weight.shape[0]} channels")
    offset = bias.moved(lambda array: array.reshape(-1, *(1 for _ in kernel)))
    return call.builder.shift(result, offset.rationals(), Rounding(0, None, offset.error))


def _displaced(call: Call, data: Data, kernel: tuple[int, ...], parts: int) -> Data:
    """Return the interpolated entries as (sample, channel, place in the kernel, *output axes)."""
    sizes, axes, samples = data.shape[2:], len(kernel), data.shape[0]
    where = windows(call, sizes, kernel)
    inner = (samples, parts, math.prod(kernel))
    offset, mask = call.constant(2, "the offset"), call.optional_constant(4, "the mask")
    fits = offset.shape == (samples, math.prod(inner[1:]) * axes, *where.out)
    if not fits or (mask is not None and mask.shape != (samples, math.prod(inner[1:]), *where.out)):
        call.refuse(f"an offset of shape {offset.shape}, or the mask, does not fit an output of {where.out}")
    count = math.prod(where.out)
    entries = math.prod(inner) * count * math.prod(sizes)
    call.limits.check(str(call.node), "weights of places", entries, call.limits.tensor_elements >> 5)
    shifts = offset.moved(lambda array: np.moveaxis(array.reshape(*inner, axes, count), 3, -1)).rationals().fractions()
    factors = [Fraction(1)] * (len(shifts) // axes) if mask is None else mask.rationals().fractions()
    rows: list[Fraction] = []
    spots = itertools.product(range(samples * parts), np.ndindex(kernel), np.ndindex(where.out))
    for number, (_, k, o) in enumerate(spots):
        start = [o[i] * where.strides[i] - where.before[i] + k[i] * where.dilations[i] for i in range(axes)]
        at = [base + shift for base, shift in zip(start, shifts[number * axes : (number + 1) * axes], strict=True)]
        rows += _outer([_inside(linear_taps(x), n) for x, n in zip(at, sizes, strict=True)], factors[number])
    matrix = from_fractions(rows, (samples * parts, inner[2] * count, math.prod(sizes)))
    flat = data.moved(lambda array: array.reshape(samples * parts, -1, math.prod(sizes)))
    shape = (samples * parts, flat.shape[1], inner[2] * count)
    rounding = Rounding(4**axes, None, np.full(matrix.shape, _weight_error(sizes, offset, mask)))
    read = call.builder.matmul(flat, matrix, flat.shape[1], shape, rounding)
    return read.moved(lambda array: array.reshape(samples, data.shape[1], inner[2], *where.out))


def _weight_error(sizes: tuple[int, ...], offset: Constant, mask: Constant | None) -> float:
    """Bound how far the runtime's product of mask and weights may be off."""
    moved = 0.0 if offset.error is None else float(offset.error.max(initial=0.0))
    largest = 1.0 if mask is None else float(mask.magnitudes().max(initial=0.0))
    off = 0.0 if mask is None or mask.error is None else float(mask.error.max(initial=0.0))
    return len(sizes) * (max(sizes) * _UNIT + moved) * largest + off


def _weighted(call: Call, read: Data, weight: Constant, groups: int) -> Data:
    """Sum over channels of a group and places of the kernel."""
    samples, channels, places, *out = read.shape
    outputs, inner = weight.shape[0] // groups, channels // groups
    split = read.moved(lambda array: array.reshape(samples, groups, inner, places, -1).transpose(1, 0, 4, 2, 3))
    matrix = weight.moved(lambda array: array.reshape(groups, outputs, inner * places))
    shape = (groups, samples, math.prod(out), outputs)
    rounding = Rounding(0, None, matrix.error)
    result = call.builder.matmul(split, matrix.rationals(), samples * math.prod(out), shape, rounding)
    return result.moved(lambda array: array.transpose(1, 0, 3, 2).reshape(samples, groups * outputs, *out))


def _inside(taps: Taps, size: int) -> list[Fraction]:
    """Return the weights along an axis, of which those outside of the image are lost."""
    row = [Fraction(0)] * size
    for place, weight in taps:
        if 0 <= place < size:
            row[place] += weight
    return row


def _outer(rows: list[list[Fraction]], factor: Fraction) -> list[Fraction]:
    """Return all products of one entry of each row, times a factor."""
    return [math.prod(parts, start=factor) for parts in itertools.product(*rows)]


@dataclass(frozen=True)
class Region:
    """A region of interest as it is sampled.

    Args:
        image: the sample it belongs to.
        start: coordinates (row, column) of its corner.
        bin: height and width of one pooled bin.
        counts: sampled places in a bin along both axes.
    """

    image: int
    start: tuple[Fraction, Fraction]
    bin: tuple[Fraction, Fraction]
    counts: tuple[int, int]

    def places(self, row: int, column: int) -> list[tuple[Fraction, Fraction]]:
        """Return the places that are sampled in one bin."""
        rows, columns = (
            [start + size * (at + Fraction(2 * j + 1, 2 * count)) for j in range(count)]
            for start, size, count, at in zip(self.start, self.bin, self.counts, (row, column), strict=True)
        )
        return list(itertools.product(rows, columns))


@lowers("RoiAlign", since=10)
def roi_align(call: Call) -> Data:
    """Pool constant regions, read between the pixels.

    K. He, G. Gkioxari, P. Dollar, R. Girshick, "Mask R-CNN", 2017. The maximum is that of the weighted pixels, as in
    the standard's reference and onnxruntime, not that of the interpolated places.
    """
    data = call.data()
    mode = call.node.text("mode", "avg")
    if len(data.shape) != 4 or mode not in ("avg", "max"):
        call.refuse(f"mode {mode} of data of shape {data.shape}: expected avg or max of images")
    pooled = call.node.integer("output_height", 1), call.node.integer("output_width", 1)
    regions = _regions(call, data, pooled)
    # An empty axis of places does not make the other one, or the bins, cost nothing.
    samples = sum(max(1, region.counts[0]) * max(1, region.counts[1]) for region in regions) * math.prod(pooled)
    call.limits.check(str(call.node), "sampled places", samples, call.limits.tensor_elements >> 9)
    images = np.array([region.image for region in regions], dtype=np.int64)
    picked = data.moved(lambda array: array.reshape(*data.shape[:2], -1)[images])
    bins = [
        [_pixels(region.places(*at), data.shape[2:]) for at in itertools.product(*(range(n) for n in pooled))]
        for region in regions
    ]
    shape = (len(regions), data.shape[1], *pooled)
    off = _coordinate_error(call)
    _settle_places(call, regions, pooled, data.shape[2:], off)
    return _average(call, picked, bins, shape, off) if mode == "avg" else _largest(call, picked, bins, shape, off)


def _coordinate_error(call: Call) -> float:
    """Bound how far the runtime's places may be off.

    Corners are scaled, shifted, subtracted, divided into bins and added up again: no more than 16 roundings, each of a
    number of at most M, the largest scaled corner and a pixel (Higham, Accuracy and Stability of Numerical Algorithms,
    2002, section 3.1).
    """
    corners = call.constant(1, "the regions")
    largest = float(corners.magnitudes().max(initial=0.0)) * abs(float(call.rational("spatial_scale", 1.0))) + 1
    return 16 * 2.0 ** -FORMAT_BITS[corners.dtype] * largest


def _settle_places(
    call: Call, regions: list[Region], pooled: tuple[int, int], sizes: tuple[int, ...], off: float
) -> None:
    """Doubt places that rounding may move over the rim, where they read 0, and bins that may hold one place more."""
    spread = float_fraction(off)
    adaptive = not call.node.integer("sampling_ratio", 0)
    for region in regions:
        whole = [size for size in region.bin if adaptive and size > 0 and 0 < abs(size - round(size)) <= spread]
        places = itertools.chain(*(region.places(*at) for at in itertools.product(*(range(n) for n in pooled))))
        pairs = itertools.chain(*(zip(place, sizes, strict=True) for place in places))
        rims = [x for x, n in pairs if min(abs(x + 1), abs(x - n)) <= spread]
        for x in [*whole, *rims][:1]:
            call.doubt(f"the coordinate {float(x)!r} of a region is within its rounding error of a step")


def _regions(call: Call, data: Data, pooled: tuple[int, int]) -> list[Region]:
    """Read the regions; without a half-pixel shift, regions smaller than a pixel are made one."""
    corners, images = call.constant(1, "the regions"), call.integers(2, "the images of the regions")
    ratio, scale = call.node.integer("sampling_ratio", 0), call.rational("spatial_scale", 1.0)
    fits = len(corners.shape) == 2 and corners.shape[1:] == (4,) and corners.shape[0] == len(images) > 0
    if not fits or not 0 <= min(images) <= max(images) < data.shape[0] or ratio < 0 or min(pooled) < 1:
        call.refuse(f"regions of shape {corners.shape} of images {images} do not fit data of shape {data.shape}")
    kind = call.node.text("coordinate_transformation_mode", "half_pixel")
    if kind not in ("half_pixel", "output_half_pixel"):
        call.refuse(f"coordinate_transformation_mode {kind} is not known")
    shifted = kind == "half_pixel" and call.node.version >= 16
    ends = [item * scale - (Fraction(1, 2) if shifted else 0) for item in corners.rationals().fractions()]
    found: list[Region] = []
    for number, image in enumerate(images):
        x0, y0, x1, y1 = ends[4 * number : 4 * number + 4]
        spans = [y1 - y0, x1 - x0] if shifted else [max(y1 - y0, Fraction(1)), max(x1 - x0, Fraction(1))]
        height, width = (span / n for span, n in zip(spans, pooled, strict=True))
        counts = (ratio, ratio) if ratio else (max(math.ceil(height), 0), max(math.ceil(width), 0))
        found.append(Region(image, (y0, x0), (height, width), counts))
    return found


def _pixels(places: list[tuple[Fraction, Fraction]], sizes: tuple[int, ...]) -> list[tuple[int, Fraction]]:
    """Return the four pixels around each place with their weights; a place beyond the rim reads 0."""
    found: list[tuple[int, Fraction]] = []
    for place in places:
        if any(not -1 <= x <= n for x, n in zip(place, sizes, strict=True)):
            found += [(0, Fraction(0))] * 4
            continue
        inside = [min(max(x, Fraction(0)), Fraction(n - 1)) for x, n in zip(place, sizes, strict=True)]
        rows, columns = (linear_taps(x) for x in inside)
        for (row, first), (column, second) in itertools.product(rows, columns):
            # Beside the last pixel there is none, and its weight is 0.
            at = min(row, sizes[0] - 1) * sizes[1] + min(column, sizes[1] - 1)
            found.append((at, first * second))
    return found


_Bins = list[list[list[tuple[int, Fraction]]]]


def _average(call: Call, picked: Data, bins: _Bins, shape: tuple[int, ...], off: float) -> Data:
    """Average the places of each bin; a bin without places is 0."""
    size, cells = picked.shape[2], len(bins[0])
    call.limits.check(str(call.node), "weights of places", len(bins) * cells * size, call.limits.tensor_elements >> 5)
    rows: list[Fraction] = []
    for pixels in itertools.chain(*bins):
        row = [Fraction(0)] * size
        for at, weight in pixels:
            row[at] += weight * Fraction(4, len(pixels))
        rows += row
    matrix = from_fractions(rows, (len(bins), cells, size))
    share = 4 / max(4, *(len(pixels) for pixels in itertools.chain(*bins)))  # the runtime divides the finished sum
    rounding = Rounding(8, None, np.full(matrix.shape, size * _UNIT + 2 * off), share)
    result = call.builder.matmul(picked, matrix, shape[1], (shape[0], shape[1], cells), rounding)
    return result.moved(lambda array: array.reshape(shape))


def _largest(call: Call, picked: Data, bins: _Bins, shape: tuple[int, ...], off: float) -> Data:
    """Take the largest weighted pixel of each bin; a bin without places is 0."""
    flat = list(itertools.chain(*bins))
    width = max(1, *(len(pixels) for pixels in flat))
    call.check_size((*shape, width))
    padded = [[*pixels, *[(-1, Fraction(0))] * (width - len(pixels))] for pixels in flat]
    at = np.array([[place for place, _ in pixels] for pixels in padded]).reshape(shape[0], 1, -1)
    weights = from_fractions([weight for pixels in padded for _, weight in pixels], (shape[0], 1, len(bins[0]) * width))
    chosen = picked.moved(lambda array: np.take_along_axis(array, np.broadcast_to(at, (*shape[:2], at.shape[2])), 2))
    rounding = Rounding(4, None, np.full(weights.shape, picked.shape[2] * _UNIT + 2 * off))
    scaled = call.builder.scale(chosen, weights, rounding)
    used = np.where(weights.num == 0, CONSTANT_ZERO, np.arange(at.shape[2]))
    spare = np.where(at >= 0, used, NO_CANDIDATE).reshape(shape[0], 1, -1, width)
    spare[..., 0] = np.where(spare[..., 0] == NO_CANDIDATE, CONSTANT_ZERO, spare[..., 0])
    starts = np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1, 1) * at.shape[2]
    groups = np.where(spare >= 0, spare + starts, spare).reshape(-1, width)
    return call.builder.maximum(scaled, groups, shape)
