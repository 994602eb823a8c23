"""Choices by a comparison of data are lowered where they are continuous, and refused where they jump."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import from_fractions
from tests.importers.onnx_models import AnyArray, build, save

node = helper.make_node
POINTS = [Fraction(value, 4) for value in range(-12, 13)]

CONSTANTS = {
    "zero": np.array(0, np.float32), "one": np.array(1, np.float32), "quarter": np.array(0.25, np.float32),
    "minus": np.array(-1, np.float32), "two": np.array(2, np.float32),
}  # fmt: skip


def outputs(nodes: list[onnx.NodeProto], tmp_path: Path) -> list[Fraction]:
    """Import a model of one number and evaluate it at all points."""
    model = load(save(with_used_constants(nodes), tmp_path))
    assert model.confirmation.status == "confirmed"
    column = from_fractions(POINTS, (1, len(POINTS)))
    return exact.forward(model.program, column).fractions()


def with_used_constants(nodes: list[onnx.NodeProto], extra: dict[str, AnyArray] | None = None) -> onnx.ModelProto:
    """Make a model of one input with the constants that its nodes name."""
    named = {name for item in nodes for name in item.input}
    constants = {name: value for name, value in {**CONSTANTS, **(extra or {})}.items() if name in named}
    return build(nodes, {"x": (1,)}, ["y"], constants)


# name, nodes, what they compute
CONTINUOUS = [
    ("relu", [node("Greater", ["x", "zero"], ["c"]), node("Where", ["c", "x", "zero"], ["y"])], lambda x: max(x, 0)),
    (
        "leaky",
        [
            node("GreaterOrEqual", ["x", "zero"], ["c"]), node("Mul", ["x", "quarter"], ["s"]),
            node("Where", ["c", "x", "s"], ["y"]),
        ],
        lambda x: x if x > 0 else x / 4,
    ),
    (
        "steep",
        [node("Less", ["x", "zero"], ["c"]), node("Mul", ["x", "two"], ["s"]), node("Where", ["c", "s", "x"], ["y"])],
        lambda x: x if x > 0 else 2 * x,
    ),
    (
        "threshold from below",
        [node("LessOrEqual", ["x", "zero"], ["c"]), node("Where", ["c", "zero", "x"], ["y"])],
        lambda x: max(x, 0),
    ),
    (
        "compared the other way round",
        [node("Greater", ["zero", "x"], ["c"]), node("Where", ["c", "zero", "x"], ["y"])],
        lambda x: max(x, 0),
    ),
    (
        "not",
        [node("Greater", ["x", "zero"], ["c"]), node("Not", ["c"], ["n"]), node("Where", ["n", "zero", "x"], ["y"])],
        lambda x: max(x, 0),
    ),
    (
        "product with a truth value",
        [
            node("Greater", ["x", "zero"], ["c"]), node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
            node("Mul", ["x", "f"], ["y"]),
        ],
        lambda x: max(x, 0),
    ),
    (
        "soft shrinkage",
        [
            node("Greater", ["x", "one"], ["c"]), node("Sub", ["x", "one"], ["s"]),
            node("Where", ["c", "s", "zero"], ["a"]),
            node("Less", ["x", "minus"], ["d"]), node("Add", ["x", "one"], ["t"]),
            node("Where", ["d", "t", "zero"], ["b"]),
            node("Add", ["a", "b"], ["y"]),
        ],
        lambda x: x - 1 if x > 1 else x + 1 if x < -1 else 0,
    ),
    (
        "clipped at a bound",
        [node("Greater", ["x", "two"], ["c"]), node("Where", ["c", "two", "x"], ["y"])],
        lambda x: min(x, 2),
    ),
    (
        "compared after scaling",
        [
            node("Mul", ["x", "two"], ["d"]), node("Sub", ["d", "one"], ["e"]), node("Greater", ["e", "zero"], ["c"]),
            node("Where", ["c", "d", "one"], ["y"]),
        ],
        lambda x: max(2 * x, 1),
    ),
    (
        "equal branches",
        [node("Greater", ["x", "one"], ["c"]), node("Where", ["c", "x", "x"], ["y"])],
        lambda x: x,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "meaning"), [case[1:] for case in CONTINUOUS], ids=[case[0] for case in CONTINUOUS])
def test_continuous_choices_are_exact(nodes: list[onnx.NodeProto], meaning: object, tmp_path: Path) -> None:
    assert callable(meaning)
    assert outputs(nodes, tmp_path) == [meaning(point) for point in POINTS]


JUMPS = [
    ("step", [node("Greater", ["x", "zero"], ["c"], "compare"), node("Where", ["c", "one", "zero"], ["y"])]),
    ("shifted", [node("Greater", ["x", "one"], ["c"], "compare"), node("Where", ["c", "x", "zero"], ["y"])]),
    ("sign", [node("Greater", ["x", "zero"], ["c"], "compare"), node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]),
    (
        "hard sign times one",
        [node("Greater", ["x", "zero"], ["c"], "compare"), node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
         node("Mul", ["one", "f"], ["y"])],
    ),
    (
        "another quantity",
        [
            node("Relu", ["x"], ["r"]), node("Greater", ["r", "one"], ["c"], "compare"),
            node("Where", ["c", "x", "zero"], ["y"]),
        ],
    ),
    ("arithmetic", [node("Greater", ["x", "zero"], ["c"], "compare"), node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
                    node("Add", ["x", "f"], ["y"])]),
]  # fmt: skip


@pytest.mark.parametrize("nodes", [case[1] for case in JUMPS], ids=[case[0] for case in JUMPS])
def test_jumps_are_refused_by_the_comparisons_name(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load(save(with_used_constants(nodes), tmp_path))
    (refusal,) = caught.value.refusals
    assert (refusal.node, refusal.op) == ("compare", "Greater")
    assert refusal.why.startswith("data-dependent comparison: continuity not shown")


def test_slopes_of_both_kinds_in_one_tensor(tmp_path: Path) -> None:
    """Entry 0 is a maximum, entry 1 a minimum, entry 2 no choice at all."""
    nodes = [
        node("Greater", ["x", "zero"], ["c"]),
        node("Mul", ["x", "s"], ["m"]),
        node("Where", ["c", "x", "m"], ["y"]),
    ]
    constants = {"zero": CONSTANTS["zero"], "s": np.array([0.5, 3, 1], np.float32)}
    model = load(save(build(nodes, {"x": (3,)}, ["y"], constants), tmp_path))
    found = exact.forward(model.program, from_fractions([-2, 4] * 3, (3, 2)))
    assert [int(value) for value in found.fractions()] == [-1, 4, -6, 4, -2, 4]
    assert model.confirmation.status == "confirmed"


def test_entries_are_compared_with_their_own_quantity(tmp_path: Path) -> None:
    """The branch of entry 0 is a function of entry 1: that jumps."""
    nodes = [
        node("Gather", ["x", "turn"], ["g"]), node("Greater", ["x", "zero"], ["c"], "compare"),
        node("Where", ["c", "g", "zero"], ["y"]),
    ]  # fmt: skip
    constants = {"turn": np.array([1, 0]), "zero": CONSTANTS["zero"]}
    with pytest.raises(UnsupportedModelError, match="Greater 'compare'"):
        load(save(build(nodes, {"x": (2,)}, ["y"], constants), tmp_path))


@pytest.mark.parametrize("source", ["pad", "scale", "two vectors"])
def test_entries_that_are_constant_keep_a_choice_continuous(source: str, tmp_path: Path) -> None:
    """Leaky ReLU by a comparison, of a tensor (x, 0) that is made in three ways."""
    made = {
        "pad": [node("Pad", ["x", "pads"], ["v"])],
        "scale": [node("Concat", ["x", "x"], ["w"], axis=0), node("Mul", ["w", "mask"], ["v"])],
        "two vectors": [
            node("Abs", ["x"], ["a"]), node("Sub", ["x", "a"], ["d"]), node("Concat", ["x", "nil"], ["p"], axis=0),
            node("Concat", ["d", "p"], ["q"], axis=0), node("Slice", ["q", "one_", "three"], ["v"]),
        ],
    }  # fmt: skip
    nodes = [
        *made[source], node("GreaterOrEqual", ["v", "zero"], ["c"]), node("Mul", ["v", "quarter"], ["s"]),
        node("Where", ["c", "v", "s"], ["y"]),
    ]  # fmt: skip
    extra: dict[str, AnyArray] = {
        "pads": np.array([0, 1]), "mask": np.array([1, 0], np.float32), "nil": np.zeros(1, np.float32),
        "one_": np.array([1]), "three": np.array([3]),
    }  # fmt: skip
    model = load(save(with_used_constants(nodes, extra), tmp_path))
    assert model.confirmation.status == "confirmed"
    found = exact.forward(model.program, from_fractions(POINTS, (1, len(POINTS)))).fractions()
    assert found == [*(x if x > 0 else x / 4 for x in POINTS), *(Fraction(0) for _ in POINTS)]
