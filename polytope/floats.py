"""A system as float64 arrays for searching, in coordinates where its numbers have comparable size.

Coordinates are shifted to an exact interior point, so that slacks are exact differences rounded once, and scaled by
powers of two. Nothing found here is believed before it is verified exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.polytope.rational import IntArray, Rationals, exact
from exactbox.polytope.system import System

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ABSENT = -(1 << 40)
_KEPT_BITS = 900


@dataclass(frozen=True, eq=False)
class FloatView:
    """``matrix @ z <= slack`` and ``low <= z <= high`` where ``y = base + 2**scale * z``.

    Args:
        system: the exact rows.
        base: the point (n,) at which the slacks are taken, strictly inside.
        scale: n binary exponents.
        row_scale: m binary exponents: row j is the exact row divided by ``2**row_scale[j]``.
        matrix: shape (m, n).
        slack: shape (m,), positive.
        low: shape (n,), negative, -inf where there is no bound.
        high: shape (n,), positive, inf where there is no bound.
    """

    system: System
    base: Rationals
    scale: Ints
    row_scale: Ints
    matrix: Floats
    slack: Floats
    low: Floats
    high: Floats

    def unscaled(self, z: Floats) -> Rationals:
        """Return the exact offsets ``2**scale * z`` of float coordinates (n,) or (n, b)."""
        values = exact(z)
        lowest = min(int(self.scale.min(initial=0)), 0)
        factors = np.array([1 << int(e - lowest) for e in self.scale], dtype=object)
        shaped = factors.reshape(-1, *(1,) * (z.ndim - 1))
        return Rationals(values.num * shaped, values.den << -lowest)


def float_view(system: System, base: Rationals) -> FloatView:
    """Shift a system to a strictly interior point and scale it."""
    bits = bit_lengths(system.matrix)
    scale, row_scale = _scales(system, bits)
    gaps = system.slack(base)
    if not (system.has_lower & system.has_upper).any() and len(gaps):
        typical = int(np.median([_order(value, gaps.den) for value in gaps.num.tolist()] - row_scale))
        scale, row_scale = scale + typical, row_scale + typical
    return _view(system, base, bits, scale, row_scale)


def uniform_view(system: System, base: Rationals, exponent: int) -> FloatView:
    """Shift a system to a strictly interior point and scale all coordinates by the same power of two."""
    bits = bit_lengths(system.matrix)
    top = bits.max(axis=1, initial=_ABSENT)
    row_scale = np.where(top > _ABSENT // 2, top + exponent, 0)
    return _view(system, base, bits, np.full(len(system.lower), exponent, dtype=np.int64), row_scale)


@np.errstate(all="ignore")
def _view(system: System, base: Rationals, bits: Ints, scale: Ints, row_scale: Ints) -> FloatView:
    gaps = system.slack(base)
    below, above = base - system.lows, system.highs - base
    low = np.array([-ratio(v, below.den, e) for v, e in zip(below.num.tolist(), scale.tolist(), strict=True)])
    high = np.array([ratio(v, above.den, e) for v, e in zip(above.num.tolist(), scale.tolist(), strict=True)])
    return FloatView(
        system, base, scale, row_scale, _float_matrix(system.matrix, bits, scale, row_scale),
        np.array([ratio(v, gaps.den, e) for v, e in zip(gaps.num.tolist(), row_scale.tolist(), strict=True)]),
        np.where(system.has_lower, low.reshape(-1), -np.inf), np.where(system.has_upper, high.reshape(-1), np.inf),
    )


@np.errstate(all="ignore")
def scaled_functional(gradient: IntArray, scale: Ints) -> Floats:
    """Return an integer gradient (n,) as a gradient over scaled coordinates, its largest entry near 1."""
    orders = bit_lengths(gradient) + scale
    top = int(orders.max(initial=_ABSENT))
    if top < _ABSENT // 2:
        return np.zeros(len(gradient))
    return np.array([ratio(v, 1, top - e) for v, e in zip(gradient.tolist(), scale.tolist(), strict=True)])


def bit_lengths(matrix: IntArray) -> Ints:
    """Return the bit length of each entry, a huge negative number for zeros."""
    if not matrix.size:
        return np.zeros(matrix.shape, dtype=np.int64)
    lengths = np.asarray(np.frompyfunc(int.bit_length, 1, 1)(matrix)).astype(np.int64)
    return np.where(lengths == 0, _ABSENT, lengths)


@np.errstate(all="ignore")
def ratio(num: int, den: int, exponent: int) -> float:
    """Return ``num / (den * 2**exponent)`` rounded to a float; the exponent may be huge."""
    order = _order(num, den)
    top, bottom = (num << -order, den) if order < 0 else (num, den << order)
    return float(np.ldexp(top / bottom, max(min(order - exponent, 2000), -2000)))


def _order(num: int, den: int) -> int:
    return num.bit_length() - den.bit_length()


def _scales(system: System, bits: Ints) -> tuple[Ints, Ints]:
    """Choose exponents: a coordinate's width where it has both bounds, else what equilibrates the matrix."""
    rows, size = system.shape
    scale = np.zeros(size, dtype=np.int64)
    both = system.has_lower & system.has_upper
    widths = system.highs - system.lows
    for i in np.flatnonzero(both).tolist():
        scale[i] = _order(int(widths.num[i]), widths.den)
    if not rows:
        return scale, np.zeros(0, dtype=np.int64)
    if not both.all():
        seen = bits[:, both] + scale[both] if both.any() else bits
        reach = seen.max(axis=1, initial=_ABSENT)
        reach = np.where(reach > _ABSENT // 2, reach, bits.max(axis=1, initial=_ABSENT))
        columns = (bits - reach[:, None])[:, ~both].max(axis=0)
        scale[~both] = np.where(columns > _ABSENT // 2, -columns, 0)
    row_scale = (bits + scale).max(axis=1, initial=_ABSENT)
    return scale, np.where(row_scale > _ABSENT // 2, row_scale, 0)


def _float_matrix(matrix: IntArray, bits: Ints, scale: Ints, row_scale: Ints) -> Floats:
    if not matrix.size:
        return np.zeros(matrix.shape)
    excess = np.maximum(bits.max(axis=1, initial=_ABSENT) - _KEPT_BITS, 0)
    kept = matrix if not excess.any() else matrix >> excess.astype(object)[:, None]
    exponents = scale + (excess - row_scale)[:, None]
    return np.asarray(np.ldexp(kept.astype(np.float64), np.clip(exponents, -4000, 4000).astype(np.int32)))
