"""How large a region is: a ball inside, its bounding box, and, in few dimensions, its vertices and volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from exactbox.polytope.domain import Bound
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.geometry import MAX_DIMENSION, Ball, bounding_box, chebyshev, vertices, volume
from exactbox.polytope.rational import Rationals
from exactbox.polytope.verdicts import Minimal
from exactbox.polytope.wording import counted

_T = TypeVar("_T")

BOX_BUDGET = 1 << 12
"""Facets times sides to be found up to which the bounding box is computed without being asked for."""

INPUTS_BUDGET = 1 << 22
"""The same times inputs, and rows and sides times inputs up to which the ball is."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Exact figures of a region whose facets are known; a missing one has its reason in ``skipped``.

    Args:
        ball: a ball inside that is nearly the largest.
        bounding_box: by input, the least and the greatest value in the region; None where there is none.
        vertices: shape (v, d), for at most 3 dimensions.
        volume: for at most 3 dimensions; None where it is infinite or missing.
        skipped: why a figure is missing, by its name.
    """

    ball: Ball | None = None
    bounding_box: tuple[tuple[Bound, Bound], ...] | None = None
    vertices: Rationals | None = None
    volume: Fraction | None = None
    skipped: dict[str, str] = field(default_factory=dict[str, str])


def geometry(polytope: Minimal, *, everything: bool = False) -> Geometry:
    """Measure a region.

    Args:
        everything: also what costs more than the budget.
    """
    skipped: dict[str, str] = {}
    ball = box = None
    dimension, sides = polytope.domain.dimension, open_sides(polytope)
    work = (len(polytope.given) + 2 * dimension) * dimension
    if everything or work <= INPUTS_BUDGET:
        ball = _attempt(lambda: chebyshev(polytope), "ball", skipped)
    else:
        skipped["ball"] = f"rows and sides times inputs are {work}, beyond the budget of {INPUTS_BUDGET}"
    size = len(polytope.facets) * sides
    if everything or (size <= BOX_BUDGET and size * dimension <= INPUTS_BUDGET):
        box = _attempt(lambda: bounding_box(polytope), "bounding_box", skipped)
    else:
        skipped["bounding_box"] = (
            f"{counted(size, 'facet')} times sides, in {counted(dimension, 'dimension')}, exceed the budget of "
            f"{BOX_BUDGET}, "
            f"and of {INPUTS_BUDGET} times dimensions"
        )
    if dimension > MAX_DIMENSION:
        few = f"computed in at most {MAX_DIMENSION} dimensions"
        return Geometry(ball, box, skipped={**skipped, "vertices": few, "volume": few})
    corners = _attempt(lambda: vertices(polytope), "vertices", skipped)
    content = _attempt(lambda: volume(polytope), "volume", skipped)
    if content is None:
        skipped.setdefault("volume", "infinite")
    return Geometry(ball, box, corners, content, skipped)


def open_sides(polytope: Minimal) -> int:
    """Return how many sides of the bounding box are not known from the domain's bounds that are facets.

    >>> from exactbox.polytope.domain import box, no_rows
    >>> from exactbox.polytope.facets import minimal
    >>> from exactbox.polytope.rational import exact
    >>> open_sides(minimal(box([0, None], [1, 1]), no_rows(2), exact(["1/2", "1/2"])))
    1
    """
    known = sum(polytope.sources[i].kind in ("lower", "upper") for i in polytope.facets)
    return 2 * polytope.domain.dimension - known


def _attempt(measure: Callable[[], _T], name: str, skipped: dict[str, str]) -> _T | None:
    try:
        return measure()
    except (InputError, BudgetError) as error:
        skipped[name] = str(error)
        return None
