"""Hypothesis strategies: small random programs of every degenerate kind, points and boxes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from exactbox.polytope.program import NO_CANDIDATE, Max, Port, Program
from exactbox.polytope.rational import Rationals, from_fractions
from tests.nets import Layer, mlp

weights = st.one_of(
    st.integers(-2, 2).map(Fraction),
    st.integers(-16, 16).map(lambda k: Fraction(k, 16)),
    st.floats(-2, 2, width=32).map(lambda v: Fraction(*v.as_integer_ratio())),
)


@st.composite
def layers(draw: st.DrawFn, width: int, height: int) -> Layer:
    """Draw one layer whose neurons may duplicate, negate, scale or prune earlier ones, perhaps without biases."""
    with_bias = draw(st.booleans())
    scale = draw(st.sampled_from([Fraction(1), Fraction(1, 10**11), Fraction(10**11)]))
    matrix: list[list[Fraction]] = []
    bias: list[Fraction] = []
    for _ in range(height):
        kind = draw(st.sampled_from(["own", "own", "own", "copy", "strip", "zero"]))
        if kind == "zero":
            row, constant = [Fraction(0)] * width, draw(st.sampled_from([Fraction(0), Fraction(1), Fraction(-1)]))
        elif kind != "own" and matrix:
            source = draw(st.integers(0, len(matrix) - 1))
            factor = draw(st.sampled_from([Fraction(1), Fraction(-1), Fraction(2), Fraction(1, 3)]))
            row, constant = [factor * v for v in matrix[source]], factor * bias[source]
            constant += Fraction(1, 10**12) if kind == "strip" else 0
        else:
            row = [draw(weights) for _ in range(width)]
            constant = draw(weights) if with_bias else Fraction(0)
        matrix.append(row)
        bias.append(constant)
    return [[scale * v for v in row] for row in matrix], [scale * v for v in bias]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a program of 1 to 3 inputs, 1 or 2 hidden layers of up to 4 units, perhaps with a max-pool on top."""
    sizes = [
        draw(st.integers(1, 3)),
        *draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)),
        draw(st.integers(1, 3)),
    ]
    program = mlp([draw(layers(width, height)) for width, height in pairwise(sizes)])
    if not draw(st.booleans()):
        return program
    last, size = len(program.instructions) - 1, program.output_size
    groups = np.full((2, size + 1), NO_CANDIDATE, dtype=np.int64)
    groups[0, : size + 1] = [-1, *range(size)]
    groups[1, :size] = draw(st.permutations(range(size)))
    return Program(program.inputs, (*program.instructions, Max(last, groups)), Port("y", (2,)))


@st.composite
def points(draw: st.DrawFn, size: int) -> Rationals:
    """Draw a point whose coordinates are often 0 or simple, so that it often lies on boundaries."""
    coordinate = st.one_of(
        st.just(Fraction(0)), st.integers(-3, 3).map(Fraction), st.fractions(-2, 2, max_denominator=64)
    )
    return from_fractions([draw(coordinate) for _ in range(size)])
