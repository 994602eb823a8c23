"""Lines and planes through inputs: points as they are read, regions, files, certificates and the verb."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.boxes import DomainRead, box_between, everywhere
from exactbox.checking import check
from exactbox.cli import run
from exactbox.enumerating import enumerate
from exactbox.loading import Model, load
from exactbox.polytope import exact as interpreter
from exactbox.polytope.domain import box
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.region import region_at
from exactbox.region_table import columns, records
from exactbox.slices import Slice, read_slice, slice_domain, slice_of_texts
from exactbox.sources import split_row
from tests.importers.onnx_models import mlp, save
from tests.polytope.region_oracle import polygon_regions
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
CNN, DIGITS = str(DATA / "digits_cnn.onnx"), DATA / "digits_samples.npz"
POINTS = [[0.0, 0.5, 1.0], [1.0, -0.5, 0.25], [-1.0, 0.125, 0.5]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A 3-6-4-2 net with small integer weights."""
    return load(save(mlp(2, (3, 6, 4, 2)), tmp_path_factory.mktemp("model"), "small.onnx"), verify=False)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A file that holds the three points."""
    np.save(tmp_path / "points.npy", np.array(POINTS, np.float32))
    return str(tmp_path / "points.npy")


def execute(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line; returns (exit code, standard output, standard error)."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def pattern_key(model: Model, x: Rationals) -> tuple[int, ...]:
    """Return the winners of the region around an input of the whole model."""
    pattern = region_at(model.program, x, everywhere(model.program).domain).pattern
    return tuple(int(w) for part in pattern.winners for w in part)


def test_points_are_at_the_corners(model: Model) -> None:
    cut = read_slice(model.program, POINTS)
    assert (cut.kind, cut.dimension, cut.names) == ("plane", 2, ("s", "t"))
    for point, corner in zip(POINTS, ([0, 0], [1, 0], [0, 1]), strict=True):
        assert cut.lift(exact(corner)).equals(exact(point))
        value = interpreter.forward(cut.restrict(model.program), exact(corner).reshape(-1, 1))
        assert value.equals(interpreter.forward(model.program, exact(point).reshape(-1, 1)))
    assert "x1 + s (x2 - x1) + t (x3 - x1)" in cut.text
    line = read_slice(model.program, POINTS[:2])
    assert (line.kind, line.names) == ("line", ("s",)) and "t (" not in line.text


@pytest.mark.parametrize("count", [2, 3])
def test_recorded_points_are_read_again(model: Model, count: int) -> None:
    cut = read_slice(model.program, ["1/3,0,1", "0.1,2,-7", "5,5,1/7"][:count], exact_input=True)
    again = slice_of_texts(cut.exact_points)
    assert again.points.equals(cut.points) and cut.exact_points[0] == "1/3,0,1"


def test_numbers_are_rounded_unless_they_are_exact(model: Model) -> None:
    texts = ["1/3,0,1", "0,1,0"]
    assert read_slice(model.program, texts).points.item(0, 0) == Fraction(float(np.float32(1 / 3)))
    assert read_slice(model.program, texts, exact_input=True).points.item(0, 0) == Fraction(1, 3)


def test_rows_of_files(model: Model, table: str, tmp_path: Path) -> None:
    cut = read_slice(model.program, [f"{table}:{row}" for row in (2, 0, 1)])
    assert cut.points.equals(exact([POINTS[2], POINTS[0], POINTS[1]]))
    assert cut.origins[0] == f"{table}, row 2"
    assert split_row(f"{table}:12") == (table, 12)
    assert [split_row(text) for text in ("0:1", f"{table}:x", table)] == [
        ("0:1", None), (f"{table}:x", None), (table, None)
    ]
    odd = tmp_path / "odd.csv:3"
    odd.write_text("1,2,3\n")
    (tmp_path / "odd.csv").write_text("1,2,3\n")
    assert split_row(str(odd)) == (str(odd), None)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[0, 0, 0], [0, 0, 0]], "line: points 1 and 2 are the same input"),
        ([[0, 0, 0], [1, 0, 0], [0, 0, 0]], "plane: points 1 and 3 are the same input"),
        ([[0, 0, 0], [1, 2, 3], [-2, -4, -6]], "three points lie on one line"),
        ([[0, 0, 0], [1, 2]], r"point 2: .*expects shape"),
        (["nowhere.npy:0", "0,0,0"], "point 1: .*no|nowhere"),
        ([[0, 0, 0]], "expected 2 or 3 points"),
    ],
)
def test_points_that_span_no_slice(model: Model, points: list[object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_slice(model.program, points)


def test_equal_after_rounding(model: Model) -> None:
    near = ["0.1,0,0", "0.10000000001,0,0"]
    with pytest.raises(InputError, match="the same input"):
        read_slice(model.program, near)
    assert read_slice(model.program, near, exact_input=True).dimension == 1


def test_recorded_points_of_different_lengths() -> None:
    with pytest.raises(InputError, match="2, 1 entries"):
        slice_of_texts(["1,2", "3"])


def test_domains(model: Model) -> None:
    cut = read_slice(model.program, POINTS)
    sliced = model.on(cut).program
    plain = slice_domain(cut, sliced, everywhere(model.program))
    assert (plain.domain.lower, plain.domain.upper) == ((Fraction(-1, 2),) * 2, (Fraction(3, 2),) * 2)
    assert plain.text == "s and t in [-0.5, 1.5]"
    whole = slice_domain(cut, sliced, everywhere(model.program), ("-inf", "inf"))
    assert whole.domain.is_everything and whole.text == "s and t in [-inf, inf]"
    boxed = slice_domain(cut, sliced, box_between(model.program, -1, 1), ("-inf", "inf"))
    for s in np.linspace(-3, 3, 13):
        for t in np.linspace(-3, 3, 13):
            inside = box([-1] * 3, [1] * 3).contains(cut.lift(exact([s, t])))
            assert boxed.domain.contains(exact([s, t])) == inside
    with pytest.raises(InputError, match=r"no point of the plane with s and t in .* lies in the box \[50, 51\]"):
        slice_domain(cut, sliced, box_between(model.program, 50, 51))


def test_the_regions_are_those_of_an_independent_clipper(model: Model) -> None:
    found = enumerate(model, plane=POINTS, slice_range=(-2, 3))
    sides = ([Fraction(-2)] * 2, [Fraction(3)] * 2)
    expected = polygon_regions(found.model.program, *sides)
    seen = {tuple(int(w) for part in region.pattern.winners for w in part) for region in found}
    assert (found.complete, len(found)) == (True, len(seen)) and seen == expected and len(seen) > 10


def test_witnesses_lie_in_regions_of_the_whole_model(model: Model) -> None:
    found = enumerate(model, plane=POINTS, box=(-1, 1))
    for i, region in zip(range(len(found)), found, strict=True):
        x = found.input_at(i)
        assert box([-1] * 3, [1] * 3).contains(x)
        assert pattern_key(model, x) == tuple(int(w) for part in region.pattern.winners for w in part)
    plain = enumerate(model, box=(-1, 1), max_regions=1)
    assert plain.input_at(0).equals(plain.cells[0].witness)


def test_a_line_meets_the_regions_of_its_points(model: Model) -> None:
    found = enumerate(model, line=POINTS[:2], slice_range=(0, 1), neighbors=True)
    assert len(found.borders) == len(found) - 1
    seen = {tuple(int(w) for part in region.pattern.winners for w in part) for region in found}
    cut = read_slice(model.program, POINTS[:2])
    sampled = {pattern_key(found.model, exact([s])) for s in np.linspace(0.001, 0.999, 50)}
    assert sampled <= seen and cut.lift(exact([0])).equals(exact(POINTS[0]))


def test_a_convolutional_model() -> None:
    images = np.load(DIGITS)
    batch = next(images[name] for name in images.files if images[name].ndim > 1)
    points = [batch[i] for i in (0, 1, 2)]
    model = load(CNN, verify=False)
    found = enumerate(model, plane=points, slice_range=("0.4", "0.5"), decision="argmax")
    assert found.complete and len(found) > 1 and len(found.classes) == len(found)
    seen = {tuple(int(w) for part in region.pattern.winners for w in part) for region in found}
    cut = read_slice(model.program, points)
    for s, t in np.random.default_rng(0).uniform(0.4, 0.5, (6, 2)):
        assert pattern_key(model, cut.lift(exact([s, t]))) in seen


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"plane": POINTS, "line": POINTS[:2]}, "not both"),
        ({"plane": POINTS[:2]}, "a plane takes three inputs and a line two, got 2"),
        ({"line": POINTS}, "got 3"),
        ({"slice_range": (0, 1)}, "slice_range"),
        ({"plane": POINTS, "slice_range": (1, 0)}, "empty"),
        ({"plane": POINTS, "box": (50, 51)}, "no point of the plane"),
    ],
)
def test_options_that_do_not_fit(model: Model, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        enumerate(model, **options)


def test_a_slice_of_a_slice(model: Model) -> None:
    sliced = model.on(read_slice(model.program, POINTS))
    assert sliced.input_names() == ("s", "t")
    with pytest.raises(InputError, match="already"):
        sliced.on(Slice(exact([[0, 0], [1, 1]]), ("a", "b")))


def test_features_do_not_name_coordinates() -> None:
    model = load(DATA / "iris_pipeline.onnx", verify=False)
    sliced = model.on(read_slice(model.program, np.eye(4)[:2].tolist()))
    assert len(model.input_names()) == 4 and sliced.input_names() == ("s",)


def test_records_hold_the_lifted_input(model: Model, tmp_path: Path) -> None:
    found = enumerate(model, plane=POINTS, box=(-1, 1))
    assert "input" in columns(found) and "input" not in columns(enumerate(model, box=(-1, 1), max_regions=1))
    record = next(records(found))
    assert [len(record[name]) for name in ("witness", "input")] == [2, 3]
    found.save(tmp_path / "r.csv")
    with (tmp_path / "r.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row["input"] == " ".join(record["input"])
    found.save(tmp_path / "r.parquet")


def test_the_certificate_is_bound_to_the_model(
    model: Model, tmp_path: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = tmp_path / "r.cert"
    spots = [f"{table}:{row}" for row in range(3)]
    code, out, err = execute(
        capsys, "enumerate", model.path, "--plane", *spots, "--box", -1, 1, "--plane-box", 0, 1,
        "--certificate", certificate, "--json",
    )  # fmt: skip
    content = json.loads(out)
    assert (code, err, content["complete"]) == (0, "", True)
    assert content["slice"]["coordinates"] == ["s", "t"] and content["slice"]["points"][0] == ["0", "1/2", "1"]
    assert any("off the plane" in sentence for sentence in content["not_claimed"])
    report = check(certificate, model.path)
    assert report.accepted and "slice through its 3 recorded points" in report.binding
    code, out, _ = execute(capsys, "check", certificate)
    assert code == 0 and "the binding to an ONNX file was not checked" in out
    code, out, err = execute(capsys, "check", certificate, "--model", CNN)
    assert (code, err) == (1, "") and out.startswith("REJECTED") and "expected" in out


def test_the_verb_on_a_line(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = execute(capsys, "enumerate", model.path, "--line", "0,1/2,1", "1,-1/2,1/4")
    text = " ".join(out.split())
    assert code == 0 and "the line x = x1 + s (x2 - x1) through" in text and "s in [-0.5, 1.5]" in text
    code, _, err = execute(capsys, "enumerate", model.path, "--line", "0,1/2,1", "0,1/2,1")
    assert code == 3 and "points 1 and 2 are the same input" in err
    assert isinstance(DomainRead(box([0], [1]), "").domain.dimension, int)
