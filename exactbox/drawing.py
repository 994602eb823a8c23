"""What a picture of regions shows: exact shapes turned into floats for drawing only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from exactbox.boxes import DomainRead, cut_at
from exactbox.partition import Partition, class_names
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact import forward
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.shapes import Point, Shape
from exactbox.polytope.wording import counted, spelled
from exactbox.region_colours import By, Colour, class_colour, hashed_colour, map_key, share_of, tinted
from exactbox.rounding import decimal_text

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

Floats = npt.NDArray[np.float64]
View = tuple[object, object]

_DARK: Colour = (0.1, 0.1, 0.1)
COLOURS: tuple[By, ...] = ("class", "region", "map")
_MARGIN = Fraction(1, 4)
_SPARE = 20
"""One in so many witnesses on each side may lie outside what is shown of an unbounded domain."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a region in one colour.

    Args:
        region: the region's number.
        name: what is decided, or nothing.
        tie: whether several classes attain the maximum throughout.
        corners: shape (k, 2) in order around it, or (2, 1).
        colour: its colour.
    """

    region: int
    name: str
    tie: bool
    corners: Floats
    colour: Colour


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture of regions in one or two dimensions.

    Args:
        names: of the axes.
        frame: lower and upper end of each axis.
        tiles: coloured parts.
        outlines: the corners of each region that is seen, by number.
        boundary: the decision boundary: corners (2, 2) or (1, 1), and whether the decision changes there.
        classes: name and colour of what is decided somewhere, in the order of the outputs, where colours stand for it.
        curves: for one dimension, a name, a colour and points (k, 2) for each compared output.
        level: whether the curve is compared with 0.
        marks: names of points and where they are.
        title: over everything.
        caption: under everything.
        complete: whether all regions are known.
    """

    names: tuple[str, ...]
    frame: tuple[tuple[float, float], ...]
    tiles: tuple[Tile, ...]
    outlines: dict[int, Floats]
    boundary: tuple[tuple[Floats, bool], ...]
    classes: tuple[tuple[str, Colour], ...]
    curves: tuple[tuple[str, Colour, Floats], ...]
    level: bool
    marks: tuple[tuple[str, Floats], ...]
    title: str
    caption: str
    complete: bool


def drawing_of(found: Enumerated, *, colour: By | None = None, view: View | None = None) -> Drawing:
    """Return the picture of an enumeration in one or two dimensions.

    Args:
        colour: "class" (by default where something is decided) with a shade by region, "region" by pattern, or "map"
            by affine map.
        view: lower and upper bound of what is shown of each coordinate; by default the domain, cut to the surroundings
            of the witnesses where it is unbounded.

    Raises:
        InputError: other dimensions, or a colour that needs a decision.
    """
    dimension = found.domain.domain.dimension
    if dimension not in (1, 2):
        raise InputError(
            f"a picture shows one or two dimensions, and the domain has {dimension}: give a plane through three inputs "
            f"({spelled('plane=…', '--plane')}), a line through two ({spelled('line=…', '--line')}), or a box of zero "
            "width in all coordinates but two"
        )
    if colour == "class" and found.plan.rule == "none":
        raise InputError(f"a picture by class: nothing is decided ({found.plan.text})")
    by = colour or ("region" if found.plan.rule == "none" else "class")
    window, said = _window(found, view)
    partition = found.partition if window is None else Partition(found, window)
    return _Maker(found, partition, by).drawing(said)


