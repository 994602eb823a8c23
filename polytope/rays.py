"""Rays from an interior point in float64, many at once: which row they leave through, and short points beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactbox.polytope.floats import Floats, FloatView, Ints
from exactbox.polytope.system import Mask

_GRIDS = (2, 4, 6, 9, 12, 16, 21, 27, 34, 42, 52)
_NOISE = 2.0**-44
_GAP = 1 + 2.0**-30
_LOOSE = 2.0**-20


@dataclass(frozen=True, eq=False)
class Exits:
    """For each ray: the row it leaves through, and a point beyond that row alone.

    Rows are numbered 0..m-1, upper bounds m..m+n-1, lower bounds m+n..m+2n-1; -1 where two rows are hit too close to
    each other or none at all.

    Args:
        first: shape (b,).
        points: shape (n, b).
    """

    first: Ints
    points: Floats


@np.errstate(all="ignore")
def coordinate_exits(view: FloatView, ceiling: Floats) -> tuple[Ints, Floats]:
    """Return the bounds that a ray along their own coordinate meets before any row, and short signed offsets beyond."""
    rows, size = view.matrix.shape
    targets: list[Ints] = []
    lengths: list[Floats] = []
    for sign, gaps, first in ((1.0, view.high, rows), (-1.0, -view.low, rows + size)):
        rate = np.divide(sign * view.matrix, view.slack[:, None]).max(axis=0, initial=0.0)
        limit = np.minimum(np.where(rate > 0, 1 / rate, np.inf), ceiling[first : first + size])
        room = np.minimum(limit - gaps, gaps)
        clear = np.isfinite(gaps) & (room > gaps * (_GAP - 1))
        grid = np.exp2(np.floor(np.log2(np.where(clear, room, 1.0))))
        beyond = (np.floor(np.where(clear, gaps, 0.0) / grid) + 1) * grid
        where = np.flatnonzero(clear)
        targets.append(first + where)
        lengths.append(sign * beyond[where])
    return np.concatenate(targets), np.concatenate(lengths)


@np.errstate(all="ignore")
def shoot(view: FloatView, directions: Floats, ceiling: Floats) -> Exits:
    """Follow rays from the centre along directions (n, b); ``ceiling`` limits how far beyond each row they may end."""
    speeds = view.matrix @ directions
    times = np.concatenate([
        np.where(speeds > 0, view.slack[:, None] / speeds, np.inf),
        np.where(directions > 0, view.high[:, None] / directions, np.inf),
        np.where(directions < 0, view.low[:, None] / directions, np.inf),
    ])
    first = times.argmin(axis=0)
    columns = np.arange(directions.shape[1])
    start = times[first, columns]
    times[first, columns] = np.inf
    reach = np.concatenate([view.slack, view.high, -view.low])[first]
    second = np.minimum(times.min(axis=0), start * (ceiling[first] / reach))
    stop = np.where(second < 4 * start, (start + second) / 2, 2 * start)
    clear = np.isfinite(start) & (second > start * _GAP)
    points = directions * np.where(clear, stop, 0)
    return Exits(np.where(clear, first, -1).astype(np.int64), points)


@np.errstate(all="ignore")
def shorten(view: FloatView, targets: Ints, points: Floats, ceiling: Floats) -> tuple[Floats, Mask]:
    """Round points (n, b) to as few bits as keep them beyond their target row alone, judged in float64.

    Returns:
        The rounded points (n, b) and a mask (b,) of those for which some rounding does.
    """
    out = points.copy()
    done = np.zeros(points.shape[1], dtype=np.bool_)
    reach = np.abs(points).max(axis=0, initial=0)
    size = np.where(reach > 0, 2.0 ** np.ceil(np.log2(np.where(reach > 0, reach, 1))), 1)
    for bits in _GRIDS:
        open_ = np.flatnonzero(~done & np.isfinite(reach))
        if not len(open_):
            break
        grid = size[open_] * 2.0**-bits
        rounded = np.round(points[:, open_] / grid) * grid
        good = beyond_alone(view, targets[open_], rounded, ceiling[targets[open_]])
        out[:, open_[good]] = rounded[:, good]
        done[open_[good]] = True
    return out, done


@np.errstate(all="ignore")
def beyond_alone(view: FloatView, targets: Ints, points: Floats, ceiling: Floats) -> Mask:
    """Judge in float64 which points (n, b) violate their target row alone, clear of rounding noise."""
    columns = np.arange(points.shape[1])
    values = np.concatenate([view.matrix @ points, points, -points])
    reach = np.concatenate([view.slack, view.high, -view.low])[:, None]
    size = np.abs(points)
    noise = _NOISE * np.concatenate([np.abs(view.matrix) @ size + view.slack[:, None], size, size])
    over = values > reach - np.where(np.arange(len(reach))[:, None] < len(view.slack), noise, 0)
    over[targets, columns] = False
    reached, own = values[targets, columns], noise[targets, columns]
    clear = (reached - reach[targets, 0] > own) & (reached <= ceiling - own)
    return np.asarray(clear & ~over.any(axis=0))


@np.errstate(all="ignore")
def metric_directions(view: FloatView, functionals: Floats, weight: float) -> Floats:
    """Return the directions (n, b) in which functionals (n, b) grow fastest, lengths measured by the slacks.

    The metric is that of the Dikin ellipsoid around the centre (Dikin, Iterative solution of problems of linear and
    quadratic programming, 1967), with the rows' part multiplied by ``weight``: the more, the longer the ray runs along
    the other rows instead of through them.
    """
    diagonal = np.maximum(1 / view.high**2 + 1 / view.low**2, _LOOSE)
    rows = view.matrix * (np.sqrt(weight) / view.slack)[:, None]
    plain = functionals / diagonal[:, None]
    try:
        if len(rows) >= len(diagonal):
            return np.linalg.solve(rows.T @ rows + np.diag(diagonal), functionals)
        # the same by the identity of Woodbury, Inverting modified matrices, 1950
        spread = rows / diagonal
        inner = np.linalg.solve(np.eye(len(rows)) + spread @ rows.T, rows @ plain)
    except np.linalg.LinAlgError:
        return plain
    return np.asarray(plain - spread.T @ inner)
