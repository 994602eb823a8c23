"""Reads the conformance cases that the onnx package ships, each as a model whose inputs and outputs are tensors.

The importer explains one tensor as a function of tensors. A sequence among a case's inputs therefore becomes one input
for each of its tensors and a ``SequenceConstruct``; a sequence among its outputs becomes one ``SequenceAt`` for each
expected tensor and its ``SequenceLength``. Optionals become ``Optional`` and ``OptionalGetElement`` in the same way.
The kind "real" is left out: its models would have to be downloaded.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from tests.importers.onnx_models import AnyArray

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")

# Inputs of a float type that are parameters by the standard's text, not data: they never vary.
PARAMETERS = {"Dropout": (1,)}

VARYING = {"all float inputs": slice(None), "first float input": slice(0, 1), "second float input": slice(1, 2)}

@dataclass(frozen=True)
class Case:
    """A conformance case.

    Args:
        op: the operator that the case is filed under.
        model: inputs and outputs are tensors only.
        inputs: the value of every graph input.
        outputs: the expected value of every graph output.
        floats: for each input of the case that is real-valued data, the names of its tensors.
    """

    name: str
    kind: str
    op: str
    model: onnx.ModelProto
    inputs: Mapping[str, AnyArray]
    outputs: Mapping[str, AnyArray]
    floats: tuple[tuple[str, ...], ...]

    def choices(self, stated: str | None) -> list[frozenset[str]]:
        """Return the sets of inputs to vary: those that a table states, or all, the first and the second."""
        wanted = list(VARYING) if stated is None else [stated]
        found = [frozenset(name for group in self.floats[VARYING[item]] for name in group) for item in wanted]
        return list(dict.fromkeys(names for names in found if names)) or [frozenset()]


@dataclass
class _Around:
    """What surrounds a case's own nodes once its values are tensors: nodes before or behind them, and constants."""

    tensors: dict[str, AnyArray] = field(default_factory=dict)
    constants: dict[str, AnyArray] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)


def cases(kinds: Sequence[str] = KINDS) -> Iterator[Case]:
    """Yield every case of the given kinds."""
    for kind in kinds:
        items = {item.name: item for item in load_model_tests(kind=kind)}
        for name in sorted(items):
            plain = items.get(name.partition("_expanded")[0])
            yield _read(kind, items[name], plain)


