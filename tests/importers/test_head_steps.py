"""What is recorded of a tail: steps, versions, axes, constants; casts of scores and labels; tails of several kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from exactbox.decisions import plan_decision
from exactbox.importers.onnx_model import load
from exactbox.importers.ops.labels import names_label
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import HeadStep
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import ML, build, save
from tests.importers.tails import import_tail, label_output

node = helper.make_node


def test_a_moved_axis_is_recorded_and_said(tmp_path: Path) -> None:
    model = import_tail([node("Softmax", ["z"], ["y"], axis=1)], tmp_path, shape=(1, 3, 2))
    head = model.program.head
    assert (head.shape, head.moved, head.partial) == ((1, 3, 2), 1, False)
    assert model.output_choice.endswith("numbered with axis 1 of its shape (1, 3, 2) moved last")


@pytest.mark.parametrize(
    ("opset", "shape", "axis", "version", "over"),
    [
        (20, (1, 3), -1, 13, (1,)),
        (12, (1, 3), 1, 11, (1,)),
        (13, (2, 2, 3), -1, 13, (2,)),
        (11, (2, 2, 3), 1, 11, (1, 2)),
        (9, (2, 2, 3), 1, 1, (1, 2)),
        (11, (2, 2, 3), 0, 11, (0, 1, 2)),
    ],
)
def test_a_softmax_is_recorded_with_its_version_and_the_axes_of_its_sum(
    opset: int, shape: tuple[int, ...], axis: int, version: int, over: tuple[int, ...], tmp_path: Path
) -> None:
    model = import_tail([node("Softmax", ["z"], ["y"], axis=axis)], tmp_path, shape=shape, opset=str(opset))
    (step,) = model.program.head.steps
    assert step == HeadStep("Softmax", "", version, (f"axis={axis % len(shape)}",), over)


def test_constants_and_norms_are_recorded(tmp_path: Path) -> None:
    nodes = [
        node("Sigmoid", ["z"], ["p"]), node("Add", ["p", "half"], ["q"]),
        node("Normalizer", ["q"], ["y"], domain=ML, norm="MAX"),
    ]  # fmt: skip
    head = import_tail(nodes, tmp_path, constants={"half": np.array(0.5, np.float32)}).program.head
    assert [(step.op, step.settings, step.over) for step in head.steps] == [
        ("Sigmoid", (), None), ("Add", ("by=1/2",), None), ("Normalizer", ("norm=MAX",), (1,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "attributes", "partial"),
    [("Transpose", {}, False), ("Slice", {}, True), ("Gather", {"axis": 1}, True), ("Identity", {}, False)],
)
def test_entries_that_are_dropped_above_a_sum_are_told(
    op: str, attributes: dict[str, Any], partial: bool, tmp_path: Path
) -> None:
    operands = {"Slice": ["p", "zero", "two", "one"], "Gather": ["p", "pair"]}.get(op, ["p"])
    constants = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "pair": np.array([0, 0])}
    nodes = [node("Softmax", ["z"], ["p"], axis=1), node(op, operands, ["y"], **attributes)]
    assert import_tail(nodes, tmp_path, shape=(2, 3), constants=constants).program.head.partial == partial


CASTS = [TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8, TensorProto.BOOL, TensorProto.STRING]


@pytest.mark.parametrize("op", ["Softmax", "Sigmoid", "Tanh", "LogSoftmax", "Exp"])
@pytest.mark.parametrize("target", CASTS)
@pytest.mark.parametrize("decides", [True, False])
def test_a_cast_that_merges_scores_is_refused_by_name(op: str, target: int, decides: bool, tmp_path: Path) -> None:
    """ArgMax(Cast(Softmax(z) -> int64)) is class 0 everywhere but at a point: no arg max of the logits."""
    nodes = [node(op, ["z"], ["p"]), node("Cast", ["p"], ["c" if decides else "y"], "cast", to=target)]
    nodes += [node("ArgMax", ["c"], ["y"], axis=1)] if decides else []
    with pytest.raises(UnsupportedModelError, match=r"Cast 'cast': a cast of scores to \w+: unequal scores become"):
        import_tail(nodes, tmp_path, outputs=[label_output(dtype=TensorProto.INT64 if decides else target)])


@pytest.mark.parametrize("target", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_a_cast_between_float_types_keeps_scores(target: int, tmp_path: Path) -> None:
    nodes = [node("Softmax", ["z"], ["p"]), node("Cast", ["p"], ["c"], to=target), node("ArgMax", ["c"], ["y"], axis=1)]
    head = import_tail(nodes, tmp_path, outputs=[label_output()]).program.head
    assert (head.ops, head.rule) == (("Softmax", "ArgMax"), "argmax")


LABELS: dict[str, tuple[list[onnx.NodeProto], int, tuple[str, ...]]] = {
    "float": ([node("Cast", ["k"], ["y"], to=TensorProto.FLOAT)], TensorProto.FLOAT, ("0", "1", "2")),
    "float16": ([node("Cast", ["k"], ["y"], to=TensorProto.FLOAT16)], TensorProto.FLOAT16, ("0", "1", "2")),
    "uint8": ([node("Cast", ["k"], ["y"], to=TensorProto.UINT8)], TensorProto.UINT8, ("0", "1", "2")),
    "text": ([node("Cast", ["k"], ["y"], to=TensorProto.STRING)], TensorProto.STRING, ("0", "1", "2")),
    "twice": (
        [node("Cast", ["k"], ["a"], to=TensorProto.DOUBLE), node("Cast", ["a"], ["y"], to=TensorProto.INT32)],
        TensorProto.INT32, ("0", "1", "2"),
    ),
    "tenths": (
        [node("LabelEncoder", ["k"], ["y"], domain=ML, keys_int64s=[0, 1, 2], values_floats=[0.1, 0.2, 30.0])],
        TensorProto.FLOAT, ("0.1", "0.2", "30"),
    ),
    "floats by name": ([node("Gather", ["names", "k"], ["y"])], TensorProto.FLOAT, ("0.5", "-2.0", "0.1")),
    "cut": (
        [node("Gather", ["whole", "k"], ["a"]), node("Cast", ["a"], ["y"], to=TensorProto.INT64)],
        TensorProto.INT64, ("7", "-2", "1"),
    ),
    "wrapped": (
        [node("Gather", ["wide", "k"], ["a"]), node("Cast", ["a"], ["y"], to=TensorProto.UINT8)],
        TensorProto.UINT8, ("255", "4", "1"),
    ),
    "an index into names after another": (
        [node("Gather", ["places", "k"], ["a"]), node("Gather", ["names", "a"], ["y"])],
        TensorProto.FLOAT, ("0.1", "0.5", "-2.0"),
    ),
    "keys of floats": (
        [node("Cast", ["k"], ["a"], to=TensorProto.FLOAT),
         node("LabelEncoder", ["a"], ["y"], domain=ML, keys_floats=[2.0, 0.0], values_strings=["c", "a"])],
        TensorProto.STRING, ("a", "_Unused", "c"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_other_types_are_the_runtimes(name: str, tmp_path: Path) -> None:
    nodes, dtype, labels = LABELS[name]
    constants = {
        "names": np.array([0.5, -2, 0.1], np.float32), "whole": np.array([7.9, -2.5, 1], np.float32),
        "wide": np.array([-1, 260, 1]), "places": np.array([-1, 0, 1]),
    }  # fmt: skip
    arg = node("ArgMax", ["z"], ["k"], axis=1, keepdims=0)
    model = import_tail([arg, *nodes], tmp_path, outputs=[label_output(dtype=dtype)], constants=constants)
    head = model.program.head
    assert (head.labels or ("0", "1", "2"), head.rule) == (labels, "argmax")
    assert model.confirmation.status == "confirmed"
    session = onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])
    for k in range(3):
        (found,) = session.run(None, {"z": np.eye(3, dtype=np.float32)[k : k + 1]})
        assert names_label(labels[k], head.dtype, found.ravel().tolist()[0])
        assert not names_label(labels[k - 1], head.dtype, found.ravel().tolist()[0])


@pytest.mark.parametrize(
    "tail",
    [
        [node("Cast", ["k"], ["y"], "cast", to=TensorProto.BOOL)],
        [node("Gather", ["tenths", "k"], ["a"]), node("Cast", ["a"], ["y"], "cast", to=TensorProto.INT64)],
        [node("Gather", ["wide", "k"], ["a"]), node("Cast", ["a"], ["y"], "cast", to=TensorProto.UINT8)],
    ],
)
def test_a_cast_that_merges_labels_is_refused_by_name(tail: list[onnx.NodeProto], tmp_path: Path) -> None:
    constants = {"tenths": np.array([0.1, 0.2, 3], np.float32), "wide": np.array([0, 256, 1])}
    with pytest.raises(UnsupportedModelError, match=r"Cast 'cast': a cast to \w+ gives two classes one label"):
        import_tail([node("ArgMax", ["z"], ["k"], axis=1), *tail], tmp_path, outputs=[label_output(dtype=1)],
                    constants=constants)  # fmt: skip


def test_the_labels_of_classes_along_another_axis_are_not_taken(tmp_path: Path) -> None:
    """Names of the last axis are no names of what an arg max along the first one chooses from."""
    nodes = [
        node("ZipMap", ["z"], ["n"], domain=ML, classlabels_strings=["a", "b", "c"]),
        node("ArgMax", ["n"], ["y"], axis=0),
    ]
    model = build(nodes, {"z": (3, 3)}, [label_output()], opset=20)
    assert load(save(model, tmp_path), verify=False).program.head.labels == ()


def test_a_concat_of_logits_and_scores_speaks_for_each_entry_alone(tmp_path: Path) -> None:
    nodes = [
        node("Split", ["z"], ["a", "b"], axis=1, num_outputs=2), node("Sigmoid", ["b"], ["s"]),
        node("Concat", ["a", "s", "k"], ["y"], "mixed", axis=1),
    ]  # fmt: skip
    constants = {"k": np.array([[7]], np.float32)}
    model = import_tail(nodes, tmp_path, shape=(1, 2), constants=constants)
    (step,) = model.program.head.steps
    assert (step.op, step.settings) == ("Concat", ("axis=1", "heads=none,Sigmoid,none"))
    found = exact.forward(model.program, from_fractions([2, -3], (2, 1)))
    assert found.fractions() == [2, -3, 7] and model.confirmation.status == "confirmed"
    plan = plan_decision(model.program)
    assert plan.rule == "none" and "do not compare" in plan.text
    with pytest.raises(InputError, match="do not compare"):
        plan_decision(model.program, "argmax")
    assert plan_decision(model.program, "sign", target=1).rule == "sign"


@pytest.mark.parametrize("user", ["ArgMax", "Softmax", "Relu", "Normalizer"])
def test_what_compares_entries_of_a_mixed_tail_is_refused(user: str, tmp_path: Path) -> None:
    nodes = [
        node("Split", ["z"], ["a", "b"], axis=1, num_outputs=2), node("Sigmoid", ["b"], ["s"], "sigmoid"),
        node("Concat", ["a", "s"], ["c"], axis=1), node(user, ["c"], ["y"], domain=ML if user == "Normalizer" else ""),
    ]  # fmt: skip
    if user == "ArgMax":
        nodes[-1] = node("ArgMax", ["c"], ["y"], axis=1)
    with pytest.raises(UnsupportedModelError, match=f"Sigmoid 'sigmoid'.*used by {user}"):
        import_tail(nodes, tmp_path, shape=(1, 2))


@pytest.mark.parametrize("scores", [[], [node("Sigmoid", ["z"], ["p"])]])
def test_a_choice_among_one_is_a_constant(scores: list[onnx.NodeProto], tmp_path: Path) -> None:
    nodes = [*scores, node("ArgMax", ["p" if scores else "z"], ["y"], axis=0)]
    model = import_tail(nodes, tmp_path, outputs=[label_output()])
    found = exact.forward(model.program, from_fractions([1, 2, 3], (3, 1)))
    assert found.fractions() == [0, 0, 0] and model.program.head.rule == "none"


def test_a_choice_among_no_entries_is_refused(tmp_path: Path) -> None:
    constants = {"zero": np.array([0]), "one": np.array([1])}
    nodes = [node("Slice", ["z", "zero", "zero", "one"], ["e"]), node("ArgMax", ["e"], ["y"], axis=1)]
    with pytest.raises(UnsupportedModelError, match="chooses among no entries"):
        import_tail(nodes, tmp_path, constants=constants)
