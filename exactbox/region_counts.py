"""What is said about an enumeration, whether or not memory holds its regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from exactbox.boxes import DomainRead
from exactbox.decisions import DecisionPlan
from exactbox.loading import Model


@dataclass(frozen=True, eq=False)
class Counts:
    """What an enumeration found, in numbers.

    Args:
        model: the model.
        domain: where the regions lie.
        plan: what the model decides.
        regions: the number of regions.
        class_counts: how many have each class at their witness, the most frequent first; empty where none is decided.
        complete: whether these are all regions.
        reason: why, or why not.
        seconds: how long it took.
        neighbor_pairs: how many pairs share a facet; None where neighbours were not asked for, as in what follows.
        linear_regions: the number of linear regions.
        mean_facets: the mean number of facets of a region, those of the domain included.
        certificate: the certificate that these are all, or None.
    """

    model: Model
    domain: DomainRead
    plan: DecisionPlan
    regions: int
    class_counts: Mapping[str, int]
    complete: bool
    reason: str
    seconds: float
    neighbor_pairs: int | None = None
    linear_regions: int | None = None
    mean_facets: Fraction | None = None
    certificate: str | None = None
