"""Real processes print what exactbox says and nothing else, however much the libraries under it have to say."""

from __future__ import annotations

import ast
import json
import operator
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import highspy
import numpy as np
import onnx
import pytest

import exactbox
from exactbox.cli import commands
from exactbox.importers.session import RUNTIME_ERRORS, inference_session
from exactbox.polytope.candidates import candidates
from exactbox.polytope.facets import minimal
from exactbox.polytope.floatlp import FloatLP
from exactbox.polytope.floats import float_view
from exactbox.polytope.opinion import opinion
from exactbox.polytope.quiet import silenced
from tests.polytopes import AWKWARD
from tests.source_tree import REPOSITORY, name_of, package_files, parsed

DATA = REPOSITORY / "exactbox" / "data"
IRIS, FLOWERS = str(DATA / "iris_pipeline.onnx"), str(DATA / "iris_samples.csv")
NOISE = "a banner of"

CHATTY = ["cvxpy", "flint", "highspy", "numba", "numpy", "onnx", "onnxruntime", "pyarrow", "scipy", "sympy"]
"""These print a line on standard output when a noisy process loads them."""

LOUD = ["cvxpy", "highspy", "onnxruntime"]
"""These print one on standard error as well, as some of their versions do."""

SITECUSTOMIZE = f"""
import os, sys

class Noise:
    told = set()
    def find_spec(self, name, path=None, target=None):
        if name in {CHATTY!r} and name not in self.told:
            self.told.add(name)
            os.write(1, b"{NOISE} " + name.encode() + b"\\n")
            if name in {LOUD!r}:
                os.write(2, b"{NOISE} " + name.encode() + b"\\n")

sys.meta_path.insert(0, Noise())
"""

BALL = ("--input", "5,3,4,1", "--box", "0", "8")

PROCESSES: list[tuple[str, ...]] = [
    ("certify", IRIS, *BALL, "-o", "x.cert.json"),
    ("certify", IRIS, *BALL, "--distances", "--decision", "sign", "--target", "1", "--plot", "x.png"),
    ("check", "given.cert.json", "--model", IRIS),
    ("enumerate", IRIS, "--box", "0", "8", "--neighbors", "--merge", "--workers", "2", "--state", "s", "-o", "r.csv"),
    ("enumerate", IRIS, "--plane", "5,3,4,1", "6,3,4,1", "5,3,5,2", "--analyze", "--certificate", "all.cert.gz"),
    ("neighbors", IRIS, *BALL),
    ("show", IRIS, "--region", "5,3,4,1"),
    ("inventory", IRIS),
    ("audit", IRIS, "--data", FLOWERS, "--workers", "2"),
    ("compare", IRIS, IRIS),
    ("checker", "-o", "check.pyz"),
    ("demo",),
    ("checker", "-o", "check.pyz"),
]

FAILURES: list[tuple[str, ...]] = [
    ("certify", IRIS, "--input", "1,2"),
    ("certify", "no such file.onnx", *BALL),
    ("certify", IRIS, "--no-such-option"),
    ("show", str(REPOSITORY / "pyproject.toml")),
]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which libraries print when they are loaded."""
    folder = tmp_path_factory.mktemp("noisy")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate."""
    folder = tmp_path_factory.mktemp("given")
    found = exactbox.certify(exactbox.load(IRIS), [5, 3, 4, 1], box=(0, 8), minimal=False)
    found.save(folder / "given.cert.json")
    return folder


