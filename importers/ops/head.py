"""Monotone tails above the logits: they decide like the logits do, so they are recorded, not computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import dtype_name
from exactbox.importers.ops.category import label_table
from exactbox.importers.ops.labels import cast_labels, exact_labels, label_text
from exactbox.importers.registry import ML, heads
from exactbox.importers.tails import MIXED, comparable, fibres, named, recorded, step_of, tail_of
from exactbox.importers.values import FLOAT_TYPES, Choice, Constant, Data, Scores, Tensor, Total
from exactbox.polytope.wording import counted

_POSITIVE = {"Sigmoid", "Exp", "Softmax"}


@heads("Sigmoid", "Tanh", "Exp", "Log", "Softplus")
def entrywise(call: Call) -> Tensor | None:
    """A strictly increasing function of each entry."""
    given, op = call.tensor(0), call.node.op
    own = tail_of(call)
    if isinstance(given, Scores) and (op != "Log" or given.positive):
        return replace(given, tails=(*given.tails, own), positive=op in _POSITIVE, origin=named(call, given))
    if isinstance(given, Data) and given.is_float and op != "Log":
        return Scores(given, (own,), op in _POSITIVE, named(call))
    return None


@heads("Softmax", "LogSoftmax")
def softmax(call: Call) -> Tensor | None:
    """Divides increasing functions of the entries by one sum along each fibre.

    Before version 13 the tensor was flattened to a matrix at the axis, and each row had one sum.
    """
    given = call.tensor(0)
    if not isinstance(given, Data) or not given.is_float:
        return None
    shape = given.shape
    modern = call.node.version >= 13
    axis = call.axis(call.node.integer("axis", -1 if modern else 1), len(shape))
    fibre = fibres(shape, (axis,) if modern else tuple(range(axis, len(shape))))
    return Scores(given, (tail_of(call, f"axis={axis}", fibre=fibre),), call.node.op == "Softmax", named(call))


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
    if moved.shape[-1:] == (0,):
        call.refuse("chooses among no entries")
    if moved.shape[-1:] == (1,):
        return Constant(np.zeros(shape, dtype=np.int64), "int64")
    below = recorded(given)[0] if isinstance(given, Scores) else ()
    labels = given.labels if isinstance(given, Scores) and axis == len(data.shape) - 1 else ()
    tie: Literal["first", "last"] = "last" if call.node.flag("select_last_index", 0) else "first"
    rule: Literal["argmax", "argmin"] = "argmax" if op == "ArgMax" else "argmin"
    return Choice(moved, rule, tie, shape, (*below, step_of(call, f"axis={axis}")), named(call, given), labels)


@heads("Sub")
def complement(call: Call) -> Tensor | None:
    """1 - sigmoid(z) is sigmoid(-z)."""
    one, given = call.tensor(0), call.tensor(1)
    if not isinstance(given, Scores) or given.ops != ("Sigmoid",) or not isinstance(one, Constant):
        return None
    if one.size != 1 or one.rationals().fractions() != [1] or len(one.shape) > len(given.shape):
        return None
    return replace(given, data=call.builder.negate(given.data), origin=named(call, given))


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
    own, positive = tail_of(call, f"by={min(values)}"), given.positive and min(values) > 0
    return replace(given, tails=(*given.tails, own), positive=positive, origin=named(call, given))


@heads("Reciprocal")
def reciprocal(call: Call) -> Tensor | None:
    """1 / s of positive scores reverses their order, as the negated logits do."""
    given = call.tensor(0)
    if not isinstance(given, Scores) or not given.positive:
        return None
    data = call.builder.negate(given.data)
    own = tail_of(call, "logits=negated")
    return replace(given, data=data, tails=(*given.tails, own), origin=named(call, given))


@heads("Concat")
def concat(call: Call) -> Tensor | None:
    """Scores that are one function of their logits, entry by entry, stay comparable side by side.

    Beside logits themselves, scores do not compare with them: each entry then speaks for its own logit alone.
    """
    parts = [value for value in call.inputs if value is not None]
    scores = [part for part in parts if isinstance(part, Scores)]
    steps = [[tail.step for tail in part.tails] for part in scores]
    if not scores or any(part.fibre is not None for part in scores) or any(one != steps[0] for one in steps):
        return None
    below = [part.data if isinstance(part, Scores) else part for part in parts]
    values = [part for part in below if isinstance(part, (Data, Constant)) and part.is_float]
    if len(values) < len(parts):
        return None
    logits = [call.builder.data(part) if isinstance(part, Constant) else part for part in values]
    axis = call.axis(call.node.integer("axis", 1), len(scores[0].shape))
    around = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in logits}
    if len(around) > 1:
        call.refuse(f"shapes {[part.shape for part in logits]} do not concatenate along axis {axis}")
    data = call.builder.concatenated(logits, axis)
    origin = tuple(dict.fromkeys(name for part in scores for name in part.origin))
    if len(scores) == len(parts):
        return replace(scores[0], data=data, origin=origin)
    names = ["+".join(part.ops) if isinstance(part, Scores) else "none" for part in parts]
    own = tail_of(call, f"axis={axis}", f"heads={','.join(names)}", fibre=fibres(data.shape, ()), op=MIXED)
    return Scores(data, (own,), False, (*origin, (call.node.name, call.node.op)))


@heads("Normalizer", domain=ML)
def normalizer(call: Call) -> Tensor | None:
    """Positive scores divided by their sum (L1) or their maximum along the last axis keep their order."""
    given = call.tensor(0)
    if not isinstance(given, Scores) or not given.positive or call.node.text("norm", "MAX") == "L2":
        return None
    return _normalised(call, given, call.node.text("norm", "MAX"))


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
        return _normalised(call, given, "L1")
    return None


def _normalised(call: Call, given: Scores, norm: str) -> Scores | None:
    rank = len(given.shape)
    if norm not in ("L1", "MAX") or not rank or not comparable(given.fibre, rank - 1):
        return None
    own = tail_of(call, f"norm={norm}", fibre=fibres(given.shape, (rank - 1,)), op="Normalizer")
    return replace(given, tails=(*given.tails, own), origin=named(call, given))


@heads("ZipMap", domain=ML)
def zip_map(call: Call) -> Tensor | None:
    """Names the classes; the numbers stay."""
    given = call.tensor(0)
    names = class_names(call, "classlabels_strings", "classlabels_int64s")
    if isinstance(given, Data):
        given = Scores(given, (), False, ())
    if not isinstance(given, Scores) or not given.shape:
        return None
    if len(names) != given.shape[-1]:
        call.refuse(f"names {counted(len(names), 'class', 'classes')} for {given.shape[-1]} scores")
    if len(set(names)) < len(names):
        call.refuse("names one class twice")
    own = tail_of(call, "keys=text" if call.node.texts("classlabels_strings") else "keys=int64")
    return replace(given, tails=(*given.tails, own), labels=names, origin=named(call, given))


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
    exact_names = names.plain().ravel().tolist() if names.dtype == "string" else names.rationals().fractions()
    labels: list[str] = []
    for place in exact_labels(choice.names, choice.dtype):
        if isinstance(place, str) or not -names.size <= place < names.size or place.denominator != 1:
            call.refuse(f"class {place} of a list of {names.size} names")
        labels.append(label_text(exact_names[int(place)], names.dtype, plain=False))
    return _renamed(call, choice, tuple(labels), names.dtype)


@heads("LabelEncoder", domain=ML)
def label_encoder(call: Call) -> Tensor | None:
    """Renames the winning class."""
    choice = call.tensor(0)
    if not isinstance(choice, Choice):
        return None
    table = label_table(call, choice.dtype == "string")
    if choice.dtype != "string" and isinstance(table.keys[0], str):
        call.refuse(f"keys of text for labels of type {choice.dtype}")
    known = dict(zip(table.keys, table.values, strict=True))
    values = [known.get(label, table.default) for label in exact_labels(choice.names, choice.dtype)]
    return _renamed(call, choice, tuple(label_text(value, table.dtype) for value in values), table.dtype)


def cast_tail(call: Call, given: Scores | Choice) -> Scores | Choice:
    """Cast scores between float types, or the winning class to another type."""
    target = dtype_name(str(call.node), call.node.integer("to", 0))
    if isinstance(given, Scores):
        if target not in FLOAT_TYPES:
            call.refuse(f"a cast of scores to {target}: unequal scores become equal, so that their order is lost")
        return given
    if target == given.dtype:
        return given
    return replace(given, labels=cast_labels(call, given.names, given.dtype, target), dtype=target)


def _renamed(call: Call, choice: Choice, labels: tuple[str, ...], dtype: str) -> Choice:
    steps = (*choice.steps, step_of(call))
    return replace(choice, labels=labels, dtype=dtype, steps=steps, origin=named(call, choice))


def class_names(call: Call, texts: str, whole: str) -> tuple[str, ...]:
    """Return the class names that a classifier's attributes hold."""
    strings = call.node.texts(texts)
    return strings if strings else tuple(str(i) for i in call.node.integers(whole) or ())
