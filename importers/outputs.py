"""Chooses the output to explain and finds the logits, the decision and the class names behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exactbox.importers.graph import Graph, Node
from exactbox.importers.lower import Lowering
from exactbox.importers.registry import refusal_of
from exactbox.importers.signs import sign_labels
from exactbox.importers.tails import MIXED, comparable, recorded
from exactbox.importers.values import (
    INTEGER_TYPES,
    Absent,
    Choice,
    Comparison,
    Constant,
    Data,
    Items,
    RefusedError,
    Scores,
    Tensor,
    Total,
)
from exactbox.polytope.errors import InputError, Refusal, UnsupportedModelError
from exactbox.polytope.program import Head, Program, Rule

_LABEL_TYPES = INTEGER_TYPES | {"string", "bool"}
_LABEL_NODES = 16


@dataclass(frozen=True, eq=False)
class Explained:
    """The logits of the explained output.

    Args:
        data: the logits, with the decision's axis last.
        head: what lies between them and the output.
        axis: where the decision's axis was in the output's own shape.
    """

    data: Data
    head: Head
    axis: int


def candidates(where: str, graph: Graph, given: str | None) -> list[str]:
    """Return the tensors to try, best first: the one that was given; else scores before labels, then file order.

    Args:
        given: an output, or a tensor that any node makes.

    Raises:
        InputError: no tensor has the given name.
    """
    outputs = graph.outputs
    if given is not None:
        if (given not in outputs and all(given not in node.outputs for node in graph.nodes)) or not given:
            expected = f"expected one of the outputs {', '.join(outputs)}"
            raise InputError(f"{where}: {expected}, got '{given}', which is no tensor inside the model either")
        return [given]
    scores = [name for name, dtype in outputs.items() if dtype not in _LABEL_TYPES]
    labels = [name for name, dtype in outputs.items() if dtype in _LABEL_TYPES]
    return [*scores[:1], *labels[:1]]


def explained(where: str, lowering: Lowering, name: str) -> Explained:
    """Find the logits under an output.

    Raises:
        UnsupportedModelError: the output alone does not determine a decision by logits.
        InputError: the output is a constant text.
    """
    found: Tensor = lowering.values[name]
    match found:
        case Data():
            return Explained(found, Head(shape=found.shape), len(found.shape) - 1)
        case Choice(data, rule, tie, shape, steps, _, labels, dtype):
            return Explained(data, Head(steps, rule, tie, labels, shape, dtype), len(data.shape) - 1)
        case Scores(data, _, _, _, labels):
            axis = _decision_axis(where, found)
            steps, partial = recorded(found)
            last = len(data.shape) - 1
            moved = Data(data.srcs, np.moveaxis(data.index, axis, -1), data.dtype) if data.shape else data
            head = Head(steps, "none", "first", labels if axis == last else (), data.shape,
                        moved=None if axis == last else axis, partial=partial)  # fmt: skip
            return Explained(moved, head, axis)
        case Constant():
            if found.dtype == "string":
                raise InputError(f"{where}: output '{name}' is a constant text; choose another one")
            data = _constant_output(where, lowering, name, found)
            return Explained(data, Head(shape=found.shape), len(found.shape) - 1)
        case Items() | Absent():
            why = "expected a tensor, got a sequence or an optional; add SequenceAt or OptionalGetElement to the model"
            raise UnsupportedModelError(where, [Refusal(name, "output", why)])
        case Total() | Comparison():
            first, op = found.origin[0]
            raise UnsupportedModelError(where, [Refusal(first, op, refusal_of(Node(first, op, (), ())))])


def _constant_output(where: str, lowering: Lowering, name: str, found: Constant) -> Data:
    try:
        return lowering.builder.data(found)
    except RefusedError as error:
        raise UnsupportedModelError(where, [Refusal(name, "output", str(error))]) from None


def _decision_axis(where: str, scores: Scores) -> int:
    """Return the axis along which the scores compare: the last one where it can be."""
    rank = len(scores.shape)
    if scores.fibre is None or not rank or MIXED in scores.ops:
        return rank - 1
    fitting = [axis for axis in reversed(range(rank)) if scores.shape[axis] > 1 and comparable(scores.fibre, axis)]
    if not fitting:
        name, op = scores.origin[0]
        why = "not piecewise linear; the output holds one score without those that it is compared with"
        raise UnsupportedModelError(where, [Refusal(name, op, why)])
    return fitting[0]


def model_decision(graph: Graph, lowering: Lowering, name: str, found: Explained) -> tuple[Head, str]:
    """Learn the decision and the class names from the model's own label output, where the scores do not say them.

    Returns:
        the head, and a note (empty where nothing was learnt).
    """
    if found.head.rule != "none":
        return found.head, ""
    note = ""
    for other, dtype in graph.outputs.items():
        nodes, wanted = graph.ancestors([other])
        rest = [node for node in nodes if not all(out in lowering.values for out in node.outputs if out)]
        if other == name or dtype not in _LABEL_TYPES or len(rest) > _LABEL_NODES:
            continue
        for key in wanted & set(graph.constants):
            lowering.values.setdefault(key, graph.constants[key])
        aside = replace(lowering, refusals=[], steps=[], notes=[], replaced=[])
        aside.run(rest, wanted)
        choice = aside.values.get(other)
        if not isinstance(choice, Choice | Comparison):
            continue
        try:
            head = _head_of(lowering, choice, found)
        except RefusedError as error:
            note = note or f"the decision is not learnt from the model's output '{other}': {error}"
            continue
        return head, f"the decision ({head.rule}) is the one that the model's output '{other}' makes"
    return found.head, note


def _head_of(lowering: Lowering, choice: Choice | Comparison, found: Explained) -> Head:
    """Return the head with the decision that a label makes.

    Raises:
        RefusedError: the label's decision is none by the logits alone, or that is not shown.
    """
    rule = _rule_over(choice, found.data) if isinstance(choice, Choice) else None
    if isinstance(choice, Choice) and rule is not None:
        return replace(found.head, rule=rule, tie=choice.tie, labels=found.head.labels or choice.labels)
    if found.data.size != 1:
        raise RefusedError("it does not compare these scores")
    return replace(found.head, rule="sign", labels=sign_labels(lowering.builder, choice, found.data))


def _rule_over(choice: Choice, logits: Data) -> Rule | None:
    """Return the rule that makes a choice from these logits, where they are those that it compares.

    A support vector machine writes the scores of its two classes in the other order than its label compares them: the
    class of the smaller one is chosen.
    """
    if _same_logits(choice.data, logits):
        return choice.rule
    if logits.shape[-1:] == (2,) and _same_logits(choice.data, logits.moved(lambda array: array[..., ::-1])):
        return "argmin" if choice.rule == "argmax" else "argmax"
    return None


def _same_logits(left: Data, right: Data) -> bool:
    return left.srcs == right.srcs and left.shape == right.shape and np.array_equal(left.index, right.index)


def chosen_head(program: Program, decision: Rule | None, class_names: Sequence[str] | None) -> Head:
    """Apply the user's decision and class names.

    Raises:
        InputError: they do not fit the number of logits.
    """
    head = program.head
    classes = program.output.shape[-1] if program.output.shape else 1
    rule = head.rule if decision is None else decision
    if rule in ("argmax", "argmin") and classes < 2:
        raise InputError(f"decision {rule}: expected at least two logits, got output shape {program.output.shape}")
    if rule == "sign" and program.output_size != 1:
        raise InputError(f"decision sign: expected one logit, got output shape {program.output.shape}")
    labels = head.labels if class_names is None else tuple(class_names)
    if labels and len(labels) != classes and not (classes == 1 and len(labels) == 2):
        raise InputError(f"class names: expected {classes}, got {len(labels)}")
    return replace(head, rule=rule, labels=labels)
