"""Where two lists of instructions part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from exactbox.polytope.identical import divergences
from exactbox.polytope.program import Head, HeadStep, MatMul, Max, Port, Program
from exactbox.polytope.rational import Rationals
from tests.nets import BATTERY, mlp

SMALL = ([[1, 2], [3, 4]], ["1/2", 0])


@pytest.mark.parametrize("name", BATTERY)
def test_a_program_is_itself(name: str) -> None:
    assert list(divergences(BATTERY[name](), BATTERY[name]())) == []


def test_names_heads_and_denominators_take_no_part() -> None:
    one = mlp([SMALL, ([[1, 1]], [0])])
    first = one.instructions[1]
    assert isinstance(first, MatMul)
    doubled = replace(first, weight=Rationals(first.weight.num * 2, first.weight.den * 2))
    other = replace(one, inputs=(Port("z", (2,)),), output=Port("w", (1,)), head=Head((HeadStep("Softmax"),)),
                    instructions=(one.instructions[0], doubled, *one.instructions[2:]))  # fmt: skip
    assert list(divergences(one, other)) == []


CHANGES: list[tuple[str, Callable[[], Program], int | None, tuple[int, ...], str]] = [
    ("a weight", lambda: mlp([([[1, 2], [3, 5]], ["1/2", 0]), ([[1, 1]], [0])]), 1, (3,), "1 of 4 constants"),
    ("a bias", lambda: mlp([([[1, 2], [3, 4]], ["1/3", 0]), ([[1, 1]], [0])]), 2, (0,), "1 of 2 constants"),
    ("a width", lambda: mlp([([[1, 2]], [0]), ([[1]], [0])]), 1, (), "a MatMul of 1 entry"),
    ("a layer more", lambda: mlp([SMALL, ([[1, 1]], [0]), ([[1]], [0])]), None, (), "6 instructions, and 9"),
]


@pytest.mark.parametrize("what,make,position,entries,text", CHANGES, ids=[case[0] for case in CHANGES])
def test_what_differs_is_named(
    what: str, make: Callable[[], Program], position: int | None, entries: tuple[int, ...], text: str
) -> None:
    found = list(divergences(mlp([SMALL, ([[1, 1]], [0])]), make()))
    assert found[0].position == position
    assert found[0].entries == entries
    assert text in found[-1].text


def test_several_constants_are_all_listed() -> None:
    other = mlp([([[1, 2], [0, 4]], ["1/2", 7]), ([[1, 2]], [0])])
    found = list(divergences(mlp([SMALL, ([[1, 1]], [0])]), other))
    assert [(one.position, one.entries) for one in found] == [(1, (2,)), (2, (1,)), (4, (1,))]


def test_groups_of_a_maximum_count() -> None:
    one = BATTERY["max over dead units"]()
    last = one.instructions[-1]
    assert isinstance(last, Max)
    changed = replace(last, groups=np.array([[0, 1, 2, 3], [1, 3, -2, -2]], dtype=np.int64))
    other = replace(one, instructions=(*one.instructions[:-1], changed))
    assert [found.entries for found in divergences(one, other)] == [()]
