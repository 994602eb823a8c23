"""All regions of a model in a domain: counted, each with a witness, and on request how they hang together."""

from __future__ import annotations

import functools
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from exactbox import __version__
from exactbox.analyses import Analyses
from exactbox.boxes import DomainRead
from exactbox.certifying import stated_domain
from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.files import check_writable
from exactbox.fixing import pinned
from exactbox.importers.torch_modules import AnyGiven
from exactbox.loading import Model, load
from exactbox.long_runs import Limits
from exactbox.polytope.brief import brief
from exactbox.polytope.cell_kernels import Cells
from exactbox.polytope.complex import Complex
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Cell, Enumeration, Part, Progress, Space
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region
from exactbox.polytope.wording import counted
from exactbox.region_counts import Counts
from exactbox.run_results import Found, Prepared, Ways, long_run
from exactbox.saving import Info, model_info
from exactbox.slices import read_slice, slice_domain
from exactbox.taken import Taken
from exactbox.verify.tree_certificate import certified_regions

Heard = Callable[[Progress], bool | None]


@dataclass(frozen=True, eq=False)
class Enumerated(Analyses):
    """The full-dimensional activation regions of a model in a domain; iterating over it gives a ``Region`` each.

    Args:
        model: the model.
        domain: where the regions lie.
        plan: what the model decides.
        cells: pattern and exact witness of each region.
        classes: what is decided at each witness, in the order of the regions; empty where nothing is decided. A region
            may hold several classes: the one at its witness is not that of the whole region.
        complete: whether these are all regions.
        reason: why, or why not.
        seconds: how long it took.
        hanging: facets, neighbours and linear regions; None where none of them was asked for.
        certificate: the certificate that these are all, or None.
    """

    model: Model
    domain: DomainRead
    plan: DecisionPlan
    cells: tuple[Cell, ...]
    classes: tuple[str, ...]
    complete: bool
    reason: str
    seconds: float
    hanging: Complex | None = None
    certificate: str | None = None

    def __repr__(self) -> str:
        ended = "complete" if self.complete else self.reason
        return brief(self, [repr(self.model.path), counted(len(self), 'region'), ended])

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Region]:
        return (self[i] for i in range(len(self.cells)))

    def __getitem__(self, number: int) -> Region:
        cell = self.cells[number]
        return Region(self.model.program, self.domain.domain, cell.pattern, cell.witness, cell.witness)

    def input_at(self, number: int) -> Rationals:
        """Return the witness of a region as an input of the whole model (d,): on a line or plane, the lifted one."""
        witness, cut = self.cells[number].witness, self.model.slice
        return witness if cut is None else cut.lift(witness)

    @functools.cached_property
    def class_counts(self) -> dict[str, int]:
        """How many regions have each class at their witness, the most frequent first."""
        return dict(sorted(Counter(self.classes).items(), key=lambda item: (-item[1], item[0])))

    @property
    def borders(self) -> tuple[tuple[int, int], ...]:
        """Pairs (i, j), i < j, of regions that share a facet.

        Raises:
            InputError: neighbours were not asked for.
        """
        return self._asked().borders

    @property
    def neighbors(self) -> tuple[tuple[int, ...], ...]:
        """The regions that share a facet with each region.

        Raises:
            InputError: neighbours were not asked for.
        """
        return self._asked().neighbors

    @property
    def facet_counts(self) -> tuple[int, ...]:
        """The number of facets of each region, those of the domain included.

        Raises:
            InputError: neighbours were not asked for.
        """
        return self._asked().facet_counts

    @property
    def mean_facets(self) -> Fraction | None:
        """The mean of ``facet_counts``; None without a region.

        Raises:
            InputError: neighbours were not asked for.
        """
        counts = self._asked().facet_counts
        return Fraction(sum(counts), len(counts)) if counts else None

    @property
    def linear_regions(self) -> tuple[tuple[int, ...], ...]:
        """Regions by number, grouped where equal affine maps are connected through facets.

        Raises:
            InputError: merging was not asked for.
        """
        return self._asked().linear_regions

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the regions to a .parquet, .csv, .json or .jsonl file; returns its path.

        Raises:
            InputError: another ending, the file cannot be written, or pyarrow is missing for Parquet.
        """
        from exactbox.region_table import write_regions

        return write_regions(self, Path(path))

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as data for JSON."""
        from exactbox.enumerating_report import document

        return document(self.counts)

    @property
    def counts(self) -> Counts:
        """What was found, in numbers."""
        whole = self.hanging
        return Counts(
            self.model, self.domain, self.plan, len(self), self.class_counts, self.complete, self.reason, self.seconds,
            None if whole is None else len(whole.borders), None if whole is None else len(whole.linear_regions),
            None if whole is None else self.mean_facets, self.certificate,
        )

    def _asked(self) -> Complex:
        if self.hanging is None:
            raise InputError("enumerate: facets and linear regions need neighbors=True or merge=True")
        return self.hanging


