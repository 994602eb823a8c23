"""What a layer's construction says about the span of its rows' gradients (see ``cell_kernels.Span``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exactbox.polytope.cell_kernels import Cells, Flags, Ints
from exactbox.polytope.layer_rows import Layer
from exactbox.polytope.program import CONSTANT_ZERO, Max, Program, sources

_NO_BOUND = 1 << 40


class Spans:
    """Finds, for cells at the start of a layer, a spanning set of the layer's rows among the cells' own rows.

    Args:
        program: the program.
        every: all layers.
        layer: the layer that is to be split next.
        domain_rows: the number of the domain's rows, which are named first.
    """

    def __init__(self, program: Program, every: Sequence[Layer], layer: Layer, domain_rows: int) -> None:
        instruction = program.instructions[layer.position]
        source = instruction.src if isinstance(instruction, Max) else 0
        gate = _gate(program, source)
        self._gate = next((one for one in every if one.position == gate), None)
        self._first = domain_rows + (self._gate.base if self._gate else 0)
        before = program.instructions[gate] if gate is not None else None
        self._groups = before.groups if isinstance(before, Max) else None

    def of(self, seeds: Cells) -> tuple[Ints, Flags]:
        """Return the ranks (B,) and the flags (B, R) of ``cell_kernels.Span``."""
        inner = np.zeros(seeds.refs.shape, dtype=np.bool_)
        gate, groups = self._gate, self._groups
        if gate is None or groups is None:
            return np.full(len(inner), _NO_BOUND, dtype=np.int64), inner
        winners = seeds.winners[:, gate.first : gate.first + len(groups)].astype(np.int64)
        active = groups[np.arange(len(groups))[None, :], winners] != CONSTANT_ZERO
        pair = np.abs(seeds.refs.astype(np.int64)) - 1 - self._first
        known = (pair >= 0) & (pair < len(gate.pairs))
        if len(gate.pairs):
            number = np.clip(pair, 0, len(gate.pairs) - 1)
            rectified = (gate.ends == CONSTANT_ZERO).any(axis=1)[number]
            unit = gate.pairs[number, 0]
            inner = known & rectified & (gate.widths[unit] == 2) & np.take_along_axis(active, unit, axis=1)
        return active.sum(axis=1).astype(np.int64), inner


def _gate(program: Program, source: int) -> int | None:
    """Return the last ``Max`` through which everything passes that a vector reads of the input, or None."""
    for gate in reversed([position for position in program.max_positions if position <= source]):
        pending, seen = [source], {gate}
        while pending:
            position = pending.pop()
            if position not in seen:
                seen.add(position)
                pending += sources(program.instructions[position])
        if 0 not in seen:
            return gate
    return None
