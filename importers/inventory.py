"""What is in an ONNX file, lowered or refused: operators and their class, shapes, units, constants, cost."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from exactbox.importers.beginning import begin
from exactbox.importers.call import ReplacedConstant
from exactbox.importers.fixing import with_hints
from exactbox.importers.graph import Graph, GraphInput, Node
from exactbox.importers.limits import Limits
from exactbox.importers.lower import Lowering, refuse_infinite
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.outputs import candidates, explained
from exactbox.importers.registry import heading_of, lowering_of, refusal_of
from exactbox.importers.values import FLOAT_TYPES, Choice, Constant, Scores, Total
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError, Refusal, UnsupportedModelError
from exactbox.polytope.program import NO_CANDIDATE, Gather, Instruction, MatMul, Max, Port, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.simplify import simplify
from exactbox.polytope.wording import counted

OpClass = Literal["affine", "max", "movement", "head", "constant", "refused", "not reached", "not needed"]

FUSED_ENTRIES = 1 << 20
"""Entries of all vectors up to which the program is put into canonical form to count its fused units."""


@dataclass(frozen=True)
class NodeEntry:
    """One node and what it is.

    Args:
        kind: "affine" (arithmetic by constants), "max" (holds maxima), "movement" (entries are rearranged), "head" (a
            monotone tail), "constant" (does not depend on the input), "refused", "not reached" (behind a refused
            one), "not needed" (the explained output does not depend on it).
        shape: of its first output, or None where it is unknown.
        units: how many maxima it holds.
        widest: candidates of the largest one.
        why: the reason, where it is refused.
    """

    name: str
    op: str
    domain: str
    kind: OpClass
    shape: tuple[int, ...] | None = None
    units: int = 0
    widest: int = 0
    why: str = ""


@dataclass(frozen=True)
class Cost:
    """What exact work on the explained output costs.

    Args:
        multiply_adds: of one forward pass, products by constants only.
        entries: of all vectors of the program.
        inputs: d, the width of a row.
        units: groups of the program's maxima; relu and max-pool are one where nothing else reads the relu.
        rows: rivals over all groups: the rows of an H-representation before redundant ones are dropped.
        fused: whether units and rows are those of the canonical program; for large models they are the nodes' own.
    """

    multiply_adds: int
    entries: int
    inputs: int
    units: int
    rows: int
    fused: bool


@dataclass(frozen=True, eq=False)
class Inventory:
    """What is in an ONNX file.

    Args:
        file: the file with its graph.
        nodes: every node, in topological order.
        output: the output that would be explained.
        status: "lowered", "refused" (nodes stand in the way), or "open" (a dimension has no size).
        reason: why it is not lowered; empty where it is.
        refusals: the nodes in the way.
        ports: the inputs with the shapes they were lowered with; empty where the status is "open".
        logits: shape of the logits, or None.
        head: operators of the monotone tail.
        replaced: irrational constants that are enclosed by a stated rational.
        cost: estimated, or None where the model is not lowered.
        parameters: float numbers stored in the file.
        constants: tensors stored in the file, by element type.
        notes: what was decided on the way.
    """

    file: OnnxFile
    nodes: tuple[NodeEntry, ...]
    output: str
    status: Literal["lowered", "refused", "open"]
    reason: str
    refusals: tuple[Refusal, ...]
    ports: tuple[Port, ...]
    logits: tuple[int, ...] | None
    head: tuple[str, ...]
    replaced: tuple[ReplacedConstant, ...]
    cost: Cost | None
    parameters: int
    constants: Mapping[str, int]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        nodes, output = counted(len(self.nodes), "node"), f"output {self.output!r}"
        return brief(self, [repr(self.file.path), nodes, output, self.status])

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self.file.graph

    @property
    def layers(self) -> tuple[NodeEntry, ...]:
        """The nodes that hold maxima."""
        return tuple(entry for entry in self.nodes if entry.units)


def inventory(
    path: str | os.PathLike[str],
    output: str | None = None,
    dims: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> Inventory:
    """List what an ONNX file holds; a model that cannot be lowered is listed with the reasons.

    Args:
        output: the output to explain; by default the one that decides.
        dims: sizes for open dimensions, by name.

    Raises:
        InputError: the file is no readable model, or an option does not fit it.
    """
    caps = limits or Limits()
    return inventory_of(read_onnx(path, caps), output, dims, caps)


def inventory_of(file: OnnxFile, output: str | None, dims: Mapping[str, int] | None, caps: Limits) -> Inventory:
    """List what a file that was read holds; see ``inventory``."""
    names = candidates(file.path, file.graph, output)
    tried = [_try(file, name, dims or {}, caps) for name in names[:1]]
    if tried[0].status == "refused":
        tried += [_try(file, name, dims or {}, caps) for name in names[1:]]
    return next((one for one in tried if one.status == "lowered"), tried[0])


def _try(file: OnnxFile, name: str, dims: Mapping[str, int], limits: Limits) -> Inventory:
    try:
        begun = begin(file, name, dims, limits)
    except InputError as error:
        nodes, wanted = file.graph.ancestors([name])
        if dims or not _has_open([item for item in file.graph.inputs if item.name in wanted] or file.graph.inputs):
            raise
        return _unlowered(file, name, nodes, str(error))
    lowering, nodes, builder = begun.lowering, begun.nodes, begun.lowering.builder
    judged = _lowered_nodes(lowering, nodes, begun.wanted)
    entries = {id(node): entry for node, entry in zip(nodes, judged, strict=True)}
    listed = [entries.get(id(node)) or _entry(node, "not needed") for node in file.graph.nodes]
    place = {(node.name, node.op): i for i, node in enumerate(nodes)}
    refusals = sorted(lowering.refusals, key=lambda refusal: place.get((refusal.node, refusal.op), len(nodes)))
    program, head = None, tuple[str, ...]()
    if not refusals:
        try:
            found = explained(file.path, lowering, name)
            refuse_infinite(file.path, lowering, found.data)
        except UnsupportedModelError as error:
            refusals += error.refusals
        else:
            builder.fresh(found.data)
            program, head = builder.program(Port(name, found.data.shape, found.data.dtype), found.head), found.head.ops
    refusals = with_hints(file.graph, refusals)
    reason = "" if program else f"{len(refusals)} node{'s' * (len(refusals) != 1)} cannot be lowered exactly"
    return Inventory(
        file, tuple(_refused(listed, refusals)), name, "lowered" if program else "refused", reason, tuple(refusals),
        tuple(begun.ports.values()), program.output.shape if program else None, head, tuple(lowering.replaced),
        _cost(program) if program else None, *_stored(file.graph), (*file.graph.notes, *begun.notes, *lowering.notes),
    )  # fmt: skip


def _lowered_nodes(lowering: Lowering, nodes: Sequence[Node], wanted: frozenset[str]) -> list[NodeEntry]:
    """Lower node after node, and look at what each one wrote."""
    lowering.users.update((name, node) for node in nodes for name in node.inputs)
    entries: list[NodeEntry] = []
    for node in nodes:
        start = len(lowering.builder.instructions)
        lowering.run([node], wanted)
        entries.append(_judged(lowering, node, lowering.builder.instructions[start:]))
    return entries


def _judged(lowering: Lowering, node: Node, written: Sequence[Instruction]) -> NodeEntry:
    values = [lowering.values.get(name) for name in node.outputs if name]
    first = next((value for value in values if value is not None), None)
    shape = None if first is None else first.shape
    maxima = [item for item in written if isinstance(item, Max)]
    if first is None:
        return _entry(node, "not reached")
    if isinstance(first, (Scores, Choice, Total)):
        return _entry(node, "head", shape)
    if maxima:
        widest = max(int((item.groups != NO_CANDIDATE).sum(axis=1).max(initial=0)) for item in maxima)
        return _entry(node, "max", shape, sum(len(item.groups) for item in maxima), widest)
    if isinstance(first, Constant):
        return _entry(node, "constant", shape)
    moved = all(isinstance(item, Gather) for item in written)
    return _entry(node, "movement" if moved else "affine", shape)


def _entry(
    node: Node, kind: OpClass, shape: tuple[int, ...] | None = None, units: int = 0, widest: int = 0, why: str = ""
) -> NodeEntry:
    return NodeEntry(node.name, node.op, node.domain, kind, shape, units, widest, why)


def _refused(entries: Sequence[NodeEntry], refusals: Sequence[Refusal]) -> list[NodeEntry]:
    """Mark the nodes that refusals name; a tail that is misused is named after it was lowered."""
    why = {(refusal.node, refusal.op): refusal.why for refusal in refusals}
    return [
        NodeEntry(e.name, e.op, e.domain, "refused", e.shape, 0, 0, why[(e.name, e.op)])
        if (e.name, e.op) in why else e
        for e in entries
    ]  # fmt: skip


def _has_open(used: Sequence[GraphInput]) -> bool:
    return any(not isinstance(dim, int) for item in used for dim in (item.dims or ()))


def _unlowered(file: OnnxFile, name: str, nodes: Sequence[Node], reason: str) -> Inventory:
    """List a model whose shapes are open: operators without any exact meaning are refused, the rest waits."""
    from exactbox.importers.ops import load_families

    load_families()
    needed = {id(node) for node in nodes}
    listed: list[NodeEntry] = []
    refusals: list[Refusal] = []
    for node in file.graph.nodes:
        known = lowering_of(node) is not None or heading_of(node) is not None
        if id(node) in needed and not known:
            refusals.append(Refusal(node.name, node.op, refusal_of(node)))
        listed.append(_entry(node, "not reached" if id(node) in needed else "not needed"))
    return Inventory(
        file, tuple(_refused(listed, refusals)), name, "open", reason, tuple(refusals), (), None, (), (), None,
        *_stored(file.graph), file.graph.notes,
    )  # fmt: skip


def _stored(graph: Graph) -> tuple[int, dict[str, int]]:
    """Count the floats that the file stores, and its constant tensors by element type."""
    tensors = [*graph.constants.values()]
    tensors += [value for node in graph.nodes for value in node.attributes.values() if isinstance(value, Constant)]
    parameters = sum(item.size for item in tensors if item.dtype in FLOAT_TYPES)
    lists = [value for node in graph.nodes if node.domain for value in node.attributes.values()]
    parameters += sum(len(item) for item in lists if isinstance(item, tuple) and item and isinstance(item[0], float))
    return parameters, dict(sorted(Counter(item.dtype for item in tensors).items()))


def _cost(program: Program) -> Cost:
    fused = sum(program.sizes) <= FUSED_ENTRIES
    counted = simplify(program) if fused else program
    products = sum(_products(item) for item in counted.instructions)
    units, rows = 0, 0
    for item in counted.instructions:
        if isinstance(item, Max):
            units += len(item.groups)
            rows += int((item.groups != NO_CANDIDATE).sum()) - len(item.groups)
    return Cost(products, sum(counted.sizes), counted.input_size, units, rows, fused)


def _products(instruction: Instruction) -> int:
    """Count the products by constants of one instruction."""
    if isinstance(instruction, MatMul):
        return instruction.weight.size * instruction.rows
    factor = getattr(instruction, "factor", None)
    return math.prod(factor.shape) if isinstance(factor, Rationals) else 0
