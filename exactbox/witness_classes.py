"""What a model decides at many points: enclosures settle most of them, exact numbers the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exactbox.decisions import DecisionPlan
from exactbox.polytope.decision import decide
from exactbox.polytope.enclosed import enclose
from exactbox.polytope.exact import forward
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals

BATCH = 1024
_UNDECIDED = ""

Floats = npt.NDArray[np.float64]


def classes_at(program: Program, plan: DecisionPlan, points: Sequence[Rationals]) -> tuple[str, ...]:
    """Name what is decided at each of many points (d,), exactly; nothing where the plan decides nothing.

    Args:
        points: exact inputs.
    """
    if plan.rule == "none":
        return ()
    names: list[str] = []
    for start in range(0, len(points), BATCH):
        part = points[start : start + BATCH]
        near = np.stack([point.to_float() for point in part], axis=1)
        found = certain_classes(program, plan, near, np.abs(near) * 2.0**-52 + 2.0**-1074)
        for point, name in zip(part, found, strict=True):
            names.append(name or _exact(program, plan, point))
    return tuple(names)


def certain_classes(program: Program, plan: DecisionPlan, near: Floats, radius: Floats) -> list[str]:
    """Name what is decided for sure, strictly, at points (d, b) known up to a radius; empty text where it is not."""
    with np.errstate(all="ignore"):
        outputs = enclose(program, near, radius=radius)[-1]
        direction = -1.0 if plan.rule == "argmin" else 1.0
        scores, spread = direction * outputs.centre[list(plan.outputs)], outputs.radius[list(plan.outputs)]
        low, high = np.nextafter(scores - spread, -np.inf), np.nextafter(scores + spread, np.inf)
    if plan.rule == "sign":
        sides = [(low[0] > 0, True), (high[0] < 0, False)]
        named = [(mask, plan.outcome(plan.outputs[0], positive)) for mask, positive in sides]
    else:
        named = [
            ((low[k] > np.delete(high, k, axis=0)).all(axis=0), plan.outcome(output, None))
            for k, output in zip(range(len(plan.outputs)), plan.outputs, strict=True)
        ]
    found = np.full(near.shape[1], _UNDECIDED, dtype=object)
    for mask, name in named:
        found[mask] = name
    return [str(name) for name in found]


def _exact(program: Program, plan: DecisionPlan, point: Rationals) -> str:
    if plan.rule == "none":
        return _UNDECIDED
    decision = decide(plan.rule, plan.outputs, forward(program, point.reshape(-1, 1)).reshape(-1), plan.tie)
    return plan.outcome(decision.chosen, decision.positive)
