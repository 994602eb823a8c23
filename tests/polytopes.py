"""Polytopes for tests: awkward ones by name, and hypothesis strategies that draw degenerate ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from exactbox.polytope.domain import Bound, Domain, box
from exactbox.polytope.rational import Rationals, exact, from_fractions, int_array
from exactbox.polytope.rows import Rows, RowSource, integer_rows
from exactbox.polytope.system import System

Numbers = Sequence[object]


def unit_rows(matrix: Sequence[Numbers], rhs: Numbers, size: int) -> Rows:
    """Return rows of kind "unit" from exact numbers."""
    sources = tuple(RowSource("unit", 1, i) for i in range(len(rhs)))
    flat = exact([value for row in matrix for value in row])
    return integer_rows(flat.reshape(len(rhs), size), exact(list(rhs)), sources)


@dataclass(frozen=True)
class Case:
    """A polytope around a point strictly inside it, and the verdicts that its rows deserve."""

    lower: Numbers
    upper: Numbers
    matrix: Sequence[Numbers]
    rhs: Numbers
    inside: Numbers
    verdicts: str
    """One letter a candidate: F(ree), S(ame), K(ept), D(ropped)."""

    @property
    def domain(self) -> Domain:
        """The box."""
        return box(list(self.lower), list(self.upper))

    @property
    def rows(self) -> Rows:
        """The rows."""
        return unit_rows(self.matrix, self.rhs, len(self.lower))

    @property
    def interior(self) -> Rationals:
        """The point inside."""
        return exact(list(self.inside))


TINY = Fraction(1, 10**12)
SPECK = Fraction(1, 10**700)

AWKWARD: dict[str, Case] = {
    "no rows, no bounds": Case([None], [None], [], [], [0], ""),
    "one dimension": Case([0], [3], [[1], [-2], [1]], [2, "-1/2", 5], [1], "KKDDD"),
    "no rows in a box": Case([0, 0], [1, 1], [], [], ["1/2", "1/2"], "KKKK"),
    "zero rows": Case([0], [1], [[0], [0]], [0, 3], ["1/2"], "FFKK"),
    "duplicates": Case([None] * 2, [None] * 2, [[1, 1], [2, 2], ["1/3", "1/3"]], [1, 2, "1/3"], [0, 0], "KSS"),
    "parallel": Case([None] * 2, [None] * 2, [[1, 1], [2, 2], [1, 1]], [1, 1, 2], [0, 0], "DKD"),
    "equal among the dropped": Case([None], [None], [[1], [1], [2]], [1, 2, 4], [0], "KDS"),
    "negated pair": Case([None] * 2, [None] * 2, [[1, 2], [-1, -2]], [1, 0], ["1/4", "1/8"], "KK"),
    "thin strip": Case([-1] * 2, [1] * 2, [[1, 2], [-1, -2]], [TINY, 0], [TINY / 2, 0], "KKKDKD"),
    "thinner than any float": Case([-1] * 2, [1] * 2, [[3, 7], [-3, -7]], [SPECK, 0], [SPECK / 6, 0], "KKKDKD"),
    "touches a vertex": Case([0, 0], [1, 1], [[1, 1]], [2], ["1/2", "1/2"], "DKKKK"),
    "touches an edge": Case([0] * 3, [1] * 3, [[1, 1, 0]], [2], ["1/2"] * 3, "DKKKKKK"),
    "touches a vertex, unbounded": Case([None] * 2, [None] * 2, [[1, 0], [0, 1], [1, 1]], [1, 1, 2], [0, 0], "KKD"),
    "misses by a speck": Case([0, 0], [1, 1], [[1, 1]], [2 - SPECK], ["1/2", "1/2"], "KKKKK"),
    "clears by a speck": Case([0, 0], [1, 1], [[1, 1]], [2 + SPECK], ["1/2", "1/2"], "DKKKK"),
    "identical with a box face": Case([0, 0], [1, 1], [[3, 0]], [3], ["1/2", "1/2"], "KKKSK"),
    "parallel to a box face, inside": Case([0, 0], [1, 1], [[2, 0]], [1], ["1/4", "1/2"], "KKKDK"),
    "parallel to a box face, outside": Case([0, 0], [1, 1], [[1, 0]], [2], ["1/4", "1/2"], "DKKKK"),
    "close behind a box face": Case([0, 0], [1, 1], [[1, 0]], [1 + SPECK], ["1/4", "1/2"], "DKKKK"),
    "rows at wild scales": Case(
        [None] * 2, [None] * 2, [["1e11", "1e11"], ["-1e-11", 0], [0, -1]], ["1e11", 0, 0], ["1/4", "1/4"], "KKK"
    ),
    "fixed coordinate": Case([0, "1/3", 0], [1, "1/3", 1], [[1, 0, 1]], [1], ["1/4", "1/3", "1/4"], "KKKDD"),
    "a point": Case([1, 2], [1, 2], [], [], [1, 2], ""),
    "half-line": Case([0], [None], [[-1]], [1], [1], "DK"),
    "half-bounded wedge": Case([0, None], [None, None], [[-1, 1], [-1, -1]], [0, 0], [1, 0], "KKD"),
    "cut off entirely by rows": Case([-9] * 2, [9] * 2, [[1, 1], [-1, 1], [0, -1]], [1, 1, 1], [0, 0], "KKKDDDD"),
    "many lines through one vertex": Case(
        [None] * 2, [None] * 2, [[1, 0], [2, 1], [1, 1], [1, 2], [0, 1]], [0] * 5, [-1, -1], "KDDDK"
    ),
    "far away": Case(["1e30"] * 2, ["1e30", None], [], [], ["1e30", "2e30"], "K"),
}

coefficients = st.one_of(st.integers(-3, 3).map(Fraction), st.fractions(-2, 2, max_denominator=16))
margins = st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 3), TINY, Fraction(1, 10**30), Fraction(10**11)])
scales = st.sampled_from([Fraction(1), Fraction(1), Fraction(1, 10**11), Fraction(10**11)])


@st.composite
def boxes_around(draw: st.DrawFn, point: Sequence[Fraction]) -> tuple[list[Bound], list[Bound]]:
    """Draw bounds around a point: missing, tight, wide or of zero width."""
    lower: list[Bound] = []
    upper: list[Bound] = []
    for value in point:
        low, high = draw(st.one_of(st.none(), margins)), draw(st.one_of(st.none(), margins))
        fixed = draw(st.integers(0, 7)) == 0
        lower.append(value if fixed else None if low is None else value - low)
        upper.append(value if fixed else None if high is None else value + high)
    return lower, upper


@st.composite
def rows_around(draw: st.DrawFn, point: Sequence[Fraction], most: int) -> tuple[list[list[Fraction]], list[Fraction]]:
    """Draw rows that hold at a point, strictly unless zero: duplicates, opposites, sums, zeros, wild scales."""
    matrix: list[list[Fraction]] = []
    rhs: list[Fraction] = []
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(["own", "own", "own", "axis", "copy", "shift", "opposite", "sum", "zero"]))
        if matrix and kind in ("copy", "shift", "opposite", "sum"):
            i, j = draw(st.integers(0, len(matrix) - 1)), draw(st.integers(0, len(matrix) - 1))
            row, bound = related_row(kind, (matrix[i], rhs[i]), (matrix[j], rhs[j]), point, draw(margins))
        elif kind == "zero":
            row, bound = [Fraction(0)] * len(point), draw(st.sampled_from([Fraction(0), Fraction(1)]))
        else:
            axis = draw(st.integers(0, len(point) - 1))
            row = [draw(coefficients) if kind != "axis" or k == axis else Fraction(0) for k in range(len(point))]
            bound = sum((a * y for a, y in zip(row, point, strict=True)), Fraction(0)) + draw(margins)
        scale = draw(scales)
        matrix.append([scale * a for a in row])
        rhs.append(scale * bound)
    return matrix, rhs


Row = tuple[list[Fraction], Fraction]


def related_row(kind: str, first: Row, second: Row, point: Sequence[Fraction], margin: Fraction) -> Row:
    """Return a row made of earlier ones that still holds at the point, touching where the earlier ones meet."""
    if kind == "copy":
        return [2 * a for a in first[0]], 2 * first[1]
    if kind == "shift":
        return list(first[0]), first[1] + margin
    if kind == "sum":
        return [a + 2 * b for a, b in zip(first[0], second[0], strict=True)], first[1] + 2 * second[1]
    row = [-a for a in first[0]]
    return row, sum((a * y for a, y in zip(row, point, strict=True)), Fraction(0)) + margin


@st.composite
def polytopes(draw: st.DrawFn, most: int = 6) -> tuple[Domain, Rows, Rationals]:
    """Draw a box of 1 to 3 coordinates, rows reduced modulo its equations, and a point strictly inside."""
    point = draw(st.lists(st.fractions(-3, 3, max_denominator=7), min_size=1, max_size=3))
    lower, upper = draw(boxes_around(point))
    matrix, rhs = draw(rows_around(point, most))
    domain = box(lower, upper)
    rows = unit_rows(matrix, rhs, len(point))
    gradient, constant = domain.reduce(Rationals(rows.matrix), Rationals(-rows.rhs))
    return domain, integer_rows(gradient, -constant, rows.sources), from_fractions(point)


@st.composite
def systems(draw: st.DrawFn) -> tuple[System, list[Fraction]]:
    """Draw a small system, often infeasible, unbounded or degenerate, and an objective."""
    size, count = draw(st.integers(1, 3)), draw(st.integers(0, 5))
    numbers = st.one_of(st.integers(-2, 2), st.integers(-(10**12), 10**12))
    matrix = int_array(draw(numbers) for _ in range(size * count)).reshape(count, size)
    rhs = int_array(draw(st.one_of(st.just(0), numbers)) for _ in range(count))
    lower: list[Bound] = [draw(st.sampled_from([None, Fraction(0), Fraction(-1, 3)])) for _ in range(size)]
    widths = [draw(st.sampled_from([None, Fraction(0), Fraction(1)])) for _ in range(size)]
    upper = [None if width is None else (low or Fraction(0)) + width for low, width in zip(lower, widths, strict=True)]
    objective = [Fraction(draw(st.integers(-3, 3))) for _ in range(size)]
    return System(matrix, rhs, tuple(lower), tuple(upper)), objective