def enumerate(
    model: Model | AnyGiven,
    *,
    domain: Domain | DomainRead | None = None,
    box: tuple[object, object] | None = None,
    neighbors: bool = False,
    merge: bool = False,
    plane: Sequence[object] | None = None,
    line: Sequence[object] | None = None,
    slice_range: tuple[object, object] | None = None,
    exact_input: bool = False,
    max_regions: int | None = None,
    time_limit: float | None = None,
    certificate: str | os.PathLike[str] | None = None,
    decision: str | None = None,
    output_row: int | None = None,
    target: int | str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    state: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Heard | None = None,
) -> Enumerated:
    """Find all full-dimensional activation regions of a model, each with a point strictly inside; exact.

    Args:
        domain: where; or give ``box`` as a pair of bounds, each one number or one an input. By default all of R^d.
        neighbors: also find the facets of each region, and which regions share one.
        merge: also group the regions into linear regions: equal affine maps, connected through facets.
        plane: three inputs, each as ``certify`` takes it: enumerate the model restricted exactly to the plane
            x1 + s (x2 - x1) + t (x3 - x1) through them, with inputs s and t; the domain cuts x.
        line: two inputs: the same on the line x1 + s (x2 - x1).
        slice_range: bounds of s and t, by default -1/2 and 3/2.
        exact_input: keep the numbers of those inputs instead of rounding them to the input's type.
        max_regions: stop cleanly after so many.
        time_limit: stop cleanly after so many seconds; facets of the regions found are still completed.
        certificate: write the certificate that these are all regions here, and the program file beside it; nothing is
            written where the enumeration is stopped.
        decision: see ``certify``; as are ``output_row`` and ``target``.
        workers: so many processes of this machine share the work (a script must then be guarded by
            ``if __name__ == "__main__":``); regions and witnesses are the same.
        scheduler: the address of a Dask cluster that shares the work instead (needs ``exactbox[dask]``).
        state: a folder in which the run is kept (needs ``exactbox[parquet]``), so that after any end it can be gone on
            with; ``iter_regions`` then needs little memory.
        resume: go on from ``state``, where something is there.
        progress: called with a ``Progress`` now and then; where it answers True, the run stops cleanly.

    Raises:
        InputError: something given does not fit the model, a file cannot be written, or the state is another run's.
        BudgetError: a number has more digits than the certificate's format allows.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    limits = checked_limits(max_regions, time_limit, progress)
    if certificate is not None:
        check_writable(Path(certificate))
    ways = Ways(workers, scheduler, None if state is None else Path(state), resume)
    prepared = prepare(
        model, domain=domain, box=box, plane=plane, line=line, slice_range=slice_range, exact_input=exact_input,
        decision=decision, output_row=output_row, target=target,
    )  # fmt: skip
    if ways.plain:
        return enumerate_at_once(prepared, limits, neighbors or merge, certificate)
    recording = certificate is not None
    with long_run(prepared, ways, limits, hanging=neighbors or merge, recording=recording) as found:
        written = None if certificate is None else write_certificate(found, Path(certificate))
        return in_memory(found, written)


def in_memory(found: Found, certificate: str | None) -> Enumerated:
    """Return all regions of a long run."""
    own, cells = found.prepared, tuple(found.cells())
    return Enumerated(
        own.model, own.domain, own.plan, cells, tuple(found.classes()), found.complete, found.reason, found.seconds,
        found.complex(cells), certificate,
    )


def prepare(
    model: Model | AnyGiven,
    *,
    domain: Domain | DomainRead | None = None,
    box: tuple[object, object] | None = None,
    plane: Sequence[object] | None = None,
    line: Sequence[object] | None = None,
    slice_range: tuple[object, object] | None = None,
    exact_input: bool = False,
    decision: str | None = None,
    output_row: int | None = None,
    target: int | str | None = None,
) -> Prepared:
    """Read what is to be enumerated; see ``enumerate``."""
    loaded = model if isinstance(model, Model) else load(model)
    where = pinned(stated_domain(loaded.program, domain, box), loaded.pins, loaded.input_names())
    loaded, where = _sliced(loaded, where, (plane, line), slice_range, exact_input)
    return Prepared(loaded, where, plan_decision(loaded.program, decision, output_row, target, loaded.class_names))


def write_certificate(found: Found, path: Path) -> str | None:
    """Write the certificate of a long run that found all regions; returns its path, None where it was stopped."""
    if not found.complete:
        return None
    found.certify(path, _info(found.prepared.model, found.prepared.domain))
    return str(path)


def checked_limits(
    max_regions: int | None, time_limit: float | None, progress: Heard | None, began: float | None = None
) -> Limits:
    """Return limits; the time counts from ``began`` on the monotonic clock, by default from the run's beginning.

    Raises:
        InputError: a limit that is no number of regions or seconds.
    """
    if max_regions is not None and max_regions < 1:
        raise InputError(f"max_regions: expected at least 1, got {max_regions}")
    if time_limit is not None and not 0 <= time_limit < float("inf"):
        raise InputError(f"time_limit: expected seconds, at least 0, got {time_limit}")
    return Limits(max_regions, time_limit, progress, began)


def enumerate_at_once(
    prepared: Prepared, limits: Limits, hang: bool, certificate: str | os.PathLike[str] | None = None
) -> Enumerated:
    """Enumerate in this process, everything in memory; see ``enumerate``."""
    loaded, where, began = prepared.model, prepared.domain, time.monotonic()
    if certificate is None:
        space = Space(loaded.program, where.domain)
        taken = Taken(space, prepared.plan, hang, limits.deadline)
        complete, reason = _run(space, taken, limits)
    else:
        recorded = _Recorded(loaded.program, where.domain, limits)
        taken = recorded.taken = Taken(recorded, prepared.plan, hang)
        complete, reason = _run_certified(recorded, Path(certificate), _info(loaded, where))
    hanging = taken.hanging(complete, reason)
    written = str(certificate) if certificate is not None and complete else None
    return Enumerated(
        loaded, where, prepared.plan, tuple(taken.cells), taken.classes(), complete, reason, time.monotonic() - began,
        hanging, written,
    )


def _sliced(
    model: Model,
    where: DomainRead,
    given: tuple[Sequence[object] | None, Sequence[object] | None],
    bounds: tuple[object, object] | None,
    exact_input: bool,
) -> tuple[Model, DomainRead]:
    """Restrict a model and a domain to the plane or line that was given, if any."""
    plane, line = given
    if plane is None and line is None:
        if bounds is not None:
            raise InputError("slice_range: it bounds the coordinates of a plane or line; give one")
        return model, where
    points = plane if plane is not None else line
    if points is None or (plane is not None and line is not None):
        raise InputError("slice: give a plane or a line, not both")
    if len(points) != (3 if plane is not None else 2):
        raise InputError(f"slice: a plane takes three inputs and a line two, got {len(points)}")
    cut = read_slice(model.program, points, exact_input=exact_input, fixed=model.fixed)
    sliced = model.on(cut)
    return sliced, slice_domain(cut, sliced.program, where, bounds)


class _Stopped(BudgetError):
    """A limit ends a run that writes a certificate."""


class _Recorded(Space):
    """A space that keeps its proofs, and shows its finished regions and how far it is while a certificate is written.

    Args:
        limits: past them, splitting ends with ``_Stopped``.
    """

    def __init__(self, program: Program, domain: Domain, limits: Limits) -> None:
        super().__init__(program, domain, recording=True)
        self._limits = limits
        self._began = time.monotonic() if limits.began is None else limits.began
        self._waiting: dict[int, int] = {}
        self.taken: Taken

    def parts(self, number: int = 0, seeds: Cells | None = None) -> Iterator[Part]:
        """Split cells by all layers from ``number`` on; what the first call passes on is taken."""
        for part in super().parts(number, seeds):
            if number == 0:
                self._take(part)
            yield part

    def _take(self, part: Part) -> None:
        limits, cells, size = self._limits, part.cells, len(part.cells.filled)
        if part.layer == len(self.layers) and size:
            room = size if limits.max_regions is None else limits.max_regions - len(self.taken.cells)
            self.taken.extend(Cells(**{name: array[:room] for name, array in cells._asdict().items()}))
            if room < size:
                raise _Stopped(f"stopped: more than {limits.max_regions} regions")
        self._waiting[part.layer] = part.waiting
        seconds = time.monotonic() - self._began
        heard = Progress(len(self.taken.cells), seconds, sum(self._waiting.values()))
        if limits.progress is not None and limits.progress(heard):
            raise _Stopped("stopped: interrupted")
        if limits.time_limit is not None and seconds > limits.time_limit:
            raise _Stopped(f"stopped: the time limit of {limits.time_limit} seconds was reached")


def _run(space: Space, taken: Taken, limits: Limits) -> tuple[bool, str]:
    run = Enumeration(space, limits.max_regions, limits.time_limit, limits.progress, limits.began)
    for batch in run.batches():
        taken.extend(batch)
    missing = len(taken.cells) < run.count
    late = f"stopped: the time limit of {limits.time_limit} seconds was reached"
    return run.complete and not missing, late if missing else run.reason


def _run_certified(space: _Recorded, path: Path, info: Info) -> tuple[bool, str]:
    """Let the certificate's writer drive the enumeration; its files appear when the last region was written."""
    with closing(certified_regions(path, space, info)) as regions:
        try:
            deque(regions, maxlen=0)
        except _Stopped as stop:
            return False, str(stop)
    return True, "all regions were found"


def _info(model: Model, domain: DomainRead) -> Info:
    return {"exactbox": __version__, **model_info(model), "domain": domain.text}
