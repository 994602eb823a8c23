"""Who works on the tasks of a long enumeration: this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import pickle
import signal
import threading
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any, Protocol

from exactbox import __version__
from exactbox.interrupting import unheard
from exactbox.polytope.errors import InputError, InternalError
from exactbox.polytope.tasks import Task
from exactbox.polytope.wording import spelled
from exactbox.run_rows import Done, Job, Workshop

CONNECT_SECONDS = 10
Outcome = tuple[Task, Done | None]
"""A task and what working on it gave; None where its worker was lost."""


class Crew(Protocol):
    """Takes tasks, and gives back what came of them in any order."""

    @property
    def size(self) -> int:
        """How many tasks can be worked on at once."""
        ...

    def submit(self, task: Task, seconds: float, spread: int) -> None:
        """Have a task worked on; see ``tasks.work``."""
        ...

    def collect(self) -> list[Outcome]:
        """Wait until something came of a task."""
        ...

    def close(self) -> None:
        """Send everyone home; what they are working on is left undone."""
        ...


class Alone:
    """This process.

    Args:
        workshop: where tasks are worked on.
    """

    size = 1

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._given: list[tuple[Task, float, int]] = []

    def submit(self, task: Task, seconds: float, spread: int) -> None:
        """Remember the task."""
        self._given.append((task, seconds, spread))

    def collect(self) -> list[Outcome]:
        """Work on a task."""
        task, seconds, spread = self._given.pop(0)
        return [(task, self._workshop.work(task, seconds, spread))]

    def close(self) -> None:
        """Forget the tasks."""
        self._given.clear()


class Processes:
    """Processes of this machine; killed ones are replaced.

    Args:
        job: what they work on.
        count: how many.
    """

    def __init__(self, job: Job, count: int) -> None:
        self._job, self.size = job, count
        self._given: dict[Future[Done], Task] = {}
        self._pool = self._open()
        with unheard():
            self._started = [self._pool.submit(version_here) for _ in range(count)]

    def ready(self) -> bool:
        """Say whether all of them have started; the first tasks start them."""
        return all(future.done() for future in self._started)

    def _open(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.size, get_context("spawn"), _begin, (pickle.dumps(self._job),))

    def submit(self, task: Task, seconds: float, spread: int) -> None:
        """Have a task worked on."""
        try:
            with unheard():
                self._given[self._pool.submit(_work, task, seconds, spread)] = task
        except BrokenProcessPool:
            lost: Future[Done] = Future()
            lost.set_exception(BrokenProcessPool())
            self._given[lost] = task

    def collect(self) -> list[Outcome]:
        """Wait for tasks; where a process died, all tasks in flight are lost and new processes start."""
        done, _ = wait(self._given, return_when=FIRST_COMPLETED)
        outcomes: list[Outcome] = []
        broken = False
        for future in done:
            task = self._given.pop(future)
            try:
                outcomes.append((task, future.result()))
            except BrokenProcessPool:
                outcomes.append((task, None))
                broken = True
        if broken:
            outcomes += [(task, None) for task in self._given.values()]
            self._given.clear()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._open()
        return outcomes

    def pids(self) -> list[int]:
        """Return the numbers of the processes."""
        return list(self._pool._processes)

    def close(self) -> None:
        """End the processes at once, whether they have started or not."""
        for process in list(self._pool._processes.values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """A Dask cluster that runs already.

    Args:
        job: what it works on.
        address: the scheduler's, such as ``tcp://10.0.0.1:8786``.

    Raises:
        InputError: ``distributed`` is missing, the scheduler cannot be reached, or the workers have no exactbox or
            another version.
    """

    def __init__(self, job: Job, address: str) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise InputError(f"scheduler {address}: needs the package distributed; install exactbox[dask]")
        self._distributed: Any = importlib.import_module("distributed")
        self._closed: Any = getattr(self._distributed.client, "ClosedClientError", OSError)
        self._job, self._address = pickle.dumps(job), address
        # A client that fails to start must be closed here: left to garbage collection while a later one starts, it
        # would wait for ever for the lock that the later one holds.
        self._client: Any = self._distributed.Client.__new__(self._distributed.Client)
        try:
            self._client.__init__(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            self._client.close(timeout=CONNECT_SECONDS)
            raise InputError(f"scheduler {address}: cannot be reached: {error}; is it running, and is the address "
                             "that of a Dask scheduler, such as tcp://10.0.0.1:8786?") from None  # fmt: skip
        self._given: dict[Any, Task] = {}
        try:
            self._check(address)
        except InputError:
            self.close()
            raise

    def _check(self, address: str) -> None:
        with self._connected():
            threads = self._client.nthreads()
        if not threads:
            raise InputError(f"scheduler {address}: it has no workers; start some with dask worker {address}")
        try:
            versions = set(self._client.run(version_here).values())
        except (ImportError, AttributeError, OSError) as error:
            raise InputError(f"scheduler {address}: its workers cannot load exactbox ({error}); install exactbox "
                             f"{__version__} where they run") from None  # fmt: skip
        if versions != {__version__}:
            raise InputError(f"scheduler {address}: its workers have exactbox {', '.join(sorted(versions))}, expected "
                             f"{__version__} everywhere")  # fmt: skip

    @property
    def size(self) -> int:
        """The number of threads of all workers."""
        with self._connected():
            return max(1, sum(int(count) for count in self._client.nthreads().values()))

    def submit(self, task: Task, seconds: float, spread: int) -> None:
        """Have a task worked on; the scheduler repeats it where its worker is lost."""
        with self._connected():
            future = self._client.submit(work_there, self._job, task, seconds, spread, pure=False, retries=2)
        self._given[future] = task

    def collect(self) -> list[Outcome]:
        """Wait for tasks."""
        with self._connected(), self._client.as_current():
            done, _ = self._distributed.wait(list(self._given), return_when="FIRST_COMPLETED")
            if self._client.status != "running":
                raise OSError("the connection was closed")
            return [(self._given.pop(future), self._result(future)) for future in done]

    def _result(self, future: Any) -> Done | None:
        if future.status in ("lost", "cancelled"):
            return None
        error = future.exception() if future.status == "error" else None
        if isinstance(error, self._distributed.KilledWorker):
            return None
        found: Done = future.result()
        return found

    @contextmanager
    def _connected(self) -> Generator[None, None, None]:
        """Turn the loss of the scheduler into an error that says how to go on."""
        try:
            yield
        except (OSError, TimeoutError, self._closed) as error:
            raise InputError(f"scheduler {self._address}: the connection was lost ({error}); with a state "
                             f"({spelled('state=…', '--state')}), {spelled('resume=True', '--resume')} goes on from "
                             "what was finished") from None  # fmt: skip

    def close(self) -> None:
        """Leave the cluster as it was."""
        with suppress(OSError, TimeoutError, self._closed):
            if self._client.status == "running":
                self._client.cancel(list(self._given))
            self._client.close(timeout=CONNECT_SECONDS)


def version_here() -> str:
    """Return the version where this is called."""
    return __version__


_local = threading.local()


def work_there(job: bytes, task: Task, seconds: float, spread: int) -> Done:
    """Work on a task of a pickled job; each thread keeps its workshop."""
    if getattr(_local, "job", None) != job:
        _local.job, _local.workshop = job, Workshop(pickle.loads(job))
    workshop: Workshop = _local.workshop
    return workshop.work(task, seconds, spread)


@functools.cache
def _workshop(job: bytes) -> Workshop:
    return Workshop(pickle.loads(job))


_JOB: list[bytes] = []


def _begin(job: bytes) -> None:
    """Prepare a process: Ctrl-C is the parent's affair, and with the parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _JOB[:] = [job]
    _workshop(job)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is None:
        raise InternalError("a worker without a parent process")
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(task: Task, seconds: float, spread: int) -> Done:
    return _workshop(_JOB[0]).work(task, seconds, spread)
