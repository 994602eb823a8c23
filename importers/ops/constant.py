"""Evaluation of nodes that do not depend on the input: whole numbers, truth values, texts, and exact rationals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call, ReplacedConstant
from exactbox.importers.graph import constant_of, dtype_name
from exactbox.importers.ops.elementwise import common_shape, reciprocal_error
from exactbox.importers.ops.normalization import floor_root
from exactbox.importers.ops.reduce import reduced_axes
from exactbox.importers.ops.shape import cast_constant
from exactbox.importers.registry import folds, lowers
from exactbox.importers.values import INTEGER_TYPES, AnyArray, Constant
from exactbox.polytope.rational import from_fractions


@folds("Constant")
def constant(call: Call) -> Constant:
    """A constant in any of its attributes."""
    node = call.node
    for name in ("value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"):
        given = node.attributes.get(name)
        if given is not None:
            kind = {"f": np.float32, "i": np.int64, "s": object}[name.removeprefix("value_")[0]]
            return constant_of(np.array(given, dtype=kind))
    found = node.tensor("value")
    if found is None:
        call.refuse("no value that exactbox reads")
    return found


@folds("ConstantOfShape")
def constant_of_shape(call: Call) -> Constant:
    """One value everywhere."""
    dims = tuple(call.integers(0, "the shape"))
    call.check_size(dims)
    fill = call.node.tensor("value") or Constant(np.zeros(1, dtype=np.float32), "float32")
    return Constant(np.broadcast_to(fill.plain().reshape(()), dims), fill.dtype)


@lowers("EyeLike")
def eye_like(call: Call) -> Constant:
    """Ones on a diagonal: of the operand only the shape and the type count."""
    given = call.value(0)
    if len(given.shape) != 2:
        call.refuse(f"expected a matrix, got shape {given.shape}")
    number = call.node.integer("dtype", 0)
    target = dtype_name(str(call.node), number) if number else given.dtype
    rows, columns = given.shape
    ones = np.eye(rows, columns, call.node.integer("k", 0), dtype=np.int64)
    return cast_constant(call, Constant(ones, "int64"), target)


@folds("Range")
def range_(call: Call) -> Constant:
    """start, start + step, ..., exactly."""
    start, limit, step = (call.constant(i, "a bound of the range") for i in range(3))
    first, last, by = (part.rationals().item() for part in (start, limit, step))
    if by == 0:
        call.refuse("a step of 0")
    count = max(math.ceil((last - first) / by), 0)
    call.check_size((count,))
    values = from_fractions([first + i * by for i in range(count)])
    if start.dtype in INTEGER_TYPES:
        return Constant(values.num.astype(np.dtype(start.dtype)), start.dtype)
    return Constant(values, start.dtype, np.abs(values.to_float()) * 2.0**-20)


_INTEGER_BINARY: dict[str, Callable[[AnyArray, AnyArray], AnyArray]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Max": np.maximum,
    "Min": np.minimum,
    "BitwiseAnd": operator.and_,
    "BitwiseOr": operator.or_,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@folds(*_INTEGER_BINARY)
def integer_binary(call: Call) -> Constant | None:
    """Arithmetic and logic on whole numbers."""
    values = [call.constant(i, "an operand") for i in range(len(call.inputs))]
    if any(value.dtype not in INTEGER_TYPES | {"bool"} for value in values):
        return None
    common_shape(call, values)
    result = values[0].plain()
    for value in values[1:]:
        result = _INTEGER_BINARY[call.node.op](result, value.plain())
    return Constant(np.asarray(result), values[0].dtype)


@folds("Div", "Mod")
def integer_division(call: Call) -> Constant | None:
    """Quotient (the fraction dropped) or remainder of whole numbers."""
    left, right = call.constant(0, "the dividend"), call.constant(1, "the divisor")
    if left.dtype not in INTEGER_TYPES:
        return None
    common_shape(call, [left, right])
    top, bottom = left.plain(), right.plain()
    if not np.all(bottom):
        call.refuse("division by a constant that is 0")
    if call.node.op == "Mod":
        rest = np.fmod(top, bottom) if call.node.flag("fmod", 0) else np.mod(top, bottom)
        return Constant(np.asarray(rest), left.dtype)
    quotient = np.floor_divide(top, bottom)  # the standard drops the fraction; numpy rounds down
    toward_zero = quotient + ((quotient < 0) & (quotient * bottom != top))
    return Constant(np.asarray(toward_zero), left.dtype)


_COMPARISONS: dict[str, Callable[[AnyArray, AnyArray], AnyArray]] = {
    "Equal": operator.eq,
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}


@folds(*_COMPARISONS)
def comparison(call: Call) -> Constant:
    """Exact comparison of constants."""
    left, right = call.constant(0, "an operand"), call.constant(1, "an operand")
    common_shape(call, [left, right])
    return Constant(np.asarray(_COMPARISONS[call.node.op](left.plain(), right.plain()), dtype=np.bool_), "bool")


@folds("Not")
def negation(call: Call) -> Constant:
    """Logical not."""
    return Constant(~call.constant(0, "the operand").plain().astype(bool), "bool")


_INTEGER_UNARY: dict[str, Callable[[AnyArray], AnyArray]] = {"Neg": np.negative, "Abs": np.abs, "Sign": np.sign}


@folds(*_INTEGER_UNARY)
def integer_unary(call: Call) -> Constant | None:
    """Sign changes of whole numbers."""
    value = call.constant(0, "the operand")
    if value.is_float and call.node.op == "Sign":
        return Constant(from_fractions(value.rationals().signs().ravel().tolist(), value.shape), value.dtype)
    if value.dtype not in INTEGER_TYPES:
        return None
    changed: AnyArray = _INTEGER_UNARY[call.node.op](value.plain())
    return Constant(np.asarray(changed), value.dtype)


_WHOLE: dict[str, Callable[[Fraction], int]] = {"Floor": math.floor, "Ceil": math.ceil, "Round": round}


@folds(*_WHOLE)
def rounding(call: Call) -> Constant:
    """Whole numbers below, above or nearest (ties to even), exactly."""
    value = call.constant(0, "the operand")
    whole = [_WHOLE[call.node.op](item) for item in value.rationals().fractions()]
    return Constant(from_fractions(whole, value.shape), value.dtype)


@folds("Reciprocal")
def reciprocal(call: Call) -> Constant:
    """1 / c, exactly."""
    value = call.constant(0, "the operand")
    values = value.rationals().fractions()
    if 0 in values:
        call.refuse("division by a constant that is 0")
    inverse = from_fractions([1 / item for item in values], value.shape)
    return Constant(inverse, value.dtype, reciprocal_error(value) + np.abs(inverse.to_float()) * 2.0**-8)


@folds("Sqrt")
def square_root(call: Call) -> Constant:
    """Roots: rational ones exactly, others as the floor to 80 significant bits."""
    value = call.constant(0, "the operand")
    roots: list[Fraction] = []
    for place, item in enumerate(value.rationals().fractions()):
        if item < 0:
            call.refuse("the root of a negative constant")
        top, bottom = math.isqrt(item.numerator), math.isqrt(item.denominator)
        if top * top == item.numerator and bottom * bottom == item.denominator:
            roots.append(Fraction(top, bottom))
            continue
        roots.append(floor_root(item))
        call.replaced.append(ReplacedConstant(str(call.node), f"sqrt(input[{place}])", item, roots[-1]))
    exactly = from_fractions(roots, value.shape)
    return Constant(exactly, value.dtype, np.abs(exactly.to_float()) * 2.0**-20)


_INTEGER_REDUCTIONS: dict[str, Callable[..., AnyArray]] = {
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
}


@folds(*_INTEGER_REDUCTIONS)
def integer_reduction(call: Call) -> Constant | None:
    """Reductions of whole numbers."""
    value = call.constant(0, "the operand")
    if value.dtype not in INTEGER_TYPES:
        return None
    axes = reduced_axes(call, len(value.shape))
    if axes is None:
        return value
    if not value.size:
        call.refuse("a reduction of nothing")
    keep = call.node.flag("keepdims", 1)
    found = _INTEGER_REDUCTIONS[call.node.op](value.plain(), axis=tuple(axes), keepdims=keep)
    return Constant(np.asarray(found).astype(np.dtype(value.dtype)), value.dtype)


@folds("Clip")
def integer_clip(call: Call) -> Constant | None:
    """min(max(z, low), high) of whole numbers."""
    value = call.constant(0, "the operand")
    if value.dtype not in INTEGER_TYPES:
        return None
    result = value.plain()
    for place, bound in ((1, np.maximum), (2, np.minimum)):
        given = call.optional_constant(place, "a bound")
        if given is not None:
            if given.dtype != value.dtype or given.size != 1:
                call.refuse(f"a bound of {given.size} {given.dtype} numbers for {value.dtype} numbers")
            result = bound(result, given.plain().reshape(()))
    return Constant(np.asarray(result), value.dtype)


@folds("CumSum")
def integer_running_sum(call: Call) -> Constant | None:
    """Running sums of whole numbers; those that their type does not hold drop high bits."""
    value = call.constant(0, "the operand")
    if value.dtype not in INTEGER_TYPES:
        return None
    axis = call.axis(call.integers(1, "the axis")[0], len(value.shape))
    turned = np.flip(value.plain(), axis) if call.node.flag("reverse", 0) else value.plain()
    sums = np.cumsum(turned, axis=axis, dtype=turned.dtype)
    if call.node.flag("exclusive", 0):
        sums = sums - turned
    return Constant(np.flip(sums, axis) if call.node.flag("reverse", 0) else sums, value.dtype)


@folds("NonZero")
def non_zero(call: Call) -> Constant:
    """Indices of the entries that are not 0."""
    found = np.nonzero(call.constant(0, "the operand").plain())
    return Constant(np.asarray(found, dtype=np.int64), "int64")
