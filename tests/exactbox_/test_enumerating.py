"""Enumerations: the function and the verb, limits, files, certificates, classes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from exactbox.checking import check
from exactbox.cli import run
from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.enumerating import Enumerated, enumerate
from exactbox.loading import load
from exactbox.polytope.decision import decide
from exactbox.polytope.domain import box
from exactbox.polytope.enumeration import Progress, enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact import forward
from exactbox.polytope.rational import exact
from exactbox.polytope.region import region_at
from exactbox.progress import Stages
from exactbox.region_table import columns, records
from exactbox.tables import check_table
from exactbox.witness_classes import classes_at
from tests.importers.onnx_models import build, mlp, save
from tests.nets import mlp as net
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS, FLOWERS = str(DATA / "iris_pipeline.onnx"), str(DATA / "iris_samples.csv")
KEYS = {
    "exit_code", "model", "domain", "slice", "decision", "regions", "linear_regions", "complete", "reason", "seconds",
    "regions_per_second", "classes_at_witnesses", "neighbor_pairs", "mean_facets", "proved", "not_claimed",
    "certificate", "written",
}  # fmt: skip
UNIT = (-1, 1)
LIMITS = [pytest.param(False, id="plain"), pytest.param(True, id="certified")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A 2-6-4-2 net with small integer weights, so that coincidences are common."""
    return str(save(mlp(1, (2, 6, 4, 2)), tmp_path_factory.mktemp("model"), "small.onnx"))


@pytest.fixture(scope="module")
def found(model: str) -> Enumerated:
    return enumerate(model, box=UNIT, neighbors=True, merge=True)


def fold(folder: Path) -> str:
    """Write y = relu(x0 - x1) - relu(x1 - x0), which is x0 - x1: two regions, one affine map."""
    constants = {"w": np.array([[1, -1], [-1, 1]], np.float32), "v": np.array([[1], [-1]], np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "v"], ["y"], "second"),
    ]
    return str(save(build(nodes, {"x": (1, 2)}, ["y"], constants), folder, "fold.onnx"))


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_regions_are_those_of_the_engine(model: str, found: Enumerated) -> None:
    program = load(model, verify=False).program
    expected = [cell.pattern for cell in enumerate_regions(program, box([-1, -1], [1, 1]))]
    assert [region.pattern for region in found] == expected
    assert (found.complete, found.reason, len(found)) == (True, "all regions were found", len(expected))
    assert found.certificate is None and found.seconds > 0


def test_each_region_is_the_one_at_its_witness(found: Enumerated) -> None:
    for region in found:
        assert region_at(region.program, region.witness, region.domain).pattern == region.pattern
        assert region.domain.contains(region.witness)


def test_neighbours_share_facets(found: Enumerated) -> None:
    assert {(min(i, j), max(i, j)) for i in range(len(found)) for j in found.neighbors[i]} == set(found.borders)
    assert sum(map(len, found.neighbors)) == 2 * len(found.borders)
    assert found.facet_counts == tuple(len(region.facets.facets) for region in found)
    assert found.mean_facets == Fraction(sum(found.facet_counts), len(found))


def test_two_regions_of_one_affine_map(tmp_path: Path) -> None:
    seen = enumerate(fold(tmp_path), merge=True, decision="sign")
    assert (len(seen), seen.linear_regions, seen.borders) == (2, ((0, 1),), ((0, 1),))
    assert seen.class_counts == {"not positive": 1, "positive": 1}
    assert seen.mean_facets == 1


@pytest.mark.parametrize("name", ["borders", "neighbors", "facet_counts", "mean_facets", "linear_regions"])
def test_what_was_not_asked_for_is_no_answer(model: str, name: str) -> None:
    plain = enumerate(model, box=UNIT)
    with pytest.raises(InputError, match=r"neighbors=True or merge=True"):
        getattr(plain, name)


def test_classes_are_exact(found: Enumerated) -> None:
    program = found.model.program
    points = [cell.witness for cell in found.cells]
    values = [forward(program, point.reshape(-1, 1)).reshape(-1) for point in points]
    expected = [f"output {decide('argmax', (0, 1), value).chosen}" for value in values]
    assert list(found.classes) == expected
    assert found.class_counts == Counter(expected)


