"""The regions of an enumeration as exact shapes, cut by what is decided: volumes, classes, the decision boundary."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exactbox.decisions import DecisionPlan
from exactbox.polytope.cell_shapes import CellShapes, rounded
from exactbox.polytope.domain import Domain
from exactbox.polytope.envelope import BETWEEN, Piece, Tie, Wall, envelope, walls
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rows import Rows, RowSource
from exactbox.polytope.shapes import Point, Row, Shape
from exactbox.witness_classes import certain_classes

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

BATCH = 1024
EXACT_BITS = 1 << 18
"""Sums of volumes are exact up to so many bits of all denominators together, and enclosed beyond."""
MEASURED_BITS = 256

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A sum of exact volumes: between ``low`` and ``high``, which are equal where it is written out exactly."""

    low: Fraction
    high: Fraction

    @property
    def exact(self) -> Fraction | None:
        """The sum, where it is written out."""
        return self.low if self.low == self.high else None


@dataclass(frozen=True, eq=False)
class Part:
    """A full-dimensional part of a region in which one class is decided.

    Args:
        region: the region's number.
        name: what is decided.
        attained: all classes that attain the maximum throughout; several where logits are identical on the region.
        shape: the part, in the chart's coordinates; all of the region where ``whole``.
        whole: whether the region holds no other part.
        piece: the part as a piece of the scores, None where no other class comes near.
    """

    region: int
    name: str
    attained: tuple[str, ...]
    shape: Shape
    whole: bool
    piece: Piece | None = None


Side = tuple[Part, Wall, tuple[str, ...]]
"""A part, its facet, and the names of all classes that attain the maximum there."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """A polytope of one dimension less than the domain on which several classes attain the maximum.

    Args:
        classes: all classes that attain the maximum throughout.
        decided: what is decided on its sides; one class where the logits only touch, or where the domain ends.
        regions: the regions that contain it, by number.
        equation: one row a . x <= b that holds with equality.
        rows: the half-spaces that bound it within the hyperplane, one an end.
        corners: its vertices, shape (v, d), exact; in order along a segment or around a polygon. None of them, shape
            (0, d), where the domain is unbounded or has more than three dimensions.
    """

    classes: tuple[str, ...]
    decided: tuple[str, ...]
    regions: tuple[int, ...]
    equation: Rows
    rows: Rows
    corners: Rationals

    @property
    def changes(self) -> bool:
        """Whether different classes are decided on its two sides."""
        return len(self.decided) > 1


class Partition:
    """The regions of an enumeration in a bounded domain of at most three dimensions.

    Args:
        found: the regions.
        window: a smaller domain to look at; regions outside it have no shape.

    Raises:
        InputError: the domain is unbounded or has more dimensions.
    """

    def __init__(self, found: Enumerated, window: Domain | None = None) -> None:
        self.found = found
        self.where = CellShapes(found.model.program, window or found.domain.domain)
        self.shapes: tuple[Shape | None, ...] = tuple(self.where.of([cell.pattern for cell in found.cells]))

    @functools.cached_property
    def volumes(self) -> tuple[Fraction, ...]:
        """The exact volume of each region within the domain; lengths for one dimension, areas for two.

        Raises:
            InputError: the domain has equations other than zero-width coordinates.
        """
        unit = self.where.unit_volume
        return tuple(Fraction(0) if shape is None else shape.volume * unit for shape in self.shapes)

    @property
    def whole_volume(self) -> Fraction:
        """The volume of the domain."""
        return self.where.whole.volume * self.where.unit_volume

    @functools.cached_property
    def class_volumes(self) -> dict[str, Measure]:
        """The volume in which each class is decided.

        Raises:
            InputError: nothing is decided, or the domain has equations other than zero-width coordinates.
        """
        unit, volumes = self.where.unit_volume, self.volumes
        sizes: dict[str, list[Fraction]] = {}
        for part in self.parts:
            size = volumes[part.region] if part.whole else part.shape.volume * unit
            sizes.setdefault(part.name, []).append(size)
        return {name: total(own) for name, own in sorted(sizes.items())}

    @functools.cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of all regions by what is decided, in the order of the regions; they share no interior point.

        Raises:
            InputError: nothing is decided.
        """
        plan = self.found.plan
        if plan.rule == "none":
            raise InputError(f"classes: nothing is decided ({plan.text}); state a rule with decision=")
        found: list[Part] = []
        for region, (shape, name) in enumerate(zip(self.shapes, self._certain(), strict=True)):
            if shape is not None and name:
                found.append(Part(region, name, (name,), shape, True))
            elif shape is not None:
                found += self._cut(region, shape)
        return tuple(found)

    @functools.cached_property
    def boundary(self) -> tuple[Boundary, ...]:
        """The decision boundary: each polytope once, whatever the number of regions that it belongs to.

        Polytopes inside ``tie_parts`` are left out; those on their rim, where further logits come in, are not.

        Raises:
            InputError: nothing is decided.
        """
        found: dict[frozenset[Point], list[Side]] = {}
        for part in self.parts:
            if part.piece is None:
                continue
            names, rows, _ = self._scores(part.region)
            for wall in walls(part.piece, rows):
                corners = frozenset(part.shape.points[i] for i in wall.corners)
                found.setdefault(corners, []).append((part, wall, tuple(names[i] for i in wall.tied)))
        return tuple(self._boundary(sides) for sides in found.values() if any(map(_comes_in, sides)))

    @property
    def tie_parts(self) -> tuple[Part, ...]:
        """The full-dimensional parts throughout which several classes attain the maximum."""
        return tuple(part for part in self.parts if len(part.attained) > 1)

    def _cut(self, region: int, shape: Shape) -> list[Part]:
        names, rows, tie = self._scores(region)
        pieces = envelope(shape, rows, tie)
        return [
            Part(region, names[p.winner], tuple(names[i] for i in p.equal), p.shape, len(pieces) == 1, p)
            for p in pieces
        ]

    def _scores(self, region: int) -> tuple[list[str], list[Row], Tie]:
        return score_rows(self.found.plan, self.where.scores(self.found.cells[region].pattern))

    def _certain(self) -> list[str]:
        """Name the class of each region whose vertices all have that class for sure; no text elsewhere.

        A region's logits are affine on it, so what holds strictly at its vertices holds everywhere in it.
        """
        points = list(dict.fromkeys(p for shape in self.shapes if shape is not None for p in shape.points))
        names = dict(zip(points, self._names_at(points), strict=True))
        found: list[str] = []
        for shape in self.shapes:
            own = {names[point] for point in shape.points} if shape is not None else {""}
            found.append(own.pop() if len(own) == 1 else "")
        return found

    def _names_at(self, points: Sequence[Point]) -> Iterable[str]:
        program, plan, columns = self.found.model.program, self.found.plan, self.where.chart.columns.to_float()
        linear, constant = columns[:, :-1], columns[:, -1:]
        for start in range(0, len(points), BATCH):
            part = points[start : start + BATCH]
            near: Floats = np.array([rounded(point)[:-1] for point in part]).reshape(len(part), -1).T
            with np.errstate(all="ignore"):
                size = np.abs(linear) @ np.abs(near) + np.abs(constant)
                radius = (len(near) + 4) * 2.0**-52 * size + 2.0**-1000
                image = linear @ near + constant
            yield from certain_classes(program, plan, image, radius)

    def _boundary(self, sides: Sequence[Side]) -> Boundary:
        part, wall, _ = sides[0]
        shape, n = part.shape, part.shape.dimension
        ends = {
            wall.corners & corners: number
            for number, corners in reversed(shape.facets)
            if number != wall.row and len(wall.corners & corners) >= max(n - 1, 1)
        }
        classes = dict.fromkeys(name for _, _, tied in sides for name in tied)
        return Boundary(
            tuple(sorted(classes, key=self._rank)),
            tuple(sorted({side.name for side, _, _ in sides}, key=self._rank)),
            tuple(sorted({side.region for side, _, _ in sides})),
            self.where.input_rows([shape.rows[wall.row]], (self._source(shape, wall.row),)),
            self.where.input_rows(
                [shape.rows[number] for number in ends.values()],
                tuple(self._source(shape, number) for number in ends.values()),
            ),
            self.where.lifted([shape.points[i] for i in shape.around(wall.corners)]),
        )

    def _rank(self, name: str) -> tuple[int, str]:
        names = class_names(self.found.plan)
        return (names.index(name) if name in names else len(names)), name

    def _source(self, shape: Shape, number: int) -> RowSource:
        """Say where a row of a part comes from: the domain, a unit, or a comparison of logits."""
        name = shape.names[number]
        return RowSource("decision", 0) if name == BETWEEN else self.where.source(name)


