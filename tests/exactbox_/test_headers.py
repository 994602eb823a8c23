"""First lines of CSV files, in every reader: names, values, or an error that names the cell; never a lost row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.auditing import audit
from exactbox.certifying import certify
from exactbox.cli import run
from exactbox.loading import Model, load
from exactbox.polytope.errors import InputError
from exactbox.sources import read_table
from tests.exactbox_.frames import FRAMES, Columns
from tests.importers.onnx_models import mlp, save

ROWS = ("1,2,3", "4,5,6", "7,8,9")
AMBIGUOUS = {
    "a missing value": "1,NA,3",
    "an empty cell": "1,,3",
    "a typed letter": "1,O,3",
    "a typed letter at the end": "1,2,l",
    "years as names": "city,1999,2000",
    "a decimal comma": "1;5,2,3",
    "an index without a name": ",a,b",
    "missing values alone": "NA,null,?",
    "nothing but commas": ",,",
    "one that is not a number": "nan,two,3",
}
"""First lines of three cells that are neither names nor numbers."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A net of three inputs and two outputs."""
    return str(save(mlp(1, (3, 5, 2)), tmp_path_factory.mktemp("model"), "net.onnx"))


@pytest.fixture(scope="module")
def loaded(model: str) -> Model:
    return load(model)


