"""Modules of torch as models: exported in evaluation mode at an example, or refused with the parameter to give."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import exactbox
from tests.source_tree import REPOSITORY

IRIS = REPOSITORY / "exactbox" / "data" / "iris_pipeline.onnx"
POINT = [0.1, 0.2, 0.3, 0.4]


class LooksLikeOne:
    """What tells a module of torch from a path, and no more."""

    training = True

    def forward(self, x: object) -> object:
        return x

    def state_dict(self) -> dict[str, object]:
        return {}

    def modules(self) -> list[object]:
        return [self]


VERBS: dict[str, Callable[[Any], object]] = {
    "load": exactbox.load,
    "inventory": exactbox.inventory,
    "certify": lambda given: exactbox.certify(given, POINT),
    "audit": lambda given: exactbox.audit(given, [POINT]),
    "compare": lambda given: exactbox.compare(given, given),
    "enumerate": exactbox.enumerate,
    "iter_regions": exactbox.iter_regions,
    "neighbors": lambda given: exactbox.neighbors(given, POINT),
    "region_at": lambda given: exactbox.region_at(given, POINT),
    "regions_at": lambda given: exactbox.regions_at(given, POINT),
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())


@every_verb
def test_what_looks_like_a_module_needs_torch(verb: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(exactbox.InputError, match=r"model: LooksLikeOne looks like a torch\.nn\.Module, but torch"):
        verb(LooksLikeOne())


@every_verb
def test_what_is_no_model_is_named(verb: Callable[[Any], object]) -> None:
    with pytest.raises(exactbox.InputError, match=r"model: expected the path of an ONNX file, .*, got int"):
        verb(3)


@pytest.mark.parametrize("option", [{"example": [POINT]}, {"input_shape": (1, 4)}], ids=["example", "input_shape"])
@pytest.mark.parametrize("given", [IRIS, IRIS.read_bytes()], ids=["path", "bytes"])
def test_a_file_takes_no_example(given: Any, option: dict[str, Any]) -> None:
    for verb in (exactbox.load, exactbox.inventory):
        with pytest.raises(exactbox.InputError, match=f"^{next(iter(option))}: is for a torch.nn.Module"):
            verb(given, **option)


def test_every_verb_takes_bytes() -> None:
    given, rows = IRIS.read_bytes(), np.ones((2, 4), np.float32)
    assert exactbox.inventory(given).file.sha256 == exactbox.inventory(IRIS).file.sha256
    assert exactbox.certify(given, POINT, minimal=False).coef.equals(exactbox.certify(IRIS, POINT, minimal=False).coef)
    assert exactbox.compare(given, IRIS).verdict == "equal"
    assert exactbox.audit(given, rows).count == 2
    assert exactbox.region_at(given, POINT).pattern == exactbox.region_at(IRIS, POINT).pattern


@pytest.fixture
def module() -> Any:
    """Return a net half in training mode, whose normalisation and dropout would show."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))
    net[1].running_mean += 1
    net.train()
    net[1].eval()
    return net


@pytest.mark.parametrize(
    "option",
    [{"input_shape": (1, 4)}, {"example": [POINT]}, {"example": np.ones((1, 4), np.float32)}],
    ids=["shape", "list", "array"],
)
def test_a_module_is_its_evaluation(module: Any, option: dict[str, Any]) -> None:
    modes = [part.training for part in module.modules()]
    found = exactbox.certify(exactbox.load(module, **option), POINT, minimal=False)
    assert [part.training for part in module.modules()] == modes
    torch: Any = importlib.import_module("torch")
    expected = module.eval()(torch.tensor([POINT], dtype=torch.float32)).detach().numpy()
    assert np.allclose(np.asarray(found.values, float), expected, atol=1e-5)


def test_verbs_that_take_no_model_take_the_example(module: Any) -> None:
    assert exactbox.inventory(module, input_shape=(1, 4)).refusals == ()
    assert exactbox.compare(module, module, input_shape=(1, 4)).verdict == "equal"
    assert exactbox.audit(module, np.ones((2, 4), np.float32), example=[POINT]).count == 2


@every_verb
def test_a_module_alone_is_asked_for_its_input(module: Any, verb: Callable[[Any], object]) -> None:
    with pytest.raises(exactbox.InputError, match=r"give example=, an input, or input_shape="):
        verb(module)


def test_a_module_that_torch_cannot_export(module: Any) -> None:
    modes = [part.training for part in module.modules()]
    options: tuple[dict[str, Any], ...] = (
        {"input_shape": (1, 5)},
        {"example": "text"},
        {"example": [POINT], "input_shape": (1, 4)},
    )
    for option in options:
        with pytest.raises(exactbox.InputError, match=r"torch does not export|give one of example and input_shape"):
            exactbox.load(module, **option)
    assert [part.training for part in module.modules()] == modes
