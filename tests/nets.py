"""Small programs for tests: a builder for fully connected nets, and a battery of degenerate ones by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from exactbox.polytope.program import CONSTANT_ZERO, Gather, Input, Instruction, MatMul, Max, Port, Program, Shift
from exactbox.polytope.rational import exact

Matrix = Sequence[Sequence[object]]
Layer = tuple[Matrix, Sequence[object]]


def relu(src: int, size: int) -> Max:
    """Return ``max(0, .)`` of a vector of ``size`` entries."""
    return Max(src, np.stack([np.full(size, CONSTANT_ZERO), np.arange(size)], axis=1).astype(np.int64))


def mlp(layers: Sequence[Layer]) -> Program:
    """Return the ReLU net of (weight (m, k), bias (m,)) layers, linear at the end; entries as ``exact`` reads them."""
    code: list[Instruction] = [Input(len(layers[0][0][0]))]
    for depth, (weight, bias) in enumerate(layers):
        code.append(MatMul(len(code) - 1, exact([list(row) for row in weight]).reshape(1, len(bias), -1), 1))
        code.append(Shift(len(code) - 1, exact(list(bias))))
        if depth + 1 < len(layers):
            code.append(relu(len(code) - 1, len(bias)))
    return Program((Port("x", (1, len(layers[0][0][0]))),), tuple(code), Port("y", (1, len(layers[-1][1]))))


def random_mlp(sizes: Sequence[int], seed: int) -> Program:
    """Return a ReLU net with float32 Gaussian weights (He, 2015) and small biases."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    for width, height in pairwise(sizes):
        weight = (rng.standard_normal((height, width)) * np.sqrt(2 / width)).astype(np.float32)
        layers.append((weight.tolist(), (0.1 * rng.standard_normal(height)).astype(np.float32).tolist()))
    return mlp(layers)


def max_over_dead() -> Program:
    """Return a max-pool over four units, two of which are identically equal, above a hidden layer with dead units."""
    hidden: Layer = ([[1, 0], [0, 0], [1, 0], [-1, 1]], [0, 0, 0, "1/2"])
    first = mlp([hidden])
    groups = np.array([[0, 1, 2, 3], [1, 2, -2, -2]], dtype=np.int64)
    return Program(first.inputs, (*first.instructions, Max(2, groups)), Port("y", (1, 2)))


def residual() -> Program:
    """Return y = relu(x + relu(A x)) summed in pairs by a Gather, with one constant zero among the entries."""
    code = mlp([([[1, -1], [2, 1]], [0, "1/3"]), ([[1, 0], [0, 1]], [0, 0])]).instructions
    gather = Gather((0, len(code) - 1), np.array([0, 3, CONSTANT_ZERO], dtype=np.int64))
    last = relu(len(code), 3)
    return Program((Port("x", (2,)),), (*code, gather, last), Port("y", (3,)))


BATTERY: dict[str, Callable[[], Program]] = {
    "difference of relus": lambda: mlp([([[1, -1], [-1, 1]], [0, 0]), ([[1, -1]], [0])]),
    "duplicated": lambda: mlp([([[1, 2], [1, 2], [3, -1]], ["1/4", "1/4", 0]), ([[1, 1, 1], [1, -2, 0]], [0, 0])]),
    "negated": lambda: mlp([([[1, 2], [-1, -2], [0, 1]], ["1/4", "-1/4", 0]), ([[1, 1, 1], [1, -2, 0]], [0, 0])]),
    "scaled": lambda: mlp([([[1, 2], [2, 4], ["1/3", "2/3"]], [1, 2, "1/3"]), ([[1, 1, 1]], [0])]),
    "pruned": lambda: mlp([([[0, 0], [0, 0], [0, 0], [1, 1]], [0, 1, -1, 0]), ([[1, 1, 1, 1], [0, 0, 0, 1]], [0, 0])]),
    "zero second layer": lambda: mlp([([[1, 2], [3, -1]], [0, 0]), ([[0, 0], [0, 0]], [0, 0]), ([[1, 1]], [0])]),
    "bias-free": lambda: mlp(
        [([[1, 2], [3, -1], [1, 1]], [0, 0, 0]), ([[1, -1, 0], [0, 1, -1]], [0, 0]), ([[1, 1]], [0])]
    ),
    "integer": lambda: mlp(
        [
            ([[1, 0], [0, 1], [1, -1], [-1, -1]], [0, 0, 0, 1]),
            ([[1, -1, 1, 0], [0, 1, -1, 1]], [0, -1]),
            ([[1, -1], [0, 1]], [0, 0]),
        ]
    ),
    "thin strip": lambda: mlp([([[1, 1], [1, 1]], [0, "-0.000000000001"]), ([[1, -1]], [0])]),
    "scaled layers": lambda: mlp(
        [([["1e-11", "2e-11"], ["-3e-11", "1e-11"]], ["1e-12", 0]), ([["1e11", "-1e11"]], [0]), ([[1]], ["1/7"])]
    ),
    "max over dead units": max_over_dead,
    "residual": residual,
    "no unit": lambda: mlp([([[1, 2], [3, 4]], [5, 6])]),
}
