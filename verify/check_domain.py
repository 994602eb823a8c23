"""The domain of a certificate and its half-spaces, section 3 of FORMAT.md; the checkers of every kind use it.

The standard library, integers only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from exactbox.verify.check import Sparse, Vector, array, common, fields, form, hold, show, some, spend, vector, width


class Row(NamedTuple):
    """The half-space ``sum of v * y[i] <= b`` over the pairs (i, v) of a, i rising and v nonzero."""

    a: tuple[tuple[int, int], ...]
    b: int

    @property
    def width(self) -> int:
        """The bits of the largest number."""
        return width((self.b, *(v for _, v in self.a)))

    def slack(self, point: Vector) -> int:
        """Return b - a . y, times the point's denominator."""
        spend(len(self.a) + 1, self.width, point[1].bit_length())
        return self.b * point[1] - sum(v * point[0][i] for i, v in self.a)


class Domain:
    """The domain D: bounds over ``den``, equations times ``scale`` by pivot, and all rows and bounds as half-spaces."""

    def __init__(self, value: Any, size: int) -> None:
        lower, upper, rows, equations = fields(value, "domain", "lower", "upper", "rows", "equations")
        ends = [*array(lower, "lower", size), *array(upper, "upper", size)]
        nums, self.den = vector([end for end in ends if end is not None], "bounds")
        given = iter(nums)
        bounds = [None if end is None else next(given) for end in ends]
        self.size, self.lower, self.upper = size, bounds[:size], bounds[size:]
        fixed = {i: low for i, low in enumerate(self.lower) if low is not None and low == self.upper[i]}
        found: dict[int, tuple[Sparse, int, int]] = {i: ({}, low, self.den) for i, low in fixed.items()}
        for nums, den in [vector(item, "equation", size + 1) for item in array(equations, "equations")]:
            left = {i: v for i, v in enumerate(nums[:-1]) if v}
            pivot = min(left, default=-1)
            form(pivot not in found and left.pop(pivot, 0) == den, "an equation is not in reduced form")
            found[pivot] = (left, nums[-1], den)
        form(all(found.keys().isdisjoint(left) for left, _, _ in found.values()), "an equation is not in reduced form")
        entries = sum(len(left) + 1 for left, _, _ in found.values())
        self.scale = common({den for _, _, den in found.values()}, entries, "equations")
        self.equations = {pivot: ({i: v * (self.scale // den) for i, v in left.items()}, right * (self.scale // den))
                          for pivot, (left, right, den) in found.items()}  # fmt: skip
        general = [vector(item, "row", size + 1)[0] for item in array(rows, "rows")]
        self.rows = [self.reduced(dict(enumerate(nums[:-1])), nums[-1]) for nums in general]
        for sign, side in ((-1, self.lower), (1, self.upper)):
            self.rows += [self.reduced({i: sign * self.den}, sign * end)
                          for i, end in enumerate(side) if end is not None and i not in fixed]  # fmt: skip
        self.is_box = len(general) == 0 and len(fixed) == len(found)

    def reduced(self, a: Sparse, b: int) -> Row:
        """Return ``a . y <= b`` without the pivots, divided by the greatest common divisor."""
        spend(2 * len(a), width(a.values()), self.scale.bit_length())
        rest = {i: v * self.scale for i, v in a.items() if i not in self.equations}
        b *= self.scale
        for pivot in a.keys() & self.equations.keys():
            left, right = self.equations[pivot]
            spend(2 * len(left), a[pivot].bit_length(), width(left.values()))
            b -= a[pivot] * right
            for i, v in left.items():
                rest[i] = rest.get(i, 0) - a[pivot] * v
        bits = width((b, *rest.values()))
        hold(3 * len(rest), bits)
        spend(4 * len(rest), bits, bits >> 4)
        divisor = math.gcd(b, *rest.values()) or 1
        return Row(tuple(sorted((i, v // divisor) for i, v in rest.items() if v)), b // divisor)

    def on_hull(self, nums: list[int], den: int) -> bool:
        """Say whether a point satisfies the equations."""
        return all(self.scale * nums[pivot] + sum(v * nums[i] for i, v in left.items()) == right * den
                   for pivot, (left, right) in self.equations.items())  # fmt: skip

    def contains(self, point: Vector, strictly: bool = False) -> bool:
        """Say whether a point lies in D; strictly: in its relative interior, unless a row hides an equation."""
        return self.on_hull(*point) and all(row.slack(point) >= (strictly and row.a != ()) for row in self.rows)

    def in_words(self) -> Iterator[str]:
        """State what D is."""
        for name, side in (("lower", self.lower), ("upper", self.upper)):
            ends = [None if end is None else Fraction(end, self.den) for end in side]
            numbers = show(*ends) if len(set(ends)) > 1 else f"all {show(ends[0])}"
            yield f"D: {name} bounds of y in R^{self.size}: {numbers}"
        equal = some(len(self.equations), "equation")
        yield f"D: {some(len(self.rows), 'inequality')}, bounds among them, and {equal} in all"