@pytest.mark.parametrize(
    ("rule", "tie", "expected"),
    [
        ("argmax", "first", ("output 1", "output 0", "output 0", "output 0")),
        ("argmax", "last", ("output 1", "output 1", "output 0", "output 1")),
        ("argmin", "first", ("output 0", "output 0", "output 1", "output 0")),
        ("argmin", "last", ("output 0", "output 1", "output 1", "output 1")),
    ],
)
def test_ties_are_decided_exactly(rule: Any, tie: Any, expected: tuple[str, ...]) -> None:
    program = net([([[1, 0], [0, 1]], [0, 0])])
    tiny = Fraction(1, 10**40)
    points = [exact([1, 1 + tiny]), exact([1, 1]), exact([1 + tiny, 1]), exact(["1/3", "1/3"])]
    plan = DecisionPlan(rule, (0, 1), tie, (), "")
    assert classes_at(program, plan, points) == expected


def test_signs_are_decided_exactly() -> None:
    program = net([([[1]], ["-1/3"])])
    points = [exact(["1/3"]), exact([Fraction(1, 3) + Fraction(1, 10**40)]), exact([0]), exact([5]), exact([10**400])]
    seen = classes_at(program, plan_decision(program, "sign"), points)
    assert seen == ("not positive", "positive", "not positive", "positive", "positive")
    named = classes_at(program, plan_decision(program, "sign", class_names=("no", "yes")), points)
    assert named == ("no", "yes", "no", "yes", "yes")


def test_no_decision_no_classes(tmp_path: Path) -> None:
    seen = enumerate(fold(tmp_path))
    assert (seen.plan.rule, seen.classes, seen.class_counts) == ("none", (), {})
    assert tuple(columns(seen)) == ("region", "witness", "pattern")


def test_a_model_without_units_has_one_region(tmp_path: Path) -> None:
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    path, certificate = save(build(nodes, {"x": (1, 2)}), tmp_path), tmp_path / "one.cert"
    assert len(enumerate(path)) == 1
    seen = enumerate(path, box=UNIT, neighbors=True, certificate=certificate)
    assert (len(seen), seen.facet_counts, seen.certificate) == (1, (4,), str(certificate))
    assert check(certificate, path).accepted


@pytest.mark.parametrize("hanging", [False, True])
def test_the_certified_run_finds_the_same(model: str, found: Enumerated, tmp_path: Path, hanging: bool) -> None:
    seen = enumerate(model, box=UNIT, neighbors=hanging, certificate=tmp_path / "r.cert")
    assert [region.pattern for region in seen] == [region.pattern for region in found]
    assert seen.classes == found.classes and seen.complete
    if hanging:
        assert (seen.borders, seen.facet_counts) == (found.borders, found.facet_counts)
        assert seen.linear_regions == found.linear_regions
    with gzip.open(tmp_path / "r.cert") as text:
        statement = json.loads(text.readline())["statement"]
    lines = "".join(record["pattern"] + "\n" for record in records(seen))
    assert statement["regions"] == len(seen)
    assert statement["patterns"] == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("certified", LIMITS)
@pytest.mark.parametrize("hanging", [False, True])
def test_a_limit_that_is_just_enough(model: str, found: Enumerated, tmp_path: Path, certified: bool, hanging: bool)\
        -> None:  # fmt: skip
    certificate = tmp_path / "r.cert" if certified else None
    seen = enumerate(model, box=UNIT, max_regions=len(found), certificate=certificate, neighbors=hanging)
    assert (seen.complete, len(seen)) == (True, len(found))
    assert (len(names(tmp_path)) == 2) == certified
    short = tmp_path / "short"
    short.mkdir()
    certificate = short / "r.cert" if certified else None
    seen = enumerate(model, box=UNIT, max_regions=len(found) - 1, certificate=certificate, neighbors=hanging)
    assert (seen.complete, len(seen), seen.certificate) == (False, len(found) - 1, None)
    assert seen.reason == f"stopped: more than {len(found) - 1} regions"
    assert [region.pattern for region in seen] == [found[i].pattern for i in range(len(found) - 1)]
    assert names(short) == []
    if hanging:
        assert set(seen.borders) == {pair for pair in found.borders if max(pair) < len(found) - 1}


