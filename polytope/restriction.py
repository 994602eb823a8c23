"""Put an affine map in front of a program: slices of high-dimensional models become programs of few inputs."""

from __future__ import annotations

from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Input, MatMul, Port, Program, Provenance, Shift, with_sources
from exactbox.polytope.rational import Rationals


def restrict(program: Program, origin: Rationals, directions: Rationals) -> Program:
    """Return the program of ``y -> program(origin + directions @ y)``, exactly.

    Args:
        origin: shape (d,).
        directions: shape (d, k), k at least 1.

    Raises:
        InputError: a shape does not fit the program.

    >>> from exactbox.polytope import exact as interpreter
    >>> from exactbox.polytope.rational import exact
    >>> one = Program((Port("x", (1, 2)),), (Input(2),), Port("x", (1, 2)))
    >>> line = restrict(one, exact([1, 2]), exact([[3], [4]]))
    >>> [str(v) for v in interpreter.forward(line, exact([["0.5"]])).fractions()]
    ['5/2', '4']
    """
    size = program.input_size
    if origin.shape != (size,):
        raise InputError(f"origin: expected shape ({size},), got {origin.shape}")
    if len(directions.shape) != 2 or directions.shape[0] != size or directions.shape[1] < 1:
        raise InputError(f"directions: expected shape ({size}, k) with k at least 1, got {directions.shape}")
    count = directions.shape[1]
    front = (Input(count), MatMul(0, directions.reshape(1, size, count), 1), Shift(1, origin))
    rest = tuple(with_sources(one, lambda position: position + 2) for one in program.instructions[1:])
    provenance = program.provenance
    if provenance:
        first = Provenance("slice", (1, count))
        provenance = (first, provenance[0], provenance[0], *provenance[1:])
    return Program((Port("slice", (1, count)),), (*front, *rest), program.output, program.head, provenance)


def through_points(points: Rationals) -> tuple[Rationals, Rationals]:
    """Return the origin (d,) and directions (d, k) of the affine hull of k+1 points (k+1, d): point i is unit vector i.

    Raises:
        InputError: there are fewer than two points.

    >>> from exactbox.polytope.rational import exact
    >>> origin, directions = through_points(exact([[1, 1], [2, 1], [1, 3]]))
    >>> [str(v) for v in directions.fractions()]
    ['1', '0', '0', '2']
    """
    if len(points.shape) != 2 or len(points) < 2:
        raise InputError(f"points: expected shape (k+1, d) with k at least 1, got {points.shape}")
    return points[0], (points[1:] - points[:1]).transposed()
