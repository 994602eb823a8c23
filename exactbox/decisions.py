"""What a model decides: the rule and the outputs it compares, given by the user, by the model, or assumed and said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exactbox.importers.tails import MIXED
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program, Rule
from exactbox.polytope.wording import counted, spelled

RULES: tuple[Rule, ...] = ("argmax", "argmin", "sign", "none")


@dataclass(frozen=True)
class DecisionPlan:
    """The decision rule of a statement.

    Args:
        rule: "none" where nothing is decided.
        outputs: the output indices compared, in label order; for "none" all of the chosen row.
        tie: which index wins among equals.
        labels: one name an entry of ``outputs``; for "sign" over two classes the names of both; or empty.
        text: the rule in words, and whether it was given, taken from the model, or assumed.
    """

    rule: Rule
    outputs: tuple[int, ...]
    tie: Literal["first", "last"]
    labels: tuple[str, ...]
    text: str

    def name(self, output: int) -> str:
        """Name an output after its class, or by its index."""
        if self.rule != "sign" and len(self.labels) == len(self.outputs) and output in self.outputs:
            return self.labels[self.outputs.index(output)]
        return f"output {output}"

    def outcome(self, chosen: int, positive: bool | None) -> str:
        """Name what is decided: a class, or the side of 0 (``positive``) for the sign rule."""
        if self.rule != "sign":
            return self.name(chosen)
        if len(self.labels) == 2:
            return self.labels[1 if positive else 0]
        return "positive" if positive else "not positive"

    def find(self, target: int | str) -> int:
        """Return the output index of a class given by its name or its position among the compared outputs.

        Raises:
            InputError: no such class; the message lists those there are.
        """
        text = str(target).strip()
        if text in self.labels and len(self.labels) == len(self.outputs):
            return self.outputs[self.labels.index(text)]
        if text.isdigit() and int(text) < len(self.outputs):
            return self.outputs[int(text)]
        known = f"0 to {len(self.outputs) - 1}" + (f", or a name: {', '.join(self.labels)}" if self.labels else "")
        raise InputError(f"unknown class {text!r}: expected one of {known}")


def plan_decision(
    program: Program,
    rule: str | None = None,
    row: int | None = None,
    target: int | str | None = None,
    class_names: Sequence[str] = (),
) -> DecisionPlan:
    """Settle what is decided, from the user's rule, else the model's head, else an assumption that the text states.

    Args:
        row: which row of an output with several rows (all axes but the one of the classes, in C order).
        target: for the rule "sign" over several outputs, the one to look at.
        class_names: the user's names in the order of the outputs; by default the model's own.

    Raises:
        InputError: an unknown rule or row, or a rule that does not fit the output.
    """
    if rule is not None and rule not in RULES:
        raise InputError(f"decision: expected one of {', '.join(RULES)}, got {rule!r}")
    if not program.output_size:
        empty = f"the output {program.output.name!r} of shape {list(program.output.shape)} holds no numbers"
        if rule in (None, "none"):
            return DecisionPlan("none", (), "first", (), f"none: {empty}")
        raise InputError(f"decision {rule}: {empty}")
    outputs, rows, layout = _row(program, row)
    if rows > 1 and row is None and rule in (None, "none"):
        text = f"none: {layout}, and no row was chosen ({spelled('output_row=I', '--output-row')})"
        return DecisionPlan("none", outputs, "first", (), text)
    if rows > 1 and row is None:
        raise InputError(f"decision: {layout}; choose one with {spelled('output_row=I', '--output-row')}")
    settled, origin = _settle(program, rule, len(outputs))
    labels = _labels(program, len(outputs), settled, class_names)
    if settled == "sign" and len(outputs) > 1:
        if target is None:
            how = spelled("target=K", "--target")
            raise InputError(
                f"decision: the sign rule looks at one of {counted(len(outputs), 'output')}; choose it with {how}"
            )
        every = DecisionPlan("none", outputs, "first", labels, "")
        outputs, labels = (every.find(target),), ()
    text = _text(settled, len(outputs), origin, layout if rows > 1 else "")
    return DecisionPlan(settled, outputs, program.head.tie, labels, text)


def _row(program: Program, row: int | None) -> tuple[tuple[int, ...], int, str]:
    """Return the outputs of one row, how many rows there are, and the layout in words.

    The classes lie along the last axis, or along the only axis that is longer than 1, unless that is the batch's; a
    tail that normalises the entries of several last axes by one sum compares all of these.
    """
    shape = program.output.shape
    long_axes = [axis for axis, n in enumerate(shape) if n != 1]
    classes = long_axes[0] if len(long_axes) == 1 and (long_axes[0] > 0 or len(shape) == 1) else -1
    first = _together(program)
    width = math.prod(shape[first:]) if first is not None else shape[classes] if shape else 1
    rows = program.output_size // width if width else 0
    moved = program.head.moved
    own = list(shape if moved is None or program.head.shape is None else program.head.shape)
    along = "" if moved is None else f" along its axis {moved}"
    layout = f"the output {program.output.name!r} of shape {own} holds {counted(rows, 'row')} of {width}{along}"
    chosen = row or 0
    if rows and not 0 <= chosen < rows:
        raise InputError(f"output row {chosen}: {layout}, counted from 0")
    if rows > 1 and row is None:
        return tuple(range(program.output_size)), rows, layout
    return tuple(range(chosen * width, (chosen + 1) * width)), rows, layout


def _together(program: Program) -> int | None:
    """Return the first of several last axes over which the model's tail takes one sum, or None."""
    head, rank = program.head, len(program.output.shape)
    over = next((step.over for step in reversed(head.steps) if step.over), ())
    if len(over) < 2 or over != tuple(range(rank - len(over), rank)):
        return None
    return over[0] if head.rule == "none" and head.moved is None else None


def _settle(program: Program, rule: str | None, count: int) -> tuple[Rule, str]:
    head = program.head
    mixed = f"the entries of output {program.output.name!r} are different functions of their logits and do not compare"
    if MIXED in head.ops and rule in ("argmax", "argmin"):
        how = spelled("decision='sign'", "--decision sign")
        raise InputError(f"decision {rule}: {mixed}; {how} looks at one of them")
    for known in RULES:
        if rule == known:
            return known, "given"
    if MIXED in head.ops:
        return "none", mixed
    tail = " and ".join(head.ops)
    if head.rule != "none":
        return head.rule, "the model's own"
    if count == 1 and head.ops == ("Sigmoid",):
        return "sign", "assumed, because the model ends in one Sigmoid"
    if count == 1:
        how = spelled("decision='sign'", "--decision sign")
        return "none", f"one output is read as a regression value; {how} reads it as a logit"
    above = f", above it the model has {tail}" if tail else ""
    return "argmax", f"assumed{above}; {spelled('decision=…', '--decision')} states another"


def _labels(program: Program, count: int, rule: Rule, given: Sequence[str]) -> tuple[str, ...]:
    wanted = (count, 2) if rule == "sign" and count == 1 else (count,)
    if given and len(given) not in wanted:
        raise InputError(f"class names: expected {wanted[-1]}, got {len(given)} ({', '.join(given[:5])})")
    labels = tuple(given) or program.head.labels
    return labels if len(labels) in wanted else ()


def _text(rule: Rule, count: int, origin: str, layout: str) -> str:
    if rule == "none":
        return f"none: {origin}" if origin != "given" else "none, as given"
    what = "the sign of one output" if rule == "sign" else f"{rule} over {counted(count, 'output')}"
    where = f", one row of several: {layout}" if layout else ""
    return f"{what} ({origin}){where}"
