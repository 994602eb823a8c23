"""The exact simplex method: decides every linear program over the rationals, whatever its degeneracy.

The method is the primal simplex with bounded variables (Dantzig, Linear Programming and Extensions, 1963). Its state
is a basis and an exact point; each step solves two systems of the size of the number of active rows with FLINT, so
coordinates that sit at a bound cost nothing. Steps that do not move are chosen by the rule of Bland (New finite
pivoting rules for the simplex method, 1977), which excludes cycles.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from exactbox.polytope import linalg
from exactbox.polytope.errors import BudgetError, InternalError
from exactbox.polytope.rational import IntArray, Rationals, from_fractions, int_array, zeros
from exactbox.polytope.system import System

_LOWER, _UPPER, _BETWEEN, _BASIC = range(4)
_PATIENCE = 8


@dataclass(frozen=True, eq=False)
class Optimal:
    """The maximum is attained.

    Args:
        value: the maximum of the objective.
        point: where it is attained.
        multipliers: positive, by row; with the bounds they prove that nothing is larger: with r the objective's
            gradient less the combination of the rows, ``sum_j y_j b_j + sum_i max(r_i l_i, r_i u_i) = value``.
    """

    value: Fraction
    point: Rationals
    multipliers: dict[int, Fraction]


@dataclass(frozen=True, eq=False)
class Unbounded:
    """The objective grows without end along ``ray`` from ``point``."""

    point: Rationals
    ray: Rationals


@dataclass(frozen=True, eq=False)
class Infeasible:
    """No point satisfies all rows and bounds.

    Args:
        multipliers: positive, by row; with r minus their combination of the rows,
            ``sum_j y_j b_j + sum_i max(r_i l_i, r_i u_i) < 0``.
    """

    multipliers: dict[int, Fraction]


Outcome = Optimal | Unbounded | Infeasible


@dataclass(frozen=True)
class Basis:
    """Where to start: as many active rows as basic coordinates, all other coordinates at a bound.

    Args:
        active: rows that hold with equality.
        basic: coordinates that the active rows determine.
        at_upper: coordinates that sit at their upper bound; the rest sit at the lower one, else the upper, else 0.
    """

    active: tuple[int, ...] = ()
    basic: tuple[int, ...] = ()
    at_upper: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Limits:
    """When to give up: a number of pivots, and a time on ``time.monotonic``'s clock."""

    pivots: int = 20_000
    deadline: float = float("inf")


@dataclass(eq=False)
class _State:
    """A basis and the point that it stands for."""

    system: System
    active: list[int]
    basic: list[int]
    places: list[int]
    point: Rationals
    slack: Rationals = field(init=False)

    def __post_init__(self) -> None:
        self.slack = self.system.slack(self.point)

    def square(self) -> IntArray:
        return self.system.matrix[np.ix_(self.active, self.basic)]


def optimize(
    system: System, objective: Rationals, basis: Basis | None = None, limits: Limits | None = None
) -> Outcome:
    """Maximise a linear functional over a system, exactly.

    Args:
        objective: shape (n,).
        basis: a starting guess; any guess is safe.
        limits: when to give up.

    Raises:
        BudgetError: the limits were reached; the message says which.

    >>> from exactbox.polytope.rational import from_fractions
    >>> system = System(int_array([1, 1]).reshape(1, 2), int_array([1]), (Fraction(0),) * 2, (None,) * 2)
    >>> outcome = optimize(system, from_fractions([1, 2]))
    >>> str(outcome.value), outcome.multipliers
    ('2', {0: Fraction(2, 1)})
    """
    budget = limits or Limits()
    start = _start(system, basis or Basis()) or _start(system, Basis())
    if start is None:
        raise InternalError("simplex: the empty basis has no point")
    feasible = _phase_one(start, budget) if _violations(start) else start
    return feasible if isinstance(feasible, Infeasible) else _run(feasible, objective, budget, None)


def _start(system: System, basis: Basis) -> _State | None:
    """Compute the point of a basis, or None where its square system is singular."""
    places, values = _resting(system, basis)
    point = Rationals(values.num, values.den)
    if basis.basic:
        rows = list(basis.active)
        held = system.rhs[rows] * point.den - system.times(point.num.reshape(-1, 1))[rows, 0]
        square = system.matrix[np.ix_(rows, list(basis.basic))]
        solved = linalg.solve(Rationals(square), Rationals(held, point.den)) if len(rows) == len(basis.basic) else None
        if solved is None:
            return None
        point = _with(point, list(basis.basic), solved)
    return _State(system, list(basis.active), list(basis.basic), places, point.reduced())


