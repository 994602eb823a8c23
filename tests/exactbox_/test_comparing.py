"""Two models, one function or not: proofs, counterexamples that are evaluated anew, and honest indecision."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from exactbox.auditing import audit
from exactbox.comparing import Comparison, compare
from exactbox.comparing_report import comparison_blocks, comparison_document
from exactbox.importers.runtime import Confirmation
from exactbox.loading import load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, InternalError, UnsupportedModelError
from tests.exactbox_.onnx_nets import far_and_back, planted, scalar_sign
from tests.importers.onnx_models import build, mlp, save
from tests.shared_models import shared_model
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
MLP, CNN, IRIS = (DATA / f"{name}.onnx" for name in ("digits_mlp", "digits_cnn", "iris_pipeline"))


def affine(folder: Path, name: str, *nodes: onnx.NodeProto, **constants: Any) -> Path:
    arrays = {key: np.asarray(value, dtype=np.float32) for key, value in constants.items()}
    return save(build(list(nodes), {"x": ("N", 2)}, ["y"], arrays), folder, name)


def node(op: str, *names: str) -> onnx.NodeProto:
    return helper.make_node(op, list(names[:-1]), [names[-1]], f"{op}_{names[-1]}")


def check_witness(found: Comparison, left: Path, right: Path) -> None:
    """Evaluate both models anew at the point of a refutation."""
    assert found.verdict == "different" and found.witness is not None
    point = found.witness.point.reshape(-1, 1)
    values = [exact.forward(load(path, verify=False).program, point)[:, 0] for path in (left, right)]
    assert values[0].equals(found.witness.left) and values[1].equals(found.witness.right)
    k = found.witness.output
    assert values[0].item(k) - values[1].item(k) == found.witness.difference != 0


@pytest.mark.parametrize("model", [MLP, CNN, IRIS], ids=lambda path: path.stem)
def test_a_model_equals_itself_under_other_names(model: Path, tmp_path: Path) -> None:
    copy = onnx.load(model)
    for i, one in enumerate(copy.graph.node):
        one.name = f"other{i}"
    found = compare(model, save(copy, tmp_path))
    assert (found.verdict, found.witness, found.tried) == ("equal", None, 0)


def test_neutral_operations_do_not_matter(tmp_path: Path) -> None:
    plain = affine(tmp_path, "a.onnx", node("MatMul", "x", "w", "z"), node("Relu", "z", "y"), w=[[1, 2], [3, 4]])
    padded = affine(
        tmp_path, "b.onnx", node("Sub", "x", "o", "a"), node("Mul", "a", "i", "b"), node("Identity", "b", "c"),
        node("MatMul", "c", "w", "d"), node("Relu", "d", "e"), node("Relu", "e", "y"),
        w=[[1, 2], [3, 4]], o=[0, 0], i=[1, 1],
    )  # fmt: skip
    assert compare(plain, padded).verdict == "equal"


def test_affine_maps_are_decided_whatever_their_programs(tmp_path: Path) -> None:
    once = affine(tmp_path, "a.onnx", node("MatMul", "x", "w", "y"), w=[[2, 1], [0, 2]])
    twice = affine(tmp_path, "b.onnx", node("MatMul", "x", "u", "z"), node("MatMul", "z", "v", "y"),
                   u=[[2, 0], [0, 2]], v=[[1, 0.5], [0, 1]])  # fmt: skip
    other = affine(tmp_path, "c.onnx", node("MatMul", "x", "u", "z"), node("MatMul", "z", "v", "y"),
                   u=[[2, 0], [0, 2]], v=[[1, 0.5], [0, 1.5]])  # fmt: skip
    found = compare(once, twice)
    assert (found.verdict, found.reason) == ("equal", "both are affine, with the same weights and constants")
    check_witness(compare(once, other), once, other)


def test_equal_functions_that_no_normal_form_shows_are_undecided(tmp_path: Path) -> None:
    """min(x, relu(x)) is x, but no candidate dominates the other by its form."""
    relu = affine(tmp_path, "a.onnx", node("Relu", "x", "y"))
    steps = (node("Relu", "x", "r"), node("Min", "x", "r", "m"), node("Relu", "m", "y"))
    found = compare(relu, affine(tmp_path, "b.onnx", *steps), points=100)
    assert found.verdict == found.logits.verdict == "undecided"
    assert 0 < found.tried <= 100
    assert "agree at all" in found.reason


def test_a_deployment_that_loses_bits_is_still_the_identity(tmp_path: Path) -> None:
    plain = affine(tmp_path, "plain.onnx", node("Identity", "x", "y"))
    assert compare(far_and_back(tmp_path), plain).verdict == "equal"


PLANTED = [
    (MLP, entry, tensor) for tensor, entry in (("coefficient", 0), ("coefficient", 1234), ("coefficient1", 77),
                                               ("coefficient2", 5), ("intercepts", 3), ("intercepts2", 9))
]  # fmt: skip


@pytest.mark.parametrize("model,entry,tensor", PLANTED, ids=[f"{tensor}[{entry}]" for _, entry, tensor in PLANTED])
@pytest.mark.parametrize("box", [None, (0, 1)], ids=["everywhere", "unit box"])
def test_a_last_bit_is_found(
    model: Path, entry: int, tensor: str, box: tuple[int, int] | None, tmp_path: Path
) -> None:
    other = planted(model, tmp_path, tensor, entry)
    assert other.read_bytes() != model.read_bytes()
    found = compare(model, other, box=box)
    check_witness(found, model, other)
    assert found.witness is not None
    if box:
        assert all(0 <= value <= 1 for value in found.witness.point.fractions())
    assert not found.witness.confirmed  # one last bit drowns in rounding


def test_every_weight_tensor_of_a_convolutional_net(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for stored in onnx.load(CNN).graph.initializer:
        values = numpy_helper.to_array(stored)
        if values.dtype == np.float32:
            other = planted(CNN, tmp_path, stored.name, int(random.integers(values.size)))
            check_witness(compare(CNN, other), CNN, other)


def test_a_unit_that_is_active_in_a_corner_only(tmp_path: Path) -> None:
    def net(name: str, last: float) -> Path:
        width = 24
        return save(build(
            [node("Gemm", "x", "w", "b", "z"), node("Relu", "z", "h"), node("MatMul", "h", "v", "y")],
            {"x": ("N", width)}, ["y"],
            {"w": np.ones((width, 1), np.float32), "b": np.array([0.5 - width], np.float32),
             "v": np.array([[last]], np.float32)}), tmp_path, name)  # fmt: skip

    left, right = net("a.onnx", 1.0), net("b.onnx", float(np.nextafter(np.float32(1), np.float32(2))))
    found = compare(left, right, box=(0, 1))  # active on a part of the box of volume 2**-24 / 24!
    check_witness(found, left, right)


def test_data_is_tried_too(tmp_path: Path) -> None:
    needle = affine(tmp_path, "a.onnx", node("Sub", "x", "c", "d"), node("Abs", "d", "e"), node("Sub", "t", "e", "f"),
                    node("Relu", "f", "y"), c=[3000, 3000], t=[1, 1])  # fmt: skip
    zero = affine(tmp_path, "b.onnx", node("Mul", "x", "o", "y"), o=[0, 0])
    found = compare(needle, zero, data=np.array([[3000.25, 0.0]]))
    check_witness(found, needle, zero)


def test_irrational_constants_are_named() -> None:
    notes = compare(CNN, CNN).notes
    assert notes[0].startswith("irrational constants are replaced by rationals of 80 bits (the same roots in both)")
    assert all("f~" in note and "1/sqrt(variance + epsilon)" in note for note in notes[1:]) and len(notes) == 3


def test_models_of_other_sizes_and_refused_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 64 inputs, .* has 4: there is nothing to compare"):
        compare(MLP, IRIS)
    with pytest.raises(InputError, match=r"has 2 outputs, .* has 1"):
        compare(far_and_back(tmp_path), scalar_sign(tmp_path))
    curved = affine(tmp_path, "curved.onnx", node("Exp", "x", "e"), node("Add", "e", "x", "y"))
    with pytest.raises(UnsupportedModelError, match="Exp"):
        compare(far_and_back(tmp_path), curved)


def test_document_of_a_refutation(tmp_path: Path) -> None:
    other = planted(MLP, tmp_path, "intercepts2", 9)
    found = comparison_document(compare(MLP, other))
    assert set(found) == {"verdict", "compared", "reason", "outputs", "logits", "decisions", "inputs_matched", "left",
                          "right", "witness", "points_tried", "domain", "notes"}  # fmt: skip
    assert (found["verdict"], found["compared"], found["logits"]["verdict"]) == ("different", "outputs", "different")
    assert len(found["witness"]["point_exact"]) == 64
    assert Fraction(found["witness"]["difference"]["exact"]) != 0
    assert found["left"]["sha256"] != found["right"]["sha256"]


SAME = [
    ("marabou/acasxu/ACASXU_experimental_v2a_1_1.onnx", "neuralsat/onnx/ACASXU_run2a_1_1_batch_2000.onnx"),
    ("marabou/cifar10/cifar_base_kw.onnx", "marabou/cifar10/cifar_base_kw_simp.onnx"),
]


@pytest.mark.parametrize("left,right", SAME, ids=["acasxu", "cifar"])
def test_two_exports_of_one_network_are_equal(left: str, right: str) -> None:
    assert compare(shared_model(left), shared_model(right)).verdict == "equal"


def test_two_networks_of_one_name_differ_and_the_runtime_confirms_it() -> None:
    left, right = (shared_model(f"verix/{who}/mnist-10x2.onnx") for who in ("minwu-cs", "NeuralNetworkVerification"))
    found = compare(left, right)
    check_witness(found, left, right)
    assert found.witness is not None and found.witness.confirmed
    outputs: list[float] = []
    for path in (left, right):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        point = found.witness.point.to_float().reshape(1, 28, 28, 1).astype(np.float32)
        outputs.append(float(session.run(None, {session.get_inputs()[0].name: point})[0][0, found.witness.output]))
    assert outputs[0] - outputs[1] == pytest.approx(float(found.witness.difference), abs=sum(found.witness.bounds))


def test_a_last_bit_deep_in_a_real_network(tmp_path: Path) -> None:
    source = shared_model("marabou/acasxu/ACASXU_experimental_v2a_1_1.onnx")
    other = planted(source, tmp_path, "Operation_6_MatMul_W", 958)
    check_witness(compare(source, other), source, other)


@pytest.mark.parametrize("box", [(0, "1e400"), ("-1e400", "1e400")])
def test_boxes_with_ends_beyond_the_floats(tmp_path: Path, box: tuple[object, object]) -> None:
    model = scalar_sign(tmp_path)
    assert compare(model, planted(model, tmp_path, "w", 0), box=box).verdict == "different"


def test_a_box_beyond_the_floats_is_refused(tmp_path: Path) -> None:
    model = scalar_sign(tmp_path)
    with pytest.raises(InputError, match="expected bounds between which floats lie"):
        compare(model, planted(model, tmp_path, "w", 0), box=("1e400", "1e401"))


def test_empty_tensors_are_compared_too(tmp_path: Path) -> None:
    relu = save(build([node("Relu", "x", "y")], {"x": (1, 0)}), tmp_path, "relu.onnx")
    assert compare(relu, relu).verdict == "equal"
    with pytest.raises(InputError, match=r"nothing to audit: the output 'y' of shape \[1, 0\] holds no numbers"):
        audit(relu, np.zeros((2, 0), np.float32))


def test_the_runtime_confirms_both_models_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that the runtime contradicts proves nothing."""
    plain = affine(tmp_path, "plain.onnx", node("Relu", "x", "y"))

    def contradicted(*_: object) -> None:
        raise InternalError("the first node that differs from onnxruntime")

    monkeypatch.setattr("exactbox.comparing_sides.confirm", contradicted)
    with pytest.raises(InternalError, match="differs from onnxruntime"):
        compare(plain, plain)
    refused = Confirmation("not confirmed", "no kernel")
    monkeypatch.setattr("exactbox.comparing_sides.confirm", lambda *_: refused)
    found = compare(plain, plain)
    assert found.verdict == "equal"
    assert [note for note in found.notes if "not confirmed by the runtime: no kernel" in note]


