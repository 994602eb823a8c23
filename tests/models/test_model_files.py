"""Are the committed models whole, small, runnable, free of machine paths, listed, and what their scripts make?"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from tests.models.model_files import (
    FREE_DIMENSION,
    ROOT,
    describe,
    describe_node,
    open_session,
    random_feeds,
    run_once,
    serialized,
    write_model,
    write_whole,
)

HERE = Path(__file__).parent
DATA = ROOT / "exactbox" / "data"
UNRUNNABLE = sorted(HERE.glob("sklearn/unrunnable/*.onnx"))
MODELS = sorted([*HERE.glob("*/*.onnx"), *DATA.glob("*.onnx")])
FILES = sorted(path for folder in (HERE / "sklearn", HERE / "torch", DATA) for path in folder.rglob("*.*"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("path", MODELS, ids=relative)
def test_runs_in_onnxruntime_and_passes_the_onnx_checker(path: Path) -> None:
    onnx.checker.check_model(str(path))
    assert run_once(path).keys() == {value.name for value in onnx.load(path).graph.output}


@pytest.mark.parametrize("path", UNRUNNABLE, ids=relative)
def test_unrunnable_models_are_refused_by_onnxruntime(path: Path) -> None:
    refusals = (
        ort.capi.onnxruntime_pybind11_state.InvalidGraph,
        ort.capi.onnxruntime_pybind11_state.InvalidArgument,
    )
    with pytest.raises(refusals, match="ZipMap"):
        run_once(path)


def test_unrunnable_models_exist() -> None:
    assert [path.stem for path in UNRUNNABLE] == ["mlp_double", "mlp_multilabel"]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_are_small_and_name_no_folder_of_a_machine(path: Path) -> None:
    data = path.read_bytes()
    assert 0 < len(data) < (300_000 if path.parent == DATA else 100_000)
    for word in (b"site-packages", b"/home/", b"/root/", b"/tmp/", b".py"):
        assert word not in data


@pytest.mark.parametrize("path", sorted(HERE.glob("torch/*.data")), ids=relative)
def test_external_weights_are_read_by_the_model_beside_them(path: Path) -> None:
    model = onnx.load(path.with_suffix(""), load_external_data=False)
    locations = {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    assert locations == {path.name}


@pytest.mark.parametrize("name", ["sklearn", "torch"])
def test_readme_lists_every_file(name: str) -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## `{name}/`")[1].split("\n## ")[0]
    for path in (HERE / name).rglob("*.onnx"):
        stem = path.name.split(".")[0]
        covered = stem.startswith("function_") or stem.endswith("_open_batch") or f"{stem}`" in section
        assert covered, f"{relative(path)} is not in the table of tests/models/README.md"


def test_both_exporters_wrote_every_torch_model() -> None:
    names = [path.name for path in HERE.glob("torch/*.onnx")]
    dynamo = {name.removesuffix(".dynamo.onnx") for name in names if name.endswith(".dynamo.onnx")}
    torchscript = {name.removesuffix(".torchscript.onnx") for name in names if name.endswith(".torchscript.onnx")}
    assert dynamo == torchscript
    assert len(dynamo) + len(torchscript) == len(names)


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in HERE.glob("torch/*.dynamo.onnx")))
def test_both_exporters_wrote_the_same_function(name: str) -> None:
    first, second = (open_session(HERE / "torch" / f"{name}.{exporter}.onnx") for exporter in ("dynamo", "torchscript"))
    feeds = random_feeds(first, seed=1)
    renamed = dict(zip([entry.name for entry in second.get_inputs()], feeds.values(), strict=True))
    for ours, theirs in zip(first.run(None, feeds), second.run(None, renamed), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_digits_models_classify_their_samples() -> None:
    with np.load(DATA / "digits_samples.npz") as samples:
        arrays = {name: samples[name] for name in samples.files}
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "pixels": ((40, 64), "float32"),
        "image": ((40, 1, 8, 8), "float32"),
        "label": ((40,), "int64"),
    }
    assert np.array_equal(arrays["pixels"], arrays["image"].reshape(40, 64))
    assert np.array_equal(arrays["pixels"] * 16, np.round(arrays["pixels"] * 16))
    assert np.bincount(arrays["label"]).tolist() == [4] * 10
    labels = open_session(DATA / "digits_mlp.onnx").run(["label"], {"pixels": arrays["pixels"]})[0]
    logits = open_session(DATA / "digits_cnn.onnx").run(["logits"], {"image": arrays["image"]})[0]
    assert np.mean(labels == arrays["label"]) > 0.9
    assert np.mean(logits.argmax(axis=1) == arrays["label"]) > 0.9


def test_the_iris_pipeline_reads_its_samples() -> None:
    header, *rows = (DATA / "iris_samples.csv").read_text(encoding="utf-8").splitlines()
    values = np.array([[float(cell) for cell in row.split(",")] for row in rows], dtype=np.float32)
    assert header.split(",")[0] == "sepal length (cm)"
    assert values.shape == (10, 4)
    labels = open_session(DATA / "iris_pipeline.onnx").run(["output_label"], {"X": values})[0]
    assert set(labels) == {"setosa", "versicolor", "virginica"}


@pytest.mark.skipif(importlib.util.find_spec("skl2onnx") is None, reason="skl2onnx is not installed")
def test_training_again_gives_the_bundled_files(tmp_path: Path) -> None:
    script = HERE / "train_bundled.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in DATA.iterdir())
    for name in ("digits_mlp.onnx", "digits_cnn.onnx", "iris_pipeline.onnx"):
        made, committed = weights(tmp_path / name), weights(DATA / name)
        assert made.keys() == committed.keys()
        for tensor, values in committed.items():
            if values.dtype.kind == "f":  # another processor adds in another order; training carries that on
                np.testing.assert_allclose(made[tensor], values, rtol=0, atol=2**-12)
            else:
                assert np.array_equal(made[tensor], values)
    assert (tmp_path / "iris_samples.csv").read_bytes() == (DATA / "iris_samples.csv").read_bytes()


def relu_model(size: int | str) -> onnx.ModelProto:
    value = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [size, 3], doc_string="") for name in "xy"
    ]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", value[:1], value[1:])
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])


def test_write_whole_keeps_the_old_file_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_whole(target, b"old")

    def fail(source: str, destination: Path) -> None:
        raise OSError(f"cannot rename {source} to {destination}")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="cannot rename"):
        write_whole(target, b"other")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_write_model_does_not_write_a_model_that_onnxruntime_refuses(tmp_path: Path) -> None:
    model = relu_model(2)
    model.graph.node[0].op_type = "NoSuchOp"
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.InvalidGraph):
        write_model(tmp_path / "model.onnx", model)
    assert list(tmp_path.iterdir()) == []


def test_open_dimensions_are_fed_with_more_than_one_row() -> None:
    feeds = random_feeds(open_session(serialized(relu_model("N"))), seed=0)
    assert feeds["x"].shape == (FREE_DIMENSION, 3)


def test_run_once_refuses_a_nan() -> None:
    model = relu_model(2)
    model.graph.node[0].op_type = "Sqrt"
    with pytest.raises(ValueError, match="output 'y': expected finite numbers"):
        run_once(serialized(model))


def test_serialized_sorts_opset_imports_and_leaves_the_model_alone() -> None:
    model = relu_model(2)
    model.opset_import.insert(0, onnx.helper.make_opsetid("ai.onnx.ml", 1))
    domains = [entry.domain for entry in onnx.load_from_string(serialized(model)).opset_import]
    assert domains == ["", "ai.onnx.ml"]
    assert [entry.domain for entry in model.opset_import] == ["ai.onnx.ml", ""]


def test_describe_tells_versions_shapes_and_nodes(tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", relu_model("N"))
    first, *rest = describe(tmp_path / "model.onnx")
    assert first.startswith("model.onnx: IR 8; ai.onnx 17; ")
    assert rest == ["  in:  x: FLOAT[N, 3]", "  out: y: FLOAT[N, 3]", "  ops: Relu()"]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (onnx.helper.make_node("Concat", ["a", "b"], ["c"], axis=1), "Concat(axis=1)"),
        (onnx.helper.make_node("ZipMap", ["a"], ["b"], domain="ai.onnx.ml"), "ai.onnx.ml:ZipMap()"),
        (onnx.helper.make_node("Scaler", ["a"], ["b"], scale=[1.0] * 9), "Scaler(scale=9 values)"),
    ],
)
def test_describe_node(node: onnx.NodeProto, text: str) -> None:
    assert describe_node(node) == text
