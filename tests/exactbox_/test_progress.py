"""The progress display: silent where it should be, and never in the way."""

import io
import re
import sys
import threading
from typing import Any

import pytest

from exactbox.progress import Silent, Stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Stages(2) as stages:
        stages.begin("one")
        stages.part(1, 2)
        stages.begin("two")
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_for_quick_work(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Stages(1) as stages:
        stages.begin("quick")
    assert terminal.getvalue() == ""


def test_a_bar_is_shown_for_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("exactbox.progress.PATIENCE", 0.0)
    with Stages(2) as stages:
        stages.begin("facets")
        for thread in threading.enumerate():
            if thread.name == "progress":
                thread.join()
        stages.part(1, 4)
        stages.part(0, 0)
    assert "facets" in terminal.getvalue()


def test_long_work_is_told_of_line_by_line_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = threading.Event()

    def tell(*texts: object, **options: Any) -> None:
        print(*texts, **options)
        told.set()

    monkeypatch.setattr("exactbox.progress.INTERVAL", 0.0)
    monkeypatch.setattr("exactbox.progress.print", tell, raising=False)
    with Stages(2) as stages:
        stages.begin("facets")
        stages.part(1, 4)
        for _ in range(2):  # the first line may have been under way
            told.clear()
            assert told.wait(10)
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(r"exactbox: stage 1 of 2, facets, 25% of it; \d+ s", err.splitlines()[-1])


def test_an_error_passes_through() -> None:
    with pytest.raises(ValueError, match="no"), Stages(1, enabled=True):
        raise ValueError("no")


def test_silence() -> None:
    silent = Silent()
    silent.begin("anything")
    silent.part(1, 2)
    assert vars(silent) == {}
