"""Models as the facade gives them: names, options, preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from exactbox.loading import Model, load, parse_dims, read_class_names
from exactbox.polytope.canonical import program_hash
from exactbox.polytope.errors import InputError
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS = DATA / "iris_pipeline.onnx"


@pytest.fixture(scope="module")
def iris() -> Model:
    return load(IRIS, verify=False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.txt", "cat\n dog \n\n2\n"),
        ("names", "cat\ndog\n2"),
        ("names.csv", "cat,dog,2\n"),
        ("names.csv", "cat\ndog\n2\n"),
        ("names.json", '["cat", "dog", 2]'),
        ("names.TXT", "\ufeffcat\r\ndog\r\n2\r\n"),
    ],
)
def test_class_names_from_a_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_class_names(tmp_path / name) == ("cat", "dog", "2")


def test_class_names_with_a_comma(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text('"cat, black",dog\n')
    assert read_class_names(tmp_path / "names.csv") == ("cat, black", "dog")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1", b'"cat"', b"[true]", b"[]"])
def test_class_names_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "names.json").write_bytes(content)
    with pytest.raises(InputError, match=r"names\.json: "):
        read_class_names(tmp_path / "names.json")


def test_class_names_as_a_list_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    for given in (["a", "b", "c"], tmp_path / "names.txt", str(tmp_path / "names.txt")):
        assert load(IRIS, verify=False, class_names=given).class_names == ("a", "b", "c")


def test_class_names_do_not_change_the_program(iris: Model) -> None:
    named = load(IRIS, verify=False, class_names=["a", "b", "c"])
    assert program_hash(named.program) == program_hash(iris.program)


def test_origin(iris: Model) -> None:
    assert iris.path == str(IRIS)
    assert iris.sha256 == iris.source.sha256 and len(iris.sha256) == 64
    assert iris.program is iris.source.program


def test_runtime_is_asked_unless_told_otherwise(iris: Model) -> None:
    assert iris.source.confirmation.status == "skipped"
    assert load(IRIS).source.confirmation.status == "confirmed"


@pytest.mark.parametrize(
    "options", [{"mean": 1}, {"std": "1/3"}, {"mean": [1, 2, 3, 4], "std": [4, 3, 2, 1]}], ids=["mean", "std", "both"]
)
def test_preprocessing_is_part_of_the_program(iris: Model, options: dict[str, object]) -> None:
    composed = load(IRIS, verify=False, **options)  # type: ignore[arg-type]
    assert composed.preprocessing is not None
    assert program_hash(composed.program) != program_hash(iris.program)
    assert program_hash(composed.source.program) == program_hash(iris.program)


def test_equal_options_give_equal_programs() -> None:
    one, other = load(IRIS, verify=False, mean="0.5"), load(IRIS, verify=False, mean=0.5, std=1)
    assert program_hash(one.program) == program_hash(other.program)


def test_inputs_are_named_by_position_without_a_header(iris: Model) -> None:
    assert iris.input_names() == ("X[0]", "X[1]", "X[2]", "X[3]")
    assert iris.input_names(("a", "b", "c", "d")) == ("a", "b", "c", "d")
    assert iris.input_names(("too", "few")) == iris.input_names()


def test_the_models_own_feature_names(iris: Model) -> None:
    named = dataclasses.replace(iris, source=dataclasses.replace(iris.source, feature_names=("a", "b", "c", "d")))
    assert named.input_names() == ("a", "b", "c", "d")
    assert named.input_names(("w", "x", "y", "z")) == ("w", "x", "y", "z")
    with pytest.raises(InputError, match="the columns are not in the model's order, which is a, b, c, d"):
        named.input_names(("b", "a", "c", "d"))


@pytest.mark.parametrize(("pairs", "found"), [([], {}), (["a=b=2", "c.0=3"], {"a=b": 2, "c.0": 3})])
def test_dimensions(pairs: list[str], found: dict[str, int]) -> None:
    assert parse_dims(pairs) == found


@pytest.mark.parametrize("pair", ["a", "a=", "=1", "a=0", "a=-1", "a=1.5", "a=x", "a= "])
def test_bad_dimensions(pair: str) -> None:
    with pytest.raises(InputError, match="expected NAME=N with a positive whole number"):
        parse_dims([pair])


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: load(IRIS, output="nothing"), "nothing"),
        (lambda: load(IRIS, dims={"nothing": 1}), "nothing"),
        (lambda: load(IRIS, verify=False, mean="much"), "mean: "),
        (lambda: load(DATA / "iris_samples.csv"), "expected an ONNX model"),
        (lambda: load(DATA), "expected a readable ONNX file"),
        (lambda: load(IRIS, class_names="nowhere.txt"), r"nowhere\.txt: not readable as class names"),
    ],
)
def test_refused(attempt: Callable[[], Model], message: str) -> None:
    with pytest.raises(InputError, match=message):
        attempt()
