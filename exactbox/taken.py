"""What becomes of the regions of a run that stays in memory, as they are found."""

from __future__ import annotations

import math
import time

from exactbox.decisions import DecisionPlan
from exactbox.polytope.cell_arrays import take_cells
from exactbox.polytope.cell_kernels import Cells
from exactbox.polytope.complex import Complex, ComplexBuilder
from exactbox.polytope.enumeration import Cell, Space
from exactbox.witness_classes import BATCH, classes_at

PIECE = 1 << 12
"""So many regions of one dimension are taken between two looks at the clock; fewer, by its square, in more."""


class _Plain:
    """Takes the regions of a run batch by batch, and nothing about how they hang together."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.cells: list[Cell] = []

    def extend(self, cells: Cells) -> None:
        """Add a batch of finished regions."""
        self.cells += self._space.regions(cells)


class Taken:
    """Takes the regions of a run as they are found, with their facets where asked for, and names their classes.

    All this is part of the run, so that a time limit holds for it too.

    Args:
        hanging: whether facets and neighbours are found.
        deadline: on the monotonic clock; regions whose facets would be found after it are left out.
    """

    def __init__(self, space: Space, plan: DecisionPlan, hanging: bool, deadline: float = math.inf) -> None:
        self._builder = ComplexBuilder(space) if hanging else _Plain(space)
        self._space, self._plan, self._deadline = space, plan, deadline
        self._names: list[str] = []

    @property
    def cells(self) -> list[Cell]:
        """The regions so far."""
        return self._builder.cells

    def extend(self, cells: Cells) -> None:
        """Add a batch of finished regions."""
        size = max(1, PIECE // max(1, self._space.chart.dimension**2))
        for start in range(0, len(cells.filled), size):
            if isinstance(self._builder, ComplexBuilder) and time.monotonic() > self._deadline:
                return
            self._builder.extend(take_cells(cells, slice(start, start + size)))
            if self._plan.rule != "none" and len(self.cells) - len(self._names) >= BATCH:
                self._name()

    def classes(self) -> tuple[str, ...]:
        """Return what is decided at each region's witness; nothing where nothing is decided."""
        self._name()
        return tuple(self._names)

    def hanging(self, complete: bool, reason: str) -> Complex | None:
        """Return how the regions hang together, where that was asked for."""
        return self._builder.finish(complete, reason) if isinstance(self._builder, ComplexBuilder) else None

    def _name(self) -> None:
        points = [cell.witness for cell in self.cells[len(self._names) :]]
        self._names += classes_at(self._space.program, self._plan, points)
