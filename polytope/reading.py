"""Coordinates that a program need not see: it reads the input through fewer directions than there are coordinates.

Every ``Max``, and the output, sees the input through linear functionals ``L x`` alone. Where the domain does not bound
a coordinate, and other such coordinates move ``L x`` in all directions in which it does, every value of ``L x`` on the
domain is met with that coordinate held; so it is within its bounds where ``L`` does not depend on it. The regions with
these coordinates held then stand for those on the whole domain.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from exactbox.polytope import exact, linalg
from exactbox.polytope.domain import Domain
from exactbox.polytope.floats import bit_lengths
from exactbox.polytope.program import Gather, Input, Max, Program, Shift, sources
from exactbox.polytope.rational import IntArray, Rationals, concatenate, zeros
from exactbox.polytope.space import leading_columns

LARGEST = 1 << 22
"""Entries of a vector's gradients, up to which the directions that a program reads are computed."""


def reading_domain(program: Program, domain: Domain) -> tuple[Domain, int]:
    """Return a domain in which the coordinates that may be held are fixed, and how many bounds of them are left out.

    The full-dimensional regions of the program there and on ``domain`` correspond one to one; those on ``domain`` have
    a facet more for each bound that is left out. A point of one is a point of the other.

    >>> from exactbox.polytope.domain import everything
    >>> from exactbox.polytope.rational import exact as number
    >>> from exactbox.polytope.program import MatMul, Port
    >>> code = (Input(3), MatMul(0, number([[[1, 2, 3]]]), 1), Max(1, np.array([[-1, 0]])))
    >>> part, bounds = reading_domain(Program((Port("x", (3,)),), code, Port("y", (1,))), everything(3))
    >>> part.dimension, bounds
    (1, 0)
    """
    loose = _loose(domain)
    if not loose.any() or max(program.sizes) * program.input_size > LARGEST:
        return domain, 0
    reads = read_directions(program)
    bounded = np.array([a is not None or b is not None for a, b in zip(domain.lower, domain.upper, strict=True)])
    read: npt.NDArray[np.bool_] = (reads.num != 0).astype(np.bool_).any(axis=0)
    held = loose & ~read & bounded
    open_ends = loose & ~bounded
    if open_ends.any():
        chosen, part = _spanning(reads.num, np.flatnonzero(open_ends))
        if len(chosen) == min(part.shape) or len(chosen) == linalg.rank(part):
            open_ends[chosen] = False
            held |= open_ends
    where = np.flatnonzero(held).tolist()
    return _held(domain, where), sum(limit is not None for i in where for limit in (domain.lower[i], domain.upper[i]))


def read_directions(program: Program) -> Rationals:
    """Return the gradients (m, d) of all linear functionals through which maxima and the output see the input."""
    values: dict[int, Rationals] = {}
    read: list[Rationals] = [zeros(0, program.input_size)]
    for position, instruction in enumerate(program.instructions):
        used = sources(instruction)
        if isinstance(instruction, Max):
            if instruction.src in values:
                entries = np.unique(instruction.groups)
                read.append(values[instruction.src][entries[entries >= 0]])
        elif all(src in values for src in used):
            values[position] = _gradients(program, position, values)
        elif isinstance(instruction, Gather):
            read += _gathered(program, instruction, values)
        else:
            read += [values[src] for src in used if src in values]
    last = len(program.instructions) - 1
    return concatenate([*read, *([values[last]] if last in values else [])])


def _gradients(program: Program, position: int, values: dict[int, Rationals]) -> Rationals:
    """Return the gradients of one vector that no maximum comes before."""
    size, instruction = program.input_size, program.instructions[position]
    if isinstance(instruction, Input):
        return Rationals(np.eye(size, dtype=np.int64).astype(object))
    if isinstance(instruction, Shift):
        return values[instruction.src]
    every = [values.get(i, zeros(0, size)) for i in range(position)]
    return exact.linear_step(instruction, every, values[0])


def _gathered(program: Program, instruction: Gather, values: dict[int, Rationals]) -> list[Rationals]:
    """Return the gradients of the entries of linear vectors that are put beside others."""
    found: list[Rationals] = []
    first = 0
    for src in instruction.srcs:
        inside = (instruction.index >= first) & (instruction.index < first + program.sizes[src])
        if src in values:
            found.append(values[src][np.unique(instruction.index[inside]) - first])
        first += program.sizes[src]
    return found


def _spanning(matrix: IntArray, among: npt.NDArray[np.int64]) -> tuple[list[int], IntArray]:
    """Choose columns that span some of the columns, large ones first; returns them, and what they are chosen from.

    The choice is the same on every machine, because cells that move to another one are given in these coordinates.
    """
    part = matrix[:, among]
    sizes = bit_lengths(part).max(axis=0, initial=0).tolist()
    order = sorted(range(len(among)), key=lambda j: (-sizes[j], j))
    return [int(among[order[j]]) for j in leading_columns(part[:, order])], part


def _loose(domain: Domain) -> npt.NDArray[np.bool_]:
    """Return a mask (d,) of the coordinates that no row or equation of a domain combines with others or fixes."""
    rows = np.concatenate([domain.rows.matrix, domain.equalities.num[:, :-1]])
    occurs: npt.NDArray[np.bool_] = (rows != 0).astype(np.bool_).any(axis=0)
    return ~occurs


def _held(domain: Domain, where: list[int]) -> Domain:
    """Fix coordinates that occur in no row or equation at the witness's values."""
    if not where:
        return domain
    lower, upper = list(domain.lower), list(domain.upper)
    den = math.lcm(domain.witness.den, domain.equalities.den)
    fixings = np.zeros((len(where), domain.size + 1), dtype=object)
    fixings[np.arange(len(where)), where] = den
    fixings[:, -1] = domain.witness.over(den)[where]
    for i in where:
        lower[i] = upper[i] = domain.witness.item(i)
    order = np.argsort([*domain.pivots, *where], kind="stable")
    table = Rationals(np.concatenate([domain.equalities.over(den), fixings])[order], den)
    return replace(domain, lower=tuple(lower), upper=tuple(upper), equalities=table, given=None)
