"""Monotone tails above the logits: they decide like the logits do, so they are recorded, not computed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.category import label_table
from exactbox.importers.registry import ML, heads
from exactbox.importers.values import Choice, Constant, Data, Scores, Tensor, Total
from exactbox.polytope.program import IndexArray

_POSITIVE = {"Sigmoid", "Exp", "Softmax"}


@heads("Sigmoid", "Tanh", "Exp", "Log", "Softplus")
def entrywise(call: Call) -> Tensor | None:
    """A strictly increasing function of each entry."""
    given, op = call.tensor(0), call.node.op
    if isinstance(given, Scores) and (op != "Log" or given.positive):
        return replace(given, ops=(*given.ops, op), positive=op in _POSITIVE, origin=_named(call, given))
    if isinstance(given, Data) and given.is_float and op != "Log":
        return Scores(given, None, (op,), op in _POSITIVE, _named(call))
    return None


@heads("Softmax", "LogSoftmax")
def softmax(call: Call) -> Tensor | None:
    """Divides increasing functions of the entries by one sum along each fibre."""
    given = call.tensor(0)
    if not isinstance(given, Data) or not given.is_float:
        return None
    shape = given.shape
    modern = call.node.version >= 13
    axis = call.axis(call.node.integer("axis", -1 if modern else 1), len(shape))
    fibre = _fibres(shape, (axis,) if modern else tuple(range(axis, len(shape))))
    return Scores(given, fibre, (call.node.op,), call.node.op == "Softmax", _named(call))


@heads("ArgMax", "ArgMin")
def arg_extremum(call: Call) -> Tensor | None:
    """The index of the largest or smallest entry along one axis."""
    given, op = call.tensor(0), call.node.op
    if not isinstance(given, (Data, Scores)):
        return None
    data = given.data if isinstance(given, Scores) else given
    axis = call.axis(call.node.integer("axis", 0), len(data.shape))
    if isinstance(given, Scores) and not comparable(given.fibre, axis):
        return None
    moved = Data(data.srcs, np.moveaxis(data.index, axis, -1), data.dtype)
    keep = call.node.flag("keepdims", 1)
    shape = tuple(1 if i == axis else n for i, n in enumerate(data.shape) if keep or i != axis)
    below = given.ops if isinstance(given, Scores) else ()
    labels = given.labels if isinstance(given, Scores) else ()
    tie: Literal["first", "last"] = "last" if call.node.flag("select_last_index", 0) else "first"
    rule: Literal["argmax", "argmin"] = "argmax" if op == "ArgMax" else "argmin"
    return Choice(moved, rule, tie, shape, (*below, op), _named(call, given), labels)


@heads("Sub")
def complement(call: Call) -> Tensor | None:
    """1 - sigmoid(z) is sigmoid(-z)."""
    one, given = call.tensor(0), call.tensor(1)
    if not isinstance(given, Scores) or given.ops != ("Sigmoid",) or not isinstance(one, Constant):
        return None
    if one.size != 1 or one.rationals().fractions() != [1] or len(one.shape) > len(given.shape):
        return None
    return replace(given, data=call.builder.negate(given.data), origin=_named(call, given))


@heads("Add")
def offset(call: Call) -> Tensor | None:
    """One constant added to all scores keeps their order; 0 added to their sum keeps that."""
    first, second = (call.tensor(place) for place in (0, 1))
    given, other = (first, second) if isinstance(first, (Scores, Total)) else (second, first)
    if not isinstance(given, (Scores, Total)) or not isinstance(other, Constant) or not other.size:
        return None
    if np.broadcast_shapes(given.shape, other.shape) != given.shape:
        return None
    values = set(other.rationals().fractions())
    if values == {0}:
        return given
    if len(values) > 1 or isinstance(given, Total):
        return None
    added, positive = (*given.added, *values), given.positive and min(values) > 0
    return replace(given, ops=(*given.ops, "Add"), positive=positive, origin=_named(call, given), added=added)


@heads("Reciprocal")
def reciprocal(call: Call) -> Tensor | None:
    """1 / s of positive scores reverses their order, as the negated logits do."""
    given = call.tensor(0)
    if not isinstance(given, Scores) or not given.positive:
        return None
    data = call.builder.negate(given.data)
    return replace(given, data=data, ops=(*given.ops, "Reciprocal"), origin=_named(call, given))


@heads("Concat")
def concat(call: Call) -> Tensor | None:
    """Scores that are one function of their logits, entry by entry, stay comparable side by side."""
    parts = [value for value in call.inputs if value is not None]
    scores = [part for part in parts if isinstance(part, Scores)]
    if not scores or len(scores) != len(parts):
        return None
    first = scores[0]
    if any(part.fibre is not None or (part.ops, part.added) != (first.ops, first.added) for part in scores):
        return None
    axis = call.axis(call.node.integer("axis", 1), len(first.shape))
    around = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in scores}
    if len(around) > 1:
        call.refuse(f"shapes {[part.shape for part in scores]} do not concatenate along axis {axis}")
    data = call.builder.concatenated([part.data for part in scores], axis)
    return replace(first, data=data, origin=tuple(dict.fromkeys(name for part in scores for name in part.origin)))


@heads("Normalizer", domain=ML)
def normalizer(call: Call) -> Tensor | None:
    """Positive scores divided by their sum (L1) or their maximum along the last axis keep their order."""
    given = call.tensor(0)
    if not isinstance(given, Scores) or not given.positive or call.node.text("norm", "MAX") == "L2":
        return None
    return _normalised(call, given)


@heads("ReduceSum")
def sum_of_scores(call: Call) -> Tensor | None:
    """The sum of positive scores along their last axis."""
    given = call.tensor(0)
    if not isinstance(given, Scores) or not given.positive:
        return None
    axes = call.integer_list(1, "axes")
    rank = len(given.shape)
    if axes is None or [call.axis(axis, rank) for axis in axes] != [rank - 1] or not call.node.flag("keepdims", 1):
        return None
    return Total(given, (*given.shape[:-1], 1))


@heads("Div")
def share(call: Call) -> Tensor | None:
    """Scores divided by their own sum."""
    given, total = call.tensor(0), call.tensor(1)
    if isinstance(given, Scores) and isinstance(total, Total) and total.scores is given:
        return _normalised(call, given)
    return None


def _normalised(call: Call, given: Scores) -> Scores | None:
    rank = len(given.shape)
    if not rank or not comparable(given.fibre, rank - 1):
        return None
    fibre = _fibres(given.shape, (rank - 1,))
    return replace(given, fibre=fibre, ops=(*given.ops, "Normalizer"), origin=_named(call, given))


@heads("ZipMap", domain=ML)
def zip_map(call: Call) -> Tensor | None:
    """Names the classes; the numbers stay."""
    given = call.tensor(0)
    names = class_names(call, "classlabels_strings", "classlabels_int64s")
    if isinstance(given, Data):
        given = Scores(given, None, (), False, ())
    if not isinstance(given, Scores) or not given.shape:
        return None
    if len(names) != given.shape[-1]:
        call.refuse(f"names {len(names)} classes for {given.shape[-1]} scores")
    if len(set(names)) < len(names):
        call.refuse("names one class twice")
    return replace(given, ops=(*given.ops, "ZipMap"), labels=names, origin=_named(call, given))


@heads("ArrayFeatureExtractor", domain=ML)
def extract_label(call: Call) -> Tensor | None:
    """Looks the winning class up in a list of names."""
    names, choice = call.tensor(0), call.tensor(1)
    return _labelled(call, names, choice)


@heads("Gather")
def gather_label(call: Call) -> Tensor | None:
    """Looks the winning class up in a list of names."""
    names, choice = call.tensor(0), call.tensor(1)
    if isinstance(names, Constant) and len(names.shape) != 1:
        return None
    return _labelled(call, names, choice)


def _labelled(call: Call, names: Tensor, choice: Tensor) -> Choice | None:
    if not isinstance(names, Constant) or not isinstance(choice, Choice):
        return None
    if names.size != choice.data.shape[-1]:
        call.refuse(f"expected {choice.data.shape[-1]} class names, got {names.size}")
    labels = tuple(str(name) for name in names.plain().ravel().tolist())
    return replace(choice, labels=labels, ops=(*choice.ops, call.node.op), origin=_named(call, choice))


@heads("LabelEncoder", domain=ML)
def label_encoder(call: Call) -> Tensor | None:
    """Renames the winning class."""
    choice = call.tensor(0)
    if not isinstance(choice, Choice):
        return None
    count = choice.data.shape[-1]
    table = label_table(call)
    default = _name(table.default)
    current = choice.labels or tuple(str(i) for i in range(count))
    renamed = {_name(key): _name(value) for key, value in zip(table.keys, table.values, strict=True)}
    labels = tuple(renamed.get(name, default) for name in current)
    return replace(choice, labels=labels, ops=(*choice.ops, "LabelEncoder"), origin=_named(call, choice))


def _name(entry: object) -> str:
    return str(int(entry)) if isinstance(entry, float) and entry.is_integer() else str(entry)


def class_names(call: Call, texts: str, whole: str) -> tuple[str, ...]:
    """Return the class names that a classifier's attributes hold."""
    strings = call.node.texts(texts)
    return strings if strings else tuple(str(i) for i in call.node.integers(whole) or ())


def comparable(fibre: IndexArray | None, axis: int) -> bool:
    """Say whether all entries along an axis share a fibre."""
    if fibre is None or not fibre.size:
        return True
    moved = np.moveaxis(fibre, axis, -1)
    return bool((moved == moved[..., :1]).all())


def _fibres(shape: tuple[int, ...], axes: tuple[int, ...]) -> IndexArray:
    """Number the sets of entries that differ along the given axes only."""
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    return np.broadcast_to(np.arange(math.prod(kept), dtype=np.int64).reshape(kept), shape)


def _named(call: Call, *below: Tensor) -> tuple[tuple[str, str], ...]:
    earlier = [name for value in below if isinstance(value, (Scores, Choice)) for name in value.origin]
    return (*earlier, (call.node.name, call.node.op))
