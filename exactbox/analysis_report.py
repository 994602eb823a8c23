"""Analyses of an enumeration in words, as data for JSON, and the decision boundary as a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exactbox.analyzing import Analysis, Sizes
from exactbox.documents import Document, floats, number
from exactbox.files import write_whole
from exactbox.locating import Located
from exactbox.partition import Boundary, Measure
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.rows import Rows
from exactbox.polytope.wording import counted
from exactbox.report import Block
from exactbox.rounding import decimal_text, exact_text

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

CLASSES = 12
"""Lines of classes, and of pairs of classes, for people; the document holds all."""
SAMPLES = 8
LONGEST = 4000
"""Bits up to which an exact number is written out; longer ones are between two floats."""
TITLES = {"classes": "classes", "class_volumes": "volumes of classes", "sizes": "sizes", "boundary": "boundary",
          "ties": "ties", "graph": "dual graph"}  # fmt: skip


def analysis_document(analysis: Analysis) -> Document:
    """Return analyses as data that ``json.dumps`` accepts; ``skipped`` says why a part is null."""
    return {
        "classes": _classes(analysis),
        "sizes": None if analysis.sizes is None else _sizes(analysis.sizes),
        "boundary": None if analysis.boundary is None else _boundary(analysis.boundary, analysis.ties),
        "graph": None if analysis.graph is None else {
            **vars(analysis.graph), "degrees": {str(k): v for k, v in analysis.graph.degrees.items()},
            "mean_degree": number(analysis.graph.mean_degree),
        },
        "skipped": dict(analysis.skipped),
    }  # fmt: skip


def located_document(located: Located) -> Document:
    """Return the regions of samples as data."""
    return {
        "origin": located.origin,
        "rounded_entries": located.changed,
        "regions": [list(own) for own in located.regions],
        "outside_the_domain": list(located.outside),
        "in_no_region_found": list(located.missing),
    }


def analysis_blocks(analysis: Analysis) -> list[Block]:
    """Return analyses for people as (label, lines)."""
    listed: list[Block] = []
    if analysis.classes is not None:
        listed.append(("by class", _class_lines(analysis)))
    if analysis.sizes is not None:
        listed.append(("sizes", _size_lines(analysis.sizes)))
    if analysis.boundary is not None:
        listed.append(("boundary", _boundary_lines(analysis.boundary, analysis.ties)))
    if analysis.graph is not None:
        listed.append(("dual graph", _graph_lines(analysis)))
    reasons: dict[str, list[str]] = {}
    for name, reason in analysis.skipped.items():
        reasons.setdefault(reason, []).append(TITLES[name])
    lines = [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return [*listed, ("not computed", lines)] if lines else listed


def located_block(located: Located) -> Block:
    """Return the regions of samples for people."""
    count, several = len(located.regions), len(located.on_boundaries)
    where = f"{several} on boundaries, {len(located.outside)} outside the domain"
    lines = [f"{counted(count, 'sample')} of {located.origin}: {where}"]
    if located.missing:
        lines.append(f"{len(located.missing)} in no region found: the enumeration is incomplete")
    if located.changed:
        entries = counted(located.changed, "entry", "entries")
        lines.append(f"{entries} {'was' if located.changed == 1 else 'were'} rounded to the input's type first")
    outside = set(located.outside)
    for i, own in enumerate(located.regions[:SAMPLES]):
        where = ", ".join(map(str, own[:SAMPLES])) + (f" and {len(own) - SAMPLES} more" if len(own) > SAMPLES else "")
        lines.append(f"sample {i}: " + (where or ("outside the domain" if i in outside else "in no region found")))
    return "samples", lines + ([f"and {count - SAMPLES} more; --json has all"] if count > SAMPLES else [])


def write_boundary(found: Enumerated, boundary: Sequence[Boundary], path: Path) -> str:
    """Write the decision boundary as JSON, whole or not at all; numbers are exact text; returns the path.

    A row [a, b] says a . x <= b; on the polytope its equation holds with equality, as do all rows that follow with <=.

    Raises:
        InputError: the file cannot be written.
    """
    content = {
        "model": found.model.path,
        "domain": found.domain.text,
        "inputs": list(found.model.input_names()),
        "complete": found.complete,
        "polytopes": [_polytope(one) for one in boundary],
    }
    write_whole(path, lambda to: to.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8"))
    return str(path)


def _polytope(one: Boundary) -> Document:
    return {
        "classes": list(one.classes),
        "decided": list(one.decided),
        "regions": list(one.regions),
        "equation": _row_texts(one.equation)[0],
        "rows": _row_texts(one.rows),
        "corners": [[exact_text(v) for v in one.corners[i].fractions()] for i in range(len(one.corners))],
        "corners_rounded": floats(one.corners),
    }


def _row_texts(rows: Rows) -> list[list[Any]]:
    def texts(values: Any) -> list[str]:
        return [exact_text(v) for v in Rationals(values).fractions()]

    return [[texts(rows.matrix[i]), texts(rows.rhs[i : i + 1])[0]] for i in range(len(rows))]


def _classes(analysis: Analysis) -> Document | None:
    seen, volumes = analysis.classes, analysis.class_volumes
    if seen is None:
        return None
    rows = {
        name: {"meets": seen.meets[name], "wholly": seen.wholly[name],
               "volume": None if volumes is None else _measure(volumes.get(name, _NOTHING))}
        for name in seen.names
    }  # fmt: skip
    return {"by_class": rows, "regions_with_several": seen.several, "regions_looked_at": len(seen.by_region),
            "complete": seen.complete, "reason": seen.reason}  # fmt: skip


_NOTHING = Measure(Fraction(0), Fraction(0))


def _measure(size: Measure) -> Document:
    whole = size.exact
    short = whole is not None and whole.numerator.bit_length() + whole.denominator.bit_length() <= LONGEST
    low = floats(from_fractions([size.low]))[0]
    return {"float": low, "exact": exact_text(whole) if short and whole is not None else None}


def _sizes(sizes: Sizes) -> Document:
    def listed(pairs: Sequence[tuple[int, Fraction]]) -> list[Document]:
        return [{"region": i, **_measure(Measure(value, value))} for i, value in pairs]

    return {"measure": sizes.measure, "text": sizes.words, "domain": number(sizes.whole),
            "largest": listed(sizes.largest), "smallest": listed(sizes.smallest)}  # fmt: skip


def _boundary(boundary: Sequence[Boundary], ties: int | None) -> Document:
    pairs = Counter(one.classes for one in boundary)
    changing = sum(one.changes for one in boundary)
    return {"polytopes": len(boundary), "decision_changes": changing, "touching": len(boundary) - changing,
            "parts_that_tie": ties,
            "by_classes": [{"classes": list(names), "polytopes": n} for names, n in pairs.most_common()]}  # fmt: skip


def _class_lines(analysis: Analysis) -> list[str]:
    seen, volumes = analysis.classes, analysis.class_volumes
    if seen is None:
        return []
    heading = f"{'regions':>9} {'wholly':>9}" + (f" {'volume':>12}" if volumes is not None else "") + "  class"
    lines = [heading]
    order = sorted((name for name in seen.names if seen.meets[name]), key=lambda name: -seen.meets[name])
    for name in order[:CLASSES]:
        size = "" if volumes is None else f" {decimal_text(volumes.get(name, _NOTHING).low):>12}"
        lines.append(f"{seen.meets[name]:>9} {seen.wholly[name]:>9}{size}  {name}")
    if len(order) > CLASSES:
        lines.append(f"and {counted(len(order) - CLASSES, 'more class', 'more classes')}; --json has all")
    nowhere = len(seen.names) - len(order)
    lines += [f"{nowhere} of {len(seen.names)} classes are decided in no region"] if nowhere else []
    lines.append(f"{counted(seen.several, 'region')} {'holds' if seen.several == 1 else 'hold'} several classes")
    return lines if seen.complete else [*lines, seen.reason]


def _size_lines(sizes: Sizes) -> list[str]:
    def listed(pairs: Sequence[tuple[int, Fraction]]) -> str:
        return ", ".join(f"region {i} ({decimal_text(value, 4)})" for i, value in pairs)

    whole = [] if sizes.whole is None else [f"the whole domain: {decimal_text(sizes.whole)}"]
    return [f"by {sizes.words}", f"largest: {listed(sizes.largest)}", f"smallest: {listed(sizes.smallest)}", *whole]


def _boundary_lines(boundary: Sequence[Boundary], ties: int | None) -> list[str]:
    changing = sum(one.changes for one in boundary)
    lines = [f"{changing} polytopes across which the decision changes, {len(boundary) - changing} where logits touch"]
    pairs = Counter(one.classes for one in boundary if one.changes).most_common()
    lines += [f"{count:>9}  {' | '.join(names)}" for names, count in pairs[:CLASSES]]
    if len(pairs) > CLASSES:
        lines.append(f"and between {len(pairs) - CLASSES} more sets of classes; --json has all")
    return [*lines, f"{ties} parts of regions tie throughout: logits are identical there"] if ties else lines


def _graph_lines(analysis: Analysis) -> list[str]:
    graph = analysis.graph
    if graph is None:
        return []
    mean = "" if graph.mean_degree is None else f", {decimal_text(graph.mean_degree, 4)} neighbours on average"
    degrees = ", ".join(f"{count} with {degree}" for degree, count in list(graph.degrees.items())[:CLASSES])
    more = ", …" if len(graph.degrees) > CLASSES else ""
    across = "not computed for so many" if graph.diameter is None else str(graph.diameter)
    components = "connected" if graph.components == 1 else f"{graph.components} components"
    return [
        f"{counted(graph.nodes, 'node')}, {counted(graph.edges, 'edge')}{mean}",
        f"neighbours: {degrees}{more}",
        f"{components}, {'bipartite' if graph.bipartite else 'not bipartite'}, diameter {across}",
    ]
