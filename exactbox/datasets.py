"""Many samples for one model: read in chunks, rounded to its input type, refused by row where they do not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from exactbox.columns import by_port, split_named
from exactbox.csv_files import MISSING, looks_like_number, read_lines
from exactbox.inputs import SHAPE_RULE, axes_hint, fits
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import exact
from exactbox.polytope.wording import counted
from exactbox.rounding import round_to
from exactbox.sources import LABELS, AnyArray, Given, Table, read_array, some

Floats = npt.NDArray[np.float64]

SCAN = 4096
"""Samples that are looked at together when a file is searched for numbers that are not finite."""

WHOLE = 2**53
"""Whole numbers up to this are float64 numbers."""

_NUMPY_FLOATS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of a model's inputs; ``points`` gives them as columns of floats that the inputs' types hold exactly.

    Args:
        ports: the model's inputs.
        tables: one an input, each of shape (n, size of the input).
        count: n.
        origin: where they come from.
    """

    ports: tuple[Port, ...]
    tables: tuple[Table, ...]
    count: int
    origin: str

    def points(self, start: int, stop: int) -> tuple[Floats, int]:
        """Return samples as columns (d, stop - start), and how many entries were rounded to the input's type.

        Raises:
            InputError: a number that the input's type cannot hold; the message names the row.
        """
        parts = [_rounded(t, p, start, stop) for t, p in zip(self.tables, self.ports, strict=True)]
        return np.concatenate([part for part, _ in parts]), sum(changed for _, changed in parts)

    def rows(self, chosen: Sequence[int]) -> Dataset:
        """Return some of the samples."""
        rows = list(chosen)
        tables = [dataclasses.replace(table, values=table.values[rows], lines=()) for table in self.tables]
        return dataclasses.replace(self, tables=tuple(tables), count=len(rows))


def read_dataset(program: Program, given: object, fixed: Mapping[str, str] | None = None) -> Dataset:
    """Read samples for a program.

    Args:
        given: an array, data frame or path (.npy, .npz or .csv) whose first axis counts samples, or a mapping from the
            names of the inputs to these. Columns named like the inputs are matched by name.
        fixed: columns that are constants of the program, and their values; where they are given, they must agree.

    Raises:
        InputError: names, shapes or counts do not fit, there is no sample, or a number is not finite; rows are named.
    """
    return dataset_of(program, by_port(program, given, "the data given", fixed=fixed))


def dataset_of(program: Program, given: Sequence[Table]) -> Dataset:
    """Return samples from one table for each input; see ``read_dataset``."""
    tables = [_flattened(table, port) for table, port in zip(given, program.inputs, strict=True)]
    counts = [len(table.values) for table in tables]
    for port, table, count in zip(program.inputs, tables, counts, strict=True):
        if count != counts[0]:
            raise InputError(
                f"{table.origin}: {counted(count, 'sample')} for input {port.name!r}, but {counts[0]} in the first"
            )
        if not count:
            raise InputError(f"{table.origin}: holds no samples")
        _check_finite(table)
    return Dataset(program.inputs, tuple(tables), counts[0], "; ".join(dict.fromkeys(t.described for t in tables)))


def split_data(specs: Sequence[str], header: bool | None = None) -> object:
    """Turn the command line's ``file`` or ``name=file`` into what ``read_dataset`` takes.

    Args:
        header: whether the first line of a CSV file was said to be a header; None where nothing was said.
    """
    return split_named(specs, "--data", header)


def read_labels(given: object, count: int, classes: Sequence[str] = ()) -> tuple[str, ...]:
    """Read one label a sample, as text: whole numbers lose their ".0".

    Args:
        given: an array or list, or a path (.npy, .npz or .csv of one column). A CSV file with one line more than
            there are samples has a header, where its first line is a name that is no label.
        classes: names that are labels, and so no header.

    Raises:
        InputError: another number of labels, several columns, or a label that is missing.
    """
    typed = isinstance(given, str | Path | Given)
    origin = str(given) if typed else given.origin if isinstance(given, Table) else "the labels given"
    if typed:
        said_header = given.header if isinstance(given, Given) else None
        cells = _label_cells(Path(str(given)), count, classes, said_header)
    else:
        cells = np.asarray(given.values if isinstance(given, Table) else given)
    if cells.ndim > 1 and cells.size == len(cells):
        cells = cells.reshape(-1)
    if cells.ndim != 1:
        raise InputError(f"{origin}: expected one label a sample, got shape {list(cells.shape)}")
    if len(cells) != count:
        raise InputError(f"{origin}: expected {count} labels, one a sample, got {len(cells)}")
    return tuple(_label(cell, f"{origin}: row {i}") for i, cell in enumerate(cells.tolist()))


