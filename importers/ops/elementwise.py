"""Sums, products by constants, and the piecewise-linear functions of one entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from exactbox.importers.builder import Builder
from exactbox.importers.call import Call
from exactbox.importers.ops.shape import FORMAT_TINY
from exactbox.importers.registry import lowers, refuses
from exactbox.importers.values import Constant, Data, Value, object_array
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray
from exactbox.polytope.rational import Rationals, exact, from_fractions, int_array, zeros

CURVED = "not piecewise linear"
JUMP = "data-dependent comparison: continuity not shown"

refuses(
    "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Softplus", "Softsign", "Elu", "Celu", "Selu", "Gelu", "Mish", "Erf",
    "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh",
    "Atanh", "HardSwish", "Swish", "LpPool", "GlobalLpPool", "LpNormalization", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceProd", "ReduceSumSquare", "LayerNormalization", "InstanceNormalization",
    "RMSNormalization", "GroupNormalization", "MeanVarianceNormalization", "LRN", "Det", "Attention", "DFT", "STFT",
    why=CURVED,
)  # fmt: skip
refuses(
    "Sign", "Floor", "Ceil", "Round", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And", "Or",
    "Xor", "ArgMax", "ArgMin", "Hardmax", "Shrink",
    "NonZero", "TopK", "Mod", "BitShift", "IsInf", "IsNaN", "OneHot", "Unique", "NonMaxSuppression",
    why=JUMP,
)  # fmt: skip
refuses(
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", why="random"
)
refuses("CumProd", "LinearAttention", why="products of entries of the input: not piecewise linear")
refuses("LSTM", "GRU", why="products of gates: not piecewise linear")


def operands(call: Call) -> tuple[Value, Value, tuple[int, ...]]:
    """Return both operands and the shape that they broadcast to."""
    left, right = call.value(0), call.value(1)
    if call.node.version >= 7:
        return left, right, common_shape(call, [left, right])
    dims = _repeated_dims(call, left.shape, right.shape)
    return left, right.moved(lambda array: array.reshape(dims)), left.shape


def _repeated_dims(call: Call, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """Return how operator sets before 7 lay the second operand out along the first: one number, or a run of axes."""
    if left == right:
        return right
    if not call.node.flag("broadcast", 0):
        call.refuse(f"shapes {left} and {right} differ, and the attribute broadcast is 0")
    if math.prod(right) == 1 and len(right) <= len(left):
        return ()
    first = call.axis(call.node.integer("axis", len(left) - len(right)), len(left))
    covered = left[first : first + len(right)]
    if len(covered) != len(right) or any(n not in (1, m) for n, m in zip(right, covered, strict=True)):
        call.refuse(f"shape {right} is no run of the axes of {left} from axis {first} on")
    return right + (1,) * (len(left) - first - len(right))


def peers(call: Call) -> tuple[list[Value], tuple[int, ...]]:
    """Return any number of operands and the shape that they broadcast to; before operator set 8 they do not."""
    values = call.present()
    if call.node.version < 8 and len({value.shape for value in values}) > 1:
        call.refuse(f"shapes {', '.join(str(value.shape) for value in values)} differ: no broadcasting before set 8")
    return values, common_shape(call, values)


def common_shape(call: Call, values: Sequence[Value]) -> tuple[int, ...]:
    """Return the shape that tensors broadcast to."""
    try:
        shape = np.broadcast_shapes(*(value.shape for value in values))
    except ValueError:
        call.refuse(f"shapes {', '.join(str(value.shape) for value in values)} do not broadcast")
    call.check_size(shape)
    return shape


def real(call: Call, value: Value) -> Value:
    """Return an operand after checking that data among operands is of a float type."""
    if isinstance(value, Data) and not value.is_float:
        call.refuse(f"arithmetic on {value.dtype} data that depends on the input")
    return value


@lowers("Add", "Sub")
def add(call: Call) -> Data:
    """Add or subtract; of two data operands too."""
    left, right, shape = operands(call)
    sign = -1 if call.node.op == "Sub" else 1
    return plus(call, left, right, shape, sign)


def plus(
    call: Call, left: Value, right: Value, shape: tuple[int, ...], sign: int = 1, rounding: Rounding | None = None
) -> Data:
    """Return left + sign * right; the rounding describes a sum of two data tensors."""
    builder = call.builder
    left, right = real(call, left), real(call, right)
    if isinstance(right, Constant):
        values = right.rationals()
        first = builder.data(left).broadcast(shape)
        return builder.shift(first, values if sign > 0 else -values, operand_rounding(right))
    second = (right if sign > 0 else builder.negate(right)).broadcast(shape)
    if isinstance(left, Constant):
        return builder.shift(second, left.rationals(), operand_rounding(left))
    return builder.add(left, second, rounding)


def operand_rounding(constant: Constant, terms: int = 0) -> Rounding | None:
    """Describe a constant operand whose value in the runtime may be off."""
    return None if constant.error is None and not terms else Rounding(terms, None, constant.error)


@lowers("Mul")
def multiply(call: Call) -> Data:
    """Multiply data by a constant; a product of two data operands is quadratic."""
    left, right, shape = operands(call)
    left, right = real(call, left), real(call, right)
    if isinstance(left, Constant):
        left, right = right, left
    if isinstance(right, Data):
        call.refuse("product of two data tensors")
    return call.builder.scale(call.builder.data(left).broadcast(shape), right.rationals(), operand_rounding(right))


@lowers("ImageScaler")
def image_scaler(call: Call) -> Data:
    """scale * z + bias, with a bias for each channel; an experiment of the first operator sets."""
    data, bias = call.data(), call.node.numbers("bias") or ()
    if len(data.shape) != 4 or len(bias) != data.shape[1]:
        call.refuse(f"expected images (n, c, h, w) and a bias a channel, got {data.shape} and {len(bias)} biases")
    scaled = call.builder.scale(data, from_fractions([call.rational("scale", 1.0)], ()))
    return call.builder.shift(scaled, exact(np.array(bias)).reshape(-1, 1, 1))


@lowers("Div")
def divide(call: Call) -> Data:
    """Divide data by a constant."""
    _, right, shape = operands(call)
    if isinstance(right, Data):
        call.refuse("division by data")
    divisor = right.rationals()
    if (divisor.num == 0).any():
        call.refuse("division by a constant that is 0")
    factor = from_fractions([1 / value for value in divisor.fractions()], divisor.shape)
    error = reciprocal_error(right)
    rounding = Rounding(1, None, error if error.any() else None)
    return call.builder.scale(call.data(0).broadcast(shape), factor, rounding)


def reciprocal_error(divisor: Constant) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Bound how far 1/(c + e) is from 1/c for every e within the error; a c that may count as 0 has no bound.

    |1/(c + e) - 1/c| = |e| / (|c| |c + e|), and |c + e| is at least |c| less the error.
    """
    size = np.abs(divisor.rationals().to_float())
    error = np.zeros(divisor.shape) if divisor.error is None else divisor.error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bound = error / (size * (size - error)) * (1 + 2.0**-40)
    return np.where(size - error >= FORMAT_TINY.get(divisor.dtype, 0.0), bound, np.inf)


