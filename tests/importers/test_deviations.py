"""Where onnxruntime is known to leave the standard's text, or the text is open: told, refused, and never our fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from exactbox.importers.onnx_model import load
from exactbox.polytope.errors import InternalError
from tests.importers.onnx_models import build, save, tensor_info
from tests.importers.test_versions import Shape, numbers, one, refused, value


class TestKnownDeviations:
    """Where onnxruntime is known to leave the standard's text: the text is lowered, and the difference is said."""

    @pytest.mark.parametrize(
        ("model", "shape"),
        [
            (one("MaxPool", (1, 1, 5), 17, kernel_shape=[2], strides=[2], auto_pad="VALID", ceil_mode=1), (1, 1, 2)),
            (
                one("AveragePool", (1, 1, 5), 19, kernel_shape=[2], strides=[2], auto_pad="VALID", ceil_mode=1),
                (1, 1, 2),
            ),
            (one("MaxPool", (1, 1, 6), 17, kernel_shape=[2], dilations=[2], auto_pad="SAME_UPPER"), (1, 1, 6)),
            (one("AveragePool", (1, 1, 6), 19, kernel_shape=[2], dilations=[2], auto_pad="SAME_LOWER"), (1, 1, 6)),
            (
                one("ConvTranspose", (1, 1, 3), 17, {"w": numbers(1, 1, 1)}, strides=[2], auto_pad="SAME_UPPER"),
                (1, 1, 6),
            ),
            (
                one(
                    "Slice",
                    (3,),
                    13,
                    {"s": np.array([-1]), "e": np.array([2**63 - 1]), "a": np.array([0]), "t": -np.array([1])},
                ),
                (0,),
            ),
        ],
    )
    def test_they_are_told_and_are_no_fault(self, model: onnx.ModelProto, shape: Shape, tmp_path: Path) -> None:
        found = load(save(model, tmp_path))
        assert found.program.output.shape == shape
        assert (found.confirmation.status, found.confirmation.deviates) == ("not confirmed", True)
        (warning,) = found.warnings
        assert "onnxruntime computes something else than the standard says" in warning
        assert any("'node': " in note and "where onnxruntime" in note for note in found.notes)

    @pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
    def test_nothing_is_told_where_all_windows_fit(self, op: str, tmp_path: Path) -> None:
        found = load(
            save(one(op, (1, 1, 6), 19, kernel_shape=[2], strides=[2], auto_pad="VALID", ceil_mode=1), tmp_path)
        )
        assert found.confirmation.status == "confirmed"
        assert not any("where onnxruntime" in note for note in found.notes)

    def test_one_inside_a_branch_is_that_of_the_branch(self, tmp_path: Path) -> None:
        pool = helper.make_node(
            "MaxPool", ["x"], ["b"], "pool", kernel_shape=[2], strides=[2], auto_pad="VALID", ceil_mode=1
        )
        body = helper.make_graph([pool], "body", [], [tensor_info("b", None)])
        node = helper.make_node("If", ["c"], ["y"], "branch", then_branch=body, else_branch=body)
        model = build([node], {"x": (1, 1, 5)}, ["y"], {"c": np.array(True)}, opset=17)
        assert load(save(model, tmp_path)).confirmation.deviates

    def test_one_of_a_sequence_shows_where_the_sequence_is_read(self, tmp_path: Path) -> None:
        nodes = [
            helper.make_node("SplitToSequence", ["x", "n"], ["s"], "split", keepdims=0),
            helper.make_node("SequenceAt", ["s", "i"], ["y"], "at"),
        ]
        constants = {"n": np.array(1), "i": np.array(0)}
        found = load(save(build(nodes, {"x": (2, 3)}, ["y"], constants, opset=18), tmp_path))
        assert found.program.output.shape == (1, 3)
        assert found.confirmation.deviates
        assert "SplitToSequence 'split': keepdims counts only without lengths" in found.confirmation.reason

    def test_a_fault_elsewhere_is_not_excused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The pool deviates where it is judged; a wrong sign before it is ours."""
        from exactbox.importers.ops import elementwise

        plus = elementwise.plus
        monkeypatch.setattr(elementwise, "plus", lambda call, left, right, shape, _sign: plus(call, left, right, shape))
        nodes = [
            helper.make_node("Sub", ["x", "c"], ["d"], "sub"),
            helper.make_node(
                "MaxPool", ["d"], ["y"], "pool", kernel_shape=[2], strides=[2], auto_pad="VALID", ceil_mode=1
            ),
        ]
        constants = {"c": np.array(1, np.float32)}
        with pytest.raises(InternalError, match="Sub 'sub' is the first node that differs"):
            load(save(build(nodes, {"x": (1, 1, 5)}, ["y"], constants, opset=17), tmp_path))


class TestTextsThatAreOpen:
    @pytest.mark.parametrize(("op", "stride", "size"), [("MaxPool", 2, 4), ("AveragePool", 3, 6), ("Conv", 4, 4)])
    @pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
    def test_same_with_entries_between_the_windows(
        self, op: str, stride: int, size: int, mode: str, tmp_path: Path
    ) -> None:
        constants = {"w": numbers(1, 1, 1)} if op == "Conv" else None
        given: dict[str, Any] = {} if op == "Conv" else {"kernel_shape": [1]}
        model = one(op, (1, 1, size), 17, constants, strides=[stride], auto_pad=mode, **given)
        refused(model, tmp_path, "the standard does not say which to leave out")

    @pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
    def test_a_convolution_of_stride_two_skips_the_last_entry(self, mode: str, tmp_path: Path) -> None:
        model = load(save(one("Conv", (1, 1, 4), 17, {"w": numbers(1, 1, 1)}, strides=[2], auto_pad=mode), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert value(model, numbers(4)).ravel().tolist() == [1, 3]

    def test_an_output_far_beyond_the_entries(self, tmp_path: Path) -> None:
        model = one("ConvTranspose", (1, 1, 1), 17, {"w": numbers(1, 1, 1)}, output_shape=[2])
        refused(model, tmp_path, "further than a stride beyond the entries")

    @pytest.mark.parametrize("shape", [(1, 2, 0), (1, 2, 3, 0)])
    def test_the_maximum_of_an_empty_plane(self, shape: Shape, tmp_path: Path) -> None:
        refused(one("GlobalMaxPool", shape, 17), tmp_path, "GlobalMaxPool 'node': a maximum over nothing")

    def test_an_output_that_a_list_leaves_out(self, tmp_path: Path) -> None:
        """onnxruntime ends the process at such a file; the standard allows it for optional outputs only."""
        refused(one("Split", (4,), 17, None, ("y", "")), tmp_path, "leaves out an output of a list")

    def test_nothing_but_padding_is_compared(self, tmp_path: Path) -> None:
        model = load(save(one("CenterCropPad", (2, 0), 18, {"s": np.array([2, 3])}), tmp_path))
        assert model.confirmation.status == "confirmed"
        assert value(model, np.zeros(0)).tolist() == [[0, 0, 0], [0, 0, 0]]

    def test_a_place_between_two_entries_is_doubted(self, tmp_path: Path) -> None:
        """Three places become one, at 1, where the floor steps; with a float32 of 1/3 it falls short of that."""
        blank = np.zeros(0, np.float32)
        constants = {"r": blank, "s": blank, "n": np.array([1, 1, 1, 1])}
        model = load(save(one("Resize", (1, 1, 3, 1), 13, constants, nearest_mode="floor"), tmp_path))
        assert value(model, numbers(3)).tolist() == [[[[2]]]]
        assert any("lies where the nearest entry changes" in note for note in model.notes)
