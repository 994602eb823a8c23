"""Lines and planes through data points: a model restricted to them is a program of one or two inputs, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from exactbox.boxes import DomainRead, box_between, show_bound
from exactbox.inputs import InputRead, read_inputs
from exactbox.polytope import linalg
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, concatenate, from_fractions, parse_number
from exactbox.polytope.restriction import preimage, restrict, through_points
from exactbox.rounding import exact_text

NAMES = ("s", "t")
"""The coordinates of a slice."""
RANGE = (Fraction(-1, 2), Fraction(3, 2))
"""Bounds of each coordinate where none are stated: the points lie at 0 and 1, and a margin is left around them."""


@dataclass(frozen=True, eq=False)
class Slice:
    """The line through two points x1, x2, or the plane through three, with coordinates s and t.

    Args:
        points: shape (2, d) or (3, d), affinely independent; x = x1 + s (x2 - x1) + t (x3 - x1).
        origins: where each point was read.

    Raises:
        InputError: the points coincide or lie on one line; the message says which.
    """

    points: Rationals
    origins: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.points.shape) != 2 or len(self.points) not in (2, 3):
            raise InputError(f"slice: expected 2 or 3 points, got shape {self.points.shape}")
        for j in range(len(self.points)):
            for i in range(j):
                if self.points[i].equals(self.points[j]):
                    raise InputError(f"{self.kind}: points {i + 1} and {j + 1} are the same input, expected others")
        if linalg.rank(through_points(self.points)[1].num) < self.dimension:
            raise InputError("plane: the three points lie on one line; give other points, or two of them as a line")

    @property
    def dimension(self) -> int:
        """1 for a line, 2 for a plane."""
        return len(self.points) - 1

    @property
    def kind(self) -> str:
        """"line" or "plane"."""
        return ("line", "plane")[self.dimension - 1]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the coordinates."""
        return NAMES[: self.dimension]

    @property
    def text(self) -> str:
        """The slice in words."""
        what = ", ".join(f"x{i} = {origin}" for i, origin in enumerate(self.origins, 1))
        formula = "x1 + s (x2 - x1)" + (" + t (x3 - x1)" if self.dimension == 2 else "")
        return f"the {self.kind} x = {formula} through {what}"

    @property
    def exact_points(self) -> list[str]:
        """The points as text, exact numbers with commas between them."""
        return [",".join(point) for point in self.texts]

    @property
    def texts(self) -> list[list[str]]:
        """The entries of each point as text."""
        return [[exact_text(value) for value in self.points[i].fractions()] for i in range(len(self.points))]

    def lift(self, point: Rationals) -> Rationals:
        """Return the input x (d,) at coordinates (k,)."""
        origin, directions = through_points(self.points)
        return (origin + linalg.matvec(directions, point)).reduced()

    def restrict(self, program: Program) -> Program:
        """Return the program of the coordinates."""
        return restrict(program, *through_points(self.points))


def read_slice(
    program: Program, given: Sequence[object], *, exact_input: bool = False, fixed: Mapping[str, str] | None = None
) -> Slice:
    """Read the points of a slice, each as ``certify`` reads an input.

    Args:
        exact_input: keep numbers such as "1/3" instead of rounding them to the input's type.
        fixed: columns that are constants of the program, and their values; where they are given, they must agree.

    Raises:
        InputError: a point does not fit the program, or the points span less than a line or plane.

    >>> from exactbox.polytope.program import Input, Port
    >>> from exactbox.polytope.rational import exact
    >>> cut = read_slice(Program((Port("x", (2,)),), (Input(2),), Port("x", (2,))), ["0,1", "4,3"])
    >>> [str(v) for v in cut.lift(exact(["1/2"])).fractions()]
    ['2', '2']
    """
    reads: list[InputRead] = []
    for number, one in enumerate(given, 1):
        try:
            reads.append(read_inputs(program, one, exact_input=exact_input, fixed=fixed))
        except InputError as error:
            raise InputError(f"point {number}: {error}") from None
    points = concatenate([read.point.reshape(1, -1) for read in reads])
    return Slice(points, tuple(read.origin for read in reads))


def slice_of_texts(texts: Sequence[str]) -> Slice:
    """Return the slice whose ``exact_points`` were written.

    Raises:
        InputError: not numbers, or of different lengths.
    """
    rows = [[parse_number(cell) for cell in text.split(",")] for text in texts]
    if len({len(row) for row in rows}) != 1:
        raise InputError(f"slice: the points have {', '.join(str(len(row)) for row in rows)} entries")
    return Slice(from_fractions([v for row in rows for v in row], (len(rows), -1)), ("as recorded",) * len(rows))


def slice_domain(
    cut: Slice, sliced: Program, where: DomainRead, bounds: tuple[object, object] | None = None
) -> DomainRead:
    """Return the part of a slice in which the coordinates keep their bounds and x lies in a domain; exact.

    Args:
        sliced: the program of the coordinates.
        where: the domain of x.
        bounds: the lower and the upper bound of every coordinate, by default ``RANGE``.

    Raises:
        InputError: nothing is left; the message says why.
    """
    frame = box_between(sliced, *(RANGE if bounds is None else bounds)).domain
    low, high = show_bound(frame.lower[0], "-inf"), show_bound(frame.upper[0], "inf")
    text = f"{' and '.join(cut.names)} in [{low}, {high}]"
    if where.domain.is_everything:
        return DomainRead(frame, text)
    try:
        part = preimage(where.domain, *through_points(cut.points), frame)
    except InputError as error:
        raise InputError(f"no point of the {cut.kind} with {text} lies in {where.text}: {error}") from None
    return DomainRead(part, f"{text}, and x in {where.text}")
