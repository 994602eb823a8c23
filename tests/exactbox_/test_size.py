"""Certificates of large inputs, of many outputs and of awkward images, in little memory; small models of each kind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks import bench_size as nets
from exactbox.certifying import Certified, certify
from exactbox.checking import check
from exactbox.importers.limits import Limits
from exactbox.importers.onnx_model import load as load_exactly
from exactbox.loading import load
from exactbox.polytope import ties, unit_rows
from exactbox.polytope.errors import BudgetError, InputError, LimitError, UnsupportedModelError
from exactbox.polytope.rational import exact
from tests.source_tree import REPOSITORY

Build = Callable[[], onnx.ModelProto]

CASES: dict[str, tuple[Build, nets.Image]] = {
    "relu": (lambda: nets.Net((1, 3, 64, 64)).relu().model(1, 3, 64, 64), nets.noise),
    "relu of nothing": (lambda: nets.Net((1, 3, 64, 64)).relu().model(1, 3, 64, 64), nets.flat(0.0)),
    "many outputs": (lambda: nets.dense(4, 12_000), nets.noise),
    "many inputs": (lambda: nets.dense(12_288, 2), nets.noise),
    "black": (lambda: nets.cnn(16, bias=0.0), nets.flat(0.0)),
    "white": (lambda: nets.cnn(16), nets.flat(1.0)),
    "framed": (lambda: nets.cnn(32), nets.framed),
    "dead": (lambda: nets.dead_cnn(16), nets.flat(0.0)),
    "detector": (lambda: nets.detector(32), nets.noise),
    "autoencoder": (lambda: nets.autoencoder(16), nets.framed),
    "segmenter": (lambda: nets.segmenter(16), nets.noise),
    "signal": (lambda: nets.signal(1000), nets.flat(0.5)),
}

MEMORY = 3 << 29
"""Bytes of address space; outputs times outputs of the first case alone are more."""

CONFINED = """
import resource, sys
import numpy as np
from exactbox.certifying import certify
from exactbox.checking import check
cap = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
for folder in sys.argv[2:]:
    found = certify(f"{folder}/net.onnx", np.load(f"{folder}/x.npy"), opinion_seconds=0)
    found.save(f"{folder}/x.cert.json")
    print(check(f"{folder}/x.cert.json").accepted)
"""


def saved(name: str, folder: Path) -> tuple[Path, nets.Array]:
    """Write the model and the image of a case."""
    build, image = CASES[name]
    model = build()
    path = folder / "net.onnx"
    onnx.save_model(model, str(path))
    data = image([axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim])
    np.save(folder / "x.npy", data)
    return path, data


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited as Linux does it")
def test_memory_follows_the_model_and_not_its_square(tmp_path: Path) -> None:
    """All cases, certified and checked in one process with little memory."""
    folders = [tmp_path / name.replace(" ", "_") for name in CASES]
    for name, folder in zip(CASES, folders, strict=True):
        folder.mkdir()
        saved(name, folder)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(MEMORY), *map(str, folders)], cwd=REPOSITORY,
        env={**os.environ, **threads}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["True"] * len(CASES), done.stderr


@pytest.mark.parametrize("name", ["dead", "black", "white"])
def test_ties_of_constants_need_no_functionals(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a functional was computed")

    monkeypatch.setattr(ties, "pair_functionals", never)
    path, data = saved(name, tmp_path)
    found = certified(path, data)
    assert found.region.contains(found.input.point)


def certified(path: Path, data: object, target: int | None = None) -> Certified:
    """Certify without a second opinion."""
    return certify(load(path), data, target=target, opinion_seconds=0)


def test_the_outputs_asked_for_are_stated(tmp_path: Path) -> None:
    path, data = saved("autoencoder", tmp_path)
    asked = certified(path, data, target=7)
    assert asked.stated == (7,) and asked.target == 7
    report = check(Path(asked.save(tmp_path / "asked.cert.json")[0]))
    assert report.accepted and any("outputs [7] " in line for line in report.lines)
    many = tmp_path / "many"
    many.mkdir()
    whole = certified(*saved("relu", many))
    assert whole.stated == () and whole.program.output_size == 12_288


def test_all_outputs_are_stated_where_they_are_few_and_none_is_asked_for(tmp_path: Path) -> None:
    path, data = saved("many inputs", tmp_path)
    assert certified(path, data).stated == (0, 1)
    assert certified(path, data, target=1).stated == (1,)


def test_no_square_of_outputs_is_held_for_a_radius(tmp_path: Path) -> None:
    path, data = saved("many outputs", tmp_path)
    found = certified(path, data)
    assert found.held is None and "11999 rivals among 12000 outputs" in found.skipped["held"]


def test_rows_of_the_map_are_those_of_the_whole_map(tmp_path: Path) -> None:
    path, data = saved("dead", tmp_path)
    region = certified(path, data).region
    gradients, constants = region.maps([3, 0, 3])
    assert gradients.equals(region.coef[[3, 0, 3]]) and constants.equals(region.intercept[[3, 0, 3]])


def test_what_would_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, data = saved("many inputs", tmp_path)
    found = certified(path, data)
    monkeypatch.setattr(unit_rows, "RESULT", 3)
    with pytest.raises(BudgetError, match="2 affine functionals of 12288 inputs have 24576 exact coefficients"):
        unit_rows.output_functionals(found.program, found.region.winners, [0, 1])


def test_geometry_is_measured_by_the_number_of_inputs(tmp_path: Path) -> None:
    path, data = saved("many inputs", tmp_path)
    found = certified(path, data)
    assert found.minimal is not None and found.minimal.facets == ()
    assert found.geometry is not None and found.geometry.bounding_box == ((None, None),) * 12_288
    boxed = certify(load(path), data, box=(0, 1), measure=False, opinion_seconds=0)
    assert "24576 bounds of the domain and 12288 inputs exceed the budget" in boxed.skipped["minimal"]


def test_unsupported_nodes_are_named_before_limits(tmp_path: Path) -> None:
    net = nets.Net((1, 3, 16, 16)).conv(3, 8).relu().add("Erf").relu()
    path = tmp_path / "net.onnx"
    onnx.save_model(net.model(1, 8, 16, 16), str(path))
    with pytest.raises(UnsupportedModelError, match="Erf"):
        load_exactly(path, verify=False, limits=Limits(total_elements=1000))
    plain = tmp_path / "plain.onnx"
    onnx.save_model(nets.Net((1, 3, 16, 16)).conv(3, 8).relu().model(1, 8, 16, 16), str(plain))
    with pytest.raises(LimitError, match="total_elements=8000"):
        load_exactly(plain, verify=False, limits=Limits(total_elements=1000))


def test_enclosed_patterns_are_the_exact_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, data = saved("framed", tmp_path)
    program = load(path).program
    noise = exact(nets.noise(data.shape).reshape(-1))
    enclosed = ties.strict_pattern(program, noise)
    monkeypatch.setattr(ties, "FEW", 1 << 40)
    assert enclosed is not None and enclosed == ties.strict_pattern(program, noise)


def test_inputs_that_do_not_fit_are_still_refused(tmp_path: Path) -> None:
    path, _ = saved("signal", tmp_path)
    with pytest.raises(InputError):
        certified(path, [1.0, 2.0])
