"""The state of a long run: harmed, foreign and locked ones are refused, and nothing is lost."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exactbox import run_state
from exactbox.cli import run
from exactbox.enumerating import enumerate
from exactbox.loading import Model, load
from exactbox.polytope.errors import InputError
from exactbox.run_state import DATABASE, InFolder
from tests.exactbox_.long_nets import UNIT, kept, names, workshop_of
from tests.importers.onnx_models import mlp, save

pytest.importorskip("pyarrow")
Line = dict[str, Any]


def stopped(model: Model, folder: Path) -> Path:
    """Leave a state in the middle of a run."""
    enumerate(model, box=UNIT, neighbors=True, state=folder, max_regions=9)
    return folder


Harm = Callable[[Path], object]


def last_part(folder: Path) -> Path:
    return max(folder.glob("*.parquet"))


def overwrite(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)


def change(statement: str) -> Harm:
    def harm(folder: Path) -> None:
        with closing(sqlite3.connect(folder / DATABASE)) as database, database:
            database.execute(statement)

    return harm


HARMS: dict[str, tuple[Harm, str]] = {
    "a part is missing": (lambda folder: last_part(folder).unlink(), "part-00000001.parquet is missing"),
    "a part is damaged": (lambda folder: overwrite(last_part(folder), 400), "damaged"),
    "a part is empty": (lambda folder: last_part(folder).write_bytes(b""), "damaged"),
    "the database is damaged": (lambda folder: overwrite(folder / DATABASE, 4096), "damaged"),
    "the database is something else": (lambda folder: (folder / DATABASE).write_bytes(b"x" * 5000), "damaged"),
    "another program's database": (change("drop table about"), "no state of an enumeration"),
    "a task is no task": (change("update tasks set body = x'00'"), "a task cannot be read"),
    "a part is counted wrong": (change("update segments set regions = 3"), "are counted"),
    "seconds are no number": (change("update about set value = 'x' where name = 'seconds'"), "damaged"),
    "another version": (change("update about set value = '0' where name = 'version'"), "version 0, expected 1"),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_harmed_state_is_refused(model: Model, name: str, tmp_path: Path) -> None:
    folder = stopped(model, tmp_path / "state")
    harm, words = HARMS[name]
    harm(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".parquet", ".sqlite")}
    with pytest.raises(InputError, match=words):
        enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True, max_regions=9)
    if "database is" in name or "version" in name:
        assert before == {name: (folder / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"box": (-1, 2)}, "differs in domain;"),
        ({"box": None}, "differs in domain;"),
        ({"neighbors": False}, "differs in neighbours or linear regions;"),
        ({"decision": "argmin"}, "differs in decision;"),
        ({"certificate": "c.gz"}, "differs in certificate;"),
        ({"resume": False}, "give resume=True"),
    ],
)
def test_the_state_of_another_run(model: Model, options: Line, words: str, tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = stopped(model, tmp_path / "state")
    given: Line = {"box": UNIT, "neighbors": True, "resume": True, **options}
    with pytest.raises(InputError, match=words):
        enumerate(model, state=folder, **given)
    enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True)


def test_the_state_of_another_model(model: Model, tmp_path: Path) -> None:
    folder = stopped(model, tmp_path / "state")
    other = load(str(save(mlp(2, (3, 12, 12, 2)), tmp_path, "other.onnx")), verify=False)
    with pytest.raises(InputError, match="differs in model;"):
        enumerate(other, box=UNIT, neighbors=True, state=folder, resume=True)


def test_two_processes_on_one_state(model: Model, tmp_path: Path) -> None:
    folder = stopped(model, tmp_path / "state")
    state = InFolder(folder, workshop_of(model), resume=True)
    with pytest.raises(InputError, match="another process is working on this state"):
        enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True)
    line = [sys.executable, "-m", "exactbox", "enumerate", model.path, "--box", "-1", "1", "--state", str(folder)]
    other = subprocess.run([*line, "--neighbors", "--resume"], capture_output=True, text=True, check=False)
    assert other.returncode == 3 and "another process is working on this state" in other.stderr
    state.close()
    assert enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True).complete


def test_files_that_no_transaction_counts_are_deleted(model: Model, tmp_path: Path) -> None:
    folder = stopped(model, tmp_path / "state")
    (folder / "part-00000099.parquet").write_bytes(b"half")
    state = InFolder(folder, workshop_of(model), resume=True)
    state.close()
    assert "part-00000099.parquet" not in names(folder) and "part-00000001.parquet" in names(folder)


def test_a_kill_while_a_state_is_removed_leaves_no_damaged_one(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped(model, tmp_path / "state")
    state = InFolder(folder, workshop_of(model), resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", killed)
        last_part(folder).unlink()
        patch.setattr(Path, "unlink", killed)
        state.close(remove=True)
    assert DATABASE in names(folder)
    assert enumerate(model, box=UNIT, neighbors=True, state=folder).complete


def killed(path: Path, **_: object) -> None:
    raise PermissionError(f"{path} stays")


FULL = """
import resource, sys
from exactbox.cli import run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize("size", [1000, 20_000])
def test_a_full_disk_leaves_a_state_to_go_on_with(model: Model, size: int, tmp_path: Path) -> None:
    """Files may not grow beyond a size that the first transaction needs."""
    pytest.importorskip("resource")
    folder = tmp_path / "state"
    line = ["enumerate", model.path, "--box", "-1", "1", "--neighbors", "--state", str(folder), "--time-limit", "60"]
    whole = [sys.executable, "-c", FULL, str(size), *line]
    told = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert told.returncode == 3 and told.stderr.startswith(f"error: {folder}: the state cannot be "), told.stderr
    assert enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True).complete