class _Maker:
    """Turns a partition into a drawing.

    Args:
        found: the regions.
        partition: their shapes.
        by: what decides about colours.
    """

    def __init__(self, found: Enumerated, partition: Partition, by: By) -> None:
        self._found, self._partition, self._by = found, partition, by
        self._decided = found.plan.rule != "none"
        self._axes = partition.where.domain.free.tolist()
        columns = partition.where.chart.columns
        n = len(self._axes)
        self._scales = [(columns.item(i, k), columns.item(i, n)) for k, i in enumerate(self._axes)]
        self._places = {name: i for i, name in reversed(list(enumerate(class_names(found.plan))))}
        self._known: dict[Point, tuple[float, ...]] = {}

    def drawing(self, said: str) -> Drawing:
        """Return the drawing; ``said`` is about the window."""
        shapes = {i: shape for i, shape in enumerate(self._partition.shapes) if shape is not None}
        outlines = {i: self._corners(shape) for i, shape in shapes.items()}
        tiles = tuple(self._tiles(shapes))
        named = {tile.name for tile in tiles if tile.name and self._by == "class"}
        shown = sorted(named, key=lambda name: self._places[name])
        return Drawing(
            tuple(self._found.model.input_names()[i] for i in self._axes),
            self._frame(),
            tiles,
            outlines,
            self._boundary() if self._decided else (),
            tuple((name, class_colour(self._places[name])) for name in shown),
            tuple(self._curves(shapes.values())) if len(self._axes) == 1 else (),
            self._found.plan.rule == "sign",
            self._marks(),
            title(self._found),
            self._caption(said, len(shapes)),
            self._found.complete,
        )

    def _tiles(self, shapes: dict[int, Shape]) -> Iterable[Tile]:
        if not self._decided:
            for i, shape in shapes.items():
                yield Tile(i, "", False, self._corners(shape), self._colour(i, ""))
            return
        for part in self._partition.parts:
            colour = self._colour(part.region, part.name)
            yield Tile(part.region, part.name, len(part.attained) > 1, self._corners(part.shape), colour)

    def _colour(self, region: int, name: str) -> Colour:
        if self._by == "map":
            return hashed_colour(map_key(*self._found[region].affine))
        key = self._found.cells[region].pattern.key
        if self._by == "region":
            return hashed_colour(key)
        return tinted(class_colour(self._places[name]), share_of(key))

    def _boundary(self) -> tuple[tuple[Floats, bool], ...]:
        axes = self._axes
        return tuple((one.corners[:, axes].to_float(), one.changes) for one in self._partition.boundary)

    def _curves(self, shapes: Iterable[Shape]) -> Iterable[tuple[str, Colour, Floats]]:
        """Evaluate what is compared at all breakpoints; between them it is affine."""
        points = sorted({point for shape in shapes for point in shape.points}, key=lambda p: Fraction(p[0], p[1]))
        values = [self._values(self._partition.where.lifted([point])) for point in points]
        labels = curve_names(self._found, len(values[0]) if values else 0)
        for k, label in enumerate(labels):
            heights = from_fractions([v[k] for v in values]).to_float()
            line = np.stack([np.array([self._floats(p)[0] for p in points]), heights], axis=1)
            yield label, _DARK if self._found.plan.rule == "sign" else class_colour(k), line

    def _values(self, point: Rationals) -> list[Fraction]:
        outputs = forward(self._found.model.program, point.transposed()).reshape(-1)
        return outputs[list(self._found.plan.outputs)].fractions()

    def _corners(self, shape: Shape) -> Floats:
        order = shape.around(frozenset(range(len(shape.points))))
        return np.array([self._floats(shape.points[i]) for i in order]).reshape(len(order), -1)

    def _floats(self, point: Point) -> tuple[float, ...]:
        if point not in self._known:
            values = zip(self._scales, point[:-1], strict=True)
            exactly = from_fractions([u * Fraction(v, point[-1]) + c for (u, c), v in values])
            self._known[point] = tuple(exactly.to_float().tolist())
        return self._known[point]

    def _frame(self) -> tuple[tuple[float, float], ...]:
        ends = np.array([self._floats(point) for point in self._partition.where.whole.points])
        frame = tuple((float(low), float(high)) for low, high in zip(ends.min(axis=0), ends.max(axis=0), strict=True))
        for k, (low, high) in enumerate(frame):
            if not 0 < high - low < float("inf"):
                name = self._found.model.input_names()[self._axes[k]]
                raise InputError(f"a picture needs floats: {name} goes from {low} to {high}, too narrow or too wide")
        return frame

    def _marks(self) -> tuple[tuple[str, Floats], ...]:
        """Mark the inputs that a line or plane goes through."""
        cut = self._found.model.slice
        if cut is None:
            return ()
        places = np.concatenate([np.zeros((1, cut.dimension)), np.eye(cut.dimension)])
        frame = self._frame()
        return tuple(
            (f"x{i}", place)
            for i, place in enumerate(places, 1)
            if len(place) == len(frame) and all(a <= v <= b for v, (a, b) in zip(place, frame, strict=True))
        )

    def _caption(self, said: str, count: int) -> str:
        total = len(self._found)
        part = "" if count == total else f"{count} of them shown, "
        state = "all there are" if self._found.complete else f"INCOMPLETE: {self._found.reason}"
        how = "computed exactly, drawn rounded"
        where = said or (self._found.domain.text if not self._found.model.slice else "")
        return "; ".join(words for words in (f"{counted(total, 'region')}, {part}{state}", where, how) if words)


