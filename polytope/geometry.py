"""Measures of a polytope whose facets are known: ball, bounding box, vertices and volume."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from exactbox.polytope.candidates import Candidates, candidates
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.floatlp import FloatLP
from exactbox.polytope.floats import Floats, FloatView, float_view, scaled_functional, uniform_view
from exactbox.polytope.rational import Rationals, exact, from_fractions, int_array, zeros
from exactbox.polytope.simplex import Limits, Optimal, Unbounded, optimize
from exactbox.polytope.system import Bound, System, on_grid
from exactbox.polytope.verdicts import Kept, Minimal

MAX_DIMENSION = 3
_ROOT_BITS = 64
_CENTRE_BITS = 20
_CAP = 2.0**30
_CLOSE = 1 + Fraction(1, 1 << 10)
_SMALL = 4000


@dataclass(frozen=True, eq=False)
class Ball:
    """A large ball inside a polytope, measured within the domain's affine hull.

    Args:
        centre: shape (d,).
        radius: the ball of this radius around the centre lies inside, certainly.
        limit: certainly no ball inside is larger; None where there is no such proof, as when balls grow without end.
    """

    centre: Rationals
    radius: Fraction
    limit: Fraction | None


@np.errstate(all="ignore")
def chebyshev(polytope: Minimal) -> Ball:
    """Return a ball inside a polytope that is nearly the largest, and a certain bound of the largest radius.

    Floats choose the centre; its radius is computed exactly up to a square root that is rounded down, and float duals,
    read as exact numbers, prove the limit. Where that leaves a gap and the polytope is small, an exact linear program
    closes it.

    Raises:
        InputError: the polytope has no facet or is a point, or the domain has equations other than zero-width
            coordinates, so that lengths in its affine hull are not those of its free coordinates.

    >>> from exactbox.polytope.domain import box, no_rows
    >>> from exactbox.polytope.facets import minimal
    >>> ball = chebyshev(minimal(box([0, 0], [2, 8]), no_rows(2), exact([1, 1])))
    >>> str(ball.radius), str(ball.limit)
    ('1', '1')
    """
    whole = _measurable(polytope)
    inside = polytope.centre[polytope.domain.free]
    square = _squared_radius(whole.system, inside)
    if square is None:
        raise InputError("ball: the polytope has no facet, so there is no largest ball")
    exponent = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    view = uniform_view(whole.system, inside, exponent)
    norms = np.sqrt((view.matrix**2).sum(axis=1))
    model = FloatLP(_ball_program(view, norms))
    guess = model.maximize(np.append(np.zeros(len(view.low)), 1.0))
    centre, best, limit = inside, square, None
    if guess is not None:
        moved = on_grid(view.unscaled(guess.point[:-1]), [exponent - _CENTRE_BITS] * len(view.low)) + inside
        better = _squared_radius(whole.system, moved) if whole.system.strictly_inside(moved) else None
        centre, best = (moved, better) if better is not None and better > square else (inside, square)
        duals = np.maximum(guess.duals, 0.0)
        duals[: len(norms)] /= np.where(norms > 0, norms, 1.0)
        limit = _radius_limit(whole.system, _raw_duals(view, duals))
    ball = Ball(whole.lift(centre), _root(best), limit)
    if limit is not None and limit <= ball.radius * _CLOSE:
        return ball
    return _exact_ball(whole) or ball


def _exact_ball(whole: Candidates) -> Ball | None:
    """Solve the ball's linear program with norms rounded up; None where it is large, or balls grow without end.

    A norm of at least 1 is rounded by less than 2**-64 of it, so the largest radius exceeds the optimum by no more.
    """
    system, size = whole.system, len(whole.low)
    if (system.shape[0] + 2 * size) * (size + 1) > _SMALL:
        return None
    rows: list[list[int]] = []
    for row, bound in zip(system.matrix.tolist(), system.rhs.tolist(), strict=True):
        length = math.isqrt(sum(a * a for a in row) << (2 * _ROOT_BITS)) + 1 if any(row) else 0
        rows.append([*(a << _ROOT_BITS for a in row), length, bound << _ROOT_BITS])
    for i, pair in enumerate(zip(system.lower, system.upper, strict=True)):
        for sign, bound in zip((-1, 1), pair, strict=True):
            if bound is not None:
                unit = [sign * bound.denominator if k == i else 0 for k in range(size)]
                rows.append([*unit, bound.denominator, sign * bound.numerator])
    table = int_array(v for row in rows for v in row).reshape(len(rows), size + 2)
    open_ends: tuple[Bound, ...] = (None,) * (size + 1)
    program = System(table[:, :-1], table[:, -1], (*open_ends[:-1], Fraction(0)), open_ends)
    outcome = optimize(program, from_fractions([0] * size + [1]))
    if not isinstance(outcome, Optimal):
        return None
    return Ball(whole.lift(outcome.point[:-1]), outcome.value, outcome.value * (1 + Fraction(1, 1 << _ROOT_BITS)))


def _ball_program(view: FloatView, norms: Floats) -> FloatView:
    """Return the linear program in (z, r) whose points are the balls inside."""
    size = len(view.low)
    unit = np.where(norms > 0, norms, 1.0)
    rows = np.concatenate([view.matrix / unit[:, None], np.eye(size), -np.eye(size)])
    reach = np.concatenate([view.slack / unit, view.high, -view.low])
    radius = np.concatenate([(norms > 0).astype(np.float64), np.ones(2 * size)])
    low, high = np.append(np.full(size, -np.inf), 0.0), np.append(np.full(size, np.inf), _CAP)
    return replace(view, matrix=np.column_stack([rows, radius]), slack=reach, low=low, high=high)


def _raw_duals(view: FloatView, duals: Floats) -> list[Fraction]:
    """Turn duals of scaled rows, upper and lower bounds into exact multipliers of the system's."""
    exponents = (-np.concatenate([view.row_scale, view.scale, view.scale])).tolist()
    return [v * Fraction(2) ** e for v, e in zip(exact(duals).fractions(), exponents, strict=True)]


