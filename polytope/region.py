"""Activation regions: the region at a point, all regions at a point, and the region beyond a facet."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.polytope import exact
from exactbox.polytope.brief import brief
from exactbox.polytope.distance import Norm, distance
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError, InternalError
from exactbox.polytope.facets import minimal
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import Max, Program
from exactbox.polytope.rational import Rationals, concatenate, from_fractions
from exactbox.polytope.rows import Rows, RowSource, join
from exactbox.polytope.ties import directed_pattern, pattern_at
from exactbox.polytope.unit_rows import output_functionals, unit_rows
from exactbox.polytope.verdicts import Kept, Minimal, Same
from exactbox.polytope.wording import counted


@dataclass(frozen=True, eq=False)
class Region:
    """A full-dimensional activation region of a program within a domain, and the affine map on it.

    Args:
        pattern: the winner of every ``Max`` group.
        point: shape (d,), a point of the closed region.
        witness: shape (d,), a point strictly inside every row that is not identically zero on the domain's affine hull.

    Everything is exact.
    """

    program: Program
    domain: Domain
    pattern: Pattern
    point: Rationals
    witness: Rationals

    def __repr__(self) -> str:
        return brief(self, [f"of {self.program!r}", f"witness {self.witness!r}"])

    @functools.cached_property
    def affine(self) -> tuple[Rationals, Rationals]:
        """The affine map on the region: W of shape (outputs, d) and c of shape (outputs,)."""
        return self.maps(range(self.program.output_size))

    def maps(self, outputs: Sequence[int]) -> tuple[Rationals, Rationals]:
        """Return the rows of W and the entries of c of some outputs, (k, d) and (k,), in the order given.

        Raises:
            BudgetError: they would not fit into memory.
        """
        missing = [k for k in outputs if k not in self._known]
        gradients, constants = output_functionals(self.program, self.winners, missing)
        self._known.update((k, (gradients[[i]], constants[[i]])) for i, k in enumerate(missing))
        found = [(gradients[:0], constants[:0]), *(self._known[k] for k in outputs)]
        return concatenate([row for row, _ in found]), concatenate([entry for _, entry in found])

    @functools.cached_property
    def _known(self) -> dict[int, tuple[Rationals, Rationals]]:
        """The rows of W and the entries of c that were asked for, by output."""
        return {}

    @property
    def coef(self) -> Rationals:
        """W, shape (outputs, d)."""
        return self.affine[0]

    @property
    def intercept(self) -> Rationals:
        """c, shape (outputs,)."""
        return self.affine[1]

    @functools.cached_property
    def winners(self) -> exact.Winners:
        """The source index of each winner, by ``Max`` position."""
        return winning(self.program, self.pattern)

    @functools.cached_property
    def rows(self) -> Rows:
        """One row ``rival - winner <= 0`` for each rival, modulo the domain's equations; (0, 0) rows are free."""
        return unit_rows(self.program, self.pattern, self.domain)

    @functools.cached_property
    def facets(self) -> Minimal:
        """The minimal H-representation, with evidence for every row."""
        return minimal(self.domain, self.rows, self.witness)

    def value(self, point: Rationals) -> Rationals:
        """Evaluate the region's affine map at a point (d,), inside or outside."""
        return exact.affine_forward(self.program, self.winners, point.reshape(-1, 1)).reshape(-1)

    def contains(self, point: Rationals) -> bool:
        """Decide exactly whether a point (d,) lies in the closed region."""
        if not self.domain.contains(point):
            return False
        column = point.reshape(-1, 1)
        values: dict[int, Rationals] = {}
        for position, instruction in exact.live(self.program, values):
            values[position] = exact.affine_step(instruction, values, column, self.winners.get(position))
            if isinstance(instruction, Max):
                best = exact.maximum(values[instruction.src], instruction.groups)
                if np.any(best.num != values[position].num):
                    return False
        return True

    def neighbor(self, facet: int) -> Region | None:
        """Return the region beyond a facet, or None where the facet belongs to the domain.

        Args:
            facet: a position listed in ``facets.facets``.

        Raises:
            InputError: the position is no facet.
        """
        return beyond(self, self.facets, facet)


