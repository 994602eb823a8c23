"""The judge refuses planted errors of every kind, and accepts the evidence that they were planted in."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.candidates import candidates
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.errors import InputError
from exactbox.polytope.evidence import Judge, verify, verify_verdict
from exactbox.polytope.facets import minimal
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.rows import Rows
from exactbox.polytope.verdicts import Dropped, Free, Kept, Minimal, Open, Same, Verdict
from tests.oracles import verdict_names
from tests.polytopes import AWKWARD, polytopes, unit_rows

HALF = Fraction(1, 2)

# The triangle y >= 0, y_0 + y_1 <= 1 in the unit square, with a copy, a far parallel, a touching and an empty row:
# 0 facet, 1 its copy, 2 its far parallel, 3 touches the corner (1, 0), 4 zero, 5 and 6 lower bounds, 7 and 8 upper.
MATRIX = [[1, 1], [2, 2], [1, 1], [2, 1], [0, 0]]
RHS = [1, 2, 3, 2, 1]


def triangle() -> Minimal:
    return minimal(box([0, 0], [1, 1]), unit_rows(MATRIX, RHS, 2), exact(["1/4", "1/4"]))


def with_verdict(found: Minimal, position: int, verdict: Verdict) -> Minimal:
    verdicts = list(found.verdicts)
    verdicts[position] = verdict
    return replace(found, verdicts=tuple(verdicts))


def test_the_triangle_is_as_described() -> None:
    found = triangle()
    assert "".join(type(v).__name__[0] for v in found.verdicts) == "KSDDFKKDD"
    assert verify(found) == ()


PLANTED: dict[str, tuple[int, Verdict]] = {
    "a facet called free": (0, Free()),
    "a facet dropped without multipliers": (0, Dropped({})),
    "a facet dropped by its own copy": (0, Dropped({1: Fraction(1)})),
    "a facet dropped by itself": (0, Dropped({0: Fraction(1)})),
    "a facet dropped by its far parallel": (0, Dropped({2: Fraction(1)})),
    "a facet kept by staying inside": (0, Kept({0: Fraction(1, 8)})),
    "a facet kept by no step": (0, Kept({})),
    "a facet kept by a step beyond other rows": (0, Kept({0: Fraction(9)})),
    "a facet kept by a step beyond its far parallel": (0, Kept({0: Fraction(2), 1: Fraction(2)})),
    "a facet kept by a step to a coordinate that is not": (0, Kept({2: Fraction(1)})),
    "a facet kept by a step along a negative coordinate": (0, Kept({-1: HALF})),
    "a facet kept by a step onto itself": (0, Kept({0: HALF})),
    "a facet said to be the same as a later row": (0, Same(1)),
    "a copy said to be the same as itself": (1, Same(1)),
    "a copy said to be the same as another row": (1, Same(3)),
    "a copy said to be the same as a row before all": (1, Same(-1)),
    "a copy said to be the same as a row after all": (1, Same(99)),
    "a copy dropped by the original": (1, Dropped({0: Fraction(1)})),
    "a redundant row kept": (2, Kept({0: Fraction(3)})),
    "a parallel called the same": (2, Same(0)),
    "a parallel dropped by too much": (2, Dropped({0: Fraction(9)})),
    "a redundant row dropped by nothing": (3, Dropped({})),
    "a redundant row dropped by a negative multiplier": (3, Dropped({0: Fraction(2), 2: Fraction(-1)})),
    "a redundant row dropped by a zero multiplier": (3, Dropped({0: Fraction(1), 2: Fraction(0)})),
    "a redundant row dropped by half of what it needs": (3, Dropped({0: HALF})),
    "a redundant row dropped by a bound as a multiplier": (3, Dropped({0: Fraction(1), 7: Fraction(1)})),
    "a redundant row dropped by a row after all": (3, Dropped({99: Fraction(1)})),
    "a free row kept": (4, Kept({0: HALF})),
    "a free row dropped": (4, Dropped({})),
    "a free row called the same": (4, Same(0)),
    "a bound that is a facet dropped by itself": (5, Dropped({})),
    "a bound that is a facet dropped by others": (5, Dropped({0: Fraction(1)})),
    "a redundant bound called the same": (7, Same(0)),
    "a redundant bound kept": (7, Kept({0: Fraction(1)})),
    "a redundant bound dropped by itself": (7, Dropped({})),
    "a redundant bound called free": (7, Free()),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_found(name: str) -> None:
    position, verdict = PLANTED[name]
    wrong = with_verdict(triangle(), position, verdict)
    assert position in verify(wrong)
    assert not verify_verdict(wrong, position)


# A redundant row may be proved in more ways than the search's.
OTHER_PROOFS: dict[str, tuple[int, Verdict]] = {
    "the parallel by the copy": (2, Dropped({1: HALF})),
    "the parallel by the box alone": (2, Dropped({})),
    "the touching row by the copy": (3, Dropped({1: Fraction(1)})),
    "a bound by the facet's copy": (7, Dropped({1: HALF})),
    "a facet by a longer step": (0, Kept({0: Fraction(9, 16)})),
}


@pytest.mark.parametrize("name", OTHER_PROOFS)
def test_other_proofs_are_accepted(name: str) -> None:
    position, verdict = OTHER_PROOFS[name]
    right = with_verdict(triangle(), position, verdict)
    assert verify(right) == () and verify_verdict(right, position)


def test_an_open_verdict_claims_nothing() -> None:
    left = with_verdict(triangle(), 3, Open("no time"))
    assert verify(left) == () and not verify_verdict(left, 3) and left.undecided == (3,)


def test_a_chain_of_copies_must_name_the_first() -> None:
    found = minimal(everything(1), unit_rows([[1], [2], [3]], [1, 2, 3], 1), exact([0]))
    assert verify(found) == ()
    assert verify(with_verdict(found, 2, Same(1))) == (2,)


def test_own_share_must_stay_below_one() -> None:
    """The bound y_0 <= 1 follows from y_0 <= y_1 and y_1 <= 1, not from any part of itself."""
    rows = unit_rows([[1, -1]], [0], 2)
    found = minimal(box([None, 0], [1, 1]), rows, exact(["1/4", "1/2"]))
    assert found.verdicts[2] == Dropped({0: Fraction(1)})
    assert verify(with_verdict(found, 2, Dropped({}))) == (2,)
    assert verify(with_verdict(found, 2, Dropped({0: HALF}))) == ()
    assert verify(with_verdict(found, 2, Dropped({0: Fraction(2)}))) == (2,)


def test_a_multiple_of_a_bound_counts_as_the_bound() -> None:
    found = minimal(box([0], [1]), unit_rows([[3]], [3], 1), exact(["1/2"]))
    assert [type(v) for v in found.verdicts] == [Kept, Kept, Same]
    assert verify(with_verdict(found, 0, Dropped({}))) == (0,)


def test_a_missing_bound_absorbs_nothing() -> None:
    found = minimal(box([0, None], [None, None]), unit_rows([[1, 1], [1, 0], [-1, 0]], [1, 1, 1], 2), exact(["1/2", 0]))
    assert isinstance(found.verdicts[2], Dropped) and found.verdicts[2].multipliers == {}
    assert verify(with_verdict(found, 1, Dropped({0: Fraction(1)}))) == (1,)


@pytest.mark.parametrize("centre", [[0, 0], ["1/2", "1/2"], [2, 0], ["-1/4", "1/4"]])
def test_a_centre_that_is_not_inside_is_refused(centre: list[object]) -> None:
    with pytest.raises(InputError, match="centre"):
        verify(replace(triangle(), centre=exact(centre)))


def test_steps_must_stay_in_the_affine_hull() -> None:
    found = minimal(box([0, 1], [1, 1]), unit_rows([[2, 0]], [1], 2), exact(["1/4", 1]))
    kept = found.verdicts[0]
    assert isinstance(kept, Kept) and verify(found) == ()
    assert verify(with_verdict(found, 0, Kept({**kept.step, 1: Fraction(1)}))) == (0,)
    assert verify(with_verdict(found, 0, Kept({1: Fraction(5)}))) == (0,)


def skew() -> Minimal:
    """The segment y_0 = 1 - 2 y_1 in the unit square, whose equation eliminates a bounded coordinate."""
    domain = domain_from_rows([0, 0], [1, 1], [], [], [[1, 2]], [1])
    return minimal(domain, unit_rows([[0, 3]], [1], 2), domain.witness)


def test_equations_between_coordinates() -> None:
    found = skew()
    assert verify(found) == ()
    assert [type(v).__name__ for v in found.verdicts] == verdict_names(found.domain, found.given)


def test_steps_must_keep_equations_between_coordinates() -> None:
    found = skew()
    kept = found.verdicts[0]
    assert isinstance(kept, Kept) and set(kept.step) == {0, 1}
    assert kept.step[0] == -2 * kept.step[1]
    assert verify(with_verdict(found, 0, Kept({1: kept.step[1]}))) == (0,)


def tampered(verdict: Verdict, factor: Fraction, other: int) -> Verdict:
    """Return another verdict of some kind for a position."""
    match verdict:
        case Kept(step):
            return Kept({i: -factor * v for i, v in step.items()})
        case Dropped(multipliers) if multipliers:
            return Dropped({i: -factor * v for i, v in multipliers.items()})
        case Same() | Free():
            return Kept({0: factor})
        case _:
            return Same(other)


@given(polytopes(), st.fractions(0, 4, max_denominator=8), st.data())
@settings(max_examples=60)
def test_tampered_evidence_of_random_polytopes_is_refused(
    drawn: tuple[Domain, Rows, Rationals], factor: Fraction, data: st.DataObject
) -> None:
    found = minimal(*drawn)
    if not found.verdicts:
        return
    position = data.draw(st.integers(0, len(found.verdicts) - 1))
    wrong = with_verdict(found, position, tampered(found.verdicts[position], factor, position))
    assert position in verify(wrong)


@given(polytopes(), st.data())
@settings(max_examples=60)
def test_no_kept_verdict_survives_on_a_redundant_row(
    drawn: tuple[Domain, Rows, Rationals], data: st.DataObject
) -> None:
    """The judge is sound: whatever step or multipliers are offered, it accepts none that elimination contradicts."""
    found = minimal(*drawn)
    names = verdict_names(*drawn[:2])
    judge = Judge(candidates(found.domain, found.given), found.centre)
    number = st.one_of(st.integers(-3, 3).map(Fraction), st.fractions(-2, 2, max_denominator=9))
    for position, name in enumerate(names):
        step = data.draw(st.dictionaries(st.integers(0, found.domain.size - 1), number, max_size=2))
        weights = data.draw(st.dictionaries(st.integers(0, len(names) - 1), number, max_size=2))
        assert name in ("Kept", "Same") or not judge.proves(position, Kept(step))
        assert name in ("Dropped", "Same") or not judge.proves(position, Dropped(weights))


def test_the_evidence_of_awkward_polytopes_belongs_to_its_row() -> None:
    """No kept row's step proves any other row of another half-space."""
    for case in AWKWARD.values():
        found = minimal(case.domain, case.rows, case.interior)
        keys = candidates(found.domain, found.given).keys
        for position in found.facets:
            for other in found.facets:
                if keys[other] != keys[position]:
                    assert not verify_verdict(with_verdict(found, other, found.verdicts[position]), other)