def _squared_radius(system: System, centre: Rationals) -> Fraction | None:
    """Return the squared distance from an interior point to the nearest row or bound, None where there is none."""
    slack = system.slack(centre)
    squares = [int((row * row).sum()) for row in system.matrix]
    found = [Fraction(v * v, slack.den**2 * n) for v, n in zip(slack.num.tolist(), squares, strict=True) if n]
    for value, low, high in zip(centre.fractions(), system.lower, system.upper, strict=True):
        found += [(value - bound) ** 2 for bound in (low, high) if bound is not None]
    return min(found, default=None)


def _radius_limit(system: System, weights: Sequence[Fraction]) -> Fraction | None:
    """Bound every ball inside by rows whose normals cancel: the sum of ``a_j . c + r |a_j| <= b_j`` has no c.

    The weights are those of rows, upper and lower bounds; what the weighted normals leave over is cancelled by bounds.
    None where a bound is missing.
    """
    rows, size = system.shape
    den = math.lcm(1, *(weight.denominator for weight in weights))
    scaled = int_array(int(weight * den) for weight in weights)
    of_rows = scaled[:rows]
    high = np.where(system.has_upper, scaled[rows : rows + size], 0)
    low = np.where(system.has_lower, scaled[rows + size :], 0)
    residual = -system.combine(of_rows.reshape(1, -1))[0] - high + low
    high, low = high + np.maximum(residual, 0), low + np.maximum(-residual, 0)
    if np.any((high > 0) & ~system.has_upper) or np.any((low > 0) & ~system.has_lower):
        return None
    norms = [_root(Fraction(int((row * row).sum()))) for row in system.matrix]
    lengths = sum((w * norm for w, norm in zip(of_rows.tolist(), norms, strict=True)), Fraction(sum(high) + sum(low)))
    reach = Fraction(sum(of_rows * system.rhs))
    reach += Fraction(sum(high * system.highs.num), system.highs.den)
    reach -= Fraction(sum(low * system.lows.num), system.lows.den)
    return -_down(-reach / lengths) if lengths else None


