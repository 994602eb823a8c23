"""Slow enumerations that share nothing with the engine: polygons clipped, polytopes by their vertices, elimination.

Both walk the program's instructions with affine forms in ``Fraction`` and branch on every group of a ``Max``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple, TypeVar

from exactbox.polytope.program import Add, Gather, Input, MatMul, Max, Program, Scale, Shift

Form = tuple[Fraction, ...]
Point = tuple[Fraction, Fraction]
Key = tuple[int, ...]
Part = TypeVar("Part")

ZERO, NONE = -1, -2


def polygon_regions(program: Program, low: Sequence[Fraction], high: Sequence[Fraction]) -> set[Key]:
    """Return the patterns (winners of all units, concatenated) of all regions with positive area in a box."""
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    return _walk(program, corners, clip, lambda polygon: area(polygon) > 0)


def eliminated_regions(program: Program, rows: Sequence[Form]) -> set[Key]:
    """Return the patterns of all regions with interior points where the rows (gradient, constant) are positive."""
    return _walk(program, list(rows), lambda kept, row: [*kept, row], lambda kept: has_point(kept, program.input_size))


class Corners(NamedTuple):
    """A full-dimensional polytope, or nothing: its vertices ``(x_1, ..., x_d, w)``, each the point x / w, in integers.

    Args:
        points: the vertices; w is positive.
        tight: for each vertex the bits of the rows that vanish there.
        rows: the number of rows so far.
    """

    points: list[tuple[int, ...]]
    tight: list[int]
    rows: int


def vertex_regions(program: Program, low: Sequence[Fraction], high: Sequence[Fraction]) -> set[Key]:
    """Return the patterns of all regions with interior points in a box, by their vertices, in any dimension."""
    den = math.lcm(*(v.denominator for v in (*low, *high)))
    corners = list(product(*zip([int(v * den) for v in low], [int(v * den) for v in high], strict=True)))
    points = [(*corner, den) for corner in corners]
    tight = [sum(1 << 2 * i + side for i, side in enumerate(sides)) for sides in product((0, 1), repeat=len(low))]
    start = Corners(points, tight, 2 * len(low))
    return _walk(program, start, cut_corners, lambda part: bool(part.points))


def cut_corners(part: Corners, row: Form) -> Corners:
    """Keep the part of a polytope where a row is at least 0 (T. S. Motzkin and others, 1953: double description).

    Two vertices are ends of an edge where no third one lies on all rows that both lie on.
    """
    scale = math.lcm(*(v.denominator for v in row))
    values = [sum(int(a * scale) * x for a, x in zip(row, point, strict=True)) for point in part.points]
    if max(values, default=0) <= 0:
        return Corners([], [], part.rows)
    own = 1 << part.rows
    points = [point for point, value in zip(part.points, values, strict=True) if value >= 0]
    tight = [bits | (own if value == 0 else 0) for bits, value in zip(part.tight, values, strict=True) if value >= 0]
    above, below = ([i for i, value in enumerate(values) if sign * value > 0] for sign in (1, -1))
    for i, j in product(above, below):
        shared = part.tight[i] & part.tight[j]
        enough = shared.bit_count() >= len(row) - 2
        if enough and not any(bits & shared == shared for k, bits in enumerate(part.tight) if k not in (i, j)):
            mixed = [values[i] * q - values[j] * p for p, q in zip(part.points[i], part.points[j], strict=True)]
            factor = math.gcd(*mixed)
            points.append(tuple(v // factor for v in mixed))
            tight.append(shared | own)
    return Corners(points, tight, part.rows + 1)


def box_rows(low: Sequence[Fraction], high: Sequence[Fraction]) -> list[Form]:
    """Return the rows of a box."""
    rows: list[Form] = []
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        unit = [Fraction(int(i == j)) for j in range(len(low))]
        rows += [(*unit, -a), (*[-v for v in unit], b)]
    return rows


def clip(polygon: list[Point], row: Form) -> list[Point]:
    """Keep the part of a convex polygon where a row is at least 0."""
    out: list[Point] = []
    for k, (x, y) in enumerate(polygon):
        u, v = polygon[k - 1]
        here, before = row[0] * x + row[1] * y + row[2], row[0] * u + row[1] * v + row[2]
        if here * before < 0:
            t = before / (before - here)
            out.append((u + t * (x - u), v + t * (y - v)))
        if here >= 0:
            out.append((x, y))
    return out


def area(polygon: list[Point]) -> Fraction:
    """Return twice the area."""
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return sum((x * v - u * y for (x, y), (u, v) in pairs), Fraction(0))


def has_point(rows: Sequence[Form], size: int) -> bool:
    """Decide whether all rows can be positive at once (Fourier, 1826; Motzkin, 1936)."""
    current = {primitive(row) for row in rows}
    for i in range(size):
        up = [row for row in current if row[i] > 0]
        down = [row for row in current if row[i] < 0]
        mixed = {primitive(tuple(a * -q[i] + b * p[i] for a, b in zip(p, q, strict=True))) for p in up for q in down}
        current = {row for row in current if row[i] == 0} | mixed
        if any(not any(row[:-1]) and row[-1] <= 0 for row in current):
            return False
        current = tightest(current)
    return all(row[-1] > 0 for row in current)


def tightest(rows: set[Form]) -> set[Form]:
    """Keep the smallest constant of each gradient."""
    best: dict[Form, Fraction] = {}
    for row in rows:
        best[row[:-1]] = min(best.get(row[:-1], row[-1]), row[-1])
    return {(*gradient, constant) for gradient, constant in best.items() if any(gradient) or constant <= 0}


def primitive(row: Form) -> Form:
    """Scale a row by a positive factor so that its first non-zero entry is 1 or -1."""
    scale = next((abs(v) for v in row if v), Fraction(1))
    return tuple(v / scale for v in row)


def _walk(
    program: Program, start: Part, cut: Callable[[Part, Form], Part], full: Callable[[Part], bool]
) -> set[Key]:
    found: set[Key] = set()

    def branch(position: int, values: list[list[Form]], part: Part, key: Key) -> None:
        while position < len(program.instructions):
            instruction = program.instructions[position]
            if isinstance(instruction, Max):
                units(position, values, part, key, [])
                return
            values = [*values, linear(program, position, values)]
            position += 1
        found.add(key)

    def units(position: int, values: list[list[Form]], part: Part, key: Key, done: list[Form]) -> None:
        instruction = program.instructions[position]
        groups = instruction.groups.tolist() if isinstance(instruction, Max) else []
        if len(done) == len(groups):
            branch(position + 1, [*values, done], part, key)
            return
        source = values[instruction.src] if isinstance(instruction, Max) else []
        zero = (Fraction(0),) * (program.input_size + 1)
        forms = [zero if j == ZERO else source[j] for j in groups[len(done)] if j != NONE]
        for i, form in enumerate(forms):
            kept = beaten(part, forms, i, cut)
            if kept is not None and full(kept):
                units(position, values, kept, (*key, i), [*done, form])

    branch(0, [], start, ())
    return found


def beaten(part: Part, forms: list[Form], i: int, cut: Callable[[Part, Form], Part]) -> Part | None:
    """Cut to where form i wins; None where an equal form comes first or a constant one beats it."""
    for j, other in enumerate(forms):
        row = tuple(a - b for a, b in zip(forms[i], other, strict=True))
        if any(row[:-1]):
            part = cut(part, row)
        elif row[-1] < 0 or (row[-1] == 0 and j < i):
            return None
    return part


def linear(program: Program, position: int, values: list[list[Form]]) -> list[Form]:
    """Evaluate one instruction other than Max on affine forms."""
    size = program.input_size
    match program.instructions[position]:
        case Input():
            return [(*[Fraction(int(i == j)) for j in range(size)], Fraction(0)) for i in range(size)]
        case Gather(srcs, index):
            entries = [form for src in srcs for form in values[src]]
            return [entries[i] if i >= 0 else (Fraction(0),) * (size + 1) for i in index.tolist()]
        case MatMul(src, weight, rows):
            groups, height, width = weight.shape
            pieces = [values[src][k * width : (k + 1) * width] for k in range(groups * rows)]
            matrices = [[weight[g][i].fractions() for i in range(height)] for g in range(groups)]
            return [combine(row, piece, size) for k, piece in enumerate(pieces) for row in matrices[k // rows]]
        case Scale(src, factor):
            return [tuple(f * v for v in form) for f, form in zip(factor.fractions(), values[src], strict=True)]
        case Shift(src, offset):
            return [(*f[:-1], f[-1] + o) for f, o in zip(values[src], offset.fractions(), strict=True)]
        case Add(left, right):
            pairs = zip(values[left], values[right], strict=True)
            return [tuple(a + b for a, b in zip(f, g, strict=True)) for f, g in pairs]
        case _:
            raise TypeError(f"instruction {position} is not linear")


def combine(row: list[Fraction], forms: list[Form], size: int) -> Form:
    """Return a linear combination of forms."""
    total = [Fraction(0)] * (size + 1)
    for weight, form in zip(row, forms, strict=True):
        if weight:
            total = [t + weight * v for t, v in zip(total, form, strict=True)]
    return tuple(total)
