"""Branches by a constant condition, and loops whose number of turns is known: subgraphs are lowered once a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import Graph
from exactbox.importers.ops.movement import concat_constants
from exactbox.importers.registry import lowers
from exactbox.importers.values import AnyArray, Constant, Data, Held, Tensor, Value
from exactbox.polytope.wording import counted

_COPIES = frozenset({"Identity", "Constant"})
_NO_NUMBER = "a subgraph's result is no number that exactbox computes"


@lowers("If")
def if_(call: Call) -> list[Held]:
    """Lower the branch that a constant condition chooses."""
    condition = call.tensor(0)
    if not isinstance(condition, Constant):
        call.refuse("data-dependent comparison: continuity not shown")
    branch = "then_branch" if _truth(call, condition) else "else_branch"
    graphs = [call.node.graph(name) for name in ("then_branch", "else_branch")]
    graph = call.node.graph(branch)
    values = around(call, graph, max(1, *(len(item.inputs) for item in graphs)))
    return held(call, call.inside(graph, values, str(call.node)))


@lowers("Loop")
def loop(call: Call) -> list[Held]:
    """Repeat the body a known number of times; what it carries over is renamed, what it scans is stacked."""
    graph = call.node.graph("body")
    names = [item.name for item in graph.inputs]
    carried = [call.held(place) for place in range(2, len(names))]
    if len(names) < 2 or len(graph.outputs) < len(names) - 1:
        call.refuse(
            f"a body of {counted(len(names), 'input')} and {counted(len(graph.outputs), 'output')} is no loop's"
        )
    limit = call.optional_constant(0, "the number of turns")
    turns = None if limit is None else int(limit.integers()[0])
    given = call.optional_constant(1, "the loop's condition")
    going = given is None or _truth(call, given)
    _check_turns(call, graph, turns)
    outer, scanned, turn = around(call, graph, len(names)), list[list[Value]](), 0
    while going and (turns is None or turn < turns):
        first: list[Tensor] = [Constant(np.array(turn), "int64"), Constant(np.array(True), "bool")]
        values = outer | dict(zip(names, [*first, *carried], strict=True))
        condition, *rest = call.inside(graph, values, f"{call.node} turn {turn}")
        if not isinstance(condition, Constant):
            call.refuse("the loop's condition depends on the model's input")
        scanned.append(numbers(call, rest[len(carried) :]))
        carried = held(call, rest[: len(carried)])
        going, turn = _truth(call, condition), turn + 1
    stacked = _stacked(call, scanned, len(graph.outputs) - 1 - len(carried))
    return [*carried, *stacked]


def _check_turns(call: Call, graph: Graph, turns: int | None) -> None:
    """Refuse at once what no limit allows: a body that hands its condition on unchanged runs for all turns."""
    nodes, _ = graph.ancestors([next(iter(graph.outputs))])
    if turns is not None and all(node.op in _COPIES for node in nodes):
        total = turns * (len(graph.nodes) + 1)
        cap = call.limits.unrolled_nodes
        call.limits.check(str(call.node), f"nodes of {turns} turns", total, cap, "unrolled_nodes")


def _stacked(call: Call, turns: Sequence[Sequence[Value]], count: int) -> list[Value]:
    """Stack what each turn gave along an axis in front."""
    if count and not turns:
        call.refuse("the shape of what a loop of no turns scans is not known")
    return [joined(call, [_in_front(turn[i]) for turn in turns], 0) for i in range(count)]


def _in_front(value: Value) -> Value:
    return value.moved(lambda array: array[None])


def joined(call: Call, parts: Sequence[Value], axis: int) -> Value:
    """Join tensors of one shape along an axis."""
    if len({part.shape for part in parts}) != 1:
        call.refuse(f"turns give different shapes: {sorted({part.shape for part in parts})}")
    fixed = [part for part in parts if isinstance(part, Constant)]
    if len(fixed) == len(parts):
        return concat_constants(fixed, axis)
    return call.builder.concatenated([call.builder.data(part) for part in parts], axis)


@lowers("Scan", since=9)
def scan(call: Call) -> list[Value]:
    """Run the body once for each slice of the scanned inputs."""
    graph = call.node.graph("body")
    states, count, outputs = _scan_counts(call, graph)
    slices = [_slices(call, i, states + i, count) for i in range(count)]
    if len({len(item) for item in slices}) != 1:
        call.refuse(f"scanned lengths differ: {[len(item) for item in slices]}")
    _check_scanned(call, graph, len(slices[0]))
    outer = around(call, graph, states + count)
    carried, turns = _scanned(call, graph, outer, [call.value(place) for place in range(states)], slices, "")
    stacked = _stacked(call, turns, outputs)
    return [*carried, *(_turned(call, i, value, outputs) for i, value in enumerate(stacked))]


@lowers("Scan", since=8)
def batched_scan(call: Call) -> list[Value | None]:
    """Scan each sample of a batch by itself, over the first so many slices; what lies behind them is undefined."""
    graph = call.node.graph("body")
    states, count, outputs = _scan_counts(call, graph)
    values = [call.value(1 + place) for place in range(states + count)]
    batch, longest = values[-1].shape[:2] if len(values[-1].shape) > 1 else (0, 0)
    shapes = [value.shape for value in values]
    fits = all(shape[:1] == (batch,) for shape in shapes) and all(shape[1:2] == (longest,) for shape in shapes[states:])
    given = call.optional_constant(0, "the lengths")
    lengths = [longest] * batch if given is None else given.integers()
    if not batch or not fits or len(lengths) != batch or not all(0 <= length <= longest for length in lengths):
        call.refuse(f"states and sequences of shapes {shapes} do not fit together, or to lengths {lengths}")
    backwards = [_listed(call, "directions", i, count) == 1 for i in range(count)]
    if any(backwards) and min(lengths) < longest:
        call.refuse("a sequence of shorter length is read backwards: the standard leaves open where it begins")
    _check_scanned(call, graph, sum(lengths))
    outer, ends, rows = around(call, graph, states + count + 1), list[list[Value]](), list[list[Value]]()
    for sample, length in enumerate(lengths):
        own = [_slice(value, 0, sample) for value in values]
        orders = [range(length)[::-1] if turned else range(length) for turned in backwards]
        slices = [[_slice(value, 0, i) for i in order] for value, order in zip(own[states:], orders, strict=True)]
        carried, turns = _scanned(call, graph, outer, own[:states], slices, f"sample {sample} ")
        ends.append(carried)
        if min(lengths) == longest:
            rows.append(_stacked(call, turns, outputs))
    known = _stacked(call, rows, outputs) if rows else [None] * outputs
    return [*_stacked(call, ends, states), *known]


def _scan_counts(call: Call, graph: Graph) -> tuple[int, int, int]:
    """Return how many states, scanned inputs and scanned outputs there are."""
    count = call.node.integer("num_scan_inputs", 0)
    states = len(graph.inputs) - count
    outputs = len(graph.outputs) - states
    if count < 1 or states < 0 or outputs < 0:
        call.refuse(f"{counted(count, 'scanned input')} do not fit a body of {counted(len(graph.inputs), 'input')}")
    return states, count, outputs


def _check_scanned(call: Call, graph: Graph, turns: int) -> None:
    total = turns * (len(graph.nodes) + 1)
    call.limits.check(str(call.node), "nodes of all turns", total, call.limits.unrolled_nodes, "unrolled_nodes")


def _scanned(
    call: Call, graph: Graph, outer: Mapping[str, Tensor], carried: list[Value], slices: Sequence[Sequence[Value]],
    place: str,
) -> tuple[list[Value], list[list[Value]]]:  # fmt: skip
    """Run the body turn by turn; returns the states at the end and what each turn gave beside them."""
    names, states, turns = [item.name for item in graph.inputs], len(carried), list[list[Value]]()
    for turn, parts in enumerate(zip(*slices, strict=True)):
        values = {**outer, **dict(zip(names, [*carried, *parts], strict=True))}
        found = numbers(call, call.inside(graph, values, f"{call.node} {place}turn {turn}"))
        carried = found[:states]
        turns.append(found[states:])
    return carried, turns


def _slices(call: Call, number: int, place: int, count: int) -> list[Value]:
    """Cut a scanned input into its slices, in the order of the turns."""
    value = call.value(place)
    axis = call.axis(_listed(call, "scan_input_axes", number, count), len(value.shape))
    if not value.shape:
        call.refuse("a scanned input has no axes")
    order = range(value.shape[axis])
    backwards = _listed(call, "scan_input_directions", number, count) == 1
    return [_slice(value, axis, i) for i in (reversed(order) if backwards else order)]


def _slice(value: Value, axis: int, place: int) -> Value:
    return value.moved(lambda array: np.take(array, place, axis=axis))


def _turned(call: Call, number: int, value: Value, count: int) -> Value:
    """Put the turns of a scanned output in their order and on their axis."""
    axis = call.axis(_listed(call, "scan_output_axes", number, count), len(value.shape))
    backwards = _listed(call, "scan_output_directions", number, count) == 1

    def change(array: AnyArray) -> AnyArray:
        return np.moveaxis(array[::-1] if backwards else array, 0, axis)

    return value.moved(change)


def _listed(call: Call, name: str, number: int, count: int) -> int:
    given = call.node.integers(name)
    if given is not None and len(given) != count:
        call.refuse(f"{name}: expected {counted(count, 'number')}, got {len(given)}")
    return 0 if given is None else given[number]


def around(call: Call, graph: Graph, own: int) -> dict[str, Tensor]:
    """Return the tensors that a subgraph reads from the graph around its node."""
    known = dict(zip(call.node.inputs[own:], call.inputs[own:], strict=True))
    return {name: value for name in graph.captured if (value := known[name]) is not None}


def held(call: Call, tensors: Sequence[Tensor]) -> list[Held]:
    """Return what a subgraph gives: tensors, sequences or optionals, but no tails."""
    found = [value for value in tensors if isinstance(value, Held)]
    if len(found) != len(tensors):
        call.refuse(_NO_NUMBER)
    return found


def numbers(call: Call, tensors: Sequence[Tensor]) -> list[Value]:
    """Return what a subgraph gives where that must be tensors."""
    found = [value for value in tensors if isinstance(value, (Constant, Data))]
    if len(found) != len(tensors):
        call.refuse(_NO_NUMBER)
    return found


def _truth(call: Call, condition: Constant) -> bool:
    if condition.size != 1:
        call.refuse(f"a condition of shape {condition.shape} is not one truth value")
    return bool(condition.plain().ravel()[0])
