"""An enumeration cut into tasks: cells that wait at some layer, which can be worked on anywhere and in any order.

The order of the regions is lexicographic in their winners, units in program order, so a task's place in it is known
from its first cell. A task keeps the batches in which rounded rows are computed: where and how often a run is cut
changes neither the regions nor their witnesses (as long as all workers' matrix products round alike).
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_arrays import take_cells
from exactbox.polytope.cell_kernels import Cells, Shorts
from exactbox.polytope.enumeration import Packed, Part, Space, Walk
from exactbox.polytope.layer_run import Batch, LayerRun, batch_of

Keys = npt.NDArray[np.bytes_]


class Place(NamedTuple):
    """Where a task stands in the order of all tasks; tuples compare as the order does.

    Args:
        key: see ``Keyer``; of the task's first cell, units without a winner as 0.
        layer: the task's layer; at the same key, the events of earlier layers come first.
        generation: how often a task has been cut since the start, which orders a task before what it left.
    """

    key: bytes
    layer: int
    generation: int


@dataclass(frozen=True, eq=False)
class Task:
    """Cells that wait to be split by a layer, in order; made of arrays and fractions alone.

    Args:
        place: where it stands in the order.
        batch: the batch that the cells come from, see ``LayerRun``.
        packed: the cells.
    """

    place: Place
    batch: Batch
    packed: Packed

    @property
    def size(self) -> int:
        """The number of cells that wait."""
        return len(self.packed.cells.filled)

    def to_bytes(self) -> bytes:
        """Write the task as an archive of plain arrays; no code is run when it is read."""
        arrays: dict[str, Any] = dict(self.packed.cells._asdict())
        arrays |= {"batch_winners": self.batch.winners, "batch_counts": self.batch.counts}
        points = self.packed.witnesses.items()
        exact = {token: [f"{value.numerator:x}/{value.denominator:x}" for value in point] for token, point in points}
        text = json.dumps([self.place.layer, self.place.generation, exact]).encode("ascii")
        arrays |= {"about": np.frombuffer(text, dtype=np.uint8), "key": np.frombuffer(self.place.key, dtype=np.uint8)}
        target = io.BytesIO()
        np.savez_compressed(target, **arrays)
        return target.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Task:
        """Read what ``to_bytes`` wrote.

        Raises:
            ValueError, KeyError, OSError, zipfile.BadZipFile: the content is something else.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            layer, generation, exact = json.loads(arrays["about"].tobytes())
            place = Place(arrays["key"].tobytes(), layer, generation)
            cells = Cells(**{name: arrays[name] for name in Cells._fields})
            batch = Batch(arrays["batch_winners"], arrays["batch_counts"])
        witnesses = {int(token): tuple(_fraction(value) for value in point) for token, point in exact.items()}
        return Task(place, batch, Packed(cells, witnesses))


