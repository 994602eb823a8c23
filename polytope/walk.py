"""Walk from region to region across facets, breadth first, without enumerating what lies further away."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from exactbox.polytope.facets import minimal
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region, beyond
from exactbox.polytope.simplex import Limits
from exactbox.polytope.verdicts import Minimal
from exactbox.polytope.wording import counted


@dataclass(frozen=True, eq=False)
class Place:
    """A region on the walk.

    Args:
        region: the region.
        depth: over how many facets it is reached at least.
        polytope: its rows and the verdicts on them; None where the walk did not look across its facets.
    """

    region: Region
    depth: int
    polytope: Minimal | None = None


@dataclass(frozen=True, eq=False)
class Crossing:
    """Two regions share a facet.

    Args:
        before: number of the place whose facet it is.
        after: number of the place beyond it.
        facet: a position in ``polytope.facets`` of the place before.
        point: shape (d,), exact, in the facet's relative interior.
    """

    before: int
    after: int
    facet: int
    point: Rationals


@dataclass(frozen=True, eq=False)
class Walk:
    """The regions within a number of facets from a start, in the order of a breadth-first search.

    Args:
        places: the regions; the start is number 0.
        crossings: one for each pair of neighbours of which at least one was looked at.
        frontier: places before the last depth that were not looked at, or not to the end.
        reason: why the walk ended.
    """

    places: tuple[Place, ...]
    crossings: tuple[Crossing, ...]
    frontier: tuple[int, ...]
    reason: str

    @property
    def undecided(self) -> dict[int, tuple[int, ...]]:
        """By place: the positions of rows of which a budget left open whether they are facets."""
        looked = ((i, place.polytope) for i, place in enumerate(self.places))
        return {i: polytope.undecided for i, polytope in looked if polytope is not None and polytope.undecided}

    @property
    def complete(self) -> bool:
        """Whether these are all regions within the depth."""
        return not self.frontier and not self.undecided


def walk(
    start: Region,
    depth: int,
    *,
    max_regions: int | None = None,
    time_limit: float | None = None,
    pivots: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Walk:
    """Find all regions that are at most ``depth`` facets away from a region, and what lies between them.

    Args:
        max_regions: stop cleanly after so many regions, the start included.
        time_limit: stop cleanly after so many seconds.
        pivots: steps of the exact simplex method for one row; past them it stays undecided.
        progress: called with the number of regions found and of those looked at.
    """
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    limits = Limits(deadline=deadline) if pivots is None else Limits(pivots, deadline)
    return _Walker(start, depth, max_regions, time_limit, limits, progress).run()


class _Walker:
    """The state of a walk."""

    def __init__(
        self, start: Region, depth: int, max_regions: int | None, time_limit: float | None, limits: Limits,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._depth, self._max, self._time, self._limits = depth, max_regions, time_limit, limits
        self._progress = progress
        self._places = [Place(start, 0)]
        self._numbers: dict[Pattern, int] = {start.pattern: 0}
        self._crossings: dict[tuple[int, int], Crossing] = {}
        self._queue = deque([0] if depth > 0 else [])
        self._reason = "all regions within the depth were found"

    def run(self) -> Walk:
        """Look across the facets of one region after the other."""
        looked = 0
        while self._queue:
            if time.monotonic() > self._limits.deadline:
                self._reason = f"stopped: the time limit of {self._time} seconds was reached"
                break
            if not self._look(self._queue[0]):
                self._reason = f"stopped: more than {counted(len(self._places), 'region')}"
                break
            self._queue.popleft()
            looked += 1
            if self._progress is not None:
                self._progress(len(self._places), looked)
        found = Walk(tuple(self._places), tuple(self._crossings.values()), tuple(self._queue), self._reason)
        if found.undecided and not found.frontier:
            return Walk(found.places, found.crossings, (), "undecided: a budget left rows of regions open")
        return found

    def _look(self, number: int) -> bool:
        """Cross the facets of one region; False where that would exceed the limit."""
        region, depth = self._places[number].region, self._places[number].depth
        polytope = minimal(region.domain, region.rows, region.witness, limits=self._limits)
        self._places[number] = Place(region, depth, polytope)
        for facet in polytope.facets:
            other = beyond(region, polytope, facet)
            if other is None:
                continue
            place = self._numbers.get(other.pattern)
            if place is None:
                if self._max is not None and len(self._places) >= self._max:
                    return False
                place = self._numbers[other.pattern] = len(self._places)
                self._places.append(Place(other, depth + 1))
                if depth + 1 < self._depth:
                    self._queue.append(place)
            pair = (min(number, place), max(number, place))
            self._crossings.setdefault(pair, Crossing(number, place, facet, other.point))
        return True
