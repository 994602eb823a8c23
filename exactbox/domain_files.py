"""Domains from files: the inputs of a VNN-LIB property, and polytopes as rows in CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from exactbox.boxes import DomainRead
from exactbox.columns import places
from exactbox.csv_files import header_of, read_lines, separators
from exactbox.importers.vnnlib import read_property
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import from_fractions, parse_number
from exactbox.polytope.wording import counted

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
        raise InputError(f"{path}: declares {counted(found.inputs, 'input')} X, the model has {program.input_size}")
    chosen = "" if case is None else f", case {case}"
    return DomainRead(found.input_domain(case), f"the inputs of {path}{chosen}")


def domain_from_file(
    program: Program, path: Path, names: Sequence[str] = (), header: bool | None = None
) -> DomainRead:
    """Read a polytope from a .csv file of rows ``a_1,...,a_d,b`` (a . x <= b), or a .json file.

    A header of a CSV file names the inputs, in any order, and last the right-hand side. A JSON file holds one object:
    "rows" and "equations" as lists of d+1 numbers, "lower" and "upper" as lists of d numbers or null, or one for all;
    numbers are decimals, or text such as "1/3".

    Args:
        names: the names of the inputs in the model's order.
        header: whether the first line of a CSV file is a header; None: where it holds names alone, no numbers.

    Raises:
        InputError: other contents, sizes that do not fit, or an empty polytope.
    """
    suffix, size = path.suffix.lower(), program.input_size
    if suffix not in (".csv", ".json"):
        raise InputError(f"{path}: expected a file ending in .csv or .json, got {suffix or 'no ending'!r}")
    try:
        parts = _json(path, size) if suffix == ".json" else _csv(path, program, names, header)
        lower, upper, rows, equations = parts
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


def _csv(path: Path, program: Program, names: Sequence[str], header: bool | None) -> _Parts:
    size = program.input_size
    lines = read_lines(path, "rows of a polytope")
    columns = header_of(path, lines[0], header)
    if len(lines[0].cells) != size + 1:
        expected = f"{counted(size + 1, 'column')}, a coefficient for each input and the bound"
        raise InputError(f"{path}: expected {expected}, got {len(lines[0].cells)}{separators(lines[0].cells)}")
    body = lines[1:] if columns else lines
    if not body:
        raise InputError(f"{path}: expected rows below the header, got none; without a domain the regions are in R^d")
    order = [*(places(str(path), columns[:-1], program, names) if columns else range(size)), size]
    rows: list[Row] = []
    for line in body:
        read: Row = []
        for place, cell in enumerate(line.cells):
            try:
                read.append(parse_number(cell))
            except InputError as error:
                raise InputError(f"{path}: line {line.number}, entry {place}: {error}{separators([cell])}") from None
        rows.append([read[place] for place in order])
    return [None] * size, [None] * size, rows, []


def _json(path: Path, size: int) -> _Parts:
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
