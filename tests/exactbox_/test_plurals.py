"""One of everything is told in the singular: every verb on a model with one input, unit, row, region and output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.importers.onnx_models import build, save
from tests.source_tree import REPOSITORY

PLURAL = re.compile(r"(?<![\w.,/\]-])1 ([a-z]+s)\b")
NO_PLURAL = {"class", "axis", "is", "this", "was", "has", "lies", "decides", "flips", "ties", "always"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write y = max(x, 0), a box on one side of it, and a sample."""
    made = tmp_path_factory.mktemp("one")
    save(build([helper.make_node("Relu", ["x"], ["y"], "relu")], {"x": ("N", 1)}, ["y"], {}), made, "one.onnx")
    np.save(made / "x.npy", np.array([[2.0]], np.float32))
    run(made, "certify one.onnx --input x.npy --box 1 3 -o one.cert.json")
    run(made, "enumerate one.onnx --box 1 3 -o all.json --certificate all.cert.json")
    return made


def run(folder: Path, arguments: str) -> str:
    """Run the command line and return all that it writes."""
    done = subprocess.run(
        [sys.executable, "-m", "exactbox", *arguments.split()], cwd=folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
    )  # fmt: skip
    assert done.returncode in (0, 2), (arguments, done.stderr)
    assert done.stdout + done.stderr != ""
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "certify one.onnx --input x.npy --box 1 3",
        "certify one.onnx --input 0 --box -1 3",
        "check one.cert.json --model one.onnx",
        "check all.cert.json --model one.onnx",
        "enumerate one.onnx --box 1 3",
        "enumerate one.onnx --box -1 3 --neighbors --merge",
        "enumerate one.onnx --box -1 3 --max-regions 1",
        "neighbors one.onnx --input x.npy --box -1 3",
        "audit one.onnx --data x.npy",
        "compare one.onnx one.onnx --box 1 3",
        "inventory one.onnx",
        "show one.onnx",
    ],
)
def test_one_of_everything(folder: Path, arguments: str) -> None:
    text = run(folder, arguments)
    assert [m.group() for m in PLURAL.finditer(text) if m.group(1) not in NO_PLURAL] == []


def test_the_pattern_finds_what_it_should() -> None:
    assert [m.group() for m in PLURAL.finditer("1 nodes, 11 units; of 1 rows, [0, 1 inputs]")] == [
        "1 nodes", "1 rows", "1 inputs",
    ]  # fmt: skip
