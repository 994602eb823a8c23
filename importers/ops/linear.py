"""Matrix products with one data operand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import common_shape, plus
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import from_fractions

_PRODUCT = "product of two data tensors"


@lowers("MatMul")
def matmul(call: Call) -> Data:
    """A product of data and a constant, on either side, in stacks."""
    left, right = call.value(0), call.value(1)
    if isinstance(left, Constant) and isinstance(right, Data):
        return product(call, call.data(1), left, data_first=False)
    if isinstance(right, Data):
        call.refuse(_PRODUCT)
    return product(call, call.data(0), right, data_first=True)


@lowers("Gemm")
def gemm(call: Call) -> Data:
    """alpha * A @ B + beta * C with one of A and B constant."""
    left, right = call.value(0), call.value(1)
    if len(left.shape) != 2 or len(right.shape) != 2:
        call.refuse(f"expected matrices, got shapes {left.shape} and {right.shape}")
    left = turned(left) if call.node.flag("transA", 0) else left
    right = turned(right) if call.node.flag("transB", 0) else right
    alpha, beta = (call.rational(name, 1.0) for name in ("alpha", "beta"))
    bias, dims = call.optional(2), (left.shape[0], right.shape[1])
    if bias is not None and not _fits(call, bias.shape, dims):
        call.refuse(f"a bias of shape {bias.shape} does not fit a result of shape {dims}")
    bias = None if bias is None or beta == 0 else scaled(call, bias, beta)
    added = None if bias is None or isinstance(bias, Data) else bias.magnitudes()
    # Data added to the product may have been the first term of its sum: each must fit half of the format's range.
    half = 2 if isinstance(bias, Data) else 1
    share = float(alpha) / half
    rounding = Rounding(terms=2 + 2 * (alpha != 1) + 2 * (beta != 1), magnitude=added, share=share)
    if isinstance(right, Data):
        if isinstance(left, Data):
            call.refuse(_PRODUCT)
        result = product(call, right, _times(left, alpha), False, rounding)
    else:
        result = product(call, call.builder.data(left), _times(right, alpha), True, rounding)
    if bias is None:
        return result
    late = Rounding(terms=right.shape[0] + 2, share=1 / half)
    return plus(call, result, bias, common_shape(call, [result, bias]), rounding=late)


def _fits(call: Call, bias: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Say whether a bias broadcasts: before operator set 7 only where asked, and as one number or a run of axes."""
    if call.node.version < 7:
        return bias == dims or (call.node.flag("broadcast", 0) and (bias == dims[1:] or math.prod(bias) == 1))
    return len(bias) <= len(dims) and np.broadcast_shapes(bias, dims) == dims


def turned(value: Value) -> Value:
    """Swap the last two axes."""
    return value.moved(lambda array: np.swapaxes(array, -1, -2))


def scaled(call: Call, value: Value, factor: Fraction) -> Value:
    """Multiply a tensor of either kind by one rational."""
    if factor == 1:
        return value
    if isinstance(value, Constant):
        return _times(value, factor)
    return call.builder.scale(value, from_fractions([factor], ()))


def _times(value: Constant, factor: Fraction) -> Constant:
    if factor == 1:
        return value
    error = None if value.error is None else value.error * abs(float(factor)) * (1 + 2.0**-50)
    return Constant(value.rationals().scaled(factor), value.dtype, error)


def product(
    call: Call, data: Data, weight: Constant, data_first: bool, rounding: Rounding | None = None
) -> Data:
    """Return data @ weight, or weight @ data, by numpy's rules for stacks of matrices and for vectors.

    The rounding's magnitude, if any, broadcasts to the result's shape.
    """
    if not data.shape or not weight.shape:
        call.refuse("a matrix product with a scalar")
    if not data_first:
        return _weight_first(call, data, weight, rounding)
    vector_left, vector_right = len(data.shape) == 1, len(weight.shape) == 1
    left = data.moved(lambda array: array[None, :]) if vector_left else data
    right = weight.moved(lambda array: array[:, None]) if vector_right else weight
    if left.shape[-1] != right.shape[-2]:
        call.refuse(f"inner sizes {left.shape[-1]} and {right.shape[-2]} differ")
    result = _stacked(call, left, right, rounding)
    if vector_left:
        result = result.moved(lambda array: array[..., 0, :])
    return result.moved(lambda array: array[..., 0]) if vector_right else result


def _weight_first(call: Call, data: Data, weight: Constant, rounding: Rounding | None) -> Data:
    """Return weight @ data as the transpose of data^T @ weight^T."""
    flipped = data if len(data.shape) == 1 else data.moved(lambda array: np.swapaxes(array, -1, -2))
    other = weight if len(weight.shape) == 1 else weight.moved(lambda array: np.swapaxes(array, -1, -2))
    if rounding is not None and rounding.magnitude is not None and rounding.magnitude.ndim > 1:
        rounding = replace(rounding, magnitude=np.swapaxes(rounding.magnitude, -1, -2))
    elif rounding is not None and rounding.magnitude is not None and rounding.magnitude.ndim == 1:
        rounding = replace(rounding, magnitude=rounding.magnitude[:, None])
    result = product(call, flipped, other, True, rounding)
    both = len(data.shape) > 1 and len(weight.shape) > 1
    return result.moved(lambda array: np.swapaxes(array, -1, -2)) if both else result


def _stacked(call: Call, left: Data, right: Constant, rounding: Rounding | None) -> Data:
    (p, k), m = left.shape[-2:], right.shape[-1]
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    call.check_size((*batch, p, m))
    if math.prod(right.shape[:-2]) == 1:
        groups, rows = 1, math.prod(left.shape[:-2]) * p
        weight = right.moved(lambda array: array.reshape(k, m).T[None])
    else:
        groups, rows = math.prod(batch), p
        call.check_size((*batch, m, k))
        left = left.broadcast((*batch, p, k))
        full = right.broadcast((*batch, k, m))
        weight = full.moved(lambda array: np.swapaxes(array.reshape(groups, k, m), 1, 2))
    shape = (*batch, p, m)
    extra = rounding or Rounding()
    magnitude = None if extra.magnitude is None else np.broadcast_to(extra.magnitude, shape).ravel()
    error = None if weight.error is None else np.ascontiguousarray(weight.error)
    described = replace(extra, magnitude=magnitude, operand_error=error)
    return call.builder.matmul(left, weight.rationals(), rows, shape, described)
