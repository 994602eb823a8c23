"""What a monotone tail computes: a normal form that decides whether two are one function, and enclosures of its values.

Arithmetic in balls is python-flint's ``arb``: Fredrik Johansson, Arb: efficient arbitrary-precision midpoint-radius
interval arithmetic, IEEE Transactions on Computers, 2017.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq

from exactbox.importers.ops.labels import exact_labels
from exactbox.polytope.program import Head, HeadStep

Item = tuple[str, object]
"""One function: its name, and the constant or the axes that it depends on."""

Value = Any
"""A ball that holds a number; or the text of a label."""

_ENTRYWISE = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Exp": "exp", "Log": "log"}
_CANCELS = {("exp", "log"), ("log", "exp"), ("reciprocal", "reciprocal"), ("negate", "negate")}
_NORMS = {"norm=L1": "share", "norm=MAX": "relative"}


def meaning(head: Head) -> tuple[Item, ...] | None:
    """Return what the head computes of the logits, entry by entry and along axes of the output tensor.

    Two heads with equal results are the same function; those with different ones may be. None where the logits do not
    determine the output.

    >>> one = Head((HeadStep("LogSoftmax", "", 13, ("axis=1",), (1,)),))
    >>> other = Head((HeadStep("Exp"), HeadStep("Normalizer", "", 1, ("norm=L1",), (1,)), HeadStep("Log")))
    >>> meaning(one) == meaning(other), meaning(one)
    (True, (('exp', None), ('share', (1,)), ('log', None)))
    """
    if head.partial:
        return None
    found: list[Item] = []
    for step in head.steps:
        items = _items(step)
        if items is None:
            return None
        for item in items:
            _append(found, item)
    flips = sum(name == "reciprocal" for name, _ in found)  # each was recorded with the logits negated below it
    return (*([("negate", None)] * (flips % 2)), *found)


def _items(step: HeadStep) -> list[Item] | None:
    if step.op in _ENTRYWISE:
        return [(_ENTRYWISE[step.op], None)]
    match step.op, step.settings:
        case "Softmax", _:
            return [("exp", None), ("share", step.over)]
        case "LogSoftmax", _:
            return [("exp", None), ("share", step.over), ("log", None)]
        case "Normalizer", (norm,) if norm in _NORMS:
            return [(_NORMS[norm], step.over)]
        case "Add", (by,):
            return [("add", Fraction(by.removeprefix("by=")))]
        case "Reciprocal", _:
            return [("reciprocal", None)]
        case "ZipMap", _:
            return []
        case _:
            return None


def _append(found: list[Item], item: Item) -> None:
    """Add one function on top, where it does not cancel or absorb what is below."""
    name, what = item
    below, under = found[-1] if found else ("", None)
    if (below, name) in _CANCELS:
        found.pop()
    elif (below, name) == ("add", "add"):
        found[-1] = ("add", _sum(under, what))
    elif below in ("share", "relative") and name in ("share", "relative") and _within(what, under):
        found[-1] = item  # a factor of all entries that are summed up falls out of the quotient
    else:
        found.append(item)


def _sum(first: object, second: object) -> Fraction:
    return sum((value for value in (first, second) if isinstance(value, Fraction)), Fraction(0))


def _within(inner: object, outer: object) -> bool:
    return isinstance(inner, tuple) and isinstance(outer, tuple) and set(inner) <= set(outer)


def output_values(head: Head, shape: Sequence[int], logits: Sequence[Fraction], bits: int) -> list[Value] | None:
    """Enclose the entries of the output tensor, or return its labels; None where the logits do not determine them.

    Args:
        shape: of the logits, in the order of the output tensor; for labels, with the decision's axis last.
        bits: precision of the balls.
    """
    if head.dtype:
        return _labels(head, shape, logits)
    items = meaning(head)
    if items is None:
        return None
    before = ctx.prec
    try:
        ctx.prec = bits
        values = np.empty(len(logits), dtype=object)
        values[:] = [arb(fmpq(value.numerator, value.denominator)) for value in logits]
        values = values.reshape(tuple(shape))
        for item in items:
            values = _applied(item, values)
        found: list[Value] = values.ravel().tolist()
    finally:
        ctx.prec = before
    return found


def apart(one: Value, other: Value) -> bool:
    """Say whether two values are proved to differ.

    >>> apart(arb(1), arb(2)), apart("a", "a"), apart("1", arb(1))
    (True, False, True)
    """
    if isinstance(one, arb) and isinstance(other, arb):
        return not one.overlaps(other)
    return isinstance(one, arb) != isinstance(other, arb) or one != other


def chosen(head: Head, row: Sequence[Fraction]) -> int:
    """Return the index that an arg max or arg min takes among the logits of one row."""
    best = max(row) if head.rule == "argmax" else min(row)
    places = [i for i, value in enumerate(row) if value == best]
    return places[0 if head.tie == "first" else -1]


def _labels(head: Head, shape: Sequence[int], logits: Sequence[Fraction]) -> list[Value]:
    width = shape[-1] if shape else 1
    names = head.labels or tuple(str(i) for i in range(width))
    exact = [value if isinstance(value, str) else arb(fmpq(Fraction(value).numerator, Fraction(value).denominator))
             for value in exact_labels(names, head.dtype)]  # fmt: skip
    rows = [logits[start : start + width] for start in range(0, len(logits), width)]
    return [exact[chosen(head, row)] for row in rows]


def _applied(item: Item, values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    name, what = item
    if name in _FUNCTIONS:
        return np.asarray(np.frompyfunc(_FUNCTIONS[name], 1, 1)(values), dtype=object)
    if name == "add" and isinstance(what, Fraction):
        return np.asarray(values + arb(fmpq(what.numerator, what.denominator)), dtype=object)
    axes = what if isinstance(what, tuple) else ()
    combine: Any = np.frompyfunc(arb.max if name == "relative" else arb.__add__, 2, 1)
    whole = values
    for axis in axes:
        parts = np.split(whole, whole.shape[axis], axis=axis)
        whole = functools.reduce(combine, parts)
    return np.asarray(values / whole, dtype=object)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "negate": lambda x: -x,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "tanh": lambda x: x.tanh(),
    "reciprocal": lambda x: 1 / x,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: (1 + x.exp()).log(),
}