@lowers("Pow")
def power(call: Call) -> Data:
    """A power of 1 is the identity; every other power of data is curved."""
    exponent = call.constant(1, "the exponent").rationals()
    if not (exponent.num == exponent.den).all():
        call.refuse(f"a power other than 1: {CURVED}")
    return call.data(0).broadcast(operands(call)[2])


@lowers("Neg")
def negate(call: Call) -> Data:
    """Multiply by -1."""
    return call.builder.negate(call.data())


@lowers("Sum", "Mean")
def total(call: Call) -> Data:
    """Sum or mean of any number of operands."""
    given, shape = peers(call)
    values = [real(call, value) for value in given]
    result, rounding = call.builder.data(values[0]).broadcast(shape), any_order(len(values))
    for value in values[1:]:
        if isinstance(value, Constant):
            own = replace(rounding, operand_error=value.error)
            result = call.builder.shift(result, value.rationals(), own)
        else:
            result = plus(call, result, value, shape, rounding=rounding)
    if call.node.op == "Mean" and len(values) > 1:
        result = call.builder.scale(result, from_fractions([Fraction(1, len(values))], ()), Rounding(terms=2))
    return result


def any_order(count: int) -> Rounding:
    """Describe each addition of a sum of n tensors so that their errors cover the sum in any order.

    Such a sum is off by at most gamma(n - 1) sum |x_i|, and each of its partial sums is at most (1 + gamma) sum |x_i|
    (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 4.2). Each |x_i| is in the magnitude of one
    of the n - 1 additions, which are given gamma(n - 1) each, and an equal share of the format's range.
    """
    return Rounding(terms=max(count - 2, 0), share=1 / max(count - 1, 1))


