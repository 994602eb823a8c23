"""Sequences and optionals leave nothing in the program: their lengths and positions are known at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.inventory import inventory
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Input
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, build, save, tensor_info
from tests.importers.test_control import agrees, graph

node: Callable[..., onnx.NodeProto] = helper.make_node
FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
NUMBERS = {"zero": np.array(0), "one": np.array(1), "two": np.array(2), "last": np.array(-1), "far": np.array(7)}
ROW = np.array([[10, 20, 30]], np.float32)


def model(*nodes: onnx.NodeProto, constants: Mapping[str, AnyArray] | None = None) -> onnx.ModelProto:
    """Make a model from ``x`` (2, 3) to ``y`` with the constants that its nodes read."""
    known = {**NUMBERS, "row": ROW, **(constants or {})}
    used = {name for item in nodes for name in item.input}
    return build(nodes, {"x": (2, 3)}, ["y"], {name: value for name, value in known.items() if name in used})


PAIR = node("SequenceConstruct", ["x", "r"], ["s"], "pair")
BENT = node("Relu", ["x"], ["r"], "bend")


@pytest.mark.parametrize(
    "nodes",
    [
        [BENT, PAIR, node("SequenceAt", ["s", "one"], ["y"])],
        [BENT, PAIR, node("SequenceAt", ["s", "last"], ["y"])],
        [BENT, PAIR, node("SequenceErase", ["s", "zero"], ["t"]), node("SequenceAt", ["t", "zero"], ["y"])],
        [BENT, PAIR, node("SequenceErase", ["s"], ["t"]), node("SequenceAt", ["t", "last"], ["y"])],
        [BENT, PAIR, node("SequenceInsert", ["s", "row"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=0)],
        [
            BENT, PAIR, node("SequenceInsert", ["s", "row", "last"], ["t"]),
            node("ConcatFromSequence", ["t"], ["y"], axis=-2),
        ],
        [
            node("SequenceEmpty", [], ["e"]), node("SequenceInsert", ["e", "x"], ["s"]),
            node("SequenceAt", ["s", "zero"], ["y"]),
        ],
        [BENT, PAIR, node("ConcatFromSequence", ["s"], ["y"], axis=1)],
        [BENT, PAIR, node("ConcatFromSequence", ["s"], ["y"], axis=1, new_axis=1)],
        [BENT, PAIR, node("ConcatFromSequence", ["s"], ["y"], axis=-1, new_axis=1)],
        [BENT, PAIR, node("Identity", ["s"], ["t"]), node("SequenceAt", ["t", "one"], ["y"])],
        [node("SplitToSequence", ["x"], ["s"], axis=1), node("SequenceAt", ["s", "two"], ["y"])],
        [node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0), node("SequenceAt", ["s", "two"], ["y"])],
        [node("SplitToSequence", ["x", "two"], ["s"], axis=-1), node("SequenceAt", ["s", "last"], ["y"])],
        [node("SplitToSequence", ["x", "parts"], ["s"], axis=1), node("SequenceAt", ["s", "last"], ["y"])],
        [BENT, PAIR, node("SequenceMap", ["s", "s"], ["t", "u"], body=graph(
            [node("Add", ["v", "w"], ["a"]), node("Neg", ["w"], ["b"])],
            {"v": ((2, 3), FLOAT), "w": ((2, 3), FLOAT)}, {"a": FLOAT, "b": FLOAT})),
         node("ConcatFromSequence", ["u"], ["c"], axis=0), node("SequenceAt", ["t", "one"], ["d"]),
         node("Concat", ["c", "d"], ["y"], axis=0)],
        [BENT, PAIR, node("SequenceMap", ["s", "x"], ["t"], body=graph(
            [node("Sub", ["v", "w"], ["a"])], {"v": ((2, 3), FLOAT), "w": ((2, 3), FLOAT)}, {"a": FLOAT})),
         node("SequenceAt", ["t", "one"], ["y"])],
    ],
    ids=[
        "at", "at_end", "erase", "erase_last", "insert", "insert_before_last", "empty", "concat", "stack", "stack_last",
        "identity", "split", "split_squeezed", "split_chunks", "split_parts", "map_two", "map_tensor",
    ],
)  # fmt: skip
def test_sequences_agree_with_the_reference_bit_by_bit(nodes: Sequence[onnx.NodeProto], tmp_path: Path) -> None:
    agrees(model(*nodes, constants={"parts": np.array([1, 2])}), tmp_path)


def hand_checked(proto: onnx.ModelProto, folder: Path, expected: Sequence[int]) -> None:
    """Compare a model with numbers worked out by hand at x = (1, -2, 3, -4, 5, -6), and with the runtime."""
    found = load(save(proto, folder))
    assert found.confirmation.status == "confirmed"
    point = Rationals(int_array([1, -2, 3, -4, 5, -6]).reshape(-1, 1))
    assert exact.forward(found.program, point).fractions() == list(expected)


def test_a_mapped_body_reads_what_is_around_it(tmp_path: Path) -> None:
    """The reference implementation does not look outside of the body."""
    body = graph([node("Mul", ["v", "around"], ["w"])], {"v": ((2, 3), FLOAT)}, {"w": FLOAT})
    nodes = [BENT, PAIR, node("SequenceMap", ["s"], ["t"], body=body), node("SequenceAt", ["t", "one"], ["y"])]
    proto = model(node("Constant", [], ["around"], value_float=2.0), *nodes)
    hand_checked(proto, tmp_path, [2, 0, 6, 0, 10, 0])


def test_a_sequence_leaves_nothing_in_the_program(tmp_path: Path) -> None:
    proto = model(PAIR, node("SequenceAt", ["s", "zero"], ["y"]), BENT)
    assert [type(item) for item in load(save(proto, tmp_path)).program.instructions] == [Input]


def test_the_length_is_a_constant(tmp_path: Path) -> None:
    nodes = [BENT, PAIR, node("SequenceLength", ["s"], ["n"]), node("Cast", ["n"], ["f"], to=FLOAT)]
    agrees(model(*nodes, node("Mul", ["x", "f"], ["y"])), tmp_path)


def test_a_loop_carries_a_sequence(tmp_path: Path) -> None:
    """It grows by one tensor in every turn, and each is bent once more than the one before."""
    steer = node("Identity", ["going_in"], ["going_out"])
    grow = [
        node("SequenceAt", ["s_in", "last_in"], ["top"]), node("Sub", ["top", "row"], ["less"]),
        node("Relu", ["less"], ["bent"]), node("SequenceInsert", ["s_in", "bent"], ["s_out"]),
    ]  # fmt: skip
    sequence = helper.make_tensor_sequence_value_info("s_in", FLOAT, None)
    body = helper.make_graph(
        [node("Constant", [], ["last_in"], value_int=-1), steer, *grow], "body",
        [tensor_info("i", (), INT), tensor_info("going_in", (), BOOL), sequence],
        [tensor_info("going_out", (), BOOL), helper.make_tensor_sequence_value_info("s_out", FLOAT, None)],
    )  # fmt: skip
    nodes = [
        node("SequenceConstruct", ["x"], ["s"]), node("Loop", ["turns", "yes", "s"], ["t"], "again", body=body),
        node("ConcatFromSequence", ["t"], ["y"], axis=0),
    ]  # fmt: skip
    known = {"turns": np.array(3), "yes": np.array(True), "row": np.array([1, 2, -1], np.float32)}
    found = agrees(build(nodes, {"x": (2, 3)}, ["y"], known), tmp_path)
    assert found.program.output.shape == (8, 3)


def test_a_branch_gives_a_sequence(tmp_path: Path) -> None:
    def branch(*nodes: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph(list(nodes), "b", [], [helper.make_tensor_sequence_value_info("s", FLOAT, None)])

    then = branch(node("SequenceConstruct", ["x", "x"], ["s"]))
    other = branch(node("SequenceConstruct", ["x"], ["s"]))
    steer = node("If", ["no"], ["t"], "choice", then_branch=then, else_branch=other)
    nodes = [steer, node("ConcatFromSequence", ["t"], ["y"], axis=0)]
    found = agrees(build(nodes, {"x": (2, 3)}, ["y"], {"no": np.array(False)}), tmp_path)
    assert found.program.output.shape == (2, 3)


class TestOptionals:
    KIND = helper.make_tensor_type_proto(FLOAT, (2, 3))

    def test_an_element_is_itself(self, tmp_path: Path) -> None:
        nodes = [node("Optional", ["x"], ["o"]), node("OptionalGetElement", ["o"], ["z"]), node("Relu", ["z"], ["y"])]
        hand_checked(model(*nodes), tmp_path, [1, 0, 3, 0, 5, 0])

    @pytest.mark.parametrize("filled", [True, False])
    def test_presence_steers_a_branch(self, filled: bool, tmp_path: Path) -> None:
        then, other = (graph([node(op, ["x"], [f"{op}_out"])], {}, {f"{op}_out": FLOAT}) for op in ("Relu", "Neg"))
        option = node("Optional", ["x"], ["o"]) if filled else node("Optional", [], ["o"], type=self.KIND)
        steer = node("If", ["k"], ["y"], "choice", then_branch=then, else_branch=other)
        proto = model(option, node("OptionalHasElement", ["o"], ["k"]), steer)
        program = load(save(proto, tmp_path), verify=False).program
        assert bool(program.max_positions) == filled

    def test_an_element_of_nothing_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("Optional", [], ["o"], type=self.KIND), node("OptionalGetElement", ["o"], ["y"], "get")]
        with pytest.raises(UnsupportedModelError, match="OptionalGetElement 'get': an optional without an element"):
            load(save(model(*nodes), tmp_path))


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([PAIR, node("SequenceAt", ["s", "two"], ["y"], "n")], "position 2 leaves a sequence of 2 tensors"),
        ([PAIR, node("SequenceErase", ["s", "far"], ["t"], "n"), node("SequenceAt", ["t", "one"], ["y"])],
         "position 7 leaves"),
        ([PAIR, node("SequenceInsert", ["s", "x", "far"], ["t"], "n"), node("SequenceAt", ["t", "one"], ["y"])],
         "position 7 leaves"),
        ([PAIR, node("Relu", ["s"], ["y"], "n")], "a sequence or an optional, where a tensor is needed"),
        ([node("SequenceAt", ["x", "one"], ["y"], "n")], "input 0 is no sequence"),
        ([node("SequenceEmpty", [], ["s"]), node("ConcatFromSequence", ["s"], ["y"], "n", axis=0)],
         "the shape of an empty sequence's tensors is not known"),
        ([PAIR, node("ConcatFromSequence", ["s"], ["y"], "n", axis=5)], "axis 5 does not fit"),
        ([PAIR, node("ConcatFromSequence", ["s"], ["y"], "n", new_axis=1)], "no axis"),
        ([node("SplitToSequence", ["x", "zero"], ["s"], "n"), node("SequenceAt", ["s", "one"], ["y"])],
         "expected positive numbers"),
        ([node("SplitToSequence", ["x", "parts"], ["s"], "n"), node("SequenceAt", ["s", "one"], ["y"])],
         r"parts \[1, 2\] do not make up an axis of length 2"),
        ([PAIR, node("SequenceConstruct", ["x"], ["u"]), node("SequenceMap", ["s", "u"], ["t"], "n", body=graph(
            [node("Add", ["v", "w"], ["a"])], {"v": ((2, 3), FLOAT), "w": ((2, 3), FLOAT)}, {"a": FLOAT})),
          node("SequenceAt", ["t", "one"], ["y"])], "do not run along"),
        ([PAIR, node("SequenceMap", ["s"], ["t"], "n", body=graph(
            [node("Sin", ["v"], ["w"], "wave")], {"v": ((2, 3), FLOAT)}, {"w": FLOAT})),
          node("SequenceAt", ["t", "one"], ["y"])], "'wave': not piecewise linear"),
    ],
    ids=[
        "at", "erase", "insert", "relu", "no_sequence", "empty", "axis", "no_axis", "chunks", "parts", "lengths",
        "curved_body",
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_by_name(nodes: Sequence[onnx.NodeProto], why: str, tmp_path: Path) -> None:
    bent = [BENT] if any("r" in item.input for item in nodes) else []
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model(*bent, *nodes, constants={"parts": np.array([1, 2])}), tmp_path), verify=False)


def test_a_position_that_depends_on_the_input_is_refused(tmp_path: Path) -> None:
    nodes = [BENT, PAIR, node("SequenceAt", ["s", "p"], ["y"], "pick")]
    proto = model(*nodes)
    proto.graph.input.append(tensor_info("p", (), INT))
    with pytest.raises(UnsupportedModelError, match="the position depends on the model's input"):
        load(save(proto, tmp_path))


def test_inputs_and_outputs_that_are_sequences_are_named(tmp_path: Path) -> None:
    """A program maps numbers to numbers; the message says what to add to the model."""
    given = build([node("ConcatFromSequence", ["s"], ["y"], axis=0)], {}, ["y"])
    given.graph.input.append(helper.make_tensor_sequence_value_info("s", FLOAT, None))
    with pytest.raises(InputError, match="input 's': expected numbers, got elements of type sequence"):
        load(save(given, tmp_path))
    asked = build([BENT, PAIR], {"x": (2, 3)}, [helper.make_tensor_sequence_value_info("s", FLOAT, None)])
    path = save(asked, tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"output 's': expected a tensor, got a sequence .* add SequenceAt"):
        load(path)
    listed = inventory(path)
    assert (listed.status, [item.kind for item in listed.nodes]) == ("refused", ["max", "movement"])


def test_a_sequence_of_too_many_tensors_is_refused(tmp_path: Path) -> None:
    nodes = [node("SplitToSequence", ["x"], ["s"]), node("SequenceAt", ["s", "one"], ["y"])]
    proto = build(nodes, {"x": (3000, 1)}, ["y"], {"one": np.array(1)})
    path = save(proto, tmp_path)
    with pytest.raises(InputError, match="tensors of a sequence: expected at most 1000, got 3000"):
        load(path, limits=Limits(unrolled_nodes=1000), verify=False)
    assert load(path, verify=False).program.output.shape == (1, 1)
