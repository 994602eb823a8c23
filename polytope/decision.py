"""What a network decides at a point, and the rows under which the decision stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region
from exactbox.polytope.rows import Rows, RowSource, integer_rows

NO_RIVAL = -1
"""The ``rival`` of a decision row that compares one output with 0."""


@dataclass(frozen=True)
class Decision:
    """The outcome of one decision rule at one point.

    Args:
        rule: "argmax" and "argmin" compare ``outputs``; "sign" looks at one output.
        outputs: the output indices compared, in label order.
        chosen: the output that attains the extremum, the one ONNX takes among ties; for "sign" the only output.
        positive: for "sign", whether the output is positive (0 counts as not positive, and as a tie).
        margin: the gap to the best rival, or the output's absolute value; 0 exactly at a tie.
        ties: the other outputs with the same value; for "sign" the output itself where it is 0.
    """

    rule: Literal["argmax", "argmin", "sign"]
    outputs: tuple[int, ...]
    chosen: int
    positive: bool | None
    margin: Fraction | None
    ties: tuple[int, ...]


def decide(
    rule: Literal["argmax", "argmin", "sign"],
    outputs: Sequence[int],
    values: Rationals,
    tie: Literal["first", "last"] = "first",
) -> Decision:
    """Apply a decision rule to output values (o,), exactly; the margin is None where there is no rival.

    >>> from exactbox.polytope.rational import exact
    >>> found = decide("argmax", [0, 1, 2], exact(["1", "3", "3"]))
    >>> found.chosen, found.margin, found.ties
    (1, Fraction(0, 1), (2,))
    """
    if not outputs:
        raise InputError("decision: expected at least one output to compare")
    if rule == "sign":
        if len(outputs) != 1:
            raise InputError(f"decision: the sign rule takes one output, got {len(outputs)}")
        value = values.item(outputs[0])
        tied = (outputs[0],) if value == 0 else ()
        return Decision(rule, tuple(outputs), outputs[0], value > 0, abs(value), tied)
    direction = 1 if rule == "argmax" else -1
    scores = [direction * values.item(i) for i in outputs]
    best = max(scores)
    winners = [i for i, score in zip(outputs, scores, strict=True) if score == best]
    chosen = winners[0 if tie == "first" else -1]
    rivals = [score for i, score in zip(outputs, scores, strict=True) if i != chosen]
    margin = best - max(rivals) if rivals else None
    return Decision(rule, tuple(outputs), chosen, None, margin, tuple(i for i in winners if i != chosen))


def lost_ties(decision: Decision, tie: Literal["first", "last"] = "first") -> frozenset[int]:
    """Return the positions of the ``decision_rows`` on whose hyperplane the rival, by the tie rule, is the choice.

    >>> found = Decision("argmax", (0, 1, 2), 1, None, None, ())
    >>> lost_ties(found), lost_ties(found, "last")
    (frozenset({0}), frozenset({1}))
    """
    if decision.rule == "sign":
        return frozenset({0} if decision.positive else ())
    rivals = [output for output in decision.outputs if output != decision.chosen]
    return frozenset(k for k, rival in enumerate(rivals) if (rival < decision.chosen) == (tie == "first"))


def decision_rows(region: Region, decision: Decision) -> Rows:
    """Return the rows of the region's decision polytope: the chosen output beats, or equals, every rival there.

    They are reduced modulo the domain's equations; a (0, b) row holds everywhere in the region or nowhere.
    """
    rivals = [NO_RIVAL] if decision.rule == "sign" else [i for i in decision.outputs if i != decision.chosen]
    compared = [i for i in rivals if i != NO_RIVAL]
    coef, intercept = region.maps([decision.chosen, *compared])
    gradients, constants = coef[[0] * len(rivals)], intercept[[0] * len(rivals)]
    direction = -1 if decision.rule == "argmin" or decision.positive is False else 1
    if compared:
        gradients, constants = gradients - coef[1:], constants - intercept[1:]
    gradients, constants = gradients.scaled(direction), constants.scaled(direction)
    reduced, rest = region.domain.reduce(gradients, constants)
    sources = tuple(RowSource("decision", 0, decision.chosen, rival) for rival in rivals)
    return integer_rows(-reduced, rest, sources)


def gaps(decision: Decision, outputs: int) -> npt.NDArray[np.float64]:
    """Return weights (outputs, rivals) of the functionals of all outputs that are positive where a decision is strict.

    >>> gaps(Decision("argmin", (0, 2), 2, None, None, ()), 3).T.tolist()
    [[1.0, 0.0, -1.0]]
    """
    if decision.rule == "sign":
        rivals, upwards = [NO_RIVAL], bool(decision.positive)
    else:
        rivals, upwards = [i for i in decision.outputs if i != decision.chosen], decision.rule == "argmax"
    weights = np.zeros((outputs, len(rivals)))
    for column, rival in enumerate(rivals):
        weights[decision.chosen, column] = 1 if upwards else -1
        if rival != NO_RIVAL:
            weights[rival, column] = -1 if upwards else 1
    return weights
