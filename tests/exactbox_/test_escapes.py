"""Names, labels and paths from files may hold anything: what reaches a terminal, a page or a picture is escaped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from exactbox.cli import run

EVIL = "e\x1b[2J\n\u202e\x9b<b>$x$\\frac{"
SHOWN = "e\\x1b[2J\\n\\u202e\\x9b<b>$x$\\frac{"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a classifier of two inputs and two classes whose nodes, ports and labels hold escapes."""
    nodes = [
        helper.make_node("Gemm", [EVIL, "w", "b"], ["h"], name=EVIL + "gemm"),
        helper.make_node("Relu", ["h"], ["r"], name=EVIL + "relu"),
        helper.make_node("Add", ["r", "b"], ["logits"], name="add"),
        helper.make_node("ArgMax", ["logits"], ["k"], axis=1, keepdims=0),
        helper.make_node("LabelEncoder", ["k"], [EVIL + "out"], domain="ai.onnx.ml", keys_int64s=[0, 1],
                         values_strings=[EVIL + "cat", EVIL + "dog"]),
    ]  # fmt: skip
    tensors = [numpy_helper.from_array(np.array([[1, 1], [1, -1]], np.float32), "w"),
               numpy_helper.from_array(np.array([0, 0.25], np.float32), "b")]  # fmt: skip
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(EVIL, T.FLOAT, [1, 2])],
        [helper.make_tensor_value_info(EVIL + "out", T.STRING, [1])], tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    path = tmp_path_factory.mktemp("m") / "m\x1b[2J\n$x$.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return str(path)


def refused(path: Path) -> str:
    """Write a model whose only node is refused."""
    node = helper.make_node("Sin", ["x"], ["y"], name=EVIL)
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", T.FLOAT, [1])], [value("y", T.FLOAT, [1])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def only_printable(text: str) -> bool:
    """Say whether nothing but printable characters and line ends is in a text."""
    return all(c.isprintable() or c == "\n" for c in text)


VERBS = {
    "certify": ("certify", "{model}", "--input", "1,0.5", "--box", "-2", "2", "-o", "{folder}/c.json"),
    "enumerate": ("enumerate", "{model}", "--box", "-1", "1", "--neighbors", "--analyze", "--plot", "{folder}/p.svg",
                  "--page", "{folder}/p.html"),
    "neighbors": ("neighbors", "{model}", "--input", "1,0.5", "--box", "-2", "2"),
    "show": ("show", "{model}"),
    "inventory": ("inventory", "{model}"),
    "compare": ("compare", "{model}", "{model}"),
    "audit": ("audit", "{model}", "--data", "{folder}/x.npy", "--plot", "{folder}/a.svg"),
    "refused": ("certify", "{refused}", "--input", "1"),
    "no such class": ("certify", "{model}", "--input", "1,0.5", "--target", "bird"),
}  # fmt: skip


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_escapes_what_comes_from_files(
    verb: str, as_json: bool, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 0.5], [0, 1]], np.float32))
    names = {"model": model, "folder": str(tmp_path), "refused": refused(tmp_path / "r.onnx")}
    code = run([*(word.format(**names) for word in VERBS[verb]), *(["--json"] if as_json else [])])
    shown = capsys.readouterr()
    assert code in ((4,) if verb == "refused" else (3,) if verb == "no such class" else (0, 1, 2)), shown.err
    assert only_printable(shown.out) and only_printable(shown.err)
    assert "\\x1b[2J" in shown.out + shown.err or "\\u001b[2J" in shown.out
    if as_json:
        json.loads(shown.out)
    for page in tmp_path.glob("p.html"):
        text = page.read_text(encoding="utf-8")
        assert "<b>$x$" not in text and "\x1b" not in text and "\u202e" not in text
    for picture in tmp_path.glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert "\x1b" not in text and "\u202e" not in text


def test_a_checked_certificate_of_such_a_model(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--input", "1,0.5", "--box", "-2", "2", "-o", f"{tmp_path}/c.json", "--plot", f"{tmp_path}/w.svg")
    assert run(["certify", model, *given]) == 0
    capsys.readouterr()
    assert run(["check", f"{tmp_path}/c.json", "--model", model]) == 0
    shown = capsys.readouterr().out
    assert only_printable(shown) and "\\x1b[2J" in shown and shown.startswith("ACCEPTED")
