"""Arithmetic, maxima, folds of constants and moves, drawn in every version."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.importers.single import Draw, makes

Shape = tuple[int, ...]


def hint(d: Draw) -> dict[str, Any]:
    """Return the hint that the first operator set let many nodes have."""
    return {"consumed_inputs": [0]} if d.version < 6 and d.chance() else {}


def pair(d: Draw) -> tuple[Shape, Shape, dict[str, Any]]:
    """Draw two shapes that broadcast by the rules of the version, with the attributes that say so."""
    left = d.dims()
    if d.version >= 7:
        right = tuple(n if d.chance() else 1 for n in left)[d.integer(0, len(left) + 1) :]
        right = () if right[:1] == (0,) else right  # which the importer takes for an open dimension
        return (right, left, {}) if d.chance() else (left, right, {})
    kind = d.integer(0, 4)
    if kind == 0:
        return left, left, {}
    if kind == 1:
        return left, d.pick((), (1,), (1,) * len(left)), {"broadcast": 1}
    first = d.integer(0, len(left))
    last = d.integer(first + 1, len(left) + 1)
    suffix = last == len(left) and d.chance()
    given = {"broadcast": 1} if kind == 2 or d.chance() else {}  # without it the shapes may only be equal
    return left, left[first:last], given if suffix else {**given, "axis": first}


@makes("Add", "Sub")
def sums(d: Draw) -> object:
    left, right, given = pair(d)
    first = d.either(left)
    return d.add([first, d.data(right) if first[0] == "c" else d.either(right)], **given, **hint(d))


@makes("Mul", "Div", "Pow")
def products(d: Draw) -> object:
    left, right, given = pair(d)
    values = d.numbers(right) if d.op == "Mul" else np.ones(right) if d.op == "Pow" else d.numbers(right) * 2 + 11
    if d.chance(6) or d.version < 7:
        return d.add([d.data(left), d.constant(values, np.float32)], **given, **(hint(d) if d.op != "Pow" else {}))
    elif d.chance(4):
        whole = [d.constant(np.abs(d.numbers(shape)) * 2 + 1, np.int64) for shape in (left, right)]
        return d.absorb(d.add(whole, **given))
    else:
        pieces = [d.data(left), d.constant(values, np.float32)]
        return d.add(pieces[::-1] if d.op == "Mul" and d.chance() else pieces, **given)


@makes(
    "And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "BitwiseAnd", "BitwiseOr", "Mod"
)
def logic(d: Draw) -> object:
    left, right, given = pair(d)
    logical = d.op in ("And", "Or", "Xor")
    real = d.op in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual") and (d.version < 9 or d.chance())
    kinds = (np.bool_,) if logical else (np.float32,) if real else (np.int64, np.int32)
    kind = d.pick(*kinds)
    sides = [d.numbers(shape) * 2 for shape in (left, right)]
    if d.op == "Mod":
        sides[1] = np.where(sides[1] == 0, 3, sides[1])
        given = d.pick({}, {"fmod": 1})
    return d.absorb(d.add([d.constant(side, kind) for side in sides], **given))


@makes("Not", "Floor", "Ceil", "Round", "Sign", "Reciprocal", "Sqrt", "NonZero")
def folds(d: Draw) -> object:
    values = d.numbers(d.dims(empty=False)) / 2
    if d.op in ("Sqrt", "Reciprocal"):
        values = np.abs(values) + 0.25
    kind = np.bool_ if d.op == "Not" else np.float32
    shape = (1,) if d.op != "NonZero" else (1, 1)
    given = hint(d) if d.op in ("Floor", "Ceil", "Reciprocal", "Sqrt") else {}
    return d.absorb(d.add([d.constant(values, kind)], **given), shape)


@makes("Abs", "Neg", "Relu", "Identity", "GlobalAveragePool", "GlobalMaxPool")
def plain(d: Draw) -> object:
    pool = d.op.startswith("Global")
    shape = d.dims(3, 5) if pool else d.dims(0, 4)
    if d.op in ("Abs", "Neg") and d.version >= 6 and d.chance(5):
        return d.absorb(d.add([d.constant(d.numbers(shape) * 2, np.int64)]), (1,))
    return d.add([d.data(shape)], **(hint(d) if d.op in ("Abs", "Neg", "Relu") else {}))


@makes("LeakyRelu", "HardSigmoid", "ThresholdedRelu")
def sloped(d: Draw) -> object:
    alpha = d.pick(0.0, 0.5, 2.0, -1.5, 1.0) if d.op != "ThresholdedRelu" else d.pick(0.0, 0.0, 1.0)
    given = d.some(alpha=alpha, **({"beta": d.pick(0.0, 0.25, -1.0)} if d.op == "HardSigmoid" else {}))
    return d.add([d.data(d.dims(0))], **given, **(hint(d) if d.op != "ThresholdedRelu" else {}))


@makes("PRelu")
def parametric(d: Draw) -> object:
    shape = d.dims(2, 4)
    if d.version < 7:
        slope: Shape = d.pick((), (1,), shape[1:2])
    else:
        slope = tuple(n if d.chance() else 1 for n in shape)[d.integer(0, len(shape) + 1) :]
    return d.add([d.data(shape), d.floats(slope)], **hint(d))


@makes("Clip")
def clipped(d: Draw) -> object:
    low, high = sorted([d.integer(-3, 4), d.integer(-3, 4)], reverse=d.version >= 13 and d.chance(4))
    shape = d.dims(0)
    if d.version < 11:
        return d.add([d.data(shape)], **d.some(min=float(low), max=float(high)), **hint(d))
    whole = d.version >= 12 and d.chance(5)
    bounds = [d.constant(value, np.int64 if whole else np.float32) if d.chance() else "" for value in (low, high)]
    if whole:
        return d.absorb(d.add([d.constant(d.numbers(shape) * 2, np.int64), *bounds]))
    if d.chance(8):
        bounds[0] = d.data(())
    return d.add([d.data(shape), *bounds][: d.integer(1, 4) if "x1" not in d.varying else 3])


@makes("Max", "Min", "Sum", "Mean")
def many(d: Draw) -> object:
    shape = d.dims()
    shapes = [shape, *(tuple(n if d.chance() else 1 for n in shape) for _ in range(d.integer(0, 3)))]
    if d.version < 8 and not d.chance(5):
        shapes = [shape] * len(shapes)
    if d.op in ("Max", "Min") and d.version >= 12 and d.chance(5):
        return d.absorb(d.add([d.constant(d.numbers(item) * 2, np.int64) for item in shapes]))
    return d.add([d.data(shapes[0]), *(d.either(item) for item in shapes[1:])], **hint(d))


@makes("Dropout")
def dropped(d: Draw) -> object:
    data = d.data(d.dims())
    if d.version < 12:
        mode = {"is_test": d.pick(1, 1, 0)} if d.version < 7 and not d.chance(4) else {}
        return d.add([data], d.integer(1, 3), **mode, **d.some(ratio=d.pick(0.5, 0.0)), **hint(d))
    rest = [d.pick("", d.constant(np.float32(d.pick(0.0, 0.5)))), d.constant(np.array(d.chance(4)))]
    return d.add([data, *rest[: d.integer(0, 3)]], d.integer(1, 3), **d.some(seed=3))


@makes("Cast", "CastLike")
def cast(d: Draw) -> object:
    kinds = ["FLOAT", "DOUBLE", "FLOAT16", "INT64", "INT32", "BOOL", "UINT8", "INT8"]
    kinds += ["BFLOAT16"] if (d.version >= 13 and d.op == "Cast") or d.version >= 15 else []
    name = d.pick(*kinds[:3]) if d.chance() else d.pick(*kinds)
    number = TensorProto.DataType.Value(name)
    like = [d.constant(np.zeros(1, helper.tensor_dtype_to_np_dtype(number)))] if d.op == "CastLike" else []
    given: dict[str, Any] = {} if like else {"to": name if d.version < 6 else number}
    given |= d.some(saturate=1) if d.version >= 19 else {}
    shape = d.dims()
    if name in kinds[:3] and d.chance():
        made = d.add([d.data(shape), *like], **given)
        return d.add([made], 1, "Cast", to="FLOAT" if d.version < 6 else 1)
    start = d.pick(np.float32, np.int64, np.bool_, np.int32)
    values = np.abs(d.numbers(shape)) if name.startswith("U") else d.numbers(shape)
    return d.absorb(d.add([d.constant(values, start), *like], **given), (1,))


@makes("BatchNormalization")
def normalised(d: Draw) -> object:
    shape = d.dims(2, 4)
    given: dict[str, Any] = {"consumed_inputs": [0, 0, 0, 1, 1]} if d.version < 6 else {}
    given |= d.some(epsilon=d.pick(0.25, 1e-3), momentum=0.5)
    apart = d.version < 9 and d.chance()
    given |= {"spatial": 0} if apart else d.some(spatial=1) if d.version < 9 else {}
    given |= {"is_test": 1} if d.version < 7 and not d.chance(4) else {}
    given |= d.some(training_mode=int(d.chance(3))) if d.version >= 14 else {}
    sides = shape[1:] if apart else shape[1:2]
    rest = [*(d.floats(sides) for _ in range(3)), d.constant(np.abs(d.numbers(sides)) + 0.5)]
    most = 3 if d.version >= 14 else 5
    count = most if given.get("training_mode") or d.chance(5) else 1
    return d.add([d.data(shape), *rest], count, **given)


@makes("MatMul")
def matmul(d: Draw) -> object:
    left, right = d.pick(((2, 3), (3, 2)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (3, 1)),
                         ((2, 3), (2, 3, 2)), ((1, 2, 3), (4, 3, 2)), ((2, 1, 2, 3), (1, 3, 3, 2)))  # fmt: skip
    first = d.either(left)
    return d.add([first, d.data(right) if first[0] == "c" else d.either(right, 9)])


@makes("Gemm")
def gemm(d: Draw) -> object:
    m, k, n = (d.integer(1, 4) for _ in range(3))
    turns = d.some(transA=d.integer(0, 2), transB=d.integer(0, 2))
    left = (k, m) if turns.get("transA") else (m, k)
    right = (n, k) if turns.get("transB") else (k, n)
    given = {**turns, **d.some(alpha=d.pick(0.5, 0.1, -2.0), beta=d.pick(0.5, 0.0, 3.0))}
    bias: Shape = d.pick((m, n), (n,), (1, n), (m, 1), (1,), ())
    if d.version < 7:
        given |= d.some(broadcast=1)
    first = d.either(left)
    second = d.data(right) if first[0] == "c" else d.either(right, 9)
    return d.add([first, second] if d.version >= 11 and d.chance(4) else [first, second, d.either(bias, 4)], **given)


@makes("Einsum")
def einsum(d: Draw) -> object:
    equation, *shapes = d.pick(
        ("ij,jk->ik", (2, 3), (3, 2)), ("ii->i", (3, 3)), ("ij->ji", (2, 3)), ("ij,ij->", (2, 3), (2, 3)),
        ("ij", (2, 3)), ("ji", (2, 3)),
        ("...j,j->...", (2, 2, 3), (3,)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 1)), ("ij,k->ijk", (2, 1), (3,)),
        ("ij,jk", (2, 3), (3, 2)), ("i,i", (3,), (3,)),
    )  # fmt: skip
    return d.add([d.data(shapes[0]), *(d.floats(item) for item in shapes[1:])], equation=equation)


@makes("CumSum")
def running(d: Draw) -> object:
    shape = d.dims()
    axis = d.constant(d.integer(-len(shape), len(shape)), np.int64)
    given = d.some(exclusive=1, reverse=1)
    if d.chance(5):
        return d.absorb(d.add([d.constant(d.numbers(shape) * 2, np.int64), axis], **given))
    return d.add([d.data(shape), axis], **given)


@makes("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceProd")
def reduced(d: Draw) -> object:
    shape = d.dims()
    low = -len(shape) if d.version >= 11 else 0
    axes = d.pick(None, [d.integer(low, len(shape))], sorted(d.random.permutation(len(shape))[:2].tolist()), [])
    since = 13 if d.op == "ReduceSum" else 18
    if axes == [] and d.version < since:
        axes = None  # an empty list is no attribute's value that all read alike
    inputs, given = d.given("axes", axes, since)
    given |= d.some(keepdims=d.integer(0, 2)) | (d.some(noop_with_empty_axes=1) if d.version >= since else {})
    if d.op == "ReduceProd" or d.chance(8):
        return d.absorb(d.add([d.constant(d.numbers(shape) * 2, np.int64), *inputs], **given))
    return d.add([d.data(shape), *inputs], **given)


@makes("Shape", "Size")
def sizes(d: Draw) -> object:
    shape = d.dims(0)
    given = d.some(start=d.integer(-4, 4), end=d.integer(-4, 4)) if d.op == "Shape" and d.version >= 15 else {}
    return d.absorb(d.add([d.data(shape)], **given))


@makes("Constant")
def constant(d: Draw) -> object:
    array = d.numbers(d.dims(0))
    choices: list[dict[str, Any]] = [{"value": numpy_helper.from_array(array)}]
    if d.version >= 12:
        choices += [{"value_float": 1.5}, {"value_floats": [0.5, 2.0]}, {"value_int": 3}, {"value_ints": [1, -2]}]
    return d.absorb(d.add([], **d.pick(*choices)))


@makes("ConstantOfShape", "EyeLike", "Range")
def made_up(d: Draw) -> object:
    if d.op == "ConstantOfShape":
        fill = d.pick(None, np.array([2.5], np.float32), np.array([3]), np.array([True]))
        value = None if fill is None else numpy_helper.from_array(fill)
        return d.absorb(d.add([d.ints(*d.dims())], value=value))
    if d.op == "EyeLike":
        kind = d.pick({}, {"dtype": TensorProto.FLOAT}, {"dtype": TensorProto.INT64})
        return d.absorb(d.add([d.data(d.dims(2, 2, empty=False))], **kind, **d.some(k=d.integer(-2, 3))))
    kind = d.pick(np.float32, np.int64)
    bounds = (d.integer(-3, 3), d.integer(-3, 6), d.pick(1, 2, -1, -2))
    return d.absorb(d.add([d.constant(value / (1 if kind is np.int64 else 2), kind) for value in bounds]), (1,))


@makes("Swish", "SwiGLU")
def gate(d: Draw) -> object:
    values, given = d.floats((3,)), d.some(alpha=0.5)
    if d.op == "SwiGLU":
        return d.add([values, d.data((3,))], **given)
    else:
        return d.absorb(d.add([values], **given))


@makes("DequantizeLinear")
def dequantized(d: Draw) -> object:
    shape = d.dims(2, 3, empty=False)
    axis = d.integer(-len(shape), len(shape))
    own = d.version >= 13 and d.chance()
    scale: Shape = (shape[axis],) if own else ()
    kind = d.pick(np.int8, np.uint8)
    given = {"axis": axis} if own else {}
    if d.version >= 21 and not own and d.chance(3):
        axis %= len(shape)
        given = {"axis": axis, "block_size": 2}
        scale = tuple(-(-n // 2) if i == axis else n for i, n in enumerate(shape))
    zero = [d.constant(np.ones(scale), kind)] if d.chance() else []
    quants = d.constant(np.abs(d.numbers(shape)) * 2, kind)
    if d.chance() or scale not in ((), (shape[axis],)):
        made = d.add([quants, d.floats(scale), *zero], **given)
        return d.add([d.data(shape), made], 1, "Add")
    else:
        return d.add([quants, d.data(scale), *zero], **given)
