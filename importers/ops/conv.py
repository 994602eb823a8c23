"""Convolutions: windows are gathered, then multiplied by weights that all windows share."""

from __future__ import annotations

import math

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import operand_rounding
from exactbox.importers.ops.windows import OUTSIDE, windows
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO


@lowers("Conv")
def conv(call: Call) -> Data:
    """Gather the windows of each group, multiply them by its weights, add the bias."""
    data, weight = call.data(), call.constant(1, "the weight")
    bias = call.optional_constant(2, "the bias")
    groups = call.node.integer("group", 1)
    batch, channels, size = _check(call, data.shape, weight.shape, groups)
    maps, per_group = weight.shape[0], weight.shape[1]
    where = windows(call, size, weight.shape[2:])
    index = where.index()
    call.check_size((batch * channels * index.shape[0], index.shape[1]))
    flat = data.index.reshape(batch, groups, per_group, -1)
    entries = np.where(index == OUTSIDE, CONSTANT_ZERO, flat[..., index])
    patches = entries.transpose(1, 0, 3, 2, 4)  # group, batch, window, channel, position
    matrix = weight.moved(lambda array: array.reshape(groups, maps // groups, -1))
    shape = (groups, batch, len(index), maps // groups)
    extra = Rounding(terms=1, operand_error=matrix.error)
    if bias is not None:
        spread = np.broadcast_to(bias.magnitudes().reshape(groups, 1, 1, -1), shape).ravel()
        extra = Rounding(extra.terms, spread, extra.operand_error)
    rows = batch * len(index)
    result = call.builder.matmul(Data(data.srcs, patches, data.dtype), matrix.rationals(), rows, shape, extra)
    image = result.moved(lambda array: array.transpose(1, 0, 3, 2).reshape(batch, maps, *where.out))
    if bias is None:
        return image
    column = bias.moved(lambda array: array.reshape(-1, *(1 for _ in size)))
    return call.builder.shift(image, column.rationals(), operand_rounding(column))


def _check(
    call: Call, shape: tuple[int, ...], weight: tuple[int, ...], groups: int
) -> tuple[int, int, tuple[int, ...]]:
    if len(shape) < 3 or len(weight) != len(shape):
        call.refuse(f"expected data (n, c, ...) and a weight of as many axes, got {shape} and {weight}")
    batch, channels = shape[:2]
    if groups < 1 or channels != weight[1] * groups or weight[0] % groups:
        call.refuse(f"data {shape} and weight {weight} do not fit {groups} groups")
    given = call.node.integers("kernel_shape")
    if given is not None and given != weight[2:]:
        call.refuse(f"kernel_shape {list(given)} differs from the weight's {list(weight[2:])}")
    bias = call.optional(2)
    if bias is not None and bias.size != weight[0]:
        call.refuse(f"expected {weight[0]} bias entries, got shape {bias.shape}")
    if math.prod(shape) == 0 or math.prod(weight) == 0:
        call.refuse("an empty tensor")
    return batch, channels, shape[2:]
