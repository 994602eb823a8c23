"""An independent opinion on a minimal H-representation: cvxpy with another solver looks at it in floating point.

It never changes a verdict. It compares each verdict with a linear program of its own: a dropped row must not cut the
facets' polytope, a kept row must be exceeded by as much as its exact evidence shows.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np

from exactbox.polytope.candidates import candidates
from exactbox.polytope.errors import InputError
from exactbox.polytope.floats import Floats, uniform_view
from exactbox.polytope.geometry import chebyshev
from exactbox.polytope.quiet import silenced
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.verdicts import Dropped, Kept, Minimal
from exactbox.polytope.wording import counted

Stance = Literal["agrees", "disagrees", "too thin to tell"]

TOLERANCE = 2.0**-18
"""What the solver's answers are compared with, after distances are scaled to be near 1; its own accuracy is 2**-26."""

_SEED = 0
_CAP = 2.0**10


@dataclass(frozen=True)
class Opinion:
    """What a second solver says about the facets.

    Args:
        stance: "agrees", "disagrees" or "too thin to tell".
        verdict: the stance in words, with the row where it disagrees.
        row: the position at which it disagrees, if at a row.
        rows_checked: how many rows it looked at: all, or a sample that its time allowed.
        rows_unclear: how many of these were too close to call.
        rows_total: how many rows carry a verdict of kept or dropped.
        radius: its largest ball's radius, over the free coordinates of the domain; None where it found none.
        radius_capped: whether it was not asked for a larger ball.
        exact_radius: the radius of a ball that is inside for certain, rounded.
        exact_limit: no ball is larger for certain, rounded; None where that is not known.
        centre: its ball's centre over all d coordinates, rounded.
        largest_gap: the largest excess of a dropped row that it found, as a distance; negative is clear agreement.
        seconds: the time that it took.
        solver: the solver's name.
    """

    stance: Stance
    verdict: str
    row: int | None
    rows_checked: int
    rows_unclear: int
    rows_total: int
    radius: float | None
    radius_capped: bool
    exact_radius: float | None
    exact_limit: float | None
    centre: tuple[float, ...]
    largest_gap: float | None
    seconds: float
    solver: str

    @property
    def agrees(self) -> bool:
        """Whether the solver confirms what it looked at."""
        return self.stance == "agrees"

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return asdict(self) | {"centre": list(self.centre)}


@dataclass(frozen=True, eq=False)
class _Normal:
    """Half-spaces ``normals @ w <= reach`` with unit normals, around an exact point, in multiples of ``unit``.

    Args:
        base: the point (d,).
        positions: the candidate of each half-space.
        general: whether it is a general row and no bound.
        excess: by how much, as a distance, each kept row is exceeded at its evidence.
        radius: the radius of a ball inside.
        limit: the largest ball's radius is at most this; inf where that is not known.
    """

    base: Rationals
    normals: Floats
    reach: Floats
    positions: tuple[int, ...]
    general: tuple[bool, ...]
    unit: float
    excess: dict[int, float]
    radius: float
    limit: float


def opinion(polytope: Minimal, *, seconds: float = 5.0, solver: str = "CLARABEL") -> Opinion:
    """Ask another solver about emptiness, the largest ball and the rows of a minimal H-representation.

    Args:
        polytope: rows with verdicts; open, free and coincident rows are left out.
        seconds: the budget; beyond it the rows looked at are a sample, general rows first, in a fixed random order.
        solver: a solver that cvxpy knows and that is installed.

    Raises:
        InputError: cvxpy has no such solver.
    """
    start = time.monotonic()
    normal = _normalised(polytope)
    total = len(normal.positions)
    if not total:
        words, spent = "agrees: there is no row to look at", time.monotonic() - start
        centre = tuple(polytope.centre.to_float().tolist())
        return Opinion("agrees", words, None, 0, 0, 0, None, False, None, None, centre, None, spent, solver)
    programs = _Programs(polytope, normal, solver)
    radius, offset = programs.ball()
    rows = _Rows()
    shuffled = np.random.default_rng(_SEED).permutation(total).tolist()
    for target in sorted(shuffled, key=lambda k: not normal.general[k]):
        if time.monotonic() - start > seconds:
            break
        rows.judge(polytope, normal, target, programs.row(target))
    stance, words, row = _stance(rows, radius, normal)
    unit = normal.unit
    return Opinion(
        stance, words, row, rows.checked, rows.unclear, total,
        None if radius is None else radius * unit, radius is not None and radius > _CAP * (1 - TOLERANCE),
        normal.radius * unit, None if np.isinf(normal.limit) else normal.limit * unit,
        _floats(polytope, normal.base, offset * unit), None if rows.gap is None else rows.gap * unit,
        time.monotonic() - start, solver,
    )


