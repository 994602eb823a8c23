"""Small programs with interesting rims: several inputs, images, heads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from exactbox.polytope.program import Head, Input, MatMul, Max, Port, Program
from exactbox.polytope.rational import exact


def fractions(*values: object) -> list[Fraction]:
    """Return numbers and texts as exact numbers."""
    return exact(list(values)).fractions()


def bounds(*values: object) -> tuple[Fraction | None, ...]:
    """Return numbers and texts as bounds; None is none."""
    return tuple(None if value is None else exact([value]).item(0) for value in values)


def with_inputs(*ports: Port) -> Program:
    """Return the program that passes its inputs on."""
    size = sum(port.size for port in ports)
    return Program(ports, (Input(size),), Port("y", (1, size)))


def with_output(shape: tuple[int, ...], head: Head | None = None) -> Program:
    """Return a linear program of one input whose output has a shape."""
    size = int(np.prod(shape))
    weight = exact([[[i + 1] for i in range(size)]])
    return Program((Port("x", (1, 1)),), (Input(1), MatMul(0, weight, 1)), Port("y", shape), head or Head())


def kink() -> Program:
    """Return y = (max(x0, 0) - x1, x1), a classifier of two inputs."""
    relu = Max(1, np.array([[-1, 0], [1, -2]], dtype=np.int64))
    first = MatMul(0, exact([[[1, 0], [0, 1]]]), 1)
    last = MatMul(2, exact([[[1, -1], [0, 1]]]), 1)
    return Program((Port("x", (1, 2)),), (Input(2), first, relu, last), Port("y", (1, 2)))


VECTOR = Port("x", (1, 3))
IMAGE = Port("image", (1, 3, 2, 2))
