"""The version table: every version of every registered operator, as the standard's history lists them, is tried.

Each one agrees with onnxruntime inside the derived bound, or with onnx's reference, or with onnxruntime asked in newer
words; or it is refused, and the table below says why. The slow test, ``pytest -m slow tests/importers/test_single.py``,
draws ten thousand models and more.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from exactbox.importers.ops import load_families
from exactbox.importers.registry import registered
from tests.importers import single_moves, single_plain, single_rest, single_space
from tests.importers.single import MAKERS, Key, drawn, histories
from tests.importers.single_judge import Verdict, judged

FAMILIES = (single_plain, single_moves, single_space, single_rest)
TRIES = 12
"""Models of one version that are drawn at most until one of them is agreed upon."""
MANY = 22
"""Models of each version in the slow test."""
AGREED = frozenset({"runtime", "reference", "again"})

REFUSED: dict[Key, str] = {
    ("", "Tile", 1): "does not say whether entries or the whole tensor repeat",
    ("", "Upsample", 1): "does not say where the entries of a result lie",
}
"""Versions that are refused altogether, and what the refusal says."""

NOT_LISTED = {("", "ImageScaler")}
"""Operators of old files that the standard's history does not list; they have tests of their own."""

REFERENCE_DIFFERS: dict[str, str] = {
    "AveragePool": "counts the padding in sets before 7, against their text; reads auto_pad as MaxPool",
    "BatchNormalization": "reads no spatial, and normalises by the batch in sets 9 to 13 whatever the outputs",
    "Gather": "loses the shape of what an empty index selects, in older versions of the package",
    "GlobalMaxPool": "leaves an axis out where there is one behind the channels, or adds one where there are three",
    "LinearRegressor": "computes in the type of the features, and knows no absent intercepts",
    "MaxPool": "reads auto_pad otherwise than the standard's formulas",
    "Optional": "wraps a tensor into a list that it never takes it out of",
    "OptionalGetElement": "as Optional",
    "RNN": "reads sequence lengths and directions otherwise",
    "Resize": "stretches a cubic filter after what lies outside is excluded, not before",
    "RoiAlign": "knows no version before coordinate_transformation_mode",
    "Scaler": "computes in the type of the features",
    "Shape": "clamps no end before the first axis",
    "Slice": "reads a step that passes the axis as numpy does, which knows no end before the first entry",
    "Unsqueeze": "inserts axes one after the other, so that negative ones of a list count in ranks not yet reached",
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "PRelu", "Gemm"), "broadcasts by the rules of set 7 in sets before"),
}
"""Where onnx's reference leaves the standard's text, while onnxruntime (in old or newer words) agrees with it."""


def pairs() -> list[tuple[tuple[str, str], int]]:
    """Return every version of every registered operator that the installed package lists."""
    load_families()
    known = histories()
    return [(key, since) for key in sorted(registered() - NOT_LISTED) for since in known.get(key, [])]


def tried(key: tuple[str, str], since: int, seed: int, folder: Path) -> Verdict:
    """Draw a model, judge it, and check what holds of all."""
    verdict = judged(drawn(key, since, histories_of(key), seed), folder)
    assert verdict.kind != "false", f"{key[1]} {since}, seed {seed}: {verdict.detail}"
    if verdict.reference is False and verdict.kind != "deviation":
        assert key[1] in REFERENCE_DIFFERS, f"{key[1]} {since}, seed {seed}: {verdict.detail}"
    if verdict.kind == "refused":
        assert key[1] in verdict.detail or "'n" in verdict.detail or "decision" in verdict.detail, verdict.detail
    return verdict


_HISTORIES = histories()


def histories_of(key: tuple[str, str]) -> list[int]:
    """Return the versions of one operator."""
    return _HISTORIES[key]


def test_every_operator_is_drawn() -> None:
    load_families()
    assert set(MAKERS) == registered() - NOT_LISTED
    assert all(function.__module__ in {family.__name__ for family in FAMILIES} for function in MAKERS.values())


def test_the_tables_name_versions_that_there_are() -> None:
    assert {(domain, op, since) for (domain, op), since in pairs()} >= set(REFUSED)
    assert {op for _, op in registered()} >= set(REFERENCE_DIFFERS)


@pytest.mark.parametrize("key", sorted({key for key, _ in pairs()}), ids=lambda key: key[1])
def test_every_version_is_agreed_upon_or_refused(key: tuple[str, str], tmp_path: Path) -> None:
    """A version that onnx adds comes into this test by itself, and fails here until somebody has read its text."""
    for since in histories_of(key):
        wanted = REFUSED.get((*key, since))
        found = [tried(key, since, seed, tmp_path) for seed in range(1)]
        while wanted is None and found[-1].kind not in AGREED and len(found) < TRIES:
            found.append(tried(key, since, len(found), tmp_path))
        if wanted is not None:
            assert found[-1].kind == "refused"
            assert wanted in found[-1].detail
        else:
            assert found[-1].kind in AGREED, f"{key[1]} {since}: {[item.detail for item in found]}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1000 + MANY))
def test_many_models_of_every_version(seed: int, tmp_path: Path) -> None:
    kinds = Counter(tried(key, since, seed, tmp_path).kind for key, since in pairs())
    assert sum(kinds.values()) == len(pairs())
    assert sum(kinds[kind] for kind in AGREED) >= 0.85 * len(pairs())
