"""Bounds over balls: nothing that they promise is false at any point, however degenerate the net, and they are near."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope import enclosed, exact
from exactbox.polytope.boxes.bound import HANDLING, Work, frame, lower_bounds
from exactbox.polytope.boxes.radius import Held, held, least_cost
from exactbox.polytope.boxes.relax import Interval, enclosure, interval, maximum, relax
from exactbox.polytope.decision import decide, gaps
from exactbox.polytope.distance import NORMS, Norm
from exactbox.polytope.domain import Bound, Domain, box, everything
from exactbox.polytope.enclosed import Enclosure
from exactbox.polytope.float_constants import FloatArray
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, Input, Instruction, Max, Port, Program, Scale, Shift
from exactbox.polytope.rational import exact as read
from exactbox.polytope.rational import float_fraction, from_fractions
from exactbox.polytope.region import region_at
from tests.nets import mlp, relu
from tests.polytope.degenerate_nets import FAMILIES, Draw
from tests.polytope.random_programs import wired_programs

Point = list[Fraction]

PLENTY = 1 << 30
UNIT_VECTORS = [(Fraction(3, 5), Fraction(4, 5)), (Fraction(5, 13), Fraction(12, 13)), (Fraction(1), Fraction(0))]
RADII = [Fraction(0), Fraction(1, 10**9), Fraction(1, 100), Fraction(1, 3), Fraction(1), Fraction(7), Fraction(10**6)]
START = [Fraction(0), Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 3), Fraction(7, 8), Fraction(-9, 8)]


def some_domain(rng: random.Random, point: Point) -> Domain:
    """Return a domain around a point: everything, a box, one with flat sides, or one with the point at its corner."""
    kind, size = rng.randrange(4), len(point)
    if kind == 0:
        return everything(size)
    if kind == 1:
        return box(
            [v - Fraction(rng.randint(0, 5), 3) for v in point], [v + Fraction(rng.randint(0, 5), 3) for v in point]
        )
    if kind == 2:
        return box([min(v, Fraction(-1)) for v in point], [max(v, Fraction(1)) for v in point])
    return box(point, [None if rng.random() < 0.5 else v + 1 for v in point])


def points_within(rng: random.Random, point: Point, radius: Fraction, norm: Norm, domain: Domain) -> Iterator[Point]:
    """Yield points of a domain at most so far from one of it: vertices of the ball, points on its rim and inside."""
    size = len(point)
    for _ in range(24):
        step = [Fraction(0)] * size
        if norm == "linf":
            step = [rng.choice([Fraction(-1), Fraction(1), Fraction(rng.randint(-8, 8), 8)]) for _ in point]
        elif norm == "l1":
            parts = [rng.choice([0, 0, 1, 5]) for _ in point]
            step = [Fraction(part, sum(parts) or 1) * rng.choice([-1, 1]) for part in parts]
        else:
            for i, share in zip(rng.sample(range(size), min(size, 2)), rng.choice(UNIT_VECTORS), strict=False):
                step[i] = share * rng.choice([-1, 1])
        moved = [v + radius * s for v, s in zip(point, step, strict=True)]
        yield [inside(v, low, high) for v, low, high in zip(moved, domain.lower, domain.upper, strict=True)]


def inside(value: Fraction, low: Bound, high: Bound) -> Fraction:
    """Move a coordinate into its bounds, which brings it nearer to all that is between them."""
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def check_bounds(rng: random.Random, program: Program) -> int:
    """Compare the bounds of random functionals over a random ball with exact values in it; return how many."""
    point = [rng.choice(START) for _ in range(program.input_size)]
    domain, radius, norm = some_domain(rng, point), rng.choice(RADII), rng.choice(NORMS)
    rows = np.array([[rng.choice([0, 1, -1, 0.3, -2.5]) for _ in range(2)] for _ in range(program.output_size)])
    ball = frame(domain, from_fractions(point)).ball(radius, norm)
    found = lower_bounds(program, ball, rows.reshape(-1, 2), Work(rng.choice([0, PLENTY])))
    tried = list(points_within(rng, point, radius, norm, domain))
    values = exact.forward(program, read(tried).transposed())
    weights = read(rows).transposed()
    assert not np.isnan(found).any()
    for functional, bound in enumerate(found.tolist()):
        for column in range(len(tried)):
            terms = zip(weights[functional].fractions(), values[:, column].fractions(), strict=True)
            assert bound == -np.inf or float_fraction(bound) <= sum((w * v for w, v in terms), Fraction(0))
    return len(tried) * len(found)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_point_of_a_ball_falls_below_a_bound_on_degenerate_nets(name: str) -> None:
    for seed in range(12):
        rng = random.Random(f"{name} {seed}")
        program = FAMILIES[name](Draw(seed), rng.randint(1, 4))
        if program.output_size:
            assert check_bounds(rng, program) == 48


@settings(max_examples=120, deadline=None)
@given(wired_programs(), st.integers(0, 1 << 30))
def test_no_point_of_a_ball_falls_below_a_bound_on_wired_programs(program: Program, seed: int) -> None:
    assert check_bounds(random.Random(seed), program) == 48


def test_at_one_point_only_rounding_lies_between_a_bound_and_the_value_and_it_lies_below() -> None:
    rng = random.Random(8)
    for _ in range(150):
        thirds = [[[Fraction(rng.randint(-99, 99), 97) for _ in range(3)] for _ in range(3)] for _ in range(3)]
        program = mlp([(weight, [Fraction(rng.randint(-9, 9), 7) for _ in range(3)]) for weight in thirds])
        point = read([rng.choice(["1/3", "-1/3", "0", "0.7", "1", "-2.5"]) for _ in range(3)])
        value = exact.forward(program, point.reshape(-1, 1)).reshape(-1)
        ball = frame(everything(3), point).ball(Fraction(0), rng.choice(NORMS))
        rows = np.concatenate([np.eye(3), -np.eye(3)], axis=1)
        found = lower_bounds(program, ball, rows, Work(rng.choice([0, PLENTY])))
        true = [*value.fractions(), *(-value).fractions()]
        assert all(0 <= v - float_fraction(b) < Fraction(1, 10**12) for v, b in zip(true, found.tolist(), strict=True))


@pytest.mark.parametrize("with_units", [False, True])
def test_rounding_does_not_gather_over_many_layers(with_units: bool) -> None:
    third = read(["1/3"])
    code: list[Instruction] = [Input(1)]
    for _ in range(60):
        code.append(Scale(len(code) - 1, third))
        if with_units:
            code.append(relu(len(code) - 1, 1))
    program = Program((Port("x", (1,)),), tuple(code), Port("y", (1,)))
    ball = frame(everything(1), read(["1"])).ball(Fraction(0), "linf")
    low, high = lower_bounds(program, ball, np.array([[1.0, -1.0]]), Work(0)).tolist()
    assert float_fraction(low) <= Fraction(1, 3**60) <= -float_fraction(high)
    assert -high < low * (1 + 2.0**-40)


@pytest.mark.slow
def test_no_point_of_any_ball_falls_below_a_bound() -> None:
    rng = random.Random(20)
    names = list(FAMILIES)
    compared = 0
    while compared < 400_000:
        program = FAMILIES[rng.choice(names)](Draw(rng.randrange(1 << 30)), rng.randint(1, 5))
        compared += check_bounds(rng, program) if program.output_size else 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=1, max_size=5), st.data())
def test_a_maximum_lies_between_its_linear_bounds(ends: list[tuple[float, float]], data: st.DataObject) -> None:
    source = Interval(np.array([low for low, _ in ends]), np.array([low + width for low, width in ends]))
    chosen = data.draw(st.lists(st.sets(st.integers(CONSTANT_ZERO, len(ends) - 1), min_size=1), min_size=1, max_size=4))
    width = max(map(len, chosen))
    groups = np.array([[*sorted(g), *[NO_CANDIDATE] * (width - len(g))] for g in chosen], dtype=np.int64)
    bounds, lines = maximum(source, groups), relax(source, groups)
    sides = [data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=len(ends), max_size=len(ends))) for _ in range(6)]
    for side in sides:
        value = [
            read([low, high, (low + high) / 2]).item(s)
            for s, low, high in zip(side, source.low, source.high, strict=True)
        ]
        value.append(Fraction(0))  # where CONSTANT_ZERO, an index of -1, looks
        for i, group in enumerate(chosen):
            out = max(value[j] for j in group)
            slope, offset = float_fraction(lines.slope[i]), float_fraction(lines.offset[i])
            assert value[lines.lower[i]] <= out <= slope * value[lines.upper[i]] + offset
            assert float_fraction(bounds.low[i]) <= out <= float_fraction(bounds.high[i])
            assert not lines.settled[i] or out == value[lines.lower[i]]


def test_lines_above_a_relu_hold_at_both_ends_exactly() -> None:
    rng = np.random.default_rng(4)
    low, high = -rng.random(4000) * 10.0 ** rng.integers(-9, 3, 4000), rng.random(4000)
    lines = relax(Interval(low, high), np.stack([np.full(4000, -1), np.arange(4000)], axis=1))
    assert not lines.settled.any()
    for column in map(list, zip(low, high, lines.slope, lines.offset, strict=True)):
        bottom, top, slope, offset = map(float_fraction, column)
        assert slope * bottom + offset >= 0 and slope * top + offset >= top


@pytest.mark.parametrize("end", [np.inf, 1e308, 5e-324])
def test_bounds_at_the_ends_of_the_floats_stay_bounds(end: float) -> None:
    source = Interval(np.array([-end, -1.0]), np.array([end, 1.0]))
    groups = np.array([[-1, 0], [0, 1]], dtype=np.int64)
    lines = relax(source, groups)
    assert not np.isnan(lines.slope).any() and not np.isnan(lines.offset).any()
    back = interval(enclosure(source))
    assert (back.low <= source.low).all() and (back.high >= source.high).all()


def test_bounds_and_enclosures_of_single_values_are_those_values() -> None:
    values = np.array([0.0, 1 / 3, -1e300, 5e-324])
    assert interval(Enclosure(values[:, None], np.zeros((4, 1)))).low.tolist() == values.tolist()
    assert enclosure(Interval(values, values)).centre[:3, 0].tolist() == values[:3].tolist()


def test_where_floats_overflow_nothing_is_proved() -> None:
    huge = mlp([([[10**300]], [0]), ([[10**300]], [0]), ([[1], [-1]], [0, 1])])
    ball = frame(everything(1), read(["1"])).ball(Fraction(1), "linf")
    assert lower_bounds(huge, ball, np.array([[1.0], [-1.0]]), Work(PLENTY)).tolist() == [-np.inf]


def radii(program: Program, point: list[object], domain: Domain) -> dict[Norm, Fraction | None]:
    """Decide by arg max at a point, and return how far that is proved to hold."""
    x = read(point)
    values = exact.forward(program, x.reshape(-1, 1)).reshape(-1)
    decision = decide("argmax", range(program.output_size), values)
    margin = decision.margin if decision.margin is not None else Fraction(1)
    found = held(program, domain, x, gaps(decision, program.output_size), margin, PLENTY)
    return {norm: one.radius for norm, one in found.items()}


def test_a_linear_net_holds_almost_to_its_boundary() -> None:
    # x0 + x1 + 1 >= 0 from (0, 0): 1/2, 1 and the root of 1/2
    found = radii(mlp([([[1, 1], [0, 0]], [1, 0])]), [0, 0], everything(2))
    true = {"linf": 0.5, "l1": 1.0, "l2": 0.5**0.5}
    assert all(0.97 * true[norm] < float(found[norm] or 0) < true[norm] for norm in NORMS)


def test_a_decision_that_the_whole_domain_shares_has_no_radius() -> None:
    net = mlp([([[1, 1], [0, 0]], [3, 0])])
    assert set(radii(net, [0, 0], box([-1, -1], [1, 1])).values()) == {None}
    assert set(radii(net, [0, 0], box([0, 0], [0, 0])).values()) == {None}
    assert None not in radii(net, [0, 0], box([-1, None], [1, None])).values()


def test_a_tie_between_outputs_has_the_radius_zero() -> None:
    assert set(radii(mlp([([[1], [1]], [0, 0])]), [5], everything(1)).values()) == {0}
    assert set(radii(mlp([([[1], [0]], [0, 0])]), [0], everything(1)).values()) == {0}


def test_radii_cross_the_borders_of_regions() -> None:
    # 3 - |x| - |2x - 1| against 0: from the kink at 0 the regions change at 0 and 1/2, the decision at -2/3 and 4/3
    hidden = ([[1], [-1], [2], [-2]], [0, 0, -1, 1])
    found = radii(mlp([hidden, ([[-1, -1, -1, -1], [0, 0, 0, 0]], [3, 0])]), [0], everything(1))
    assert all(0.4 < float(found[norm] or 0) <= 2 / 3 for norm in NORMS)


def test_a_maximum_of_equal_candidates_holds_beyond_the_tie() -> None:
    # max over the four inputs, all 0, against 1/2
    pool = Max(0, np.array([[0, 1, 2, 3], [-1, -2, -2, -2]], dtype=np.int64))
    above = Shift(1, read([0, "1/2"]))
    program = Program((Port("x", (1, 4)),), (Input(4), pool, above), Port("y", (1, 2)))
    found = radii(program, [0, 0, 0, 0], everything(4))
    assert all(0.48 < float(found[norm] or 0) < 0.5 for norm in NORMS)


def chain(layers: int) -> Program:
    """Return a narrow net of many layers: each a constant added, and the positive part."""
    code: list[Instruction] = [Input(2)]
    for _ in range(layers):
        code.append(Shift(len(code) - 1, read(["1/2", "-1/4"])))
        code.append(relu(len(code) - 1, 2))
    return Program((Port("x", (1, 2)),), tuple(code), Port("y", (1, 2)))


@pytest.mark.parametrize("layers", [20, 80, 160])
def test_the_instructions_that_a_search_handles_stay_within_its_budget(
    monkeypatch: pytest.MonkeyPatch, layers: int
) -> None:
    handled = 0
    forward, through = enclosed.step, enclosed.scatter

    def step(*given: Any) -> Enclosure:
        nonlocal handled
        handled += 1
        return forward(*given)

    def scatter(*given: Any) -> Enclosure:
        nonlocal handled
        handled += 2  # a positive part, and the constant below it
        return through(*given)

    monkeypatch.setattr(enclosed, "step", step)
    monkeypatch.setattr(enclosed, "scatter", scatter)
    program, work = chain(layers), 1 << 27
    assert least_cost(program, 1) <= work
    found = held(program, everything(2), read([1, 2]), np.array([[1.0], [-1.0]]), Fraction(1), work)
    assert (found["linf"].radius or 0) > 0
    assert 2 * len(program.instructions) <= handled <= 2 * work // HANDLING


@pytest.mark.parametrize("name", FAMILIES)
def test_no_other_decision_within_the_radius_on_degenerate_nets(name: str) -> None:
    for seed in range(3):
        assert_holds(random.Random(f"held {name} {seed}"), FAMILIES[name](Draw(seed), 2))


def assert_holds(rng: random.Random, program: Program) -> None:
    """Look for another decision within the radii that are claimed: at vertices, rims, and downhill."""
    if not program.output_size:
        return
    point = [rng.choice(START) for _ in range(program.input_size)]
    domain = some_domain(rng, point)
    x = from_fractions(point)
    values = exact.forward(program, x.reshape(-1, 1)).reshape(-1)
    decision = decide("sign" if program.output_size == 1 else "argmax", range(program.output_size), values)
    weights = gaps(decision, program.output_size)
    found = held(program, domain, x, weights, decision.margin or Fraction(0), PLENTY)
    for norm, one in found.items():
        check_held(rng, program, domain, point, weights, one, norm)


def check_held(
    rng: random.Random, program: Program, domain: Domain, point: Point, weights: FloatArray, one: Held, norm: Norm
) -> None:
    """Assert that all gaps are positive at many points within a radius, those downhill from each among them."""
    radius = Fraction(1000) if one.radius is None else one.radius
    if not radius:
        return
    if one.radius is None:
        norm = "linf"
    for start in points_within(rng, point, radius, norm, domain):
        candidates = [start]
        if norm == "linf":
            region = region_at(program, from_fractions(start), domain)
            slopes = np.array(region.coef.to_float()).T @ weights
            for column in range(weights.shape[1]):
                moved = [v - radius * int(np.sign(s)) for v, s in zip(point, slopes[:, column].tolist(), strict=True)]
                candidates.append([inside(v, a, b) for v, a, b in zip(moved, domain.lower, domain.upper, strict=True)])
        values = exact.forward(program, read(candidates).transposed())
        for functional in read(weights).transposed().num.tolist():
            assert (np.array(functional, dtype=object) @ values.num > 0).all()


def test_points_and_bounds_that_no_float_holds() -> None:
    third = Fraction(1, 3)
    domain = box([third, third - Fraction(1, 10**30)], [third, third + Fraction(1, 10**30)])
    ball = frame(domain, from_fractions([third, third])).ball(None, "linf")
    low, high = interval(ball.box).low.tolist(), interval(ball.box).high.tolist()
    assert all(float_fraction(a) <= third <= float_fraction(b) for a, b in zip(low, high, strict=True))
    assert float_fraction(high[1]) >= third + Fraction(1, 10**30)
    assert float_fraction(low[1]) <= third - Fraction(1, 10**30)
