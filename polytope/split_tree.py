"""The split tree of an enumeration, item by item in depth-first order: the evidence that no region is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from exactbox.polytope.cell_kernels import Refs
from exactbox.polytope.enumeration import Cell, Space
from exactbox.polytope.errors import InternalError
from exactbox.polytope.rows import RowSource


class Lost(NamedTuple):
    """A candidate that wins nowhere inside the cell.

    Where its difference to the rival is not constant, ``candidate - rival`` is minus a combination of the named rows
    with multipliers that are not negative, plus a constant that is not positive (and negative where they are all zero).
    The rows are the domain's, those of the nodes above, and those of this candidate against its earlier rivals: each
    is positive inside.

    Args:
        candidate: position in the group.
        rival: position in the group.
        names: rows by signed number, see ``row_of``; none where the difference is constant: negative, or zero and the
            rival has the lower position.
    """

    candidate: int
    rival: int
    names: tuple[int, ...]


class Node(NamedTuple):
    """A cell is branched on a unit: first all that is said here, then the subtrees of the other candidates in order.

    Args:
        unit: number of the unit in the program, all groups of all ``Max`` instructions counted (those with a single
            candidate too, though they are never branched on).
        lost: the candidates without a child, in no order.
    """

    unit: int
    lost: tuple[Lost, ...]


class Leaf(NamedTuple):
    """A region."""

    cell: Cell


@dataclass(frozen=True)
class UnitRow:
    """The row ``winner - rival >= 0`` of a unit, candidates by position in the group."""

    unit: int
    winner: int
    rival: int


def row_of(space: Space, name: int) -> RowSource | UnitRow:
    """Say which row of a cell a name stands for."""
    number = abs(name) - 1
    if number < len(space.chart.rows):
        return space.chart.sources[number]
    pair = number - len(space.chart.rows)
    layer = next(one for one in reversed(space.layers) if one.base <= pair and len(one.pairs))
    unit, low, high = layer.pairs[pair - layer.base].tolist()
    return UnitRow(layer.first + unit, low, high) if name > 0 else UnitRow(layer.first + unit, high, low)


class Step(NamedTuple):
    """Some of what happened in an enumeration, next to each other in depth-first order within each layer.

    Args:
        layer: the number of a layer, from 1 on; 0 where there is none.
        events: shape (e, 3+n), of that layer, see ``splitting.advance``.
        regions: the regions that it finished.
    """

    layer: int
    events: Refs
    regions: list[Cell]


def split_tree(space: Space, steps: Iterator[Step] | None = None) -> Iterator[Node | Leaf]:
    """Enumerate and yield the tree's items in depth-first order.

    Args:
        space: made with ``recording=True``.
        steps: those of an enumeration that was done before.

    Raises:
        InternalError: the space does not record.
    """
    if not space.recording:
        raise InternalError("split tree: the space must be made with recording=True")
    yield from _Reader(space, _steps(space) if steps is None else steps).items()


def _steps(space: Space) -> Iterator[Step]:
    for part in space.parts():
        yield Step(part.layer, part.events, space.regions(part.cells) if part.layer == len(space.layers) else [])


class _Reader:
    """Puts the events of all layers, which come in batches, into depth-first order."""

    def __init__(self, space: Space, steps: Iterator[Step]) -> None:
        self._space, self._steps = space, steps
        self._events: list[deque[list[int]]] = [deque() for _ in space.layers]
        self._regions: deque[Cell] = deque()
        self._widths = [int(w) for layer in space.layers for w in layer.widths]

    def items(self) -> Iterator[Node | Leaf]:
        if not self._space.layers:
            self._take(next(self._steps))
            yield Leaf(self._regions.popleft())
            return
        yield from self._cell(0)

    def _cell(self, layer: int) -> Iterator[Node | Leaf]:
        """Yield the subtree of one cell at the start of a layer."""
        events, last = self._events[layer], layer + 1 == len(self._events)
        waiting, lost = 1, list[Lost]()
        while waiting:
            while not events:
                self._take(next(self._steps))
            unit, candidate, rival, *names = events.popleft()
            if candidate >= 0:
                lost.append(Lost(candidate, rival, tuple(filter(None, names))))
            elif unit >= 0:
                waiting += self._widths[unit] - len(lost) - 1
                yield Node(unit, tuple(lost))
                lost = []
            else:
                waiting -= 1
                if last:
                    yield Leaf(self._regions.popleft())
                else:
                    yield from self._cell(layer + 1)

    def _take(self, step: Step) -> None:
        if step.layer:
            self._events[step.layer - 1].extend(step.events.tolist())
        self._regions.extend(step.regions)
