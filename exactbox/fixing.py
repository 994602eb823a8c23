"""``--fix column=value``: inputs, or entries of them, that become constants of the program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from exactbox.boxes import DomainRead, cut_at
from exactbox.importers.fixing import Entry, Fixed, entry_name
from exactbox.importers.graph import GraphInput
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_file import OnnxFile, read_onnx
from exactbox.importers.ports import input_shape
from exactbox.importers.torch_modules import Given
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.wording import counted
from exactbox.rounding import FLOAT_FORMATS, exact_text, round_to

_ENTRY = re.compile(r"(?P<name>.+)\[(?P<places>[0-9, ]*)\]", re.DOTALL)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def opened(
    path: Given, limits: Limits, dims: Mapping[str, int], fix: Mapping[str, object] | None
) -> OnnxFile:
    """Read a model with what is fixed of its inputs.

    Raises:
        InputError: no readable model, no such column, or a value that the column cannot hold.
    """
    return with_fixes(read_onnx(path, limits), dims, fix)


def with_fixes(file: OnnxFile, dims: Mapping[str, int], fix: Mapping[str, object] | None) -> OnnxFile:
    """Return a file that was read with what is fixed of its inputs; see ``opened``."""
    return replace(file, fixed=read_fixes(file, dims, fix)) if fix else file


def read_fixes(file: OnnxFile, dims: Mapping[str, int], fix: Mapping[str, object]) -> dict[str, Fixed]:
    """Read what is to be fixed.

    Args:
        fix: a value for the name of an input, or of an entry of one such as ``X[0,2]`` or ``X[2]``; text is read as
            the input's element type says, and numbers are rounded to it.

    Raises:
        InputError: no such column, an entry fixed twice, or a value that the column cannot hold.
    """
    given = {item.name: item for item in file.graph.inputs}
    entries: dict[str, dict[int, Entry]] = {}
    rounded: dict[str, dict[int, str]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for column, value in fix.items():
        item, places = _column(file.path, given, column)
        shape = shapes.setdefault(item.name, input_shape(file.path, item, dims, []))
        found = _values(f"{file.path}: fixed column '{column}'", item, shape, places, value)
        for place, (entry, given_as) in found.items():
            if given_as:
                rounded.setdefault(item.name, {})[place] = given_as
            if place in entries.setdefault(item.name, {}):
                raise InputError(f"{file.path}: fixed column '{column}': its entry {place} is fixed twice")
            entries[item.name][place] = entry
    return {
        name: Fixed(name, given[name].dtype, shapes[name], found, rounded.get(name, {}))
        for name, found in entries.items()
    }


def parse_fixes(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``column=value`` pairs; the value is everything behind the first equality sign.

    Raises:
        InputError: no such pair, or a column that is given twice.

    >>> parse_fixes(["city=Rome", "X[2]=1/2"])
    {'city': 'Rome', 'X[2]': '1/2'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InputError(f"--fix {pair}: expected COLUMN=VALUE, such as city=Rome or X[2]=1.5")
        if name in found:
            raise InputError(f"--fix {name}=…: given twice")
        found[name] = value
    return found


def fixed_texts(fixed: Mapping[str, Fixed]) -> tuple[str, ...]:
    """Return what was fixed as ``column=value``, exactly, so that it can be fixed again."""
    found: list[str] = []
    for item in fixed.values():
        for place, value in sorted(item.entries.items()):
            name = item.name if len(item.entries) == 1 and item.whole else entry_name(item, place)
            found.append(f"{name}={_text(value)}")
    return tuple(found)


def pinned(stated: DomainRead, pins: Sequence[tuple[int, Fraction]], names: Sequence[str] = ()) -> DomainRead:
    """Cut a domain with the hyperplanes where fixed coordinates have their values.

    Raises:
        InputError: the domain does not contain such points.
    """
    if not pins:
        return stated
    low = high = dict(pins)
    text = "fixed entries at their values"
    where = text if stated.domain.is_everything else f"{stated.text}, {text}"
    for place, value in pins:
        bounds = stated.domain.lower[place], stated.domain.upper[place]
        if (bounds[0] is not None and value < bounds[0]) or (bounds[1] is not None and value > bounds[1]):
            name = names[place] if place < len(names) else f"coordinate {place}"
            raise InputError(f"domain: {name} is fixed to {exact_text(value, 20)}, outside {stated.text}")
    return cut_at(stated, low, high, where)


def _column(where: str, given: Mapping[str, GraphInput], column: str) -> tuple[GraphInput, tuple[int, ...] | None]:
    """Find the input that a column names, and the place of the entry where it names one."""
    if column in given:
        return given[column], None
    match = _ENTRY.fullmatch(column)
    if match is None or match["name"] not in given:
        known = ", ".join(_described(item) for item in given.values())
        raise InputError(f"{where}: no column is named '{column}'; there are {known}")
    places = [part.strip() for part in match["places"].split(",")]
    if not all(part.isdigit() for part in places):
        raise InputError(f"{where}: fixed column '{column}': expected places such as {match['name']}[0,2]")
    return given[match["name"]], tuple(int(part) for part in places)


def _described(item: GraphInput) -> str:
    dims = "" if item.dims is None else "[" + ",".join("?" if dim is None else str(dim) for dim in item.dims) + "]"
    return f"{item.name} ({item.dtype}{dims})"


def _values(
    where: str, item: GraphInput, shape: tuple[int, ...], places: tuple[int, ...] | None, value: object
) -> dict[int, tuple[Entry, str]]:
    """Return the value of each entry that a column names, by place, with what was given where that was rounded."""
    size = int(np.prod(shape))
    if places is not None:
        return {_place(where, shape, places): _entry(where, item.dtype, value)}
    if size == 1:
        single = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        return {0: _entry(where, item.dtype, single)}
    listed: list[object] = [] if isinstance(value, str | bytes) else _flat(value)
    if len(listed) != size:
        raise InputError(
            f"{where}: input '{item.name}' of shape {list(shape)} has {counted(size, 'entry', 'entries')}; fix "
            "each, as "
            f"{item.name}[{','.join('0' * len(shape))}]=VALUE"
        )
    return {i: _entry(where, item.dtype, entry) for i, entry in enumerate(listed)}


def _flat(value: object) -> list[object]:
    if isinstance(value, Rationals):
        return list(value.fractions())
    return list(np.array(value, dtype=object).ravel()) if isinstance(value, np.ndarray | Iterable) else [value]


def _place(where: str, shape: tuple[int, ...], places: tuple[int, ...]) -> int:
    """Return the place (C order) of an entry; leading axes of length 1 may be left out."""
    full = (0,) * (len(shape) - len(places)) + places
    if len(full) != len(shape) or any(n != 1 for n in shape[: len(shape) - len(places)]):
        raise InputError(f"{where}: expected {len(shape)} places for shape {list(shape)}, got {len(places)}")
    if any(place >= length for place, length in zip(full, shape, strict=True)):
        raise InputError(f"{where}: places count from 0 and must lie in shape {list(shape)}")
    return int(np.ravel_multi_index(full, shape)) if shape else 0


def _entry(where: str, dtype: str, value: object) -> tuple[Entry, str]:
    """Read one value as an element type holds it, and what was given where that was rounded."""
    if dtype == "string":
        if not isinstance(value, str):
            raise InputError(f"{where}: expected text, got {value!r}")
        return value, ""
    if dtype == "bool":
        text = str(value).strip().lower()
        if text not in _TRUTH:
            raise InputError(f"{where}: expected true or false, got {value!r}")
        return _TRUTH[text], ""
    if dtype not in FLOAT_FORMATS and not dtype.startswith(("int", "uint")):
        raise InputError(f"{where}: inputs of type {dtype} cannot be fixed")
    try:
        number = from_fractions([value]) if isinstance(value, Fraction) else exact([value])
        rounded, changed = round_to(number, dtype)
    except InputError as error:
        raise InputError(f"{where}: expected a number of type {dtype}: {error}") from None
    return rounded.item(0), str(value) if changed else ""


def _text(value: Entry) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else exact_text(value)
