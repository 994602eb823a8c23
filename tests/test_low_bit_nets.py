"""The nets of the low-bit table: what their names say, and that two of its three methods agree on the small ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bench_low_bit import NETS, PLANE, WIDE, copies, cut_polygons, few_bits, twins
from exactbox.polytope.domain import box, everything
from exactbox.polytope.enumeration import enumerate_regions
from tests.nets import mlp

SMALL = ("2-6-6-2, {-1,0,1}", "2-16-16-2, pruned")


@pytest.mark.parametrize("name", NETS)
def test_every_number_is_a_float32(name: str) -> None:
    for weight, bias in NETS[name]():
        for part in (weight, bias):
            assert np.array_equal(part.astype(np.float32).astype(np.float64), part)


@pytest.mark.parametrize("name", NETS)
def test_shapes_are_those_of_the_name(name: str) -> None:
    layers = NETS[name]()
    sizes = [layers[0][0].shape[1], *(len(bias) for _, bias in layers)]
    assert "-".join(map(str, sizes)) == name.split(",")[0]


def test_twins_are_exact_multiples() -> None:
    for weight, bias in twins(0)[:-1]:
        assert np.array_equal(weight[12:], weight[:12] * (1 + 2.0**-22))
        assert np.array_equal(bias[12:], bias[:12] * (1 + 2.0**-22)) and bias.all()


def test_copies_repeat_hyperplanes() -> None:
    weight, bias = copies(0)[0]
    assert np.array_equal(weight[8:11], weight[:3]) and np.array_equal(weight[11:14], -weight[3:6])
    assert np.array_equal(bias[14:], 2 * bias[6:8])


def test_few_bits_are_multiples_within_bounds() -> None:
    for weight, bias in few_bits([2, 5, 3], 4, 4, 1, bias=False):
        assert np.abs(weight).max() <= 1 and not np.any(weight * 4 % 1) and not bias.any()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("domain", ["[-1,1]^2", PLANE])
def test_polygons_and_the_engine_agree(name: str, domain: str) -> None:
    layers = NETS[name]()
    program = mlp([(weight.tolist(), bias.tolist()) for weight, bias in layers])
    plane = domain == PLANE
    run = enumerate_regions(program, everything(2) if plane else box([-1, -1], [1, 1]))
    assert sum(len(cells.filled) for cells in run.batches()) == cut_polygons(layers, WIDE if plane else 1)


def test_one_line_makes_two_regions_and_a_copy_of_it_no_more() -> None:
    line = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0.5, 0.5])
    assert cut_polygons([line, (np.ones((1, 2)), np.zeros(1))], 1) == 2