@pytest.mark.parametrize("certified", LIMITS)
def test_no_time(model: str, tmp_path: Path, certified: bool) -> None:
    seen = enumerate(model, time_limit=0, certificate=tmp_path / "r.cert" if certified else None, merge=True)
    assert not seen.complete and "time limit of 0 seconds" in seen.reason
    assert names(tmp_path) == []
    assert seen.as_dict()["certificate"] is None


@pytest.mark.parametrize("certified", LIMITS)
def test_progress_is_heard(model: str, found: Enumerated, tmp_path: Path, certified: bool) -> None:
    heard: list[Progress] = []
    enumerate(model, box=UNIT, certificate=tmp_path / "r.cert" if certified else None, progress=heard.append)
    counts = [one.regions for one in heard]
    assert counts == sorted(counts) and counts[-1] == len(found)
    assert heard[-1].frontier >= 0 and heard[-1].seconds > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_regions": 0}, "max_regions: expected at least 1, got 0"),
        ({"time_limit": -1}, "time_limit: expected seconds"),
        ({"time_limit": float("nan")}, "time_limit: expected seconds"),
        ({"box": (1, -1)}, "box"),
        ({"domain": box([0], [1])}, "expected 2 coordinates, got 1"),
        ({"domain": box([0, 0], [1, 1]), "box": UNIT}, "give one of domain, box"),
        ({"decision": "most"}, "decision: expected one of"),
        ({"certificate": "no/such/folder/r.cert"}, "does not exist"),
    ],
)
def test_bad_input(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        enumerate(model, **options)


def test_check_accepts_and_binds(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = tmp_path / "r.cert"
    code, out, err = execute(capsys, "enumerate", model, "--box", -1, 1, "--certificate", certificate, "--mean", "1/3")
    assert (code, err) == (0, "") and f"exactbox check {certificate}" in " ".join(out.split())
    assert all(str(path) in out for path in tmp_path.iterdir())
    code, out, _ = execute(capsys, "check", certificate, "--model", model)
    assert code == 0 and out.startswith("ACCEPTED") and "was lowered again to this very program" in out
    assert ", mean 1/3" in out
    code, out, _ = execute(capsys, "check", certificate, "--model", IRIS)
    assert code == 1 and out.startswith("REJECTED") and "speaks of" in out
    lines = gzip.decompress(certificate.read_bytes()).splitlines(keepends=True)
    certificate.write_bytes(gzip.compress(b"".join(lines[:-1])))
    code, out, _ = execute(capsys, "check", certificate)
    assert code != 0 and "ACCEPTED" not in out
    certificate.write_bytes(b"\x1f\x8b")
    assert execute(capsys, "check", certificate, "--model", model)[0] == 3


def test_json_is_pinned(found: Enumerated, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = execute(capsys, "enumerate", model, "--box", -1, 1, "--merge", "--json")
    content: dict[str, Any] = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert set(content) == KEYS
    assert content["regions"] == len(found) and content["linear_regions"] == len(found.linear_regions)
    assert (content["complete"], content["exit_code"], content["written"]) == (True, 0, [])
    assert sum(content["classes_at_witnesses"].values()) == len(found)
    assert content["mean_facets"]["exact"] == str(found.mean_facets)
    code, out, _ = execute(capsys, "enumerate", model, "--max-regions", 3, "--json")
    content = json.loads(out)
    assert (code, content["exit_code"], content["regions"], content["complete"]) == (2, 2, 3, False)
    assert content["reason"] == "stopped: more than 3 regions" and content["linear_regions"] is None
    assert len(content["proved"]) == 1 and "nor how many there are" in content["not_claimed"][0]


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = execute(capsys, "enumerate", IRIS, "--box-from", FLOWERS, "--neighbors")
    assert (code, err) == (0, "")
    labels = ["model", "domain", "regions", "time", "classes", "neighbours", "proved", "not claimed", "written"]
    places = [out.index(f"\n{label} ") for label in labels]
    assert places == sorted(places)
    text = " ".join(out.split())
    for words in ("51 full-dimensional activation regions, complete", " a second", "43 versicolor",
                  "a region may hold several", "nothing: -o FILE"):  # fmt: skip
        assert words in text


def test_stopped_in_words(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_file, certificate = tmp_path / "r.csv", tmp_path / "r.cert"
    code, out, _ = execute(
        capsys, "enumerate", model, "--max-regions", 2, "-o", out_file, "--certificate", certificate, "--merge"
    )
    text = " ".join(out.split())
    assert code == 2 and "INCOMPLETE: stopped: more than 2 regions" in text and "no certificate" in text
    assert "the same command with --resume goes on" in text
    assert names(tmp_path) == ["r.csv", "r.csv.state"] and len(out_file.read_text().splitlines()) == 3


def test_files_hold_the_same(found: Enumerated, tmp_path: Path) -> None:
    expected = list(records(found))
    assert [tuple(record) for record in expected] == [tuple(columns(found))] * len(found)
    assert found.save(tmp_path / "r.json") == str(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == expected
    found.save(tmp_path / "r.jsonl")
    assert [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()] == expected
    found.save(tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pattern"] for row in rows] == [record["pattern"] for record in expected]
    assert [[int(n) for n in row["neighbors"].split()] for row in rows] == [list(near) for near in found.neighbors]
    assert [exact(row["witness"].split()).fractions() for row in rows] == [c.witness.fractions() for c in found.cells]
    assert names(tmp_path) == ["r.csv", "r.json", "r.jsonl"]


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_parquet(found: Enumerated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("exactbox.tables.ROW_GROUP", rows)
    found.save(tmp_path / "r.parquet")
    assert parquet.read_table(tmp_path / "r.parquet").to_pylist() == list(records(found))


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_no_region_is_a_file_too(model: str, tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    enumerate(model, time_limit=0).save(tmp_path / f"r.{ending}")
    text = (tmp_path / f"r.{ending}").read_bytes()
    expected = {"csv": b"region,class_at_witness,witness,pattern\n", "json": b"[]\n", "jsonl": b""}
    assert text == expected.get(ending, text) and text[:4] == (b"PAR1" if ending == "parquet" else text[:4])


def test_without_pyarrow(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr("exactbox.tables.importlib.util.find_spec", lambda _: None)
    code, _, err = execute(capsys, "enumerate", model, "-o", tmp_path / "r.parquet")
    assert code == 3 and "exactbox[parquet]" in err
    check_table(tmp_path / "r.csv")
    assert names(tmp_path) == []


def test_a_failed_write_leaves_nothing(found: Enumerated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, *_: object) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exactbox.tables.WRITERS", {".csv": broken})
    with pytest.raises(InputError, match="No space left"):
        found.save(tmp_path / "r.csv")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--box", 1, -1), "box"),
        (("--box", 0, 1, "--box-from", FLOWERS), "--box and --box-from: give one domain"),
        (("-o", "regions.txt"), "expected a name ending in"),
        (("-o", "same.csv", "--certificate", "same.csv"), "give them different names"),
        (("--max-regions", 0), "--max-regions"),
        (("--time-limit", -1), "--time-limit"),
        (("--resume",), "there is no state to go on from"),
        (("--workers", 0), "--workers"),
        (("--workers", 2, "--scheduler", "tcp://127.0.0.1:1"), "give one"),
    ],
)
def test_bad_options(model: str, arguments: tuple[object, ...], words: str, tmp_path: Path,
                     monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, _, err = execute(capsys, "enumerate", model, *arguments)
    assert code == 3 and words in err and "Traceback" not in err
    assert names(tmp_path) == []


def test_a_refused_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(build([helper.make_node("Sin", ["x"], ["y"], "wave")], {"x": (1, 2)}), tmp_path)
    code, _, err = execute(capsys, "enumerate", path)
    assert code == 4 and "wave" in err


def test_a_box_file_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bounds = tmp_path / "box.csv"
    bounds.write_text("name,lower,upper\nx[1],0,1\nx[0],2,3\n")
    path = fold(tmp_path)
    (port,) = onnx.load(path).graph.input
    inputs = [load(path, verify=False).program.input_name(i) for i in range(2)]
    bounds.write_text(f"name,lower,upper\n{inputs[1]},0,1\n{inputs[0]},2,3\n")
    code, out, err = execute(capsys, "enumerate", path, "--box-file", bounds, "--json")
    assert (port.name, code, err) == ("x", 0, "")
    assert json.loads(out)["regions"] == 1


def test_the_stage_describes_itself() -> None:
    with Stages(1, enabled=False) as stages:
        stages.begin("enumerating")
        stages.describe("12 regions")
        assert vars(stages)["_text"] == "12 regions"
