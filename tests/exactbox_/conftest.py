"""Fixtures of the tests of long runs: a net, its straight run, and settings that cut a run into many pieces."""

from __future__ import annotations

import pytest

from exactbox.enumerating import Enumerated, enumerate
from exactbox.loading import Model, load
from tests.exactbox_.long_nets import UNIT
from tests.importers.onnx_models import mlp, save


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A 3-12-12-2 net with small integer weights, so that coincidences are common."""
    return str(save(mlp(1, (3, 12, 12, 2)), tmp_path_factory.mktemp("long"), "net.onnx"))


@pytest.fixture(scope="session")
def model(path: str) -> Model:
    return load(path, verify=False)


@pytest.fixture(scope="session")
def straight(model: Model) -> Enumerated:
    """The run that nothing cuts."""
    return enumerate(model, box=UNIT, neighbors=True)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut wherever possible, save at once, and share the work from the start."""
    monkeypatch.setattr("exactbox.long_runs.SHORTEST", 0.0)
    monkeypatch.setattr("exactbox.long_runs.LONGEST", 0.0)
    monkeypatch.setattr("exactbox.run_state.COMMIT_SECONDS", 0.0)
    monkeypatch.setattr("exactbox.run_results.ALONE", -1.0)
    monkeypatch.setattr("exactbox.crews.Processes.ready", lambda _: True)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps a part, so that a small net has many."""
    monkeypatch.setattr("exactbox.polytope.layer_run._STEPS", 60)
