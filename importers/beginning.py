"""What every lowering of a model starts from: ports, constants, and what is fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from exactbox.importers.builder import Builder
from exactbox.importers.fixing import start_values, variable_inputs
from exactbox.importers.graph import Node
from exactbox.importers.limits import Limits
from exactbox.importers.lower import Lowering
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.ports import input_ports
from exactbox.polytope.program import Port


@dataclass(frozen=True, eq=False)
class Begun:
    """A lowering before its first node.

    Args:
        nodes: the ancestors of the explained output, in order.
        wanted: the tensors among them.
        ports: the inputs that stay variable, by name.
        notes: what was assumed and what was fixed.
    """

    lowering: Lowering
    nodes: tuple[Node, ...]
    wanted: frozenset[str]
    ports: Mapping[str, Port]
    notes: tuple[str, ...]


def begin(file: OnnxFile, output: str, dims: Mapping[str, int], limits: Limits) -> Begun:
    """Prepare the lowering of an output's ancestors.

    Raises:
        InputError: a dimension is open, or nothing stays variable.
    """
    graph = file.graph
    nodes, wanted = graph.ancestors([output])
    used = [item for item in graph.inputs if item.name in wanted] or list(graph.inputs)
    variable, texts = variable_inputs(file.path, used, file.fixed)
    ports, notes = input_ports(file.path, graph, variable, dims)
    for port in ports.values():  # numpy has no arrays of large shapes, not even of no entries
        limits.check_elements(f"{file.path}: input '{port.name}'", math.prod(max(dim, 1) for dim in port.shape))
    builder = Builder(tuple(ports.values()), limits)
    start = start_values(builder, ports, file.fixed, texts)
    lowering = Lowering(builder, limits)
    lowering.begin({key: value for key, value in graph.constants.items() if key in wanted}, start)
    idle = [f"input '{item.name}' does not influence output '{output}'" for item in graph.inputs if item not in used]
    return Begun(lowering, nodes, wanted, ports, (*notes, *start.notes, *idle))