@lowers("Relu")
def relu(call: Call) -> Data:
    """max(0, z)."""
    return call.builder.elementwise_maximum([call.data()], with_zero=True)


@lowers("Abs")
def absolute(call: Call) -> Data:
    """max(z, -z)."""
    data = call.data()
    return call.builder.elementwise_maximum([data, call.builder.negate(data)])


@lowers("LeakyRelu")
def leaky_relu(call: Call) -> Data:
    """z above 0, alpha * z below."""
    return leaky(call.builder, call.data(), from_fractions([call.rational("alpha", 0.01)], ()))


@lowers("PRelu")
def prelu(call: Call) -> Data:
    """z above 0, slope * z below, with a slope for each channel or entry."""
    data, slope = call.data(), call.constant(1, "the slope")
    if call.node.version < 7:
        dims = () if slope.size == 1 else (slope.size, *(1 for _ in data.shape[2:]))
        if dims and slope.shape != data.shape[1:2]:
            call.refuse(f"a slope of shape {slope.shape}: expected one number, or one for each channel of {data.shape}")
        slope = slope.moved(lambda array: array.reshape(dims))
    shape = common_shape(call, [data, slope])
    if shape != data.shape:
        call.refuse(f"a slope of shape {slope.shape} does not fit data of shape {data.shape}")
    return leaky(call.builder, data, slope.rationals(), slope)


def leaky(builder: Builder, data: Data, slope: Rationals, constant: Constant | None = None) -> Data:
    """Return z where z >= 0, else slope * z: a maximum for slopes up to 1, a minimum beyond."""
    full = Rationals(object_array(np.broadcast_to(slope.num, data.shape)), slope.den)
    sign = np.where(full.num > full.den, -1, 1).astype(object)
    mirrored = bool((sign == -1).any())
    signs = Rationals(object_array(sign))
    straight = builder.scale(data, signs) if mirrored else data
    zero = (full.num == 0).ravel()
    rounding = None if constant is None else operand_rounding(constant)
    parts = [straight] if zero.all() else [straight, builder.scale(data, full * signs, rounding)]
    size = data.size
    second = np.where(zero, CONSTANT_ZERO, np.arange(size, 2 * size, dtype=np.int64))
    groups = np.stack([np.arange(size, dtype=np.int64), second], axis=1)
    flat = parts[0] if len(parts) == 1 else builder.joined(parts)
    result = builder.maximum(flat, groups, data.shape)
    return builder.scale(result, signs) if mirrored else result


@lowers("Max", "Min")
def extremum(call: Call) -> Data:
    """Entrywise maximum or minimum of any number of operands."""
    values, shape = peers(call)
    return largest(call.builder, [real(call, value) for value in values], shape, -1 if call.node.op == "Min" else 1)


@lowers("Clip")
def clip(call: Call) -> Data:
    """min(max(z, low), high), in this order: crossed bounds give the upper one."""
    result = call.data()
    for place, name, sign in ((1, "min", 1), (2, "max", -1)):
        bound = call.optional(place)
        if bound is None and name in call.node.attributes:
            bound = Constant(np.array(call.node.number(name, 0.0)), "float64")
        if bound is not None and common_shape(call, [result, bound]) != result.shape:
            call.refuse(f"a bound of shape {bound.shape} does not fit data of shape {result.shape}")
        if bound is not None:
            result = largest(call.builder, [result, real(call, bound)], result.shape, sign)
    return result


