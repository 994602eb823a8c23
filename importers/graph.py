"""The model's graph as plain immutable data: nodes in topological order, inputs, outputs, constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper

from exactbox.importers.limits import Limits
from exactbox.importers.values import AnyArray, Constant
from exactbox.polytope.errors import InputError

_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Node:
    """One operator application.

    Args:
        name: the file's name for it, or its first output's.
        inputs: names; behind the operator's own come those that its subgraphs read from around it.
        version: opset version of its domain.
        attributes: numbers, texts, lists, ``Constant`` for tensors, ``Graph`` for subgraphs.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str = ""
    version: int = 1
    attributes: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op} '{self.name}'"

    def integer(self, name: str, default: int) -> int:
        """Return a whole-number attribute."""
        return cast("int", self._get(name, int, default))

    def flag(self, name: str, default: int) -> bool:
        """Return an attribute that is 0 or 1."""
        value = self.integer(name, default)
        if value not in (0, 1):
            raise InputError(f"{self}: attribute {name}: expected 0 or 1, got {value}")
        return value == 1

    def number(self, name: str, default: float) -> float:
        """Return a float attribute: the exact value of the float32, also of the default."""
        return float(np.float32(cast("float", self._get(name, float, default))))

    def text(self, name: str, default: str) -> str:
        """Return a text attribute."""
        return cast("str", self._get(name, str, default))

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return a list of whole numbers, or None where the attribute is absent."""
        return cast("tuple[int, ...] | None", self._list(name, int))

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """Return a list of floats, or None where the attribute is absent."""
        return cast("tuple[float, ...] | None", self._list(name, float))

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, or None where the attribute is absent."""
        return cast("tuple[str, ...] | None", self._list(name, str))

    def tensor(self, name: str) -> Constant | None:
        """Return a tensor attribute, or None where it is absent."""
        return cast("Constant | None", self._get(name, Constant, None))

    def graph(self, name: str) -> Graph:
        """Return a subgraph that must be there."""
        found = self._get(name, Graph, None)
        if found is None:
            raise InputError(f"{self}: attribute {name}: expected a graph, got none")
        return cast("Graph", found)

    def _get(self, name: str, kind: type, default: object) -> object:
        value = self.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise InputError(f"{self}: attribute {name}: expected {kind.__name__}, got {type(value).__name__}")
        return value

    def _list(self, name: str, kind: type) -> tuple[object, ...] | None:
        value = cast("tuple[object, ...] | None", self._get(name, tuple, None))
        if value is not None and not all(isinstance(entry, kind) for entry in value):
            raise InputError(f"{self}: attribute {name}: expected a list of {kind.__name__}")
        return value


@dataclass(frozen=True)
class GraphInput:
    """A declared input: its dimensions are numbers, names of open dimensions, or None; None where no rank is given."""

    name: str
    dtype: str
    dims: tuple[int | str | None, ...] | None


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, with the constants that the file stores.

    Args:
        outputs: names, with the declared element type ("float32", "int64", "string", ..., or "sequence").
        captured: names that a subgraph reads from the graph around it.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[GraphInput, ...]
    outputs: Mapping[str, str]
    constants: Mapping[str, Constant]
    notes: tuple[str, ...] = ()
    captured: tuple[str, ...] = ()

    def ancestors(self, names: Iterable[str]) -> tuple[tuple[Node, ...], frozenset[str]]:
        """Return the nodes that the named tensors depend on, in order, and every tensor name among them."""
        wanted = set(names)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                kept.append(node)
                wanted.update(name for name in node.inputs if name)
        return tuple(reversed(kept)), frozenset(wanted)


