"""Enumeration: known counts, degenerate families against independent oracles, witnesses, clean stops."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactbox.polytope import layer_run
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.enumeration import Cell, Progress, Space, enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.splitting import advance
from exactbox.polytope.ties import pattern_at
from tests.nets import BATTERY, Layer, mlp, random_mlp
from tests.polytope.region_oracle import (
    Key,
    area,
    box_rows,
    clip,
    eliminated_regions,
    has_point,
    polygon_regions,
    vertex_regions,
)
from tests.strategies import programs

ONE = Fraction(1)


def found(program: Program, domain: Domain) -> set[Key]:
    """Enumerate, check every witness, and return the patterns."""
    run = enumerate_regions(program, domain)
    cells = list(run)
    assert run.complete and run.count == len(cells)
    keys = {key_of(cell) for cell in cells}
    assert len(keys) == len(cells)
    for cell in cells:
        assert domain.strictly_contains(cell.witness)
        local = pattern_at(program, cell.witness, domain)
        assert local.pattern == cell.pattern
    return keys


def key_of(cell: Cell) -> Key:
    """Concatenate the winners."""
    return tuple(int(w) for part in cell.pattern.winners for w in part)


def unit_box(size: int) -> Domain:
    """Return [-1, 1]^d."""
    return box([-1] * size, [1] * size)


@pytest.mark.parametrize("polygon", [[(0, 0), (2, 0), (2, 2), (0, 2)]])
def test_the_oracle_itself(polygon: list[tuple[int, int]]) -> None:
    square = [(Fraction(x), Fraction(y)) for x, y in polygon]
    half = clip(square, (ONE, ONE, Fraction(-2)))
    assert area(square) == 8 and area(half) == 4
    assert has_point([(ONE, Fraction(0), Fraction(0))], 2)
    assert not has_point([(ONE, ONE, Fraction(0)), (-ONE, -ONE, Fraction(0))], 2)


def quantised(sizes: list[int], low: int, high: int, den: int, seed: int, bias: bool = True) -> Program:
    """Return a net whose weights are integers in a range over a denominator."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    for width, height in pairwise(sizes):
        weight = [[Fraction(int(v), den) for v in row] for row in rng.integers(low, high + 1, (height, width))]
        values = [Fraction(int(v), den) for v in rng.integers(low, high + 1, height)]
        layers.append((weight, values if bias else [Fraction(0)] * height))
    return mlp(layers)


def scaled_layers(factor: str, seed: int) -> Program:
    """Return a net whose first layer is scaled by 1/factor and whose second by factor."""
    rng = np.random.default_rng(seed)
    scale = Fraction(factor)
    first = [[Fraction(int(v), 8) / scale for v in row] for row in rng.integers(-8, 9, (5, 2))]
    bias = [Fraction(int(v), 8) / scale for v in rng.integers(-8, 9, 5)]
    second = [[Fraction(int(v), 8) * scale for v in row] for row in rng.integers(-8, 9, (4, 5))]
    return mlp([(first, bias), (second, [Fraction(int(v), 8) for v in rng.integers(-8, 9, 4)]), ([[1] * 4], [0])])


