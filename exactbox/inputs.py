"""The input of a model as it is read: which entry goes where, and what rounding to the model's type changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import Rationals, concatenate, exact
from exactbox.rounding import round_to
from exactbox.sources import AnyArray, Table, read_any

SHAPE_RULE = (
    "an array must have the input's shape, with or without a leading axis of length 1, or be one-dimensional with as "
    "many entries (taken in C order); axes are never swapped"
)


@dataclass(frozen=True, eq=False)
class InputRead:
    """An input point and how it was obtained.

    Args:
        point: shape (d,), all inputs flattened in C order and concatenated; exact.
        given: shape (d,), the same before rounding.
        origin: where it was read from.
        ports: the model's inputs.
        changed: how many entries differ from what was given because they were rounded to the input's type.
        exact: whether rounding was switched off.
        columns: names from a CSV header, one an entry, or empty.
    """

    point: Rationals
    given: Rationals
    origin: str
    ports: tuple[Port, ...]
    changed: int
    exact: bool
    columns: tuple[str, ...] = ()

    @property
    def rounding(self) -> str:
        """One sentence on what rounding did."""
        types = " and ".join(sorted({port.dtype for port in self.ports}))
        if self.exact:
            return f"taken exactly as given, not rounded to {types}"
        if not self.changed:
            return f"every value is a {types} number already; nothing was rounded"
        count = self.point.size
        return f"{self.changed} of {count} values were rounded to {types}, as a runtime would receive them"


def read_inputs(program: Program, given: object, *, row: int | None = None, exact_input: bool = False) -> InputRead:
    """Read one input point for a program.

    Args:
        given: an array, nested lists, exact ``Rationals``, a path, a typed list such as "-0.1,1/3", a ``Table``, or a
            mapping from input names to any of these.
        row: which sample of a batch to take (0-based).
        exact_input: keep numbers such as "1/3" instead of rounding them to the input's type.

    Raises:
        InputError: names, shapes or values do not fit; nothing is reshaped but by the stated rule.
    """
    if not program.input_size:
        raise InputError("the model's output depends on no input entry: it is one constant, with nothing to explain")
    by_port = _by_port(program, given)
    parts = [_read_port(port, value, row, exact_input) for port, value in zip(program.inputs, by_port, strict=True)]
    columns = tuple(name for part in parts for name in part.columns)
    return InputRead(
        concatenate([part.point for part in parts]),
        concatenate([part.given for part in parts]),
        "; ".join(part.origin for part in parts),
        program.inputs,
        sum(part.changed for part in parts),
        exact_input,
        columns if len(columns) == program.input_size else (),
    )


def split_specs(program: Program, specs: Sequence[str]) -> object:
    """Turn the command line's ``file``, ``numbers`` or ``name=file`` into what ``read_inputs`` takes.

    Raises:
        InputError: an unknown name, a name given twice, or several inputs without names.
    """
    names = [port.name for port in program.inputs]
    named: dict[str, str] = {}
    for spec in specs:
        name, sign, value = spec.partition("=")
        if not sign or (name not in names and Path(spec).is_file()):
            if len(specs) == 1:
                return spec
            raise InputError(f"--input {spec}: with several inputs write name=file; the names are {', '.join(names)}")
        if name not in names:
            raise InputError(f"--input {spec}: the model has no input {name!r}; its inputs are {', '.join(names)}")
        if name in named:
            raise InputError(f"--input {name}=…: given twice")
        named[name] = value
    return named


def fits(shape: tuple[int, ...], port: Port) -> bool:
    """Say whether one sample of this shape is accepted for a port.

    >>> pixels = Port("x", (1, 3, 2, 2))
    >>> [fits(shape, pixels) for shape in ((1, 3, 2, 2), (3, 2, 2), (12,), (2, 2, 3), (3, 4))]
    [True, True, True, False, False]
    """
    return shape == port.shape or (port.shape[:1] == (1,) and shape == port.shape[1:]) or shape == (port.size,)


def sample_of(table: Table, port: Port, row: int | None) -> Table:
    """Choose one sample of a table for a port.

    Raises:
        InputError: several samples and no row, or a shape that does not fit.
    """
    chosen = table if row is None or _is_one_sample(table, port) else table.row(row)
    if fits(chosen.values.shape, port):
        return chosen
    if row is None and chosen.values.ndim > 0 and fits(chosen.values.shape[1:], port):
        if len(chosen.values) == 1:
            return chosen.row(0)
        raise InputError(f"{table.origin}: holds {len(chosen.values)} samples; choose one with --row (0-based)")
    raise InputError(_misfit(chosen, port))


def _is_one_sample(table: Table, port: Port) -> bool:
    """Say whether a row asked for makes no sense, because the table is a single typed list."""
    return table.values.ndim <= 1 and fits(table.values.shape, port)


def _misfit(table: Table, port: Port) -> str:
    shape = table.values.shape
    text = f"{table.origin}: input {port.name!r} expects shape {list(port.shape)}, got {list(shape)}"
    if table.columns:
        text += f" (columns {', '.join(table.columns)})"
    if sorted(n for n in shape if n != 1) == sorted(n for n in port.shape if n != 1):
        text += "; the axes look swapped: transpose the array to the model's order"
    return f"{text}; {SHAPE_RULE}"


def _by_port(program: Program, given: object) -> list[object]:
    names = [port.name for port in program.inputs]
    if isinstance(given, Mapping):
        values = {str(name): value for name, value in given.items()}
        missing, unknown = [n for n in names if n not in values], [n for n in values if n not in names]
        if missing or unknown:
            found = "".join([f"; missing: {', '.join(missing)}"] * bool(missing))
            found += "".join([f"; unknown: {', '.join(unknown)}"] * bool(unknown))
            raise InputError(f"the model's inputs are {', '.join(names)}{found}")
        return [values[name] for name in names]
    if len(names) > 1 and not _is_archive(given):
        raise InputError(f"the model has {len(names)} inputs ({', '.join(names)}): give each by its name")
    return [given] * len(names)


def _is_archive(given: object) -> bool:
    return isinstance(given, str | Path) and Path(given).suffix.lower() == ".npz"


@dataclass(frozen=True, eq=False)
class _PortRead:
    point: Rationals
    given: Rationals
    origin: str
    changed: int
    columns: tuple[str, ...]


def _read_port(port: Port, given: object, row: int | None, exact_input: bool) -> _PortRead:
    table = sample_of(_table(port, given), port, row)
    values = table.exact().reshape(-1)
    if exact_input:
        return _PortRead(values, values, table.origin, 0, table.columns)
    try:
        rounded, changed = round_to(values, port.dtype)
    except InputError as error:
        raise InputError(f"{table.origin}: {error}") from None
    return _PortRead(rounded, values, table.origin, changed, table.columns)


def _table(port: Port, given: object) -> Table:
    if isinstance(given, Table):
        return given
    if isinstance(given, str | Path):
        return read_any(str(given), port.name)
    origin = f"the array given for {port.name!r}"
    if isinstance(given, np.ndarray):
        array: AnyArray = given
        if array.dtype.kind in "iuf":
            return Table(origin, array)
    try:
        values = exact(given)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    return Table(origin, _as_objects(values))


def _as_objects(values: Rationals) -> AnyArray:
    """Return an object array of ``Fraction``."""
    out = np.empty(values.size, dtype=object)
    out[:] = values.fractions()
    return out.reshape(values.shape)
