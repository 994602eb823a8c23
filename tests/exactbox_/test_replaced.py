"""Irrational constants that rationals stand for: whatever states something of the program says so, in text and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from exactbox.cli import run
from tests.importers.onnx_models import build, save

FORMULA = "1/sqrt(variance + epsilon)"


@pytest.fixture
def normed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A net of two units whose batch normalisation has two irrational roots."""
    monkeypatch.chdir(tmp_path)
    nodes = [
        helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"], "norm", epsilon=0.0),
        helper.make_node("Relu", ["n"], ["y"], "relu"),
    ]
    ones = np.ones(2, np.float32)
    constants = {"s": ones, "b": ones, "m": ones, "v": np.array([2, 3], np.float32)}
    return save(build(nodes, {"x": (1, 2)}, ["y"], constants), tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run([str(one) for one in arguments]) == 0
    return " ".join(capsys.readouterr().out.split())


VERBS: dict[str, tuple[object, ...]] = {
    "certify": ("certify", "model.onnx", "-i", "1,2"),
    "enumerate": ("enumerate", "model.onnx", "--box", "0", "4"),
    "neighbors": ("neighbors", "model.onnx", "-i", "1,2", "--box", "0", "4"),
    "compare": ("compare", "model.onnx", "model.onnx"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_statement_names_them(
    verb: str, as_json: bool, normed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, *VERBS[verb], *(["--json"] if as_json else []))
    if as_json:
        text = json.dumps(json.loads(text))
    assert "f~" in text and f"BatchNormalization 'norm': 2 of the form {FORMULA}" in text


@pytest.mark.parametrize("verb", ["certify", "enumerate"])
def test_the_checker_states_them(verb: str, normed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = "-o" if verb == "certify" else "--certificate"
    said(capsys, *VERBS[verb], option, "x.cert.json" if verb == "certify" else "x.cert")
    path = "x.cert.json" if verb == "certify" else "x.cert"
    wanted = f"the network is f~: a rational of 80 bits stands for each irrational \"{FORMULA}\" of"
    assert wanted in said(capsys, "check", path, "--model", normed)
    lines: list[str] = json.loads(said(capsys, "check", path, "--json"))["lines"]
    assert sum(wanted in line for line in lines) == 1


def test_rational_roots_are_no_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [helper.make_node("BatchNormalization", ["x", "s", "s", "s", "v"], ["y"], "norm", epsilon=0.0)]
    constants = {"s": np.ones(2, np.float32), "v": np.array([4, 0.25], np.float32)}
    path = save(build(nodes, {"x": (1, 2)}, ["y"], constants), tmp_path)
    assert "f~" not in said(capsys, "certify", path, "-i", "1,2")


@pytest.mark.parametrize("verb", ["enumerate", "neighbors"])
def test_a_program_that_was_not_confirmed_is_said(
    verb: str, normed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document: dict[str, Any] = json.loads(said(capsys, *VERBS[verb], "--no-runtime", "--json"))
    assert "that onnxruntime computes this program: not compared with the runtime" in document["not_claimed"]
    document = json.loads(said(capsys, *VERBS[verb], "--json"))
    assert not any("onnxruntime" in sentence for sentence in document["not_claimed"])
