"""Batch normalisation: a scale and a shift for each channel."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from exactbox.importers.call import ROOT_BITS, Call, ReplacedConstant
from exactbox.importers.graph import Node
from exactbox.importers.ops.shape import FORMAT_BITS, FORMAT_END, FORMAT_TINY
from exactbox.importers.registry import lowers
from exactbox.importers.values import Constant, Data, FloatArray
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.wording import counted

_SLACK = 2.0**-40
"""Covers the few roundings of float64 that a bound is computed with."""


@lowers("BatchNormalization")
def batch_normalization(call: Call) -> list[Data | None]:
    """gain * (x - mean) / sqrt(variance + epsilon) + bias, channel by channel."""
    data = call.data()
    if _trains(call.node):
        call.refuse("training mode: the mean and variance of the batch are not piecewise linear")
    names = ("scale", "bias", "mean", "variance")
    gain, bias, mean, variance = (call.constant(i + 1, f"the {name}") for i, name in enumerate(names))
    apart = call.node.version < 9 and not call.node.flag("spatial", 1)  # every entry has numbers of its own
    shape = data.shape[1:] if apart else (*(data.shape[1:2] or (1,)), *(1 for _ in data.shape[2:]))
    if any(part.size != math.prod(shape) for part in (gain, bias, mean, variance)):
        call.refuse(
            f"expected {counted(math.prod(shape), 'entry', 'entries')} of each parameter, got shapes "
            f"{gain.shape}, {variance.shape}"
        )
    inverse = _inverse_roots(call, variance)
    factor = (gain.rationals().reshape(-1) * inverse).reshape(*shape)
    offset = bias.rationals().reshape(*shape) - mean.rationals().reshape(*shape) * factor
    magnitude = _magnitude(factor, bias, mean, shape)
    slope, moved = (part.reshape(shape) for part in _errors(call, inverse, (gain, bias, mean, variance)))
    scaled = call.builder.scale(data, factor, Rounding(8, magnitude, slope))
    return [call.builder.shift(scaled, offset, Rounding(2, magnitude, moved)), None, None, None, None]


def _errors(
    call: Call, inverse: Rationals, parameters: tuple[Constant, Constant, Constant, Constant]
) -> tuple[FloatArray, FloatArray]:
    """Bound how far the runtime's factor and offset may be off beyond roundings, by what its parameters are off.

    1. With r = v + epsilon and e the error of v, |1/sqrt(r + e) - 1/sqrt(r)| <= e / (2 (r - e)^(3/2)), by the mean
       value theorem. Where r - e may count as 0, or r overflows, there is no bound. A half-precision epsilon is rounded
       too.
    2. The factor f = g / sqrt(r): |f' - f| <= e_g (R + e_R) + |g| e_R, with R = 1/sqrt(r). A gain or a factor below the
       smallest normal number may be taken for 0.
    3. The offset b - m f: |o' - o| <= e_b + |m| e_f + e_m (|f| + e_f).
    """
    gain, bias, mean, variance = parameters
    epsilon, tiny = float(call.rational("epsilon", 1e-5)), FORMAT_TINY[variance.dtype]
    rounded = max(epsilon * 2.0 ** -FORMAT_BITS[variance.dtype], epsilon if epsilon < tiny else 0.0)
    spread = _off(variance) + (rounded if FORMAT_BITS[variance.dtype] < FORMAT_BITS["float32"] else 0.0)
    root = inverse.to_float() * (1 + _SLACK)
    radicand = variance.rationals().to_float().reshape(-1) + epsilon
    with np.errstate(all="ignore"):
        least = radicand * (1 - _SLACK) - spread
        off = np.where(spread > 0, spread / (2 * least**1.5) * (1 + _SLACK), 0.0)
        off = np.where((least >= tiny) & (radicand + spread < FORMAT_END[variance.dtype]), off, np.inf)
        slope = (_off(gain) + FORMAT_TINY[gain.dtype]) * (root + off) + gain.magnitudes().reshape(-1) * off
        slope = slope + FORMAT_TINY[gain.dtype]
        factor = gain.magnitudes().reshape(-1) * root + slope
        moved = _off(bias) + mean.magnitudes().reshape(-1) * slope + _off(mean) * factor
    return slope * (1 + _SLACK), moved * (1 + _SLACK)


def _off(part: Constant) -> FloatArray:
    return np.zeros(part.size) if part.error is None else part.error.reshape(-1)


def _trains(node: Node) -> bool:
    """Say whether a node normalises by its own batch: attributes tell, from version 7 to 13 the further outputs."""
    if node.version < 7:
        return not node.flag("is_test", 0)
    return node.flag("training_mode", 0) or (node.version < 14 and any(node.outputs[1:]))


def _magnitude(
    factor: Rationals, bias: Constant, mean: Constant, shape: tuple[int, ...]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Bound what takes part in the sum before it cancels: |gain * mean / root| + |bias|."""
    slope = np.abs(factor.to_float()) * (1 + 2.0**-40)
    return slope * mean.magnitudes().reshape(shape) + bias.magnitudes().reshape(shape)


def _inverse_roots(call: Call, variance: Constant) -> Rationals:
    epsilon = call.rational("epsilon", 1e-5)
    roots: list[Fraction] = []
    for channel, value in enumerate(variance.rationals().fractions()):
        radicand = value + epsilon
        if radicand <= 0:
            call.refuse(f"variance[{channel}] + epsilon is not positive")
        root, exact = inverse_root(radicand)
        if not exact:
            expression = f"1/sqrt(variance[{channel}] + epsilon)"
            call.replaced.append(ReplacedConstant(str(call.node), expression, radicand, root))
        roots.append(root)
    return from_fractions(roots)


def inverse_root(radicand: Fraction) -> tuple[Fraction, bool]:
    """Return 1/sqrt(radicand), exactly (True) or as the floor to 80 significant bits (False).

    >>> inverse_root(Fraction(4, 9))
    (Fraction(3, 2), True)
    """
    top, bottom = math.isqrt(radicand.numerator), math.isqrt(radicand.denominator)
    if top * top == radicand.numerator and bottom * bottom == radicand.denominator:
        return Fraction(bottom, top), True
    return floor_root(1 / radicand), False


def floor_root(value: Fraction) -> Fraction:
    """Return the largest number of 80 significant bits that is at most sqrt(value)."""
    guess = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    shift = ROOT_BITS - guess + 1
    scaled = value * Fraction(4) ** shift
    root = math.isqrt(scaled.numerator // scaled.denominator)
    spare = root.bit_length() - ROOT_BITS
    return Fraction(root >> spare) / Fraction(2) ** (shift - spare)
