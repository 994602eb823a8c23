"""Output files appear whole or not at all."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from exactbox.files import check_apart, check_writable, write_whole
from exactbox.polytope.errors import InputError


def test_written_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "x.txt", lambda to: to.write_text("new"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "new"


def test_an_existing_file_survives_a_failure(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("old")

    def fail(to: Path) -> None:
        to.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_whole(tmp_path / "x.txt", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_a_refusing_file_system_is_bad_input(tmp_path: Path) -> None:
    def full(to: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"x\.txt: not writable: No space left on device"):
        write_whole(tmp_path / "x.txt", full)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not writable"):
        write_whole(tmp_path / "no" / "x.txt", lambda to: to.write_text("new"))


@pytest.mark.skipif(os.name != "posix", reason="modes are different elsewhere")
def test_the_mode_follows_the_mask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "x.txt", lambda to: to.write_text("new"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("name", "endings", "message"),
    [
        ("x.txt", (".json",), "expected a name ending in .json"),
        ("x", (".png", ".svg"), "expected a name ending in .png or .svg"),
        ("no/x.json", (".json",), "the folder .*no does not exist; create it first"),
        (".", (), "expected a file name, got a folder"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path: Path, name: str, endings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_writable(tmp_path / name, *endings)


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "X.JSON", ".json")
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Options:
    model: str = "model.onnx"
    data: tuple[str, ...] = ()
    points: tuple[tuple[str, str], ...] = ()
    out: str | None = None
    plot: str | None = None


READ_OR_WRITTEN = {
    "the model": (Options(out="model.onnx"), "-o would overwrite this file, which is read"),
    "the model by another path": (Options(plot="folder/../model.onnx"), "--plot would overwrite"),
    "the model by a link": (Options(plot="link.onnx"), "--plot would overwrite"),
    "named data": (Options(data=("left=model.onnx", "right=x.npy"), out="x.npy"), "-o would overwrite"),
    "a row of data": (Options(points=(("x.npy:0", "x.npy:1"),), out="x.npy"), "-o would overwrite"),
    "two outputs": (Options(out="a.json", plot="./a.json"), "both -o and --plot name this file"),
}


@pytest.mark.parametrize("name", READ_OR_WRITTEN)
def test_outputs_are_apart_from_inputs_and_each_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for one in ("model.onnx", "x.npy"):
        (tmp_path / one).write_text("kept")
    (tmp_path / "link.onnx").symlink_to("model.onnx")
    options, message = READ_OR_WRITTEN[name]
    with pytest.raises(InputError, match=message):
        check_apart(options, {"out": "-o", "plot": "--plot"})
    check_apart(Options(data=("1/2,-1", "x" * 5000), out="out.json", plot="out.png"), {"out": "-o", "plot": "--plot"})
