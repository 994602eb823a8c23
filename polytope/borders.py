"""Which of many regions border on each other, and which share one affine map: arrays by region number.

Regions are numbered in the order of their keys (see ``tasks.Keyer``), which is the order in which they are found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_kernels import Cells, Floats, Ints
from exactbox.polytope.enumeration import Space
from exactbox.polytope.errors import InternalError
from exactbox.polytope.facet_search import FacetFinder
from exactbox.polytope.layer_rows import ExactRows, FloatTrace
from exactbox.polytope.rational import Rationals
from exactbox.polytope.tasks import Keyer, Keys

_CHUNK = 4096
_REMEMBERED = 1 << 13

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FacetTable:
    """The facets of B regions.

    Args:
        counts: (B,) the number of facets of each region, the domain's included.
        degrees: (B,) the number of those with a region beyond.
        beyond: (sum of degrees,) the keys of the regions beyond, region by region.
    """

    counts: Ints
    degrees: Ints
    beyond: Keys


def facet_table(finder: FacetFinder, keyer: Keyer, cells: Cells) -> FacetTable:
    """Find the facets of a batch of finished regions."""
    found = finder.facets(cells)
    inner = [[facet.beyond for facet in one if facet.beyond is not None] for one in found]
    winners = np.frombuffer(b"".join(key for one in inner for key in one), dtype=np.int16)
    return FacetTable(
        np.array([len(one) for one in found], dtype=np.int64),
        np.array([len(one) for one in inner], dtype=np.int64),
        keyer.keys(winners.reshape(sum(len(one) for one in inner), cells.winners.shape[1])),
    )


def border_pairs(keys: Keys, tables: Iterable[FacetTable], complete: bool) -> Ints:
    """Return the pairs (e, 2) of regions i < j that share a facet, sorted.

    Args:
        keys: of all regions, in order.
        tables: their facets, in the same order.
        complete: whether these are all regions.

    Raises:
        InternalError: keys are out of order or doubled, or a region of a complete list borders on one outside it.
    """
    if bool((keys[:-1] >= keys[1:]).any()):
        raise InternalError("regions are out of order, or one was found twice")
    start, found = 0, [np.zeros(0, dtype=np.int64)]
    for table in tables:
        here = np.repeat(np.arange(start, start + len(table.degrees)), table.degrees)
        there = np.minimum(np.searchsorted(keys, table.beyond), len(keys) - 1)
        known = keys[there] == table.beyond
        if complete and not known.all():
            raise InternalError("a region borders on one that was not enumerated")
        low, high = np.minimum(here, there)[known], np.maximum(here, there)[known]
        found.append(np.unique(low * len(keys) + high))
        start += len(table.degrees)
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // max(len(keys), 1), codes % max(len(keys), 1)], axis=1)


def adjacency(count: int, pairs: Ints) -> tuple[Ints, Ints]:
    """Return the neighbours of all regions in one array, and where those of each region begin (count+1,).

    >>> near, starts = adjacency(3, np.array([[0, 2], [1, 2]]))
    >>> near.tolist(), starts.tolist()
    ([2, 2, 0, 1], [0, 1, 2, 4])
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.lexsort((both[:, 1], both[:, 0]))
    starts = np.searchsorted(both[order, 0], np.arange(count + 1))
    return both[order, 1], starts


def linear_groups(space: Space, keyer: Keyer, keys: Keys, pairs: Ints) -> Ints:
    """Number the linear regions, and return that of each region (N,): equal affine maps connected through pairs.

    Numbers follow the first region of each group (R. E. Tarjan, Efficiency of a good but not linear set union
    algorithm, 1975).
    """
    maps = AffineMaps(space, keyer, keys)
    parent = np.arange(len(keys))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for start in range(0, len(pairs), _CHUNK):
        part = pairs[start : start + _CHUNK]
        for i, j in part[maps.maybe_equal(part)].tolist():
            a, b = root(i), root(j)
            if a != b and maps.equal(i, j):
                parent[max(a, b)] = min(a, b)
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return np.unique(parent, return_inverse=True)[1].reshape(-1)


class AffineMaps:
    """The affine maps of regions: enclosures tell most of them apart, exact numbers the rest.

    Args:
        space: the program on its domain.
        keyer: packs its winners.
        keys: of the regions.
    """

    def __init__(self, space: Space, keyer: Keyer, keys: Keys) -> None:
        self._space, self._keyer, self._keys = space, keyer, keys
        last = len(space.program.instructions) - 1
        self._trace = FloatTrace(space.program, space.chart, space.layers, last)
        self._exact: dict[int, Rationals] = {}

    def maybe_equal(self, pairs: Ints) -> Flags:
        """Say of pairs (e, 2) of regions where enclosures do not tell their maps apart; shape (e,)."""
        regions, places = np.unique(pairs, return_inverse=True)
        centre, radius = self._trace.affine(self._keyer.winners(self._keys[regions]))
        one, other = places.reshape(-1, 2).T
        with np.errstate(all="ignore"):
            apart = _distance(centre[one], centre[other]) > (radius[one] + radius[other]) * (1 + 2.0**-50)
        return np.asarray(~apart.reshape(len(pairs), -1).any(axis=1))

    def equal(self, i: int, j: int) -> bool:
        """Decide whether two regions have the same affine map."""
        return self._map(i).equals(self._map(j))

    def _map(self, i: int) -> Rationals:
        if i not in self._exact:
            if len(self._exact) > _REMEMBERED:
                self._exact.clear()
            space = self._space
            winners = self._keyer.winners(self._keys[i : i + 1])[0]
            count = len(space.program.instructions)
            self._exact[i] = ExactRows(space.program, space.chart, space.layers, count, winners).values[-1]
        return self._exact[i]


def _distance(one: Floats, other: Floats) -> Floats:
    """Bound the distance of floats from below."""
    return np.asarray(np.abs(one - other) * (1 - 2.0**-50))
