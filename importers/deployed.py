"""The model as it is deployed: the original file in onnxruntime, at many points, with inner tensors where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exactbox.importers.fixing import fixed_feeds
from exactbox.importers.lower import ARITHMETIC, Step
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.onnx_model import Lowered
from exactbox.importers.ports import is_open
from exactbox.importers.runtime import confirm, doubt_words, first_line
from exactbox.importers.session import RUNTIME_ERRORS, inference_session
from exactbox.importers.values import AnyArray, Choice, Data, FloatArray, Scores
from exactbox.polytope import enclosed
from exactbox.polytope.enclosed import Arithmetic, Enclosure
from exactbox.polytope.errors import InternalError, UnsupportedModelError
from exactbox.polytope.program import CONSTANT_ZERO, Gather, IndexArray, Program
from exactbox.polytope.wording import counted

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class RuntimeRefusal:
    """Why the runtime gave no answer, in its own words or ours."""

    reason: str


class Session:
    """The original file in onnxruntime, on one thread.

    Args:
        file: the model.
        exposed: inner tensors to hand out beside the file's own outputs.
        optimised: whether the runtime may rewrite the graph (its default) or runs it node by node.

    Raises:
        ValueError: or another of ``RUNTIME_ERRORS``: the runtime cannot load the file.
    """

    def __init__(self, file: OnnxFile, exposed: Sequence[str], *, optimised: bool) -> None:
        self._session = inference_session(file.proto, exposed, optimised=optimised)
        self._known = {item.name for item in self._session.get_inputs()}

    def run(self, names: Sequence[str], given: Tensors) -> dict[str, Any]:
        """Return the named tensors for one feed."""
        values = self._session.run(list(names), {name: value for name, value in given.items() if name in self._known})
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
            return RuntimeRefusal(
                f"tensor '{name}' has no batch axis: {counted(len(value), 'entry', 'entries')} for {batch} samples"
            )
    return [{name: value[i : i + 1] for name, value in found.items()} for i in range(batch)]


def batchable(file: OnnxFile, program: Program) -> bool:
    """Say whether every input has an open leading dimension that is 1 in the program."""
    ports = {port.name: port for port in program.inputs}
    used = [item for item in file.graph.inputs if item.name in ports]
    return bool(used) and all(item.dims and is_open(item, 0) and ports[item.name].shape[0] == 1 for item in used)


def feeds(file: OnnxFile, program: Program, points: FloatArray) -> dict[str, AnyArray]:
    """Return the runtime's inputs for columns (d, b); an input that the program does not read is zero or empty."""
    batch = points.shape[1]
    found: dict[str, AnyArray] = {}
    start = 0
    for port in program.inputs:
        part = np.ascontiguousarray(points[start : start + port.size].T)
        shape = port.shape if batch == 1 else (batch, *port.shape[1:])
        found[port.name] = part.reshape(shape).astype(port.dtype)
        start += port.size
    found.update(fixed_feeds(file.fixed, batch))
    for item in file.graph.inputs:
        if item.name not in found:
            dims = [dim if isinstance(dim, int) and dim else 1 for dim in item.dims or ()]
            shape = (batch, *dims[1:]) if dims and is_open(item, 0) else tuple(dims)
            found[item.name] = np.full(shape, "") if item.dtype == "string" else np.zeros(shape, dtype=item.dtype)
    return found


def unbounded(lowered: Lowered, program: Program) -> tuple[str, ...]:
    """Say why no bound of the runtime's float error can be stated; empty where the runtime confirms the program.

    Args:
        program: the canonical form of the lowered program.
    """
    doubts = tuple(doubt_words(lowered.lowering.doubts))
    if doubts:
        return doubts
    try:
        found = confirm(lowered.file, lowered.lowering, lowered.program, program, lowered.axis)
    except UnsupportedModelError as error:
        return tuple(f"{item.op} '{item.node}': {item.why}" for item in error.refusals)
    except InternalError as error:
        return (str(error),)
    return (found.reason,) if found.deviates else ()


def coarsest(lowered: Lowered) -> Arithmetic:
    """Return an arithmetic that covers every element type of the model: largest roundoff, smallest range."""
    types = {step.value.dtype for step in lowered.lowering.steps} | {port.dtype for port in lowered.program.inputs}
    known = [ARITHMETIC[name] for name in types if name in ARITHMETIC] or [enclosed.FLOAT32]
    return Arithmetic(
        max(one.unit for one in known), max(one.tiny for one in known), min(one.huge for one in known)
    )


def label_output(lowered: Lowered) -> str | None:
    """Return the model's own output that names the decision over the explained logits, or None."""
    names = [lowered.program.output.name, *lowered.file.graph.outputs]
    for name in names:
        choice = lowered.lowering.values.get(name)
        if isinstance(choice, Choice) and name in lowered.file.graph.outputs:
            if _roots(lowered.program, choice.data) == _output_entries(lowered.program):
                return name
    return None


def score_output(lowered: Lowered) -> str | None:
    """Return the explained output where it holds increasing functions of the logits, or None."""
    name = lowered.program.output.name
    return name if isinstance(lowered.lowering.values.get(name), Scores) else None


def inner_tensors(lowered: Lowered) -> list[str]:
    """Return the tensors that hold entries of the program's vectors."""
    graph_inputs = {item.name for item in lowered.file.graph.inputs}
    return [step.tensor for step in _data_steps(lowered) if step.tensor not in graph_inputs]


