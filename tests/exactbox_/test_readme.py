"""What README.md shows in Python runs as it stands."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import exactbox
from exactbox.cli import EPILOG
from tests.importers.onnx_models import mlp, save
from tests.source_tree import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DATA = REPOSITORY / "exactbox" / "data"
OPTION_FILES = ("audit_options.py", "analysis_options.py", "model_options.py")


def run_example(mentioned: str, names: dict[str, object]) -> None:
    examples: list[str] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (example,) = (one for one in examples if mentioned in one)
    exec(compile(example, "README.md", "exec"), names)


def test_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "digits_mlp.onnx", "model.onnx")
    names: dict[str, object] = {"x": np.load(DATA / "digits_samples.npz")["pixels"][0]}
    run_example("exactbox.certify(", names)
    found = names["found"]
    assert getattr(found, "target", None) == 3
    assert isinstance(getattr(found, "margin", None), Fraction)
    assert Path("x.cert.json").is_file()


def test_python_example_of_enumerations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("networkx", "matplotlib", "bokeh"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    save(mlp(0, (2, 4, 4, 2)), tmp_path, "model.onnx")
    names: dict[str, object] = {"exactbox": exactbox, "x": np.zeros(2), "X": np.array([[0.5, -0.5], [0.0, 0.0]])}
    run_example("exactbox.enumerate(", names)
    assert getattr(names["found"], "complete", None) is True
    assert Path("regions.png").is_file() and Path("regions.html").is_file()


@pytest.mark.parametrize("code", range(6))
def test_exit_codes_are_those_of_the_help(code: int) -> None:
    assert f"| {code} | " in README
    assert f"{code} " in EPILOG


def test_options_that_are_mentioned_exist() -> None:
    files = [REPOSITORY / "exactbox" / name for name in ("cli.py", *OPTION_FILES)]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    mentioned = set(re.findall(r"`(--[a-z-]+)", README)) - {"--no-"}
    assert {option for option in mentioned if option not in source} == set()
    assert len(mentioned) > 15
