"""Rounding of exact numbers to a model's input type, as a runtime would receive them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, exact, from_fractions


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format.

    Args:
        precision: significant bits, the hidden one included.
        lowest: the exponent of the smallest normal number.
        highest: the exponent of the largest finite number.
    """

    precision: int
    lowest: int
    highest: int


FLOAT_FORMATS = {
    "float16": FloatFormat(11, -14, 15),
    "bfloat16": FloatFormat(8, -126, 127),
    "float32": FloatFormat(24, -126, 127),
    "float64": FloatFormat(53, -1022, 1023),
}


def round_to(values: Rationals, dtype: str) -> tuple[Rationals, int]:
    """Round every entry to the nearest number of a model's element type, ties to even.

    Args:
        values: any shape.
        dtype: "float16", "bfloat16", "float32", "float64", or an integer type, which takes whole numbers only.

    Returns:
        the rounded values, same shape, and how many entries changed.

    Raises:
        InputError: an entry overflows, is no whole number for an integer type, or the type holds no numbers.

    >>> from exactbox.polytope.rational import exact
    >>> rounded, changed = round_to(exact(["0.5", "0.1"]), "float16")
    >>> [str(v) for v in rounded.fractions()], changed
    (['1/2', '819/8192'], 1)
    """
    if dtype.startswith(("int", "uint")):
        return _whole(values, dtype), 0
    if dtype not in FLOAT_FORMATS:
        raise InputError(f"expected an input of a float or integer type, got {dtype}")
    narrow = _from_doubles(values, dtype)
    if narrow is not None:
        return narrow
    entries = values.fractions()
    try:
        rounded = [nearest(entry, FLOAT_FORMATS[dtype]) for entry in entries]
    except InputError as error:
        raise InputError(f"{error} in {dtype}") from None
    changed = sum(before != after for before, after in zip(entries, rounded, strict=True))
    return (from_fractions(rounded, values.shape) if changed else values), changed


def _from_doubles(values: Rationals, dtype: str) -> tuple[Rationals, int] | None:
    """Round numbers that are float64 as the processor does, all at once; None where some are not, or one overflows.

    IEEE 754 rounds a float64 to a shorter format to the nearest, ties to even, whatever the format's subnormals.
    """
    if dtype not in ("float16", "float32", "float64"):
        return None
    wide = values.to_float()
    if not np.isfinite(wide).all() or not exact(wide).equals(values):
        return None
    with np.errstate(over="ignore", under="ignore"):
        narrow = wide.astype(dtype)
    changed = int(np.count_nonzero(narrow.astype(np.float64) != wide))
    if not np.isfinite(narrow).all():
        return None
    return (exact(narrow) if changed else values), changed


def nearest(value: Fraction, form: FloatFormat) -> Fraction:
    """Return the number of a format that is nearest to ``value``, ties to even.

    Raises:
        InputError: the value rounds to infinity.

    >>> nearest(Fraction(1, 3), FLOAT_FORMATS["bfloat16"])
    Fraction(171, 512)
    """
    if value == 0:
        return value
    top, bottom = abs(value.numerator), value.denominator
    exponent = top.bit_length() - bottom.bit_length()
    if (top << max(0, -exponent)) < (bottom << max(0, exponent)):
        exponent -= 1
    quantum = max(exponent, form.lowest) - form.precision + 1
    unit = Fraction(1 << quantum) if quantum >= 0 else Fraction(1, 1 << -quantum)
    rounded = round(value / unit) * unit
    if abs(rounded) >= 1 << (form.highest + 1):
        raise InputError(f"{exact_text(value, 20)} rounds to infinity")
    return rounded


def near_float(value: Fraction) -> float:
    """Return the nearest float, for display and search: an infinite one beyond the floats.

    >>> near_float(Fraction(1, 3)), near_float(Fraction(-(10**400)))
    (0.3333333333333333, -inf)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def exact_text(value: Fraction, limit: int = 0) -> str:
    """Write a rational as "p" or "p/q"; with a limit, as a decimal where that would be longer.

    FLINT writes integers of any length, where Python stops at 4300 digits.

    >>> exact_text(Fraction(-1, 3)), exact_text(Fraction(1, 3**40), 12)
    ('-1/3', '8.22526e-20')
    """
    from flint import fmpq

    if limit and value.numerator.bit_length() + value.denominator.bit_length() > 3 * limit:
        return decimal_text(value)
    return str(fmpq(value.numerator, value.denominator))


def decimal_text(value: Fraction, digits: int = 6) -> str:
    """Write a rational as a decimal of a few significant digits, whatever its size.

    >>> decimal_text(Fraction(10) ** 400 / 3), decimal_text(Fraction(1, 4)), decimal_text(Fraction(0))
    ('3.33333e+399', '0.25', '0')
    >>> decimal_text(Fraction(50)), decimal_text(Fraction(10**6))
    ('50', '1e+6')
    """
    from decimal import Context, Decimal

    context = Context(prec=digits, Emax=10**9, Emin=-(10**9))
    quotient = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    short = quotient.normalize(context)
    text = f"{short:f}" if 0 <= short.adjusted() < digits else f"{short:g}"
    return text.replace("E", "e")


def _whole(values: Rationals, dtype: str) -> Rationals:
    signed = not dtype.startswith("u")
    bits = int(dtype.lstrip("uint"))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    for position, entry in enumerate(values.fractions()):
        if entry.denominator != 1 or not low <= entry <= high:
            raise InputError(f"entry {position}: expected a whole number of type {dtype}, got {exact_text(entry, 20)}")
    return values
