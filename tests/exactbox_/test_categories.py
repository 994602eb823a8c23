"""Models of one input a column: a table whose columns are named like the inputs feeds every verb, with categories."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from exactbox.auditing import Audit, audit
from exactbox.certifying import certify
from exactbox.checking import check
from exactbox.cli import run
from exactbox.importers.deployed import RuntimeRefusal
from exactbox.loading import load
from exactbox.neighborhood import neighbors
from exactbox.polytope.errors import InputError, UnsupportedModelError
from tests.exactbox_.columns import PIPELINES, Rows, one_input, passengers, pipeline, text_beside_numbers, written
from tests.exactbox_.frames import FRAMES

COUNT = 12
NAMES = ("age", "fare", "city", "size", "klass")
ORDER = ("label", "city", "klass", "fare", "age", "size")
"""Columns of a file: in another order than the model's, and one that is not the model's."""


def table(rows: Rows, labels: Rows) -> dict[str, list[Any]]:
    """Return the columns of a file."""
    listed = {name: rows[:, place].tolist() for place, name in enumerate(NAMES)} | {"label": labels.tolist()}
    return {name: listed[name] for name in ORDER}


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, dict[str, list[Any]], Rows]:
    """A CSV file of a few passengers, its columns, and its rows as the model's inputs."""
    rows, labels = passengers()
    columns = table(rows[:COUNT], labels[:COUNT])
    with (tmp_path / "data.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return tmp_path / "data.csv", columns, rows[:COUNT]


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), " ".join(err.split())


