"""Convolutions: windows are gathered, then multiplied by weights that all windows share."""

from __future__ import annotations

import math

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import operand_rounding
from exactbox.importers.ops.windows import OUTSIDE, Windows, numbers, windows
from exactbox.importers.registry import lowers
from exactbox.importers.values import AnyArray, Constant, Data
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, IndexArray


@lowers("Conv")
def conv(call: Call) -> Data:
    """Gather the windows of each group, multiply them by its weights, add the bias; data or weights are constant."""
    groups = call.node.integer("group", 1)
    given, kernel = call.value(0), call.value(1)
    if isinstance(given, Constant) and isinstance(kernel, Data):
        return _of_constant(call, given, call.data(1), groups)
    data, weight = call.data(), call.constant(1, "the weight")
    _check(call, data.shape, weight.shape, groups)
    if groups < 1 or data.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        call.refuse(f"data {data.shape} and weight {weight.shape} do not fit {groups} groups")
    where = windows(call, data.shape[2:], weight.shape[2:])
    return _convolved(call, data, weight, groups, where)


@lowers("ConvTranspose")
def conv_transpose(call: Call) -> Data:
    """The convolution by the mirrored kernel of the image with zeros between its pixels."""
    data, weight = call.data(), call.constant(1, "the weight")
    groups = call.node.integer("group", 1)
    _check(call, data.shape, weight.shape, groups)
    channels, per_group, *kernel = weight.shape
    if groups < 1 or data.shape[1] != channels or channels % groups:
        call.refuse(f"data {data.shape} and weight {weight.shape} do not fit {groups} groups")

    def mirrored(array: AnyArray) -> AnyArray:
        split = array.reshape(groups, channels // groups, per_group, *kernel).swapaxes(1, 2)
        flipped = np.flip(split, axis=tuple(range(3, split.ndim)))
        return flipped.reshape(groups * per_group, channels // groups, *kernel)

    stuffed, where = _stuffed(call, data, tuple(kernel))
    return _convolved(call, stuffed, weight.moved(mirrored), groups, where)


def _stuffed(call: Call, data: Data, kernel: tuple[int, ...]) -> tuple[Data, Windows]:
    """Put zeros between and around the pixels, so that plain windows of stride 1 cover the result."""
    axes = len(kernel)
    strides, dilations = numbers(call, "strides", axes, 1, 1), numbers(call, "dilations", axes, 1, 1)
    extra = numbers(call, "output_padding", axes, 0, 0)
    before, after = _transposed_padding(call, data.shape[2:], kernel, strides, dilations, extra)
    inner = tuple((n - 1) * s + 1 for n, s in zip(data.shape[2:], strides, strict=True))
    low = [(k - 1) * d - b for k, d, b in zip(kernel, dilations, before, strict=True)]
    high = [(k - 1) * d - a + e for k, d, a, e in zip(kernel, dilations, after, extra, strict=True)]
    size = tuple(n + b + a for n, b, a in zip(inner, low, high, strict=True))
    out = tuple(n - (k - 1) * d for n, k, d in zip(size, kernel, dilations, strict=True))
    if min(out) < 1:
        call.refuse(f"the result would have shape {out}")
    call.check_size((*data.shape[:2], *inner))
    call.check_size((*data.shape[:2], *size))

    def spread(array: IndexArray) -> IndexArray:
        wide = np.full((*data.shape[:2], *inner), CONSTANT_ZERO, dtype=np.int64)
        wide[(slice(None), slice(None), *(slice(None, None, s) for s in strides))] = array
        margins = [(0, 0), (0, 0), *((max(b, 0), max(a, 0)) for b, a in zip(low, high, strict=True))]
        padded = np.pad(wide, margins, constant_values=CONSTANT_ZERO)
        ends = zip(low, high, padded.shape[2:], strict=True)
        cut = [slice(max(-b, 0), n - max(-a, 0)) for b, a, n in ends]
        return padded[(slice(None), slice(None), *cut)]

    zeros = (0,) * axes
    return data.moved(spread), Windows(size, kernel, (1,) * axes, dilations, zeros, zeros, out)


def _transposed_padding(
    call: Call, size: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...],
    extra: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:  # fmt: skip
    """Return how much of the full result is cut off before and behind each axis."""
    axes = len(size)
    mode, wanted = call.node.text("auto_pad", "NOTSET"), call.node.integers("output_shape")
    if mode in ("NOTSET", "VALID") and wanted is None:
        pads = numbers(call, "pads", 2 * axes, 0, 0) if mode == "NOTSET" else (0,) * 2 * axes
        return pads[:axes], pads[axes:]
    target = tuple(n * s for n, s in zip(size, strides, strict=True)) if wanted is None else wanted[-axes:]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = [(n - 1) * s + r + e for n, s, r, e in zip(size, strides, reach, extra, strict=True)]
    total = [n - t for n, t in zip(full, target, strict=True)]  # negative where zeros are added behind
    if any(e - t >= s for t, e, s in zip(total, extra, strides, strict=True)):
        call.refuse(f"output_shape {list(target)} is further than a stride beyond the entries")
    if wanted is None and min(total) < 0:
        call.deviates(f"{mode} gives shape {target}, where onnxruntime leaves the zeros behind the last entries out")
    half = [max(item, 0) // 2 if mode == "SAME_UPPER" else max(item, 0) - max(item, 0) // 2 for item in total]
    return tuple(half), tuple(item - low for item, low in zip(total, half, strict=True))


def _convolved(call: Call, data: Data, weight: Constant, groups: int, where: Windows) -> Data:
    """Convolve data (n, c, ...) by a weight (m, c/groups, ...), and add the call's bias."""
    batch, maps, per_group = data.shape[0], weight.shape[0], weight.shape[1]
    bias = _bias(call, maps)
    index = where.index()
    call.check_size((batch * data.shape[1] * index.shape[0], index.shape[1]))
    flat = data.index.reshape(batch, groups, per_group, -1)
    entries = np.where(index == OUTSIDE, CONSTANT_ZERO, flat[..., index])
    patches = entries.transpose(1, 0, 3, 2, 4)  # group, batch, window, channel, position
    matrix = weight.moved(lambda array: array.reshape(groups, maps // groups, -1))
    shape = (groups, batch, len(index), maps // groups)
    spread = None
    if bias is not None:
        spread = np.broadcast_to(bias.magnitudes().reshape(groups, 1, 1, -1), shape).ravel()
    extra = Rounding(terms=1, magnitude=spread, operand_error=matrix.error)
    rows = batch * len(index)
    result = call.builder.matmul(Data(data.srcs, patches, data.dtype), matrix.rationals(), rows, shape, extra)
    image = result.moved(lambda array: array.transpose(1, 0, 3, 2).reshape(batch, maps, *where.out))
    return _biased(call, image, bias)


def _biased(call: Call, image: Data, bias: Constant | None) -> Data:
    if bias is None:
        return image
    column = bias.moved(lambda array: array.reshape(-1, *(1 for _ in image.shape[2:])))
    return call.builder.shift(image, column.rationals(), operand_rounding(column))


def _of_constant(call: Call, given: Constant, weight: Data, groups: int) -> Data:
    """Convolve a constant image by weights that depend on the input: the windows are the matrix."""
    _check(call, given.shape, weight.shape, groups)
    batch, maps, per_group = given.shape[0], weight.shape[0], weight.shape[1]
    if given.shape[1] != per_group * groups or maps % groups:
        call.refuse(f"data {given.shape} and weight {weight.shape} do not fit {groups} groups")
    bias = _bias(call, maps)
    where = windows(call, given.shape[2:], weight.shape[2:])
    index = where.index()
    call.check_size((batch * given.shape[1] * index.shape[0], index.shape[1]))

    def patches(array: AnyArray) -> AnyArray:
        flat = array.reshape(batch, groups, per_group, -1)
        padded = np.concatenate([flat, np.zeros((*flat.shape[:-1], 1), dtype=array.dtype)], axis=-1)
        return padded[..., index].transpose(1, 0, 3, 2, 4).reshape(groups, batch * len(index), -1)

    matrix = given.moved(patches)
    shape = (groups, maps // groups, batch * len(index))
    spread = None
    if bias is not None:
        spread = np.broadcast_to(bias.magnitudes().reshape(groups, -1, 1), shape).ravel()
    extra = Rounding(terms=1, magnitude=spread, operand_error=matrix.error)
    rows = weight.moved(lambda array: array.reshape(groups, maps // groups, -1))
    result = call.builder.matmul(rows, matrix.rationals(), maps // groups, shape, extra)
    split = result.moved(lambda array: array.reshape(maps, batch, -1).swapaxes(0, 1))
    return _biased(call, split.moved(lambda array: array.reshape(batch, maps, *where.out)), bias)


def _bias(call: Call, maps: int) -> Constant | None:
    bias = call.optional_constant(2, "the bias")
    if bias is not None and bias.size != maps:
        call.refuse(f"expected {maps} bias entries, got shape {bias.shape}")
    return bias


def _check(call: Call, shape: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    if len(shape) < 3 or len(weight) != len(shape):
        call.refuse(f"expected data (n, c, ...) and a weight of as many axes, got {shape} and {weight}")
    given = call.node.integers("kernel_shape")
    if given is not None and given != weight[2:]:
        call.refuse(f"kernel_shape {list(given)} differs from the weight's {list(weight[2:])}")
    if groups < 1 or math.prod(shape) == 0 or math.prod(weight) == 0:
        call.refuse("no groups, or an empty tensor")
