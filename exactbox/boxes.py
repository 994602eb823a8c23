"""Where a statement holds: boxes from bounds, from files, from data, and balls around an input."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from exactbox.columns import by_port, places
from exactbox.csv_files import Line, read_lines, separators
from exactbox.inputs import fits
from exactbox.polytope.domain import Bound, Domain, bounds, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Port, Program
from exactbox.polytope.rational import Rationals, concatenate, exact, parse_number
from exactbox.polytope.wording import counted
from exactbox.rounding import decimal_text, exact_text, round_to
from exactbox.sources import AnyArray, Given, Table

NO_BOX = "all of R^d: no box given"


@dataclass(frozen=True, eq=False)
class DomainRead:
    """A domain and how it was stated.

    Args:
        text: one phrase for people.
    """

    domain: Domain
    text: str


def everywhere(program: Program) -> DomainRead:
    """Return R^d for a program's d inputs."""
    return DomainRead(everything(program.input_size), NO_BOX)


def box_between(program: Program, lower: object, upper: object) -> DomainRead:
    """Return the box of the given bounds.

    Args:
        lower: one number for every input, or one an input (d entries in any shape); None or an infinity for no bound.
        upper: the same.

    Raises:
        InputError: wrong counts, or a lower bound above its upper bound.
    """
    low, high = _spread("lower", lower, program.input_size), _spread("upper", upper, program.input_size)
    if len(set(low)) == 1 and len(set(high)) == 1:
        text = f"the box [{show_bound(low[0], '-inf')}, {show_bound(high[0], 'inf')}] for every input"
    else:
        text = f"a box with bounds of their own for {counted(program.input_size, 'input')}"
    return DomainRead(box(low, high), text)


def box_from_file(program: Program, path: Path, names: Sequence[str] = ()) -> DomainRead:
    """Read a box from a CSV file with the columns lower,upper or name,lower,upper; an empty cell or inf is no bound.

    The first line may be a header of just these names, in any order; any other line holds bounds.

    Args:
        names: the names of the inputs in the model's order; lines with a name are matched by it.

    Raises:
        InputError: other columns, a wrong number of lines, an unknown or repeated name, an empty interval.
    """
    lines = read_lines(path, "lines of bounds")
    columns = _BOX_COLUMNS.get(len(lines[0].cells))
    if columns is None:
        raise InputError(f"{path}: expected the columns lower,upper or name,lower,upper")
    header = [cell.strip().lower() for cell in lines[0].cells]
    order = [header.index(name) for name in columns] if set(header) == set(columns) else range(len(columns))
    lines = lines[1:] if set(header) == set(columns) else lines
    if len(lines) != program.input_size:
        raise InputError(
            f"{path}: expected {counted(program.input_size, 'line')} of bounds, one an input, got {len(lines)}"
        )
    cells = [[line.cells[place].strip() for place in order] for line in lines]
    low, high = (_column(path, lines, which, [row[place] for row in cells]) for which, place in _SIDES)
    if len(columns) == 3:
        order = places(str(path), [row[0] for row in cells], program, names, strict=True)
        low, high = [low[place] for place in order], [high[place] for place in order]
    try:
        return DomainRead(box(low, high), f"the box of {path}")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def box_from_data(
    program: Program, path: Path, *, exact_input: bool = False, header: bool | None = None
) -> DomainRead:
    """Return the smallest box around the samples of a file: the minimum and maximum of each input.

    The extremes are rounded to the input's type like an input (unless it is exact), so that every sample lies inside.

    Args:
        header: whether the first line of a CSV file is a header; None: where it holds names alone, no numbers.

    Raises:
        InputError: shapes that do not fit, no samples, or numbers that are not finite.
    """
    low: list[Rationals] = []
    high: list[Rationals] = []
    tables = by_port(program, Given(str(path), header), "the data given")
    for port, table in zip(program.inputs, tables, strict=True):
        for extreme, parts in zip(_extremes(table, port), (low, high), strict=True):
            parts.append(extreme if exact_input else round_to(extreme, port.dtype)[0])
    whence = "; ".join(dict.fromkeys(table.described for table in tables))
    return DomainRead(box(concatenate(low), concatenate(high)), f"the smallest box around the samples of {whence}")


def ball(given: DomainRead, point: Rationals, radius: object) -> DomainRead:
    """Cut a domain with the L-infinity ball around a point (d,), exactly.

    Raises:
        InputError: a negative radius, or a point outside the domain.
    """
    size = exact(radius).reshape(-1)
    if size.size != 1 or size.item(0) < 0:
        raise InputError(f"eps: expected one number that is not negative, got {radius}")
    reach = size.item(0)
    low = {i: x - reach for i, x in enumerate(point.fractions())}
    high = {i: x + reach for i, x in enumerate(point.fractions())}
    text = f"L-infinity distance at most {exact_text(reach, 20)} from the input" if reach else "the input alone"
    return cut_at(given, low, high, text if given.domain.is_everything else f"{given.text}, and {text}")