def _root(value: Fraction) -> Fraction:
    """Return the square root rounded down to about 64 significant bits."""
    shift = max(0, 2 * _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    scaled = math.isqrt((value.numerator << shift) // value.denominator)
    return Fraction(scaled, 1 << (shift // 2))


def _down(value: Fraction) -> Fraction:
    """Round down to about 64 significant bits."""
    shift = max(0, _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    return Fraction((value.numerator << shift) // value.denominator, 1 << shift)


def bounding_box(polytope: Minimal, limits: Limits | None = None) -> tuple[tuple[Bound, Bound], ...]:
    """Return the exact minimum and maximum of each of the d coordinates, None where there is none.

    Raises:
        BudgetError: the limits were reached.

    >>> from exactbox.polytope.domain import box
    >>> from exactbox.polytope.facets import minimal
    >>> from exactbox.polytope.rational import int_array
    >>> from exactbox.polytope.rows import Rows, RowSource
    >>> cut = Rows(int_array([2, 2]).reshape(1, 2), int_array([1]), (RowSource("unit", 1),))
    >>> triangle = minimal(box([0, 0], [1, None]), cut, exact(["0.1", "0.1"]))
    >>> [[str(v) for v in pair] for pair in bounding_box(triangle)]
    [['0', '1/2'], ['0', '1/2']]
    """
    whole = candidates(polytope.domain, polytope.given)
    extremes = _Extremes(whole, polytope)
    return tuple((extremes.extreme(i, -1, limits), extremes.extreme(i, 1, limits)) for i in range(polytope.domain.size))


class _Extremes:
    """The extreme values of coordinates over one polytope; one float model serves all of them."""

    def __init__(self, whole: Candidates, polytope: Minimal) -> None:
        self._whole, self._polytope = whole, polytope
        self._view = float_view(whole.system, polytope.centre[polytope.domain.free])
        self._model = FloatLP(self._view) if all(whole.system.shape) else None
        first = len(polytope.given) + len(polytope.domain.rows)
        self._positions = {(s.index, s.kind): i for i, s in enumerate(polytope.domain.bound_sources, first)}

    def extreme(self, i: int, sign: int, limits: Limits | None) -> Bound:
        """Return the maximum (sign 1) or minimum (sign -1) of coordinate i."""
        domain = self._polytope.domain
        bound = (domain.upper if sign > 0 else domain.lower)[i]
        position = self._positions.get((i, "upper" if sign > 0 else "lower"))
        if domain.fixed[i] or (position is not None and isinstance(self._polytope.verdicts[position], Kept)):
            return bound
        if domain.is_axis_aligned and not self._whole.system.shape[0]:
            return bound
        row = zeros(1, domain.size).num.copy()
        row[0, i] = sign
        gradient, constant = domain.reduce(Rationals(row), zeros(1))
        objective = gradient[0][domain.free]
        if self._model is None:
            outcome = optimize(self._whole.system, objective, None, limits)
        else:
            self._model.maximize(scaled_functional(objective.num, self._view.scale))
            outcome = optimize(self._whole.system, objective, self._model.basis(), limits)
        if isinstance(outcome, Unbounded):
            return None
        if not isinstance(outcome, Optimal):
            raise InputError("bounding box: the polytope is empty")
        return sign * (outcome.value + constant.item(0))


def vertices(polytope: Minimal) -> Rationals:
    """Return all vertices of a polytope of dimension at most 3, exactly; shape (v, d), sorted.

    Raises:
        InputError: the dimension is larger.
        BudgetError: some rows are undecided.
    """
    whole = candidates(polytope.domain, polytope.given)
    found = sorted(set(_corners(_facet_rows(polytope, whole), len(whole.low))))
    points = [whole.lift(from_fractions(corner)).fractions() for corner in found]
    return from_fractions([value for point in points for value in point], (len(points), polytope.domain.size))


def volume(polytope: Minimal) -> Fraction | None:
    """Return the exact volume of a polytope of dimension at most 3, None where it is infinite.

    A domain of lower dimension is measured in its free coordinates, a point has volume 1. Algorithm: Lasserre, An
    analytical expression and an algorithm for the volume of a convex polyhedron in R^n, 1983.

    Raises:
        InputError: the dimension is larger, or the domain has equations other than zero-width coordinates.
        BudgetError: some rows are undecided.

    >>> from exactbox.polytope.domain import box, no_rows
    >>> from exactbox.polytope.facets import minimal
    >>> str(volume(minimal(box([0, 0], ["1/2", 3]), no_rows(2), exact(["0.25", 1]))))
    '3/2'
    """
    whole = _measurable(polytope)
    return _measure(_facet_rows(polytope, whole), len(whole.low))


def _measurable(polytope: Minimal) -> Candidates:
    """Refuse domains whose free coordinates do not measure their affine hull."""
    domain = polytope.domain
    if not domain.is_axis_aligned:
        raise InputError(
            "the domain has equations other than zero-width coordinates: lengths and volumes in its free coordinates "
            "would not be those of its affine hull"
        )
    return candidates(domain, polytope.given)


Row = tuple[tuple[int, ...], int]


def _facet_rows(polytope: Minimal, whole: Candidates) -> list[Row]:
    """Return the facets as integer rows over the free coordinates."""
    size = len(whole.low)
    if size > MAX_DIMENSION:
        raise InputError(f"expected a polytope of dimension at most {MAX_DIMENSION}, got {size}")
    if polytope.undecided:
        raise BudgetError(f"{len(polytope.undecided)} rows of the polytope are undecided")
    rows: list[Row] = []
    for position in polytope.facets:
        row = whole.by_position.get(position)
        if row is not None:
            rows.append((tuple(whole.system.matrix[row].tolist()), int(whole.system.rhs[row])))
            continue
        key = whole.keys[position]
        unit = [0] * size
        unit[abs(key.axis) - 1] = key.offset.denominator * (1 if key.axis > 0 else -1)
        rows.append((tuple(unit), key.offset.numerator))
    return rows


def _corners(rows: list[Row], size: int) -> Iterator[tuple[Fraction, ...]]:
    """Yield the vertices of ``rows``, some of them several times."""
    if size == 0:
        if all(bound >= 0 for _, bound in rows):
            yield ()
        return
    for row in rows:
        k = _axis(row)
        if k is None:
            continue
        (coefficients, bound), rest = row, _restrict(rows, row, k)
        for corner in _corners(rest, size - 1):
            spread = (*corner[:k], Fraction(0), *corner[k:])
            value = bound - sum((a * y for a, y in zip(coefficients, spread, strict=True)), Fraction(0))
            yield (*corner[:k], value / coefficients[k], *corner[k:])


def _measure(rows: list[Row], size: int) -> Fraction | None:
    """Return the volume of ``rows``: a sum of pyramids over the facets, each projected along one coordinate."""
    if any(bound < 0 and not any(coefficients) for coefficients, bound in rows):
        return Fraction(0)
    if size == 0:
        return Fraction(1)
    if size == 1:
        return _length(rows)
    total, facets = Fraction(0), [row for row in rows if any(row[0])]
    if not facets:
        return None
    for coefficients, bound in facets:
        k = next(i for i, a in enumerate(coefficients) if a)
        base = _measure(_tightest(_restrict(rows, (coefficients, bound), k)), size - 1)
        if base is None:
            return None
        total += Fraction(bound, abs(coefficients[k])) * base
    return total / size


def _length(rows: list[Row]) -> Fraction | None:
    high = min((Fraction(bound, a) for (a,), bound in rows if a > 0), default=None)
    low = max((Fraction(bound, a) for (a,), bound in rows if a < 0), default=None)
    return None if high is None or low is None else max(high - low, Fraction(0))


def _axis(row: Row) -> int | None:
    return next((i for i, a in enumerate(row[0]) if a), None)


def _restrict(rows: list[Row], facet: Row, k: int) -> list[Row]:
    """Return the rows on the hyperplane of one of them, without its coordinate k."""
    coefficients, bound = facet
    scale, sign = abs(coefficients[k]), 1 if coefficients[k] > 0 else -1
    rest: list[Row] = []
    for other, limit in rows:
        factor = sign * other[k]
        left = tuple(scale * a - factor * c for i, (a, c) in enumerate(zip(other, coefficients, strict=True)) if i != k)
        rest.append((left, scale * limit - factor * bound))
    return rest


def _tightest(rows: list[Row]) -> list[Row]:
    """Keep one row for each outward direction, in primitive integers, so that no face is counted twice."""
    best: dict[tuple[int, ...], Fraction] = {}
    for coefficients, bound in rows:
        factor = math.gcd(*coefficients) or 1
        direction = tuple(a // factor for a in coefficients)
        offset = Fraction(bound, factor)
        best[direction] = min(best.get(direction, offset), offset)
    return [(tuple(a * o.denominator for a in direction), o.numerator) for direction, o in best.items()]