def test_a_disk_that_fills_up_loses_no_region(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stopped(model, tmp_path / "state")
    before = kept(folder)
    with monkeypatch.context() as patch:
        patch.setattr(run_state, "write_parts", full)
        with pytest.raises(InputError, match=r"cannot be written: .*No space left"):
            enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True)
    assert kept(folder) == before > 0
    assert enumerate(model, box=UNIT, neighbors=True, state=folder, resume=True).complete


def full(path: Path, parts: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_pyarrow(model: Model, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"exactbox\[parquet\]"):
        enumerate(model, box=UNIT, state=tmp_path / "state")
    assert run(["enumerate", path, "--box", "-1", "1", "--max-regions", "3", "-o", str(tmp_path / "r.csv")]) == 2
    assert names(tmp_path) == ["r.csv"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resume": True}, "there is no state to go on from"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "give one"),
        ({"state": "no/such/folder"}, "does not exist"),
        ({"scheduler": "127.0.0.1"}, "cannot be reached"),
        ({"scheduler": "127.0.0.1", "state": "state"}, "cannot be reached"),
    ],
)
def test_bad_ways(model: Model, options: Line, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("exactbox.crews.CONNECT_SECONDS", 0.2)
    if "scheduler" in options:
        pytest.importorskip("distributed")
    with pytest.raises(InputError, match=words):
        enumerate(model, box=UNIT, **options)
    assert names(tmp_path) == []


def test_a_folder_of_other_files_is_no_state(model: Model, tmp_path: Path) -> None:
    kept = ["data.parquet", "part-00000001.parquet"]
    for name in kept:
        (tmp_path / name).write_bytes(b"mine")
    for resume in (False, True):
        with pytest.raises(InputError, match=r"holds data.parquet and no run.sqlite; give state a folder of its own"):
            enumerate(model, box=UNIT, state=tmp_path, resume=resume)
    assert sorted(names(tmp_path)) == kept


def test_other_files_in_the_folder_stay(model: Model, tmp_path: Path) -> None:
    folder = stopped(model, tmp_path / "state")
    (folder / "mine.parquet").write_bytes(b"mine")
    state = InFolder(folder, workshop_of(model), resume=True)
    state.close(remove=True)
    assert list(names(folder)) == ["mine.parquet"]