def read_graph(
    where: str, proto: onnx.GraphProto, opsets: Mapping[str, int], limits: Limits, *, inner: bool = False
) -> Graph:
    """Check and convert a graph whose tensors are all inside the file's memory.

    Args:
        inner: a subgraph, which may read names that it does not make.

    Raises:
        InputError: duplicate or dangling names, a cycle, a malformed tensor or attribute.
    """
    limits.check(where, "nodes", len(proto.node), limits.nodes, "nodes")
    constants = _constants(where, proto, limits)
    sparse = [_sparse_node(tensor.values.name) for tensor in proto.sparse_initializer]
    nodes = [*sparse, *(read_node(where, item, opsets, limits) for item in proto.node)]
    inputs = tuple(_read_input(where, item) for item in proto.input if item.name not in constants)
    outputs = {item.name: _read_input(where, item).dtype for item in proto.output}
    if not outputs:
        raise InputError(f"{where}: expected a graph with at least one output, got none")
    known = [*constants, *(item.name for item in inputs)]
    captured = _free_names(nodes, outputs, known) if inner else ()
    known += captured
    ordered, moved = _sorted(where, nodes, known)
    missing = [name for name in outputs if name not in {*known, *(o for n in nodes for o in n.outputs)}]
    if missing:
        raise InputError(f"{where}: output '{missing[0]}' is made by no node")
    notes = ("the nodes were not in topological order; they were sorted",) if moved else ()
    return Graph(ordered, inputs, outputs, constants, (*notes, *_stored_inputs(proto, constants)), captured)


def _constants(where: str, proto: onnx.GraphProto, limits: Limits) -> dict[str, Constant]:
    found: dict[str, Constant] = {}
    for item in proto.initializer:
        if item.name in found:
            raise InputError(f"{where}: expected initializers of distinct names, got '{item.name}' twice")
        found[item.name] = read_tensor(f"{where}: initializer '{item.name}'", item, limits)
    return found


def _stored_inputs(proto: onnx.GraphProto, constants: Mapping[str, Constant]) -> list[str]:
    """Tell which declared inputs have stored values, which a caller of the runtime could replace."""
    both = [item.name for item in proto.input if item.name in constants]
    shown = ", ".join(f"'{name}'" for name in both[:3]) + (", …" if len(both) > 3 else "")
    what = "input has a stored value" if len(both) == 1 else "inputs have stored values"
    return [f"{len(both)} {what}, taken as constants here: {shown}"] if both else []


