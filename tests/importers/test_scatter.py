"""Scattering with places that meet, against numpy's unbuffered updates; and what has no one meaning."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.importers.limits import DEFAULT_LIMITS
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import load, lower_file
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.program import Max
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, build, save
from tests.importers.optable import Operand, Row, ints, whole

AT = {"add": np.add.at, "mul": np.multiply.at, "max": np.maximum.at, "min": np.minimum.at}


def scatter(*operands: Operand, op: str = "ScatterElements", opset: int = 20, **attributes: Any) -> onnx.ModelProto:
    """Build a model of one scattering node."""
    return Row("scatter", op, list(operands), attributes, opset=opset).model()


def forward(model: onnx.ModelProto, point: list[int], folder: Path) -> list[Fraction]:
    """Return the exact output at one point of whole numbers."""
    program = load(save(model, folder), verify=False).program
    return exact.forward(program, Rationals(int_array(point).reshape(-1, 1))).fractions()


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(st.integers(-4, 3), min_size=1, max_size=9),
    reduction=st.sampled_from(sorted(AT)),
    constant=st.booleans(),
    seed=st.integers(0, 99),
)
def test_places_that_meet_combine_like_numpys(
    places: list[int], reduction: str, constant: bool, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random = np.random.default_rng(seed)
    updates: AnyArray = random.integers(-3, 4, len(places))
    values: AnyArray = random.integers(-3, 4, 4)
    given_updates = updates.astype(np.float32) if constant or reduction == "mul" else (len(places),)
    model = scatter((4,), ints(*places), given_updates, reduction=reduction)
    point = values.tolist() if isinstance(given_updates, np.ndarray) else [*values.tolist(), *updates.tolist()]
    expected = values.copy()
    AT[reduction](expected, places, updates)
    assert forward(model, point, tmp_path_factory.mktemp("scatter")) == expected.tolist()


def test_a_maximum_over_many_writes_is_one_instruction(tmp_path: Path) -> None:
    model = scatter((2,), ints(0, 0, 0, 1), (4,), reduction="max")
    lowered = lower_file(read_onnx(save(model, tmp_path), DEFAULT_LIMITS), None, {}, DEFAULT_LIMITS)
    assert sum(isinstance(item, Max) for item in lowered.program.instructions) == 1


def test_rational_constants_add_up_without_rounding(tmp_path: Path) -> None:
    """Ten thirds of a float's step would vanish one by one in float32; the exact sum keeps them."""
    tiny = np.full(10, 2.0**-24, dtype=np.float32)
    model = scatter((2,), ints(*[0] * 10), tiny, reduction="add")
    assert forward(model, [1, 0], tmp_path) == [1 + Fraction(10, 2**24), 0]
    assert load(save(model, tmp_path)).confirmation.status == "confirmed"


def test_whole_number_constants_are_folded(tmp_path: Path) -> None:
    """Shapes are computed this way: [2, 2] with 1 added twice at place 1 is the shape (2, 4)."""
    nodes = [
        onnx.helper.make_node("ScatterElements", ["base", "places", "ones"], ["shape"], "scatter", reduction="add"),
        onnx.helper.make_node("Reshape", ["x", "shape"], ["y"], "reshape"),
    ]
    constants = {"base": ints(2, 2), "places": ints(1, 1), "ones": ints(1, 1)}
    program = load(save(build(nodes, {"x": (8,)}, ["y"], constants), tmp_path)).program
    assert program.output.shape == (2, 4)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (scatter((3,), ints(1, 1), (2,)), "written twice"),
        (scatter((3, 2), np.array([[2], [-1]]), (2, 2), op="ScatterND"), "written twice"),
        (scatter((3,), ints(0, 1), (2,), reduction="mul"), "product of two data tensors"),
        (scatter(whole(3), ints(1, 1), (2,), reduction="mul"), "product of two data tensors"),
        (scatter((3,), ints(0, 3), (2,)), "leave an axis of length 3"),
        (scatter((3,), ints(0, 1), (2,), reduction="bent"), "reduction bent is not known"),
        (scatter((3,), ints(0), (2,)), "does not fit"),
        (scatter(np.full(3, -np.inf, np.float32), ints(0, 1), (2,), reduction="max"), "nothing but padding"),
        (scatter(np.full(3, np.inf, np.float32), ints(0, 1), (2,), reduction="max"), "not finite"),
        (scatter(np.full(3, -np.inf, np.float32), ints(0, 1), (2,), reduction="add"), "not finite"),
    ],
)
def test_what_has_no_one_meaning_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("operands", "attributes", "why"),
    [
        ([(2, 3, 4), (2, 2, 4), ints(2, 0)], {}, "leave an axis of length 3"),
        ([(2, 3, 4), (2, 2, 4), ints(-1, 0)], {}, "do not fit 2 samples"),
        ([(2, 3, 4), (2, 2, 4), ints(0)], {}, "do not fit 2 samples"),
        ([(2, 3, 4), (2, 4, 4)], {"mode": "circular"}, "do not fit 2 samples"),
        ([(2, 3, 4), (2, 2, 4)], {"mode": "bent"}, "mode bent"),
        ([(2, 3, 4), (1, 3, 4)], {"axis": 0}, "on axis 0"),
        ([(2, 3, 4), (2, 2, 3)], {}, "does not fit a cache"),
    ],
)
def test_a_stretch_that_does_not_fit_is_refused(
    operands: list[Operand], attributes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    model = scatter(*operands, op="TensorScatter", opset=24, **attributes)
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path))


def test_a_circular_stretch_starts_again_at_the_front(tmp_path: Path) -> None:
    model = scatter((1, 3, 1), (1, 2, 1), ints(2), op="TensorScatter", opset=24, mode="circular")
    assert forward(model, [10, 20, 30, 1, 2], tmp_path) == [2, 20, 1]
