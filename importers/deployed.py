"""The model as it is deployed: the original file in onnxruntime, at many points, with inner tensors where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime

from exactbox.importers.lower import ARITHMETIC
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.onnx_model import Lowered
from exactbox.importers.outputs import explained
from exactbox.importers.ports import is_open
from exactbox.importers.runtime import RUNTIME_ERRORS, first_line
from exactbox.importers.values import AnyArray, Choice, Constant, Data, FloatArray
from exactbox.polytope import enclosed
from exactbox.polytope.enclosed import Arithmetic, Enclosure
from exactbox.polytope.program import Program

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class RuntimeRefusal:
    """Why the runtime gave no answer: its own first line."""

    reason: str


class Session:
    """The original file in onnxruntime on one thread.

    Args:
        file: the model.
        exposed: inner tensors to hand out beside the file's own outputs.
        optimised: whether the runtime may rewrite the graph (its default) or runs it node by node.

    Raises:
        RuntimeError and others of ``RUNTIME_ERRORS``: the runtime cannot load the file.
    """

    def __init__(self, file: OnnxFile, exposed: Sequence[str], *, optimised: bool) -> None:
        model = onnx.ModelProto()
        model.CopyFrom(file.proto)
        outputs = {item.name for item in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in exposed if name not in outputs)
        levels = onnxruntime.GraphOptimizationLevel
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._known = {item.name for item in self._session.get_inputs()}

    def run(self, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> dict[str, Any]:
        """Return the named tensors for one feed."""
        values = self._session.run(list(names), {k: v for k, v in feeds.items() if k in self._known})
        return dict(zip(names, values, strict=True))


def open_session(file: OnnxFile, exposed: Sequence[str], *, optimised: bool) -> Session | RuntimeRefusal:
    """Load the file in the runtime, or say why it refuses."""
    try:
        return Session(file, exposed, optimised=optimised)
    except RUNTIME_ERRORS as error:
        return RuntimeRefusal(first_line(error))


def run_single(
    session: Session, file: OnnxFile, program: Program, names: Sequence[str], points: FloatArray
) -> list[dict[str, Any]] | RuntimeRefusal:
    """Run the columns of ``points`` (d, b) one after the other."""
    try:
        return [session.run(names, feeds(file, program, points[:, i : i + 1])) for i in range(points.shape[1])]
    except RUNTIME_ERRORS as error:
        return RuntimeRefusal(first_line(error))


def run_batch(
    session: Session, file: OnnxFile, program: Program, names: Sequence[str], points: FloatArray
) -> list[dict[str, Any]] | RuntimeRefusal:
    """Run the columns of ``points`` (d, b) as one batch, and take the results apart again."""
    batch = points.shape[1]
    try:
        found = session.run(names, feeds(file, program, points))
    except RUNTIME_ERRORS as error:
        return RuntimeRefusal(first_line(error))
    for name, value in found.items():
        if len(value) != batch:
            return RuntimeRefusal(f"output '{name}' has no batch axis: {len(value)} entries for {batch} samples")
    return [{name: value[i : i + 1] for name, value in found.items()} for i in range(batch)]


def batchable(file: OnnxFile, program: Program) -> bool:
    """Say whether every input has an open leading dimension that stands for 1 in the program."""
    ports = {port.name: port for port in program.inputs}
    used = [item for item in file.graph.inputs if item.name in ports]
    return bool(used) and all(item.dims and is_open(item, 0) and ports[item.name].shape[:1] == (1,) for item in used)


def feeds(file: OnnxFile, program: Program, points: FloatArray) -> dict[str, AnyArray]:
    """Return the runtime's inputs for columns (d, b); an input that the program does not use is zero or empty."""
    batch = points.shape[1]
    found: dict[str, AnyArray] = {}
    start = 0
    for port in program.inputs:
        part = points[start : start + port.size]
        shape = port.shape if batch == 1 else (batch, *port.shape[1:])
        found[port.name] = np.ascontiguousarray(part.T).reshape(shape).astype(port.dtype)
        start += port.size
    for item in file.graph.inputs:
        if item.name not in found:
            dims = [dim if isinstance(dim, int) else 1 for dim in item.dims or ()]
            shape = (batch, *dims[1:]) if dims and is_open(item, 0) else tuple(dims)
            found[item.name] = np.full(shape, "") if item.dtype == "string" else np.zeros(shape, dtype=item.dtype)
    return found


def coarsest(lowered: Lowered) -> Arithmetic:
    """Return the arithmetic of the widest roundoff among the tensors of the model, which covers all of them."""
    types = {step.value.dtype for step in lowered.lowering.steps} | {port.dtype for port in lowered.program.inputs}
    known = [ARITHMETIC[name] for name in types if name in ARITHMETIC]
    widest = max(known, key=lambda one: one.unit, default=enclosed.FLOAT32)
    return Arithmetic(widest.unit, max((a.tiny for a in known), default=widest.tiny), min(a.huge for a in known))


def carriers(lowered: Lowered) -> list[str]:
    """Return the tensors of the model that together hold the logits, the latest first where several would do."""
    data = _logits(lowered)
    if data is None:
        return []
    wanted = _entries(lowered, data)
    names: list[str] = []
    for step in reversed(lowered.lowering.steps):
        if isinstance(step.value, Data) and step.value.is_float and wanted:
            held = _entries(lowered, step.value)
            if held & wanted:
                names.append(step.tensor)
                wanted -= held
    return names if not wanted else []


def logits_of(lowered: Lowered, tensors: Tensors, exact_rest: FloatArray) -> FloatArray:
    """Return the deployed logits (n,) in the order of the program's output.

    Args:
        tensors: the runtime's values of ``carriers``.
        exact_rest: what entries are that no tensor holds (constants), shape (n,).
    """
    data = _logits(lowered)
    out = exact_rest.astype(np.float64).copy()
    if data is None:
        return out
    seat = {entry: i for i, entry in reversed(list(enumerate(_listed(lowered, data))))}
    places: dict[tuple[int, int], list[int]] = {}
    for i, entry in enumerate(_listed(lowered, data)):
        places.setdefault(entry, []).append(i)
    for step in lowered.lowering.steps:
        if step.tensor in tensors and isinstance(step.value, Data):
            flat = np.asarray(tensors[step.tensor], dtype=np.float64).ravel()
            for j, entry in enumerate(_listed(lowered, step.value)):
                if entry in seat:
                    out[places[entry]] = flat[j]
    return out
