"""The demo: what it says it has proved, and that its checker is a process that can say no."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from exactbox.certifying import Certified, certify
from exactbox.demonstration import MODEL, SAMPLES, check_apart, picture_in_text, proved
from exactbox.loading import load
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"


@pytest.fixture(scope="module")
def zero() -> Certified:
    return certify(load(DATA / MODEL, verify=False), DATA / SAMPLES, row=0, box=(0, 1), opinion_seconds=0)


def test_claims_follow_from_the_result(zero: Certified) -> None:
    assert zero.minimal is not None
    lines = proved(zero)
    assert len(lines) == 4
    assert "all 96 Relu units" in lines[0] and "10 rows of 64 weights" in lines[0]
    assert "the class is 0: its logit exceeds every other by 10.0937 or more" in lines[1]
    assert "less than 0.00157268 within [0, 1]" in lines[2]
    assert f"exactly {len(zero.minimal.facets)} facets" in lines[3]


def test_nothing_is_claimed_of_what_was_left_out(zero: Certified) -> None:
    assert len(proved(dataclasses.replace(zero, minimal=None, distances=None))) == 2


def test_checker_accepts_and_refuses(zero: Certified, tmp_path: Path) -> None:
    path = tmp_path / "x.cert.json"
    zero.save(path)
    checked = check_apart(path)
    assert checked.code == 0 and checked.text.startswith("accepted: ")
    content = json.loads(path.read_text())
    content["statement"]["decision"]["chosen"] = 1
    path.write_text(json.dumps(content))
    checked = check_apart(path)
    assert checked.code == 1 and checked.text.startswith("rejected: ")
    path.write_text("{}")
    assert check_apart(path).code == 3


@pytest.mark.parametrize(
    ("values", "width", "rows"),
    [([0.0, 0.99, 1.0, 2.0], 2, ["  @@", "@@@@"]), ([-1.0], 1, ["  "]), ([0.55, 0.25, 0.1], 3, ["++::.."])],
)
def test_picture(values: list[float], width: int, rows: list[str]) -> None:
    assert picture_in_text(values, width) == rows


def test_every_bundled_sample_is_there() -> None:
    model = load(DATA / MODEL, verify=False)
    classes = [
        certify(model, DATA / SAMPLES, row=row, minimal=False, measure=False).class_name for row in range(0, 40, 4)
    ]
    assert classes == [str(digit) for digit in range(10)]
