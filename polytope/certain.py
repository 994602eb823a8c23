"""The winners at a point where floats with rigorous radii prove every one of them strict: no exact pass is needed."""

from __future__ import annotations

import numpy as np

from exactbox.polytope.enclosed import Enclosure, group_winners, step
from exactbox.polytope.program import IndexArray, Max, Program
from exactbox.polytope.rational import Rationals

_RELATIVE, _ABSOLUTE = 2.0**-53, 2.0**-1074
"""A rational rounded to the nearest float64 departs from it by at most half an ulp, or a subnormal one."""


def certain_winners(program: Program, point: Rationals) -> list[IndexArray] | None:
    """Return the winner of every group of every ``Max`` at a point (d,), or None where floats leave one open."""
    column = point.to_float().reshape(-1, 1)
    if not np.isfinite(column).all():
        return None
    start = Enclosure(column, 2 * _RELATIVE * np.abs(column) + _ABSOLUTE)
    values: dict[int, Enclosure] = {}
    found: list[IndexArray] = []
    for position, instruction in enumerate(program.instructions):
        if isinstance(instruction, Max):
            with np.errstate(all="ignore"):
                winners, certain = group_winners(values[instruction.src], instruction.groups)
            if not certain.all():
                return None
            found.append(winners[:, 0])
        if len(found) == len(program.max_positions):
            return found
        values[position] = step(program, position, values, start)
        for spent in program.spent[position]:
            del values[spent]
    return found
