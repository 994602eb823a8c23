"""Regions around an input: what changes across facets, ties at the start, limits, files and the verb."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from exactbox.cli import run
from exactbox.enumerating import enumerate
from exactbox.loading import Model, load
from exactbox.neighborhood import Flip, Neighborhood, Passage, flips, neighbors
from exactbox.neighborhood_report import COLUMNS, blocks, document, records
from exactbox.polytope.decision import decide
from exactbox.polytope.domain import box
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact
from exactbox.tables import write_table
from tests.importers.onnx_models import build, mlp, save
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS, FLOWERS = str(DATA / "iris_pipeline.onnx"), str(DATA / "iris_samples.csv")
KEYS = {
    "exit_code", "model", "domain", "input", "decision", "target", "depth", "start", "regions", "passages", "complete",
    "reason", "frontier", "seconds", "not_claimed", "written",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A 2-6-4-2 net with small integer weights, so that coincidences are common."""
    return load(save(mlp(1, (2, 6, 4, 2)), tmp_path_factory.mktemp("model"), "small.onnx"), verify=False)


@pytest.fixture(scope="module")
def found(model: Model) -> Neighborhood:
    return neighbors(model, "1/4,1/8", 2, box=(-1, 1))


def relu_net(folder: Path, first: list[list[float]], second: list[list[float]]) -> str:
    """Write y = second relu(first x); weights as rows of the products x W."""
    constants = {"w": np.array(first, np.float32).T, "v": np.array(second, np.float32).T}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "v"], ["y"], "second"),
    ]
    return str(save(build(nodes, {"x": (1, len(first[0]))}, ["y"], constants), folder, "net.onnx"))


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def dot(row: Rationals, point: Rationals) -> Fraction:
    return sum((a * b for a, b in zip(row.fractions(), point.fractions(), strict=True)), Fraction(0))


def test_the_regions_are_those_of_the_enumeration(model: Model, found: Neighborhood) -> None:
    whole = enumerate(model, box=(-1, 1), neighbors=True)
    patterns = [region.pattern for region in whole]
    start = patterns.index(found[0].pattern)
    near = {start, *whole.neighbors[start]}
    near |= {j for i in whole.neighbors[start] for j in whole.neighbors[i]}
    assert {region.pattern for region in found} == {patterns[i] for i in near}
    assert len(found) == len(near) > 4 and found.complete and found.undecided == {}
    assert [found.depths.count(depth) for depth in range(3)] == [
        1, len(whole.neighbors[start]), len(near) - 1 - len(whole.neighbors[start])
    ]


def test_what_changes_across_each_facet(model: Model, found: Neighborhood) -> None:
    assert found.target is not None
    for one in found.passages():
        before, after = found[one.before], found[one.after]
        normal = Rationals(one.row.matrix[0])
        assert dot(normal, one.point) == one.row.rhs[0] and dot(normal, before.witness) < one.row.rhs[0]
        assert one.flips == flips(before, after) and one.flips
        assert one.weight_change is not None and one.intercept_change is not None
        assert one.weight_change.equals(after.coef[found.target] - before.coef[found.target])
        # outputs are continuous, so the change vanishes on the facet: a multiple of its row
        assert dot(one.weight_change, one.point) + one.intercept_change == 0
        for i in range(2):
            for j in range(2):
                crossed = one.weight_change.item(i) * normal.item(j)
                assert crossed == one.weight_change.item(j) * normal.item(i)
        both = [decide("argmax", (0, 1), region.value(one.point)).chosen for region in (before, after)]
        assert [f"output {k}" for k in both] == [one.class_on, one.class_on]
        assert (one.class_before, one.class_after) == (found.classes[one.before], found.classes[one.after])


