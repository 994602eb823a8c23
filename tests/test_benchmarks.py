"""Benchmarks run as README.md says: as plain scripts, from anywhere, without a word from a library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_tree import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_benchmarks_run_as_plain_scripts(script: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(script), "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script.name}")
