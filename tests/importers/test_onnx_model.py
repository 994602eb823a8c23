"""What ``load`` tells about a model: outputs, decisions, names, open dimensions, replaced constants, refusals."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Max
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import build, mlp, save, tensor_info

node = helper.make_node


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    path = save(mlp(), tmp_path)
    model = load(path)
    assert model.path == str(path)
    assert len(model.sha256) == 64
    assert model.opsets == (("", 20), ("ai.onnx.ml", 3))
    assert model.ir_version == 10
    assert model.output_choice == "output 'y' chosen (the only one)"
    assert model.replaced_constants == ()
    assert model.warnings == ()
    assert model.confirmation.status == "confirmed"
    assert model.confirmation.max_difference <= model.confirmation.bound


def test_units_carry_the_names_of_nodes(tmp_path: Path) -> None:
    program = load(save(mlp(), tmp_path)).program
    (position,) = program.max_positions
    assert program.unit_name(position, 3) == "Relu 'relu0'[3]"
    assert [item.node for item in program.provenance] == [
        "input", "Gemm 'gemm0'", "Gemm 'gemm0'", "Relu 'relu0'", "Gemm 'gemm1'", "Gemm 'gemm1'",
    ]  # fmt: skip


def test_a_node_without_a_name_is_called_after_its_output(tmp_path: Path) -> None:
    model = mlp()
    model.graph.node[1].name = ""
    program = load(save(model, tmp_path)).program
    assert program.unit_name(program.max_positions[0], 0) == "Relu 'h0'[0]"


def test_units_of_images_carry_channel_and_place(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"], "conv"), node("Relu", ["c"], ["y"], "relu")]
    model = build(nodes, {"x": (1, 1, 4, 4)}, ["y"], {"w": np.ones((2, 1, 2, 2), np.float32)})
    program = load(save(model, tmp_path)).program
    assert program.unit_name(program.max_positions[0], 10) == "Relu 'relu'[1,0,1]"


class TestDimensions:
    @pytest.mark.parametrize("batch", ["N", "unk__12", None, 0])
    def test_a_leading_open_dimension_becomes_one(self, batch: str | int | None, tmp_path: Path) -> None:
        model = mlp()
        del model.graph.input[:]
        model.graph.input.append(tensor_info("x", (batch, 3)))
        found = load(save(model, tmp_path))
        assert found.program.inputs[0].shape == (1, 3)
        assert any("fixed to 1" in note for note in found.notes)

    def test_another_open_dimension_asks_for_a_size(self, tmp_path: Path) -> None:
        path = save(build([node("Relu", ["x"], ["y"])], {"x": ("N", "width", 2)}), tmp_path)
        with pytest.raises(InputError, match=r"dims=\{'width': SIZE\}"):
            load(path)
        assert load(path, dims={"width": 3}).program.inputs[0].shape == (1, 3, 2)
        assert load(path, dims={"width": 3, "N": 2}).program.inputs[0].shape == (2, 3, 2)

    def test_a_dimension_without_a_name_gets_one(self, tmp_path: Path) -> None:
        path = save(build([node("Relu", ["x"], ["y"])], {"x": (1, None)}), tmp_path)
        with pytest.raises(InputError, match=r"dims=\{'x\.1': SIZE\}"):
            load(path)
        assert load(path, dims={"x.1": 5}).program.input_size == 5

    def test_a_dimension_that_is_not_open(self, tmp_path: Path) -> None:
        path = save(build([node("Relu", ["x"], ["y"])], {"x": ("N", 2)}), tmp_path)
        with pytest.raises(InputError, match="no open dimension is named 'M'; open are: N"):
            load(path, dims={"M": 3})
        with pytest.raises(InputError, match="expected a positive number, got 0"):
            load(path, dims={"N": 0})
        with pytest.raises(InputError, match="all dimensions have a size"):
            load(save(mlp(), tmp_path), dims={"N": 1})

    def test_an_input_without_a_shape(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected a declared shape"):
            load(save(build([node("Relu", ["x"], ["y"])], {"x": None}), tmp_path))

    def test_an_input_without_entries(self, tmp_path: Path) -> None:
        found = load(save(build([node("Relu", ["x"], ["y"])], {"x": (1, 0)}), tmp_path))
        assert (found.program.input_size, found.program.output.shape) == (0, (1, 0))
        assert "input 'x' of shape [1, 0] has no entries" in found.notes

    def test_an_input_of_text(self, tmp_path: Path) -> None:
        model = build([node("Identity", ["x"], ["y"])], {"x": (1, 2)}, ["y"], dtype=TensorProto.STRING)
        with pytest.raises(InputError, match="expected numbers, got elements of type string"):
            load(save(model, tmp_path))

    def test_whole_number_inputs_become_real(self, tmp_path: Path) -> None:
        nodes = [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), node("Mul", ["f", "c"], ["y"])]
        model = build(nodes, {"x": (1, 2)}, [tensor_info("y", None)], {"c": np.array([2, 3], np.float32)})
        model.graph.input[0].CopyFrom(tensor_info("x", (1, 2), TensorProto.INT64))
        found = load(save(model, tmp_path))
        assert found.program.inputs[0].dtype == "int64"
        assert found.confirmation.status == "confirmed"


class TestOutputs:
    def two(self, tmp_path: Path) -> Path:
        nodes = [node("Relu", ["a"], ["first"]), node("Add", ["a", "b"], ["second"])]
        return save(build(nodes, {"a": (2,), "b": (2,)}, ["first", "second"]), tmp_path)

    def test_the_first_is_assumed_and_said(self, tmp_path: Path) -> None:
        model = load(self.two(tmp_path))
        assert model.output_choice == "output 'first' chosen (assumed)"
        assert "output 'second' is not explained" in model.notes
        assert "input 'b' does not influence output 'first'" in model.notes
        assert [port.name for port in model.program.inputs] == ["a"]

    def test_another_can_be_given(self, tmp_path: Path) -> None:
        model = load(self.two(tmp_path), output="second")
        assert model.output_choice == "output 'second' chosen (given)"
        assert [port.name for port in model.program.inputs] == ["a", "b"]

    def test_an_unknown_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="one of the outputs first, second, got 'third'"):
            load(self.two(tmp_path), output="third")

    def test_nodes_behind_other_outputs_do_not_matter(self, tmp_path: Path) -> None:
        nodes = [node("Relu", ["x"], ["y"]), node("Sin", ["x"], ["s"])]
        path = save(build(nodes, {"x": (2,)}, ["y", "s"]), tmp_path)
        assert load(path).program.unit_count == 2
        with pytest.raises(UnsupportedModelError, match="Sin"):
            load(path, output="s")

    def test_a_constant_output(self, tmp_path: Path) -> None:
        nodes = [node("Constant", [], ["y"], value_floats=[0.5, 0.25])]
        model = load(save(build(nodes, {"x": (1,)}), tmp_path))
        point = from_fractions([7], (1, 1))
        assert exact.forward(model.program, point).fractions() == [Fraction(1, 2), Fraction(1, 4)]
        assert model.confirmation.status == "confirmed"

    def test_a_constant_text(self, tmp_path: Path) -> None:
        nodes = [node("Constant", [], ["y"], value_strings=["a"])]
        declared = tensor_info("y", (1,), TensorProto.STRING)
        with pytest.raises(InputError, match="constant text"):
            load(save(build(nodes, {"x": (1,)}, [declared]), tmp_path))

    def test_the_input_itself(self, tmp_path: Path) -> None:
        model = load(save(build([node("Identity", ["x"], ["y"])], {"x": (2,)}), tmp_path))
        assert len(model.program.instructions) == 1


class TestDecisions:
    def test_none_is_made_by_bare_logits(self, tmp_path: Path) -> None:
        assert load(save(mlp(), tmp_path)).program.head.rule == "none"

    @pytest.mark.parametrize("decision", ["argmax", "argmin", "none"])
    def test_it_can_be_given(self, decision: str, tmp_path: Path) -> None:
        model = load(save(mlp(), tmp_path), decision=decision)  # type: ignore[arg-type]
        assert model.program.head.rule == decision

    def test_a_sign_needs_one_logit(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="decision sign: expected one logit"):
            load(save(mlp(), tmp_path), decision="sign")
        single = save(mlp(sizes=(3, 4, 1)), tmp_path)
        assert load(single, decision="sign").program.head.rule == "sign"
        with pytest.raises(InputError, match="decision argmax: expected at least two logits"):
            load(single, decision="argmax")

    def test_class_names(self, tmp_path: Path) -> None:
        path = save(mlp(), tmp_path)
        assert load(path, class_names=["cat", "dog"]).program.head.labels == ("cat", "dog")
        with pytest.raises(InputError, match="class names: expected 2, got 3"):
            load(path, class_names=["cat", "dog", "eel"])


def batch_norm(variance: list[float], epsilon: float) -> onnx.ModelProto:
    """Make a batch normalisation of two channels."""
    ones = np.ones(2, np.float32)
    constants = {"s": ones, "b": ones, "m": ones, "v": np.array(variance, np.float32)}
    nodes = [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], "bn", epsilon=epsilon)]
    return build(nodes, {"x": (1, 2, 1)}, ["y"], constants)


class TestReplacedConstants:
    def test_an_irrational_root_is_listed_with_its_80_bits(self, tmp_path: Path) -> None:
        (replaced,) = load(save(batch_norm([1, 4], 1.0), tmp_path)).replaced_constants[:1]
        assert replaced.node == "BatchNormalization 'bn'"
        assert replaced.expression == "1/sqrt(variance[0] + epsilon)"
        assert replaced.radicand == 2
        gap = Fraction(1, 2**80)
        assert replaced.value**2 < Fraction(1, 2) < (replaced.value + gap) ** 2
        assert replaced.value.numerator.bit_length() <= 80

    def test_a_rational_root_stays_exact(self, tmp_path: Path) -> None:
        model = load(save(batch_norm([1, 0.25], 0.0), tmp_path))
        assert model.replaced_constants == ()
        found = exact.forward(model.program, from_fractions([3, 3], (2, 1))).fractions()
        assert found == [Fraction(3), Fraction(5)]

    def test_only_the_irrational_channels_are_listed(self, tmp_path: Path) -> None:
        model = load(save(batch_norm([3, 7], 1.0), tmp_path))
        assert [item.expression for item in model.replaced_constants] == ["1/sqrt(variance[1] + epsilon)"]

    def test_a_variance_below_minus_epsilon_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError, match="not positive"):
            load(save(batch_norm([-2, 1], 1.0), tmp_path))


class TestConstants:
    def test_float_folding_does_not_round(self, tmp_path: Path) -> None:
        """In float32, (1 + 2**-30) - 1 is 0."""
        nodes = [
            node("Add", ["one", "tiny"], ["sum"]),
            node("Sub", ["sum", "one"], ["left"]),
            node("Mul", ["x", "left"], ["y"]),
        ]
        constants = {"one": np.float32(1), "tiny": np.float32(2.0**-30)}
        model = load(save(build(nodes, {"x": (1,)}, ["y"], constants), tmp_path))  # type: ignore[arg-type]
        assert exact.forward(model.program, from_fractions([1], (1, 1))).fractions() == [Fraction(1, 2**30)]
        assert model.confirmation.status == "confirmed"

    def test_float_attributes_are_float32_values(self, tmp_path: Path) -> None:
        nodes = [node("LeakyRelu", ["x"], ["y"], alpha=0.1)]
        model = load(save(build(nodes, {"x": (1,)}), tmp_path))
        found = exact.forward(model.program, from_fractions([-1], (1, 1))).fractions()
        assert found == [-Fraction(float(np.float32(0.1)))]

    @pytest.mark.parametrize("kind", [np.float16, np.float64])
    def test_other_float_types_are_exact_too(self, kind: type[np.generic], tmp_path: Path) -> None:
        proto = TensorProto.FLOAT16 if kind is np.float16 else TensorProto.DOUBLE
        value = np.array([0.1, 0.3]).astype(kind)
        model = build([node("Add", ["x", "c"], ["y"])], {"x": (2,)}, ["y"], {"c": value}, dtype=proto)
        found = load(save(model, tmp_path))
        expected = [Fraction(float(entry)) for entry in value]
        assert exact.forward(found.program, from_fractions([0, 0], (2, 1))).fractions() == expected
        assert found.confirmation.status == "confirmed"

    def test_bfloat16_constants_are_exact(self, tmp_path: Path) -> None:
        tensor = helper.make_tensor("c", TensorProto.BFLOAT16, [2], [0.1, 3.0])
        nodes = [node("Cast", ["c"], ["f"], to=TensorProto.FLOAT), node("Add", ["x", "f"], ["y"])]
        model = build(nodes, {"x": (2,)})
        model.graph.initializer.append(tensor)
        found = exact.forward(load(save(model, tmp_path)).program, from_fractions([0, 0], (2, 1))).fractions()
        assert found[1] == 3
        assert found[0].denominator & (found[0].denominator - 1) == 0
        assert abs(found[0] - Fraction(1, 10)) < Fraction(1, 1000)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_constants_that_are_no_numbers_are_refused(self, value: float, tmp_path: Path) -> None:
        model = build([node("Add", ["x", "c"], ["y"])], {"x": (1,)}, ["y"], {"c": np.array([value], np.float32)})
        with pytest.raises(UnsupportedModelError, match="not finite"):
            load(save(model, tmp_path))


def test_relu_and_pool_are_one_maximum(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["r"], "relu"), node("MaxPool", ["r"], ["y"], "pool", kernel_shape=[2, 2])]
    program = load(save(build(nodes, {"x": (1, 1, 3, 3)}), tmp_path)).program
    (maximum,) = [item for item in program.instructions if isinstance(item, Max)]
    assert maximum.groups.tolist() == [[-1, 0, 1, 3, 4], [-1, 1, 2, 4, 5], [-1, 3, 4, 6, 7], [-1, 4, 5, 7, 8]]
    assert program.unit_name(program.max_positions[0], 3) == "Relu 'relu' + MaxPool 'pool'[0,1,1]"


def test_two_ways_to_write_one_network_are_one_program(tmp_path: Path) -> None:
    """A subtraction of zeros, an identity, a flatten and another argument order change nothing."""
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    bias = np.array([1, -1], np.float32)
    constants = {"w": weight, "b": bias}
    plain = build([node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["y"])], {"x": (1, 3)}, ["y"], constants)
    nodes = [
        node("Sub", ["x", "z"], ["s"]), node("Flatten", ["s"], ["f"]), node("Identity", ["f"], ["i"]),
        node("Gemm", ["i", "t", "b"], ["y"], transB=1),
    ]  # fmt: skip
    constants = {"t": np.ascontiguousarray(weight.T), "b": bias, "z": np.zeros((1, 3), np.float32)}
    other = build(nodes, {"x": (1, 3)}, ["y"], constants)
    programs = [load(save(model, tmp_path)).program for model in (plain, other)]
    shown = [[(type(item).__name__, item) for item in program.instructions] for program in programs]
    assert [name for name, _ in shown[0]] == [name for name, _ in shown[1]] == ["Input", "MatMul", "Shift"]
    point = from_fractions([1, 2, 3], (3, 1))
    assert exact.forward(programs[0], point).equals(exact.forward(programs[1], point))


def test_a_tensor_inside_the_model_can_be_explained(tmp_path: Path) -> None:
    """A prefix has an exact meaning even where what follows has none."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], "product"),
        helper.make_node("Relu", ["z"], ["r"], "relu"),
        helper.make_node("Sin", ["r"], ["y"], "wave"),
    ]
    path = save(build(nodes, {"x": (1, 2)}, ["y"], {"w": np.array([[1, 2], [3, -4]], np.float32)}), tmp_path)
    with pytest.raises(UnsupportedModelError, match="wave"):
        load(path)
    for name, units in (("z", 0), ("r", 2)):
        model = load(path, output=name)
        assert model.program.unit_count == units and model.program.output.name == name
        assert model.confirmation.status == "confirmed"
        assert model.output_choice == f"output '{name}' chosen (given, a tensor inside the model)"
    for name in ("x", "w", "q", ""):
        with pytest.raises(InputError, match=f"got '{name}', which is no tensor inside the model either"):
            load(path, output=name)
