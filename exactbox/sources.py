"""Numbers from where users keep them: .npy, .npz and .csv files, data frames, and lists typed on the command line."""

from __future__ import annotations

import dataclasses
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from exactbox.csv_files import distinct, header_of, looks_like_number, read_lines, separators
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact, from_fractions, parse_number

AnyArray = npt.NDArray[Any]
READ_ERRORS = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
ENDINGS = (".npy", ".npz", ".csv")

SAMPLES = ("X", "x", "data")
"""Which array of an archive of several holds samples, where none is called like the model's input."""
LABELS = ("y", "Y", "labels", "label", "target")
"""Which array of an archive of several holds labels."""


@dataclass(frozen=True)
class Given:
    """Text that was typed: a file, ``file:row``, or a list of numbers.

    Args:
        header: whether the first line of a CSV file was said to be a header; None where nothing was said.
    """

    text: str
    header: bool | None = None

    def __str__(self) -> str:
        return self.text


def given(text: str | None, header: bool | None) -> Given | None:
    """Return what was typed with what was said of headers; None where nothing was typed."""
    return None if text is None else Given(text, header)


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers as they were found, before anything is converted.

    Args:
        origin: where they come from, for messages.
        values: a numeric array, or an object array of cells: text, or numbers of Python's.
        columns: the header of a CSV file, the names of a data frame's columns, or empty.
        lines: for the rows of a CSV file, the lines of the file that they stand on.
    """

    origin: str
    values: AnyArray
    columns: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()

    def row(self, index: int) -> Table:
        """Return one row (0-based).

        Raises:
            InputError: there is no such row.
        """
        if isinstance(index, bool) or not hasattr(index, "__index__"):
            raise InputError(f"{self.origin}: row: expected a whole number, got {index!r}")
        if self.values.ndim == 0 or not 0 <= index < len(self.values):
            count = len(self.values) if self.values.ndim else 1
            raise InputError(f"{self.origin}: row {index} does not exist; rows count from 0 and there are {count}")
        part = np.asarray(self.values[index])
        below = " below the header" if self.has_header else ""
        return Table(f"{self.origin}, row {index}{below}", part, self.columns, self.lines[index : index + 1])

    @property
    def has_header(self) -> bool:
        """Whether a line of the file was taken for a header."""
        return bool(self.columns and self.lines)

    @property
    def described(self) -> str:
        """The origin, and whether the rows begin below a header."""
        return f"{self.origin}, below its header" if self.has_header else self.origin

    def select(self, places: Sequence[int]) -> Table:
        """Return some columns, in the order asked for; the others are mentioned as left out."""
        left = [name for place, name in enumerate(self.columns) if place not in places]
        unused = f" (columns left out: {some(left)})" if left else ""
        names = tuple(self.columns[place] for place in places)
        return dataclasses.replace(
            self, origin=f"{self.origin}{unused}", values=self.values[..., list(places)], columns=names
        )

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
            line = f"line {self.lines[row]}, " if row < len(self.lines) else f"row {row}, " * (self.values.ndim > 1)
            hint = separators([cell]) if isinstance(cell, str) and self.lines else ""
            raise InputError(f"{self.origin}: {line}entry {column}{name}: {_reason(error, cell)}{hint}") from None


def some(names: Sequence[str], most: int = 6) -> str:
    """List the first few names.

    >>> some(["a", "b", "c"], 2)
    'a, b, …'
    """
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def table_of(given: object, origin: str, names: Sequence[str] = ()) -> Table:
    """Return what was given as a table: a file, typed numbers, a data frame, an array, nested lists, exact numbers.

    Args:
        origin: what messages call something that is no file.
        names: which array of an archive is wanted, in order of preference; the only one, where it holds one.

    Raises:
        InputError: no such file, not readable as what its suffix says, or neither numbers nor cells.
    """
    if isinstance(given, Table):
        return given
    if isinstance(given, str | Path | Given):
        return read_any(given, names)
    frame = _frame(given, origin)
    if frame is not None:
        return frame
    if isinstance(given, np.ma.MaskedArray) and np.ma.getmaskarray(given).any():
        place = tuple(int(i) for i in np.argwhere(np.ma.getmaskarray(given))[0])
        raise InputError(f"{origin}: entry {place} is masked: give a number")
    if isinstance(given, np.ndarray) and cast(AnyArray, given).dtype.kind in "iuf":
        return Table(origin, cast(AnyArray, given))
    try:
        values = exact(given)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    return Table(origin, as_objects(values))


def read_table(path: str | os.PathLike[str], names: Sequence[str] = (), header: bool | None = None) -> Table:
    """Read a .npy, .npz or .csv file.

    Args:
        names: which array of an .npz file is wanted, in order of preference; the only one, where it holds one.
        header: whether the first line of a .csv file is a header; None: where it holds names alone, no numbers.

    Raises:
        InputError: no such file, not readable as what its suffix says, or several arrays and none of that name.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, header)
    table = read_array(path, names)
    if table.values.dtype.kind not in "iuf":
        raise InputError(f"{table.origin}: expected numbers, got an array of type {table.values.dtype}")
    return table


def read_array(path: Path, names: Sequence[str] = ()) -> Table:
    """Read an array of whatever type from a .npy or .npz file; see ``read_table``."""
    _check_file(path)
    return _read_npz(path, names) if path.suffix.lower() == ".npz" else _read_npy(path)


