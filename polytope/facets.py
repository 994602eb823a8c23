"""Minimal H-representations: a verified verdict on every row; floats search, exact numbers decide.

Cheap before dear: comparison of rows, rays along coordinates and through rows, the box of the bounds, float linear
programs with rounded evidence, and the exact simplex method for whatever is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope import rays
from exactbox.polytope.candidates import candidates
from exactbox.polytope.centre import good_centre
from exactbox.polytope.core import core
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import BudgetError, InputError, InternalError
from exactbox.polytope.evidence import Judge, Multipliers, Step, wrong
from exactbox.polytope.farkas import box_implied, round_duals
from exactbox.polytope.floatlp import FloatLP, Guess
from exactbox.polytope.floats import Floats, Ints
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.rows import Rows
from exactbox.polytope.simplex import Basis, Limits, Optimal, optimize
from exactbox.polytope.space import Space, space
from exactbox.polytope.system import System, on_grid
from exactbox.polytope.verdicts import Dropped, Kept, Minimal, Open, Verdict

Progress = Callable[[int, int], None]

_CLEARLY = 1 + 2.0**-30
_STEP_BITS = (8, 16, 32, 64, 128, 256, 512)
_BATCH = 64
_METRICS = (0.0, 1.0, 8.0, 64.0)


def minimal(
    domain: Domain,
    rows: Rows,
    interior: Rationals,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Minimal:
    """Decide for every row of a polytope whether it is a facet, with evidence that is verified before it is returned.

    Args:
        rows: over d coordinates, reduced modulo the domain's equations.
        interior: a point (d,) of the domain strictly inside every row that is not zero on the affine hull.
        progress: called with the number of decided rows and of all rows.
        limits: pivots a row, and a deadline; rows left undecided are ``Open``.

    Raises:
        InputError: ``interior`` is not strictly inside.

    >>> from exactbox.polytope.domain import box
    >>> from exactbox.polytope.rational import int_array
    >>> from exactbox.polytope.rows import RowSource
    >>> cuts = Rows(int_array([1, 1, 1, 1]).reshape(2, 2), int_array([1, 2]), (RowSource("unit", 1),) * 2)
    >>> found = minimal(box([0, 0], [1, 1]), cuts, exact(["0.25", "0.25"]))
    >>> found.facets, found.verdicts[1]
    ((0, 2, 3), Dropped(multipliers={0: Fraction(1, 1)}))
    """
    whole = candidates(domain, rows)
    inside = interior[domain.free]
    if not domain.contains(interior) or not whole.system.strictly_inside(inside):
        raise InputError("minimal: expected an interior point of the domain, strictly inside every row and bound")
    kernel = core(whole)
    centre = good_centre(kernel.system, inside)
    judge = Judge(whole, whole.lift(centre))
    ledger = _Ledger(judge, dict(kernel.settled), progress)
    around = space(kernel, centre)
    _search(around, ledger, limits or Limits())
    verdicts = tuple(ledger.verdicts.get(i, Open("not decided")) for i in range(whole.count))
    if wrong(judge, [kernel.settled.get(i, Open("")) for i in range(whole.count)]):
        raise InternalError("minimal: the comparison of rows went wrong")
    return Minimal(domain, rows, judge.centre, verdicts)


@dataclass(eq=False)
class _Ledger:
    """The verdicts so far; evidence enters only through the judge."""

    judge: Judge
    verdicts: dict[int, Verdict]
    progress: Progress | None

    def keep(self, claims: Mapping[int, Step]) -> None:
        """Record the positions whose step is right."""
        asked = {p: step for p, step in claims.items() if p not in self.verdicts}
        self._record({p: Kept(asked[p]) for p, fine in self.judge.kept(asked).items() if fine})

    def drop(self, claims: Mapping[int, Multipliers]) -> None:
        """Record the positions whose multipliers are right."""
        asked = {p: weights for p, weights in claims.items() if p not in self.verdicts}
        self._record({p: Dropped(asked[p]) for p, fine in self.judge.dropped(asked).items() if fine})

    def leave(self, position: int, reason: str) -> None:
        """Record that a position stays undecided."""
        self._record({position: Open(reason)})

    def _record(self, found: Mapping[int, Verdict]) -> None:
        self.verdicts.update(found)
        if self.progress is not None and found:
            self.progress(len(self.verdicts), self.judge.rows.count)

    def pending(self, around: Space) -> list[int]:
        """List the targets that have no verdict."""
        return [t for t, position in enumerate(around.positions) if position >= 0 and position not in self.verdicts]


def _search(around: Space, ledger: _Ledger, limits: Limits) -> None:
    _coordinate_rays(around, ledger)
    ledger.drop({around.positions[row]: {} for row in box_implied(around.view).tolist()})
    for weight in _METRICS:
        pending = ledger.pending(around)
        if pending:
            functionals = np.stack([around.functional(target) for target in pending], axis=1)
            directions = rays.metric_directions(around.view, functionals, weight)
            _keep_exits(around, ledger, rays.shoot(around.view, directions, around.ceiling))
    if not ledger.pending(around):
        return
    model = _model(around, ledger)
    _programs(around, ledger, model, limits)
    for target in ledger.pending(around):
        if time.monotonic() > limits.deadline:
            ledger.leave(around.positions[target], "the time limit was reached")
        else:
            _ask(around, model, target)
            _decide(around, ledger, target, model.basis(), limits)


def _coordinate_rays(around: Space, ledger: _Ledger) -> None:
    """Leave through each bound along its own coordinate."""
    targets, lengths = rays.coordinate_exits(around.view, around.ceiling)
    rows, size = around.view.matrix.shape
    points = exact(lengths)
    claims: dict[int, Step] = {}
    for k, target in enumerate(targets.tolist()):
        column = (target - rows) % size
        length = Fraction(points.num[k], points.den * around.den) * Fraction(2) ** int(around.view.scale[column])
        position = around.positions[target]
        if position >= 0:
            claims[position] = around.core.candidates.lift_step({around.columns[column]: length})
    ledger.keep(claims)


def _keep_exits(around: Space, ledger: _Ledger, exits: rays.Exits) -> None:
    """Shorten and verify points beyond one row, the first that was found for each pending target."""
    pending = set(ledger.pending(around))
    chosen: dict[int, int] = {}
    for column, target in enumerate(exits.first.tolist()):
        if target in pending and target not in chosen:
            chosen[target] = column
    if not chosen:
        return
    targets = np.array(list(chosen), dtype=np.int64)
    points, good = rays.shorten(around.view, targets, exits.points[:, list(chosen.values())], around.ceiling)
    steps = around.steps(around.view.unscaled(points[:, good]))
    ledger.keep({around.positions[t]: step for t, step in zip(targets[good].tolist(), steps, strict=True)})


def _programs(around: Space, ledger: _Ledger, model: FloatLP, limits: Limits) -> None:
    """Ask the float solver about every pending target, and verify what it says in batches."""
    pending = ledger.pending(around)
    for start in range(0, len(pending), _BATCH):
        if time.monotonic() > limits.deadline:
            return
        above: list[tuple[int, Floats]] = []
        below: list[tuple[int, Floats]] = []
        for target in pending[start : start + _BATCH]:
            guess = _ask(around, model, target)
            if guess is not None and guess.value > around.reach[target] * _CLEARLY:
                above.append((target, guess.point))
            elif guess is not None and around.is_bounded:
                below.append((target, guess.duals))
            elif guess is not None:
                _decide(around, ledger, target, model.basis(), limits)
        if above:
            directions = np.stack([point for _, point in above], axis=1)
            _keep_exits(around, ledger, rays.shoot(around.view, directions, around.ceiling))
        if below:
            _drop_rounded(around, ledger, [t for t, _ in below], np.stack([duals for _, duals in below]))
            _leave_out(around, ledger, model)


def _model(around: Space, ledger: _Ledger) -> FloatLP:
    """Make the float model without the rows that are known to be redundant."""
    model = FloatLP(around.view)
    _leave_out(around, ledger, model)
    return model


def _leave_out(around: Space, ledger: _Ledger, model: FloatLP) -> None:
    """Take the rows out of the float model that are known to be redundant."""
    for row in range(len(around.view.slack)):
        if isinstance(ledger.verdicts.get(around.positions[row]), Dropped):
            model.row(row, np.inf)


def _ask(around: Space, model: FloatLP, target: int) -> Guess | None:
    """Maximise a target's functional with the target itself pushed outwards."""
    view, rows, size = around.view, len(around.view.slack), len(around.columns)
    if target < rows:
        model.row(target, 2 * view.slack[target] + 1)
        guess = model.maximize(view.matrix[target])
        model.row(target, view.slack[target])
        return guess
    i = (target - rows) % size
    upper = target < rows + size
    model.bounds(i, view.low[i] * (1 if upper else 2), view.high[i] * (2 if upper else 1))
    guess = model.maximize(around.functional(target))
    model.bounds(i, view.low[i], view.high[i])
    return guess


