"""Rows in float64 enclose the exact ones, and are exact where few bits are in play; charts keep domains in shape."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope import exact_cells
from exactbox.polytope.chart import chart
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enumeration import Space
from exactbox.polytope.exact_cells import (
    Beyond,
    Child,
    ExactCell,
    Nothing,
    Omitted,
    beyond,
    branch,
    proving,
    solve_integers,
)
from exactbox.polytope.layer_rows import ExactRows, FloatRows, Floats, layers
from exactbox.polytope.program import Max, Port, Program
from exactbox.polytope.rational import exact, from_fractions
from exactbox.polytope.split_tree import Leaf, split_tree
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import programs

DOMAINS: dict[str, Domain] = {
    "square": box([-1, -1], [1, 1]),
    "far away": box(["1000000.1", "-3"], ["1000000.2", "7"]),
    "quadrant": box([0, None], [None, 0]),
    "plane": everything(2),
    "segment": box([-1, "1/3"], [1, "1/3"]),
}


def check_enclosure(program: Program, domain: Domain) -> None:
    """Compare the rows of every layer with the exact ones on every region's pattern."""
    space = Space(program, domain)
    for part in space.parts():
        if part.layer < len(space.layers) or not len(part.cells.filled):
            continue
        for layer in space.layers:
            rows, radius = FloatRows(program, space.chart, space.layers, layer).rows(part.cells.winners[:3])
            for i in range(len(rows)):
                source = ExactRows(program, space.chart, space.layers, layer.position, part.cells.winners[i])
                for pair in range(len(layer.pairs)):
                    contains(rows[i, pair], float(radius[i, pair]), source.row(layer.base + pair))


def contains(row: Floats, radius: float, truth: list[int]) -> None:
    """Check that some positive multiple of the exact row is within the radius: a multiple that fits one entry."""
    floats = exact(row).fractions()
    k = int(np.argmax(np.abs(row)))
    if row[k] == 0.0:
        assert radius > 0 or not any(truth)
        return
    assert (truth[k] > 0) == (row[k] > 0)
    scale = floats[k] / truth[k]
    slack = 4 * exact(radius).item() * (1 + max(abs(v) for v in floats) / abs(floats[k]))
    assert all(abs(f - scale * t) <= slack for f, t in zip(floats, truth, strict=True))


@pytest.mark.parametrize("name", BATTERY)
@pytest.mark.parametrize("where", ["square", "plane", "segment", "far away"])
def test_float_rows_enclose_exact_rows(name: str, where: str) -> None:
    program = BATTERY[name]()
    if program.input_size == 2:
        check_enclosure(program, DOMAINS[where])


@settings(max_examples=40, deadline=None)
@given(program=programs())
def test_float_rows_of_generated_nets_enclose_exact_rows(program: Program) -> None:
    check_enclosure(program, box([-1] * program.input_size, [1] * program.input_size))


def test_few_bits_make_no_error() -> None:
    program = BATTERY["integer"]()
    space = Space(program, box([-1, -1], [1, 1]))
    winners = np.ones((1, space.units), dtype=np.int16)
    for layer in space.layers:
        assert not FloatRows(program, space.chart, space.layers, layer).rows(winners)[1].any()


def test_dead_units_give_rows_that_are_zero_for_certain() -> None:
    program = random_mlp([2, 3, 2, 1], 0)
    space = Space(program, box([-1, -1], [1, 1]))
    rows, _ = FloatRows(program, space.chart, space.layers, space.layers[1]).rows(np.zeros((1, 5), dtype=np.int16))
    assert not rows[..., :-1].any()


def test_layers_number_units_and_pairs() -> None:
    found = layers(BATTERY["max over dead units"]())
    assert [layer.widths.tolist() for layer in found] == [[4, 2]]
    assert found[0].starts.tolist() == [0, 6] and len(found[0].pairs) == 7
    assert found[0].pairs[-1].tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_chart_keeps_rows_and_points(name: str) -> None:
    domain = DOMAINS[name]
    made = chart(domain)
    assert made.dimension == domain.dimension
    start = next(made.starts())
    assert made.strictly_contains(start)
    point = made.lift(start.reshape(-1, 1)).reshape(-1)
    assert domain.strictly_contains(point)
    assert all(v <= Fraction(*e.as_integer_ratio()) for v, e in zip(start.fractions(), made.extent, strict=True)
               if np.isfinite(e))


def test_a_bounded_chart_has_unit_size() -> None:
    made = chart(DOMAINS["far away"])
    assert (made.extent > 0.5).all() and (made.extent < 2).all()