def written(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


def point(loaded: Model, given: object, row: int | None = 0) -> list[Fraction]:
    """Return the input that certify reads."""
    found = certify(loaded, given, row=row, decision="none", opinion_seconds=0, minimal=False, measure=False)
    return found.input.point.fractions()


READERS: dict[str, Callable[[Path], Sequence[object]]] = {
    "certify --input": lambda path: ("certify", "-i", path, "--row", 0, "--opinion-seconds", 0),
    "certify --input file:row": lambda path: ("certify", "-i", f"{path}:0", "--opinion-seconds", 0),
    "neighbors --input": lambda path: ("neighbors", "-i", path, "--row", 0, "--box", -9, 9),
    "audit --data": lambda path: ("audit", "-d", path, "--decision", "none"),
    "enumerate --box-from": lambda path: ("enumerate", "--box-from", path),
    "enumerate --locate": lambda path: ("enumerate", "--box", 0, 1, "--locate", path),
    "enumerate --line": lambda path: ("enumerate", "--box", -9, 9, "--line", f"{path}:0", f"{path}:1"),
    "show --region": lambda path: ("show", "--region", f"{path}:0"),
    "certify --mean": lambda path: ("certify", "-i", "1,2,3", "--mean", path, "--opinion-seconds", 0),
    "compare --data": lambda path: ("compare", "-d", path),
}


@pytest.mark.parametrize("first", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_first_line_of_both_is_an_error_in_every_reader(
    reader: Callable[[Path], Sequence[object]], first: str, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    verb, *options = reader(written(tmp_path, "\n".join([first, *ROWS]) + "\n"))
    models = (model, model) if verb == "compare" else (model,)
    code, out, err = execute(capsys, verb, *models, *options)
    assert (code, out) == (3, "")
    assert "x.csv: line 1, entry" in err and "--header" in err


@pytest.mark.parametrize("first", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_the_same_from_python_names_what_python_takes(first: str, loaded: Model, tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join([first, *ROWS]))
    for call in (lambda: point(loaded, path), lambda: audit(loaded.path, path, decision="none")):
        with pytest.raises(InputError, match=r"line 1, entry .*header=True") as caught:
            call()
        assert "--" not in str(caught.value)


@pytest.mark.parametrize("first", ["city,1999,2000", "NA,null,?", "1,2,3"])
def test_what_the_user_says_settles_it(
    first: str, model: str, loaded: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "\n".join([first, *ROWS[1:]]))
    assert point(loaded, read_table(path, header=True)) == [4, 5, 6]
    code, out, _ = execute(capsys, "certify", model, "-i", path, "--row", 0, "--header", "--opinion-seconds", 0)
    assert code == 0 and "row 0 below the header" in " ".join(out.split())
    code, _, err = execute(capsys, "certify", model, "-i", path, "--row", 0, "--no-header", "--opinion-seconds", 0)
    assert code == (0 if first == "1,2,3" else 3)
    assert first == "1,2,3" or "line 1, entry 0: expected a number" in err


@pytest.mark.parametrize("text", [
    "a,b,c\n4,5,6\n", "\ufeffa,b,c\r\n4,5,6\r\n\r\n\r\n", '"a","b, too","c"\n"4",5,6', "größe,b,c\n4 , 5,6\n",
    "a,b,c\n\n4,5,6\n\n", "a,b,c\r4,5,6\r", "4,5,6\n", "4,5,6", '"4","5","6"\r\n', "8/2,5.0,6e0\n",
])  # fmt: skip
def test_files_that_are_read(text: str, loaded: Model, tmp_path: Path) -> None:
    assert point(loaded, written(tmp_path, text)) == [4, 5, 6]


@pytest.mark.parametrize(("text", "row", "message"), [
    ("1,2,3\n4,nan,6\n", 1, "line 2, entry 1: expected a number.*'nan'"),
    ("a,b,c\n4,inf,6\n", 0, r"line 2, entry 1 \(b\): expected a number.*'inf'"),
    ("a,b,c\n4,,6\n", 0, r"line 2, entry 1 \(b\): expected a number"),
    ("a,b,c\n,,\n4,5,6\n", 0, r"line 2, entry 0 \(a\): expected a number"),
    ("1,2,3\n\n4,NA,6\n", 1, "line 3, entry 1: expected a number"),
    ("nan,nan,nan\n1,2,3\n", 0, "line 1, entry 0: expected a number"),
    ("a,b,a\n4,5,6\n", 0, "line 1: the column 'a' is named twice"),
    ("a,b,c\n", 0, "was taken for the header.*no rows follow"),
    ("a;b;c\n4;5;6\n", 0, "separated by commas, not semicolons"),
    ("4;5;6\n7;8;9\n", 0, "separated by commas, not semicolons"),
    ("4\t5\t6\n", 0, "separated by commas, not tabs"),
    ("1,2,3\n4,5\n", 0, "line 2 has 2 cells, line 1 has 3"),
    ('1,2,"3\n4,5,6\n', 0, "not readable as CSV text"),
    ("1,2,3\n4,5,6\x00\n", 1, "line 2, entry 2: expected a number|not readable as CSV"),
    ("a,b,c\n1,2,3\n".encode("utf-16"), 0, "not readable as CSV text"),
    ("", 0, "empty file"),
    ("\n\n \n", 0, "empty file"),
])  # fmt: skip
def test_files_that_are_refused_name_the_cell(
    text: str | bytes, row: int, message: str, loaded: Model, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message):
        point(loaded, path, row)
    with pytest.raises(InputError, match=r"x\.csv"):
        audit(loaded.path, path, decision="none")


def test_a_gap_in_a_single_column_is_no_blank_line(tmp_path: Path) -> None:
    single = save(mlp(0, (1, 3, 2)), tmp_path, "one.onnx")
    with pytest.raises(InputError, match="line 2 is empty: give its value"):
        audit(single, written(tmp_path, "1\n\n3\n"), decision="none")
    assert audit(single, written(tmp_path, "1\n3\n\n"), decision="none").count == 2


class TestConstraints:
    """Rows of a polytope and lines of a box: none may vanish as a header."""

    BODY = "-1,0,0,1\n0,1,0,1\n0,-1,0,1\n0,0,1,1\n0,0,-1,1\n"

    @pytest.mark.parametrize("first", ["1,,0,1", "1,O,0,1", "NA,0,0,1", "x,0,0,1", "nan,0,0,1"])
    def test_rows(self, first: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = execute(capsys, "enumerate", model, "--domain", written(tmp_path, f"{first}\n{self.BODY}"))
        assert (code, out) == (3, "") and "x.csv: line 1, entry" in err

    def test_rows_are_matched_by_the_names_of_the_columns(
        self, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(tmp_path, "a,b,c\n0,0,0\n", "point.csv")
        plain = "1,0,0,1\n-1,0,0,2\n0,1,0,3\n0,-1,0,4\n0,0,1,5\n0,0,-1,6\n"
        swapped = "b,c,a,most\n" + "".join(
            f"{b},{c},{a},{most}\n" for a, b, c, most in (line.split(",") for line in plain.splitlines())
        )
        found = [
            json.loads(execute(
                capsys, "certify", model, "-i", tmp_path / "point.csv", "--domain", written(tmp_path, text),
                "--opinion-seconds", 0, "--json")[1])["domain"]
            for text in ("a,b,c,most\n" + plain, swapped)
        ]  # fmt: skip
        assert found[0] == found[1]
        code, _, err = execute(capsys, "certify", model, "-i", tmp_path / "point.csv",
                               "--domain", written(tmp_path, "a,b,z,most\n" + plain))  # fmt: skip
        assert code == 3 and "missing: c; unknown: z" in err

    @pytest.mark.parametrize(("text", "words"), [
        ("0,l\n0,2\n0,1\n", "line 1, upper: expected a number"),
        ("0,l\n0,2\n0,1\n0,1\n", "expected 3 lines of bounds, one an input, got 4"),
        ("lo,hi\n0,2\n0,1\n0,1\n", "expected 3 lines of bounds, one an input, got 4"),
        ("name,lower,upper\nx[0],0,1\nx[1],0,1\nx[1],0,1\n", "'x[1]' is named twice"),
        ("x[0],0,1\nx[1],0,1\nX[2],0,1\n", "missing: x[2]; unknown: X[2]"),
        ("a,0,1\nb,0,1\nc,0,1\n", "missing: x[0], x[1], x[2]; unknown: a, b, c"),
    ])  # fmt: skip
    def test_boxes(
        self, text: str, words: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = execute(capsys, "enumerate", model, "--box-file", written(tmp_path, text))
        assert (code, out) == (3, "") and words in err

    def test_columns_and_lines_of_a_box_in_another_order(
        self, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        texts = (
            "0,1\n-1,\n,5\n",
            "upper,lower\n1,0\n,-1\n5,\n",
            'Upper,name,Lower\n5,x[2],\n1,x[0],0\n,"x[0,1]",-1\n',
        )
        answers = [
            json.loads(execute(capsys, "certify", model, "-i", "0,0,0", "--box-file", written(tmp_path, text),
                               "--opinion-seconds", 0, "--json")[1])["domain"]
            for text in texts
        ]  # fmt: skip
        assert answers[0] == answers[1] == answers[2]
        assert (answers[0]["lower"], answers[0]["upper"]) == (["0", "-1", None], ["1", None, "5"])


class TestLabels:
    """Label files: the number of samples is known, so that one line more is a header or an error."""

    DATA = "4,5,6\n7,8,9\n"

    def agreement(
        self, capsys: pytest.CaptureFixture[str], model: str, folder: Path, text: str, *more: object
    ) -> tuple[int, str]:
        header = "a,b,c\n" if "--header" in more else ""
        data, labels = written(folder, header + self.DATA), written(folder, text, "y.csv")
        names = written(folder, "cat\ndog\n", "names.txt")
        code, out, err = execute(
            capsys, "audit", model, "-d", data, "--labels", labels, "--class-names", names, "--json", *more
        )
        return code, err if code else str(json.loads(out)["summary"]["correct"])

    @pytest.mark.parametrize(("text", "more"), [
        ("cat\ndog\n", ()), ("label\ncat\ndog\n", ()), ("\ufeff0\r\n1\r\n\r\n", ()), ("'y'\n0\n1\n", ()),
        ("2024\n0\n1\n", ("--header",)), ("cat\ncat\ndog\n", ("--header",)), ("0\n1\n", ("--no-header",)),
    ])  # fmt: skip
    def test_read(
        self, text: str, more: tuple[str, ...], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, right = self.agreement(capsys, model, tmp_path, text, *more)
        wanted = [("cat", "dog").index(self.decided(model, row)) for row in ([4, 5, 6], [7, 8, 9])]
        assert (code, right) == (0, str(sum(k == label for k, label in zip(wanted, (0, 1), strict=True))))

    def decided(self, model: str, row: list[int]) -> str:
        found = certify(load(model, class_names=["cat", "dog"]), row, opinion_seconds=0, minimal=False, measure=False)
        assert found.class_name is not None
        return found.class_name

    @pytest.mark.parametrize("text", [
        "0\n1\n1\n", "cat\ndog\ndog\n", "cat\n0\n1\n", "NA\n0\n1\n", "-\n0\n1\n", "nan\n0\n1\n", "dog\ncat\ncat\ndog\n",
        "1\n", "label\n1\n", "\n0\n\n1\n", "x\ny\nx\n", "0,1\n", "0\n\n", "label\n0\n1\n1\n", "nan\n0\n", "0\n?\n",
    ])  # fmt: skip
    def test_refused(self, text: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, err = self.agreement(capsys, model, tmp_path, text)
        assert code == 3 and ("y.csv" in err or "labels" in err)

    @pytest.mark.parametrize("values", [["cat", "dog"], [b"cat", b"dog"], [0, 1], [0.0, 1.0]])
    def test_arrays_of_text(self, values: list[Any], model: str, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.array(values))
        np.savez(tmp_path / "d.npz", X=np.array([[4.0, 5, 6], [7, 8, 9]]), y=np.array(values))
        found = [
            audit(model, np.array([[4.0, 5, 6], [7, 8, 9]]), tmp_path / "y.npy", class_names=["cat", "dog"]),
            audit(model, tmp_path / "d.npz", tmp_path / "d.npz", class_names=["cat", "dog"]),
            audit(model, [[4.0, "5", 6], [7, 8, Fraction(9)]], values, class_names=["cat", "dog"]),
        ]
        assert [one.labels.tolist() for one in found if one.labels is not None] == [[0, 1]] * 3
        assert {tuple(one.found.chosen.tolist()) for one in found} == {tuple(found[0].found.chosen.tolist())}


class TestClassNames:
    @pytest.mark.parametrize(("name", "text", "words"), [
        ("n.csv", "class\ncat\ndog\n", "expected 2, got 3"),
        ("n.csv", "cat,\n", "class name 1 is empty"),
        ("n.csv", "cat\n\ndog\n", "line 2 is empty"),
        ("n.csv", '"cat\ndog\n', "not readable as CSV text"),
        ("n.json", '["cat", ""]', "class name 1 is empty"),
    ])  # fmt: skip
    def test_refused(
        self, name: str, text: str, words: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _, err = execute(capsys, "certify", model, "-i", "1,2,3", "--class-names", written(tmp_path, text, name))
        assert code == 3 and words in err

    def test_a_header_that_is_stated(self, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = written(tmp_path, "class\ncat\ndog\n", "n.csv")
        code, out, _ = execute(
            capsys, "certify", model, "-i", "1,2,3", "--class-names", path, "--header", "--opinion-seconds", 0, "--json"
        )
        assert code == 0 and json.loads(out)["decision"]["class"] in ("cat", "dog")

    def test_names_in_an_array(self, model: str) -> None:
        assert load(model, class_names=np.array(["cat", "dog"])).class_names == ("cat", "dog")
        with pytest.raises(InputError, match="'cat' occurs twice"):
            load(model, class_names=["cat", "cat"])


@pytest.mark.parametrize("kind", FRAMES)
class TestFrames:
    """Names of columns count wherever they come from."""

    @pytest.mark.parametrize("columns", [
        {"a": [1, 4], "b": [2, 5], "c": [3.0, 6.0]},
        {"x[2]": [3, 6], "x[0]": [1, 4], "x[1]": [2, 5]},
        {"x[0,1]": ["2", "5"], "label": ["p", "q"], "x[0]": [1, 4], "x[2]": [3, 6]},
    ])  # fmt: skip
    def test_read(self, kind: str, columns: Columns, loaded: Model) -> None:
        frame = FRAMES[kind](columns)
        assert point(loaded, frame, 1) == [4, 5, 6]
        assert audit(loaded.path, frame, decision="none").count == 2

    @pytest.mark.parametrize(("columns", "message"), [
        ({"a": [1, 4], "b": [2, 5]}, r"got \[2\].*columns a, b"),
        ({"a": [1, 4], "b": [2, 5], "c": [3, 6], "d": [0, 0]}, r"got \[4\].*columns a, b, c, d"),
        ({"x[0]": [1, 4], "b": [2, 5], "c": [3, 6]}, r"missing: x\[1\], x\[2\]; unknown: b, c"),
        ({"x[0]": [1, 4], "x[0,0]": [1, 4], "x[1]": [2, 5], "x[2]": [3, 6]}, r"'x\[0,0\]' is named twice"),
        ({"a": [1, float("nan")], "b": [2, 5], "c": [3, 6]}, r"entry.*0.*nan"),
        ({"a": [1, 4], "b": ["2", "five"], "c": [3, 6]}, r"entry 1 \(b\): expected a number.*'five'"),
        ({"a": [1, 4], "b": ["2", ""], "c": [3, 6]}, r"entry 1 \(b\): expected a number"),
    ])  # fmt: skip
    def test_refused(self, kind: str, columns: Columns, message: str, loaded: Model) -> None:
        frame = FRAMES[kind](columns)
        with pytest.raises(InputError, match=message):
            point(loaded, frame, 1)
        with pytest.raises(InputError):
            audit(loaded.path, frame, decision="none")


@pytest.mark.parametrize("kind", ["stand-in", "pandas"])
def test_numbers_as_names_are_places(kind: str, loaded: Model) -> None:
    plain, moved = (FRAMES[kind]({k: [k + 1] for k in order}) for order in ((0, 1, 2), (2, 0, 1)))
    assert point(loaded, plain) == [1, 2, 3]
    with pytest.raises(InputError, match="its columns are numbered 2, 0, 1"):
        point(loaded, moved)


def test_gaps_and_rows_that_are_none(loaded: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"entry \(1,\) is masked"):
        point(loaded, np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[False, True, False]), None)
    assert point(loaded, np.ma.MaskedArray([1.0, 2.0, 3.0], mask=False), None) == [1, 2, 3]
    path = written(tmp_path, "1,2,3\n4,5,6")
    for row in ("1", 1.0, True):
        with pytest.raises(InputError, match="row: expected a whole number"):
            point(loaded, path, row)  # type: ignore[arg-type]


def test_a_ball_of_radius_0_is_the_input(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = tmp_path / "a.cert.json"
    code, out, _ = execute(capsys, "certify", model, "-i", "1/3,2,3", "--exact-input", "--eps", 0, "-o", certificate)
    said = " ".join(out.split())
    assert code == 0 and "domain the input alone" in said
    assert "0.333333333" in said and " 1/3 " not in said
    assert execute(capsys, "check", certificate, "--model", model)[0] == 0


def test_a_row_is_not_chosen_from_one_sample(loaded: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3.0))
    for given in ("1,2,3", [1, 2, 3], tmp_path / "x.npy", f"{written(tmp_path, 'a,b,c' + chr(10) + '1,2,3')}:0"):
        with pytest.raises(InputError, match="is one sample; row 5 would choose one of several"):
            point(loaded, given, 5)


@pytest.mark.parametrize(("options", "python", "typed"), [
    ({}, "choose one with row=I", "choose one with --row I"),
    ({"row": 0, "decision": "sign"}, "choose it with target=K", "choose it with --target"),
])  # fmt: skip
def test_errors_name_what_the_caller_can_change(
    options: dict[str, Any], python: str, typed: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match=python) as caught:
        certify(model, path, opinion_seconds=0, **options)
    assert "--" not in str(caught.value)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    code, _, err = execute(capsys, "certify", model, "-i", path, *words)
    assert code == 3 and typed in err