PLANE: dict[str, Callable[[], Program]] = {
    "duplicated, negated, doubled": lambda: mlp([
        ([[1, 2], [1, 2], [-1, -2], [2, 4], [3, -1]], ["1/4", "1/4", "-1/4", "1/2", 0]),
        ([[1, 1, 1, -1, 1], [1, -2, 0, 1, -1]], ["-1/8", 0]), ([[1, 1]], [0]),
    ]),
    "pruned rows": lambda: mlp([
        ([[0, 0], [0, 0], [0, 0], [1, 1], [1, -1]], [0, 1, -1, 0, 0]),
        ([[1, 1, 1, 1, 1], [0, 0, 0, 1, -1], [0, 0, 0, 0, 0]], [0, 0, 0]), ([[1, 1, 1]], [0]),
    ]),
    "zero second layer": lambda: mlp([
        ([[1, 2], [3, -1]], [0, 0]), ([[0, 0], [0, 0], [0, 0]], [0, 1, -1]), ([[1, 1, 1]], [0]),
    ]),
    "second layer on a facet of the first": lambda: mlp([
        ([[1, 0], [0, 1], [1, 1]], [0, 0, "1/3"]),
        ([[1, 0, 0], [0, -1, 0], [2, 0, 0], [0, 0, 1], [1, -1, 0]], [0, 0, 0, 0, 0]), ([[1] * 5], [0]),
    ]),
    "bias-free": lambda: quantised([2, 6, 5, 2], -4, 4, 4, 1, bias=False),
    "integer": lambda: quantised([2, 6, 6, 2], -1, 1, 1, 2),
    "sixteenths": lambda: quantised([2, 7, 6, 2], -16, 16, 16, 3),
    "strips 1e-8 and 1e-12": lambda: mlp([
        ([[1, 1], [1, 1], [1, 1], [1, -1]], [0, "-0.00000001", "-0.000000000001", 0]),
        ([[1, -1, 0, 1], [1, 0, -1, -1]], [0, 0]), ([[1, 1]], [0]),
    ]),
    "strips that no float lies in": lambda: mlp([
        ([[1, 1], [1, 1], [1, 1], [1, -1]], ["-1/3", Fraction(-1, 3) - Fraction(1, 10**30), "-1/7", 0]),
        ([[1, -1, 0, 1], [1, -1, -1, -1], [10**30, -(10**30), 0, 0]], [0, 0, "-1/2"]), ([[1, 1, 1]], [0]),
    ]),
    "scaled by 1e7": lambda: scaled_layers("10000000", 4),
    "scaled by 1e11": lambda: scaled_layers("100000000000", 5),
    "on the box's faces": lambda: mlp([
        ([[1, 0], [0, 1], [-1, 0], [1, 1]], [1, -1, 1, -2]), ([[1, 1, 1, 1], [1, -1, 0, 0]], [-2, 0]), ([[1, 1]], [0]),
    ]),
    "lines through one vertex": lambda: mlp([
        ([[1, 0], [0, 1], [1, 1], [1, -1], [2, 1]], ["-1/4", "-1/4", "-1/2", 0, "-3/4"]),
        ([[1, -1, 1, 0, 0], [1, 1, -1, 1, -1]], [0, 0]), ([[1, 1]], [0]),
    ]),
    "empty hidden layer": lambda: mlp([([[1, 2], [3, -1]], [0, 0]), ([[1, -1]], [0])]),
    "three hidden layers": lambda: quantised([2, 5, 5, 5, 1], -4, 4, 4, 6),
    "second half scaled": lambda: mlp([
        ([[1, 2], [3, -1], [Fraction(4194305, 4194304), Fraction(4194305, 2097152)],
          [Fraction(12582915, 4194304), Fraction(-4194305, 4194304)]], ["1/4", "1/8", "1/4", "1/8"]),
        ([[1, -1, 1, 1], [1, 1, -2, -1]], [0, 0]), ([[1, 1]], [0]),
    ]),
}


@pytest.mark.parametrize("name", PLANE)
def test_degenerate_families_in_a_plane(name: str) -> None:
    program = PLANE[name]()
    assert found(program, unit_box(2)) == polygon_regions(program, [-ONE, -ONE], [ONE, ONE])


@pytest.mark.parametrize("name", ["bias-free", "integer", "pruned rows", "lines through one vertex"])
def test_degenerate_families_in_the_whole_plane(name: str) -> None:
    program = PLANE[name]()
    assert found(program, everything(2)) == eliminated_regions(program, [])


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    program = BATTERY[name]()
    size = program.input_size
    assert found(program, unit_box(size)) == eliminated_regions(program, box_rows([-ONE] * size, [ONE] * size))


