"""Loads an ONNX file as an exact program: the importer's front door."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from exactbox.importers.builder import Builder
from exactbox.importers.call import ReplacedConstant
from exactbox.importers.graph import Graph, GraphInput
from exactbox.importers.limits import Limits
from exactbox.importers.lower import Lowering, graph_inputs
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.ops.head import comparable
from exactbox.importers.runtime import Confirmation, confirm
from exactbox.importers.values import FLOAT_TYPES, INTEGER_TYPES, Choice, Constant, Data, Scores, Tensor
from exactbox.polytope.errors import InputError, Refusal, UnsupportedModelError
from exactbox.polytope.program import Head, Port, Program, Rule
from exactbox.polytope.simplify import simplify

Decision = Literal["argmax", "argmin", "sign", "none"]


@dataclass(frozen=True, eq=False)
class Model:
    """An imported model.

    Args:
        program: the canonical program of the explained output's logits.
        path: the ONNX file.
        sha256: hash of the file, in hexadecimal.
        external: name and hash of each external data file.
        opsets: domain and version.
        confirmation: what the comparison with onnxruntime gave.
        replaced_constants: irrational constants and the rationals that stand for them; empty where nothing was replaced.
        output_choice: which output is explained, whether that was assumed, and what lies between it and the logits.
        notes: what else was decided on the way.
        warnings: what the user should know before trusting the result.
        feature_names: names of the input's features, where the model holds them.
    """

    program: Program
    path: str
    sha256: str
    external: tuple[tuple[str, str], ...]
    opsets: tuple[tuple[str, int], ...]
    ir_version: int
    confirmation: Confirmation
    replaced_constants: tuple[ReplacedConstant, ...]
    output_choice: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Lowered:
    """A model on its way: the program as written by the lowering, with what is needed to compare it with the runtime."""

    file: OnnxFile
    lowering: Lowering
    program: Program
    output_choice: str
    notes: tuple[str, ...]


def load(
    path: str | os.PathLike[str],
    *,
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    decision: Decision | None = None,
    class_names: Sequence[str] | None = None,
    verify: bool = True,
    limits: Limits = Limits(),
) -> Model:
    """Import an ONNX model exactly.

    Args:
        path: the ONNX file; external data must lie in its folder.
        output: name of the output to explain; chosen (and said) where it is left out.
        dims: sizes for open dimensions, by name.
        decision: the decision to explain, instead of the one that the model's own tail makes.
        class_names: names of the classes, in the order of the logits.
        verify: compare the program with onnxruntime.
        limits: caps on the model's size.

    Raises:
        InputError: the file or an option is malformed, or the runtime disagrees with the program.
        UnsupportedModelError: the explained output is not piecewise linear; lists every node that stands in the way.
    """
    lowered = lower_file(read_onnx(path, limits), output, dims or {}, limits)
    head = _head(lowered.program, decision, class_names)
    raw = replace(lowered.program, head=head)
    program = simplify(raw)
    confirmation = confirm(lowered.file, lowered.lowering, raw, program) if verify else Confirmation.skipped()
    file = lowered.file
    return Model(
        program,
        file.path,
        file.sha256,
        file.external,
        file.opsets,
        file.ir_version,
        confirmation,
        tuple(lowered.lowering.replaced),
        lowered.output_choice,
        lowered.notes,
        confirmation.warnings(),
    )


def lower_file(file: OnnxFile, output: str | None, dims: Mapping[str, int], limits: Limits) -> Lowered:
    """Lower the ancestors of the explained output.

    Raises:
        InputError: no such output, or an open dimension.
        UnsupportedModelError: nodes in the way, all of them.
    """
    graph = file.graph
    name, assumed = _explained(file, output)
    nodes, wanted = graph.ancestors([name])
    used = [item for item in graph.inputs if item.name in wanted] or list(graph.inputs)
    ports, notes = _ports(file.path, used, dims, graph)
    builder = Builder(tuple(ports.values()), limits)
    lowering = Lowering(builder, limits)
    lowering.values.update({key: value for key, value in graph.constants.items() if key in wanted})
    lowering.values.update(graph_inputs(builder, ports))
    lowering.run(nodes, wanted)
    if lowering.refusals:
        raise UnsupportedModelError(file.path, lowering.refusals)
    program, choice = _finish(file.path, lowering, name, assumed)
    ignored = [item.name for item in graph.inputs if item.name not in ports]
    left = [item for item in graph.outputs if item != name]
    notes += [f"input '{item}' does not influence output '{name}'" for item in ignored]
    notes += [f"output '{item}' is not explained" for item in left]
    return Lowered(file, lowering, program, choice, (*graph.notes, *notes, *lowering.notes))


def _explained(file: OnnxFile, output: str | None) -> tuple[str, str]:
    """Return the output to explain and how it was chosen."""
    names = file.graph.outputs
    if output is not None:
        if output not in names:
            raise InputError(f"{file.path}: expected one of the outputs {', '.join(names)}, got '{output}'")
        return output, "given"
    if len(names) == 1:
        return names[0], "the only one"
    producers = file.graph.producers()
    for name in names:
        if _is_label(producers, name):
            continue
        return name, "assumed"
    return names[0], "assumed"


def _is_label(producers: Mapping[str, object], name: str) -> bool:
    return "label" in name.lower()


def _ports(
    where: str, inputs: Sequence[GraphInput], dims: Mapping[str, int], graph: Graph
) -> tuple[dict[str, Port], list[str]]:
    """Fix every input's shape; a leading open dimension becomes 1."""
    notes: list[str] = []
    ports: dict[str, Port] = {}
    known: set[str] = set()
    for item in inputs:
        if item.dims is None or item.dtype not in FLOAT_TYPES | INTEGER_TYPES:
            raise InputError(f"{where}: input '{item.name}': expected numbers of a declared rank, got {item.dtype}")
        shape: list[int] = []
        for axis, dim in enumerate(item.dims):
            label = dim if isinstance(dim, str) else f"{item.name}.{axis}"
            known.add(label)
            if label in dims and not isinstance(dim, int):
                shape.append(_positive(where, label, dims[label]))
            elif isinstance(dim, int):
                shape.append(dim)
            elif axis == 0:
                shape.append(1)
                notes.append(f"open leading dimension '{label}' of input '{item.name}' fixed to 1")
            else:
                raise InputError(
                    f"{where}: input '{item.name}' {list(item.dims)}: dimension '{label}' is open; "
                    f"fix it with --dim {label}=value"
                )
        ports[item.name] = Port(item.name, tuple(shape), item.dtype)
    unknown = sorted(set(dims) - known - _open_dimensions(graph))
    if unknown:
        raise InputError(f"{where}: no open dimension is named '{unknown[0]}'; open are: {', '.join(sorted(known))}")
    return ports, notes