def decided(path: Path, rows: Rows) -> list[int]:
    """Return what onnxruntime decides, row by row."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kinds = (np.float32, np.float32, object, object, np.int64)
    feeds = {name: rows[:, [i]].astype(kind) for i, (name, kind) in enumerate(zip(NAMES, kinds, strict=True))}
    return [int(label) for label in session.run(["output_label"], feeds)[0]]


def alone(path: Path, row: Rows) -> Audit:
    """Audit one row with its categories fixed by hand."""
    fix: dict[str, object] = dict(zip(NAMES[2:], row[2:], strict=True))
    return audit(path, {"age": [[row[0]]], "fare": [[row[1]]]}, fix=fix, distances=True)


class TestAudit:
    @pytest.mark.parametrize("name", PIPELINES)
    def test_rows_are_those_of_audits_of_one_row(
        self, name: str, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows]
    ) -> None:
        path, (file, _, rows) = written(pipeline(name), tmp_path), sample
        together = audit(path, file, distances=True)
        assert together.found.chosen.tolist() == decided(path, rows)
        singles = [alone(path, row) for row in rows[:6]]
        for place, one in enumerate(singles):
            for field in ("margins", "distances", "tied", "holds", "on_boundary", "units_off", "chosen"):
                assert getattr(together.found, field)[place] == getattr(one.found, field)[0], field
            assert together.found.bound[place] == pytest.approx(one.found.bound[0], rel=1e-6)  # sums in another order
            assert np.array_equal(together.found.outputs[place], one.found.outputs[0])
            for way, single in zip(together.found.ways, one.found.ways, strict=True):
                assert not isinstance(way, RuntimeRefusal) and not isinstance(single, RuntimeRefusal)
                assert way.by_head[place] == single.by_head[0]
                assert np.array_equal(way.difference[[place]], single.difference, equal_nan=True)
        keys = [(one.found.regions[0], *row[2:]) for one, row in zip(singles, rows, strict=False)]
        own = together.found.regions
        assert [a == b for a in keys for b in keys] == [a == b for a in own[:6] for b in own[:6]]
        assert together.count == COUNT and not together.flipped.any()

    def test_units_are_counted_where_the_programs_have_the_same(
        self, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows]
    ) -> None:
        path, (file, _, rows) = written(pipeline("ordinal, network"), tmp_path), sample
        (layer,) = audit(path, file).units
        singles = [alone(path, row).units[0] for row in rows]
        assert layer.units == singles[0].units
        assert layer.dead <= min(one.dead for one in singles) and layer.always_on <= min(
            one.always_on for one in singles)  # fmt: skip

    @pytest.mark.parametrize("kind", FRAMES)
    def test_frames_archives_and_mappings(
        self, kind: str, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows]
    ) -> None:
        path, (_, columns, rows) = written(pipeline("one-hot, network"), tmp_path), sample
        arrays = {name: np.array(columns[name]).reshape(-1, 1) for name in NAMES}
        np.savez(tmp_path / "d.npz", allow_pickle=False, **arrays)
        answers = [
            audit(path, given, columns["label"], workers=2).found.chosen.tolist()
            for given in (FRAMES[kind](columns), tmp_path / "d.npz", arrays, {n: columns[n] for n in NAMES})
        ]
        assert answers == [decided(path, rows)] * 4

    @pytest.mark.parametrize("encoder", ["one-hot", "ordinal"])
    def test_an_entry_of_one_input_of_numbers(self, encoder: str, tmp_path: Path) -> None:
        path, (rows, _) = written(one_input(encoder), tmp_path), passengers()
        data = rows[:COUNT, [0, 1, 4]].astype(np.float32)
        found = audit(path, data, fix=None)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert found.found.chosen.tolist() == session.run(["output_label"], {"X": data})[0].tolist()
        assert "constant are the columns X[2]" in found.notes[-1]

    def test_one_text_input_of_two_columns(self, tmp_path: Path) -> None:
        path, (rows, _) = written(text_beside_numbers(), tmp_path), passengers()
        data = {"age": rows[:5, [0]].astype(float), "fare": rows[:5, [1]].astype(float), "S": rows[:5, 2:4]}
        assert audit(path, data).count == 5

    def test_the_command_says_what_is_constant(
        self, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, (file, _, rows) = written(pipeline("one-hot, logistic"), tmp_path), sample
        kinds = len({tuple(row[2:]) for row in rows})
        code, out, _ = execute(capsys, "audit", path, "-d", file, "--labels", tmp_path / "y.csv")
        assert code == 3
        (tmp_path / "y.csv").write_text("label\n" + "\n".join(map(str, decided(path, rows))))
        code, out, _ = execute(capsys, "audit", path, "-d", file, "--labels", tmp_path / "y.csv")
        assert code == 0 and f"the given label on {COUNT} of {COUNT} samples" in out
        assert f"constant are the columns city, size, klass, row by row as in the data: {kinds} combinations" in out
        assert "columns left out: label" in out


Spoil = Callable[[dict[str, list[Any]]], None]


def _set(name: str, row: int, value: object) -> Spoil:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[name][row] = value

    return change


def _rename(name: str, other: str) -> Spoil:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[other] = columns.pop(name)

    return change


BAD: list[tuple[str, Spoil, str]] = [
    ("an unknown category", _set("city", 7, "rome"), r"row 7: .*a category it knows \('Bern', 'Oslo', 'Rome'\)"),
    ("a category that is missing", _set("size", 7, ""), r"row 7: .*expected a category it knows \('L', 'M', 'S'\)"),
    ("a number that is missing", _set("age", 7, ""), "entry 0.*expected a number|row 7"),
    ("a class that is no number", _set("klass", 7, "first"), "row 7: .*fixed column 'klass'"),
    ("another name", _rename("city", "town"), "missing: city; unknown: .*town"),
    ("another case", _rename("fare", "Fare"), "missing: fare; unknown: .*Fare"),
]


@pytest.mark.parametrize(("what", "spoil", "message"), BAD, ids=[case[0] for case in BAD])
def test_what_is_refused(
    what: str, spoil: Spoil, message: str, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, (file, columns, _) = written(pipeline("ordinal, network"), tmp_path), sample
    spoil(columns)
    with pytest.raises(InputError, match=message):
        audit(path, FRAMES["stand-in"](columns))
    with pytest.raises(InputError, match=message.replace("row 7: ", "")):
        certify(path, FRAMES["stand-in"](columns), row=7)
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([list(columns), *zip(*columns.values(), strict=True)])
    code, _, err = execute(capsys, "audit", path, "-d", file)
    assert code == 3 and ("data.csv" in err or "row 7" in err)
    assert execute(capsys, "certify", path, "-i", file, "--row", 7)[0] == 3


def test_a_rule_for_the_unknown_is_said(
    tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    path, (file, columns, _) = written(pipeline("one-hot, logistic"), tmp_path), sample
    file.write_text(file.read_text(encoding="utf-8-sig").replace("Rome", "rome"))
    said = "does not know the category 'rome' (it knows 'Bern', 'Oslo', 'Rome')"
    assert said in execute(capsys, "audit", path, "-d", file)[1]
    row = columns["city"].index("Rome")
    assert said in execute(capsys, "certify", path, "-i", f"{file}:{row}", "--opinion-seconds", 0)[1]


class TestOneRow:
    def test_certified_from_a_file_and_checked(
        self, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, (file, columns, rows) = written(pipeline("ordinal, network"), tmp_path), sample
        certificate = tmp_path / "a.cert.json"
        code, out, _ = execute(capsys, "certify", path, "-i", file, "--row", 3, "-o", certificate,
                               "--opinion-seconds", 0, "--json")  # fmt: skip
        found = json.loads(out)
        assert (code, found["decision"]["class"]) == (0, str(decided(path, rows)[3]))
        assert check(certificate, path).accepted
        assert json.loads(certificate.read_text())["info"]["fix"] == [f"{n}={columns[n][3]}" for n in NAMES[2:]]
        code, out, _ = execute(capsys, "neighbors", path, "-i", f"{file}:3", "--box", 0, 100, "--json")
        assert code == 0 and json.loads(out)["model"]["notes"]

    @pytest.mark.parametrize("kind", FRAMES)
    def test_certified_from_a_frame(
        self, kind: str, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows]
    ) -> None:
        path, (_, columns, rows) = written(pipeline("ordinal, network"), tmp_path), sample
        frame = FRAMES[kind](columns)
        found = certify(path, frame, row=3, opinion_seconds=0)
        assert found.decision is not None and found.decision.chosen == decided(path, rows)[3]
        row = {name: columns[name][3] for name in NAMES}
        again = certify(path, row, opinion_seconds=0)
        assert again.values.equals(found.values) and again.input_names == ("age", "fare")
        assert neighbors(path, row, box=(0, 100)).model.fix == found.model.fix
        with pytest.raises(InputError, match=f"holds {COUNT} samples; choose one with row=I"):
            certify(path, frame)
        if kind == "pandas":
            assert certify(path, frame.iloc[3], opinion_seconds=0).values.equals(found.values)

    def test_a_fixed_column_must_agree(self, tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows]) -> None:
        path, (file, columns, _) = written(pipeline("ordinal, network"), tmp_path), sample
        fix = {name: columns[name][3] for name in NAMES[2:]}
        model = load(path, fix=fix)
        assert certify(model, file, row=3, opinion_seconds=0).model.fix == model.fix
        other = columns["city"].index("Oslo")
        for given, row in ((file, other), ({name: columns[name][other] for name in NAMES}, None)):
            with pytest.raises(InputError, match="city is 'Oslo', but fixed to 'Rome'"):
                certify(model, given, row=row, opinion_seconds=0)
        with pytest.raises(InputError, match=r"row .*city is .*but fixed to"):
            audit(path, file, fix=fix)

    def test_numbers_without_names_leave_the_refusal(self, tmp_path: Path) -> None:
        path = written(pipeline("ordinal, network"), tmp_path)
        for call in (lambda: certify(path, [1, 2, 3, 4, 5]), lambda: audit(path, np.ones((2, 5)))):
            with pytest.raises(UnsupportedModelError, match="fix the column"):
                call()


def test_the_other_verbs_know_the_same_names(
    tmp_path: Path, sample: tuple[Path, dict[str, list[Any]], Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    path, (file, columns, _) = written(pipeline("ordinal, network"), tmp_path), sample
    fixes = [word for name in NAMES[2:] for word in ("--fix", f"{name}={columns[name][0]}")]
    code, out, _ = execute(capsys, "enumerate", path, "--box-from", file, *fixes, "--json")
    assert code == 0 and json.loads(out)["complete"]
    boxes = ["name,lower,upper\nfare,0,5\nage,1,2\n", "age[0],1,2\nfare,0,5\n", "1,2\n0,5\n"]
    stated: list[object] = []
    for text in boxes:
        (tmp_path / "box.csv").write_text(text)
        out = execute(capsys, "enumerate", path, "--box-file", tmp_path / "box.csv", *fixes, "--json")[1]
        stated.append(json.loads(out)["domain"])
    assert stated[0] == stated[1] == stated[2]
    same = [i for i in range(COUNT) if all(columns[name][i] == columns[name][0] for name in NAMES[2:])]
    with (tmp_path / "some.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([list(columns), *([columns[name][i] for name in columns] for i in same)])
    code, out, _ = execute(
        capsys, "enumerate", path, "--box", 0, 200, "--locate", tmp_path / "some.csv", *fixes, "--json")  # fmt: skip
    assert code == 0 and len(json.loads(out)["located"]["regions"]) == len(same)
    code, _, err = execute(capsys, "enumerate", path, "--box", 0, 200, "--locate", file, *fixes)
    assert code == 3 and "but fixed to" in err
