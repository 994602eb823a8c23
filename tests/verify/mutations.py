"""Systematic damage to certificates and programs: every field, every kind of value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exactbox.polytope.canonical import hex_text, parse_rationals
from tests.verify.cases import Case

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """A damaged case: where it differs and how."""

    path: Path
    change: str
    case: Case

    @property
    def field(self) -> str:
        """The path without positions, such as ``certificate.statement.point.*``."""
        return ".".join("*" if isinstance(key, int) else key for key in self.path)


def _off_by_one(text: str) -> str:
    """Change the last hexadecimal digit of the numerator."""
    value = parse_rationals([text]).item(0)
    return hex_text(Fraction(value.numerator + 1, value.denominator))


TEXTS: dict[str, Callable[[str], object]] = {
    "sign": lambda text: text[1:] if text.startswith("-") else "-" + text,
    "last digit": _off_by_one,
    "doubled": lambda text: hex_text(parse_rationals([text]).item(0) * 2),
    "tiny change": lambda text: hex_text(parse_rationals([text]).item(0) + Fraction(1, 1 << 200)),
    "zero": lambda text: "0",
    "float": lambda text: 0.5,
    "integer": lambda text: 1,
    "bool": lambda text: True,
    "null": lambda text: None,
    "not reduced": lambda text: "2/4",
    "denominator 1": lambda text: "3/1",
    "upper case": lambda text: "A/B",
    "leading zero": lambda text: "0" + text,
    "plus": lambda text: "+1",
    "minus zero": lambda text: "-0",
    "denominator 0": lambda text: "1/0",
    "decimal": lambda text: "0.5",
    "space": lambda text: text + " ",
    "full width": lambda text: "\uff11",
    "10 000 digits": lambda text: "7" * 10_000,
    "listed": lambda text: [text],
}
INTEGERS: dict[str, Callable[[int], object]] = {
    "up": lambda value: value + 1,
    "down": lambda value: value - 1,
    "negative": lambda value: -value - 2,
    "bool": lambda value: bool(value),
    "float": lambda value: float(value),
    "text": lambda value: str(value),
    "huge": lambda value: 10**9,
    "10 000 digits": lambda value: 10**4000,
    "null": lambda value: None,
}
NAMES: dict[str, Callable[[str], object]] = {
    "other": lambda text: "other",
    "number": lambda text: 7,
    "null": lambda text: None,
    "empty": lambda text: "",
}
LISTS: dict[str, Callable[[list[Any]], object]] = {
    "first dropped": lambda items: items[1:],
    "last dropped": lambda items: items[:-1],
    "last doubled": lambda items: items + items[-1:],
    "swapped": lambda items: [*items[1:2], *items[:1], *items[2:]],
    "reversed": lambda items: items[::-1],
    "empty": lambda items: [],
    "null": lambda items: None,
    "as text": lambda items: "0",
    "extended": lambda items: [*items, "0"],
}
OBJECTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda value: {**value, "extra": "0"},
    "first key dropped": lambda value: dict(list(value.items())[1:]),
    "last key dropped": lambda value: dict(list(value.items())[:-1]),
    "null": lambda value: None,
    "list": lambda value: list(value),
}
ABSENT: dict[str, Callable[[None], object]] = {
    "rational": lambda value: "1/2",
    "integer": lambda value: 0,
    "false": lambda value: False,
    "list": lambda value: [],
    "object": lambda value: {},
}


def changes_of(value: Any) -> dict[str, Callable[[Any], object]]:
    """Return the changes of a value by name."""
    match value:
        case dict():
            return OBJECTS
        case list():
            return LISTS
        case int():
            return INTEGERS
        case None:
            return ABSENT
        case str() if value.lstrip("-")[:1] in "0123456789" and value.replace("/", "").lstrip("-").isalnum():
            return TEXTS if len(value) < 64 else NAMES
        case _:
            return NAMES


def nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every JSON value below and including ``value`` with the path to it."""
    yield path, value
    if isinstance(value, dict):
        for key, part in value.items():
            yield from nodes(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from nodes(part, (*path, position))


def replaced(case: Case, path: Path, value: object) -> Case:
    """Return a copy of a case with another value at a path that starts with ``certificate`` or ``program``."""
    root: dict[str, Any] = {"certificate": case.certificate, "program": case.program}
    copy = Case(root["certificate"], root["program"]).copy()
    root = {"certificate": copy.certificate, "program": copy.program}
    place: Any = root
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return Case(root["certificate"], root["program"])


def mutants(case: Case) -> Iterator[Mutant]:
    """Yield every single change of every value of a case, but for those of ``info`` and of the hash."""
    skipped = [("certificate", "info"), ("certificate", "program", "sha256")]
    for name, root in (("certificate", case.certificate), ("program", case.program)):
        for path, value in nodes(root, (name,)):
            if any(path[: len(prefix)] == prefix for prefix in skipped):
                continue
            for change, apply in changes_of(value).items():
                other = apply(value)
                if other != value or type(other) is not type(value):
                    yield Mutant(path, change, replaced(case, path, other))


def thinned(found: Iterator[Mutant], most: int) -> Iterator[Mutant]:
    """Yield the first few mutants of each kind of field and change."""
    seen: dict[tuple[str, str], int] = {}
    for mutant in found:
        key = (mutant.field, mutant.change)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most:
            yield mutant
