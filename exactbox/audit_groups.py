"""Samples of several programs, one for each combination of categories, put together as one audit's."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.audit_bench import Bench, Setup
from exactbox.audit_chunk import Chunk, Observed
from exactbox.categories import Rows, is_named, read_rows
from exactbox.fixing import opened
from exactbox.importers.deployed import RuntimeRefusal
from exactbox.importers.encoded import columns, encoded
from exactbox.importers.inventory import Inventory
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Max
from exactbox.polytope.rational import exact

_CONSTANT = "constant are the columns"


def categories_of(setup: Setup, data: object) -> Rows | None:
    """Return samples with their categories; None where the model reads none, or the data cannot be told apart.

    Raises:
        InputError: columns are missing, or are not equally long.
    """
    dims = dict(setup.dims)
    file = opened(setup.path, setup.limits, dims, dict(setup.fix))
    names = encoded(file, setup.output, dims, setup.limits)
    if not names or not is_named(data, len(columns(file, dims))):
        return None
    return read_rows(file, data, dims, names)


def marked(chunk: Chunk, group: int) -> Chunk:
    """Make the regions of one program differ from those of another, whose patterns may be the same."""
    keys = [hashlib.sha256(f"{group} {key}".encode()).hexdigest() if key else "" for key in chunk.regions]
    return dataclasses.replace(chunk, regions=tuple(keys))


def alike(benches: Sequence[Bench]) -> bool:
    """Whether the maxima of several programs have the same candidates: their winners can be counted together."""
    return len({_maxima(bench) for bench in benches}) == 1


def rearranged(chunk: Chunk, order: Sequence[int]) -> Chunk:
    """Return samples in another order: entry ``order[i]`` becomes entry i."""
    places = np.asarray(order, dtype=np.int64)
    moved: dict[str, Any] = {}
    for field in dataclasses.fields(Chunk):
        value = getattr(chunk, field.name)
        if field.name in ("lowest", "highest"):
            continue
        if field.name == "ways":
            moved["ways"] = tuple(_moved_way(way, places) for way in value)
        else:
            moved[field.name] = value[places] if isinstance(value, np.ndarray) else tuple(value[i] for i in order)
    return dataclasses.replace(chunk, **moved)


def listed_together(found: Sequence[Inventory], names: Sequence[str], combinations: int) -> Inventory:
    """Return one inventory for programs that differ in what is fixed of a model's inputs."""
    notes = list(dict.fromkeys(note for one in found for note in one.notes if not _fixes(note)))
    kinds = f"{combinations} combination{'s' * (combinations != 1)} of categories"
    notes.append(f"{_CONSTANT} {', '.join(names)}, row by row as in the data: {kinds}, a program for each")
    return dataclasses.replace(found[0], notes=tuple(notes))


def is_about_categories(note: str) -> bool:
    """Whether a note says which columns were taken as constants, or how an encoder treats an unknown category."""
    return note.startswith(_CONSTANT) or "does not know the category" in note


def check_inside(setup: Setup, rows: Rows, bench: Bench) -> None:
    """Refuse the first sample outside a box; later messages could not say which row of the data it is.

    Raises:
        InputError: a number is not finite or does not fit the input's type, or a sample lies outside.
    """
    dataset, size = rows.dataset(bench.program), bench.program.input_size
    bounded = setup.lower is not None or setup.upper is not None
    domain = box([setup.lower] * size, [setup.upper] * size) if bounded else everything(size)
    for start in range(0, dataset.count, 128):
        points, _ = dataset.points(start, min(start + 128, dataset.count))
        for i in range(points.shape[1] if not domain.is_everything else 0):
            outside = domain.violations(exact(points[:, i]))
            if outside:
                raise InputError(f"row {start + i} of the data lies outside the box: {'; '.join(outside[:3])}")


def _maxima(bench: Bench) -> tuple[tuple[int, bytes], ...]:
    steps = [(i, bench.program.instructions[i]) for i in bench.program.max_positions]
    return tuple((i, step.groups.tobytes()) for i, step in steps if isinstance(step, Max))


def _moved_way(way: Observed | RuntimeRefusal, places: npt.NDArray[np.int64]) -> Observed | RuntimeRefusal:
    if isinstance(way, RuntimeRefusal):
        return way
    moved = {field.name: getattr(way, field.name)[places] for field in dataclasses.fields(way)}
    return dataclasses.replace(way, **moved)


def _fixes(note: str) -> bool:
    return note.startswith("input '") and "' fixed to " in note
