"""The cells of CSV files, and whether the first line is a header: decided by one rule, never guessed in silence."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import parse_number
from exactbox.polytope.wording import counted, spelled

MISSING = frozenset({"", "na", "n/a", "#n/a", "null", "none", "nil", "missing", "?", "-", ".", "*"})
"""What stands where a value is missing, in lower case; none of these is taken for a name."""

SAY_HEADER = ("a table read by exactbox.sources.read_table(path, header=True)", "--header")


@dataclass(frozen=True)
class Line:
    """One line of a CSV file that is not blank.

    Args:
        number: the line of the file on which it begins, from 1.
    """

    number: int
    cells: list[str]


def read_lines(path: Path, what: str = "lines of numbers") -> list[Line]:
    """Return every line of a CSV file that is not blank; blank ones may stand anywhere but in a single column.

    Args:
        what: what an empty file should have held.

    Raises:
        InputError: not text, no lines, lines of different lengths, or a gap in a single column.
    """
    if not path.is_file():
        raise InputError(f"{path}: not readable: {'no such file' if not path.exists() else 'it is a folder'}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            every = list(_lines(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV text: {error}") from None
    lines = [line for line in every if line.cells]
    if not lines:
        raise InputError(f"{path}: expected {what}, got an empty file")
    first = lines[0]
    for line in lines:
        if len(line.cells) != len(first.cells):
            expected = f"line {first.number} has {len(first.cells)}{separators(first.cells)}"
            raise InputError(f"{path}: line {line.number} has {counted(len(line.cells), 'cell')}, {expected}")
    between = [line.number for line in every if not line.cells and first.number < line.number < lines[-1].number]
    if between and len(first.cells) == 1:
        raise InputError(f"{path}: line {between[0]} is empty: give its value, or remove the line")
    return lines


def header_of(path: Path, line: Line, header: bool | None = None) -> tuple[str, ...]:
    """Return the names in a first line, or nothing where it holds values.

    Args:
        header: what the user said; None for the rule that a header holds names alone: no number, and nothing missing.

    Raises:
        InputError: neither, the cell is named; or a name that occurs twice.
    """
    cells = [cell.strip() for cell in line.cells]
    numbers = [looks_like_number(cell) for cell in cells]
    if header is False or (header is None and all(numbers)):
        return ()
    if header is None:
        _check_names(f"{path}: line {line.number}", cells, numbers)
    distinct(f"{path}: line {line.number}", cells)
    return tuple(cells)


def distinct(where: str, names: Sequence[str]) -> None:
    """Refuse a column that is named twice: either could be meant."""
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise InputError(f"{where}: the column {twice[0]!r} is named twice")


def looks_like_number(cell: str) -> bool:
    """Say whether a cell is meant as a number; NaN and infinities are, though they are refused later.

    >>> [looks_like_number(cell) for cell in ("1/3", "-.5", "nan", "sepal length")]
    [True, True, True, False]
    """
    stripped = cell.strip().lower().lstrip("+-")
    if stripped in ("nan", "inf", "infinity"):
        return True
    try:
        parse_number(cell)
    except InputError:
        return False
    return True


def separators(cells: Sequence[str]) -> str:
    """Say that cells hold what others separate cells with, where they do.

    >>> separators(["1;2"])
    '; cells are separated by commas, not semicolons'
    """
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if any(sign in cell for cell in cells):
            return f"; cells are separated by commas, not {name}"
    return ""


def _lines(file: Iterator[str]) -> Iterator[Line]:
    """Yield every line, a blank one without cells."""
    reader, number = csv.reader(file, strict=True), 1
    for cells in reader:
        yield Line(number, [] if len(cells) == 1 and not cells[0].strip() else cells)
        number = reader.line_num + 1


def _check_names(where: str, cells: Sequence[str], numbers: Sequence[bool]) -> None:
    """Refuse a first line that is neither names alone nor numbers alone."""
    if len(cells) == 1 and separators(cells):
        raise InputError(f"{where}: {cells[0]!r} is one cell{separators(cells)}")
    if any(numbers):
        bad, seen = numbers.index(False), numbers.index(True)
        raise InputError(
            f"{where}, entry {bad}: {cells[bad]!r} is no number, but entry {seen} is one ({cells[seen]}), and a "
            f"header holds no numbers{separators(cells)}; correct the cell, or for a header give {spelled(*SAY_HEADER)}"
        )
    absent = [place for place, cell in enumerate(cells) if cell.lower() in MISSING]
    if absent:
        raise InputError(
            f"{where}, entry {absent[0]}: {cells[absent[0]]!r} is neither a number nor a name; correct the cell, or "
            f"for a header give {spelled(*SAY_HEADER)}"
        )
