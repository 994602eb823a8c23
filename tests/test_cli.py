"""The command line from end to end over the bundled models: what is written, printed and returned."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox import __version__
from exactbox.cli import run
from tests.exactbox_.onnx_nets import beyond_floats, scalar_sign
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
MLP, CNN, IRIS = (str(DATA / f"{name}.onnx") for name in ("digits_mlp", "digits_cnn", "iris_pipeline"))
DIGITS, FLOWERS = str(DATA / "digits_samples.npz"), str(DATA / "iris_samples.csv")

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command line inside a temporary folder; returns (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def execute(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return execute


def parsed(out: str) -> dict[str, Any]:
    """Return the one JSON object that was printed."""
    assert out.count("\n") == 1
    document: dict[str, Any] = json.loads(out)
    return document


CASES = [
    pytest.param((MLP, "--input", DIGITS, "--row", "5", "--box", "0", "1"), id="digits in the unit box"),
    pytest.param((MLP, "--input", DIGITS, "--row", "5", "--no-minimal"), id="digits in all of space"),
    pytest.param((CNN, "--input", DIGITS, "--row", "5", "--box", "0", "1", "--no-minimal"), id="convolutions"),
    pytest.param((CNN, "--input", DIGITS, "--row", "5", "--eps", "0", "--no-minimal"), id="a single point"),
    pytest.param((IRIS, "--input", FLOWERS, "--row", "1"), id="flowers in all of space"),
    pytest.param((IRIS, "--input", FLOWERS, "--row", "1", "--eps", "1/10"), id="flowers in a ball"),
    pytest.param((IRIS, "--input", FLOWERS, "--row", "1", "--box-from", FLOWERS), id="flowers between the samples"),
    pytest.param((IRIS, "--input", "5,-0.1,1/3,1", "--exact-input", "--box", "-1/2", "8"), id="exact typed numbers"),
    pytest.param((IRIS, "--input", "X=5,3,1,1", "--decision", "sign", "--target", "setosa"), id="a sign"),
    pytest.param((IRIS, "--input", FLOWERS, "--row", "2", "--decision", "none", "--no-distances"), id="no decision"),
    pytest.param((IRIS, "--input", FLOWERS, "--row", "2", "--decision", "argmin"), id="the least"),
    pytest.param((IRIS, "--input", "1,2,3,4", "--mean", "0.1,0,0,-0.5", "--std", "1/3"), id="raw inputs"),
]


@pytest.mark.parametrize("arguments", CASES)
def test_certify_then_check(command: Command, arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = command("certify", *arguments, "--opinion-seconds", "0", "-o", "x.cert.json")
    assert (code, err) == (0, "")
    assert "x.cert.json" in out and ".program.json" in out
    assert sorted(path.suffixes[-2] for path in tmp_path.iterdir()) == [".cert", ".program"]
    code, out, err = command("check", "x.cert.json", "--model", arguments[0])
    assert (code, err) == (0, "")
    assert out.startswith("ACCEPTED: x.cert.json\n") and "was lowered again to this very program" in out


def test_summary_has_its_blocks_in_order(command: Command) -> None:
    code, out, _ = command("certify", IRIS, "--input", FLOWERS, "--row", "1", "--box", "0", "8")
    assert code == 0
    labels = ["model", "input", "output", "domain", "decision", "region", "distances", "nearest", "features", "opinion",
              "not claimed", "written"]  # fmt: skip
    places = [out.index(f"\n{label} ") for label in labels]
    assert places == sorted(places)
    assert "sha256 b8f6ffceb2a8" in out
    assert "3 of 4 values were rounded to float32" in out
    assert "the box [0, 8] for every input" in out
    assert "versicolor, margin 2.5005 (strict)" in out
    assert "petal length (cm)" in out
    assert "cvxpy with CLARABEL agrees on all rows" in out
    assert "what a runtime computes in floating point" in out


def test_json_is_one_object_with_everything(command: Command) -> None:
    code, out, _ = command("certify", IRIS, "--input", FLOWERS, "--row", "1", "--json", "-o", "x.cert.json")
    assert code == 0
    found = parsed(out)
    assert set(found) == {
        "exit_code", "model", "input", "output", "domain", "decision", "region", "distances", "held",
        "explanation", "opinion", "skipped", "not_claimed", "written",
    }  # fmt: skip
    assert found["input"]["changed"] == 3
    assert found["decision"]["class"] == "versicolor"
    assert found["domain"]["text"] == "all of R^d: no box given"
    assert found["opinion"]["stance"] == "agrees"
    assert found["region"]["rows_by_verdict"]["undecided"] == 0
    assert len(found["explanation"]["coef_exact"]) == 4
    assert found["written"][0] == "x.cert.json"
    assert found["skipped"] == {}


def test_json_of_check(command: Command) -> None:
    command("certify", IRIS, "--input", FLOWERS, "--row", "1", "-o", "x.cert.json", "--no-minimal")
    code, out, _ = command("check", "x.cert.json", "--json")
    found = parsed(out)
    assert (code, found["exit_code"], found["accepted"], found["model"]) == (0, 0, True, None)
    assert "was not checked" in found["binding"]
    assert any("R^4" in line for line in found["lines"])


def test_json_of_show(command: Command) -> None:
    code, out, _ = command("show", CNN, "--json")
    found = parsed(out)
    assert code == 0
    assert [step["kind"] for step in found["steps"]][:3] == ["input", "gather", "matmul"]
    assert (found["inputs"], found["outputs"]) == (64, 10)


def test_json_of_a_failure(command: Command) -> None:
    code, out, err = command("certify", IRIS, "--input", "1,2", "--json")
    found = parsed(out)
    assert (code, found["exit_code"], found["error"]["kind"]) == (3, 3, "InputError")
    assert found["error"]["message"] in err


def test_a_changed_certificate_is_rejected(command: Command) -> None:
    command("certify", IRIS, "--input", FLOWERS, "--row", "1", "-o", "x.cert.json", "--no-minimal")
    content = json.loads(Path("x.cert.json").read_text())
    content["statement"]["intercept"][0] = "1"
    Path("x.cert.json").write_text(json.dumps(content))
    code, out, err = command("check", "x.cert.json")
    assert (code, err) == (1, "")
    assert out.startswith("REJECTED: x.cert.json: ") and out.endswith("nothing is proved\n")


def test_a_malformed_certificate_is_bad_input(command: Command) -> None:
    Path("x.cert.json").write_text('{"format": 1.5}')
    code, out, err = command("check", "x.cert.json")
    assert (code, out) == (3, "NOT CHECKED: x.cert.json\nnothing is proved\n")
    assert "x.cert.json: malformed" in err


def test_another_model_is_not_bound(command: Command) -> None:
    command("certify", IRIS, "--input", FLOWERS, "--row", "1", "-o", "x.cert.json", "--no-minimal")
    code, out, err = command("check", "x.cert.json", "--model", MLP)
    assert (code, err) == (1, "") and out.startswith("REJECTED: x.cert.json: it speaks of program")
    assert "lowers to" in out and "another model, other options" in out


def test_a_program_elsewhere(command: Command, tmp_path: Path) -> None:
    command("certify", IRIS, "--input", FLOWERS, "--row", "1", "-o", "x.cert.json", "--no-minimal")
    (program,) = tmp_path.glob("*.program.json")
    program.rename("moved.json")
    code, _, err = command("check", "x.cert.json")
    assert code == 3 and program.name in err
    assert command("check", "x.cert.json", "--program", "moved.json")[0] == 0


def test_options_of_the_import_are_kept_in_the_certificate(command: Command) -> None:
    arguments = ("certify", IRIS, "--input", "1,2,3,4", "--mean", "0.1", "--no-minimal", "-o", "x.cert.json")
    assert command(*arguments)[0] == 0
    code, out, _ = command("check", "x.cert.json", "--model", IRIS)
    assert code == 0 and "mean 1/10" in out
    code, out, _ = command("check", "x.cert.json", "--model", IRIS, "--mean", "0.2")
    assert code == 1 and "mean 1/5, std 1 lowers to" in out


def test_show_lists_instructions_and_nodes(command: Command) -> None:
    code, out, _ = command("show", CNN)
    assert code == 0
    assert "matmul      512  of 1, 8x9, shared by 64 rows  Conv 'conv1'" in out
    assert "agrees with onnxruntime" in out


def test_show_prints_a_small_region(command: Command) -> None:
    code, out, _ = command("show", IRIS, "--region", "5.5,3.5,1.3,0.2")
    assert code == 0
    assert ">= 0" in out and "output_probability[2] = " in out and "x3 is X[3]" in out


def test_show_refuses_to_print_a_large_region(command: Command) -> None:
    code, _, err = command("show", MLP, "--region", ",".join(["0"] * 64))
    assert code == 2
    assert "expected at most 64 units and 16 inputs, got 96 units and 64 inputs" in err


@pytest.mark.parametrize("ending", ["png", "svg"])
@pytest.mark.parametrize(
    "arguments",
    [
        (IRIS, "--input", FLOWERS, "--row", "1"),
        (CNN, "--input", DIGITS, "--row", "5", "--no-minimal", "--no-distances"),
        (MLP, "--input", DIGITS, "--row", "5", "--image", "8x8", "--no-minimal"),
    ],
)
def test_plot(command: Command, arguments: tuple[str, ...], ending: str) -> None:
    pytest.importorskip("matplotlib")
    code, out, _ = command("certify", *arguments, "--opinion-seconds", "0", "--plot", f"why.{ending}")
    start = Path(f"why.{ending}").read_bytes()[:5]
    assert code == 0 and f"why.{ending}" in out
    assert start == (b"\x89PNG\r" if ending == "png" else b"<?xml")


def test_demo_proves_and_keeps_its_files(command: Command, tmp_path: Path) -> None:
    code, out, err = command("demo", "--out", str(tmp_path / "kept" / "here"))
    assert (code, err) == (0, "")
    assert "So this is proved:" in out and "accepted: of the program" in out and "Next:" in out
    assert sorted(path.suffixes[-2] for path in (tmp_path / "kept" / "here").iterdir()) == [".cert", ".program"]


def test_demo_as_json_leaves_nothing(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("demo", "--row", "7", "--json")
    found = parsed(out)
    assert (code, found["checker"]["exit_code"], found["written"]) == (0, 0, [])
    assert list(tmp_path.iterdir()) == []


def test_class_names_and_target(command: Command) -> None:
    Path("names.json").write_text(json.dumps([f"digit {i}" for i in range(10)]))
    arguments = (MLP, "--input", DIGITS, "--row", "5", "--no-minimal", "--class-names", "names.json")
    code, out, _ = command("certify", *arguments, "--target", "digit 7")
    assert code == 0
    assert "digit 1, margin" in out and "of digit 7: " in out


def test_named_inputs(command: Command) -> None:
    np.save("x.npy", np.array([[5.5, 3.5, 1.3, 0.2]], dtype=np.float32))
    code, out, _ = command("certify", IRIS, "--input", "X=x.npy", "--no-minimal")
    assert code == 0 and "every value is a float32 number already" in out


def test_facets_on_request_although_dear(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.certifying.MINIMAL_BUDGET", 0)
    base = ("certify", IRIS, "--input", FLOWERS, "--row", "1", "--opinion-seconds", "0")
    assert "8 rows and 4 inputs exceed the budget: --minimal does decide them" in command(*base)[1]
    assert "8 facets of units" in command(*base, "--minimal")[1]


@pytest.mark.parametrize("verb", ["certify", "check", "show", "demo"])
def test_help_has_examples(command: Command, verb: str) -> None:
    code, out, _ = command(verb, "-h")
    assert code == 0 and f"Examples:\n    exactbox {verb}" in out


def test_version(command: Command) -> None:
    code, out, _ = command("--version")
    assert code == 0 and __version__ in out


@pytest.mark.parametrize("module", ["numpy", "rich", "onnx", "sympy", "cvxpy", "matplotlib", "flint"])
def test_help_loads_nothing_heavy(module: str) -> None:
    code = "import sys; from exactbox.cli import run; run(['--help']); "
    code += f"print({module!r} in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"


def test_check_alone_loads_no_onnx(command: Command, tmp_path: Path) -> None:
    command("certify", IRIS, "--input", FLOWERS, "--row", "1", "-o", "x.cert.json", "--no-minimal")
    code = f"import sys; from exactbox.cli import run; code = run(['check', {str(tmp_path / 'x.cert.json')!r}]); "
    code += "print(code, [m for m in ('onnx', 'cvxpy', 'numpy', 'sympy') if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"


def test_as_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "exactbox", "certify", IRIS, "--imput", "1"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert "No such option" in done.stderr and "--imput" in done.stderr and "--input" in done.stderr


@pytest.mark.parametrize("arguments", [
    ("certify", "--input", "1,1", "--box", "0", "2", "--plot", "why.png", "-o", "x.cert.json"),
    ("neighbors", "--input", "1,1", "--depth", "3"),
    ("enumerate", "--box", "-1", "1", "--analyze", "--plot", "regions.png"),
    ("audit", "--data", "x.csv", "--plot", "audit.png", "-o", "audit.json"),
], ids=lambda one: one[0])  # fmt: skip
def test_outputs_beyond_the_floats(command: Command, arguments: tuple[str, ...], tmp_path: Path) -> None:
    model = beyond_floats(tmp_path)
    Path("x.csv").write_text("1,1\n0,0\n-1,1/2\n")
    verb, *options = arguments
    assert command(verb, str(model), *options)[0] == 0
    code, out, err = command(verb, str(model), *options, "--json")
    assert code == 0 and parsed(out)["exit_code"] == 0 and "Warning" not in err


def test_one_of_a_kind_is_singular(command: Command, tmp_path: Path) -> None:
    model = str(scalar_sign(tmp_path))
    whole = " ".join(command("enumerate", model, "--neighbors", "--box", "0", "1")[1].split())
    assert "2 inputs, 0 units" in whole and "1 full-dimensional activation region, complete" in whole
    assert "0 pairs of neighbours" in whole and "1 linear region:" in whole
    assert "1 within 1 facet of the input's" in command("neighbors", model, "--input", "0,0")[1]