SPACE: dict[str, Callable[[], Program]] = {
    "generic": lambda: random_mlp([3, 5, 3, 1], 0),
    "integer": lambda: quantised([3, 4, 4, 1], -1, 1, 1, 1),
    "bias-free": lambda: quantised([3, 4, 3, 1], -2, 2, 2, 2, bias=False),
    "flat": lambda: mlp([
        ([[1, 2, 3], [2, 4, 6], [1, 0, 0]], [0, 1, 0]), ([[1, -1, 1], [1, 1, -1]], [0, 0]), ([[1, 1]], [0]),
    ]),
}


@pytest.mark.parametrize("name", SPACE)
def test_three_inputs_in_a_box_and_in_space(name: str) -> None:
    program = SPACE[name]()
    assert found(program, unit_box(3)) == eliminated_regions(program, box_rows([-ONE] * 3, [ONE] * 3))
    assert found(program, everything(3)) == eliminated_regions(program, [])


@pytest.mark.parametrize("seed", range(4))
def test_one_input(seed: int) -> None:
    program = quantised([1, 5, 5, 1], -3, 3, 2, seed)
    assert found(program, unit_box(1)) == eliminated_regions(program, box_rows([-ONE], [ONE]))
    assert found(program, everything(1)) == eliminated_regions(program, [])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs(), bounded=st.booleans())
def test_generated_degenerate_nets(program: Program, bounded: bool) -> None:
    size = program.input_size
    rows = box_rows([-ONE] * size, [ONE] * size) if bounded else []
    assert found(program, unit_box(size) if bounded else everything(size)) == eliminated_regions(program, rows)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1 << 32), width=st.integers(1, 5), height=st.integers(0, 5),
    span=st.sampled_from([(1, 1), (2, 1), (4, 4), (16, 16)]), bias=st.booleans(),
)
def test_generated_quantised_nets(seed: int, width: int, height: int, span: tuple[int, int], bias: bool) -> None:
    sizes = [2, width, height, 1] if height else [2, width, 1]
    program = quantised(sizes, -span[0], span[0], span[1], seed, bias)
    assert found(program, unit_box(2)) == polygon_regions(program, [-ONE, -ONE], [ONE, ONE])


def test_a_flat_box_counts_within_its_own_plane() -> None:
    program = mlp([([[1, 1], [1, -1], [0, 1]], [0, 0, "-1/2"]), ([[1, 1, 1]], [0])])
    keys = found(program, box([-1, "1/2"], [1, "1/2"]))
    signs_of_x_and_halves = {(0, 0, 0), (1, 0, 0), (1, 1, 0)}
    assert keys == signs_of_x_and_halves


@pytest.mark.parametrize("exponent", [30, 400])
def test_a_box_beyond_the_floats_holds_the_regions_of_the_plane(exponent: int) -> None:
    program, end = random_mlp([2, 3, 3, 2], 3), Fraction(10) ** exponent
    assert found(program, box([-end] * 2, [end] * 2)) == found(program, everything(2))


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery_in_a_box_beyond_the_floats(name: str) -> None:
    """Weights of 0 meet coordinates that overflow."""
    program, end = BATTERY[name](), Fraction(10) ** 400
    size = program.input_size
    assert found(program, box([-end] * size, [end] * size)) == vertex_regions(program, [-end] * size, [end] * size)


@pytest.mark.parametrize("name", BATTERY)
def test_rows_and_witnesses_beyond_the_floats(name: str) -> None:
    program, end = BATTERY[name](), Fraction(10) ** 400
    size = program.input_size
    domain = domain_from_rows([-end] * size, [*[None] * (size - 1), end], [[1] * size], [1 / end])
    sides = [(*[ONE * (i == j) for j in range(size)], end) for i in range(size)]
    rows = [*sides, (*[Fraction(0)] * (size - 1), -ONE, end), (*[-ONE] * size, 1 / end)]
    assert found(program, domain) == eliminated_regions(program, rows)


