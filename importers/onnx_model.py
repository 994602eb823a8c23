"""Loads an ONNX file as an exact program: the importer's front door."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from exactbox.importers.beginning import begin
from exactbox.importers.call import ReplacedConstant, replaced_by_node
from exactbox.importers.fixing import pins, with_hints
from exactbox.importers.limits import DEFAULT_LIMITS, Limits
from exactbox.importers.lower import Lowering, refuse_infinite
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.outputs import candidates, chosen_head, explained, model_decision
from exactbox.importers.runtime import SKIPPED, Confirmation, confirm, doubt_words
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Port, Program, Rule
from exactbox.polytope.simplify import simplify


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
        replaced_constants: irrational constants and the rationals that stand for them.
        output_choice: which output is explained, whether that was assumed, and what lies between it and the logits.
        notes: what else was decided on the way.
        warnings: what the user should know before trusting the result.
        feature_names: names of the input's features, where the model holds them.
        pins: coordinates of the program's input that are fixed, which it does not read, and their values.
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
    pins: tuple[tuple[int, Fraction], ...] = ()

    def __repr__(self) -> str:
        return brief(self, [repr(self.path), repr(self.program), self.confirmation.status])


@dataclass(frozen=True, eq=False)
class Lowered:
    """A model on its way: the program as the lowering wrote it, and what is needed to compare it with the runtime."""

    file: OnnxFile
    lowering: Lowering
    program: Program
    output_choice: str
    notes: tuple[str, ...]
    axis: int


def load(
    path: str | os.PathLike[str],
    *,
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    decision: Rule | None = None,
    class_names: Sequence[str] | None = None,
    verify: bool = True,
    limits: Limits = DEFAULT_LIMITS,
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
        InputError: the file or an option is malformed.
        UnsupportedModelError: the explained output is not piecewise linear; lists every node that stands in the way.
        InternalError: the runtime disagrees with the program beyond the bound.
    """
    file = read_onnx(path, limits)
    return load_file(file, output=output, dims=dims, decision=decision, class_names=class_names, verify=verify,
                     limits=limits)  # fmt: skip


def load_file(
    file: OnnxFile,
    *,
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    decision: Rule | None = None,
    class_names: Sequence[str] | None = None,
    verify: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> Model:
    """Import a file that was read, with what was fixed of its inputs; see ``load``."""
    lowered = lower_file(file, output, dims or {}, limits)
    raw = replace(lowered.program, head=chosen_head(lowered.program, decision, class_names))
    program = simplify(raw)
    confirmation = confirm(lowered.file, lowered.lowering, raw, program, lowered.axis) if verify else SKIPPED
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
        pins=pins(program.inputs, file.fixed),
    )


def lower_file(file: OnnxFile, output: str | None, dims: Mapping[str, int], limits: Limits) -> Lowered:
    """Lower the ancestors of the explained output; an assumed choice falls back to the label where it is refused.

    Raises:
        InputError: no such output, or an open dimension.
        UnsupportedModelError: nodes in the way, all of them.
    """
    first, *others = candidates(file.path, file.graph, output)
    how = "the only one" if len(file.graph.outputs) == 1 else "assumed"
    if output is not None:
        how = "given" if output in file.graph.outputs else "given, a tensor inside the model"
    try:
        return _lower_output(file, first, how, dims, limits)
    except UnsupportedModelError:
        for name in others:
            try:
                return _lower_output(file, name, f"assumed, as '{first}' is not piecewise linear", dims, limits)
            except UnsupportedModelError:
                continue
        raise


def _lower_output(file: OnnxFile, name: str, how: str, dims: Mapping[str, int], limits: Limits) -> Lowered:
    graph = file.graph
    begun = begin(file, name, dims, limits)
    lowering, builder = begun.lowering, begun.lowering.builder
    lowering.run(begun.nodes, begun.wanted)
    if lowering.refusals:
        raise UnsupportedModelError(file.path, with_hints(graph, lowering.refusals))
    if lowering.exceeded is not None:
        raise lowering.exceeded
    if name not in lowering.values:
        raise InputError(f"{file.path}: output '{name}' is made of text that stays variable; choose another output")
    found = explained(file.path, lowering, name)
    head, learnt = model_decision(graph, lowering, name, found)
    builder.label = f"output '{name}'"
    refuse_infinite(file.path, lowering, found.data)
    builder.fresh(found.data)
    program = builder.program(Port(name, found.data.shape, found.data.dtype), head)
    program = replace(program, replaced=replaced_by_node(lowering.replaced))
    notes = list(begun.notes)
    notes += [f"output '{item}' is not explained" for item in graph.outputs if item != name]
    notes += [learnt] if learnt else []
    above = f": logits under {', '.join(head.ops)}" if head.ops else ""
    order = f"; numbered with axis {head.moved} of its shape {head.shape} moved last" if head.moved is not None else ""
    choice = f"output '{name}' chosen ({how}){above}{order}"
    notes = [*graph.notes, *notes, *lowering.notes, *doubt_words(lowering.doubts)]
    return Lowered(file, lowering, program, choice, tuple(notes), found.axis)
