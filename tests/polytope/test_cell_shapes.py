"""Shapes of all cells: the volumes of single regions, vertices inside regions, degenerate nets, windows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings

from exactbox.polytope.cell_shapes import CellShapes
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.enumeration import enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.geometry import vertices, volume
from exactbox.polytope.program import Program
from exactbox.polytope.rational import exact
from exactbox.polytope.region import Region
from exactbox.polytope.rows import RowSource
from exactbox.polytope.shapes import Shape
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


def unit_box(size: int) -> Domain:
    """Return [-1, 1]^d."""
    return box([-1] * size, [1] * size)


def regions_and_shapes(program: Program, domain: Domain) -> tuple[CellShapes, list[tuple[Region, Shape]]]:
    """Enumerate a program, and find the shape of each region."""
    cells = list(enumerate_regions(program, domain))
    where = CellShapes(program, domain)
    pairs: list[tuple[Region, Shape]] = []
    for cell, shape in zip(cells, where.of([cell.pattern for cell in cells]), strict=True):
        assert shape is not None
        pairs.append((Region(program, domain, cell.pattern, cell.witness, cell.witness), shape))
    return where, pairs


def check_against_single_regions(program: Program, domain: Domain) -> None:
    where, pairs = regions_and_shapes(program, domain)
    for region, shape in pairs:
        corners = where.lifted(shape.points)
        assert sorted(map(tuple, rows_of(corners))) == list(map(tuple, rows_of(vertices(region.facets))))
        assert shape.volume * where.unit_volume == volume(region.facets)
        assert len(shape.facets) == len(set(region.facets.facets))


def rows_of(points: object) -> list[list[Fraction]]:
    """Return an array (v, d) as lists."""
    whole = exact(points)
    return [whole[i].fractions() for i in range(len(whole))]


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    program = BATTERY[name]()
    check_against_single_regions(program, unit_box(program.input_size))


@settings(max_examples=40, deadline=None)
@given(program=programs())
def test_generated_degenerate_nets(program: Program) -> None:
    where, pairs = regions_and_shapes(program, unit_box(program.input_size))
    assert sum(shape.volume for _, shape in pairs) * where.unit_volume == 2**program.input_size
    for region, shape in pairs:
        corners = where.lifted(shape.points)
        assert all(region.contains(corners[i]) for i in range(len(corners)))


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param(box(["-1/3", -5], ["2/7", 11]), id="uneven box"),
        pytest.param(box(["1e-9", 1000], ["3e-9", 1001]), id="far and thin"),
        pytest.param(box([0, "1/3"], [1, "1/3"]), id="fixed coordinate"),
        pytest.param(box(["1/5", "1/3"], ["1/5", "1/3"]), id="a point"),
    ],
)
def test_boxes(domain: Domain) -> None:
    check_against_single_regions(random_mlp([2, 5, 4, 2], 3), domain)


def test_a_triangle_given_by_rows_alone() -> None:
    domain = domain_from_rows([None, None], [None, None], [[-1, 0], [0, -1], [1, 2]], [0, 0, 2])
    program = BATTERY["integer"]()
    where, pairs = regions_and_shapes(program, domain)
    assert sum(shape.volume for _, shape in pairs) * where.unit_volume == 1
    check_against_single_regions(program, domain)


def test_a_window_keeps_the_cells_that_it_meets() -> None:
    program = random_mlp([2, 8, 6, 2], 5)
    cells = list(enumerate_regions(program, everything(2)))
    window = box([0, 0], ["1/4", "1/4"])
    seen = CellShapes(program, window).of([cell.pattern for cell in cells])
    inside = {cell.pattern for cell in enumerate_regions(program, window)}
    assert {cell.pattern for cell, shape in zip(cells, seen, strict=True) if shape} == inside
    assert 1 < len(inside) < len(cells)


def test_some_of_the_cells_have_the_shapes_that_they_have_among_all() -> None:
    program = random_mlp([3, 6, 5, 2], 1)
    cells = [cell.pattern for cell in enumerate_regions(program, unit_box(3))]
    where = CellShapes(program, unit_box(3))
    every, third = where.of(cells), where.of(cells[::3])
    assert [shape and shape.corners for shape in third] == [shape and shape.corners for shape in every[::3]]


def test_rows_and_scores_speak_of_inputs() -> None:
    program = mlp([([[1, -1]], [0]), ([[2]], [3])])
    domain = box([0, 0], [4, 2])
    where, pairs = regions_and_shapes(program, domain)
    for region, shape in pairs:
        facets = [number for number, _ in shape.facets]
        rows = where.input_rows([shape.rows[i] for i in facets], (RowSource("domain", 0),) * len(facets))
        corners = where.lifted(shape.points)
        tight = [sum(1 for i in range(len(corners)) if rows.slack(corners[i]).num[k] == 0) for k in range(len(rows))]
        assert tight == [2] * len(rows)
        assert all(min(rows.slack(corners[i]).num.tolist()) >= 0 for i in range(len(corners)))
        assert {1, 0} >= set(where.scores(region.pattern).shape) - {3}


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        pytest.param(everything(2), "unbounded", id="all of R^2"),
        pytest.param(box([0, 0], [None, 1]), "unbounded", id="half-open"),
        pytest.param(box([0] * 4, [1] * 4), "at most 3 dimensions, got 4", id="four dimensions"),
    ],
)
def test_domains_without_shapes(domain: Domain, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CellShapes(mlp([([[1] * domain.size], [0])]), domain)


def test_slanted_domains_have_shapes_and_no_volume() -> None:
    domain = domain_from_rows([0, 0, 0], [1, 1, 1], [], [], [[1, 1, 1]], [1])
    program = mlp([([[1, -1, 0]], [0]), ([[1]], [0])])
    where, pairs = regions_and_shapes(program, domain)
    assert [len(shape.points) for _, shape in pairs] == [3, 3]
    with pytest.raises(InputError, match="equations other than zero-width"):
        assert where.unit_volume
