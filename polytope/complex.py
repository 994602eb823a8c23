"""The polyhedral complex of all regions: who borders on whom, and which regions share one affine map."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exactbox.polytope.borders import FacetTable, border_pairs, facet_table, linear_groups
from exactbox.polytope.cell_kernels import Cells, Ints
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Cell, Enumeration, Progress, Space
from exactbox.polytope.facet_search import FacetFinder
from exactbox.polytope.program import Program
from exactbox.polytope.tasks import Keys, keyer


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
    progress: Callable[[Progress], bool | None] | None = None,
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
    """Takes the regions of a run batch by batch, finds their facets, and puts them together.

    Args:
        space: the program on its domain.

    Attributes:
        cells: the regions so far.
    """

    def __init__(self, space: Space) -> None:
        self._space, self._finder, self._keyer = space, FacetFinder(space), keyer(space)
        self._keys: list[Keys] = []
        self._facets: list[FacetTable] = []
        self.cells: list[Cell] = []

    def extend(self, cells: Cells) -> None:
        """Add a batch of finished regions."""
        self.cells += self._space.regions(cells)
        self._keys.append(self._keyer.keys(cells.winners))
        self._facets.append(facet_table(self._finder, self._keyer, cells))

    def finish(self, complete: bool, reason: str) -> Complex:
        """Return the complex; ``complete`` says whether all regions were added, ``reason`` why not."""
        keys = np.concatenate([self._keyer.keys(np.zeros((0, self._space.units), dtype=np.int16)), *self._keys])
        pairs = border_pairs(keys, self._facets, complete)
        groups = linear_groups(self._space, self._keyer, keys, pairs)
        counts = [count for table in self._facets for count in table.counts.tolist()]
        return Complex(
            self._space.program, self._space.domain, tuple(self.cells), tuple((i, j) for i, j in pairs.tolist()),
            tuple(counts), members(groups), complete, reason,
        )


def members(groups: Ints) -> tuple[tuple[int, ...], ...]:
    """Return the members of groups numbered from 0, where the group of each region (N,) is given."""
    found: list[list[int]] = [[] for _ in range(int(groups.max(initial=-1)) + 1)]
    for i, group in enumerate(groups.tolist()):
        found[group].append(i)
    return tuple(tuple(one) for one in found)
