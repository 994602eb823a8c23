"""An audit in words and as plain data for JSON."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from exactbox.audit_bench import WAYS
from exactbox.audit_chunk import Observed
from exactbox.audit_decisions import UNDECIDED
from exactbox.audit_proof import few
from exactbox.auditing import Audit, UnitCounts
from exactbox.documents import Document, finite, number
from exactbox.importers.deployed import RuntimeRefusal
from exactbox.inventory_report import inventory_blocks, inventory_document
from exactbox.polytope.wording import counted
from exactbox.report import Block
from exactbox.rounding import exact_text, near_float

EXACT_MARGINS = 10_000
"""Samples up to which every margin and distance is also written exactly."""

SHOWN = 5
"""Worst samples in the summary for people; the document holds more."""


def document(found: Audit) -> Document:
    """Return an audit as data that ``json.dumps`` accepts."""
    plan = found.bench.plan
    return {
        "inventory": inventory_document(found.inventory),
        "data": {"origin": found.origin, "samples": found.count, "rounded_entries": found.rounded,
                 "batch": found.batch, "preprocessing": preprocessing_words(found)},
        "decision": {"rule": plan.rule, "text": plan.text, "outputs": list(plan.outputs), "labels": list(plan.labels)},
        "unproved": list(found.unproved),
        "summary": summary_document(found),
        "words": words(found),
        "ways": [_way(found, i) for i in range(len(WAYS))],
        "units": [vars(layer) for layer in found.units],
        "worst": [_sample(found, i, exactly=True) for i in found.worst()],
        "samples": [_sample(found, i, exactly=found.count <= EXACT_MARGINS) for i in range(found.count)],
        "not_claimed": not_claimed(found),
    }  # fmt: skip


def summary_document(found: Audit) -> Document:
    """Return the counts over all samples; null where a question does not apply."""
    regions = Counter(key for key in found.found.regions if key)
    decides = found.decides
    off = found.found.units_off
    distances = [value for value in found.found.distances if value is not None]
    return {
        "samples": found.count,
        "flips": int(found.flipped.sum()) if decides else None,
        "proved_to_hold": int(found.found.holds.sum()) if decides else None,
        "proved_with_tail": int(found.deployed.sum()) if decides else None,
        "exact_ties": int(found.found.tied.sum()) if decides else None,
        "on_a_boundary": int(found.found.on_boundary.sum()),
        "regions": len(regions),
        "samples_sharing_a_region": sum(count for count in regions.values() if count > 1),
        "largest_region": max(regions.values(), default=0),
        "regions_undecided": sum(1 for key in found.found.regions if not key),
        "pattern_differences": int((off > 0).sum()) if (off >= 0).all() else None,
        "largest_difference": _largest(found.differences),
        "largest_bound": _largest(found.found.bound),
        "smallest_margin": number(min((m for m in found.found.margins if m is not None), default=None)),
        "smallest_ratio": _smallest(found.ratios) if decides else None,
        "smallest_distance": number(min(distances, default=None)),
        "distances_skipped": found.measured or None,
        "dead_units": sum(layer.dead for layer in found.units),
        "always_on_units": sum(layer.always_on for layer in found.units),
        "settled_units": sum(layer.settled for layer in found.units),
        "correct": None if found.labels is None else int((found.labels == found.found.chosen).sum()),
        "accuracy": None if found.labels is None else float((found.labels == found.found.chosen).mean()),
    }


def words(found: Audit) -> list[str]:
    """Return the findings in sentences, the most important first."""
    return [
        *(f"nothing of this model is proved: {reason}" for reason in found.unproved),
        *_decision_words(found),
        *_difference_words(found),
        *_region_words(found),
        *_label_words(found),
    ]


def not_claimed(found: Audit) -> list[str]:
    """Say what an audit does not show."""
    listed = [
        "anything about inputs other than these samples",
        "that optimised graphs keep within the bound: they were observed, not bounded",
        "the execution on other hardware or another runtime, unless it runs the nodes as they are in this arithmetic",
    ]
    if found.bench.program.head.ops and found.decides:
        tail = ", ".join(found.bench.program.head.ops)
        listed.append(f"that the float32 tail ({tail}) keeps the order of the logits: its answers were observed")
    if found.inventory.replaced:
        count = len(found.inventory.replaced)
        listed.append(
            f"the function with {counted(count, 'irrational constant')} itself: each is replaced by a stated rational"
        )
    return listed


def preprocessing_words(found: Audit) -> str:
    """Say what is done to the data, exactly and for the runtime; nothing where it is fed as it is."""
    steps = found.bench.preprocessing
    if steps is None:
        return ""
    types = " and ".join(sorted({port.dtype for port in found.bench.program.inputs}))
    return (
        f"raw values x: the exact side computes on {steps.text}, exactly; the runtime is fed with these numbers "
        f"rounded to {types}, and the bound covers that"
    )


def blocks(found: Audit) -> list[Block]:
    """Return the summary for people as (label, lines)."""
    data = [f"{found.origin}: {found.count} sample{'s' * (found.count != 1)}"]
    if found.rounded:
        values = counted(found.rounded, "value")
        were = "was" if found.rounded == 1 else "were"
        data.append(f"{values} {were} rounded to the input's type, as a runtime would receive them")
    if found.bench.preprocessing is not None:
        data.append(preprocessing_words(found))
    data += found.notes
    listed = [
        *inventory_blocks(found.inventory, brief=True),
        ("data", data),
        ("decision", [found.bench.plan.text]),
        ("findings", [f"- {sentence}" for sentence in words(found)]),
        ("runtime", [_way_words(found, i) for i in range(len(WAYS))]),
        ("units", [_unit_words(layer) for layer in found.units]),
        ("look first", [_sample_words(found, i) for i in found.worst()[:SHOWN]]),
        ("not claimed", [f"- {sentence}" for sentence in not_claimed(found)]),
    ]
    return [(label, lines) for label, lines in listed if lines]


def _decision_words(found: Audit) -> list[str]:
    if not found.decides:
        return ["nothing is decided: outputs are compared, no decision"]
    flips, count = int(found.flipped.sum()), found.count
    ran = [WAYS[i].name for i in range(len(WAYS)) if found.flips(i) is not None]
    if not ran:
        listed = ["the runtime did not run the model, so no deployed decision was observed"]
    elif flips:
        where = ", ".join(str(i) for i in np.flatnonzero(found.flipped)[:8].tolist())
        more = ", …" if flips > 8 else ""
        samples = counted(count, "sample")
        listed = [f"on {flips} of {samples} the deployed decision is not the exact one: rows {where}{more}"]
    else:
        same = f"on all {counted(count, 'sample')} the deployed decision is the exact one"
        listed = [f"{same}, in each of {len(ran)} ways of running"]
    if not found.unproved:
        holds = int(found.found.holds.sum())
        listed.append(
            f"for {holds} of {counted(count, 'sample')} the deployed logits are proved to decide as the exact "
            "ones: run node by "
            "node, in any order of summation, as the margin exceeds twice the bound"
        )
    by_tail = sum(_tail_flips(found, row) for row in np.flatnonzero(found.flipped & found.found.holds).tolist())
    if by_tail:
        tail = ", ".join(found.bench.program.head.ops)
        listed.append(f"on {by_tail} of these the float tail ({tail}) decides otherwise")
    tied = int(found.found.tied.sum())
    if tied:
        listed.append(f"{tied} sample{'s are exact ties' if tied > 1 else ' is an exact tie'} of the decision")
    return listed


def _tail_flips(found: Audit, row: int) -> bool:
    """Say whether the model's own tail decides otherwise than logits that decide as the exact ones."""
    chosen = found.found.chosen[row]
    seen = [one for one in found.found.ways if isinstance(one, Observed)]
    return any(one.by_logits[row] == chosen and one.by_head[row] != chosen for one in seen)


