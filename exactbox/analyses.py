"""What can be asked of an enumeration: shapes and volumes, classes, the decision boundary, the dual graph, points."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from exactbox.boundary_rows import boundary_rows
from exactbox.class_regions import ClassRegions, class_regions
from exactbox.dual_graph import dual_graph
from exactbox.locating import Located, locate
from exactbox.partition import Boundary, Partition
from exactbox.polytope.cell_shapes import domain_shape
from exactbox.polytope.chart import chart
from exactbox.polytope.errors import InputError

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


def _own(analyses: Analyses) -> Enumerated:
    return cast("Enumerated", analyses)
