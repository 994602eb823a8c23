"""Sequences and optionals: tuples of tensors at import, so that nothing of them is left in the program."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.control import around, numbers
from exactbox.importers.ops.movement import concat
from exactbox.importers.registry import Outcome, lowers
from exactbox.importers.values import Absent, Constant, Held, Items, Value


def _sequence(call: Call, place: int = 0) -> tuple[Value, ...]:
    found = call.held(place)
    if not isinstance(found, Items):
        call.refuse(f"input {place} is no sequence")
    return found.items


def _position(call: Call, place: int, last: int, default: int) -> int:
    """Return a constant place in a sequence, counted from its end where it is negative."""
    given = default if call.optional(place) is None else call.integers(place, "the position")[0]
    count = len(_sequence(call))
    if not -count <= given <= last:
        call.refuse(f"position {given} leaves a sequence of {count} tensors")
    return given + count if given < 0 else given


@lowers("SequenceConstruct")
def construct(call: Call) -> Items:
    """The inputs, in order."""
    return Items(tuple(call.present()))


@lowers("SequenceEmpty")
def empty(_call: Call) -> Items:
    """No tensors."""
    return Items(())


@lowers("SequenceAt")
def at(call: Call) -> Value:
    """The tensor at a constant position."""
    items = _sequence(call)
    return items[_position(call, 1, len(items) - 1, 0)]


@lowers("SequenceInsert")
def insert(call: Call) -> Items:
    """The sequence with one tensor more, by default at its end."""
    items = _sequence(call)
    place = _position(call, 2, len(items), len(items))
    return Items((*items[:place], call.value(1), *items[place:]))


@lowers("SequenceErase")
def erase(call: Call) -> Items:
    """The sequence without one tensor, by default its last."""
    items = _sequence(call)
    place = _position(call, 1, len(items) - 1, len(items) - 1)
    return Items((*items[:place], *items[place + 1 :]))


@lowers("SequenceLength")
def length(call: Call) -> Constant:
    """The number of tensors."""
    return Constant(np.array(len(_sequence(call)), dtype=np.int64), "int64")


@lowers("SplitToSequence")
def split_to_sequence(call: Call) -> Items:
    """Cut along one axis: into single slices, chunks of one length, or parts of given lengths."""
    value = call.value(0)
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    if not value.shape:
        call.refuse("a number without axes cannot be cut")
    size = value.shape[axis]
    parts = _parts(call, size)
    ends = np.cumsum([0, *parts]).tolist()
    cut = [_cut(value, axis, start, end) for start, end in pairwise(ends)]
    kept = call.node.flag("keepdims", 1)
    if call.optional(1) is not None and not kept:
        call.deviates("keepdims counts only without lengths, where onnxruntime may drop the axis")
    if call.optional(1) is None and not kept:
        cut = [part.moved(lambda array: np.squeeze(array, axis)) for part in cut]
    return Items(tuple(cut))


def _parts(call: Call, size: int) -> list[int]:
    """Return the lengths of the parts."""
    given = call.optional_constant(1, "the lengths")
    lengths = [1] if given is None else call.integers(1, "the lengths")
    if min(lengths, default=0) < 0 or (len(lengths) == 1 and not lengths[0]):
        call.refuse(f"lengths {lengths}: expected positive numbers")
    if given is None or not given.shape:
        step = lengths[0]
        count = -(-size // step)
        call.limits.check(
            str(call.node), "tensors of a sequence", count, call.limits.unrolled_nodes, "unrolled_nodes"
        )
        return [min(step, size - start) for start in range(0, size, step)]
    if sum(lengths) != size:
        call.refuse(f"parts {lengths} do not make up an axis of length {size}")
    return lengths


def _cut(value: Value, axis: int, start: int, end: int) -> Value:
    key = (*[slice(None)] * axis, slice(start, end))
    return value.moved(lambda array: array[key])


@lowers("ConcatFromSequence")
def concat_from_sequence(call: Call) -> Value:
    """Join the tensors of a sequence along one of their axes, or along another one."""
    items = _sequence(call)
    if not items:
        call.refuse("the shape of an empty sequence's tensors is not known")
    if call.node.flag("new_axis", 0):
        axis = call.axis(call.node.integer("axis", 0), len(items[0].shape) + 1)
        items = tuple(item.moved(lambda array: np.expand_dims(array, axis)) for item in items)
    return concat(replace(call, inputs=items))


@lowers("SequenceMap")
def sequence_map(call: Call) -> list[Held]:
    """Apply the body to each tensor; further sequences run along, further tensors stay."""
    graph = call.node.graph("body")
    names = [item.name for item in graph.inputs]
    items = _sequence(call)
    others = [call.held(place) for place in range(1, len(names))]
    lengths = {len(other.items) for other in others if isinstance(other, Items)}
    if lengths - {len(items)}:
        call.refuse(f"sequences of {len(items)} and {sorted(lengths)} tensors do not run along")
    outer, turns = around(call, graph, len(names)), list[list[Value]]()
    for place, item in enumerate(items):
        parts = [other.items[place] if isinstance(other, Items) else other for other in others]
        values = outer | dict(zip(names, [item, *parts], strict=True))
        turns.append(numbers(call, call.inside(graph, values, f"{call.node} item {place}")))
    return [Items(tuple(turn[i] for turn in turns)) for i in range(len(graph.outputs))]


@lowers("Optional")
def optional(call: Call) -> Held:
    """The element itself, or none."""
    return call.held(0) if call.inputs else Absent()


@lowers("OptionalHasElement")
def optional_has_element(call: Call) -> Constant:
    """Whether there is an element, which is known at import."""
    found = call.held(0) if any(value is not None for value in call.inputs) else Absent()
    return Constant(np.array(not isinstance(found, Absent)), "bool")


@lowers("OptionalGetElement")
def optional_get_element(call: Call) -> Outcome:
    """The element."""
    found = call.held(0)
    if isinstance(found, Absent):
        call.refuse("an optional without an element")
    return found