def _difference_words(found: Audit) -> list[str]:
    listed: list[str] = []
    largest, bound = _largest(found.differences), _largest(found.found.bound)
    if largest is not None:
        absent = "infinite: floats may overflow, or take another way" if found.bounded else "not stated"
        shown = absent if bound is None else f"{bound:.3g}"
        listed.append(f"the largest difference from the exact outputs is {largest:.3g}; the largest bound is {shown}")
    off = found.found.units_off
    if (off >= 0).all():
        rows = np.flatnonzero(off > 0)
        listed.append(
            f"on {counted(len(rows), 'sample')} some unit's winner in float32 is not an exact one (rows "
            f"{few(rows.tolist())})"
            if len(rows) else "the float activation pattern is exact on every sample"
        )  # fmt: skip
    return listed


def _region_words(found: Audit) -> list[str]:
    counts = summary_document(found)
    sharing = counts["samples_sharing_a_region"]
    share = "shares" if sharing == 1 else "share"
    shared = f"{counted(sharing, 'sample')} {share} theirs with another" if sharing else "no two share one"
    listed = [f"the samples lie in {counted(counts['regions'], 'region')}: {shared}"]
    if counts["on_a_boundary"]:
        tied = counted(counts["on_a_boundary"], "sample")
        listed.append(f"{tied} with tied candidates: on a rim between regions, or identical")
    nearest = counts["smallest_distance"]
    if nearest is not None:
        row = min((v, i) for i, v in enumerate(found.found.distances) if v is not None)[1]
        listed.append(
            f"within its region, no sample's decision changes nearer than {nearest['float']:.3g} (L-infinity, row "
            f"{row}); beyond a region's own boundary nothing is said"
        )
    elif found.measured and found.decides:
        listed.append(f"distances to the decision boundary: {found.measured}")
    return listed


def _label_words(found: Audit) -> list[str]:
    if found.labels is None:
        return []
    right = int((found.labels == found.found.chosen).sum())
    samples = counted(found.count, "sample")
    return [f"the exact decision is the given label on {right} of {samples} ({right / found.count:.2%})"]


