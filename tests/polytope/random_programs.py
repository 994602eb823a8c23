"""Hypothesis strategy: programs of every kind of instruction, wired at random."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals, from_fractions

KINDS = ("gather", "gather", "permute", "scale", "shift", "max", "max", "matmul", "add", "relu")

# Neutral constants, thirds, large and tiny ones.
numbers = st.sampled_from([Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(1, 3), Fraction(-5, 2),
                           Fraction(10**12), Fraction(1, 10**12), Fraction(7, 8)])  # fmt: skip


@st.composite
def wired_programs(draw: st.DrawFn, steps: int = 9) -> Program:
    """Draw a program of up to ``steps`` instructions over vectors of at most 6 entries."""
    size = draw(st.integers(1, 4))
    code: list[Instruction] = [Input(size)]
    sizes = [size]
    for _ in range(draw(st.integers(0, steps))):
        instruction, length = draw(instructions(sizes))
        code.append(instruction)
        sizes.append(length)
    return Program((Port("x", (size,)),), tuple(code), Port("y", (sizes[-1],)))


@st.composite
def instructions(draw: st.DrawFn, sizes: list[int]) -> tuple[Instruction, int]:
    """Draw one instruction that reads earlier vectors, mostly the latest."""
    last = len(sizes) - 1
    src = draw(st.one_of(st.just(last), st.integers(0, last)))
    size = sizes[src]
    match draw(st.sampled_from(KINDS)):
        case "gather":
            srcs = tuple(draw(st.lists(st.integers(0, last), min_size=1, max_size=2)))
            total = sum(sizes[item] for item in srcs)
            index = draw(st.lists(st.integers(CONSTANT_ZERO, total - 1), min_size=1, max_size=6))
            return Gather(srcs, np.array(index, dtype=np.int64)), len(index)
        case "permute":
            return Gather((src,), np.array(draw(st.permutations(range(size))), dtype=np.int64)), size
        case "scale":
            return Scale(src, draw(vectors(size))), size
        case "shift":
            return Shift(src, draw(vectors(size))), size
        case "matmul":
            height = draw(st.integers(1, 4))
            weight = draw(vectors(height * size))
            return MatMul(src, weight.reshape(1, height, size), 1), height
        case "add":
            same = [item for item in range(len(sizes)) if sizes[item] == size]
            return Add(src, draw(st.sampled_from(same))), size
        case "relu":
            groups = np.stack([np.full(size, CONSTANT_ZERO), np.arange(size)], axis=1)
            return Max(src, groups.astype(np.int64)), size
        case _:
            chosen = draw(st.lists(st.sets(st.integers(CONSTANT_ZERO, size - 1), min_size=1), min_size=1, max_size=4))
            width = max(len(group) for group in chosen)
            rows = [sorted(group) + [NO_CANDIDATE] * (width - len(group)) for group in chosen]
            return Max(src, np.array(rows, dtype=np.int64)), len(rows)


@st.composite
def vectors(draw: st.DrawFn, size: int) -> Rationals:
    """Draw constants, all alike or each its own."""
    if draw(st.booleans()):
        return from_fractions([draw(numbers)] * size)
    return from_fractions([draw(numbers) for _ in range(size)])


@st.composite
def batches(draw: st.DrawFn, size: int, count: int = 3) -> Rationals:
    """Draw a batch of points (size, count) with dyadic coordinates, often 0."""
    coordinate = st.one_of(st.just(Fraction(0)), st.integers(-3, 3).map(Fraction), st.integers(-99, 99).map(_eighth))
    return from_fractions([draw(coordinate) for _ in range(size * count)], (size, count))


def _eighth(value: int) -> Fraction:
    return Fraction(value, 8)
