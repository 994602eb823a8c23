"""What is said across the borders of the region: how far the decision holds, and whether other regions meet there."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from exactbox.polytope.boxes.radius import Held, held, least_cost
from exactbox.polytope.decision import gaps
from exactbox.polytope.distance import Norm
from exactbox.polytope.meeting import others_meet
from exactbox.polytope.wording import counted
from exactbox.rounding import decimal_text

if TYPE_CHECKING:
    from exactbox.certifying import Certified

BUDGET, LARGE_BUDGET = 1 << 29, 1 << 33
"""Multiplications for the search of radii: some seconds, and some minutes where distances are asked for."""

ENTRIES = 1 << 24
"""Outputs times rivals up to which they are compared."""

EVIDENCE = "rigorous enclosures, not part of the certificate"
"""What proves the radii."""

NAMES: dict[Norm, str] = {"linf": "L-inf", "l1": "L1", "l2": "L2"}


def why_not_held(found: Certified, measure: bool | None) -> str:
    """Say why no radius is searched, or return nothing where one is."""
    if found.decision is None or found.decision.margin is None:
        return "there is nothing that could be decided otherwise"
    if measure is False:
        return "not asked for"
    rivals, outputs = max(1, len(found.decision.outputs) - 1), found.program.output_size
    if rivals * outputs > ENTRIES:
        return f"{rivals} rivals among {counted(outputs, 'output')} are too many to bound"
    needed = least_cost(found.program, rivals)
    if needed <= (LARGE_BUDGET if measure else BUDGET):
        return ""
    more = "" if measure else ": --distances (measure=True) spends more"
    return f"a search takes some {needed} multiplications at least, which exceeds the budget{more}"


def find_held(found: Certified, measure: bool | None) -> Mapping[Norm, Held]:
    """Prove how far the decision holds; ``why_not_held`` returned nothing."""
    decision = found.decision
    if decision is None or decision.margin is None:
        return {}
    weights = gaps(decision, found.program.output_size)
    work = LARGE_BUDGET if measure else BUDGET
    return held(found.program, found.domain.domain, found.input.point, weights, decision.margin, work)


def shared(found: Certified) -> bool | None:
    """Say whether other regions contain the input too; None where that is left open."""
    if found.distances is not None:
        return found.distances.region["linf"].value == 0
    return others_meet(found.region)


def held_words(found: Certified) -> str:
    """Say within which distances no other decision is made, whatever regions lie there; empty without a decision."""
    if found.decision is None or found.decision.margin is None:
        return ""
    if found.held is None:
        return f"across the borders of regions: {found.skipped['held']}"
    if found.decision.margin == 0:
        return "across the borders of regions: none, the decision is a tie at the input"
    radii = {norm: one.radius for norm, one in found.held.items()}
    if radii["linf"] is None:
        return f"across the borders of regions: the whole domain decides alike ({EVIDENCE})"
    if radii["linf"] == 0:
        return "across the borders of regions: no radius was proved, as the enclosures are too wide"
    listed = ", ".join(f"{NAMES[norm]} {_radius(radii[norm])}" for norm in NAMES)
    return f"across the borders of regions, no other decision within: {listed} ({EVIDENCE})"


def shared_words(found: Certified) -> str:
    """Say of which region the weights are where others may contain the input; empty where none does."""
    if found.shared is False:
        return ""
    meet = "meet" if found.shared else "may meet"
    return f"weights and intercept are those of one of the regions that {meet} at the input; in others they may differ"


def _radius(value: Fraction | None) -> str:
    return "unbounded" if value is None else decimal_text(value)
