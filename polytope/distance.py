"""Exact distances from a point to the boundary that rows cut out of a box, in the norms L1, L-infinity and L2.

A row ``a . y <= b`` is violated first where the point moves every coordinate i by ``d_i >= 0`` in the direction of
``a_i``, no further than the room ``R_i`` that the box leaves: the least norm of d with ``sum |a_i| d_i = slack`` has a
closed form by sorting (water filling). Its multiplier proves that nothing nearer violates the row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.rows import Rows

Norm = Literal["l1", "linf", "l2"]
NORMS: tuple[Norm, ...] = ("l1", "linf", "l2")


@dataclass(frozen=True, eq=False)
class Distance:
    """The distance to the nearest row in one norm.

    Args:
        norm: "l1", "linf" or "l2".
        value: the distance, squared for "l2", to the part of the domain where a row is violated (one that the domain
            only touches counts if it is among those lost at a tie); None where there is no such part.
        binding: the position of the row that is reached first (the lowest among equals), or None.
        nearest: shape (d,), the point of the domain on that row at this distance, or None.
        multipliers: for "l1" and "l2", by row: ``lambda`` with
            ``max over the box of a.(y - x) - lambda * size(y - x) + lambda * value <= slack``, size being the L1 norm
            or the squared L2 norm. Rows without an entry cannot be violated in the box (nor touched, if they are lost
            at a tie). Empty where the value is 0.
        rim: whether the domain goes no further than the binding row, which is lost at a tie.
    """

    norm: Norm
    value: Fraction | None
    binding: int | None
    nearest: Rationals | None
    multipliers: dict[int, Fraction]
    rim: bool = False


@dataclass(frozen=True)
class _Reach:
    """How far one row is: the size of the step, the step by coordinate, and the multiplier."""

    size: Fraction
    step: dict[int, Fraction]
    multiplier: Fraction


def distance(
    domain: Domain, rows: Rows, point: Rationals, norm: Norm, lost: Collection[int] = frozenset()
) -> Distance:
    """Return the exact distance from ``point`` (d,) to the nearest of ``rows`` within a box domain.

    Args:
        rows: reduced modulo the domain's equations and satisfied at the point; zero rows are skipped.
        lost: positions of rows that must not hold with equality either, because another wins the tie there. Where the
            domain goes on beyond a row, both are equally near: from a point on the row every step towards the violated
            part leaves it at once. Where it only touches the row, on its rim, that is where the decision ends.

    Raises:
        InputError: the domain has general rows, or a row is violated at the point.
    """
    if not domain.is_box:
        raise InputError("distance: the closed form needs a box domain")
    slacks = rows.slack(point).fractions()
    if any(slack < 0 for slack in slacks):
        raise InputError("distance: the point violates a row")
    rooms = _rooms(domain, point)
    best: tuple[Fraction, int, _Reach] | None = None
    multipliers: dict[int, Fraction] = {}
    for position, slack in enumerate(slacks):
        reach = _reach(_terms(rows.matrix[position].tolist(), rooms), slack, norm, position in lost)
        if reach is None:
            continue
        multipliers[position] = reach.multiplier
        if best is None or reach.size < best[0]:
            best = (reach.size, position, reach)
    if best is None:
        return Distance(norm, None, None, None, {})
    nearest = point + from_fractions([best[2].step.get(i, Fraction(0)) for i in range(domain.size)])
    needed = norm != "linf" and best[0] > 0
    rim = best[1] in lost and _within(_terms(rows.matrix[best[1]].tolist(), rooms), slacks[best[1]])
    return Distance(norm, best[0], best[1], nearest, multipliers if needed else {}, rim)


def _rooms(domain: Domain, point: Rationals) -> list[tuple[Fraction | None, Fraction | None]]:
    """Return how far each coordinate can fall and rise (None: without end)."""
    triples = zip(point.fractions(), domain.lower, domain.upper, strict=True)
    return [(None if lo is None else x - lo, None if hi is None else hi - x) for x, lo, hi in triples]


@dataclass(frozen=True)
class _Term:
    index: int
    weight: int
    room: Fraction | None
    sign: int


def _terms(row: Sequence[int], rooms: Sequence[tuple[Fraction | None, Fraction | None]]) -> list[_Term]:
    """Return the coordinates that can move towards a row."""
    towards = [rooms[i][1 if a > 0 else 0] for i, a in enumerate(row)]
    return [_Term(i, abs(a), towards[i], 1 if a > 0 else -1) for i, a in enumerate(row) if a != 0 and towards[i] != 0]


def _within(terms: list[_Term], slack: Fraction, strictly: bool = False) -> bool:
    """Say whether the whole box satisfies a row; strictly: without touching it."""
    if any(term.room is None for term in terms):
        return False
    most = sum((term.weight * (term.room or 0) for term in terms), Fraction(0))
    return most < slack if strictly else most <= slack


def _reach(terms: list[_Term], slack: Fraction, norm: Norm, lost: bool) -> _Reach | None:
    """Return the nearest point from which the box goes on beyond one row, or where it touches one that is lost then.

    None where there is none. A lost row that is only touched is reached where every term has used its room: the last
    to move gives the multiplier, which is positive.
    """
    if not terms or _within(terms, slack, strictly=lost):
        return None
    solvers = {"l1": _reach_l1, "linf": _reach_linf, "l2": _reach_l2}
    return solvers[norm](terms, slack)


def _reach_l1(terms: list[_Term], slack: Fraction) -> _Reach | None:
    """Move the heaviest coordinates first."""
    size, step = Fraction(0), dict[int, Fraction]()
    for term in sorted(terms, key=lambda t: (-t.weight, t.index)):
        need = slack / term.weight
        if term.room is None or need <= term.room:
            step[term.index] = term.sign * need
            return _Reach(size + need, step, Fraction(term.weight))
        step[term.index] = term.sign * term.room
        size += term.room
        slack -= term.weight * term.room
    return None


def _reach_linf(terms: list[_Term], slack: Fraction) -> _Reach | None:
    """Move all coordinates alike, each until its room ends."""
    weight = sum(term.weight for term in terms)
    rest = slack
    for limit, gone in _by_limit([(term.room, term) for term in terms]):
        if weight and (limit is None or rest <= weight * limit):
            radius = rest / weight
            step = {t.index: t.sign * (radius if t.room is None else min(radius, t.room)) for t in terms}
            return _Reach(radius, step, Fraction(weight))
        if limit is not None:
            weight -= gone.weight
            rest -= gone.weight * limit
    return None


def _reach_l2(terms: list[_Term], slack: Fraction) -> _Reach | None:
    """Move along the gradient, each coordinate until its room ends."""
    weight = sum(term.weight**2 for term in terms)
    rest = slack
    for limit, gone in _by_limit([(term.room and term.room / term.weight, term) for term in terms]):
        if weight and (limit is None or rest <= weight * limit):
            pace = rest / weight
            moves = {t.index: pace * t.weight if t.room is None else min(pace * t.weight, t.room) for t in terms}
            step = {t.index: t.sign * moves[t.index] for t in terms}
            multiplier = 1 / (2 * pace) if pace else Fraction(0)
            return _Reach(sum((move**2 for move in moves.values()), Fraction(0)), step, multiplier)
        if limit is not None:
            weight -= gone.weight**2
            rest -= gone.weight**2 * limit
    return None


def _by_limit(limits: list[tuple[Fraction | None, _Term]]) -> list[tuple[Fraction | None, _Term]]:
    """Sort by limit, those without a limit last."""
    return sorted(limits, key=lambda pair: (pair[0] is None, pair[0] or Fraction(0), pair[1].index))
