"""Which regions contain given data points: all of them, also on facets, corners and ties; exact."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exactbox.datasets import Dataset, read_dataset
from exactbox.polytope.cell_shapes import winner_table
from exactbox.polytope.enclosed import enclose, winners_at
from exactbox.polytope.rational import Rationals, exact

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

BATCH = 256

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Located:
    """The regions of data points.

    Args:
        regions: for each sample the numbers of all regions whose closed polytope contains it, ascending.
        outside: the samples outside the domain, which no region contains.
        changed: how many entries were rounded to the input's type.
        origin: where the samples come from.
    """

    regions: tuple[tuple[int, ...], ...]
    outside: tuple[int, ...]
    changed: int
    origin: str

    @property
    def missing(self) -> tuple[int, ...]:
        """The samples inside the domain that no region found contains: the enumeration is incomplete."""
        beyond = set(self.outside)
        return tuple(i for i, own in enumerate(self.regions) if not own and i not in beyond)

    @property
    def on_boundaries(self) -> tuple[int, ...]:
        """The samples that several regions contain."""
        return tuple(i for i, own in enumerate(self.regions) if len(own) > 1)


def locate(found: Enumerated, data: object) -> Located:
    """Find all regions that contain each sample, exactly.

    Args:
        data: an array or path (.npy, .npz or .csv) whose first axis counts samples, or a mapping from the names of
            the inputs to these; rounded to the input's type as a runtime would receive it.

    Raises:
        InputError: names, shapes or counts do not fit, there is no sample, or a number is not finite.
    """
    samples = data if isinstance(data, Dataset) else read_dataset(found.model.program, data, found.model.fixed)
    finder = _Finder(found)
    regions: list[tuple[int, ...]] = []
    outside: list[int] = []
    changed = 0
    for start in range(0, samples.count, BATCH):
        points, rounded = samples.points(start, min(start + BATCH, samples.count))
        changed += rounded
        for number, own in enumerate(finder.regions(points), start):
            regions.append(own or ())
            if own is None:
                outside.append(number)
    return Located(tuple(regions), tuple(outside), changed, samples.origin)


class _Finder:
    """Looks points up by the winners that are certain there, and asks the regions that agree with them."""

    def __init__(self, found: Enumerated) -> None:
        self._found = found
        self._winners = winner_table([cell.pattern for cell in found.cells])
        self._known: dict[bytes, tuple[int, ...] | None] = {}
        self._region = functools.lru_cache(maxsize=1024)(found.__getitem__)

    def regions(self, points: Floats) -> Iterator[tuple[int, ...] | None]:
        """Yield the regions of each column of points (d, b); None for one outside the domain."""
        program = self._found.model.program
        units = winners_at(program, enclose(program, points))
        nothing: Ints = np.zeros((0, points.shape[1]), dtype=np.int64)
        winners = np.concatenate([nothing, *(w for w, _ in units)])
        certain: Flags = np.concatenate([nothing == 0, *(c for _, c in units)])
        for k, column in enumerate(points.T):
            key = column.tobytes()
            if key not in self._known:
                self._known[key] = self._look_up(exact(column), winners[:, k], certain[:, k])
            yield self._known[key]

    def _look_up(self, point: Rationals, winners: Ints, certain: Flags) -> tuple[int, ...] | None:
        """A unit whose winner is certain at a point has that winner in every region that contains the point."""
        if not self._found.domain.domain.contains(point):
            return None
        agree = (self._winners[:, certain] == winners[certain]).all(axis=1)
        return tuple(i for i in np.flatnonzero(agree).tolist() if certain.all() or self._region(i).contains(point))
