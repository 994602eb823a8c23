"""Which rows of finished cells are facets, and which cell lies beyond each; floats search, proofs decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_arrays import empty_cells
from exactbox.polytope.cell_kernels import Cells, Floats, Work, work_space
from exactbox.polytope.compiled import compiled
from exactbox.polytope.enclosed import enclose, winners_at
from exactbox.polytope.enumeration import Space
from exactbox.polytope.exact_cells import Beyond, ExactCell, beyond, evaluate
from exactbox.polytope.layer_rows import ExactRows
from exactbox.polytope.planar import ABOVE, BOTH
from exactbox.polytope.rational import exact, from_fractions
from exactbox.polytope.region import cross
from exactbox.polytope.splitting import Table, copy_cell, probe

_UNIT = 2.0**-53
_UP = 1 + 2.0**-30
_TINY = 2.0**-1000
_CHUNK = 2048
_NO_BOUND = 1 << 40

Bytes = npt.NDArray[np.int8]
UNDECIDED, FACET, REDUNDANT = 0, 1, 2


@compiled
def find_facets(
    cells: Cells, scratch: Cells, table: Table, work: Work, row: Floats, kinds: Bytes, points: Floats
) -> None:
    """Decide for each row of each cell whether it is a facet: points (B, R, n) are beyond that row alone."""
    n = cells.point.shape[1]
    for i in range(len(cells.filled)):
        last = cells.filled[i] - 1
        for r in range(cells.filled[i]):
            copy_cell(cells, i, scratch, 0)
            scratch.corner_count[0] = 0
            scratch.seed[0] = 0
            scratch.filled[0] = last
            for j in range(n + 1):
                row[j] = cells.cols[i, j, r]
                scratch.cols[0, j, r] = cells.cols[i, j, last]
            scratch.radius[0, r] = cells.radius[i, last]
            scratch.reach[0, r] = cells.reach[i, last]
            for k in range(n):
                if cells.tight[i, k] == r:
                    scratch.tight[0, k] = -1
                elif cells.tight[i, k] == last:
                    scratch.tight[0, k] = r
            found = probe(scratch, 0, row, float(cells.radius[i, r]), table, work)
            kinds[i, r] = FACET if found == BOTH else REDUNDANT if found == ABOVE else UNDECIDED
            for j in range(n):
                points[i, r, j] = work.inner[j]


@dataclass(frozen=True)
class Facet:
    """A facet of a cell.

    Args:
        name: the row, see ``split_tree.row_of``; 0 for a bound of a coordinate that is left out of the chart.
        beyond: the winners of the cell on its other side as bytes, None for the domain's rows.
    """

    name: int
    beyond: bytes | None


class FacetFinder:
    """Finds the facets of finished regions and their neighbours.

    Args:
        space: the program on its domain.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        n = space.chart.dimension
        self._width = np.array([w for layer in space.layers for w in layer.widths], dtype=np.int64)
        pairs = [(layer.first + p[0], p[1], p[2]) for layer in space.layers for p in layer.pairs.tolist()]
        self._pairs = np.array(pairs, dtype=np.int64).reshape(-1, 3)
        self._table = Table(
            np.zeros((1, 0, n + 1)), np.zeros((1, 0)), np.zeros((1, 0)), np.zeros(0, dtype=np.int64),
            np.zeros(0, dtype=np.int64), space.chart.extent, np.zeros(2, dtype=np.int64),
            np.full(1, _NO_BOUND, dtype=np.int64), np.zeros((1, 0), dtype=np.bool_), np.zeros(1, dtype=np.int64),
        )

    def facets(self, cells: Cells) -> list[list[Facet]]:
        """Return the facets of each cell of a batch of finished regions."""
        hidden = [Facet(0, None)] * self._space.bounds_left_out
        found: list[list[Facet]] = [list(hidden) for _ in cells.filled]
        if not self._space.chart.dimension:
            return found
        kinds, points = self._search(cells)
        sure: list[tuple[int, int]] = []
        for i, r in np.argwhere(np.arange(kinds.shape[1])[None, :] < cells.filled[:, None]).tolist():
            name = int(cells.refs[i, r])
            if kinds[i, r] == FACET and abs(name) <= len(self._space.chart.rows):
                found[i].append(Facet(name, None))
            elif kinds[i, r] == FACET:
                sure.append((i, r))
            elif kinds[i, r] == UNDECIDED:
                found[i] += self._exactly(cells, i, r, None)
        for start in range(0, len(sure), _CHUNK):
            part = sure[start : start + _CHUNK]
            for (i, r), key in zip(part, self._neighbours(cells, part, points), strict=True):
                known = [Facet(int(cells.refs[i, r]), key)]
                found[i] += self._exactly(cells, i, r, points[i, r]) if key is None else known
        return found

    def _search(self, cells: Cells) -> tuple[Bytes, Floats]:
        n, rows = self._space.chart.dimension, cells.cols.shape[2]
        scratch = empty_cells(1, n, self._space.units, rows)
        kinds = np.zeros((len(cells.filled), rows), dtype=np.int8)
        points = np.zeros((len(cells.filled), rows, n))
        find_facets(cells, scratch, self._table, work_space(n, rows), np.zeros(n + 1), kinds, points)
        return kinds, points

    def _neighbours(self, cells: Cells, part: list[tuple[int, int]], points: Floats) -> Iterator[bytes | None]:
        """Yield the winners beyond each facet where all other units are certain on it, else None."""
        index, rows = np.array(part).T
        pair = self._pairs[np.abs(cells.refs[index, rows]) - 1 - len(self._space.chart.rows)]
        with np.errstate(all="ignore"):
            centre, radius = self._crossings(cells, index, rows, points[index, rows])
            inputs, errors = self._lifted(centre, radius)
            found = winners_at(self._space.program, enclose(self._space.program, inputs, radius=errors))
        if not found:
            return
        winners = np.concatenate([w for w, _ in found]).T
        certain = np.concatenate([c for _, c in found]).T
        mine = cells.winners[index].astype(np.int64)
        places = np.arange(len(part))
        agree = certain & (winners == mine)
        agree[places, pair[:, 0]] = self._width[pair[:, 0]] == 2
        beyond_them = mine.copy()
        beyond_them[places, pair[:, 0]] = pair[:, 1] + pair[:, 2] - mine[places, pair[:, 0]]
        keys = beyond_them.astype(np.int16)
        for k in range(len(part)):
            yield keys[k].tobytes() if agree[k].all() else None

    def _crossings(
        self, cells: Cells, index: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], outside: Floats
    ) -> tuple[Floats, Floats]:
        """Enclose where the segments from the witnesses to points beyond rows meet the rows; (F, n) each."""
        inside = cells.witness[index]
        row, error = cells.cols[index, :, rows], cells.radius[index, rows]
        n = inside.shape[1]

        def value(points: Floats) -> tuple[Floats, Floats]:
            size = np.abs(row[:, :-1] * points).sum(axis=1) + np.abs(row[:, -1])
            spread = (n + 2) * _UNIT * size + error * (np.abs(points).sum(axis=1) + 1)
            return (row[:, :-1] * points).sum(axis=1) + row[:, -1], spread * _UP + _TINY

        (here, near), (there, far) = value(inside), value(outside)
        share = here / (here - there)
        doubt = (2 * near + far) / ((here - there) * (1 - 4 * _UNIT) - near - far) * _UP + 4 * _UNIT
        doubt = np.where((doubt > 0) & np.isfinite(doubt), doubt, np.inf)
        move = outside - inside
        centre = inside + share[:, None] * move
        size = np.abs(inside) + np.abs(outside)
        return centre, (doubt[:, None] * size + 4 * _UNIT * size) * _UP + _TINY

    def _lifted(self, centre: Floats, radius: Floats) -> tuple[Floats, Floats]:
        """Enclose chart points (F, n) as inputs (d, F)."""
        columns = self._space.chart.columns.to_float()
        linear, constant = columns[:, :-1], columns[:, -1:]
        image = linear @ centre.T + constant
        size = np.abs(linear) @ np.abs(centre.T) + np.abs(constant)
        error = np.abs(linear) @ radius.T * (1 + 4 * _UNIT) + (len(linear.T) + 4) * _UNIT * size
        return image, error * _UP + _TINY

    def _exactly(self, cells: Cells, i: int, r: int, outside: Floats | None) -> list[Facet]:
        """Decide one row, and find what lies beyond it, in exact numbers; [] where it is no facet."""
        space = self._space
        source = ExactRows(space.program, space.chart, space.layers, len(space.program.instructions), cells.winners[i])
        cell = space.exact_cell(cells, i, source)
        row, name = cell.rows[r], cell.names[r]
        if outside is None:
            others = ExactCell(cell.names[:r] + cell.names[r + 1 :], cell.rows[:r] + cell.rows[r + 1 :], cell.witness)
            found = beyond(others, [-v for v in row])
            if not isinstance(found, Beyond):
                return []
            target = found.point
        else:
            target = tuple(exact(outside).fractions())
        if abs(name) <= len(space.chart.rows):
            return [Facet(name, None)]
        return [Facet(name, self._cross(cell.witness, target, row))]

    def _cross(self, inside: tuple[Fraction, ...], outside: tuple[Fraction, ...], row: list[int]) -> bytes:
        space, n = self._space, len(inside)
        here, there = evaluate(row, inside), evaluate(row, outside)
        share = here / (here - there)
        onto = [a + share * (b - a) for a, b in zip(inside, outside, strict=True)]
        ends = from_fractions([*onto, *outside], (2, n)).transposed()
        lifted = space.chart.lift(ends)
        region = cross(space.program, space.domain, lifted[:, 0], lifted[:, 1] - lifted[:, 0])
        return np.concatenate([np.zeros(0, dtype=np.int64), *region.pattern.winners]).astype(np.int16).tobytes()
