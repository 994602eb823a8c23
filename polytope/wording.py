"""How a message names what its reader can change: Python's parameters, or the options of the command line."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_typed: ContextVar[bool] = ContextVar("typed", default=False)


def spelled(parameter: str, option: str) -> str:
    """Return what the caller can change as the caller spells it.

    >>> spelled("row=I", "--row I")
    'row=I'
    >>> with typed():
    ...     spelled("row=I", "--row I")
    '--row I'
    """
    return option if _typed.get() else parameter


@contextmanager
def typed() -> Generator[None]:
    """Let messages speak of options inside, as a command does."""
    token = _typed.set(True)
    try:
        yield
    finally:
        _typed.reset(token)
