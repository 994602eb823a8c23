"""The regions around an input, a few facets away: what changes across each facet, without a full enumeration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from exactbox.boxes import DomainRead, ball, check_inside
from exactbox.categories import load_for
from exactbox.certifying import stated_domain
from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.fixing import pinned
from exactbox.importers.torch_modules import AnyGiven
from exactbox.inputs import InputRead
from exactbox.loading import Model, fitted
from exactbox.nearest import row_name
from exactbox.polytope.brief import brief
from exactbox.polytope.decision import decide
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError, InternalError
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region, region_at
from exactbox.polytope.rows import Rows, RowSource
from exactbox.polytope.verdicts import Same
from exactbox.polytope.walk import Crossing, Walk, walk
from exactbox.polytope.wording import counted
from exactbox.witness_classes import classes_at


@dataclass(frozen=True)
class Flip:
    """A unit that has another winner beyond a facet.

    Args:
        unit: its name: the model's node, with the time step of an unrolled recurrence, and the place in its output.
        before: the winning candidate (for a Relu 0 is off, 1 is on).
        after: the same beyond the facet.
    """

    unit: str
    before: int
    after: int


@dataclass(frozen=True, eq=False)
class Passage:
    """The way across one facet; everything is exact.

    Args:
        before: number of the region whose facet it is.
        after: number of the region beyond it.
        row: the facet ``matrix @ x <= rhs`` of the region before, one row of integers.
        point: shape (d,), in the facet's relative interior.
        units: what happens beyond the facet, a line for each row of the region before that is this half-space: more
            than one where units are coincident.
        flips: the units with another winner beyond it.
        weight_change: the target's weights beyond the facet minus those before, shape (d,); None without a target.
        intercept_change: the same of the intercept.
        class_before: the class at the witness of the region before; None where nothing is decided.
        class_after: the same beyond the facet.
        class_on: the class at ``point``: outputs are continuous, so both regions give it.
    """

    before: int
    after: int
    row: Rows
    point: Rationals
    units: tuple[str, ...]
    flips: tuple[Flip, ...]
    weight_change: Rationals | None
    intercept_change: Fraction | None
    class_before: str | None
    class_after: str | None
    class_on: str | None

    def largest(self, count: int) -> list[tuple[int, Fraction]]:
        """Return the inputs whose weight changes most, and by how much; none that stays."""
        if self.weight_change is None:
            return []
        values = self.weight_change.fractions()
        changed = [i for i in range(len(values)) if values[i]]
        return [(i, values[i]) for i in sorted(changed, key=lambda i: (-abs(values[i]), i))[:count]]


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """The regions within a number of facets from that of an input; iterating over it gives a ``Region`` each.

    Args:
        model: the model.
        input: the input and how it was read.
        domain: where the regions lie.
        plan: what the model decides.
        depth: how many facets away.
        walk: places, crossings, and what a budget left undone.
        input_class: the class at the input; None where nothing is decided.
        classes: the class at each region's witness; empty where nothing is decided.
        classes_on: the same at the point of each crossing.
        target: the output whose weights are compared, or None.
        tied: names of the rows on which the input lies; with several regions at the input, region 0 is the one that
            the input enters along the first suitable direction of a fixed sequence into the domain's interior.
        free: names of units that are tied on the whole of region 0; the lowest candidate counts as their winner.
        seconds: how long it took.
    """

    model: Model
    input: InputRead
    domain: DomainRead
    plan: DecisionPlan
    depth: int
    walk: Walk
    input_class: str | None
    classes: tuple[str, ...]
    classes_on: tuple[str, ...]
    target: int | None
    tied: tuple[str, ...]
    free: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        size = f"{counted(len(self), 'region')} within {counted(self.depth, 'facet')}"
        return brief(self, [repr(self.model.path), size])

    def __len__(self) -> int:
        return len(self.walk.places)

    def __iter__(self) -> Iterator[Region]:
        return (place.region for place in self.walk.places)

    def __getitem__(self, number: int) -> Region:
        return self.walk.places[number].region

    @property
    def depths(self) -> tuple[int, ...]:
        """Over how many facets each region is reached."""
        return tuple(place.depth for place in self.walk.places)

    @property
    def complete(self) -> bool:
        """Whether these are all regions within the depth."""
        return self.walk.complete

    @property
    def reason(self) -> str:
        """Why the walk ended."""
        return self.walk.reason

    @property
    def frontier(self) -> tuple[int, ...]:
        """Regions before the last depth that were not looked at, or not to the end."""
        return self.walk.frontier

    @property
    def undecided(self) -> dict[int, tuple[str, ...]]:
        """By region: the rows of which a budget left open whether they are facets."""
        return {
            number: tuple(self._name(number, position) for position in rows)
            for number, rows in self.walk.undecided.items()
        }

    @property
    def input_names(self) -> tuple[str, ...]:
        """One name an input."""
        return self.model.input_names(self.input.columns)

    def passages(self) -> Iterator[Passage]:
        """Yield what changes across each facet, in the order in which they were crossed."""
        numbered = zip(range(len(self.walk.crossings)), self.walk.crossings, strict=True)
        return (self._passage(number, crossing) for number, crossing in numbered)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write one row a passage to a .parquet, .csv, .json or .jsonl file; returns its path.

        Raises:
            InputError: another ending, the file cannot be written, or pyarrow is missing for Parquet.
        """
        from exactbox.neighborhood_report import COLUMNS, records
        from exactbox.tables import write_table

        return write_table(Path(path), COLUMNS, records(self))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as data for JSON."""
        from exactbox.neighborhood_report import document

        return document(self)

    def _passage(self, number: int, crossing: Crossing) -> Passage:
        before, after = self[crossing.before], self[crossing.after]
        polytope = self.walk.places[crossing.before].polytope
        if polytope is None:
            raise InternalError("a facet was crossed that was not found")
        same = [i for i, verdict in enumerate(polytope.verdicts) if verdict == Same(crossing.facet)]
        names = tuple(self._name(crossing.before, i) for i in (crossing.facet, *same))
        weights, constant = None, None
        if self.target is not None:
            weights = after.coef[self.target] - before.coef[self.target]
            constant = after.intercept.item(self.target) - before.intercept.item(self.target)
        classes: tuple[str | None, ...] = (None, None, None)
        if self.classes:
            classes = (self.classes[crossing.before], self.classes[crossing.after], self.classes_on[number])
        return Passage(
            crossing.before, crossing.after, polytope.rows.subset([crossing.facet]), crossing.point, names,
            flips(before, after), weights, constant, *classes,
        )

    def _name(self, number: int, position: int) -> str:
        polytope = self.walk.places[number].polytope
        if polytope is None:
            raise InternalError("a region's rows were not looked at")
        return row_name(self.model.program, polytope.sources[position], self.input_names, {})


def neighbors(
    model: Model | AnyGiven,
    x: object,
    depth: int = 1,
    *,
    domain: Domain | DomainRead | None = None,
    box: tuple[object, object] | None = None,
    eps: object = None,
    row: int | None = None,
    exact_input: bool = False,
    decision: str | None = None,
    output_row: int | None = None,
    target: int | str | None = None,
    max_regions: int | None = None,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Neighborhood:
    """Find the regions around an input that are at most ``depth`` facets away, breadth first; exact.

    Args:
        x: as ``certify`` takes it; as are ``row``, ``exact_input``, ``eps``, ``decision``, ``output_row``.
        depth: how many facets away, at least 0.
        domain: where; or give ``box`` as a pair of bounds, each one number or one an input. By default all of R^d.
        target: the output whose weights are compared, by index or class name; by default the one decided at the input.
        max_regions: stop cleanly after so many regions, the input's included.
        time_limit: stop cleanly after so many seconds.
        progress: called with the number of regions found and of those looked at.

    Raises:
        InputError: something given does not fit the model.
        BudgetError: no direction decides which region the input belongs to.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    _check_limits(depth, max_regions, time_limit)
    loaded = fitted(model, x, row) if isinstance(model, Model) else load_for(model, x, row)
    read = loaded.read(x, row=row, exact_input=exact_input)
    names = loaded.input_names(read.columns)
    where = pinned(stated_domain(loaded.program, domain, box), loaded.pins, names)
    check_inside(where, read.point, names, read.given)
    where = where if eps is None else ball(where, read.point, eps)
    plan = plan_decision(loaded.program, decision, output_row, target, loaded.class_names)
    began = time.monotonic()
    start = region_at(loaded.program, read.point, where.domain)
    found = walk(start, depth, max_regions=max_regions, time_limit=time_limit, progress=progress)
    own, *classes = classes_at(loaded.program, plan, [read.point, *(p.region.witness for p in found.places)]) or (None,)
    on = classes_at(loaded.program, plan, [crossing.point for crossing in found.crossings])
    explained = _target(plan, start, read.point, target)
    seconds = time.monotonic() - began
    return Neighborhood(
        loaded, read, where, plan, depth, found, own, tuple(classes), on, explained, *_ties(start, read.point), seconds
    )


