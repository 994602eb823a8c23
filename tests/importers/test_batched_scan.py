"""The oldest Scan, which has a batch in front and lengths of its own: every sample is scanned by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.onnx_model import Model, load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, build, save, tensor_info
from tests.importers.optable import ints

node = helper.make_node
BODY = helper.make_graph(
    [node("Add", ["s", "v"], ["t"]), node("Relu", ["t"], ["s2"], "bend"), node("Neg", ["t"], ["u"])],
    "body",
    [tensor_info(name, (2,)) for name in ("s", "v")],
    [tensor_info(name, (2,)) for name in ("s2", "u")],
)


def scan(lengths: AnyArray | None = None, batch: int = 2, longest: int = 3, **attributes: Any) -> onnx.ModelProto:
    """Build the scan of a batch of sequences."""
    inputs = ["n" if lengths is not None else "", "s0", "x"]
    made = node("Scan", inputs, ["y", "all"], "scan", body=BODY, num_scan_inputs=1, **attributes)
    constants = {} if lengths is None else {"n": lengths}
    return build([made], {"s0": (batch, 2), "x": (batch, longest, 2)}, ["y", "all"], constants, opset=8)


def expected(point: AnyArray, lengths: list[int], longest: int, backwards: bool) -> tuple[list[int], list[int]]:
    """Compute final states and scanned outputs by hand."""
    batch = len(lengths)
    states, sequences = point[: 2 * batch].reshape(batch, 2).copy(), point[2 * batch :].reshape(batch, longest, 2)
    rows = np.zeros_like(sequences)
    for sample, length in enumerate(lengths):
        for turn in range(length):
            before = states[sample] + sequences[sample, longest - 1 - turn if backwards else turn]
            states[sample], rows[sample, turn] = np.maximum(before, 0), -before
    return states.ravel().tolist(), rows.ravel().tolist()


def values(model: Model, point: AnyArray) -> list[Any]:
    """Return the exact output at one point of whole numbers."""
    return exact.forward(model.program, Rationals(int_array(point.tolist()).reshape(-1, 1))).fractions()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("output", ["y", "all"])
def test_every_sample_is_scanned(output: str, backwards: bool, tmp_path: Path) -> None:
    attributes: dict[str, Any] = {"directions": [1]} if backwards else {}
    model = load(save(scan(**attributes), tmp_path), output=output)
    assert model.confirmation.status == "confirmed", model.confirmation
    point = np.random.default_rng(1).integers(-4, 5, 16)
    states, rows = expected(point, [3, 3], 3, backwards)
    assert values(model, point) == (states if output == "y" else rows)
    assert model.program.output.shape == ((2, 2) if output == "y" else (2, 3, 2))


@pytest.mark.parametrize("lengths", [[3, 1], [0, 2], [0, 0]])
def test_states_stop_at_the_length_of_their_sequence(lengths: list[int], tmp_path: Path) -> None:
    model = load(save(scan(ints(*lengths)), tmp_path), output="y")
    assert (model.confirmation.status == "confirmed") == (min(lengths) > 0)  # onnxruntime refuses the length 0
    point = np.random.default_rng(2).integers(-4, 5, 16)
    assert values(model, point) == expected(point, lengths, 3, False)[0]


def test_what_lies_behind_a_short_sequence_is_undefined(tmp_path: Path) -> None:
    path = save(scan(ints(3, 1)), tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"output 1 \('all'\) is not lowered"):
        load(path, output="all")
    assert load(save(scan(ints(3, 3)), tmp_path), output="all").program.output.shape == (2, 3, 2)


def test_turns_are_named_by_sample(tmp_path: Path) -> None:
    program = load(save(scan(), tmp_path), output="y").program
    assert any("sample 1 turn 2" in item.node for item in program.provenance)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (scan(ints(4, 1)), "do not fit together, or to lengths"),
        (scan(ints(-1, 1)), "do not fit together, or to lengths"),
        (scan(ints(1)), "do not fit together, or to lengths"),
        (scan(ints(3, 1), directions=[1]), "read backwards"),
        (scan(directions=[1, 0]), "directions: expected 1 number"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path), output="y")


def test_a_batch_without_a_sequence_axis_is_refused(tmp_path: Path) -> None:
    made = node("Scan", ["", "s0", "x"], ["y", "all"], "scan", body=BODY, num_scan_inputs=1)
    model = build([made], {"s0": (2, 2), "x": (2,)}, ["y", "all"], opset=8, dtype=TensorProto.FLOAT)
    with pytest.raises(UnsupportedModelError, match="do not fit together"):
        load(save(model, tmp_path), output="y")
