"""Compares what the runtime's own tail decides with what the logits decide.

A tail is not computed exactly, so this is no proof: it looks only where the logits are far apart and the float tail
cannot be saturated, and finds tails that were misread (a sign, an order of classes, a tie rule).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from exactbox.importers.ops.labels import names_label
from exactbox.importers.tails import MIXED
from exactbox.importers.values import AnyArray, FloatArray
from exactbox.polytope.enclosed import Enclosure
from exactbox.polytope.errors import InternalError
from exactbox.polytope.program import Program

_SATURATED = 8.0
_FAR = 0.5
PLAIN_OPS = frozenset(
    {"ArgMax", "ArgMin", "ArrayFeatureExtractor", "Gather", "LabelEncoder", "LinearClassifier", "ZipMap"}
)
"""Parts of a tail that pick, name or move logits, and compute nothing."""


def check_head(where: str, program: Program, logits: Enclosure, outputs: Sequence[Any], axis: int) -> None:
    """Compare the explained output, as the runtime gave it at each point, with the logits (n, b).

    Raises:
        InternalError: the runtime prefers another class.
    """
    shape = program.output.shape
    if MIXED in program.head.ops:  # no two entries compare
        return
    plain = frozenset(program.head.ops) <= PLAIN_OPS
    for point, output in enumerate(outputs):
        centre = logits.centre[:, point].reshape(-1, shape[-1] if shape else 1)
        radius = logits.radius[:, point].reshape(centre.shape)
        found = output_entries(output, program.head.labels)
        label_output = bool(program.head.dtype)
        if label_output and program.head.rule in ("argmax", "argmin"):
            agrees = _labels_agree(program, centre, radius, found.ravel(), plain)
        elif not label_output:
            scores = np.moveaxis(found, axis, -1) if found.ndim == len(shape) else found
            agrees = _order_agrees(centre, radius, scores.reshape(centre.shape).astype(np.float64), plain)
        else:
            continue
        if not agrees:
            raise InternalError(
                f"{where}: output '{program.output.name}': onnxruntime's {', '.join(program.head.ops)} prefers another "
                f"class than the logits at random input {point}"
            )


def output_entries(output: Any, labels: Sequence[str]) -> AnyArray:
    """Return an output as an array; a ZipMap gives one dictionary a row, in the order of its keys."""
    if isinstance(output, list):
        rows = cast("list[Mapping[str | int, float]]", output)
        return np.array([_row(row, labels) for row in rows], dtype=np.float64)
    return np.asarray(output)


def _row(row: Mapping[str | int, float], labels: Sequence[str]) -> list[float]:
    values = {str(key): value for key, value in row.items()}
    return [values[label] for label in labels] if values.keys() == set(labels) else list(row.values())


def _labels_agree(program: Program, centre: FloatArray, radius: FloatArray, found: AnyArray, plain: bool) -> bool:
    sign = 1 if program.head.rule == "argmax" else -1
    labels, dtype = program.head.labels or tuple(str(i) for i in range(centre.shape[1])), program.head.dtype or "int64"
    for row, spread, label in zip(sign * centre, radius, found.tolist(), strict=False):
        best = int(np.argmax(row))
        rivals = np.delete(row + spread, best)
        clear = row[best] - spread[best] > rivals.max(initial=-np.inf) + (0.0 if plain else _FAR)
        if clear and (plain or np.abs(row).max() <= _SATURATED) and not names_label(labels[best], dtype, label):
            return False
    return True


def _order_agrees(centre: FloatArray, radius: FloatArray, scores: FloatArray, plain: bool) -> bool:
    """Say whether scores grow wherever logits do, clearly."""
    gap = 0.0 if plain else _FAR
    below = (centre + radius)[:, :, None] + gap < (centre - radius)[:, None, :]
    calm = np.abs(centre).max(axis=1, initial=0.0)[:, None, None] <= _SATURATED
    wrong = below & (calm | plain) & ~(scores[:, :, None] < scores[:, None, :])
    return not wrong.any()