def flips(before: Region, after: Region) -> tuple[Flip, ...]:
    """List the units whose winners differ between two regions of one program."""
    program = before.program
    found: list[Flip] = []
    for number, group in before.pattern.differences(after.pattern):
        position = program.max_positions[number]
        winners = (int(region.pattern.winners[number][group]) for region in (before, after))
        found.append(Flip(program.unit_name(position, group), *winners))
    return tuple(found)


def _ties(start: Region, point: Rationals) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the units on whose boundary a point lies, and those that are tied everywhere on its region."""
    rows, gaps = start.rows, start.rows.slack(point).num.tolist()
    level = [i for i in range(len(rows)) if gaps[i] == 0]
    tied = [rows.sources[i] for i in level if any(rows.matrix[i].tolist())]
    free = [rows.sources[i] for i in level if not any(rows.matrix[i].tolist())]
    return _units(start, tied), _units(start, free)


def _units(start: Region, sources: list[RowSource]) -> tuple[str, ...]:
    names = [start.program.unit_name(source.index, source.group) for source in sources]
    return tuple(dict.fromkeys(names))


def _target(plan: DecisionPlan, start: Region, point: Rationals, given: int | str | None) -> int | None:
    """Return the output whose weights are compared: the given one, the decided one, or the only one."""
    if given is not None and plan.rule != "sign":
        return plan.find(given)
    if plan.rule != "none":
        return decide(plan.rule, plan.outputs, start.value(point), plan.tie).chosen
    return plan.outputs[0] if len(plan.outputs) == 1 else None


def _check_limits(depth: int, max_regions: int | None, time_limit: float | None) -> None:
    if depth < 0:
        raise InputError(f"depth: expected at least 0 facets, got {depth}")
    if max_regions is not None and max_regions < 1:
        raise InputError(f"max_regions: expected at least 1, got {max_regions}")
    if time_limit is not None and not 0 <= time_limit < float("inf"):
        raise InputError(f"time_limit: expected seconds, at least 0, got {time_limit}")
