"""Models whose file fixes the number of samples: one of them is explained, and what is said of it is true of row 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import helper

from exactbox.certifying import certify
from exactbox.checking import check
from exactbox.cli import run
from exactbox.loading import load
from exactbox.neighborhood import neighbors
from exactbox.polytope.errors import InputError
from tests.importers.onnx_models import build, save

N = 20
Floats = npt.NDArray[Any]


def dense(folder: Path, *, mixing: bool = False) -> Path:
    """Write a classifier of vectors that reshapes to its batch, with offsets that differ by sample."""
    random = np.random.default_rng(0)
    constants = {
        "w": random.integers(-3, 4, (3, 5)).astype(np.float32), "v": random.integers(-3, 4, (5, 2)).astype(np.float32),
        "b": random.integers(-3, 4, (N, 2)).astype(np.float32), "rows": np.array([N, 5]),
    }  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], "first"),
        helper.make_node("Relu", ["z"], ["a"], "relu"),
        helper.make_node("Reshape", ["a", "rows"], ["r"], "reshape"),
        helper.make_node("MatMul", ["r", "v"], ["s"], "second"),
        helper.make_node("Add", ["s", "b"], ["t" if mixing else "y"], "add"),
    ]
    if mixing:
        nodes.append(helper.make_node("ReduceMax", ["t"], ["most"], "most", keepdims=1))
        nodes.append(helper.make_node("Sub", ["t", "most"], ["y"], "less"))
    return save(build(nodes, {"x": (N, 3)}, ["y"], constants), folder)


def convolved(folder: Path) -> Path:
    """Write a small image classifier with pooling."""
    random = np.random.default_rng(1)
    constants = {
        "k": random.integers(-2, 3, (2, 1, 3, 3)).astype(np.float32),
        "w": random.integers(-2, 3, (18, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w"], ["y"], "dense"),
    ]
    return save(build(nodes, {"x": (N, 1, 6, 6)}, ["y"], constants), folder)


def outputs(path: Path, batch: Floats) -> Floats:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["y"], {"x": batch.astype(np.float32)})
    return np.asarray(found)


@pytest.mark.parametrize("write", [dense, convolved])
@pytest.mark.parametrize("loaded", [False, True])
def test_one_sample_is_row_0_whatever_the_others_are(write: Any, loaded: bool, tmp_path: Path) -> None:
    path, random = write(tmp_path), np.random.default_rng(2)
    shape = load(path).program.inputs[0].shape
    batch = random.integers(-4, 5, shape).astype(np.float64)
    found = certify(load(path) if loaded else path, batch[0], opinion_seconds=0)
    for _ in range(3):
        assert found.values.to_float().tolist() == outputs(path, batch)[0].tolist()
        batch[1:] = random.integers(-4, 5, batch[1:].shape)
    note = found.model.source.notes[-1]
    assert note.startswith(f"one sample of the batch of {N}: row 0 of the output, which reads row 0 of 'x' alone")
    assert found.program.inputs[0].shape == (1, *shape[1:]) and found.model.dims == (("x.0", 1),)
    certificate = found.save(tmp_path / "a.cert.json")[0]
    report = check(certificate, path)
    assert report.accepted and "dims x.0=1" in report.binding


def test_the_command_takes_a_row_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rows = dense(tmp_path), np.random.default_rng(3).integers(-4, 5, (50, 3))
    np.save(tmp_path / "X.npy", rows.astype(np.float32))
    (tmp_path / "X.csv").write_text("a,b,c\n" + "\n".join(",".join(map(str, row)) for row in rows.tolist()))
    for given in (["X.npy", "--row", "30"], ["X.csv:30"], [",".join(map(str, rows[30].tolist()))]):
        text = str(tmp_path / given[0]) if given[0].startswith("X") else given[0]
        assert run(["certify", str(path), "-i", text, *given[1:], "--box", "-9", "9", "--opinion-seconds", "0",
                    "--json"]) == 0  # fmt: skip
        answer = json.loads(capsys.readouterr().out)
        whole = np.zeros((N, 3))
        whole[0] = rows[30]
        assert answer["decision"]["chosen"] == int(outputs(path, whole)[0].argmax())
        assert len(answer["input"]["names"]) == 3
    assert run(["enumerate", str(path), "--dim", "x.0=1", "--box", "-1", "1"]) == 0
    assert "one sample" not in capsys.readouterr().err
    assert neighbors(path, rows[30], box=(-9, 9)).model.dims == (("x.0", 1),)


def test_whole_batches_stay_what_they_were(tmp_path: Path) -> None:
    path, batch = dense(tmp_path), np.random.default_rng(4).integers(-4, 5, (N, 3))
    for given in (batch, batch.reshape(-1)):
        found = certify(path, given, decision="none", opinion_seconds=0, minimal=False, measure=False)
        assert found.program.input_size == N * 3 and found.model.dims == ()


def test_preprocessing_of_one_sample(tmp_path: Path) -> None:
    path = dense(tmp_path)
    raw = np.array([3.0, -2.0, 1.0])
    found = certify(load(path, mean="1", std="2"), raw, opinion_seconds=0)
    again = certify(load(path, dims={"x.0": 1}, mean="1,1,1", std="2"), raw, opinion_seconds=0)
    plain = certify(path, (raw - 1) / 2, opinion_seconds=0)
    assert found.values.equals(plain.values) and again.values.equals(plain.values)


@pytest.mark.parametrize(("given", "message"), [
    (np.zeros(4), r"input 'x' expects shape \[20, 3\], got \[4\]"),
    (np.zeros((N + 1, 3)), "holds 21 samples; choose one with row=I"),
    (np.zeros((2, 2, 3)), r"input 'x' expects shape \[20, 3\]"),
])  # fmt: skip
def test_what_is_no_sample(given: Floats, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        certify(dense(tmp_path), given)


def test_samples_that_are_not_apart_are_refused(tmp_path: Path) -> None:
    path = dense(tmp_path, mixing=True)
    with pytest.raises(InputError, match=r"of the first sample reads x\[1,0\], which is another's"):
        certify(path, [1, 2, 3])
    with pytest.raises(InputError, match="no open dimension is named"):
        load(path, dims={"x.0": 2})
