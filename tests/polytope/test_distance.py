"""Distances: closed forms against brute force, their proofs, and domains that cut the way off."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.distance import NORMS, Distance, Norm, distance
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, from_fractions, zeros
from exactbox.polytope.rational import exact as read
from exactbox.polytope.rows import Rows, RowSource


def rows_of(matrix: list[list[int]], rhs: list[int]) -> Rows:
    sources = tuple(RowSource("unit", 0, i) for i in range(len(rhs)))
    return Rows(np.array(matrix, dtype=object).reshape(len(rhs), -1), np.array(rhs, dtype=object), sources)


def size_of(step: list[Fraction], norm: Norm) -> Fraction:
    sizes = [abs(v) for v in step]
    return {"l1": sum(sizes, Fraction(0)), "linf": max(sizes), "l2": sum((v * v for v in sizes), Fraction(0))}[norm]


def upper_bound(row: list[int], point: Rationals, domain: Domain, found: Distance, multiplier: Fraction) -> Fraction:
    """Return a bound of a.(y - x) over all y of the box within the distance, from the multiplier alone."""
    total = Fraction(0)
    assert found.value is not None
    for a, x, low, high in zip(row, point.fractions(), domain.lower, domain.upper, strict=True):
        left, right = (None if low is None else low - x), (None if high is None else high - x)
        if found.norm == "linf":
            ends = [max(-found.value, left) if left is not None else -found.value]
            ends.append(min(found.value, right) if right is not None else found.value)
            total += max(a * end for end in ends)
            continue
        room = right if a > 0 else (None if left is None else -left)
        if found.norm == "l1":
            gain = abs(a) - multiplier
            assert room is not None or gain <= 0
            total += max(Fraction(0), gain) * (room or 0)
        else:
            best = Fraction(abs(a)) / (2 * multiplier)
            move = best if room is None else min(best, room)
            total += abs(a) * move - multiplier * move * move
    return total + (0 if found.norm == "linf" else multiplier * found.value)


def check(domain: Domain, rows: Rows, point: Rationals, found: Distance) -> None:
    """Check the nearest point and the proof that nothing nearer violates a row."""
    if found.binding is None or found.nearest is None or found.value is None:
        return
    assert domain.contains(found.nearest)
    assert rows.slack(found.nearest).item(found.binding) == 0
    step = (found.nearest - point).fractions()
    assert size_of(step, found.norm) == found.value
    if found.value == 0:
        return
    for i, slack in enumerate(rows.slack(point).fractions()):
        if not np.any(rows.matrix[i]) or (found.norm != "linf" and i not in found.multipliers):
            continue
        assert (
            upper_bound(rows.matrix[i].tolist(), point, domain, found, found.multipliers.get(i, Fraction(0))) <= slack
        )


@pytest.mark.parametrize(
    ("norm", "value", "nearest"),
    [("l1", "1/2", ["0", "1/2"]), ("linf", "2/7", ["2/7", "2/7"]), ("l2", "4/25", ["6/25", "8/25"])],
)
def test_distances_in_the_plane(norm: Norm, value: str, nearest: list[str]) -> None:
    """From the origin to 3 x + 4 y <= 2: L1 2/4, L-infinity 2/7, L2 (2/5)^2."""
    found = distance(everything(2), rows_of([[3, 4]], [2]), zeros(2), norm)
    assert found.value == Fraction(value) and found.binding == 0
    assert found.nearest is not None and found.nearest.equals(read(nearest))


def test_the_box_cuts_the_way_off() -> None:
    """With y <= 1/5, x must do the rest: 3 x = 2 - 4/5."""
    domain = box([-5, -5], [5, "1/5"])
    values = {norm: distance(domain, rows_of([[3, 4]], [2]), zeros(2), norm).value for norm in NORMS}
    assert values == {"l1": Fraction(3, 5), "linf": Fraction(2, 5), "l2": Fraction(1, 5)}


def test_a_row_out_of_reach_has_no_distance() -> None:
    domain = box([-1, -1], ["1/10", "1/10"])
    for norm in NORMS:
        found = distance(domain, rows_of([[3, 4]], [2]), zeros(2), norm)
        assert (found.value, found.binding, found.nearest) == (None, None, None)


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_that_only_touches_the_domain_is_no_boundary(norm: Norm) -> None:
    """x + y <= 2 touches the unit square in a corner; x + 2 y <= 2 cuts it."""
    square = box([0, 0], [1, 1])
    assert distance(square, rows_of([[1, 1]], [2]), zeros(2), norm).value is None
    assert distance(square, rows_of([[1, 1], [1, 2]], [2, 2]), zeros(2), norm).binding == 1


@pytest.mark.parametrize("norm", NORMS)
def test_touching_rows_and_zero_rows_and_zero_width_boxes(norm: Norm) -> None:
    touching = distance(everything(2), rows_of([[0, 0], [1, 1], [1, 0]], [0, 0, 5]), zeros(2), norm)
    assert touching.value == 0 and touching.binding == 1 and not touching.multipliers
    assert distance(everything(2), rows_of([[0, 0]], [3]), zeros(2), norm).value is None
    assert distance(box([0, 0], [0, 0]), rows_of([[1, 1]], [0]), zeros(2), norm).value is None
    nothing = Rows(np.zeros((0, 2), dtype=object), np.zeros(0, dtype=object), ())
    assert distance(everything(2), nothing, zeros(2), norm).value is None


def test_the_first_of_equally_near_rows_binds() -> None:
    found = distance(everything(1), rows_of([[1], [-1], [2]], [3, 3, 6]), zeros(1), "l1")
    assert found.value == 3 and found.binding == 0


@pytest.mark.parametrize(("norm", "value"), [("l1", 2), ("linf", 1), ("l2", 2)])
def test_a_lost_tie_counts_where_the_domain_only_touches_it(norm: Norm, value: int) -> None:
    """x + y <= 2 touches the unit square in the corner (1, 1); x <= 2 does not."""
    square = box([0, 0], [1, 1])
    found = distance(square, rows_of([[1, 0], [1, 1]], [2, 2]), zeros(2), norm, {0, 1})
    assert found.value == value and found.binding == 1 and found.rim
    assert found.nearest is not None and found.nearest.equals(read(["1", "1"]))
    beyond = distance(square, rows_of([[1, 0]], [1]).subset([0]), zeros(2), norm, {0})
    assert beyond.rim and beyond.value == 1
    inner = [distance(square, rows_of([[2, 0]], [1]), zeros(2), norm, lost) for lost in ((), {0})]
    assert [(one.value, one.rim) for one in inner] == [(inner[0].value, False)] * 2


def touched(row: list[int], slack: Fraction, point: Rationals, domain: Domain, limit: Fraction) -> bool:
    """Say whether a point of the box at an L-infinity distance of at most the limit lies on or beyond a row."""
    total = Fraction(0)
    for a, x, low, high in zip(row, point.fractions(), domain.lower, domain.upper, strict=True):
        room = None if (end := high if a > 0 else low) is None else abs(end - x)
        total += abs(a) * (limit if room is None else min(room, limit))
    return total >= slack


def test_misuse_is_refused() -> None:
    with pytest.raises(InputError, match="violates"):
        distance(everything(1), rows_of([[1]], [-1]), zeros(1), "l1")


small = st.integers(-4, 4)


@given(st.data())
def test_random_distances_carry_their_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 4))
    matrix = data.draw(st.lists(st.lists(small, min_size=size, max_size=size), min_size=1, max_size=5))
    point = from_fractions([data.draw(st.fractions(-1, 1, max_denominator=8)) for _ in range(size)])
    slacks = [data.draw(st.integers(0, 6)) for _ in matrix]
    rhs = [
        int(np.ceil(float(sum(a * v for a, v in zip(row, point.fractions(), strict=True))))) + s
        for row, s in zip(matrix, slacks, strict=True)
    ]
    rows = rows_of(matrix, rhs)
    room = st.sampled_from([None, Fraction(0), Fraction(1, 3), Fraction(2), Fraction(1, 10**12)])
    lower = [None if (r := data.draw(room)) is None else v - r for v in point.fractions()]
    upper = [None if (r := data.draw(room)) is None else v + r for v in point.fractions()]
    domain = box(lower, upper)
    for norm in NORMS:
        found = distance(domain, rows, point, norm)
        check(domain, rows, point, found)
        reachable = [reach(row, point, domain) for row in matrix]
        slack = rows.slack(point).fractions()
        possible = [r is None or r > s for r, s in zip(reachable, slack, strict=True)]
        assert (found.value is not None) == any(possible)
        ends = distance(domain, rows, point, norm, frozenset(range(len(matrix))))
        if all(s > 0 for s in slack):
            check(domain, rows, point, ends)
            assert (ends.value is not None) == any(r is None or r >= s for r, s in zip(reachable, slack, strict=True))
            assert ends.value is None or found.value is None or ends.value <= found.value
            assert norm == "linf" or all(m > 0 for m in ends.multipliers.values())
        if norm == "linf" and ends.value and all(s > 0 for s in slack):
            pairs = list(zip(matrix, slack, strict=True))
            assert any(touched(row, s, point, domain, ends.value) for row, s in pairs)
            assert not any(touched(row, s, point, domain, ends.value * Fraction(999, 1000)) for row, s in pairs)


def reach(row: list[int], point: Rationals, domain: Domain) -> Fraction | None:
    """Return the maximum of a.(y - x) over the box, None where it is unbounded."""
    total = Fraction(0)
    for a, x, low, high in zip(row, point.fractions(), domain.lower, domain.upper, strict=True):
        end = high if a > 0 else low
        if a != 0 and end is None:
            return None
        total += a * (end - x) if a and end is not None else 0
    return total
