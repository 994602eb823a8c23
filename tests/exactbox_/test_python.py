"""The Python interface as people use it: paths and lists, numpy, pictures, and representations of a line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import exactbox
from exactbox.polytope.rational import Rationals, exact
from tests.source_tree import REPOSITORY

DATA = REPOSITORY / "exactbox" / "data"
IRIS, FLOWERS = DATA / "iris_pipeline.onnx", DATA / "iris_samples.csv"
POINT = [5, 3, 4, 1]
SCREEN = 80 * 25


@pytest.fixture(scope="module")
def found() -> exactbox.Certified:
    return exactbox.certify(IRIS, POINT, box=(0, 8))


@pytest.fixture(scope="module")
def audited() -> exactbox.Audit:
    return exactbox.audit(IRIS, FLOWERS, workers=1)


@pytest.mark.parametrize("path", [IRIS, str(IRIS)], ids=["path", "text"])
def test_regions_of_a_path(path: Any) -> None:
    net = exactbox.load(IRIS)
    region = exactbox.region_at(path, POINT)
    assert region.pattern == exactbox.region_at(net, np.array(POINT)).pattern
    (only,) = exactbox.regions_at(path, tuple(POINT)).regions
    assert only.pattern == region.pattern


@pytest.mark.parametrize("given", [IRIS.read_bytes(), onnx.load(IRIS)], ids=["bytes", "message"])
def test_a_model_in_memory(given: Any, found: exactbox.Certified, tmp_path: Path) -> None:
    net = exactbox.load(given)
    assert exactbox.certify(net, POINT, box=(0, 8), minimal=False).coef.equals(found.coef)
    exactbox.certify(net, POINT, minimal=False).save(tmp_path / "x.cert.json")
    assert exactbox.check(tmp_path / "x.cert.json", IRIS).accepted


def test_a_model_in_memory_has_no_folder() -> None:
    proto = onnx.load(IRIS)
    proto.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(exactbox.InputError, match="give the path"):
        exactbox.load(proto)


def test_bytes_that_are_no_model() -> None:
    with pytest.raises(exactbox.InputError, match="a model in memory: expected an ONNX model"):
        exactbox.load(b"no model")


def test_coef_is_the_same_everywhere(found: exactbox.Certified) -> None:
    assert found.coef.equals(found.region.coef) and found.coef.equals(found.coef_exact)
    assert found.intercept.equals(found.region.intercept) and found.intercept.equals(found.intercept_exact)
    value = np.asarray(found.coef, float) @ np.asarray(POINT, float) + np.asarray(found.intercept, float)
    assert np.allclose(value, np.asarray(found.values, float))


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_pictures(found: exactbox.Certified, audited: exactbox.Audit, ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for result in (found, audited):
        written = Path(result.plot(tmp_path / f"{type(result).__name__}.{ending}"))
        assert written.stat().st_size > 1000
        with pytest.raises(exactbox.InputError, match=r"\.png"):
            result.plot(tmp_path / "picture.txt")


def test_an_audit_is_saved(audited: exactbox.Audit, tmp_path: Path) -> None:
    path = audited.save(tmp_path / "audit.json")
    assert json.loads(Path(path).read_text()) == json.loads(json.dumps(audited.as_dict()))


def test_representations_fit_on_a_screen(found: exactbox.Certified, audited: exactbox.Audit) -> None:
    net, digits = exactbox.load(IRIS), exactbox.load(DATA / "digits_mlp.onnx")
    values: list[object] = [
        net, digits, digits.source, digits.program, found, found.region, found.region.rows, found.coef, found.domain,
        found.minimal, found.model, audited, exactbox.enumerate(net, box=(0, 8)), exactbox.regions_at(net, POINT),
        exactbox.neighbors(net, POINT, box=(0, 8)), exactbox.inventory(IRIS), exactbox.compare(IRIS, IRIS),
        exactbox.everything(10_000), exactbox.box([0] * 784, [1] * 784), exact([[Fraction(1, 3**500)] * 99] * 99),
    ]  # fmt: skip
    assert {repr(value): len(repr(value)) for value in values if len(repr(value)) > SCREEN} == {}


ROWS = exact([["1/3", 2], [-1, "1e30"]])


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (lambda: np.asarray(ROWS, float), [[1 / 3, 2.0], [-1.0, 1e30]]),
        (lambda: np.array(ROWS), [[Fraction(1, 3), 2], [-1, 10**30]]),
        (lambda: np.asarray(ROWS[:, 0], np.float32), [float(np.float32(1 / 3)), -1.0]),
        (lambda: np.abs(ROWS[1]), [1, 10**30]),
        (lambda: np.sum(ROWS[0]).item(), Fraction(7, 3)),
        (lambda: [float(one) for one in ROWS[0]], [1 / 3, 2.0]),
        (lambda: ROWS.sum(axis=0).tolist(), [Fraction(-2, 3), 10**30 + 2]),
        (lambda: sum(ROWS[0], exact(0)).item(), Fraction(7, 3)),
        (lambda: exact([]).sum().item(), 0),
        (lambda: len(ROWS), 2),
        (lambda: ROWS > 0, [[True, True], [False, True]]),
        (lambda: Fraction(1, 3) >= ROWS[:, 0], [True, True]),
        (lambda: exact([Fraction(1, 3), 2]) == ROWS, [[True, True], [False, False]]),
        (lambda: ROWS != 2, [[True, False], [True, True]]),
        (lambda: (1 - 2 * ROWS[0]).tolist(), [Fraction(1, 3), -3]),
        (lambda: abs(ROWS[1]).tolist(), [1, 10**30]),
        (lambda: ROWS == "text", False),
    ],
)
def test_rationals_are_arrays(got: Any, expected: object) -> None:
    value = got()
    assert (value.tolist() if isinstance(value, np.ndarray) else value) == expected


def test_one_entry_is_true_or_false() -> None:
    assert ROWS[0, 0] == Fraction(1, 3) and ROWS[0, 0] < ROWS[0, 1] and not ROWS[1, 0] > 0
    assert float(ROWS[0, 0]) == 1 / 3


def test_no_array_of_floats_hides_that_it_is_a_copy() -> None:
    with pytest.raises(ValueError, match="copy"):
        np.array(ROWS, copy=False)


def test_several_entries_are_no_float() -> None:
    with pytest.raises(ValueError, match="size"):
        float(ROWS)


def test_representation_is_exact_where_it_is_short() -> None:
    assert repr(exact(["1/3", 2])) == "Rationals([1/3, 2])"
    assert repr(exact("1/3")) == "Rationals(1/3)"
    assert repr(Rationals(exact(list(range(9))).num)) == "Rationals([0, 1, 2, 3, 4, 5, …], shape=(9,))"
    assert "≈" in repr(exact([Fraction(1, 3**100)]))
