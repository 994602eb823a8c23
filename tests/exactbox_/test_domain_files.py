"""Domains from files on the command line: VNN-LIB inputs, rows in CSV, polytopes in JSON."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from exactbox.checking import check
from exactbox.cli import run
from exactbox.domain_files import domain_from_file, domain_from_vnnlib
from exactbox.enumerating import enumerate
from exactbox.loading import load
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import exact
from tests.importers.onnx_models import mlp, save
from tests.nets import random_mlp

PROGRAM: Program = random_mlp([2, 3, 2], 0)
TRIANGLE = "-1,0,0\n0,-1,0\n1,1,0.1\n"
PROPERTY = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
(assert (<= X_0 0.5)) (assert (>= X_0 -0.5)) (assert (<= X_1 0.25)) (assert (>= X_1 -1)) (assert (<= Y_0 Y_1))
"""
EITHER = PROPERTY + "(assert (or (<= X_0 0) (>= X_0 0.25)))"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A 2-6-4-2 net with small integer weights."""
    return str(save(mlp(1, (2, 6, 4, 2)), tmp_path_factory.mktemp("model"), "small.onnx"))


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [TRIANGLE, "x,y,b\n" + TRIANGLE, "x, y,rhs\r\n" + TRIANGLE.replace("0.1", "1/10")])
def test_rows_of_a_csv_file(tmp_path: Path, text: str) -> None:
    read = domain_from_file(PROGRAM, written(tmp_path, "d.csv", text), ("x", "y"))
    assert read.text == f"the polytope of {tmp_path / 'd.csv'}" and len(read.domain.rows) == 3
    assert read.domain.contains(exact(["1/20", "1/20"])) and not read.domain.contains(exact(["1/20", "0.0500001"]))


@pytest.mark.parametrize(
    "content",
    [
        {"lower": [0, 0], "rows": [[1, 1, 0.1]]},
        {"lower": 0, "upper": [None, 1], "rows": [["1", 1, "1/10"]], "equations": []},
        {"lower": 0, "rows": [[1, 1, 0.1], [1, 0, 7]]},
    ],
)
def test_polytopes_of_a_json_file(tmp_path: Path, content: dict[str, Any]) -> None:
    domain = domain_from_file(PROGRAM, written(tmp_path, "d.json", json.dumps(content))).domain
    for point, inside in ((["1/20", "1/20"], True), (["1/20", "0.0500001"], False), (["-0.001", "0"], False)):
        assert domain.contains(exact(point)) == inside


def test_decimals_of_json_are_exact(tmp_path: Path) -> None:
    text = '{"lower": [0.1, 1e-1], "upper": [0.3, null], "equations": [[1, -1, 0]]}'
    domain = domain_from_file(PROGRAM, written(tmp_path, "d.json", text)).domain
    assert domain.lower[0] == Fraction(1, 10) and domain.upper[0] == Fraction(3, 10) and domain.dimension == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("d.csv", "1,2\n", "expected 3 columns, a coefficient for each input and the bound, got 2"),
        ("d.csv", "1,2,x\n1,2,3,4\n", "line 2 has 4 cells"),
        ("d.csv", "x,y,b\n1,two,3\n", r"d\.csv: line 2, entry 1: expected a number"),
        ("d.csv", "x,y,b\n", "expected rows below the header"),
        ("d.csv", "x,z,b\n1,1,3\n", "the inputs are x, y; missing: y; unknown: z"),
        ("d.csv", "1,1,0\n-1,-1,-1\n", "empty"),
        ("d.txt", "1,1,0\n", "ending in .csv or .json"),
        ("d.json", "[1, 2]", "expected an object with some of the keys lower, upper, rows, equations"),
        ("d.json", '{"low": 1}', "expected an object with some of the keys"),
        ("d.json", '{"lower": [1]}', "lower: expected a list of 2 numbers"),
        ("d.json", '{"lower": true}', "lower: expected a list of 2 numbers"),
        ("d.json", '{"lower": 0, "upper": 2, "lower": 1}', "given twice among lower, upper, lower"),
        ("d.json", '{"rows": [[1, 2]]}', "rows: expected a list of 3 numbers"),
        ("d.json", '{"rows": 5}', "rows: expected a list of rows"),
        ("d.json", '{"rows": [[1, 2, true]]}', "rows: expected a number, got True"),
        ("d.json", '{"upper": NaN}', "expected a number"),
        ("d.json", '{"lower": 1, "upper": 0}', "empty"),
        ("d.json", "{", "not readable as JSON"),
        ("d.json", "[" * 100_000, "JSON|object"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        domain_from_file(PROGRAM, written(tmp_path, name, text), ("x", "y"))
    assert str(caught.value).startswith(str(tmp_path / name))


def test_a_missing_file(tmp_path: Path) -> None:
    for name in ("d.json", "d.csv"):
        with pytest.raises(InputError, match=r"d\."):
            domain_from_file(PROGRAM, tmp_path / name)


def test_inputs_of_a_property(tmp_path: Path) -> None:
    path = written(tmp_path, "p.vnnlib", PROPERTY)
    read = domain_from_vnnlib(PROGRAM, path)
    assert read.domain.is_box and read.text == f"the inputs of {path}"
    assert read.domain.upper == (Fraction(1, 2), Fraction(1, 4))
    with pytest.raises(InputError, match="declares 2 inputs X, the model has 3"):
        domain_from_vnnlib(random_mlp([3, 2, 2], 0), path)
    both = written(tmp_path, "q.vnnlib", EITHER)
    assert domain_from_vnnlib(PROGRAM, both, 1).domain.lower[0] == Fraction(1, 4)
    assert domain_from_vnnlib(PROGRAM, both, 1).text.endswith("case 1")


def test_the_verbs_take_domains(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    triangle, prop = written(tmp_path, "d.csv", TRIANGLE), written(tmp_path, "p.vnnlib", PROPERTY)
    corners = domain_from_rows([0, 0], [None, None], [[1, 1]], ["0.1"])
    certificate = tmp_path / "c"
    code, out, err = execute(capsys, "enumerate", model, "--domain", triangle, "--certificate", certificate, "--json")
    assert (code, err) == (0, "") and json.loads(out)["regions"] == len(enumerate(model, domain=corners))
    assert check(certificate, model).accepted
    code, out, _ = execute(capsys, "enumerate", model, "--vnnlib", prop, "--json")
    low, high = ["-1/2", "-1"], ["1/2", "1/4"]
    assert code == 0 and json.loads(out)["regions"] == len(enumerate(model, box=(low, high)))
    code, out, _ = execute(capsys, "neighbors", model, "-i", "0.01,0.01", "--domain", triangle, "--json")
    assert code == 0 and "d.csv" in json.loads(out)["domain"]["text"]
    code, out, _ = execute(capsys, "certify", model, "-i", "0.25,0", "--vnnlib", prop, "--opinion-seconds", 0, "--json")
    assert code == 0 and json.loads(out)["domain"]["upper"] == high
    assert load(model).program.input_size == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vnnlib-case", 1), "--vnnlib-case: chooses a case of --vnnlib"),
        (("--box", 0, 1, "--vnnlib", "p.vnnlib"), "--box and --vnnlib: give one domain"),
        (("--domain", "nowhere.csv"), "nowhere.csv"),
        (("--vnnlib", "nowhere.vnnlib"), "nowhere.vnnlib: No such file"),
    ],
)
def test_options_that_do_not_fit(
    model: str, arguments: tuple[object, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = execute(capsys, "enumerate", model, *arguments)
    assert (code, out) == (3, "") and words in err


def test_a_case_must_be_chosen(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = written(tmp_path, "q.vnnlib", EITHER)
    code, _, err = execute(capsys, "enumerate", model, "--vnnlib", both)
    assert code == 3 and "2 sets of inputs; choose one, 0 to 1" in err
    assert execute(capsys, "enumerate", model, "--vnnlib", both, "--vnnlib-case", 0)[0] == 0
