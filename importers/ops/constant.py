"""Evaluation of nodes that do not depend on the input: whole numbers, truth values, texts, and exact rationals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call, ReplacedConstant
from exactbox.importers.graph import constant_of, dtype_name
from exactbox.importers.ops.elementwise import operands, peers, reciprocal_error
from exactbox.importers.ops.normalization import floor_root
from exactbox.importers.ops.reduce import reduced_axes
from exactbox.importers.ops.shape import FORMAT_BITS, FORMAT_TINY, cast_constant, held, sign
from exactbox.importers.registry import folds, lowers
from exactbox.importers.values import INTEGER_TYPES, AnyArray, Constant, FloatArray
from exactbox.polytope.enclosed import gamma
from exactbox.polytope.rational import Rationals, from_fractions


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
    _settle_count(call, start, limit, step)
    return Constant(values, start.dtype, _range_error(values, start, step))


def _settle_count(call: Call, start: Constant, limit: Constant, step: Constant) -> None:
    """Doubt how many numbers a range holds where rounding (limit - start) / step may pass a whole number.

    With d = limit - start rounded once and the quotient rounded once more, in a format of unit u, the quotient q moves
    by at most |q| (2u + u^2) + (e_start + e_limit) (1 + 3u) / |step|, and by |q + ..| e_step / (|step| - e_step). Where
    nothing is rounded, q is exact.
    """
    unit = 2.0 ** -FORMAT_BITS[start.dtype]
    first, last, by = (part.rationals().item() for part in (start, limit, step))
    quotient = (last - first) / by
    slack = [0.0 if part.error is None else float(part.error.max(initial=0.0)) for part in (start, limit, step)]
    exactly = not any(slack) and all(held(from_fractions([x]), start.dtype).all() for x in (last - first, quotient))
    size, least = abs(float(quotient)), abs(float(by)) - slack[2]
    with np.errstate(divide="ignore"):
        moved = (slack[0] + slack[1] + size * slack[2]) / least if least > 0 else math.inf
    error = 0.0 if exactly else (size * 4 * unit + moved) * (1 + 2.0**-6)
    call.settle(Constant(from_fractions([quotient], ()), start.dtype, np.array(error)), math.ceil)


def _range_error(values: Rationals, start: Constant, step: Constant) -> FloatArray | None:
    """Bound how far the runtime's numbers of a range may be off, whether it adds the step up or multiplies it.

    The i-th number is first + i * step. Adding up rounds i times, each time by at most u times the largest number on
    the way, M; multiplying rounds twice. So the error is at most gamma(i + 2) (M + |step|), besides e_start + i e_step
    (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 4.2). Where every number is one of the
    format and the operands are exact, each sum on the way is exact.
    """
    slack = [0.0 if part.error is None else float(part.error.max(initial=0.0)) for part in (start, step)]
    if not any(slack) and held(values, start.dtype).all():
        return None
    unit, tiny = 2.0 ** -FORMAT_BITS[start.dtype], FORMAT_TINY[start.dtype]
    count = np.arange(values.size, dtype=np.float64)
    largest = float(np.abs(values.to_float()).max(initial=0.0) + step.magnitudes().max(initial=0.0)) + slack[0]
    rounded = np.array([gamma(int(i) + 3, unit) for i in count])
    return (rounded * (largest + count * slack[1]) + slack[0] + count * (slack[1] + tiny)) * (1 + 2.0**-40)


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
    if call.node.op in ("Max", "Min"):
        peers(call)
    elif len(values) == 2:
        values = list(_both(call))
    result = values[0].plain()
    for value in values[1:]:
        result = _INTEGER_BINARY[call.node.op](result, value.plain())
    return Constant(np.asarray(result), values[0].dtype)


def _both(call: Call) -> tuple[Constant, Constant]:
    """Return two constants that numpy broadcasts as the operator's version does."""
    left, right, _ = operands(call)
    if not isinstance(left, Constant) or not isinstance(right, Constant):
        call.refuse("an operand depends on the model's input")
    return left, right


@folds("Div", "Mod")
def integer_division(call: Call) -> Constant | None:
    """Quotient (the fraction dropped) or remainder of whole numbers."""
    left, right = _both(call)
    if left.dtype not in INTEGER_TYPES:
        return None
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
    left, right = _both(call)
    if left.error is not None or right.error is not None:
        errors = [np.zeros(part.shape) if part.error is None else part.error for part in (left, right)]
        apart, error = left.rationals() - right.rationals(), np.asarray(sum(errors)) * (1 + 2.0**-50)
        call.settle(Constant(apart, left.dtype, np.broadcast_to(error, apart.shape)), sign)
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
        call.settle(value, sign)
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
    call.settle(value, _WHOLE[call.node.op])
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
    size = np.abs(inverse.to_float())
    rounded = np.where(held(inverse, value.dtype), 0.0, size * _unit(value) + FORMAT_TINY[value.dtype])
    return Constant(inverse, value.dtype, reciprocal_error(value) + rounded)


def _unit(value: Constant) -> float:
    """Return four units of roundoff of a constant's type, for one operation that a runtime may round a little worse."""
    return 2.0 ** (2 - FORMAT_BITS[value.dtype])


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
    size = np.abs(exactly.to_float())
    rounded = size * _unit(value)  # a vectorised root may be off even where it is a float, as that of 1/4 is in 1.20
    return Constant(exactly, value.dtype, rounded + _root_error(value, size))


def _root_error(value: Constant, roots: FloatArray) -> FloatArray:
    """Bound how far sqrt(c + e) is from sqrt(c) for every e within the error; nothing does where c + e may be negative.

    |sqrt(c + e) - sqrt(c)| = |e| / (sqrt(c + e) + sqrt(c)), which is at most |e| / sqrt(c).
    """
    if value.error is None:
        return np.zeros(roots.shape)
    size = np.abs(value.rationals().to_float())
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(value.error > 0, value.error / roots * (1 + 2.0**-40), 0.0)
    return np.where(value.error <= size * (1 - 2.0**-50), moved, np.inf)


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
    value = call.constant(0, "the operand")
    call.settle(value, sign)
    found = np.nonzero(value.plain())
    return Constant(np.asarray(found, dtype=np.int64), "int64")