def test_coincident_units_flip_together(tmp_path: Path) -> None:
    path = relu_net(tmp_path, [[1, 0], [2, 0], [-1, 0], [0, 1]], [[1, 1, 1, 5]])
    found = neighbors(path, "1,1")
    passages = {tuple(flip.unit for flip in one.flips): one for one in found.passages()}
    assert len(passages) == 2
    name = "Relu 'relu'[{}]".format
    triple = passages[name(0), name(1), name(2)]
    assert triple.flips == (Flip(name(0), 1, 0), Flip(name(1), 1, 0), Flip(name(2), 0, 1))
    assert triple.units == (f"{name(0)} switches off", f"{name(1)} switches off", f"{name(2)} switches on")
    assert triple.weight_change is not None and triple.weight_change.equals(exact([-4, 0]))
    assert triple.largest(5) == [(0, Fraction(-4))]
    assert passages[(name(3),)].largest(1) == [(1, Fraction(-5))]
    assert (triple.class_before, triple.class_after, triple.class_on) == (None, None, None)


@pytest.mark.parametrize(
    ("point", "tied"), [("1,1", ()), ("0,1", (0, 1, 2)), ("0,0", (0, 1, 2, 3)), ("1,0", (3,))]
)
def test_ties_at_the_start_are_said(tmp_path: Path, point: str, tied: tuple[int, ...]) -> None:
    found = neighbors(relu_net(tmp_path, [[1, 0], [2, 0], [-1, 0], [0, 1]], [[1, 1, 1, 5]]), point)
    assert found.tied == tuple(f"Relu 'relu'[{i}]" for i in tied)
    assert found[0].contains(found.input.point) and found.free == ()
    words = document(found)["start"]["text"]
    assert ("fixed sequence" in words) == bool(tied) and ("only one" in words) == (not tied)


def test_free_units_are_said(tmp_path: Path) -> None:
    found = neighbors(relu_net(tmp_path, [[0, 0], [1, 1]], [[1, 1]]), "1,1")
    assert found.free == ("Relu 'relu'[0]",) and len(found) == 2
    assert "lowest candidate counts" in document(found)["start"]["text"]


def test_a_regression_and_a_chosen_target(tmp_path: Path, model: Model) -> None:
    path = relu_net(tmp_path, [[1, 0], [0, 1]], [[1, 2], [3, 4]])
    changes = [
        [one.largest(1) for one in neighbors(path, "1,1", target=target).passages()] for target in (0, 1)
    ]
    assert changes == [[[(0, Fraction(-1))], [(1, Fraction(-2))]], [[(0, Fraction(-3))], [(1, Fraction(-4))]]]
    plain = neighbors(path, "1,1", decision="none")
    assert plain.target is None and plain.classes == () and plain.input_class is None
    assert all(one.weight_change is None and one.largest(3) == [] for one in plain.passages())
    assert any("none" in line for label, lines in blocks(plain) if label == "decision" for line in lines)


def test_the_box_and_the_ball(model: Model) -> None:
    wide = neighbors(model, "1/4,1/8", 1)
    narrow = neighbors(model, "1/4,1/8", 1, eps="1/1000000")
    assert len(narrow) < len(wide) and narrow.depths[0] == 0
    boxed = neighbors(model, "1/4,1/8", 1, domain=box([0, 0], [1, 1]))
    assert all(region.domain.contains(region.witness) for region in boxed)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_limit_is_said(model: Model, limit: int) -> None:
    found = neighbors(model, "1/4,1/8", 2, max_regions=limit)
    assert (found.complete, len(found)) == (False, limit) and found.frontier
    assert found.reason == f"stopped: more than {limit} region{'s' * (limit != 1)}"
    labels = dict(blocks(found))
    assert "left open" in labels and "INCOMPLETE" in labels["regions"][0]
    assert "within the depth" in labels["not claimed"][0]


def test_no_time(model: Model) -> None:
    found = neighbors(model, "1/4,1/8", 2, time_limit=0)
    assert not found.complete and "time limit of 0 seconds" in found.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": -1}, "depth: expected at least 0"),
        ({"max_regions": 0}, "max_regions"),
        ({"time_limit": float("inf")}, "time_limit"),
        ({"box": (1, 2)}, "outside the domain"),
        ({"x": "1,2,3"}, "expects shape"),
        ({"target": "nobody"}, "unknown class"),
        ({"decision": "most"}, "decision: expected one of"),
    ],
)
def test_bad_input(model: Model, options: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"x": "1/4,1/8", **options}
    with pytest.raises(InputError, match=words):
        neighbors(model, **given)