@dataclass(frozen=True)
class RegionsAt:
    """All full-dimensional regions that contain a point, or those found before the budget ended.

    Args:
        regions: distinct regions; the ``point`` of the first is the point asked for.
        complete: whether they are all of them.
        reason: why not, where they are not.
    """

    regions: tuple[Region, ...]
    complete: bool
    reason: str = ""

    def __repr__(self) -> str:
        return brief(self, [counted(len(self.regions), 'region'), "complete" if self.complete else self.reason])

    def distance(self, norm: Norm) -> Fraction | None:
        """Return a distance (squared for "l2") below which all points of the domain lie in the union of the regions.

        A segment from the point begins in one of the regions, as these are finitely many, closed and convex. A row of
        that region that vanishes at the point is not violated further on: along the segment it only grows in
        proportion. So the segment stays in the region up to a row that does not vanish at the point, and the least
        distance to any such row will do. None where no point of the domain is beyond one.

        Raises:
            InputError: these are not all regions, or the domain is no box.
        """
        if not self.complete:
            raise InputError(f"distance: not all regions at the point are known: {self.reason}")
        point = self.regions[0].point
        reached = (distance(region.domain, _slack(region, point), point, norm).value for region in self.regions)
        return min((value for value in reached if value is not None), default=None)


def region_at(program: Program, point: Rationals, domain: Domain) -> Region:
    """Return a full-dimensional region that contains ``point`` (d,); ties are decided symbolically.

    Raises:
        InputError: the point has the wrong size or lies outside the domain.
        BudgetError: no lucky direction was found (see ``ties.directions``).
    """
    if point.shape != (program.input_size,):
        raise InputError(f"point: expected {counted(program.input_size, 'coordinate')}, got shape {point.shape}")
    outside = domain.violations(point)
    if outside:
        raise InputError(f"the point lies outside the domain: {'; '.join(outside[:3])}")
    local = pattern_at(program, point, domain)
    return Region(program, domain, local.pattern, point, point + local.step)


