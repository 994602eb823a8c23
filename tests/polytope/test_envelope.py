"""Pieces of the largest function: they fill the shape, hold what they say, and meet in walls; bounded or not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.domain import box, everything, no_rows
from exactbox.polytope.envelope import Piece, envelope, walls, winners_within
from exactbox.polytope.shapes import Row, Shape, cube
from tests.oracles import feasible, inequality
from tests.polytopes import unit_rows

TINY = 10**30


@st.composite
def functions(draw: st.DrawFn, size: int) -> list[Row]:
    """Draw a few functions, often equal or parallel or all meeting in one point."""
    slope = st.integers(-2, 2)
    return draw(st.lists(st.tuples(*[slope] * (size + 1)), min_size=1, max_size=4))


def value(row: Row, corner: tuple[Fraction, ...]) -> Fraction:
    return sum((a * x for a, x in zip(row, corner, strict=False)), Fraction(row[-1]))


def slow_winners(rows: list[Row], scores: list[Row], tie: str) -> set[int]:
    """Decide by elimination which functions are strictly larger than all different ones somewhere inside rows."""
    n = len(scores[0]) - 1
    found: set[int] = set()
    for k, own in enumerate(scores):
        same = [j for j, other in enumerate(scores) if other == own]
        if k != same[0 if tie == "first" else -1]:
            continue
        strict = [*rows, *[tuple(a - b for a, b in zip(own, o, strict=True)) for o in scores if o != own]]
        system = [inequality([-a for a in row[:n]], row[n], strict=True) for row in strict]
        if not system or feasible(system):
            found.add(k)
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("tie", ["first", "last"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pieces_fill_the_cube(size: int, tie: str, data: st.DataObject) -> None:
    scores = data.draw(functions(size))
    shape = cube([-1] * size, [1] * size)
    pieces = envelope(shape, scores, "first" if tie == "first" else "last")
    assert sum(piece.shape.volume for piece in pieces) == 2**size
    assert {piece.winner for piece in pieces} == slow_winners(list(shape.rows), scores, tie)
    for piece in pieces:
        assert {scores[i] for i in piece.equal} == {scores[piece.winner]}
        for corner in piece.shape.corners:
            assert value(scores[piece.winner], corner) == max(value(row, corner) for row in scores)


@pytest.mark.parametrize("size", [1, 2, 3])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pieces_meet_in_walls(size: int, data: st.DataObject) -> None:
    scores = data.draw(functions(size))
    pieces = envelope(cube([-1] * size, [1] * size), scores)
    sides: dict[frozenset[tuple[int, ...]], list[int]] = {}
    for piece in pieces:
        for wall in walls(piece, scores):
            corners = [piece.shape.points[i] for i in wall.corners]
            tops = [[sum(a * x for a, x in zip(row, p, strict=True)) for row in scores] for p in corners]
            largest = [{k for k, v in enumerate(values) if v == max(values)} for values in tops]
            assert set(wall.tied) == set.intersection(*largest)
            sides.setdefault(frozenset(corners), []).append(piece.winner)
    inner = {key: own for key, own in sides.items() if len(own) == 2}
    if len(pieces) > 1:
        assert inner
    assert all(len(own) <= 2 and len(set(own)) == len(own) for own in sides.values())


@pytest.mark.parametrize("tie", ["first", "last"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_cell_bounded_or_not(tie: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 3))
    scores = data.draw(functions(size))
    rows = [row for row in data.draw(functions(size)) if any(row[:-1]) and row[-1] > 0]
    cuts = unit_rows([[-v for v in row[:-1]] for row in rows], [row[-1] for row in rows], size)
    found = winners_within(everything(size), cuts, scores, "first" if tie == "first" else "last")
    assert set(found) == slow_winners(rows, scores, tie)
    assert all(scores[i] == scores[k] for k, same in found.items() for i in same)


def only(pieces: list[Piece]) -> Piece:
    (piece,) = pieces
    return piece


def test_identical_functions_win_together() -> None:
    square = cube([0, 0], [1, 1])
    scores: list[Row] = [(1, 2, 0), (1, 2, 0), (1, 2, -1)]
    piece = only(envelope(square, scores))
    assert (piece.winner, piece.equal, piece.shape) == (0, (0, 1), square)
    assert only(envelope(square, scores, "last")).winner == 1
    assert [wall.tied for wall in walls(piece, scores)] == [(0, 1)] * 4


def test_a_tie_on_a_face_is_a_wall_without_another_piece() -> None:
    piece = only(envelope(cube([0, 0], [1, 1]), [(1, 0, 0), (0, 0, 0)]))
    (wall,) = walls(piece, [(1, 0, 0), (0, 0, 0)])
    assert wall.tied == (0, 1)
    assert {piece.shape.points[i] for i in wall.corners} == {(0, 0, 1), (0, 1, 1)}


def test_a_tie_in_a_corner_is_no_wall() -> None:
    piece = only(envelope(cube([0, 0], [1, 1]), [(1, 1, 0), (0, 0, 0)]))
    assert walls(piece, [(1, 1, 0), (0, 0, 0)]) == []


def test_a_function_that_wins_on_a_line_only_has_no_piece() -> None:
    scores: list[Row] = [(0, 0, 0), (1, 0, 0), (-1, 0, 0)]
    pieces = envelope(cube([-1, -1], [1, 1]), scores)
    assert [piece.winner for piece in pieces] == [1, 2]
    assert [wall.tied for piece in pieces for wall in walls(piece, scores)] == [(0, 1, 2), (0, 1, 2)]
    assert set(winners_within(box([-1, -1], [1, 1]), no_rows(2), scores)) == {1, 2}


def test_a_piece_thinner_than_any_float() -> None:
    shape: Shape = cube([0, 0], [1, 1])
    scores: list[Row] = [(0, 0, 0), (TINY, 0, -TINY + 1)]
    pieces = envelope(shape, scores)
    assert [piece.shape.volume for piece in pieces] == [1 - Fraction(1, TINY), Fraction(1, TINY)]


def test_a_point_has_one_winner() -> None:
    piece = only(envelope(cube([], []), [(3,), (5,), (5,)]))
    assert (piece.winner, piece.equal) == (1, (1, 2))
    scores: list[Row] = [(0, 3), (0, 5), (0, 5)]
    assert winners_within(box([1], [1]), no_rows(1), scores, "last") == {2: (1, 2)}


def test_an_axis_cut_by_a_fan() -> None:
    scores: list[Row] = [(2 * k, -k * k) for k in range(-3, 4)]
    pieces = envelope(cube([-5], [5]), scores)
    ends = [piece.shape.corners for piece in pieces]
    assert [piece.winner for piece in pieces] == list(range(7))
    assert all(left[-1] == right[0] for left, right in pairwise(ends))
