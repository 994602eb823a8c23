"""Weights stored as whole numbers with a scale are exact constants; what rounds data to them is refused."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import load, lower_file
from exactbox.importers.values import Constant
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import AnyArray, build, save

STEPS = np.array([[-5, 7, 3], [2, 0, -128]], np.int8)
TENTH = np.array(0.1, np.float32)


def scaled(constants: Mapping[str, AnyArray], opset: int = 21, **attributes: Any) -> onnx.ModelProto:
    """Make a model of ``x`` (1, 2) times dequantized weights."""
    nodes = [
        helper.make_node("DequantizeLinear", list(constants), ["w"], "scale", **attributes),
        helper.make_node("MatMul", ["x", "w"], ["y"], "mix"),
    ]
    return build(nodes, {"x": (1, 2)}, ["y"], constants, opset=opset)


@pytest.mark.parametrize(
    ("constants", "attributes", "weights"),
    [
        ({"q": STEPS, "s": TENTH}, {}, STEPS),
        ({"q": STEPS, "s": TENTH, "z": np.array(3, np.int8)}, {}, STEPS.astype(int) - 3),
        ({"q": STEPS.astype(np.int32), "s": TENTH}, {}, STEPS),
        ({"q": STEPS, "s": TENTH.reshape(1)}, {}, STEPS),
        ({"q": STEPS, "s": TENTH * np.ones(3, np.float32)}, {"axis": 1}, STEPS),
        ({"q": STEPS, "s": TENTH * np.ones((1, 3), np.float32)}, {"axis": 0, "block_size": 2}, STEPS),
        ({"q": STEPS, "s": TENTH * np.ones((2, 2), np.float32)}, {"axis": -1, "block_size": 2}, STEPS),
        ({"q": STEPS, "s": TENTH * np.ones((2, 1), np.float32)}, {"axis": 1, "block_size": 2**62}, STEPS),
    ],
    ids=["plain", "zero_point", "wide", "one_entry", "columns", "blocks", "cut_blocks", "one_block"],
)  # fmt: skip
def test_weights_are_the_exact_products(
    constants: Mapping[str, AnyArray], attributes: Mapping[str, Any], weights: AnyArray, tmp_path: Path
) -> None:
    model = load(save(scaled(constants, **attributes), tmp_path))
    assert model.confirmation.status == "confirmed"
    found = exact.forward(model.program, from_fractions([Fraction(2), Fraction(-3)], (2, 1))).fractions()
    step = Fraction(float(TENTH))  # the stored float32, not 1/10
    assert found == [step * (2 * int(a) - 3 * int(b)) for a, b in zip(*weights.tolist(), strict=True)]


def test_four_bits_and_half_precision_scales(tmp_path: Path) -> None:
    proto = scaled({"s": np.array(0.5, np.float16)}, opset=21)
    proto.graph.node[0].input[:] = ["q", "s"]
    proto.graph.initializer.append(helper.make_tensor("q", TensorProto.INT4, (2, 3), [-8, 7, 1, 0, -1, 3]))
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    model = load(save(proto, tmp_path))
    found = exact.forward(model.program, from_fractions([Fraction(1), Fraction(4)], (2, 1))).fractions()
    assert found == [Fraction(n, 2) for n in (-8, 7 - 4, 1 + 12)]


def test_the_runtimes_rounding_of_a_weight_is_bounded(tmp_path: Path) -> None:
    """The float product of step and scale is not the exact one, and the constant says how far it may be."""
    scale = np.array(1 / 3, np.float32)
    proto = scaled({"q": np.array([[97, 3, -3], [5, 7, 0]], np.int8), "s": scale})
    weights = lower_file(read_onnx(save(proto, tmp_path), Limits()), None, {}, Limits()).lowering.values["w"]
    assert isinstance(weights, Constant)
    assert weights.error is not None
    exactly = [step * Fraction(float(scale)) for step in (97, 3, -3, 5, 7, 0)]
    assert weights.rationals().fractions() == exactly
    in_floats = (np.array([97, 3, -3, 5, 7, 0], np.float32) * scale).tolist()
    gaps = [abs(Fraction(value) - number) for value, number in zip(in_floats, exactly, strict=True)]
    assert any(gaps)
    assert all(gap <= Fraction(bound) for gap, bound in zip(gaps, weights.error.ravel().tolist(), strict=True))
    assert weights.error.max() < 1e-4


def test_an_input_of_stored_floats_is_scaled(tmp_path: Path) -> None:
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["y"], "scale")
    proto = build([node], {}, ["y"], {"s": np.array(2.5, np.float32)}, opset=21)
    proto.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT8E4M3FN, (3,)))
    model = load(save(proto, tmp_path))
    point = from_fractions([Fraction(1), Fraction(-3), Fraction(448)], (3, 1))
    assert exact.forward(model.program, point).fractions() == [Fraction(5, 2), Fraction(-15, 2), 1120]


@pytest.mark.parametrize(
    ("constants", "attributes", "why"),
    [
        ({"q": STEPS, "s": np.ones(4, np.float32)}, {}, r"the scale of shape \(4,\) does not fit"),
        ({"q": STEPS, "s": TENTH, "z": np.ones(2, np.int8)}, {}, r"the zero point of shape \(2,\) does not fit"),
        ({"q": STEPS, "s": np.ones((2, 3), np.float32)}, {"block_size": 2}, "does not fit"),
        ({"q": STEPS, "s": TENTH}, {"output_dtype": TensorProto.INT8}, "expected floats with arithmetic"),
        ({"q": STEPS, "s": np.array(np.inf, np.float32)}, {}, "not finite"),
        ({"q": STEPS, "s": np.ones(3, np.float32)}, {"axis": 7}, "axis 7 does not fit"),
    ],
    ids=["scale", "zero_point", "blocks", "type", "infinite", "axis"],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    constants: Mapping[str, AnyArray], attributes: Mapping[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises((UnsupportedModelError, InputError), match=why):
        load(save(scaled(constants, opset=23, **attributes), tmp_path), verify=False)


def test_a_product_of_inputs_and_rounding_are_refused(tmp_path: Path) -> None:
    both = build([helper.make_node("DequantizeLinear", ["x", "s"], ["y"], "scale")], {"s": ()}, ["y"], opset=21)
    both.graph.input.append(helper.make_tensor_value_info("x", TensorProto.INT8, (3,)))
    with pytest.raises(UnsupportedModelError, match="DequantizeLinear 'scale': product of two data tensors"):
        load(save(both, tmp_path))
    rounding = build([helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "round")], {"x": (3,)}, ["y"], {"s": TENTH})
    with pytest.raises(UnsupportedModelError, match="QuantizeLinear 'round': a quantised model"):
        load(save(rounding, tmp_path))


@pytest.mark.parametrize("attributes", [{}, {"k": -1}, {"k": 2, "dtype": TensorProto.DOUBLE}])
def test_a_diagonal_of_ones_is_a_constant(attributes: dict[str, int], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("EyeLike", ["x"], ["e"], "eye", **attributes),  # type: ignore[arg-type]
        helper.make_node("CastLike", ["e", "x"], ["f"]),
        helper.make_node("Sub", ["x", "f"], ["y"]),
    ]
    model = load(save(build(nodes, {"x": (2, 3)}, ["y"]), tmp_path))
    assert model.confirmation.status == "confirmed"
    found = exact.forward(model.program, from_fractions([Fraction(0)] * 6, (6, 1))).to_float()
    assert found.ravel().tolist() == (-np.eye(2, 3, attributes.get("k", 0))).ravel().tolist()
