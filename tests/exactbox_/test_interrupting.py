"""Ctrl-C: noted while regions are enumerated, an interrupt afterwards, and never heard by workers."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from exactbox.interrupting import Interrupt, unheard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")


def test_the_first_is_noted_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_after_the_end_the_first_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        interrupt.end()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupt.end()
    assert not interrupt.asked and signal.getsignal(signal.SIGINT) is before


def test_a_process_that_starts_unheard_is_not_interrupted() -> None:
    with unheard():
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(b"\n")
    assert process.returncode == 0 and said == b""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
