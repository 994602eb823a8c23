"""Compares the program with onnxruntime running the original file, tensor by tensor.

Every node is judged by itself: it starts from the numbers that the runtime gave its inputs, so the bound is that of one
node's float execution and a difference names the node that makes it. The bound of the whole execution is reported too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx

from exactbox.importers.fixing import fixed_feeds, pinned, pins
from exactbox.importers.graph import Node
from exactbox.importers.headcheck import check_head
from exactbox.importers.lower import ARITHMETIC, Lowering, Step
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.session import RUNTIME_ERRORS, inference_session
from exactbox.importers.values import (
    FLOAT_TYPES,
    NARROW_TYPES,
    NEVER_WINS,
    AnyArray,
    Constant,
    Data,
    FloatArray,
)
from exactbox.polytope import enclosed, exact
from exactbox.polytope.enclosed import Arithmetic, Enclosure
from exactbox.polytope.errors import InternalError, Refusal, UnsupportedModelError
from exactbox.polytope.program import MatMul, Program
from exactbox.polytope.rational import exact as exact_numbers

SEED = 20240229
POINTS = 3
_EXACT_CHECK_COST = 20_000_000
_SLACK = 1 - 2.0**-50
_SHORT = frozenset({"float16", "bfloat16"})


@dataclass(frozen=True)
class Confirmation:
    """What the comparison with onnxruntime gave.

    Args:
        status: "confirmed", "not confirmed" (the runtime could not run the file) or "skipped".
        reason: why it was not confirmed.
        points: number of random inputs.
        max_difference: largest difference at the explained logits.
        bound: largest rigorous bound of the runtime's error at them; infinite where the bound overflows.
        tensors: how many of the model's tensors were compared.
        deviates: whether the runtime computes something else, as is known of it against the standard's text.
    """

    status: Literal["confirmed", "not confirmed", "skipped"]
    reason: str = ""
    points: int = 0
    max_difference: float = 0.0
    bound: float = 0.0
    tensors: int = 0
    deviates: bool = False

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should be told."""
        return (f"not confirmed by the runtime: {self.reason}",) if self.status == "not confirmed" else ()


class DifferenceError(InternalError):
    """The runtime computes something else than the program; names the first node that does."""

    def __init__(self, where: str, node: Node, text: str) -> None:
        self.node = node
        super().__init__(f"{where}: {node} is the first node that differs from onnxruntime: {text}")


SKIPPED = Confirmation("skipped", "not asked for")


def confirm(file: OnnxFile, lowering: Lowering, raw: Program, simplified: Program, axis: int) -> Confirmation:
    """Compare the program before and after simplification with each other, and with the runtime, at random inputs.

    Args:
        raw: the program as the lowering wrote it.
        axis: where the decision's axis is in the explained output.

    Raises:
        InternalError: they differ beyond the bound; names the first differing node.
        UnsupportedModelError: they differ where the lowering said that the standard and the runtime may.
    """
    points = pinned(random_points(raw), pins(raw.inputs, file.fixed))
    _check_simplified(raw, simplified, points)
    steps = [step for step in lowering.steps if _comparable(step, raw.output.name)]
    try:
        feeds = [_feeds(file, raw, points[:, i]) for i in range(points.shape[1])]
        tensors = dict.fromkeys([*(step.tensor for step in steps if not step.bare), raw.output.name])
        runs = list(_run(file.proto, list(tensors), feeds))
        below = [step.tensor for step in steps if step.bare]
        bare = list(_run(_without_tails(file.proto), below, feeds)) if below else []
    except RUNTIME_ERRORS as error:
        return Confirmation("not confirmed", first_line(error))
    try:
        columns = [{False: run, True: below} for run, below in zip(runs, bare or [{}] * len(runs), strict=True)]
        walked = [_walk(file.path, lowering, raw, points[:, [i]], steps, run) for i, run in enumerate(columns)]
        final = enclosed.joined_columns(walked)
    except DifferenceError as error:
        deviation = _deviation(lowering, error.node, steps)
        if deviation:
            return Confirmation("not confirmed", deviation, deviates=True)
        known = _known(lowering, error.node)
        if known:
            raise UnsupportedModelError(file.path, known) from None
        if not lowering.doubts:
            raise
        return Confirmation("not confirmed", f"{doubt_words(lowering.doubts)[0]}; {error}")
    if raw.head.ops:
        check_head(file.path, raw, final, [run[raw.output.name] for run in runs], axis)
    whole = enclosed.enclosed_output(raw, points, arithmetics(lowering), lowering.builder.roundings)
    difference = np.abs(final.centre - whole.centre)
    bound = whole.radius + final.radius
    if (difference * _SLACK > bound).any():
        raise InternalError(f"{file.path}: output '{raw.output.name}' differs from onnxruntime beyond the bound")
    worst, widest = float(difference.max(initial=0.0)), float(bound.max(initial=0.0))
    return Confirmation("confirmed", "", points.shape[1], worst, widest, len(steps))


def doubt_words(doubts: Sequence[str]) -> list[str]:
    """Say what a float execution may settle otherwise, each once."""
    return [f"{doubt}: a float execution may take another way" for doubt in dict.fromkeys(doubts)]


