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


def counted(count: int, noun: str, plural: str = "") -> str:
    """Say how many there are.

    >>> counted(1, "region"), counted(0, "region"), counted(2, "vertex", "vertices")
    ('1 region', '0 regions', '2 vertices')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


@contextmanager
def typed() -> Generator[None]:
    """Let messages speak of options inside, as a command does."""
    token = _typed.set(True)
    try:
        yield
    finally:
        _typed.reset(token)