def _open_dimensions(graph: Graph) -> set[str]:
    return {dim for item in graph.inputs for dim in item.dims or () if isinstance(dim, str)}


def _positive(where: str, name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{where}: dimension '{name}': expected a positive number, got {value}")
    return value


def _finish(where: str, lowering: Lowering, name: str, assumed: str) -> tuple[Program, str]:
    """Put the logits last and describe what lies above them."""
    found = lowering.values[name]
    builder = lowering.builder
    builder.label = f"output '{name}'"
    data, head = _logits(where, lowering, name, found)
    builder.fresh(data)
    program = builder.program(Port(name, data.shape, data.dtype), head)
    above = f": logits under {', '.join(head.ops)}" if head.ops else ""
    return program, f"output '{name}' chosen ({assumed}){above}"


def _logits(where: str, lowering: Lowering, name: str, found: Tensor) -> tuple[Data, Head]:
    match found:
        case Data():
            return found, Head()
        case Choice(data, rule, tie, _, ops, _, labels):
            return data, Head(ops, rule, tie, labels)
        case Scores(data, fibre, ops, _, origin, labels):
            axis = _decision_axis(where, found)
            moved = Data(data.srcs, np.moveaxis(data.index, axis, -1), data.dtype) if data.shape else data
            return moved, Head(ops, "none", "first", labels)
        case Constant():
            if found.dtype == "string":
                raise InputError(f"{where}: output '{name}' is a constant text")
            return lowering.builder.data(found), Head()
        case _:
            raise UnsupportedModelError(where, [Refusal(name, "ReduceSum", "a sum of scores is no piecewise-linear output")])


def _decision_axis(where: str, scores: Scores) -> int:
    """Return the axis along which the scores compare: the last one, or the only one that can be."""
    rank = len(scores.shape)
    if scores.fibre is None or not rank:
        return rank - 1
    fitting = [axis for axis in reversed(range(rank)) if scores.shape[axis] > 1 and comparable(scores.fibre, axis)]
    if not fitting:
        name, op = scores.origin[0]
        raise UnsupportedModelError(where, [Refusal(name, op, "not piecewise linear; a single score is explained")])
    return fitting[0]


def _head(program: Program, decision: Decision | None, class_names: Sequence[str] | None) -> Head:
    """Apply the user's decision and class names."""
    head = program.head
    classes = program.output.shape[-1] if program.output.shape else 1
    rule: Rule = head.rule if decision is None else decision
    if rule in ("argmax", "argmin") and classes < 2:
        raise InputError(f"decision {rule}: expected at least two logits, got output shape {program.output.shape}")
    if rule == "sign" and classes != 1:
        raise InputError(f"decision sign: expected one logit, got output shape {program.output.shape}")
    labels = head.labels if class_names is None else tuple(class_names)
    if labels and len(labels) != classes and not (classes == 1 and len(labels) == 2):
        raise InputError(f"class names: expected {classes}, got {len(labels)}")
    return replace(head, rule=rule, labels=labels)