def curve_names(found: Enumerated, count: int) -> list[str]:
    """Name the compared outputs: after their classes, or the one whose sign decides."""
    names = class_names(found.plan)
    if found.plan.rule == "sign" or len(names) != count:
        return [found.plan.name(output) for output in found.plan.outputs]
    return names


def title(found: Enumerated) -> str:
    """Return a picture's title."""
    cut = found.model.slice
    where = "" if cut is None else f" on a {cut.kind} through {counted(len(cut.points), 'input')}"
    linear = f", {counted(len(found.linear_regions), 'linear region')}" if found.hanging is not None else ""
    return f"{Path(found.model.path).name}{where}: {counted(len(found), 'activation region')}{linear}"


def _window(found: Enumerated, view: View | None) -> tuple[Domain | None, str]:
    """Return what is shown of the domain, None for all of it, and what is said about it."""
    free = found.domain.domain.free.tolist()
    if view is not None:
        cut = viewed(found.domain, view)
    elif found.has_shapes:
        return None, ""
    else:
        cut = _cut(found.domain, {i: _surroundings(found, i) for i in free})
    unbounded = "" if found.has_shapes else " of an unbounded domain"
    return cut.domain, cut.text + unbounded


def viewed(where: DomainRead, view: View) -> DomainRead:
    """Return what a view shows of a domain.

    Raises:
        InputError: nothing, or the view is no interval.
    """
    low, high = (exact([end]).item(0) for end in view)
    if low >= high:
        raise InputError(f"view: expected a lower bound below the upper one, got {view[0]} and {view[1]}")
    try:
        return _cut(where, {i: (low, high) for i in where.domain.free.tolist()})
    except InputError:
        raise InputError(f"view: expected an interval that meets the domain, {where.text}, got {view[0]} to "
                         f"{view[1]}") from None  # fmt: skip


def _cut(where: DomainRead, ends: Mapping[int, tuple[Fraction, Fraction]]) -> DomainRead:
    said = "shown: " + " x ".join(f"[{decimal_text(a)}, {decimal_text(b)}]" for a, b in ends.values())
    return cut_at(where, {i: a for i, (a, _) in ends.items()}, {i: b for i, (_, b) in ends.items()}, said)


def _surroundings(found: Enumerated, i: int) -> tuple[Fraction, Fraction]:
    """Return an interval that holds most witnesses' coordinate, with a margin, rounded outwards to a power of two."""
    values = sorted(cell.witness.item(i) for cell in found.cells)
    spare = len(values) // _SPARE
    low, high = values[spare], values[-1 - spare]
    margin = max((high - low) * _MARGIN, Fraction(1))
    step = Fraction(2) ** (margin.numerator.bit_length() - margin.denominator.bit_length() - 2)
    return (low - margin) // step * step, -((-high - margin) // step * step)
