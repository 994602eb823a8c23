"""check.py as a command: alone, in another folder, with the standard library only; never a traceback."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from exactbox.verify import check
from tests.source_tree import REPOSITORY
from tests.verify.cases import battery, run, worked_example

VERIFY = REPOSITORY / "verify"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write the worked example and return the certificate's path."""
    certificate, program = worked_example().texts()
    (tmp_path / "example.program.json").write_bytes(program)
    (tmp_path / "example.json").write_bytes(certificate)
    return tmp_path / "example.json"


def command(script: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the checker isolated from the environment and from site-packages."""
    words = [sys.executable, "-I", "-S", str(script), *map(str, arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def main(*arguments: object) -> tuple[int, str]:
    """Run the checker in this process; returns the exit code and what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = check.main([str(argument) for argument in arguments])
    return code, printed.getvalue()


def test_from_another_folder(files: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = command(VERIFY / "check.py", files, folder=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    report = check.check(files.read_bytes(), (files.parent / "example.program.json").read_bytes())
    lines = done.stdout.splitlines()
    assert lines[0] == f"accepted: of the program with SHA-256 {report.program_sha256} is proved, in exact arithmetic:"
    assert lines[1:-2] == list(report.lines)
    assert lines[-2] == f"statement SHA-256 {report.statement_sha256}"
    assert "not checked: that an ONNX file computes this program" in lines[-1]
    relative = command(VERIFY / "check.py", os.path.relpath(files, elsewhere), folder=elsewhere)
    assert relative.stdout == done.stdout


def test_copied_files_work_on_their_own(files: Path, tmp_path: Path) -> None:
    """The trusted base is these files; without one that a certificate needs, the checker blames itself."""
    names = ("check.py", "check_domain.py", "check_region.py", "check_facets.py", "check_distances.py")
    for name in names:
        shutil.copy(VERIFY / name, tmp_path / name)
    assert command(tmp_path / "check.py", files, folder=tmp_path).returncode == 0
    for name in names[1:]:
        (tmp_path / name).unlink()
        done = command(tmp_path / "check.py", files, folder=tmp_path)
        assert (done.returncode, done.stderr) == (5, "") and f"{name} is missing beside" in done.stdout
        assert "malformed" not in done.stdout and done.stdout.startswith("nothing was checked")
        shutil.copy(VERIFY / name, tmp_path / name)
    plain = worked_example()
    plain.certificate["statement"].update(facets=None, distances=[])
    plain.certificate["evidence"].update(facets=None, distances=[])
    (tmp_path / "check_facets.py").unlink()
    (tmp_path / "check_distances.py").unlink()
    files.write_bytes(plain.texts()[0])
    assert command(tmp_path / "check.py", files, folder=tmp_path).returncode == 0


def test_the_files_of_this_version_are_those_whose_absence_is_the_checker_s_fault() -> None:
    assert {f"check_{name}.py" for name in check.SHIPPED} == {path.name for path in VERIFY.glob("check_*.py")}


@pytest.mark.parametrize("kind", ["segment", "facets", "Region", "../region", "", None, 3])
def test_kinds_that_are_none_are_malformed(kind: object) -> None:
    other = worked_example()
    other.certificate["kind"] = kind
    found = run(*other.texts())
    assert found.code == 3 and "kind" in found.reason


def test_a_further_kind_is_a_further_file(files: Path, tmp_path: Path) -> None:
    """A kind of certificate is checked by the file that has its name, and touches no other."""
    for path in VERIFY.glob("check*.py"):
        shutil.copy(path, tmp_path / path.name)
    words = "def prove(file): return [f'{file.kind} of {len(file.program)} bytes']"
    (tmp_path / "check_segment.py").write_text(words, encoding="utf-8")
    other = worked_example()
    other.certificate["kind"] = "segment"
    files.write_bytes(other.texts()[0])
    done = command(tmp_path / "check.py", files, folder=tmp_path)
    assert done.returncode == 0 and f"segment of {len(other.texts()[1])} bytes" in done.stdout


def test_nothing_but_the_standard_library_is_loaded(files: Path) -> None:
    """Every module that a check loads is the standard library's, or one of the checker's own."""
    code = (
        "import runpy, sys; sys.argv = ['check.py', sys.argv[2]]\n"
        "try: runpy.run_path(sys.orig_argv[-2], run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    words = [sys.executable, "-I", "-S", "-c", code, str(VERIFY / "check.py"), str(files)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded - set(sys.stdlib_module_names) <= {"__main__", "exactbox"}
    assert {"numpy", "flint", "sympy"}.isdisjoint(loaded)


def test_rejected_certificates_exit_with_1(files: Path) -> None:
    files.write_bytes(files.read_bytes().replace(b'"witness":["1/2"', b'"witness":["0"'))
    done = command(VERIFY / "check.py", files, folder=files.parent)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "rejected: the witness is not strictly inside the domain\n"


def test_malformed_files_exit_with_3(files: Path) -> None:
    files.write_bytes(files.read_bytes()[:-5])
    done = command(VERIFY / "check.py", files, folder=files.parent)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("malformed: certificate: no strict JSON:") and done.stdout.count("\n") == 1


def test_deep_nesting_in_a_process_of_its_own(files: Path) -> None:
    files.write_bytes(b"[" * 2_000_000)
    done = command(VERIFY / "check.py", files, folder=files.parent)
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"]])
def test_usage(arguments: list[str]) -> None:
    assert main(*arguments) == (3, "malformed: usage: check.py CERTIFICATE [PROGRAM]\n")


def test_missing_files(files: Path) -> None:
    code, printed = main(files.parent / "absent.json")
    assert code == 3 and "No such file" in printed and "Traceback" not in printed
    (files.parent / "example.program.json").unlink()
    code, printed = main(files)
    assert code == 3 and "example.program.json" in printed
    assert main(files.parent)[0] == 3


def test_the_program_may_lie_elsewhere(files: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = tmp_path_factory.mktemp("other") / "p.json"
    (files.parent / "example.program.json").rename(moved)
    assert main(files, moved)[0] == 0
    assert main(files)[0] == 3
    other = battery()["region alone"].texts()[1]
    moved.write_bytes(other)
    code, printed = main(files, moved)
    assert code == 3 and "not about this program" in printed


def test_a_certificate_without_a_folder_in_its_path(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.parent)
    assert main("example.json")[0] == 0


def test_memory_that_does_not_suffice_is_no_traceback(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(check, "opened", exhausted)
    assert main(files) == (3, "malformed: not enough memory\n")


@pytest.mark.parametrize("name", list(battery()))
def test_every_kind_of_certificate_by_command(name: str, tmp_path: Path) -> None:
    certificate, program = battery()[name].texts()
    (tmp_path / "c.json").write_bytes(certificate)
    (tmp_path / json.loads(certificate)["program"]["file"]).write_bytes(program)
    code, printed = main(tmp_path / "c.json")
    assert code == 0 and printed.startswith("accepted: ") and printed.isascii()
