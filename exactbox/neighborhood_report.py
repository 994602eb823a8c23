"""The regions around an input in words, as rows of a table, and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exactbox.documents import Document, model_document, number
from exactbox.findings import replaced_words
from exactbox.neighborhood import Neighborhood, Passage
from exactbox.polytope.wording import counted
from exactbox.report import Block, unconfirmed_words
from exactbox.rounding import decimal_text, exact_text
from exactbox.tables import Columns, Record

MOST = 5
"""Weights listed for a passage."""
SHOWN = 12
"""Passages in the summary for people; the table and the document hold all."""
NAMED = 6
"""Units named in one line."""

COLUMNS: Columns = {
    "from": "number", "to": "number", "depth": "number", "facet": "texts", "flips": "texts", "class_from": "text",
    "class_to": "text", "class_on_facet": "text", "weight_changes": "texts", "intercept_change": "text",
    "facet_row": "texts", "facet_bound": "text", "facet_point": "texts", "witness_to": "texts",
}  # fmt: skip


def records(found: Neighborhood) -> Iterator[Record]:
    """Yield one row a passage; exact numbers are text."""
    for one in found.passages():
        yield {
            "from": one.before,
            "to": one.after,
            "depth": found.depths[one.after],
            "facet": list(one.units),
            "flips": [f"{flip.unit} {flip.before}->{flip.after}" for flip in one.flips],
            "class_from": one.class_before,
            "class_to": one.class_after,
            "class_on_facet": one.class_on,
            "weight_changes": [f"{found.input_names[i]} {exact_text(value)}" for i, value in one.largest(MOST)],
            "intercept_change": None if one.intercept_change is None else exact_text(one.intercept_change),
            "facet_row": [str(value) for value in one.row.matrix[0].tolist()],
            "facet_bound": str(one.row.rhs[0]),
            "facet_point": [exact_text(value) for value in one.point.fractions()],
            "witness_to": [exact_text(value) for value in found[one.after].witness.fractions()],
        }


def document(found: Neighborhood) -> Document:
    """Return everything as data that ``json.dumps`` accepts; null for what is not decided or explained."""
    return {
        "model": model_document(found.model),
        "domain": {"text": found.domain.text, "dimension": found.domain.domain.dimension},
        "input": {"origin": found.input.origin, "rounding": found.input.rounding,
                  "values": [exact_text(value) for value in found.input.point.fractions()]},
        "decision": {"rule": found.plan.rule, "text": found.plan.text, "class_at_input": found.input_class},
        "target": None if found.target is None else found.plan.name(found.target),
        "depth": found.depth,
        "start": {"tied_units": list(found.tied), "free_units": list(found.free), "text": start_words(found)},
        "regions": [
            {
                "region": i,
                "depth": place.depth,
                "class_at_witness": found.classes[i] if found.classes else None,
                "facets": None if place.polytope is None else len(place.polytope.facets),
                "undecided_rows": list(found.undecided.get(i, ())),
                "pattern": [part.tolist() for part in place.region.pattern.winners],
                "witness": [exact_text(value) for value in place.region.witness.fractions()],
            }
            for i, place in zip(range(len(found)), found.walk.places, strict=True)
        ],
        "passages": [_passage(found, one) for one in found.passages()],
        "complete": found.complete,
        "reason": found.reason,
        "frontier": list(found.frontier),
        "seconds": found.seconds,
        "not_claimed": not_claimed(found),
    }  # fmt: skip


def blocks(found: Neighborhood) -> list[Block]:
    """Return the summary for people as (label, lines)."""
    source, program = found.model.source, found.model.program
    counts = [found.depths.count(depth) for depth in range(max(found.depths) + 1)]
    by_depth = ", ".join(f"{count} at depth {depth}" for depth, count in zip(range(len(counts)), counts, strict=True))
    state = "complete" if found.complete else "INCOMPLETE"
    return [
        ("model", [f"{source.path} (sha256 {source.sha256[:12]}…): {counted(program.input_size, 'input')}, "
                   f"{counted(program.unit_count, 'unit')}"]),
        ("input", [f"{found.input.origin}: {counted(found.input.point.size, 'value')}", found.input.rounding]),
        ("domain", [found.domain.text]),
        ("start", [start_words(found)]),
        ("regions", [f"{len(found)} within {counted(found.depth, 'facet')} of the input's, {state}: {found.reason}",
                     by_depth, f"{found.seconds:.2f} s"]),
        *_open(found),
        ("decision", [found.plan.text, *([f"at the input: {found.input_class}"] if found.input_class else [])]),
        ("facets", _passages(found)),
        ("not claimed", [f"- {sentence}" for sentence in not_claimed(found)]),
    ]  # fmt: skip


def start_words(found: Neighborhood) -> str:
    """Say which region the walk starts from."""
    if not found.tied:
        text = "region 0 is the only one that contains the input"
    else:
        text = (
            f"the input lies on the boundary of {_listed(found.tied)}: region 0 is the one that x + eps v enters, v "
            "the first direction of a fixed sequence into the domain's interior that decides every unit"
        )
    if found.free:
        text += f"; tied on the whole region, the lowest candidate counts as the winner: {_listed(found.free)}"
    return text


def not_claimed(found: Neighborhood) -> list[str]:
    """Say what a walk does not show."""
    said = [] if found.complete else ["that these are all regions within the depth"]
    if found.depth > 0:
        said.append(f"facets between two regions that are both {counted(found.depth, 'facet')} away")
    if found.classes:
        said.append("that a region has one class: it is the class at the witness, and a region may hold several")
    said += [*unconfirmed_words(found.model.source), *replaced_words(found.model.program)]
    return [*said, "what a runtime computes in floating point: regions are those of the exact function"]


def _passage(found: Neighborhood, one: Passage) -> Document:
    changes = [
        {"input": i, "name": found.input_names[i], **(number(value) or {})} for i, value in one.largest(MOST)
    ]
    return {
        "from": one.before,
        "to": one.after,
        "facet": list(one.units),
        "row": [str(value) for value in one.row.matrix[0].tolist()],
        "bound": str(one.row.rhs[0]),
        "point": [exact_text(value) for value in one.point.fractions()],
        "flips": [dict(vars(flip)) for flip in one.flips],
        "weight_changes": None if one.weight_change is None else changes,
        "intercept_change": number(one.intercept_change),
        "class_from": one.class_before,
        "class_to": one.class_after,
        "class_on_facet": one.class_on,
    }


def _open(found: Neighborhood) -> list[Block]:
    lines = [f"regions not looked at, or not to the end: {', '.join(map(str, found.frontier))}"] * bool(found.frontier)
    lines += [f"region {i}: undecided whether facets: {_listed(names)}" for i, names in found.undecided.items()]
    return [("left open", lines)] if lines else []


def _passages(found: Neighborhood) -> list[str]:
    lines: list[str] = []
    for count, one in zip(range(SHOWN), found.passages(), strict=False):
        del count
        classes = ""
        if one.class_before is not None:
            same = one.class_before == one.class_after
            classes = f"; {one.class_after} at both witnesses"
            if not same:
                classes = f"; {one.class_before} at the first witness, {one.class_after} at the second"
        lines.append(f"{one.before} to {one.after}: {_listed(one.units)}; {_flips(one)}{classes}")
        weights = [f"{found.input_names[i]} {'+' if v > 0 else ''}{decimal_text(v)}" for i, v in one.largest(3)]
        if found.target is not None:
            lines.append(f"    weights of {found.plan.name(found.target)} change: {', '.join(weights) or 'not at all'}")
    left = len(found.walk.crossings) - SHOWN
    return lines + ([f"and {left} more; --json and -o have all"] if left > 0 else []) or ["none"]


def _flips(one: Passage) -> str:
    names = [flip.unit for flip in one.flips]
    return "1 unit flips" if len(names) == 1 else f"{len(names)} units flip ({_listed(names)})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
