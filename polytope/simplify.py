"""Rewrites a program into an equal, smaller and canonical one, exactly.

Rewriting stops when nothing changes. Every rule is an identity over the rationals for all inputs: gathers compose,
shifts and scales merge, a maximum of maxima that nothing else reads becomes one maximum, equal instructions are one,
and what does not reach the output is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    IndexArray,
    Input,
    Instruction,
    MatMul,
    Max,
    Program,
    Provenance,
    Scale,
    Shift,
    sources,
    with_sources,
)
from exactbox.polytope.rational import Rationals

_LAST = np.iinfo(np.int64).max
_FUSED_ENTRIES = 1 << 25
_CHUNK = 64


def simplify(program: Program) -> Program:
    """Return an equal program in canonical form; head, ports and names of units are kept.

    Two exports of one network become the same instructions where they differ in data movement, in operations by
    neutral constants, in repeated or unused nodes, or in the order of independent branches.
    """
    current = _rewritten(program)
    while True:
        fused = _fused(current)
        following = _rewritten(current if fused is None else fused)
        if fused is None and _unchanged(current, following):
            return _ordered(following)
        current = following


def sorted_groups(groups: IndexArray) -> IndexArray:
    """Sort each group's candidates, drop repeated ones, and move the padding to the end.

    >>> sorted_groups(np.array([[3, -1, 3], [-2, 5, 4]])).tolist()
    [[-1, 3], [4, 5]]
    """
    ordered = np.sort(np.where(groups == NO_CANDIDATE, _LAST, groups), axis=1)
    repeated = np.zeros(ordered.shape, dtype=bool)
    repeated[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != _LAST)
    if repeated.any():
        ordered = np.sort(np.where(repeated, _LAST, ordered), axis=1)
    width = int((ordered != _LAST).sum(axis=1).max()) if len(ordered) else 1
    kept = ordered[:, : max(width, 1)]
    return np.ascontiguousarray(np.where(kept == _LAST, NO_CANDIDATE, kept))


def use_counts(instructions: Sequence[Instruction]) -> list[int]:
    """Count how many instructions read each vector; the output counts as read once more."""
    counts = [0] * len(instructions)
    for instruction in instructions:
        for src in sources(instruction):
            counts[src] += 1
    counts[-1] += 1
    return counts


@dataclass(eq=False)
class _Writer:
    """A program under construction whose every instruction passes the local rules and exists once."""

    sizes: list[int] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    provenance: list[Provenance] = field(default_factory=list)
    known: dict[tuple[object, ...], list[int]] = field(default_factory=dict)

    def add(self, instruction: Instruction, origin: Provenance, alone: bool) -> int:
        """Add an instruction after simplifying it; ``alone`` says that its source serves nothing else."""
        match instruction:
            case Gather(srcs, index):
                return self.gather(srcs, index, origin)
            case Scale(src, factor):
                return self.scale(src, factor.reduced(), origin, alone)
            case Shift(src, offset):
                return self.shift(src, reduced(offset), origin)
            case Add(left, right):
                return self.sum(left, right, origin)
            case Max(src, groups):
                return self.maximum(src, groups, origin)
            case MatMul(src, weight, rows):
                return self.product(instruction, src, weight, rows, origin)
            case Input(size):
                return self.emit(instruction, size, origin)

    def emit(self, instruction: Instruction, size: int, origin: Provenance) -> int:
        """Append an instruction unless an equal one exists."""
        bucket = self.known.setdefault(_fingerprint(instruction), [])
        for position in bucket:
            if _same(self.instructions[position], instruction):
                return position
        self.instructions.append(instruction)
        self.sizes.append(size)
        self.provenance.append(origin)
        bucket.append(len(self.sizes) - 1)
        return len(self.sizes) - 1

    def gather(self, srcs: Sequence[int], index: IndexArray, origin: Provenance) -> int:
        """Compose with gathers below, keep the sources that are read, each once, in order."""
        flat_srcs, flat = self.flattened(srcs, index)
        if len(flat_srcs) == 1 and len(flat) == self.sizes[flat_srcs[0]]:
            if np.array_equal(flat, np.arange(len(flat))):
                return flat_srcs[0]
        return self.emit(Gather(flat_srcs, flat), len(flat), origin)

    def flattened(self, srcs: Sequence[int], index: IndexArray) -> tuple[tuple[int, ...], IndexArray]:
        """Return what a gather reads in the end: sources that are no gathers, ascending, and an index into them."""
        owner = np.empty(len(index), dtype=np.int64)
        place = np.full(len(index), CONSTANT_ZERO, dtype=np.int64)
        owner[...] = -1
        ends = np.cumsum([0, *(self.sizes[src] for src in srcs)])
        for i, src in enumerate(srcs):
            hit = (index >= ends[i]) & (index < ends[i + 1])
            if not hit.any():
                continue
            inner = index[hit] - ends[i]
            below = self.instructions[src]
            if isinstance(below, Gather):
                self._through(below, inner, hit, owner, place)
            else:
                owner[hit], place[hit] = src, inner
        found = tuple(np.flatnonzero(np.bincount(owner[owner >= 0])).tolist()) or (0,)
        starts = np.cumsum([0, *(self.sizes[src] for src in found)])
        base = starts[np.searchsorted(np.asarray(found), owner.clip(min=found[0]))]
        return found, np.where(owner >= 0, place + base, CONSTANT_ZERO)

    def _through(
        self, below: Gather, inner: IndexArray, hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
        owner: IndexArray, place: IndexArray,
    ) -> None:  # fmt: skip
        """Look entries up in the gather below; its own sources are no gathers."""
        entries = below.index[inner]
        ends = np.cumsum([0, *(self.sizes[src] for src in below.srcs)])
        which = np.searchsorted(ends, entries, side="right") - 1
        zero = entries < 0
        owners = np.asarray(below.srcs)[which.clip(min=0)]
        owner[hit] = np.where(zero, -1, owners)
        place[hit] = np.where(zero, CONSTANT_ZERO, entries - ends[which.clip(min=0)])

    def scale(self, src: int, factor: Rationals, origin: Provenance, alone: bool) -> int:
        """Drop factors 1, merge scales, and move a scale below a shift that nothing else reads."""
        below = self.instructions[src]
        if bool((factor.num == factor.den).all()) or self.is_zero(src):
            return src
        if isinstance(below, Scale):
            return self.scale(below.src, reduced(below.factor * factor), origin, False)
        if isinstance(below, Shift) and alone:
            inner = self.scale(below.src, factor, origin, False)
            return self.shift(inner, reduced(below.offset * factor), origin)
        return self.emit(Scale(src, factor), self.sizes[src], origin)

    def shift(self, src: int, offset: Rationals, origin: Provenance) -> int:
        """Drop offsets 0 and merge shifts."""
        below = self.instructions[src]
        if not offset.num.any():
            return src
        if isinstance(below, Shift):
            return self.shift(below.src, reduced(below.offset + offset), origin)
        return self.emit(Shift(src, offset), self.sizes[src], origin)

    def sum(self, left: int, right: int, origin: Provenance) -> int:
        """Add constants as shifts, and put the earlier vector first."""
        for constant, other in ((left, right), (right, left)):
            if self.is_zero(constant):
                return other
            below = self.instructions[constant]
            if isinstance(below, Shift) and self.is_zero(below.src):
                return self.shift(other, below.offset, origin)
        return self.emit(Add(min(left, right), max(left, right)), self.sizes[left], origin)

    def product(self, kept: MatMul, src: int, weight: Rationals, rows: int, origin: Provenance) -> int:
        """Keep a matrix product as it is (with its compiled weights), in lowest terms; that of zero is zero."""
        size = weight.shape[0] * rows * weight.shape[1]
        if self.is_zero(src):
            return self.gather((src,), np.full(size, CONSTANT_ZERO, dtype=np.int64), origin)
        lowest = reduced(weight)
        return self.emit(kept if lowest is weight else MatMul(src, lowest, rows), size, origin)

    def maximum(self, src: int, groups: IndexArray, origin: Provenance) -> int:
        """Read through a gather, keep only candidates that are read, and turn groups of one into a gather."""
        below = self.instructions[src]
        if isinstance(below, Gather):
            absent = groups < 0
            entries = np.where(absent, groups, below.index[groups.clip(min=0)])
            if len(below.srcs) == 1:
                src, groups = below.srcs[0], sorted_groups(entries)
            else:
                read = np.zeros(sum(self.sizes[part] for part in below.srcs), dtype=bool)
                read[entries[entries >= 0]] = True
                src = self.gather(below.srcs, np.flatnonzero(read), self.provenance[src])
                groups = sorted_groups(np.where(entries >= 0, (np.cumsum(read) - 1)[entries], entries))
        if groups.shape[1] == 1:
            return self.gather((src,), np.ascontiguousarray(groups[:, 0]), origin)
        return self.emit(Max(src, groups), len(groups), origin)

    def is_zero(self, position: int) -> bool:
        """Say whether a vector is the constant 0."""
        below = self.instructions[position]
        return isinstance(below, Gather) and bool((below.index == CONSTANT_ZERO).all())


def reduced(values: Rationals) -> Rationals:
    """Return equal values in lowest terms; stops looking as soon as nothing divides all of them."""
    common = values.den
    flat = values.num.ravel()
    for start in range(0, len(flat), _CHUNK):
        if common == 1:
            return values
        common = math.gcd(common, *flat[start : start + _CHUNK].tolist())
    return values if common == 1 else Rationals(values.num // common, values.den // common)


def _rewritten(program: Program) -> Program:
    """Apply the local rules once, from the input upwards, to what reaches the output."""
    live = _live(program.instructions)
    counts = use_counts(program.instructions)
    writer = _Writer()
    renamed: dict[int, int] = {}
    for position in sorted(live):
        instruction = with_sources(program.instructions[position], lambda src: renamed[src])
        alone = all(counts[src] == 1 for src in sources(program.instructions[position]))
        renamed[position] = writer.add(instruction, _origin(program, position), alone)
    return _finished(program, writer.instructions, writer.provenance, renamed[len(program.instructions) - 1])


def _finished(
    program: Program, instructions: Sequence[Instruction], origins: Sequence[Provenance], output: int
) -> Program:
    """Drop what the output does not need, so that the output is last."""
    live = sorted(_live(instructions[: output + 1]))
    place = {old: new for new, old in enumerate(live)}
    kept = tuple(with_sources(instructions[old], lambda src: place[src]) for old in live)
    provenance = tuple(origins[old] for old in live) if program.provenance else ()
    return replace(program, instructions=kept, provenance=provenance)


def _live(instructions: Sequence[Instruction]) -> set[int]:
    """Return the positions that the last one depends on, and the input."""
    live = {0, len(instructions) - 1}
    for position in range(len(instructions) - 1, 0, -1):
        if position in live:
            live.update(sources(instructions[position]))
    return live


def _ordered(program: Program) -> Program:
    """Put independent branches into the order in which a walk from the output meets them."""
    order: list[int] = [0]
    placed = {0}
    stack = [len(program.instructions) - 1]
    while stack:
        position = stack[-1]
        waiting = [src for src in sources(program.instructions[position]) if src not in placed]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if position not in placed:
            placed.add(position)
            order.append(position)
    place = {old: new for new, old in enumerate(order)}
    kept = tuple(with_sources(program.instructions[old], lambda src: place[src]) for old in order)
    provenance = tuple(program.provenance[old] for old in order) if program.provenance else ()
    return replace(program, instructions=kept, provenance=provenance)


def _fused(program: Program) -> Program | None:
    """Join each maximum with the maxima that only it reads; None where there are none."""
    counts = use_counts(program.instructions)
    instructions: list[Instruction] = []
    origins: list[Provenance] = []
    renamed: list[int] = []
    changed = False
    for position, old in enumerate(program.instructions):
        instruction = with_sources(old, lambda src: renamed[src])
        origin = _origin(program, position)
        if isinstance(old, Max) and isinstance(instruction, Max):
            joined = _join(program, old, counts)
            if joined is not None:
                gather, groups, below = joined
                instructions.append(with_sources(gather, lambda src: renamed[src]))
                origins.append(origin)
                instruction = Max(len(instructions) - 1, groups)
                names = dict.fromkeys([*(program.provenance[p].node for p in below if program.provenance), origin.node])
                origin = Provenance(" + ".join(names), origin.shape)
                changed = True
        instructions.append(instruction)
        origins.append(origin)
        renamed.append(len(instructions) - 1)
    return _finished(program, instructions, origins, len(instructions) - 1) if changed else None


def _join(program: Program, outer: Max, counts: Sequence[int]) -> tuple[Gather, IndexArray, list[int]] | None:
    """Write a maximum over the candidates of the maxima below, which nothing else reads.

    Returns:
        the gather of all candidates, the groups over it, and the positions of the maxima that it absorbs.
    """
    below = program.instructions[outer.src]
    if isinstance(below, Gather) and counts[outer.src] == 1:
        srcs, index = below.srcs, below.index
    else:
        srcs, index = (outer.src,), np.arange(program.sizes[outer.src], dtype=np.int64)
    inner = [src for src in srcs if isinstance(program.instructions[src], Max) and counts[src] == 1]
    if not inner:
        return None
    table, roots = _candidates(program, srcs, inner)
    entries = np.where(outer.groups >= 0, index[outer.groups.clip(min=0)], outer.groups)
    if entries.size * table.shape[1] > _FUSED_ENTRIES:
        return None
    special = np.full((1, table.shape[1]), NO_CANDIDATE, dtype=np.int64)
    zero = special.copy()
    zero[0, 0] = CONSTANT_ZERO
    rows = np.concatenate([table, special, zero])  # the last two rows serve -2 and -1
    groups = sorted_groups(rows[entries].reshape(len(entries), -1))
    total = sum(program.sizes[root] for root in roots)
    return Gather(roots, np.arange(total, dtype=np.int64)), groups, inner


def _candidates(program: Program, srcs: Sequence[int], inner: Sequence[int]) -> tuple[IndexArray, tuple[int, ...]]:
    """Return, for each entry of concat(srcs), its candidates among the entries of the vectors below."""
    roots: list[int] = []
    blocks: list[IndexArray] = []
    start = 0
    for src in srcs:
        instruction = program.instructions[src]
        if src in inner and isinstance(instruction, Max):
            root, groups = instruction.src, instruction.groups
        else:
            root, groups = src, np.arange(program.sizes[src], dtype=np.int64)[:, None]
        blocks.append(np.where(groups >= 0, groups + start, groups))
        roots.append(root)
        start += program.sizes[root]
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(b, ((0, 0), (0, width - b.shape[1])), constant_values=NO_CANDIDATE) for b in blocks]
    return np.concatenate(padded), tuple(roots)


def _origin(program: Program, position: int) -> Provenance:
    return program.provenance[position] if program.provenance else Provenance("", ())


def _fingerprint(instruction: Instruction) -> tuple[object, ...]:
    """Return a cheap value that equal instructions share."""
    head = (type(instruction), sources(instruction))
    match instruction:
        case Gather(_, index) | Max(_, index):
            return (*head, index.shape, *index.ravel()[:4].tolist(), int(index.sum()))
        case MatMul(_, values, _) | Scale(_, values) | Shift(_, values):
            return (*head, values.shape, values.den, *values.num.ravel()[:4].tolist())
        case _:
            return head


def _same(left: Instruction, right: Instruction) -> bool:
    """Compare two instructions of one fingerprint, whose sources agree."""
    match left, right:
        case (Gather(_, one), Gather(_, other)) | (Max(_, one), Max(_, other)):
            return np.array_equal(one, other)
        case (Scale(_, first), Scale(_, second)) | (Shift(_, first), Shift(_, second)):
            return _equal(first, second)
        case MatMul(_, first, rows), MatMul(_, second, others):
            return rows == others and _equal(first, second)
        case _:
            return True


def _unchanged(left: Program, right: Program) -> bool:
    pairs = zip(left.instructions, right.instructions, strict=False)
    return len(left.instructions) == len(right.instructions) and all(
        _fingerprint(one) == _fingerprint(other) and _same(one, other) for one, other in pairs
    )


def _equal(first: Rationals, second: Rationals) -> bool:
    return first.den == second.den and bool(np.array_equal(first.num, second.num))