def _resting(system: System, basis: Basis) -> tuple[list[int], Rationals]:
    """Place every coordinate at a bound (basic ones at 0)."""
    size = len(system.lower)
    basic, places = set(basis.basic), [_BETWEEN] * size
    for i in range(size):
        if i in basic:
            places[i] = _BASIC
        elif system.has_upper[i] and (i in basis.at_upper or not system.has_lower[i]):
            places[i] = _UPPER
        elif system.has_lower[i]:
            places[i] = _LOWER
    array = np.array(places)
    low, high = system.lows, system.highs
    num = np.where(array == _LOWER, low.num * high.den, np.where(array == _UPPER, high.num * low.den, 0))
    return places, Rationals(num, low.den * high.den)


def _with(point: Rationals, where: list[int], values: Rationals) -> Rationals:
    """Replace some entries of a point."""
    num = point.num * values.den
    num[where] = values.num * point.den
    return Rationals(num, point.den * values.den)


def _clipped(state: _State) -> Rationals:
    """Move basic coordinates that left their bounds back onto them."""
    fixed: dict[int, Fraction] = {}
    for i in state.basic:
        low, high, value = state.system.lower[i], state.system.upper[i], state.point.item(i)
        if low is not None and value < low:
            fixed[i] = low
        elif high is not None and value > high:
            fixed[i] = high
    if not fixed:
        return state.point
    values = [fixed.get(i, value) for i, value in enumerate(state.point.fractions())]
    return from_fractions(values)


def _violations(state: _State) -> bool:
    return bool(np.any(state.slack.num < 0)) or _clipped(state) is not state.point


def _phase_one(state: _State, limits: Limits) -> _State | Infeasible:
    """Walk to a feasible basis by removing one artificial coordinate that makes the clipped point feasible."""
    system, clipped = state.system, _clipped(state)
    size = len(system.lower)
    gap = system.slack(clipped)
    column = np.where(gap.num < 0, gap.num, 0)
    column[state.active] = gap.num[state.active]
    extended = System(
        np.concatenate([system.matrix, column.reshape(-1, 1)], axis=1),
        system.rhs, (*system.lower, Fraction(0)), (*system.upper, Fraction(1, gap.den)),
    )
    num = np.concatenate([clipped.num * gap.den, int_array([clipped.den])])
    start = _State(extended, state.active, state.basic, [*state.places, _UPPER], Rationals(num, clipped.den * gap.den))
    cost = zeros(size + 1).num.copy()
    cost[size] = -1
    outcome = _run(start, Rationals(cost), limits, size)
    if isinstance(outcome, Optimal) and outcome.value < 0:
        return Infeasible(outcome.multipliers)
    if size in start.basic:
        raise InternalError("simplex: the artificial coordinate stayed in the basis")
    return _State(system, start.active, start.basic, start.places[:size], start.point[:size].reduced())


def _run(state: _State, objective: Rationals, limits: Limits, artificial: int | None) -> Outcome:
    """Pivot until optimal, unbounded, or (in phase one) until the artificial coordinate is 0."""
    still = 0
    for _ in range(limits.pivots):
        if time.monotonic() > limits.deadline:
            raise BudgetError("exact simplex: the time limit was reached")
        duals, reduced = _prices(state, objective)
        entering = _entering(state, duals, reduced, bland=still >= _PATIENCE)
        if entering is None:
            return _optimal(state, objective, duals)
        direction = _direction(state, *entering)
        limit, leaving = _ratio(state, entering, direction, artificial)
        if leaving is None:
            return Unbounded(state.point, direction)
        still = still + 1 if limit == 0 else 0
        _pivot(state, entering[0], leaving, direction, limit)
        if artificial is not None and state.point.num[artificial] == 0:
            return _optimal(state, objective, duals)
    raise BudgetError(f"exact simplex: undecided after {limits.pivots} pivots")


def _prices(state: _State, objective: Rationals) -> tuple[Rationals, Rationals]:
    """Return the rows' duals (m,) and the reduced costs (n,), over one denominator."""
    rows, _ = state.system.shape
    duals = np.zeros(rows, dtype=object)
    den = 1
    if state.basic:
        solved = linalg.solve(Rationals(state.square().T), Rationals(objective.num[state.basic]))
        if solved is None:
            raise InternalError("simplex: the basis became singular")
        duals[state.active], den = solved.num, solved.den
    reduced = objective.num * den - state.system.combine(duals.reshape(1, -1))[0]
    return Rationals(duals, den * objective.den), Rationals(reduced, den * objective.den)


