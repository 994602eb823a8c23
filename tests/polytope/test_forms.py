"""The normal form of sums of maxima: equal forms are equal functions, and common rewritings have equal forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given

from exactbox.polytope import exact as exactly
from exactbox.polytope import forms
from exactbox.polytope.forms import same_forms
from exactbox.polytope.program import Add, Gather, Input, MatMul, Max, Port, Program, Scale, Shift
from exactbox.polytope.rational import exact, from_fractions
from exactbox.polytope.simplify import simplify
from tests.strategies import programs

RELU = np.array([[-1, 0]])


def of(*code: object, size: int = 1, outputs: int = 1) -> Program:
    """Return a program from its instructions behind the input."""
    return Program((Port("x", (size,)),), (Input(size), *code), Port("y", (outputs,)))  # type: ignore[arg-type]


def scaled(factor: str) -> Scale:
    return Scale(0, exact([factor]))


X = of(Gather((0,), np.array([0])))
RELU_X = of(Max(0, RELU))

EQUAL: dict[str, tuple[Program, Program]] = {
    "relu of relu": (of(Max(0, RELU), Max(1, RELU)), RELU_X),
    "scale through": (of(scaled("3/5"), Max(1, RELU), Scale(2, exact(["5/3"]))), RELU_X),
    "turned": (of(scaled("-1"), Max(1, RELU), Add(0, 2)), RELU_X),
    "half of x + abs x": (
        of(scaled("-1"), Gather((0, 1), np.array([0, 1])), Max(2, np.array([[0, 1]])), Add(0, 3),
           Scale(4, exact(["1/2"]))), RELU_X,
    ),
    "relu x - relu -x": (of(Max(0, RELU), scaled("-1"), Max(2, RELU), Scale(3, exact(["-1"])), Add(1, 4)), X),
    "max of three in two steps of one order": (
        of(Gather((0,), np.array([0, 1, 2])), Max(1, np.array([[0, 1, 2]])), size=3),
        of(Gather((0,), np.array([2, 0, 1])), Max(1, np.array([[0, 1, 2]])), size=3),
    ),
    "a constant that wins": (of(Scale(0, exact([0])), Shift(1, exact([2])), Max(2, RELU)),
                             of(Scale(0, exact([0])), Shift(1, exact([2])))),
    "a shift of all candidates": (
        of(Gather((0, 0), np.array([0, 3])), Shift(1, exact([5, 5])), Max(2, np.array([[0, 1]])), Shift(3, exact([-5])),
           size=2), of(Max(0, np.array([[0, 1]])), size=2),
    ),
}  # fmt: skip

DIFFERENT: dict[str, tuple[Program, Program]] = {
    "x and relu": (X, RELU_X),
    "relu and minus relu of minus": (RELU_X, of(scaled("-1"), Max(1, RELU), Scale(2, exact(["-1"])))),
    "another scale": (RELU_X, of(scaled("2"), Max(1, RELU))),
    "another shift": (RELU_X, of(Shift(0, exact(["1/1000000000000"])), Max(1, RELU))),
    "a maximum less": (of(Max(0, np.array([[0, 1, 2]])), size=3), of(Max(0, np.array([[0, 1, -2]])), size=3)),
    "zero as a candidate": (of(Max(0, np.array([[0, 1]])), size=2), of(Max(0, np.array([[-1, 0, 1]])), size=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_rewritings_have_equal_forms(name: str) -> None:
    left, right = EQUAL[name]
    assert same_forms(left, right) and same_forms(right, left)
    points = from_fractions(range(-3 * left.input_size, 3 * left.input_size), (left.input_size, 6))
    assert exactly.forward(left, points).equals(exactly.forward(right, points))


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_functions_have_different_forms(name: str) -> None:
    left, right = DIFFERENT[name]
    assert not same_forms(left, right) and not same_forms(right, left)


@given(programs())
def test_a_program_has_the_forms_of_its_simplification(program: Program) -> None:
    assert same_forms(program, simplify(program))


def small(random: np.random.Generator) -> Program:
    """Return a net with two layers of maxima and weights in -1, 0, 1, so that equal functions are common."""
    first, second = (exact(random.integers(-1, 2, (1, 3, k)).tolist()) for k in (2, 3))
    last = exact(random.integers(-1, 2, (1, 1, 3)).tolist())
    pairs = np.array([[-1, 0], [-1, 1], [1, 2]]) if random.random() < 0.5 else np.array([[-1, 0], [-1, 1], [-1, 2]])
    code = (MatMul(0, first, 1), Max(1, pairs), MatMul(2, second, 1), Max(3, pairs), MatMul(4, last, 1))
    return of(*code, size=2)


def test_equal_forms_are_equal_functions() -> None:
    """Over all pairs of random nets; equality is judged on a grid on which nets of these weights cannot hide."""
    random = np.random.default_rng(11)
    nets = [small(random) for _ in range(70)]
    grid = from_fractions([v for pair in itertools.product(range(-4, 5), repeat=2) for v in pair], (81, 2)).transposed()
    values = [exactly.forward(net, grid) for net in nets]
    shown, equal = 0, 0
    for (one, left), (two, right) in itertools.combinations(zip(nets, values, strict=True), 2):
        same = left.equals(right)
        equal += same
        if same_forms(one, two):
            shown += 1
            assert same
    assert 0 < shown <= equal


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert same_forms(RELU_X, EQUAL["turned"][0])
    monkeypatch.setattr(forms, "TERMS", 3)
    assert not same_forms(RELU_X, EQUAL["turned"][0])
