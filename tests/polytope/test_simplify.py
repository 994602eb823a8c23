"""Simplification keeps the function exactly, reaches a fixed point, and writes equal networks alike."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.exact import forward
from exactbox.polytope.program import (
    Add,
    Gather,
    Head,
    HeadStep,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Provenance,
    Scale,
    Shift,
    sources,
    with_sources,
)
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.simplify import reduced, simplify, sorted_groups, use_counts
from tests.polytope.random_programs import batches, wired_programs


def index(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return an int64 index."""
    return np.array(values, dtype=np.int64)


def row(*values: Fraction | int) -> Rationals:
    """Return a vector of constants."""
    return from_fractions(values)


def matrix(values: list[list[int]], groups: int = 1) -> Rationals:
    """Return a weight of one group."""
    flat = [entry for line in values for entry in line]
    return from_fractions(flat, (groups, len(values) // groups, len(values[0])))


def program(size: int, output: int, *code: Instruction) -> Program:
    """Return a program after an Input of ``size``."""
    return Program((Port("x", (size,)),), (Input(size), *code), Port("y", (output,)))


def shown(item: Program) -> list[tuple[object, ...]]:
    """Return all that a program's instructions say, in lists that compare."""
    return [_shown(instruction) for instruction in item.instructions]


def _shown(instruction: Instruction) -> tuple[object, ...]:
    match instruction:
        case Gather(_, values) | Max(_, values):
            content: object = values.tolist()
        case MatMul(_, numbers, _) | Scale(_, numbers) | Shift(_, numbers):
            content = (numbers.shape, numbers.den, numbers.num.ravel().tolist())
        case _:
            content = None
    return type(instruction).__name__, sources(instruction), content


RELU = Max(0, index(-1, 0, -1, 1).reshape(2, 2))

# name, program, what must be left (None: unchanged)
CASES: dict[str, tuple[Program, list[Instruction]]] = {
    "identity gather": (program(2, 2, Gather((0,), index(0, 1))), []),
    "a reversal twice": (program(2, 2, Gather((0,), index(1, 0)), Gather((1,), index(1, 0))), []),
    "gathers compose": (
        program(3, 2, Gather((0,), index(2, 0, -1)), Gather((1,), index(2, 0))),
        [Gather((0,), index(-1, 2))],
    ),
    "a gather of two gathers": (
        program(2, 3, Gather((0,), index(1, -1)), Gather((0,), index(0, 0)), Gather((1, 2), index(3, 0, 1))),
        [Gather((0,), index(0, 1, -1))],
    ),
    "a source that is not read": (
        program(2, 1, Scale(0, row(2, 3)), Gather((0, 1), index(1))),
        [Gather((0,), index(1))],
    ),
    "one source named twice": (program(2, 2, Gather((0, 0), index(2, 1))), []),
    "nothing but zeros": (
        program(2, 2, Scale(0, row(2, 3)), Gather((1,), index(-1, -1))),
        [Gather((0,), index(-1, -1))],
    ),
    "neutral constants": (program(2, 2, Scale(0, row(1, 1)), Shift(1, row(0, 0))), []),
    "shifts merge": (program(2, 2, Shift(0, row(1, 2)), Shift(1, row(3, -2))), [Shift(0, row(4, 0))]),
    "shifts cancel": (program(1, 1, Shift(0, row(1)), Shift(1, row(-1))), []),
    "scales merge": (program(2, 2, Scale(0, row(2, 3)), Scale(1, row(4, Fraction(1, 3)))), [Scale(0, row(8, 1))]),
    "a scale of a shift": (
        program(1, 1, Shift(0, row(3)), Scale(1, row(2))),
        [Scale(0, row(2)), Shift(1, row(6))],
    ),
    "a batch norm after a bias": (
        program(1, 1, MatMul(0, matrix([[5]]), 1), Shift(1, row(3)), Scale(2, row(2)), Shift(3, row(1))),
        [MatMul(0, matrix([[5]]), 1), Scale(1, row(2)), Shift(2, row(7))],
    ),
    "common subexpressions": (
        program(1, 1, Scale(0, row(2)), Scale(0, row(2)), Add(1, 2)),
        [Scale(0, row(2)), Add(1, 1)],
    ),
    "dead code": (program(1, 1, Scale(0, row(2)), Scale(0, row(3))), [Scale(0, row(3))]),
    "a sum with zero": (program(1, 1, Gather((0,), index(-1)), Add(0, 1)), []),
    "a sum with constants": (
        program(1, 1, Gather((0,), index(-1)), Shift(1, row(4)), Add(2, 0)),
        [Shift(0, row(4))],
    ),
    "a scaled zero": (program(1, 1, Gather((0,), index(-1)), Scale(1, row(4))), [Gather((0,), index(-1))]),
    "a maximum of one": (program(2, 1, Max(0, index(1).reshape(1, 1))), [Gather((0,), index(1))]),
    "a maximum through a gather": (
        program(3, 1, Gather((0,), index(2, -1, 0)), Max(1, index(0, 1, 2).reshape(1, 3))),
        [Max(0, index(-1, 0, 2).reshape(1, 3))],
    ),
    "a maximum of one entry twice": (
        program(2, 1, Gather((0,), index(1, 1)), Max(1, index(0, 1).reshape(1, 2))),
        [Gather((0,), index(1))],
    ),
    "relu then pool": (
        program(2, 1, RELU, Max(1, index(0, 1).reshape(1, 2))),
        [Max(0, index(-1, 0, 1).reshape(1, 3))],
    ),
    "pool then relu": (
        program(2, 1, Max(0, index(0, 1).reshape(1, 2)), Max(1, index(-1, 0).reshape(1, 2))),
        [Max(0, index(-1, 0, 1).reshape(1, 3))],
    ),
    "relu twice": (program(2, 2, RELU, Max(1, RELU.groups)), [RELU]),
    "overlapping windows": (
        program(3, 2, Max(0, index(-1, 0, -1, 1, -1, 2).reshape(3, 2)), Max(1, index(0, 1, 1, 2).reshape(2, 2))),
        [Max(0, index(-1, 0, 1, -1, 1, 2).reshape(2, 3))],
    ),
    "three maxima": (
        program(
            4, 1, Max(0, index(0, 1, 2, 3).reshape(2, 2)), Max(1, index(0, 1).reshape(1, 2)),
            Max(2, index(-1, 0).reshape(1, 2)),
        ),
        [Max(0, index(-1, 0, 1, 2, 3).reshape(1, 5))],
    ),
    "leaky relu then pool": (
        program(
            2, 1, Scale(0, row(Fraction(1, 4), Fraction(1, 4))), Gather((0, 1), index(0, 1, 2, 3)),
            Max(2, index(0, 2, 1, 3).reshape(2, 2)), Max(3, index(0, 1).reshape(1, 2)),
        ),
        [
            Scale(0, row(Fraction(1, 4), Fraction(1, 4))), Gather((0, 1), index(0, 1, 2, 3)),
            Max(2, index(0, 1, 2, 3).reshape(1, 4)),
        ],
    ),
    "a maximum with a constant above a relu": (
        program(
            1, 1, Max(0, index(-1, 0).reshape(1, 2)), Gather((0,), index(-1)), Shift(2, row(5)),
            Gather((1, 3), index(0, 1)), Max(4, index(0, 1).reshape(1, 2)),
        ),
        [Gather((0,), index(-1)), Shift(1, row(5)), Gather((0, 2), index(0, 1)), Max(3, index(-1, 0, 1).reshape(1, 3))],
    ),
    "a maximum that others read stays": (
        program(2, 3, RELU, Max(1, index(0, 1).reshape(1, 2)), Gather((1, 2), index(0, 1, 2))),
        [RELU, Max(1, index(0, 1).reshape(1, 2)), Gather((1, 2), index(0, 1, 2))],
    ),
    "lowest terms": (program(1, 1, Scale(0, Rationals(row(6).num, 4))), [Scale(0, row(Fraction(3, 2)))]),
    "the earlier summand first": (
        program(1, 1, Scale(0, row(2)), Add(1, 0)),
        [Scale(0, row(2)), Add(0, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rules(name: str) -> None:
    given_program, left = CASES[name]
    found = simplify(given_program)
    assert shown(found) == [_shown(given_program.instructions[0]), *(_shown(item) for item in left)]


@given(wired_programs(), st.data())
def test_the_function_is_kept_exactly(item: Program, data: st.DataObject) -> None:
    found = simplify(item)
    points = data.draw(batches(item.input_size))
    assert forward(found, points).equals(forward(item, points))
    assert len(found.instructions) <= len(item.instructions) + len(item.max_positions)


@given(wired_programs())
def test_it_is_a_fixed_point(item: Program) -> None:
    found = simplify(item)
    assert shown(simplify(found)) == shown(found)


@given(wired_programs())
def test_every_vector_is_used_and_no_two_are_equal(item: Program) -> None:
    found = simplify(item)
    assert min(use_counts(found.instructions)[1:], default=1) > 0
    bodies = [repr(entry) for entry in shown(found)]
    assert len(set(bodies)) == len(bodies)


@given(wired_programs(), st.data())
def test_independent_branches_in_another_order_are_the_same_program(item: Program, data: st.DataObject) -> None:
    """Swap two neighbours that do not read each other."""
    code = list(item.instructions)
    places = [i for i in range(1, len(code) - 2) if i not in sources(code[i + 1])]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    renamed = {place: place + 1, place + 1: place}
    code[place], code[place + 1] = code[place + 1], code[place]
    swapped = [_renamed(entry, renamed) for entry in code]
    other = replace(item, instructions=tuple(swapped))
    points = data.draw(batches(item.input_size))
    assert forward(simplify(other), points).equals(forward(simplify(item), points))
    assert kinds(simplify(other)) == kinds(simplify(item))


def kinds(item: Program) -> list[str]:
    """Return the kinds of instructions, sorted."""
    return sorted(type(instruction).__name__ for instruction in item.instructions)


def _renamed(instruction: Instruction, names: dict[int, int]) -> Instruction:
    return with_sources(instruction, lambda src: names.get(src, src))


def test_branches_are_ordered_by_a_walk_from_the_output() -> None:
    left, right = Scale(0, row(2, 2)), Shift(0, row(1, 1))
    one = program(2, 4, left, right, Gather((1, 2), index(0, 1, 2, 3)))
    other = program(2, 4, right, left, Gather((2, 1), index(0, 1, 2, 3)))
    assert forward(one, from_fractions([5, 6], (2, 1))).equals(forward(other, from_fractions([5, 6], (2, 1))))
    assert len(simplify(one).instructions) == len(simplify(other).instructions) == 4


def test_ports_and_head_are_kept() -> None:
    head = Head((HeadStep("Softmax"),), "argmax", "last", ("a", "b"))
    item = replace(CASES["shifts merge"][0], head=head)
    found = simplify(item)
    assert (found.inputs, found.output, found.head) == (item.inputs, item.output, head)


def test_names_of_units_follow_the_maximum() -> None:
    names = tuple(Provenance(node, (2,)) for node in ("input", "relu", "pool"))
    item = replace(CASES["relu then pool"][0], provenance=names)
    found = simplify(item)
    assert [entry.node for entry in found.provenance] == ["input", "relu + pool"]


def test_no_provenance_stays_none() -> None:
    assert simplify(CASES["relu then pool"][0]).provenance == ()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[2, 1, 0]], [[0, 1, 2]]),
        ([[1, -1, 1]], [[-1, 1]]),
        ([[-2, 3], [4, 5]], [[3, -2], [4, 5]]),
        ([[-2, 3], [-2, 5]], [[3], [5]]),
        ([[-2, -2], [5, -2]], [[-2], [5]]),
        ([[0, 0, -2], [1, 2, 2]], [[0, -2], [1, 2]]),
    ],
)
def test_groups_are_sorted(groups: list[list[int]], expected: list[list[int]]) -> None:
    assert sorted_groups(np.array(groups, dtype=np.int64)).tolist() == expected


@given(st.lists(st.integers(-50, 50), max_size=200), st.integers(1, 60))
def test_lowest_terms_are_those_of_the_whole_vector(values: list[int], den: int) -> None:
    numbers = Rationals(from_fractions(values or [0]).num, den)
    found = reduced(numbers)
    assert found.equals(numbers)
    assert found.den == numbers.reduced().den


def test_weights_keep_what_was_compiled_for_them() -> None:
    """The integer matrices of a product are expensive; the same object is handed on."""
    weight = MatMul(0, matrix([[1, 2], [3, 5]]), 1)
    found = simplify(program(2, 2, weight, Shift(1, row(0, 0))))
    assert found.instructions[1] is weight
