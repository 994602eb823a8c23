"""Certificates saved and checked from Python, and how a model is bound to one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from exactbox.certifying import certify
from exactbox.check_command import CheckOptions, run_check
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
    report = check(saved, MLP)
    assert (report.accepted, report.exit_code, report.lines, report.statement_sha256) == (False, 1, (), "")
    assert re.search(r"speaks of program .* lowers to", report.reason) and report.model == str(MLP)


def test_other_options(saved: Path) -> None:
    report = check(saved, IRIS, options=ModelOptions(mean=1))
    assert not report.accepted and "mean 1, std 1 lowers to" in report.reason


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
    with pytest.raises(InputError, match=r"x\.cert\.json: info: mean: "):
        check(saved, IRIS)


@pytest.mark.parametrize(
    ("key", "value"),
    [("mean", "5.84, 3.05, 3.76, 1.2"), ("std", "2"), ("output", ["output_label"]), ("fix", "X[2]=1.5"),
     ("dims", "N=5"), ("slice", "0,0,0,0"), ("mean", "0\n\x1b[2JACCEPTED: anything")],
)  # fmt: skip
def test_recorded_options_of_another_type_are_refused(saved: Path, key: str, value: object) -> None:
    """What is not applied is not said: an option is read as what it is, or the certificate is refused."""
    recording(saved, {key: value})
    assert check(saved).accepted
    with pytest.raises(InputError, match=rf"info: {key}: expected a"):
        check(saved, IRIS)


@pytest.mark.parametrize(
    "entry", [("output", "output_label\x1b[2J"), ("dims", ["N=5"]), ("fix", ["nothing=1"]), ("mean", ["1", "2"])]
)
def test_recorded_options_that_the_model_cannot_take_speak_of_another(saved: Path, entry: tuple[str, object]) -> None:
    recording(saved, dict([entry]))
    report = check(saved, IRIS)
    assert not report.accepted and report.exit_code == 1 and report.lines == ()


def test_what_is_said_of_the_options_is_what_was_applied(tmp_path: Path) -> None:
    """Numbers are shown as they were read, long ones with a mark; unknown keys of the info are nothing."""
    model = load(IRIS, verify=False, mean=[0, 0, 0, 5], std=[1, 1, 1, "1." + "0" * 70 + "1"])
    certify(model, [1, 2, 3, 4], minimal=False, measure=False).save(tmp_path / "x.cert.json")
    recording(tmp_path / "x.cert.json", {"mean": ["0", "0.0", "0/7", "0." + "0" * 58 + "5e59"], "note": "mean 7\n"})
    binding = check(tmp_path / "x.cert.json", IRIS).binding
    assert "mean 0, 0, 0, 5, std 1, 1, 1, about 1" in binding and "note" not in binding and "\n" not in binding


def test_nothing_from_a_file_reaches_a_terminal_unescaped(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "e\x1b[2J\n\u202eACCEPTED: x\x9b"
    other = saved.rename(saved.parent / f"{evil[:4]}.json")
    for options in (CheckOptions(certificate=str(other)), CheckOptions(certificate=str(other), model=str(MLP))):
        for as_json in (False, True):
            run_check(options, as_json)
    recording(other, {"output": evil})
    run_check(CheckOptions(certificate=str(other), model=str(IRIS)), False)
    shown = capsys.readouterr().out
    assert "\\x1b[2J" in shown and all(c.isprintable() or c == "\n" for c in shown)
    assert not any(line.startswith("ACCEPTED: x") for line in shown.splitlines())


def recording(path: Path, info: dict[str, object]) -> None:
    """Let a certificate record other options."""
    content = json.loads(path.read_text())
    content["info"].update(info)
    path.write_text(json.dumps(content))


def test_costly_parts_left_out_still_make_a_certificate(tmp_path: Path) -> None:
    certify(MLP, DATA / "digits_samples.npz", row=3, minimal=False, measure=False).save(tmp_path / "x.cert.json")
    content = json.loads((tmp_path / "x.cert.json").read_text())
    assert (content["statement"]["facets"], content["statement"]["distances"]) == (None, [])
    assert check(tmp_path / "x.cert.json").accepted