def stated_inputs(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a table of cases by the case's name: its class and which inputs vary."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file, delimiter="\t")}


def is_float(array: AnyArray) -> bool:
    """Say whether an array holds floats, those of machine learning included."""
    return array.dtype.kind == "f" or "float" in array.dtype.name


def _read(kind: str, item: TestCase, plain: TestCase | None) -> Case:
    """Turn a case of the package into one of tensors; ``plain`` is the case that it is another form of, or itself."""
    folder = Path(str(item.model_dir))
    source = _source(item)
    stored = {tensor.name for tensor in source.graph.initializer}
    declared = [value for value in source.graph.input if value.name not in stored]
    data = item.data_sets[0] if item.data_sets else _stored(folder, declared, list(source.graph.output))
    before, after = _Around(), _Around()
    groups = [_give(before, value.name, value.type, given) for value, given in zip(declared, data[0], strict=True)]
    for value, expected in zip(source.graph.output, data[1], strict=True):
        _ask(after, value.name, value.type, expected)
    op = _operator(source) if plain is None or plain is item else f"{_operator(_source(plain))} (expanded)"
    fixed = PARAMETERS.get(op, ())
    floats = [
        group
        for place, group in enumerate(groups)
        if place not in fixed and group and all(_may_vary(before.tensors[name]) for name in group)
    ]
    return Case(item.name, kind, op, _model(source, before, after), before.tensors, after.tensors, tuple(floats))


def _may_vary(array: AnyArray) -> bool:
    """Say whether a tensor holds reals; a length of 0 in front means "open" to the importer and is left constant."""
    return is_float(array) and array.shape[:1] != (0,)


def _source(item: TestCase) -> onnx.ModelProto:
    return item.model if item.model is not None else onnx.load(Path(str(item.model_dir)) / "model.onnx")


def _operator(model: onnx.ModelProto) -> str:
    nodes = [node for node in model.graph.node if node.op_type != "Constant"] or list(model.graph.node)
    return str(nodes[0].op_type)


def _stored(
    folder: Path, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
) -> tuple[list[Any], list[Any]]:
    """Read the values that lie beside a model."""
    read: list[list[Any]] = []
    for side, values in (("input", inputs), ("output", outputs)):
        paths = [folder / "test_data_set_0" / f"{side}_{place}.pb" for place in range(len(values))]
        read.append([_proto(path.read_bytes(), value.type) for path, value in zip(paths, values, strict=True)])
    return read[0], read[1]


def _proto(data: bytes, kind: onnx.TypeProto) -> Any:
    if kind.HasField("sequence_type"):
        sequence = onnx.SequenceProto()
        sequence.ParseFromString(data)
        return numpy_helper.to_list(sequence)
    if kind.HasField("optional_type"):
        optional = onnx.OptionalProto()
        optional.ParseFromString(data)
        return numpy_helper.to_optional(optional)
    tensor = TensorProto()
    tensor.ParseFromString(data)
    return tensor


def _array(value: Any) -> AnyArray:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def _give(around: _Around, name: str, kind: onnx.TypeProto, value: Any) -> tuple[str, ...]:
    """Record the tensors that an input is made of; returns their names."""
    if kind.HasField("optional_type"):
        return _give_optional(around, name, kind.optional_type.elem_type, value)
    if not kind.HasField("sequence_type"):
        around.tensors[name] = _array(value)
        return (name,)
    parts = {f"{name}[{place}]": _array(part) for place, part in enumerate(value)}
    around.tensors.update(parts)
    if parts:
        around.nodes.append(helper.make_node("SequenceConstruct", list(parts), [name]))
    else:
        dtype = kind.sequence_type.elem_type.tensor_type.elem_type
        around.nodes.append(helper.make_node("SequenceEmpty", [], [name], dtype=dtype))
    return tuple(parts)


def _give_optional(around: _Around, name: str, kind: onnx.TypeProto, value: Any) -> tuple[str, ...]:
    if value is None:
        around.nodes.append(helper.make_node("Optional", [], [name], type=kind))
        return ()
    inner = _give(around, f"{name}.value", kind, value)
    around.nodes.append(helper.make_node("Optional", [f"{name}.value"], [name]))
    return inner


def _ask(around: _Around, name: str, kind: onnx.TypeProto, value: Any) -> None:
    """Record the tensors that an output is compared by."""
    if kind.HasField("optional_type"):
        around.nodes.append(helper.make_node("OptionalHasElement", [name], [f"{name}.present"]))
        around.tensors[f"{name}.present"] = np.array(value is not None)
        if value is not None:
            around.nodes.append(helper.make_node("OptionalGetElement", [name], [f"{name}.value"]))
            _ask(around, f"{name}.value", kind.optional_type.elem_type, value)
    elif kind.HasField("sequence_type"):
        around.nodes.append(helper.make_node("SequenceLength", [name], [f"{name}.length"]))
        around.tensors[f"{name}.length"] = np.array(len(value), dtype=np.int64)
        for place, part in enumerate(value):
            given = f"position {place}"
            around.constants[given] = np.array(place, dtype=np.int64)
            around.nodes.append(helper.make_node("SequenceAt", [name, given], [f"{name}[{place}]"]))
            around.tensors[f"{name}[{place}]"] = _array(part)
    else:
        around.tensors[name] = _array(value)


def _model(source: onnx.ModelProto, before: _Around, after: _Around) -> onnx.ModelProto:
    """Return the model with tensors for inputs and outputs; inputs are declared later, as it is known which vary."""
    model = onnx.ModelProto()
    model.CopyFrom(source)
    graph = model.graph
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before.nodes, *own, *after.nodes])
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in after.constants.items())
    declared = {item.name: item for item in source.graph.output}
    del graph.input[:]
    del graph.output[:]
    for name, array in after.tensors.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.output.append(declared[name] if name in declared else helper.make_tensor_value_info(name, kind, None))
    return model