def solvers() -> Any:
    """Load cvxpy, which takes a second, and all solvers that it finds."""
    with silenced():
        return import_module("cvxpy")


class _Rows:
    """Counts what the linear programs of the rows said."""

    def __init__(self) -> None:
        self.checked = self.unclear = 0
        self.gap: float | None = None
        self.against: int | None = None

    def judge(self, polytope: Minimal, normal: _Normal, target: int, value: float | None) -> None:
        """Compare the maximum of a row's functional with the row's verdict."""
        position = normal.positions[target]
        self.checked += 1
        if value is None:
            self.unclear += 1
            return
        beyond = value - float(normal.reach[target])
        if isinstance(polytope.verdicts[position], Dropped):
            self.gap = beyond if self.gap is None else max(self.gap, beyond)
            wrong = beyond > TOLERANCE * (1 + abs(value))
        else:
            shown = min(normal.excess[position], 1.0)
            wrong = beyond < shown - TOLERANCE * (1 + abs(value))
            self.unclear += shown <= TOLERANCE * (1 + abs(value)) and not wrong
        if wrong and self.against is None:
            self.against = position


def _stance(rows: _Rows, radius: float | None, normal: _Normal) -> tuple[Stance, str, int | None]:
    """Put the figures into words."""
    stance = _stance_of_rows(rows, radius, normal)
    thin = normal.radius < TOLERANCE * max(1.0, float(normal.reach.max()))
    if normal.radius < TOLERANCE or (thin and stance[0] == "disagrees"):
        return "too thin to tell", "too thin to tell", None
    return stance


def _stance_of_rows(rows: _Rows, radius: float | None, normal: _Normal) -> tuple[Stance, str, int | None]:
    if rows.unclear and rows.unclear == rows.checked:
        return "too thin to tell", "too thin to tell", None
    if rows.against is not None:
        return "disagrees", f"disagrees at row {rows.against}", rows.against
    if radius is None:
        return "disagrees", "disagrees: it finds no interior point", None
    slack = TOLERANCE * (1 + radius)
    if not min(normal.radius, _CAP) - slack <= radius <= normal.limit + slack:
        return "disagrees", "disagrees: its largest ball contradicts the exact bounds of the radius", None
    total = len(normal.positions)
    extent = "all rows" if rows.checked == total else f"a sample of {rows.checked} of {counted(total, 'row')}"
    unclear = f", {rows.unclear} of them too close to call" if rows.unclear else ""
    return "agrees", f"agrees on {extent}{unclear}", None


@np.errstate(all="ignore")
def _normalised(polytope: Minimal) -> _Normal:
    """Write the kept and dropped rows with unit normals, around the centre of the largest ball where there is one."""
    whole = candidates(polytope.domain, polytope.given)
    ball = _bounded_ball(polytope)
    base = polytope.centre if ball is None else ball.centre
    view = uniform_view(whole.system, base[polytope.domain.free], 0)
    chosen = [i for i, v in enumerate(polytope.verdicts) if isinstance(v, Kept | Dropped)]
    lengths = np.sqrt((view.matrix**2).sum(axis=1))
    normals, reach = np.zeros((len(chosen), len(whole.low))), np.zeros(len(chosen))
    for k, position in enumerate(chosen):
        row = whole.by_position.get(position)
        if row is not None:
            normals[k], reach[k] = view.matrix[row] / lengths[row], view.slack[row] / lengths[row]
        else:
            axis = whole.keys[position].axis
            normals[k, abs(axis) - 1] = 1.0 if axis > 0 else -1.0
            reach[k] = view.high[axis - 1] if axis > 0 else -view.low[-axis - 1]
    middle = float(np.median(reach)) if len(reach) else 1.0
    unit = float(np.exp2(np.floor(np.log2(middle)))) if 0 < middle < np.inf else 1.0
    shift = (polytope.centre - base).to_float()[polytope.domain.free]
    radius = float(reach.min(initial=np.inf)) if ball is None else ball.radius
    limit = np.inf if ball is None else ball.limit
    return _Normal(
        base, normals, reach / unit, tuple(chosen), tuple(position in whole.by_position for position in chosen), unit,
        _excesses(polytope, chosen, normals, normals @ shift - reach, unit), radius / unit, limit / unit,
    )


