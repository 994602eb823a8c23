"""What can be asked of an enumeration: shapes and volumes, classes, the decision boundary, the dual graph, points."""

from __future__ import annotations

import functools
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from exactbox.analyzing import SECONDS, Analysis, analyze
from exactbox.boundary_rows import boundary_rows
from exactbox.class_regions import ClassRegions, class_regions
from exactbox.dual_graph import dual_graph
from exactbox.files import check_writable
from exactbox.locating import Located, locate
from exactbox.partition import Boundary, Partition
from exactbox.polytope.cell_shapes import domain_shape
from exactbox.polytope.chart import chart
from exactbox.polytope.errors import InputError
from exactbox.region_colours import By

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated


class Analyses:
    """The questions that ``Enumerated`` answers; all answers are exact."""

    @functools.cached_property
    def no_shapes(self) -> str | None:
        """Why regions have no vertices here (an unbounded domain, or more than three dimensions); None if they do."""
        try:
            domain_shape(chart(_own(self).domain.domain))
        except InputError as error:
            return str(error)
        return None

    @property
    def has_shapes(self) -> bool:
        """Whether regions have vertices and volumes: the domain is bounded and has at most three dimensions."""
        return self.no_shapes is None

    @functools.cached_property
    def partition(self) -> Partition:
        """The regions as exact shapes, and their parts by what is decided.

        Raises:
            InputError: the domain is unbounded or has more than three dimensions.
        """
        return Partition(_own(self))

    def volumes(self) -> tuple[Fraction, ...]:
        """Return the volume of each region: lengths for one dimension, areas for two.

        Raises:
            InputError: as ``partition``, or the domain has equations other than zero-width coordinates.
        """
        return self.partition.volumes

    def boundary(self, seconds: float | None = None) -> tuple[Boundary, ...]:
        """Return the decision boundary as polytopes, each once: half-spaces, and vertices where regions have shapes.

        Args:
            seconds: give up after so long; not looked at where regions have shapes.

        Raises:
            InputError: nothing is decided.
            BudgetError: the time was up.
        """
        return self.partition.boundary if self.has_shapes else boundary_rows(_own(self), seconds)

    def class_regions(self, seconds: float | None = None) -> ClassRegions:
        """Return which classes each region holds, in any dimension, bounded or not.

        Args:
            seconds: stop after so long and say so; not looked at where regions have shapes.

        Raises:
            InputError: nothing is decided.
        """
        return class_regions(_own(self), seconds)

    def graph(self) -> Any:
        """Return the dual graph as a ``networkx.Graph``: see ``dual_graph.dual_graph`` for its attributes.

        Raises:
            InputError: networkx is not installed, or neighbours were not asked for.
        """
        return dual_graph(_own(self))

    def locate(self, data: object) -> Located:
        """Return all regions that contain each sample of an array, a file, or a mapping from inputs to these.

        Raises:
            InputError: the samples do not fit the model.
        """
        return locate(_own(self), data)

    def analyze(self, seconds: float = SECONDS) -> Analysis:
        """Return all analyses at once; what cannot be computed, or not in time, is left out with its reason.

        Args:
            seconds: for each analysis that takes a linear program a region.
        """
        return analyze(_own(self), seconds)

    def plot(
        self, path: str | os.PathLike[str], *, colour: By | None = None, view: tuple[object, object] | None = None
    ) -> str:
        """Draw regions in one or two dimensions as .png or .svg; returns the path.

        Args:
            colour: "class" (by default where something is decided), "region" by pattern, or "map" by affine map.
            view: lower and upper bound of what is shown of each coordinate.

        Raises:
            InputError: other dimensions, another ending, or matplotlib is not installed.
        """
        from exactbox.drawing import drawing_of
        from exactbox.partition_plot import draw_partition

        check_writable(Path(path), ".png", ".svg")
        draw_partition(drawing_of(_own(self), colour=colour, view=view), Path(path))
        return str(path)

    def page(
        self, path: str | os.PathLike[str], *, colour: By | None = None, view: tuple[object, object] | None = None
    ) -> str:
        """Write an interactive page of regions in one or two dimensions as one .html file; returns the path.

        Raises:
            InputError: as ``plot``, too many regions for a browser, or bokeh is not installed.
        """
        from exactbox.drawing import drawing_of
        from exactbox.partition_page import check_page, write_page

        check_page(Path(path))
        write_page(_own(self), drawing_of(_own(self), colour=colour, view=view), Path(path))
        return str(path)


def _own(analyses: Analyses) -> Enumerated:
    return cast("Enumerated", analyses)
