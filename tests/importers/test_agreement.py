"""Every piecewise-linear model of the optional folder agrees with onnxruntime at twenty inputs, within the bound."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.importers.deployed import RuntimeRefusal, logit_reader, open_session, run_single
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import read_onnx
from exactbox.importers.onnx_model import Lowered, lower_file
from exactbox.importers.runtime import arithmetics
from exactbox.importers.values import FloatArray
from exactbox.polytope import enclosed
from exactbox.polytope.program import Program
from tests.shared_models import SHARED, shared_model

INPUTS = 20
TOGETHER = 1 << 22
"""Entries of vectors that are enclosed at once."""

MANIFEST = SHARED / "models" / "MANIFEST.tsv"
DIMS = {"pnet.onnx": {"M1": 12, "M2": 12}}
RANDOM = "marabou/layer-zoo/dropout_training_mode_true.onnx"
"""Its output is random, which the manifest's classes do not say; it is refused, see test_shared_models."""

PROPERTIES = {
    "acasxu": "vnncomp2022/acasxu/vnnlib/prop_{}.vnnlib", "run2a": "vnncomp2022/acasxu/vnnlib/prop_{}.vnnlib",
    "mnist-net_256x2": "vnncomp2021/mnistfc/vnnlib/prop_13_0.05.vnnlib",
    "cartpole": "vnncomp2022/rl_benchmarks/vnnlib/cartpole_case_safe_45.vnnlib",
    "tllBench": "vnncomp2022/tllverifybench/vnnlib/property_N=8_0.vnnlib",
    "test_small": "vnncomp2022/test/test_small.vnnlib", "test_tiny": "vnncomp2022/test/test_tiny.vnnlib",
    "test_nano": "vnncomp2022/test/test_nano.vnnlib",
}  # fmt: skip
"""The boxes that models' own properties speak of, by a part of the path; {} stands for several, taken in turn."""

BOUND = re.compile(r"\(\s*(<=|>=)\s+X_(\d+)\s+(-?[0-9.eE+-]+)\s*\)")


def models() -> list[str]:
    """Return the models that are piecewise linear up to a head; empty where the folder is absent."""
    if not MANIFEST.is_file():
        return []
    with MANIFEST.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [row["path"] for row in rows if row["class"] != "NOT" and row["path"] != RANDOM]


def boxes(path: str, size: int) -> list[FloatArray]:
    """Return the boxes (2, d) of the model's own properties, where the folder has them."""
    name = next((name for part, name in PROPERTIES.items() if part in path), "")
    found: list[FloatArray] = []
    for number in range(1, 5 if "{}" in name else 2):
        file = SHARED / "models" / name.format(number)
        if name and file.is_file():
            box = np.stack([np.full(size, -np.inf), np.full(size, np.inf)])
            for relation, place, value in BOUND.findall(file.read_text()):
                box[int(relation == "<="), int(place)] = float(value)
            assert np.isfinite(box).all() and (box[0] <= box[1]).all(), file
            found.append(box)
    return found


def points(path: str, program: Program, count: int) -> FloatArray:
    """Return inputs (d, count) that the model's types hold: in its own boxes, else normal numbers of several sizes."""
    random = np.random.default_rng(len(path))
    size = program.input_size
    stated = boxes(path, size)
    if stated:
        found = np.stack([random.uniform(*stated[i % len(stated)]) for i in range(count)], axis=1)
    else:
        found = random.standard_normal((size, count)) * np.array([1.0, 0.1, 8.0, 100.0])[np.arange(count) % 4]
    start = 0
    for port in program.inputs:
        part = found[start : start + port.size]
        part[:] = np.abs(part).astype(port.dtype) if "int" in port.dtype else part.astype(port.dtype)
        start += port.size
    return found


def deployed(lowered: Lowered, chosen: FloatArray, names: list[str]) -> list[dict[str, Any]]:
    """Run the file in onnxruntime, node by node without optimisations, one column (d,) after the other."""
    session = open_session(lowered.file, names, optimised=False)
    assert not isinstance(session, RuntimeRefusal)
    runs = run_single(session, lowered.file, lowered.program, names, chosen)
    assert not isinstance(runs, RuntimeRefusal)
    return runs


def compare(lowered: Lowered, chosen: FloatArray) -> None:
    """Compare exact logits with the runtime's; where the tail stands on the input itself, compare their order."""
    used, roundings = arithmetics(lowered.lowering), lowered.lowering.builder.roundings
    found = enclosed.enclose(lowered.program, chosen, used, roundings)[-1]
    assert np.isfinite(found.radius).all()
    reader, name = logit_reader(lowered), lowered.program.output.name
    runs = deployed(lowered, chosen, reader.tensors or [name])
    if reader.tensors:
        assert reader.complete
        logits = np.stack([reader.read(run, found.centre[:, i]) for i, run in enumerate(runs)], axis=1)
    else:
        logits = np.stack([np.asarray(run[name], dtype=np.float64).ravel() for run in runs], axis=1)
    if reader.tensors or not lowered.program.head.ops:
        assert (np.abs(logits - found.centre) <= found.radius * (1 + 2.0**-40)).all()
        return
    order = np.argsort(found.centre, axis=0)
    assert (np.diff(np.take_along_axis(logits, order, axis=0), axis=0) >= -(2.0**-20)).all()


@pytest.mark.parametrize("path", models() or ["absent"])
def test_it_agrees_with_the_runtime_within_the_bound(path: str) -> None:
    file = read_onnx(shared_model(path), Limits())
    lowered = lower_file(file, None, DIMS.get(Path(path).name, {}), Limits())
    chosen = points(path, lowered.program, INPUTS)
    assert np.isfinite(chosen).all()
    part = max(1, TOGETHER // sum(lowered.program.sizes))
    for start in range(0, INPUTS, part):
        compare(lowered, chosen[:, start : start + part])
