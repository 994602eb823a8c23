"""What a long enumeration has found and what is left to do: in memory, or in a folder that survives the process.

The folder holds ``run.sqlite`` (what is left, and where the regions are, changed by transactions) and Parquet files of
finished regions, each written whole before the transaction that names it.
"""

from __future__ import annotations

import bisect
import contextlib
import heapq
import importlib.util
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from exactbox import __version__
from exactbox.files import check_writable
from exactbox.polytope.cell_kernels import Refs
from exactbox.polytope.errors import InputError
from exactbox.polytope.tasks import Place, Task, first_task
from exactbox.polytope.wording import counted, spelled
from exactbox.run_parts import read_rows, write_parts
from exactbox.run_rows import Done, Rows, Workshop

DATABASE = "run.sqlite"
VERSION = 1
COMMIT_SECONDS = 1.0
"""How much work a kill may lose at most, beside the tasks in flight."""

_REFUSALS = sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN
_TABLES = (
    "create table about (name text primary key, value text not null) without rowid",
    "create table tasks (key blob, layer integer, generation integer, body blob not null, "
    "primary key (key, layer, generation)) without rowid",
    "create table segments (key blob, layer integer, generation integer, regions integer not null, part integer, "
    "row_group integer, events blob not null, primary key (key, layer, generation)) without rowid",
)


class RunState(Protocol):
    """Keeps what is left to do and what was found."""

    regions: int
    earlier: float

    def tasks(self) -> list[Task]:
        """Return what is left, in order."""
        ...

    def replace(self, task: Task, pieces: Sequence[Task]) -> None:
        """Deal out a task to several."""
        ...

    def put(self, done: Done) -> None:
        """Keep what working on a task gave."""
        ...

    def save_now_and_then(self, seconds: float) -> None:
        """Call ``save`` if the last time was long ago."""
        ...

    def save(self, seconds: float) -> None:
        """Keep for good what was put; ``seconds`` is how long all runs took together."""
        ...

    def segments(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Rows, Refs]]:
        """Yield regions and events in order; with ``columns``, only those of the regions are read."""
        ...

    def close(self, *, remove: bool = False) -> None:
        """End the use; with ``remove``, nothing is kept."""
        ...


