"""What a long run found, region by region from its state: tables, certificates, counts, and Python's iterator."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from exactbox.boxes import DomainRead
from exactbox.crews import Alone, Cluster, Processes
from exactbox.decisions import DecisionPlan
from exactbox.loading import Model
from exactbox.long_runs import Hanging, Limits, LongRun, hanging
from exactbox.polytope.complex import Complex, members
from exactbox.polytope.enumeration import Cell
from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import Pattern
from exactbox.polytope.rational import exact
from exactbox.polytope.split_tree import Step
from exactbox.polytope.tasks import keyer
from exactbox.polytope.wording import spelled
from exactbox.region_counts import Counts
from exactbox.run_parts import WITNESS
from exactbox.run_rows import Job, Rows, Workshop
from exactbox.run_state import InFolder, InMemory, RunState
from exactbox.saving import Info
from exactbox.verify.tree_certificate import certified_regions

Record = dict[str, object]
ALONE = 1.0
"""Seconds before processes are started."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is enumerated.

    Args:
        model: the model.
        domain: where.
        plan: what it decides.
    """

    model: Model
    domain: DomainRead
    plan: DecisionPlan


@dataclass(frozen=True)
class Ways:
    """How a long run is done.

    Args:
        workers: how many processes.
        scheduler: the address of a Dask cluster instead, or None.
        state: the folder of the state, or None.
        resume: whether to go on from what is there.
        keep: whether the state is kept once all is done.
    """

    workers: int = 1
    scheduler: str | None = None
    state: Path | None = None
    resume: bool = False
    keep: bool = True

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers: expected at least 1, got {self.workers}")
        if self.scheduler is not None and self.workers > 1:
            raise InputError("workers and scheduler: give one; the cluster has its own workers")
        if self.resume and self.state is None:
            how = spelled("state=FOLDER", "--state FOLDER, or -o FILE, beside which it lies")
            raise InputError(f"resume: there is no state to go on from; give {how}")

    @property
    def plain(self) -> bool:
        """Whether nothing asks for a long run."""
        return self.workers == 1 and self.scheduler is None and self.state is None


class Found:
    """What a long run found.

    Args:
        prepared: what was enumerated.
        run: the run, stopped or done.
        state: its state.
    """

    def __init__(self, prepared: Prepared, run: LongRun, state: RunState) -> None:
        self.prepared, self._run, self._state = prepared, run, state
        self._space = run.workshop.space
        self._keyer = keyer(self._space)
        self.hanging: Hanging | None = hanging(run) if run.workshop.job.hanging else None
        self.complete, self.reason = run.complete, run.reason

    def __len__(self) -> int:
        return self._run.regions

    @property
    def seconds(self) -> float:
        """Seconds so far, earlier runs from the same state included."""
        return self._run.seconds

    def cells(self) -> Iterator[Cell]:
        """Yield the regions in order."""
        for rows in self._run.rows([WITNESS]):
            yield from self._cells(rows)

    def classes(self) -> Iterator[str]:
        """Yield what is decided at each witness; nothing where nothing is decided."""
        return (name for rows in self._run.rows() for name in rows.classes)

    def records(self) -> Iterator[Record]:
        """Yield the regions in order, as ``region_table.records`` does."""
        number = 0
        for rows in self._run.rows():
            patterns = self._patterns(rows)
            for i in range(len(rows)):
                record: Record = {"region": number}
                if rows.classes:
                    record["class_at_witness"] = rows.classes[i]
                record["witness"] = rows.witnesses[i]
                if rows.inputs:
                    record["input"] = rows.inputs[i]
                record["pattern"] = patterns[i]
                yield record | self._relations(number)
                number += 1

    def counts(self, certificate: str | None = None) -> Counts:
        """Return what was found, in numbers."""
        own, whole, size = self.prepared, self.hanging, len(self)
        classes = self._run.class_counts()
        counts = Counts(
            own.model, own.domain, own.plan, size, classes, self.complete, self.reason, self.seconds,
            certificate=certificate,
        )
        if whole is None:
            return counts
        mean = Fraction(int(whole.facets.sum()), size) if size else None
        return replace(
            counts, neighbor_pairs=len(whole.pairs), linear_regions=int(whole.groups.max(initial=-1)) + 1,
            mean_facets=mean,
        )

    def complex(self, cells: tuple[Cell, ...]) -> Complex | None:
        """Return how the regions hang together, if that was asked for."""
        whole = self.hanging
        if whole is None:
            return None
        pairs = tuple((i, j) for i, j in whole.pairs.tolist())
        return Complex(
            self._space.program, self._space.domain, cells, pairs, tuple(whole.facets.tolist()),
            members(whole.groups), self.complete, self.reason,
        )

    def certify(self, path: Path, info: Info) -> None:
        """Write the certificate that these are all regions, from the proofs that the run kept.

        Raises:
            InputError: a file cannot be written.
            BudgetError: a number has more digits than the format allows.
        """
        for _ in certified_regions(path, self._space, info, self._steps()):
            pass

    def _steps(self) -> Iterator[Step]:
        last = len(self._space.layers)
        for rows, events in self._state.segments([WITNESS]):
            for layer in range(1, last):
                yield Step(layer, events[events[:, 0] == layer, 1:], [])
            yield Step(last, events[events[:, 0] == last, 1:], list(self._cells(rows)))

    def _cells(self, rows: Rows) -> Iterator[Cell]:
        winners = self._keyer.winners(rows.keys).astype(np.int64)
        for one, witness in zip(winners, rows.witnesses, strict=True):
            yield Cell(Pattern(tuple(one[low:high].copy() for low, high in self._bounds)), exact(witness).reduced())

    def _patterns(self, rows: Rows) -> list[str]:
        every = self._keyer.winners(rows.keys).tolist()
        return [json.dumps([one[a:b] for a, b in self._bounds], separators=(",", ":")) for one in every]

    @property
    def _bounds(self) -> list[tuple[int, int]]:
        """The first and last unit of each layer."""
        return list(pairwise([*(layer.first for layer in self._space.layers), self._space.units]))

    def _relations(self, number: int) -> Record:
        whole = self.hanging
        if whole is None:
            return {}
        near = whole.near[whole.starts[number] : whole.starts[number + 1]]
        return {
            "facets": int(whole.facets[number]), "neighbors": near.tolist(), "linear_region": int(whole.groups[number])
        }  # fmt: skip


def _work(run: LongRun, ways: Ways) -> None:
    """Have a run done; this process works alone at first, and until others have started."""
    if ways.scheduler is not None:
        with closing(Cluster(run.workshop.job, ways.scheduler)) as cluster:
            run.run(cluster)
        return
    alone, began = Alone(run.workshop), time.monotonic()
    if run.run(alone, lambda: ways.workers > 1 and time.monotonic() - began > ALONE):
        with closing(Processes(run.workshop.job, ways.workers)) as workers:
            if run.run(alone, workers.ready):
                run.run(workers)


@contextmanager
def long_run(
    prepared: Prepared, ways: Ways, limits: Limits, *, hanging: bool = False, recording: bool = False
) -> Generator[Found, None, None]:
    """Enumerate in tasks, and hand over what was found; the state is removed on leaving, where it is not to be kept.

    Args:
        hanging: whether facets, neighbours and linear regions are found.
        recording: whether a certificate is to be written.

    Raises:
        InputError: the state or the cluster cannot be used.
        BudgetError: workers die again and again.
    """
    model = prepared.model
    job = Job(model.program, prepared.domain.domain, prepared.plan, model.slice, hanging, recording)
    workshop = Workshop(job)
    begun_here = ways.state is not None and not ways.state.exists()
    state = InMemory(workshop) if ways.state is None else InFolder(ways.state, workshop, resume=ways.resume)
    done = False
    try:
        run = LongRun(workshop, state, limits)
        _work(run, ways)
        if ways.keep or not run.complete:
            state.save(run.seconds)
        yield Found(prepared, run, state)
        done = run.complete and not ways.keep
    except InputError:
        done = begun_here and not state.regions
        raise
    finally:
        state.close(remove=done)
