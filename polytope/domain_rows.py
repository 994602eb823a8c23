"""Domains from any rational H-polytope: implicit equations, an interior witness, or a proof that it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exactbox.polytope import linalg
from exactbox.polytope.candidates import Candidates, candidates
from exactbox.polytope.centre import good_centre
from exactbox.polytope.domain import Bound, Domain, Given, between, bounds, no_rows, show
from exactbox.polytope.errors import InputError, InternalError
from exactbox.polytope.floats import bit_lengths
from exactbox.polytope.lp import guess_basis
from exactbox.polytope.rational import Rationals, concatenate, exact, from_fractions, zeros
from exactbox.polytope.rows import RowSource, integer_rows
from exactbox.polytope.simplex import Infeasible, Limits, Optimal, optimize
from exactbox.polytope.system import Mask, System

_NAMED = 8


def domain_from_rows(
    lower: object,
    upper: object,
    matrix: object,
    rhs: object,
    eq_matrix: object | None = None,
    eq_rhs: object | None = None,
    limits: Limits | None = None,
) -> Domain:
    """Return the domain of all y with ``lower <= y <= upper``, ``matrix @ y <= rhs`` and ``eq_matrix @ y = eq_rhs``.

    Rows and bounds that hold with equality on the whole polytope become equations; ``Domain.given`` keeps what was
    given and the multipliers that prove it.

    Args:
        lower: d bounds, None (or infinite) where there is none.
        upper: d bounds, likewise.
        matrix: shape (m, d), exact numbers.
        rhs: shape (m,).
        eq_matrix: shape (e, d), or None.
        eq_rhs: shape (e,), or None.
        limits: when to give up.

    Raises:
        InputError: shapes do not fit, or the polytope is empty; the message names rows that contradict each other.
        BudgetError: the limits were reached.

    >>> strip = domain_from_rows([0, 0], [None, None], [[1, 1], [-1, -1]], [1, -1])
    >>> strip.dimension, [(s.kind, s.index, str(w)) for s, w in strip.given.implicit]
    (1, [('domain', 0, '1/2'), ('domain', 1, '1/2')])
    """
    given = _read(bounds(lower), bounds(upper), exact(matrix), exact(rhs), eq_matrix, eq_rhs)
    draft = _draft(given)
    whole = candidates(draft, no_rows(draft.size))
    found = _relative_interior(whole, limits)
    return _finish(whole, given, found)


@dataclass(frozen=True, eq=False)
class _Interior:
    """A point (n,) in the relative interior, and multipliers by position that prove the implicit equations."""

    point: Rationals
    implicit: dict[int, Fraction]


def _read(
    lower: tuple[Bound, ...], upper: tuple[Bound, ...], matrix: Rationals, rhs: Rationals,
    eq_matrix: object | None, eq_rhs: object | None,
) -> Given:
    size = len(lower)
    if len(upper) != size:
        raise InputError(f"domain: {size} lower bounds but {len(upper)} upper bounds")
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if low is not None and high is not None and low > high:
            raise InputError(f"domain: coordinate {i} is empty, its lower bound {show(low)} exceeds {show(high)}")
    left = _table(matrix, rhs, size, "row")
    none: list[object] = []
    equal_left, equal_right = none if eq_matrix is None else eq_matrix, none if eq_rhs is None else eq_rhs
    equal = _table(exact(equal_left), exact(equal_right), size, "equation")
    sources = tuple(RowSource("domain", i) for i in range(len(rhs)))
    return Given(lower, upper, integer_rows(left[:, :-1], left[:, -1], sources), equal, ())


def _table(matrix: Rationals, rhs: Rationals, size: int, name: str) -> Rationals:
    """Join coefficients and right-hand sides to one array (m, d+1)."""
    if not rhs.size and not matrix.size:
        return zeros(0, size + 1)
    if rhs.shape != (len(matrix.num),) or matrix.shape != (len(rhs), size):
        raise InputError(f"domain: expected {name}s of shape (m, {size}) and (m,), got {matrix.shape} and {rhs.shape}")
    den = matrix.den * rhs.den
    return Rationals(np.concatenate([matrix.over(den), rhs.over(den).reshape(-1, 1)], axis=1), den)


def _draft(given: Given) -> Domain:
    """Return the domain with the explicit equations only; its witness means nothing."""
    size = len(given.lower)
    fixed = [i for i, (a, b) in enumerate(zip(given.lower, given.upper, strict=True)) if a is not None and a == b]
    form = _equations(concatenate([given.equations, _fixings(size, {i: given.lower[i] or Fraction(0) for i in fixed})]))
    if form is None:
        names = [f"equation {i}" for i in range(len(given.equations))] + [f"the fixed coordinate {i}" for i in fixed]
        raise InputError(f"domain: empty, these contradict each other: {_listed(names)}")
    lower, upper = _tightened(given.lower, given.upper, form)
    return Domain(lower, upper, given.rows, form, zeros(size), given)


def _fixings(size: int, values: dict[int, Fraction]) -> Rationals:
    """Return the equations ``y_i = value`` as rows (k, d+1)."""
    table = np.zeros((len(values), size + 1), dtype=object)
    right = from_fractions(values.values())
    for k, i in enumerate(values):
        table[k, i] = right.den
        table[k, size] = right.num[k]
    return Rationals(table, right.den)


def _equations(table: Rationals) -> Rationals | None:
    """Return the reduced row-echelon form of equations, or None where they contradict each other."""
    if not len(table):
        return table
    form, pivots = linalg.row_reduce(table)
    return None if table.shape[1] - 1 in pivots else form


def _tightened(
    lower: tuple[Bound, ...], upper: tuple[Bound, ...], equations: Rationals
) -> tuple[tuple[Bound, ...], tuple[Bound, ...]]:
    """Set both bounds of every coordinate that an equation fixes to its value."""
    low, high = list(lower), list(upper)
    for row in equations.num:
        where = np.flatnonzero(row[:-1])
        if len(where) == 1:
            i, value = int(where[0]), Fraction(row[-1], row[where[0]])
            if not _within(value, lower[i], upper[i]):
                raise InputError(f"domain: empty, equations put coordinate {i} at {show(value)}, outside its bounds")
            low[i] = high[i] = value
    return tuple(low), tuple(high)


def _within(value: Fraction, low: Bound, high: Bound) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


@dataclass(frozen=True, eq=False)
class _Loose:
    """The rows and bounds that no point so far satisfies strictly, as masks over rows and coordinates."""

    rows: Mask
    low: Mask
    high: Mask

    @property
    def count(self) -> int:
        return int(self.rows.sum() + self.low.sum() + self.high.sum())

    def after(self, system: System, point: Rationals) -> _Loose:
        """Leave out what a point (n,) satisfies strictly."""
        return _Loose(
            self.rows & ~(system.slack(point).num > 0),
            self.low & ~((point - system.lows).num > 0),
            self.high & ~((system.highs - point).num > 0),
        )

    def weights(self, system: System) -> Rationals:
        """Return a positive weight for each loose row (m,), 0 for the others: the inverse of its order of magnitude."""
        orders = bit_lengths(system.matrix).max(axis=1, initial=0).tolist()
        return from_fractions([Fraction(int(on), 1 << max(o, 0)) for on, o in zip(self.rows, orders, strict=True)])

    def objective(self, system: System) -> Rationals:
        """Return the gradient (n,) of the weighted sum of the slacks; bounds have weight 1."""
        weights = self.weights(system)
        rows = Rationals(-system.combine(weights.num.reshape(1, -1))[0], weights.den)
        return rows + Rationals(self.low.astype(int).astype(object) - self.high.astype(int).astype(object))


def _relative_interior(whole: Candidates, limits: Limits | None) -> _Interior:
    """Find a point that is strict in every row which is not an implicit equation, and prove those equations.

    While rows are left that no point so far satisfies strictly, the sum of their slacks is maximised. The next point is
    strict in one of them at least; or the maximum is 0, and the dual multipliers prove all of them equations at once
    (strict complementarity: Goldman and Tucker, Theory of linear programming, 1956).
    """
    system, middle = whole.system, _middle(whole.system)
    if system.strictly_inside(middle):
        return _Interior(middle, {})
    points: list[Rationals] = []
    loose = _Loose(system.nonzero, system.has_lower, system.has_upper)
    while True:
        objective = loose.objective(system)
        outcome = optimize(system, objective, guess_basis(system, objective, middle), limits)
        if isinstance(outcome, Infeasible):
            raise InputError(_contradiction(whole, outcome.multipliers))
        point = outcome.point if isinstance(outcome, Optimal) else outcome.point + outcome.ray
        points.append(point)
        rest = loose.after(system, point)
        if isinstance(outcome, Optimal) and rest.count == loose.count:
            return _Interior(_average(points), _proof(whole, loose, outcome.multipliers))
        if not rest.count:
            return _Interior(_average(points), {})
        loose = rest


def _middle(system: System) -> Rationals:
    """Return a point strictly inside the bounds, simple numbers where possible."""
    return from_fractions([between(low, high) for low, high in zip(system.lower, system.upper, strict=True)])


def _average(points: Sequence[Rationals]) -> Rationals:
    total = points[0]
    for point in points[1:]:
        total = total + point
    return total.scaled(Fraction(1, len(points))).reduced()


def _proof(whole: Candidates, loose: _Loose, multipliers: Mapping[int, Fraction]) -> dict[int, Fraction]:
    """Return positive multipliers by position under which all loose rows add up to ``0 <= 0``."""
    if not loose.count:
        return {}
    system = whole.system
    rows = {j: Fraction(w) for j, w in enumerate(loose.weights(system).fractions()) if w}
    for j, weight in multipliers.items():
        rows[j] = rows.get(j, Fraction(0)) + weight
    proof = {whole.general[j]: weight * whole.factors[j] for j, weight in rows.items()}
    for i, (low, high) in enumerate(zip(whole.low.tolist(), whole.high.tolist(), strict=True)):
        on_low, on_high = Fraction(int(loose.low[i])), Fraction(int(loose.high[i]))
        left = on_low - on_high - sum((w * int(system.matrix[j, i]) for j, w in rows.items()), Fraction(0))
        shares = {high: on_high + max(left, Fraction(0)), low: on_low + max(-left, Fraction(0))}
        proof.update({position: weight for position, weight in shares.items() if weight})
    return dict(sorted(proof.items()))


def _contradiction(whole: Candidates, multipliers: Mapping[int, Fraction]) -> str:
    """Name the rows and bounds that contradict each other."""
    system = whole.system
    names = [_name(whole.sources[whole.general[j]]) for j in multipliers]
    for i in range(len(whole.low)):
        left = -sum((w * int(system.matrix[j, i]) for j, w in multipliers.items()), Fraction(0))
        if left:
            names.append(_name(whole.sources[int((whole.high if left > 0 else whole.low)[i])]))
    given = " (given the equations)" if len(whole.domain.equalities) else ""
    return f"domain: empty, these contradict each other{given}: {_listed(names)}"


def _name(source: RowSource) -> str:
    return f"row {source.index}" if source.kind == "domain" else f"the {source.kind} bound of coordinate {source.index}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _finish(whole: Candidates, given: Given, found: _Interior) -> Domain:
    """Turn the implicit equations into equations, and shorten the witness."""
    draft, size = whole.domain, whole.domain.size
    named = tuple((whole.sources[position], weight) for position, weight in found.implicit.items())
    rows = [s.index for s, _ in named if s.kind == "domain"]
    joined = concatenate([
        draft.equalities,
        Rationals(np.concatenate([given.rows.matrix[rows], given.rows.rhs[rows].reshape(-1, 1)], axis=1)),
        _fixings(size, {s.index: value for s, _ in named if (value := _bound(draft, s)) is not None}),
    ])
    form = _equations(joined)
    if form is None:
        raise InternalError("domain: proved equations contradict each other")
    lower, upper = _tightened(draft.lower, draft.upper, form)
    kept = given.rows.subset([i for i in range(len(given.rows)) if i not in set(rows)])
    witness = whole.lift(found.point)
    domain = Domain(lower, upper, kept, form, witness, replace(given, implicit=named))
    gradient, constant = domain.reduce(Rationals(kept.matrix), Rationals(-kept.rhs))
    domain = replace(domain, rows=integer_rows(gradient, -constant, kept.sources))
    final = candidates(domain, no_rows(size))
    return replace(domain, witness=final.lift(good_centre(final.system, witness[domain.free])))


def _bound(domain: Domain, source: RowSource) -> Bound:
    """Return the value of the bound that a source names, None for a general row."""
    return {"lower": domain.lower, "upper": domain.upper}.get(source.kind, (None,) * domain.size)[
        source.index if source.kind != "domain" else 0
    ]


def verify_given(domain: Domain) -> bool:
    """Decide whether the multipliers kept in ``domain.given`` prove the domain's equations.

    The combination of the named rows and bounds must vanish modulo the explicit equations, on both sides; each of them
    then holds with equality. Together with the explicit equations they must span the domain's equations.
    """
    given = domain.given
    if given is None:
        return True
    draft = _draft(given)
    gradient, constant = zeros(1, domain.size), zeros(1)
    spanned = [draft.equalities]
    for source, weight in given.implicit:
        row, right = _given_row(given, source)
        if weight <= 0:
            return False
        gradient, constant = gradient + row.reshape(1, -1).scaled(weight), constant - right.scaled(weight)
        spanned.append(concatenate([row, right]).reshape(1, -1))
    left, rest = draft.reduce(gradient, constant)
    form = _equations(concatenate(spanned))
    sound = not np.any(left.num) and not np.any(rest.num)
    return sound and form is not None and form.equals(domain.equalities)


def _given_row(given: Given, source: RowSource) -> tuple[Rationals, Rationals]:
    """Return a given row or bound as a gradient (d,) and a right-hand side (1,)."""
    if source.kind == "domain":
        return Rationals(given.rows.matrix[source.index]), Rationals(given.rows.rhs[[source.index]])
    sign, side = (-1, given.lower) if source.kind == "lower" else (1, given.upper)
    gradient = zeros(len(given.lower)).num.copy()
    gradient[source.index] = sign
    return Rationals(gradient), from_fractions([sign * (side[source.index] or Fraction(0))])
