"""Text from files, made fit to be shown: names of nodes, labels, columns and paths may hold anything."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with whatever a terminal or page does not show as itself as an escape; always one line.

    Control characters, line ends, marks that turn the direction of writing, and lone surrogates are such.

    Args:
        keep: characters to leave, such as the ends of lines that are the program's own.

    >>> print(printable("a\nb\x1b[2J\u202e c\ud800"), printable("Zürich, 東京"))
    a\nb\x1b[2J\u202e c\ud800 Zürich, 東京
    >>> printable("two\nlines\r", keep="\n")
    'two\nlines\\r'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def printable_json(text: str) -> str:
    r"""Return JSON text with the same meaning that a terminal shows as it is.

    >>> print(printable_json('{"label": "é\u009b\u202e"}'))
    {"label": "é\u009b\u202e"}
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else "".join(map(_unit, _units(c))) for c in text)


def _escape(c: str) -> str:
    return ascii(c)[1:-1]


def _units(c: str) -> list[int]:
    """Return the UTF-16 code units of a character, as JSON escapes them."""
    data = c.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]


def _unit(value: int) -> str:
    return f"\\u{value:04x}"
