"""Regions of data points: the closed regions that contain them, one by one; boundaries, duplicates, bad data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.enumerating import Enumerated
from exactbox.locating import Located, locate
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import exact
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, random_mlp
from tests.strategies import programs


def slow(found: Enumerated, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[tuple[int, ...]]:
    """Ask each region about each sample."""
    regions = list(found)
    return [tuple(i for i, r in enumerate(regions) if r.contains(exact(sample))) for sample in samples]


def grid(size: int, per_axis: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a grid on [-5/4, 5/4]^d: zeros, other dyadic points and points outside."""
    line = np.linspace(-1.25, 1.25, per_axis, dtype=np.float32)
    return np.stack(np.meshgrid(*[line] * size, indexing="ij"), axis=-1).reshape(-1, size)


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    found = enumerated(BATTERY[name]())
    samples = grid(found.model.program.input_size, 11)
    located = found.locate(samples)
    assert list(located.regions) == slow(found, samples)
    assert located.outside == tuple(i for i, sample in enumerate(samples) if np.abs(sample).max() > 1)
    assert located.missing == () and located.changed == 0


@settings(max_examples=25, deadline=None)
@given(program=programs(), data=st.data())
def test_generated_degenerate_nets(program: Program, data: st.DataObject) -> None:
    found = enumerated(program, everything(program.input_size))
    entry = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.0]), st.floats(-3, 3, width=32))
    rows = st.lists(st.tuples(*[entry] * program.input_size), min_size=1, max_size=4)
    samples = np.array(data.draw(rows), dtype=np.float32)
    located = locate(found, samples)
    assert list(located.regions) == slow(found, samples)
    assert located.outside == located.missing == ()
    assert located.on_boundaries == tuple(i for i, own in enumerate(located.regions) if len(own) > 1)


def test_a_vertex_belongs_to_all_regions_around_it_and_duplicates_agree() -> None:
    found = enumerated(BATTERY["bias-free"]())
    located = found.locate(np.array([[0, 0], [0.5, 0.25], [0, 0], [-0.0, 0]], dtype=np.float32))
    assert located.regions[0] == tuple(range(8)) and len(located.regions[1]) == 1
    assert located.regions[0] == located.regions[2] == located.regions[3]
    assert located.on_boundaries == (0, 2, 3)


def test_a_stopped_enumeration_misses_points() -> None:
    program = random_mlp([2, 8, 6, 2], 1)
    whole, some = enumerated(program), enumerated(program, max_regions=3)
    samples = grid(2, 9)
    expected = [tuple(i for i in own if i < 3) for own in whole.locate(samples).regions]
    located = some.locate(samples)
    assert list(located.regions) == expected and located.missing
    assert set(located.missing) & set(located.outside) == set()


def test_rounding_is_said(tmp_path: Path) -> None:
    found = enumerated(BATTERY["no unit"]())
    (tmp_path / "points.csv").write_text("a,b\n0.1,0.5\n3,0\n", encoding="utf-8")
    located = found.locate(str(tmp_path / "points.csv"))
    assert (located.regions, located.outside, located.changed) == (((0,), ()), (1,), 1)
    assert located.origin.endswith("points.csv, below its header")


def test_points_of_a_thin_strip() -> None:
    """The strip's other side lies 1e-12 away: the middle of the float grid decides exactly."""
    found = enumerated(BATTERY["thin strip"](), box([-1, -1], [1, 1]))
    samples = np.array([[0, 0], [2.0**-41, 0], [2.0**-40, 0], [2.0**-39, 0], [-(2.0**-60), 0]], dtype=np.float32)
    located = found.locate(samples)
    assert [len(own) for own in located.regions] == [2, 1, 1, 1, 1]
    assert list(located.regions) == slow(found, samples)
    assert located.regions[1] == located.regions[2] != located.regions[3] != located.regions[4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(np.zeros((2, 3)), "shape", id="shape"),
        pytest.param(np.zeros((0, 2)), "no samples", id="none"),
        pytest.param(np.array([[0, np.nan]]), "row 0, entry 1", id="not a number"),
        pytest.param({"y": [[0, 0]]}, "inputs are x", id="name"),
    ],
)
def test_bad_data(data: object, message: str) -> None:
    found = enumerated(BATTERY["no unit"]())
    with pytest.raises(InputError, match=message):
        found.locate(data)


def test_located_is_data() -> None:
    located = Located(((0,), (0, 1), (), ()), (2,), 0, "here")
    assert (located.on_boundaries, located.missing) == ((1,), (3,))
