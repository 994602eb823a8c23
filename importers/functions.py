"""Replaces the calls of a model's own functions by their bodies, after counting what that will make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
from onnx import inliner

from exactbox.importers.limits import Limits
from exactbox.polytope.errors import InputError

_Key = tuple[str, str]
_DEPTH = 100


def inlined(where: str, proto: onnx.ModelProto, limits: Limits) -> onnx.ModelProto:
    """Return the model without functions of its own.

    Raises:
        InputError: functions that call themselves, too many nodes, or bodies that do not fit their calls.
    """
    if not proto.functions:
        return proto
    bodies = {(item.domain, item.name): list(item.node) for item in proto.functions}
    sizes: dict[_Key, int] = {}
    total = sum(_size(where, key, bodies, sizes, 0) for key in _calls(proto.graph.node))
    limits.check(where, "nodes of the inlined functions", total, limits.nodes, "nodes")
    try:
        return inliner.inline_local_functions(proto)
    except (ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{where}: the model's functions cannot be inlined: {error}") from None


def _size(where: str, key: _Key, bodies: dict[_Key, list[onnx.NodeProto]], sizes: dict[_Key, int], depth: int) -> int:
    """Count the nodes that one call becomes; sizes of functions that were counted are kept."""
    if key not in bodies:
        return 1
    if key not in sizes:
        if depth > _DEPTH:
            raise InputError(f"{where}: function '{key[1]}': functions call themselves, or {_DEPTH} others in a row")
        sizes[key] = 1 + sum(_size(where, item, bodies, sizes, depth + 1) for item in _calls(bodies[key]))
    return sizes[key]


def _calls(nodes: Iterable[onnx.NodeProto]) -> Iterator[_Key]:
    """Yield domain and operator of every node, also inside subgraphs."""
    for node in nodes:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _calls(graph.node)
