"""How far from a point a decision is proved to hold, across all regions on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np

from exactbox.polytope.boxes.bound import Frame, Work, costs, frame, lower_bounds
from exactbox.polytope.distance import NORMS, Norm
from exactbox.polytope.domain import Domain
from exactbox.polytope.float_constants import FloatArray
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, from_fractions

STEPS, FEWEST = 18, 8
"""How many radii are tried in one norm at most, and where one pass is dear."""

SMALLEST, LARGEST = 2.0**-600, 2.0**600
"""Radii between which the search stays."""

NEAR_ENOUGH = 1.02
"""The search ends where a radius that was not proved is at most so many times one that was."""


@dataclass(frozen=True)
class Held:
    """At every point of the domain that is at most ``radius`` away, the decision is strictly the same.

    Args:
        radius: a decimal of three digits, 0 where nothing is proved; None where the whole domain decides alike.
    """

    norm: Norm
    radius: Fraction | None


def least_cost(program: Program, functionals: int) -> int:
    """Return what a search costs at least (the unit of ``Costs``)."""
    return _pass_cost(program, functionals) * (FEWEST + 1)


def _pass_cost(program: Program, functionals: int) -> int:
    """Return what one radius costs: a pass forwards, and one back for each functional."""
    last, prices = len(program.instructions) - 1, costs(program)
    return prices.passes(last, 1) + prices.passes(last, functionals)


def held(
    program: Program, domain: Domain, point: Rationals, gaps: FloatArray, margin: Fraction, work: int
) -> Mapping[Norm, Held]:
    """Prove how far from a point (d,) of the domain a decision holds.

    Every radius returned is proved by bounds that are rounded outwards; they are not tight, so the decision may hold
    further.

    Args:
        gaps: shape (outputs, b), exact weights of the functionals of the outputs that are all positive exactly where
            the decision holds strictly.
        margin: the smallest gap at the point.
        work: what to spend, in the unit of ``Costs``, at least ``least_cost``; up to twice as much where first passes
            prove no gap. L1 and L2 are searched where it admits three searches; else they have the radius of
            L-infinity, which no other norm falls below.
    """
    if margin <= 0:
        return {norm: Held(norm, Fraction(0)) for norm in NORMS}
    seen = frame(domain, point)
    one_pass = _pass_cost(program, gaps.shape[1])
    every = len(NORMS) * least_cost(program, gaps.shape[1]) <= work
    steps = min(STEPS, work // (one_pass * (len(NORMS) if every else 1)) - 1)
    share = Work(work // (len(NORMS) * (STEPS + 1)) - one_pass)

    def least_gap(radius: Fraction | None, norm: Norm) -> float:
        return float(lower_bounds(program, seen.ball(radius, norm), gaps, replace(share)).min(initial=np.inf))

    if np.isfinite([seen.bounds.low, seen.bounds.high]).all() and least_gap(None, "linf") > 0:
        return {norm: Held(norm, None) for norm in NORMS}
    size = float(from_fractions([margin]).to_float()[0])
    nearest = _search(partial(least_gap, norm="linf"), Fraction(0), _scale(seen), size, steps)
    found: dict[Norm, Held] = {"linf": Held("linf", nearest)}
    for norm in ("l1", "l2"):
        larger = nearest
        if nearest and every:
            larger = _search(partial(least_gap, norm=norm), nearest, 4 * float(nearest), size, steps)
        found[norm] = Held(norm, larger)
    return found


def three_digits(value: float) -> Fraction:
    """Return a decimal of three digits near a positive float.

    >>> three_digits(0.012345), three_digits(1e200) == 10**200
    (Fraction(123, 10000), True)
    """
    power = math.floor(math.log10(value)) - 2
    return Fraction(round(value * 10.0**-power)) * Fraction(10) ** power


def _search(gap: Callable[[Fraction], float], least: Fraction, start: float, margin: float, steps: int) -> Fraction:
    """Return the largest radius that was tried with a positive gap, or ``least``, whose gap is known to be positive.

    The gap falls with the radius, mostly ever faster, so the chord between a radius that was proved and one that was
    not meets 0 at a radius that can be proved; geometric steps bound how slow that may be.
    """
    proved, at_proved = float(least), margin
    failed, at_failed = math.inf, -math.inf
    radius = start
    for _ in range(steps):
        if not SMALLEST < radius < LARGEST or failed <= NEAR_ENOUGH * proved:
            break
        tried = three_digits(radius)
        if not proved < tried < failed:
            break
        found = gap(tried)
        if found > 0:
            least, proved, at_proved = tried, float(tried), found
        else:
            failed, at_failed = float(tried), found
        radius = _next(proved, at_proved, failed, at_failed)
    return least


def _next(proved: float, at_proved: float, failed: float, at_failed: float) -> float:
    """Choose the next radius between one that was proved (or 0) and one that was not (or infinity)."""
    if failed == math.inf:
        return 8 * proved
    chord = proved + (failed - proved) * (at_proved / (at_proved - at_failed))
    if proved == 0:
        return min(max(chord, failed / 1024), failed / 2)
    step = math.sqrt(math.sqrt(failed / proved))
    return min(max(chord, proved * step), failed / step)


def _scale(seen: Frame) -> float:
    """Return a radius to begin with: half the widest side of the domain, or the size of the centre."""
    widths = (seen.bounds.high - seen.bounds.low)[seen.moves]
    finite = widths[np.isfinite(widths)]
    return float(finite.max(initial=0.0)) / 2 or float(np.abs(seen.centre.centre).max(initial=0.0)) or 1.0
