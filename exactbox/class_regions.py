"""Which classes each region holds: decided on exact shapes where there are any, else by exact linear programs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exactbox.boundary_rows import reduced_map
from exactbox.decisions import DecisionPlan
from exactbox.partition import class_names, score_rows
from exactbox.polytope.envelope import winners_within
from exactbox.polytope.errors import InputError
from exactbox.polytope.region import Region
from exactbox.polytope.wording import counted

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated


@dataclass(frozen=True)
class ClassRegions:
    """The classes of regions.

    Args:
        by_region: for each region looked at, the classes that are decided on a full-dimensional part of it.
        complete: whether all regions were looked at.
        reason: why not, where they were not.
        names: all classes, in the order of the outputs.
    """

    by_region: tuple[tuple[str, ...], ...]
    complete: bool
    reason: str
    names: tuple[str, ...]

    @property
    def meets(self) -> dict[str, int]:
        """For each class, in how many regions it is decided on a full-dimensional part."""
        counts = Counter(name for names in self.by_region for name in names)
        return {name: counts[name] for name in self.names}

    @property
    def wholly(self) -> dict[str, int]:
        """For each class, how many regions hold no other."""
        counts = Counter(names[0] for names in self.by_region if len(names) == 1)
        return {name: counts[name] for name in self.names}

    @property
    def several(self) -> int:
        """How many regions hold several classes."""
        return sum(len(names) > 1 for names in self.by_region)


def class_regions(found: Enumerated, seconds: float | None = None) -> ClassRegions:
    """Decide which classes each region holds, exactly.

    Args:
        seconds: stop after so long and say so; not looked at where the regions have shapes, which are fast.

    Raises:
        InputError: nothing is decided.
    """
    if found.plan.rule == "none":
        raise InputError(f"classes: nothing is decided ({found.plan.text}); state a rule with decision=")
    names = tuple(dict.fromkeys(class_names(found.plan)))
    if not found.has_shapes:
        return _by_programs(found, names, seconds)
    listed: list[dict[str, None]] = [{} for _ in found.cells]
    for part in found.partition.parts:
        listed[part.region][part.name] = None
    return ClassRegions(tuple(_sorted(own, names) for own in listed), True, "all regions were looked at", names)


def _by_programs(found: Enumerated, names: tuple[str, ...], seconds: float | None) -> ClassRegions:
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    listed: list[tuple[str, ...]] = []
    for region in found:
        if time.monotonic() > deadline:
            reason = f"stopped after {seconds} seconds: {len(listed)} of {counted(len(found), 'region')} were looked at"
            return ClassRegions(tuple(listed), False, reason, names)
        listed.append(_sorted(classes_within(found.plan, region), names))
    return ClassRegions(tuple(listed), True, "all regions were looked at", names)


def classes_within(plan: DecisionPlan, region: Region) -> list[str]:
    """Name the classes that are decided on a full-dimensional part of a region of any dimension, bounded or not."""
    labels, rows, tie = score_rows(plan, reduced_map(region))
    return [labels[k] for k in winners_within(region.domain, region.rows, rows, tie)]


def _sorted(own: Sequence[str] | dict[str, None], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in own)
