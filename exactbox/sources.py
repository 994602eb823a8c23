"""Numbers from where users keep them: .npy, .npz and .csv files, and lists typed on the command line."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact, from_fractions, parse_number

AnyArray = npt.NDArray[Any]
READ_ERRORS = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers as they were found, before anything is converted.

    Args:
        origin: where they come from, for messages.
        values: a numeric array, or an object array of text cells.
        columns: the header of a CSV file, or empty.
        first_line: for text cells, the line of the file that row 0 stands on.
    """

    origin: str
    values: AnyArray
    columns: tuple[str, ...] = ()
    first_line: int = 1

    def row(self, index: int) -> Table:
        """Return one row (0-based).

        Raises:
            InputError: there is no such row.
        """
        if self.values.ndim == 0 or not 0 <= index < len(self.values):
            count = len(self.values) if self.values.ndim else 1
            raise InputError(f"{self.origin}: row {index} does not exist; rows count from 0 and there are {count}")
        part = np.asarray(self.values[index])
        return Table(f"{self.origin}, row {index}", part, self.columns, self.first_line + index)

    def exact(self) -> Rationals:
        """Return every number exactly: floats as the dyadic rationals they are, text as the decimal it denotes.

        Raises:
            InputError: NaN, an infinity, text that is no number; the message names the place.
        """
        if self.values.dtype != object:
            try:
                return exact(self.values)
            except InputError as error:
                raise InputError(f"{self.origin}: {error}") from None
        cells = np.atleast_2d(self.values)
        found = [self._cell(cell, i, j) for i, row in enumerate(cells.tolist()) for j, cell in enumerate(row)]
        return from_fractions(found, self.values.shape)

    def _cell(self, cell: object, row: int, column: int) -> Fraction:
        try:
            return exact([cell]).item(0) if not isinstance(cell, str) else parse_number(cell)
        except InputError as error:
            name = f" ({self.columns[column]})" if column < len(self.columns) else ""
            line = f"line {self.first_line + row}, " if self.columns or self.values.ndim > 1 else ""
            raise InputError(f"{self.origin}: {line}entry {column}{name}: {error}") from None


def read_table(path: Path, name: str | None = None) -> Table:
    """Read a .npy, .npz or .csv file.

    Args:
        name: which array of an .npz file is wanted; the only one, where it holds one.

    Raises:
        InputError: no such file, not readable as what its suffix says, or several arrays and none of that name.
    """
    readers = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: expected a file ending in .npy, .npz or .csv, got {suffix or 'no ending'!r}")
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: expected a file, got a folder")
    return readers[suffix](path, name)


def read_literal(text: str) -> Table:
    """Read numbers that were typed as a list, such as ``-0.1,1/3``.

    >>> [str(v) for v in read_literal("-0.1, 1/3").exact().fractions()]
    ['-1/10', '1/3']
    """
    cells = np.array([cell.strip() for cell in text.split(",")], dtype=object)
    return Table("the list given", cells)


def read_any(text: str, name: str | None = None) -> Table:
    """Read a file where the text names one or looks like one, else a typed list of numbers."""
    path = Path(text)
    if path.is_file() or path.suffix.lower() in (".npy", ".npz", ".csv"):
        return read_table(path, name)
    if looks_like_number(text.split(",", maxsplit=1)[0]):
        return read_literal(text)
    raise InputError(f"{text!r}: expected a file (.npy, .npz, .csv) or a list of numbers such as -0.1,1/3")


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


def names_from_header(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a CSV file's first line, or nothing where it is a line of numbers."""
    return () if all(looks_like_number(cell) for cell in cells) else tuple(cell.strip() for cell in cells)


def read_csv_lines(path: Path) -> list[list[str]]:
    """Return the cells of every line of a CSV file that is not blank.

    Raises:
        InputError: not text, no lines, or lines of different lengths.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV text: {error}") from None
    if not lines:
        raise InputError(f"{path}: expected lines of numbers, got an empty file")
    for number, line in enumerate(lines, 1):
        if len(line) != len(lines[0]):
            hint = "; cells are separated by commas, not semicolons" if ";" in line[0] else ""
            raise InputError(f"{path}: line {number} has {len(line)} cells, line 1 has {len(lines[0])}{hint}")
    return lines


def _read_csv(path: Path, name: str | None) -> Table:
    lines = read_csv_lines(path)
    columns = names_from_header(lines[0])
    rows = lines[1:] if columns else lines
    if not rows:
        raise InputError(f"{path}: line 1 holds text ({lines[0][0]!r}) and was taken for the header; no rows follow")
    return Table(str(path), np.array(rows, dtype=object), columns, 2 if columns else 1)


def _read_npy(path: Path, name: str | None) -> Table:
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")
    except READ_ERRORS as error:
        raise InputError(f"{path}: not readable as a .npy file: {error}") from None
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path}: expected one array, got an archive; name it .npz")
    return Table(str(path), _numeric(str(path), values))


def _read_npz(path: Path, name: str | None) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            chosen = name if name in names else names[0] if len(names) == 1 else None
            if chosen is None:
                wanted = f"none of them is called {name!r}" if name else "none was named"
                raise InputError(f"{path}: holds the arrays {', '.join(names) or '(none)'}; {wanted}")
            values = archive[chosen]
    except READ_ERRORS as error:
        raise InputError(f"{path}: not readable as a .npz file: {error}") from None
    return Table(f"{path}[{chosen}]", _numeric(f"{path}[{chosen}]", values))


def _numeric(origin: str, values: AnyArray) -> AnyArray:
    if values.dtype.kind not in "iuf":
        raise InputError(f"{origin}: expected numbers, got an array of type {values.dtype}")
    return np.asarray(values)
