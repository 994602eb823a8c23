"""How a command ends: every exit code and every last message of the command line is settled here, and only here."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import click

from exactbox.polytope.errors import ExactboxError, UnsupportedModelError
from exactbox.polytope.printable import printable, printable_json
from exactbox.polytope.quiet import to_nothing

USAGE = 3
INTERNAL = 5
INTERRUPTED = 130
_ENDS = "\n"
SHOW_TRACEBACK = "EXACTBOX_TRACEBACK"


@dataclass
class Outcome:
    """A context that turns whatever a command raises into a message and an exit code.

    Args:
        as_json: whether an error is also written to standard output as one JSON object.
        code: the exit code, once the context has ended.
    """

    as_json: bool = False
    code: int = 0

    def __enter__(self) -> Outcome:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return True
        if isinstance(error, click.exceptions.Exit):
            self.code = error.exit_code
        elif isinstance(error, BrokenPipeError):
            self.code = _quiet_pipe()
        elif isinstance(error, KeyboardInterrupt | click.Abort):
            self._fail(INTERRUPTED, "Interrupted", "interrupted; no unfinished file was left behind")
        elif isinstance(error, click.ClickException):
            self._fail(USAGE, "UsageError", _usage_text(error))
        elif isinstance(error, ExactboxError) and error.exit_code != INTERNAL:
            self._fail(error.exit_code, type(error).__name__, _one_line(error), _refusals(error))
        elif isinstance(error, OSError):
            self._fail(USAGE, "OSError", f"{error.filename or 'file'}: {error.strerror or error}")
        elif isinstance(error, SystemExit):
            return False
        else:
            self._fail(INTERNAL, "InternalError", _internal_text(error))
        return True

    def _fail(self, code: int, kind: str, message: str, more: dict[str, object] | None = None) -> None:
        self.code = code
        click.echo(f"error: {printable(message, keep=_ENDS)}", err=True)
        if self.as_json:
            document = {"exit_code": code, "error": {"kind": kind, "message": message, **(more or {})}}
            click.echo(printable_json(json.dumps(document, ensure_ascii=False)))


def guarded(command: Callable[[], object], *, as_json: bool) -> int:
    """Run a command and return its exit code: what it returns where that is an integer, or what its error means.

    >>> guarded(lambda: 2, as_json=False)
    2
    """
    result: object = 0
    with Outcome(as_json) as outcome:
        result = command()
        sys.stdout.flush()
    if outcome.code:
        return outcome.code
    return result if isinstance(result, int) else 0


def keep_standard_output() -> None:
    """Keep standard output for what is printed here; what libraries write to its descriptor is lost.

    That holds until this process ends, and in the processes that it starts. Where standard output or error is closed,
    its descriptor is taken: a file that got it would receive what libraries print.
    """
    given = sys.stdout
    if given is None:
        to_nothing(1)
        sys.stdout = open(os.devnull, "w")
    else:
        given.flush()
        sys.stdout = open(os.dup(given.fileno()), "w", encoding=given.encoding, errors=given.errors)
        to_nothing(given.fileno())
    if sys.stderr is None:
        to_nothing(2)
        sys.stderr = open(os.devnull, "w")


def _one_line(error: ExactboxError) -> str:
    """Return an error's message; only the list of a model's refusals has several lines."""
    return str(error) if isinstance(error, UnsupportedModelError) else printable(str(error))


def _refusals(error: ExactboxError) -> dict[str, object]:
    if not isinstance(error, UnsupportedModelError):
        return {}
    return {"refusals": [{"node": r.node, "op": r.op, "why": r.why} for r in error.refusals]}


def _usage_text(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{error.format_message()}\n  see: {context.command_path if context else 'exactbox'} --help"


def _internal_text(error: BaseException) -> str:
    """Say what failed and where, without a traceback unless the environment asks for one."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    text = f"internal: {type(error).__name__}{where}: {error}"
    if os.environ.get(SHOW_TRACEBACK):
        return f"{text}\n{''.join(traceback.format_exception(error)).rstrip()}"
    return (
        f"{text}\n  this is a fault of exactbox, not of what it was given: please report it with the model, the "
        f"command and what it prints where {SHOW_TRACEBACK}=1 is set"
    )


def _quiet_pipe() -> int:
    """Close standard output for good, so that the interpreter does not complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
