"""A strictly interior point with few bits, far from all rows: the analytic centre, rounded and verified."""

from __future__ import annotations

import numpy as np

from exactbox.polytope.floats import Floats, FloatView, float_view
from exactbox.polytope.rational import Rationals
from exactbox.polytope.system import System, on_grid

_STEPS = 25
_COARSER = (8, 5, 2, -2, -8, -20)


@np.errstate(all="ignore")
def good_centre(system: System, interior: Rationals) -> Rationals:
    """Return a point (n,) strictly inside, near the analytic centre, with few bits; else ``interior`` itself.

    Args:
        interior: a point (n,) strictly inside every row that is not zero.
    """
    view = float_view(system, interior)
    offset = analytic_offset(view)
    slack = view.slack - view.matrix @ offset
    room = np.concatenate([slack / np.maximum(np.abs(view.matrix).sum(axis=1), 2.0**-60), *_gaps(view, offset)])
    finite = room[np.isfinite(room)]
    grid = int(np.floor(np.log2(finite.min()))) if len(finite) and finite.min() > 0 else 0
    exact_target = interior + view.unscaled(offset)
    for coarser in _COARSER:
        point = on_grid(exact_target, (view.scale + grid + coarser).tolist())
        moved = (point - interior).to_float() * np.exp2(-view.scale.astype(np.float64))
        if _keeps_room(view, offset, moved) and system.strictly_inside(point):
            return point
    return interior


@np.errstate(all="ignore")
def analytic_offset(view: FloatView) -> Floats:
    """Maximise the sum of the logarithms of all slacks by damped Newton steps from 0; shape (n,).

    Coordinates that lack a bound are held near 0 by a quadratic term, so that unbounded polytopes have a centre too.
    Algorithm: Nesterov and Nemirovskii, Interior-point polynomial algorithms in convex programming, 1994.
    """
    z = np.zeros(len(view.low))
    one_sided = ~(np.isfinite(view.low) & np.isfinite(view.high))
    pull = np.where(one_sided, 2.0**-6, 0.0)
    for _ in range(_STEPS):
        step, decrement = _newton_step(view, z, pull)
        if not np.isfinite(step).all() or not np.isfinite(decrement):
            break
        z = z + step * _step_length(view, z, step, pull, decrement)
        if decrement < 0.25:
            break
    inside = (view.matrix @ z < view.slack).all() and (z < view.high).all() and (z > view.low).all()
    return z if inside else np.zeros(len(z))


def _step_length(view: FloatView, z: Floats, step: Floats, pull: Floats, decrement: float) -> float:
    """Return a length that lowers the barrier: halved from just short of the boundary, at least the safe one."""
    gaps = np.concatenate([view.slack - view.matrix @ z, view.high - z, z - view.low])
    rates = np.concatenate([view.matrix @ step, step, -step])
    share = rates / np.where(np.isfinite(gaps), gaps, np.inf)
    length, safe = min(1.0, 0.9 / max(float(share.max(initial=0.0)), 2.0**-60)), 1 / (1 + decrement)
    linear, square = float(pull @ (z * step)), float(pull @ (step * step))
    while length > safe:
        gain = np.log1p(-length * share).sum() - length * linear - length * length * square / 2
        if gain > 0.1 * length * decrement**2:
            return length
        length /= 2
    return safe


def _newton_step(view: FloatView, z: Floats, pull: Floats) -> tuple[Floats, float]:
    """Return the Newton step and its length in the local norm."""
    scaled = view.matrix / (view.slack - view.matrix @ z)[:, None]
    above, below = 1 / (view.high - z), 1 / (z - view.low)
    gradient = scaled.sum(axis=0) + above - below + pull * z
    diagonal = above**2 + below**2 + pull
    rows, size = scaled.shape
    try:
        if rows >= size:
            step = -np.linalg.solve(scaled.T @ scaled + np.diag(diagonal), gradient)
        else:
            weighted = scaled / diagonal
            inner = np.linalg.solve(np.eye(rows) + weighted @ scaled.T, weighted @ gradient)
            step = -(gradient / diagonal - weighted.T @ inner)
    except np.linalg.LinAlgError:
        return np.full(size, np.nan), np.nan
    return step, float(np.sqrt(max(-gradient @ step, 0.0)))


def _gaps(view: FloatView, offset: Floats) -> tuple[Floats, Floats]:
    return view.high - offset, offset - view.low


def _keeps_room(view: FloatView, offset: Floats, moved: Floats) -> bool:
    """Say whether half of every slack at ``offset`` is left at ``moved``, judged in float64."""
    rows = view.slack - view.matrix @ moved >= (view.slack - view.matrix @ offset) / 2
    high, low = _gaps(view, offset)
    moved_high, moved_low = _gaps(view, moved)
    return bool(rows.all() and (moved_high >= high / 2).all() and (moved_low >= low / 2).all())
