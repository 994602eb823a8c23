"""Published models enumerated in stated domains: counts that other methods confirm, certificates, walks.

The models are those of the optional folder ``shared/models`` beside the checkout.
"""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.boxes import box_between
from exactbox.checking import check
from exactbox.domain_files import domain_from_vnnlib
from exactbox.enumerating import Enumerated, enumerate
from exactbox.loading import Model, load
from exactbox.neighborhood import neighbors
from exactbox.polytope.domain import Domain
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.region import region_at
from tests.polytope.region_oracle import polygon_regions
from tests.shared_models import shared_model
from tests.source_tree import REPOSITORY

CARTPOLE = "vnncomp2022/rl_benchmarks/onnx/cartpole.onnx"
CARTPOLE_BOX = "vnncomp2022/rl_benchmarks/vnnlib/cartpole_case_safe_82.vnnlib"
TLL = "vnncomp2022/tllverifybench/onnx/tllBench_n=2_N=M=8_m=1_instance_0_0.onnx"
TLL_BOX = "vnncomp2022/tllverifybench/vnnlib/property_N=8_0.vnnlib"
ACAS = "marabou/acasxu/ACASXU_experimental_v2a_1_1.onnx"
GCAS = "vnncomp2022/reach_prob_density/onnx/gcas.onnx"
TAXI = "marabou/KJ_TinyTaxiNet.onnx"


def loaded(name: str) -> Model:
    if name in (ACAS, GCAS) and find_spec("numba") is None:
        pytest.skip("thousands of rows to split by take minutes without numba")
    return load(shared_model(name), verify=False)


def keys(found: Enumerated) -> set[bytes]:
    return {region.pattern.key for region in found}


def samples(domain: Domain, count: int) -> list[Rationals]:
    """Return points of a box by exact interpolation between its bounds."""
    rng = np.random.default_rng(1)
    points: list[Rationals] = []
    for _ in range(count):
        shares = [Fraction(int(v), 1 << 16) for v in rng.integers(0, (1 << 16) + 1, domain.size)]
        ends = zip(domain.lower, domain.upper, shares, strict=True)
        points.append(exact([(low or 0) + share * ((high or 0) - (low or 0)) for low, high, share in ends]))
    return points


def assert_samples_are_found(found: Enumerated, points: list[Rationals]) -> set[bytes]:
    """Every region that some point sees must be in a complete enumeration; returns those seen."""
    program, domain, every = found.model.program, found.domain.domain, keys(found)
    seen = {region_at(program, point, domain).pattern.key for point in points}
    assert found.complete and seen <= every
    return seen


def test_cartpole_in_its_box() -> None:
    model = loaded(CARTPOLE)
    where = domain_from_vnnlib(model.program, shared_model(CARTPOLE_BOX))
    found = enumerate(model, domain=where, neighbors=True)
    assert (len(found), found.borders) == (2, ((0, 1),))
    assert len(assert_samples_are_found(found, samples(where.domain, 30))) == 2


def test_tll_bench_in_its_box(tmp_path: Path) -> None:
    model = loaded(TLL)
    where = domain_from_vnnlib(model.program, shared_model(TLL_BOX))
    assert where.domain.lower == (Fraction(-2), Fraction(-2))
    found = enumerate(model, domain=where, certificate=tmp_path / "r.cert")
    assert len(found) == 433
    seen = assert_samples_are_found(found, samples(where.domain, 150))
    assert len(seen) > 40
    report = check(tmp_path / "r.cert", shared_model(TLL))
    assert report.accepted and "exactly 433 patterns" in " ".join(report.lines)


def test_tll_bench_beside_polygons_in_a_corner() -> None:
    model = loaded(TLL)
    low, high = Fraction(-1, 4), Fraction(1, 4)
    found = enumerate(model, domain=box_between(model.program, low, high))
    expected = polygon_regions(model.program, [low] * 2, [high] * 2)
    patterns = (region.pattern.winners for region in found)
    assert {tuple(int(w) for part in winners for w in part) for winners in patterns} == expected


def test_acas_xu_in_a_small_box() -> None:
    model = loaded(ACAS)
    where = box_between(model.program, "-0.02", "0.02")
    found = enumerate(model, domain=where)
    assert (len(found), found.complete) == (971, True)
    assert len(assert_samples_are_found(found, samples(where.domain, 100))) > 30
    around = neighbors(model, "0,0,0,0,0", 1, domain=where)
    assert around.complete and {region.pattern.key for region in around} <= keys(found)


def test_acas_xu_walks_out_of_the_box_of_its_property() -> None:
    model = loaded(ACAS)
    where = domain_from_vnnlib(model.program, shared_model("vnncomp2022/acasxu/vnnlib/prop_6.vnnlib"), 1)
    found = neighbors(model, where.domain.witness, 1, domain=where, exact_input=True, max_regions=4)
    assert len(found) == 4 and found.reason == "stopped: more than 4 regions"
    for one in found.passages():
        assert one.flips and where.domain.contains(one.point)


def test_gcas_is_stopped_at_a_budget() -> None:
    model = loaded(GCAS)
    found = enumerate(model, domain=box_between(model.program, -1, 1), max_regions=2000)
    assert (len(found), found.complete, found.reason) == (2000, False, "stopped: more than 2000 regions")
    assert len(keys(found)) == 2000
    some: list[Any] = [found[i] for i in range(0, 2000, 100)]
    for region in some:
        assert region_at(model.program, region.witness, region.domain).pattern == region.pattern


def test_gcas_is_walked_through_as_it_is_split() -> None:
    model = loaded(GCAS)
    where = box_between(model.program, "-0.1", "0.1")
    found = enumerate(model, domain=where)
    walked = neighbors(model, [0] * 14, 99, domain=where)
    assert found.complete and walked.complete and len(found) > 10
    assert {region.pattern.key for region in walked} == keys(found)


def test_tiny_taxi_net_on_a_plane(tmp_path: Path) -> None:
    model = loaded(TAXI)
    rng = np.random.default_rng(0)
    plane = [rng.random(128).astype(np.float32) for _ in range(3)]
    found = enumerate(model, plane=plane, box=(0, 1), certificate=tmp_path / "r.cert")
    assert found.complete and len(found) > 4
    assert check(tmp_path / "r.cert", shared_model(TAXI)).accepted
    inside = [cell.witness for cell in found.cells]
    middles = [(a + b).scaled(Fraction(1, 2)) for a, b in pairwise(inside)]
    assert_samples_are_found(found, middles)
    for i in range(len(found)):
        lifted = region_at(model.program, found.input_at(i), box_between(model.program, 0, 1).domain)
        assert lifted.pattern == found[i].pattern


def test_the_benchmark_prints_its_table(shared_models: Path) -> None:
    command = [sys.executable, "-W", "ignore", "benchmarks/bench_real_models.py", str(shared_models), "cartpole"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    head, line = done.stdout.splitlines()
    assert head.split()[:2] == ["model", "domain"] and line.startswith("cartpole") and line.endswith("complete")
    assert line.split()[-4] == "2"
