"""Short representations of large values: what ``repr`` shows is a line, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 300


def brief(value: object, facts: Iterable[str]) -> str:
    """Return what a value is in one line of at most a few hundred characters.

    >>> brief(1, ["odd", "small"])
    '<int: odd, small>'
    """
    text = ", ".join(facts)
    return f"<{type(value).__name__}: {text if len(text) <= _MOST else text[:_MOST] + '…'}>"
