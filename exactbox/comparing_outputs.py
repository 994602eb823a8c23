"""Whether two models with known verdicts on their logits have equal outputs, and whether they decide alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from flint import arb

from exactbox.comparing_sides import Side, squeezed
from exactbox.importers.head_meaning import Value, apart, chosen, meaning, output_values
from exactbox.importers.ops.labels import exact_labels
from exactbox.polytope import exact
from exactbox.polytope.program import Head
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.polytope.wording import counted
from exactbox.separating import SCALES, SEED, Floats, Reach

Verdict = Literal["equal", "different", "undecided"]

SAMPLES = 96
"""At how many points heads are computed at most."""

ENTRIES = 1 << 14
"""Entries of output tensors that are enclosed at most."""

PRECISIONS = (256, 4096)
"""Bits in which heads are computed; the later ones where the earlier do not tell outputs apart."""

@dataclass(frozen=True, eq=False)
class Parted:
    """A point where the outputs, heads included, differ.

    Args:
        point: shape (d,).
        entry: of the output tensor, flattened.
        left: what the first model has there, in words.
        right: what the second has.
        gap: first minus second, where both are numbers.
    """

    point: Rationals
    entry: int
    left: str
    right: str
    gap: str = ""


@dataclass(frozen=True)
class Finding:
    """A verdict on one thing that was compared.

    Args:
        verdict: "equal" is proved for all real inputs; "different" is proved too; else "undecided".
        reason: why, in one sentence.
        parted: a point where it is seen, where heads or decisions have to be computed to see it.
    """

    verdict: Verdict
    reason: str
    parted: Parted | None = None


def samples(reach: Reach, first: Sequence[Floats], most: int) -> Floats:
    """Return points (d, b) to compute heads at: some of those given, then simple and random ones."""
    random = np.random.default_rng(SEED)
    found = [points[:, : SAMPLES // 3] for points in first]
    found += [reach.uniform(random, 8, scale) for scale in SCALES]
    return reach.rounded(np.concatenate(found, axis=1))[:, : max(1, min(SAMPLES, most))]


def compare_outputs(one: Side, other: Side, logits: Finding, points: Floats) -> Finding:
    """Decide whether the output tensors are equal for all inputs: proved, refuted, or undecided.

    Args:
        points: shape (d, b); where to look for outputs that differ.
    """
    unlike = _unlike(one, other)
    if unlike:
        return Finding("different", unlike)
    if all(not side.head.dtype and meaning(side.head) == () for side in (one, other)):
        return Finding(logits.verdict, logits.reason)
    same = _same_head(one, other)
    if logits.verdict == "equal" and same:
        return Finding("equal", f"{logits.reason}, and the heads are the same function")
    parted = _parted(one, other, points)
    heads = "the heads are the same function" if same else f"the heads differ: {_heads(one, other)}"
    if parted is not None:
        why = f"{heads}; " if logits.verdict == "equal" else ""
        return Finding("different", f"{why}entry {parted.entry} of the output differs at a point", parted)
    if any(side.head.partial for side in (one, other)):
        heads = "a head divides by sums over logits that the output does not hold"
    state = {"equal": "equal", "different": "not equal", "undecided": "not known to be equal"}[logits.verdict]
    return Finding("undecided", f"the logits are {state}, {heads}, and no point tells the outputs apart")


def compare_decisions(one: Side, other: Side, logits: Finding, points: Floats) -> Finding | None:
    """Decide whether the same is chosen for all inputs; None where a model states no rule, or their rows differ.

    Args:
        points: shape (d, b); where to look for other choices.
    """
    shapes = [side.lowered.program.output.shape for side in (one, other)]
    if shapes[0] != shapes[1] or any(side.head.rule not in ("argmax", "argmin") for side in (one, other)):
        return None
    names = [side.head.labels or tuple(str(i) for i in range(shapes[0][-1])) for side in (one, other)]
    rules = [(side.head.rule, side.head.tie, side.head.moved) for side in (one, other)]
    if logits.verdict == "equal" and rules[0] == rules[1] and names[0] == names[1]:
        return Finding("equal", f"{logits.reason}, and the rule is the same: {_rule(one.head)}")
    columns = exact_numbers(points)
    values = [exact.forward(side.program, columns) for side in (one, other)]
    for i in range(points.shape[1]):
        picked = [[label[chosen(side.head, row)] for row in _rows(side, logit[:, i])]
                  for side, label, logit in zip((one, other), names, values, strict=True)]  # fmt: skip
        differ = [k for k, (mine, theirs) in enumerate(zip(*picked, strict=True)) if mine != theirs]
        if differ:
            k = differ[0]
            parted = Parted(columns[:, i], k, picked[0][k], picked[1][k])
            return Finding("different", f"at a point, {picked[0][k]!r} and {picked[1][k]!r} are chosen", parted)
    return Finding("undecided", f"the same was chosen at all {counted(points.shape[1], 'point')} tried; rules: "
                   f"{_rule(one.head)} and {_rule(other.head)}")  # fmt: skip


def _unlike(one: Side, other: Side) -> str:
    """Say what tells the models apart before any number is computed; empty where nothing does."""
    mine, theirs = one.program.inputs, other.program.inputs
    if len(mine) != len(theirs):
        return (
            f"{counted(len(mine), 'input')}, and {len(theirs)}: none fit both; entries were matched by flattened "
            "position"
        )
    for left, right in zip(mine, theirs, strict=True):
        if squeezed(left.shape) != squeezed(right.shape):
            shapes = f"has shape {list(left.shape)} in the first model and {list(right.shape)} in the second"
            return f"input {left.name!r} {shapes}: no tensor fits both; entries were matched by flattened position"
    if squeezed(one.shape) != squeezed(other.shape):
        return f"the output tensors have shapes {list(one.shape)} and {list(other.shape)}"
    kinds = [_kind(side.head) for side in (one, other)]
    return "" if kinds[0] == kinds[1] else f"the first output is {kinds[0]}, the second is {kinds[1]}"


def _kind(head: Head) -> str:
    maps = [step for step in head.steps if step.op == "ZipMap"]
    if maps:
        return f"a list of dictionaries with {' '.join(maps[-1].settings)} {', '.join(sorted(head.labels))}"
    return "text" if head.dtype == "string" else "a tensor of numbers"


def _same_head(one: Side, other: Side) -> bool:
    """Say whether two heads are proved to make the same output of the same logits."""
    mine, theirs = one.head, other.head
    if bool(mine.dtype) != bool(theirs.dtype):
        return False
    if not mine.dtype:
        ordered = mine.labels == theirs.labels or not any(step.op == "ZipMap" for step in mine.steps)
        left, right = (_meaning(side) for side in (one, other))
        return ordered and left is not None and left == right
    if (mine.rule, mine.tie) != (theirs.rule, theirs.tie):
        return False
    count = one.lowered.program.output.shape[-1]
    labels = [exact_labels(head.labels or tuple(map(str, range(count))), head.dtype) for head in (mine, theirs)]
    return labels[0] == labels[1]


def _meaning(side: Side) -> list[tuple[str, object]] | None:
    """Return what a head computes, its axes counted without those of length 1."""
    items, long = meaning(side.head), [axis for axis, n in enumerate(side.shape) if n != 1]
    if items is None:
        return None
    return [(name, tuple(map(long.index, what)) if isinstance(what, tuple) else what) for name, what in items]


def _parted(one: Side, other: Side, points: Floats) -> Parted | None:
    """Look for a point where enclosures of an entry of the outputs are disjoint."""
    columns = exact_numbers(points[:, : max(1, ENTRIES // max(one.program.output_size, 1))])
    logits = [exact.forward(side.program, columns) for side in (one, other)]
    for bits in PRECISIONS:
        for i in range(columns.shape[1]):
            left, right = (_values(side, values[:, i], bits) for side, values in zip((one, other), logits, strict=True))
            if left is None or right is None:
                return None
            for entry, (mine, theirs) in enumerate(zip(left, right, strict=True)):
                if apart(mine, theirs):
                    return Parted(columns[:, i], entry, _words(mine), _words(theirs), _gap(mine, theirs))
    return None


def _values(side: Side, logits: Rationals, bits: int) -> list[Value] | None:
    shape = side.lowered.program.output.shape if side.head.dtype else side.shape
    return output_values(side.head, shape, logits.fractions(), bits)


def _rows(side: Side, logits: Rationals) -> list[list[Fraction]]:
    """Return the logits that each choice compares."""
    values, width = logits.fractions(), side.lowered.program.output.shape[-1]
    if side.unmoved is not None:
        placed = dict(zip(side.unmoved.tolist(), values, strict=True))
        values = [placed[i] for i in range(len(values))]
    return [values[start : start + width] for start in range(0, len(values), width)]


def _heads(one: Side, other: Side) -> str:
    return " and ".join(head_text(side.head) for side in (one, other))


def head_text(head: Head) -> str:
    """Name the operators of a head, with what says what they compute.

    >>> from exactbox.polytope.program import HeadStep
    >>> head_text(Head((HeadStep("Softmax", "", 13, ("axis=1",), (1,)),)))
    'Softmax-13 axis=1'
    """
    names = [" ".join([f"{step.op}-{step.version}", *step.settings]) for step in head.steps]
    return ", ".join(names) or "none"


def _rule(head: Head) -> str:
    return f"{head.rule}, the {head.tie} of equal ones"


def _words(value: Value) -> str:
    return str(value.str(17, radius=False)) if isinstance(value, arb) else repr(value)


def _gap(left: Value, right: Value) -> str:
    return str((left - right).str(6, radius=False)) if isinstance(left, arb) and isinstance(right, arb) else ""
