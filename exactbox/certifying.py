"""The main verb: the exact region and classifier around one input, with distances, facets and a second opinion."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from exactbox import across
from exactbox.boxes import DomainRead, ball, box_between, check_inside, everywhere
from exactbox.categories import load_for
from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.files import check_writable
from exactbox.fixing import pinned
from exactbox.importers.torch_modules import AnyGiven
from exactbox.inputs import InputRead
from exactbox.loading import Model, fitted
from exactbox.measures import Geometry, geometry
from exactbox.nearest import Distances, distances
from exactbox.polytope import facets
from exactbox.polytope import opinion as opinions
from exactbox.polytope.boxes.radius import Held
from exactbox.polytope.brief import brief
from exactbox.polytope.decision import Decision, decide, decision_rows, lost_ties
from exactbox.polytope.distance import Norm
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.opinion import Opinion
from exactbox.polytope.program import NO_CANDIDATE, Gather, Max, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region, region_at
from exactbox.polytope.verdicts import Minimal
from exactbox.polytope.wording import counted, spelled
from exactbox.progress import Silent, Watcher

Floats = npt.NDArray[np.float64]

MINIMAL_BUDGET = 1 << 22
"""Rows squared times inputs up to which facets are decided without being asked for."""

BOUNDS_BUDGET = 1 << 25
"""Bounds of the domain times inputs up to which they are."""

ROWS_BUDGET = 1 << 21
"""Rows of W times numbers that the program computes up to which all rows are stated without being asked for."""

OPINION_SECONDS = 3.0
"""Time for the second opinion where nothing else is said."""

DISTANCE_BUDGET = 1 << 16
"""Rows times inputs up to which distances are computed without being asked for."""


@dataclass(frozen=True, eq=False)
class Certified:
    """What was found around one input; everything but the float views and the second opinion is exact.

    Args:
        model: the model, with its program.
        input: the input as it was read.
        domain: where the statement holds.
        plan: the decision rule and where it comes from.
        region: the region of the input, with its affine map.
        decision: what is decided at the input, or None where nothing is.
        target: the explained output, or None.
        minimal: the verdict on every row of the region, or None.
        distances: to the boundaries of the region and of the decision, or None.
        held: by norm, how far the decision is proved to hold across the borders of regions, or None; proved by rigorous
            enclosures, of which the certificate knows nothing.
        shared: whether other regions contain the input too; None where that is left open.
        geometry: how large the region is, or None.
        opinion: what a second solver says about the facets, or None; it changes nothing.
        skipped: why a part is None, by its name.
        asked: whether the target was asked for.
    """

    model: Model
    input: InputRead
    domain: DomainRead
    plan: DecisionPlan
    region: Region
    decision: Decision | None
    target: int | None
    minimal: Minimal | None = None
    distances: Distances | None = None
    held: Mapping[Norm, Held] | None = None
    shared: bool | None = None
    geometry: Geometry | None = None
    opinion: Opinion | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    asked: bool = False

    def __repr__(self) -> str:
        decided = f"decided {self.class_name}"
        return brief(self, [repr(self.model.path), decided, f"domain {self.domain.text}", repr(self.region)])

    @property
    def program(self) -> Program:
        """The program that the statement is about."""
        return self.model.program

    @property
    def margin(self) -> Fraction | None:
        """The gap to the best rival, or the absolute value of the output that decides; None without a decision."""
        return None if self.decision is None else self.decision.margin

    @property
    def coef_exact(self) -> Rationals:
        """W, shape (outputs, d): the exact local weights."""
        return self.region.coef

    @property
    def intercept_exact(self) -> Rationals:
        """c, shape (outputs,): the exact local intercepts."""
        return self.region.intercept

    @property
    def coef(self) -> Rationals:
        """W, exact, as everywhere; ``np.asarray(found.coef, float)`` are its correctly rounded floats."""
        return self.region.coef

    @property
    def intercept(self) -> Rationals:
        """c, exact, as everywhere."""
        return self.region.intercept

    @property
    def stated(self) -> tuple[int, ...]:
        """The outputs whose rows of W and c the certificate states.

        The explained one alone where it was asked for or all are many; all where none was asked for and they are few.
        """
        outputs = range(self.program.output_size)
        if self.target is not None and (self.asked or len(outputs) > most_rows(self.program)):
            return (self.target,)
        return tuple(outputs) if len(outputs) <= most_rows(self.program) else ()

    @property
    def weights(self) -> Rationals:
        """The target's row of W, shape (d,).

        Raises:
            InputError: no output is explained.
        """
        return self.region.maps([self._explained()])[0].reshape(-1)

    @property
    def constant(self) -> Fraction:
        """The target's entry of c.

        Raises:
            InputError: no output is explained.
        """
        return self.region.maps([self._explained()])[1].item(0)

    @functools.cached_property
    def contributions(self) -> Rationals:
        """The target's weights times the input, shape (d,); with the intercept they add up to the target's value."""
        return self.weights * self.input.point

    @functools.cached_property
    def values(self) -> Rationals:
        """All outputs at the input, shape (outputs,)."""
        return self.region.value(self.input.point)

    @property
    def class_name(self) -> str | None:
        """The name of what is decided, or None."""
        if self.decision is None:
            return None
        return self.plan.outcome(self.decision.chosen, self.decision.positive)

    @functools.cached_property
    def input_names(self) -> tuple[str, ...]:
        """One name an input."""
        return self.model.input_names(self.input.columns)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as data for JSON: floats for reading, exact numbers as text."""
        from exactbox.documents import document

        return document(self)

    def save(self, path: str | os.PathLike[str]) -> list[str]:
        """Write the certificate, and the program file beside it; returns both paths.

        Raises:
            InputError: a file cannot be written.
        """
        from exactbox.saving import save

        return save(self, path)

    def plot(self, path: str | os.PathLike[str], *, image: str | None = None) -> str:
        """Draw the weights and contributions as .png or .svg; returns the path.

        Args:
            image: the size of an image such as "8x8", where the input's shape does not say it.

        Raises:
            InputError: no output is explained, another ending, no matplotlib, or the file cannot be written.
        """
        from exactbox.plots import draw, picture_of, require_matplotlib

        target = Path(path)
        check_writable(target, ".png", ".svg")
        require_matplotlib()
        draw(picture_of(self, image), target)
        return str(target)

    def _explained(self) -> int:
        if self.target is None:
            raise InputError("no output is explained: choose one of several with target")
        return self.target