def process(
    folder: Path, environment: dict[str, str], *arguments: str, code: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command line, or other code, in a process of its own."""
    call = ["-c", code] if code else ["-m", "exactbox"]
    return subprocess.run(
        [sys.executable, *call, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def heard(errors: str) -> list[str]:
    """Return what libraries wrote on standard error; a slow machine is told how far the work is there as well."""
    return [line for line in errors.splitlines() if any(word in line for word in (NOISE, "HiGHS", "Warning", "[W:"))]


@pytest.mark.parametrize("arguments", PROCESSES, ids=operator.itemgetter(0))
def test_json_is_one_document_and_errors_are_silent(
    arguments: tuple[str, ...], given: Path, noisy: dict[str, str]
) -> None:
    done = process(given, noisy, *arguments, "--json")
    assert done.returncode == 0 and heard(done.stderr) == []
    document = json.loads(done.stdout)
    assert document["exit_code"] == 0 and NOISE not in done.stdout


@pytest.mark.parametrize("arguments", FAILURES, ids=operator.itemgetter(0))
def test_json_of_a_failure_is_one_document(arguments: tuple[str, ...], given: Path, noisy: dict[str, str]) -> None:
    done = process(given, noisy, *arguments, "--json")
    assert json.loads(done.stdout)["exit_code"] == done.returncode == 3
    assert done.stderr.startswith("error: ") and NOISE not in done.stderr


def test_every_verb_with_json_is_tried() -> None:
    verbs = {name for name, verb in commands.commands.items() if any(p.name == "as_json" for p in verb.params)}
    assert verbs == {arguments[0] for arguments in PROCESSES}


def test_a_report_holds_nothing_of_the_libraries(given: Path, noisy: dict[str, str]) -> None:
    done = process(given, noisy, "certify", IRIS, *BALL)
    assert done.returncode == 0 and heard(done.stderr) == []
    assert done.stdout.startswith("The exact region and classifier around one input\n") and NOISE not in done.stdout


def test_the_noise_is_heard_where_nobody_listens_for_it(given: Path, noisy: dict[str, str]) -> None:
    done = process(given, noisy, code="import onnxruntime, cvxpy, highspy")
    assert all(f"{NOISE} {name}\n" in stream for name in LOUD for stream in (done.stdout, done.stderr))


def test_python_calls_print_nothing(given: Path) -> None:
    calls = f"""
import exactbox
if __name__ == "__main__":
    net = exactbox.load({IRIS!r})
    exactbox.certify(net, [5, 3, 4, 1], box=(0, 8))
    exactbox.enumerate(net, box=(0, 8), neighbors=True, workers=2)
    exactbox.neighbors(net, [5, 3, 4, 1], box=(0, 8))
    exactbox.audit({IRIS!r}, {FLOWERS!r}, workers=2)
    exactbox.compare({IRIS!r}, {IRIS!r})
"""
    (given / "calls.py").write_text(calls)  # workers load the file that was run
    code = "import runpy; runpy.run_path('calls.py', run_name='__main__')"
    done = process(given, {**os.environ, "PYTHONPATH": str(REPOSITORY)}, code=code)
    assert (done.returncode, done.stdout, heard(done.stderr)) == (0, "", [])


def test_no_module_prints_while_it_is_loaded(given: Path) -> None:
    names = [module.name for module in pkgutil.walk_packages(exactbox.__path__, "exactbox.")]
    assert len(names) > 100
    code = "; ".join(f"import {name}" for name in names if not name.endswith("__main__"))
    done = process(given, dict(os.environ), code=code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed: str, given: Path) -> None:
    command = f'"{sys.executable}" -m exactbox certify "{IRIS}" --input 5,3,4,1 --box 0 8 -o closed.cert.json {closed}'
    assert subprocess.run(command, shell=True, cwd=given, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert exactbox.check(given / "closed.cert.json").accepted


@contextmanager
def descriptors() -> Generator[Callable[[], bytes]]:
    """A context that catches what is written to the descriptors 1 and 2."""
    with tempfile.TemporaryFile() as caught:
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(caught.fileno(), 1)
            os.dup2(caught.fileno(), 2)

            def written() -> bytes:
                caught.seek(0)
                return caught.read()

            yield written
        finally:
            for descriptor, copy in enumerate(kept, start=1):
                os.dup2(copy, descriptor)
                os.close(copy)


class ChattyHighs(highspy.Highs):
    """HiGHS greets once in a process; this one always does."""

    def __init__(self) -> None:
        os.write(1, NOISE.encode())
        super().__init__()  # type: ignore[no-untyped-call]


def a_linear_program() -> None:
    case = AWKWARD["rows at wild scales"]
    view = float_view(candidates(case.domain, case.rows).system, case.interior)
    FloatLP(view).maximize(np.ones(view.matrix.shape[1]))


def a_second_opinion() -> None:
    case = AWKWARD["rows at wild scales"]
    assert opinion(minimal(case.domain, case.rows, case.interior), seconds=60).agrees


def a_session() -> None:
    model = onnx.load(IRIS)
    feed = {"X": np.ones((1, 4), dtype=np.float32)}
    assert inference_session(model, [], optimised=True).run(None, feed)


def a_refused_session() -> None:
    model = onnx.load(IRIS)
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(RUNTIME_ERRORS):
        inference_session(model, [], optimised=False)


def a_failing_run() -> None:
    with pytest.raises(RUNTIME_ERRORS):
        inference_session(onnx.load(IRIS), [], optimised=False).run(None, {"X": np.ones((1, 5), dtype=np.float32)})


@pytest.mark.parametrize("native", [a_linear_program, a_second_opinion, a_session, a_refused_session, a_failing_run])
def test_native_libraries_write_nothing(native: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highspy, "Highs", ChattyHighs)
    with descriptors() as written:
        native()
        assert written() == b""


def test_silence_ends() -> None:
    with descriptors() as written:
        with silenced():
            os.write(1, b"lost")
            os.write(2, b"lost")
        os.write(1, b"one ")
        os.write(2, b"two")
        assert written() == b"one two"


def test_silence_ends_after_an_error() -> None:
    with descriptors() as written:
        with pytest.raises(ZeroDivisionError), silenced():
            os.write(1, b"lost")
            raise ZeroDivisionError
        os.write(1, b"heard")
        assert written() == b"heard"


@pytest.mark.parametrize("path", package_files(), ids=name_of)
def test_loud_libraries_are_loaded_in_silence(path: Path) -> None:
    quiet = {
        inner
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "silenced()"
        for inner in ast.walk(node)
    }
    loud = [
        node.lineno
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] in LOUD for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LOUD)
        if node not in quiet
    ]
    assert loud == []
