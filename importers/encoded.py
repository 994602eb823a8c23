"""Which columns a model reads as categories: text, and entries that nothing but an encoder looks at."""

from __future__ import annotations

from collections.abc import Mapping

from exactbox.importers.beginning import begin
from exactbox.importers.fixing import ENCODERS, entry_name
from exactbox.importers.graph import Node
from exactbox.importers.limits import Limits
from exactbox.importers.lower import Lowering
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.outputs import candidates
from exactbox.importers.ports import input_shape
from exactbox.importers.values import Data
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port


def columns(file: OnnxFile, dims: Mapping[str, int]) -> tuple[Port, ...]:
    """Return every input that is not fixed as a whole, text included.

    Raises:
        InputError: a dimension is open.
    """
    fixed = {name for name, item in file.fixed.items() if item.whole}
    left = [item for item in file.graph.inputs if item.name not in fixed]
    return tuple(Port(item.name, input_shape(file.path, item, dims, []), item.dtype) for item in left)


def encoded(file: OnnxFile, output: str | None, dims: Mapping[str, int], limits: Limits) -> tuple[str, ...]:
    """Name the columns that have to be fixed before a model can be lowered: inputs, or entries such as ``X[2]``.

    Args:
        output: the explained one; by default the one that decides.
    """
    name = candidates(file.path, file.graph, output)[0]
    try:
        begun = begin(file, name, dims, limits)
        begun.lowering.run(begun.nodes, begun.wanted)
    except InputError:  # nothing to look at: what is in the way is no encoder
        return ()
    makers = {made: node for node in begun.nodes for made in node.outputs}
    places: set[int] = set()
    for node in begun.nodes:
        if node.op in ENCODERS and node.outputs[0] not in begun.lowering.values:
            places |= _entries(begun.lowering, makers, node)
    found = [item.name for item in file.graph.inputs if item.name in begun.wanted and item.dtype == "string"]
    found = [item for item in found if item not in file.fixed]
    start = 0
    for port in begun.ports.values():
        own = [place for place in range(port.size) if start + place in places]
        whole = len(own) == port.size
        found += [port.name] if whole else [entry_name(port, place) for place in own]
        start += port.size
    return tuple(found)


def _entries(lowering: Lowering, makers: Mapping[str, Node], encoder: Node) -> set[int]:
    """Return the entries of the input vector that an encoder reads, casts between them left out of account."""
    name = encoder.inputs[0]
    while name not in lowering.values and name in makers and makers[name].op == "Cast":
        name = makers[name].inputs[0]
    value = lowering.values.get(name)
    if not isinstance(value, Data) or set(value.srcs) != {0}:
        return set()
    return {entry for entry in value.index.ravel().tolist() if 0 <= entry < lowering.builder.sizes[0]}
