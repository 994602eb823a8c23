"""Lower bounds of linear functionals of a program's outputs over a ball of inputs, by backward substitution.

A functional of the outputs is pulled back instruction by instruction; where it meets a ``Max``, entries of positive
weight are replaced by a linear function below them and those of negative weight by one above (H. Zhang et al., 2018,
"Efficient Neural Network Robustness Certification with General Activation Functions"; G. Singh et al., 2019, "An
Abstract Domain for Certifying Neural Networks"). At the input an affine function of the ball is left.

Rounding never enters the weights that are carried on: they are taken as they are, and what they miss of the exact
functional, at most ``radius * |value|`` an entry, is subtracted from the bound. The linear instructions, and all sums,
are those of ``enclosed``, with the error bounds derived there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

import numpy as np

from exactbox.polytope import enclosed
from exactbox.polytope.boxes.relax import Interval, Relaxation, down, enclosure, interval, magnitude, maximum, relax, up
from exactbox.polytope.distance import Norm
from exactbox.polytope.domain import Bound, Domain
from exactbox.polytope.enclosed import BoolArray, Enclosure
from exactbox.polytope.float_constants import FloatArray
from exactbox.polytope.program import IndexArray, MatMul, Max, Program
from exactbox.polytope.rational import Rationals, exact, from_fractions

ENTRIES = 1 << 22
"""How many entries of the largest vector are held at once."""

MOVING = 16
"""What handling one entry of a vector costs, in multiplications of a matrix product (measured)."""

HANDLING = 1 << 13
"""What handling one instruction costs at least beside its entries, in that unit (measured): most in a narrow net."""

NOTHING = Enclosure(np.zeros((0, 1)), np.zeros((0, 1)))
"""Stands for a vector that was let go."""


@dataclass
class Work:
    """A budget in the unit of ``Costs``."""

    left: int

    def take(self, amount: int) -> bool:
        """Spend so much, or nothing where less is left."""
        if amount > self.left:
            return False
        self.left -= amount
        return True


@dataclass(frozen=True, eq=False)
class Ball:
    """The points of a domain's bounds within a distance of a centre, and perhaps a little more.

    Args:
        box: (d, 1), encloses every such point.
        centre: (d, 1), encloses the centre.
        radius: at least the distance; infinite for the whole domain.
        norm: in which it is measured.
        moves: shape (d,), the coordinates in which points differ from the centre.
    """

    box: Enclosure
    centre: Enclosure
    radius: float
    norm: Norm
    moves: BoolArray


@dataclass(frozen=True, eq=False)
class Frame:
    """A domain's bounds and a centre in it as floats, rounded outwards; serves balls of any radius."""

    bounds: Interval
    centre: Enclosure
    moves: BoolArray

    def ball(self, radius: Fraction | None, norm: Norm) -> Ball:
        """Return the ball of a radius, or all of the domain's bounds."""
        if radius is None:
            return Ball(enclosure(self.bounds), self.centre, np.inf, norm, self.moves)
        reach = float(up(from_fractions([radius]).to_float())[0])
        near = interval(self.centre)
        # |y_i - x_i| is at most the L1, L2 or L-infinity norm of y - x.
        low, high = down(near.low - reach), up(near.high + reach)
        within = Interval(np.maximum(low, self.bounds.low), np.minimum(high, self.bounds.high))
        return Ball(enclosure(within), self.centre, reach, norm, self.moves)


def frame(domain: Domain, point: Rationals) -> Frame:
    """Round a domain's bounds, and a point (d,) of the domain, outwards; rows and equations are left out.

    Points that violate those are bounded all the same, so what is proved of all points holds for the domain's.
    """
    bounds = Interval(_outwards(domain.lower, -np.inf), _outwards(domain.upper, np.inf))
    centre = point.to_float()
    missed = (point - exact(centre)).to_float() if np.isfinite(centre).all() else np.full(centre.shape, np.inf)
    radius = np.where(missed == 0, 0.0, up(np.abs(missed)))
    return Frame(bounds, Enclosure(centre[:, None], radius[:, None]), ~domain.fixed)


