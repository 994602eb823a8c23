"""What a result says to people, before it is laid out: features, facets, and what is not claimed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from exactbox.certifying import Certified
from exactbox.nearest import NearFacet, near_facets, row_name
from exactbox.polytope.decision import NO_RIVAL
from exactbox.polytope.distance import Distance
from exactbox.polytope.program import Program
from exactbox.polytope.rows import RowSource
from exactbox.polytope.verdicts import Dropped, Free, Same
from exactbox.polytope.wording import counted, spelled
from exactbox.rounding import decimal_text


@dataclass(frozen=True)
class Feature:
    """One input's part in the explained output; exact.

    Args:
        contribution: ``weight * value``.
    """

    index: int
    name: str
    value: Fraction
    weight: Fraction
    contribution: Fraction


@dataclass(frozen=True)
class RowCounts:
    """How many rows of a region are what.

    Args:
        unit_facets: facets where a unit changes its winner.
        domain_facets: facets that belong to the domain.
        redundant: rows that the others imply.
        equal: rows that are the same half-space as an earlier one.
        free: rows that constrain nothing.
        undecided: rows that a budget left open.
    """

    unit_facets: int
    domain_facets: int
    redundant: int
    equal: int
    free: int
    undecided: int


def features(found: Certified, count: int | None = None) -> list[Feature]:
    """Return the inputs, those of the largest contributions first, or so many; empty where nothing is explained."""
    if found.target is None:
        return []
    names, x, w = found.input_names, found.input.point, found.weights
    sizes = zip((-abs(found.contributions.num)).tolist(), (-abs(w.num)).tolist(), range(len(names)), strict=True)
    chosen = [i for *_, i in sorted(sizes)[:count]]
    return [Feature(i, names[i], x.item(i), w.item(i), x.item(i) * w.item(i)) for i in chosen]


def row_counts(found: Certified) -> RowCounts | None:
    """Count the verdicts on the region's rows; None where they were not asked for."""
    if found.minimal is None:
        return None
    verdicts, sources = found.minimal.verdicts, found.minimal.sources
    units = sum(sources[i].kind == "unit" for i in found.minimal.facets)
    return RowCounts(
        unit_facets=units,
        domain_facets=len(found.minimal.facets) - units,
        redundant=sum(isinstance(verdict, Dropped) for verdict in verdicts),
        equal=sum(isinstance(verdict, Same) for verdict in verdicts),
        free=sum(isinstance(verdict, Free) for verdict in verdicts),
        undecided=len(found.minimal.undecided),
    )


def nearest(found: Certified, count: int) -> list[NearFacet]:
    """Return the facets of the region that are nearest to the input; all its rows where facets were not asked for."""
    if found.distances is None:
        return []
    rows = found.region.rows
    if found.minimal is not None:
        rows = rows.subset([i for i in found.minimal.facets if i < len(rows)])
    return near_facets(found.domain.domain, rows, found.input.point, count)


def name_row(found: Certified, source: RowSource) -> str:
    """Say in words where a row of a result comes from."""
    classes = {i: found.plan.name(i) for i in (source.group, source.rival) if i in found.plan.outputs}
    return row_name(found.program, source, found.input_names, classes)


def binding_words(found: Certified, one: Distance) -> str:
    """Say which row of the result's distances is reached first; empty where none is."""
    if one.binding is None or found.distances is None:
        return ""
    source = found.distances.rows.sources[one.binding]
    if not one.rim:
        return name_row(found, source)
    if source.rival == NO_RIVAL:
        return f"{found.plan.name(source.group)} is 0, on the domain's rim"
    return f"{found.plan.name(source.rival)} wins a tie with {found.plan.name(source.group)}, on the domain's rim"


def not_claimed(found: Certified) -> list[str]:
    """Say what the statement does not cover, one sentence each."""
    head = found.program.head
    said = ["what a runtime computes in floating point: the statement is about real arithmetic on the stored weights"]
    if head.ops:
        said.append(f"values above the logits ({', '.join(head.ops)}): the statement is about the logits under them")
    if found.model.preprocessing is not None:
        said.append("rounding in a preprocessing that is carried out in floating point: it is exact in the statement")
    said += replaced_words(found.program)
    if len(found.stated) < found.program.output_size:
        said.append(_unstated(found))
    beyond = found.held is not None and any(one.radius != 0 for one in found.held.values())
    known = ", but for the distances across the borders of regions, of which no certificate speaks" if beyond else ""
    said.append(f"anything outside the region and its domain{known}")
    if found.plan.rule == "none":
        said.append("a decision: none is stated")
    said.append("that the program is this ONNX file: that is the importer's word; check --model lowers it again")
    return said


def _unstated(found: Certified) -> str:
    """Say whose weights are stated, and how to have others."""
    names = ", ".join(found.plan.name(k) for k in found.stated) or "none"
    rest = found.program.output_size - len(found.stated)
    how = spelled("target=K", "--target K")
    return f"weights and intercepts of {counted(rest, 'output')}: stated are those of {names}; {how} states K's"


def replaced_words(program: Program) -> list[str]:
    """Say, in at most one sentence, that constants were replaced: the statement is about f~."""
    if not program.replaced:
        return []
    bits = program.replaced[0].bits
    shown = "; ".join(f"{one.node}: {one.count} of the form {one.formula}" for one in program.replaced[:3])
    more = f"; and those of {counted(len(program.replaced) - 3, 'more node')}" if len(program.replaced) > 3 else ""
    return [f"the network f itself: constants that are not rational ({shown}{more}) were replaced by {bits}-bit "
            "rationals, so that every statement, and every tie, is about the network f~ with those"]  # fmt: skip


def tie_words(found: Certified) -> str:
    """Say whether the decision is strict, and what ONNX does with a tie."""
    decision = found.decision
    if decision is None:
        return ""
    if not decision.ties:
        return "strict"
    if decision.rule == "sign":
        return "a tie: the output is exactly 0"
    others = ", ".join(found.plan.name(i) for i in decision.ties)
    return f"an exact tie with {others}; ONNX takes the {found.plan.tie} index"


def logit_words(found: Certified) -> str:
    """Say that the contributions and the intercept add up to the explained output."""
    if found.target is None:
        return ""
    total = found.values.item(found.target)
    intercept = found.constant
    parts = [decimal_text(total), decimal_text(total - intercept), decimal_text(intercept)]
    return "{} = contributions {} + intercept {}".format(*parts)
