"""How a monotone tail is written down: its steps, and along which axes of the output they sum or compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from exactbox.importers.call import Call
from exactbox.importers.graph import Node
from exactbox.importers.values import Choice, Scores, Tail, Tensor
from exactbox.polytope.program import HeadStep, IndexArray

MIXED = "Concat"
"""The operator of a tail whose entries are different functions of their logits, and do not compare."""


def step_of(call: Call, *settings: str, op: str = "") -> HeadStep:
    """Record the present node as a step of a tail."""
    return HeadStep(op or call.node.op, call.node.domain, version_of(call.node), settings)


def tail_of(call: Call, *settings: str, fibre: IndexArray | None = None, op: str = "") -> Tail:
    """Record the present node as part of a tail that sums over, or compares, the entries of each fibre."""
    sizes = None if fibre is None else np.bincount(fibre.ravel())
    return Tail(step_of(call, *settings, op=op), fibre, sizes)


def version_of(node: Node) -> int:
    """Return the version of the operator: of the operator set in which it last changed."""
    try:
        return int(onnx.defs.get_schema(node.op, node.version, node.domain).since_version)
    except onnx.defs.SchemaError:
        return node.version


def recorded(scores: Scores) -> tuple[tuple[HeadStep, ...], bool]:
    """Return the steps with the axes of the scores' tensor that they run along.

    Returns:
        the steps; and whether one runs over other entries than those axes show, because entries were dropped, repeated
        or regrouped above it.
    """
    steps: list[HeadStep] = []
    partial = False
    for tail in scores.tails:
        if tail.fibre is None or tail.sizes is None:
            steps.append(tail.step)
            continue
        axes = _axes(tail.fibre)
        here = np.bincount(tail.fibre.ravel(), minlength=len(tail.sizes))
        whole = np.array_equal(fibres(scores.shape, axes), _renumbered(tail.fibre))
        partial |= not whole or bool((here[here > 0] != tail.sizes[here > 0]).any())
        steps.append(replace(tail.step, over=axes))
    partial |= bool(steps) and any(step.over is not None for step in steps) and _repeats(scores)
    return tuple(steps), partial


def comparable(fibre: IndexArray | None, axis: int) -> bool:
    """Say whether all entries along an axis share a fibre."""
    if fibre is None or not fibre.size:
        return True
    moved = np.moveaxis(fibre, axis, -1)
    return bool((moved == moved[..., :1]).all())


def fibres(shape: tuple[int, ...], axes: Sequence[int]) -> IndexArray:
    """Number the sets of entries that differ along the given axes only."""
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    return np.broadcast_to(np.arange(math.prod(kept), dtype=np.int64).reshape(kept), shape)


def named(call: Call, *below: Tensor) -> tuple[tuple[str, str], ...]:
    """Return the nodes of a tail, this one last."""
    earlier = [name for value in below if isinstance(value, (Scores, Choice)) for name in value.origin]
    return (*earlier, (call.node.name, call.node.op))


def _axes(fibre: IndexArray) -> tuple[int, ...]:
    """Return the axes longer than 1 along which the numbers stay the same."""
    return tuple(axis for axis in range(fibre.ndim) if fibre.shape[axis] > 1 and comparable(fibre, axis))


def _renumbered(fibre: IndexArray) -> IndexArray:
    """Number the fibres anew, in the order in which they are met."""
    _, first, inverse = np.unique(fibre.ravel(), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse].reshape(fibre.shape)


def _repeats(scores: Scores) -> bool:
    """Say whether one logit stands at two places of the tensor."""
    index = scores.data.index.ravel()
    return len(np.unique(index)) < len(index)
