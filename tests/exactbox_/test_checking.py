"""Certificates saved and checked from Python, and how a model is bound to one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exactbox.certifying import certify
from exactbox.checking import ModelOptions, check
from exactbox.loading import load
from exactbox.polytope.errors import InputError
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS, MLP, FLOWERS = DATA / "iris_pipeline.onnx", DATA / "digits_mlp.onnx", DATA / "iris_samples.csv"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    found = certify(IRIS, FLOWERS, row=1, box=(0, 8), opinion_seconds=0)
    certificate, program = found.save(tmp_path / "x.cert.json")
    assert Path(program).name == json.loads(Path(certificate).read_text())["program"]["file"]
    return Path(certificate)


def test_accepted(saved: Path) -> None:
    report = check(saved)
    assert (report.accepted, report.reason, report.exit_code, report.model) == (True, "", 0, None)
    assert report.binding.startswith("the binding to an ONNX file was not checked")
    assert len(report.program_sha256) == len(report.statement_sha256) == 64
    assert json.loads(json.dumps(report.as_dict()))["accepted"] is True


def test_bound(saved: Path) -> None:
    report = check(saved, IRIS)
    assert report.model == str(IRIS) and "was lowered again to this very program" in report.binding


def test_another_model(saved: Path) -> None:
    with pytest.raises(InputError, match=r"speaks of program .* lowers to"):
        check(saved, MLP)


def test_other_options(saved: Path) -> None:
    with pytest.raises(InputError, match=r"mean 1 lowers to"):
        check(saved, IRIS, options=ModelOptions(mean=1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": "0.1"}, "mean 1/10"),
        ({"std": [1, 2, 3, 4]}, "std 1, 2, 3, 4"),
        ({"output": "output_label"}, "output_label"),
    ],
)
def test_options_of_the_import_are_remembered(tmp_path: Path, options: dict[str, object], words: str) -> None:
    model = load(IRIS, verify=False, **options)  # type: ignore[arg-type]
    certify(model, [1, 2, 3, 4], minimal=False, measure=False).save(tmp_path / "x.cert.json")
    assert words in check(tmp_path / "x.cert.json", IRIS).binding


@pytest.mark.parametrize(("where", "value"), [("intercept", "1"), ("point", "7fff")])
def test_rejected(saved: Path, where: str, value: str) -> None:
    content = json.loads(saved.read_text())
    content["statement"][where][0] = value
    saved.write_text(json.dumps(content))
    report = check(saved, IRIS)
    assert (report.accepted, report.exit_code, report.lines) == (False, 1, ())
    assert report.reason and report.program_sha256 == ""


def test_malformed(saved: Path) -> None:
    saved.write_text(saved.read_text()[:-10])
    with pytest.raises(InputError, match=r"x\.cert\.json: malformed"):
        check(saved)


def test_program_is_missing(saved: Path) -> None:
    for path in saved.parent.glob("*.program.json"):
        path.unlink()
    with pytest.raises(InputError, match=r"\.program\.json: No such file"):
        check(saved)


def test_foreign_preprocessing_in_the_info(saved: Path) -> None:
    content = json.loads(saved.read_text())
    content["info"]["mean"] = ["a tenth"]
    saved.write_text(json.dumps(content))
    assert check(saved).accepted
    with pytest.raises(InputError, match="the info about the preprocessing is no list of numbers"):
        check(saved, IRIS)


def test_costly_parts_left_out_still_make_a_certificate(tmp_path: Path) -> None:
    certify(MLP, DATA / "digits_samples.npz", row=3, minimal=False, measure=False).save(tmp_path / "x.cert.json")
    content = json.loads((tmp_path / "x.cert.json").read_text())
    assert (content["statement"]["facets"], content["statement"]["distances"]) == (None, [])
    assert check(tmp_path / "x.cert.json").accepted
