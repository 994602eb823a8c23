"""The polyhedral complex of all regions: who borders on whom, and which regions share one affine map."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exactbox.polytope.cell_kernels import Cells, Floats
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Cell, Enumeration, Progress, Space
from exactbox.polytope.errors import InternalError
from exactbox.polytope.facet_search import Facet, FacetFinder
from exactbox.polytope.layer_rows import ExactRows, FloatTrace
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals


@dataclass(frozen=True, eq=False)
class Complex:
    """Regions and how they hang together; exact.

    Args:
        program: the program.
        domain: the domain.
        cells: the regions.
        borders: pairs (i, j), i < j, of regions that share a facet; the dual graph's edges.
        facet_counts: the number of facets of each region, the domain's included.
        linear_regions: the regions by number, grouped where equal affine maps are connected through facets.
        complete: whether these are all regions; where not, borders are those among the regions found.
        reason: why not, where they are not.
    """

    program: Program
    domain: Domain
    cells: tuple[Cell, ...]
    borders: tuple[tuple[int, int], ...]
    facet_counts: tuple[int, ...]
    linear_regions: tuple[tuple[int, ...], ...]
    complete: bool
    reason: str

    @functools.cached_property
    def neighbors(self) -> tuple[tuple[int, ...], ...]:
        """The regions that share a facet with each region."""
        lists: list[list[int]] = [[] for _ in self.cells]
        for i, j in self.borders:
            lists[i].append(j)
            lists[j].append(i)
        return tuple(tuple(sorted(one)) for one in lists)


def region_complex(
    program: Program, domain: Domain, *, max_regions: int | None = None, time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Complex:
    """Enumerate all regions with their facets, neighbours and linear regions.

    Args:
        max_regions: stop cleanly after so many.
        time_limit: stop the enumeration cleanly after so many seconds.
        progress: called with a ``Progress`` now and then.
    """
    space = Space(program, domain)
    run = Enumeration(space, max_regions, time_limit, progress)
    builder = ComplexBuilder(space)
    for batch in run.batches():
        builder.extend(batch)
    return builder.finish(run.complete, run.reason)


class ComplexBuilder:
    """Takes the regions of a run batch by batch, finds their facets and affine maps, and puts them together.

    Args:
        space: the program on its domain.

    Attributes:
        cells: the regions so far.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._finder, self._maps = FacetFinder(space), AffineMaps(space)
        self._facets: list[list[Facet]] = []
        self.cells: list[Cell] = []

    def extend(self, cells: Cells) -> None:
        """Add a batch of finished regions."""
        self.cells += [self._space.cell(cells, i) for i in range(len(cells.filled))]
        self._facets += self._finder.facets(cells)
        self._maps.extend(cells)

    def finish(self, complete: bool, reason: str) -> Complex:
        """Return the complex; ``complete`` says whether all regions were added, ``reason`` why not."""
        borders = _borders(self._maps.keys, self._facets, complete)
        merged = _merged(len(self.cells), [pair for pair in borders if self._maps.equal(*pair)])
        counts = tuple(len(one) for one in self._facets)
        program, domain = self._space.program, self._space.domain
        return Complex(program, domain, tuple(self.cells), borders, counts, merged, complete, reason)


class AffineMaps:
    """The affine maps of many regions: enclosures tell most of them apart, exact numbers the rest.

    Args:
        space: the program on its domain.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        last = len(space.program.instructions) - 1
        self._trace = FloatTrace(space.program, space.chart, space.layers, last)
        self._floats: list[tuple[Floats, Floats]] = []
        self._exact: dict[int, Rationals] = {}
        self.keys: list[bytes] = []

    def extend(self, cells: Cells) -> None:
        """Add the maps of a batch of finished regions."""
        centre, radius = self._trace.affine(cells.winners)
        self._floats += list(zip(centre, radius, strict=True))
        self.keys += [winners.tobytes() for winners in cells.winners]

    def equal(self, i: int, j: int) -> bool:
        """Decide whether two regions have the same affine map on the domain's affine hull."""
        (one, doubt), (other, further) = self._floats[i], self._floats[j]
        with np.errstate(all="ignore"):
            if bool((np.abs(one - other) * (1 - 2.0**-50) > (doubt + further) * (1 + 2.0**-50)).any()):
                return False
        return self._map(i).equals(self._map(j))

    def _map(self, i: int) -> Rationals:
        if i not in self._exact:
            space = self._space
            winners = np.frombuffer(self.keys[i], dtype=np.int16)
            count = len(space.program.instructions)
            self._exact[i] = ExactRows(space.program, space.chart, space.layers, count, winners).values[-1]
        return self._exact[i]


def _borders(keys: Sequence[bytes], facets: Sequence[Sequence[Facet]], complete: bool) -> tuple[tuple[int, int], ...]:
    index = {key: i for i, key in enumerate(keys)}
    found: set[tuple[int, int]] = set()
    for i, own in enumerate(facets):
        for facet in own:
            if facet.beyond is None:
                continue
            j = index.get(facet.beyond)
            if j is not None:
                found.add((min(i, j), max(i, j)))
            elif complete:
                raise InternalError("a region borders on one that was not enumerated")
    return tuple(sorted(found))


def _merged(count: int, equal: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Group numbers that are connected through pairs (R. E. Tarjan, Efficiency of a good set union algorithm, 1975)."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in equal:
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for i in range(count):
        groups.setdefault(root(i), []).append(i)
    return tuple(tuple(group) for group in groups.values())
