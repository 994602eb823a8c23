"""An operator means what its own version says; what a version does not have is refused by name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, defs, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from exactbox.importers import versions
from exactbox.importers.graph import Node
from exactbox.importers.onnx_model import Model, load
from exactbox.importers.versions import outside
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers.onnx_models import ML, AnyArray, build, save, tensor_info

Constants = dict[str, AnyArray]
Shape = tuple[int, ...]


def one(
    op: str,
    shape: Shape,
    opset: int,
    constants: Constants | None = None,
    outputs: tuple[str, ...] = ("y",),
    **given: Any,
) -> onnx.ModelProto:
    """Build a model of one node whose first operand is data."""
    names = ["x", *(constants or {})]
    node = helper.make_node(op, names, list(outputs), "node", **given)
    return build([node], {"x": shape}, ["y"], constants, opset=opset)


def refused(model: onnx.ModelProto, folder: Path, match: str) -> None:
    with pytest.raises(UnsupportedModelError, match=match):
        load(save(model, folder), verify=False)


def value(model: Model, point: AnyArray) -> AnyArray:
    """Return the exact output at a point, which float64 holds here."""
    found = exact.forward(model.program, exact_numbers(point.astype(np.float64).reshape(-1, 1)))
    return found.to_float().reshape(model.program.output.shape)


def numbers(*shape: int) -> AnyArray:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)


class TestWhatAVersionDoesNotHave:
    @pytest.mark.parametrize(
        ("op", "opset", "given"),
        [
            ("Clip", 11, {"min": 0.0}),
            ("Dropout", 7, {"is_test": 1}),
            ("BatchNormalization", 9, {"spatial": 1}),
            ("MaxPool", 9, {"kernel_shape": [1], "ceil_mode": 1}),
            ("AveragePool", 18, {"kernel_shape": [1], "dilations": [1]}),
            ("Add", 7, {"broadcast": 1}),
            ("Squeeze", 13, {"axes": [0]}),
            ("ReduceSum", 13, {"axes": [0]}),
            ("Flatten", 13, {"colour": 3}),
        ],
    )
    def test_an_attribute(self, op: str, opset: int, given: dict[str, Any], tmp_path: Path) -> None:
        name = [*given][-1]
        refused(
            one(op, (1, 2, 3), opset, **given), tmp_path, rf"{op} 'node': operator set {opset} .*no attribute {name}"
        )

    def test_an_input(self, tmp_path: Path) -> None:
        model = one("Dropout", (2,), 11, {"r": np.array(0.5, np.float32)})
        refused(model, tmp_path, "Dropout 'node': operator set 11 gives it at most 1 inputs, got 2")

    def test_an_output(self, tmp_path: Path) -> None:
        refused(one("Relu", (2,), 13, outputs=("y", "z")), tmp_path, "at most 1 outputs, got 2")

    def test_the_operator(self, tmp_path: Path) -> None:
        model = one("GatherElements", (2,), 10, {"i": np.zeros(2, np.int64)})
        refused(model, tmp_path, "GatherElements 'node': no operator of operator set 10")

    def test_a_set_that_nobody_knows(self, tmp_path: Path) -> None:
        newest = defs.onnx_opset_version()
        refused(one("Relu", (2,), newest + 1), tmp_path, f"operator set {newest + 1} is newer than the installed onnx")

    def test_a_version_that_was_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(versions, "READ", {"": 13, ML: 5})
        assert "its version 14 is newer than exactbox, which knows 13" in outside(Node("n", "Relu", (), (), version=14))
        assert not outside(Node("n", "Transpose", (), (), version=14))

    def test_a_domain_that_is_not_imported(self, tmp_path: Path) -> None:
        model = one("Relu", (2,), 13)
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid(ML, 3))
        with pytest.raises(InputError, match=r"expected an operator set of the domain 'ai\.onnx'"):
            load(save(model, tmp_path))

    def test_a_set_that_is_imported_twice_in_agreement(self, tmp_path: Path) -> None:
        model = one("Relu", (2,), 13)
        model.opset_import.append(helper.make_opsetid("ai.onnx", 13))
        assert load(save(model, tmp_path)).confirmation.status == "confirmed"


NORMALISING: Constants = {
    "s": np.array([2, -1], np.float32),
    "b": np.array([1, 0], np.float32),
    "m": np.array([1, 2], np.float32),
    "v": np.array([4, 1], np.float32),
}


class TestBatchNormalization:
    @pytest.mark.parametrize("opset", [7, 8, 9, 11, 13])
    @pytest.mark.parametrize("outputs", [("y", "m2", "v2", "m3", "v3"), ("y", "m2"), ("y", "", "v2")])
    def test_further_outputs_are_the_training_mode(self, opset: int, outputs: tuple[str, ...], tmp_path: Path) -> None:
        refused(one("BatchNormalization", (2, 2), opset, NORMALISING, outputs), tmp_path, "training mode")

    @pytest.mark.parametrize("opset", [6, 7, 9, 13, 14, 15])
    def test_one_output_is_inference(self, opset: int, tmp_path: Path) -> None:
        given: dict[str, Any] = {"is_test": 1} if opset < 7 else {}
        model = one("BatchNormalization", (1, 2), opset, NORMALISING, epsilon=0.0, **given)
        assert value(load(save(model, tmp_path)), np.array([3, 5])).tolist() == [[3, -3]]

    def test_is_test_is_0_where_it_is_not_said(self, tmp_path: Path) -> None:
        refused(one("BatchNormalization", (1, 2), 6, NORMALISING), tmp_path, "training mode")

    def test_numbers_for_each_entry(self, tmp_path: Path) -> None:
        """``spatial`` = 0: a mean and a variance for each entry of a sample."""
        constants = {"s": numbers(2, 2), "b": numbers(2, 2), "m": numbers(2, 2), "v": numbers(2, 2) ** 2}
        model = one("BatchNormalization", (1, 2, 2), 7, constants, spatial=0, epsilon=0.0)
        point = np.array([2, 4, 6, 8])
        assert value(load(save(model, tmp_path), verify=False), point).ravel().tolist() == [2, 4, 6, 8]
        small = {name: array[0] for name, array in constants.items()}
        refused(
            one("BatchNormalization", (1, 2, 2), 7, small, spatial=0), tmp_path, "expected 4 entries of each parameter"
        )


class TestBroadcasting:
    """Before set 7 the second operand is one number, or a run of the first one's axes; all of it only where asked."""

    @pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow"])
    def test_it_has_to_be_asked_for(self, op: str, tmp_path: Path) -> None:
        refused(one(op, (2, 3), 6, {"b": np.ones(3, np.float32)}), tmp_path, "the attribute broadcast is 0")

    @pytest.mark.parametrize(
        ("shape", "other", "given", "dims"),
        [
            ((2, 3, 2), (3,), {"axis": 1}, (3, 1)),
            ((2, 3, 2), (3, 2), {}, (3, 2)),
            ((2, 2), (2,), {"axis": 0}, (2, 1)),
            ((2, 3), (1, 1), {}, ()),
            ((2, 3), (), {}, ()),
            ((2, 3, 2), (2, 3), {"axis": 0}, (2, 3, 1)),
        ],
    )
    def test_it_starts_at_an_axis(
        self, shape: Shape, other: Shape, given: dict[str, Any], dims: Shape, tmp_path: Path
    ) -> None:
        model = one("Sub", shape, 6, {"b": numbers(*other)}, broadcast=1, **given)
        point = numbers(*shape) * 3
        assert np.array_equal(
            value(load(save(model, tmp_path), verify=False), point), point - numbers(*other).reshape(dims)
        )

    @pytest.mark.parametrize(
        ("shape", "other", "given"), [((3,), (2, 3), {}), ((2, 3), (2,), {}), ((2, 3), (3,), {"axis": 0})]
    )
    def test_other_shapes_are_refused(self, shape: Shape, other: Shape, given: dict[str, Any], tmp_path: Path) -> None:
        refused(one("Add", shape, 6, {"b": numbers(*other)}, broadcast=1, **given), tmp_path, "Add 'node'")

    @pytest.mark.parametrize("op", ["Max", "Min", "Sum", "Mean"])
    def test_many_operands_are_of_one_shape(self, op: str, tmp_path: Path) -> None:
        refused(one(op, (2, 3), 6, {"b": np.ones(3, np.float32)}), tmp_path, "no broadcasting before set 8")
        assert (
            load(save(one(op, (2, 3), 8, {"b": np.ones(3, np.float32)}), tmp_path)).confirmation.status == "confirmed"
        )

    def test_constants_too(self, tmp_path: Path) -> None:
        """Equal of constants at set 1: a run of axes from the first on."""
        nodes = [
            helper.make_node("Equal", ["a", "b"], ["e"], "equal", broadcast=1, axis=0),
            helper.make_node("Cast", ["e"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["x", "f"], ["y"]),
        ]
        constants = {"a": np.array([[1, 2], [1, 2]]), "b": np.array([1, 2])}
        model = load(save(build(nodes, {"x": (2, 2)}, ["y"], constants, opset=6), tmp_path), verify=False)
        assert value(model, np.ones(4)).tolist() == [[1, 0], [0, 1]]

    @pytest.mark.parametrize(
        ("shape", "given", "fits"), [((2,), {}, False), ((2,), {"broadcast": 1}, True), ((2, 2), {}, True)]
    )
    def test_the_bias_of_gemm(self, shape: Shape, given: dict[str, Any], fits: bool, tmp_path: Path) -> None:
        model = one("Gemm", (2, 2), 6, {"w": numbers(2, 2), "c": numbers(*shape)}, **given)
        if not fits:
            refused(model, tmp_path, "a bias of shape")
            return
        point = numbers(2, 2)
        assert np.array_equal(value(load(save(model, tmp_path), verify=False), point), point @ point + numbers(*shape))

    def test_slopes_belong_to_channels(self, tmp_path: Path) -> None:
        model = one("PRelu", (1, 2, 2), 6, {"s": np.array([2, 3], np.float32)})
        assert value(load(save(model, tmp_path), verify=False), -np.ones(4)).tolist() == [[[-2, -2], [-3, -3]]]
        refused(one("PRelu", (1, 2, 2), 6, {"s": np.ones((1, 2), np.float32)}), tmp_path, "a slope of shape")


class TestOtherOldVersions:
    def test_the_oldest_cast_names_its_type(self, tmp_path: Path) -> None:
        model = load(save(one("Cast", (2,), 5, to="FLOAT"), tmp_path), verify=False)
        assert value(model, np.array([1, 2])).tolist() == [1, 2]
        refused(one("Cast", (2,), 5, to="REAL"), tmp_path, "a cast to 'REAL', which is no element type")

    def test_the_oldest_masks_are_not_stated(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("Dropout", ["x"], ["d", "m"], "drop"), helper.make_node("Add", ["d", "m"], ["y"])]
        refused(build(nodes, {"x": (2,)}, ["y"], opset=7), tmp_path, r"Dropout 'drop': output 1 \('m'\) is not lowered")

    def test_scales_for_each_channel_came_later(self, tmp_path: Path) -> None:
        constants: Constants = {"q": np.ones((1, 2), np.int8), "s": np.array([1, 2], np.float32)}
        nodes = [
            helper.make_node("DequantizeLinear", ["q", "s"], ["d"], "dq"),
            helper.make_node("Add", ["x", "d"], ["y"]),
        ]
        refused(build(nodes, {"x": (1, 2)}, ["y"], constants, opset=12), tmp_path, "one number for the whole tensor")
        assert (
            load(save(build(nodes, {"x": (1, 2)}, ["y"], constants, opset=13), tmp_path)).confirmation.status
            == "confirmed"
        )

    @pytest.mark.parametrize(("opset", "given"), [(2, {}), (13, {}), (18, {"num_outputs": 3}), (18, {})])
    def test_parts_that_are_not_equal(self, opset: int, given: dict[str, Any], tmp_path: Path) -> None:
        outputs = ("y", "b", "c") if given else ("y", "b")
        model = one("Split", (5,), opset, None, outputs, **given)
        if given:
            assert load(save(model, tmp_path)).program.output.shape == (2,)
        else:
            refused(model, tmp_path, "Split 'node': .*(no 2 equal parts|num_outputs of 2)")

    def test_the_oldest_upsample_is_refused(self, tmp_path: Path) -> None:
        model = one("Upsample", (1, 1, 2, 2), 6, height_scale=2.0, width_scale=2.0)
        refused(model, tmp_path, "does not say where")

    def test_the_oldest_tile_is_refused(self, tmp_path: Path) -> None:
        constants = {"n": np.array(2, np.float32), "a": np.array(0, np.float32)}
        refused(one("Tile", (2,), 5, constants), tmp_path, "does not say whether entries or the whole tensor repeat")

    def test_an_experiment_of_the_first_sets(self, tmp_path: Path) -> None:
        model = load(save(one("ImageScaler", (1, 2, 1, 2), 8, scale=0.5, bias=[1.0, -2.0]), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert value(model, np.array([2, 4, 6, 8])).ravel().tolist() == [2, 3, 1, 2]
        refused(one("ImageScaler", (1, 2, 1, 2), 8, bias=[1.0]), tmp_path, "a bias a channel")


class TestPad:
    @pytest.mark.parametrize("n", [1, 2, 3])
    @pytest.mark.parametrize("low", range(-3, 4))
    def test_crops_of_any_length(self, n: int, low: int, tmp_path: Path) -> None:
        """Entry j of the result is entry j - low of the axis, or the fill where there is none; onnxruntime agrees."""
        for high in range(-n - low, 4):
            constants = {"p": np.array([low, high]), "v": np.array(7, np.float32)}
            model = one("Pad", (n,), 19, constants)
            if -low > n:
                refused(model, tmp_path, f"crops {-low} entries off the front of an axis of {n}")
                continue
            found = load(save(model, tmp_path))
            assert found.confirmation.status == "confirmed" or n + min(low, 0) + min(high, 0) <= 0
            wanted = [j - low + 1 if 0 <= j - low < n else 7 for j in range(n + low + high)]
            assert value(found, numbers(n)).tolist() == wanted

    @pytest.mark.parametrize(
        ("mode", "pads", "why"),
        [
            ("reflect", [3, 0], "further than the axis"),
            ("reflect", [-2, 1], "further than the axis"),
            ("edge", [2, -4], "crops more than there is"),
            ("edge", [-3, 4], "from its own entries"),
        ],
    )
    def test_what_no_entry_fills_is_refused(self, mode: str, pads: list[int], why: str, tmp_path: Path) -> None:
        refused(one("Pad", (3,), 19, {"p": np.array(pads)}, mode=mode), tmp_path, why)

    def test_minus_infinity_at_the_output_names_the_pad(self, tmp_path: Path) -> None:
        constants = {"p": np.array([1, 1]), "v": np.array(-np.inf, np.float32)}
        refused(one("Pad", (3,), 19, constants), tmp_path, "Pad 'node': pads with minus infinity")


class TestStoredValues:
    def test_an_input_with_a_stored_value_is_noted(self, tmp_path: Path) -> None:
        model = one("Add", (2,), 13, {"b": np.ones(2, np.float32)})
        model.graph.input.append(tensor_info("b", (2,)))
        assert "1 input has a stored value, taken as constants here: 'b'" in load(save(model, tmp_path)).notes

    def test_two_initializers_of_one_name_are_refused(self, tmp_path: Path) -> None:
        model = one("Add", (2,), 13, {"b": np.ones(2, np.float32)})
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "b"))
        with pytest.raises(InputError, match="expected initializers of distinct names, got 'b' twice"):
            load(save(model, tmp_path))

    def test_a_link_out_of_the_folder_is_called_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "blob").write_bytes(np.ones(2, np.float32).tobytes())
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "w.bin").symlink_to(tmp_path / "blob")
        model = one("Add", (2,), 13, {"b": np.ones(2, np.float32)})
        (tensor,) = model.graph.initializer
        set_external_data(tensor, "w.bin")
        tensor.ClearField("raw_data")
        with pytest.raises(InputError, match=r"'w\.bin': is a link whose target lies outside the model's folder"):
            load(save(model, folder))

    def test_an_input_of_truth_values_says_how_to_fix_it(self, tmp_path: Path) -> None:
        model = one("Where", (2,), 13)
        node = helper.make_node("Where", ["cond", "x", "x"], ["y"])
        model = build([node], {"x": (2,)}, ["y"], opset=13)
        model.graph.input.append(tensor_info("cond", (2,), TensorProto.BOOL))
        with pytest.raises(InputError, match=r"fix=\{'cond': True\}"):
            load(save(model, tmp_path))