def _entering(state: _State, duals: Rationals, reduced: Rationals, bland: bool) -> tuple[int, int] | None:
    """Choose what leaves its bound: (coordinate or n + row, direction); the lowest index, or the largest price."""
    size = len(state.places)
    found: list[tuple[int, int]] = []
    for i, (place, price) in enumerate(zip(state.places, reduced.num.tolist(), strict=True)):
        if price == 0 or place == _BASIC or (place == _LOWER and price < 0) or (place == _UPPER and price > 0):
            continue
        if place == _BETWEEN or state.system.lower[i] != state.system.upper[i]:
            found.append((i, 1 if price > 0 else -1))
    found += [(size + row, 1) for row in sorted(state.active) if duals.num[row] < 0]
    if bland or len(found) < 2:
        return found[0] if found else None
    return max(found, key=lambda choice: _order(state, duals, reduced, choice[0]))


def _order(state: _State, duals: Rationals, reduced: Rationals, index: int) -> int:
    """Return the binary order of a price, by which coordinates and rows of different scales compare."""
    size, system = len(state.places), state.system
    if index >= size:
        return int(duals.num[index - size]).bit_length() + system.row_orders[index - size]
    low, high = system.lower[index], system.upper[index]
    width = high - low if low is not None and high is not None else Fraction(1)
    order = width.numerator.bit_length() - width.denominator.bit_length()
    return int(reduced.num[index]).bit_length() + order


def _direction(state: _State, entering: int, sign: int) -> Rationals:
    """Return how the point (n,) moves a unit of the entering coordinate or slack."""
    size = len(state.places)
    move = np.zeros(size, dtype=object)
    if entering < size:
        move[entering] = sign
        right = state.system.matrix[state.active, entering] * -sign
    else:
        right = int_array(-1 if row == entering - size else 0 for row in state.active)
    if not state.basic:
        return Rationals(move)
    solved = linalg.solve(Rationals(state.square()), Rationals(right))
    if solved is None:
        raise InternalError("simplex: the basis became singular")
    return _with(Rationals(move), state.basic, solved).reduced()


def _ratio(
    state: _State, entering: tuple[int, int], direction: Rationals, artificial: int | None
) -> tuple[Fraction, int | None]:
    """Return how far the point can move, and what stops it first (lowest index; the artificial one before all)."""
    system, size = state.system, len(state.places)
    best, leaving = Fraction(0), None
    moving = state.basic if entering[0] >= size else [*state.basic, entering[0]]
    found: list[tuple[Fraction, int]] = []
    for i in moving:
        speed, value = direction.num[i], state.point.item(i)
        bound = system.upper[i] if speed > 0 else system.lower[i] if speed < 0 else None
        if bound is not None:
            found.append(((bound - value) / Fraction(speed, direction.den), i))
    change = system.times(direction.num.reshape(-1, 1))[:, 0]
    change[state.active] = 0
    for row in np.flatnonzero(change > 0).tolist():
        limit = Fraction(state.slack.num[row] * direction.den, change[row] * state.slack.den)
        found.append((limit, size + row))
    for limit, index in found:
        if leaving is None or limit < best or (limit == best and _precedes(index, leaving, artificial)):
            best, leaving = limit, index
    return best, leaving


def _precedes(index: int, other: int, artificial: int | None) -> bool:
    return other != artificial and (index == artificial or index < other)


def _pivot(state: _State, entering: int, leaving: int, direction: Rationals, limit: Fraction) -> None:
    """Move the point and exchange the entering with the leaving coordinate or slack."""
    size = len(state.places)
    if limit:
        state.point = (state.point + direction.scaled(limit)).reduced()
        state.slack = state.system.slack(state.point)
    if leaving < size:
        state.places[leaving] = _UPPER if direction.num[leaving] > 0 else _LOWER
        if leaving == entering:
            return
        if entering < size:
            state.basic[state.basic.index(leaving)] = entering
            state.places[entering] = _BASIC
        else:
            state.basic.remove(leaving)
            state.active.remove(entering - size)
        return
    if entering < size:
        state.basic.append(entering)
        state.active.append(leaving - size)
        state.places[entering] = _BASIC
    else:
        state.active[state.active.index(entering - size)] = leaving - size


def _optimal(state: _State, objective: Rationals, duals: Rationals) -> Optimal:
    value = Fraction(int(objective.num.dot(state.point.num)), objective.den * state.point.den)
    weights = {row: duals.item(row) for row in sorted(state.active) if duals.num[row] > 0}
    return Optimal(value, state.point, weights)


