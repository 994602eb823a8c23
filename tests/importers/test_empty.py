"""Tensors without entries: sums of nothing are 0, maxima of nothing are no numbers, and nothing needs explaining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import exactbox
from exactbox.importers.onnx_model import Model, load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import Rationals
from tests.importers.onnx_models import save
from tests.importers.optable import Operand, Row, ints

NOTHING = Rationals(np.zeros((0, 1), dtype=object), 1)


def single(op: str, *operands: Operand, outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    """Build a model of one node."""
    return Row("empty", op, list(operands), attributes, outputs=outputs).model()


def values(model: Model) -> list[Any]:
    """Return the exact output of a program without inputs."""
    return exact.forward(model.program, NOTHING).fractions()


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceL1"])
@pytest.mark.parametrize(("keep", "shape"), [(1, (2, 1, 4)), (0, (2, 4))])
def test_a_sum_of_nothing_is_zero(op: str, keep: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    found = load(save(single(op, (2, 0, 4), ints(1), keepdims=keep), tmp_path))
    assert found.program.output.shape == shape
    assert values(found) == [0] * 8
    assert found.confirmation.status == "confirmed"


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceL1"])
def test_a_runtime_that_keeps_an_empty_axis_counted_from_the_end_is_reported(op: str, tmp_path: Path) -> None:
    """Which of the two onnxruntime does differs between processes: it reads a place before its list of lengths."""
    path = save(single(op, (2, 0), ints(-1)), tmp_path)
    assert values(load(path, verify=False)) == [0, 0]
    try:
        found = load(path)
    except UnsupportedModelError as error:
        assert "counted from the end, which onnxruntime may keep" in str(error)
    else:
        assert found.confirmation.status == "confirmed"


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceL1", "ReduceMax", "ReduceMin", "ReduceMean"])
def test_no_rows_stay_no_rows(op: str, tmp_path: Path) -> None:
    found = load(save(single(op, (2, 0, 4), ints(2)), tmp_path))
    assert found.program.output.shape == (2, 0, 1)
    assert values(found) == []


@pytest.mark.parametrize(
    ("op", "what"), [("ReduceMax", "minus infinity"), ("ReduceMin", "infinity"), ("ReduceMean", "undefined")]
)
def test_other_reductions_of_nothing_are_no_numbers(op: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=f"a reduction of nothing is {what}, which is no real number"):
        load(save(single(op, (2, 0, 4), ints(1)), tmp_path))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (single("Relu", (1, 0)), (1, 0)),
        (single("Abs", (3, 0, 2)), (3, 0, 2)),
        (single("Transpose", (1, 0, 3), perm=[1, 2, 0]), (0, 3, 1)),
        (single("Reshape", (1, 0, 3), ints(3, 0), allowzero=1), (3, 0)),
        (single("Flatten", (2, 0, 3)), (2, 0)),
        (single("Concat", (2, 0), (2, 0), axis=1), (2, 0)),
        (single("Gather", (2, 0), ints(1, 1, 0)), (3, 0)),
        (single("Add", (2, 0), np.ones((2, 1), np.float32)), (2, 0)),
        (single("MatMul", np.ones((3, 2), np.float32), (2, 0)), (3, 0)),
    ],
)
def test_no_entries_keep_their_shape(model: onnx.ModelProto, shape: tuple[int, ...], tmp_path: Path) -> None:
    found = load(save(model, tmp_path))
    assert found.program.output.shape == shape
    assert values(found) == []


@pytest.mark.parametrize("place", range(3))
def test_parts_without_entries_beside_parts_with_some(place: int, tmp_path: Path) -> None:
    parts = [0, 3, 0]
    found = load(save(single("Split", (2, 3), ints(*parts), axis=1, outputs=3), tmp_path), output=f"out{place}")
    assert found.program.output.shape == (2, parts[place])
    assert found.confirmation.status == "confirmed"


def test_a_product_over_nothing_is_zero(tmp_path: Path) -> None:
    found = load(save(single("MatMul", (2, 0), np.zeros((0, 3), np.float32)), tmp_path))
    assert found.program.output.shape == (2, 3)
    assert values(found) == [0] * 6


def test_a_model_without_input_entries_has_nothing_to_explain(tmp_path: Path) -> None:
    path = save(single("ReduceSum", (2, 0), ints(1)), tmp_path)
    assert exactbox.load(path).program.input_size == 0
    with pytest.raises(InputError, match="depends on no input entry"):
        exactbox.certify(path, np.zeros((2, 0)), box=(0, 1))
    with pytest.raises(InputError, match="depends on no input entry"):
        exactbox.region_at(exactbox.load(path), np.zeros((2, 0)))
