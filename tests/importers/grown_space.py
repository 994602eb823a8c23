"""Convolutions, pools, sampling, sequences and control flow for graphs that grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto, helper

from tests.importers.grown import Grown, step


def image(g: Grown, name: str, channels: int = 2) -> str:
    """Return a small image whose entries are a tensor's."""
    return g.shaped(name, (1, channels, 4, 5))


@step("Conv")
def convolution(g: Grown, name: str, op: str) -> str:
    """Groups, strides, dilations, pads of its own or automatic."""
    groups = g.pick(1, 2)
    weight, bias = g.floats((2, 2 // groups, 2, g.integer(1, 3))), g.floats((2,))
    pads: dict[str, Any] = g.pick(
        {}, {"pads": [g.integer(0, 3) for _ in range(4)]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "VALID"},
    )  # fmt: skip
    own = {"dilations": [1, g.integer(1, 3)]} if "auto_pad" not in pads else {}
    strides = [g.integer(1, 3), g.integer(1, 3)]
    inputs = [image(g, name), weight, bias][: g.integer(2, 4)]
    return str(g.add(op, inputs, group=groups, strides=strides, **pads, **own))


@step("ConvTranspose")
def transposed_convolution(g: Grown, name: str, op: str) -> str:
    """Strides, pads and output padding."""
    groups = g.pick(1, 2)  # the reference handles groups of one channel without a bias
    weight, bias = g.floats((2, 2 // groups, 2, 3)), g.floats((2,))
    pads = {"pads": [g.integer(0, 2) for _ in range(4)]} if g.chance() else {}
    more = {"output_padding": [1, 0]} if g.chance() else {}
    inputs = [image(g, name), weight, bias][: g.integer(2, 4) if groups == 1 else 2]
    return str(g.add(op, inputs, group=groups, strides=[2, 1], **pads, **more))


@step("MaxPool", "AveragePool")
def pooled(g: Grown, name: str, op: str) -> str:
    """Windows with strides, pads and ceilings."""
    strides = [g.integer(1, 3), g.integer(1, 3)]
    more: dict[str, Any] = {"ceil_mode": g.integer(0, 2)}
    if op == "AveragePool":
        more["count_include_pad"] = g.integer(0, 2)
    elif strides == [1, 1]:
        more["ceil_mode"] = 0  # with pads, the reference gives more windows than there are
    pads = g.pick({}, {"pads": [0, 1, 1, 0]}, {"pads": [1, 1, 1, 1]})
    return str(g.add(op, [image(g, name)], kernel_shape=[2, 2], strides=strides, **pads, **more))


@step("MaxUnpool")
def unpooled(g: Grown, name: str, op: str) -> str:
    """Entries put at distinct constant places."""
    places = np.sort(g.random.permutation(16)[:4]).reshape(1, 1, 2, 2)
    return str(g.add(op, [g.shaped(name, (1, 1, 2, 2)), g.constant(places)], kernel_shape=[2, 2], strides=[2, 2]))


@step("Col2Im")
def columns(g: Grown, name: str, op: str) -> str:
    """Blocks that overlap."""
    data = g.shaped(name, (1, 4, 6))
    return str(g.add(op, [data, g.ints(3, 4), g.ints(2, 2)], strides=[1, 1]))


@step("Resize")
def resized(g: Grown, name: str, op: str) -> str:
    """Nearest, linear or cubic, by sizes or scales."""
    mode = g.pick("nearest", "linear", "cubic")
    more: dict[str, Any] = {"coordinate_transformation_mode": g.pick("half_pixel", "asymmetric", "align_corners")}
    if mode == "nearest":
        more["nearest_mode"] = g.pick("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    if mode == "cubic":
        more["cubic_coeff_a"] = g.pick(-0.75, -0.5)
    if g.chance():
        sizes = g.ints(1, 1, g.integer(2, 7), g.integer(2, 7))
        return str(g.add(op, [image(g, name, 1), "", "", sizes], mode=mode, **more))
    scales = np.array([1, 1, g.pick(0.5, 1.5, 2), g.pick(0.6, 1, 2)], np.float32)
    return str(g.add(op, [image(g, name, 1), "", g.constant(scales)], mode=mode, **more))


@step("Upsample")
def upsampled(g: Grown, name: str, op: str) -> str:
    """Repeats entries."""
    scales = g.constant(np.array([1, 1, g.pick(1, 2), 2], np.float32))
    return str(g.add(op, [g.shaped(name, (1, 1, 2, 3)), scales], mode="nearest"))


@step("AffineGrid", "GridSample")
def sampled(g: Grown, name: str, op: str) -> str:
    """At constant places, made from a constant map for AffineGrid."""
    corners = g.integer(0, 2)
    data = g.shaped(name, (1, 2, 3, 4))
    if op == "AffineGrid":
        turn = g.constant(g.random.integers(-4, 5, (1, 2, 3)) / 4)
        size = g.ints(1, 2, 2, 3 if corners else 4)  # the reference gives float32, which holds these places
        grid = g.add("AffineGrid", [turn, size], align_corners=corners)
    else:
        grid = g.constant(g.random.integers(-5, 6, (1, 2, 3, 2)) / 4)
    mode, padding = g.pick("linear", "nearest", "cubic"), g.pick("zeros", "border")
    return str(g.add("GridSample", [data, grid], mode=mode, padding_mode=padding, align_corners=corners))


@step("RoiAlign")
def aligned(g: Grown, name: str, op: str) -> str:
    """Averages or maxima in constant boxes."""
    boxes = g.constant(np.array([[0, 0, g.integer(1, 4), 3], [1, 0.5, 3, g.integer(1, 4)]], np.float64))
    inputs = [g.shaped(name, (1, 1, 4, 4)), boxes, g.ints(0, 0)]
    more = {"mode": g.pick("avg", "max"), "sampling_ratio": g.integer(1, 3), "output_height": 2, "output_width": 2}
    return str(g.add(op, inputs, coordinate_transformation_mode=g.pick("half_pixel", "output_half_pixel"), **more))


@step("DeformConv")
def deformed(g: Grown, name: str, op: str) -> str:
    """Constant offsets and masks."""
    weight = g.floats((1, 1, 2, 2))
    offset = g.constant(g.random.integers(-2, 3, (1, 8, 2, 2)) / 2)
    mask = g.constant(g.random.integers(0, 3, (1, 4, 2, 2)) / 2)
    inputs = [g.shaped(name, (1, 1, 3, 3)), weight, offset, g.floats((1,)), mask]
    return str(g.add(op, inputs[: g.pick(3, 4, 5)], kernel_shape=[2, 2]))


@step("RotaryEmbedding")
def rotated(g: Grown, name: str, op: str) -> str:
    """Constant tables."""
    tables = [g.floats((1, 2, 2)), g.floats((1, 2, 2))]
    return str(g.add(op, [g.shaped(name, (1, 2, 2, 4)), *tables], interleaved=g.integer(0, 2)))


@step("TensorScatter")
def scattered_into_cache(g: Grown, name: str, op: str) -> str:
    """Data written into a constant cache."""
    cache = g.floats((1, 4, 2))
    inputs = [cache, g.shaped(name, (1, 2, 2)), g.ints(g.integer(0, 3))]
    return str(g.add(op, inputs, axis=1, mode=g.pick("linear", "circular")))


@step("NegativeLogLikelihoodLoss")
def likelihood(g: Grown, name: str, op: str) -> str:
    """Constant classes and weights."""
    classes = g.constant(g.random.integers(0, 3, (2,)))
    inputs = [g.shaped(name, (2, 3)), classes, g.floats((3,), 1, 4)]
    found = g.add(op, inputs[: g.integer(2, 4)], reduction=g.pick("none", "sum", "mean"))
    return str(g.add("Reshape", [found, g.ints(-1)]))


@step("RNN")
def recurrent(g: Grown, name: str, op: str) -> str:
    """The one activation of the reference that is piecewise linear: an affine one."""
    data = g.shaped(name, (2, 1, 3))
    inputs = [data, g.floats((1, 2, 3)), g.floats((1, 2, 2)), g.floats((1, 4)), "", g.floats((1, 1, 2))]
    alpha, beta = g.fractions(2)
    affine = {"activations": ["Affine"], "activation_alpha": [alpha], "activation_beta": [beta]}
    return str(g.add(op, inputs[: g.pick(3, 4, 6)], 2, hidden_size=2, **affine)[g.integer(0, 2)])


def body(name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> GraphProto:
    """Make a subgraph."""
    return helper.make_graph(nodes, name, inputs, outputs)


def info(name: str, kind: int = TensorProto.DOUBLE, shape: tuple[int, ...] | None = None) -> Any:
    """Declare an input or output of a subgraph."""
    return helper.make_tensor_value_info(name, kind, shape)


@step("If")
def branches(g: Grown, name: str, op: str) -> str:
    """By a constant condition."""
    unique = f"b{len(g.nodes)}"
    parts = [
        body(what, [helper.make_node(inner, [name], [f"{unique}{what}"])], [], [info(f"{unique}{what}")])
        for what, inner in (("yes", "Relu"), ("no", "Neg"))
    ]
    return str(g.add(op, [g.constant(np.array(g.chance()))], then_branch=parts[0], else_branch=parts[1]))


@step("Loop")
def turns(g: Grown, name: str, op: str) -> str:
    """A constant number of turns that carry a tensor."""
    nodes = [
        helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["carried", name], ["sum"]),
        helper.make_node("Relu", ["sum"], ["handed"]),
    ]  # fmt: skip
    inputs = [info("turn", TensorProto.INT64, ()), info("go", TensorProto.BOOL, ()), info("carried")]
    graph = body("turn", nodes, inputs, [info("go_on", TensorProto.BOOL, ()), info("handed")])
    return str(g.add(op, [g.constant(np.int64(g.integer(1, 4))), g.constant(np.array(True)), name], body=graph))


@step("Scan")
def scan(g: Grown, name: str, op: str) -> str:
    """Along the first axis, with a state."""
    nodes = [
        helper.make_node("Add", ["state", "part"], ["next"]),
        helper.make_node("Relu", ["next"], ["seen"]),
    ]
    graph = body("part", nodes, [info("state"), info("part")], [info("next"), info("seen")])
    state = g.floats((2,))
    return str(g.add(op, [state, g.shaped(name, (3, 2))], 2, body=graph, num_scan_inputs=1)[g.integer(0, 2)])


@step("SequenceConstruct", "SequenceAt", "SequenceInsert", "SequenceErase", "ConcatFromSequence")
def sequence(g: Grown, name: str, op: str) -> str:
    """A sequence of data and constants, put together, changed, and taken apart."""
    shape = g.of(name).shape
    parts = g.add("SequenceConstruct", [name, g.floats(shape), g.add("Neg", [name])])
    if op == "SequenceInsert":  # the reference puts what belongs at the end in front
        parts = g.add(op, [parts, g.add("Relu", [name]), g.constant(np.int64(g.integer(-3, 3)))])
    if op == "SequenceErase":
        parts = g.add(op, [parts, g.constant(np.int64(g.integer(-3, 3)))])
    if op == "ConcatFromSequence":
        return str(g.add(op, [parts], axis=g.axis(name), new_axis=0))
    return str(g.add("SequenceAt", [parts, g.constant(np.int64(g.integer(-2, 2)))]))


@step("SequenceEmpty", "SequenceLength")
def growing_sequence(g: Grown, name: str, op: str) -> str:
    """A sequence that starts empty, and its length."""
    empty = g.add("SequenceEmpty", [], dtype=TensorProto.DOUBLE)
    parts = g.add("SequenceInsert", [empty, name])
    return g.absorb(str(g.add("SequenceAt", [parts, g.constant(np.int64(0))])), g.add("SequenceLength", [parts]))


@step("SplitToSequence")
def split_to_sequence(g: Grown, name: str, op: str) -> str:
    """In slices, with the axis kept or not."""
    axis = g.axis(name)
    parts = g.add(op, [name], axis=axis, keepdims=g.integer(0, 2) if g.of(name).ndim > 1 else 1)
    place = g.integer(0, g.of(name).shape[axis])
    return str(g.add("SequenceAt", [parts, g.constant(np.int64(place))]))


@step("SequenceMap")
def mapped(g: Grown, name: str, op: str) -> str:
    """A subgraph for each of two tensors."""
    parts = g.add("SequenceConstruct", [name, g.add("Neg", [name])])
    graph = body("one", [helper.make_node("Relu", ["part"], ["mapped"])], [info("part")], [info("mapped")])
    found = g.add(op, [parts], body=graph)
    return str(g.add("SequenceAt", [found, g.constant(np.int64(g.integer(0, 2)))]))


@step("OptionalGetElement", "OptionalHasElement")
def optional(g: Grown, name: str, op: str) -> str:
    """A tensor that could be absent, and is not."""
    return g.absorb(str(g.add("OptionalGetElement", [name])), g.add("OptionalHasElement", [name]))
