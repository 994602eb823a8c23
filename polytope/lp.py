"""Linear programs over a domain and rows, decided exactly: floats guess a basis, exact arithmetic decides."""

from __future__ import annotations

from fractions import Fraction

from exactbox.polytope.candidates import Candidates, candidates
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.floatlp import FloatLP
from exactbox.polytope.floats import float_view, scaled_functional
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rows import Rows
from exactbox.polytope.simplex import Basis, Infeasible, Limits, Optimal, Outcome, Unbounded, optimize
from exactbox.polytope.system import System


def maximize(domain: Domain, rows: Rows, objective: Rationals, limits: Limits | None = None) -> Outcome:
    """Maximise ``objective . y`` over the points of a domain that satisfy the rows, exactly.

    Args:
        rows: over d coordinates, reduced modulo the domain's equations.
        objective: shape (d,).
        limits: when to give up.

    Returns:
        ``Optimal``, ``Unbounded`` or ``Infeasible``, over the d coordinates. Multipliers are by position in candidate
        order (see ``verdicts``): on general rows and on bounds of pivot coordinates; the other bounds absorb what
        they leave over, so that ``sum_j y_j b_j + sum_i max(r_i l_i, r_i u_i)`` is the optimal value, or negative
        where the rows are infeasible.

    Raises:
        BudgetError: the limits were reached.

    >>> from exactbox.polytope.domain import box
    >>> from exactbox.polytope.rational import exact, int_array
    >>> from exactbox.polytope.rows import RowSource
    >>> cut = Rows(int_array([1, 1]).reshape(1, 2), int_array([1]), (RowSource("domain", 0),))
    >>> outcome = maximize(box([0, 0], [1, 1]), cut, exact([1, 2]))
    >>> str(outcome.value), [str(v) for v in outcome.point.fractions()], outcome.multipliers
    ('2', ['0', '1'], {0: Fraction(1, 1)})
    """
    if objective.shape != (domain.size,):
        raise InputError(f"objective: expected shape ({domain.size},), got {objective.shape}")
    whole = candidates(domain, rows)
    gradient, constant = domain.reduce(objective.reshape(1, -1), Rationals(objective.num[:1] * 0))
    cost = gradient[0][domain.free]
    outcome = optimize(whole.system, cost, guess_basis(whole.system, cost, domain.witness[domain.free]), limits)
    match outcome:
        case Optimal(value, point, multipliers):
            return Optimal(value + constant.item(0), whole.lift(point), _named(whole, multipliers))
        case Unbounded(point, ray):
            return Unbounded(whole.lift(point), whole.lift_direction(ray))
        case Infeasible(multipliers):
            return Infeasible(_named(whole, multipliers))


def guess_basis(system: System, objective: Rationals, near: Rationals) -> Basis:
    """Ask the float solver for the basis that it ends with.

    Args:
        objective: shape (n,).
        near: a point (n,) to shift the coordinates to; it need not satisfy the rows.
    """
    if not all(system.shape):
        return Basis(at_upper=frozenset(i for i, value in enumerate(objective.num.tolist()) if value > 0))
    view = float_view(system, near)
    solver = FloatLP(view)
    solver.maximize(scaled_functional(objective.num, view.scale))
    return solver.basis()


def _named(whole: Candidates, multipliers: dict[int, Fraction]) -> dict[int, Fraction]:
    return {whole.general[row]: weight * whole.factors[row] for row, weight in multipliers.items()}
