"""All analyses of an enumeration at once, each with the reason where it was left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeVar

from exactbox.class_regions import ClassRegions
from exactbox.dual_graph import GraphStatistics, graph_statistics
from exactbox.partition import Boundary, Measure
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.polytope.geometry import chebyshev
from exactbox.polytope.wording import counted
from exactbox.rounding import near_float

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

_T = TypeVar("_T")

SECONDS = 60.0
"""Time for each analysis that takes a linear program a region."""
LISTED = 5
"""How many of the largest and smallest regions are listed."""


@dataclass(frozen=True)
class Sizes:
    """The largest and smallest regions.

    Args:
        measure: "volume": exact. "radius": that of a ball that certainly lies inside; floats chose it, so that a region
            may hold a slightly larger one, and the order is the balls'.
        words: the measure in words, which depend on the dimension and on whether coordinates are those of a slice.
        largest: region and size, largest first.
        smallest: region and size, smallest first.
        whole: the volume of the domain, None for radii.
    """

    measure: Literal["volume", "radius"]
    words: str
    largest: tuple[tuple[int, Fraction], ...]
    smallest: tuple[tuple[int, Fraction], ...]
    whole: Fraction | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """What can be said of the regions as a whole; None for what ``skipped`` gives a reason for.

    Args:
        classes: which classes regions hold.
        class_volumes: the volume in which each class is decided.
        sizes: the largest and smallest regions.
        boundary: the decision boundary.
        ties: how many full-dimensional parts have several classes that attain the maximum throughout.
        graph: what the dual graph looks like.
        skipped: reasons, by name of the part.
    """

    classes: ClassRegions | None
    class_volumes: dict[str, Measure] | None
    sizes: Sizes | None
    boundary: tuple[Boundary, ...] | None
    ties: int | None
    graph: GraphStatistics | None
    skipped: dict[str, str]


def analyze(found: Enumerated, seconds: float = SECONDS) -> Analysis:
    """Compute all analyses; what cannot be computed, or not in time, is left out with its reason.

    Args:
        seconds: for each analysis that takes a linear program a region.
    """
    skipped: dict[str, str] = {}

    def tried(name: str, compute: Callable[[], _T]) -> _T | None:
        try:
            return compute()
        except (InputError, BudgetError) as error:
            skipped[name] = str(error)
            return None

    return Analysis(
        tried("classes", lambda: found.class_regions(seconds)),
        tried("class_volumes", lambda: found.partition.class_volumes),
        tried("sizes", lambda: sizes(found, seconds)),
        tried("boundary", lambda: found.boundary(seconds)),
        tried("ties", lambda: len(found.partition.tie_parts)),
        tried("graph", lambda: graph_statistics(found.neighbors)),
        skipped,
    )


def sizes(found: Enumerated, seconds: float = SECONDS) -> Sizes:
    """Rank the regions by exact volume where they have one, else by the radius of a ball inside.

    Raises:
        InputError: the domain has equations other than zero-width coordinates, or a region has no facet.
        BudgetError: the time was up.
    """
    if found.has_shapes:
        return _ranked("volume", volume_words(found), list(found.volumes()), found.partition.whole_volume)
    deadline, radii = time.monotonic() + seconds, list[Fraction]()
    for region in found:
        if time.monotonic() > deadline:
            raise BudgetError(f"{len(radii)} of {counted(len(found), 'region')} were measured in {seconds} seconds")
        radii.append(chebyshev(region.facets).radius)
    return _ranked("radius", "radius of a ball inside (a certain lower bound)", radii, None)


def volume_words(found: Enumerated) -> str:
    """Say what volumes measure."""
    kind = ("points", "length", "area", "volume")[found.domain.domain.dimension]
    cut = found.model.slice
    return f"exact {kind}" if cut is None else f"exact {kind} in the coordinates {' and '.join(cut.names)}"


def _ranked(
    measure: Literal["volume", "radius"], words: str, values: list[Fraction], whole: Fraction | None
) -> Sizes:
    near = [near_float(value) for value in values]  # correctly rounded, hence in order but for ties
    order = sorted(range(len(values)), key=lambda i: (near[i], values[i], i))
    smallest = tuple((i, values[i]) for i in order[:LISTED])
    largest = tuple((i, values[i]) for i in reversed(order[-LISTED:]))
    return Sizes(measure, words, largest, smallest, whole)
