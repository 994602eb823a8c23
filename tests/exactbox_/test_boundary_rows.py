"""The boundary by linear programs against the boundary by shapes, and in more dimensions against exact points."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from exactbox import boundary_rows as boundary_rows_module
from exactbox.boundary_rows import boundary_rows, reduced_map
from exactbox.enumerating import Enumerated
from exactbox.partition import Boundary
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.exact import forward
from exactbox.polytope.facets import minimal
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.simplex import Limits
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs


def summary(one: Boundary) -> tuple[object, ...]:
    """Return what identifies a piece of boundary, its hyperplane up to sign."""
    line = (*one.equation.matrix[0].tolist(), int(one.equation.rhs[0]))
    return one.classes, one.decided, one.regions, max(line, tuple(-v for v in line))


def compare(found: Enumerated) -> None:
    by_shapes = {summary(one): one for one in found.partition.boundary}
    by_programs = boundary_rows(found)
    assert {summary(one) for one in by_programs} == set(by_shapes) and len(by_programs) == len(by_shapes)
    for one in by_programs:
        corners = by_shapes[summary(one)].corners
        assert len(one.corners) == 0
        assert all(min(one.rows.slack(corners[i]).num.tolist(), default=0) >= 0 for i in range(len(corners)))


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery(name: str) -> None:
    compare(enumerated(BATTERY[name]()))


@pytest.mark.parametrize("sizes", [[1, 6, 4, 3], [2, 6, 5, 4], [3, 4, 3, 3]])
def test_generic_nets(sizes: list[int]) -> None:
    compare(enumerated(random_mlp(sizes, 3)))


@settings(max_examples=20, deadline=None)
@given(program=programs())
def test_generated_degenerate_nets(program: Program) -> None:
    compare(enumerated(program))


@pytest.mark.parametrize(("size", "bounded"), [(4, True), (4, False), (5, True), (2, False)])
def test_segments_between_classes_cross_the_boundary(size: int, bounded: bool) -> None:
    """Between two points of different classes, the walk from one to the other meets a polytope of the boundary."""
    program = random_mlp([size, 4, 4, 3], 8)
    found = enumerated(program, None if bounded else everything(size))
    edges = [one for one in found.boundary() if one.changes]
    rng = np.random.default_rng(1)
    met = 0
    for _ in range(30):
        ends = [exact(rng.uniform(-1, 1, size)) for _ in range(2)]
        classes = [decided(program, end) for end in ends]
        crossed = [one for one in edges if meets(one, ends[0], ends[1])]
        met += bool(crossed)
        assert crossed or classes[0] == classes[1]
    assert met > 3


def decided(program: Program, point: Rationals) -> int:
    values = forward(program, point.reshape(-1, 1)).fractions()
    return values.index(max(values))


def meets(one: Boundary, start: Rationals, end: Rationals) -> bool:
    """Say whether a segment crosses a polytope of the boundary."""
    here, there = one.equation.slack(start).item(0), one.equation.slack(end).item(0)
    if (here < 0) == (there < 0):
        return False
    at = start + (end - start).scaled(here / (here - there))
    return min(one.rows.slack(at).num.tolist(), default=0) >= 0


def test_all_of_space_has_its_boundary() -> None:
    (line,) = enumerated(mlp([([[1, 1], [1, -1]], [0, 0])]), everything(2)).boundary()
    assert line.equation.matrix.tolist() in ([[0, 1]], [[0, -1]]) and len(line.rows) == 0
    assert (line.classes, line.regions) == (("output 0", "output 1"), (0,))


def test_a_boundary_on_facets_of_an_unbounded_domain() -> None:
    program = mlp([([[1, 0, 0, 0], [-1, 0, 0, 0]], [0, 0]), ([[1, 1], [0, 0]], [0, 0])])
    (touch,) = enumerated(program, everything(4)).boundary()
    assert (touch.decided, touch.regions, touch.changes) == (("output 0",), (0, 1), False)


def test_reduced_maps_forget_fixed_coordinates() -> None:
    found = enumerated(mlp([([[1, 2], [3, 4]], [5, 6])]), box([0, "1/2"], [1, "1/2"]))
    values = reduced_map(found[0])
    assert values.fractions() == [1, 0, Fraction(6), 3, 0, Fraction(8)]


def test_a_budget_is_an_error_that_says_how_far() -> None:
    found = enumerated(random_mlp([4, 4, 4, 3], 1))
    with pytest.raises(BudgetError, match=rf"of {len(found)} regions were looked at in 0 seconds"):
        found.boundary(seconds=0)


def test_rows_that_stay_open_are_no_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    found = enumerated(random_mlp([4, 4, 3], 8), everything(4))
    monkeypatch.setattr(boundary_rows_module, "minimal", functools.partial(minimal, limits=Limits(0)))
    with pytest.raises(BudgetError, match=r"region \d+: a budget left open whether"):
        found.boundary()


def test_nothing_decided_is_said() -> None:
    with pytest.raises(InputError, match="nothing is decided"):
        boundary_rows(enumerated(mlp([([[1, 0]], [0])]), decision="none"))
