"""What the checker remembers of rows that it has solved for is never more than a hint: the rows of the cell decide."""

from __future__ import annotations

from operator import mul

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.verify import check_omitted
from exactbox.verify.check import Rejected
from exactbox.verify.check_omitted import Form, Solver, check, solved, unit_basis

SQUARE: dict[int, Form] = {0: (1, 0, 0), 1: (0, 1, 0), 2: (-1, 0, 1), 3: (0, -1, 1)}
FIRST = 10
CANDIDATES: list[Form] = [(0, 0, 0), (1, 1, 0), (1, 1, -2), (-1, -2, 0)]


def answer(line: bytes, rows: dict[int, Form], known: dict[tuple[int, ...], Solver]) -> list[int] | str:
    """Return the omitted candidates of a line, or why it is refused."""
    try:
        return check(line, CANDIDATES, FIRST, rows, known)
    except Rejected as error:
        return str(error)


Entries = st.one_of(st.integers(-3, 3), st.integers(-(1 << 70), 1 << 70))


@st.composite
def row_lists(draw: st.DrawFn) -> list[list[Form]]:
    """Draw lists of rows of one dimension, where rows come back in other lists."""
    size = draw(st.integers(1, 4))
    pool = draw(st.lists(st.tuples(*[Entries] * (size + 1)), min_size=2, max_size=6))
    return draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=size + 1), min_size=1, max_size=8))


@given(row_lists(), st.lists(Entries, min_size=4, max_size=4))
@settings(max_examples=150, deadline=None)
def test_every_basis_leads_to_the_only_solution(lists: list[list[Form]], weights: list[int]) -> None:
    basis = unit_basis(len(lists[0][0]) - 1)
    for rows in lists:
        gradients = [row[:-1] for row in rows]
        if flint.fmpz_mat([list(line) for line in gradients]).rank() < len(rows):
            with pytest.raises(Rejected, match="depend"):
                solved(rows, basis)
            continue
        found = solved(rows, basis)
        gap = [-sum(map(mul, weights, column)) for column in zip(*gradients, strict=True)]
        assert [sum(map(mul, line, gap)) for line in found.lines] == [v * found.basis.den for v in weights[: len(rows)]]
        assert found.basis.den > 0 and found.columns == list(zip(*rows, strict=True))
        basis = found.basis


LINES = [b"2 1", b"3 0 0 1", b"2 0 2 3", b"2 0 3 2", b"1 0 0 1", b"1 0 2 3", b"2 0 0 2", b"2 0 2 2", b"3 1 0 1",
         b"2 0 11", b"3 0 0 11", b"2 0 9", b"2 1;3 0 0 1", b"3 2 0 1"]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("size", [1, 2, 1 << 12])
def test_the_answer_does_not_depend_on_what_was_asked_before(
    line: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_omitted, "MAX_KNOWN", size)
    fresh = answer(line, SQUARE, {})
    known: dict[tuple[int, ...], Solver] = {}
    for before in LINES:
        answer(before, SQUARE, known)
        assert answer(line, SQUARE, known) == fresh
        assert len(known) <= size + 1


def test_rows_of_the_same_numbers_on_another_cell_prove_nothing() -> None:
    known: dict[tuple[int, ...], Solver] = {}
    assert answer(b"2 0 2 3", SQUARE, known) == [2]
    wider = {**SQUARE, 2: (-1, 0, 2)}
    assert "do not prove" in str(answer(b"2 0 2 3", wider, known))
    assert answer(b"2 0 2 3", SQUARE, known) == [2]
    assert "no row of its cell" in str(answer(b"2 0 2 3", {k: v for k, v in SQUARE.items() if k != 2}, known))


def test_one_row_under_two_numbers_counts_as_dependent_whatever_is_known() -> None:
    known: dict[tuple[int, ...], Solver] = {}
    twice = {**SQUARE, 4: SQUARE[2]}
    fresh = answer(b"2 0 2 4", twice, known)
    assert "depend" in str(fresh)
    assert answer(b"2 0 2 3", twice, known) == [2]
    assert answer(b"2 0 2 4", twice, known) == fresh
    assert answer(b"2 0 2 3 4", twice, known) == fresh
