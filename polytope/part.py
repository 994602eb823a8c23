"""The part of a program that some of its outputs need: fewer entries of every vector, and the inputs that are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from exactbox.polytope.errors import InputError
from exactbox.polytope.program import (
    CONSTANT_ZERO,
    Add,
    Gather,
    IndexArray,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Provenance,
    Scale,
    Shift,
)


def one_of_batch(program: Program, batched: Sequence[str]) -> Program:
    """Return the program of the first sample of a batch: row 0 of the output, as a function of row 0 of the inputs.

    No entry of another sample is read on the way, which is what is looked at; so the result holds for every content of
    the rest of the batch.

    Args:
        batched: the inputs whose first axis counts the samples.

    Raises:
        InputError: axes of other lengths, or the output's row 0 reads another sample.
    """
    counts = {port.shape[0] for port in program.inputs if port.name in batched}
    shape = program.output.shape
    if len(counts) != 1 or shape[:1] != tuple(counts):
        listed = ", ".join(f"{port.name} {list(port.shape)}" for port in program.inputs if port.name in batched)
        raise InputError(f"one sample of {listed}: the first axis of output '{program.output.name}' {list(shape)} does "
                         "not count the same samples; give the inputs as a whole")  # fmt: skip
    ports = tuple(_first(port) if port.name in batched else port for port in program.inputs)
    kept, start = list[IndexArray](), 0
    for whole, port in zip(program.inputs, ports, strict=True):
        kept.append(np.arange(start, start + port.size, dtype=np.int64))
        start += whole.size
    output = _first(program.output)
    return _part(program, np.arange(output.size, dtype=np.int64), np.concatenate(kept), ports, output)


def _first(port: Port) -> Port:
    return replace(port, shape=(1, *port.shape[1:]))


def _part(program: Program, outputs: IndexArray, inputs: IndexArray, ports: tuple[Port, ...], output: Port) -> Program:
    """Keep some outputs; entry i of the input is then ``inputs[i]``.

    Raises:
        InputError: another entry of the input is read.
    """
    needed = _needed(program, outputs)
    beyond = np.setdiff1d(needed[0], inputs)
    if len(beyond):
        other = program.input_name(int(beyond[0]))
        raise InputError(f"one sample of a batch: output '{program.output.name}' of the first sample reads {other}, "
                         "which is another's; give the batch as a whole")  # fmt: skip
    writer = _Writer(program, [inputs, *needed[1:]])
    for position, instruction in enumerate(program.instructions):
        writer.write(position, instruction)
    last = len(program.instructions) - 1
    writer.emit(Gather((writer.place[last],), writer.where(last, outputs)), writer.origin(last, outputs))
    provenance = tuple(writer.origins) if program.provenance else ()
    return Program(ports, tuple(writer.instructions), output, program.head, provenance)


def _needed(program: Program, outputs: IndexArray) -> list[IndexArray]:
    """Return the entries of every vector that the outputs need, ascending; of a matrix product whole rows."""
    masks = [np.zeros(size, dtype=np.bool_) for size in program.sizes]
    masks[-1][outputs] = True
    for position in range(len(program.instructions) - 1, 0, -1):
        mask = masks[position]
        match program.instructions[position]:
            case Gather(srcs, index):
                ends = np.cumsum([0, *(program.sizes[src] for src in srcs)])
                read = index[mask]
                for i, src in enumerate(srcs):
                    masks[src][read[(read >= ends[i]) & (read < ends[i + 1])] - ends[i]] = True
            case MatMul(src, weight, rows):
                groups, lines = _lines(mask, weight.shape, rows)
                block = masks[src].reshape(weight.shape[0], rows, weight.shape[2])
                block[np.ix_(groups, lines)] = True
                mask.reshape(weight.shape[0], rows, weight.shape[1])[np.ix_(groups, lines)] = True
            case Max(src, groups):
                read = groups[mask]
                masks[src][read[read >= 0]] = True
            case Add(left, right):
                masks[left] |= mask
                masks[right] |= mask
            case Scale(src, _) | Shift(src, _):
                masks[src] |= mask
            case Input():
                pass
    return [np.flatnonzero(mask) for mask in masks]


def _lines(
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], shape: tuple[int, ...], rows: int
) -> tuple[IndexArray, IndexArray]:
    """Return the groups, and the rows of theirs, in which some output of a matrix product is needed."""
    block = np.asarray(mask.reshape(shape[0], rows, shape[1]).any(axis=2))
    return np.flatnonzero(block.any(axis=1)), np.flatnonzero(block.any(axis=0))


class _Writer:
    """Writes instructions over the entries that are kept."""

    def __init__(self, program: Program, kept: Sequence[IndexArray]) -> None:
        self.program, self.kept = program, kept
        self.instructions: list[Instruction] = []
        self.origins: list[Provenance] = []
        self.place: dict[int, int] = {}

    def write(self, position: int, instruction: Instruction) -> None:
        """Write one instruction for the entries of its vector that are kept."""
        own = self.kept[position]
        match instruction:
            case Input():
                written: Instruction = Input(len(own))
            case Gather(srcs, index):
                written = Gather(tuple(self.place[src] for src in srcs), self._through(srcs, index[own]))
            case MatMul(src, weight, rows):
                mask = np.zeros(self.program.sizes[position], dtype=np.bool_)
                mask[own] = True
                groups, lines = _lines(mask, weight.shape, rows)
                places = np.arange(self.program.sizes[src]).reshape(weight.shape[0], rows, weight.shape[2])
                read = self._read(src, places[np.ix_(groups, lines)].reshape(-1), position)
                written = MatMul(read, weight[groups], len(lines))
            case Max(src, groups):
                chosen = groups[own]
                written = Max(self.place[src], np.where(chosen >= 0, self.where(src, chosen.clip(min=0)), chosen))
            case Add(left, right):
                written = Add(self._read(left, own, position), self._read(right, own, position))
            case Scale(src, factor):
                written = Scale(self._read(src, own, position), factor[own])
            case Shift(src, offset):
                written = Shift(self._read(src, own, position), offset[own])
        self.place[position] = self.emit(written, self.origin(position, own))

    def emit(self, instruction: Instruction, origin: Provenance) -> int:
        """Append an instruction; returns its position."""
        self.instructions.append(instruction)
        self.origins.append(origin)
        return len(self.instructions) - 1

    def where(self, src: int, entries: IndexArray) -> IndexArray:
        """Return where entries of a vector stand among those that are kept."""
        return np.searchsorted(self.kept[src], entries).astype(np.int64)

    def origin(self, position: int, own: IndexArray) -> Provenance:
        """Name the kept entries: by their places in one sample where they are the first, else by their number."""
        if not self.program.provenance:
            return Provenance("", ())
        whole = self.program.provenance[position]
        sample = (1, *whole.shape[1:])
        first = len(own) == int(np.prod(sample)) and bool((own == np.arange(len(own))).all())
        return Provenance(whole.node, sample if first else (len(own),))

    def _read(self, src: int, entries: IndexArray, reader: int) -> int:
        """Return the position of a vector that holds just these entries."""
        if np.array_equal(self.kept[src], entries):
            return self.place[src]
        return self.emit(Gather((self.place[src],), self.where(src, entries)), self.origin(reader, entries))

    def _through(self, srcs: Sequence[int], index: IndexArray) -> IndexArray:
        ends = np.cumsum([0, *(self.program.sizes[src] for src in srcs)])
        starts = np.cumsum([0, *(len(self.kept[src]) for src in srcs)])
        found = np.full(len(index), CONSTANT_ZERO, dtype=np.int64)
        for i, src in enumerate(srcs):
            hit = (index >= ends[i]) & (index < ends[i + 1])
            found[hit] = self.where(src, index[hit] - ends[i]) + starts[i]
        return found
