"""Monotone tails are recorded where the order of the logits carries over, and refused everywhere else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import ML, AnyArray, tensor_info
from tests.importers.tails import import_tail, label_output

node = helper.make_node
CLASSES = np.array(["a", "b", "c"])


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Exp", "Softplus"])
def test_one_function(op: str, tmp_path: Path) -> None:
    model = import_tail([node(op, ["z"], ["y"])], tmp_path)
    assert model.program.head.ops == (op,)
    assert model.program.head.rule == "none"
    assert len(model.program.instructions) == 1
    assert model.output_choice.endswith(f"logits under {op}")
    assert model.confirmation.status == "confirmed"


def test_functions_above_one_another(tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["p"]), node("Log", ["p"], ["l"]), node("ArgMax", ["l"], ["y"], axis=1)]
    head = import_tail(nodes, tmp_path, outputs=[label_output()]).program.head
    assert (head.ops, head.rule, head.tie) == (("Softmax", "Log", "ArgMax"), "argmax", "first")


@pytest.mark.parametrize(("op", "rule"), [("ArgMax", "argmax"), ("ArgMin", "argmin")])
@pytest.mark.parametrize(("last", "tie"), [(0, "first"), (1, "last")])
def test_the_decision_and_its_ties(op: str, rule: str, last: int, tie: str, tmp_path: Path) -> None:
    nodes = [node(op, ["z"], ["y"], axis=-1, select_last_index=last, keepdims=0)]
    head = import_tail(nodes, tmp_path, outputs=[label_output()]).program.head
    assert (head.ops, head.rule, head.tie) == ((op,), rule, tie)


def test_the_axis_of_the_decision_is_put_last(tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["y"], axis=1)]
    model = import_tail(nodes, tmp_path, shape=(1, 3, 2))
    assert model.program.output.shape == (1, 2, 3)
    found = exact.forward(model.program, from_fractions(range(6), (6, 1)))
    assert [int(value) for value in found.fractions()] == [0, 2, 4, 1, 3, 5]
    assert model.confirmation.status == "confirmed"


def test_an_arg_max_along_an_inner_axis(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", ["z"], ["p"]), node("ArgMax", ["p"], ["y"], axis=1)]
    model = import_tail(nodes, tmp_path, shape=(1, 3, 2), outputs=[label_output()])
    assert model.program.output.shape == (1, 2, 3)


def test_an_old_softmax_divides_by_the_sum_of_all_trailing_axes(tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["y"], axis=1)]
    model = import_tail(nodes, tmp_path, shape=(1, 2, 3), opset="11")
    assert model.program.output.shape == (1, 2, 3)
    assert model.confirmation.status == "confirmed"


def test_an_arg_max_across_separate_sums_is_refused(tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["p"], axis=2), node("ArgMax", ["p"], ["y"], axis=1)]
    with pytest.raises(UnsupportedModelError, match=r"Softmax 'p': not piecewise linear; its result is used by ArgMax"):
        import_tail(nodes, tmp_path, shape=(1, 3, 2), outputs=[label_output()])


@pytest.mark.parametrize(
    "moves",
    [
        [node("Identity", ["p"], ["y"])],
        [node("Cast", ["p"], ["y"], to=TensorProto.FLOAT)],
        [node("Flatten", ["p"], ["y"])],
        [node("Unsqueeze", ["p", "zero"], ["u"]), node("Squeeze", ["u", "zero"], ["y"])],
        [node("Transpose", ["p"], ["t"]), node("Transpose", ["t"], ["y"])],
        [node("Slice", ["p", "zero", "two", "one"], ["y"])],
    ],
)
def test_moves_above_the_tail_are_followed(moves: list[onnx.NodeProto], tmp_path: Path) -> None:
    constants = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    model = import_tail([node("Softmax", ["z"], ["p"]), *moves], tmp_path, constants=constants)
    assert model.program.head.ops == ("Softmax",)
    assert model.confirmation.status == "confirmed"


def test_one_coordinate_of_a_softmax_is_no_function_of_one_logit(tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["p"], "soft"), node("Gather", ["p", "one"], ["y"], axis=1)]
    with pytest.raises(UnsupportedModelError, match="one score without those that it is compared with"):
        import_tail(nodes, tmp_path, constants={"one": np.array([1])})


def test_one_coordinate_of_a_sigmoid_is_fine(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", ["z"], ["p"]), node("Gather", ["p", "one"], ["y"], axis=1)]
    model = import_tail(nodes, tmp_path, constants={"one": np.array([1])})
    assert model.program.output.shape == (1, 1)


@pytest.mark.parametrize("op", ["Sigmoid", "Softmax", "Tanh", "LogSoftmax"])
@pytest.mark.parametrize(
    "user",
    [
        node("Relu", ["p"], ["y"], "user"),
        node("MatMul", ["p", "w"], ["y"], "user"),
        node("Mul", ["p", "z"], ["y"], "user"),
    ],
)
def test_a_function_below_arithmetic_is_refused_by_its_own_name(op: str, user: onnx.NodeProto, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        import_tail([node(op, ["z"], ["p"], "curved"), user], tmp_path, constants={"w": np.ones((3, 2), np.float32)})
    refusal = caught.value.refusals[0]
    assert (refusal.node, refusal.op) == ("curved", op)
    assert refusal.why == f"not piecewise linear; its result is used by {user.op_type} 'user'"


def test_all_functions_in_the_way_are_listed_in_order(tmp_path: Path) -> None:
    nodes = [
        node("Sigmoid", ["z"], ["a"], "first"), node("Mul", ["a", "a"], ["b"], "square"),
        node("Sin", ["b"], ["c"], "wave"), node("Tanh", ["c"], ["d"], "second"), node("Add", ["d", "z"], ["y"], "sum"),
    ]  # fmt: skip
    with pytest.raises(UnsupportedModelError) as caught:
        import_tail(nodes, tmp_path)
    assert [item.node for item in caught.value.refusals] == ["first", "square", "wave", "second"]


class TestScikitLearnTails:
    def binary(self) -> list[onnx.NodeProto]:
        return [
            node("Sigmoid", ["z"], ["p"]), node("Sub", ["one", "p"], ["q"]),
            node("Concat", ["q", "p"], ["both"], axis=1), node("ArgMax", ["both"], ["k"], axis=1),
            node("ArrayFeatureExtractor", ["names", "k"], ["n"], domain=ML), node("Reshape", ["n", "flat"], ["label"]),
        ]  # fmt: skip

    def constants(self) -> dict[str, AnyArray]:
        return {"one": np.array(1, np.float32), "names": np.array(["no", "yes"]), "flat": np.array([-1])}

    def test_the_binary_tail_becomes_two_logits(self, tmp_path: Path) -> None:
        outputs = [label_output("label", TensorProto.STRING), tensor_info("both", None)]
        model = import_tail(self.binary(), tmp_path, shape=(1, 1), outputs=outputs, constants=self.constants())
        assert model.output_choice.startswith("output 'both' chosen (assumed): logits under Sigmoid")
        assert model.program.head.rule == "argmax"
        assert model.program.head.labels == ("no", "yes")
        found = exact.forward(model.program, from_fractions([3], (1, 1)))
        assert [int(value) for value in found.fractions()] == [-3, 3]
        assert model.confirmation.status == "confirmed"

    def test_its_label_can_be_explained_too(self, tmp_path: Path) -> None:
        outputs = [label_output("label", TensorProto.STRING), tensor_info("both", None)]
        model = import_tail(
            self.binary(), tmp_path, shape=(1, 1), outputs=outputs, constants=self.constants(), output="label"
        )
        head = model.program.head
        assert head.ops == ("Sigmoid", "ArgMax", "ArrayFeatureExtractor")
        assert (head.rule, head.tie, head.labels) == ("argmax", "first", ("no", "yes"))

    def test_a_complement_of_anything_but_a_sigmoid_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("Tanh", ["z"], ["p"], "tanh"), node("Sub", ["one", "p"], ["y"])]
        with pytest.raises(UnsupportedModelError, match="Tanh 'tanh'"):
            import_tail(nodes, tmp_path, constants={"one": np.array(1, np.float32)})

    def test_a_complement_to_two_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("Sigmoid", ["z"], ["p"], "sigmoid"), node("Sub", ["two", "p"], ["y"])]
        with pytest.raises(UnsupportedModelError, match="Sigmoid 'sigmoid'"):
            import_tail(nodes, tmp_path, constants={"two": np.array(2, np.float32)})

    @pytest.mark.parametrize("norm", ["L1", "MAX"])
    def test_a_normalizer_of_positive_scores(self, norm: str, tmp_path: Path) -> None:
        nodes = [node("Sigmoid", ["z"], ["p"]), node("Normalizer", ["p"], ["y"], domain=ML, norm=norm)]
        assert import_tail(nodes, tmp_path).program.head.ops == ("Sigmoid", "Normalizer")

    @pytest.mark.parametrize("last", ["Identity", "Reciprocal"])
    def test_scores_with_other_constants_added_do_not_compare(self, last: str, tmp_path: Path) -> None:
        """exp(a) + 1/2 and exp(b) + 1/4 are in another order than a and b where these are close."""
        nodes = [
            node("Split", ["z"], ["a", "b"], axis=1, num_outputs=2), node("Exp", ["a"], ["ea"], "exp"),
            node("Exp", ["b"], ["eb"]), node("Add", ["ea", "first"], ["sa"]), node("Add", ["eb", "second"], ["sb"]),
            node(last, ["sa"], ["ta"]), node(last, ["sb"], ["tb"]),
            node("Concat", ["ta", "tb"], ["y"], axis=1),
        ]  # fmt: skip
        half, quarter = np.array(0.5, np.float32), np.array(0.25, np.float32)
        same = import_tail(nodes, tmp_path, shape=(1, 2), constants={"first": half, "second": half})
        assert same.program.head.ops[:2] == ("Exp", "Add")
        with pytest.raises(UnsupportedModelError, match=r"Exp 'exp'.*used by Concat"):
            import_tail(nodes, tmp_path, shape=(1, 2), constants={"first": half, "second": quarter})

    @pytest.mark.parametrize(("below", "norm"), [("Tanh", "L1"), ("Sigmoid", "L2")])
    def test_other_normalizers_are_refused(self, below: str, norm: str, tmp_path: Path) -> None:
        nodes = [node(below, ["z"], ["p"]), node("Normalizer", ["p"], ["y"], domain=ML, norm=norm)]
        with pytest.raises(UnsupportedModelError, match="used by Normalizer"):
            import_tail(nodes, tmp_path)

    def test_a_share_of_the_sum(self, tmp_path: Path) -> None:
        nodes = [node("Sigmoid", ["z"], ["p"]), node("ReduceSum", ["p", "one"], ["s"]), node("Div", ["p", "s"], ["y"])]
        model = import_tail(nodes, tmp_path, constants={"one": np.array([1])})
        assert model.program.head.ops == ("Sigmoid", "Normalizer")

    def test_the_sum_alone_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("Sigmoid", ["z"], ["p"]), node("ReduceSum", ["p", "one"], ["y"])]
        with pytest.raises(UnsupportedModelError, match="not piecewise linear"):
            import_tail(nodes, tmp_path, constants={"one": np.array([1])})

    @pytest.mark.parametrize(
        ("attributes", "labels"),
        [
            ({"classlabels_strings": ["a", "b", "c"]}, ("a", "b", "c")),
            ({"classlabels_int64s": [3, 5, 9]}, ("3", "5", "9")),
        ],
    )
    def test_a_zip_map_names_the_classes(
        self, attributes: dict[str, Any], labels: tuple[str, ...], tmp_path: Path
    ) -> None:
        nodes = [node("Softmax", ["z"], ["p"]), node("ZipMap", ["p"], ["y"], domain=ML, **attributes)]
        model = import_tail(nodes, tmp_path, outputs=[onnx.ValueInfoProto(name="y")])
        assert model.program.head.labels == labels
        assert model.confirmation.status == "confirmed"

    def test_a_zip_map_of_too_few_names(self, tmp_path: Path) -> None:
        nodes = [node("ZipMap", ["z"], ["y"], "zip", domain=ML, classlabels_int64s=[1, 2])]
        with pytest.raises(UnsupportedModelError, match="2 classes for 3 scores"):
            import_tail(nodes, tmp_path, outputs=[onnx.ValueInfoProto(name="y")])

    def test_a_zip_map_whose_keys_are_not_sorted(self, tmp_path: Path) -> None:
        """The runtime's dictionary is sorted by its keys, whatever the order of the classes."""
        nodes = [node("Softmax", ["z"], ["p"]), node("ZipMap", ["p"], ["y"], domain=ML, classlabels_int64s=[7, 2, 5])]
        model = import_tail(nodes, tmp_path, outputs=[onnx.ValueInfoProto(name="y")])
        assert model.program.head.labels == ("7", "2", "5")
        assert model.confirmation.status == "confirmed"

    def test_a_label_encoder_renames(self, tmp_path: Path) -> None:
        nodes = [
            node("ArgMax", ["z"], ["k"], axis=1, keepdims=0),
            node(
                "LabelEncoder", ["k"], ["y"], domain=ML, keys_int64s=[0, 1], values_strings=["x", "w"],
                default_string="?",
            ),
        ]  # fmt: skip
        model = import_tail(nodes, tmp_path, outputs=[label_output(dtype=TensorProto.STRING)])
        assert model.program.head.labels == ("x", "w", "?")
        assert model.confirmation.status == "confirmed"

    def test_a_gather_of_names(self, tmp_path: Path) -> None:
        nodes = [node("ArgMax", ["z"], ["k"], axis=1, keepdims=0), node("Gather", ["names", "k"], ["y"])]
        outputs = [label_output(dtype=TensorProto.STRING)]
        model = import_tail(nodes, tmp_path, outputs=outputs, constants={"names": CLASSES})
        assert model.program.head.labels == ("a", "b", "c")

    def test_arithmetic_on_a_label_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("ArgMax", ["z"], ["k"], "arg", axis=1), node("Add", ["k", "k"], ["y"])]
        with pytest.raises(UnsupportedModelError, match="ArgMax 'arg': data-dependent comparison"):
            import_tail(nodes, tmp_path, outputs=[label_output()])

    @pytest.mark.parametrize(
        ("transform", "ops"), [("NONE", ()), ("SOFTMAX", ("Softmax",)), ("LOGISTIC", ("Sigmoid",))]
    )
    def test_a_linear_classifier(self, transform: str, ops: tuple[str, ...], tmp_path: Path) -> None:
        classifier = node(
            "LinearClassifier", ["z"], ["label", "scores"], "linear", domain=ML, classlabels_strings=["a", "b"],
            coefficients=[1.0, 0.0, 2.0, -1.0, 0.5, 0.0], intercepts=[1.0, -1.0], post_transform=transform,
            multi_class=1,
        )  # fmt: skip
        outputs = [label_output("label", TensorProto.STRING), tensor_info("scores", None)]
        model = import_tail([classifier], tmp_path, outputs=outputs)
        assert model.program.head.ops == ops
        assert (model.program.head.rule, model.program.head.labels) == ("argmax", ("a", "b"))
        found = exact.forward(model.program, from_fractions([1, 2, 3], (3, 1)))
        assert [int(value) for value in found.fractions()] == [8, -1]
        assert model.confirmation.status == "confirmed"
        assert model.confirmation.tensors == 1
        label = load(model.path, output="label")
        assert label.program.head.ops == (*ops, "LinearClassifier")

    def test_an_unknown_transform_is_refused(self, tmp_path: Path) -> None:
        classifier = node(
            "LinearClassifier", ["z"], ["label", "y"], domain=ML, classlabels_ints=[0, 1], coefficients=[1.0] * 6,
            intercepts=[1.0, -1.0], post_transform="PROBIT",
        )  # fmt: skip
        with pytest.raises(UnsupportedModelError, match="post_transform PROBIT"):
            import_tail([classifier], tmp_path)


def test_a_tail_on_constants_is_a_listed_constant(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", ["c"], ["s"], "sigmoid"), node("Add", ["z", "s"], ["y"])]
    model = import_tail(nodes, tmp_path, constants={"c": np.array([1, 0, -1], np.float32)})
    listed = {item.expression: item.value for item in model.replaced_constants}
    assert list(listed) == ["sigmoid(input[0])", "sigmoid(input[2])"]
    assert model.program.head.ops == ()
    found = exact.forward(model.program, from_fractions([0, 0, 0], (3, 1))).fractions()
    assert found == [*list(listed.values())[:1], Fraction(1, 2), *list(listed.values())[1:]]
    assert abs(sum(listed.values(), Fraction(-1))) < Fraction(1, 2**79)
