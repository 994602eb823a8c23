"""Graphs that grow node by node and are evaluated as they grow, by onnx's reference implementation in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.importers.onnx_models import IR_VERSION, ML, AnyArray

Key = tuple[str, str]
Step = Callable[["Grown", str, str], str]

OPSET = 22
SHAPES = ((2, 3), (1, 5), (4,), (1, 2, 4), (2, 2, 3), (1, 2, 4, 3))
LARGEST = 48
"""Entries above which a tensor is cut down before it grows on."""


class Grown:
    """A graph over the input ``x``, every tensor with its value at one point.

    Args:
        opset: of the default domain.
    """

    def __init__(self, seed: int, opset: int = OPSET) -> None:
        self.random = np.random.default_rng(seed)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, AnyArray] = {}
        self.shape = SHAPES[self.integer(0, len(SHAPES))]
        self.values: dict[str, Any] = {"x": self.random.integers(-4, 5, self.shape).astype(np.float64)}
        self.below = ""

    def integer(self, low: int, high: int) -> int:
        """Draw a whole number from low up to, not including, high."""
        return int(self.random.integers(low, high))

    def pick(self, *choices: Any) -> Any:
        """Draw one of several."""
        return choices[self.integer(0, len(choices))]

    def chance(self) -> bool:
        """Toss a coin."""
        return bool(self.integer(0, 2))

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value) if dtype is None else np.asarray(value, dtype=dtype)
        return name

    def ints(self, *values: int) -> str:
        """Add a constant of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def floats(self, shape: tuple[int, ...], low: int = -3, high: int = 4) -> str:
        """Add small multiples of 1/2."""
        return self.constant(self.random.integers(low, high, shape) / 2)

    def fractions(self, count: int, *, positive: bool = False) -> list[float]:
        """Draw numbers for a float attribute."""
        return [value / 4 for value in self.random.integers(1 if positive else -6, 7, count).tolist()]

    def of(self, name: str) -> AnyArray:
        """Return a tensor's value."""
        return np.asarray(self.constants[name] if name in self.constants else self.values[name])

    def add(self, op: str, inputs: list[str], count: int = 1, domain: str = "", /, **attributes: Any) -> Any:
        """Append a node and evaluate it; returns the name of its output, or of all where there are several."""
        outputs = [f"t{len(self.nodes)}_{i}" for i in range(count)]
        node = helper.make_node(op, inputs, outputs, f"n{len(self.nodes)}", domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        known = {name: self.constants.get(name, self.values.get(name)) for name in self._read(node)}
        evaluator = ReferenceEvaluator(self._model([node], list(known), outputs, {}))
        self.values |= dict(zip(outputs, evaluator.run(None, known), strict=True))
        self.nodes.append(node)
        return outputs[0] if count == 1 else outputs

    def _read(self, node: onnx.NodeProto) -> list[str]:
        """Return every tensor of this graph that a node reads, also inside its subgraphs."""
        inner = [item for attribute in node.attribute for item in attribute.g.node]
        names = [*node.input, *(name for item in inner for name in item.input)]
        return [name for name in dict.fromkeys(names) if name in self.constants or name in self.values]

    def largest(self) -> float:
        """Return a bound of the numbers of the graph at points like its own."""
        numbers = [np.abs(value).max(initial=0) for value in self.values.values() if isinstance(value, np.ndarray)]
        return 16.0 * (1 + max((float(value) for value in numbers), default=0.0))

    def axis(self, name: str) -> int:
        """Draw an axis of a tensor, counted from either end."""
        rank = self.of(name).ndim
        return self.integer(-rank, rank)

    def shaped(self, name: str, shape: tuple[int, ...]) -> str:
        """Return a tensor of a wanted shape whose entries are a tensor's, some more than once."""
        flat = self.add("Reshape", [name, self.ints(-1)])
        places = self.random.integers(0, self.of(name).size, shape)
        return str(self.add("Gather", [flat, self.constant(places)], axis=0))

    def small(self, name: str) -> str:
        """Cut a tensor down where it is large."""
        if self.of(name).size <= LARGEST and self.of(name).ndim <= 5:
            return name
        return self.shaped(name, (2, 3, self.integer(1, 4)))

    def absorb(self, name: str, constant: str) -> str:
        """Let a constant of any type take part: the sum of its entries is added to data."""
        number = self.add("Cast", [constant], to=TensorProto.DOUBLE)
        total = self.add("ReduceSum", [number], keepdims=0)
        return str(self.add("Add", [name, total]))

    def model(self, output: str, kind: int = TensorProto.DOUBLE) -> onnx.ModelProto:
        """Return the graph as a model whose output is one tensor."""
        return self._model(self.nodes, ["x"], [output], self.constants, kind)

    def _model(
        self,
        nodes: list[onnx.NodeProto],
        inputs: list[str],
        outputs: list[str],
        constants: dict[str, AnyArray],
        kind: int = TensorProto.DOUBLE,
    ) -> onnx.ModelProto:
        shapes: list[tuple[int, ...] | None] = [self.shape if name == "x" else None for name in inputs]
        given = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, s) for n, s in zip(inputs, shapes, strict=True)]
        made = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
        stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "grown", given, made, stored)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(ML, 4 if self.opset > 20 else 1)]
        return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=imports)


STEPS: dict[Key, Step] = {}
"""How each operator is applied to a tensor with random attributes."""

TAILS: dict[Key, Step] = {}
"""Operators of monotone tails, which end a graph."""


def step(*ops: str, domain: str = "") -> Callable[[Step], Step]:
    """Register how operators are applied."""

    def register(function: Step) -> Step:
        STEPS.update({(domain, op): function for op in ops})
        return function

    return register


def tail(*ops: str, domain: str = "") -> Callable[[Step], Step]:
    """Register how a graph ends in operators of a tail; the function sets ``below``, the tensor that they compare."""

    def register(function: Step) -> Step:
        TAILS.update({(domain, op): function for op in ops})
        return function

    return register