class Keyer:
    """Packs winners into as few bits as their units have candidates; keys compare as the winners do.

    Args:
        widths: the number of candidates of each unit.

    >>> keyer = Keyer([2, 3, 1])
    >>> keyer.keys(np.array([[1, 2, 0], [0, 1, 0]])).tolist()
    [b'\\xc0', b' ']
    >>> keyer.winners(keyer.keys(np.array([[1, 2, 0]]))).tolist()
    [[1, 2, 0]]
    """

    def __init__(self, widths: Sequence[int]) -> None:
        bits = [(width - 1).bit_length() for width in widths]
        self._unit = np.repeat(np.arange(len(bits)), bits)
        self._shift = np.array([k for count in bits for k in range(count - 1, -1, -1)], dtype=np.int64)
        self._count = len(bits)
        self.size = max(1, (len(self._unit) + 7) // 8)

    def keys(self, winners: npt.NDArray[np.integer[Any]]) -> Keys:
        """Return the keys (B,), each of ``size`` bytes, of winners (B, units)."""
        bits = (winners.astype(np.int64)[:, self._unit] >> self._shift & 1).astype(np.uint8)
        packed = np.zeros((len(winners), self.size), dtype=np.uint8)
        if len(self._unit):
            packed[:] = np.packbits(bits, axis=1)
        return packed.reshape(-1).view(f"S{self.size}")

    def winners(self, keys: Keys) -> Shorts:
        """Return the winners (B, units) of keys (B,)."""
        packed = np.ascontiguousarray(keys).view(np.uint8).reshape(-1, self.size)
        bits = np.unpackbits(packed, axis=1)[:, : len(self._unit)].astype(np.int16)
        found = np.zeros((self._count, len(packed)), dtype=np.int16)
        np.add.at(found, self._unit, (bits << self._shift.astype(np.int16)).T)
        return np.ascontiguousarray(found.T)


def keyer(space: Space) -> Keyer:
    """Return what packs the winners of a space."""
    return Keyer([int(width) for layer in space.layers for width in layer.widths])


def first_task(space: Space) -> Task:
    """Return the task that is the whole enumeration."""
    cells = space.start()
    return _task(space, 0, 0, *batch_of(cells))


def work(
    space: Space, task: Task, take: Callable[[Part], None], *, seconds: float = float("inf"), spread: int = 0
) -> tuple[Task, ...]:
    """Work on a task until it is done or the time is over; at least one part is finished.

    What is passed on and what is returned hold together the same regions in the same order whatever the time: first
    the parts, then the tasks.

    Args:
        space: used for one task at a time: exact witnesses of earlier cells are forgotten.
        take: called with each part, see ``Space.parts``; those past the last layer hold regions.
        seconds: when to stop.
        spread: where positive, split by the task's own layer only, and return so many parts as tasks before stopping:
            work for many.

    Returns:
        what is left, in order.
    """
    space.exact_witnesses.clear()
    if not space.layers:
        take(Part(0, space.unpack(task.packed), np.zeros((0, 3 + space.chart.dimension), dtype=np.int32)))
        return ()
    deadline = time.monotonic() + seconds
    layer, generation = task.place.layer, task.place.generation + 1
    walk = Walk(space, [LayerRun(space, layer, task.batch, space.unpack(task.packed))], descend=not spread)
    passed: list[Task] = []
    for part in walk.parts():
        if spread and part.layer < len(space.layers):
            if len(part.cells.filled):
                passed.append(_task(space, part.layer, generation, *batch_of(part.cells)))
            part = Part(part.layer, take_cells(part.cells, slice(0)), part.events, part.waiting)
        take(part)
        if time.monotonic() > deadline or (spread and len(passed) >= spread):
            break
    left = [_task(space, run.number, generation, run.batch, run.rest()) for run in reversed(walk.runs)]
    return *passed, *(one for one in left if one.size)


def halves(space: Space, task: Task, count: int) -> tuple[Task, ...]:
    """Deal out a task's cells to several tasks, in order, where that changes no batch: before the last layer."""
    size = task.size
    if task.place.layer != len(space.layers) - 1 or size < 2 or count < 2:
        return (task,)
    space.exact_witnesses.clear()
    cells = space.unpack(task.packed)
    ends = sorted({size * k // count for k in range(count + 1)})
    generation = task.place.generation
    return tuple(
        _task(space, task.place.layer, generation, task.batch, take_cells(cells, slice(low, high)))
        for low, high in pairwise(ends)
    )


def _task(space: Space, layer: int, generation: int, batch: Batch, cells: Cells) -> Task:
    if not len(cells.filled):
        return Task(Place(b"", layer, generation), batch, Packed(cells, {}))
    known = cells.winners[:1].copy()
    first = space.layers[layer].first + int(cells.unit[0]) if space.layers else 0
    known[:, first:] = 0
    key = keyer(space).keys(known).tobytes()
    return Task(Place(key, layer, generation), batch, space.pack(cells))


def _fraction(text: str) -> Fraction:
    numerator, denominator = text.split("/")
    return Fraction(int(numerator, 16), int(denominator, 16))
