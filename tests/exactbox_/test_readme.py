"""What README.md shows in Python runs as it stands."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exactbox.cli import EPILOG
from tests.source_tree import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DATA = REPOSITORY / "exactbox" / "data"


def test_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "digits_mlp.onnx", "model.onnx")
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {"x": np.load(DATA / "digits_samples.npz")["pixels"][0]}
    exec(compile(example, "README.md", "exec"), names)
    found = names["found"]
    assert getattr(found, "target", None) == 3
    assert isinstance(getattr(found, "margin", None), Fraction)
    assert Path("x.cert.json").is_file()


@pytest.mark.parametrize("code", range(6))
def test_exit_codes_are_those_of_the_help(code: int) -> None:
    assert f"| {code} | " in README
    assert f"{code} " in EPILOG


def test_options_that_are_mentioned_exist() -> None:
    files = [REPOSITORY / "exactbox" / name for name in ("cli.py", "audit_options.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    mentioned = set(re.findall(r"`(--[a-z-]+)", README)) - {"--no-"}
    assert {option for option in mentioned if option not in source} == set()
    assert len(mentioned) > 15
