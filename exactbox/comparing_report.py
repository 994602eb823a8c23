"""A comparison of two models in words and as plain data for JSON."""

from __future__ import annotations

from exactbox.comparing import Comparison, Side, Witness
from exactbox.documents import Document, finite, floats, number
from exactbox.report import Block
from exactbox.rounding import decimal_text, exact_text

TITLES = {
    "equal": "proved equal: the same real function of all inputs",
    "different": "different: refuted with a point",
    "undecided": "undecided",
}
SHOWN = 8


def comparison_document(found: Comparison) -> Document:
    """Return a comparison as data that ``json.dumps`` accepts."""
    return {
        "verdict": found.verdict,
        "reason": found.reason,
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
        ("verdict", [TITLES[found.verdict], found.reason]),
    ]
    if found.witness is not None:
        listed += [("point", _point_words(found.witness)), ("outputs", _output_words(found.witness)),
                   ("runtime", [found.witness.confirmation])]  # fmt: skip
    if found.verdict != "equal":
        listed.append(("searched", [f"{found.tried} points, evaluated exactly, in {found.domain}"]))
    return [*listed, ("notes", [f"- {note}" for note in found.notes])] if found.notes else listed


def _side(side: Side) -> Document:
    return {"path": side.path, "sha256": side.lowered.file.sha256, "output": side.program.output.name,
            "head": list(side.program.head.ops), "instructions": len(side.program.instructions)}  # fmt: skip


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
    head = f" under {', '.join(side.program.head.ops)}" if side.program.head.ops else ""
    return f"{side.path}: output {side.program.output.name}{head}, {len(side.program.instructions)} instructions"


def _point_words(found: Witness) -> list[str]:
    values = [decimal_text(value, 9) for value in found.point.fractions()]
    more = f", … ({len(values)} values; --json lists all, exactly)" if len(values) > SHOWN else ""
    return [", ".join(values[:SHOWN]) + more]


def _output_words(found: Witness) -> list[str]:
    left, right = (side.item(found.output) for side in (found.left, found.right))
    return [
        f"output {found.output}: {decimal_text(left, 9)} and {decimal_text(right, 9)}, "
        f"exactly {decimal_text(found.difference, 6)} apart"
    ]