def _deviation(lowering: Lowering, node: Node, steps: Sequence[Step]) -> str:
    """Say what the runtime is known to make of a node against the standard's text.

    A node may stand inside of the one that differs, or before it where its own result (a sequence) is not compared.
    """

    def within(place: str, outer: str) -> bool:
        return f"{place} ".startswith((f"{outer} ", f"{outer}: "))

    judged = {str(step.node) for step in steps}
    own = [
        (place, why)
        for place, why in lowering.deviations
        if within(place, str(node)) or not any(within(place, other) for other in judged)
    ]
    known = [f"{place}: {why}" for place, why in own]
    return f"onnxruntime computes something else than the standard says: {'; '.join(known)}" if known else ""


def _known(lowering: Lowering, node: Node) -> list[Refusal]:
    """Return a node that differs, where the lowering told that the standard's text and the runtime may."""
    notes = [note.partition(": ")[2] for note in lowering.notes if note.startswith(f"{node}: ")]
    why = f"onnxruntime computes something else: {'; '.join(notes)}"
    return [Refusal(node.name, node.op, why)] if notes else []


def arithmetics(lowering: Lowering) -> list[Arithmetic]:
    """Return the float format in which the runtime executes each instruction: that of its node's result."""
    found: list[Arithmetic] = []
    for step in lowering.steps:
        arithmetic = ARITHMETIC.get(step.value.dtype, enclosed.FLOAT32)
        found += [arithmetic] * (step.end - len(found))
    return found + [enclosed.EXACT] * (len(lowering.builder.sizes) - len(found))


_SIGNED = FLOAT_TYPES | NARROW_TYPES - {"float8_e8m0fnu"}


def random_points(program: Program) -> FloatArray:
    """Return seeded inputs (d, b) that the model's input types represent exactly: normal, uniform and wide."""
    random = np.random.default_rng(SEED)
    size = program.input_size
    columns = [random.standard_normal(size), random.random(size), 8 * random.standard_normal(size)][:POINTS]
    points = np.stack(columns, axis=1)
    start = 0
    for port in program.inputs:
        part = points[start : start + port.size]
        signed = port.dtype in _SIGNED
        points[start : start + port.size] = (part if signed else np.abs(part)).astype(np.dtype(port.dtype))
        start += port.size
    return points


def _comparable(step: Step, output: str) -> bool:
    """Say whether a tensor holds numbers that the program states: data, or a constant that arithmetic made."""
    if step.inner:
        return False
    if isinstance(step.value, Data):
        return step.value.is_float
    return step.value.is_float and (step.value.error is not None or step.tensor == output)


def _feeds(file: OnnxFile, program: Program, point: FloatArray) -> dict[str, AnyArray]:
    feeds: dict[str, AnyArray] = {}
    start = 0
    for port in program.inputs:
        feeds[port.name] = point[start : start + port.size].reshape(port.shape).astype(port.dtype)
        start += port.size
    feeds.update(fixed_feeds(file.fixed))
    for item in file.graph.inputs:
        if item.name not in feeds:
            shape = [dim if isinstance(dim, int) else 1 for dim in item.dims or ()]
            feeds[item.name] = np.full(shape, "") if item.dtype == "string" else np.zeros(shape, dtype=item.dtype)
    return feeds


