"""Files that are no models, or models that lie: one clear error each, and never a file read outside the folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import load
from exactbox.polytope.errors import ExactboxError, InputError, UnsupportedModelError
from tests.importers.onnx_models import build, mlp, save, tensor_info

LIMITS = Limits()


def external_model(location: str, **entries: str) -> onnx.ModelProto:
    """Make y = x + c with c in an external file."""
    model = build([helper.make_node("Add", ["x", "c"], ["y"], "add")], {"x": (1, 2)})
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "c", TensorProto.FLOAT
    tensor.dims.append(2)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def write_values(path: Path, values: list[float]) -> bytes:
    """Write float32 values as raw data."""
    data = np.array(values, dtype=np.float32).tobytes()
    path.write_bytes(data)
    return data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "without a graph"),
        (b"hello, this is text\n", "none or is truncated"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "none or is truncated"),
        (bytes(1000), "none or is truncated"),
        (mlp().SerializeToString()[:-20], "none or is truncated"),
        (mlp().SerializeToString()[:40], "truncated"),
    ],
    ids=["empty", "text", "png", "zeros", "truncated", "very_truncated"],
)
def test_a_file_that_is_no_model_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected an ONNX model") as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"readable ONNX file: No such file"):
        load(tmp_path / "absent.onnx")
    with pytest.raises(InputError, match="readable ONNX file"):
        load(tmp_path)


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_every_truncation_is_an_error_and_no_traceback(cut: int, tmp_path: Path) -> None:
    data = mlp().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[:-cut])
    with pytest.raises(InputError):
        load(path)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_give_an_error_of_ours_or_a_model(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(mlp(seed).SerializeToString())
    for place in random.integers(0, len(data), 3):
        data[place] = int(random.integers(0, 256))
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(data))
    try:
        model = load(path, verify=False, limits=Limits(tensor_elements=10_000))
    except ExactboxError as error:
        assert str(error)
    else:
        assert model.program.output_size > 0


def test_the_hash_and_versions_are_those_of_the_file(tmp_path: Path) -> None:
    path = save(mlp(), tmp_path)
    file = read_onnx(path, LIMITS)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert dict(file.opsets)[""] == 20
    assert file.ir_version == 10
    assert file.external == ()


class TestExternalData:
    def test_it_is_read_and_hashed(self, tmp_path: Path) -> None:
        data = write_values(tmp_path / "weights.bin", [9, 1.5, -2])
        path = save(external_model("weights.bin", offset="4", length="8"), tmp_path)
        file = read_onnx(path, LIMITS)
        assert np.asarray(file.graph.constants["c"].values).tolist() == [1.5, -2]
        assert file.external == (("weights.bin", hashlib.sha256(data).hexdigest()),)
        assert load(path).confirmation.status == "confirmed"

    def test_length_may_be_left_out(self, tmp_path: Path) -> None:
        write_values(tmp_path / "weights.bin", [9, 1.5, -2])
        path = save(external_model("weights.bin", offset="4"), tmp_path)
        assert np.asarray(read_onnx(path, LIMITS).graph.constants["c"].values).tolist() == [1.5, -2]

    def test_a_subfolder_is_inside(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        write_values(tmp_path / "data" / "weights.bin", [1, 2])
        path = save(external_model("data/weights.bin"), tmp_path)
        assert load(path).external[0][0] == "data/weights.bin"

    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("absent.bin", "no such file"),
            ("../secret.bin", "outside the model's folder"),
            ("data/../../secret.bin", "outside the model's folder"),
            ("/etc/hostname", "relative to the model's folder"),
            ("", "relative to the model's folder"),
            ("\\\\server\\share", "relative to the model's folder"),
            ("C:\\weights.bin", "relative to the model's folder"),
            (".", "no such file"),
        ],
    )
    def test_other_places_are_refused(self, location: str, words: str, tmp_path: Path) -> None:
        write_values(tmp_path / "secret.bin", [1, 2])
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "data").mkdir()
        path = save(external_model(location), folder)
        with pytest.raises(InputError) as caught:
            load(path)
        assert words in str(caught.value)
        assert "tensor 'c'" in str(caught.value)

    def test_a_link_that_leaves_the_folder_is_refused(self, tmp_path: Path) -> None:
        write_values(tmp_path / "secret.bin", [1, 2])
        folder = tmp_path / "model"
        folder.mkdir()
        os.symlink(tmp_path / "secret.bin", folder / "weights.bin")
        with pytest.raises(InputError, match="outside the model's folder"):
            load(save(external_model("weights.bin"), folder))

    @pytest.mark.parametrize(
        ("entries", "words"),
        [
            ({"offset": "4", "length": "8"}, "expected bytes 4 to 12"),
            ({"offset": "-4"}, "expected bytes"),
            ({"offset": "0", "length": "-1"}, "expected bytes"),
            ({"offset": "x"}, "whole numbers"),
            ({"offset": "0", "length": "4"}, "c"),
        ],
    )
    def test_a_range_that_does_not_fit_is_named(self, entries: dict[str, str], words: str, tmp_path: Path) -> None:
        write_values(tmp_path / "weights.bin", [1, 2])
        with pytest.raises(InputError, match=words):
            load(save(external_model("weights.bin", **entries), tmp_path))

    def test_constant_attributes_may_be_external_too(self, tmp_path: Path) -> None:
        write_values(tmp_path / "weights.bin", [3, 4])
        tensor = external_model("weights.bin").graph.initializer[0]
        nodes = [helper.make_node("Constant", [], ["c"], value=tensor), helper.make_node("Add", ["x", "c"], ["y"])]
        model = load(save(build(nodes, {"x": (1, 2)}), tmp_path))
        assert model.external[0][0] == "weights.bin"


class TestLimits:
    def test_file_size(self, tmp_path: Path) -> None:
        path = save(mlp(), tmp_path)
        with pytest.raises(InputError, match="file size in bytes: expected at most 10"):
            load(path, limits=Limits(file_bytes=10))

    def test_external_size(self, tmp_path: Path) -> None:
        write_values(tmp_path / "weights.bin", [0.0] * 4000)
        path = save(external_model("weights.bin", length="8"), tmp_path)
        with pytest.raises(InputError, match="expected at most 1000"):
            load(path, limits=Limits(file_bytes=1000))

    def test_nodes(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nodes: expected at most 2, got 3"):
            load(save(mlp(), tmp_path), limits=Limits(nodes=2))

    @pytest.mark.parametrize(
        ("op", "operands"), [("Expand", ["x", "big"]), ("Tile", ["x", "big"]), ("Pad", ["x", "pads"])]
    )
    def test_a_small_file_cannot_ask_for_a_huge_tensor(self, op: str, operands: list[str], tmp_path: Path) -> None:
        constants = {"big": np.array([10**6, 10**6]), "pads": np.array([10**6, 0, 10**6, 10**6])}
        used = {name: value for name, value in constants.items() if name in operands}
        model = build([helper.make_node(op, operands, ["y"], "bomb")], {"x": (1, 1)}, ["y"], used)
        with pytest.raises(InputError, match="tensor elements: expected at most"):
            load(save(model, tmp_path))

    def test_constants_of_huge_shapes_are_not_made(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
        model = build(nodes, {"x": (1, 1)}, ["y"], {"s": np.array([10**6, 10**6])})
        with pytest.raises(InputError, match="tensor elements"):
            load(save(model, tmp_path))

    def test_a_declared_size_is_not_allocated(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.initializer[0].dims[:] = [10**6, 10**6]
        with pytest.raises(InputError, match="tensor elements"):
            load(save(model, tmp_path))


class TestGraphs:
    def add(self, *names: str, name: str = "add") -> onnx.NodeProto:
        *inputs, output = names
        return helper.make_node("Add", inputs, [output], name)

    def test_unsorted_nodes_are_sorted_and_said(self, tmp_path: Path) -> None:
        nodes = [self.add("h", "x", "y", name="last"), self.add("x", "x", "h", name="first")]
        model = load(save(build(nodes, {"x": (2,)}), tmp_path))
        assert any("topological order" in note for note in model.notes)
        assert model.confirmation.status == "confirmed"

    @pytest.mark.parametrize(
        ("nodes", "words"),
        [
            ([("h", "x", "g"), ("g", "x", "h"), ("h", "g", "y")], "cycle"),
            ([("y", "x", "y")], "cycle"),
            ([("x", "nowhere", "y")], "'nowhere', which nothing makes"),
            ([("x", "x", "y"), ("x", "x", "y")], "'y' is made twice"),
            ([("x", "x", "x"), ("x", "x", "y")], "'x' is made twice"),
            ([("x", "x", "h")], "output 'y' is made by no node"),
        ],
        ids=["cycle", "self_loop", "dangling", "duplicate", "input_overwritten", "no_output"],
    )
    def test_broken_graphs_are_named(self, nodes: list[tuple[str, ...]], words: str, tmp_path: Path) -> None:
        model = build([self.add(*names, name=f"n{i}") for i, names in enumerate(nodes)], {"x": (2,)})
        with pytest.raises(InputError, match=words):
            load(save(model, tmp_path))

    def test_a_long_chain_needs_no_recursion(self, tmp_path: Path) -> None:
        count = 3000
        nodes = [helper.make_node("Identity", [f"t{i + 1}"], [f"t{i}"]) for i in range(count)]
        model = build(nodes, {f"t{count}": (2,)}, ["t0"])
        assert len(load(save(model, tmp_path), verify=False).program.instructions) == 1

    def test_an_initializer_named_twice(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "x"))
        model.graph.input.append(tensor_info("extra", (2,)))
        model.graph.input.append(tensor_info("extra", (2,)))
        with pytest.raises(InputError, match="declared twice"):
            load(save(model, tmp_path))

    def test_an_input_with_an_initializer_is_a_constant(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.input.append(tensor_info("w0", (4, 3)))
        assert [port.name for port in load(save(model, tmp_path)).program.inputs] == ["x"]

    def test_a_domain_imported_twice(self, tmp_path: Path) -> None:
        same, different = mlp(), mlp()
        same.opset_import.append(helper.make_opsetid("", 20))
        different.opset_import.append(helper.make_opsetid("", 19))
        assert load(save(same, tmp_path), verify=False).opsets[0] == ("", 20)
        with pytest.raises(InputError, match="imported as versions 20 and 19"):
            load(save(different, tmp_path))

    def test_no_operator_set(self, tmp_path: Path) -> None:
        model = mlp()
        del model.opset_import[:]
        with pytest.raises(InputError, match="operator set version"):
            load(save(model, tmp_path))

    def test_data_that_does_not_fit_its_shape(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.initializer[0].dims[:] = [5, 3]
        with pytest.raises(InputError, match="initializer 'w0'"):
            load(save(model, tmp_path))

    def test_negative_dimensions(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.initializer[0].dims[:] = [-4, 3]
        with pytest.raises(InputError, match="at least 0"):
            load(save(model, tmp_path))

    def test_an_unknown_element_type(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.initializer[0].data_type = 77
        with pytest.raises(InputError, match="initializer 'w0'"):
            load(save(model, tmp_path))

    def test_an_attribute_of_the_wrong_type(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.node[0].attribute[0].CopyFrom(helper.make_attribute("transB", "yes"))
        with pytest.raises(InputError, match="attribute transB: expected int, got str"):
            load(save(model, tmp_path))

    def test_a_flag_is_0_or_1(self, tmp_path: Path) -> None:
        model = mlp()
        model.graph.node[0].attribute[0].i = 2
        with pytest.raises(InputError, match="attribute transB: expected 0 or 1, got 2"):
            load(save(model, tmp_path))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_float_attribute_is_finite(self, value: float, tmp_path: Path) -> None:
        model = build([helper.make_node("LeakyRelu", ["x"], ["y"], alpha=value)], {"x": (2,)})
        with pytest.raises(UnsupportedModelError, match="attribute alpha"):
            load(save(model, tmp_path))

    def test_a_node_of_too_few_inputs(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError, match="input 1 is missing"):
            load(save(build([helper.make_node("Add", ["x"], ["y"])], {"x": (2,)}), tmp_path))

    def test_declared_output_shapes_are_not_believed(self, tmp_path: Path) -> None:
        model = mlp()
        del model.graph.output[:]
        model.graph.output.append(tensor_info("y", (7, 7)))
        assert load(save(model, tmp_path)).program.output.shape == (1, 2)
