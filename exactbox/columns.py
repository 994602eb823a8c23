"""Columns by their names: which entry of a model's inputs each column of a table is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from exactbox.csv_files import looks_like_number
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program, Provenance
from exactbox.polytope.rational import exact, parse_number
from exactbox.polytope.wording import counted
from exactbox.sources import SAMPLES, Given, Table, read_array, some, split_row, table_of

_ENTRY = re.compile(r"(?P<name>.+)\[(?P<places>[0-9]+(,[0-9]+)*)\]", re.DOTALL)


def entry_names(program: Program) -> tuple[str, ...]:
    """Name every entry of a program's inputs: an input of one entry by its own name, such as ``age``, else ``X[2]``."""
    names: list[str] = []
    for port in program.inputs:
        names += [port.name] if port.size == 1 else Provenance(port.name, port.shape).units()
    return tuple(names)


def entry_of(program: Program, name: str) -> int | None:
    """Return the coordinate that a name means: ``age``, ``X[2]``, or with all places ``X[0,2]``; None for none."""
    known = entry_names(program)
    if name in known:
        return known.index(name)
    match, start = _ENTRY.fullmatch(name), 0
    for port in program.inputs:
        if match is not None and match["name"] == port.name:
            listed = [int(place) for place in match["places"].split(",")]
            full = [*[0] * (len(port.shape) - len(listed)), *listed]
            inside = len(full) == len(port.shape) and all(i < n for i, n in zip(full, port.shape, strict=True))
            return start + int(np.ravel_multi_index(full, port.shape)) if inside and full else None
        start += port.size
    return None


def places(
    where: str, columns: Sequence[str], program: Program, names: Sequence[str] = (), *, strict: bool = False
) -> list[int]:
    """Return the place among the columns of each of a program's entries.

    Columns that name none of the entries are taken in their order, where a single input has mere places for names.

    Args:
        where: for messages.
        names: of the entries, where other data named them; they count beside the model's own.
        strict: every entry must be named.

    Raises:
        InputError: an entry has no column, or two.
    """
    own = entry_names(program)
    wanted = tuple(names) if len(names) == len(own) else own
    meant = [wanted.index(name) if name in wanted else entry_of(program, name) for name in columns]
    if set(meant) == {None} and wanted == own and len(program.inputs) == 1 and not strict:
        return list(range(len(columns)))
    twice = [name for place, name in enumerate(columns) if meant[place] is not None and meant[place] in meant[:place]]
    if twice:
        raise InputError(f"{where}: {twice[0]!r} is named twice")
    missing = [name for entry, name in enumerate(wanted) if entry not in meant]
    if missing:
        others = [name for name, entry in zip(columns, meant, strict=True) if entry is None]
        unknown = f"; unknown: {some(others)}" if others else ""
        raise InputError(f"{where}: the inputs are {some(wanted)}; missing: {some(missing)}{unknown}")
    return [meant.index(entry) for entry in range(len(wanted))]


def by_port(
    program: Program, given: object, what: str, *, row: int | None = None, fixed: Mapping[str, str] | None = None
) -> list[Table]:
    """Return one table for each input of a program.

    Args:
        given: a mapping from the names of the inputs, an archive of arrays of these names, a table whose columns are
            named after the inputs, or, for a single input, anything that holds numbers.
        what: what messages call it, such as "the data given".
        row: which row of a table of several columns is meant, where one is.
        fixed: columns that are constants of the program, and their values; where they are given, they must agree.

    Raises:
        InputError: names that do not fit the inputs, or another value than the fixed one.
    """
    inputs = [port.name for port in program.inputs]
    if isinstance(given, Mapping):
        return _of_mapping(program, {str(name): value for name, value in given.items()}, what, row, fixed or {})
    if len(inputs) > 1 and is_archive(given):
        return [read_cells(given, port.dtype, what, [port.name]) for port in program.inputs]
    names = [inputs[0], *SAMPLES] if len(inputs) == 1 else ()
    table = table_of(given, f"{what} for {inputs[0]!r}" if len(inputs) == 1 else what, names)
    if not table.columns:
        if len(inputs) > 1:
            raise InputError(
                f"the model has {counted(len(inputs), 'input')} ({', '.join(inputs)}): give each by its name, or "
                "a table whose "
                f"columns have these names"
            )
        return [table]
    if row is not None and table.values.ndim < 2:
        raise InputError(f"{table.origin}: is one sample; row {row} would choose one of several")
    table = table if row is None else table.row(row)
    return _of_columns(program, _without_fixed(program, table, fixed or {}))


