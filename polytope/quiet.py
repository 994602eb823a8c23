"""Native libraries write to file descriptors, past ``sys.stdout``; in here they write to nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

_LOCK = threading.Lock()


@contextmanager
def silenced() -> Generator[None, None, None]:
    """A context in which what goes to the descriptors of standard output and standard error is lost.

    For moments only, as other threads' text is lost too: loading a library, or building an object of its that greets.

    >>> with silenced():
    ...     _ = os.write(1, b"a banner")
    """
    with _LOCK, ExitStack() as stack:
        for descriptor in (1, 2):
            stack.enter_context(_elsewhere(descriptor))
        yield


@contextmanager
def _elsewhere(descriptor: int) -> Generator[None, None, None]:
    try:
        kept = os.dup(descriptor)
    except OSError:  # it is closed: nothing can be written there
        yield
        return
    try:
        to_nothing(descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


def to_nothing(descriptor: int) -> None:
    """Let a file descriptor, open or not, lead to nothing from here on; child processes inherit that."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