def _without_tails(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the tails inside linear classifiers left out, so that their scores can be seen."""
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "LinearClassifier" and attribute.name == "post_transform":
                attribute.s = b"NONE"
    return model


def _run(
    proto: onnx.ModelProto, tensors: Sequence[str], feeds: Sequence[Mapping[str, AnyArray]]
) -> Iterator[dict[str, Any]]:
    """Run a graph with inner tensors exposed, graph optimisations off, on one thread."""
    session = inference_session(proto, tensors, optimised=False)
    known = {item.name for item in session.get_inputs()}
    for feed in feeds:
        values = session.run(list(tensors), {name: value for name, value in feed.items() if name in known})
        yield dict(zip(tensors, values, strict=True))


def _walk(
    where: str,
    lowering: Lowering,
    program: Program,
    points: FloatArray,
    steps: Sequence[Step],
    runs: Mapping[bool, Mapping[str, Any]],
) -> Enclosure:
    """Judge node after node at one point, each from the runtime's own inputs; returns the runtime's logits.

    Args:
        points: shape (d, 1).
        runs: what the runtime gave for each tensor there; with True, where a node's own tail is left out.
    """
    roundings, used = lowering.builder.roundings, arithmetics(lowering)
    start = Enclosure(points, np.zeros(points.shape))
    values: dict[int, Enclosure] = {}
    read, place = _last_steps(steps), 0
    used_until = {vector: position for position, spent in enumerate(program.spent) for vector in spent}
    used_until |= dict.fromkeys(enclosed.compared_vectors(roundings), len(program.instructions))
    for number, step in enumerate(steps):
        while place < step.end:
            rounding = roundings.get(place, enclosed.PLAIN)
            values[place] = enclosed.step(program, place, values, start, used[place], rounding)
            place += 1
        found = np.asarray(runs[step.bare][step.tensor], dtype=np.float64)
        if found.shape != step.value.shape:
            shapes = f"exactbox gives shape {step.value.shape}, onnxruntime {found.shape}"
            raise DifferenceError(where, step.node, f"tensor '{step.tensor}': {shapes}")
        flat = found.reshape(-1, 1)
        if isinstance(step.value, Data):
            _judge_data(where, step, step.value, values, flat)
        else:
            _judge_constant(where, step, step.value, flat, bool(_known(lowering, step.node)))
        for spent in [p for p in values if used_until.get(p, place) < place and read.get(p, -1) <= number]:
            del values[spent]
    for rest in range(place, len(program.instructions)):
        values[rest] = enclosed.step(program, rest, values, start)
    return values[len(program.instructions) - 1]


def _last_steps(steps: Sequence[Step]) -> dict[int, int]:
    """Return, for each vector that holds entries of a tensor to be compared, the last step that reads it."""
    data = ((i, step.value) for i, step in enumerate(steps))
    return {src: i for i, value in data if isinstance(value, Data) for src in value.srcs}


def _judge_constant(where: str, step: Step, value: Constant, found: FloatArray, told: bool) -> None:
    """Compare a constant that arithmetic made; an overflow is allowed for unless it was told of."""
    centre = value.rationals().to_float().reshape(-1, 1)
    radius = np.zeros(centre.shape) if value.error is None else value.error.reshape(-1, 1)
    radius = np.where(np.isfinite(radius), radius, 0.0) if told else radius
    _judge(where, step, Enclosure(centre, radius), found)


def _judge_data(where: str, step: Step, data: Data, values: dict[int, Enclosure], found: FloatArray) -> None:
    """Compare one tensor, then let the runtime's numbers stand for its entries.

    Short formats are computed in float32: the next node may go on from a number v that was rounded to what is seen, s,
    for the output alone. |v - s| <= u |v| <= u |s| / (1 - u), or below the normal numbers u times the smallest of them.
    """
    sizes = [len(values[src].centre) for src in data.srcs]
    centre = np.concatenate([values[src].centre for src in data.srcs])
    radius = np.concatenate([values[src].radius for src in data.srcs])
    index = data.index.ravel()
    inside = index >= 0
    expected, spread = np.zeros((2, len(index), found.shape[1]))
    expected[inside], spread[inside] = centre[index[inside]], radius[index[inside]]
    expected[index == NEVER_WINS] = -math.inf
    _judge(where, step, Enclosure(expected, spread), found)
    kept = index >= 0
    broken = ~np.isfinite(found[kept])  # an overflow, allowed for by an infinite radius
    seen = np.where(broken, 0.0, found[kept])
    centre[index[kept]] = seen
    unit, tiny = (ARITHMETIC[data.dtype].unit, ARITHMETIC[data.dtype].tiny) if data.dtype in _SHORT else (0.0, 0.0)
    radius[index[kept]] = np.where(broken, np.inf, np.abs(seen) * unit * (1 + 2 * unit) + tiny * unit)
    ends = np.cumsum([0, *sizes])
    for i, src in enumerate(data.srcs):
        if src:
            values[src] = Enclosure(centre[ends[i] : ends[i + 1]], radius[ends[i] : ends[i + 1]])


def _judge(where: str, step: Step, expected: Enclosure, found: FloatArray) -> None:
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - expected.centre)
        wrong = ~(difference * _SLACK <= expected.radius) & ~(found == expected.centre)
    wrong &= np.isfinite(expected.radius)
    if not wrong.any():
        return
    place, point = (int(i) for i in np.argwhere(wrong)[0])
    raise DifferenceError(
        where,
        step.node,
        f"tensor '{step.tensor}', entry {place} "
        f"of {step.value.shape}, at a random input: exactbox {float(expected.centre[place, point])!r} "
        f"with a bound of {float(expected.radius[place, point])!r}, onnxruntime {float(found[place, point])!r}",
    )


def _check_simplified(raw: Program, simplified: Program, points: FloatArray) -> None:
    """Compare the canonical program with the one that the lowering wrote: exactly where that is cheap."""
    if _cost(raw) <= _EXACT_CHECK_COST:
        column = exact_numbers(points[:, :1])
        equal = exact.forward(raw, column).equals(exact.forward(simplified, column))
    else:
        one, other = (enclosed.enclosed_output(program, points[:, :1]) for program in (raw, simplified))
        equal = bool((np.abs(one.centre - other.centre) * _SLACK <= one.radius + other.radius).all())
    if not equal:
        raise InternalError("the simplified program differs from the program that the model was lowered to")


def _cost(program: Program) -> int:
    """Estimate the work of an exact forward pass in multiplications."""
    matrices = [item for item in program.instructions if isinstance(item, MatMul)]
    return sum(item.weight.size * item.rows for item in matrices) + 20 * sum(program.sizes)


def first_line(error: BaseException) -> str:
    """Return the first line of a runtime's error, shortened."""
    """Return the first line of a runtime's message, shortened."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
