"""Weights that are stored as whole numbers or short floats with a scale; rounding data to them would jump."""

from __future__ import annotations

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import dtype_name
from exactbox.importers.ops.shape import FORMAT_BITS, FORMAT_TINY
from exactbox.importers.registry import lowers, refuses
from exactbox.importers.values import FLOAT_TYPES, Constant, Data, FloatArray, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import Rationals

_ROUNDS = "a quantised model rounds its data to whole numbers, which jumps: continuity not shown"

refuses(
    "QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul",
    why=_ROUNDS,
)  # fmt: skip
refuses(
    "QuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat", "QGemm", "QLinearAdd",
    "QLinearMul", "QLinearConcat", "QLinearConv", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax",
    "QLinearWhere", "QLinearReduceMean", "QLinearAveragePool", "QLinearGlobalAveragePool", "QAttention",
    domain="com.microsoft", why=_ROUNDS,
)  # fmt: skip


@lowers("DequantizeLinear")
def dequantize(call: Call) -> Value:
    """(x - zero point) * scale, where at most one of x and the scale depends on the input."""
    value, scale = call.value(0), call.value(1)
    target = _target(call, scale)
    scale = _spread(call, scale, value.shape, "the scale")
    zero = call.optional_constant(2, "the zero point")
    offset = None if zero is None else _spread(call, zero, value.shape, "the zero point")
    if isinstance(value, Data):
        if isinstance(scale, Data):
            call.refuse("product of two data tensors")
        data = Data(value.srcs, value.index, target)
        if isinstance(offset, Constant):
            data = call.builder.shift(data, -offset.rationals())
        return call.builder.scale(data, scale.rationals(), Rounding(3, None, scale.error))
    steps = value.rationals()
    if isinstance(offset, Constant):
        steps = steps - offset.rationals()
    if isinstance(scale, Data):
        return call.builder.scale(Data(scale.srcs, scale.index, target), steps, Rounding(terms=3))
    return _constant(steps, scale, target)


def _target(call: Call, scale: Value) -> str:
    """Return the element type of the result."""
    given = call.node.integer("output_dtype", 0)
    target = dtype_name(str(call.node), given) if given else scale.dtype
    if target not in FLOAT_TYPES or scale.dtype not in FLOAT_TYPES:
        call.refuse(f"a scale of type {scale.dtype} and a result of type {target}: expected floats with arithmetic")
    return target


def _constant(steps: Rationals, scale: Constant, target: str) -> Constant:
    """Multiply constants, with a bound of the runtime's rounding: of x, the difference, the product and the result."""
    values = steps * scale.rationals()
    size = np.abs(values.to_float()) * (1 + 2.0**-50)
    bits = min(FORMAT_BITS[target], FORMAT_BITS[scale.dtype])
    rounded: FloatArray = np.maximum(size * 2.0 ** (3 - bits), np.where(size < FORMAT_TINY[target], size, 0.0))
    if scale.error is not None:
        rounded = rounded + np.abs(steps.to_float()) * (1 + 2.0**-50) * scale.error
    return Constant(values, target, rounded)


def _spread(call: Call, part: Value, shape: tuple[int, ...], what: str) -> Value:
    """Repeat one number, one for each place of an axis, or one for each block of an axis, to the tensor's shape."""
    if not part.shape or part.shape == (1,):
        return part.moved(lambda array: array.reshape(())).broadcast(shape)
    if call.node.version < 13:
        call.refuse(f"{what} of shape {part.shape}: before operator set 13 one number for the whole tensor")
    axis = call.axis(call.node.integer("axis", 1), len(shape))
    if len(part.shape) == 1 and part.shape[0] == shape[axis]:
        dims = [-1 if place == axis else 1 for place in range(len(shape))]
        return part.moved(lambda array: array.reshape(dims)).broadcast(shape)
    block = call.node.integer("block_size", 0)
    wanted = tuple(-(-n // block) if i == axis and block > 0 else n for i, n in enumerate(shape))
    if block < 1 or part.shape != wanted:
        call.refuse(f"{what} of shape {part.shape} does not fit a tensor of shape {shape}")
    key = (*[slice(None)] * axis, slice(shape[axis]))
    return part.moved(lambda array: np.repeat(array, min(block, shape[axis]), axis=axis)[key])
