"""One score beside a label of two classes: its sign decides where that is the label's rule, the tie at 0 included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from exactbox.certifying import certify
from exactbox.importers.onnx_model import load
from tests.importers.onnx_models import ML, build, save, tensor_info

Nodes = list[onnx.NodeProto]
POINTS = [(3, 1), (1, 3), (2, 2), (-1, -4), (0, 0.5), (1, 0.5), (2, 1), (0.25, 0)]
TIE, THRESHOLD = "its class where the score is 0", "not shown to depend on the sign of that one score alone"


def node(op: str, *names: str, **settings: Any) -> onnx.NodeProto:
    """Make a node; the last name is its output."""
    return helper.make_node(op, list(names[:-1]), [names[-1]], names[-1], **settings)


def pair(first: str, second: str, op: str, **settings: Any) -> Nodes:
    """The index of the larger or smaller of two numbers."""
    return [node("Concat", first, second, "both", axis=1), node(op, "both", "label", axis=1, keepdims=0, **settings)]


def cast(op: str, left: str, right: str) -> Nodes:
    """A comparison as 1 or 0."""
    return [node(op, left, right, "met"), node("Cast", "met", "label", to=TensorProto.INT64)]


def opposite(op: str) -> Nodes:
    """What does not hold, as 1 or 0."""
    return [
        node(op, "z", "zero", "met"),
        node("Not", "met", "unmet"),
        node("Cast", "unmet", "label", to=TensorProto.INT64),
    ]


UP, DOWN = ("0", "1"), ("1", "0")
LEARNT: dict[str, tuple[Nodes, tuple[str, str]]] = {
    "negated twin": (pair("n", "z", "ArgMax"), UP),
    "negated twin, last of equals": (pair("z", "n", "ArgMax", select_last_index=1), DOWN),
    "smaller of twins": (pair("z", "n", "ArgMin"), UP),
    "smaller of twins, last of equals": (pair("n", "z", "ArgMin", select_last_index=1), DOWN),
    "against zero": (pair("zero", "z", "ArgMax"), UP),
    "against its triple": (pair("z", "triple", "ArgMax"), UP),
    "above zero": (cast("Greater", "z", "zero"), UP),
    "triple above itself": (cast("Greater", "triple", "z"), UP),
    "not above zero": (cast("LessOrEqual", "z", "zero"), DOWN),
    "one minus it below one": (cast("Less", "rest", "one"), UP),
    "not: above zero": (opposite("Greater"), DOWN),
    "not: at most zero": (opposite("LessOrEqual"), UP),
}
REFUSED: dict[str, tuple[Nodes, str]] = {
    "twin first": (pair("z", "n", "ArgMax"), TIE),
    "smaller, twin first": (pair("n", "z", "ArgMin"), TIE),
    "last of equals": (pair("n", "z", "ArgMax", select_last_index=1), TIE),
    "at least zero": (cast("GreaterOrEqual", "z", "zero"), TIE),
    "below zero": (cast("Less", "z", "zero"), TIE),
    "not: below zero": (opposite("Less"), TIE),
    "above one": (cast("Greater", "z", "one"), THRESHOLD),
    "complement": (pair("rest", "z", "ArgMax"), THRESHOLD),
    "another score": (pair("other", "z", "ArgMax"), THRESHOLD),
    "itself": (pair("z", "z", "ArgMax"), THRESHOLD),
    "three numbers": ([node("Concat", "n", "zero", "z", "both", axis=1),
                       node("ArgMax", "both", "label", axis=1, keepdims=0)], "it compares other numbers than two"),
}  # fmt: skip


def scored(label: Nodes, folder: Path) -> Path:
    """Write a model of the score z = relu(x0) - relu(x1) and a label."""
    floats = {"w": [[1], [-1]], "v": [[1], [2]], "zero": [[0]], "one": [[1]], "three": [[3]]}
    nodes = [
        node("Relu", "x", "h"), node("MatMul", "h", "w", "z"), node("MatMul", "h", "v", "other"),
        node("Neg", "z", "n"), node("Mul", "z", "three", "triple"), node("Sub", "one", "z", "rest"), *label,
    ]  # fmt: skip
    outputs = [tensor_info("label", None, TensorProto.INT64), tensor_info("z", (1, 1))]
    constants = {name: np.array(values, np.float32) for name, values in floats.items()}
    return save(build(nodes, {"x": (1, 2)}, outputs, constants), folder)


def answered(path: Path, point: tuple[float, float]) -> str:
    """Return the runtime's label."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return str(np.ravel(session.run(["label"], {"x": np.array([point], np.float32)})[0])[0])


@pytest.mark.parametrize("name", LEARNT)
def test_the_sign_is_learnt_with_its_labels_and_its_tie(name: str, tmp_path: Path) -> None:
    label, names = LEARNT[name]
    path = scored(label, tmp_path)
    model = load(path)
    assert model.output_choice == "output 'z' chosen (assumed)"
    assert (model.program.head.rule, model.program.head.labels) == ("sign", names)
    assert "the decision (sign) is the one that the model's output 'label' makes" in model.notes
    for point in POINTS:
        found = certify(path, point, opinion_seconds=0, minimal=False, measure=False)
        assert found.class_name == answered(path, point), point


@pytest.mark.parametrize("name", REFUSED)
def test_another_rule_is_no_sign(name: str, tmp_path: Path) -> None:
    label, reason = REFUSED[name]
    model = load(scored(label, tmp_path))
    assert model.program.head.rule == "none"
    (note,) = [note for note in model.notes if "not learnt" in note]
    assert note.startswith("the decision is not learnt from the model's output 'label': ")
    assert reason in note


@pytest.mark.parametrize(
    ("second", "rule"), [((2.0, -1.0, -0.5), "sign"), ((2.0, -1.0, -0.25), "none"), ((2.0, -2.0, -0.5), "none")]
)
@pytest.mark.parametrize("names", [(-1, 1), (10, 20)])
def test_a_classifiers_second_score(
    second: tuple[float, float, float], rule: str, names: tuple[int, int], tmp_path: Path
) -> None:
    """skl2onnx writes two classes so: both scores decide, and the second one alone is an output."""
    classifier = helper.make_node(
        "LinearClassifier", ["x"], ["label", "scores"], "classifier", domain=ML, classlabels_ints=names,
        coefficients=[-2.0, 1.0, *second[:2]], intercepts=[0.5, second[2]], post_transform="NONE",
    )  # fmt: skip
    pick = helper.make_node("ArrayFeatureExtractor", ["scores", "place"], ["z"], "pick", domain=ML)
    outputs = [tensor_info("label", None, TensorProto.INT64), tensor_info("z", (1, 1))]
    path = save(build([classifier, pick], {"x": (1, 2)}, outputs, {"place": np.array([1])}), tmp_path)
    model = load(path)
    assert model.program.head.rule == rule
    assert model.program.head.labels == (tuple(map(str, names)) if rule == "sign" else ())
    for point in POINTS if rule == "sign" else ():
        found = certify(path, point, opinion_seconds=0, minimal=False, measure=False)
        assert found.class_name == answered(path, point), point
