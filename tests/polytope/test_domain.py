"""Domains: boxes of every kind, reduction modulo equations, and polytopes with implicit equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope import linalg
from exactbox.polytope.domain import Bound, Domain, bounds, box, everything, no_rows
from exactbox.polytope.domain_rows import domain_from_rows, verify_given
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.evidence import verify
from exactbox.polytope.facets import minimal
from exactbox.polytope.rational import Rationals, exact, from_fractions, zeros
from exactbox.polytope.rows import RowSource
from exactbox.polytope.simplex import Limits
from tests.oracles import Inequality, feasible, inequality, verdict_names

Numbers = Sequence[object]


class TestBoxes:
    """Boxes without general rows."""

    def test_everything(self) -> None:
        whole = everything(3)
        assert whole.is_everything and whole.is_box and whole.dimension == whole.size == 3
        assert whole.contains(exact([10**40, 0, -(10**40)]))
        assert whole.bound_sources == ()

    def test_zero_width_coordinates_are_equations(self) -> None:
        flat = box([0, "1/3", 5], [1, "1/3", 5])
        assert flat.dimension == 1 and flat.pivots == (1, 2) and flat.free.tolist() == [0]
        assert flat.fixed.tolist() == [False, True, True]
        assert flat.is_box and flat.is_axis_aligned and not flat.is_everything

    def test_bounds_of_zero_width_coordinates_are_no_rows(self) -> None:
        half = box([0, 2, None], [1, 2, 7])
        assert half.bound_sources == (RowSource("lower", 0), RowSource("upper", 0), RowSource("upper", 2))
        assert half.bound_rows.matrix.tolist() == [[-1, 0, 0], [1, 0, 0], [0, 0, 1]]
        assert half.bound_rows.rhs.tolist() == [0, 1, 7]

    def test_bound_rows_are_integers(self) -> None:
        rows = box(["-1/3"], ["2/7"]).bound_rows
        assert rows.matrix.tolist() == [[-3], [7]] and rows.rhs.tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("low", "high"), [(0, 1), (None, 1), (1, None), (None, None), (5, 5), (-9, None), (None, 9), ("1/3", "2/5")]
    )
    def test_the_witness_is_in_the_relative_interior(self, low: object, high: object) -> None:
        inside = box([low], [high])
        value = inside.witness.item(0)
        start, end = inside.lower[0], inside.upper[0]
        fixed = low is not None and low == high
        assert start is None or value > start or (fixed and value == start)
        assert end is None or value < end or (fixed and value == end)

    def test_an_empty_coordinate_is_named(self) -> None:
        with pytest.raises(InputError, match=r"coordinate 1 is empty.*1/10 exceeds 0"):
            box([0, "0.1"], [1, 0])

    def test_messages_survive_numbers_beyond_floats(self) -> None:
        with pytest.raises(InputError, match="inf exceeds 1"):
            box(["1e9000"], [1])
        with pytest.raises(InputError, match="inf exceeds -inf"):
            domain_from_rows(["1e9000"], ["-1e9000"], [], [])
        assert box([0], [1]).violations(exact(["-1e9000"])) == ["coordinate 0 is -inf, outside [0, 1]"]

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(InputError, match="2 lower bounds but 1 upper"):
            box([0, 0], [1])

    @pytest.mark.parametrize("word", ["inf", "-inf", " Infinity", "+inf", float("inf"), np.float32("-inf"), None])
    def test_ways_to_say_unbounded(self, word: object) -> None:
        assert bounds([word]) == (None,)

    @pytest.mark.parametrize("word", ["nan", float("nan"), True, "wide", object()])
    def test_no_bounds(self, word: object) -> None:
        with pytest.raises(InputError):
            bounds([word])

    def test_bounds_are_exact(self) -> None:
        assert bounds(["0.1", 0.5, np.float32(0.1), 3]) == (
            Fraction(1, 10), Fraction(1, 2), Fraction(13421773, 2**27), Fraction(3)
        )

    def test_violations_are_said_in_words(self) -> None:
        small = box([0, None, 2], [1, 4, 2])
        assert small.violations(exact([2, 5, 2])) == [
            "coordinate 0 is 2, outside [0, 1]", "coordinate 1 is 5, outside [unbounded, 4]"
        ]
        assert small.violations(exact([0, -99, 2])) == []
        assert "domain equation 0 is violated" in small.violations(exact([0, 0, 1]))


class TestReduction:
    """Rewriting functionals modulo the equations."""

    @given(st.lists(st.fractions(-3, 3, max_denominator=5), min_size=3, max_size=3))
    def test_values_on_the_affine_hull_stay_the_same(self, row: list[Fraction]) -> None:
        for domain in (box([0, 2, 1], [1, 2, 1]), domain_from_rows([None] * 3, [None] * 3, [], [], [[1, 2, 3]], [4])):
            gradient, constant = domain.reduce(from_fractions(row, (1, 3)), from_fractions([Fraction(1, 7)]))
            assert not np.any(gradient.num[:, list(domain.pivots)])
            at = domain.witness.fractions()
            old = sum((a * y for a, y in zip(row, at, strict=True)), Fraction(1, 7))
            assert old == sum((a * y for a, y in zip(gradient.fractions(), at, strict=True)), constant.item(0))

    def test_nothing_to_reduce(self) -> None:
        matrix, constants = exact([[1, 2]]), exact([3])
        assert everything(2).reduce(matrix, constants) == (matrix, constants)

    def test_a_functional_that_is_constant_becomes_zero(self) -> None:
        line = domain_from_rows([None] * 2, [None] * 2, [], [], [[1, 1]], [5])
        gradient, constant = line.reduce(exact([[3, 3]]), exact([-15]))
        assert not np.any(gradient.num) and not np.any(constant.num)


FULL: dict[str, tuple[Numbers, Numbers, Sequence[Numbers], Numbers, Sequence[Numbers], Numbers, int]] = {
    "nothing": ([None] * 2, [None] * 2, [], [], [], [], 2),
    "triangle": ([0, 0], [None] * 2, [[1, 1]], [1], [], [], 2),
    "off centre": ([0, 0], [1, 1], [[-1, -1]], ["-19/10"], [], [], 2),
    "unbounded wedge": ([None] * 2, [None] * 2, [[1, -1], [-1, -1]], [0, -100], [], [], 2),
    "strip of width 1e-40": ([None] * 2, [None] * 2, [[1, 1], [-1, -1]], ["1e-40", 0], [], [], 2),
    "zero row": ([0], [1], [[0]], [0], [], [], 1),
    "explicit equation": ([0, 0], [1, 1], [], [], [[1, 1]], [1], 1),
    "equation given twice": ([0, 0], [1, 1], [], [], [[1, 1], [2, 2]], [1, 2], 1),
    "equation of zeros": ([0], [1], [], [], [[0]], [0], 1),
    "pair of rows": ([None] * 2, [None] * 2, [[1, 1], [-1, -1]], [1, -1], [], [], 1),
    "three rows around a line": ([None] * 2, [None] * 2, [[1, 0], [1, 1], [-2, -1]], [0, 0, 0], [], [], 0),
    "row that touches a box corner": ([0, 0], [1, 1], [[1, 1]], [0], [], [], 0),
    "row that touches a box edge": ([0] * 3, [1] * 3, [[1, 1, 0]], [0], [], [], 1),
    "equation that touches a bound": (["-1/3", -2, -2], [0, 0, 1], [], [], [[2, 0, 1]], [1], 1),
    "fixed by an equation": ([0, 0], [1, 1], [], [], [[2, 0]], [1], 1),
    "fixed by the box": ([0, 3], [1, 3], [[1, 1]], [4], [], [], 1),
    "a point by rows": ([None] * 2, [None] * 2, [[1, 0], [0, 1], [-1, -1]], [1, 2, -3], [], [], 0),
    "rows at wild scales": (
        [None] * 2, [None] * 2, [["1e11", "1e11"], ["-1e-11", "-1e-11"]], ["1e11", "-1e-11"], [], [], 1
    ),
    "wide box": ([0] * 30, [1] * 30, [[1] * 30], [0], [], [], 0),
    "wide box, half cut": ([0] * 30, [1] * 30, [[1] * 15 + [0] * 15], [0], [], [], 15),
}


@pytest.mark.parametrize("name", FULL)
def test_dimension_witness_and_proof(name: str) -> None:
    lower, upper, matrix, rhs, equal, right, dimension = FULL[name]
    domain = domain_from_rows(lower, upper, matrix, rhs, equal, right)
    assert domain.dimension == dimension
    assert domain.contains(domain.witness) and verify_given(domain)
    assert bool(domain.given and domain.given.implicit) == (dimension < len(lower) - explicit_rank(domain))
    assert_strict(domain)


def explicit_rank(domain: Domain) -> int:
    """Return the number of independent equations that were given, zero-width coordinates included."""
    given = domain.given
    assert given is not None
    rows = [row.tolist() for row in given.equations.num]
    for i, (low, high) in enumerate(zip(given.lower, given.upper, strict=True)):
        if low is not None and low == high:
            rows.append([int(k == i) * low.denominator for k in range(domain.size)] + [low.numerator])
    return linalg.rank(np.array(rows, dtype=object)) if rows else 0


def assert_strict(domain: Domain) -> None:
    """Check that the witness is strictly inside every bound and row that is no equation."""
    slack = domain.rows.slack(domain.witness).num
    zero = ~np.any(domain.rows.matrix != 0, axis=1)
    assert np.all((slack > 0) | zero)
    for i, value in enumerate(domain.witness.fractions()):
        low, high = domain.lower[i], domain.upper[i]
        assert domain.fixed[i] or ((low is None or low < value) and (high is None or value < high))


EMPTY: dict[str, tuple[Numbers, Numbers, Sequence[Numbers], Numbers, Sequence[Numbers], Numbers, str]] = {
    "crossed bounds": ([0, 2], [1, 1], [], [], [], [], "coordinate 1 is empty"),
    "opposite rows": ([None] * 2, [None] * 2, [[1, 1], [-1, -1]], [0, -1], [], [], "row 0, row 1"),
    "a row against the box": ([0, 0], [1, 1], [[1, 1]], [-1], [], [], "row 0, the lower bound of coordinate 0"),
    "only the guilty row": ([None] * 2, [None] * 2, [[5, 1], [1, 1], [-1, -1]], [9, 0, -1], [], [], ": row 1, row 2$"),
    "a zero row": ([None], [None], [[0]], [-1], [], [], "row 0"),
    "by a speck": ([None] * 2, [None] * 2, [[1, 1], [-1, -1]], [0, "-1e-90"], [], [], "row 0, row 1"),
    "contradicting equations": ([None], [None], [], [], [[1], [2]], [1, 3], "equation 0, equation 1"),
    "an equation against the box": ([0], [1], [], [], [[2]], [3], "coordinate 0 at 3/2, outside its bounds"),
    "an equation against a fixed coordinate": ([1], [1], [], [], [[2]], [3], "equation 0, the fixed coordinate 0"),
    "equations against rows": ([None] * 2, [None] * 2, [[1, 0]], [0], [[1, 0]], [1], "given the equations.*row 0"),
    "many rows": ([0] * 20, [None] * 20, [[1] * 20], [-1], [], [], "and 13 more"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_polytopes_are_refused_with_the_guilty_rows(name: str) -> None:
    lower, upper, matrix, rhs, equal, right, words = EMPTY[name]
    with pytest.raises(InputError, match=words):
        domain_from_rows(lower, upper, matrix, rhs, equal, right)


MISFITS: dict[str, tuple[Numbers, Numbers, object, object, str]] = {
    "too few coefficients": ([0, 0], [1, 1], [[1]], [1], r"rows of shape \(m, 2\)"),
    "too few right-hand sides": ([0], [1], [[1], [2]], [1], "rows of shape"),
    "a matrix that is a vector": ([0], [1], [1], [1], "rows of shape"),
    "other bounds": ([0], [1, 1], [], [], "1 lower bounds but 2 upper"),
    "not a number": ([0], [1], [["x"]], [1], "expected a number"),
    "not finite": ([0], [1], [[1.0]], [float("inf")], "finite"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits_are_refused(name: str) -> None:
    lower, upper, matrix, rhs, words = MISFITS[name]
    with pytest.raises(InputError, match=words):
        domain_from_rows(lower, upper, matrix, rhs)


def test_arrays_are_read_like_lists() -> None:
    domain = domain_from_rows(
        np.zeros(2), np.ones(2), np.ones((1, 2), np.float32), np.array([1]), np.array([[1, -1]]), np.zeros(1)
    )
    assert domain.dimension == 1 and domain.witness.item(0) == domain.witness.item(1)


def test_rows_keep_the_number_that_they_were_given_with() -> None:
    domain = domain_from_rows([None] * 2, [None] * 2, [[1, 1], [5, 0], [-1, -1], [0, 3]], [0, 1, 0, 1])
    assert [source.index for source in domain.rows.sources] == [1, 3]
    assert domain.violations(domain.witness + exact([9, -9])) == ["domain row 1 is violated"]
    assert domain.given is not None and len(domain.given.rows) == 4


def test_the_budget_is_an_answer() -> None:
    with pytest.raises(BudgetError):
        domain_from_rows([0, 0], [1, 1], [[-1, -1]], ["-19/10"], limits=Limits(pivots=0))


def test_tampered_proofs_are_refused() -> None:
    domain = domain_from_rows([0, 0], [1, 1], [[1, 1], [1, 3]], [0, 9])
    given = domain.given
    assert given is not None and verify_given(domain)
    (first, weight), *rest = given.implicit
    others = [(first, -weight), (first, 2 * weight), (RowSource("domain", 1), weight)]
    for implicit in (tuple(rest), (), *((other, *rest) for other in others)):
        assert not verify_given(replace(domain, given=replace(given, implicit=implicit)))
    assert not verify_given(replace(domain, equalities=zeros(0, 3)))
    assert verify_given(box([0], [1]))


def equation_pair(coefficients: list[Fraction], bound: Fraction) -> list[Inequality]:
    return [inequality(coefficients, bound), inequality([-a for a in coefficients], -bound)]


Table = list[list[Fraction]]
Description = tuple[list[Bound], list[Bound], Table, list[Fraction], Table, list[Fraction]]


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    """Draw bounds, rows and equations, often of lower dimension or empty."""
    size = draw(st.integers(1, 3))
    lows: list[Bound] = [None, Fraction(0), Fraction(-1, 3), Fraction(-2)]
    highs: list[Bound] = [None, Fraction(0), Fraction(1)]
    lower = [draw(st.sampled_from(lows)) for _ in range(size)]
    upper = [draw(st.sampled_from(highs)) for _ in range(size)]
    whole = st.integers(-2, 2).map(Fraction)
    rows: Table = []
    rhs: list[Fraction] = []
    for _ in range(draw(st.integers(0, 4))):
        opposite = bool(rows) and draw(st.booleans())
        if opposite:
            i = draw(st.integers(0, len(rows) - 1))
            rows.append([-a for a in rows[i]])
            rhs.append(-rhs[i] + draw(st.sampled_from([Fraction(0), Fraction(1, 10**20)])))
        else:
            scale = draw(st.sampled_from([Fraction(1), Fraction(1, 10**11), Fraction(10**11)]))
            rows.append([scale * draw(whole) for _ in range(size)])
            rhs.append(scale * draw(whole))
    count = draw(st.sampled_from([0, 0, 1, 2]))
    equal = [[draw(whole) for _ in range(size)] for _ in range(count)]
    return lower, upper, rows, rhs, equal, [draw(whole) / 2 for _ in range(count)]


@given(descriptions())
@settings(max_examples=120)
def test_random_polytopes_agree_with_elimination(drawn: Description) -> None:
    lower, upper, rows, rhs, equal, right = drawn
    size = len(lower)
    system = [inequality(row, bound) for row, bound in zip(rows, rhs, strict=True)]
    for row, bound in zip(equal, right, strict=True):
        system += equation_pair(row, bound)
    for i, pair in enumerate(zip(lower, upper, strict=True)):
        for sign, limit in zip((-1, 1), pair, strict=True):
            if limit is not None:
                system.append(inequality([sign * int(k == i) for k in range(size)], sign * limit))
    if not feasible(system):
        with pytest.raises(InputError):
            domain_from_rows(lower, upper, rows, rhs, equal, right)
        return
    domain = domain_from_rows(lower, upper, rows, rhs, equal, right)
    tight = [row for row in system if any(row[0]) and not feasible([*system, (row[0], row[1], True)])]
    scaled = [[int(a * 2 * 10**20) for a in row[0]] for row in tight]
    assert domain.dimension == size - (linalg.rank(np.array(scaled, dtype=object)) if tight else 0)
    assert domain.contains(domain.witness) and verify_given(domain)
    assert_strict(domain)
    found = minimal(domain, no_rows(size), domain.witness)
    assert [type(v).__name__ for v in found.verdicts] == verdict_names(domain, no_rows(size))
    assert verify(found) == ()


def test_a_witness_has_few_digits() -> None:
    domain = domain_from_rows([0] * 5, [1] * 5, [["1/3", "1/7", "1/11", 1, "3/13"]], ["1/5"])
    assert all(len(str(v)) <= 12 for v in domain.witness.fractions())
    assert isinstance(domain.witness, Rationals)
