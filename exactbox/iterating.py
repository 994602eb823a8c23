"""Python's iterator over the regions of a model, which does not hold them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from exactbox.boxes import DomainRead
from exactbox.enumerating import Heard, checked_limits, prepare
from exactbox.importers.torch_modules import AnyGiven
from exactbox.loading import Model
from exactbox.long_runs import Limits
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Cell, Enumeration, Space
from exactbox.polytope.region import Region
from exactbox.run_results import Prepared, Ways, long_run


def iter_regions(
    model: Model | AnyGiven,
    *,
    domain: Domain | DomainRead | None = None,
    box: tuple[object, object] | None = None,
    plane: Sequence[object] | None = None,
    line: Sequence[object] | None = None,
    slice_range: tuple[object, object] | None = None,
    exact_input: bool = False,
    max_regions: int | None = None,
    time_limit: float | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    state: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Heard | None = None,
) -> RegionStream:
    """Iterate over the regions that ``enumerate`` returns without holding them all, in the same order.

    Without ``workers``, ``scheduler`` and ``state`` regions come as they are found. Otherwise the first comes when the
    run has ended; with ``state`` they then come from files.

    Args:
        domain: see ``enumerate``, as are the others.

    Raises:
        InputError: something given does not fit the model, or the state is another run's.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    limits = checked_limits(max_regions, time_limit, progress)
    ways = Ways(workers, scheduler, None if state is None else Path(state), resume)
    prepared = prepare(
        model, domain=domain, box=box, plane=plane, line=line, slice_range=slice_range, exact_input=exact_input
    )  # fmt: skip
    return RegionStream(prepared, limits, ways)


class RegionStream(Iterator[Region]):
    """Regions one after another.

    Args:
        prepared: what is enumerated.
        limits: when to stop.
        ways: how.

    Attributes:
        complete: once the last region was taken, whether these were all.
        reason: why, or why not.
        count: regions so far.
    """

    def __init__(self, prepared: Prepared, limits: Limits, ways: Ways) -> None:
        self.complete, self.reason, self.count = False, "not finished", 0
        self._prepared = prepared
        self._cells = self._at_once(limits) if ways.plain else self._stored(limits, ways)

    def __iter__(self) -> RegionStream:
        return self

    def __next__(self) -> Region:
        cell = next(self._cells)
        self.count += 1
        program, domain = self._prepared.model.program, self._prepared.domain.domain
        return Region(program, domain, cell.pattern, cell.witness, cell.witness)

    def _at_once(self, limits: Limits) -> Iterator[Cell]:
        space = Space(self._prepared.model.program, self._prepared.domain.domain)
        run = Enumeration(space, limits.max_regions, limits.time_limit, limits.progress, limits.began)
        for batch in run.batches():
            yield from space.regions(batch)
        self.complete, self.reason = run.complete, run.reason

    def _stored(self, limits: Limits, ways: Ways) -> Iterator[Cell]:
        with long_run(self._prepared, ways, limits) as found:
            yield from found.cells()
            self.complete, self.reason = found.complete, found.reason
