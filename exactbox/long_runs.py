"""Long enumerations: cut into tasks, resumable, by one or many workers, with the same result; regions are streamed."""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exactbox.crews import Crew
from exactbox.polytope.borders import adjacency, border_pairs, linear_groups
from exactbox.polytope.cell_kernels import Ints
from exactbox.polytope.enumeration import Progress, Space
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.tasks import Keyer, Place, Task, halves, keyer
from exactbox.polytope.wording import counted
from exactbox.run_parts import BEYOND, CLASS, FACETS
from exactbox.run_rows import Rows, Workshop, first_rows
from exactbox.run_state import RunState

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds that a task is worked on: short at the start, so that all workers soon have some, and seldom cut later."""
ATTEMPTS = 5
FOUND_ALL = "all regions were found"


@dataclass(frozen=True)
class Limits:
    """When to stop, and who is told how far the work is, and may answer True to stop.

    Args:
        began: when the time began, on the monotonic clock; when the run begins by default.
    """

    max_regions: int | None = None
    time_limit: float | None = None
    progress: Callable[[Progress], bool | None] | None = None
    began: float | None = None

    @property
    def deadline(self) -> float:
        """When to stop on the monotonic clock, for a run that begins now; infinite without a limit."""
        begin = time.monotonic() if self.began is None else self.began
        return math.inf if self.time_limit is None else begin + self.time_limit


class LongRun:
    """A run cut into tasks, which can be stopped, and gone on with from its state.

    Args:
        workshop: the job, and this process's place to work on it.
        state: what was found and what is left.
        limits: when to stop.

    Attributes:
        complete: whether all regions are among those found.
        reason: why, or why not.
        seconds: how long it took, earlier runs from the same state included.
    """

    def __init__(self, workshop: Workshop, state: RunState, limits: Limits) -> None:
        self.workshop, self._state, self._limits = workshop, state, limits
        self._waiting: list[tuple[Place, Task]] = []
        self._busy: dict[Place, Task] = {}
        self._lost: Counter[Place] = Counter()
        self._taken_up = False
        self._began = time.monotonic() if limits.began is None else limits.began
        self.complete, self.reason = False, "not finished"

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._state.earlier + self._own

    @property
    def _own(self) -> float:
        return time.monotonic() - self._began

    @property
    def regions(self) -> int:
        """The number of regions, not more than were asked for."""
        limit = self._limits.max_regions
        return self._state.regions if limit is None else min(limit, self._state.regions)

    def run(self, crew: Crew, until: Callable[[], bool] = lambda: False) -> bool:
        """Work until all is done or a limit is reached; what is left then stays in the state.

        Args:
            until: asked now and then whether to return, to go on with another crew.

        Returns:
            whether to go on.
        """
        if not self._taken_up:
            self._waiting, self._taken_up = [(task.place, task) for task in self._state.tasks()], True
            heapq.heapify(self._waiting)
        stop = self._full()
        while (self._waiting or self._busy) and stop is None:
            if not self._busy and until():
                return True
            self._hand_out(crew)
            self._take_in(crew)
            stop = self._full() or self._ended()
        self.complete, self.reason = stop is None, stop or FOUND_ALL
        return False

    def _full(self) -> str | None:
        """Say whether there are more regions than were asked for: each cell that waits holds one."""
        limit = self._limits.max_regions
        if limit is None or self._state.regions + bool(self._waiting or self._busy) <= limit:
            return None
        return f"stopped: more than {counted(limit, 'region')}"

    def _ended(self) -> str | None:
        """Tell how far the work is, and say whether it is to end before all is done."""
        limits = self._limits
        cells = sum(task.size for _, task in self._waiting) + sum(task.size for task in self._busy.values())
        asked = limits.progress is not None and limits.progress(Progress(self.regions, self.seconds, cells))
        if not (self._waiting or self._busy):
            return None
        if asked:
            return "stopped: interrupted"
        if limits.time_limit is not None and self._own > limits.time_limit:
            return f"stopped: the time limit of {limits.time_limit} seconds was reached"
        return None

    def _hand_out(self, crew: Crew) -> None:
        seconds = min(max(self._own / 8, SHORTEST), LONGEST)
        if self._limits.time_limit is not None:
            seconds = min(seconds, max(self._limits.time_limit - self._own, 0.0))
        size = crew.size
        while self._waiting and len(self._busy) < size:
            _, task = heapq.heappop(self._waiting)
            missing = size - len(self._busy) - len(self._waiting)
            if missing > 1:
                pieces = halves(self.workshop.space, task, missing)
                if len(pieces) > 1:
                    self._state.replace(task, pieces)
                    task = pieces[0]
                    for piece in pieces[1:]:
                        heapq.heappush(self._waiting, (piece.place, piece))
            last = len(self.workshop.space.layers) - 1
            spread = 2 * size if missing > 1 and task.place.layer < last else 0
            self._busy[task.place] = task
            crew.submit(task, seconds, spread)

    def _take_in(self, crew: Crew) -> None:
        for task, done in crew.collect():
            del self._busy[task.place]
            if done is None:
                self._lost[task.place] += 1
                if self._lost[task.place] > ATTEMPTS:
                    raise BudgetError(
                        f"workers: {ATTEMPTS} died on the same cells, for want of memory or because the calling script "
                        'is not guarded by if __name__ == "__main__":; what was found before is in the state, if any'
                    )
                heapq.heappush(self._waiting, (task.place, task))
                continue
            self._state.put(done)
            for one in done.left:
                heapq.heappush(self._waiting, (one.place, one))
        self._state.save_now_and_then(self.seconds)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Rows]:
        """Yield the regions in order, not more than were asked for."""
        left = self.regions
        for rows, _ in self._state.segments(columns):
            if left <= 0:
                return
            yield first_rows(rows, left)
            left -= len(rows)

    def class_counts(self) -> dict[str, int]:
        """Say how many regions have each class at their witness, the most frequent first."""
        if self.workshop.job.plan.rule == "none":
            return {}
        counts = Counter(name for rows in self.rows([CLASS]) for name in rows.classes)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, eq=False)
class Hanging:
    """How N regions hang together, as arrays.

    Args:
        pairs: (e, 2) the pairs i < j of regions that share a facet, sorted.
        near: the neighbours of all regions, region by region.
        starts: (N+1,) where those of each region begin.
        facets: (N,) the number of facets of each, the domain's included.
        groups: (N,) the number of each one's linear region.
    """

    pairs: Ints
    near: Ints
    starts: Ints
    facets: Ints
    groups: Ints


def hanging(run: LongRun) -> Hanging:
    """Find out which of the regions that were found border on each other, and which share an affine map."""
    space: Space = run.workshop.space
    packer: Keyer = keyer(space)
    keys = np.concatenate([run.workshop.no_rows().keys, *(rows.keys for rows in run.rows([]))])
    tables = (rows.facets for rows in run.rows([FACETS, BEYOND]))
    pairs = border_pairs(keys, (table for table in tables if table is not None), run.complete)
    facets = [rows.facets.counts for rows in run.rows([FACETS, BEYOND]) if rows.facets is not None]
    near, starts = adjacency(len(keys), pairs)
    groups = linear_groups(space, packer, keys, pairs)
    return Hanging(pairs, near, starts, np.concatenate([np.zeros(0, dtype=np.int64), *facets]), groups)
