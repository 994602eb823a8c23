"""The checker as one file: mailed, run alone, and the same bytes wherever it is written."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exactbox.cli import run
from exactbox.verify import archive
from exactbox.verify.archive import archive_hash, checker_archive
from tests.verify import tree_cases
from tests.verify.cases import worked_example


@pytest.fixture
def mailed(tmp_path: Path) -> Path:
    """Return a folder with what a receiver gets: the archive, a certificate and its program, and nothing else."""
    certificate, program = worked_example().texts()
    (tmp_path / "check.pyz").write_bytes(checker_archive())
    (tmp_path / "x.cert.json").write_bytes(certificate)
    (tmp_path / "example.program.json").write_bytes(program)
    return tmp_path


def receive(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the archive as a receiver does who has no package at all."""
    words = [sys.executable, "-I", "-S", "check.pyz", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_receiver_needs_three_files(mailed: Path) -> None:
    done = receive(mailed, "x.cert.json")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("accepted: ")
    tree = tree_cases.battery()["max-pools"]
    (mailed / "r.cert").write_bytes(tree.packed())
    (mailed / "r.program.json").write_bytes(tree.program)
    done = receive(mailed, "r.cert", "r.program.json")
    assert (done.returncode, done.stderr) == (0, "") and "patterns whose P" in done.stdout
    certificate = (mailed / "x.cert.json").read_bytes().replace(b'"witness":["1/2"', b'"witness":["0"')
    (mailed / "x.cert.json").write_bytes(certificate)
    assert receive(mailed, "x.cert.json").returncode == 1
    assert receive(mailed).returncode == 3


def test_another_package_of_that_name_is_not_loaded(mailed: Path) -> None:
    """An installed package, or a folder beside the archive, takes no part."""
    (mailed / "exactbox" / "verify").mkdir(parents=True)
    for name in ("exactbox/__init__.py", "exactbox/verify/__init__.py", "exactbox/verify/check.py"):
        (mailed / name).write_text("raise SystemExit(77)", encoding="utf-8")
    words = [sys.executable, "check.pyz", "x.cert.json"]
    environment = {**os.environ, "PYTHONPATH": str(mailed)}
    done = subprocess.run(words, cwd=mailed, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bytes_do_not_depend_on_where_or_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in sorted(Path(archive.__file__).parent.glob("check*.py"), reverse=True):
        (folder / path.name).write_bytes(path.read_bytes())
        os.utime(folder / path.name, (1, 1))
        os.chmod(folder / path.name, 0o600)
    first = checker_archive()
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setattr(archive, "__file__", str(folder / "archive.py"))
    assert checker_archive() == first


def test_the_verb_writes_it_and_says_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "check.pyz"
    assert run(["checker", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    assert path.read_bytes() == checker_archive() and archive_hash(checker_archive()) in said
    assert "three files" in said and os.access(path, os.X_OK)
    with zipfile.ZipFile(path) as packed:
        assert {name for name in packed.namelist() if "check" in name} == {
            f"exactbox/verify/{own.name}" for own in Path(archive.__file__).parent.glob("check*.py")
        }
    assert run(["checker", "-o", str(tmp_path / "absent" / "check.pyz")]) == 3
