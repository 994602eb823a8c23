"""A normal form of programs: sums of inputs and maxima, in which neither the order nor the scale of units remains.

Every vector entry is written as an integer combination, over one denominator, of inputs, units and the constant 1. A
unit is ``max(0, g_1, ..., g_n)`` with integer forms g_i without a common divisor, none of which is known to be
dominated. A maximum of any forms becomes one in three steps, each an identity for all real inputs:

- a candidate is dropped where another one less it is a sum of units and 1 with factors that are not negative: units
  are at least 0 by construction;
- ``max(f_0, ..., f_n) = f_b + max(f_i - f_b)`` for the lowest f_b of an order that neither a common summand nor a
  positive factor changes (the sign of the first coefficient of a difference): ``max(0, -g)`` becomes ``max(0, g) - g``;
- ``max(c g_i) = c max(g_i)`` for the greatest common divisor c of all coefficients.

Equal units of both programs have one number, so that programs with equal forms of the outputs are equal functions.
Forms that differ prove nothing.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from exactbox.polytope.program import Add, Gather, Input, MatMul, Max, Program, Scale, Shift
from exactbox.polytope.rational import Rationals

TERMS = 1 << 21
"""Terms of forms that are handled at most, of both programs together."""

_ONE = -1  # the number of the constant 1; inputs have their coordinates, units what follows
_PAIRED = 9  # candidates up to which all pairs are looked at for one that dominates the other

Form = dict[int, int]
Vector = tuple[list[Form], int]
"""Integer forms, and their common denominator."""

Key = frozenset[tuple[tuple[int, int], ...]]


def same_forms(left: Program, right: Program) -> bool:
    """Say whether two programs are proved equal by their normal forms, within a fixed amount of work.

    >>> from exactbox.polytope.program import Port
    >>> from exactbox.polytope.rational import exact
    >>> import numpy as np
    >>> relu = Max(1, np.array([[-1, 0]]))
    >>> half, twice = (Scale(0, exact([s])) for s in ("1/2", "2"))
    >>> one = Program((Port("x", (1,)),), (Input(1), twice, relu, Scale(2, exact(["1/4"]))), Port("y", (1,)))
    >>> other = Program((Port("x", (1,)),), (Input(1), half, relu), Port("y", (1,)))
    >>> same_forms(one, other)
    True
    """
    table = _Table(max(left.input_size, right.input_size))
    one, other = (_outputs(program, table) for program in (left, right))
    if one is None or other is None:
        return False
    (mine, den), (theirs, over) = one, other
    return len(mine) == len(theirs) and all(
        _times(first, over) == _times(second, den) for first, second in zip(mine, theirs, strict=True)
    )


@dataclass(eq=False)
class _Table:
    """The units that were met, and the work that was done."""

    inputs: int
    units: dict[Key, int] = field(default_factory=dict)
    terms: int = 0

    def spend(self, forms: Sequence[Form], times: int = 1) -> bool:
        """Count terms; says whether some are left."""
        self.terms += times * sum(len(form) + 1 for form in forms)
        return self.terms <= TERMS

    def unit(self, forms: Sequence[Form]) -> int:
        """Return the number of the unit max(0, forms)."""
        key = frozenset(tuple(sorted(form.items())) for form in forms)
        return self.units.setdefault(key, self.inputs + len(self.units))

    def at_least_zero(self, form: Form) -> bool:
        """Say whether a form is a sum of units and 1 with factors that are not negative."""
        return all(value > 0 and (number >= self.inputs or number == _ONE) for number, value in form.items())

    def maximum(self, forms: Sequence[Form]) -> Form:
        """Write the largest of some forms as one form."""
        left = self._undominated(forms)
        base = functools.reduce(lambda one, other: one if _precedes(one, other) else other, left)
        rest = [gap for gap in (_minus(form, base) for form in left) if gap]
        if not rest:
            return base
        divisor = math.gcd(*(value for form in rest for value in form.values()))
        number = self.unit([{k: value // divisor for k, value in form.items()} for form in rest])
        return _plus(base, {number: divisor})

    def _undominated(self, forms: Sequence[Form]) -> list[Form]:
        distinct = list({tuple(sorted(form.items())): form for form in forms}.values())
        if len(distinct) > _PAIRED:
            return distinct
        kept = list(distinct)
        for form, other in itertools.permutations(distinct, 2):
            if form in kept and other in kept and self.at_least_zero(_minus(form, other)):
                kept.remove(other)
        return kept


def _outputs(program: Program, table: _Table) -> Vector | None:
    """Return the forms of a program's outputs; None where the work exceeds the limit."""
    vectors: list[Vector] = []
    for instruction in program.instructions:
        match instruction:
            case Input(size):
                found: Vector | None = ([{i: 1} for i in range(size)], 1)
            case Gather(srcs, index):
                forms, den = _joined([vectors[src] for src in srcs])
                found = ([forms[i] if i >= 0 else {} for i in index.tolist()], den)
            case MatMul(src, weight, rows):
                found = _product(vectors[src], weight, rows, table)
            case Scale(src, factor):
                forms, den = vectors[src]
                numbers = factor.num.tolist()
                found = ([_times(form, value) for form, value in zip(forms, numbers, strict=True)], den * factor.den)
            case Shift(src, offset):
                constants: Vector = ([{_ONE: value} if value else {} for value in offset.num.tolist()], offset.den)
                found = _sum(vectors[src], constants)
            case Add(left, right):
                found = _sum(vectors[left], vectors[right])
            case Max(src, groups):
                forms, den = vectors[src]
                listed = [[forms[i] if i >= 0 else {} for i in row if i >= _ONE] for row in groups.tolist()]
                costs = all(table.spend(group, len(group)) for group in listed)
                found = ([table.maximum(group) for group in listed], den) if costs else None
        if found is None or not table.spend(found[0]):
            return None
        vectors.append(_reduced(found))
    return vectors[-1]


