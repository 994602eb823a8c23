"""What a loss is refused for, and how large the error bound of its mean is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import AnyArray, build, save


def loss(target: AnyArray, weight: AnyArray | None = None, **attributes: Any) -> onnx.ModelProto:
    """Make a model of one loss over ``x`` (2, 3)."""
    constants = {"t": target} | ({} if weight is None else {"w": weight})
    node = helper.make_node("NegativeLogLikelihoodLoss", ["x", *constants], ["y"], "loss", **attributes)
    return build([node], {"x": (2, 3)}, ["y"], constants)


def test_weighted_mean_is_exact_where_floats_are_not(tmp_path: Path) -> None:
    model = load(save(loss(np.array([0, 2]), np.array([1, 5, 2], np.float32)), tmp_path))
    point = from_fractions([Fraction(n) for n in (3, 0, 0, 0, 0, 4)], (6, 1))
    # -(1 * 3 + 2 * 4) / (1 + 2)
    assert exact.forward(model.program, point).fractions() == [Fraction(-11, 3)]
    assert model.confirmation.status == "confirmed"
    assert model.confirmation.bound < 1e-3


def test_cancelling_weights_widen_the_bound(tmp_path: Path) -> None:
    steep = np.array([1, 0, -1 + 2.0**-12], np.float32)
    plain, cancelling = (
        load(save(loss(np.array([0, 2]), weight), tmp_path)).confirmation for weight in (np.abs(steep), steep)
    )
    assert plain.status == cancelling.status == "confirmed"
    assert cancelling.bound > 1000 * plain.bound


def test_ignored_samples_leave_the_mean(tmp_path: Path) -> None:
    model = load(save(loss(np.array([1, 2]), ignore_index=2), tmp_path))
    point = from_fractions([Fraction(n) for n in (0, 7, 0, 5, 5, 5)], (6, 1))
    assert exact.forward(model.program, point).fractions() == [Fraction(-7)]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (loss(np.array([0, 3])), "targets 0..3 leave 3 classes"),
        (loss(np.array([0, -1])), "targets -1..0 leave 3 classes"),
        (loss(np.array([0, 1, 2])), r"a target of shape \(3,\) does not fit"),
        (loss(np.array([0, 1]), np.ones(2, np.float32)), "a weight for each of 3 classes"),
        (loss(np.array([0, 1]), np.array([1, -1, 0], np.float32)), "a division by 0"),
        (loss(np.array([1, 1]), ignore_index=1), "a division by 0"),
        (loss(np.array([0, 1]), reduction="median"), "reduction median is not known"),
        (loss(np.array([0.0, 1.0], np.float32)), "the target: expected whole numbers, got float32"),
    ],
    ids=["above", "below", "shape", "weights", "weights_sum_to_0", "all_ignored", "reduction", "floats"],
)  # fmt: skip
def test_a_loss_without_a_meaning_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path), verify=False)


def test_a_target_that_depends_on_the_input_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("NegativeLogLikelihoodLoss", ["x", "t"], ["y"], "loss")
    proto = build([node], {"x": (2, 3)}, ["y"])
    proto.graph.input.append(helper.make_tensor_value_info("t", onnx.TensorProto.INT64, (2,)))
    with pytest.raises(UnsupportedModelError, match="the target depends on the model's input"):
        load(save(proto, tmp_path), verify=False)


@pytest.mark.parametrize(
    ("inputs", "attributes", "opset"),
    [(["x", "half", "yes"], {}, 20), (["x", "", "yes"], {}, 20), (["x"], {"ratio": 0.5}, 6)],
    ids=["ratio", "default", "legacy"],
)
def test_dropping_at_random_is_refused(
    inputs: list[str], attributes: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    node = helper.make_node("Dropout", inputs, ["y"], "drop", **attributes)
    constants = {"half": np.array(0.5, np.float32), "yes": np.array(True)}
    used = {name: value for name, value in constants.items() if name in inputs}
    with pytest.raises(UnsupportedModelError, match="random: Dropout in training mode"):
        load(save(build([node], {"x": (2, 3)}, ["y"], used, opset=opset), tmp_path), verify=False)


@pytest.mark.parametrize(("attributes", "mask"), [({"ratio": 0.0}, False), ({"ratio": 0.9, "is_test": 1}, False)])
def test_legacy_dropout_of_nothing_is_the_identity(attributes: dict[str, Any], mask: bool, tmp_path: Path) -> None:
    node = helper.make_node("Dropout", ["x"], ["y", "m"] if mask else ["y"], "drop", **attributes)
    model = load(save(build([node], {"x": (2, 3)}, ["y"], opset=6), tmp_path), verify=False)
    point = from_fractions([Fraction(n) for n in range(6)], (6, 1))
    assert exact.forward(model.program, point).fractions() == [Fraction(n) for n in range(6)]
