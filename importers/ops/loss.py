"""The negative log-likelihood as a function of the log-probabilities: a weighted sum of chosen entries."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.shape import FORMAT_BITS
from exactbox.importers.registry import lowers, refuses
from exactbox.importers.values import AnyArray, Data, FloatArray
from exactbox.polytope.enclosed import Rounding, gamma
from exactbox.polytope.program import IndexArray
from exactbox.polytope.rational import from_fractions
from exactbox.polytope.wording import counted

refuses("SoftmaxCrossEntropyLoss", why="the logarithm of a Softmax: not piecewise linear")

_UP = 1 + 2.0**-40
"""Covers the few roundings of float64 that a bound is computed with."""


@lowers("NegativeLogLikelihoodLoss")
def negative_log_likelihood(call: Call) -> Data:
    """-w[target] * x[target] for each sample, then their sum or (weighted) mean; ignored targets count as 0."""
    data = call.data()
    target = call.constant(1, "the target")
    if len(data.shape) < 2 or target.shape != (data.shape[0], *data.shape[2:]):
        call.refuse(f"a target of shape {target.shape} does not fit log-probabilities of shape {data.shape}")
    labels = np.asarray(call.integers(1, "the target"), dtype=np.int64).reshape(target.shape)
    ignored = _ignored(call, labels)
    classes = data.shape[1]
    known = labels[~ignored]
    if known.size and not 0 <= int(known.min()) <= int(known.max()) < classes:
        call.refuse(f"targets {int(known.min())}..{int(known.max())} leave {classes} classes")
    places = np.where(ignored, 0, labels)
    weights = _weights(call, places, ignored, classes)
    chosen = data.moved(lambda array: np.take_along_axis(array, places[:, None], axis=1)[:, 0])
    return _reduced(call, chosen, weights)


def _ignored(call: Call, labels: IndexArray) -> AnyArray:
    if "ignore_index" not in call.node.attributes:
        return np.zeros(labels.shape, dtype=bool)
    return np.asarray(labels == call.node.integer("ignore_index", 0))


@dataclass(frozen=True, eq=False)
class _Weights:
    """The weight of each sample in C order, 0 where its target is ignored, and how far the runtime's may be off."""

    values: tuple[Fraction, ...]
    error: FloatArray


def _weights(call: Call, places: IndexArray, ignored: AnyArray, classes: int) -> _Weights:
    given = call.optional_constant(2, "the weight")
    if given is not None and given.shape != (classes,):
        call.refuse(f"expected a weight for each of {counted(classes, 'class', 'classes')}, got shape {given.shape}")
    each = [Fraction(1)] * classes if given is None else given.rationals().fractions()
    error = np.zeros(classes) if given is None or given.error is None else given.error
    pairs = list(zip(places.ravel().tolist(), ignored.ravel().tolist(), strict=True))
    values = [Fraction(0) if left_out else each[place] for place, left_out in pairs]
    return _Weights(tuple(values), np.where(ignored.ravel(), 0.0, error[places.ravel()]))


def _reduced(call: Call, chosen: Data, weights: _Weights) -> Data:
    """Scale each sample by its weight and sum them as asked."""
    kind = call.node.text("reduction", "mean")
    if kind not in ("none", "sum", "mean"):
        call.refuse(f"reduction {kind} is not known")
    if kind == "none":
        factor = from_fractions([-weight for weight in weights.values], chosen.shape)
        return call.builder.scale(chosen, factor, Rounding(operand_error=weights.error.reshape(chosen.shape)))
    if not weights.values:
        call.refuse("a reduction of nothing")
    total = sum(weights.values, Fraction(0)) if kind == "mean" else Fraction(1)
    if not total:
        call.refuse("the weights sum to 0: a division by 0")
    row = from_fractions([-weight / total for weight in weights.values], (1, 1, len(weights.values)))
    error = _share_error(weights, total, chosen.dtype) if kind == "mean" else weights.error
    rounding = Rounding(terms=3, operand_error=error.reshape(1, 1, -1), share=float(1 / total))
    return call.builder.matmul(chosen.moved(lambda array: array.reshape(-1)), row, 1, (), rounding)


def _share_error(weights: _Weights, total: Fraction, dtype: str) -> FloatArray:
    """Bound how far w / total may be off where the runtime sums the weights in floats, in any order."""
    unit = 2.0 ** -FORMAT_BITS.get(dtype, FORMAT_BITS["float32"])
    sizes = np.array([float(abs(weight)) for weight in weights.values]) * _UP
    off = float(np.sum(weights.error) + gamma(len(sizes) + 1, unit) * np.sum(sizes + weights.error)) * _UP
    least = float(abs(total)) / _UP - off
    if least <= 0:
        return np.full(len(sizes), np.inf)
    return (sizes * (off / (float(abs(total)) / _UP)) + weights.error) / least * _UP
