"""Borders and linear regions as arrays: wrong lists are noticed, and rounding decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.borders import AffineMaps, FacetTable, adjacency, border_pairs, facet_table, linear_groups
from exactbox.polytope.cell_arrays import empty_cells, first_cells, join_cells, take_cells
from exactbox.polytope.cell_kernels import Cells
from exactbox.polytope.complex import members, region_complex
from exactbox.polytope.domain import box
from exactbox.polytope.enumeration import Space
from exactbox.polytope.errors import InternalError
from exactbox.polytope.facet_search import FacetFinder
from exactbox.polytope.program import Program
from exactbox.polytope.tasks import Keys, keyer
from tests.nets import BATTERY, mlp, random_mlp


def listed(program: Program) -> tuple[Space, Keys, list[FacetTable]]:
    """Enumerate over [-1, 1]^d; returns the keys and facets of the regions."""
    space = Space(program, box([-1] * program.input_size, [1] * program.input_size))
    packer, finder = keyer(space), FacetFinder(space)
    finished: list[Cells] = [part.cells for part in space.parts() if part.layer == len(space.layers)]
    keys = np.concatenate([packer.keys(cells.winners) for cells in finished])
    return space, keys, [facet_table(finder, packer, cells) for cells in finished]


def without(keys: Keys, tables: list[FacetTable], gone: int) -> tuple[Keys, FacetTable]:
    """Leave out one region."""
    (table,) = tables
    ends = np.cumsum(table.degrees)
    kept = np.ones(len(table.beyond), dtype=np.bool_)
    kept[ends[gone] - table.degrees[gone] : ends[gone]] = False
    left = np.delete(np.arange(len(keys)), gone)
    return keys[left], FacetTable(table.counts[left], table.degrees[left], table.beyond[kept])


def test_a_missing_region_is_noticed() -> None:
    _, keys, tables = listed(random_mlp([2, 5, 4, 1], 3))
    pairs = border_pairs(keys, tables, True)
    assert len(pairs) and (pairs[:, 0] < pairs[:, 1]).all()
    fewer, table = without(keys, tables, 2)
    with pytest.raises(InternalError, match="not enumerated"):
        border_pairs(fewer, [table], True)
    renumbered = {(i - (i > 2), j - (j > 2)) for i, j in pairs.tolist() if 2 not in (i, j)}
    assert {(i, j) for i, j in border_pairs(fewer, [table], False).tolist()} == renumbered


@pytest.mark.parametrize("order", [lambda keys: keys[::-1], lambda keys: np.repeat(keys, 2)])
def test_regions_out_of_order_are_noticed(order: Callable[[Keys], Keys]) -> None:
    _, keys, tables = listed(random_mlp([2, 5, 4, 1], 3))
    with pytest.raises(InternalError, match="out of order, or one was found twice"):
        border_pairs(order(keys), tables, True)


def test_no_region_has_no_border() -> None:
    keys = np.zeros(0, dtype="S3")
    assert border_pairs(keys, [], True).shape == (0, 2)
    near, starts = adjacency(0, np.zeros((0, 2), dtype=np.int64))
    assert len(near) == 0 and starts.tolist() == [0]


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1])))
def test_adjacency_lists_both_ends(edges: set[tuple[int, int]]) -> None:
    near, starts = adjacency(10, np.array(sorted(edges), dtype=np.int64).reshape(-1, 2))
    lists = [near[starts[i] : starts[i + 1]].tolist() for i in range(10)]
    assert lists == [sorted({a + b - i for a, b in edges if i in (a, b)}) for i in range(10)]


@pytest.mark.parametrize("name", BATTERY)
def test_groups_are_those_of_exact_maps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = BATTERY[name]()
    space, keys, tables = listed(program)
    pairs = border_pairs(keys, tables, True)
    expected = members(linear_groups(space, keyer(space), keys, pairs))
    assert expected == region_complex(program, space.domain).linear_regions
    monkeypatch.setattr("exactbox.polytope.borders._CHUNK", 1)
    monkeypatch.setattr("exactbox.polytope.borders._REMEMBERED", 0)
    assert members(linear_groups(space, keyer(space), keys, pairs)) == expected


def test_maps_that_differ_by_less_than_floats_show() -> None:
    program = mlp([([[1], [1]], [0, "1/3"]), ([[f"1/{3 ** 60}", 1]], [0])])
    space, keys, tables = listed(program)
    pairs = border_pairs(keys, tables, True)
    maps = AffineMaps(space, keyer(space), keys)
    assert len(keys) == 3 and maps.maybe_equal(pairs).any()
    assert not any(maps.equal(i, j) for i, j in pairs.tolist())
    assert linear_groups(space, keyer(space), keys, pairs).tolist() == [0, 1, 2]


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4), rows=st.integers(1, 4))
def test_cells_are_joined_in_order(sizes: list[int], rows: int) -> None:
    parts = [empty_cells(size, 2, 3, rows + number) for number, size in enumerate(sizes)]
    for number, part in enumerate(parts):
        part.seed[:] = number
        part.cols[:] = number
    joined = join_cells(parts)
    assert joined.seed.tolist() == [number for number, size in enumerate(sizes) for _ in range(size)]
    assert joined.cols.shape == (sum(sizes), 3, rows + len(sizes) - 1)
    assert np.array_equal(joined.cols[:, 0, 0], joined.seed)
    assert first_cells(joined, len(joined.seed), rows).cols.shape[2] == rows
    assert take_cells(joined, slice(0, 0)).seed.tolist() == []
