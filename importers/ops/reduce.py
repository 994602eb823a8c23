"""Sums, means and maxima along axes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.registry import lowers
from exactbox.importers.values import Data, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import from_fractions


@lowers("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1")
def reduce(call: Call) -> Value:
    """Sums, means, maxima, minima or sums of absolute values along axes."""
    data = call.data()
    axes = reduced_axes(call, len(data.shape))
    if axes is None:
        return _absolute(call, data) if call.node.op == "ReduceL1" else data
    kept = [place for place in range(len(data.shape)) if place not in axes]
    width = math.prod(data.shape[axis] for axis in axes)
    order = [*kept, *axes]
    rows = math.prod(data.shape[axis] for axis in kept)
    keep = call.node.flag("keepdims", 1)
    dims = tuple(1 if i in axes else n for i, n in enumerate(data.shape) if keep or i not in axes)
    if not rows or not width:
        return _of_nothing(call, data, dims)
    turned = data.moved(lambda array: array.transpose(order).reshape(rows, width))
    return _reduced(call, turned, dims)


def _of_nothing(call: Call, data: Data, dims: tuple[int, ...]) -> Data:
    """Reduce where there are no entries: sums are 0, and anything else is no real number."""
    whole = {"ReduceMax": "minus infinity", "ReduceMin": "infinity", "ReduceMean": "undefined"}
    if math.prod(dims) and call.node.op in whole:
        call.refuse(f"a reduction of nothing is {whole[call.node.op]}, which is no real number")
    if min(call.integer_list(1, "axes") or [0]) < 0:
        what = "a sum of nothing along an axis counted from the end"
        call.notes.append(f"{call.node}: {what}, which onnxruntime may keep")
    call.check_size(dims)
    return call.builder.zeros(dims, data.dtype)


def _reduced(call: Call, data: Data, dims: tuple[int, ...]) -> Data:
    """Reduce the rows of an (n, w) tensor and lay the result out as ``dims``."""
    rows, width = data.shape
    builder, op = call.builder, call.node.op
    if op in ("ReduceMax", "ReduceMin"):
        sign = -1 if op == "ReduceMin" else 1
        signed = data if sign > 0 else builder.negate(data)
        groups = np.arange(rows * width, dtype=np.int64).reshape(rows, width)
        result = builder.maximum(signed, groups, dims)
        return result if sign > 0 else builder.negate(result)
    if op == "ReduceL1":
        data = _absolute(call, data)
    share = Fraction(1, width) if op == "ReduceMean" else Fraction(1)
    weight = from_fractions([share] * width, (1, 1, width))
    return builder.matmul(data, weight, rows, dims, Rounding(terms=3, share=1 / share.denominator))


def _absolute(call: Call, data: Data) -> Data:
    return call.builder.elementwise_maximum([data, call.builder.negate(data)])


def reduced_axes(call: Call, rank: int) -> list[int] | None:
    """Return the axes to reduce, or None where there are none."""
    axes = call.integer_list(1, "axes")
    if not axes:
        return None if call.node.flag("noop_with_empty_axes", 0) else list(range(rank))
    return sorted({call.axis(axis, rank) for axis in axes})