@lowers("HardSigmoid")
def hard_sigmoid(call: Call) -> Data:
    """max(0, min(1, alpha * z + beta))."""
    slope, offset = (call.rational(name, default) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    builder = call.builder
    scaled = builder.scale(call.data(), from_fractions([slope], ()))
    line = builder.shift(scaled, from_fractions([offset], ()), Rounding(terms=1))  # the offset is rounded itself
    return unit_interval(builder, line)


def unit_interval(builder: Builder, data: Data) -> Data:
    """Clip to 0..1."""
    one = Constant(np.array(1.0), data.dtype)
    return largest(builder, [builder.elementwise_maximum([data], with_zero=True), one], data.shape, -1)


@lowers("ThresholdedRelu")
def thresholded_relu(call: Call) -> Data:
    """z above alpha, else 0: continuous for alpha = 0 only."""
    if call.node.number("alpha", 1.0) != 0:
        call.refuse(JUMP)
    return call.builder.elementwise_maximum([call.data()], with_zero=True)


def largest(
    builder: Builder, values: Sequence[Value], shape: tuple[int, ...], sign: int = 1, rounding: Rounding | None = None
) -> Data:
    """Return the entrywise maximum of tensors and constants, or for sign -1 their minimum.

    A maximum moves by no more than one of its operands does, so the largest error of a constant is one of the result.
    """
    given = [value for value in values if isinstance(value, Data)]
    parts = [(value if sign > 0 else builder.negate(value)).broadcast(shape) for value in given]
    size = parts[0].size
    columns = [np.arange(i * size, (i + 1) * size, dtype=np.int64) for i in range(len(parts))]
    fixed = [value for value in values if isinstance(value, Constant)]
    if fixed:
        entries, column = _constant_candidates(fixed, shape, sign)
        if entries.size:
            parts.append(builder.constants(entries, parts[0].dtype))
        columns.append(np.where(column >= 0, column + len(given) * size, column))
    flat = parts[0] if len(parts) == 1 else builder.joined(parts)
    result = builder.maximum(flat, np.stack(columns, axis=1), shape, rounding)
    errors = [np.broadcast_to(value.error, shape) for value in fixed if value.error is not None]
    if errors:
        result = builder.shift(result, zeros(), Rounding(operand_error=np.maximum.reduce(errors)))
    return result if sign > 0 else builder.negate(result)


def _constant_candidates(
    fixed: Sequence[Constant], shape: tuple[int, ...], sign: int
) -> tuple[Rationals, IndexArray]:
    """Return the distinct constants other than 0, and for each entry which one it is (or 0, or minus infinity)."""
    finite = [_finite(value, sign) for value in fixed]
    den = math.lcm(*(values.den for values, _ in finite))
    small = np.broadcast_shapes(*(value.shape for value in fixed))
    rows: list[list[int | None]] = []
    for values, absent in finite:
        whole = np.broadcast_to(values.over(den) * sign, small).ravel().tolist()
        gone = np.broadcast_to(absent, small).ravel().tolist()
        rows.append([None if out else value for value, out in zip(whole, gone, strict=True)])
    best = [_largest_of(entries) for entries in zip(*rows, strict=True)]
    distinct = sorted({value for value in best if value})
    place = {value: i for i, value in enumerate(distinct)} | {0: CONSTANT_ZERO, None: NO_CANDIDATE}
    column = np.array([place[value] for value in best], dtype=np.int64).reshape(small)
    return Rationals(int_array(distinct), den), np.broadcast_to(column, shape).ravel()


def _largest_of(entries: Sequence[int | None]) -> int | None:
    return max((entry for entry in entries if entry is not None), default=None)


def _finite(value: Constant, sign: int) -> tuple[Rationals, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Split a constant into finite values and a mask of those that are (signed) minus infinity."""
    if isinstance(value.values, Rationals):
        return value.values, np.zeros(value.shape, dtype=bool)
    absent = value.values == -sign * np.inf
    return Constant(np.where(absent, 0, value.values), value.dtype).rationals(), absent
