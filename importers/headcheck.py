"""Compares what the runtime's own tail decides with what the logits decide.

A tail is not computed exactly, so this is no proof: it looks only where the logits are far apart and the float tail
cannot be saturated, and finds tails that were misread (a sign, an order of classes, a tie rule).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from exactbox.importers.values import AnyArray, FloatArray
from exactbox.polytope.enclosed import Enclosure
from exactbox.polytope.errors import InternalError
from exactbox.polytope.program import Program

_SATURATED = 8.0
_FAR = 0.5
PLAIN_OPS = frozenset(
    {"ArgMax", "ArgMin", "ArrayFeatureExtractor", "LabelEncoder", "Gather", "LinearClassifier", "ZipMap"}
)
"""Parts of a tail that pick, name or move logits, and compute nothing."""


def check_head(where: str, program: Program, logits: Enclosure, outputs: Sequence[Any], axis: int) -> None:
    """Compare the explained output, as the runtime gave it at each point, with the logits (n, b).

    Raises:
        InternalError: the runtime prefers another class.
    """
    shape = program.output.shape
    plain = frozenset(program.head.ops) <= PLAIN_OPS
    for point, output in enumerate(outputs):
        centre = logits.centre[:, point].reshape(-1, shape[-1] if shape else 1)
        radius = logits.radius[:, point].reshape(centre.shape)
        found = _entries(output)
        label_output = found.dtype.kind in "iuOUSb" or found.size != centre.size
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


def _entries(output: Any) -> AnyArray:
    """Return an output as an array; a ZipMap gives one dictionary a row."""
    if isinstance(output, list):
        rows = cast("list[Mapping[object, float]]", output)
        return np.array([list(row.values()) for row in rows], dtype=np.float64)
    return np.asarray(output)


def _labels_agree(program: Program, centre: FloatArray, radius: FloatArray, found: AnyArray, plain: bool) -> bool:
    sign = 1 if program.head.rule == "argmax" else -1
    labels = program.head.labels or tuple(str(i) for i in range(centre.shape[1]))
    for row, spread, label in zip(sign * centre, radius, found.tolist(), strict=False):
        best = int(np.argmax(row))
        rivals = np.delete(row + spread, best)
        clear = row[best] - spread[best] > rivals.max(initial=-np.inf) + (0.0 if plain else _FAR)
        if clear and (plain or np.abs(row).max() <= _SATURATED) and _text(label) != labels[best]:
            return False
    return True


def _text(label: object) -> str:
    return label.decode() if isinstance(label, bytes) else str(int(label)) if isinstance(label, bool) else str(label)


def _order_agrees(centre: FloatArray, radius: FloatArray, scores: FloatArray, plain: bool) -> bool:
    """Say whether scores grow wherever logits do, clearly."""
    gap = 0.0 if plain else _FAR
    below = (centre + radius)[:, :, None] + gap < (centre - radius)[:, None, :]
    calm = np.abs(centre).max(axis=1, initial=0.0)[:, None, None] <= _SATURATED
    wrong = below & (calm | plain) & ~(scores[:, :, None] < scores[:, None, :])
    return not wrong.any()