def observed_vectors(lowered: Lowered, points: FloatArray, runs: Sequence[Tensors]) -> list[FloatArray] | None:
    """Return every vector of the program as the runtime holds it, (n, b); None where it gives tensors of another size.

    What no tensor of the model holds (the inside of an operator) is computed in float64 from what the runtime holds.
    """
    program = lowered.program
    start = Enclosure(points, np.zeros(points.shape))
    values: list[Enclosure] = []
    for step in _data_steps(lowered):
        while len(values) < step.end:
            values.append(enclosed.step(program, len(values), values, start))
        if step.tensor in runs[0] and isinstance(step.value, Data):
            tensors = [np.asarray(run[step.tensor], dtype=np.float64).ravel() for run in runs]
            if any(tensor.size != step.value.size for tensor in tensors):
                return None
            found = np.stack(tensors, axis=-1)
            _substitute(program, step.value, found, values)
    while len(values) < len(program.instructions):
        values.append(enclosed.step(program, len(values), values, start))
    return [value.centre for value in values]


@dataclass(frozen=True, eq=False)
class LogitReader:
    """Which tensors of the model hold the logits, and where.

    Args:
        parts: tensor, places in it (flattened), and the output entries that they are.
        sizes: of each part's tensor.
        complete: whether every logit that depends on the input is held by a tensor.
    """

    parts: tuple[tuple[str, IndexArray, IndexArray], ...]
    sizes: tuple[int, ...]
    complete: bool

    @property
    def tensors(self) -> list[str]:
        """The tensors to ask the runtime for."""
        return [name for name, _, _ in self.parts]

    def read(self, run: Tensors, rest: FloatArray) -> FloatArray:
        """Return the deployed logits (n,); ``rest`` (n,) gives constants and inputs, which no node makes.

        NaN where the runtime's tensor has another size, so that no entry of it is known to be a logit.
        """
        out = rest.astype(np.float64).copy()
        for (name, places, entries), size in zip(self.parts, self.sizes, strict=True):
            found = np.asarray(run[name], dtype=np.float64).ravel()
            out[entries] = found[places] if found.size == size else np.nan
        return out


def logit_reader(lowered: Lowered) -> LogitReader:
    """Find the tensors that hold the logits, preferring the file's own outputs, then the latest."""
    wanted = _output_entries(lowered.program)
    missing = {entry for entry in wanted if entry is not None and entry[0] != 0}  # the input is what it is
    outputs = lowered.file.graph.outputs
    steps = sorted(_data_steps(lowered), key=lambda step: (step.tensor not in outputs, -step.end))
    parts: list[tuple[str, IndexArray, IndexArray]] = []
    sizes: list[int] = []
    for step in steps:
        if not missing or not isinstance(step.value, Data):
            break
        held = {entry: place for place, entry in enumerate(_roots(lowered.program, step.value))}
        found = [(held[entry], i) for i, entry in enumerate(wanted) if entry in missing and entry in held]
        if found:
            pairs = np.array(found, dtype=np.int64)
            parts.append((step.tensor, pairs[:, 0], pairs[:, 1]))
            sizes.append(step.value.size)
            missing -= held.keys()
    return LogitReader(tuple(parts), tuple(sizes), not missing)


def _data_steps(lowered: Lowered) -> list[Step]:
    return [step for step in lowered.lowering.steps if _holds_data(step)]


def _holds_data(step: Step) -> bool:
    """Say whether the file's own tensor of this name holds entries of the program's vectors."""
    return isinstance(step.value, Data) and step.value.is_float and not step.bare and not step.inner


def _output_entries(program: Program) -> list[tuple[int, int] | None]:
    """Return (vector, entry) for each output entry, looking through gathers; None for the constant 0."""
    last = len(program.instructions) - 1
    return [_root(program, last, i) for i in range(program.output_size)]


def _root(program: Program, position: int, entry: int) -> tuple[int, int] | None:
    instruction = program.instructions[position]
    while isinstance(instruction, Gather):
        place = int(instruction.index[entry])
        if place == CONSTANT_ZERO:
            return None
        for src in instruction.srcs:
            if place < program.sizes[src]:
                position, entry = src, place
                break
            place -= program.sizes[src]
        instruction = program.instructions[position]
    return position, entry


def _roots(program: Program, data: Data) -> list[tuple[int, int] | None]:
    """Return (vector, entry) for each entry of a tensor, looking through gathers; None for constants."""
    ends = np.cumsum([0, *(program.sizes[src] for src in data.srcs)])
    index = data.index.ravel()
    which = np.searchsorted(ends, index, side="right") - 1
    return [
        None if i < 0 else _root(program, data.srcs[k], i - int(ends[k]))
        for i, k in zip(index.tolist(), which.tolist(), strict=True)
    ]


def _substitute(program: Program, data: Data, found: FloatArray, values: list[Enclosure]) -> None:
    """Let the runtime's numbers (n, b) stand for the entries that a tensor holds."""
    ends = np.cumsum([0, *(program.sizes[src] for src in data.srcs)])
    index = data.index.ravel()
    for i, src in enumerate(data.srcs):
        kept = np.flatnonzero((index >= ends[i]) & (index < ends[i + 1]))
        if src and len(kept):
            centre = values[src].centre.copy()
            centre[index[kept] - ends[i]] = found[kept]
            values[src] = Enclosure(centre, np.zeros(centre.shape))
