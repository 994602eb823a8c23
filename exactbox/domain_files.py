"""Domains from files: the inputs of a VNN-LIB property, and polytopes as rows in CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from exactbox.boxes import DomainRead
from exactbox.importers.vnnlib import read_property
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import from_fractions, parse_number
from exactbox.sources import names_from_header, read_csv_lines

KEYS = ("lower", "upper", "rows", "equations")

Row = list[Fraction]


def domain_from_vnnlib(program: Program, path: Path, case: int | None = None) -> DomainRead:
    """Read what a VNN-LIB property assumes of the inputs; X_i is entry i of the flattened, concatenated inputs.

    Args:
        case: which one, where a disjunction gives several sets of inputs (0-based).

    Raises:
        InputError: no such file, no VNN-LIB, another number of inputs, or an empty or ambiguous set.
    """
    found = read_property(path)
    if found.inputs != program.input_size:
        raise InputError(f"{path}: declares {found.inputs} inputs X, the model has {program.input_size}")
    chosen = "" if case is None else f", case {case}"
    return DomainRead(found.input_domain(case), f"the inputs of {path}{chosen}")


def domain_from_file(program: Program, path: Path, names: Sequence[str] = ()) -> DomainRead:
    """Read a polytope from a .csv file of rows ``a_1,...,a_d,b`` (a . x <= b), or a .json file.

    A header of a CSV file names the inputs in the model's order and the right-hand side. A JSON file holds one object:
    "rows" and "equations" as lists of d+1 numbers, "lower" and "upper" as lists of d numbers or null, or one for all;
    numbers are decimals, or text such as "1/3".

    Args:
        names: the names of the inputs in the model's order.

    Raises:
        InputError: other contents, sizes that do not fit, or an empty polytope.
    """
    readers = {".csv": _csv, ".json": _json}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: expected a file ending in .csv or .json, got {suffix or 'no ending'!r}")
    try:
        parts = readers[suffix](path, program.input_size, names)
        lower, upper, rows, equations = parts
        size = program.input_size
        rest = (*_split(rows, size), *_split(equations, size))
        return DomainRead(domain_from_rows(lower, upper, *rest), f"the polytope of {path}")
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None


_Parts = tuple[list[Fraction | None], list[Fraction | None], list[Row], list[Row]]


def _split(rows: list[Row], size: int) -> tuple[object, object]:
    """Return coefficients (m, d) and right-hand sides (m,)."""
    return (
        from_fractions([value for row in rows for value in row[:-1]], (len(rows), size)),
        from_fractions([row[-1] for row in rows]),
    )


def _csv(path: Path, size: int, names: Sequence[str]) -> _Parts:
    lines = read_csv_lines(path)
    header = names_from_header(lines[0])
    if header and len(names) == size and set(header[:-1]) == set(names) and header[:-1] != tuple(names):
        raise InputError(f"{path}: the columns are not in the model's order, which is {', '.join(names)}")
    body = lines[1:] if header else lines
    if len(lines[0]) != size + 1:
        expected = f"{size + 1} columns, a coefficient for each input and the bound"
        raise InputError(f"{path}: expected {expected}, got {len(lines[0])}")
    if not body:
        raise InputError(f"{path}: expected rows below the header, got none; without a domain the regions are in R^d")
    first = 2 if header else 1
    rows: list[Row] = []
    for number, line in zip(range(first, first + len(body)), body, strict=True):
        try:
            rows.append([parse_number(cell) for cell in line])
        except InputError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
    return [None] * size, [None] * size, rows, []


def _json(path: Path, size: int, names: Sequence[str]) -> _Parts:
    del names
    try:
        # numbers stay text: a decimal is exact, a float is not
        content: object = json.loads(
            path.read_bytes(), object_pairs_hook=_distinct, parse_float=str, parse_int=str, parse_constant=str
        )
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(content, dict) or not set(cast("dict[str, Any]", content)) <= set(KEYS):
        raise InputError(f"{path}: expected an object with some of the keys {', '.join(KEYS)}")
    found = cast("dict[str, Any]", content)
    lower, upper = (_bounds(key, found.get(key), size) for key in KEYS[:2])
    rows, equations = (_rows(key, found.get(key, []), size) for key in KEYS[2:])
    return lower, upper, rows, equations


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that is given twice: either value could be meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError(f"a key is given twice among {', '.join(key for key, _ in pairs)}")
    return found


def _bounds(key: str, value: object, size: int) -> list[Fraction | None]:
    if value is None or isinstance(value, str):
        return [None if value is None else parse_number(value)] * size
    entries = _list(key, value, size)
    return [None if entry is None else _number(key, entry) for entry in entries]


def _rows(key: str, value: object, size: int) -> list[Row]:
    if not isinstance(value, list):
        raise InputError(f"{key}: expected a list of rows")
    return [[_number(key, entry) for entry in _list(key, row, size + 1)] for row in cast("list[object]", value)]


def _list(key: str, value: object, size: int) -> list[object]:
    if not isinstance(value, list) or len(cast("list[object]", value)) != size:
        raise InputError(f"{key}: expected a list of {size} numbers")
    return cast("list[object]", value)


def _number(key: str, entry: object) -> Fraction:
    if not isinstance(entry, str):
        raise InputError(f"{key}: expected a number, got {entry!r}")
    return parse_number(entry)
