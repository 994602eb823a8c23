"""Random graphs of every operator, with random attributes, agree with onnx's reference implementation in float64.

The slow test, ``pytest -m slow tests/importers/test_random_graphs.py``, grows more of them.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.importers.onnx_model import Model, load
from exactbox.importers.ops import load_families
from exactbox.importers.registry import registered
from exactbox.polytope import exact
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers import grown_other, grown_plain, grown_space
from tests.importers.grown import STEPS, TAILS, Grown, Key
from tests.importers.onnx_models import ML, AnyArray, reference, save

FAMILIES = (grown_plain, grown_space, grown_other)
PLAIN = sorted(key for key, function in STEPS.items() if function.__module__ == grown_plain.__name__)
GRAPHS = 300
MANY = 5000
RUN = 20
"""Graphs in one test."""

OLD = {"Upsample": 9}
YOUNG = {"RotaryEmbedding": 23, "TensorScatter": 24, "Swish": 24, "SwiGLU": 28}
"""Operators that exist in other versions of the operator set."""

PRECISION: dict[Key, float] = {("", "Resize"): 2.0**-17}
"""What the reference rounds to, where that is no float64: it computes the coordinates of Resize in float32."""

NOT_GROWN: dict[Key, str] = {
    (ML, "CategoryMapper"): "the reference has no implementation; tests/exactbox_/test_fixing.py has its cases by hand",
    (ML, "ZipMap"): "the reference has no implementation; tests/importers/test_heads.py compares it with onnxruntime",
    (ML, "SVMClassifier"): "the reference computes scores that the runtime does not; tests/exactbox_/"
    "test_linear_models.py compares fitted machines with onnxruntime",
    ("", "Optional"): "the reference wraps a tensor into a list that it never takes it out of; "
    "tests/importers/test_sequence.py has its cases",
    ("", "ImageScaler"): "the standard has no schema of it; tests/importers/test_versions.py has its cases by hand",
    ("", "Scatter"): "the reference has no implementation; it is ScatterElements by another name",
}


def test_every_operator_is_grown() -> None:
    load_families()
    assert not {*STEPS, *TAILS} & set(NOT_GROWN)
    assert {*STEPS, *TAILS, *NOT_GROWN} == registered()
    assert all(reason for reason in NOT_GROWN.values())


def keys() -> list[Key]:
    """Return every operator that is grown, in a fixed order."""
    return sorted({*STEPS, *TAILS})


def grow(seed: int) -> tuple[Grown, str, bool]:
    """Grow the graph of a number, which holds the operator of that number; says whether it ends in a tail."""
    key = keys()[seed % len(keys())]
    g = Grown(seed, OLD.get(key[1]) or YOUNG.get(key[1]) or 22)
    name = "x"
    if key[1] not in OLD:
        for _ in range(g.integer(0, 4)):
            name = g.small(STEPS[other](g, name, other[1])) if (other := PLAIN[g.integer(0, len(PLAIN))]) else name
    ends = key in TAILS
    name = (TAILS if ends else STEPS)[key](g, g.small(name), key[1])
    for _ in range(0 if ends or key[1] in OLD else g.integer(0, 3)):
        other = PLAIN[g.integer(0, len(PLAIN))]
        name = STEPS[other](g, g.small(name), other[1])
    return g, name, ends


def check(seed: int, folder: Path) -> Key:
    """Compare one graph with the reference at two further points; returns the operator that it was grown for."""
    g, name, ends = grow(seed)
    key = keys()[seed % len(keys())]
    proto = g.model(name, grown_other.KINDS.get(key[1], 11) if ends else 11)
    model = load(save(proto, folder), verify=False)
    for _ in range(2):
        point = g.random.integers(-4, 5, g.shape) / 2
        wanted = reference(proto, {"x": point})[0]
        if ends:
            below = reference(g.model(g.below), {"x": point})[0]
            compare_order(model, point, below, wanted)
        else:
            compare_numbers(model, point, wanted, PRECISION.get(key, 2.0**-40) * g.largest())
    return key


def values_at(model: Model, point: AnyArray) -> list[Fraction]:
    """Return the exact outputs at one point."""
    return exact.forward(model.program, exact_numbers(point.reshape(-1, 1))).fractions()


def compare_numbers(model: Model, point: AnyArray, wanted: AnyArray, part: float) -> None:
    """Compare exact values with float64 ones; ``part`` is what rounding may make of the graph's largest number."""
    assert model.program.output.shape == wanted.shape
    pairs = zip(values_at(model, point), wanted.ravel().tolist(), strict=True)
    assert max((abs(found - Fraction(value)) for found, value in pairs), default=0) <= part


def compare_order(model: Model, point: AnyArray, below: AnyArray, wanted: AnyArray) -> None:
    """Compare logits with what the tail was given, and what the tail says with their order."""
    logits = np.array([float(value) for value in values_at(model, point)]).reshape(below.shape)
    assert np.abs(logits - below).max(initial=0.0) <= 2.0**-30 * (1 + np.abs(below).max(initial=0.0))
    head = model.program.head
    if head.rule in ("argmax", "argmin"):
        signed = logits if head.rule == "argmax" else -logits
        best = signed.max(axis=-1)
        near = signed >= best[..., None] - 1e-9
        places = np.asarray(wanted).reshape(best.shape)
        assert np.take_along_axis(near, places[..., None], axis=-1).all()
        if not head.ops[:-1]:
            last = near.shape[-1] - 1 - near[..., ::-1].argmax(axis=-1)
            assert (places == (near.argmax(axis=-1) if head.tie == "first" else last)).all()
        return
    order = np.argsort(logits, axis=-1, kind="stable")
    steps = np.diff(np.take_along_axis(wanted, order, axis=-1), axis=-1)
    assert (steps >= -1e-12).all()


@pytest.mark.parametrize("first", range(0, GRAPHS, RUN))
def test_graphs_agree_with_the_reference(first: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        grown = [check(seed, Path(folder)) for seed in range(first, first + RUN)]
    assert len(set(grown)) == RUN


@pytest.mark.slow
@pytest.mark.parametrize("first", range(GRAPHS, GRAPHS + MANY, 10 * RUN))
def test_many_graphs_agree_with_the_reference(first: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        grown = [check(seed, Path(folder)) for seed in range(first, first + 10 * RUN)]
    assert set(grown) == set(keys())
