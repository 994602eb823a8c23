"""What the runtime decides: by its logits, and by what the model's own tail makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.audit_bench import Bench
from exactbox.decisions import DecisionPlan
from exactbox.importers.headcheck import output_entries
from exactbox.importers.ops.labels import names_label
from exactbox.importers.values import Choice

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
        return _label_decision(bench, bench.label, np.asarray(run[bench.label]).ravel(), exactly)
    if bench.score is None or plan.rule == "none":
        return fallback
    scores = output_entries(run[bench.score], bench.program.head.labels).astype(np.float64)
    if scores.size != bench.program.output_size:
        return fallback
    flat = np.moveaxis(scores, bench.lowered.axis, -1).ravel() if scores.ndim > bench.lowered.axis else scores.ravel()
    if plan.rule == "sign":
        middle = {"Sigmoid": 0.5, "Tanh": 0.0}.get(", ".join(bench.program.head.ops))
        return fallback if middle is None else int(flat[plan.outputs[0]] > middle)
    return float_decision(plan, flat)


def _label_decision(bench: Bench, output: str, found: npt.NDArray[Any], exactly: int) -> int:
    row, choice = bench.model_row, bench.lowered.lowering.values[output]
    place = row[0] // max(len(row), 1)
    if not isinstance(choice, Choice) or place >= len(found):
        return UNDECIDED
    cell: object = found.tolist()[place]
    named = [row[i] for i, name in enumerate(choice.names) if names_label(name, choice.dtype, cell)]
    return exactly if exactly in named else named[0] if named else UNDECIDED
