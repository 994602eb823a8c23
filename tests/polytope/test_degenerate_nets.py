"""Generated degenerate nets of every family, in the box and in all of R^d, against polytopes cut in integers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from exactbox.polytope.domain import box, everything
from tests.polytope.degenerate_nets import FAMILIES, Draw
from tests.polytope.region_oracle import (
    Corners,
    box_rows,
    cut_corners,
    eliminated_regions,
    polygon_regions,
    vertex_regions,
)
from tests.polytope.test_enumeration import found

SEEDS, MANY = 6, 170
"""Nets of each family and dimension: 360 in all, and 10 200 where the slow tests are asked for."""

WIDE = 1 << 400
"""Half the side of a box that has all vertices of these nets inside, and so shows all regions of R^d."""

CASES = list(product(FAMILIES, (1, 2, 3)))

ONE, ZERO = Fraction(1), Fraction(0)


def disagreement(family: str, size: int, seed: int) -> str:
    """Compare the engine with the oracle on one net, in the box or in R^d; empty where they agree."""
    program = FAMILIES[family](Draw(seed), size)
    bounded = seed % 2 == 0
    half = Fraction(1 if bounded else WIDE)
    truth = vertex_regions(program, [-half] * size, [half] * size)
    keys = found(program, box([-1] * size, [1] * size) if bounded else everything(size))
    return "" if keys == truth else f"seed {seed}: {len(keys)} regions, the oracle has {len(truth)}"


@pytest.mark.parametrize(("family", "size"), CASES)
def test_every_family(family: str, size: int) -> None:
    assert [disagreement(family, size, seed) for seed in range(SEEDS)] == [""] * SEEDS


@pytest.mark.slow
@pytest.mark.parametrize(("family", "size"), CASES)
def test_many_of_every_family(family: str, size: int) -> None:
    assert [told for seed in range(MANY) if (told := disagreement(family, size, seed))] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_oracles_agree(family: str) -> None:
    plane, line = FAMILIES[family](Draw(100), 2), FAMILIES[family](Draw(101), 1)
    assert vertex_regions(plane, [-ONE] * 2, [ONE] * 2) == polygon_regions(plane, [-ONE] * 2, [ONE] * 2)
    assert vertex_regions(line, [-ONE], [ONE]) == eliminated_regions(line, box_rows([-ONE], [ONE]))


def test_a_cube_is_cut_through_corners_and_edges() -> None:
    corners = list(product((-1, 1), repeat=3))
    tight = [sum(1 << 2 * i + side for i, side in enumerate(sides)) for sides in product((0, 1), repeat=3)]
    cube = Corners([(*corner, 1) for corner in corners], tight, 6)
    diagonal = cut_corners(cube, (ONE, -ONE, ZERO, ZERO))
    assert sorted(diagonal.points) == sorted((*c, 1) for c in corners if c[0] >= c[1])
    half = cut_corners(diagonal, (ZERO, ZERO, 2 * ONE, ONE))
    assert {point for point in half.points if point[2] < 0} == {(2 * x, 2 * y, -1, 2) for x, y, _ in corners if x >= y}
    assert len(half.points) == 6
    assert cut_corners(half, (-ONE, ONE, ZERO, ZERO)).points == []
