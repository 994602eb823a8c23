"""A progress display on standard error for work that takes more than two seconds, on a terminal only."""

from __future__ import annotations

import sys
import threading
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
"""Seconds before anything is shown."""


class Stages:
    """Counts the stages of a command; shows a bar once the work takes long.

    Args:
        total: how many stages there are.
        enabled: whether to show anything; by default whether standard error is a terminal.

    >>> with Stages(2, enabled=False) as stages:
    ...     stages.begin("the first")
    ...     stages.part(1, 10)
    """

    def __init__(self, total: int, enabled: bool | None = None) -> None:
        self._total = total
        self._enabled = sys.stderr.isatty() if enabled is None else enabled
        self._lock = threading.Lock()
        self._done = -1
        self._text = ""
        self._bar: Any = None
        self._task: Any = None
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Stages:
        if self._enabled:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._enabled = False
            if self._bar is not None:
                self._bar.stop()

    def begin(self, text: str) -> None:
        """Start the next stage."""
        with self._lock:
            self._done += 1
            self._text = text
            self._update(self._done)

    def part(self, done: int, total: int) -> None:
        """Say how much of the current stage is done."""
        with self._lock:
            self._update(self._done + (done / total if total else 0.0))

    def describe(self, text: str) -> None:
        """Say something else about the current stage."""
        with self._lock:
            self._text = text
            self._update(max(self._done, 0))

    def _update(self, completed: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=completed, description=self._text)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if not self._enabled:
                return
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._text, total=self._total, completed=max(self._done, 0))
            self._bar.start()
