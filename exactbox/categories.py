"""Rows with categories: each combination of them makes a program of its own, in which the categories are constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exactbox.columns import by_port, entry_names, entry_of, is_archive
from exactbox.datasets import Dataset, dataset_of
from exactbox.fixing import opened
from exactbox.importers.encoded import columns, encoded
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import OnnxFile
from exactbox.importers.torch_modules import AnyGiven, as_onnx
from exactbox.inputs import fits
from exactbox.loading import Model, fitted, load
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.program import Input, Port, Program
from exactbox.polytope.wording import counted, spelled
from exactbox.sources import Table, table_of

Values = tuple[tuple[str, object], ...]
"""Columns and their values."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples with categories.

    Args:
        names: the columns that hold categories, as they are fixed.
        values: shape (n, columns), the cells as they were found.
        numbers: the inputs that stay variable, by name: tables of n rows.
        origin: where the samples come from.
    """

    names: tuple[str, ...]
    values: Sequence[Sequence[object]]
    numbers: Mapping[str, Table]
    origin: str

    def fix(self, row: int) -> dict[str, object]:
        """Return what a row fixes."""
        return dict(zip(self.names, self.values[row], strict=True))

    def groups(self) -> dict[Values, list[int]]:
        """Return the rows of each combination of categories, in the order in which the combinations first occur."""
        found: dict[Values, list[int]] = {}
        for row, cells in enumerate(self.values):
            found.setdefault(tuple(zip(self.names, cells, strict=True)), []).append(row)
        return found

    def dataset(self, program: Program) -> Dataset:
        """Return the variable inputs of all rows."""
        return dataset_of(program, [self.numbers[port.name] for port in program.inputs])


def read_rows(
    file: OnnxFile, given: object, dims: Mapping[str, int], names: Sequence[str], row: int | None = None
) -> Rows:
    """Read samples of all columns of a model that were not fixed.

    Args:
        names: the columns that hold categories.
        row: the only row that is wanted, or None for all.

    Raises:
        InputError: columns are missing, or are not equally long.
    """
    ports = columns(file, dims)
    size = sum(port.size for port in ports)
    every = Program(ports, (Input(size),), Port("columns", (size,)))
    tables = [_samples(table, port, row) for table, port in zip(
        by_port(every, given, "the data given", row=row), ports, strict=True)]  # fmt: skip
    count = len(tables[0].values)
    for table, port in zip(tables, ports, strict=True):
        if len(table.values) != count:
            samples = counted(len(table.values), "sample")
            raise InputError(f"{table.origin}: {samples} for input {port.name!r}, but {count} in "
                             f"{ports[0].name!r}")  # fmt: skip
    if not count:
        raise InputError(f"{tables[0].origin}: holds no samples")
    flat: list[Any] = [table.values for table in tables]
    places = [place for name in names for place in _places(every, name)]
    known = entry_names(every)
    wide = np.concatenate([values.astype(object) for values in flat], axis=1)
    fixed = {port.name for port in ports if port.name in names or port.dtype == "string"}
    numbers = {port.name: table for port, table in zip(ports, tables, strict=True) if port.name not in fixed}
    origin = "; ".join(dict.fromkeys(table.described for table in tables))
    return Rows(tuple(known[place] for place in places), wide[:, places].tolist(), numbers, origin)


def load_for(
    path: AnyGiven, given: object, row: int | None = None, **options: Any
) -> Model:
    """Load a model; where it reads categories, with those of a sample as constants.

    Args:
        given: the sample, or a table of which ``row`` is the sample.
        options: see ``load``.

    Raises:
        InputError: the file, an option, or a category of the sample.
        UnsupportedModelError: the model cannot be lowered, and no categories of the sample would change that.
    """
    try:
        loaded = load(path, **options)
        return loaded if given is None else fitted(loaded, given, row)
    except UnsupportedModelError:
        fix = dict(options.get("fix") or {})
        found = _fix_of(path, given, row, options, fix)
        if found is None:
            raise
    options["fix"] = {**fix, **found}
    return load(path, **options)


def _fix_of(
    path: AnyGiven, given: object, row: int | None, options: Mapping[str, Any], fix: Mapping[str, object]
) -> dict[str, object] | None:
    """Return the categories of a sample; None where the model reads none or the sample has none."""
    if given is None:
        return None
    limits, dims = options.get("limits") or Limits(), dict(options.get("dims") or {})
    file = opened(as_onnx(path), limits, dims, fix)
    names = encoded(file, options.get("output"), dims, limits)
    if not names or not is_named(given, len(columns(file, dims))):
        return None
    rows = read_rows(file, given, dims, names, row)
    if len(rows.values) != 1:
        how = spelled("row=I", "--row I")
        raise InputError(f"{rows.origin}: holds {counted(len(rows.values), 'sample')}; choose one with {how} (0-based)")
    return rows.fix(0)


def is_named(given: object, inputs: int) -> bool:
    """Whether data can be told apart by the names of so many inputs."""
    return inputs == 1 or isinstance(given, Mapping) or is_archive(given) or bool(table_of(given, "the data").columns)


def _places(program: Program, name: str) -> list[int]:
    """Return the coordinates of an entry, or of all entries of an input."""
    entry, start = entry_of(program, name), 0
    for port in program.inputs:
        if entry is None and port.name == name:
            return list(range(start, start + port.size))
        start += port.size
    return [] if entry is None else [entry]


def _samples(table: Table, port: Port, row: int | None) -> Table:
    """Give samples the shape (n, size); of one row, or all."""
    values = table.values
    if row is not None and values.ndim > 0 and values.size != port.size:
        return _samples(table.row(row), port, None)
    if values.size == port.size and (values.ndim <= 1 or fits(values.shape, port)):
        shaped = values.reshape(1, port.size)
    elif values.ndim and (fits(values.shape[1:], port) or (port.size == 1 and values.ndim == 1)):
        shaped = values.reshape(len(values), port.size)
    else:
        raise InputError(f"{table.origin}: input {port.name!r} expects samples of shape {list(port.shape)}, got an "
                         f"array of shape {list(values.shape)}")  # fmt: skip
    return Table(table.origin, shaped, table.columns, table.lines)