def _product(source: Vector, weight: Rationals, rows: int, table: _Table) -> Vector | None:
    forms, den = source
    groups, height, width = weight.shape
    if not table.spend(forms, height):
        return None
    matrices: list[list[list[int]]] = weight.num.tolist()
    found: list[Form] = []
    for place in range(groups * rows):
        block = forms[place * width : (place + 1) * width]
        found += [_combined(line, block) for line in matrices[place // rows]]
    return found, den * weight.den


def _combined(factors: Sequence[int], forms: Sequence[Form]) -> Form:
    total: Form = {}
    for factor, form in zip(factors, forms, strict=True):
        if factor:
            for number, value in form.items():
                total[number] = total.get(number, 0) + factor * value
    return {number: value for number, value in total.items() if value}


def _joined(parts: Sequence[Vector]) -> Vector:
    den = math.lcm(*(own for _, own in parts))
    return [_times(form, den // own) for forms, own in parts for form in forms], den


def _sum(left: Vector, right: Vector) -> Vector:
    den = math.lcm(left[1], right[1])
    pairs = zip(left[0], right[0], strict=True)
    return [_plus(_times(one, den // left[1]), _times(two, den // right[1])) for one, two in pairs], den


def _reduced(vector: Vector) -> Vector:
    forms, den = vector
    common = den
    for form in forms:
        if common == 1:
            return vector
        common = math.gcd(common, *form.values())
    return [{number: value // common for number, value in form.items()} for form in forms], den // common


def _times(form: Form, factor: int) -> Form:
    if factor == 1:
        return form
    return {number: value * factor for number, value in form.items()} if factor else {}


def _plus(left: Form, right: Form) -> Form:
    return _combined((1, 1), (left, right))


def _minus(left: Form, right: Form) -> Form:
    return _combined((1, -1), (left, right))


def _precedes(one: Form, other: Form) -> bool:
    """Say whether the first coefficient in which two forms differ is smaller in the first."""
    gap = _minus(one, other)
    return bool(gap) and gap[min(gap)] < 0