def certify(
    model: Model | AnyGiven,
    x: object,
    *,
    target: int | str | None = None,
    domain: Domain | DomainRead | None = None,
    lower: object = None,
    upper: object = None,
    box: tuple[object, object] | None = None,
    eps: object = None,
    row: int | None = None,
    exact_input: bool = False,
    decision: Literal["argmax", "argmin", "sign", "none"] | None = None,
    output_row: int | None = None,
    minimal: bool | None = None,
    measure: bool | None = None,
    opinion_seconds: float = OPINION_SECONDS,
    watcher: Watcher | None = None,
) -> Certified:
    """Find the exact region and classifier of a model around one input.

    Args:
        model: a loaded model, or one as ``load`` takes it; categories of the input become constants of its program.
        x: an array, nested lists, exact numbers, a path, text such as "-0.1,1/3", a data frame, or a mapping from
            input names to any of these; columns named like the inputs are matched by name.
        target: the output to explain, by index or class name; by default the decided one.
        domain: where the statement is to hold; or give ``lower`` and ``upper``, or ``box`` as a pair of the two, each
            one number or one an input. Without any, all of R^d.
        eps: stay within this L-infinity distance of the input, and within the domain.
        row: which sample of a batch (0-based).
        exact_input: keep numbers such as "1/3" instead of rounding them to the input's type.
        decision: the rule; by default the model's own, or an assumed one, which the result says.
        output_row: which row of an output of several rows.
        minimal: decide which rows are facets; by default where that is cheap.
        measure: compute distances; by default where that is cheap.
        opinion_seconds: time for the second opinion by cvxpy on the facets; 0 for none.
        watcher: is told about progress.

    Raises:
        InputError: something given does not fit the model.
        UnsupportedModelError: the model cannot be lowered exactly.
    """
    loaded = fitted(model, x, row) if isinstance(model, Model) else load_for(model, x, row)
    heard = watcher or Silent()
    read = loaded.read(x, row=row, exact_input=exact_input)
    names = loaded.input_names(read.columns)
    stated = pinned(stated_domain(loaded.program, domain, box, lower, upper), loaded.pins, names)
    check_inside(stated, read.point, names, read.given)
    where = stated if eps is None else ball(stated, read.point, eps)
    plan = plan_decision(loaded.program, decision, output_row, target, loaded.class_names)
    heard.begin("region")
    region = region_at(loaded.program, read.point, where.domain)
    decided = _decide(plan, region)
    explained = _target(plan, decided, target)
    found = Certified(loaded, read, where, plan, region, decided, explained, asked=target is not None)
    found = _with_neighbours(_with_geometry(found, minimal, measure, heard), measure, heard)
    return _with_opinion(found, opinion_seconds, heard)


def row_count(program: Program) -> int:
    """Return how many rows a region has: the rivals of all winners.

    >>> from exactbox.polytope.program import Input, Port
    >>> row_count(Program((Port("x", (1,)),), (Input(1),), Port("y", (1,))))
    0
    """
    maxima = [step for step in program.instructions if isinstance(step, Max)]
    return sum(int((step.groups != NO_CANDIDATE).sum()) - len(step.groups) for step in maxima)


def most_rows(program: Program) -> int:
    """Return how many rows of W are stated without being asked for.

    >>> from exactbox.polytope.program import Input, Port
    >>> most_rows(Program((Port("x", (1 << 18,)),), (Input(1 << 18),), Port("y", (1 << 18,))))
    8
    """
    steps = zip(program.instructions, program.sizes, strict=True)
    computed = sum(size for step, size in steps if not isinstance(step, Gather))
    return ROWS_BUDGET // max(computed, 1)