class InMemory:
    """Keeps everything in memory.

    Args:
        workshop: where the run's tasks are worked on.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._first = first_task(workshop.space)
        self._segments: list[tuple[Place, Rows, Refs]] = []
        self.regions, self.earlier = 0, 0.0

    def tasks(self) -> list[Task]:
        """Return the first task."""
        return [self._first]

    def replace(self, task: Task, pieces: Sequence[Task]) -> None:
        """Nothing is kept about tasks."""

    def put(self, done: Done) -> None:
        """Keep the regions and events."""
        self.regions += len(done.rows)
        if len(done.rows) or len(done.events):
            bisect.insort(self._segments, (done.place, done.rows, done.events), key=lambda one: one[0])

    def save_now_and_then(self, seconds: float) -> None:
        """Nothing outlives the process."""

    def save(self, seconds: float) -> None:
        """Nothing outlives the process."""

    def segments(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Rows, Refs]]:
        """Yield regions and events in order."""
        return ((rows, events) for _, rows, events in self._segments)

    def close(self, *, remove: bool = False) -> None:
        """There is nothing to close."""


class InFolder:
    """Keeps everything in a folder that one process at a time may use.

    Args:
        folder: where; made if need be.
        workshop: where the run's tasks are worked on.
        resume: whether to go on from what is there.
        commit_seconds: see ``COMMIT_SECONDS``, the default.

    Raises:
        InputError: another process uses the folder, what is there was not asked for or is of another run, is damaged,
            or cannot be written, or pyarrow is missing.
    """

    def __init__(
        self, folder: Path, workshop: Workshop, *, resume: bool, commit_seconds: float | None = None
    ) -> None:
        self._folder, self._no_rows = folder, workshop.no_rows()
        self._event_width = 4 + workshop.space.chart.dimension
        self._interval = COMMIT_SECONDS if commit_seconds is None else commit_seconds
        self._pending: list[Done] = []
        self._added: dict[Place, Task] = {}
        self._removed: set[Place] = set()
        self._saved = time.monotonic()
        self._database = _opened(folder)
        try:
            self._begin(workshop, resume)
        except (sqlite3.Error, ValueError, TypeError) as error:
            self.close()
            raise _failed(folder, error) from None
        except InputError:
            self.close()
            raise

    def _begin(self, workshop: Workshop, resume: bool) -> None:
        known = self._about()
        if known:
            _check_binding(self._folder, known, workshop.job.binding, resume)
        else:
            self._create(workshop)
        self.earlier = float(known.get("seconds", "0"))
        regions, last = self._database.execute("select total(regions), max(part) from segments").fetchone()
        self.regions, self._next = int(regions), int(last or 0) + 1
        self._check_parts()

    def _about(self) -> dict[str, str]:
        (sound,) = self._database.execute("pragma quick_check(1)").fetchone()
        if sound != "ok":
            raise _damaged(self._folder, str(sound))
        tables = [name for (name,) in self._database.execute("select name from sqlite_master where type = 'table'")]
        if not tables:
            return {}
        if "about" not in tables:
            raise _damaged(self._folder, "it is no state of an enumeration")
        return dict(self._database.execute("select name, value from about"))

    def _create(self, workshop: Workshop) -> None:
        about = {"version": str(VERSION), "exactbox": __version__, "seconds": "0", **workshop.job.binding}
        first = first_task(workshop.space)
        with self._database:
            self._database.execute("begin immediate")
            for table in _TABLES:
                self._database.execute(table)
            self._database.executemany("insert into about values (?, ?)", about.items())
            self._database.execute("insert into tasks values (?, ?, ?, ?)", (*first.place, first.to_bytes()))

    def _check_parts(self) -> None:
        """Refuse a folder in which files are missing, and delete those that a killed run had not yet counted."""
        query = "select distinct part from segments where part is not null"
        counted = {self._part(number) for (number,) in self._database.execute(query)}
        for path in counted:
            if not path.is_file():
                raise _damaged(self._folder, f"{path.name} is missing")
        for path in _parts(self._folder):
            if path not in counted:
                path.unlink()

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:08}.parquet"

    def tasks(self) -> list[Task]:
        """Return what is left, in order."""
        rows = self._database.execute("select body from tasks order by key, layer, generation")
        try:
            return [Task.from_bytes(body) for (body,) in rows]
        except (ValueError, KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise _damaged(self._folder, f"a task cannot be read: {error}") from None
        except sqlite3.Error as error:
            raise _failed(self._folder, error) from None

    def replace(self, task: Task, pieces: Sequence[Task]) -> None:
        """Deal out a task to several."""
        self._settle(task.place, pieces)

    def put(self, done: Done) -> None:
        """Keep what working on a task gave; written now and then."""
        self.regions += len(done.rows)
        self._pending.append(done)
        self._settle(done.place, done.left)

    def _settle(self, place: Place, left: Sequence[Task]) -> None:
        if place in self._added:
            del self._added[place]
        else:
            self._removed.add(place)
        self._added.update({task.place: task for task in left})

    def save_now_and_then(self, seconds: float) -> None:
        """Call ``save`` if the last time was long ago."""
        if time.monotonic() - self._saved >= self._interval:
            self.save(seconds)

    def save(self, seconds: float) -> None:
        """Write what was put: first the regions to a file, then one transaction."""
        filled = [done for done in self._pending if len(done.rows)]
        try:
            if filled:
                write_parts(self._part(self._next), [done.rows for done in filled])
            self._commit({id(done): group for group, done in zip(range(len(filled)), filled, strict=True)}, seconds)
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{self._folder}: the state cannot be written: {error}") from None
        self._next += bool(filled)
        self._pending, self._added, self._removed = [], {}, set()
        self._saved = time.monotonic()

    def _commit(self, groups: dict[int, int], seconds: float) -> None:
        settled = [
            (*done.place, len(done.rows), self._next if id(done) in groups else None, groups.get(id(done)),
             zlib.compress(done.events.tobytes(), 6))
            for done in self._pending if len(done.rows) or len(done.events)
        ]  # fmt: skip
        added = [(*place, task.to_bytes()) for place, task in self._added.items()]
        with self._database:
            self._database.execute("begin immediate")
            self._database.executemany("delete from tasks where key=? and layer=? and generation=?", self._removed)
            self._database.executemany("insert into tasks values (?, ?, ?, ?)", added)
            self._database.executemany("insert into segments values (?, ?, ?, ?, ?, ?, ?)", settled)
            self._database.execute("insert or replace into about values ('seconds', ?)", (repr(seconds),))

    def segments(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Rows, Refs]]:
        """Yield regions and events in order, those included that are not saved yet.

        Raises:
            InputError: what is stored is damaged.
        """
        fresh = sorted(((done.place, done.rows, done.events) for done in self._pending), key=lambda one: one[0])
        stored = self._stored(columns)
        return ((rows, events) for _, rows, events in heapq.merge(stored, fresh, key=lambda one: one[0]))

    def _stored(self, columns: Sequence[str] | None) -> Iterator[tuple[Place, Rows, Refs]]:
        query = ("select key, layer, generation, part, row_group, regions, events from segments "
                 "order by key, layer, generation")  # fmt: skip
        try:
            for key, layer, generation, part, group, regions, packed in self._database.execute(query):
                rows = self._no_rows
                if part is not None:
                    rows = read_rows(self._part(part), group, self._no_rows, columns)
                if len(rows) != regions:
                    held = counted(len(rows), "region")
                    raise _damaged(self._folder, f"part {part} holds {held} where {regions} are counted")
                events = np.frombuffer(zlib.decompress(packed), dtype=np.int32)
                yield Place(key, layer, generation), rows, events.reshape(-1, self._event_width)
        except (sqlite3.Error, zlib.error, ValueError, OSError) as error:
            raise _failed(self._folder, error) from None

    def close(self, *, remove: bool = False) -> None:
        """Let others use the folder, or delete it; files that a run does not write stay."""
        if remove:
            with contextlib.suppress(sqlite3.Error):
                self._forget()
        self._database.close()
        if remove:
            with contextlib.suppress(OSError):
                for path in [*_parts(self._folder), *self._folder.glob(f"{DATABASE}*")]:
                    path.unlink(missing_ok=True)
                self._folder.rmdir()

    def _forget(self) -> None:
        """Make the state an empty one, so that a kill while its files are deleted leaves no damaged one."""
        with self._database:
            self._database.execute("begin immediate")
            for name in ("about", "tasks", "segments"):
                self._database.execute(f"drop table if exists {name}")


def _parts(folder: Path) -> list[Path]:
    """Return the files of regions, and those that a kill left half-written."""
    return [*folder.glob("part-????????.parquet"), *folder.glob(".part-????????.*.parquet")]


def _opened(folder: Path) -> sqlite3.Connection:
    """Open a folder's database for this process alone."""
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{folder}: the state of a run holds Parquet files, which need pyarrow; install "
                         f"exactbox[parquet], or leave {spelled('state', '--state')} out")  # fmt: skip
    _check_own(folder) if folder.is_dir() else _make(folder)
    try:
        database = sqlite3.connect(folder / DATABASE, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise _failed(folder, error) from None
    try:
        database.execute("pragma locking_mode = exclusive")
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = full")
        database.execute("begin exclusive")
        database.execute("commit")
    except sqlite3.Error as error:
        database.close()
        if "locked" in str(error):
            raise InputError(f"{folder}: another process is working on this state; wait for it or end it") from None
        raise _failed(folder, error) from None
    return database


def _check_own(folder: Path) -> None:
    """Refuse a folder of other files: the files of a run are deleted and replaced."""
    check_writable(folder / DATABASE)
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith(DATABASE))
    if others and not (folder / DATABASE).is_file():
        raise InputError(f"{folder}: expected the state of a run or an empty folder, got one that holds {others[0]} "
                         f"and no {DATABASE}; give {spelled('state', '--state')} a folder of its own")  # fmt: skip