@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("op", ["Scaler", "LinearRegressor", "LinearClassifier", "FeatureVectorizer"])
def test_whole_numbers_are_features(op: str, dtype: int, tmp_path: Path) -> None:
    attributes: dict[str, dict[str, Any]] = {
        "Scaler": {"offset": [1.0, 2.0], "scale": [0.5, 2.0]},
        "LinearRegressor": {"coefficients": [1.0, -2.0], "intercepts": [0.5]},
        "LinearClassifier": {
            "coefficients": [1.0, 0.0, 0.0, 1.0],
            "intercepts": [0.0, 0.5],
            "classlabels_ints": [0, 1],
        },
        "FeatureVectorizer": {"inputdimensions": [2]},
    }
    outputs = ["label", "y"] if op == "LinearClassifier" else ["y"]
    node = helper.make_node(op, ["x"], outputs, "node", domain=ML, **attributes[op])
    model = build([node], {}, ["y"])
    model.graph.input.append(tensor_info("x", (1, 2), dtype))
    found = load(save(model, tmp_path), output="y")
    wanted = {
        "Scaler": [1, 2],
        "LinearRegressor": [Fraction(-5, 2)],
        "LinearClassifier": [3, Fraction(7, 2)],
        "FeatureVectorizer": [3, 3],
    }
    assert exact.forward(found.program, exact_numbers(np.array([[3.0], [3.0]]))).fractions() == wanted[op]
    known = op != "LinearRegressor" or dtype == TensorProto.FLOAT  # the runtime has no kernel for the others
    assert (found.confirmation.status == "confirmed") == known
