"""Patterns at points on boundaries: full-dimensional regions, unlucky directions, free units."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope import exact, ties
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import Max, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as read
from exactbox.polytope.ties import LocalPattern, directed_pattern, directions, pattern_at
from exactbox.polytope.unit_rows import Pair, unit_rows
from tests.nets import BATTERY, mlp
from tests.strategies import points, programs

THIRD = read(["1/3", "1/3"])


def assert_full_dimensional(program: Program, domain: Domain, point: Rationals, local: LocalPattern) -> None:
    """The point satisfies every row, and the stepped point every non-zero row and the domain strictly."""
    rows = unit_rows(program, local.pattern, domain)
    assert not np.any(rows.slack(point).num < 0)
    witness = point + local.step
    nonzero = np.array([bool(np.any(row)) for row in rows.matrix], dtype=np.bool_)
    assert np.all(rows.slack(witness).num[nonzero] > 0)
    assert np.all(rows.rhs[~nonzero] >= 0)
    assert domain.contains(witness) and domain.strictly_contains(witness)
    tied = {(p.position, p.group, p.rival) for p in local.free}
    zero = [rows.sources[i] for i in np.flatnonzero(~nonzero & (rows.rhs == 0))]
    assert tied <= {(s.index, s.group, s.rival) for s in zero}


@pytest.mark.parametrize("name", BATTERY)
@pytest.mark.parametrize("coordinates", [["0", "0"], ["1/3", "1/3"], ["1", "-1"], ["-1/2", "1/2"]])
@pytest.mark.parametrize("bounds", [None, (-1, 1)], ids=["everything", "box"])
def test_every_net_has_a_full_dimensional_pattern_everywhere(
    name: str, coordinates: list[str], bounds: tuple[int, int] | None
) -> None:
    program, point = BATTERY[name](), read(coordinates)
    domain = everything(2) if bounds is None else box([bounds[0]] * 2, [bounds[1]] * 2)
    assert_full_dimensional(program, domain, point, pattern_at(program, point, domain))


@given(st.data())
@settings(max_examples=60)
def test_random_degenerate_programs_have_full_dimensional_patterns(data: st.DataObject) -> None:
    program = data.draw(programs())
    point = data.draw(points(program.input_size))
    size = program.input_size
    lower = [min(v, Fraction(-1)) for v in point.fractions()]
    width = data.draw(st.sampled_from([Fraction(0), Fraction(1), Fraction(1, 10**12)]))
    upper = [max(v, low + width) for v, low in zip(point.fractions(), lower, strict=True)]
    for domain in (everything(size), box(lower, upper)):
        assert_full_dimensional(program, domain, point, pattern_at(program, point, domain))


def test_a_direction_inside_a_boundary_is_rejected() -> None:
    """relu(x1 - x2) - relu(x2 - x1) at 0 along (1, 1) would give a line as region, and W = 0."""
    program, domain = BATTERY["difference of relus"](), everything(2)
    assert directed_pattern(program, read([0, 0]), read([1, 1]), domain) is None
    local = directed_pattern(program, read([0, 0]), read([1, 0]), domain)
    assert local is not None
    gradient, _ = exact.pullback(program, winning(program, local.pattern), {5: read([[1]])})
    assert gradient.fractions() == [1, -1]


def test_free_units_take_the_lowest_position() -> None:
    program = BATTERY["max over dead units"]()
    local = pattern_at(program, read([1, 0]), everything(2))
    assert [part.tolist() for part in local.pattern.winners] == [[0, 1]]
    assert local.free == (Pair(3, 0, 0, 2),)
    pruned = pattern_at(BATTERY["pruned"](), read([1, 1]), everything(2))
    assert pruned.pattern.winners[0].tolist() == [0, 1, 0, 1]


def test_units_that_are_free_on_a_flat_domain_only() -> None:
    """On the line x1 = x2 the units of relu(x1 - x2) - relu(x2 - x1) are identically zero."""
    program = BATTERY["difference of relus"]()
    flat = box(["1/3", "1/3"], ["1/3", 1])
    local = pattern_at(program, THIRD, flat)
    assert_full_dimensional(program, flat, THIRD, local)
    fixed = box(["1/3", "1/3"], ["1/3", "1/3"])
    alone = pattern_at(program, THIRD, fixed)
    assert len(alone.free) == 2 and alone.step.fractions() == [0, 0]


@pytest.mark.parametrize("corner", [[0, 0], [0, 1], [1, 0], [1, 1]])
def test_corners_of_the_box_step_inside(corner: list[int]) -> None:
    program, domain = BATTERY["bias-free"](), box([0, 0], [1, 1])
    local = pattern_at(program, read(corner), domain)
    assert domain.strictly_contains(read(corner) + local.step)


def test_coincident_neurons_flip_together() -> None:
    program = BATTERY["duplicated"]()
    for point, active in ((["-1/4", 0], None), ([1, 1], 1), ([-1, -1], 0)):
        winners = pattern_at(program, read(point), everything(2)).pattern.winners[0]
        assert winners[0] == winners[1]
        assert active is None or winners[0] == active


def test_directions_end_in_the_relative_interior_and_differ() -> None:
    domain = box([0, "1/3", "-0.000000000001"], [1, "1/3", 0])
    point = read([1, "1/3", 0])
    ends = [point + step for step in directions(domain, point)]
    assert all(domain.strictly_contains(end) and domain.contains(end) for end in ends)
    assert len({tuple(end.fractions()) for end in ends}) == ties.DIRECTION_TRIES


def test_running_out_of_directions_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "DIRECTION_TRIES", 0)
    with pytest.raises(BudgetError, match="undecided"):
        pattern_at(BATTERY["bias-free"](), read([0, 0]), everything(2))


def test_a_strict_point_is_its_own_witness() -> None:
    program = mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    local = pattern_at(program, read([1, -1]), everything(2))
    assert local.step.fractions() == [0, 0]
    assert local.pattern == Pattern((np.array([1, 0], dtype=np.int64),))


def test_lexicographic_ties_in_several_layers() -> None:
    """The second layer's tie at the origin is decided with the first layer's winners, in one pass."""
    program = BATTERY["bias-free"]()
    seen = {pattern_at(program, read(p), everything(2)).pattern for p in ([0, 0], [5, 1], [-5, 1], [1, -7])}
    instruction = program.instructions[program.max_positions[1]]
    assert isinstance(instruction, Max) and 2 <= len(seen) <= 4
