"""Nodes of constants are evaluated exactly, like the reference wherever that does not round."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import ExactboxError, InputError, UnsupportedModelError
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import AnyArray, build, reference, save, tensor_info

node = helper.make_node


def i64(*values: int) -> AnyArray:
    """Return int64 constants."""
    return np.array(values, dtype=np.int64)


def f32(*values: float) -> AnyArray:
    """Return float32 constants."""
    return np.array(values, dtype=np.float32)


def folded_model(nodes: list[onnx.NodeProto], constants: dict[str, AnyArray]) -> onnx.ModelProto:
    """Add the folded tensor ``c``, cast to float, to an input that broadcasts."""
    tail = [node("Cast", ["c"], ["f"], to=TensorProto.FLOAT), node("Add", ["x", "f"], ["y"])]
    return build([*nodes, *tail], {"x": (1,)}, ["y"], constants)


# name, nodes that make c, constants
CASES: list[tuple[str, list[onnx.NodeProto], dict[str, AnyArray]]] = [
    ("add", [node("Add", ["a", "b"], ["c"])], {"a": i64(1, -2), "b": i64(3, 4)}),
    ("sub_broadcast", [node("Sub", ["a", "b"], ["c"])], {"a": i64(1, -2), "b": i64(3)}),
    ("mul", [node("Mul", ["a", "b"], ["c"])], {"a": i64(7, -2), "b": i64(3, 4)}),
    ("div_drops_the_fraction", [node("Div", ["a", "b"], ["c"])], {"a": i64(7, -7, 7, -7), "b": i64(2, 2, -2, -2)}),
    ("mod_of_the_divisor", [node("Mod", ["a", "b"], ["c"])], {"a": i64(7, -7, 7, -7), "b": i64(3, 3, -3, -3)}),
    ("fmod_of_the_dividend", [node("Mod", ["a", "b"], ["c"], fmod=1)], {"a": i64(7, -7, 7), "b": i64(3, 3, -3)}),
    ("max_of_three", [node("Max", ["a", "b", "a"], ["c"])], {"a": i64(7, -7), "b": i64(3, 3)}),
    ("min", [node("Min", ["a", "b"], ["c"])], {"a": i64(7, -7), "b": i64(3, 3)}),
    ("neg", [node("Neg", ["a"], ["c"])], {"a": i64(7, -7)}),
    ("clip", [node("Clip", ["a", "b", "t"], ["c"])], {"a": i64(7, -7, 0), "b": np.array(-3), "t": np.array(5)}),
    ("clip_above", [node("Clip", ["a", "", "t"], ["c"])], {"a": i64(7, -7, 0), "t": np.array(-1)}),
    ("clip_crossed", [node("Clip", ["a", "b", "t"], ["c"])], {"a": i64(7, -7), "b": np.array(2), "t": np.array(1)}),
    ("running_sum", [node("CumSum", ["a", "b"], ["c"])], {"a": i64(1, 2, 4), "b": np.array(0)}),
    ("running_sum_back", [node("CumSum", ["a", "b"], ["c"], reverse=1)], {"a": i64(1, 2, 4), "b": np.array(-1)}),
    (
        "running_sum_before", [node("CumSum", ["a", "b"], ["c"], exclusive=1, reverse=1)],
        {"a": i64(1, 2, 4).reshape(1, 3), "b": np.array(1)},
    ),
    ("abs", [node("Abs", ["a"], ["c"])], {"a": i64(7, -7)}),
    ("sign", [node("Sign", ["a"], ["c"])], {"a": i64(7, -7, 0)}),
    ("equal", [node("Equal", ["a", "b"], ["c"])], {"a": i64(1, 2), "b": i64(1, 3)}),
    ("greater_of_floats", [node("Greater", ["a", "b"], ["c"])], {"a": f32(0.1, 2), "b": f32(0.2, 1)}),
    ("less_or_equal", [node("LessOrEqual", ["a", "b"], ["c"])], {"a": i64(1, 4), "b": i64(1, 3)}),
    (
        "logic",
        [
            node("Equal", ["a", "b"], ["e"]), node("Less", ["a", "b"], ["l"]), node("Or", ["e", "l"], ["o"]),
            node("Not", ["o"], ["n"]), node("Xor", ["n", "e"], ["z"]), node("And", ["z", "e"], ["c"]),
        ],
        {"a": i64(1, 2, 3), "b": i64(1, 3, 2)},
    ),
    ("range", [node("Range", ["a", "b", "s"], ["c"])], {"a": np.array(2), "b": np.array(11), "s": np.array(3)}),
    ("range_down", [node("Range", ["a", "b", "s"], ["c"])], {"a": np.array(5), "b": np.array(-2), "s": np.array(-2)}),
    (
        "constant_of_shape",
        [node("ConstantOfShape", ["a"], ["c"], value=helper.make_tensor("v", 7, [1], [5]))],
        {"a": i64(3)},
    ),
    ("constant_of_shape_default", [node("ConstantOfShape", ["a"], ["c"])], {"a": i64(2)}),
    ("constant_ints", [node("Constant", [], ["c"], value_ints=[4, 5])], {}),
    ("constant_int", [node("Constant", [], ["c"], value_int=4)], {}),
    ("constant_float", [node("Constant", [], ["c"], value_float=0.5)], {}),
    ("constant_floats", [node("Constant", [], ["c"], value_floats=[0.5, 0.25])], {}),
    ("shape", [node("Shape", ["a"], ["c"])], {"a": np.zeros((2, 3), np.float32)}),
    ("shape_range", [node("Shape", ["a"], ["c"], start=1, end=-1)], {"a": np.zeros((2, 3, 4), np.float32)}),
    ("size", [node("Size", ["a"], ["c"])], {"a": np.zeros((2, 3), np.float32)}),
    ("reduce_prod", [node("ReduceProd", ["a"], ["c"], keepdims=0)], {"a": i64(2, 3, 4)}),
    ("reduce_sum", [node("ReduceSum", ["a", "b"], ["c"])], {"a": np.array([[1, 2], [3, 4]]), "b": i64(1)}),
    ("reduce_max", [node("ReduceMax", ["a", "b"], ["c"], keepdims=0)], {"a": np.array([[1, 2], [3, 4]]), "b": i64(0)}),
    ("cast_to_int", [node("Cast", ["a"], ["c"], to=TensorProto.INT64)], {"a": f32(1.7, -1.7)}),
    ("cast_to_bool", [node("Cast", ["a"], ["c"], to=TensorProto.BOOL)], {"a": f32(0, -1.5)}),
    ("cast_folded_to_int", [node("Mul", ["a", "a"], ["s"]), node("Cast", ["s"], ["c"], to=6)], {"a": f32(1.5, -2.5)}),
    ("floor", [node("Floor", ["a"], ["c"])], {"a": f32(1.5, -1.5)}),
    ("ceil", [node("Ceil", ["a"], ["c"])], {"a": f32(1.5, -1.5)}),
    ("round", [node("Round", ["a"], ["c"])], {"a": f32(0.5, 1.5, -2.5)}),
    ("reciprocal", [node("Reciprocal", ["a"], ["c"])], {"a": f32(4, -0.5)}),
    ("sqrt", [node("Sqrt", ["a"], ["c"])], {"a": f32(4, 0.25)}),
    ("non_zero", [node("NonZero", ["a"], ["z"]), node("Squeeze", ["z", "k"], ["c"])], {"a": i64(0, 5, 7), "k": i64(0)}),
    ("float_add", [node("Add", ["a", "b"], ["c"])], {"a": f32(0.5, 2), "b": f32(0.25, 1)}),
    ("float_matmul", [node("MatMul", ["a", "b"], ["c"])], {"a": f32(1, 2, 3), "b": np.ones((3, 2), np.float32)}),
    ("float_relu", [node("Relu", ["a"], ["c"])], {"a": f32(0.5, -2)}),
    ("float_concat", [node("Add", ["a", "a"], ["d"]), node("Concat", ["d", "a"], ["c"], axis=0)], {"a": f32(0.5, -2)}),
    (
        "float_gather",
        [node("Mul", ["a", "a"], ["d"]), node("Gather", ["d", "k"], ["c"])],
        {"a": f32(0.5, -2, 3), "k": i64(2, 0)},
    ),
    (
        "where",
        [node("Greater", ["a", "b"], ["g"]), node("Where", ["g", "a", "b"], ["c"])],
        {"a": f32(0.5, -2), "b": f32(-1, 1)},
    ),
    (
        "where_of_folded",
        [node("Mul", ["a", "a"], ["d"]), node("Greater", ["d", "b"], ["g"]), node("Where", ["g", "d", "b"], ["c"])],
        {"a": f32(0.5, -2), "b": f32(1, 1)},
    ),
    (
        "pad_of_folded",
        [node("Neg", ["a"], ["d"]), node("Pad", ["d", "p", "v"], ["c"])],
        {"a": f32(0.5, -2), "p": i64(1, 2), "v": np.array(3, np.float32)},
    ),
    (
        "center_pad_of_folded",
        [node("Neg", ["a"], ["d"]), node("CenterCropPad", ["d", "p"], ["c"])],
        {"a": f32(0.5, -2), "p": i64(5)},
    ),
    ("trilu", [node("Trilu", ["a"], ["t"]), node("Flatten", ["t"], ["c"], axis=0)], {"a": np.ones((2, 2), np.float32)}),
    (
        "an_exporters_reshape",
        [
            node("Shape", ["x"], ["s"]), node("Gather", ["s", "first"], ["g"]), node("Unsqueeze", ["g", "zero"], ["u"]),
            node("Concat", ["u", "minus"], ["c"], axis=0),
        ],
        {"first": np.array(0), "zero": i64(0), "minus": i64(-1)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_constants_are_those_of_the_reference(
    nodes: list[onnx.NodeProto], constants: dict[str, AnyArray], tmp_path: Path
) -> None:
    used = {name for item in nodes for name in item.input}
    proto = folded_model(nodes, {name: value for name, value in constants.items() if name in used})
    model = load(save(proto, tmp_path))
    (expected,) = reference(proto, {"x": np.zeros(1, np.float32)})
    found = exact.forward(model.program, from_fractions([0], (1, 1))).to_float()
    assert model.program.output.shape == expected.shape
    assert found.ravel().tolist() == expected.astype(np.float64).ravel().tolist()


class TestExactness:
    def folded(self, nodes: list[onnx.NodeProto], constants: dict[str, AnyArray], tmp_path: Path) -> list[Fraction]:
        model = load(save(folded_model(nodes, constants), tmp_path))
        assert model.confirmation.status == "confirmed"
        return exact.forward(model.program, from_fractions([0], (1, 1))).fractions()

    def test_a_reciprocal_of_three(self, tmp_path: Path) -> None:
        assert self.folded([node("Reciprocal", ["a"], ["c"])], {"a": f32(3)}, tmp_path) == [Fraction(1, 3)]

    def test_a_quotient(self, tmp_path: Path) -> None:
        assert self.folded([node("Div", ["a", "b"], ["c"])], {"a": f32(2), "b": f32(7)}, tmp_path) == [Fraction(2, 7)]

    def test_a_range_of_tenths(self, tmp_path: Path) -> None:
        tenth = np.array(0.1, np.float32)
        constants = {"a": np.array(0, np.float32), "b": np.array(0.35, np.float32), "s": tenth}
        found = self.folded([node("Range", ["a", "b", "s"], ["c"])], constants, tmp_path)
        assert found == [i * Fraction(float(tenth)) for i in range(4)]

    def test_an_irrational_root_is_replaced_and_listed(self, tmp_path: Path) -> None:
        model = load(save(folded_model([node("Sqrt", ["a"], ["c"], "root")], {"a": f32(2, 4)}), tmp_path))
        (replaced,) = model.replaced_constants
        assert (replaced.node, replaced.expression, replaced.radicand) == ("Sqrt 'root'", "sqrt(input[0])", Fraction(2))
        found = exact.forward(model.program, from_fractions([0], (1, 1))).fractions()
        assert found == [replaced.value, 2]
        assert replaced.value**2 < 2

    def test_comparisons_see_differences_below_float32(self, tmp_path: Path) -> None:
        nodes = [node("Add", ["one", "tiny"], ["s"]), node("Greater", ["s", "one"], ["c"])]
        constants = {"one": f32(1), "tiny": f32(2.0**-40)}
        model = load(save(folded_model(nodes, constants), tmp_path), verify=False)
        assert exact.forward(model.program, from_fractions([0], (1, 1))).fractions() == [1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("nodes", "constants", "words"),
        [
            ([node("Div", ["a", "a"], ["c"])], {"a": i64(0)}, "division by a constant that is 0"),
            ([node("Mod", ["a", "a"], ["c"])], {"a": i64(0)}, "division by a constant that is 0"),
            ([node("Reciprocal", ["a"], ["c"])], {"a": f32(0)}, "division by a constant that is 0"),
            ([node("Sqrt", ["a"], ["c"])], {"a": f32(-1)}, "root of a negative constant"),
            ([node("Sqrt", ["a"], ["c"])], {"a": f32(float("nan"))}, "not finite"),
            (
                [node("Range", ["a", "b", "s"], ["c"])],
                {"a": np.array(0), "b": np.array(3), "s": np.array(0)},
                "step of 0",
            ),
            ([node("Exp", ["a"], ["c"])], {"a": f32(2000)}, "Exp of a constant beyond 1024"),
            ([node("Exp", ["a"], ["c"])], {"a": i64(1)}, "Exp of int64 numbers"),
            ([node("Exp", ["a"], ["c"])], {"a": f32(float("inf"))}, "not finite"),
            ([node("Sin", ["a"], ["c"])], {"a": f32(1)}, "not piecewise linear"),
            ([node("RandomNormal", [], ["c"], shape=[2])], {}, "random"),
            ([node("Constant", [], ["c"])], {}, "no value"),
            ([node("Add", ["a", "b"], ["c"])], {"a": i64(1, 2), "b": i64(1, 2, 3)}, "do not broadcast"),
        ],
    )
    def test_constants_without_an_exact_value(
        self, nodes: list[onnx.NodeProto], constants: dict[str, AnyArray], words: str, tmp_path: Path
    ) -> None:
        with pytest.raises(UnsupportedModelError, match=words):
            load(save(folded_model(nodes, constants), tmp_path))

    def test_a_long_range(self, tmp_path: Path) -> None:
        constants = {"a": np.array(0), "b": np.array(2**62), "s": np.array(1)}
        with pytest.raises(InputError, match="tensor elements"):
            load(save(folded_model([node("Range", ["a", "b", "s"], ["c"])], constants), tmp_path))

    def test_whole_number_data_is_not_computed_with(self, tmp_path: Path) -> None:
        """Whole-number division rounds; only a cast to floats makes such an input real."""
        nodes = [node("Add", ["x", "x"], ["s"], "add"), node("Cast", ["s"], ["y"], to=TensorProto.FLOAT)]
        model = build(nodes, {"x": (2,)}, [tensor_info("y", None)])
        model.graph.input[0].CopyFrom(tensor_info("x", (2,), TensorProto.INT64))
        with pytest.raises(ExactboxError, match="Add 'add': arithmetic on int64 data"):
            load(save(model, tmp_path))
