"""Reads an ONNX file and its external data without trusting either."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from exactbox.importers.fixing import Fixed
from exactbox.importers.functions import inlined
from exactbox.importers.graph import Graph, read_graph
from exactbox.importers.limits import Limits
from exactbox.importers.torch_modules import Given
from exactbox.polytope.brief import brief
from exactbox.polytope.errors import InputError
from exactbox.polytope.wording import counted


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A model file in memory.

    Args:
        path: where it was read from.
        sha256: hash of the file's bytes, in hexadecimal.
        external: name and hash of each external data file, in the order of first use.
        proto: the whole model with its external data inside.
        fixed: inputs that the user fixed, wholly or in part.
    """

    path: str
    sha256: str
    external: tuple[tuple[str, str], ...]
    ir_version: int
    opsets: tuple[tuple[str, int], ...]
    graph: Graph
    proto: onnx.ModelProto
    fixed: Mapping[str, Fixed] = field(default_factory=dict)

    def __repr__(self) -> str:
        return brief(self, [repr(self.path), counted(len(self.graph.nodes), 'node')])


def read_onnx(given: Given, limits: Limits) -> OnnxFile:
    """Read a model from a file, or one in memory: as it would be written to a file.

    Raises:
        InputError: the file is missing, no ONNX model, truncated, or its external data is missing, too short or
            outside the model's folder; a model in memory has no folder.
    """
    if isinstance(given, bytes | onnx.ModelProto):
        where, data = IN_MEMORY, given if isinstance(given, bytes) else given.SerializeToString()
        limits.check(where, "size in bytes", len(data), limits.file_bytes, "file_bytes")
    else:
        where = os.fspath(given)
        data = _read_bytes(where, limits)
    proto = _parse(where, data)
    if where is IN_MEMORY and any(t.data_location == onnx.TensorProto.EXTERNAL for t in _tensors(proto.graph)):
        raise InputError(f"{where}: its tensors lie in other files: give the path of the model, or load them first")
    opsets = _opsets(where, proto)
    proto = inlined(where, proto, limits)
    external = _load_external(where, proto, limits)
    graph = read_graph(where, proto.graph, dict(opsets), limits)
    return OnnxFile(where, hashlib.sha256(data).hexdigest(), external, proto.ir_version, opsets, graph, proto)


IN_MEMORY = "a model in memory"
"""Stands for the path of a model that was given as bytes or as a message."""


def _read_bytes(where: str, limits: Limits) -> bytes:
    try:
        limits.check(where, "file size in bytes", os.stat(where).st_size, limits.file_bytes, "file_bytes")
        return Path(where).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{where}: expected a readable ONNX file: {reason}") from None


def _parse(where: str, data: bytes) -> onnx.ModelProto:
    try:
        proto = onnx.ModelProto()
        proto.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise InputError(f"{where}: expected an ONNX model, got a file that is none or is truncated") from None
    if not proto.HasField("graph") or not proto.graph.output:
        raise InputError(f"{where}: expected an ONNX model, got a file without a graph")
    texts = [*(item.domain for item in proto.opset_import), *_texts(proto.graph)]
    texts += [text for item in proto.functions for text in (item.name, item.domain, *_node_texts(item.node))]
    broken = next((text for text in texts if not isinstance(text, str)), None)
    if broken is not None:  # what protobuf gives for a text that is none
        raise InputError(f"{where}: expected names in UTF-8, got {broken!r}")
    return proto


def _texts(graph: onnx.GraphProto) -> Iterator[object]:
    """Yield the names that a graph and its subgraphs use."""
    yield from (item.name for item in (*graph.initializer, *graph.input, *graph.output))
    for tensor in _tensors(graph):
        yield tensor.name
        yield from (text for item in tensor.external_data for text in (item.key, item.value))
    yield from _node_texts(graph.node)


def _node_texts(nodes: Iterable[onnx.NodeProto]) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            if attribute.HasField("g"):
                yield from _texts(attribute.g)


def _opsets(where: str, proto: onnx.ModelProto) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for item in proto.opset_import:
        domain = "" if item.domain == "ai.onnx" else item.domain
        if found.setdefault(domain, item.version) != item.version:
            raise InputError(f"{where}: domain '{domain}' is imported as versions {found[domain]} and {item.version}")
    if not found:
        raise InputError(f"{where}: expected an operator set version, got none")
    return tuple(found.items())


def _load_external(where: str, proto: onnx.ModelProto, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Move external data into the model's memory; returns each file's name and hash."""
    folder = Path(where).resolve().parent if not Path(where).is_symlink() else Path(where).parent.resolve()
    contents: dict[str, bytes] = {}
    total = 0
    for tensor in _tensors(proto.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {item.key: item.value for item in tensor.external_data}
        name = entries.get("location", "")
        at = f"{where}: tensor '{tensor.name}': external data '{name}'"
        if name not in contents:
            contents[name] = _external_bytes(at, folder, name, limits)
            total += len(contents[name])
            limits.check(where, "external data in bytes", total, limits.file_bytes, "file_bytes")
        tensor.raw_data = _part(at, contents[name], entries)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return tuple((name, hashlib.sha256(data).hexdigest()) for name, data in contents.items())


def _external_bytes(at: str, folder: Path, name: str, limits: Limits) -> bytes:
    if not name or "\0" in name or Path(name).is_absolute() or name.startswith("\\") or ":" in name[:2]:
        raise InputError(f"{at}: expected a file name relative to the model's folder")
    try:
        target = (folder / name).resolve()
        if not target.is_relative_to(folder):
            linked = Path(os.path.normpath(folder / name)).is_relative_to(folder)
            what = "is a link whose target lies outside" if linked else "lies outside"
            raise InputError(f"{at}: {what} the model's folder; refused" + (f": {target}" if linked else ""))
        if not target.is_file():
            raise InputError(f"{at}: no such file beside the model")
        limits.check(at, "file size in bytes", target.stat().st_size, limits.file_bytes, "file_bytes")
        return target.read_bytes()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{at}: cannot be read: {error}") from None


def _part(at: str, data: bytes, entries: dict[str, str]) -> bytes:
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if "length" in entries else len(data) - offset
    except ValueError:
        raise InputError(f"{at}: offset and length must be whole numbers") from None
    if offset < 0 or length < 0 or offset + length > len(data):
        raise InputError(f"{at}: expected bytes {offset} to {offset + length}, got a file of {len(data)} bytes")
    return data[offset : offset + length]


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of a graph and its subgraphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for subgraph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _tensors(subgraph)
