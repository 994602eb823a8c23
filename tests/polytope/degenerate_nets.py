"""Families of small degenerate nets, each by a name, a number of inputs and a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Shift,
)
from exactbox.polytope.rational import exact
from tests.nets import Layer, mlp, relu

Rows = list[list[Fraction]]
Family = Callable[["Draw", int], Program]

WIDTH, SECOND = 4, 3
"""Units of the first and of the second hidden layer, where a family does not say otherwise."""


class Draw:
    """Draws exact numbers from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def whole(self, low: int, high: int) -> int:
        """Draw an integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def numbers(self, count: int, largest: int = 8, den: int = 8) -> list[Fraction]:
        """Draw multiples of 1/den up to largest/den in absolute value."""
        return [Fraction(self.whole(-largest, largest), den) for _ in range(count)]

    def rows(self, height: int, width: int, largest: int = 8, den: int = 8) -> Rows:
        """Draw a matrix of such numbers."""
        return [self.numbers(width, largest, den) for _ in range(height)]

    def layer(self, height: int, width: int, largest: int = 8, den: int = 8, bias: bool = True) -> Layer:
        """Draw a layer of such numbers."""
        offset = self.numbers(height, largest, den) if bias else [Fraction(0)] * height
        return self.rows(height, width, largest, den), offset

    def generic(self, height: int, width: int) -> Layer:
        """Draw a layer of float32 Gaussian numbers."""
        values = self.rng.standard_normal((height, width + 1)).astype(np.float32).tolist()
        fractions = [[Fraction(*value.as_integer_ratio()) for value in row] for row in values]
        return [row[:-1] for row in fractions], [row[-1] for row in fractions]


def net(*hidden: Layer) -> Program:
    """Return the net of some hidden layers with a sum at its end."""
    return mlp([*hidden, ([[1] * len(hidden[-1][1])], [0])])


def scaled(layer: Layer, factor: Fraction) -> Layer:
    """Multiply weights and biases."""
    weight, bias = layer
    return [[factor * _fraction(v) for v in row] for row in weight], [factor * _fraction(v) for v in bias]


def joined(*parts: Layer) -> Layer:
    """Put the units of layers one after another."""
    return [list(row) for weight, _ in parts for row in weight], [v for _, bias in parts for v in bias]


def repeated(draw: Draw, size: int, *factors: Fraction | int) -> Program:
    """Return a net whose hidden layers each hold two generic units and multiples of the first one."""
    hidden: list[Layer] = []
    for width in (size, 2 + len(factors)):
        own = draw.generic(2, width)
        first: Layer = (own[0][:1], own[1][:1])
        hidden.append(joined(own, *(scaled(first, Fraction(factor)) for factor in factors)))
    return net(*hidden)


def pruned(draw: Draw, size: int, bias: bool) -> Program:
    """Return a net with rows of zeros in both hidden layers, their biases zero or not."""
    hidden: list[Layer] = []
    for width, height in ((size, WIDTH), (WIDTH, SECOND)):
        weight, offset = draw.layer(height, width)
        for row in {draw.whole(0, height - 1), draw.whole(0, height - 1)}:
            weight = [*weight[:row], [Fraction(0)] * width, *weight[row + 1 :]]
            offset = [*offset[:row], Fraction(draw.whole(-1, 1) if bias else 0), *offset[row + 1 :]]
        hidden.append((weight, offset))
    return net(*hidden)


def zero_second(draw: Draw, size: int) -> Program:
    """Return a net whose second hidden layer is identically zero, or constant."""
    bias = [Fraction(draw.whole(-1, 1)) for _ in range(SECOND)]
    return net(draw.layer(WIDTH, size), ([[Fraction(0)] * WIDTH] * SECOND, bias))


def on_a_facet(draw: Draw, size: int) -> Program:
    """Return a net whose second layer vanishes where a unit of the first one does."""
    second = [[Fraction(draw.whole(-2, 2) * (i == j)) for j in range(WIDTH)] for i in range(SECOND)]
    mixed: Layer = (draw.rows(1, WIDTH), [Fraction(0)])
    return net(draw.layer(WIDTH, size), joined((second, [Fraction(0)] * SECOND), mixed))


def strips(draw: Draw, size: int, width: Fraction) -> Program:
    """Return a net with parallel hyperplanes so near to each other, in both hidden layers."""
    hidden: list[Layer] = []
    for inputs in (size, WIDTH):
        weight, bias = draw.generic(2, inputs)
        beside = [_fraction(bias[0]) + width, _fraction(bias[1]) - width]
        hidden.append(joined((weight, bias), (weight, beside)))
    return net(*hidden)


def scaled_layers(draw: Draw, size: int, factor: int) -> Program:
    """Return a net whose first hidden layer is divided by a number and whose second is multiplied by it."""
    first, second = draw.layer(WIDTH, size), draw.rows(SECOND, WIDTH)
    large = [[v * factor for v in row] for row in second]
    return net(scaled(first, Fraction(1, factor)), (large, draw.numbers(SECOND)))


def on_faces(draw: Draw, size: int) -> Program:
    """Return a net with hyperplanes on faces of the box [-1, 1]^d, and through its corners."""
    faces: list[list[Fraction]] = []
    for _ in range(2):
        sign, axis = draw.whole(0, 1) * 2 - 1, draw.whole(0, size - 1)
        faces.append([Fraction(sign * (i == axis)) for i in range(size)])
    corner = draw.rows(2, size, 2, 1)
    bias = [*(Fraction(draw.whole(-1, 1)) for _ in faces), *(sum(map(abs, row), Fraction(0)) for row in corner)]
    return net(([*faces, *corner], bias), draw.layer(SECOND, WIDTH, 2, 1))


def one_vertex(draw: Draw, size: int) -> Program:
    """Return a net whose first-layer hyperplanes pass through one point, second-layer ones through its image."""
    point = draw.numbers(size, 3, 4)
    hidden: list[Layer] = []
    for height in (WIDTH + 1, SECOND):
        weight = draw.rows(height, len(point), 2, 1)
        hidden.append((weight, [-sum((w * x for w, x in zip(row, point, strict=True)), Fraction(0)) for row in weight]))
        point = [Fraction(0)] * height
    return net(*hidden)


def empty(draw: Draw, size: int) -> Program:
    """Return a net without hidden layers, with one whose units are all dead or constant, or with one of no units."""
    kind = draw.whole(0, 3)
    if kind == 0:
        return mlp([draw.layer(SECOND, size)])
    if kind == 1:
        dead: Layer = (draw.rows(SECOND, WIDTH, 0), [Fraction(-1)] * SECOND)
        return net(draw.layer(WIDTH, size), dead, draw.layer(2, SECOND))
    if kind == 2:
        return net((draw.rows(2, size, 0), draw.numbers(2)), draw.layer(2, 2))
    return Program((Port("x", (1, size)),), (Input(size), Max(0, np.zeros((0, 2), dtype=np.int64))), Port("y", (0,)))


def pooled(draw: Draw, size: int) -> Program:
    """Return a convolution over a ring of inputs, two channels, then Relu and MaxPool as one, and a dense layer."""
    places, channels = max(size, 2), 2
    ring = np.array([[k % size, (k + 1) % size] for k in range(places)], dtype=np.int64)
    kernel = exact(draw.rows(channels, 2, 2, 2)).reshape(1, channels, 2)
    offset = exact(draw.numbers(channels, 2, 2) * places)
    code: list[Instruction] = [Input(size), Gather((0,), ring.ravel()), MatMul(1, kernel, places), Shift(2, offset)]
    at = [[k * channels + c for k in range(places)] for c in range(channels)]
    windows = [[CONSTANT_ZERO, *row[k : k + 2]] for row in at for k in range(places)]
    groups = [[*row, *[NO_CANDIDATE] * (3 - len(row))] for row in windows]
    code.append(Max(3, np.array(groups, dtype=np.int64)))
    code.append(MatMul(4, exact(draw.rows(2, len(groups), 1, 1)).reshape(1, 2, len(groups)), 1))
    return Program((Port("x", (1, size)),), (*code, relu(5, 2)), Port("y", (2,)))


def pooled_twins(draw: Draw, size: int) -> Program:
    """Return a maximum over units of which two are identical and one is dead."""
    own = draw.layer(2, size, 2, 1)
    dead: Layer = ([[Fraction(0)] * size], [Fraction(-1)])
    first = net(joined(own, own, dead))
    groups = np.array([[0, 1, 2, 3, 4], [4, 2, 0, NO_CANDIDATE, NO_CANDIDATE]], dtype=np.int64)
    hidden = first.instructions[:4]
    return replace(first, instructions=(*hidden, Max(3, groups)), output=Port("y", (2,)), provenance=())


FAMILIES: dict[str, Family] = {
    "duplicated": lambda draw, size: repeated(draw, size, 1, 1),
    "negated": lambda draw, size: repeated(draw, size, -1, -1),
    "doubled": lambda draw, size: repeated(draw, size, 2, -2),
    "times 1 + 2**-22": lambda draw, size: repeated(draw, size, 1 + Fraction(1, 1 << 22)),
    "pruned, biases zero": lambda draw, size: pruned(draw, size, bias=False),
    "pruned, biases not zero": lambda draw, size: pruned(draw, size, bias=True),
    "zero second layer": zero_second,
    "second layer on a facet of the first": on_a_facet,
    "bias-free": lambda draw, size: net(
        draw.layer(WIDTH, size, bias=False), draw.layer(SECOND, WIDTH, bias=False)
    ),
    "integer": lambda draw, size: net(draw.layer(WIDTH, size, 1, 1), draw.layer(SECOND, WIDTH, 1, 1)),
    "sixteenths": lambda draw, size: net(draw.layer(WIDTH, size, 16, 16), draw.layer(SECOND, WIDTH, 16, 16)),
    "strips 1e-8": lambda draw, size: strips(draw, size, Fraction(1, 10**8)),
    "strips 1e-12": lambda draw, size: strips(draw, size, Fraction(1, 10**12)),
    "layers scaled by 1e7": lambda draw, size: scaled_layers(draw, size, 10**7),
    "layers scaled by 1e11": lambda draw, size: scaled_layers(draw, size, 10**11),
    "on the box's faces": on_faces,
    "through one vertex": one_vertex,
    "empty hidden layer": empty,
    "convolution and max-pool": pooled,
    "max-pool over twins": pooled_twins,
}


def _fraction(value: object) -> Fraction:
    return value if isinstance(value, Fraction) else Fraction(str(value))
