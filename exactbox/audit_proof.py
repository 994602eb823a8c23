"""What an audit may call proved: nothing, once the runtime was seen to compute otherwise than the bound allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from exactbox.audit_bench import WAYS
from exactbox.audit_chunk import Chunk, Observed
from exactbox.importers.deployed import RuntimeRefusal


def without_bound(found: Chunk) -> Chunk:
    """Return what was found where no bound can be stated: every bound is infinite, and nothing holds."""
    return replace(
        found,
        bound=np.full(found.bound.shape, np.inf),
        holds=np.zeros(found.holds.shape, dtype=np.bool_),
        ways=tuple(_unbounded(way) for way in found.ways),
    )


def without_proof(found: Chunk) -> Chunk:
    """Return what was found where a bound was exceeded: the bounds are kept beside the differences, nothing holds."""
    return replace(found, holds=np.zeros(found.holds.shape, dtype=np.bool_))


def contradictions(found: Chunk, exact_tail: bool) -> tuple[str, ...]:
    """Say which ways of running contradict the bound.

    Args:
        exact_tail: whether what lies above the logits rounds nothing, so that it decides as the logits do.
    """
    listed: list[str] = []
    for way, seen in zip(WAYS, found.ways, strict=True):
        if isinstance(seen, RuntimeRefusal):
            continue
        # Where no tensor holds the logits, what is read as their decision is the tail's.
        otherwise = (seen.by_logits != found.chosen) & ~np.isnan(seen.difference)
        otherwise |= exact_tail & (seen.by_head != found.chosen)
        rows = np.flatnonzero(seen.beyond | (found.holds & otherwise)).tolist()
        if rows:
            lie = "samples lie" if len(rows) > 1 else "sample lies"
            listed.append(f"{way.name}: {len(rows)} {lie} beyond the bound of the float error (rows {few(rows)})")
    return tuple(listed)


def few(rows: Sequence[int]) -> str:
    """List the first rows."""
    return ", ".join(str(row) for row in rows[:8]) + (", …" if len(rows) > 8 else "")


def _unbounded(way: Observed | RuntimeRefusal) -> Observed | RuntimeRefusal:
    if isinstance(way, RuntimeRefusal):
        return way
    return replace(way, beyond=np.zeros(way.beyond.shape, dtype=np.bool_))
