"""Curved functions of constants: rational where they are, else floored to 80 significant bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from exactbox.importers.call import ROOT_BITS, Call, ReplacedConstant
from exactbox.importers.ops.elementwise import CURVED, operand_rounding
from exactbox.importers.ops.shape import FORMAT_TINY, tell_infinite
from exactbox.importers.registry import folds, lowers
from exactbox.importers.values import Constant, Data
from exactbox.polytope.rational import from_fractions

_LARGEST = 1024
_UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float64": 2.0**-40}

Bounds = Callable[[Fraction, int], tuple[Fraction, Fraction]]


@folds("Exp", "Sigmoid", "Tanh")
def curved(call: Call) -> Constant:
    """One of the functions that e generates, entry by entry."""
    value = call.constant(0, "the operand")
    found = _values(call, value, value.rationals().fractions(), call.node.op, "")
    tell_infinite(call, max(found, default=Fraction(0)), value.dtype)
    return Constant(from_fractions(found, value.shape), value.dtype, _error(value, found, call.node.op == "Exp"))


@folds("Swish")
def swish(call: Call) -> Constant:
    """x sigmoid(alpha x), where the sigmoid is the factor that may be irrational."""
    return swished(call, call.constant(0, "the operand"))


@lowers("SwiGLU")
def gated(call: Call) -> Data:
    """A tensor times the Swish of a gate that must be constant."""
    gate, value = call.constant(0, f"the gate, of which the Swish is {CURVED},"), call.data(1)
    if gate.shape != value.shape:
        call.refuse(f"a gate of shape {gate.shape} does not fit a value of shape {value.shape}")
    factor = swished(call, gate)
    return call.builder.scale(value, factor.rationals(), operand_rounding(factor))


def swished(call: Call, value: Constant) -> Constant:
    """Return x sigmoid(alpha x) of each entry."""
    entries, alpha = value.rationals().fractions(), call.rational("alpha", 1.0)
    factors = _values(call, value, [alpha * x for x in entries], "Sigmoid", "alpha * ")
    found = [x * factor for x, factor in zip(entries, factors, strict=True)]
    size, steep = value.magnitudes(), 1 + abs(float(alpha))
    error = _error(value, factors, False) * steep * (1 + steep * size) * size
    error = error if value.error is None else error + value.error
    return Constant(from_fractions(found, value.shape), value.dtype, error)


def _values(call: Call, value: Constant, arguments: list[Fraction], op: str, factor: str) -> list[Fraction]:
    """Return the function of each argument, and list those that are no rational numbers."""
    if not value.is_float:
        call.refuse(f"{op} of {value.dtype} numbers")
    call.limits.check(str(call.node), "curved functions of constants", value.size, call.limits.tensor_elements >> 10)
    if any(abs(x) > _LARGEST for x in arguments):
        call.refuse(f"{op} of a constant beyond {_LARGEST}")
    known: dict[Fraction, Fraction] = {Fraction(0): _AT_ZERO[op]}
    found: list[Fraction] = []
    for place, x in enumerate(arguments):
        if x not in known:
            known[x] = _floored(_BOUNDS[op], x)
        if x:
            expression = f"{op.lower()}({factor}input[{place}])"
            call.replaced.append(ReplacedConstant(str(call.node), expression, x, known[x]))
        found.append(known[x])
    return found


def _error(value: Constant, found: list[Fraction], grows: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Bound how far the runtime's own value is off: its argument's error and some roundings of its approximation."""
    size = np.array([abs(float(item)) for item in found]).reshape(value.shape)
    unit = _UNITS.get(value.dtype, 2.0**-24)
    moved = 0.0 if value.error is None else value.error
    spread = value.magnitudes() * unit + moved
    slope = size * np.exp(np.minimum(spread, 64.0)) if grows else np.ones(value.shape)
    return slope * (spread + 16 * unit) + 16 * unit * size + FORMAT_TINY.get(value.dtype, 2.0**-126)


def exponential(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Enclose e to the power x by its series, at x halved until it is small, and squarings.

    >>> low, high = exponential(Fraction(1), 30)
    >>> low < Fraction(271828182845905, 10**14) < high, high - low < Fraction(1, 2**28)
    (True, True)
    """
    if x < 0:
        under, over = exponential(-x, bits)
        return 1 / over, 1 / under
    halvings: int = math.ceil(x).bit_length() + 1
    scale: int = bits + 4 * halvings
    below: int = math.floor(x * Fraction(2) ** (scale - halvings))
    low = high = first = last = 1 << scale
    count = 0
    while last > 1:
        count += 1
        first = first * below // (count << scale)
        last = -(-last * (below + 1) // (count << scale))
        low, high = low + first, high + last
    high += 1  # the terms left out: each is less than half of the one before
    for _ in range(halvings):
        low, high = low * low >> scale, -((-high * high) >> scale)
    return Fraction(low, 1 << scale), Fraction(high, 1 << scale)


def _sigmoid(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    low, high = exponential(-x, bits)
    return 1 / (1 + high), 1 / (1 + low)


def _tangent(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    low, high = exponential(2 * x, bits)
    return 1 - 2 / (low + 1), 1 - 2 / (high + 1)


_BOUNDS: dict[str, Bounds] = {"Exp": exponential, "Sigmoid": _sigmoid, "Tanh": _tangent}
_AT_ZERO = {"Exp": Fraction(1), "Sigmoid": Fraction(1, 2), "Tanh": Fraction(0)}


def _floored(bounds: Bounds, x: Fraction) -> Fraction:
    """Return the magnitude's largest number of 80 bits; the value is irrational, so that some precision tells it."""
    bits = 2 * ROOT_BITS
    while True:
        ends = bounds(x, bits)
        sign = -1 if ends[1] < 0 else 1
        low, high = sorted(sign * end for end in ends)
        if low > 0 and _floor(low) == _floor(high):
            return sign * _floor(low)
        bits *= 2


def _floor(value: Fraction) -> Fraction:
    """Return the largest number of 80 significant bits that is at most a positive number.

    >>> _floor(Fraction(1, 3)) == Fraction((2**81) // 3, 2**81)
    True
    """
    shift = ROOT_BITS + 1 - value.numerator.bit_length() + value.denominator.bit_length()
    whole = math.floor(value * Fraction(2) ** shift)
    spare = whole.bit_length() - ROOT_BITS
    return Fraction(whole >> spare) / Fraction(2) ** (shift - spare)
