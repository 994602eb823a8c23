"""Rotary embeddings: the operator, its own definition by simpler ones, and inputs that fit no rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import inliner

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import Rationals
from tests.importers.onnx_models import save, tensor_info
from tests.importers.optable import Operand, Row, whole

IDS = np.array([[2, 0], [1, 2]])
TABLES: list[Operand] = [whole(3, 2), whole(3, 2, seed=5)]


def rotary(shape: tuple[int, ...], *tables: Operand, **attributes: Any) -> onnx.ModelProto:
    """Build a model of one rotation."""
    return Row("rotary", "RotaryEmbedding", [shape, *tables], attributes, opset=23).model()


@pytest.mark.parametrize("attributes", [{}, {"interleaved": 1}, {"rotary_embedding_dim": 4}], ids=str)
def test_the_operator_is_its_own_expansion(attributes: dict[str, Any], tmp_path: Path) -> None:
    """The standard defines the operator by a function body too, which lowers to the same map."""
    shape = (2, 1, 2, 6) if "rotary_embedding_dim" in attributes else (2, 1, 2, 4)
    model = rotary(shape, *TABLES, IDS, **attributes)
    model.graph.output[0].CopyFrom(tensor_info("out0", shape))
    model.graph.value_info.extend(tensor_info(t.name, tuple(t.dims), t.data_type) for t in model.graph.initializer)
    expanded = inliner.inline_selected_functions(model, [("", "RotaryEmbedding")], inline_schema_functions=True)
    assert {node.op_type for node in expanded.graph.node} & {"Mul", "Concat"}
    programs = [load(save(item, tmp_path), verify=False).program for item in (model, expanded)]
    size = int(np.prod(shape))
    unit = Rationals(np.eye(size, dtype=np.int64).astype(object), 1)
    assert exact.forward(programs[0], unit).fractions() == exact.forward(programs[1], unit).fractions()


def test_a_batch_of_nothing_keeps_its_shape(tmp_path: Path) -> None:
    tables = [np.zeros((0, 2, 1), dtype=np.float32)] * 2
    model = rotary((1, 0, 2, 5), np.ones((1, 2, 1), np.float32), np.ones((1, 2, 1), np.float32), rotary_embedding_dim=2)
    assert load(save(model, tmp_path)).program.output.shape == (1, 0, 2, 5)
    with pytest.raises(UnsupportedModelError, match="expected"):
        load(save(rotary((1, 0, 2, 5), *tables, rotary_embedding_dim=2), tmp_path))


def test_one_pair_turns(tmp_path: Path) -> None:
    """Cosine 3 and sine 4 send (x, y) to (3 x - 4 y, 4 x + 3 y)."""
    tables = [np.full((1, 1, 1), value, dtype=np.float32) for value in (3, 4)]
    program = load(save(rotary((1, 1, 1, 2), *tables), tmp_path)).program
    found = exact.forward(program, Rationals(np.array([[5], [7]], dtype=object), 1)).fractions()
    assert found == [3 * 5 - 4 * 7, 4 * 5 + 3 * 7]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (rotary((2, 1, 2, 5), *TABLES, IDS), "a rotation of 5 entries"),
        (rotary((2, 1, 2, 4), *TABLES, IDS, rotary_embedding_dim=6), "a rotation of 6 entries"),
        (rotary((2, 1, 2, 4), *TABLES, IDS, rotary_embedding_dim=-2), "a rotation of -2 entries"),
        (rotary((2, 2, 4), *TABLES, IDS), "0 heads"),
        (rotary((2, 2, 4), *TABLES, IDS, num_heads=3), "3 heads"),
        (rotary((2, 4), *TABLES, IDS, num_heads=2), "2 heads"),
        (rotary((2, 1, 2, 4), *TABLES, np.array([[0, 3], [0, 0]])), "position ids"),
        (rotary((2, 1, 2, 4), *TABLES, np.array([[0, -1], [0, 0]])), "position ids"),
        (rotary((2, 1, 2, 4), *TABLES, np.array([[0, 1]])), "expected"),
        (rotary((2, 1, 2, 4), *TABLES), "expected"),
        (rotary((2, 1, 2, 4), (3, 2), TABLES[1], IDS), "cos cache depends on the model's input"),
    ],
)
def test_what_fits_no_rotation_is_refused(model: onnx.ModelProto, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        load(save(model, tmp_path))
