"""Random tails over random logits: the logits decide as the operators' definitions do, and as the runtime does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from exactbox.importers.head_meaning import chosen
from exactbox.importers.onnx_model import Model, load
from exactbox.importers.ops.labels import names_label
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers.onnx_models import save
from tests.importers.random_heads import evaluate, random_tail

POINTS = 8


def decisions(model: Model, logits: np.ndarray[Any, np.dtype[np.float32]]) -> list[str]:
    """Return the names of the classes that the logits under the head decide for."""
    head, width = model.program.head, model.program.output.shape[-1]
    values = exact.forward(model.program, exact_numbers(logits.reshape(-1, 1))).fractions()
    names = head.labels or tuple(str(i) for i in range(width))
    return [names[chosen(head, values[i : i + width])] for i in range(0, len(values), width)]


def points(random: np.random.Generator, shape: tuple[int, ...]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Return logits that are multiples of 1/8; ties are common in half of them."""
    spread = [2 if i % 2 else 24 for i in range(POINTS)]
    return [(random.integers(-one, one + 1, shape) / 8).astype(np.float32) for one in spread]


def check(random: np.random.Generator, folder: Path) -> tuple[int, int]:
    """Check the decisions of one random tail; returns how many were compared with the definitions and the runtime."""
    proto, shape = random_tail(random)
    path = save(proto, folder)
    try:
        model = load(path, verify=False)
    except (UnsupportedModelError, InputError):  # the latter for a constant text
        return 0, 0
    if model.program.head.rule == "none":  # a choice among one, which is a constant
        return 0, 0
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    plain = {node.op_type for node in proto.graph.node} <= {
        "ArgMax", "ArgMin", "Gather", "LabelEncoder", "Cast", "Reshape", "Transpose", "Identity",
    }  # fmt: skip
    counts = [0, 0]
    for logits in points(random, shape):
        expected = evaluate(proto, logits)
        if expected is None:
            continue
        found = decisions(model, logits)
        assert len(found) == len(expected)
        agree = [names_label(name, model.program.head.dtype, one) for name, one in zip(found, expected, strict=True)]
        assert all(agree), (onnx.printer.to_text(proto), logits.tolist(), found, expected)
        counts[0] += len(found)
        if plain:
            deployed = session.run(None, {"z": logits})[0].ravel().tolist()
            same = [names_label(name, model.program.head.dtype, one) for name, one in zip(found, deployed, strict=True)]
            assert all(same), (onnx.printer.to_text(proto), logits.tolist(), found, deployed)
            counts[1] += len(found)
    return counts[0], counts[1]


def run(models: int, seed: int, folder: Path) -> tuple[int, int]:
    random = np.random.default_rng(seed)
    counts = [check(random, folder) for _ in range(models)]
    return sum(one for one, _ in counts), sum(two for _, two in counts)


def test_some_random_tails(tmp_path: Path) -> None:
    defined, deployed = run(150, 7, tmp_path)
    assert defined > 300 and deployed > 50


@pytest.mark.slow
def test_twenty_thousand_decisions(tmp_path: Path) -> None:
    defined, deployed = run(4000, 20240229, tmp_path)
    print(f"{defined} decisions as defined, {deployed} as deployed")
    assert defined >= 20_000 and deployed >= 2_000
