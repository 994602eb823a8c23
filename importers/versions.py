"""What each version of the standard gives an operator: a node that asks for more has no stated meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from onnx import defs

from exactbox.importers.graph import Graph, Node
from exactbox.importers.registry import ML

READ = {"": 28, ML: 5}
"""The newest operator set of each domain whose text was read; a later version of an operator may mean anything."""

_DROPPED = {"ImageScaler": ("bias", "scale"), "ThresholdedRelu": ("alpha",)}
"""Operators of old files that the standard's own history does not list, with their attributes."""


def outside(node: Node) -> str:
    """Say what of a node its operator's version does not have; empty where all of it has a meaning."""
    if node.domain not in READ:
        return ""
    newest = defs.onnx_opset_version() if not node.domain else defs.onnx_ml_opset_version()
    if node.version > newest:
        return f"operator set {node.version} is newer than the installed onnx package, which knows {newest}"
    schema = _schema(node.op, node.version, node.domain)
    if schema is None:
        known = _DROPPED.get(node.op)
        missing = f"no operator of operator set {node.version}" + (f" of {node.domain}" if node.domain else "")
        return missing if known is None else _beyond(node, known)
    if schema.since_version > READ[node.domain]:
        return f"its version {schema.since_version} is newer than exactbox, which knows {READ[node.domain]}"
    return _beyond(node, schema.attributes) or _too_many(node, schema) or _left_out(node, schema)


@cache
def _schema(op: str, version: int, domain: str) -> defs.OpSchema | None:
    try:
        return defs.get_schema(op, max_inclusive_version=version, domain=domain)
    except defs.SchemaError:
        return None


def _beyond(node: Node, known: Iterable[str]) -> str:
    extra = sorted(set(node.attributes).difference(known))
    has = ", ".join(sorted(known)) or "none"
    return f"operator set {node.version} gives it no attribute {extra[0]} (it has {has})" if extra else ""


def _left_out(node: Node, schema: defs.OpSchema) -> str:
    """Say that a node leaves out an output of a list of them, at which onnxruntime ends the whole process."""
    listed = [item.option == defs.OpSchema.FormalParameterOption.Variadic for item in schema.outputs]
    first = listed.index(True) if True in listed else len(node.outputs)
    return "leaves out an output of a list, of which none is optional" if "" in node.outputs[first:] else ""


def _too_many(node: Node, schema: defs.OpSchema) -> str:
    inner = any(isinstance(value, Graph) for value in node.attributes.values())  # lists what its graphs read as well
    sides: Sequence[tuple[str, int, int]] = (
        ("inputs", 0 if inner else len(node.inputs), schema.max_input),
        ("outputs", len(node.outputs), schema.max_output),
    )
    for what, count, most in sides:
        if count > most:
            return f"operator set {node.version} gives it at most {most} {what}, got {count}"
    return ""