def test_files_hold_a_row_a_passage(found: Neighborhood, tmp_path: Path) -> None:
    rows = list(records(found))
    assert len(rows) == len(list(found.passages())) and all(tuple(row) == tuple(COLUMNS) for row in rows)
    for ending in ("csv", "json", "jsonl", "parquet"):
        assert found.save(tmp_path / f"n.{ending}") == str(tmp_path / f"n.{ending}")
    assert json.loads((tmp_path / "n.json").read_text()) == rows
    with (tmp_path / "n.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["flips"] for row in read] == ["; ".join(row["flips"]) for row in rows]
    assert [row["facet_point"].split() for row in read] == [row["facet_point"] for row in rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "n.parquet").to_pylist() == rows


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a name ending in"):
        write_table(tmp_path / "n.txt", {"a": "number"}, [])
    write_table(tmp_path / "n.csv", {"a": "number", "b": "texts"}, [{"a": 1, "b": ["x y", "z"]}, {"a": 2, "b": ["x"]}])
    assert (tmp_path / "n.csv").read_text() == "a,b\n1,x y; z\n2,x\n"


def test_json_is_pinned(model: Model, found: Neighborhood, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = execute(
        capsys, "neighbors", model.path, "-i", "1/4,1/8", "--depth", 2, "--box", -1, 1, "--json"
    )
    content: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "") and set(content) == KEYS
    plain = found.as_dict()
    plain.pop("seconds")
    assert set(plain.pop("not_claimed")) - set(content["not_claimed"]) == {
        "that onnxruntime computes this program: not compared with the runtime"
    }
    assert content["decision"].pop("text") and plain["decision"].pop("text")  # options here, parameters there
    assert {key: content[key] for key in plain if key != "model"} == {k: v for k, v in plain.items() if k != "model"}
    assert [region["depth"] for region in content["regions"]] == list(found.depths)
    first: dict[str, Any] = content["passages"][0]
    assert {"from", "to", "facet", "row", "bound", "point", "flips", "weight_changes"} <= set(first)


def test_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out_file = tmp_path / "n.csv"
    code, out, err = execute(
        capsys, "neighbors", IRIS, "--input", FLOWERS, "--row", 3, "--box-from", FLOWERS, "-o", out_file
    )
    text = " ".join(out.split())
    assert (code, err) == (0, "") and str(out_file) in out and out_file.is_file()
    for words in ("7 within 1 facet of", "complete: all regions", "1 at depth 0, 6 at depth 1", "switches",
                  "weights of virginica change: ", "at the input: virginica"):  # fmt: skip
        assert words in text
    code, out, _ = execute(capsys, "neighbors", IRIS, "-i", FLOWERS, "--row", 3, "--max-regions", 2, "--depth", 3)
    assert code == 2 and "INCOMPLETE: stopped: more than 2 regions" in " ".join(out.split())
    code, _, err = execute(capsys, "neighbors", IRIS, "-i", FLOWERS, "--row", 3, "-o", tmp_path / "n.xls")
    assert code == 3 and ".parquet" in err


def test_a_recurrent_net_names_the_step(tmp_path: Path) -> None:
    weights = {"w": np.array([[[1.0]]], np.float32), "r": np.array([[[-1.0]]], np.float32)}
    node = helper.make_node("RNN", ["x", "w", "r"], ["", "y"], "rnn", hidden_size=1, activations=["Relu"])
    path = save(build([node], {"x": (3, 1, 1)}, ["y"], weights), tmp_path)
    found = neighbors(str(path), np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), 1)
    names = {flip.unit for one in found.passages() for flip in one.flips}
    assert any("step 0" in name for name in names) and any("step 2" in name for name in names)
    passage: Passage = next(found.passages())
    assert passage.point.shape == (3,)