def _drop_rounded(around: Space, ledger: _Ledger, targets: Sequence[int], duals: Floats) -> None:
    """Round duals, write them as multipliers and let the judge decide."""
    functionals = np.stack([around.functional(target) for target in targets])
    rounded, good = round_duals(around.view, functionals, around.reach[list(targets)], duals)
    ledger.drop({
        around.positions[target]: around.multipliers(target, _weights(around, target, rounded[k]))
        for k, target in enumerate(targets) if good[k]
    })


def _weights(around: Space, target: int, duals: Floats) -> dict[int, Fraction]:
    """Turn duals of scaled rows into exact multipliers of the system's rows."""
    where = np.flatnonzero(duals)
    values = exact(duals[where]).fractions()
    exponents: Ints = around.exponents[target] - around.view.row_scale[where]
    return {
        row: value * Fraction(2) ** exponent
        for row, value, exponent in zip(where.tolist(), values, exponents.tolist(), strict=True)
    }


def _decide(around: Space, ledger: _Ledger, target: int, basis: Basis, limits: Limits) -> None:
    """Decide one target by the exact simplex method, starting from the float solver's basis."""
    system, goal = _pushed(around, target), around.distance(target)
    position = around.positions[target]
    try:
        outcome = optimize(system, Rationals(around.exact_functional(target)), basis, limits)
    except BudgetError as error:
        ledger.leave(position, str(error))
        return
    if not isinstance(outcome, Optimal):
        raise InternalError("minimal: a bounded and feasible linear program has no optimum")
    if outcome.value <= goal:
        ledger.drop({position: around.multipliers(target, outcome.multipliers)})
    else:
        middle = (goal + min(outcome.value, around.limit(target))) / 2
        _keep_shortened(around, ledger, position, outcome.point.scaled(middle / outcome.value))
    if position not in ledger.verdicts:
        raise InternalError("minimal: evidence from an exact optimum was refused")


def _pushed(around: Space, target: int) -> System:
    """Return the system with a target pushed to twice its distance from the centre."""
    system, rows, size = around.system, len(around.system.rhs), len(around.columns)
    if target < rows:
        rhs = system.rhs.copy()
        rhs[target] *= 2
        return system.changed(rhs)
    i = (target - rows) % size
    lower, upper = list(system.lower), list(system.upper)
    if target < rows + size:
        upper[i] = 2 * around.distance(target)
    else:
        lower[i] = -2 * around.distance(target)
    return system.changed(lower=lower, upper=upper)


def _keep_shortened(around: Space, ledger: _Ledger, position: int, point: Rationals) -> None:
    """Verify a point, rounded to as few bits as prove the same."""
    scaled = zip(point.num.tolist(), around.view.scale.tolist(), strict=True)
    top = max((abs(v).bit_length() - point.den.bit_length() - e for v, e in scaled if v), default=0)
    for bits in _STEP_BITS:
        grid = [int(e) + top - bits for e in around.view.scale]
        ledger.keep({position: around.steps(on_grid(point, grid).reshape(-1, 1))[0]})
        if position in ledger.verdicts:
            return
    ledger.keep({position: around.steps(point.reshape(-1, 1))[0]})
