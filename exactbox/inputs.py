"""The input of a model as it is read: which entry goes where, and what rounding to the model's type changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exactbox.columns import by_port, split_named
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import Rationals, concatenate
from exactbox.polytope.wording import counted, spelled
from exactbox.rounding import round_to
from exactbox.sources import Table

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
        return f"{self.changed} of {counted(count, 'value')} were rounded to {types}, as a runtime would receive them"


def read_inputs(
    program: Program,
    given: object,
    *,
    row: int | None = None,
    exact_input: bool = False,
    fixed: Mapping[str, str] | None = None,
) -> InputRead:
    """Read one input point for a program.

    Args:
        given: an array, nested lists, exact ``Rationals``, a path, ``path:row``, a typed list such as "-0.1,1/3", a
            data frame or ``Table``, or a mapping from input names to any of these. Columns named like the inputs are
            matched by name.
        row: which sample of a batch to take (0-based).
        exact_input: keep numbers such as "1/3" instead of rounding them to the input's type.
        fixed: columns that are constants of the program, and their values; where they are given, they must agree.

    Raises:
        InputError: names, shapes or values do not fit; nothing is reshaped but by the stated rule.
    """
    if not program.input_size:
        raise InputError("the model's output depends on no input entry: it is one constant, with nothing to explain")
    tables = by_port(program, given, "the array given", row=row, fixed=fixed)
    row = None if any(table.columns and table.values.ndim == 1 for table in tables) else row
    if row is not None and all(_is_one_sample(*pair) for pair in zip(tables, program.inputs, strict=True)):
        raise InputError(f"{tables[0].origin}: is one sample; row {row} would choose one of several")
    parts = [_read_port(port, table, row, exact_input) for port, table in zip(program.inputs, tables, strict=True)]
    columns = tuple(name for part in parts for name in part.columns)
    return InputRead(
        concatenate([part.point for part in parts]),
        concatenate([part.given for part in parts]),
        "; ".join(dict.fromkeys(part.origin for part in parts)),
        program.inputs,
        sum(part.changed for part in parts),
        exact_input,
        columns if len(columns) == program.input_size else (),
    )


def split_specs(specs: Sequence[str], header: bool | None = None) -> object:
    """Turn the command line's ``file``, ``numbers`` or ``name=file`` into what ``read_inputs`` takes.

    Args:
        header: whether the first line of a CSV file was said to be a header; None where nothing was said.

    Raises:
        InputError: a name given twice, or several inputs without names.
    """
    return split_named(specs, "--input", header)


def fits(shape: tuple[int, ...], port: Port) -> bool:
    """Say whether one sample of this shape is accepted for a port.

    >>> pixels = Port("x", (1, 3, 2, 2))
    >>> [fits(shape, pixels) for shape in ((1, 3, 2, 2), (3, 2, 2), (12,), (2, 2, 3), (3, 4))]
    [True, True, True, False, False]
    """
    bare = port.shape[:1] == (1,) and shape == port.shape[1:]
    return shape == port.shape or bare or shape == (port.size,) or (shape == () and port.size == 1)


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
        how = spelled("row=I", "--row I") + (f" or as {table.origin}:I" if Path(table.origin).is_file() else "")
        raise InputError(
            f"{table.origin}: holds {counted(len(chosen.values), 'sample')}; choose one with {how} (0-based)"
        )
    raise InputError(_misfit(chosen, port))


def _is_one_sample(table: Table, port: Port) -> bool:
    """Say whether a row asked for makes no sense, because the table is a single typed list."""
    return table.values.ndim <= 1 and fits(table.values.shape, port)


def _misfit(table: Table, port: Port) -> str:
    shape = table.values.shape
    text = f"{table.origin}: input {port.name!r} expects shape {list(port.shape)}, got {list(shape)}"
    if table.columns:
        text += f" (columns {', '.join(table.columns)})"
    return f"{text}{axes_hint(shape, port.shape)}; {SHAPE_RULE}"


def axes_hint(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Say how axes differ that have the same lengths, but for those of length 1.

    >>> [axes_hint(shape, (1, 1, 8, 6))[:28] for shape in ((8, 6), (8, 6, 1), (6, 8), (4, 4))]
    ['; axes of length 1 are missi', '; the axes look swapped: tra', '; the axes look swapped: tra', '']
    """
    bare, long = [n for n in shape if n != 1], [n for n in wanted if n != 1]
    if sorted(bare) != sorted(long):
        return ""
    moved = sorted(shape) in (sorted(wanted), sorted(wanted[1:]) if wanted[:1] == (1,) else None)
    if bare != long or moved:
        return "; the axes look swapped: transpose the array to the model's order"
    return "; axes of length 1 are missing or too many: reshape the array to the model's shape"


@dataclass(frozen=True, eq=False)
class _PortRead:
    point: Rationals
    given: Rationals
    origin: str
    changed: int
    columns: tuple[str, ...]


def _read_port(port: Port, given: Table, row: int | None, exact_input: bool) -> _PortRead:
    table = sample_of(given, port, row)
    values = table.exact().reshape(-1)
    if exact_input:
        return _PortRead(values, values, table.origin, 0, table.columns)
    try:
        rounded, changed = round_to(values, port.dtype)
    except InputError as error:
        raise InputError(f"{table.origin}: {error}") from None
    return _PortRead(rounded, values, table.origin, changed, table.columns)
