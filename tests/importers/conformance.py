"""Runs the onnx package's own conformance cases ("backend tests") through the importer.

A case agrees where every output of its that is lowered has the expected shape, and each expected number lies within
the bound that enclosed float arithmetic of the program derives for an execution in the case's own float format. There
is no tolerance beside that bound; whole numbers and truth values must be equal. Where a table states which inputs vary,
exactly those do and the others become constants; else all float inputs are tried, then only the first, then only the
second. Outputs under a curved tail are a status of their own: only the order of the scores is compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from exactbox.importers.headcheck import check_head
from exactbox.importers.limits import Limits
from exactbox.importers.lower import ARITHMETIC
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.importers.runtime import arithmetics
from exactbox.polytope import enclosed
from exactbox.polytope.errors import InputError, InternalError, UnsupportedModelError
from exactbox.polytope.exact import trace
from exactbox.polytope.rational import exact
from tests.importers.conformance_cases import Case, is_float
from tests.importers.onnx_models import AnyArray, save

LIMITS = Limits(tensor_elements=2**25, total_elements=2**28)  # a few cases hold large images

Status = Literal["agree", "tail", "refused", "disputed", "wrong"]


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Args:
        detail: why it was refused, or where it is off, or which whole-number outputs were left out.
        refusals: the refusing operators, each with its reason; empty where the file itself was refused.
        varied: the inputs that were not constants.
    """

    case: str
    kind: str
    op: str
    status: Status
    detail: str = ""
    refusals: tuple[tuple[str, str], ...] = ()
    varied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dispute:
    """Expected numbers that another implementation of the standard contradicts, and the importer with it.

    Args:
        reason: what is the matter with them.
        witness: the implementation, which must lie within the bound around the importer's numbers.
    """

    reason: str
    witness: Callable[[onnx.ModelProto, Mapping[str, AnyArray]], list[Any]]


def run(case: Case, folder: Path, stated: str | None = None) -> Outcome:
    """Import a case and compare its outputs, with the stated inputs varying."""
    outcome = _outcome(case, "refused", "nothing to vary")
    for variable in case.choices(stated):
        outcome = replace(_attempt(case, variable, folder), varied=variable)
        if outcome.status != "refused":
            break
    dispute = DISPUTED.get(case.name)
    if outcome.status != "wrong" or dispute is None:
        return outcome
    return replace(_disputed(case, dispute, folder, outcome), varied=outcome.varied)


def _outcome(case: Case, status: Status, detail: str = "", refusals: tuple[tuple[str, str], ...] = ()) -> Outcome:
    return Outcome(case.name, case.kind, case.op, status, detail, refusals)


def _attempt(case: Case, variable: Collection[str], folder: Path) -> Outcome:
    """Compare every output; one that holds no floats may be refused where another one agrees."""
    model, feeds = with_constants(case, variable)
    found: list[tuple[str, Outcome]] = []
    try:
        file = read_onnx(save(model, folder, "case.onnx"), LIMITS)
    except InputError as error:
        return _outcome(case, "refused", _last(error))
    for name, expected in case.outputs.items():
        found.append((name, _compare(case, file, name, feeds, expected)))
    needed = [item for name, item in found if is_float(case.outputs[name]) or item.status != "refused"]
    for status in ("wrong", "refused", "tail"):
        hit = next((item for item in needed or [item for _, item in found] if item.status == status), None)
        if hit is not None:
            return hit
    left_out = [f"output '{name}' not compared: {item.detail}" for name, item in found if item.status == "refused"]
    return _outcome(case, "agree", "; ".join(left_out))


def _compare(
    case: Case, file: OnnxFile, name: str, feeds: Mapping[str, AnyArray], expected: AnyArray
) -> Outcome:
    try:
        found = lower_file(file, name, {}, LIMITS)
    except UnsupportedModelError as error:
        refusals = tuple(sorted({(item.op, item.why) for item in error.refusals}))
        return _outcome(case, "refused", "; ".join(f"{op}: {why}" for op, why in refusals), refusals)
    except InputError as error:
        return _outcome(case, "refused", _last(error))
    if found.program.head.ops:
        return _tail(case, found, feeds, expected)
    difference = difference_of(found, feeds, expected)
    return _outcome(case, "wrong", f"output '{name}': {difference}") if difference else _outcome(case, "agree")


def _last(error: InputError) -> str:
    return str(error).partition(": ")[2] or str(error)


def _tail(case: Case, found: Lowered, feeds: Mapping[str, AnyArray], expected: AnyArray) -> Outcome:
    """Compare the order of the expected scores, or the labels, with that of the logits where that is clear."""
    try:
        check_head(case.name, found.program, enclosure(found, feeds, expected.dtype), [expected], found.axis)
    except InternalError as error:
        return _outcome(case, "wrong", str(error))
    return _outcome(case, "tail", ", ".join(found.program.head.ops))