def stated_domain(
    program: Program,
    domain: Domain | DomainRead | None,
    box: tuple[object, object] | None,
    lower: object = None,
    upper: object = None,
) -> DomainRead:
    """Return the domain that was stated in one of several ways, or R^d.

    Raises:
        InputError: it was stated twice, or does not fit the program.
    """
    stated = [domain is not None, box is not None, lower is not None or upper is not None]
    if sum(stated) > 1:
        raise InputError("domain: give one of domain, box, or lower and upper")
    if isinstance(domain, DomainRead):
        return domain
    if domain is not None:
        return given_domain(program, domain)
    if box is not None:
        return box_between(program, *box)
    if stated[2]:
        return box_between(program, lower, upper)
    return everywhere(program)


def given_domain(program: Program, domain: Domain) -> DomainRead:
    """Describe a domain that was built by hand.

    Raises:
        InputError: it has another number of coordinates than the program has inputs.
    """
    if domain.size != program.input_size:
        raise InputError(f"domain: expected {counted(program.input_size, 'coordinate')}, got {domain.size}")
    kind = "box" if domain.is_box else f"polytope of {counted(len(domain.rows), 'row')} and some bounds"
    return DomainRead(domain, f"a given {kind} of dimension {domain.dimension}")


def _decide(plan: DecisionPlan, region: Region) -> Decision | None:
    if plan.rule == "none":
        return None
    return decide(plan.rule, plan.outputs, region.value(region.point), plan.tie)


def _target(plan: DecisionPlan, decided: Decision | None, target: int | str | None) -> int | None:
    if target is not None and plan.rule != "sign":
        return plan.find(target)
    if decided is not None:
        return decided.chosen
    return plan.outputs[0] if len(plan.outputs) == 1 else None


def _with_geometry(found: Certified, minimal: bool | None, measure: bool | None, heard: Watcher) -> Certified:
    """Add what costs more: distances and facets, each where it is asked for or cheap."""
    rows, inputs = row_count(found.program), found.program.input_size
    rivals = 0 if found.decision is None else len(found.decision.outputs) - 1
    compared = f", {counted(rivals, 'rival')}" if rivals > rows else ""
    size = f"{counted(rows, 'row')}{compared} and {counted(inputs, 'input')} exceed the budget"
    dear = max(rows, rivals) * inputs > DISTANCE_BUDGET or rivals > max(1, most_rows(found.program))
    no_distances = _why_not(measure, dear, f"{size}: {spelled('measure=True', '--distances')} does compute them")
    if not no_distances and not found.domain.domain.is_box:
        no_distances = "the closed form needs a box domain"
    if not no_distances:
        heard.begin("distances")
        found = replace(found, distances=_distances(found))
    bounds = len(found.domain.domain.bound_sources)
    if rows * rows * inputs <= MINIMAL_BUDGET:
        size = f"{counted(bounds, 'bound')} of the domain and {counted(inputs, 'input')} exceed the budget"
    dear = rows * rows * inputs > MINIMAL_BUDGET or bounds * inputs > BOUNDS_BUDGET
    no_facets = _why_not(minimal, dear, f"{size}: {spelled('minimal=True', '--minimal')} does decide them")
    if not no_facets:
        heard.begin("facets")
        found = replace(found, minimal=facets.minimal(
            found.domain.domain, found.region.rows, found.region.witness, heard.part))  # fmt: skip
        found = replace(found, geometry=geometry(found.minimal)) if found.minimal is not None else found
    reasons = {"distances": no_distances, "minimal": no_facets, "geometry": no_facets and "facets are not known"}
    return replace(found, skipped={name: reason for name, reason in reasons.items() if reason})


def _with_neighbours(found: Certified, measure: bool | None, heard: Watcher) -> Certified:
    """Add what is said across the borders of regions."""
    found = replace(found, shared=across.shared(found))
    reason = across.why_not_held(found, measure)
    if reason:
        return replace(found, skipped={**found.skipped, "held": reason})
    heard.begin("radius")
    return replace(found, held=across.find_held(found, measure))


def _with_opinion(found: Certified, seconds: float, heard: Watcher) -> Certified:
    """Ask a second solver about the facets."""
    if found.minimal is None or seconds <= 0:
        reason = "not asked for" if found.minimal is not None else "facets are not known"
        return replace(found, skipped={**found.skipped, "opinion": reason})
    if not found.minimal.verdicts:
        return replace(found, skipped={**found.skipped, "opinion": "there is no row to look at"})
    heard.begin("second opinion")
    opinions.solvers()  # before the clock of the opinion starts
    return replace(found, opinion=opinions.opinion(found.minimal, seconds=seconds))


def _why_not(asked: bool | None, dear: bool, how: str) -> str:
    """Say why a costly part is left out, or return nothing where it is not."""
    if asked is False:
        return "not asked for"
    return how if asked is None and dear else ""


def _distances(found: Certified) -> Distances:
    domain, rows, point = found.domain.domain, found.region.rows, found.input.point
    if found.decision is None:
        return distances(domain, rows, None, point)
    lost = lost_ties(found.decision, found.plan.tie)
    return distances(domain, rows, decision_rows(found.region, found.decision), point, lost)