def score_rows(plan: DecisionPlan, values: Rationals) -> tuple[list[str], list[Row], Tie]:
    """Return what a decision compares, with names: functions of which the largest is decided, and how ties go.

    Args:
        values: the outputs as affine functions (outputs, n+1).
    """
    lines: list[list[int]] = values.num.tolist()
    if plan.rule == "sign":
        line = lines[plan.outputs[0]]
        return class_names(plan), [(0,) * len(line), tuple(line)], "first"
    sign = -1 if plan.rule == "argmin" else 1
    return class_names(plan), [tuple(sign * v for v in lines[k]) for k in plan.outputs], plan.tie


def class_names(plan: DecisionPlan) -> list[str]:
    """Name everything that can be decided, in the order of the outputs."""
    if plan.rule == "sign":
        return [plan.outcome(plan.outputs[0], side) for side in (False, True)]
    return [plan.outcome(output, None) for output in plan.outputs] if plan.rule != "none" else []


def total(sizes: Sequence[Fraction]) -> Measure:
    """Add up volumes: exactly where the denominators allow, else within a rigorous enclosure.

    >>> total([Fraction(1, 3), Fraction(1, 6)])
    Measure(low=Fraction(1, 2), high=Fraction(1, 2))
    """
    if sum(size.denominator.bit_length() for size in sizes) <= EXACT_BITS:
        while len(sizes) > 1:
            pairs = [sizes[i : i + 2] for i in range(0, len(sizes), 2)]
            sizes = [sum(pair, Fraction(0)) for pair in pairs]
        whole = sizes[0] if sizes else Fraction(0)
        return Measure(whole, whole)
    largest = max(sizes)
    shift = MEASURED_BITS + largest.denominator.bit_length() - largest.numerator.bit_length()
    unit = Fraction(2) ** -shift
    down = sum(size // unit for size in sizes)
    return Measure(down * unit, (down + len(sizes)) * unit)


def _comes_in(side: Side) -> bool:
    """Say whether a class attains the maximum on the facet that does not on all of the part."""
    part, _, tied = side
    return len(tied) > len(part.attained)
