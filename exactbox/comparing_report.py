"""A comparison of two models in words and as plain data for JSON."""

from __future__ import annotations

from exactbox.comparing import Comparison, Witness
from exactbox.comparing_outputs import Finding, head_text
from exactbox.comparing_sides import Side
from exactbox.documents import Document, finite, floats, number
from exactbox.polytope.rational import Rationals
from exactbox.polytope.wording import counted
from exactbox.report import Block
from exactbox.rounding import decimal_text, exact_text

TITLES = {
    "equal": "equal outputs: proved for all real inputs, heads included",
    "different": "different outputs: refuted",
    "undecided": "undecided",
}
PARTS = {"equal": "proved equal", "different": "different", "undecided": "undecided"}
SHOWN = 8


def comparison_document(found: Comparison) -> Document:
    """Return a comparison as data that ``json.dumps`` accepts; the verdict is the one on the outputs."""
    return {
        "verdict": found.verdict,
        "compared": "outputs",
        "reason": found.reason,
        "outputs": _finding(found.outputs),
        "logits": _finding(found.logits),
        "decisions": None if found.decisions is None else _finding(found.decisions),
        "inputs_matched": found.matched,
        "left": _side(found.left),
        "right": _side(found.right),
        "witness": None if found.witness is None else _witness(found.witness),
        "points_tried": found.tried,
        "domain": found.domain,
        "notes": list(found.notes),
    }


def comparison_blocks(found: Comparison) -> list[Block]:
    """Return a comparison for people as (label, lines)."""
    listed: list[Block] = [
        ("first", [_side_words(found.left)]),
        ("second", [_side_words(found.right)]),
        ("inputs", [f"matched {found.matched}"]),
        ("verdict", [TITLES[found.verdict], found.reason, *_parted_words(found.outputs)]),
        ("logits", _part_words(found.logits)),
    ]
    if found.decisions is not None:
        listed.append(("decisions", [*_part_words(found.decisions), *_parted_words(found.decisions)]))
    if found.witness is not None:
        listed += [("point", point_words(found.witness.point)), ("at it", _output_words(found.witness)),
                   ("runtime", [found.witness.confirmation])]  # fmt: skip
    if found.tried:
        listed.append(("searched", [f"{counted(found.tried, 'point')}, evaluated exactly, in {found.domain}"]))
    return [*listed, ("notes", [f"- {note}" for note in found.notes])] if found.notes else listed


def _finding(found: Finding) -> Document:
    parted = found.parted
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "point": None if parted is None else {
            "point_exact": [exact_text(value) for value in parted.point.fractions()],
            "entry": parted.entry, "left": parted.left, "right": parted.right, "gap": parted.gap,
        },
    }  # fmt: skip


def _part_words(found: Finding) -> list[str]:
    return [f"{PARTS[found.verdict]}: {found.reason}"]


def _parted_words(found: Finding) -> list[str]:
    parted = found.parted
    if parted is None:
        return []
    gap = f", {parted.gap} apart," if parted.gap else ""
    return [f"entry {parted.entry} is {parted.left} and {parted.right}{gap} at", *point_words(parted.point)]


def _side(side: Side) -> Document:
    head = side.head
    steps = [{"op": one.op, "domain": one.domain, "version": one.version, "settings": list(one.settings),
              "over": None if one.over is None else list(one.over)} for one in head.steps]  # fmt: skip
    return {"path": side.path, "sha256": side.lowered.file.sha256, "output": side.program.output.name,
            "inputs": [{"name": port.name, "shape": list(port.shape), "dtype": port.dtype}
                       for port in side.program.inputs],
            "shape": list(side.shape), "head": list(head.ops), "steps": steps, "rule": head.rule, "tie": head.tie,
            "labels": list(head.labels), "runtime": side.confirmation.status,
            "replaced_constants": [vars(one) for one in side.lowered.program.replaced],
            "instructions": len(side.program.instructions)}  # fmt: skip


def _witness(found: Witness) -> Document:
    left, right = found.deployed or (None, None)
    return {
        "point": floats(found.point),
        "point_exact": [exact_text(value) for value in found.point.fractions()],
        "output": found.output,
        "left": floats(found.left),
        "right": floats(found.right),
        "difference": number(found.difference),
        "runtime": {"left": _known(left), "right": _known(right), "left_bound": finite(found.bounds[0]),
                    "right_bound": finite(found.bounds[1]), "confirmed": found.confirmed,
                    "text": found.confirmation},
    }  # fmt: skip


def _known(value: float | None) -> float | None:
    return None if value is None else finite(value)


def _side_words(side: Side) -> str:
    head = f" under {head_text(side.head)}" if side.head.steps else ""
    return (
        f"{side.path}: output {side.program.output.name}{head}, "
        f"{counted(len(side.program.instructions), 'instruction')}"
    )


def point_words(point: Rationals) -> list[str]:
    """Return the first coordinates of a point in decimal."""
    values = [decimal_text(value, 9) for value in point.fractions()]
    more = f", … ({counted(len(values), 'value')}; --json lists all, exactly)" if len(values) > SHOWN else ""
    return [", ".join(values[:SHOWN]) + more]


def _output_words(found: Witness) -> list[str]:
    left, right = (side.item(found.output) for side in (found.left, found.right))
    return [
        f"logit {found.output}: {decimal_text(left, 9)} and {decimal_text(right, 9)}, "
        f"exactly {decimal_text(found.difference, 6)} apart"
    ]
