"""Counts of regions that several independent programs agree on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from exactbox.polytope.domain import box, everything
from exactbox.polytope.enumeration import enumerate_regions
from tests.nets import Layer, mlp
from tests.polytope.test_enumeration import quantised

COUNTS = {
    "2-16-16-2": (512, 583), "2-64-64-2": (6952, 7640), "3-16-16-2": (4768, 5356), "3-32-32-2": (30592, 36646),
    "4-16-16-2": (31791, 39976), "5-12-12-2": (63379, 75931), "6-10-10-2": (38783, 54166), "8-8-8-2": (13677, 16541),
    "10-10-10-2": (127395, 156693),
}

PLAIN = 1000
"""The largest count that is tried in plain Python."""


@pytest.mark.parametrize("name", COUNTS)
def test_generic_random_nets(name: str, shared_nets: Path) -> None:
    if COUNTS[name][0] > PLAIN and find_spec("numba") is None:
        pytest.skip(f"{sum(COUNTS[name])} regions take minutes without numba")
    arrays = np.load(shared_nets / f"{name}.npz")
    layers: list[Layer] = [(arrays[f"W{i}"].tolist(), arrays[f"b{i}"].tolist()) for i in range(3)]
    program, size = mlp(layers), int(name.split("-")[0])
    for domain, count in zip((box([-1] * size, [1] * size), everything(size)), COUNTS[name], strict=True):
        run = enumerate_regions(program, domain)
        assert sum(len(cells.filled) for cells in run.batches()) == count
        assert run.complete


@pytest.mark.parametrize(
    ("sizes", "den", "count"), [([2, 32, 32, 32, 2], 8, 1539), ([2, 16, 16, 16, 2], 4, 289)],
)
def test_low_bit_nets_with_counts_from_polygon_clipping(sizes: list[int], den: int, count: int) -> None:
    run = enumerate_regions(quantised(sizes, -den, den, den, 0), box([-1, -1], [1, 1]))
    assert sum(len(cells.filled) for cells in run.batches()) == count
