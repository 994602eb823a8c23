"""What must not matter: the order and scale of rows, the coordinates' names, scale and origin, redundant additions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.domain import Bound, Domain, box
from exactbox.polytope.evidence import verify
from exactbox.polytope.facets import minimal
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.region import region_at
from exactbox.polytope.rows import Rows, RowSource, integer_rows
from exactbox.polytope.simplex import Limits, Optimal, optimize
from exactbox.polytope.system import System
from exactbox.polytope.verdicts import Dropped, Kept, Minimal, Same
from tests.nets import random_mlp
from tests.polytopes import polytopes, unit_rows

Polytope = tuple[Domain, Rows, Rationals]


def names(found: Minimal) -> list[str]:
    return [type(verdict).__name__ for verdict in found.verdicts]


def essential(found: Minimal) -> dict[tuple[str, int, int], str]:
    """Name the verdict of each row by its source, leaving copies out: which of them leads depends on the order."""
    leaders = {verdict.as_row for verdict in found.verdicts if isinstance(verdict, Same)}
    return {
        (source.kind, source.index, source.group): type(verdict).__name__
        for position, (source, verdict) in enumerate(zip(found.sources, found.verdicts, strict=True))
        if position not in leaders and not isinstance(verdict, Same)
    }


def mapped(
    polytope: Polytope, scale: list[Fraction], shift: list[Fraction], order: list[int]
) -> Polytope:
    """Return the image of a polytope under y -> scale * y + shift, its coordinates renamed by ``order``."""
    domain, rows, inside = polytope
    lower: list[Bound] = []
    upper: list[Bound] = []
    for i in order:
        ends = [None if b is None else scale[i] * b + shift[i] for b in (domain.lower[i], domain.upper[i])]
        low, high = ends if scale[i] > 0 else ends[::-1]
        lower.append(low)
        upper.append(high)
    table: list[Fraction] = []
    rhs: list[Fraction] = []
    for row, bound in zip(rows.matrix.tolist(), rows.rhs.tolist(), strict=True):
        slopes = [Fraction(row[i]) / scale[i] for i in range(domain.size)]
        table += [slopes[i] for i in order]
        rhs.append(bound + sum((a * s for a, s in zip(slopes, shift, strict=True)), Fraction(0)))
    moved = [scale[i] * v + shift[i] for i, v in enumerate(inside.fractions())]
    matrix = from_fractions(table, (len(rhs), domain.size))
    return box(lower, upper), integer_rows(matrix, from_fractions(rhs), rows.sources), from_fractions(
        [moved[i] for i in order]
    )


scales = st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 3), Fraction(10**12), Fraction(-1, 10**12)])


@given(polytopes(), st.data())
@settings(max_examples=60)
def test_coordinates_may_be_scaled_moved_and_renamed(polytope: Polytope, data: st.DataObject) -> None:
    size = polytope[0].size
    scale = [data.draw(scales) for _ in range(size)]
    shift = [data.draw(st.fractions(-9, 9, max_denominator=9)) for _ in range(size)]
    order = data.draw(st.permutations(range(size)))
    first, second = minimal(*polytope), minimal(*mapped(polytope, scale, shift, order))
    count = len(polytope[1])
    assert verify(second) == ()
    assert sorted(names(first)[count:]) == sorted(names(second)[count:])
    assert names(first)[:count] == names(second)[:count]


@given(polytopes(), st.data())
@settings(max_examples=60)
def test_rows_may_be_reordered(polytope: Polytope, data: st.DataObject) -> None:
    domain, rows, inside = polytope
    order = data.draw(st.permutations(range(len(rows))))
    first, second = minimal(*polytope), minimal(domain, rows.subset(list(order)), inside)
    assert verify(second) == ()
    both = essential(first).keys() & essential(second).keys()
    assert {key: essential(first)[key] for key in both} == {key: essential(second)[key] for key in both}
    assert len(first.facets) == len(second.facets)


@given(polytopes())
@settings(max_examples=40)
def test_facets_alone_describe_the_same_polytope(polytope: Polytope) -> None:
    domain, rows, inside = polytope
    first = minimal(*polytope)
    facets = [position for position in first.facets if position < len(rows)]
    second = minimal(domain, rows.subset(facets), inside)
    assert names(second)[: len(facets)] == ["Kept"] * len(facets)
    assert len(second.facets) == len(first.facets)


@given(polytopes(), st.data())
@settings(max_examples=40)
def test_sums_of_rows_add_nothing(polytope: Polytope, data: st.DataObject) -> None:
    domain, rows, inside = polytope
    if len(rows) < 2:
        return
    i, j = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(rows) - 1))
    weight = data.draw(st.sampled_from([1, 3, 10**9]))
    matrix = np.concatenate([rows.matrix, [rows.matrix[i] + weight * rows.matrix[j]]])
    rhs = np.concatenate([rows.rhs, [rows.rhs[i] + weight * rows.rhs[j]]])
    sources = (*rows.sources, RowSource("decision", 0, 1))
    more = integer_rows(Rationals(matrix), Rationals(rhs), sources)
    first, second = minimal(*polytope), minimal(domain, more, inside)
    assert verify(second) == () and len(first.facets) == len(second.facets)
    assert names(second)[len(rows)] in ("Dropped", "Same", "Free")


@given(polytopes(), st.data())
@settings(max_examples=40)
def test_the_point_inside_does_not_matter(polytope: Polytope, data: st.DataObject) -> None:
    domain, rows, inside = polytope
    first = minimal(*polytope)
    share = data.draw(st.fractions(0, 1, max_denominator=64))
    between = first.centre.scaled(share) + inside.scaled(1 - share)
    assert names(minimal(domain, rows, between)) == names(first)


def facets_by_simplex(system: System) -> list[bool]:
    """Decide each row by one cold exact linear program without it; rows must be pairwise no multiples."""
    found: list[bool] = []
    for row in range(len(system.rhs)):
        rhs = system.rhs.copy()
        rhs[row] += 1
        outcome = optimize(system.changed(rhs), Rationals(system.matrix[row]), None, Limits())
        found.append(isinstance(outcome, Optimal) and outcome.value > system.rhs[row])
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size", "count"), [(4, 20), (6, 16), (8, 12)])
def test_sign_matrices_agree_with_cold_simplex(size: int, count: int, seed: int) -> None:
    """Rows of -1, 0 and 1 with right-hand side 1 meet in highly degenerate vertices."""
    rng = np.random.default_rng(seed)
    drawn = {tuple(row) for row in rng.integers(-1, 2, (count, size)).tolist() if sum(map(abs, row)) > 1}
    rows = unit_rows([list(row) for row in sorted(drawn)], [1] * len(drawn), size)
    for domain in (box([-1] * size, [1] * size), box([None] * size, [None] * size)):
        found = minimal(domain, rows, exact([0] * size))
        expected = facets_by_simplex(System(rows.matrix, rows.rhs, domain.lower, domain.upper))
        assert [isinstance(v, Kept) for v in found.verdicts[: len(rows)]] == expected
        assert verify(found) == ()


@pytest.mark.parametrize("sizes", [(12, 12, 8, 3), (40, 12, 6, 2), (6, 25, 10, 2)])
def test_nets_agree_with_cold_simplex(sizes: tuple[int, ...]) -> None:
    domain = box([0] * sizes[0], [1] * sizes[0])
    region = region_at(random_mlp(sizes, 11), exact([Fraction(1, 3)] * sizes[0]), domain)
    expected = facets_by_simplex(System(region.rows.matrix, region.rows.rhs, domain.lower, domain.upper))
    assert [isinstance(v, Kept) for v in region.facets.verdicts[: len(region.rows)]] == expected


def test_a_row_that_the_rest_of_many_implies_needs_many_multipliers() -> None:
    size = 12
    rows = [[int(i == k) for i in range(size)] for k in range(size)] + [[1] * size]
    found = minimal(box([None] * size, [None] * size), unit_rows(rows, [1] * size + [size], size), exact([0] * size))
    last = found.verdicts[size]
    assert isinstance(last, Dropped) and last.multipliers == dict.fromkeys(range(size), Fraction(1))
