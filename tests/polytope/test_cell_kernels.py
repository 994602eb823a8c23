"""The kernels' proofs against exact arithmetic: what they affirm is true, whatever the numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.cell_kernels import (
    Flags,
    Floats,
    Ints,
    Span,
    Work,
    ceiling,
    certain_sign,
    climb,
    inside,
    work_space,
)
from exactbox.polytope.compiled import compiled
from exactbox.polytope.rational import exact
from exactbox.polytope.simplex import Optimal, optimize
from exactbox.polytope.system import System


@compiled
def sign_at(row: Floats, radius: float, point: Floats) -> int:
    """Call ``certain_sign`` from compiled code."""
    return certain_sign(row, radius, point)


@compiled
def is_inside(cols: Floats, radius: Floats, count: int, point: Floats, out: Floats) -> bool:
    """Call ``inside`` from compiled code."""
    return inside(cols, radius, count, point, out)


@compiled
def highest(
    cols: Floats, radius: Floats, reach: Floats, extent: Floats, tight: Ints, point: Floats, edges: Floats,
    rank: int, inner: Flags, work: Work,
) -> float:
    """Climb as far as the objective rises (kept below zero by its constant), and bound it there."""
    climb(cols, len(radius), tight, point, edges, work)
    return ceiling(cols, radius, reach, extent, tight, edges, Span(rank, inner), 0.0, work)


def fractions_of(values: Floats) -> list[Fraction]:
    """Read floats exactly."""
    return exact(values).fractions()


finite = st.floats(-2, 2, width=32) | st.sampled_from([0.0, 1.0, -1.0, 2.0**-40])


@given(st.lists(finite, min_size=3, max_size=3), st.lists(finite, min_size=2, max_size=2))
def test_a_certain_sign_is_the_sign(row: list[float], point: list[float]) -> None:
    said = sign_at(np.array(row), 0.0, np.array(point))
    numbers = fractions_of(np.array(row))
    value = sum((a * x for a, x in zip(numbers, fractions_of(np.array(point)), strict=False)), numbers[-1])
    assert said == 0 or said == (value > 0) - (value < 0)


def test_a_sign_within_the_radius_is_not_certain() -> None:
    row, point = np.array([1.0, 0.0, 0.0]), np.array([0.25, 0.5])
    assert sign_at(row, 0.0, point) == 1
    assert sign_at(-row, 0.0, point) == -1
    assert sign_at(row, 0.25, point) == 0
    assert sign_at(row, 0.0, np.array([np.nan, 0.0])) == 0


def test_inside_means_strictly_inside_every_row() -> None:
    cols = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 2.0**-30]])
    out = np.zeros(3)
    assert is_inside(cols, np.zeros(3), 3, np.array([0.5, 0.0]), out)
    assert not is_inside(cols, np.zeros(3), 3, np.array([0.0, 0.0]), out)
    assert not is_inside(cols, np.zeros(3), 3, np.array([0.5, -(2.0**-30)]), out)
    assert not is_inside(cols, np.array([0.0, 0.0, 2.0**-29]), 3, np.array([0.5, 0.0]), out)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 40), size=st.integers(1, 4), extra=st.integers(0, 8))
def test_a_ceiling_is_never_below_the_exact_maximum(seed: int, size: int, extra: int) -> None:
    rng = np.random.default_rng(seed)
    bounds = np.concatenate([np.eye(size), -np.eye(size)])
    cuts = rng.integers(-8, 9, (extra, size)) / 8
    cuts = cuts[np.abs(cuts).max(axis=1, initial=0) >= 0.5]
    matrix = np.concatenate([bounds, cuts])
    constants = np.concatenate([np.ones(2 * size), rng.integers(1, 9, len(cuts)) / 16])
    gradient = rng.integers(-8, 9, size) / 8
    limit = _exact_maximum(matrix, constants, gradient)
    work = work_space(size, len(matrix))
    work.objective[:size], work.objective[size] = gradient, -float(limit) - rng.choice([2.0**-30, 0.25, 0.0])
    reach = np.abs(matrix).sum(axis=1) + constants
    tight = np.full(size, -1, dtype=np.int64)
    bound = highest(
        np.ascontiguousarray(np.column_stack([matrix, constants]).T), np.zeros(len(matrix)), reach, np.ones(size),
        tight, np.zeros(size), np.eye(size), 1 << 40, np.zeros(0, dtype=np.bool_), work,
    )
    exact_value = limit + fractions_of(work.objective)[size]
    assert bound >= exact_value
    assert bound < exact_value + 1 / 1024


def _exact_maximum(matrix: Floats, constants: Floats, gradient: Floats) -> Fraction:
    scaled = exact(-matrix * 16).num, exact(constants * 16).num
    free = (None,) * matrix.shape[1]
    outcome = optimize(System(scaled[0], scaled[1], free, free), exact(gradient))
    assert isinstance(outcome, Optimal)
    return outcome.value


@pytest.mark.parametrize(("rank", "proved"), [(1, True), (1 << 40, False)])
def test_multipliers_known_to_vanish_need_no_bounded_domain(rank: int, proved: bool) -> None:
    """x <= -1 and y <= 0, and the objective x/3 + x*2/3 - 1/2 whose y-part is only known to be about zero."""
    cols = np.array([[-1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
    work = work_space(2, 2)
    work.objective[:] = [1.0, 2.0**-60, -0.5]
    inner = np.array([True, False])
    bound = highest(
        cols, np.zeros(2), np.full(2, np.inf), np.full(2, np.inf), np.array([0, 1]), np.array([-1.0, 0.0]),
        np.array([[-1.0, 0.0], [0.0, -1.0]]), rank, inner, work,
    )
    assert (bound < 0) == proved