def _way(found: Audit, way: int) -> Document:
    base: Document = {"name": WAYS[way].name, "optimised": WAYS[way].optimised, "batched": WAYS[way].batched}
    seen = found.found.ways[way]
    if isinstance(seen, RuntimeRefusal):
        return {**base, "ran": False, "reason": seen.reason, "largest_difference": None, "largest_ulps": None,
                "beyond_bound": None, "flips": None, "logit_flips": None}  # fmt: skip
    flips = found.flips(way)
    return {
        **base,
        "ran": True,
        "reason": "",
        "largest_difference": _largest(seen.difference),
        "largest_ulps": _largest(seen.ulps),
        "beyond_bound": int(seen.beyond.sum()),
        "flips": None if flips is None else int(flips.sum()),
        "logit_flips": int((seen.by_logits != found.found.chosen).sum()) if found.decides else None,
    }


def _way_words(found: Audit, way: int) -> str:
    one = _way(found, way)
    if not one["ran"]:
        return f"{one['name']}: did not run: {one['reason']}"
    size = "logits not visible" if one["largest_difference"] is None else (
        f"largest difference {one['largest_difference']:.3g}{_ulps_words(one['largest_ulps'])}")  # fmt: skip
    flips = "" if one["flips"] is None else f", {one['flips']} flips"
    beyond = f", {one['beyond_bound']} beyond the bound" if one["beyond_bound"] else ""
    return f"{one['name']}: {size}{flips}{beyond}"


def _ulps_words(ulps: float | None) -> str:
    return "" if ulps is None else f", {ulps:.3g} ulps"


def _sample(found: Audit, row: int, *, exactly: bool) -> Document:
    """Return one sample; the outputs are the exact ones, correctly rounded."""
    one, margin, distance = found.found, found.found.margins[row], found.found.distances[row]
    return {
        "row": row,
        "outputs": [finite(value) for value in one.outputs[row].tolist()],
        "decision": _name(found, int(one.chosen[row])),
        "label": None if found.label_names is None else found.label_names[row],
        "margin": None if margin is None else finite(near_float(margin)),
        "margin_exact": exact_text(margin) if exactly and margin is not None else None,
        "tie": bool(one.tied[row]),
        "bound": finite(float(one.bound[row])),
        "holds": bool(one.holds[row]),
        "holds_with_tail": bool(found.deployed[row]),
        "distance": None if distance is None else finite(near_float(distance)),
        "distance_exact": exact_text(distance) if exactly and distance is not None else None,
        "region": one.regions[row][:16] or None,
        "on_a_boundary": bool(one.on_boundary[row]),
        "units_off": int(one.units_off[row]) if one.units_off[row] >= 0 else None,
        "runtime": [_seen(found, way, row) for way in range(len(WAYS))],
    }


def _seen(found: Audit, way: int, row: int) -> Document | None:
    seen = found.found.ways[way]
    if isinstance(seen, RuntimeRefusal):
        return None
    by_logits, by_head = int(seen.by_logits[row]), int(seen.by_head[row])
    flips = found.flips(way)
    return {
        "difference": finite(float(seen.difference[row])),
        "ulps": finite(float(seen.ulps[row])),
        "by_logits": _name(found, by_logits),
        "by_head": _name(found, by_head),
        "flip": None if flips is None else bool(flips[row]),
    }


def _sample_words(found: Audit, row: int) -> str:
    one = found.found
    margin = one.margins[row]
    parts = [f"row {row}"]
    if margin is not None:
        held = "holds" if one.holds[row] else "not proved"
        beside = f" = {found.ratios[row]:.3g} bounds" if math.isfinite(one.bound[row]) else ", no finite bound"
        parts.append(f"decided {_name(found, int(one.chosen[row]))}, margin {near_float(margin):.4g}{beside} ({held})")
    difference = float(found.differences[row])
    if math.isfinite(difference):
        parts.append(f"difference {difference:.3g}")
    distance = one.distances[row]
    if distance is not None:
        parts.append(f"boundary at {near_float(distance):.3g}")
    if found.label_names is not None and found.labels is not None:
        wrong = found.labels[row] != one.chosen[row]
        parts.append(f"label {found.label_names[row]}{' (wrong)' if wrong else ''}")
    if found.flipped[row]:
        parts.append("FLIPPED in the runtime")
    return "; ".join(parts)


def _unit_words(layer: UnitCounts) -> str:
    settled = f", {layer.settled} where one candidate always wins" if layer.settled else ""
    return (
        f"{layer.name}: {counted(layer.units, 'unit')}; over the data {layer.dead} dead, {layer.always_on} "
        f"always on{settled}"
    )


def _name(found: Audit, chosen: int) -> str | None:
    plan = found.bench.plan
    if chosen == UNDECIDED:
        return None
    if plan.rule == "sign":
        return plan.labels[chosen] if len(plan.labels) == 2 else ("positive" if chosen else "not positive")
    return plan.name(chosen) if plan.labels else str(chosen)


def _largest(values: Any) -> float | None:
    """Return the largest entry, or None where none is a finite number or one is infinite."""
    known = np.asarray(values)[~np.isnan(np.asarray(values))]
    return finite(float(known.max())) if known.size else None


def _smallest(values: Any) -> float | None:
    return finite(float(np.asarray(values).min()))
