"""Pairs that are equal or different by construction: none is proved to be what it is not, and most are proved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exactbox.comparing import Comparison, compare
from tests.exactbox_.pairs import DIFFERENT, EQUAL, HARD, Kind


def compared(kind: Kind, seed: int, folder: Path) -> Comparison:
    """Compare one pair, in either order."""
    random = np.random.default_rng(seed)
    sides = [net.save(folder, f"{name}.onnx") for net, name in zip(kind(random), ("left", "right"), strict=True)]
    return compare(*(sides if seed % 2 else sides[::-1]), points=64)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", EQUAL, ids=lambda kind: kind.__name__)
def test_equal_pairs_are_proved(kind: Kind, seed: int, tmp_path: Path) -> None:
    found = compared(kind, seed, tmp_path)
    assert (found.verdict, found.logits.verdict) == ("equal", "equal")
    assert found.witness is None and found.outputs.parted is None


@pytest.mark.parametrize("kind", DIFFERENT, ids=lambda kind: kind.__name__)
def test_different_pairs_are_refuted(kind: Kind, tmp_path: Path) -> None:
    assert compared(kind, 0, tmp_path).verdict == "different"


@pytest.mark.parametrize("kind", HARD, ids=lambda kind: kind.__name__)
def test_hard_pairs_are_not_refuted(kind: Kind, tmp_path: Path) -> None:
    found = compared(kind, 0, tmp_path)
    assert found.verdict != "different" and found.logits.verdict == "different"


@pytest.mark.slow
def test_two_thousand_pairs(tmp_path: Path) -> None:
    kinds = [*((kind, {"equal"}) for kind in EQUAL), *((kind, {"equal", "undecided"}) for kind in HARD),
             *((kind, {"different", "undecided"}) for kind in DIFFERENT)]  # fmt: skip
    count, undecided = 0, 0
    for seed in range(-(-2000 // len(kinds))):
        for kind, allowed in kinds:
            verdict = compared(kind, seed, tmp_path).verdict
            assert verdict in allowed, (kind.__name__, seed, verdict)
            count, undecided = count + 1, undecided + (verdict == "undecided")
    print(f"{count} pairs, {undecided} undecided")
    assert count >= 2000 and undecided < count // 10
