"""Minimal H-representations: right on awkward polytopes, on random degenerate ones and on regions of nets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.evidence import verify
from exactbox.polytope.facets import minimal
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.region import region_at
from exactbox.polytope.rows import Rows
from exactbox.polytope.simplex import Limits
from exactbox.polytope.verdicts import Dropped, Kept, Minimal, Open
from tests.nets import BATTERY, random_mlp
from tests.oracles import verdict_names
from tests.polytopes import AWKWARD, SPECK, polytopes, unit_rows

awkward = pytest.mark.parametrize("name", AWKWARD)


def letters(found: Minimal) -> str:
    return "".join(type(verdict).__name__[0] for verdict in found.verdicts)


@awkward
def test_awkward_polytopes(name: str) -> None:
    case = AWKWARD[name]
    found = minimal(case.domain, case.rows, case.interior)
    assert letters(found) == case.verdicts
    assert verify(found) == ()


@awkward
def test_the_table_of_awkward_polytopes_is_right(name: str) -> None:
    case = AWKWARD[name]
    assert "".join(word[0] for word in verdict_names(case.domain, case.rows)) == case.verdicts


@given(polytopes())
@settings(max_examples=150)
def test_degenerate_polytopes_agree_with_elimination(drawn: tuple[Domain, Rows, Rationals]) -> None:
    domain, rows, interior = drawn
    found = minimal(domain, rows, interior)
    assert [type(verdict).__name__ for verdict in found.verdicts] == verdict_names(domain, rows)
    assert verify(found) == ()


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("name", BATTERY)
def test_regions_of_degenerate_nets(name: str, bounded: bool) -> None:
    program = BATTERY[name]()
    size = program.input_size
    domain = box([-1] * size, [1] * size) if bounded else everything(size)
    region = region_at(program, from_fractions([Fraction(1, 3 + i) for i in range(size)]), domain)
    found = region.facets
    assert [type(verdict).__name__ for verdict in found.verdicts] == verdict_names(domain, region.rows)
    assert verify(found) == ()


@pytest.mark.parametrize(
    ("sizes", "bounds"),
    [
        ((5, 30, 30, 3), ("-1/2", "1/2")),
        ((5, 20, 20, 3), None),
        ((20, 30, 10, 3), (0, 1)),
        ((20, 30, 10, 3), None),
        ((100, 10, 10, 2), (0, 1)),
        ((100, 10, 10, 2), (0, None)),
    ],
)
def test_every_row_of_a_random_net_is_decided(sizes: Sequence[int], bounds: tuple[object, object] | None) -> None:
    program, size = random_mlp(sizes, 7), sizes[0]
    domain = everything(size) if bounds is None else box([bounds[0]] * size, [bounds[1]] * size)
    point = exact(np.random.default_rng(3).uniform(0.1, 0.4, size).astype(np.float32))
    found = region_at(program, point, domain).facets
    assert found.undecided == () and verify(found) == ()
    assert len(found.facets) > size / 2


def test_independent_rows_on_all_of_space_are_all_facets() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.integers(-99, 100, (30, 40)).tolist()
    found = minimal(everything(40), unit_rows(matrix, [1] * 30, 40), exact([0] * 40))
    assert found.facets == tuple(range(30)) and verify(found) == ()


def test_the_row_space_is_enough_where_nothing_is_bounded() -> None:
    matrix = [[1, 1] + [0] * 48, [1, -1] + [2] * 48, [2, 0] + [2] * 48]
    found = minimal(everything(50), unit_rows(matrix, [1, 1, 2], 50), exact([0] * 50))
    assert letters(found) == "KKD" and verify(found) == ()
    steps = [verdict.step for verdict in found.verdicts if isinstance(verdict, Kept)]
    assert max(map(len, steps)) <= 2


def test_most_box_facets_need_one_coordinate() -> None:
    found = region_at(random_mlp((60, 8, 2), 1), exact([Fraction(1, 2)] * 60), box([0] * 60, [1] * 60)).facets
    singles = [v for v in found.verdicts if isinstance(v, Kept) and len(v.step) == 1]
    assert len(singles) >= 110
    assert max(len(str(value)) for v in singles for value in v.step.values()) <= 8


def test_a_mixture_of_bounded_and_unbounded_coordinates() -> None:
    lower, upper = [0, None, None, 0], [1, None, 5, None]
    matrix = [[1, 1, 1, 1], [0, -1, 0, 0], [1, 0, 1, 1], [3, 2, 3, 3]]
    rows = unit_rows(matrix, [4, 0, 5, 12], 4)
    inside = exact(["1/2", "1/2", "1/2", "1/2"])
    found = minimal(box(lower, upper), rows, inside)
    assert [type(v).__name__ for v in found.verdicts] == verdict_names(box(lower, upper), rows)
    assert verify(found) == ()


def test_one_multiplier_is_enough_for_a_parallel_row() -> None:
    found = minimal(everything(2), unit_rows([[1, 2], [2, 4]], [1, 3], 2), exact([0, 0]))
    assert found.verdicts[1] == Dropped({0: Fraction(2)})


def test_weak_redundancy_is_dropped_with_exact_multipliers() -> None:
    found = minimal(everything(2), unit_rows([[3, 1], [1, 3], [1, 1]], [1, 1, "1/2"], 2), exact([-1, -1]))
    assert found.verdicts[2] == Dropped({0: Fraction(1, 2), 1: Fraction(1, 2)})


def test_progress_counts_up_to_all_rows() -> None:
    seen: list[tuple[int, int]] = []
    case = AWKWARD["negated pair"]
    minimal(case.domain, case.rows, case.interior, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (2, 2)


def thin_cone() -> tuple[Domain, Rows, Rationals]:
    """Return rows that only exact pivots can tell apart."""
    rows = unit_rows([[1, 1], [1, 1 + SPECK], [1, 1 - SPECK], [-1, 1]], [1, 1, 1, 1], 2)
    return everything(2), rows, exact([0, 0])


def test_rows_that_floats_cannot_tell_apart() -> None:
    domain, rows, inside = thin_cone()
    found = minimal(domain, rows, inside)
    assert [type(v).__name__ for v in found.verdicts] == verdict_names(domain, rows)


def test_a_budget_leaves_rows_open_with_the_reason() -> None:
    found = minimal(*thin_cone(), limits=Limits(pivots=0))
    assert found.undecided
    assert {v.reason for v in found.verdicts if isinstance(v, Open)} == {"exact simplex: undecided after 0 pivots"}
    assert verify(found) == ()


def test_a_deadline_leaves_rows_open_with_the_reason() -> None:
    found = minimal(*thin_cone(), limits=Limits(deadline=time.monotonic() - 1))
    assert {v.reason for v in found.verdicts if isinstance(v, Open)} == {"the time limit was reached"}


@pytest.mark.parametrize("point", [[1, 1], [0, 1], ["1/2", "1/2"], [2, 2]])
def test_a_point_that_is_not_inside_is_refused(point: list[object]) -> None:
    with pytest.raises(InputError, match="strictly inside"):
        minimal(box([0, 0], [1, 1]), unit_rows([[1, 1]], [1], 2), exact(point))


def test_a_zero_row_that_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match="strictly inside"):
        minimal(box([0], [1]), unit_rows([[0]], [-1], 1), exact(["1/2"]))


def test_rows_that_use_an_eliminated_coordinate_are_refused() -> None:
    with pytest.raises(InputError, match="reduced modulo"):
        minimal(box([0, 1], [1, 1]), unit_rows([[1, 1]], [3], 2), exact(["1/2", 1]))


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="expected 1 coordinate, got 2"):
        minimal(box([0], [1]), unit_rows([[1, 1]], [3], 2), exact(["1/2"]))


def test_rows_are_found_again_by_position() -> None:
    case = AWKWARD["touches a vertex"]
    found = minimal(case.domain, case.rows, case.interior)
    assert len(found.rows) == len(found.verdicts) == len(found.sources)
    assert [found.sources[i].kind for i in found.facets] == ["lower", "lower", "upper", "upper"]
    assert found.rows.matrix[1].tolist() == [-1, 0]


def test_the_number_of_verdicts_is_checked() -> None:
    case = AWKWARD["negated pair"]
    with pytest.raises(InputError, match="expected 2 verdicts"):
        Minimal(case.domain, case.rows, case.interior, ())
