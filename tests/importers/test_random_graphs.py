"""Random graphs of several operators agree with both runtimes: moves, arithmetic and maxima in any order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals, int_array
from tests.importers.onnx_models import AnyArray, build, reference, save

node = helper.make_node
START = (1, 2, 4, 4)
Shape = tuple[int, ...]


class Drawn:
    """A graph under construction: nodes, constants, and every tensor's shape."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, AnyArray] = {}
        self.shapes: dict[str, Shape] = {"x": START}

    def constant(self, value: AnyArray) -> str:
        """Add a constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def add(self, op: str, inputs: list[str], shape: Shape, **attributes: object) -> str:
        """Add a node."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(_node(op, inputs, name, attributes))
        self.shapes[name] = shape
        return name


def _node(op: str, inputs: list[str], name: str, attributes: dict[str, object]) -> onnx.NodeProto:
    found = helper.make_node(op, inputs, [name])
    found.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return found


def whole(draw: st.DrawFn, shape: Shape) -> AnyArray:
    """Draw small whole numbers."""
    seed = draw(st.integers(0, 2**16))
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


@st.composite
def graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Draw a graph of up to 7 operators, with branches that meet again."""
    graph = Drawn()
    current = "x"
    for _ in range(draw(st.integers(1, 7))):
        step = draw(st.sampled_from([moves, moves, arithmetic, arithmetic, maxima, maxima, joins, linear]))
        current = step(draw, graph, current)
    graph.nodes[-1].output[0] = "y"
    return build(graph.nodes, {"x": START}, ["y"], graph.constants)


def moves(draw: st.DrawFn, graph: Drawn, name: str) -> str:
    """Draw a move of entries."""
    shape = graph.shapes[name]
    rank = len(shape)
    axis = draw(st.integers(0, rank - 1))
    match draw(st.sampled_from(["transpose", "flatten", "slice", "pad", "gather", "reverse", "tile"])):
        case "transpose":
            perm = draw(st.permutations(range(rank)))
            return graph.add("Transpose", [name], tuple(shape[i] for i in perm), perm=list(perm))
        case "flatten":
            wanted: Shape = (int(np.prod(shape[:axis])), int(np.prod(shape[axis:])))
            return graph.add("Flatten", [name], wanted, axis=axis)
        case "slice" if shape[axis] > 2:
            parts = [graph.constant(np.array([value])) for value in (1, shape[axis], axis)]
            return graph.add("Slice", [name, *parts], (*shape[:axis], shape[axis] - 1, *shape[axis + 1 :]))
        case "pad":
            pads = [0] * 2 * rank
            pads[axis], pads[axis + rank] = 1, draw(st.integers(0, 1))
            wide = (*shape[:axis], shape[axis] + 1 + pads[axis + rank], *shape[axis + 1 :])
            fill = graph.constant(np.array(draw(st.integers(-1, 1)), np.float32))
            return graph.add("Pad", [name, graph.constant(np.array(pads)), fill], wide)
        case "gather":
            places = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
            wanted = (*shape[:axis], len(places), *shape[axis + 1 :])
            return graph.add("Gather", [name, graph.constant(np.array(places))], wanted, axis=axis)
        case "reverse":
            parts = [graph.constant(np.array([value])) for value in (-1, -99, axis, -1)]
            return graph.add("Slice", [name, *parts], shape)
        case _ if np.prod(shape) < 100:
            repeats = [2 if i == axis else 1 for i in range(rank)]
            wanted = tuple(n * k for n, k in zip(shape, repeats, strict=True))
            return graph.add("Tile", [name, graph.constant(np.array(repeats))], wanted)
        case _:
            return graph.add("Identity", [name], shape)


def arithmetic(draw: st.DrawFn, graph: Drawn, name: str) -> str:
    """Draw an operation by constants that broadcast."""
    shape = graph.shapes[name]
    operand = tuple(n if draw(st.booleans()) else 1 for n in shape)[draw(st.integers(0, len(shape) - 1)) :]
    other = graph.constant(whole(draw, operand))
    op = draw(st.sampled_from(["Add", "Sub", "Mul", "Max", "Min", "Neg"]))
    if op == "Neg":
        return graph.add("Neg", [name], shape)
    pair = [name, other] if draw(st.booleans()) else [other, name]
    return graph.add(op, pair, shape)


def maxima(draw: st.DrawFn, graph: Drawn, name: str) -> str:
    """Draw an activation, a pool or a reduction."""
    shape = graph.shapes[name]
    kind = draw(st.sampled_from(["Relu", "Relu", "Abs", "LeakyRelu", "Clip", "ReduceMax", "MaxPool"]))
    if kind == "LeakyRelu":
        return graph.add(kind, [name], shape, alpha=draw(st.sampled_from([0.5, 0.0, 2.0])))
    if kind == "Clip":
        bounds = [graph.constant(np.array(value, np.float32)) for value in (-1, 2)]
        return graph.add(kind, [name, *bounds], shape)
    if kind == "ReduceMax":
        axis = draw(st.integers(0, len(shape) - 1))
        wanted = (*shape[:axis], 1, *shape[axis + 1 :])
        return graph.add(kind, [name, graph.constant(np.array([axis]))], wanted)
    if kind == "MaxPool" and len(shape) == 4 and min(shape[2:]) >= 2:
        return graph.add(kind, [name], (*shape[:2], shape[2] - 1, shape[3] - 1), kernel_shape=[2, 2])
    return graph.add("Relu", [name], shape)


def joins(draw: st.DrawFn, graph: Drawn, name: str) -> str:
    """Draw a sum, maximum or concatenation of two tensors of one shape."""
    shape = graph.shapes[name]
    other = draw(st.sampled_from([other for other, found in graph.shapes.items() if found == shape]))
    op = draw(st.sampled_from(["Add", "Sub", "Max", "Concat"]))
    if op != "Concat":
        return graph.add(op, [name, other], shape)
    axis = draw(st.integers(0, len(shape) - 1))
    return graph.add(op, [name, other], (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]), axis=axis)


def linear(draw: st.DrawFn, graph: Drawn, name: str) -> str:
    """Draw a product with a matrix, or a convolution where the shape allows one."""
    shape = graph.shapes[name]
    if len(shape) == 4 and min(shape[2:]) >= 2 and draw(st.booleans()):
        weight = graph.constant(whole(draw, (2, shape[1], 2, 2)))
        bias = graph.constant(whole(draw, (2,)))
        return graph.add("Conv", [name, weight, bias], (shape[0], 2, shape[2] - 1, shape[3] - 1))
    weight = graph.constant(whole(draw, (shape[-1], 3)))
    return graph.add("MatMul", [name, weight], (*shape[:-1], 3))


def exact_outputs(program: Program, points: AnyArray) -> AnyArray:
    """Evaluate at whole points (b, d) as floats (b, m)."""
    column = Rationals(int_array(points.T.ravel().tolist()).reshape(points.shape[1], -1))
    return exact.forward(program, column).to_float().T


@settings(max_examples=150)
@given(graphs())
def test_random_graphs_agree_with_both_runtimes(proto: onnx.ModelProto) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = load(save(proto, Path(folder)))
    assert model.confirmation.status == "confirmed"
    points: AnyArray = np.random.default_rng(0).integers(-3, 4, (2, int(np.prod(START))))
    found = exact_outputs(model.program, points)
    for point, values in zip(points, found, strict=True):
        (expected,) = reference(proto, {"x": point.reshape(START).astype(np.float32)})
        assert model.program.output.shape == expected.shape
        assert values.tolist() == expected.astype(np.float64).ravel().tolist()