def _make(folder: Path) -> None:
    check_writable(folder)
    try:
        folder.mkdir()
    except OSError as error:
        raise InputError(f"{folder}: the folder for the state cannot be made: {error.strerror}") from None


def _check_binding(folder: Path, known: dict[str, str], binding: dict[str, str], resume: bool) -> None:
    if not resume:
        how = spelled("resume=True", "--resume")
        raise InputError(f"{folder}: holds the state of a run that can be gone on with; give {how} to go on, or remove "
                         "the folder to begin again")  # fmt: skip
    if known.get("version") != str(VERSION):
        raise InputError(f"{folder}: a state of version {known.get('version')}, expected {VERSION}; go on with the "
                         f"exactbox that wrote it ({known.get('exactbox')}), or remove the folder")  # fmt: skip
    other = [name for name, value in binding.items() if known.get(name) != value]
    if other:
        raise InputError(f"{folder}: the state of another run: it differs in {', '.join(other)}; give the options of "
                         f"that run, or another {spelled('state', '--state')}")  # fmt: skip


def _failed(folder: Path, error: Exception) -> InputError:
    """Tell a file system that refuses from a state that is damaged."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _REFUSALS:
        return InputError(f"{folder}: the state cannot be read or written: {error}; see whether the disk is full")
    return _damaged(folder, str(error))


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"{folder}: the state of the run is damaged ({why}); nothing was changed: restore it, or remove "
                      "the folder to begin again")  # fmt: skip