@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 3), Fraction(1, 10**400)])
def test_a_box_far_thinner_than_floats_can_tell(start: Fraction) -> None:
    """Its lower corner is where a ReLU of each coordinate bends, so that one box in four is one region."""
    identity = [[1, 0], [0, 1]]
    program = mlp([(identity, [-start, -start]), (identity, [0, 0])])
    width = Fraction(1, 10**900)
    assert len(found(program, box([start] * 2, [start + width] * 2))) == 1
    assert len(found(program, box([start - width] * 2, [start + width] * 2))) == 4


def test_a_point_is_one_region() -> None:
    run = enumerate_regions(BATTERY["duplicated"](), box([0, "1/3"], [0, "1/3"]))
    assert len(list(run)) == 1 and run.complete


def test_half_spaces_and_strips() -> None:
    program = random_mlp([2, 4, 3, 1], 7)
    for low, high in product([None, -1], [None, 1]):
        rows = [(-ONE, Fraction(0), ONE)] if high is not None else []
        rows += [(Fraction(0), ONE, ONE)] if low is not None else []
        domain = box([None, low], [high, None])
        assert found(program, domain) == eliminated_regions(program, rows)


def test_stops_at_a_number_of_regions() -> None:
    program = random_mlp([2, 8, 8, 1], 1)
    total = len(list(enumerate_regions(program, unit_box(2))))
    run = enumerate_regions(program, unit_box(2), max_regions=5)
    assert len(list(run)) == 5 and not run.complete and "more than 5 regions" in run.reason
    exactly = enumerate_regions(program, unit_box(2), max_regions=total)
    assert len(list(exactly)) == total and exactly.complete


def test_stops_at_a_time_limit() -> None:
    run = enumerate_regions(random_mlp([2, 8, 8, 1], 1), unit_box(2), time_limit=0.0)
    assert len(list(run)) >= 0 and not run.complete and "time limit" in run.reason


def test_progress_counts_up_to_the_end() -> None:
    seen: list[Progress] = []
    run = enumerate_regions(random_mlp([2, 16, 16, 1], 1), unit_box(2), progress=seen.append)
    total = len(list(run))
    assert seen[-1].regions == total and seen[-1].frontier == 0
    assert [one.regions for one in seen] == sorted(one.regions for one in seen)


def test_any_layer_can_be_gone_on_from_its_seeds() -> None:
    space = Space(random_mlp([2, 8, 8, 1], 1), unit_box(2))
    middle = [part.cells for part in space.split(0, space.start())]
    finished = [part for cells in middle for part in space.parts(1, cells)]
    keys = [winners.tobytes() for part in finished for winners in part.cells.winners]
    assert len(keys) == len(set(keys)) == len(list(enumerate_regions(space.program, space.domain)))


@pytest.mark.parametrize("name", ["strips that no float lies in", "integer"])
def test_cells_go_on_in_another_process(name: str) -> None:
    program = PLANE[name]()
    here, there = Space(program, unit_box(2)), Space(program, unit_box(2))
    total = len(list(enumerate_regions(program, unit_box(2))))
    found: set[bytes] = set()
    for part in here.split(0, here.start()):
        cells = there.unpack(pickle.loads(pickle.dumps(here.pack(part.cells))))
        for finished in there.parts(1, cells):
            for i in range(len(finished.cells.filled) if finished.layer == len(there.layers) else 0):
                cell = there.cell(finished.cells, i)
                assert there.domain.strictly_contains(cell.witness)
                found.add(cell.pattern.key)
    assert len(found) == total


def test_a_domain_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(InputError, match="expected 2 coordinates, got 3"):
        enumerate_regions(random_mlp([2, 3, 1], 0), unit_box(3))


def test_kernels_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of another layout would be another signature, and compiling one takes long."""
    layouts: set[bool] = set()

    def watched(*arguments: Any) -> int:
        groups: list[Any] = [group if isinstance(group, tuple) else (group,) for group in arguments]
        layouts.update(array.flags.c_contiguous for group in groups for array in group)
        return advance(*arguments)

    monkeypatch.setattr(layer_run, "advance", watched)
    for size in (2, 3):
        assert list(enumerate_regions(random_mlp([size, 6, 5, 2], 0), unit_box(size)))
    assert layouts == {True}
