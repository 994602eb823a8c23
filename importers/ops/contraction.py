"""Sums of products along named axes, with one data operand; running sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.registry import lowers
from exactbox.importers.values import AnyArray, Constant, Data, Move, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import exact


@lowers("CumSum")
def cumulative_sum(call: Call) -> Data:
    """Running sums along one constant axis."""
    data = call.data()
    axis = call.axis(call.integers(1, "the axis")[0], len(data.shape))
    size = data.shape[axis]
    call.check_size((size, size))
    ones = np.tril(np.ones((size, size), dtype=np.int64), -1 if call.node.flag("exclusive", 0) else 0)
    weight = exact((ones[::-1, ::-1] if call.node.flag("reverse", 0) else ones)[None])
    turned = data.moved(lambda array: np.moveaxis(array, axis, -1))
    result = call.builder.matmul(turned, weight, data.size // max(size, 1), turned.shape, Rounding(terms=2))
    return result.moved(lambda array: np.moveaxis(array, -1, axis))


@dataclass(frozen=True)
class _Equation:
    """Axis names of each operand and of the result."""

    operands: tuple[str, ...]
    result: str


@lowers("Einsum")
def einsum(call: Call) -> Data:
    """Contract a data operand with at most one constant."""
    values = call.present()
    equation = _parse(call, call.node.text("equation", ""), values)
    if sum(isinstance(value, Data) for value in values) > 1:
        call.refuse("product of two data tensors")
    if len(values) > 2:
        call.refuse("more than two operands")
    named = [_without_repeats(call, value, names) for value, names in zip(values, equation.operands, strict=True)]
    if len(named) == 1:
        named.append((Constant(np.ones((), dtype=np.float32), "float32"), ""))
    (first, first_names), (second, second_names) = named
    if isinstance(second, Data):
        first, first_names, second, second_names = second, second_names, first, first_names
    if not isinstance(second, Constant):
        call.refuse("product of two data tensors")
    return _contract(call, call.builder.data(first), first_names, second, second_names, equation.result)


def _parse(call: Call, text: str, values: list[Value]) -> _Equation:
    """Split an equation; an ellipsis becomes capital-free private names, aligned at the right."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(values):
        call.refuse(f"equation {text} for {len(values)} operands")
    extra = [len(v.shape) - len(t.replace("...", "")) if "..." in t else 0 for t, v in zip(terms, values, strict=True)]
    private = [chr(0xE000 + i) for i in range(max([0, *extra]))]
    spelled = [t.replace("...", "".join(private[len(private) - n :])) for t, n in zip(terms, extra, strict=True)]
    joined = "".join(spelled)
    implied = "".join(sorted(name for name in set(joined) if joined.count(name) == 1 and name not in private))
    result = right.replace("...", "".join(private)) if arrow else "".join(private) + implied
    if any(len(t) != len(v.shape) for t, v in zip(spelled, values, strict=True)) or set(result) - set(joined):
        call.refuse(f"equation {text} does not fit shapes {[v.shape for v in values]}")
    return _Equation(tuple(spelled), result)


def _without_repeats(call: Call, value: Value, names: str) -> tuple[Value, str]:
    """Take diagonals where an axis is named twice."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            if value.shape[first] != value.shape[second]:
                call.refuse(f"axes of one name differ in length: {value.shape}")
            names = names[:first] + names[first + 1 : second] + names[second + 1 :] + name
            value = value.moved(_diagonal(first, second))
    return value, names


def _diagonal(first: int, second: int) -> Move:
    return lambda array: np.diagonal(array, axis1=first, axis2=second)


def _contract(call: Call, data: Data, names: str, other: Constant, other_names: str, result: str) -> Data:
    """Multiply with the axes in groups: shared and kept, only the data's, only the constant's, summed."""
    sizes = dict(zip(other_names, other.shape, strict=True)) | dict(zip(names, data.shape, strict=True))
    lone = "".join(n for n in other_names if n not in names and n not in result)
    if lone or any(sizes[n] != s for n, s in zip(other_names, other.shape, strict=True)):
        call.refuse(f"axes {names} and {other_names} do not contract")
    both = "".join(n for n in names if n in other_names and n in result)
    free = "".join(n for n in names if n not in other_names and n in result)
    summed = "".join(n for n in names if n not in result)
    own = "".join(n for n in other_names if n not in names)

    def size(group: str) -> int:
        return math.prod(sizes[n] for n in group)

    call.check_size(tuple(sizes[n] for n in result))
    call.check_size((size(both), size(own), size(summed)))
    shaped = data.moved(lambda array: _ordered(array, names, both + free + summed))
    wide = _spread(other, other_names, both + own + summed, sizes)
    weight = wide.moved(lambda array: array.reshape(size(both), size(own), size(summed)))
    shape = tuple(sizes[n] for n in both + free + own)
    rounding = Rounding(terms=2, operand_error=None if weight.error is None else np.ascontiguousarray(weight.error))
    found = call.builder.matmul(shaped, weight.rationals(), size(free), shape, rounding)
    return found.moved(lambda array: _ordered(array, both + free + own, result))


def _ordered(array: AnyArray, names: str, wanted: str) -> AnyArray:
    return array.transpose([names.index(name) for name in wanted])


def _spread(other: Constant, names: str, wanted: str, sizes: dict[str, int]) -> Constant:
    """Order the constant's axes, repeating it along those that only the data has."""
    present = "".join(name for name in wanted if name in names)
    turned = other.moved(lambda array: _ordered(array, names, present))
    dims = [sizes[name] if name in names else 1 for name in wanted]
    return turned.moved(lambda array: array.reshape(dims)).broadcast(tuple(sizes[name] for name in wanted))