@dataclass(frozen=True)
class Costs:
    """What passes up to a vector cost, in multiplications of a matrix product.

    Args:
        columns: by position, what one column costs.
        largest: by position, the size of the largest vector up to there.
    """

    columns: tuple[int, ...]
    largest: tuple[int, ...]

    def together(self, position: int) -> int:
        """Return how many columns one pass takes."""
        return max(1, ENTRIES // max(1, self.largest[position]))

    def passes(self, position: int, columns: int) -> int:
        """Return what the passes for so many columns cost."""
        count = -(-columns // self.together(position))
        return columns * self.columns[position] + count * HANDLING * (position + 1)


def costs(program: Program) -> Costs:
    """Return what passes over a program cost."""
    own = (
        MOVING * size + (item.weight.size * item.rows if isinstance(item, MatMul) else 0)
        for item, size in zip(program.instructions, program.sizes, strict=True)
    )
    return Costs(tuple(accumulate(own)), tuple(accumulate(program.sizes, max)))


def lower_bounds(program: Program, ball: Ball, rows: FloatArray, work: Work) -> FloatArray:
    """Bound linear functionals of the outputs from below over a ball.

    Args:
        rows: shape (outputs, b), exact weights, one functional a column.
        work: what may be spent on bounds of hidden units beyond one pass of intervals.

    Returns:
        shape (b,): no point of the ball has a smaller value; -inf where nothing is proved.
    """
    with np.errstate(all="ignore"):
        found = _Pass(program, ball, Work(0)).outputs_below(rows)
        if np.all(found > 0) or work.left <= 0:
            return found
        return np.fmax(found, _Pass(program, ball, work).outputs_below(rows))


@dataclass(eq=False)
class _Pass:
    """One pass over the program: an enclosure of every vector on the ball, and a relaxation of every ``Max``.

    Of vectors that no later instruction reads only those of a ``Max`` are kept: the way back needs their sizes.
    """

    program: Program
    ball: Ball
    work: Work
    values: list[Enclosure] = field(default_factory=list)
    relaxed: dict[int, Relaxation] = field(default_factory=dict)
    costs: Costs = field(init=False)

    def __post_init__(self) -> None:
        self.costs = costs(self.program)
        for position, item in enumerate(self.program.instructions):
            if isinstance(item, Max):
                self.values.append(self._maximum(position, item))
            else:
                self.values.append(enclosed.step(self.program, position, self.values, self.ball.box))
            for spent in self.program.spent[position]:
                if not isinstance(self.program.instructions[spent], Max):
                    self.values[spent] = NOTHING

    def _maximum(self, position: int, unit: Max) -> Enclosure:
        """Relax a ``Max``, between better bounds of its source where the budget admits them, and enclose it."""
        source = interval(self.values[unit.src])
        wanted = _open_sources(source, unit.groups)
        if self.work.take(self.costs.passes(unit.src, 2 * len(wanted))):
            source = self._tightened(unit.src, source, wanted)
        self.relaxed[position] = relax(source, unit.groups)
        return enclosure(maximum(source, unit.groups))

    def _tightened(self, position: int, source: Interval, wanted: IndexArray) -> Interval:
        """Intersect the bounds of some entries of a vector with those by backward substitution."""
        low, high = source.low.copy(), source.high.copy()
        together = max(1, self.costs.together(position) // 2)
        for start in range(0, len(wanted), together):
            some = wanted[start : start + together]
            units = np.zeros((len(low), 2 * len(some)))
            units[some, np.arange(len(some))] = 1.0
            units[some, len(some) + np.arange(len(some))] = -1.0
            found = self.below({position: units})
            low[some] = np.maximum(low[some], found[: len(some)])
            high[some] = np.minimum(high[some], -found[len(some) :])
        return Interval(low, high)

    def outputs_below(self, rows: FloatArray) -> FloatArray:
        """Bound functionals of the outputs, some at a time."""
        last = len(self.program.instructions) - 1
        together = self.costs.together(last)
        starts = range(0, rows.shape[1], together)
        return np.concatenate([np.zeros(0), *(self.below({last: rows[:, i : i + together]}) for i in starts)])

    def below(self, cotangents: dict[int, FloatArray]) -> FloatArray:
        """Bound sums of ``weights . vector`` from below over the ball: by vectors, and pulled back to the input.

        Args:
            cotangents: by position, exact weights (size of that vector, b).
        """
        direct = _sum([_low(enclosed.combine(part, self.values[at])) for at, part in cotangents.items()])
        lost: list[FloatArray] = []

        def through(position: int, unit: Max, cotangent: Enclosure) -> Enclosure:
            weights, rest = self._replaced(position, cotangent)
            lost.append(rest)
            targets = np.concatenate([self.relaxed[position].lower, self.relaxed[position].upper[self._open(position)]])
            return enclosed.scatter(self.program.sizes[unit.src], targets, weights)

        start = {at: Enclosure(part, np.zeros(part.shape)) for at, part in cotangents.items()}
        gradients, constants = enclosed.sweep(self.program, start, through)
        turned = Enclosure(constants.centre.T, constants.radius.T)
        return np.fmax(direct, _sum([_at_input(self.ball, gradients), _low(turned), *lost]))

    def _open(self, position: int) -> IndexArray:
        return np.flatnonzero(~self.relaxed[position].settled)

    def _replaced(self, position: int, cotangent: Enclosure) -> tuple[Enclosure, FloatArray]:
        """Replace a ``Max`` by its linear bounds.

        Returns:
            weights of the source entries that ``lower`` and then, for groups that are not settled, ``upper`` name; and
            what is added to the bound: for weights A = P + N with P >= 0 >= N, and out >= s[lower],
            out <= slope*s[upper] + offset, A.out >= P.s[lower] + (N*slope).s[upper] + N.offset.
        """
        known, places = self.relaxed[position], self._open(position)
        weights = cotangent.centre.copy()
        negative = np.minimum(weights[places], 0.0)
        weights[places] = np.maximum(weights[places], 0.0)
        scaled = negative * known.slope[places, None]
        # half a unit in the last place of the product, or half the smallest float; twice that covers its own rounding
        missed = np.where(scaled == negative, 0.0, np.abs(scaled) * 2.0**-52 + 2.0**-1074)
        offset = known.offset[places, None]
        rest = [_low(enclosed.combine(negative, Enclosure(offset, np.zeros(offset.shape))))]
        if np.any(cotangent.radius):
            rest.append(_missed(cotangent.radius, self.values[position]))
        joined = np.concatenate([np.zeros(weights.shape), missed])
        return Enclosure(np.concatenate([weights, scaled]), joined), _sum(rest)


def _open_sources(source: Interval, groups: IndexArray) -> IndexArray:
    """Return the entries that groups without a proved winner choose from."""
    chosen = np.unique(groups[~relax(source, groups).settled])
    return chosen[chosen >= 0]


def _at_input(ball: Ball, gradients: Enclosure) -> FloatArray:
    """Bound affine functionals of the input, without their constants, from below on a ball; shape (b,).

    On the box the enclosure of the sum is the bound. On the ball, a.y = a.x + a.(y - x) >= a.x - |a|* |y - x| with
    the dual norm |a|* of the coordinates that move (Hoelder): the largest entry for L1, the Euclidean norm for L2.
    """
    weights = gradients.centre
    found = _low(enclosed.combine(weights, ball.box))
    if ball.norm != "linf" and np.isfinite(ball.radius):
        sizes = np.abs(weights[ball.moves])
        if ball.norm == "l1":
            dual = sizes.max(axis=0, initial=0.0)
        else:
            # k roundings in the squares and their sum, one in the root; a square that underflows adds 2^-1074 at most
            squares = (sizes**2).sum(axis=0) * (1 + (len(sizes) + 4) * 2.0**-52) + (len(sizes) + 1) * 2.0**-1073
            dual = up(np.sqrt(squares) * (1 + 2.0**-50))
        found = np.fmax(found, down(_low(enclosed.combine(weights, ball.centre)) - up(ball.radius * dual)))
    return _sum([found, _missed(gradients.radius, ball.box)])


def _missed(radius: FloatArray, values: Enclosure) -> FloatArray:
    """Return minus what weights within ``radius`` (n, b) of their centres miss at most, shape (b,)."""
    return _low(enclosed.combine(radius, Enclosure(np.zeros(values.centre.shape), magnitude(values))))


def _low(values: Enclosure) -> FloatArray:
    """Return the lower bounds of an enclosure (b, 1), -inf where there is none."""
    return interval(values).low


def _sum(parts: Sequence[FloatArray]) -> FloatArray:
    """Add lower bounds, rounding down."""
    total = parts[0]
    for part in parts[1:]:
        total = np.where(part == 0, total, down(total + part))
    return np.where(np.isnan(total), -np.inf, total)


def _outwards(bounds: Sequence[Bound], end: float) -> FloatArray:
    """Round bounds towards an end, which stands for none; those that floats hold stay."""
    given = from_fractions([Fraction(0) if bound is None else bound for bound in bounds])
    near = given.to_float()
    missing = np.array([bound is None for bound in bounds], dtype=np.bool_)
    near = np.where(missing | ~np.isfinite(near), end, near)
    kept = exact(np.where(np.isfinite(near), near, 0.0))
    gaps = (given - kept).signs() * (1 if end > 0 else -1)
    return np.where(np.isfinite(near) & (gaps > 0), np.nextafter(near, end), near)
