"""Every kind of bad input on the command line: a clear message, the right exit code, no traceback, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exactbox.cli import run
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS, MLP = str(DATA / "iris_pipeline.onnx"), str(DATA / "digits_mlp.onnx")
FLOWERS = str(DATA / "iris_samples.csv")
GOOD = ("--input", "5.5,3.5,1.25,0.25")

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run a command line that must fail: returns what it says, once nothing else is amiss."""
    monkeypatch.chdir(tmp_path)

    def execute(*arguments: str, code: int = 3) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert run(arguments) == code
        out, err = capsys.readouterr()
        assert out == "" or (arguments[0] == "check" and out == f"NOT CHECKED: {arguments[1]}\nnothing is proved\n")
        assert err.startswith("error: ") and "Traceback" not in err and "internal" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return execute


def certify(model: str, *arguments: str) -> tuple[str, ...]:
    return ("certify", model, *(arguments or GOOD), "--no-minimal", "-o", "x.cert.json")


def linear(shape: list[int | str], weight: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> onnx.ModelProto:
    """Return the model y = x W."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"], name="product")],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "W")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def external(location: str) -> onnx.ModelProto:
    """Return a model whose weight lies in another file."""
    model = linear([1, 4], np.ones((4, 2), dtype=np.float32))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "32")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def test_no_such_model(refused: Refused) -> None:
    assert "nowhere.onnx" in refused(*certify("nowhere.onnx"))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100, b"\xff" * 64])
def test_not_an_onnx_file(refused: Refused, content: bytes) -> None:
    Path("x.onnx").write_bytes(content)
    assert "x.onnx: expected an ONNX model" in refused(*certify("x.onnx"))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_model(refused: Refused, share: float) -> None:
    whole = Path(MLP).read_bytes()
    Path("x.onnx").write_bytes(whole[: int(len(whole) * share)])
    assert "x.onnx: " in refused(*certify("x.onnx", "--input", "0"))


def test_external_data_missing(refused: Refused) -> None:
    Path("x.onnx").write_bytes(external("weights.bin").SerializeToString())
    text = refused(*certify("x.onnx"))
    assert "tensor 'W': external data 'weights.bin': no such file" in text


def test_external_data_too_short(refused: Refused) -> None:
    Path("x.onnx").write_bytes(external("weights.bin").SerializeToString())
    Path("weights.bin").write_bytes(b"\x00" * 31)
    assert "expected bytes 0 to 32, got a file of 31 bytes" in refused(*certify("x.onnx"))


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/../../weights.bin"])
def test_external_data_outside_the_folder(refused: Refused, tmp_path: Path, location: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"\x00" * 32)
    (tmp_path / "inner" / "x.onnx").write_bytes(external(location).SerializeToString())
    text = refused(*certify("inner/x.onnx"))
    assert "outside the model's folder" in text or "relative to the model's folder" in text


def test_external_data_outside_by_a_link(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"\x00" * 32)
    (tmp_path / "inner" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    (tmp_path / "inner" / "x.onnx").write_bytes(external("weights.bin").SerializeToString())
    assert "outside the model's folder" in refused(*certify("inner/x.onnx"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("1,2,3", "input 'X' expects shape [1, 4], got [3]"),
        ("1,2,3,nan", "entry 3: expected a number such as 3, -0.25, 2.5e1 or 1/3, got 'nan'"),
        ("1,2,inf,4", "entry 2: expected a number"),
        ("1,2,x,4", "entry 2: expected a number"),
        ("one,2,3,4", "expected a file (.npy, .npz, .csv) or a list of numbers"),
        ("1e39,2,3,4", "rounds to infinity in float32"),
        ("x.npy", "x.npy: no such file"),
        ("Y=1,2,3,4", "the model's inputs are X; missing: X; unknown: Y"),
    ],
)
def test_typed_input(refused: Refused, values: str, message: str) -> None:
    assert message in refused(*certify(IRIS, "--input", values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 2)), "input 'X' expects shape [1, 4], got [2, 2]"),
        (np.zeros((3, 4)), "holds 3 samples; choose one with --row"),
        (np.array([0, 1, np.nan, 3]), "expected a finite number, got nan"),
        (np.array([0, 1, np.inf, 3]), "expected a finite number, got inf"),
        (np.array(["a", "b", "c", "d"]), "expected numbers, got an array of type <U1"),
        (np.array([True, False, True, False]), "expected numbers, got an array of type bool"),
    ],
)
def test_array_input(
    refused: Refused, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], message: str
) -> None:
    np.save("x.npy", values)
    assert message in refused(*certify(IRIS, "--input", "x.npy"))


def test_channels_last_for_channels_first(refused: Refused) -> None:
    np.save("x.npy", np.zeros((1, 8, 8, 1)))
    text = refused(*certify(str(DATA / "digits_cnn.onnx"), "--input", "x.npy"))
    assert "expects shape [1, 1, 8, 8], got [1, 8, 8, 1]; the axes look swapped" in text


@pytest.mark.parametrize("row", ["10", "-1"])
def test_row_that_does_not_exist(refused: Refused, row: str) -> None:
    assert f"row {row} does not exist; rows count from 0" in refused(*certify(IRIS, "--input", FLOWERS, "--row", row))


def test_doubles_are_rounded_and_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.array([[5.5, 3.3, 1.25, 0.1]], dtype=np.float64))
    assert run(certify(IRIS, "--input", "x.npy")) == 0
    assert "2 of 4 values were rounded to float32, as a runtime would receive them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("certify", IRIS, "--inptu", "1"), ["No such option '--inptu'", "--input"]),
        (("certify", IRIS, *GOOD, "--bx", "0", "1"), ["No such option '--bx'", "--box"]),
        (("certify", IRIS, *GOOD, "--box", "0"), ["--box", "requires 2 arguments"]),
        (("certify", IRIS), ["Missing option", "--input"]),
        (("certify",), ["Missing argument", "MODEL.onnx"]),
        (("certify", IRIS, *GOOD, "--row", "x"), ["'x' is not a valid integer"]),
        (("certify", IRIS, *GOOD, "--decision", "argmx"), ["'argmx' is not one of"]),
        (("cretify", IRIS), ["no such command 'cretify'", "did you mean certify?"]),
        (("check", "x.json", "y.json"), ["unexpected extra argument"]),
    ],
)
def test_mistyped(refused: Refused, arguments: tuple[str, ...], words: list[str]) -> None:
    text = refused(*arguments)
    assert [word for word in words if word not in text] == []
    assert "--help" in text


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (("--box", "0", "1"), "outside the domain, the box [0, 1] for every input: X[0] is 5.5, outside [0, 1]"),
        (("--box", "1", "0"), "coordinate 0 is empty, its lower bound 1 exceeds 0"),
        (("--box", "zero", "1"), "expected a number such as"),
        (("--box", "0", "inf", "--box-from", FLOWERS), "--box and --box-from: give one domain"),
        (("--box-file", "nowhere.csv"), "nowhere.csv: not readable"),
        (("--box-from", "nowhere.npy"), "nowhere.npy: no such file"),
        (("--box-from", FLOWERS), "the input lies outside the domain, the smallest box around the samples"),
        (("--eps", "-1"), "eps: expected one number that is not negative"),
        (("--eps", "much"), "expected a number"),
    ],
)
def test_box(refused: Refused, box: tuple[str, ...], message: str) -> None:
    assert message in refused(*certify(IRIS, "--input", "5.5,3.5,1.25,9", *box))


def test_rounding_out_of_the_box_is_explained(refused: Refused) -> None:
    text = refused(*certify(IRIS, "--input", "0.1,0,0,0", "--box", "0", "0.1"))
    assert "rounding to the input's type moved it out" in text


@pytest.mark.parametrize("target", ["rose", "3", "-1"])
def test_unknown_class(refused: Refused, target: str) -> None:
    text = refused(*certify(IRIS, *GOOD, "--target", target))
    assert f"unknown class '{target}': expected one of 0 to 2, or a name: setosa, versicolor, virginica" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.txt", "a\nb\n", "class names: expected 3, got 2 (a, b)"),
        ("names.txt", "a\nb\na\n", "the class name 'a' occurs twice"),
        ("names.txt", "", "expected class names, got none"),
        ("names.json", '{"a": 1}', "expected one JSON list of names"),
        ("names.json", '["a", 1.5, "b"]', "expected names (text or whole numbers)"),
        ("names.json", "[", "not readable as class names"),
        ("names.csv", "a,b\nc,d\n", "expected one line or one column of names"),
    ],
)
def test_class_names(refused: Refused, name: str, content: str, message: str) -> None:
    Path(name).write_text(content)
    assert message in refused(*certify(IRIS, *GOOD, "--class-names", name))


def test_class_names_that_are_not_there(refused: Refused) -> None:
    assert "nowhere.txt: not readable" in refused(*certify(IRIS, *GOOD, "--class-names", "nowhere.txt"))


def test_dimension_left_open(refused: Refused) -> None:
    model = linear([1, "length"], np.ones((4, 2), dtype=np.float32))
    Path("x.onnx").write_bytes(model.SerializeToString())
    assert "the open dimension 'length'; fix it with --dim length=value" in refused(*certify("x.onnx"))
    for bad in ("length=0", "length", "=4", "length=x"):
        text = refused(*certify("x.onnx", *GOOD, "--dim", bad))
        assert f"--dim {bad}: expected NAME=N with a positive whole number" in text
    assert "'width'" in refused(*certify("x.onnx", *GOOD, "--dim", "length=4", "--dim", "width=2"))


def test_unknown_output(refused: Refused) -> None:
    text = refused(*certify(IRIS, *GOOD, "--output", "logits"))
    assert "expected one of the outputs output_label, output_probability, got 'logits'" in text


def test_unsupported_nodes_are_named(refused: Refused) -> None:
    model = linear([1, 4], np.ones((4, 2), dtype=np.float32))
    nodes = [
        helper.make_node("Erf", ["x"], ["a"], name="first"),
        helper.make_node("Sin", ["x"], ["b"], name="second"),
        helper.make_node("Add", ["a", "b"], ["y"], name="third"),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    Path("x.onnx").write_bytes(model.SerializeToString())
    text = refused(*certify("x.onnx"), code=4)
    assert "Erf 'first'" in text and "Sin 'second'" in text and "third" not in text


@pytest.mark.parametrize(
    ("option", "path", "message"),
    [
        ("-o", "no/such/folder/x.json", "the folder no/such/folder does not exist"),
        ("-o", "folder", "expected a name ending in .json"),
        ("-o", "folder.json", "expected a file name, got a folder"),
        ("-o", "x.onnx", "expected a name ending in .json"),
        ("--plot", "no/x.png", "the folder no does not exist"),
        ("--plot", "x.jpg", "expected a name ending in .png or .svg"),
    ],
)
def test_output_path(refused: Refused, option: str, path: str, message: str) -> None:
    Path("folder").mkdir()
    Path("folder.json").mkdir()
    pytest.importorskip("matplotlib")
    assert message in refused("certify", IRIS, *GOOD, "--no-minimal", option, path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_output_folder_is_read_only(refused: Refused) -> None:
    Path("locked").mkdir(mode=0o555)
    assert "is not writable" in refused("certify", IRIS, *GOOD, "-o", "locked/x.json")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody may write to")
def test_output_folder_that_nobody_may_write_to(refused: Refused) -> None:
    assert "the folder /proc is not writable" in refused("certify", IRIS, *GOOD, "-o", "/proc/x.json")


def test_image_size(refused: Refused) -> None:
    pytest.importorskip("matplotlib")
    assert "give --plot FILE too" in refused(*certify(IRIS, *GOOD, "--image", "2x2"))
    text = refused(*certify(IRIS, *GOOD, "--image", "3x3", "--plot", "x.png"))
    assert "the input has 4 entries, expected 9 or 3 times that" in text
    assert "such as 28x28" in refused(*certify(IRIS, *GOOD, "--image", "4", "--plot", "x.png"))


def test_matplotlib_is_missing(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert "pip install 'exactbox[plots]'" in refused(*certify(IRIS, *GOOD, "--plot", "x.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--std", "0"), "std: entry 0 is 0, expected a positive number"),
        (("--mean", "1,2"), "mean: got 2 numbers, expected as many as one of: 1, 4"),
        (("--mean", "nan"), "mean: "),
        (("--output-row", "1"), "output row 1: "),
        (("--decision", "sign"), "the sign rule looks at one of 3 outputs; choose it with --target"),
    ],
)
def test_other_options(refused: Refused, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(*certify(IRIS, *GOOD, *arguments))


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", "{}"), ("x.json", ""), ("x.json", "[1e5]"), ("x.json", '{"a": 1, "a": 2}'), ("x.json", "\ufeff{}")],
)
def test_certificate_that_is_none(refused: Refused, name: str, content: str) -> None:
    Path(name).write_text(content)
    assert "x.json: malformed: " in refused("check", name)


def test_certificate_that_is_not_there(refused: Refused) -> None:
    assert "nowhere.json: No such file" in refused("check", "nowhere.json")


def test_demo_has_no_such_sample(refused: Refused) -> None:
    assert "row 1000 does not exist" in refused("demo", "--row", "1000")


@pytest.mark.parametrize("arguments", [
    ("enumerate", "m.onnx", "--certificate", "m.onnx"),
    ("enumerate", "m.onnx", "--locate", "x.csv", "-o", "x.csv"),
    ("enumerate", "m.onnx", "-o", "a.json", "--boundary", "./a.json"),
    ("neighbors", "m.onnx", "--input", "x.csv", "-o", "x.csv"),
    ("certify", "m.onnx", "--input", "x.csv", "--class-names", "names.json", "-o", "names.json"),
    ("audit", "m.onnx", "--data", "x.csv", "--class-names", "names.json", "-o", "names.json"),
], ids=lambda one: f"{one[0]} {one[-1]}")  # fmt: skip
def test_what_is_read_is_not_overwritten(refused: Refused, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name in ("m.onnx", "x.csv", "names.json"):
        (tmp_path / name).write_text("kept")
    said = refused(*arguments)
    assert "which is read" in said or "name this file" in said
    assert {(tmp_path / name).read_text() for name in ("m.onnx", "x.csv", "names.json")} == {"kept"}


@pytest.mark.parametrize(("arguments", "message"), [
    (("--plot", "a.png", "--view", "1", "0"), "view: expected a lower bound below the upper one, got 1 and 0"),
    (("--plot", "a.png", "--view", "nan", "1"), "expected a number"),
    (("--plot", "a.png", "--view", "5", "6"), "view: expected an interval that meets the domain, the box [-1, 1]"),
    (("--decision", "none", "--boundary", "b.json"), "--boundary: nothing is decided"),
    (("--decision", "none", "--plot", "a.png", "--color", "class"), "--color class: nothing is decided"),
    (("--target", "1"), "--target: chooses the output whose sign decides"),
])  # fmt: skip
def test_what_regions_cannot_show_is_refused_before_they_are_found(
    refused: Refused, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    onnx.save(linear([1, 2], np.eye(2, dtype=np.float32)), tmp_path / "m.onnx")
    assert message in refused("enumerate", "m.onnx", "--box", "-1", "1", *arguments)
