"""What stands for a class in a model's output: text or numbers, as names that tell the values apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.category import Entry
from exactbox.importers.values import FLOAT_TYPES, INTEGER_TYPES, SHORT_INTEGERS
from exactbox.polytope.rational import float_fraction


def label_text(value: object, dtype: str, plain: bool = True) -> str:
    """Name a class: text as it is, a number in the fewest digits that its type tells apart.

    Args:
        plain: leave the point out of whole numbers.

    >>> label_text(Fraction(1, 2), "float32"), label_text(Fraction(10), "float32"), label_text("a", "string")
    ('0.5', '10', 'a')
    """
    if not isinstance(value, Fraction | int):
        return str(value)
    if dtype not in FLOAT_TYPES or (plain and Fraction(value).denominator == 1):
        return str(int(value))
    return str(_float_type(dtype).type(float(value)))


def exact_labels(names: Sequence[str], dtype: str) -> list[Entry]:
    """Return what names stand for: text, or the exact numbers of that element type.

    >>> exact_labels(["0.5", "7"], "float32"), exact_labels(["a"], "string")
    ([Fraction(1, 2), Fraction(7, 1)], ['a'])
    """
    if dtype == "string":
        return list(names)
    if dtype not in FLOAT_TYPES:
        return [Fraction(int(name)) for name in names]
    return [float_fraction(float(_float_type(dtype).type(name))) for name in names]


def names_label(name: str, dtype: str, found: object) -> bool:
    """Say whether a name stands for what the runtime answered.

    >>> names_label("7", "float32", 7.0), names_label("7", "string", b"7"), names_label("7", "int64", 8)
    (True, True, False)
    """
    if isinstance(found, str | bytes):
        return (found.decode("utf-8", "replace") if isinstance(found, bytes) else found) == name
    if isinstance(found, float):
        return math.isfinite(found) and exact_labels([name], dtype)[0] == float_fraction(found)
    return isinstance(found, int) and exact_labels([name], dtype)[0] == found


def cast_labels(call: Call, names: Sequence[str], dtype: str, target: str) -> tuple[str, ...]:
    """Return the names of classes whose label is cast; no two may become one.

    Raises:
        RefusedError: they do, or the standard leaves the result open.
    """
    if target == dtype:
        return tuple(names)
    if dtype == "string" or (target == "string" and dtype in FLOAT_TYPES):
        call.refuse(f"a cast of labels from {dtype} to {target}")
    if target == "string":
        return tuple(names)
    values = [_cast(call, Fraction(value), dtype, target) for value in exact_labels(names, dtype)]
    if len(set(values)) < len(set(names)):
        call.refuse(f"a cast to {target} gives two classes one label")
    return tuple(label_text(value, target) for value in values)


def _cast(call: Call, value: Fraction, dtype: str, target: str) -> Fraction:
    if target in FLOAT_TYPES:
        rounded = float(_float_type(target).type(float(value)))
        if not math.isfinite(rounded):
            call.refuse(f"a label that {target} does not hold")
        return float_fraction(rounded)
    if target == "bool":
        return Fraction(int(value != 0))
    if target not in INTEGER_TYPES:
        call.refuse(f"a cast of labels to {target}")
    bits = SHORT_INTEGERS.get(target, 0) or 8 * np.dtype(target).itemsize
    low = 0 if target.startswith("u") else -(2 ** (bits - 1))
    whole = math.trunc(value)
    if dtype in FLOAT_TYPES and not low <= whole < low + 2**bits:
        call.refuse(f"a cast of a label that {target} does not hold: the standard leaves the result open")
    return Fraction((whole - low) % 2**bits + low)


def _float_type(dtype: str) -> np.dtype[np.generic]:
    return np.dtype(dtype)