def _free_names(nodes: Sequence[Node], outputs: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are read and not made, in the order of first use."""
    made = {*known, *(name for node in nodes for name in node.outputs)}
    read = [*(name for node in nodes for name in node.inputs if name), *outputs]
    return tuple(dict.fromkeys(name for name in read if name not in made))


def read_node(where: str, proto: onnx.NodeProto, opsets: Mapping[str, int], limits: Limits) -> Node:
    """Convert one node and its attributes."""
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    name = proto.name or next((output for output in proto.output if output), proto.op_type)
    at = f"{where}: {proto.op_type} '{name}'"
    attributes = {item.name: _read_attribute(at, item, opsets, limits) for item in proto.attribute}
    version = opsets.get(domain, 0)
    if not version and domain in ("", "ai.onnx.ml"):
        raise InputError(f"{at}: expected an operator set of the domain '{domain or 'ai.onnx'}', but none is imported")
    inputs = _with_captured(tuple(proto.input), [value for value in attributes.values() if isinstance(value, Graph)])
    return Node(name, proto.op_type, inputs, tuple(proto.output), domain, version, attributes)


def _with_captured(inputs: tuple[str, ...], bodies: Sequence[Graph]) -> tuple[str, ...]:
    """Append what subgraphs read from around them; inputs that a file leaves out at the end stay empty."""
    if not bodies:
        return inputs
    own = max(1, *(len(body.inputs) for body in bodies))
    blank = ("",) * max(own - len(inputs), 0)
    return (*inputs, *blank, *dict.fromkeys(name for body in bodies for name in body.captured))


def read_tensor(where: str, proto: onnx.TensorProto, limits: Limits) -> Constant:
    """Convert a tensor that holds its own data.

    Raises:
        InputError: the data does not fit the declared shape, or the type is unknown.
    """
    if any(dim < 0 for dim in proto.dims):
        raise InputError(f"{where}: expected dimensions of at least 0, got {list(proto.dims)}")
    limits.check_elements(where, math.prod(proto.dims))
    try:
        array = numpy_helper.to_array(proto)
    except _MALFORMED as error:
        raise InputError(f"{where}: malformed tensor data: {error}") from None
    if array.shape != tuple(proto.dims):
        raise InputError(f"{where}: expected shape {tuple(proto.dims)}, got data of shape {array.shape}")
    return constant_of(array, dtype_name(where, proto.data_type))


def constant_of(array: AnyArray, dtype: str | None = None) -> Constant:
    """Wrap a numpy array, turning types that numpy itself does not compute with into wider ones."""
    name = dtype or ("string" if array.dtype.kind in "OUS" else array.dtype.name)
    if array.dtype.name in {"int4", "uint4", "int2", "uint2"}:
        array = array.astype(np.int64)
    if array.dtype.kind == "V" or array.dtype == ml_dtypes.bfloat16:
        array = array.astype(np.float64)
    if name == "string":
        flat = [entry.decode("utf-8", "replace") if isinstance(entry, bytes) else str(entry) for entry in array.ravel()]
        array = np.array(flat, dtype=object).reshape(array.shape)
    array.setflags(write=False)
    return Constant(array, name)


def dtype_name(where: str, number: int) -> str:
    """Return the name of an element type.

    Raises:
        InputError: the number is no element type of ONNX.
    """
    if number == onnx.TensorProto.STRING:
        return "string"
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(number).name)
    except _MALFORMED:
        raise InputError(f"{where}: expected an element type of ONNX, got number {number}") from None


def _read_attribute(where: str, proto: onnx.AttributeProto, opsets: Mapping[str, int], limits: Limits) -> object:
    kind = onnx.AttributeProto
    if proto.ref_attr_name:
        raise InputError(f"{where}: attribute {proto.name} refers to a function's attribute outside of a function")
    match proto.type:
        case kind.FLOAT:
            return float(proto.f)
        case kind.INT:
            return int(proto.i)
        case kind.STRING:
            return proto.s.decode("utf-8", "replace")
        case kind.TENSOR:
            return read_tensor(f"{where}: attribute {proto.name}", proto.t, limits)
        case kind.FLOATS:
            return tuple(float(value) for value in proto.floats)
        case kind.INTS:
            return tuple(int(value) for value in proto.ints)
        case kind.STRINGS:
            return tuple(value.decode("utf-8", "replace") for value in proto.strings)
        case kind.GRAPH:
            return read_graph(f"{where}: {proto.name}", proto.g, opsets, limits, inner=True)
        case _:
            return proto


def _read_input(where: str, proto: onnx.ValueInfoProto) -> GraphInput:
    if not proto.type.HasField("tensor_type"):
        return GraphInput(proto.name, (proto.type.WhichOneof("value") or "undeclared").removesuffix("_type"), None)
    tensor = proto.type.tensor_type
    dtype = dtype_name(f"{where}: '{proto.name}'", tensor.elem_type) if tensor.elem_type else "undeclared"
    if not tensor.HasField("shape"):
        return GraphInput(proto.name, dtype, None)
    return GraphInput(proto.name, dtype, tuple(_read_dim(dim) for dim in tensor.shape.dim))


def _read_dim(dim: Any) -> int | str | None:
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return str(dim.dim_param) if dim.HasField("dim_param") and dim.dim_param else None


def _sparse_node(name: str) -> Node:
    return Node(name, "sparse_initializer", (), (name,))


def _sorted(where: str, nodes: Sequence[Node], known: Sequence[str]) -> tuple[tuple[Node, ...], bool]:
    """Order the nodes so that each follows what it reads, keeping the file's order where that is possible."""
    producer: dict[str, int] = {}
    ready = set(known)
    if len(ready) != len(known):
        raise InputError(f"{where}: an input or initializer is declared twice")
    for place, node in enumerate(nodes):
        for name in node.outputs:
            if name and (name in producer or name in ready):
                raise InputError(f"{where}: {node}: tensor '{name}' is made twice")
            if name:
                producer[name] = place
    for node in nodes:
        for name in node.inputs:
            if name and name not in producer and name not in ready:
                raise InputError(f"{where}: {node}: reads '{name}', which nothing makes")
    order = _depth_first(where, nodes, producer)
    return tuple(nodes[place] for place in order), order != sorted(order)


def _depth_first(where: str, nodes: Sequence[Node], producer: Mapping[str, int]) -> list[int]:
    order: list[int] = []
    state = [0] * len(nodes)  # 0 unseen, 1 open, 2 done
    for root in range(len(nodes)):
        stack = [root]
        while stack:
            place = stack[-1]
            before = [producer[name] for name in nodes[place].inputs if name in producer]
            waiting = [item for item in before if state[item] != 2]
            if state[place] == 2 or not waiting:
                if state[place] != 2:
                    state[place] = 2
                    order.append(place)
                stack.pop()
                continue
            state[place] = 1
            if any(state[item] == 1 for item in waiting):
                raise InputError(f"{where}: {nodes[place]}: the graph has a cycle through this node")
            stack.extend(reversed(waiting))
    return order
