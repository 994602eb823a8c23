"""Arrays of cells: made, narrowed, joined, and filled with the whole domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.polytope.cell_kernels import Cells, Floats
from exactbox.polytope.layer_rows import normalised
from exactbox.polytope.rational import Rationals, exact

_BATCH_BYTES = 1 << 24
_LARGEST_BATCH = 128


def empty_cells(count: int, dimension: int, units: int, rows: int) -> Cells:
    """Allocate places for cells."""
    n = dimension
    return Cells(
        np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), np.zeros((count, units), dtype=np.int16),
        np.zeros(count, dtype=np.int64), np.zeros((count, rows), dtype=np.int32), np.zeros((count, n + 1, rows)),
        np.zeros((count, rows)), np.zeros((count, rows)), np.full((count, n), -1, dtype=np.int64),
        np.zeros((count, n)), np.zeros((count, n, n)), np.zeros((count, n)), np.full(count, -1, dtype=np.int64),
        np.zeros(count, dtype=np.int64), np.zeros((count, rows if n == 2 else 0, 3)),
        np.zeros((count, rows if n == 2 else 0), dtype=np.int64),
    )


def cover(cells: Cells, extent: Floats) -> None:
    """Give the cell of a whole bounded box its rectangle, where each side is one of the rows."""
    a, b = extent.tolist()
    if not np.isfinite(extent).all():
        return
    corners = np.array([(-a, -b), (a, -b), (a, b), (-a, b)])
    outward = np.array([(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)])
    for k, normal in enumerate(outward):
        gradients = cells.cols[0, :2, : cells.filled[0]].T
        aligned = np.flatnonzero((gradients @ normal < 0) & (np.abs(gradients @ normal[::-1]) == 0))
        if len(aligned) != 1:
            return
        cells.sides[0, k] = aligned[0]
    cells.corners[0, :4, :2] = corners
    cells.corners[0, :4, 2] = np.where((extent == 1).all(), 0.0, extent.max() * 2.0**-45)
    cells.corner_count[0] = 4


def first_cells(cells: Cells, count: int, rows: int) -> Cells:
    """Copy the first cells, with room for so many rows."""
    narrow = {"refs", "radius", "reach", "corners", "sides"}
    parts = {
        name: (array[:count, :, :rows] if name == "cols" else array[:count, :rows] if name in narrow else array[:count])
        for name, array in cells._asdict().items()
    }
    return Cells(**{name: array.copy(order="C") for name, array in parts.items()})


def take_cells(cells: Cells, chosen: slice | Sequence[int]) -> Cells:
    """Copy some cells."""
    return Cells(**{name: array[chosen].copy() for name, array in cells._asdict().items()})


def join_cells(parts: Sequence[Cells]) -> Cells:
    """Put cells one after another, with room for the rows of the longest."""
    width = max(part.refs.shape[1] for part in parts)
    widened = [_widened(part, width) for part in parts]
    columns = zip(Cells._fields, zip(*widened, strict=True), strict=True)
    return Cells(**{name: np.concatenate(arrays) for name, arrays in columns})


def _widened(cells: Cells, rows: int) -> Cells:
    count, n = cells.point.shape
    wide = empty_cells(count, n, cells.winners.shape[1], rows)
    arrays: Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = zip(cells, wide, strict=True)
    for source, target in arrays:
        target[tuple(slice(0, size) for size in source.shape)] = source
    return wide


def capacity(dimension: int, rows: int, units: int) -> int:
    """Say how many cells of so many rows make a batch."""
    size = 8 * (dimension + 4) * (rows + dimension) + 2 * units + 1
    return max(4, min(_LARGEST_BATCH, _BATCH_BYTES // size))


def float_rows(rows: npt.NDArray[np.object_]) -> tuple[Floats, Floats]:
    """Enclose integer rows (m, n+1), scaled to gradients near 1; a constant that overflows is not known at all."""
    scaled = np.zeros(rows.shape)
    radius = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        size = max(abs(int(v)) for v in row[:-1]).bit_length()
        fractions = Rationals(row, 1 << size)
        scaled[i] = fractions.to_float()
        if not np.isfinite(scaled[i]).all():
            scaled[i, -1], radius[i, -1] = 0.0, np.inf
        elif not exact(scaled[i]).equals(fractions):
            radius[i] = np.abs(scaled[i]) * 2.0**-52 + 2.0**-1000
    return normalised(scaled, radius)


def reach(rows: Floats, radius: Floats, extent: Floats) -> Floats:
    """Bound rows (..., n+1) from above over ``abs(z) <= extent``."""
    with np.errstate(all="ignore"):
        terms = np.where(rows[..., :-1] == 0, 0.0, np.abs(rows[..., :-1]) * extent).sum(axis=-1)
        spread = np.where(radius == 0, 0.0, radius * (1 + extent.sum()))
        return np.asarray((terms + np.abs(rows[..., -1]) + spread) * (1 + 2.0**-30))
