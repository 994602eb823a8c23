"""The human summary of a result: one labelled block after the other, in a fixed order."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from exactbox.across import held_words, shared_words
from exactbox.certifying import Certified, row_count
from exactbox.findings import (
    binding_words,
    features,
    logit_words,
    name_row,
    nearest,
    not_claimed,
    row_counts,
    tie_words,
)
from exactbox.importers.onnx_model import Model as ImportedModel
from exactbox.measures import Geometry
from exactbox.polytope.distance import Distance
from exactbox.polytope.printable import printable
from exactbox.polytope.wording import counted, spelled
from exactbox.rounding import decimal_text

Block = tuple[str, list[str]]

NEAREST = 5
TOP = 8
WIDTH = 110
"""Columns where the output is no terminal."""


def summary(found: Certified) -> list[Block]:
    """Return the summary as (label, lines)."""
    source = found.model.source
    blocks = [
        ("model", _model(found)),
        ("input", [f"{found.input.origin}: {counted(found.input.point.size, 'value')}", found.input.rounding]),
        ("output", [source.output_choice, f"decision rule: {found.plan.text}"]),
        ("domain", [_domain(found)]),
        ("decision", [_decision(found)]),
        ("region", _region(found)),
        ("distances", _distances(found)),
        ("nearest", _nearest(found)),
        ("features", _features(found)),
        ("opinion", [_opinion(found)]),
        ("not claimed", [f"- {sentence}" for sentence in not_claimed(found)]),
    ]
    return [(label, lines) for label, lines in blocks if lines]


def print_blocks(blocks: Sequence[Block], title: str, *, to_stderr: bool = False) -> None:
    """Print a title and labelled blocks, wrapped at the terminal's width; words such as paths are never broken.

    What is not printable is escaped: lines hold names from files.
    """
    import click

    stream = sys.stderr if to_stderr else sys.stdout
    width = shutil.get_terminal_size((WIDTH, 0)).columns if stream.isatty() else WIDTH
    margin = max((len(label) for label, _ in blocks), default=0) + 2
    click.echo(click.style(title, bold=True), err=to_stderr)
    for label, lines in blocks:
        wrapped = [part for line in lines for part in wrap(printable(line), width - margin)]
        for first, text in enumerate(wrapped or [""]):
            shown = click.style(label, bold=True, fg="cyan") if first == 0 else ""
            gap = " " * (margin - len(label) * (first == 0)) if text else ""
            click.echo(shown + gap + text, err=to_stderr)


def wrap(line: str, width: int) -> list[str]:
    """Break a line at spaces only; a longer word stays whole, and spaces at the beginning stay.

    >>> wrap("  one two /a/path/of/some/length", 20)
    ['  one two', '/a/path/of/some/length']
    """
    return textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def confirmation_words(source: ImportedModel) -> str:
    """Say what the comparison with the runtime gave."""
    found = source.confirmation
    if found.status == "confirmed":
        return (
            f"the program agrees with onnxruntime at {counted(found.points, 'random input')}: largest difference "
            f"{found.max_difference:.2g}, float32 error bound {found.bound:.2g}"
        )
    reason = f": {found.reason}" if found.reason else ""
    if found.status == "not confirmed":
        return f"WARNING: not confirmed by the runtime{reason}"
    return "not compared with the runtime"


def unconfirmed_words(source: ImportedModel) -> list[str]:
    """Say, in at most one sentence, that the runtime did not confirm the program."""
    if source.confirmation.status == "confirmed":
        return []
    return [f"that onnxruntime computes this program: {confirmation_words(source).removeprefix('WARNING: ')}"]


def _model(found: Certified) -> list[str]:
    source = found.model.source
    lines = [source.path, f"sha256 {source.sha256}"]
    lines += [f"external data {name}, sha256 {sha256}" for name, sha256 in source.external]
    lines.append(confirmation_words(source))
    lines += [f"WARNING: {warning}" for warning in source.warnings if source.confirmation.reason not in warning]
    lines += source.notes
    if found.model.preprocessing is not None:
        lines.append(f"the inputs below are raw: {found.model.preprocessing.text} is composed exactly in front")
    return lines


def _domain(found: Certified) -> str:
    domain = found.domain.domain
    if domain.dimension == domain.size:
        return found.domain.text
    lower = f"{domain.dimension} of {counted(domain.size, 'dimension')}"
    return f"{found.domain.text}; it has {lower}, and the region and its facets are meant within it"


def _decision(found: Certified) -> str:
    decision = found.decision
    if decision is None:
        return "none is stated"
    margin = "without a rival" if decision.margin is None else f"margin {decimal_text(decision.margin)}"
    return f"{found.class_name}, {margin} ({tie_words(found)})"


def _region(found: Certified) -> list[str]:
    units, rows = found.program.unit_count, row_count(found.program)
    size = f"{counted(units, 'unit')}, {counted(rows, 'row')}"
    lines = [f"{size}; full-dimensional within the domain; one affine map holds on all of it"]
    if found.shared is not False:
        contain = "contain" if found.shared else "may contain"
        lines.append(f"the input lies on its boundary: other regions {contain} it too (exactbox.regions_at lists them)")
    counts = row_counts(found)
    if counts is None:
        return [*lines, f"facets: {found.skipped['minimal']}"]
    facets = f"minimal: {counted(counts.unit_facets, 'facet')} of units and {counts.domain_facets} of the domain"
    rest = [(counts.redundant, "redundant"), (counts.equal, "equal to another"), (counts.free, "free"),
            (counts.undecided, "UNDECIDED")]  # fmt: skip
    lines.append(facets + "".join(f"; {count} {word}" for count, word in rest if count))
    return lines if found.geometry is None else [*lines, *_size(found.geometry)]


def _size(found: Geometry) -> list[str]:
    lines: list[str] = []
    if found.ball is not None and found.ball.limit is not None:
        between = f"{decimal_text(found.ball.radius)} and {decimal_text(found.ball.limit)}"
        lines.append(f"Chebyshev radius (of the largest ball inside): between {between}")
    elif found.ball is not None:
        lines.append(f"holds a ball of radius {decimal_text(found.ball.radius)}; no largest one is known")
    if found.bounding_box is not None:
        widths = [high - low for low, high in found.bounding_box if low is not None and high is not None]
        unbounded = len(found.bounding_box) - len(widths)
        sides = f"{decimal_text(min(widths))} to {decimal_text(max(widths))}" if widths else "none"
        beyond = f"; unbounded in {counted(unbounded, 'input')}" if unbounded else ""
        lines.append(f"bounding box: widths {sides}{beyond}")
    if found.vertices is not None:
        content = "infinite" if found.volume is None else decimal_text(found.volume)
        lines.append(f"{counted(len(found.vertices), 'vertex', 'vertices')}; volume {content}")
    return lines


def _distances(found: Certified) -> list[str]:
    beyond = [words for words in (held_words(found),) if words]
    if found.distances is None:
        return [found.skipped["distances"], *beyond]
    lines = [f"to the region's boundary: {_norms(found.distances.region)}"]
    if found.distances.decision:
        within = _norms(found.distances.decision)
        lines.append(f"within the region the decision is proved to hold closer than: {within}")
        first = binding_words(found, found.distances.decision["linf"])
        lines += [f"first there: {first}"] if first else []
    return [*lines, *beyond]


def _opinion(found: Certified) -> str:
    opinion = found.opinion
    if opinion is None:
        return f"of cvxpy on the facets: none, {found.skipped['opinion']}"
    row = ""
    if opinion.row is not None and found.minimal is not None:
        row = f", {name_row(found, found.minimal.sources[opinion.row])}"
    radius = "" if opinion.radius is None else f"; the largest ball that it finds has radius {opinion.radius:.6g}"
    return f"cvxpy with {opinion.solver} {opinion.verdict}{row}{radius} ({opinion.seconds:.1f} s; it proves nothing)"


def _norms(found: dict[Any, Distance]) -> str:
    names = {"linf": "L-inf", "l1": "L1", "l2": "L2"}
    return ", ".join(f"{names[norm]} {_length(found[norm])}" for norm in ("linf", "l1", "l2"))


def _length(one: Distance) -> str:
    if one.value is None:
        return "unreachable in the domain"
    if one.norm != "l2":
        return decimal_text(one.value)
    return decimal_text(root(one.value))


def root(square: Fraction) -> Fraction:
    """Return the square root to about 30 digits, for display.

    >>> root(Fraction(9, 4))
    Fraction(3, 2)
    """
    if square == 0:
        return square
    shift = max(0, 100 + (square.denominator.bit_length() - square.numerator.bit_length()))
    return Fraction(math.isqrt((square.numerator << (2 * shift)) // square.denominator), 1 << shift)


def _nearest(found: Certified) -> list[str]:
    listed = nearest(found, NEAREST)
    what = "facets" if found.minimal is not None else "rows"
    names = found.input_names
    lines = [
        f"{decimal_text(one.linf):>12}  {name_row(found, one.source)}; steepest in {_joined(names, one.inputs)}"
        for one in listed
    ]
    return [f"{what}, by L-infinity distance:", *lines] if lines else []


def _joined(names: Sequence[str], inputs: Sequence[int]) -> str:
    return ", ".join(names[i] for i in inputs)


def _features(found: Certified) -> list[str]:
    every, size = features(found, TOP), found.program.input_size
    if not every:
        return [f"no output is explained; {spelled('target=K', '--target K')} chooses one"]
    width = min(max(len(one.name) for one in every), 40)
    lines = [f"of {found.plan.name(found.target or 0)}: {logit_words(found)}"]
    lines += [words for words in (shared_words(found),) if words]
    lines.append(f"{'':{width}}  {'value':>12}  {'weight':>12}  {'contribution':>12}")
    for one in every:
        numbers = (decimal_text(one.value, 9), decimal_text(one.weight), decimal_text(one.contribution))
        lines.append(f"{one.name[:width]:{width}}  " + "  ".join(f"{text:>12}" for text in numbers))
    if size > len(every):
        lines.append(f"and {size - len(every)} more; --json has all, exactly")
    return lines
