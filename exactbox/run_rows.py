"""The regions of a long enumeration as columns of plain data, made where a task is worked on."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, field

import numpy as np

from exactbox.decisions import DecisionPlan
from exactbox.polytope.borders import FacetTable, facet_table
from exactbox.polytope.canonical import program_hash
from exactbox.polytope.cell_kernels import Cells, Refs
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Part, Space
from exactbox.polytope.facet_search import FacetFinder
from exactbox.polytope.program import Program
from exactbox.polytope.tasks import Keys, Place, Task, keyer, work
from exactbox.rounding import exact_text
from exactbox.slices import Slice
from exactbox.verify.certificate import domain_statement
from exactbox.witness_classes import classes_at


@dataclass(frozen=True, eq=False)
class Job:
    """What is enumerated, and what is found out about each region.

    Args:
        program: the program.
        domain: where.
        plan: what is decided at witnesses.
        cut: the line or plane on which the program is that of a model, or None.
        hanging: whether facets are found.
        recording: whether proofs are kept.
    """

    program: Program
    domain: Domain
    plan: DecisionPlan
    cut: Slice | None = None
    hanging: bool = False
    recording: bool = False

    @functools.cached_property
    def binding(self) -> dict[str, str]:
        """What tells this job from others, by name, as text."""
        plan = self.plan
        return {
            "model": program_hash(self.program),
            "domain": _digest(domain_statement(self.domain)),
            "slice": "none" if self.cut is None else _digest(self.cut.texts),
            "decision": _digest([plan.rule, list(plan.outputs), plan.tie, list(plan.labels)]),
            "neighbours or linear regions": "yes" if self.hanging else "no",
            "certificate": "yes" if self.recording else "no",
        }


@dataclass(frozen=True, eq=False)
class Rows:
    """B regions, in order.

    Args:
        keys: (B,) their winners, see ``tasks.Keyer``.
        witnesses: the exact coordinates of each witness as text.
        classes: what is decided there; empty where nothing is decided.
        inputs: where the program is that of a model on a line or plane, the witnesses there; else empty.
        facets: their facets, or None.
    """

    keys: Keys
    witnesses: list[list[str]] = field(default_factory=list[list[str]])
    classes: list[str] = field(default_factory=list[str])
    inputs: list[list[str]] = field(default_factory=list[list[str]])
    facets: FacetTable | None = None

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Done:
    """What working on a task gave.

    Args:
        place: the task's.
        rows: the regions that it finished.
        events: (e, 4+n) the number of the layer in front of each event, see ``enumeration.Part``.
        left: the tasks that remain, in order.
    """

    place: Place
    rows: Rows
    events: Refs
    left: tuple[Task, ...]


class Workshop:
    """Works on the tasks of one job.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.space = Space(job.program, job.domain, job.recording)
        self._keyer = keyer(self.space)
        self._finder = FacetFinder(self.space) if job.hanging else None

    def work(self, task: Task, seconds: float, spread: int = 0) -> Done:
        """Work on a task, see ``tasks.work``; making the rows counts as work."""
        events: list[Refs] = []
        found: list[Rows] = []

        def take(part: Part) -> None:
            if self.job.recording:
                events.append(np.insert(part.events, 0, part.layer, axis=1))
            if part.layer == len(self.space.layers) and len(part.cells.filled):
                found.append(self._rows(part.cells))

        left = work(self.space, task, take, seconds=seconds, spread=spread)
        nothing = np.zeros((0, 4 + self.space.chart.dimension), dtype=np.int32)
        return Done(task.place, join_rows([self.no_rows(), *found]), np.concatenate([nothing, *events]), left)

    def no_rows(self) -> Rows:
        """Return no regions."""
        none = self._keyer.keys(np.zeros((0, self.space.units), dtype=np.int16))
        nothing = np.zeros(0, dtype=np.int64)
        return Rows(none, facets=FacetTable(nothing, nothing, none) if self.job.hanging else None)

    def _rows(self, cells: Cells) -> Rows:
        job = self.job
        found = self.space.regions(cells)
        points = [cell.witness for cell in found]
        lifted = [] if job.cut is None else [job.cut.lift(point) for point in points]
        return Rows(
            self._keyer.keys(cells.winners),
            [[exact_text(value) for value in point.fractions()] for point in points],
            list(classes_at(job.program, job.plan, points)),
            [[exact_text(value) for value in point.fractions()] for point in lifted],
            None if self._finder is None else facet_table(self._finder, self._keyer, cells),
        )


def join_rows(parts: list[Rows]) -> Rows:
    """Put rows one after another; at least one part."""
    tables = [part.facets for part in parts if part.facets is not None]
    return Rows(
        np.concatenate([part.keys for part in parts]),
        [row for part in parts for row in part.witnesses],
        [row for part in parts for row in part.classes],
        [row for part in parts for row in part.inputs],
        FacetTable(
            np.concatenate([table.counts for table in tables]),
            np.concatenate([table.degrees for table in tables]),
            np.concatenate([table.beyond for table in tables]),
        ) if tables else None,
    )  # fmt: skip


def first_rows(rows: Rows, count: int) -> Rows:
    """Return the first regions; all where there are no more than that."""
    if count >= len(rows):
        return rows
    table = rows.facets
    kept = None if table is None else FacetTable(
        table.counts[:count], table.degrees[:count], table.beyond[: int(table.degrees[:count].sum())]
    )  # fmt: skip
    return Rows(rows.keys[:count], rows.witnesses[:count], rows.classes[:count], rows.inputs[:count], kept)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