@dataclass(frozen=True, eq=False)
class _Ball:
    centre: Rationals
    radius: float
    limit: float


def _bounded_ball(polytope: Minimal) -> _Ball | None:
    """Return the exact largest ball, None where balls grow without end or lengths are skew."""
    if not polytope.facets or not polytope.domain.is_axis_aligned:
        return None
    ball = chebyshev(polytope)
    return None if ball.limit is None else _Ball(ball.centre, float(ball.radius), float(ball.limit))


def _excesses(
    polytope: Minimal, chosen: Sequence[int], normals: Floats, at_centre: Floats, unit: float
) -> dict[int, float]:
    """Return by how much, as a scaled distance, each kept row is exceeded at its evidence."""
    free = {int(i): k for k, i in enumerate(polytope.domain.free)}
    found: dict[int, float] = {}
    for k, position in enumerate(chosen):
        verdict = polytope.verdicts[position]
        if isinstance(verdict, Kept):
            moved = sum(float(normals[k, free[i]]) * float(v) for i, v in verdict.step.items() if i in free)
            found[position] = (moved + float(at_centre[k])) / unit
    return found


class _Programs:
    """The two cvxpy problems: the ball, and the maximum of one functional after another."""

    def __init__(self, polytope: Minimal, normal: _Normal, solver: str) -> None:
        from scipy import sparse

        self._cvxpy: Any = solvers()
        installed = self._cvxpy.installed_solvers()
        if solver not in installed:
            raise InputError(f"solver: expected one of {', '.join(installed)}, got {solver!r}")
        self._solver, self._normal = solver, normal
        self._kept = [k for k, p in enumerate(normal.positions) if isinstance(polytope.verdicts[p], Kept)]
        self._facets = sparse.csr_array(normal.normals[self._kept])
        size = normal.normals.shape[1]
        self._point, self._objective = self._cvxpy.Variable(size), self._cvxpy.Parameter(size)
        self._limits, self._end = self._cvxpy.Parameter(len(self._kept)), self._cvxpy.Parameter()
        value = self._objective @ self._point
        rows = [value <= self._end, *([self._facets @ self._point <= self._limits] if self._kept else [])]
        self._problem = self._cvxpy.Problem(self._cvxpy.Maximize(value), rows)

    def ball(self) -> tuple[float | None, Floats]:
        """Return the largest ball's radius and centre (n,) in scaled units."""
        radius = self._cvxpy.Variable()
        rows = [radius <= _CAP, radius >= 0]
        if self._kept:
            rows.append(self._facets @ self._point + radius <= self._normal.reach[self._kept])
        problem = self._cvxpy.Problem(self._cvxpy.Maximize(radius), rows)
        if not self._solved(problem, also_inaccurate=True):
            return None, np.zeros(self._normal.normals.shape[1])
        return float(radius.value), np.nan_to_num(np.asarray(self._point.value, dtype=np.float64).reshape(-1))

    def row(self, target: int) -> float | None:
        """Maximise a row's functional over the other facets, up to 1 beyond the row; None where that fails."""
        limits = self._normal.reach[self._kept].copy()
        limits[[k for k, kept in enumerate(self._kept) if kept == target]] += 2.0
        self._limits.value, self._objective.value = limits, self._normal.normals[target]
        self._end.value = float(self._normal.reach[target]) + 1.0
        return float(self._problem.value) if self._solved(self._problem, also_inaccurate=False) else None

    def _solved(self, problem: Any, also_inaccurate: bool) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                problem.solve(solver=self._solver)
            except self._cvxpy.error.SolverError:
                return False
        fine = {self._cvxpy.OPTIMAL} | ({self._cvxpy.OPTIMAL_INACCURATE} if also_inaccurate else set())
        return problem.status in fine


def _floats(polytope: Minimal, base: Rationals, offset: Floats) -> tuple[float, ...]:
    """Return a point (d,), moved by an offset of the free coordinates, as floats."""
    domain = polytope.domain
    moved = base[domain.free] + exact(offset)
    return tuple(candidates(domain, polytope.given).lift(moved).to_float().tolist())
