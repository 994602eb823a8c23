"""Models of one operator in one of its versions, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper

from tests.importers.onnx_models import ML, AnyArray

Key = tuple[str, str, int]
Maker = Callable[["Draw"], object]

MAKERS: dict[tuple[str, str], Maker] = {}
NEWEST = {"": min(26, defs.onnx_opset_version()), ML: min(5, defs.onnx_ml_opset_version())}
"""The newest sets that onnxruntime runs; an operator that is newer is drawn in its own version."""


def makes(*ops: str, domain: str = "") -> Callable[[Maker], Maker]:
    """Register how nodes of operators are drawn."""

    def register(function: Maker) -> Maker:
        MAKERS.update({(domain, op): function for op in ops})
        return function

    return register


@dataclass(eq=False)
class Draw:
    """A model of one node, perhaps with nodes that lead its result to a float output.

    Args:
        version: the operator set that the model imports.
        varying: the inputs of the model, by name, with their values at one point.
        head: whether the output is a decision, or scores of another scale, of what lies below.
        asked: whether the reference is asked.
    """

    op: str
    domain: str
    version: int
    random: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    varying: dict[str, AnyArray] = field(default_factory=dict)
    constants: dict[str, AnyArray] = field(default_factory=dict)
    output: str = "y"
    kind: int = TensorProto.FLOAT
    head: bool = False
    asked: bool = True

    def integer(self, low: int, high: int) -> int:
        """Draw a whole number from low up to, not including, high."""
        return int(self.random.integers(low, high))

    def chance(self, of: int = 2) -> bool:
        """Return true once in ``of`` times."""
        return self.integer(0, of) == 0

    def pick(self, *choices: Any) -> Any:
        """Draw one of several."""
        return choices[self.integer(0, len(choices))]

    def some(self, **attributes: Any) -> dict[str, Any]:
        """Leave each attribute out every other time."""
        return {name: value for name, value in attributes.items() if self.chance()}

    def dims(self, low: int = 1, high: int = 4, empty: bool = True) -> tuple[int, ...]:
        """Draw a shape of ``low`` to ``high`` axes, sometimes with an empty one behind the first."""
        shape = [self.integer(1, 4) for _ in range(self.integer(low, high + 1))]
        if empty and len(shape) > 1 and self.chance(16):
            shape[self.integer(1, len(shape))] = 0
        return tuple(shape)

    def numbers(self, shape: Sequence[int]) -> AnyArray:
        """Draw small multiples of 1/2, as float32."""
        return (self.random.integers(-5, 6, tuple(shape)) / 2).astype(np.float32)

    def data(self, shape: Sequence[int], values: AnyArray | None = None) -> str:
        """Add an input of the model."""
        name = f"x{len(self.varying)}"
        self.varying[name] = self.numbers(shape) if values is None else values
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def ints(self, *values: int) -> str:
        """Add a list of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def floats(self, shape: Sequence[int]) -> str:
        """Add a constant of small multiples of 1/2."""
        return self.constant(self.numbers(shape))

    def either(self, shape: Sequence[int], often: int = 2) -> str:
        """Add an operand that is an input once in ``often`` times."""
        return self.data(shape) if self.chance(often) else self.floats(shape)

    def given(self, name: str, values: Sequence[int] | None, since: int) -> tuple[list[str], dict[str, Any]]:
        """Return a list as an input or, before a version, as an attribute."""
        if values is None:
            return [], {}
        return ([self.ints(*values)], {}) if self.version >= since else ([], {name: list(values)})

    def add(self, inputs: Sequence[str], count: int = 1, op: str = "", /, outputs: Any = (), **given: Any) -> str:
        """Append a node, by default of the operator itself; returns its first output, which the model has."""
        made = list(outputs) or [f"t{len(self.nodes)}_{i}" for i in range(count)]
        domain = self.domain if not op or op == self.op else ""
        node = helper.make_node(op or self.op, list(inputs), made, f"n{len(self.nodes)}", domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in given.items() if value is not None)
        self.nodes.append(node)
        self.output = next(name for name in made if name)
        return self.output

    def absorb(self, constant: str, shape: Sequence[int] = (1,)) -> str:
        """Let a constant of any type take part: it is cast and added to data of one number."""
        number = self.add([constant], 1, "Cast", to=TensorProto.FLOAT if self.set >= 6 else "FLOAT")
        data = self.data(shape)
        if self.set < 7:
            return self.add([number, data], 1, "Add", broadcast=1)
        return self.add([data, number], 1, "Add")

    @property
    def set(self) -> int:
        """The version of the default domain."""
        return 20 if self.domain else self.version

    def model(self) -> onnx.ModelProto:
        """Return the model."""
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in self.varying.items()
        ]
        made = [helper.make_tensor_value_info(self.output, self.kind, None)]
        if not self.kind:
            made = [onnx.ValueInfoProto(name=self.output)]
        stored = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "single", given, made, stored)
        imports = [helper.make_opsetid("", self.set), helper.make_opsetid(ML, self.version if self.domain else 3)]
        return helper.make_model(graph, ir_version=min(13, 8 if self.set < 21 else 10), opset_imports=imports)


def histories() -> dict[tuple[str, str], list[int]]:
    """Return the versions of every operator in the standard's history."""
    found: dict[tuple[str, str], list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        found.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    return {key: sorted(versions) for key, versions in found.items()}


def sets_of(key: tuple[str, str], since: int, versions: Sequence[int]) -> list[int]:
    """Return the operator sets in which a version of an operator is the one that counts."""
    later = [version for version in versions if version > since]
    last = min(later) - 1 if later else NEWEST[key[0]]
    return list(range(since, max(min(last, NEWEST[key[0]]), since) + 1))


def drawn(key: tuple[str, str], since: int, versions: Sequence[int], seed: int) -> Draw:
    """Draw a model of one version of an operator."""
    random = np.random.default_rng([seed, since, *key[1].encode()])
    draw = Draw(key[1], key[0], int(random.choice(sets_of(key, since, versions))), random)
    MAKERS[key](draw)
    return draw