def test_equal_logits_under_unequal_heads(tmp_path: Path) -> None:
    """The verdict is about the outputs; the one about the logits and the reason stand beside it."""
    plain = save(mlp(), tmp_path, "plain.onnx")
    headed = mlp()
    headed.graph.node.append(helper.make_node("Softmax", ["y"], ["p"], "softmax"))
    headed.graph.output[0].name = "p"
    found = compare(plain, save(headed, tmp_path, "headed.onnx"))
    assert (found.verdict, found.logits.verdict) == ("different", "equal")
    assert found.reason.startswith("the heads differ: none and Softmax-13 axis=1; entry 0 of the output differs")
    document = comparison_document(found)
    assert (document["logits"]["verdict"], document["witness"]) == ("equal", None)
    parted = found.outputs.parted
    assert parted is not None and document["outputs"]["point"]["left"] == parted.left
    row = parted.point.to_float().astype(np.float32).reshape(1, -1)
    values = [onnxruntime.InferenceSession(str(tmp_path / name)).run(None, {"x": row})[0].ravel()[parted.entry]
              for name in ("plain.onnx", "headed.onnx")]  # fmt: skip
    assert values == pytest.approx([float(parted.left), float(parted.right)], rel=1e-4)


def test_axes_of_length_one_and_positions_are_said(tmp_path: Path) -> None:
    one = save(build([node("Relu", "x", "y")], {"x": (1, 3)}), tmp_path, "one.onnx")
    other = save(build([node("Relu", "u", "y")], {"u": (3,)}), tmp_path, "other.onnx")
    found = compare(one, other)
    assert found.verdict == "equal" and found.matched == "by position: x [1, 3] and u [3]"
    assert found.notes == ("shapes are compared without their axes of length 1: inputs x [1, 3] and u [3], outputs "
                           "[1, 3] and [3]",)  # fmt: skip
    assert dict(comparison_blocks(found))["inputs"] == ["matched by position: x [1, 3] and u [3]"]


def test_decisions_are_a_verdict_of_their_own(tmp_path: Path) -> None:
    def net(name: str, last: int) -> Path:
        choice = helper.make_node("ArgMax", ["z"], ["y"], "a", axis=1, select_last_index=last)
        nodes = [node("MatMul", "x", "w", "z"), choice]
        declared = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, None)
        return save(build(nodes, {"x": (1, 2)}, [declared], {"w": np.array([[1, 1], [2, 2]], np.float32)}), tmp_path,
                    name)  # fmt: skip

    first, last = net("first.onnx", 0), net("last.onnx", 1)
    same, other = compare(first, first), compare(first, last)
    assert same.decisions is not None and (same.verdict, same.decisions.verdict) == ("equal", "equal")
    assert other.decisions is not None
    assert (other.verdict, other.logits.verdict, other.decisions.verdict) == ("different", "equal", "different")
    assert other.decisions.parted is not None and other.decisions.parted.left == "0"