def regions_at(
    program: Program,
    point: Rationals,
    domain: Domain,
    budget: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> RegionsAt:
    """Return every full-dimensional region that contains ``point`` (d,), by crossing the facets through it.

    The regions around a point form a fan; any two of them are joined by a path across facets that contain the point.

    Args:
        budget: the largest number of regions to collect; past it the answer is incomplete and says so.
        progress: called with the number of regions found, and of those whose neighbours were looked for.
    """
    start = region_at(program, point, domain)
    found = {start.pattern: start}
    queue = deque([start])
    while queue:
        if progress is not None:
            progress(len(found), len(found) - len(queue))
        region = queue.popleft()
        for beyond in _fan_neighbors(region, point):
            if beyond.pattern in found:
                continue
            if len(found) >= budget:
                reason = f"undecided: more than {counted(budget, 'region')} at the point"
                return RegionsAt(tuple(found.values()), False, reason)
            found[beyond.pattern] = beyond
            queue.append(beyond)
    return RegionsAt(tuple(found.values()), True)


def cross(program: Program, domain: Domain, point: Rationals, outward: Rationals) -> Region:
    """Return the region that ``point + eps*outward`` enters, from a point in a facet's relative interior.

    Every unit that vanishes on the facet vanishes on its whole hyperplane near the point, on both sides, so any outward
    direction decides all of them at once.
    """
    local = directed_pattern(program, point, _into(domain, point, outward), domain)
    if local is None:
        raise InternalError("a tie beyond a facet's relative interior is neither decided nor free")
    return Region(program, domain, local.pattern, point, point + local.step)


def beyond(region: Region, polytope: Minimal, facet: int) -> Region | None:
    """Return the region across a facet, its ``point`` in the facet's relative interior; None on the domain's boundary.

    Args:
        polytope: the region's rows and the verdicts on them.

    Raises:
        InputError: the position is no facet.
    """
    point, outward = facet_crossing(polytope, facet)
    return None if on_rim(polytope, facet) else cross(region.program, region.domain, point, outward)


def on_rim(polytope: Minimal, facet: int) -> bool:
    """Say whether a facet is one of the domain's own, perhaps of a unit that vanishes on the domain's boundary."""
    coincident = (i for i, verdict in enumerate(polytope.verdicts) if verdict == Same(facet))
    return any(polytope.sources[i].kind != "unit" for i in (facet, *coincident))


def facet_crossing(polytope: Minimal, facet: int) -> tuple[Rationals, Rationals]:
    """Return a point (d,) in a facet's relative interior and a direction (d,) that leaves through it."""
    verdict = polytope.verdicts[facet]
    if not isinstance(verdict, Kept):
        raise InputError(f"row {facet} is no facet of the region")
    step = from_fractions([verdict.step.get(i, Fraction(0)) for i in range(polytope.domain.size)])
    row = polytope.rows.subset([facet])
    slack = row.slack(polytope.centre).item(0)
    beyond = row.slack(polytope.centre + step).item(0)
    return polytope.centre + step.scaled(slack / (slack - beyond)), step


def _into(domain: Domain, point: Rationals, outward: Rationals) -> Rationals:
    """Shorten a direction until ``point + direction`` lies in the domain's relative interior."""
    for _ in range(1 << 16):
        if domain.contains(point + outward.scaled(2)):
            return outward
        outward = outward.scaled(Fraction(1, 2))
    raise InternalError("an outward direction leaves the domain at once")


def _fan_neighbors(region: Region, point: Rationals) -> list[Region]:
    """Return the regions across the facets of ``region`` that contain ``point``."""
    tight = _tight(region, point)
    if not len(tight):
        return []
    cone = _tangent_domain(region.domain, point)
    fan = minimal(cone, tight, region.witness)
    neighbors: list[Region] = []
    for facet in fan.facets:
        if not on_rim(fan, facet):
            onto, outward = facet_crossing(fan, facet)
            neighbors.append(cross(region.program, region.domain, _pulled_in(region, point, onto), outward))
    return neighbors


def _slack(region: Region, point: Rationals) -> Rows:
    """Return the region's rows that do not vanish at a point of it."""
    return region.rows.subset(np.flatnonzero(region.rows.slack(point).signs() != 0).tolist())


def _tight(region: Region, point: Rationals) -> Rows:
    """Return the region's non-zero rows that hold with equality at a point of it."""
    gaps = region.rows.slack(point).num.tolist()
    return region.rows.subset([i for i, gap in enumerate(gaps) if gap == 0 and np.any(region.rows.matrix[i])])


def _tangent_domain(domain: Domain, point: Rationals) -> Domain:
    """Return the cone of the domain's rows and bounds that are tight at a point, with the same affine hull."""
    rows = join(domain.rows, domain.bound_rows)
    tight = [i for i, gap in enumerate(rows.slack(point).num.tolist()) if gap == 0]
    kept = rows.subset(tight)
    sources = tuple(RowSource("domain", i) for i in range(len(kept)))
    unbounded = (None,) * domain.size
    return Domain(unbounded, unbounded, Rows(kept.matrix, kept.rhs, sources), domain.equalities, domain.witness)


def _pulled_in(region: Region, point: Rationals, onto: Rationals) -> Rationals:
    """Move a point of a facet's tangent cone towards ``point`` until every row that is slack there stays slack."""
    step = onto - point
    rows = join(region.rows, region.domain.rows, region.domain.bound_rows)
    slack_there = rows.slack(point).signs() > 0
    for _ in range(1 << 16):
        moved = point + step
        if not np.any((rows.slack(moved).num <= 0) & slack_there):
            return moved
        step = step.scaled(Fraction(1, 2))
    raise InternalError("a facet's point cannot be pulled into the region")
