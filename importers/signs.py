"""Whether a model's label of two classes is the sign of one score: shown by exact algebra, the tie at 0 included.

The label compares two numbers, and takes one class where their difference d is positive (or is not negative). If
``d = k * z`` for the score z and a constant k other than 0, the label is the sign of z; the sign rule gives 0 to the
class that is not positive, so that "k > 0 and d > 0" and "k < 0 and d >= 0" are the two cases that it states.
"""

from __future__ import annotations

import math
from fractions import Fraction

from exactbox.importers.builder import Builder
from exactbox.importers.values import NEVER_WINS, Choice, Comparison, Data, RefusedError, Value
from exactbox.polytope.program import CONSTANT_ZERO, Add, Gather, MatMul, Scale, Shift

Place = tuple[int, int]
"""A vector, and an entry of it."""

Form = dict[Place, Fraction]
"""Factors of entries; that of ``_ONE`` is the constant."""

_ONE: Place = (-1, 0)
_MOST_TERMS = 200_000


def sign_labels(builder: Builder, found: Choice | Comparison, logits: Data) -> tuple[str, str]:
    """Return the labels where the only logit is not positive, and where it is.

    Raises:
        RefusedError: the label is not the sign of the logit, ties included, or that is not shown.
    """
    if isinstance(found, Choice):
        if found.data.size != 2 or found.data.shape[-1:] != (2,):
            raise RefusedError("it compares other numbers than two")
        first, second = (_entry(builder, found.data, i) for i in range(2))
        low, high = (first, second) if found.rule == "argmax" else (second, first)
        without, met = found.names
        strict = found.tie == "first"
    else:
        if math.prod(found.shape) != 1:
            raise RefusedError("it compares several pairs of numbers")
        low, high = (_operand(builder, side) for side in (found.right, found.left))
        (without, met), strict = ("0", "1"), found.strict
    difference = _sum([(Fraction(1), high), (Fraction(-1), low)])
    factor = _quotient(builder, difference, _entry(builder, logits, 0))
    if factor is None:
        raise RefusedError("it is not shown to depend on the sign of that one score alone, with the threshold 0")
    if (factor > 0) != strict:
        raise RefusedError(
            "its class where the score is 0 is that of the positive scores, which the sign rule excludes"
        )
    return (without, met) if strict else (met, without)


def _operand(builder: Builder, side: Value) -> Form:
    if isinstance(side, Data):
        return _entry(builder, side, 0)
    return _sum([(side.rationals().fractions()[0], {_ONE: Fraction(1)})])


def _entry(builder: Builder, data: Data, number: int) -> Form:
    """Return one entry of a tensor, counted in C order."""
    place = _place(builder, data.srcs, int(data.index.ravel()[number]))
    return {} if place is None else {place: Fraction(1)}


def _place(builder: Builder, srcs: tuple[int, ...], index: int) -> Place | None:
    """Find an entry of concatenated vectors; None for the constant 0."""
    if index == NEVER_WINS:
        raise RefusedError("it compares an infinite number")
    if index == CONSTANT_ZERO:
        return None
    for src in srcs:
        if index < builder.sizes[src]:
            return src, index
        index -= builder.sizes[src]
    raise RefusedError("an index leaves its vector")


def _quotient(builder: Builder, form: Form, by: Form) -> Fraction | None:
    """Return k with ``form = k * by``, k other than 0, or None where it is not found.

    Both are followed down together, the last vector first, until they agree or nothing linear is left to follow.
    """
    while True:
        factor = _ratio(form, by)
        if factor is not None:
            return factor
        for position in sorted({place[0] for place in (*form, *by) if place != _ONE}, reverse=True):
            if isinstance(builder.instructions[position], Scale | Shift | Add | Gather | MatMul):
                break
        else:
            return None
        form, by = (_unfolded(builder, part, position) for part in (form, by))
        if len(form) + len(by) > _MOST_TERMS:
            return None


def _ratio(form: Form, by: Form) -> Fraction | None:
    if not by or form.keys() != by.keys():
        return None
    place = next(iter(by))
    factor = form[place] / by[place]
    return factor if all(form[each] == factor * by[each] for each in by) else None


def _unfolded(builder: Builder, form: Form, position: int) -> Form:
    """Write the entries of one vector as those of its sources."""
    kept = {place: factor for place, factor in form.items() if place[0] != position}
    parts = [(factor, _below(builder, place)) for place, factor in form.items() if place[0] == position]
    return _sum([(Fraction(1), kept), *parts])


def _below(builder: Builder, place: Place) -> Form:
    position, entry = place
    match builder.instructions[position]:
        case Scale(src, factor):
            return {(src, entry): factor.item(entry)}
        case Shift(src, offset):
            return {(src, entry): Fraction(1), _ONE: offset.item(entry)}
        case Add(left, right):
            return _sum([(Fraction(1), {(src, entry): Fraction(1)}) for src in (left, right)])
        case Gather(srcs, index):
            below = _place(builder, srcs, int(index[entry]))
            return {} if below is None else {below: Fraction(1)}
        case MatMul(src, weight, rows):
            _, columns, width = weight.shape
            row, column = divmod(entry, columns)
            factors = weight[row // rows, column].fractions()
            return {(src, row * width + k): factor for k, factor in enumerate(factors)}
        case _:
            return {place: Fraction(1)}


def _sum(parts: list[tuple[Fraction, Form]]) -> Form:
    """Add multiples of forms; factors of 0 are left out."""
    total: Form = {}
    for multiple, form in parts:
        for place, factor in form.items():
            total[place] = total.get(place, Fraction(0)) + multiple * factor
    return {place: factor for place, factor in total.items() if factor}
