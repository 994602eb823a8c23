"""A maximum on a box of its candidates: its bounds, and linear functions below and above it.

Every formula is evaluated in float64 and pushed outwards by ``numpy.nextafter``: an operation that rounds to nearest
is at most half a step away, also where it underflows, and an overflow is pulled back to the largest finite number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exactbox.polytope.enclosed import BoolArray, Enclosure
from exactbox.polytope.float_constants import FloatArray
from exactbox.polytope.program import IndexArray


@dataclass(frozen=True, eq=False)
class Interval:
    """Bounds of a vector: ``low <= value <= high``, both of shape (n,), infinite where there is none."""

    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Linear bounds of the groups of a ``Max`` over its source s (``CONSTANT_ZERO`` reads 0).

    ``s[lower[i]] <= out[i] <= slope[i] * s[upper[i]] + offset[i]``, with equality where the group is settled.

    Args:
        settled: shape (n,), where one candidate is proved to win: both ends name it, the slope is 1, the offset 0.
    """

    lower: IndexArray
    upper: IndexArray
    slope: FloatArray
    offset: FloatArray
    settled: BoolArray


def down(values: FloatArray) -> FloatArray:
    """Push results of one rounded operation below the exact ones."""
    return np.nextafter(values, -np.inf)


def up(values: FloatArray) -> FloatArray:
    """Push results of one rounded operation above the exact ones."""
    return np.nextafter(values, np.inf)


def interval(values: Enclosure) -> Interval:
    """Return the bounds that an enclosure (n, 1) proves."""
    centre, radius = values.centre[:, 0], values.radius[:, 0]
    exact = radius == 0
    return Interval(np.where(exact, centre, down(centre - radius)), np.where(exact, centre, up(centre + radius)))


def enclosure(bounds: Interval) -> Enclosure:
    """Return an enclosure (n, 1) of everything between bounds."""
    with np.errstate(all="ignore"):
        middle = bounds.low / 2 + bounds.high / 2
        centre = np.where(np.isfinite(middle), middle, 0.0)
        # Any centre will do: the radius covers both ends.
        radius = np.maximum(up(bounds.high - centre), up(centre - bounds.low))
    radius = np.where(bounds.low == bounds.high, np.where(centre == bounds.low, 0.0, radius), radius)
    return Enclosure(centre[:, None], radius[:, None])


def magnitude(values: Enclosure) -> FloatArray:
    """Return bounds (n, 1) of absolute values."""
    return up(np.abs(values.centre) + values.radius)


def maximum(source: Interval, groups: IndexArray) -> Interval:
    """Return the bounds of a ``Max``: the largest of the lower ones, the largest of the upper ones."""
    index = _padded(groups, len(source.low))
    return Interval(_with_ends(source.low)[index].max(axis=1), _with_ends(source.high)[index].max(axis=1))


def relax(source: Interval, groups: IndexArray) -> Relaxation:
    """Return linear bounds of a ``Max`` whose source lies between bounds.

    Let m be the largest lower bound in a group. A candidate whose upper bound is at most m never exceeds the candidate
    of m, so the maximum is that of the others (*alive*); where one is alive, it wins.

    Below: any alive candidate, here the one with the largest sum of bounds.

    Above: let s be the alive candidate with the largest upper bound, l <= s <= u, and t a bound of all the others. Then
    the maximum is at most max(s, t), and for any slope b in [0, 1] the function max(s, t) - b*s is convex in s, hence
    at most the larger of its values at l and u, max(l, t) - b*l and max(u, t) - b*u: the offset, rounded up. The slope
    (u - t) / (u - l) of the chord makes the two equal where l <= t (the triangle of Ehlers, 2017, for a Relu).
    """
    index = _padded(groups, len(source.low))
    low, high = _with_ends(source.low)[index], _with_ends(source.high)[index]
    rows = np.arange(len(groups))
    with np.errstate(all="ignore"):
        best = low.argmax(axis=1)
        alive = high > low[rows, best][:, None]
        alive[rows, best] = True
        settled = alive.sum(axis=1) == 1
        middle = np.where(alive, low + high, -np.inf)
        below = np.where(np.isnan(middle), -np.inf, middle).argmax(axis=1)
        others = np.where(alive, high, -np.inf)
        above = others.argmax(axis=1)
        others[rows, above] = -np.inf
        slope, offset = _chord(low[rows, above], high[rows, above], others.max(axis=1))
    below, above = np.where(settled, best, below), np.where(settled, best, above)
    return Relaxation(
        groups[rows, below],
        groups[rows, above],
        np.where(settled, 1.0, slope),
        np.where(settled, 0.0, offset),
        settled,
    )


def _chord(low: FloatArray, high: FloatArray, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return slope and offset of a line above max(s, rest) for low <= s <= high, any slope being valid."""
    slope = np.clip((high - rest) / (high - low), 0.0, 1.0)
    slope = np.where(np.isnan(slope), 0.0, slope)

    def above(end: FloatArray) -> FloatArray:
        """max(end, rest) - slope * end, rounded up."""
        product = np.where(slope == 0, 0.0, down(slope * end))
        return up(np.maximum(end, rest) - product)

    return slope, np.maximum(above(low), above(high))


def _padded(groups: IndexArray, size: int) -> IndexArray:
    """Redirect the constant 0 to entry ``size`` and absent candidates to entry ``size + 1``."""
    return np.where(groups < 0, size - 1 - groups, groups)


def _with_ends(values: FloatArray) -> FloatArray:
    """Append the constant 0, and what never wins."""
    return np.concatenate([values, [0.0, -np.inf]])
