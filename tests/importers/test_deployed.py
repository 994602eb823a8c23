"""The file in the runtime: four ways of running, inner tensors, and the tensors that hold the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from exactbox.importers.deployed import (
    RuntimeRefusal,
    Session,
    batchable,
    coarsest,
    feeds,
    inner_tensors,
    label_output,
    logit_reader,
    observed_vectors,
    open_session,
    run_batch,
    run_single,
    score_output,
)
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.polytope import enclosed
from tests.importers.onnx_models import build, mlp, save
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
BUNDLED = ("digits_mlp", "digits_cnn", "iris_pipeline")


def lowered(path: Path) -> Lowered:
    return lower_file(read_onnx(path, Limits()), None, {}, Limits())


def session(model: Lowered, *exposed: str, optimised: bool = False) -> Session:
    found = open_session(model.file, exposed, optimised=optimised)
    assert isinstance(found, Session)
    return found


@pytest.mark.parametrize("name", BUNDLED)
def test_batches_are_the_samples_one_by_one(name: str) -> None:
    model = lowered(DATA / f"{name}.onnx")
    reader = logit_reader(model)
    assert reader.complete and batchable(model.file, model.program)
    points = np.random.default_rng(1).random((model.program.input_size, 5)).astype(np.float32).astype(np.float64)
    opened = session(model, *reader.tensors)
    single = run_single(opened, model.file, model.program, reader.tensors, points)
    batch = run_batch(opened, model.file, model.program, reader.tensors, points)
    assert not isinstance(single, RuntimeRefusal) and not isinstance(batch, RuntimeRefusal)
    rest = np.full(model.program.output_size, np.nan)
    for one, other in zip(single, batch, strict=True):
        assert np.abs(reader.read(one, rest) - reader.read(other, rest)).max() < 2.0**-10


@pytest.mark.parametrize("name", BUNDLED)
def test_observed_vectors_lie_within_the_bound(name: str) -> None:
    model = lowered(DATA / f"{name}.onnx")
    points = np.random.default_rng(2).random((model.program.input_size, 3)).astype(np.float32).astype(np.float64)
    names = inner_tensors(model)
    runs = run_single(session(model, *names), model.file, model.program, names, points)
    assert not isinstance(runs, RuntimeRefusal)
    seen = observed_vectors(model, points, runs)
    assert seen is not None
    bounds = enclosed.enclose(model.program, points, coarsest(model), model.lowering.builder.roundings)
    assert len(seen) == len(model.program.instructions)
    assert all((np.abs(one - bound.centre) <= bound.radius).all() for one, bound in zip(seen, bounds, strict=True))
    assert any((one != bound.centre).any() for one, bound in zip(seen, bounds, strict=True))


def test_the_logits_under_a_tail_and_the_label_are_found() -> None:
    model = lowered(DATA / "digits_mlp.onnx")
    assert logit_reader(model).tensors == ["add_result2"]
    assert (label_output(model), score_output(model)) == ("label", "probabilities")
    plain = lowered(DATA / "digits_cnn.onnx")
    assert (label_output(plain), score_output(plain)) == (None, None)
    assert logit_reader(plain).tensors == ["logits"]


def test_an_argmax_over_other_numbers_is_no_label(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["y"], "relu"), helper.make_node("Neg", ["x"], ["n"], "neg"),
        helper.make_node("ArgMax", ["n"], ["k"], "argmax", axis=1),
    ]  # fmt: skip
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
               helper.make_tensor_value_info("k", TensorProto.INT64, None)]  # fmt: skip
    assert label_output(lowered(save(build(nodes, {"x": (1, 2)}, outputs), tmp_path))) is None


def test_permuted_and_constant_logits_are_read_in_order(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "relu"),
        helper.make_node("Transpose", ["r"], ["t"], "turn", perm=[1, 0]),
        helper.make_node("Concat", ["t", "c"], ["y"], "join", axis=0),
    ]  # fmt: skip
    model = lowered(save(build(nodes, {"x": (2, 1)}, ["y"], {"c": np.array([[5.0, 6.0]], np.float32)}), tmp_path))
    reader = logit_reader(model)
    points = np.array([[1.0], [2.0]])
    runs = run_single(session(model, *reader.tensors), model.file, model.program, reader.tensors, points)
    assert not isinstance(runs, RuntimeRefusal)
    assert reader.read(runs[0], np.array([0.0, 0.0, 5.0, 6.0])).tolist() == [1.0, 2.0, 5.0, 6.0]


def test_feeds_have_the_ports_shapes_and_types(tmp_path: Path) -> None:
    model = lowered(save(mlp(), tmp_path))
    found = feeds(model.file, model.program, np.array([[1.0], [2.0], [3.0]]))
    assert (found["x"].shape, found["x"].dtype.name) == ((1, 3), "float32")
    assert not batchable(model.file, model.program)


def test_what_the_runtime_refuses_is_data(tmp_path: Path) -> None:
    model = lowered(save(mlp(), tmp_path))
    opened = open_session(model.file, ["no such tensor"], optimised=False)
    assert isinstance(opened, RuntimeRefusal) and opened.reason
    wrong = run_batch(session(model), model.file, model.program, ["y"], np.ones((3, 4)))
    assert isinstance(wrong, RuntimeRefusal) and wrong.reason
    single = run_single(session(model), model.file, model.program, ["no such tensor"], np.ones((3, 1)))
    assert isinstance(single, RuntimeRefusal)
