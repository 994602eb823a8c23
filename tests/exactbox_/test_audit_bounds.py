"""What an audit may call proved: rounded comparisons, computed constants, large sums, tails, contradictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exactbox.audit_chunk import Floats, Observed
from exactbox.audit_plot import draw_audit
from exactbox.audit_report import document, words
from exactbox.auditing import Audit, audit
from exactbox.cli import run
from exactbox.importers.onnx_model import load
from exactbox.importers.ops.labels import names_label
from exactbox.polytope.errors import InputError
from tests.exactbox_.onnx_nets import far_and_back, saturated, scalar_sign
from tests.importers.onnx_models import build, save

node = helper.make_node
HUGE = 3e38


def beside(
    nodes: Sequence[onnx.NodeProto], folder: Path, constants: Mapping[str, Any], level: float = 1e-5, width: int = 1
) -> Path:
    """Write y = (t, level), where nodes make t of shape (N, width) from x of the same shape."""
    tail = [
        node("Mul", ["x", "zero"], ["nothing"], "nothing"),
        node("Add", ["nothing", "level"], ["constant"], "level"),
        node("Concat", ["t", "constant"], ["y"], "outputs", axis=1),
    ]
    values: dict[str, Any] = {**constants, "zero": np.float32(0), "level": np.float32(level)}
    return save(build([*nodes, *tail], {"x": ("N", width)}, ["y"], values), folder)


def nodewise(found: Audit) -> Observed:
    seen = found.found.ways[0]
    assert isinstance(seen, Observed)
    return seen


def within(found: Audit) -> bool:
    """Say whether no way of running leaves the bound, and no proved sample flips."""
    ways = [way for way in found.found.ways if isinstance(way, Observed)]
    assert ways
    flips = [found.found.holds & (way.by_logits != found.found.chosen) for way in ways]
    return not any(way.beyond.any() or flip.any() for way, flip in zip(ways, flips, strict=True))


CHOICES = [
    ("where", [node("Greater", ["a", "k"], ["c"], "gt"), node("Where", ["c", "x", "zero"], ["t"], "where")]),
    ("less", [node("Less", ["a", "k"], ["c"], "lt"), node("Where", ["c", "zero", "x"], ["t"], "where")]),
    ("not", [node("LessOrEqual", ["a", "k"], ["b"], "le"), node("Not", ["b"], ["c"], "not"),
             node("Where", ["c", "x", "zero"], ["t"], "where")]),
    ("times", [node("GreaterOrEqual", ["a", "k"], ["b"], "ge"), node("Cast", ["b"], ["c"], "cast", to=1),
               node("Mul", ["x", "c"], ["t"], "mul")]),
    ("steep", [node("Greater", ["a", "k"], ["c"], "gt"), node("Mul", ["x", "far"], ["s"], "mul"),
               node("Where", ["c", "s", "zero"], ["t"], "where")]),
    ("min", [node("Greater", ["a", "k"], ["c"], "gt"), node("Where", ["c", "zero", "x"], ["t"], "where")]),
]  # fmt: skip


@pytest.mark.parametrize("nodes", [case[1] for case in CHOICES], ids=[case[0] for case in CHOICES])
@pytest.mark.parametrize("far", [1000.0, 2.0**24, -3e6])
def test_a_comparison_of_rounded_operands_decides_nothing_near_its_step(
    nodes: Sequence[onnx.NodeProto], far: float, tmp_path: Path
) -> None:
    """where(x + k > k, x, 0) is max(x, 0); in float32, x + k is k for every small x."""
    step = float(np.spacing(np.float32(abs(far))))
    near = [[factor * step] for factor in (0.33, 0.4, -0.2, -0.45, 0.0, 2.0, -3.0)]
    points = np.array([*near, [1e5], [-1e5]], dtype=np.float32)
    constants = {"k": np.float32(far), "far": np.float32(far)}
    model = beside([node("Add", ["x", "k"], ["a"], "add"), *nodes], tmp_path, constants, step * 0.3)
    found = audit(model, points)
    assert not found.unproved and within(found)
    assert found.found.bound[0] >= nodewise(found).difference[0]
    assert nodewise(found).difference.max() > 0
    assert found.found.holds[-2:].any()


FOLDED = [
    ("floor", [node("Mul", ["a", "b"], ["p"]), node("Floor", ["p"], ["q"])], True),
    ("ceil", [node("Mul", ["d", "e"], ["p"]), node("Ceil", ["p"], ["q"])], True),
    ("round", [node("Add", ["d", "half"], ["p"]), node("Sub", ["p", "d"], ["r"]), node("Round", ["r"], ["q"])], True),
    ("cast", [node("Mul", ["a", "b"], ["p"]), node("Cast", ["p"], ["i"], to=7),
              node("Cast", ["i"], ["q"], to=1)], True),
    ("compare", [node("Mul", ["a", "b"], ["p"]), node("Less", ["p", "seven"], ["c"]),
                 node("Where", ["c", "one", "two"], ["q"])], True),
    ("equal", [node("Mul", ["a", "b"], ["p"]), node("Equal", ["p", "seven"], ["c"]),
               node("Where", ["c", "one", "two"], ["q"])], True),
    ("sign", [node("Mul", ["a", "b"], ["p"]), node("Sub", ["p", "seven"], ["r"]), node("Sign", ["r"], ["q"])], True),
    ("range", [node("Mul", ["a", "b"], ["p"]), node("Range", ["zero", "p", "one"], ["r"]),
               node("ReduceSum", ["r"], ["q"], keepdims=0)], True),
    ("root", [node("Mul", ["a", "b"], ["p"]), node("Sub", ["p", "seven"], ["r"]), node("Abs", ["r"], ["s"]),
              node("Sqrt", ["s"], ["u"]), node("Sign", ["u"], ["q"])], True),
    ("non-zero", [node("Mul", ["a", "b"], ["p"]), node("Sub", ["p", "sevens"], ["r"]), node("NonZero", ["r"], ["i"]),
                  node("Cast", ["i"], ["v"], to=1), node("ReduceSum", ["v"], ["q"], keepdims=0)], True),
    ("exact floor", [node("Mul", ["seven", "half"], ["p"]), node("Floor", ["p"], ["q"])], False),
    ("whole quotient", [node("Div", ["b", "two"], ["p"]), node("Floor", ["p"], ["q"])], False),
    ("far from a step", [node("Mul", ["a", "b"], ["p"]), node("Add", ["p", "half"], ["r"]),
                         node("Floor", ["r"], ["q"])], False),
    ("exact range", [node("Range", ["zero", "two", "half"], ["r"]),
                     node("ReduceSum", ["r"], ["q"], keepdims=0)], False),
    ("exact cast", [node("Cast", ["wide"], ["p"], to=1), node("Floor", ["p"], ["q"])], False),
]  # fmt: skip
NUMBERS = {"a": 0.7, "b": 10, "d": 0.1, "e": 30, "seven": 7, "half": 0.5, "one": 1, "two": 2}


@pytest.mark.parametrize(("nodes", "open_"), [case[1:] for case in FOLDED], ids=[case[0] for case in FOLDED])
def test_a_step_of_a_computed_constant_within_its_rounding_has_no_bound(
    nodes: Sequence[onnx.NodeProto], open_: bool, tmp_path: Path
) -> None:
    """0.7f * 10f is 6.99999988 exactly, and 7 in float32."""
    constants: dict[str, Any] = {name: np.float32(value) for name, value in NUMBERS.items()}
    constants |= {"wide": np.float64(7), "sevens": np.array([7], np.float32)}
    model = beside([*nodes, node("Mul", ["x", "q"], ["t"], "product")], tmp_path, constants)
    found = audit(model, np.array([[1], [-1], [2.5]], dtype=np.float32))
    assert within(found)
    assert bool(found.unproved) == open_ and np.isinf(found.found.bound).all() == open_
    assert found.found.holds.any() != open_
    if open_:
        assert "within its rounding error of a step" in found.unproved[0]
        assert any("a float execution may take another way" in note for note in load(model).notes)


CARRIED = [
    ("clip", [node("Clip", ["x", "", "p"], ["t"])]),
    ("max", [node("Max", ["x", "p"], ["t"])]),
    ("min", [node("Min", ["p", "x"], ["t"])]),
    ("zero at most", [node("Sub", ["p", "seven"], ["r"]), node("Max", ["x", "r"], ["t"])]),
    ("sum", [node("Sum", ["x", "p", "p"], ["t"])]),
    ("quotient", [node("Div", ["x", "p"], ["t"])]),
    ("pad", [node("Pad", ["x", "pads", "p"], ["u"]), node("Slice", ["u", "one64", "two64", "one64"], ["t"])]),
    ("where", [node("Where", ["truth", "p", "x"], ["t"])]),
    ("slope", [node("PRelu", ["x", "p"], ["t"])]),
    ("batch-norm", [node("Unsqueeze", ["p", "zero64"], ["v"]),
                    node("BatchNormalization", ["x", "v", "v", "v", "v"], ["t"])]),
    ("reciprocal", [node("Reciprocal", ["p"], ["v"]), node("Mul", ["x", "v"], ["t"])]),
]  # fmt: skip


@pytest.mark.parametrize("nodes", [case[1] for case in CARRIED], ids=[case[0] for case in CARRIED])
def test_the_error_of_a_computed_constant_is_carried(nodes: Sequence[onnx.NodeProto], tmp_path: Path) -> None:
    """p is (0.7f * 10f) in floats, half a unit in the last place from the exact product."""
    constants = {
        "a": np.float32(0.7), "b": np.float32(10), "seven": np.float32(7), "pads": np.array([0, 1, 0, 0]),
        "zero64": np.array([0]), "one64": np.array([0]), "two64": np.array([1]), "truth": np.array([[True]]),
    }  # fmt: skip
    constants["one64"] = np.array([1])
    if nodes[0].op_type == "Pad":
        constants |= {"one64": np.array([0]), "two64": np.array([1])}
        nodes = [nodes[0], node("Slice", ["u", "zero64", "two64", "axis64"], ["t"])]
        constants["axis64"] = np.array([1])
    model = beside([node("Mul", ["a", "b"], ["p"], "made"), *nodes], tmp_path, constants, 6.9999995)
    found = audit(model, np.array([[100], [-100], [7], [0]], dtype=np.float32))
    assert not found.unproved and within(found)
    assert (nodewise(found).difference <= found.found.bound).all() and nodewise(found).difference.max() > 0


LARGE = [
    ("ReduceMean", [node("ReduceMean", ["x"], ["t"], axes=[1])], {}),
    ("GlobalAveragePool", [node("Unsqueeze", ["x", "one64"], ["u"]), node("GlobalAveragePool", ["u"], ["v"]),
                           node("Squeeze", ["v", "one64"], ["t"])], {}),
    ("AveragePool", [node("Unsqueeze", ["x", "one64"], ["u"]), node("AveragePool", ["u"], ["v"], kernel_shape=[4]),
                     node("Squeeze", ["v", "one64"], ["t"])], {}),
    ("Gemm", [node("Gemm", ["x", "w"], ["t"], alpha=0.01)], {"w": np.ones((4, 1))}),
    ("Gemm with data", [node("ReduceMax", ["x"], ["m"], axes=[1]), node("Gemm", ["x", "w", "m"], ["t"])],
     {"w": np.full((4, 1), 0.5)}),
    ("MatMul", [node("MatMul", ["x", "w"], ["t"])], {"w": np.array([[1.0], [1], [-1], [-1]])}),
    ("Mean", [node("Mean", ["x", "x"], ["s"]), node("MatMul", ["s", "w"], ["t"])], {"w": np.eye(4)[:, :1]}),
    ("Sum", [node("Neg", ["x"], ["m"]), node("Sum", ["x", "m", "x", "m"], ["s"]), node("Sum", ["x", "x", "m"], ["r"]),
             node("Add", ["s", "r"], ["q"]), node("MatMul", ["q", "w"], ["t"])], {"w": np.eye(4)[:, :1]}),
    ("NegativeLogLikelihoodLoss", [
        node("NegativeLogLikelihoodLoss", ["x", "labels", "w"], ["v"], reduction="mean"),
        node("Unsqueeze", ["v", "both64"], ["t"])], {"labels": np.array([2]), "w": np.full(4, 10.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants"), [case[1:] for case in LARGE], ids=[case[0] for case in LARGE])
def test_partial_sums_that_overflow_have_no_bound(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Any], tmp_path: Path
) -> None:
    """The exact result is moderate, or below the largest float32; what is summed before the scaling is not."""
    values: dict[str, Any] = {
        name: value if value.dtype.kind == "i" else value.astype(np.float32) for name, value in constants.items()
    }
    integers = {"one64": np.array([1]), "both64": np.array([0, 1])}
    tail = [node("MatMul", ["x", "first"], ["f"], "first"), node("Mul", ["f", "nil"], ["n"], "nil"),
            node("Concat", ["t", "n"], ["y"], "outputs", axis=1)]  # fmt: skip
    weights = {"first": np.eye(4, dtype=np.float32)[:, :1], "nil": np.float32(0)}
    values |= {**integers, **weights}
    model = save(build([*nodes, *tail], {"x": (1, 4)}, ["y"], values, opset=17), tmp_path)
    found = audit(model, np.array([[HUGE] * 4, [HUGE, HUGE, -HUGE, -HUGE], [1, 2, 3, 4]], dtype=np.float32))
    assert within(found) and not found.unproved
    assert np.isinf(found.found.bound[0]) and not found.found.holds[0]
    assert np.isfinite(found.found.bound[2])
    assert not np.isfinite(nodewise(found).difference[:2]).all()


BATCH_NORM = {
    "an infinite factor": ([1e30], [0], [0], [1e-30]),
    "a factor that underflows": ([1e-30], [0], [1e20], [1e30]),
    "a mean times the factor": ([1e30], [1], [1e30], [1]),
}


@pytest.mark.parametrize("parameters", BATCH_NORM.values(), ids=BATCH_NORM)
def test_batch_normalisation_counts_what_it_computes_first(parameters: Sequence[Any], tmp_path: Path) -> None:
    names = ("gain", "bias", "mean", "variance")
    constants = {name: np.array(value, np.float32) for name, value in zip(names, parameters, strict=True)}
    nodes = [node("BatchNormalization", ["x", *names], ["t"], "norm", epsilon=0.0)]
    found = audit(beside(nodes, tmp_path, constants), np.array([[0.0], [1.0], [1e30]], dtype=np.float32))
    assert not found.unproved and within(found)


def test_what_underflow_loses_before_a_large_factor_is_in_the_bound(tmp_path: Path) -> None:
    nodes = [node("Gemm", ["x", "w"], ["t"], "gemm", alpha=1e30)]
    model = beside(nodes, tmp_path, {"w": np.array([[1e-30]], np.float32)})
    found = audit(model, np.array([[1e-10], [1e-15], [1e-20], [1.0]], dtype=np.float32))
    assert nodewise(found).difference[1] > 1e-16 and within(found)


def known_deviation(folder: Path) -> Path:
    """Write a model in which a constant is too large for float16: exact numbers keep it, the runtime takes infinity."""
    nodes = [node("Cast", ["big"], ["h"], "short", to=10), node("Cast", ["h"], ["f"], "wide", to=1),
             node("Min", ["x", "f"], ["t"], "min")]  # fmt: skip
    return beside(nodes, folder, {"big": np.float32(70000)})


def test_where_the_runtime_reads_otherwise_no_bound_is_stated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0], [-1.0]], np.float32))
    code = run(["audit", str(known_deviation(tmp_path)), "--data", str(tmp_path / "x.npy"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["exit_code"]) == (2, 2)
    assert "Cast 'short': onnxruntime computes something else" in found["unproved"][0]
    assert (found["summary"]["proved_to_hold"], found["summary"]["largest_bound"]) == (0, None)
    assert [(sample["bound"], sample["holds"]) for sample in found["samples"]] == [(None, False)] * 2
    assert found["words"][0].startswith("nothing of this model is proved: Cast 'short'")
    assert not any("are proved to decide" in sentence for sentence in found["words"])


def test_a_bound_that_one_sample_exceeds_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bound that is made too small stands for one that a runtime breaks."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("exactbox.audit_chunk._bound", lambda bench, fed, values: np.full(fed.floats.shape[1], 1e-9))
    points = np.array([[0.375, 0.25], [64.0, 1.0], [4.0, 1.0]], dtype=np.float32)
    found = audit(far_and_back(tmp_path), points)
    assert nodewise(found).beyond.tolist() == [True, False, False]
    assert not found.found.holds.any() and not found.deployed.any()
    assert found.unproved[0] == (
        "node by node, one sample at a time: 1 sample lies beyond the bound of the float error (rows 0)"
    )
    assert words(found)[0] == f"nothing of this model is proved: {found.unproved[0]}"
    draw_audit(found, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "nothing is proved" in text and "proved to hold: 0" in text
    np.save(tmp_path / "x.npy", points)
    arguments = ["audit", str(far_and_back(tmp_path)), "--data", str(tmp_path / "x.npy"), "--fail-on-flip"]
    assert run(arguments) == 2
    assert "nothing of this model is proved" in " ".join(capsys.readouterr().out.split())


class TestTails:
    """A deployed decision is proved only where its tail rounds nothing."""

    def test_a_tail_that_rounds_proves_no_deployed_decision(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        found = audit(saturated(tmp_path), np.array([[20.0, 30.0], [0.0, 1.0]], dtype=np.float32))
        summary = document(found)["summary"]
        assert (summary["proved_to_hold"], summary["proved_with_tail"], summary["flips"]) == (2, 0, 1)
        assert [sample["holds_with_tail"] for sample in document(found)["samples"]] == [False, False]
        assert not found.unproved
        draw_audit(found, tmp_path / "a.svg")
        assert "decision proved" not in (tmp_path / "a.svg").read_text()

    @pytest.mark.parametrize("tail", ["Softmax", "Sigmoid", "Tanh", "LogSoftmax"])
    def test_scores_too(self, tail: str, tmp_path: Path) -> None:
        model = save(build([node(tail, ["x"], ["y"], "tail")], {"x": ("N", 2)}), tmp_path)
        found = audit(model, np.array([[20.0, 30.0], [100.0, 101.0], [0.0, 1.0]], dtype=np.float32))
        assert found.found.holds.all() and not found.deployed.any()

    @pytest.mark.parametrize("target", [None, 1, 11, 6, 10, 8])
    def test_a_label_is_compared_by_what_it_is(self, target: int | None, tmp_path: Path) -> None:
        nodes = [node("ArgMax", ["x"], ["k"], "arg", axis=1, keepdims=0),
                 node("Identity", ["k"], ["y"], "same") if target is None else
                 node("Cast", ["k"], ["y"], "cast", to=target)]  # fmt: skip
        declared = [helper.make_tensor_value_info("y", target or TensorProto.INT64, None)]
        model = save(build(nodes, {"x": ("N", 3)}, declared), tmp_path)
        found = audit(model, np.eye(3, dtype=np.float32))
        assert found.found.chosen.tolist() == [0, 1, 2]
        assert nodewise(found).by_head.tolist() == [0, 1, 2] and not found.flipped.any()


NAMES: list[tuple[tuple[str, ...], str, object, list[int]]] = [
    (("0", "1"), "float32", 1.0, [1]),
    (("0", "1"), "float16", 0.0, [0]),
    (("0.1", "0.2"), "float32", float(np.float32(0.2)), [1]),
    (("0.5", "-2"), "float64", -2.0, [1]),
    (("0.1", "0.10000000149011612"), "float32", float(np.float32(0.1)), [0, 1]),
    (("1", "1.0"), "string", "1.0", [1]),
    (("a", "b", "a"), "string", b"a", [0, 2]),
    (("-1", "7"), "int64", 7, [1]),
    (("1.0", "7.0"), "float32", 7.0, [1]),
    (("0", "1"), "bool", True, [1]),
    (("cat", "dog"), "string", "bird", []),
    (("0", "1"), "float32", float("nan"), []),
]


@pytest.mark.parametrize(("labels", "dtype", "cell", "expected"), NAMES)
def test_labels_by_value(labels: tuple[str, ...], dtype: str, cell: object, expected: list[int]) -> None:
    assert [i for i, label in enumerate(labels) if names_label(label, dtype, cell)] == expected


def test_a_target_without_a_sign_is_refused(tmp_path: Path) -> None:
    points: Floats = np.array([[1.0, 0.5]])
    with pytest.raises(InputError, match="'1' names the output whose sign decides, but the decision is argmax over 2"):
        audit(far_and_back(tmp_path), points, target="1")
    with pytest.raises(InputError, match="but the decision is none"):
        audit(scalar_sign(tmp_path), points, target="0")
    assert audit(far_and_back(tmp_path), points, target="1", decision="sign").bench.plan.outputs == (1,)


def test_ulps_are_those_of_the_largest_output_and_left_out_where_it_cancels(tmp_path: Path) -> None:
    found = audit(far_and_back(tmp_path), np.array([[0.375, 64.0], [0.375, 0.25]], dtype=np.float32))
    assert nodewise(found).ulps[0] == 0.375 / 2.0**-17  # 64 has neighbours 2**-17 apart
    one = audit(scalar_sign(tmp_path), np.array([[1.0, 1e-9], [1, 1]], dtype=np.float32))
    assert nodewise(one).ulps.tolist() == [pytest.approx(1e-9 * 2**23, rel=1e-6), 0.0]
    gone = audit(far_and_back(tmp_path, relu=True), np.array([[0.375, 0.0]], dtype=np.float32))
    assert np.isnan(nodewise(gone).ulps[0]) or nodewise(gone).difference[0] < 0.375
    assert document(gone)["ways"][0]["largest_ulps"] is None or nodewise(gone).ulps[0] > 0


def test_a_rounding_tail_whose_logits_no_tensor_shows_contradicts_nothing(tmp_path: Path) -> None:
    """The label of a classifier under a Softmax is all that is seen: where it differs, the tail may have done it."""
    classifier = node(
        "LinearClassifier", ["x"], ["label", "scores"], "linear", domain="ai.onnx.ml", post_transform="SOFTMAX",
        coefficients=[1.0, 0.0, 0.0, 1.0], intercepts=[0.0, 0.0], classlabels_ints=[0, 1],
    )  # fmt: skip
    declared = [helper.make_tensor_value_info("label", TensorProto.INT64, None),
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]  # fmt: skip
    model = build([classifier], {"x": ("N", 2)}, declared)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    points = np.array([[1e10, 1.0], [1e38, -1e38], [0.0, 1.0]], dtype=np.float32)
    found = audit(save(model, tmp_path), points)
    assert not found.unproved and not found.deployed.any()
    assert np.isnan(nodewise(found).difference).all()


def test_places_between_pixels_carry_the_error_of_computed_grids(tmp_path: Path) -> None:
    theta = np.array([[[0.9, 0.1, 0.05], [-0.2, 1.1, 0.3]]], np.float32)
    nodes = [node("AffineGrid", ["theta", "size"], ["grid"], "grid"),
             node("GridSample", ["x", "grid"], ["y"], "sample", mode="linear")]  # fmt: skip
    model = build(nodes, {"x": (1, 1, 4, 4)}, ["y"], {"theta": theta, "size": np.array([1, 1, 2, 3])})
    points = np.random.default_rng(3).standard_normal((8, 1, 4, 4)).astype(np.float32) * 1e6
    found = audit(save(model, tmp_path), points, decision="none")
    assert not found.unproved and within(found) and np.isfinite(found.found.bound).all()
    assert nodewise(found).difference.max() > 0


@pytest.mark.parametrize("ratio", [0, 2])
def test_a_region_far_outside_is_read_with_the_rounding_of_its_corners(ratio: int, tmp_path: Path) -> None:
    corners = np.array([[-20000.3, -20000.7, 3.3, 2.9], [0.4, 0.4, 3.6, 3.1]], np.float32) * (1 if ratio else 0.01)
    nodes = [node("RoiAlign", ["x", "corners", "images"], ["y"], "roi", output_height=2, output_width=2,
                  spatial_scale=0.3, sampling_ratio=ratio)]  # fmt: skip
    model = build(nodes, {"x": (1, 1, 4, 4)}, ["y"], {"corners": corners, "images": np.zeros(2, np.int64)})
    points = np.random.default_rng(5).standard_normal((8, 1, 4, 4)).astype(np.float32)
    points[0] = HUGE
    found = audit(save(model, tmp_path), points, decision="none")
    assert within(found)
    assert np.isinf(found.found.bound[0]) or nodewise(found).difference[0] <= found.found.bound[0]


def branches(folder: Path, steps: Sequence[onnx.NodeProto], condition: str) -> Path:
    """Write t = x or -x by a condition that the steps compute."""
    sides = [
        helper.make_graph([node(op, ["x"], [f"o{op}"])], op, [], [helper.make_tensor_value_info(f"o{op}", 1, None)])
        for op in ("Identity", "Neg")
    ]
    chosen = node("If", [condition], ["t"], "if", then_branch=sides[0], else_branch=sides[1])
    return beside([*steps, chosen], folder, {name: np.float32(value) for name, value in NUMBERS.items()})


INDIRECT = [
    ("one branch", [node("Mul", ["a", "b"], ["p"]), node("Less", ["p", "seven"], ["c"])], True),
    ("a truth value", [node("Mul", ["a", "b"], ["p"]), node("Sub", ["p", "seven"], ["r"]),
                       node("Cast", ["r"], ["c"], to=9)], True),
    ("another number", [node("Mul", ["a", "b"], ["p"]), node("Less", ["p", "two"], ["c"])], False),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "open_"), [case[1:] for case in INDIRECT], ids=[case[0] for case in INDIRECT])
def test_a_branch_that_rounding_may_change_has_no_bound(
    steps: Sequence[onnx.NodeProto], open_: bool, tmp_path: Path
) -> None:
    found = audit(branches(tmp_path, steps, "c"), np.array([[1.0], [-3.0]], dtype=np.float32))
    assert within(found)
    assert bool(found.unproved) == open_ and found.found.holds.any() != open_


def test_a_place_that_rounding_may_change_has_no_bound(tmp_path: Path) -> None:
    """Entries 0.7f * 10f up to 9 of a row of ten: four exactly, three in float32, of which the first counts."""
    nodes = [node("Mul", ["a", "b"], ["p"]), node("Cast", ["p"], ["i"], to=7), node("Reshape", ["i", "one64"], ["at"]),
             node("Concat", ["x"] * 10, ["wide"], axis=1), node("Mul", ["wide", "ramp"], ["slope"]),
             node("Slice", ["slope", "at", "end", "one64"], ["cut"]),
             node("Slice", ["cut", "nil", "one64", "one64"], ["t"])]  # fmt: skip
    constants = {"a": np.float32(0.7), "b": np.float32(10), "one64": np.array([1]), "end": np.array([10]),
                 "nil": np.array([0]), "ramp": np.arange(10, dtype=np.float32)}  # fmt: skip
    found = audit(beside(nodes, tmp_path, constants), np.array([[1.0], [-3.0]], dtype=np.float32))
    assert found.unproved and not found.found.holds.any() and within(found)
    assert nodewise(found).difference.tolist() == [1.0, 3.0]


def test_outputs_of_another_size_are_no_difference_that_is_known(tmp_path: Path) -> None:
    """The runtime gives three entries where exact arithmetic gives four."""
    nodes = [node("Mul", ["a", "b"], ["p"]), node("Cast", ["p"], ["i"], to=7), node("Reshape", ["i", "one64"], ["at"]),
             node("Slice", ["x", "at", "end", "one64"], ["t"])]  # fmt: skip
    constants = {"a": np.float32(0.7), "b": np.float32(10), "one64": np.array([1]), "end": np.array([10])}
    found = audit(beside(nodes, tmp_path, constants, width=10), np.ones((2, 10), dtype=np.float32))
    assert found.unproved and not found.found.holds.any()
    assert np.isinf(nodewise(found).difference).all() and (found.found.units_off == -1).all()
    assert any("decision is not the exact one" in sentence for sentence in words(found))