def read_literal(text: str) -> Table:
    """Read numbers that were typed as a list, such as ``-0.1,1/3``.

    >>> [str(v) for v in read_literal("-0.1, 1/3").exact().fractions()]
    ['-1/10', '1/3']
    """
    cells = np.array([cell.strip() for cell in text.split(",")], dtype=object)
    return Table("the list given", cells)


def read_any(given: str | Path | Given, names: Sequence[str] = ()) -> Table:
    """Read a file or one row of it (``file:row``) where the text names one or looks like one, else typed numbers."""
    text, row = split_row(str(given))
    path = Path(text)
    if row is not None or path.is_file() or path.suffix.lower() in ENDINGS:
        table = read_table(path, names, given.header if isinstance(given, Given) else None)
        return table if row is None else table.row(row)
    if looks_like_number(text.split(",", maxsplit=1)[0]):
        return read_literal(text)
    raise InputError(f"{text!r}: expected a file (.npy, .npz, .csv) or a list of numbers such as -0.1,1/3")


def split_row(text: str) -> tuple[str, int | None]:
    """Split ``file:row`` where the file exists; other text is returned as it is.

    >>> split_row("1,2")
    ('1,2', None)
    """
    file, sign, row = text.rpartition(":")
    if sign and row.isdecimal() and not Path(text).is_file() and Path(file).is_file():
        return file, int(row)
    return text, None


def as_objects(values: Rationals) -> AnyArray:
    """Return an object array of ``Fraction``."""
    out = np.empty(values.size, dtype=object)
    out[:] = values.fractions()
    return out.reshape(values.shape)


def _reason(error: InputError, cell: object) -> str:
    """Say what a cell that is no text holds, without the place that a list of one has."""
    return str(error) if isinstance(cell, str) else f"expected a finite number, got {cell!r}"


def _frame(given: object, origin: str) -> Table | None:
    """Read a data frame (a sequence of named columns) or one row of it; None for anything else."""
    if hasattr(given, "iloc") and not hasattr(given, "columns"):
        series = cast(Any, given)
        values, index = np.asarray(series.to_numpy()), list(series.index)
        numbered = all(isinstance(key, int | np.integer) for key in index)  # rows of a column, not columns of a row
        return Table(origin, values) if numbered else _named(origin, values, index)
    listed = getattr(given, "columns", None) if hasattr(given, "__getitem__") else None
    names = getattr(given, "column_names", listed)  # pyarrow names them otherwise
    if not isinstance(names, Iterable) or isinstance(names, str):
        return None
    keys = list(cast("Iterable[object]", names))
    if not keys:
        raise InputError(f"{origin}: holds no columns")
    distinct(origin, [str(key) for key in keys])
    columns = [np.asarray(cast(Any, given)[key]) for key in keys]
    kinds = {column.dtype for column in columns}
    whole = len(kinds) == 1 and columns[0].dtype.kind in "iuf"
    stacked = np.stack(columns if whole else [_cells(column) for column in columns], axis=-1)
    return _named(origin, stacked, keys)


def _named(origin: str, values: AnyArray, keys: Sequence[object]) -> Table:
    """Attach names; numbers in their order are places, not names.

    Raises:
        InputError: numbers in another order, which name neither columns nor places.
    """
    if list(keys) == list(range(len(keys))):
        return Table(origin, values)
    if all(isinstance(key, int | np.integer) for key in keys):
        shown = some([str(key) for key in keys])
        raise InputError(f"{origin}: its columns are numbered {shown}: name them, or give the values alone")
    names = tuple(str(key).strip() for key in keys)
    distinct(origin, names)
    return Table(origin, values, names)


def _cells(column: AnyArray) -> AnyArray:
    """Return a column as objects of Python's, without a detour through another type."""
    cells = np.empty(len(column), dtype=object)
    cells[:] = column.tolist()
    return cells


def _check_file(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise InputError(f"{path}: expected a file ending in .npy, .npz or .csv, got {suffix or 'no ending'!r}")
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: expected a file, got a folder")


def _read_csv(path: Path, header: bool | None) -> Table:
    _check_file(path)
    lines = read_lines(path)
    columns = header_of(path, lines[0], header)
    rows = lines[1:] if columns else lines
    if not rows:
        first = f"line {lines[0].number} ({lines[0].cells[0]!r}, …)"
        raise InputError(f"{path}: {first} was taken for the header, as it holds no numbers; no rows follow")
    cells = np.array([line.cells for line in rows], dtype=object)
    return Table(str(path), cells, columns, tuple(line.number for line in rows))


def _read_npy(path: Path) -> Table:
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")
    except READ_ERRORS as error:
        raise InputError(f"{path}: not readable as a .npy file: {error}") from None
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path}: expected one array, got an archive; name it .npz")
    return Table(str(path), np.asarray(values))


def _read_npz(path: Path, names: Sequence[str]) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = list(archive.files)
            chosen = next((name for name in names if name in held), held[0] if len(held) == 1 else None)
            if chosen is None:
                wanted = f"none of them is called {' or '.join(map(repr, names))}" if names else "none was named"
                raise InputError(f"{path}: holds the arrays {', '.join(held) or '(none)'}; {wanted}")
            values = archive[chosen]
    except READ_ERRORS as error:
        raise InputError(f"{path}: not readable as a .npz file: {error}") from None
    return Table(f"{path}[{chosen}]", np.asarray(values))