def with_constants(case: Case, variable: Collection[str]) -> tuple[onnx.ModelProto, dict[str, AnyArray]]:
    """Turn all inputs but the variable ones into initializers, and write the shapes of those."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    feeds: dict[str, AnyArray] = {}
    for name, array in case.inputs.items():
        if name in variable:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            model.graph.input.append(helper.make_tensor_value_info(name, kind, list(array.shape)))
            feeds[name] = array
        else:
            model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model, feeds


def difference_of(found: Lowered, feeds: Mapping[str, AnyArray], expected: AnyArray) -> str:
    """Say where an output leaves the rigorous bound of a float execution; empty where it does not.

    Not compared are entries that an infinite or undefined input reaches, and those that overflow the output's format.
    """
    if found.program.output.shape != expected.shape:
        return f"shape {found.program.output.shape}, expected {expected.shape}"
    if not is_float(expected):
        return _unequal(found, feeds, expected)
    result = enclosure(found, feeds, expected.dtype)
    centre, radius, given = result.centre[:, 0], result.radius[:, 0], expected.astype(np.float64).ravel()
    gap = np.abs(centre - given)
    unreal = _reached(found, feeds) | _overflowing(found, feeds, given, _arithmetic(expected.dtype).huge)
    worst = np.flatnonzero(~((np.isfinite(radius) & (gap <= radius)) | unreal))
    if len(worst):
        return f"entry {worst[0]}: {given[worst[0]]} is off by {gap[worst[0]]}, the bound is {radius[worst[0]]}"
    return "no entry is a real number" if given.size and unreal.all() else ""


def _values(found: Lowered, feeds: Mapping[str, AnyArray], instead: float = 0.0) -> list[Fraction]:
    """Return the exact output, with a number in place of inputs that are none."""
    return trace(found.program, exact(_point(found, feeds, instead)))[-1].fractions()


def _reached(found: Lowered, feeds: Mapping[str, AnyArray]) -> AnyArray:
    """Say which entries are seen to depend on an input that is infinite or no number."""
    if all(np.isfinite(array.astype(np.float64)).all() for array in feeds.values()):
        return np.zeros(found.program.output_size, dtype=bool)
    pairs = zip(_values(found, feeds, 0.0), _values(found, feeds, 1.0), strict=True)
    return np.array([first != second for first, second in pairs], dtype=bool)


def _overflowing(found: Lowered, feeds: Mapping[str, AnyArray], given: AnyArray, huge: float) -> AnyArray:
    """Say which entries are expected to be infinite and are beyond the output's largest number."""
    if not np.isinf(given).any():
        return np.zeros(len(given), dtype=bool)
    pairs = zip(_values(found, feeds), given.tolist(), strict=True)
    return np.array([math.isinf(number) and value * int(math.copysign(1, number)) >= huge for value, number in pairs])


def _unequal(found: Lowered, feeds: Mapping[str, AnyArray], expected: AnyArray) -> str:
    values = _values(found, feeds)
    wrong = [i for i, (ours, given) in enumerate(zip(values, expected.ravel().tolist(), strict=True)) if ours != given]
    return f"entry {wrong[0]}: {values[wrong[0]]}, expected {expected.ravel()[wrong[0]]}" if wrong else ""


def _point(found: Lowered, feeds: Mapping[str, AnyArray], instead: float = 0.0) -> AnyArray:
    """Return the inputs as one column, with a number in place of those that are none."""
    parts = [feeds[port.name].astype(np.float64).ravel() for port in found.program.inputs]
    column = np.concatenate([np.zeros(0), *parts]).reshape(-1, 1)
    return np.asarray(np.where(np.isfinite(column), column, instead))


def enclosure(found: Lowered, feeds: Mapping[str, AnyArray], dtype: np.dtype[Any]) -> enclosed.Enclosure:
    """Enclose every execution of the program in the model's float formats, none finer than that of the output."""
    own = _arithmetic(dtype)
    used = [own if own.unit > item.unit else item for item in arithmetics(found.lowering)]
    return enclosed.enclose(found.program, _point(found, feeds), used, found.lowering.builder.roundings)[-1]


def _arithmetic(dtype: np.dtype[Any]) -> enclosed.Arithmetic:
    return ARITHMETIC.get(str(dtype), enclosed.FLOAT32)


def by_onnxruntime(model: onnx.ModelProto, feeds: Mapping[str, AnyArray]) -> list[Any]:
    """Run a case in onnxruntime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def by_reference(model: onnx.ModelProto, feeds: Mapping[str, AnyArray]) -> list[Any]:
    """Run a case in onnx's own reference implementation."""
    return list(ReferenceEvaluator(model).run(None, dict(feeds)))


def _disputed(case: Case, dispute: Dispute, folder: Path, outcome: Outcome) -> Outcome:
    """Accept a difference only where the other implementation's numbers lie within the bound of ours."""
    model, feeds = with_constants(case, outcome.varied)
    numbers = dict(zip(case.outputs, dispute.witness(model, feeds), strict=True))
    file = read_onnx(save(model, folder, "case.onnx"), LIMITS)
    for name, array in numbers.items():
        found = lower_file(file, name, {}, LIMITS)
        difference = difference_of(found, feeds, array)
        if difference:
            return _outcome(case, "wrong", f"{outcome.detail}; {_named(dispute)}: {difference}")
    shown = ", ".join(str(array.ravel()[0]) for array in numbers.values())
    return _outcome(case, "disputed", f"{dispute.reason}; {_named(dispute)} gives {shown} in entry 0")


def _named(dispute: Dispute) -> str:
    return dispute.witness.__name__.removeprefix("by_")


DISPUTED: dict[str, Dispute] = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad": Dispute(
        "inputs and expected numbers are written with four digits, rounded apart from each other", by_onnxruntime
    ),
}
