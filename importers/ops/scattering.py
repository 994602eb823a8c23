"""Sums of entries at places that attributes or constants name: columns to images, unpooling."""

from __future__ import annotations

import itertools
import math

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.windows import numbers
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data, Value
from exactbox.polytope.program import CONSTANT_ZERO, IndexArray


@lowers("Col2Im")
def col2im(call: Call) -> Data:
    """Add the columns of blocks up where the blocks lie in the image."""
    data = call.data(0)
    image, block = call.integers(1, "the image's shape"), call.integers(2, "the block's shape")
    axes = len(image)
    if len(data.shape) != 3 or len(block) != axes or min(image + block, default=0) < 1:
        call.refuse(f"columns of shape {data.shape} do not make an image {image} of blocks {block}")
    strides, dilations = (numbers(call, name, axes, 1, 1) for name in ("strides", "dilations"))
    pads = numbers(call, "pads", 2 * axes, 0, 0)
    room = [
        n + pads[i] + pads[i + axes] - dilations[i] * (k - 1) - 1
        for i, (n, k) in enumerate(zip(image, block, strict=True))
    ]
    counts = [item // stride + 1 for item, stride in zip(room, strides, strict=True)]
    batch, columns, blocks = data.shape
    channels = columns // math.prod(block)
    if min(room) < 0 or columns % math.prod(block) or blocks != math.prod(counts):
        call.refuse(f"columns of shape {data.shape} do not make an image {image} of {counts} blocks {block}")
    call.check_size((batch, channels, *image))
    split = data.moved(lambda array: array.reshape(batch, channels, math.prod(block), *counts))
    total: Data | None = None
    rest = (np.arange(batch), np.arange(channels))
    for k, offset in enumerate(itertools.product(*(range(n) for n in block))):
        spread = np.full((batch, channels, *image), CONSTANT_ZERO, dtype=np.int64)
        inside: list[IndexArray] = []
        target: list[IndexArray] = []
        for i in range(axes):
            places = np.arange(counts[i]) * strides[i] + offset[i] * dilations[i] - pads[i]
            kept = np.flatnonzero((places >= 0) & (places < image[i]))
            inside.append(kept)
            target.append(places[kept])
        spread[np.ix_(*rest, *target)] = split.index[:, :, k][np.ix_(*rest, *inside)]
        part = Data(split.srcs, spread, split.dtype)
        total = part if total is None else call.builder.add(total, part)
    return total if total is not None else call.refuse("a block without entries")


@lowers("MaxUnpool")
def max_unpool(call: Call) -> Value:
    """Put entries back to the constant places that a pooling took them from."""
    data, places = call.data(0), call.constant(1, "the places of the maxima")
    axes = len(data.shape) - 2
    if axes < 1 or places.shape != data.shape:
        call.refuse(f"places of shape {places.shape} do not fit values of shape {data.shape}")
    shape = _unpooled(call, data, axes)
    wanted = call.integers(2, "the output's shape") if call.optional(2) is not None else list(shape)
    if len(wanted) != len(shape) or any(n < m for n, m in zip(wanted, shape, strict=True)):
        call.refuse(f"an output of shape {wanted} is smaller than {list(shape)}")
    call.check_size(tuple(wanted))
    flat = np.asarray(places.integers(), dtype=np.int64)
    if len(np.unique(flat)) != len(flat) or (flat.size and not 0 <= flat.min() <= flat.max() < math.prod(shape)):
        call.refuse("the places of the maxima meet, or lie outside of the output")
    spread = np.full(math.prod(shape), CONSTANT_ZERO, dtype=np.int64)
    spread[flat] = data.index.ravel()
    whole = np.full(wanted, CONSTANT_ZERO, dtype=np.int64)
    whole[tuple(slice(0, n) for n in shape)] = spread.reshape(shape)
    return Data(data.srcs, whole, data.dtype)


def _unpooled(call: Call, data: Data, axes: int) -> tuple[int, ...]:
    """Return the shape of the tensor that was pooled, as far as the attributes tell."""
    kernel = numbers(call, "kernel_shape", axes, 1, 1)
    strides = numbers(call, "strides", axes, 1, 1)
    pads = numbers(call, "pads", 2 * axes, 0, 0)
    sizes = [(n - 1) * strides[i] + kernel[i] - pads[i] - pads[i + axes] for i, n in enumerate(data.shape[2:])]
    call.check_size((*data.shape[:2], *sizes))
    return (*data.shape[:2], *sizes)