def _of_columns(program: Program, table: Table) -> list[Table]:
    """Deal the columns of a table out to the inputs."""
    names = entry_names(program)
    order = places(table.origin, table.columns, program)
    if order == list(range(len(table.columns))) and len(program.inputs) == 1:
        return [table]
    chosen, start, found = table.select(order), 0, list[Table]()
    for port in program.inputs:
        part = Table(chosen.origin, chosen.values[..., start : start + port.size], names[start : start + port.size],
                     chosen.lines)  # fmt: skip
        found.append(part)
        start += port.size
    return found


def _of_mapping(
    program: Program, values: Mapping[str, object], what: str, row: int | None, fixed: Mapping[str, str]
) -> list[Table]:
    inputs = [port.name for port in program.inputs]
    for name in [name for name in fixed if name in values and name not in inputs]:
        table = read_cells(values[name], "string", f"{what} for {name!r}", [name])
        several = row is not None and table.values.ndim > 0 and len(table.values) > 1
        _check_fixed(table.row(row) if several and row is not None else table, name, fixed[name])
    missing = [n for n in inputs if n not in values]
    unknown = [n for n in values if n not in inputs and n not in fixed]
    if missing or unknown:
        found = f"; missing: {', '.join(missing)}" if missing else ""
        found += f"; unknown: {', '.join(unknown)}" if unknown else ""
        raise InputError(f"the model's inputs are {', '.join(inputs)}{found}")
    kinds = {port.name: port.dtype for port in program.inputs}
    return [read_cells(values[name], kinds[name], f"{what} for {name!r}", [name]) for name in inputs]


def read_cells(given: object, dtype: str, what: str, names: Sequence[str]) -> Table:
    """Return what was given for one input as a table: numbers, or for an input of text whatever stands there."""
    if dtype != "string":
        return table_of(given, what, names)
    if isinstance(given, str | Path | Given):
        path = Path(str(given))
        if not path.is_file():
            return Table(what, np.array([str(given)], dtype=object))
        return read_array(path, names) if path.suffix.lower() in (".npy", ".npz") else table_of(given, what, names)
    return given if isinstance(given, Table) else Table(what, np.asarray(given, dtype=object))


def _without_fixed(program: Program, table: Table, fixed: Mapping[str, str]) -> Table:
    """Leave out columns that are no entries of the program any more, once their cells are known to agree."""
    kept: list[int] = []
    for place, name in enumerate(table.columns):
        if name in fixed and entry_of(program, name) is None:
            _check_fixed(dataclasses.replace(table, values=table.values[..., place]), name, fixed[name])
        else:
            kept.append(place)
    names = tuple(table.columns[place] for place in kept)
    return table if len(kept) == len(table.columns) else dataclasses.replace(
        table, values=table.values[..., kept], columns=names)  # fmt: skip


def _check_fixed(table: Table, name: str, value: str) -> None:
    """Refuse rows that have another value than the one that a column is fixed to."""
    for row, cell in enumerate(table.values.reshape(-1).tolist()):
        if str(cell) != value and not (looks_like_number(value) and _equal(cell, value)):
            where = f"row {row}: " if table.values.size > 1 else ""
            raise InputError(f"{table.origin}: {where}{name} is {cell!r}, but fixed to {value!r}")


def _equal(cell: object, value: str) -> bool:
    try:
        return exact([cell]).item(0) == parse_number(value)
    except InputError:
        return False


def is_archive(given: object) -> bool:
    """Whether a file of several named arrays is given."""
    return isinstance(given, str | Path | Given) and str(given).lower().endswith(".npz")


def split_named(specs: Sequence[str], option: str, header: bool | None) -> object:
    """Turn what was typed, ``file``, ``numbers`` or ``name=file``, into what ``by_port`` takes.

    Args:
        header: whether the first line of a CSV file was said to be a header; None where nothing was said.

    Raises:
        InputError: a name given twice, or several without names.
    """
    named: dict[str, Given] = {}
    for spec in specs:
        name, sign, value = spec.partition("=")
        if len(specs) == 1 and (not sign or Path(spec).is_file() or Path(split_row(spec)[0]).is_file()):
            return Given(spec, header)
        if not sign:
            raise InputError(f"{option} {spec}: for a model of several inputs write name=file for each")
        if name in named:
            raise InputError(f"{option} {name}=…: given twice")
        named[name] = Given(value, header)
    return named
