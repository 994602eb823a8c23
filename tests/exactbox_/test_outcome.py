"""Every way a command can end, its exit code and its last words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from exactbox.outcome import INTERNAL, INTERRUPTED, SHOW_TRACEBACK, USAGE, guarded
from exactbox.polytope.errors import BudgetError, InputError, InternalError, Refusal, UnsupportedModelError
from tests.source_tree import REPOSITORY

REFUSED = UnsupportedModelError("m.onnx", [Refusal("n1", "Erf", "not linear"), Refusal("n2", "Gelu", "smooth")])

ENDINGS = [
    pytest.param(InputError("x: wrong"), 3, "error: x: wrong", id="bad input"),
    pytest.param(BudgetError("too many"), 2, "error: too many", id="budget"),
    pytest.param(REFUSED, 4, "Gelu 'n2': smooth", id="refused model"),
    pytest.param(InternalError("row 3"), INTERNAL, "internal: InternalError at test_outcome.py", id="invariant"),
    pytest.param(TypeError("no"), INTERNAL, "internal: TypeError at test_outcome.py", id="a fault of ours"),
    pytest.param(KeyboardInterrupt(), INTERRUPTED, "interrupted", id="interrupt"),
    pytest.param(click.Abort(), INTERRUPTED, "interrupted", id="abort"),
    pytest.param(click.UsageError("no such thing"), USAGE, "error: no such thing", id="usage"),
    pytest.param(PermissionError(13, "Permission denied", "f"), USAGE, "error: f: Permission denied", id="system"),
]


def failing(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(("error", "code", "words"), ENDINGS)
def test_exit_code_and_message(error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: failing(error), as_json=False) == code
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(("error", "code", "words"), ENDINGS)
def test_json_error_is_one_object(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(lambda: failing(error), as_json=True) == code
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert set(document["error"]) >= {"kind", "message"}


def test_json_lists_every_refused_node(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(lambda: failing(REFUSED), as_json=True)
    refusals = json.loads(capsys.readouterr().out)["error"]["refusals"]
    assert refusals[1] == {"node": "n2", "op": "Gelu", "why": "smooth"}
    assert len(refusals) == 2


def test_traceback_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHOW_TRACEBACK, "1")
    assert guarded(lambda: failing(TypeError("no")), as_json=False) == INTERNAL
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "code"), [(0, 0), (1, 1), (None, 0), ("text", 0)])
def test_what_a_command_returns(result: object, code: int) -> None:
    assert guarded(lambda: result, as_json=False) == code


def test_exits_are_passed_on() -> None:
    assert guarded(lambda: failing(click.exceptions.Exit(3)), as_json=False) == 3
    with pytest.raises(SystemExit):
        guarded(lambda: failing(SystemExit(1)), as_json=False)


@pytest.mark.skipif(os.name != "posix", reason="pipes close differently elsewhere")
def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    code = "from exactbox.outcome import guarded\nimport sys\n"
    code += "sys.exit(guarded(lambda: [print('line') for _ in range(100000)] and None, as_json=False))\n"
    command = f"{sys.executable} -c \"$CODE\" 2>{tmp_path / 'err'} | head -n 1"
    environment = {**os.environ, "CODE": code}
    done = subprocess.run(command, shell=True, cwd=REPOSITORY, env=environment, capture_output=True, check=True)
    assert done.stdout == b"line\n"
    assert (tmp_path / "err").read_text() == ""
