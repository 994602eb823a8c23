"""Rarer moves of entries: blocks, triangles and reversed entries; for constants and data alike."""

from __future__ import annotations

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.movement import choose, filled
from exactbox.importers.registry import lowers
from exactbox.importers.values import AnyArray, Constant, Data, Value
from exactbox.polytope.program import CONSTANT_ZERO


@lowers("DepthToSpace")
def depth_to_space(call: Call) -> Value:
    """Channels become blocks of pixels."""
    value, block = call.value(0), call.node.integer("blocksize", 0)
    n, c, h, w = _image(call, value)
    if block < 1 or c % (block * block):
        call.refuse(f"{c} channels do not make blocks of {block} x {block}")
    depth = c // (block * block)
    if call.node.text("mode", "DCR") == "DCR":
        split, order = (n, block, block, depth, h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, order = (n, depth, block, block, h, w), (0, 1, 4, 2, 5, 3)
    dims = (n, depth, h * block, w * block)
    return value.moved(lambda array: array.reshape(split).transpose(order).reshape(dims))


@lowers("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    """Blocks of pixels become channels."""
    value, block = call.value(0), call.node.integer("blocksize", 0)
    n, c, h, w = _image(call, value)
    if block < 1 or h % block or w % block:
        call.refuse(f"an image of {h} x {w} does not split into blocks of {block} x {block}")
    split, dims = (n, c, h // block, block, w // block, block), (n, c * block * block, h // block, w // block)
    order = (0, 3, 5, 1, 2, 4) if call.node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return value.moved(lambda array: array.reshape(split).transpose(order).reshape(dims))


def _image(call: Call, value: Value) -> tuple[int, int, int, int]:
    if len(value.shape) != 4:
        call.refuse(f"expected a tensor of four axes, got shape {value.shape}")
    n, c, h, w = value.shape
    return n, c, h, w


@lowers("Trilu")
def trilu(call: Call) -> Value:
    """Zeros below or above a diagonal."""
    value = call.value(0)
    if len(value.shape) < 2:
        call.refuse(f"expected matrices, got shape {value.shape}")
    offset = call.integers(1, "the diagonal")[0] if call.optional(1) is not None else 0
    ones = np.ones(value.shape[-2:], dtype=bool)
    mask = np.triu(ones, offset) if call.node.flag("upper", 1) else np.tril(ones, offset)
    return _masked(call, value, np.broadcast_to(mask, value.shape))


def _masked(call: Call, value: Value, mask: AnyArray) -> Value:
    """Put 0 where the mask does not hold."""
    if isinstance(value, Data):
        return Data(value.srcs, np.where(mask, value.index, CONSTANT_ZERO), value.dtype)
    return choose(call, mask, value, Constant(np.zeros(value.shape), value.dtype))


@lowers("ReverseSequence")
def reverse_sequence(call: Call) -> Value:
    """Turn the first entries of each sequence round."""
    value = call.value(0)
    batch = call.axis(call.node.integer("batch_axis", 1), len(value.shape))
    time = call.axis(call.node.integer("time_axis", 0), len(value.shape))
    lengths = call.integers(1, "the lengths")
    if len(lengths) != value.shape[batch] or any(not 0 <= n <= value.shape[time] for n in lengths):
        call.refuse(f"lengths {lengths} do not fit shape {value.shape}")
    places = np.tile(np.arange(value.shape[time]), (len(lengths), 1))
    for row, length in zip(places, lengths, strict=True):
        row[:length] = row[:length][::-1]

    def turned(array: AnyArray) -> AnyArray:
        moved = np.moveaxis(array, (batch, time), (0, 1))
        taken = moved[np.arange(len(lengths))[:, None], places]
        return np.moveaxis(taken, (0, 1), (batch, time))

    return value.moved(turned)


@lowers("Compress")
def compress(call: Call) -> Value:
    """Keep the slices that a constant condition marks."""
    value = call.value(0)
    kept = np.flatnonzero(call.constant(1, "the condition").plain().ravel())
    if "axis" not in call.node.attributes:
        return value.moved(lambda array: array.reshape(-1)[kept])
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    return value.moved(lambda array: np.take(array, kept, axis=axis))


@lowers("CenterCropPad")
def center_crop_pad(call: Call) -> Value:
    """Crop or pad some axes around their middle."""
    value = call.value(0)
    wanted = call.integers(1, "the shape")
    axes = call.node.integers("axes") or tuple(range(len(value.shape)))
    if len(axes) != len(wanted) or min(wanted, default=0) < 0:
        call.refuse(f"shape {wanted} does not fit axes {list(axes)}")
    for axis, length in zip(axes, wanted, strict=True):
        value = _centred(call, value, call.axis(axis, len(value.shape)), length)
    return value


def _centred(call: Call, value: Value, axis: int, length: int) -> Value:
    size = value.shape[axis]
    if length <= size:
        first = (size - length) // 2
        key = (*[slice(None)] * axis, slice(first, first + length))
        return value.moved(lambda array: array[key])
    call.check_size((*value.shape[:axis], length, *value.shape[axis + 1 :]))
    before = (length - size) // 2
    widths = [(0, 0)] * len(value.shape)
    widths[axis] = (before, length - size - before)
    fill = CONSTANT_ZERO if isinstance(value, Data) else 0
    return value.moved(lambda array: filled(array, widths, fill))
