"""What is in a model, also where it cannot be lowered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from exactbox.importers.inventory import inventory
from exactbox.importers.onnx_model import load
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Max
from tests.importers.onnx_models import build, mlp, save
from tests.shared_models import shared_folder
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"


def kinds(path: Path) -> dict[str, str]:
    return {entry.op: entry.kind for entry in inventory(path).nodes}


def test_a_small_net_by_hand(tmp_path: Path) -> None:
    found = inventory(save(mlp(sizes=(3, 4, 2)), tmp_path))
    assert [(entry.op, entry.kind, entry.shape, entry.units) for entry in found.nodes] == [
        ("Gemm", "affine", (1, 4), 0), ("Relu", "max", (1, 4), 4), ("Gemm", "affine", (1, 2), 0),
    ]  # fmt: skip
    assert found.cost is not None
    assert (found.cost.multiply_adds, found.cost.inputs, found.cost.units, found.cost.rows) == (20, 3, 4, 4)
    assert found.parameters == 12 + 4 + 8 + 2
    assert (found.status, found.logits, found.constants) == ("lowered", (1, 2), {"float32": 4})
    assert [entry.name for entry in found.layers] == ["relu0"]


def test_bundled_models() -> None:
    assert kinds(DATA / "digits_mlp.onnx")["Softmax"] == "head"
    assert kinds(DATA / "digits_mlp.onnx")["ArgMax"] == "not needed"
    cnn = inventory(DATA / "digits_cnn.onnx")
    assert {entry.op: entry.kind for entry in cnn.nodes} == {
        "Conv": "affine", "BatchNormalization": "affine", "Relu": "max", "MaxPool": "max", "AveragePool": "affine",
        "Flatten": "movement", "Gemm": "affine",
    }  # fmt: skip
    assert len(cnn.replaced) == 32
    assert max(entry.widest for entry in cnn.layers) == 4


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn", "iris_pipeline"])
def test_counts_are_those_of_the_canonical_program(name: str) -> None:
    found, program = inventory(DATA / f"{name}.onnx"), load(DATA / f"{name}.onnx", verify=False).program
    assert found.cost is not None and found.cost.fused
    assert found.cost.units == program.unit_count
    maxima = [item for item in program.instructions if isinstance(item, Max)]
    assert found.cost.rows == sum(int((m.groups != -2).sum()) - len(m.groups) for m in maxima)
    assert found.cost.entries == sum(program.sizes)


def test_every_node_in_the_way_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "relu"), helper.make_node("Exp", ["r"], ["e"], "exp"),
        helper.make_node("Mul", ["e", "r"], ["m"], "product"), helper.make_node("Sin", ["m"], ["y"], "sine"),
        helper.make_node("Neg", ["x"], ["z"], "aside"),
    ]  # fmt: skip
    found = inventory(save(build(nodes, {"x": (1, 2)}, ["y", "z"]), tmp_path), "y")
    by_name = {entry.name: entry for entry in found.nodes}
    assert found.status == "refused" and found.cost is None
    assert {refusal.node for refusal in found.refusals} >= {"exp", "sine"}
    assert by_name["relu"].kind == "max"
    assert by_name["exp"].kind == by_name["sine"].kind == "refused"
    assert by_name["exp"].why
    assert by_name["aside"].kind == "not needed"


def test_an_open_dimension_is_said_and_can_be_fixed(tmp_path: Path) -> None:
    path = save(build([helper.make_node("Relu", ["x"], ["y"], "relu")], {"x": ("N", "width")}), tmp_path)
    found = inventory(path)
    assert found.status == "open"
    assert "dims={'width': SIZE}" in found.reason
    assert [entry.kind for entry in found.nodes] == ["not reached"]
    assert inventory(path, dims={"width": 5}).layers[0].units == 5
    with pytest.raises(InputError, match="no open dimension is named 'depth'"):
        inventory(path, dims={"depth": 5})


def test_constants_are_folded_and_counted(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["a", "a"], ["b"], "twice"), helper.make_node("Add", ["x", "b"], ["y"], "shift")]
    found = inventory(save(build(nodes, {"x": (1, 2)}, ["y"], {"a": np.ones(2, np.float32)}), tmp_path))
    assert [entry.kind for entry in found.nodes] == ["constant", "affine"]
    assert found.parameters == 2


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected an ONNX model"):
        inventory(tmp_path / "x.onnx")
    with pytest.raises(InputError, match="expected one of the outputs"):
        inventory(DATA / "digits_cnn.onnx", "no such output")


def test_every_shared_model_has_an_inventory() -> None:
    for path in sorted(shared_folder("models").rglob("*.onnx")):
        found = inventory(path)
        assert len(found.nodes) == len(found.graph.nodes) > 0, path
        assert (found.cost is not None) == (found.status == "lowered"), path
        assert found.status != "refused" or found.refusals, path
        assert all(entry.why for entry in found.nodes if entry.kind == "refused"), path
