"""Names of entries: two entries of one name are the same function up to a constant, by the way they are made alone.

Where the winners of all maxima are fixed, an entry that is copied keeps its name, and one that does not depend on the
input is constant. So two entries of one name that agree at one point agree everywhere, and no functional is needed to
see it: max-pool over dead units, over a flat border, or over a repeated pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exactbox.polytope.exact import Winners
from exactbox.polytope.program import Add, Gather, IndexArray, Input, MatMul, Max, Program, Scale, Shift

BoolArray = npt.NDArray[np.bool_]

CONSTANT = -1
"""The name of all entries that do not depend on the input."""


def source_names(program: Program, winners: Winners, fixed: BoolArray) -> dict[int, IndexArray]:
    """Return the names of the entries that each ``Max`` reads, by its position.

    Args:
        winners: the source index of each winner, by ``Max`` position, of all maxima.
        fixed: shape (d,), the input coordinates that are constant on the domain.

    >>> from exactbox.polytope.program import Port
    >>> groups = np.array([[0, 1], [1, 2]])
    >>> code = (Input(2), Gather((0,), np.array([1, 0, 0])), Max(1, groups))
    >>> program = Program((Port("x", (2,)),), code, Port("y", (2,)))
    >>> {k: v.tolist() for k, v in source_names(program, {2: groups[:, 0]}, np.array([False, True])).items()}
    {2: [-1, 0, 0]}
    """
    values: dict[int, IndexArray] = {}
    found: dict[int, IndexArray] = {}
    count = 0
    for position, instruction in enumerate(program.instructions):
        fresh = np.arange(count, count + program.sizes[position])
        count += len(fresh)
        match instruction:
            case Input():
                names = np.where(fixed, CONSTANT, fresh)
            case Gather(srcs, index):
                names = np.append(np.concatenate([values[src] for src in srcs]), CONSTANT)[index]
            case Max(src, _):
                found[position] = values[src]
                names = np.append(values[src], CONSTANT)[winners[position]]
            case Shift(src, _):
                names = np.where(values[src] == CONSTANT, CONSTANT, fresh)
            case Scale(src, factor):
                names = np.where((values[src] == CONSTANT) | (factor.num == 0), CONSTANT, fresh)
            case Add(left, right):
                names = np.where((values[left] == CONSTANT) & (values[right] == CONSTANT), CONSTANT, fresh)
            case MatMul(src, _, _):
                names = np.where(_depends(instruction, values[src] != CONSTANT), fresh, CONSTANT)
        values[position] = names
        for spent in program.spent[position]:
            del values[spent]
    return found


def _depends(instruction: MatMul, variable: BoolArray) -> BoolArray:
    """Say which results of a product have a variable factor with a weight other than 0."""
    groups, height, width = instruction.weight.shape
    used = (instruction.weight.num != 0).astype(np.float32).transpose(0, 2, 1)
    rows = variable.reshape(groups, instruction.rows, width).astype(np.float32)
    return np.asarray(rows @ used > 0).reshape(groups * instruction.rows * height)
