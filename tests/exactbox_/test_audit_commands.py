"""``inventory``, ``audit`` and ``compare`` on the command line: output, files, exit codes, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.audit_plot import draw_audit
from exactbox.auditing import audit
from exactbox.cli import run
from tests.exactbox_.onnx_nets import far_and_back, planted, saturated, scalar_sign
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
MLP, IRIS, FLOWERS = (str(DATA / name) for name in ("digits_mlp.onnx", "iris_pipeline.onnx", "iris_samples.csv"))

AUDIT_KEYS = {"exit_code", "inventory", "data", "decision", "summary", "words", "ways", "units", "worst", "samples",
              "not_claimed", "unproved", "written"}  # fmt: skip
SUMMARY_KEYS = {
    "samples", "flips", "proved_to_hold", "proved_with_tail", "exact_ties", "on_a_boundary", "regions",
    "samples_sharing_a_region",
    "largest_region", "regions_undecided", "pattern_differences", "largest_difference", "largest_bound",
    "smallest_margin", "smallest_ratio", "smallest_distance", "distances_skipped", "dead_units", "always_on_units",
    "settled_units", "correct", "accuracy",
}  # fmt: skip
SAMPLE_KEYS = {
    "row", "outputs", "decision", "label", "margin", "margin_exact", "tie", "bound", "holds", "holds_with_tail",
    "distance",
    "distance_exact", "region", "on_a_boundary", "units_off", "runtime",
}  # fmt: skip
WAY_KEYS = {"name", "optimised", "batched", "ran", "reason", "largest_difference", "largest_ulps", "beyond_bound",
            "flips", "logit_flips"}  # fmt: skip
INVENTORY_KEYS = {
    "path", "sha256", "external", "ir_version", "opsets", "inputs", "outputs", "explained", "status", "reason",
    "refusals", "operators", "nodes", "layers", "parameters", "constants", "replaced_constants", "cost", "notes",
}  # fmt: skip


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_audit_prints_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out, plot = tmp_path / "audit.json", tmp_path / "audit.png"
    code, text, _ = execute(capsys, "audit", IRIS, "--data", FLOWERS, "-o", out, "--plot", plot, "--workers", 1)
    assert code == 0
    for words in ("proved to decide as the exact ones", "node by node, in batches", "look first", str(out)):
        assert words in " ".join(text.split())
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert set(json.loads(out.read_text())) == AUDIT_KEYS - {"written"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "audit.png"]


def test_audit_keys_are_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = execute(capsys, "audit", IRIS, "--data", FLOWERS, "--json")
    found: dict[str, Any] = json.loads(text)
    assert (code, found["exit_code"], text.count("\n")) == (0, 0, 1)
    assert set(found) == AUDIT_KEYS
    assert set(found["summary"]) == SUMMARY_KEYS
    assert set(found["inventory"]) == INVENTORY_KEYS
    assert {frozenset(sample) for sample in found["samples"]} == {frozenset(SAMPLE_KEYS)}
    assert {frozenset(way) for way in found["ways"]} == {frozenset(WAY_KEYS)}
    assert set(found["samples"][0]["runtime"][0]) == {"difference", "ulps", "by_logits", "by_head", "flip"}
    assert set(found["units"][0]) == {"name", "units", "dead", "always_on", "settled"}


def test_flips_can_fail_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model, data = far_and_back(tmp_path), tmp_path / "x.npy"
    np.save(data, np.array([[0.375, 0.25]], dtype=np.float32))
    assert execute(capsys, "audit", model, "--data", data)[0] == 0
    code, text, _ = execute(capsys, "audit", model, "--data", data, "--fail-on-flip", "--json")
    assert (code, json.loads(text)["summary"]["flips"]) == (1, 1)


def test_picture_with_ties_flips_and_saturation(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points = np.array([[0.375, 0.25], [0.25, 0.25], [64.0, 1.0]], dtype=np.float32)
    for model in (far_and_back(tmp_path), saturated(tmp_path)):
        draw_audit(audit(model, points), tmp_path / "a.svg")
        text = (tmp_path / "a.svg").read_text()
        assert "<svg" in text and text.rstrip().endswith("</svg>")


def test_where_nothing_is_decided_differences_are_drawn_and_sorted(tmp_path: Path) -> None:
    """The difference of 1 and 1/3, in float32, is rounded; that of whole numbers is not."""
    pytest.importorskip("matplotlib")
    found = audit(scalar_sign(tmp_path), np.array([[2, 1], [1, 1e-9], [3, 3], [1e6, 0.3]], dtype=np.float32))
    assert found.worst()[:2] == [3, 1]
    draw_audit(found, tmp_path / "b.svg")
    text = (tmp_path / "b.svg").read_text()
    assert "within the bound: 4" in text and "beyond the bound: 0" in text and "; 2" in text


def test_inventory(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = execute(capsys, "inventory", MLP)
    assert code == 0
    assert "2 Relu: max" in text and "6464 multiply-adds" in text
    found = json.loads(execute(capsys, "inventory", MLP, "--json")[1])
    assert set(found) == INVENTORY_KEYS | {"exit_code"}
    assert found["cost"]["row_entries"] == 96 * 64
    assert found["operators"][0] == {"op": "Add", "domain": "ai.onnx", "count": 3, "classes": {"affine": 3}}


def test_compare_codes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = planted(Path(MLP), tmp_path, "intercepts2", 0)
    code, text, _ = execute(capsys, "compare", MLP, MLP)
    assert (code, "proved equal" in text) == (0, True)
    code, text, _ = execute(capsys, "compare", MLP, other, "--box", "0", "1", "--json")
    found = json.loads(text)
    assert (code, found["exit_code"], found["verdict"]) == (1, 1, "different")
    code, text, _ = execute(capsys, "compare", MLP, other, "--box", "0", "1")
    assert "different outputs: refuted" in text and "onnxruntime" in text


BAD = [
    ("no data", ["audit", MLP, "--data", "missing.npy"], 3, "missing.npy: no such file"),
    ("no folder", ["audit", IRIS, "--data", FLOWERS, "-o", "nowhere/a.json"], 3, "the folder nowhere does not exist"),
    ("wrong ending", ["audit", IRIS, "--data", FLOWERS, "--plot", "a.gif"], 3, "ending in .png or .svg"),
    ("wrong model", ["audit", MLP, "--data", FLOWERS], 3, "expects samples of shape [1, 64]"),
    ("labels without file", ["audit", IRIS, "--data", FLOWERS, "--labels", "y.csv"], 3, "y.csv"),
    ("no such input", ["audit", IRIS, "--data", f"a={FLOWERS}", "--data", f"b={FLOWERS}"], 3, "inputs are X"),
    ("given twice", ["audit", IRIS, "--data", f"X={FLOWERS}", "--data", f"X={FLOWERS}"], 3, "given twice"),
    ("other sizes", ["compare", MLP, IRIS], 3, "nothing to compare"),
    ("no points", ["compare", MLP, MLP, "--points", "0"], 3, "--points"),
    ("no model", ["inventory", "missing.onnx"], 3, "missing.onnx"),
    ("empty box", ["compare", MLP, MLP, "--box", "1", "0"], 3, "box"),
]  # fmt: skip


@pytest.mark.parametrize("what,arguments,code,message", BAD, ids=[case[0] for case in BAD])
def test_bad_input_is_refused(
    what: str, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, _, err = execute(capsys, *arguments)
    assert found == code
    assert message in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = execute(capsys, "audit", IRIS, "--data", FLOWERS, "-o", tmp_path / "file" / "a.json")
    assert code == 3 and "does not exist" in err


def test_raw_data_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = execute(capsys, "audit", IRIS, "--data", FLOWERS, "--mean", "0.1", "--std", "2", "--workers", 1)
    assert code == 0
    assert "raw values x: the exact side computes on (x - 0.1) / 2, exactly" in " ".join(text.split())