def _label_cells(path: Path, count: int, classes: Sequence[str], header: bool | None) -> AnyArray:
    if path.suffix.lower() != ".csv":
        return read_array(path, LABELS).values
    lines = read_lines(path)
    if len(lines[0].cells) != 1:
        raise InputError(f"{path}: expected one column of labels, got {len(lines[0].cells)}")
    cells = [line.cells[0].strip() for line in lines]
    if header is None and len(cells) == count + 1:
        header = not (looks_like_number(cells[0]) or cells[0].lower() in MISSING or cells[0] in {*cells[1:], *classes})
    return np.array(cells[1:] if header else cells, dtype=object)


def _label(cell: object, where: str) -> str:
    if isinstance(cell, float):
        if not cell.is_integer():
            raise InputError(f"{where}: expected a class, got {cell}")
        return str(int(cell))
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    text = str(int(cell)) if isinstance(cell, bool) else "" if cell is None else str(cell).strip()
    if not text or text.lower() in ("nan", "<na>"):
        raise InputError(f"{where}: the label is missing")
    return text


def _flattened(table: Table, port: Port) -> Table:
    """Give the samples the shape (n, size); a single sample without a leading axis is one."""
    values = table.values
    if values.ndim and fits(values.shape[1:], port) and values.shape != port.shape:
        return dataclasses.replace(table, values=values.reshape(len(values), port.size))
    if fits(values.shape, port):
        return dataclasses.replace(table, values=values.reshape(1, port.size))
    hint = f" (columns {some(table.columns)})" if table.columns else ""
    raise InputError(
        f"{table.origin}: input {port.name!r} expects samples of shape {list(port.shape)}, each with or without the "
        f"leading 1 or flat, got an array of shape {list(values.shape)}{hint}"
        f"{axes_hint(values.shape[1:], port.shape)}; {SHAPE_RULE}"
    )


def _check_finite(table: Table) -> None:
    """Name the first row that holds NaN or an infinity."""
    if table.values.dtype.kind != "f":
        return
    for start in range(0, len(table.values), SCAN):
        broken = np.argwhere(~np.isfinite(table.values[start : start + SCAN]))
        if len(broken):
            row, column = start + int(broken[0, 0]), int(broken[0, 1])
            value = table.values[row, column]
            raise InputError(f"{table.origin}: row {row}, entry {column}: expected a finite number, got {value}")


def _rounded(table: Table, port: Port, start: int, stop: int) -> tuple[Floats, int]:
    """Return (size, n) floats that the port's type holds, and how many differ from what the file holds."""
    part = table.values[start:stop]
    kind = _NUMPY_FLOATS.get(port.dtype)
    if part.dtype.kind in "fiu" and kind is not None and part.dtype.itemsize <= 8:
        wide = part.astype(np.float64)
        if part.dtype.kind == "f" or not np.abs(wide).max(initial=0.0) >= WHOLE:
            with np.errstate(over="ignore"):
                narrow = wide.astype(kind).astype(np.float64)
            if not np.isfinite(narrow).all():
                row, column = (int(i) for i in np.argwhere(~np.isfinite(narrow))[0])
                raise InputError(
                    f"{table.origin}: row {start + row}, entry {column}: {wide[row, column]} overflows {port.dtype}"
                )
            return np.ascontiguousarray(narrow.T), int((narrow != wide).sum())
    return _rounded_slowly(table, port, start, stop)


def _rounded_slowly(table: Table, port: Port, start: int, stop: int) -> tuple[Floats, int]:
    """Round text cells, exact fractions and whole numbers row by row."""
    columns: list[Floats] = []
    total = 0
    for row in range(start, min(stop, len(table.values))):
        try:
            values = exact(table.values[row]) if table.values.dtype != object else table.row(row).exact()
            rounded, changed = round_to(values.reshape(-1), port.dtype)
        except InputError as error:
            where = "" if str(error).startswith(table.origin) else f"{table.origin}: row {row}: "
            raise InputError(f"{where}{error}") from None
        floats = rounded.to_float()
        if not exact(floats).equals(rounded):
            raise InputError(f"{table.origin}: row {row}: whole numbers beyond 2**53 are not supported in an audit")
        columns.append(floats)
        total += changed
    return np.stack(columns, axis=1), total
