"""Audits of random models at inputs where floats go wrong: nothing proved is false at any level of optimisation."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from exactbox.audit_chunk import Floats, Observed
from exactbox.auditing import Audit, audit
from exactbox.polytope.errors import UnsupportedModelError
from tests.exactbox_.audit_models import adversarial, random_model
from tests.importers.onnx_models import save

SAMPLES = 64
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def deployed(path: Path, level: str, points: Floats) -> Floats:
    """Run the file by itself, one sample at a time; returns its logits (b, 5)."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["y"], {"x": point[None]})[0] for point in points]).astype(np.float64)


def check(found: Audit, path: Path, points: Floats, trace: str) -> None:
    """Compare every level with the bound and with what is called proved."""
    alone = found.found.ways[0]
    assert isinstance(alone, Observed) and not alone.beyond.any(), f"{trace}: the nodes themselves exceed the bound"
    assert not any("differs from onnxruntime" in reason for reason in found.unproved), f"{trace}: {found.unproved}"
    if found.unproved:
        assert not found.found.holds.any() and not found.deployed.any(), trace
        return
    exactly, bound = found.found.outputs, found.found.bound
    for level in LEVELS:
        logits = deployed(path, level, points)
        with np.errstate(invalid="ignore"):
            apart = np.abs(logits - exactly).max(axis=1)
        exceeded = np.isfinite(bound) & ~(apart <= bound * (1 + 2.0**-40))
        assert not exceeded.any(), f"{trace}, {level}: rows {np.flatnonzero(exceeded)}"
        flipped = found.found.holds & (logits.argmax(axis=1) != found.found.chosen)
        assert not flipped.any(), f"{trace}, {level}: proved rows {np.flatnonzero(flipped)} flip"


def attack(seed: int, samples: int, folder: Path) -> tuple[int, int, int]:
    """Audit random models; returns the samples audited, those with a finite bound, and those proved."""
    random = np.random.default_rng(seed)
    done = bounded = proved = model = 0
    while done < samples:
        model += 1
        proto, sketch = random_model(random)
        points = adversarial(sketch, SAMPLES)
        path = save(proto, folder)
        try:
            found = audit(path, points, distances=False)
        except UnsupportedModelError:
            continue
        if not isinstance(found.found.ways[0], Observed):
            continue
        check(found, path, points, f"seed {seed}, model {model}")
        done += SAMPLES
        bounded += int(np.isfinite(found.found.bound).sum())
        proved += int(found.found.holds.sum())
    return done, bounded, proved


def test_a_few_random_models(tmp_path: Path) -> None:
    done, bounded, proved = attack(7, 640, tmp_path)
    assert bounded > done // 4 and proved > done // 20


@pytest.mark.slow
def test_twenty_thousand_samples(tmp_path: Path) -> None:
    seed, samples = int(os.environ.get("EXACTBOX_SEED", "20260411")), int(os.environ.get("EXACTBOX_SAMPLES", "20000"))
    done, bounded, proved = attack(seed, samples, tmp_path)
    print(f"{done} samples audited, {bounded} with a finite bound, {proved} proved")
    assert bounded > done // 4 and proved > done // 20
