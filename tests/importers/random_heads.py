"""Random tails over random logits, and what they decide by the operators' own definitions, node after node.

Values are balls of many bits, so that nothing here relies on tails being monotone. The logits are small multiples of
1/8: values of one tensor that overlap at this precision are equal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from flint import arb, ctx
from onnx import TensorProto, helper

from tests.importers.onnx_models import ML, AnyArray, build, tensor_info

BITS = 3072
LARGEST = 1000
"""A function of larger numbers would saturate at this precision."""
SHAPES = [(1, 3), (2, 3), (1, 4), (1, 2, 3), (2, 2, 2), (1, 3, 1), (3, 2)]
OPSETS = [9, 11, 12, 13, 17, 20]
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "string": TensorProto.STRING}

Function = Callable[[Any], Any]
FUNCTIONS: dict[str, Function] = {
    "Sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "Tanh": lambda x: x.tanh(),
    "Exp": lambda x: x.exp(),
    "Softplus": lambda x: (1 + x.exp()).log(),
    "Log": lambda x: x.log(),
    "Reciprocal": lambda x: 1 / x,
    "Identity": lambda x: x,
}


@dataclass
class Tail:
    """A model under construction, whose input is ``z``."""

    random: np.random.Generator
    opset: int
    shape: tuple[int, ...]
    nodes: list[onnx.NodeProto]
    constants: dict[str, AnyArray]
    top: str = "z"
    dtype: str = "float32"
    classes: int = 0

    def add(self, op: str, *more: str, shape: tuple[int, ...] | None = None, **attributes: Any) -> None:
        """Put one node on top."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.top, *more], [name], name, **attributes))
        self.top, self.shape = name, self.shape if shape is None else shape

    def constant(self, value: AnyArray) -> str:
        """Store a constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def model(self, shape: tuple[int, ...]) -> onnx.ModelProto:
        """Return the finished model with inputs of this shape."""
        declared = tensor_info(self.top, None, TYPES[self.dtype])
        return build(self.nodes, {"z": shape}, [declared], self.constants, opset=self.opset)


def random_tail(random: np.random.Generator) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """Return a model that ends in a decision, and the shape of its input."""
    shape = SHAPES[random.integers(len(SHAPES))]
    tail = Tail(random, int(random.choice(OPSETS)), shape, [], {})
    for _ in range(random.integers(0, 4)):
        _STEPS[random.integers(len(_STEPS))](tail)
    _decide(tail)
    if random.random() < 0.6:
        _LABELS[random.integers(len(_LABELS))](tail)
    return tail.model(shape), shape


def _function(tail: Tail) -> None:
    tail.add(str(tail.random.choice(["Sigmoid", "Tanh", "Exp", "Softplus", "Log", "Reciprocal", "Identity"])))


def _softmax(tail: Tail) -> None:
    tail.add(str(tail.random.choice(["Softmax", "LogSoftmax"])), axis=int(tail.random.integers(len(tail.shape))))


def _plus(tail: Tail) -> None:
    count = tail.shape[-1] if tail.random.random() < 0.3 else 1
    tail.add("Add", tail.constant((tail.random.integers(-2, 9, count) / 8).astype(np.float32)))


def _complement(tail: Tail) -> None:
    tail.add("Sigmoid")
    name, one = f"t{len(tail.nodes)}", tail.constant(np.array(1, np.float32))
    tail.nodes.append(helper.make_node("Sub", [one, tail.top], [name], name))
    tail.top = name


def _normalise(tail: Tail) -> None:
    tail.add("Normalizer", domain=ML, norm=str(tail.random.choice(["L1", "MAX"])))


def _transpose(tail: Tail) -> None:
    perm = tail.random.permutation(len(tail.shape)).tolist()
    tail.add("Transpose", shape=tuple(tail.shape[i] for i in perm), perm=perm)


def _reshape(tail: Tail) -> None:
    size = int(np.prod(tail.shape))
    shapes = [(1, size), (size, 1), (1, *tail.shape), (size // 2, 2) if size % 2 == 0 else (size,)]
    shape = shapes[tail.random.integers(len(shapes))]
    tail.add("Reshape", tail.constant(np.array(shape)), shape=shape)


def _cast(tail: Tail) -> None:
    kind = tail.random.choice(["double", "int64", "float"], p=[0.4, 0.3, 0.3])
    tail.add("Cast", to={"double": TensorProto.DOUBLE, "int64": TensorProto.INT64, "float": TensorProto.FLOAT}[kind])
    if kind != "float":
        tail.add("Cast", to=TensorProto.FLOAT)


def _gather(tail: Tail) -> None:
    axis = int(tail.random.integers(len(tail.shape)))
    places = tail.random.integers(0, tail.shape[axis], 2)
    shape = (*tail.shape[:axis], 2, *tail.shape[axis + 1 :])
    tail.add("Gather", tail.constant(places), shape=shape, axis=axis)


_STEPS: list[Callable[[Tail], None]] = [
    _function, _function, _function, _softmax, _softmax, _plus, _complement, _normalise, _transpose, _reshape, _cast,
    _gather,
]  # fmt: skip


def _decide(tail: Tail) -> None:
    axis = int(tail.random.integers(len(tail.shape)))
    attributes = {"axis": axis, "keepdims": int(tail.random.integers(2))}
    if tail.opset >= 12:
        attributes["select_last_index"] = int(tail.random.integers(2))
    shape = tuple(1 if i == axis else n for i, n in enumerate(tail.shape) if i != axis or attributes["keepdims"])
    classes = tail.shape[axis]
    tail.add(str(tail.random.choice(["ArgMax", "ArgMin"])), shape=shape, **attributes)
    tail.dtype, tail.classes = "int64", classes


def _named(tail: Tail) -> None:
    count = tail.classes
    names: dict[str, AnyArray] = {
        "string": np.array(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"][:count]),
        "int64": tail.random.permutation(np.arange(-2, 10))[:count],
        "float32": (tail.random.permutation(12)[:count] / 10).astype(np.float32),
    }
    kind = str(tail.random.choice(list(names)))
    name = f"t{len(tail.nodes)}"
    tail.nodes.append(helper.make_node("Gather", [tail.constant(names[kind]), tail.top], [name], name))
    tail.top, tail.dtype = name, kind


def _encoded(tail: Tail) -> None:
    keys = tail.random.permutation(4)[:3].tolist()
    if tail.random.random() < 0.5:
        tail.add("LabelEncoder", domain=ML, keys_int64s=keys, values_strings=["x", "y", "x"], default_string="?")
        tail.dtype = "string"
    else:
        tail.add("LabelEncoder", domain=ML, keys_int64s=keys, values_floats=[0.1, 2.0, -0.5])
        tail.dtype = "float32"


def _recast(tail: Tail) -> None:
    tail.add("Cast", to=TensorProto.FLOAT)
    tail.dtype = "float32"


def _flat(tail: Tail) -> None:
    tail.add("Reshape", tail.constant(np.array([-1])), shape=(int(np.prod(tail.shape)),))


def _flat_and_named(tail: Tail) -> None:
    _flat(tail)
    _named(tail)


_LABELS: list[Callable[[Tail], None]] = [_named, _encoded, _recast, _flat, _flat_and_named]


def evaluate(model: onnx.ModelProto, logits: AnyArray) -> list[object] | None:
    """Return the labels by definition, flattened; None where a function is not defined there, or a number is large."""
    before = ctx.prec
    ctx.prec = BITS
    try:
        values: dict[str, AnyArray] = {"z": _balls(logits)}
        values.update({one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer})
        version = next(item.version for item in model.opset_import if item.domain == "")
        for node in model.graph.node:
            given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            operands = [values[name] for name in node.input]
            found = _apply(node.op_type, version, operands, given)
            if any(isinstance(one, arb) and not abs(one) < LARGEST for one in found.ravel().tolist()):
                return None
            values[node.output[0]] = found
        return values[model.graph.output[0].name].ravel().tolist()
    finally:
        ctx.prec = before


def _balls(array: AnyArray) -> AnyArray:
    out = np.empty(array.shape, dtype=object)
    out.ravel()[:] = [arb(float(value)) for value in array.ravel()]
    return out


def _apply(op: str, version: int, operands: list[AnyArray], given: dict[str, Any]) -> AnyArray:
    first = operands[0]
    if op in FUNCTIONS and first.dtype == object:
        return np.asarray(np.frompyfunc(FUNCTIONS[op], 1, 1)(first), dtype=object)
    match op:
        case "Softmax" | "LogSoftmax":
            return _shares(first, version, given["axis"], op)
        case "Add":
            return np.asarray(first + _balls(operands[1]), dtype=object)
        case "Sub":
            return np.asarray(_balls(first) - operands[1], dtype=object)
        case "Normalizer":
            combine = arb.__add__ if given["norm"] == b"L1" else arb.max
            return np.asarray(first / _along(first, first.ndim - 1, combine), dtype=object)
        case "Transpose":
            return np.transpose(first, given["perm"])
        case "Reshape":
            return first.reshape(operands[1])
        case "Gather":
            return np.take(first, operands[1].astype(np.int64), axis=given.get("axis", 0))
        case "Cast":
            return _converted(first, given["to"])
        case "ArgMax" | "ArgMin":
            return _extremum(first, op, given)
        case _:
            assert op == "LabelEncoder"
            texts = given.get("values_strings")
            numbers = [float(np.float32(one)) for one in given.get("values_floats", ())]
            known = [one.decode() for one in texts] if texts else numbers
            table = dict(zip(given["keys_int64s"], known, strict=True))
            default = "?" if texts else -0.0
            return np.array([table.get(int(k), default) for k in first.ravel()], dtype=object).reshape(first.shape)


def _shares(values: AnyArray, version: int, axis: int, op: str) -> AnyArray:
    grown = np.asarray(np.frompyfunc(FUNCTIONS["Exp"], 1, 1)(values), dtype=object)
    if version < 13:
        rows = grown.reshape(int(np.prod(values.shape[:axis])), -1)
        share = (rows / _along(rows, 1, arb.__add__)).reshape(values.shape)
    else:
        share = grown / _along(grown, axis, arb.__add__)
    return np.asarray(np.frompyfunc(FUNCTIONS["Log"], 1, 1)(share) if op == "LogSoftmax" else share, dtype=object)


def _along(values: AnyArray, axis: int, combine: Callable[[Any, Any], Any]) -> AnyArray:
    parts = np.split(values, values.shape[axis], axis=axis)
    return np.asarray(functools.reduce(np.frompyfunc(combine, 2, 1), parts), dtype=object)


def _converted(values: AnyArray, to: int) -> AnyArray:
    if to != TensorProto.INT64:
        return values if values.dtype == object else values.astype(np.float64)
    cut = [arb(int(float(value.mid()))) if isinstance(value, arb) else value for value in values.ravel().tolist()]
    out = np.empty(values.shape, dtype=object)
    out.ravel()[:] = cut
    return out


def _extremum(values: AnyArray, op: str, given: dict[str, Any]) -> AnyArray:
    sign = 1 if op == "ArgMax" else -1
    moved = np.moveaxis(values, given["axis"], -1)
    found: list[int] = []
    for row in moved.reshape(-1, moved.shape[-1]):
        best = [i for i, one in enumerate(row) if not any(sign * other > sign * one for other in row)]
        found.append(best[-1 if given.get("select_last_index") else 0])
    out = np.array(found).reshape(moved.shape[:-1])
    return np.expand_dims(out, given["axis"]) if given["keepdims"] else out
