"""How far the boundaries are: of the region, of the region where the decision holds, and of each facet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from exactbox.polytope.decision import NO_RIVAL
from exactbox.polytope.distance import NORMS, Distance, Norm, distance
from exactbox.polytope.domain import Domain
from exactbox.polytope.program import CONSTANT_ZERO, Max, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rows import Rows, RowSource, join

STEEPEST = 2
"""How many inputs are named for a row."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Exact distances from the input to the boundaries, within the domain.

    Args:
        region: by norm, to the boundary of the region P.
        decision: by norm, to where the decision may end: the boundary of P', the part of P where the decided one
            attains the extremum, or a tie with one that wins it; empty without a decision.
        rows: the rows that ``binding`` counts: those of the region, then those of the decision.
    """

    region: dict[Norm, Distance]
    decision: dict[Norm, Distance]
    rows: Rows


@dataclass(frozen=True)
class NearFacet:
    """A row of the region near the input.

    Args:
        linf: its L-infinity distance from the input.
        inputs: the inputs in which it is steepest, at most ``STEEPEST``, the steepest first.
    """

    source: RowSource
    linf: Fraction
    inputs: tuple[int, ...]


def distances(
    domain: Domain, region_rows: Rows, decided: Rows | None, point: Rationals, lost: Collection[int] = frozenset()
) -> Distances:
    """Return the exact distances from a point (d,) of a region, in all three norms, within a box domain.

    Args:
        decided: the rows of the decision, or None where nothing is decided.
        lost: the positions among them on which another wins the tie.

    Raises:
        InputError: the domain is no box.
    """
    to_region: dict[Norm, Distance] = {norm: distance(domain, region_rows, point, norm) for norm in NORMS}
    if decided is None:
        return Distances(to_region, {}, region_rows)
    shift = len(region_rows)
    both: dict[Norm, Distance] = {
        norm: nearer(to_region[norm], distance(domain, decided, point, norm, lost), shift) for norm in NORMS
    }
    return Distances(to_region, both, join(region_rows, decided))


def nearer(first: Distance, second: Distance, shift: int) -> Distance:
    """Return the distance to the rows of both, the second's counted from ``shift``."""
    moved = {position + shift: factor for position, factor in second.multipliers.items()}
    if second.value is None or (first.value is not None and first.value <= second.value):
        value, binding, nearest, rim = first.value, first.binding, first.nearest, first.rim
    else:
        value, nearest, rim = second.value, second.nearest, second.rim
        binding = None if second.binding is None else second.binding + shift
    multipliers = {} if value == 0 else {**first.multipliers, **moved}
    return Distance(first.norm, value, binding, nearest, multipliers, rim)


def near_facets(domain: Domain, rows: Rows, point: Rationals, count: int) -> list[NearFacet]:
    """Return the rows that are nearest to a point (d,) of a box domain in the L-infinity norm, nearest first.

    Exact; equal distances keep the order of the rows; rows that the domain cuts off are left out.
    """
    found: list[tuple[Fraction, int]] = []
    for position in range(len(rows)):
        value = distance(domain, rows.subset([position]), point, "linf").value
        if value is not None:
            found.append((value, position))
    return [NearFacet(rows.sources[i], value, _steepest(rows, i)) for value, i in sorted(found)[:count]]


def _steepest(rows: Rows, position: int) -> tuple[int, ...]:
    sizes = [abs(entry) for entry in rows.matrix[position].tolist()]
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    return tuple(i for i in order[:STEEPEST] if sizes[i])


def row_name(program: Program, source: RowSource, inputs: tuple[str, ...], classes: dict[int, str]) -> str:
    """Say in words where a row comes from and what happens beyond it.

    Args:
        inputs: the names of the inputs.
        classes: the names of outputs.
    """
    match source.kind:
        case "unit":
            return f"{program.unit_name(source.index, source.group)} {_beyond(program, source)}"
        case "lower" | "upper":
            return f"the {source.kind} bound of {inputs[source.index]}"
        case "domain":
            return f"row {source.index} of the domain"
        case "decision":
            winner = classes.get(source.group, f"output {source.group}")
            if source.rival == NO_RIVAL:
                return f"{winner} changes its sign"
            return f"{classes.get(source.rival, f'output {source.rival}')} overtakes {winner}"


def _beyond(program: Program, source: RowSource) -> str:
    """Say what a unit does beyond a row: a Relu switches, another maximum has another winner."""
    unit = program.instructions[source.index]
    group = unit.groups[source.group].tolist() if isinstance(unit, Max) else []
    if group[source.rival] == CONSTANT_ZERO:
        return "switches off"
    if len(group) == 2 and CONSTANT_ZERO in group:
        return "switches on"
    return f"has candidate {source.rival} as its winner"
