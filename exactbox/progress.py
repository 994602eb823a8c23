"""How far long work is, on standard error: a bar on a terminal after two seconds, elsewhere a line every ten."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from types import TracebackType
from typing import Any, Protocol


class Watcher(Protocol):
    """Is told how far some work is."""

    def begin(self, text: str) -> None:
        """Hear that a stage begins."""

    def part(self, done: int, total: int) -> None:
        """Hear how much of the stage is done."""


class Silent:
    """A watcher that says nothing."""

    def begin(self, text: str) -> None:
        """Hear that a stage begins."""

    def part(self, done: int, total: int) -> None:
        """Hear how much of the stage is done."""


PATIENCE = 2.0
"""Seconds before a bar is shown."""

INTERVAL = 10.0
"""Seconds between two lines where standard error is no terminal."""


class Stages:
    """Counts the stages of a command, and says how far it is once the work takes long.

    Args:
        total: how many stages there are.
        enabled: whether to show a bar; by default one where standard error is a terminal, else lines.

    >>> with Stages(2, enabled=False) as stages:
    ...     stages.begin("the first")
    ...     stages.part(1, 10)
    """

    def __init__(self, total: int, enabled: bool | None = None) -> None:
        self._total = total
        bar = sys.stderr.isatty() if enabled is None else enabled
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._began = time.monotonic()
        self._done, self._share = -1, 0.0
        self._text = ""
        self._bar: Any = None
        self._task: Any = None
        self._thread: threading.Thread | None = None
        if bar or enabled is None:
            self._thread = threading.Thread(target=self._show if bar else self._tell, name="progress", daemon=True)

    def __enter__(self) -> Stages:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with self._lock:
            if self._bar is not None:
                self._bar.stop()

    def begin(self, text: str) -> None:
        """Start the next stage."""
        with self._lock:
            self._done, self._share = self._done + 1, 0.0
            self._text = text
            self._update()

    def part(self, done: int, total: int) -> None:
        """Say how much of the current stage is done."""
        with self._lock:
            self._share = done / total if total else 0.0
            self._update()

    def describe(self, text: str) -> None:
        """Say something else about the current stage."""
        with self._lock:
            self._text = text
            self._update()

    def _update(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=max(self._done, 0) + self._share, description=self._text)

    def _show(self) -> None:
        """Show a bar once the work takes long."""
        if self._ended.wait(PATIENCE):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._ended.is_set():
                return
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._text, total=self._total)
            self._update()
            self._bar.start()

    def _tell(self) -> None:
        """Write a line now and then, for a log or a pipe."""
        while not self._ended.wait(INTERVAL):
            with self._lock:
                share = f", {self._share:.0%} of it" if self._share else ""
                stage = f"stage {self._done + 1} of {self._total}, {self._text}{share}"
            with contextlib.suppress(OSError, ValueError):  # standard error was closed
                print(f"exactbox: {stage}; {time.monotonic() - self._began:.0f} s", file=sys.stderr, flush=True)