def cut_at(
    given: DomainRead, lower: Mapping[int, Fraction], upper: Mapping[int, Fraction], text: str
) -> DomainRead:
    """Cut a domain with bounds of some coordinates, exactly.

    Raises:
        InputError: nothing is left.
    """
    domain = given.domain
    low = [_tighter(bound, lower[i], max) if i in lower else bound for i, bound in enumerate(domain.lower)]
    high = [_tighter(bound, upper[i], min) if i in upper else bound for i, bound in enumerate(domain.upper)]
    if domain.is_box:
        return DomainRead(box(low, high), text)
    rows, equations = domain.rows, domain.equalities
    matrix, rhs = Rationals(rows.matrix), Rationals(rows.rhs)
    return DomainRead(domain_from_rows(low, high, matrix, rhs, equations[:, :-1], equations[:, -1]), text)


def check_inside(given: DomainRead, point: Rationals, names: Sequence[str], unrounded: Rationals | None = None) -> None:
    """Refuse a point (d,) outside its domain with a message that names the inputs.

    Args:
        names: one an input.
        unrounded: the point as it was before rounding, which the message mentions where that one lies inside.
    """
    domain = given.domain
    if domain.contains(point):
        return
    found: list[str] = []
    for i, (x, low, high) in enumerate(zip(point.fractions(), domain.lower, domain.upper, strict=True)):
        if (low is not None and x < low) or (high is not None and x > high):
            interval = f"[{show_bound(low, '-inf')}, {show_bound(high, 'inf')}]"
            found.append(f"{names[i]} is {show_bound(x, '')}, outside {interval}")
    shown = found or domain.violations(point)
    text = "; ".join(shown[:3]) + (f"; and {len(shown) - 3} more" if len(shown) > 3 else "")
    moved = unrounded is not None and domain.contains(unrounded)
    hint = " (rounding to the input's type moved it out: widen the box, or keep exact input)" if moved else ""
    raise InputError(f"the input lies outside the domain, {given.text}: {text}{hint}")


def show_bound(bound: Bound, missing: str) -> str:
    """Write a bound as short text.

    >>> show_bound(Fraction(1, 10), "-inf"), show_bound(None, "-inf")
    ('0.1', '-inf')
    """
    if bound is None:
        return missing
    short = decimal_text(bound, 9)
    if parse_number(short) == bound:
        return short
    return exact_text(bound) if bound.denominator < 1000 else decimal_text(bound, 17)


def _spread(what: str, given: object, size: int) -> tuple[Bound, ...]:
    if given is None or isinstance(given, str | int | float | Fraction | np.number):
        return _bounds(what, [given]) * size
    flat: AnyArray = np.asarray(given.fractions() if isinstance(given, Rationals) else given, dtype=object).ravel()
    values = _bounds(what, flat.tolist())
    if len(values) == 1:
        return values * size
    if len(values) != size:
        raise InputError(f"box: got {len(values)} {what} bounds, expected 1 or {size}")
    return values


def _bounds(what: str, values: list[object]) -> tuple[Bound, ...]:
    """Read bounds; the infinity of the wrong side would be an empty box, not the absence of a bound."""
    empty = {"lower": ("inf", "+inf", "infinity", "+infinity"), "upper": ("-inf", "-infinity")}[what]
    for position, value in enumerate(values):
        if str(value).strip().lower() in empty:
            raise InputError(f"box: the {what} bound of entry {position} is {value}, so that the box is empty")
    return bounds(values)


_BOX_COLUMNS = {2: ("lower", "upper"), 3: ("name", "lower", "upper")}
_SIDES = (("lower", -2), ("upper", -1))


def _column(path: Path, lines: Sequence[Line], which: str, cells: Sequence[str]) -> list[Bound]:
    """Read one column of bounds; messages name the line."""
    found: list[Bound] = []
    for line, cell in zip(lines, cells, strict=True):
        try:
            found += _bounds(which, [cell or None])
        except InputError as error:
            raise InputError(f"{path}: line {line.number}, {which}: {error}{separators([cell])}") from None
    return found


def _extremes(table: Table, port: Port) -> tuple[Rationals, Rationals]:
    """Return the exact minimum and maximum (d,) over the samples of a table."""
    values = table.values
    if values.ndim > 0 and values.shape != port.shape and fits(values.shape[1:], port):
        samples = values.reshape(len(values), port.size)
    elif fits(values.shape, port):
        samples = values.reshape(1, port.size)
    else:
        raise InputError(f"{table.origin}: expected samples of shape {list(port.shape)}, got {list(values.shape)}")
    if not len(samples):
        raise InputError(f"{table.origin}: holds no samples")
    if samples.dtype == object:
        whole = dataclasses.replace(table, values=samples).exact()
        return Rationals(whole.num.min(axis=0), whole.den), Rationals(whole.num.max(axis=0), whole.den)
    low, high = (dataclasses.replace(table, values=part) for part in (samples.min(axis=0), samples.max(axis=0)))
    return low.exact(), high.exact()


def _tighter(bound: Bound, other: Fraction, choose: Callable[[Fraction, Fraction], Fraction]) -> Fraction:
    return other if bound is None else choose(bound, other)
