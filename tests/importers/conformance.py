"""Runs the onnx package's own conformance cases ("backend node tests") through the importer.

A case is a model with inputs and expected outputs. Float inputs are variable; where a case cannot be piecewise linear
in all of them (a product of two, ...) only the first, then only the second stays variable and the others become
constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

from exactbox.importers.limits import Limits
from exactbox.importers.lower import ARITHMETIC
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.importers.runtime import arithmetics
from exactbox.polytope import enclosed
from exactbox.polytope.errors import InputError, UnsupportedModelError
from tests.importers.onnx_models import AnyArray, save

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
LIMITS = Limits()

Status = Literal["agree", "head", "refused", "wrong", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What came of one case: a status, and the refusing operators or the difference."""

    case: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Case:
    """A conformance case of tensors only."""

    name: str
    model: onnx.ModelProto
    inputs: tuple[AnyArray, ...]
    outputs: tuple[AnyArray, ...]


def cases() -> Iterator[Case]:
    """Yield the node cases that have a float tensor among inputs and outputs, and no sequences."""
    for item in load_model_tests(kind="node"):
        if item.model is None or not item.data_sets:
            continue
        inputs, outputs = item.data_sets[0]
        flat: list[Any] = [*inputs, *outputs]
        if not all(isinstance(value, (np.ndarray, np.generic)) for value in flat):
            continue
        kinds = [entry.type.tensor_type.elem_type for entry in item.model.graph.input]
        if not any(kind in FLOATS for kind in kinds) or not any(np.asarray(v).dtype.kind == "f" for v in outputs):
            continue
        arrays = tuple(np.asarray(v) for v in inputs), tuple(np.asarray(v) for v in outputs)
        yield Case(str(item.name), item.model, *arrays)


def run(case: Case, folder: Path) -> Outcome:
    """Import a case and compare every float output."""
    floats = [i for i, item in enumerate(case.model.graph.input) if item.type.tensor_type.elem_type in FLOATS]
    choices = [floats] if len(floats) == 1 else [floats, floats[:1], floats[1:2]]
    outcome = Outcome(case.name, "skipped")
    for variable in choices:
        outcome = _attempt(case, variable, folder)
        if outcome.status != "refused":
            return outcome
    return outcome


def _attempt(case: Case, variable: Sequence[int], folder: Path) -> Outcome:
    model, feeds = _with_constants(case, variable)
    path = save(model, folder, "case.onnx")
    status: Status = "skipped"
    for place, item in enumerate(model.graph.output):
        expected = case.outputs[place]
        if expected.dtype.kind != "f":
            continue
        try:
            found = lower_file(read_onnx(path, LIMITS), item.name, {}, LIMITS)
        except UnsupportedModelError as error:
            return Outcome(case.name, "refused", " ".join(sorted({refusal.op for refusal in error.refusals})))
        except InputError as error:
            return Outcome(case.name, "refused", str(error).rpartition(":")[2])
        if found.program.head.ops:
            status = "head"
            continue
        difference = _difference(found, feeds, expected)
        if difference:
            return Outcome(case.name, "wrong", difference)
        status = "agree"
    return Outcome(case.name, status)


def _with_constants(case: Case, variable: Sequence[int]) -> tuple[onnx.ModelProto, dict[str, AnyArray]]:
    """Turn all inputs but the variable ones into initializers, and write the shapes of those."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    declared = list(model.graph.input)
    del model.graph.input[:]
    feeds: dict[str, AnyArray] = {}
    for place, (item, array) in enumerate(zip(declared, case.inputs, strict=False)):
        if place in variable:
            kind = item.type.tensor_type.elem_type
            model.graph.input.append(onnx.helper.make_tensor_value_info(item.name, kind, list(array.shape)))
            feeds[item.name] = array
        else:
            model.graph.initializer.append(numpy_helper.from_array(array, item.name))
    return model, feeds


def _difference(found: Lowered, feeds: dict[str, AnyArray], expected: AnyArray) -> str:
    """Say where an output leaves the rigorous bound of a float execution; empty where it does not."""
    if found.program.output.shape != expected.shape:
        return f"shape {found.program.output.shape}, expected {expected.shape}"
    parts: list[AnyArray] = [feeds[port.name].astype(np.float64).ravel() for port in found.program.inputs]
    point = np.concatenate(parts).reshape(-1, 1)
    used = [_coarser(item, expected.dtype) for item in arithmetics(found.lowering)]
    result = enclosed.enclose(found.program, point, used, found.lowering.builder.roundings)[-1]
    gap = np.abs(result.centre[:, 0] - expected.astype(np.float64).ravel())
    # The expected numbers were computed in the output's own format, in an order of their own.
    slack = 4 * ARITHMETIC.get(str(expected.dtype), enclosed.FLOAT32).unit * np.abs(result.centre[:, 0])
    worst = np.flatnonzero(~(gap <= result.radius[:, 0] + slack))
    return "" if not len(worst) else f"entry {worst[0]}: off by {gap[worst[0]]}"


def _coarser(arithmetic: enclosed.Arithmetic, dtype: np.dtype[Any]) -> enclosed.Arithmetic:
    own = ARITHMETIC.get(str(dtype), enclosed.FLOAT32)
    return own if own.unit > arithmetic.unit else arithmetic