@given(st.integers(1, 4), st.integers(0, 1 << 32))
def test_integer_systems_are_solved(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-3, 4, (size, size)).tolist()
    right = rng.integers(-3, 4, size).tolist()
    solved = solve_integers(matrix, right)
    if solved is None:
        assert abs(np.linalg.det(np.array(matrix, dtype=float))) < 0.5
    else:
        values, den = solved
        assert den > 0
        assert [sum(a * x for a, x in zip(row, values, strict=True)) for row in matrix] == [den * b for b in right]


UNIT_SQUARE = ExactCell(
    (1, 2, 3, 4), ([1, 0, 0], [0, 1, 0], [-1, 0, 1], [0, -1, 1]), (Fraction(1, 4), Fraction(1, 4)),
)


def test_beyond_a_row_that_only_touches_there_is_nothing() -> None:
    found = beyond(UNIT_SQUARE, [1, 1, -2])
    assert isinstance(found, Nothing) and sorted(found.basis) == [2, 3]
    assert proving(UNIT_SQUARE.rows, [1, 1, -2], (2, 3)) == (2, 3)
    assert proving(UNIT_SQUARE.rows, [1, 1, -2], (0, 3)) is None
    assert isinstance(beyond(UNIT_SQUARE, [1, 1, -2], [(0, 3), (2, 3)]), Nothing)


class NeededAnLP(AssertionError):
    """The test's own: no hint was enough."""


def no_lp(cell: ExactCell, row: list[int]) -> Nothing:
    raise NeededAnLP(f"{cell.names}: {row}")


@pytest.mark.parametrize(("row", "basis"), [([1, 1, -2], (2, 3)), ([3, 0, -3], (2,)), ([0, -5, -1], (1,))])
def test_hints_prove_without_an_lp_what_one_of_them_proves(
    row: list[int], basis: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_cells, "highest", no_lp)
    corners = [(-1, -1), (3, 0), (0, 1), (1, 2), (2, 3)]
    for hints in (corners, corners[::-1]):
        found = beyond(UNIT_SQUARE, row, hints)
        assert isinstance(found, Nothing) and found.basis == basis
    with pytest.raises(NeededAnLP):
        beyond(UNIT_SQUARE, row, [(0, 1) if row[0] else (2, 3)])


def test_recorded_rows_parallel_to_a_side_need_an_lp_only_where_they_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[list[Fraction] | Nothing] = []
    search = exact_cells.highest

    def noted(cell: ExactCell, row: list[int]) -> list[Fraction] | Nothing:
        answers.append(search(cell, row))
        return answers[-1]

    monkeypatch.setattr(exact_cells, "highest", noted)
    linear = mlp([([[3, 0], [1, 0], ["1/10", 0], [0, "-3/10"]], ["-10/3", "-1/3", "1/3", "-1/3"])])
    groups = np.array([[-1, 0, 1], [-1, 2, 3]])
    program = Program(linear.inputs, (*linear.instructions, Max(2, groups)), Port("y", (1, 2)))
    items = list(split_tree(Space(program, DOMAINS["square"], recording=True)))
    assert sum(isinstance(item, Leaf) for item in items) == 2
    assert answers and not any(isinstance(answer, Nothing) for answer in answers)


def test_beyond_a_row_that_cuts_there_is_a_point() -> None:
    row = [1 << 70, 1 << 70, 1 - (1 << 71)]
    found = beyond(UNIT_SQUARE, row)
    assert isinstance(found, Beyond)
    assert row[0] * found.point[0] + row[1] * found.point[1] + row[2] > 0
    assert all(0 < value < 1 for value in found.point)


def test_branching_prefers_the_lowest_of_equal_candidates() -> None:
    rows = {(0, 1): (10, [0, 0, 0]), (0, 2): (11, [2, 0, -1]), (1, 2): (12, [2, 0, -1])}
    first, second, third = branch(UNIT_SQUARE, rows, 3)
    assert isinstance(first, Child) and first.cell.names[-1] == 12
    assert isinstance(second, Omitted) and (second.candidate, second.rival, second.names) == (1, 0, ())
    assert isinstance(third, Child) and evaluate_at(third) < 0


def evaluate_at(child: Child) -> Fraction:
    """Return 2x - 1 at the witness."""
    return 2 * child.cell.witness[0] - 1


def test_lifted_points_are_exact() -> None:
    made = chart(DOMAINS["segment"])
    lifted = made.lift(from_fractions([Fraction(1, 7)], (1, 1)))
    assert [str(v) for v in lifted.fractions()] == ["1/7", "1/3"]
