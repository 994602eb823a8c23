"""An enumeration in words and as plain data for JSON."""

from __future__ import annotations

from exactbox.documents import Document, model_document, number
from exactbox.findings import replaced_words
from exactbox.polytope.wording import counted
from exactbox.region_counts import Counts
from exactbox.report import Block, unconfirmed_words
from exactbox.rounding import decimal_text
from exactbox.slices import Slice

CLASSES = 8
"""Classes in the summary for people; the document holds all."""


def document(found: Counts) -> Document:
    """Return the counts as data that ``json.dumps`` accepts; null for what was not asked for."""
    plan = found.plan
    return {
        "model": model_document(found.model),
        "domain": {"text": found.domain.text, "dimension": found.domain.domain.dimension},
        "slice": None if found.model.slice is None else slice_document(found.model.slice),
        "decision": {"rule": plan.rule, "text": plan.text},
        "regions": found.regions,
        "linear_regions": found.linear_regions,
        "complete": found.complete,
        "reason": found.reason,
        "seconds": found.seconds,
        "regions_per_second": rate(found),
        "classes_at_witnesses": dict(found.class_counts) if plan.rule != "none" else None,
        "neighbor_pairs": found.neighbor_pairs,
        "mean_facets": None if found.neighbor_pairs is None else number(found.mean_facets),
        "proved": proved(found),
        "not_claimed": not_claimed(found),
        "certificate": found.certificate,
    }


def slice_document(cut: Slice) -> Document:
    """Return a line or plane as data: the text, the coordinates, and the points as exact numbers."""
    return {"text": cut.text, "coordinates": list(cut.names), "points": cut.texts}


def rate(found: Counts) -> float:
    """Return regions a second."""
    return found.regions / max(found.seconds, 2.0**-20)


def blocks(found: Counts) -> list[Block]:
    """Return the summary for people as (label, lines)."""
    source, program = found.model.source, found.model.program
    listed = [
        ("model", [f"{source.path} (sha256 {source.sha256[:12]}…): {counted(program.input_size, 'input')}, "
                   f"{counted(program.unit_count, 'unit')}"]),
        ("slice", [] if found.model.slice is None else [found.model.slice.text]),
        ("domain", [found.domain.text]),
        ("regions", [_count_words(found)]),
        ("time", [f"{found.seconds:.2f} s, {rate(found):.0f} a second"]),
        ("classes", _class_words(found)),
        ("neighbours", _hanging_words(found)),
        ("proved", [f"- {sentence}" for sentence in proved(found)]),
        ("not claimed", [f"- {sentence}" for sentence in not_claimed(found)]),
    ]  # fmt: skip
    return [(label, lines) for label, lines in listed if lines]


def proved(found: Counts) -> list[str]:
    """Say what was decided in exact arithmetic, and who can check it."""
    each = "each listed region is full-dimensional: its exact witness lies strictly inside"
    if not found.complete:
        return [each]
    said = [each, "no region is missing: every side that was left out was ruled out exactly"]
    if found.certificate is not None:
        return [*said, f"others can check both: exactbox check {found.certificate}"]
    return [*said, "that is this run's word; --certificate CERT writes what others can check"]


def not_claimed(found: Counts) -> list[str]:
    """Say what an enumeration does not show."""
    said: list[str] = []
    if not found.complete:
        said.append("that these are all regions, nor how many there are")
    if not found.complete and found.neighbor_pairs is not None:
        said.append("neighbours and linear regions across regions that were not found")
    if found.model.slice is not None:
        said.append(f"anything off the {found.model.slice.kind}: the regions are those of the model restricted to it")
    if found.class_counts:
        said.append("that a region has one class: it is the class at the witness, and a region may hold several")
    if found.certificate is not None and (found.neighbor_pairs is not None or found.class_counts):
        said.append("classes, facets and linear regions in the certificate: it is about the regions alone")
    said += [*unconfirmed_words(found.model.source), *replaced_words(found.model.program)]
    return [*said, "what a runtime computes in floating point: regions are those of the exact function"]


def _count_words(found: Counts) -> str:
    if found.complete:
        return f"{counted(found.regions, 'full-dimensional activation region')}, complete: {found.reason}"
    return f"{counted(found.regions, 'full-dimensional activation region')} found, INCOMPLETE: {found.reason}"


def _class_words(found: Counts) -> list[str]:
    if not found.class_counts:
        return [f"decision rule: {found.plan.text}"]
    counts = list(found.class_counts.items())
    lines = [f"decision rule: {found.plan.text}", "regions by the class at the witness:"]
    lines += [f"{count:>9}  {name}" for name, count in counts[:CLASSES]]
    more = counted(len(counts) - CLASSES, "more class", "more classes")
    return lines + ([f"and {more}; --json has all"] if len(counts) > CLASSES else [])


def _hanging_words(found: Counts) -> list[str]:
    if found.neighbor_pairs is None or found.mean_facets is None:
        return []
    return [
        f"{counted(found.neighbor_pairs, 'pair')} of neighbours; a region has {decimal_text(found.mean_facets)} facets "
        "on average, the domain's included",
        f"{counted(found.linear_regions or 0, 'linear region')}: neighbours with equal affine maps taken as one",
    ]
