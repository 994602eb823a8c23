"""What the runtime decides: by its logits, and by what the model's own tail makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.audit_bench import Bench
from exactbox.decisions import DecisionPlan

Floats = npt.NDArray[np.float64]

UNDECIDED = -1
"""The decision where there is none, or where the runtime's answer names no class."""


def float_decision(plan: DecisionPlan, logits: Floats) -> int:
    """Decide by the runtime's logits (n,): an output's index, for the rule "sign" 1 or 0."""
    if plan.rule == "none" or np.isnan(logits[list(plan.outputs)]).any():
        return UNDECIDED
    if plan.rule == "sign":
        return int(logits[plan.outputs[0]] > 0)
    scores = logits[list(plan.outputs)] * (1 if plan.rule == "argmax" else -1)
    best = np.flatnonzero(scores == scores.max())
    return plan.outputs[int(best[0 if plan.tie == "first" else -1])]


def head_decision(bench: Bench, run: Mapping[str, Any], fallback: int, exactly: int) -> int:
    """Return what the model's own label output says, else what its scores say, else the fallback.

    Args:
        exactly: the exact decision, which a label that several classes share is read as where it names that one.
    """
    plan = bench.plan
    if bench.label is not None and plan.rule == bench.program.head.rule:
        return _label_decision(bench, np.asarray(run[bench.label]).ravel(), exactly)
    if bench.score is None or plan.rule == "none":
        return fallback
    scores = _scores(run[bench.score])
    if scores.size != bench.program.output_size:
        return fallback
    flat = np.moveaxis(scores, bench.lowered.axis, -1).ravel() if scores.ndim > bench.lowered.axis else scores.ravel()
    if plan.rule == "sign":
        middle = {"Sigmoid": 0.5, "Tanh": 0.0}.get(", ".join(bench.program.head.ops))
        return fallback if middle is None else int(flat[plan.outputs[0]] > middle)
    return float_decision(plan, flat)


def _label_decision(bench: Bench, found: npt.NDArray[Any], exactly: int) -> int:
    row = bench.model_row
    place = row[0] // max(len(row), 1)
    if place >= len(found):
        return UNDECIDED
    labels = bench.program.head.labels or tuple(str(i) for i in range(len(row)))
    named = [row[i] for i in naming(labels, found[place])]
    return exactly if exactly in named else named[0] if named else UNDECIDED


def naming(labels: Sequence[str], cell: object) -> list[int]:
    """Return which class names a label of the runtime is: texts as they are, numbers and truth values by their value.

    >>> naming(("0", "1", "2"), np.float32(1.0)), naming(("0.1", "0.2"), np.float32(0.2)), naming(("1", "01"), "1")
    ([1], [1], [0])
    """
    if isinstance(cell, (bytes, str)):
        text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
        return [i for i, label in enumerate(labels) if label == str(text)]
    if isinstance(cell, (bool, np.bool_)):
        spelled = {str(int(cell)), str(bool(cell)), str(bool(cell)).lower()}
        return [i for i, label in enumerate(labels) if label in spelled]
    if isinstance(cell, (int, np.integer)):
        spelled = {str(int(cell)), str(float(cell))}
        return [i for i, label in enumerate(labels) if label in spelled]
    return [i for i, label in enumerate(labels) if _is_number(label, cell)]


def _is_number(label: str, cell: Any) -> bool:
    """Say whether a text is a float's value, in the float's own type."""
    try:
        value = float(label)
    except ValueError:
        return False
    with np.errstate(over="ignore"):
        return bool(np.asarray(value).astype(np.asarray(cell).dtype) == cell)


def _scores(output: Any) -> Floats:
    """Return an output as floats; a ZipMap gives one dictionary a row."""
    if isinstance(output, list):
        return np.array([list(one.values()) for one in output], dtype=np.float64)
    return np.asarray(output, dtype=np.float64)
