"""Processes and a Dask cluster: with one or many workers, and with lost ones, the result is the same."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exactbox.cli import run
from exactbox.crews import Alone, Cluster, Processes, work_there
from exactbox.enumerating import Enumerated, enumerate, prepare
from exactbox.loading import Model
from exactbox.long_runs import ATTEMPTS, Limits, LongRun
from exactbox.polytope.enumeration import Progress
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.tasks import first_task
from exactbox.region_table import records
from exactbox.run_results import Found
from exactbox.run_rows import Done, Workshop, first_rows
from exactbox.run_state import InMemory
from tests.exactbox_.long_nets import UNIT, same, workshop_of


def shared_run(model: Model, workers: Any, hear: Callable[[Progress], bool | None] | None = None) -> Enumerated:
    """Let a crew do the whole of a run."""
    prepared = prepare(model, box=UNIT)
    workshop = workshop_of(model)
    state = InMemory(workshop)
    run = LongRun(workshop, state, Limits(progress=hear))
    assert run.run(workers) is False
    found = Found(prepared, run, state)
    cells = tuple(found.cells())
    return Enumerated(
        model, prepared.domain, prepared.plan, cells, tuple(found.classes()), found.complete, found.reason,
        found.seconds, found.complex(cells),
    )


@pytest.mark.usefixtures("hasty")
def test_two_workers_then_four(model: Model, straight: Enumerated) -> None:
    for count in (2, 4):
        same(enumerate(model, box=UNIT, neighbors=True, workers=count), straight)


@pytest.mark.usefixtures("hasty")
def test_a_worker_is_killed(model: Model, straight: Enumerated) -> None:
    workers = Processes(workshop_of(model).job, 2)
    heard: list[int] = []

    def kill_one(progress: Progress) -> None:
        if len(heard) == 1:
            os.kill(workers.pids()[0], signal.SIGKILL)
        heard.append(progress.regions)

    try:
        same(shared_run(model, workers, kill_one), straight)
    finally:
        workers.close()
    assert len(heard) > 2


class Careless:
    """Loses each task a number of times before it works on it."""

    size = 3

    def __init__(self, workshop: Workshop, times: int) -> None:
        self._alone, self._times = Alone(workshop), times
        self._given: list[tuple[Any, float, int]] = []
        self._lost: dict[Any, int] = {}

    def submit(self, task: Any, seconds: float, spread: int) -> None:
        self._given.append((task, seconds, spread))

    def collect(self) -> list[tuple[Any, Done | None]]:
        """Take the last task first."""
        task, seconds, spread = self._given.pop()
        self._lost[task.place] = self._lost.get(task.place, 0) + 1
        if self._lost[task.place] <= self._times:
            return [(task, None)]
        self._alone.submit(task, seconds, spread)
        return list(self._alone.collect())

    def close(self) -> None:
        """Nobody is there."""


@pytest.mark.usefixtures("hasty", "short_parts")
@pytest.mark.parametrize("times", [0, 1, ATTEMPTS])
def test_lost_tasks_are_done_again(model: Model, times: int) -> None:
    expected = enumerate(model, box=UNIT, neighbors=True)
    same(shared_run(model, Careless(workshop_of(model), times)), expected)


@pytest.mark.usefixtures("hasty")
def test_workers_that_always_die(model: Model) -> None:
    with pytest.raises(BudgetError, match="died on the same cells"):
        shared_run(model, Careless(workshop_of(model), ATTEMPTS + 1))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as running:
        yield running


@pytest.mark.usefixtures("hasty")
def test_a_dask_cluster_that_loses_a_worker(model: Model, straight: Enumerated, cluster: Any) -> None:
    workers = Cluster(workshop_of(model).job, cluster.scheduler_address)
    pids = [worker.pid for worker in cluster.workers.values()]
    heard: list[int] = []

    def kill_one(progress: Progress) -> None:
        if len(heard) == 1:
            os.kill(pids[0], signal.SIGKILL)
        heard.append(progress.regions)

    try:
        assert workers.size == 2
        same(shared_run(model, workers, kill_one), straight)
    finally:
        workers.close()
    assert len(heard) > 2


def test_the_cluster_by_its_address(path: str, straight: Enumerated, cluster: Any, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    line = ["enumerate", path, "--box", "-1", "1", "--neighbors", "-o", str(file)]
    assert run([*line, "--scheduler", cluster.scheduler_address]) == 0
    assert [json.loads(text) for text in file.read_text().splitlines()] == list(records(straight))


def test_another_version_at_the_workers(model: Model, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.crews.__version__", "99")
    with pytest.raises(InputError, match="expected 99 everywhere"):
        enumerate(model, box=UNIT, scheduler=cluster.scheduler_address)


def test_a_scheduler_that_is_lost(model: Model, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("distributed.Client.nthreads", gone)
    with pytest.raises(InputError, match=r"the connection was lost .*--resume goes on"):
        Cluster(workshop_of(model).job, cluster.scheduler_address).close()
    monkeypatch.undo()
    workers = Cluster(workshop_of(model).job, cluster.scheduler_address)
    monkeypatch.setattr("distributed.Client.submit", lambda *_, **__: gone(None))
    with pytest.raises(InputError, match="the connection was lost"):
        workers.submit(first_task(workshop_of(model).space), 0.0, 0)
    workers.close()


def test_without_distributed(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exactbox.crews.importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"exactbox\[dask\]"):
        enumerate(model, box=UNIT, scheduler="tcp://127.0.0.1:8786")


def test_work_is_pure(model: Model) -> None:
    workshop = workshop_of(model)
    job, task = pickle.dumps(workshop.job), first_task(workshop.space)
    one, other = (work_there(job, task, float("inf"), 0) for _ in range(2))
    assert one.left == other.left == () and one.rows.witnesses == other.rows.witnesses
    short = first_rows(one.rows, 3)
    assert len(short) == 3 and short.facets is not None and one.rows.facets is not None
    assert len(short.facets.beyond) == int(one.rows.facets.degrees[:3].sum())


def test_a_client_that_cannot_start_is_closed(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open ones would be closed by garbage collection, perhaps in the middle of another's start, which then hangs."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("exactbox.crews.CONNECT_SECONDS", 0.2)
    for address in ("127.0.0.1", "tcp://127.0.0.1:1", "nonsense://there"):
        with pytest.raises(InputError, match="cannot be reached"):
            Cluster(workshop_of(model).job, address)
        assert [client for client in distributed.Client._instances if client.status != "closed"] == []
