"""Casts between element types: what computes nothing, what rounds in the runtime, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import Lowered, load, lower_file
from exactbox.importers.runtime import random_points
from exactbox.importers.values import Constant
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Scale
from tests.importers.onnx_models import ML, AnyArray, build, save

_FLOATS = {
    "half": TensorProto.FLOAT16, "brain": TensorProto.BFLOAT16, "float": TensorProto.FLOAT,
    "double": TensorProto.DOUBLE, "e4m3": TensorProto.FLOAT8E4M3FN, "e4m3z": TensorProto.FLOAT8E4M3FNUZ,
    "e5m2": TensorProto.FLOAT8E5M2, "e5m2z": TensorProto.FLOAT8E5M2FNUZ, "e8m0": TensorProto.FLOAT8E8M0,
    "e2m1": TensorProto.FLOAT4E2M1, "int64": TensorProto.INT64, "int8": TensorProto.INT8, "int2": TensorProto.INT2,
    "uint4": TensorProto.UINT4,
}  # fmt: skip


def cast(source: str, target: str, folder: Path) -> Lowered:
    """Lower one cast of an input ``x`` (3,)."""
    proto = build([helper.make_node("Cast", ["x"], ["y"], "cast", to=_FLOATS[target])], {}, ["y"], opset=25)
    proto.graph.input.append(helper.make_tensor_value_info("x", _FLOATS[source], (3,)))
    return lower_file(read_onnx(save(proto, folder), Limits()), None, {}, Limits())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("half", "float"), ("brain", "float"), ("half", "double"), ("float", "double"), ("int8", "double"),
        ("e4m3", "float"), ("e4m3z", "half"), ("e4m3", "brain"), ("e5m2", "float"), ("e5m2z", "brain"),
        ("e8m0", "double"), ("e2m1", "half"), ("int2", "double"), ("uint4", "double"),
    ],
)  # fmt: skip
def test_a_cast_to_a_format_that_holds_the_numbers_computes_nothing(source: str, target: str, tmp_path: Path) -> None:
    found = cast(source, target, tmp_path)
    assert not any(isinstance(item, Scale) for item in found.program.instructions)
    assert found.program.inputs[0].size == 3
    assert not found.lowering.builder.roundings


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("float", "half"), ("double", "float"), ("brain", "half"), ("half", "brain"), ("int64", "double"),
        ("int8", "float"), ("e5m2", "half"), ("e8m0", "float"), ("e8m0", "half"),
    ],
)  # fmt: skip
def test_a_cast_that_may_round_is_a_product_by_one(source: str, target: str, tmp_path: Path) -> None:
    """Also where the format has more digits but a smaller range."""
    found = cast(source, target, tmp_path)
    factors = [item.factor.fractions() for item in found.program.instructions if isinstance(item, Scale)]
    assert factors == [[1, 1, 1]]


@pytest.mark.parametrize(("source", "target"), [("float", "e4m3"), ("half", "e2m1"), ("double", "int64")])
def test_a_cast_of_data_to_few_numbers_jumps(source: str, target: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="Cast 'cast': data-dependent comparison"):
        cast(source, target, tmp_path)


def test_arithmetic_on_stored_formats_is_refused(tmp_path: Path) -> None:
    proto = build([helper.make_node("Add", ["x", "x"], ["y"], "sum")], {}, ["y"], opset=25)
    proto.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT8E5M2, (3,)))
    with pytest.raises(UnsupportedModelError, match="arithmetic on float8_e5m2 data"):
        load(save(proto, tmp_path))


@pytest.mark.parametrize("source", ["e4m3", "e8m0", "e2m1", "brain", "int2"])
def test_a_model_over_stored_formats_loads_with_the_runtimes_word(source: str, tmp_path: Path) -> None:
    """The runtime may have no kernel for the format; that is said, and nothing else happens."""
    widen = helper.make_node("Cast", ["x"], ["z"], "cast", to=TensorProto.DOUBLE)
    proto = build([widen, helper.make_node("Neg", ["z"], ["y"])], {}, ["y"], opset=25, dtype=TensorProto.DOUBLE)
    proto.graph.input.append(helper.make_tensor_value_info("x", _FLOATS[source], (3,)))
    model = load(save(proto, tmp_path))
    assert model.program.inputs[0].size == model.program.output_size == 3
    assert model.confirmation.status in ("confirmed", "not confirmed")


@pytest.mark.parametrize("source", sorted(_FLOATS))
def test_random_inputs_are_numbers_of_the_inputs_own_type(source: str, tmp_path: Path) -> None:
    program = cast(source, "double", tmp_path).program
    points = random_points(program)
    assert np.isfinite(points).all()
    assert points.astype(np.dtype(program.inputs[0].dtype)).astype(np.float64).tolist() == points.tolist()
    assert len(set(points.ravel().tolist())) > 1


def folded(values: AnyArray, *targets: int, folder: Path) -> Constant:
    """Cast a constant from type to type."""
    names = ["c", *(f"c{i}" for i in range(len(targets)))]
    nodes = [helper.make_node("Cast", [names[i]], [names[i + 1]], to=kind) for i, kind in enumerate(targets)]
    nodes.append(helper.make_node("CastLike", [names[-1], names[-1]], ["y"], "last"))
    proto = build(nodes, {"x": (1,)}, ["y"], {"c": values}, opset=25)
    found = lower_file(read_onnx(save(proto, folder), Limits()), None, {}, Limits()).lowering.values["y"]
    assert isinstance(found, Constant)
    return found


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        (np.array([200, -1, 127], np.int16), TensorProto.INT8, [-56, -1, 127]),
        (np.array([9, -9, 16], np.int32), TensorProto.INT4, [-7, 7, 0]),
        (np.array([-1, 17, 15], np.int64), TensorProto.UINT4, [15, 1, 15]),
        (np.array([2, -3, 1], np.int64), TensorProto.INT2, [-2, 1, 1]),
        (np.array([5, -1, 3], np.int8), TensorProto.UINT2, [1, 3, 3]),
        (np.array([2.9, -2.9, 0.5], np.float32), TensorProto.INT4, [2, -2, 0]),
        (np.array([-0.9, 255.5, 3], np.float64), TensorProto.UINT8, [0, 255, 3]),
        (np.array([0, -3, 2], np.int64), TensorProto.BOOL, [0, 1, 1]),
    ],
)  # fmt: skip
def test_constants_drop_high_bits_and_fractions(
    values: AnyArray, target: int, expected: list[int], tmp_path: Path
) -> None:
    assert folded(values, target, folder=tmp_path).integers() == expected


@pytest.mark.parametrize(
    ("values", "targets", "where"),
    [
        (np.array([8.0], np.float32), [TensorProto.INT4], "int4"),
        (np.array([-1.0], np.float32), [TensorProto.UINT8], "uint8"),
        (np.array([2.0**63], np.float64), [TensorProto.INT64], "int64"),
        (np.array([np.nan], np.float32), [TensorProto.INT32], "int32"),
        (np.array([-np.inf], np.float32), [TensorProto.INT32], "int32"),
        (np.array([300], np.int64), [TensorProto.FLOAT, TensorProto.INT8], "int8"),
    ],
)  # fmt: skip
def test_floats_that_do_not_fit_whole_numbers_are_refused(
    values: AnyArray, targets: list[int], where: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"numbers that {where} does not hold"):
        folded(values, *targets, folder=tmp_path)


def test_a_constant_keeps_its_number_and_knows_the_runtimes_error(tmp_path: Path) -> None:
    values = np.array([1.0, 2.0**-30, 1 + 2.0**-20], np.float32)
    found = folded(values, TensorProto.FLOAT16, folder=tmp_path)
    assert found.rationals().to_float().tolist() == values.tolist()
    assert found.error is not None
    assert found.error.tolist()[1] >= 2.0**-30  # the runtime's own may be 0
    assert np.all(np.abs(values.astype(np.float16).astype(np.float64) - values) <= found.error)


def test_an_output_that_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    known = {"c": np.array([np.nan], np.float32)}
    proto = build([helper.make_node("Identity", ["c"], ["y"])], {"x": (1,)}, ["y"], known)
    with pytest.raises(UnsupportedModelError, match="output 'y': a constant operand is not finite"):
        load(save(proto, tmp_path))


def test_types_are_named(tmp_path: Path) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(build([helper.make_node("Identity", ["x"], ["y"])], {}, ["y"]))
    proto.graph.input.append(helper.make_tensor_value_info("x", TensorProto.COMPLEX64, (3,)))
    with pytest.raises(InputError, match="expected numbers, got elements of type complex64"):
        load(save(proto, tmp_path))


@pytest.mark.parametrize(("value", "told"), [(65519.0, False), (65520.0, True), (-65520.0, True)])
def test_a_constant_that_a_short_format_takes_for_infinity_is_told(value: float, told: bool, tmp_path: Path) -> None:
    """65 520 lies halfway between the largest float16 and what would follow it."""
    nodes = [
        helper.make_node("Cast", ["c"], ["h"], "short", to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["h"], ["f"], "wide", to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "f"], ["y"]),
    ]  # fmt: skip
    path = save(build(nodes, {"x": (1,)}, ["y"], {"c": np.array([value], np.float32)}), tmp_path)
    notes = load(path, verify=False).notes
    assert any("Cast 'short': a constant larger than float16 holds" in note for note in notes) == told
    if told:
        with pytest.raises(UnsupportedModelError, match="for infinity"):
            load(path)
    else:
        assert load(path).confirmation.status == "confirmed"


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Scaler", {"offset": [0.1], "scale": [0.3]}),
        ("FeatureVectorizer", {"inputdimensions": [2]}),
        ("LinearRegressor", {"coefficients": [0.1, 0.3], "intercepts": [0.7]}),
        ("SVMRegressor", {"coefficients": [0.1], "rho": [0.5], "support_vectors": [1.0, 0.3], "n_supports": 1}),
        ("LinearClassifier", {"coefficients": [0.1] * 4, "intercepts": [0.0, 0.1], "classlabels_ints": [0, 1]}),
    ],
)
def test_features_of_double_precision_give_floats(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    """The results of these operators are float32 whatever the features are; onnxruntime rounds to it, where it runs."""
    outputs = ["label", "y"] if op == "LinearClassifier" else ["y"]
    proto = build([helper.make_node(op, ["x"], outputs, "ml", domain=ML, **attributes)], {}, ["y"])
    proto.graph.input.append(helper.make_tensor_value_info("x", TensorProto.DOUBLE, (1, 2)))
    found = load(save(proto, tmp_path))
    assert (found.program.inputs[0].dtype, found.program.output.dtype) == ("float64", "float32")
    assert found.confirmation.status == ("not confirmed" if op.endswith("Regressor") else "confirmed")


@pytest.mark.parametrize("dims", [[1], [3], [2, 2]])
def test_other_widths_than_the_stated_ones_are_refused(dims: list[int], tmp_path: Path) -> None:
    node = helper.make_node("FeatureVectorizer", ["x"], ["y"], domain=ML, inputdimensions=dims)
    proto = build([node], {"x": (1, 2)}, ["y"])
    with pytest.raises(UnsupportedModelError, match=r"are not the widths \(2,\) of the inputs"):
        load(save(proto, tmp_path))
