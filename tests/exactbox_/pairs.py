"""Pairs of models that are equal, or different, by construction: bodies, heads, constants, versions, labels, ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.importers.onnx_models import ML, AnyArray, Shape, build, save, tensor_info

node = helper.make_node


@dataclass
class Net:
    """A model in parts: nodes up to ``z``, then the head up to ``y``.

    Args:
        shape: of the tensor ``z``, whose entries are the logits.
    """

    inputs: dict[str, Shape]
    nodes: list[onnx.NodeProto]
    constants: dict[str, AnyArray]
    head: list[onnx.NodeProto] = field(default_factory=list)
    opset: int = 20
    dtype: int = TensorProto.FLOAT
    shape: tuple[int, ...] = (1, 3)

    def copy(self, **changes: Any) -> Net:
        """Return a copy whose parts can be changed."""
        parts: dict[str, Any] = {"inputs": dict(self.inputs), "nodes": list(self.nodes),
                                 "constants": dict(self.constants), "head": list(self.head), "opset": self.opset,
                                 "dtype": self.dtype, "shape": self.shape}  # fmt: skip
        return Net(**{**parts, **changes})

    def save(self, folder: Path, name: str) -> Path:
        """Write the model; without a head, ``z`` is the output."""
        output = tensor_info("y" if self.head else "z", None, self.dtype)
        model = build([*self.nodes, *self.head], self.inputs, [output], self.constants, opset=self.opset)
        return save(model, folder, name)


Random = np.random.Generator
Pair = tuple[Net, Net]


def numbers(random: Random, *shape: int) -> AnyArray:
    """Return nonzero eighths."""
    return np.asarray(random.integers(1, 17, shape) * random.choice([-1, 1], shape) / 8, dtype=np.float32)


def body(random: Random, shape: tuple[int, ...] = (1, 3)) -> Net:
    """Return one hidden layer of Relu units under as many logits as the shape holds."""
    width, logits = int(random.integers(2, 5)), int(np.prod(shape))
    nodes = [
        node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["h"]), node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["o"]), node("Add", ["o", "c"], ["flat"]), node("Reshape", ["flat", "s"], ["z"]),
    ]  # fmt: skip
    constants = {"w": numbers(random, 2, width), "b": numbers(random, width), "v": numbers(random, width, logits),
                 "c": numbers(random, logits), "s": np.array(shape)}  # fmt: skip
    return Net({"x": (1, 2)}, nodes, constants, shape=shape)


def headed(random: Random, net: Net) -> Net:
    """Put a random head on top that is injective up to a factor."""
    last = len(net.shape) - 1
    heads: list[list[onnx.NodeProto]] = [
        [], [node("Sigmoid", ["z"], ["y"])], [node("Softmax", ["z"], ["y"], axis=last)], [node("Tanh", ["z"], ["y"])],
        [node("LogSoftmax", ["z"], ["y"], axis=last)], [node("Softplus", ["z"], ["y"])],
    ]  # fmt: skip
    return net.copy(head=heads[random.integers(len(heads))])


# Equal by construction.


def renamed(random: Random) -> Pair:
    net = headed(random, body(random))
    nodes = [helper.make_node(one.op_type, one.input, one.output, f"other_{i}") for i, one in enumerate(net.nodes)]
    return net, net.copy(nodes=nodes)


def permuted_units(random: Random) -> Pair:
    net = headed(random, body(random))
    order = random.permutation(len(net.constants["b"]))
    moved = {"w": net.constants["w"][:, order], "b": net.constants["b"][order], "v": net.constants["v"][order]}
    return net, net.copy(constants={**net.constants, **moved})


def scaled_units(random: Random) -> Pair:
    net = headed(random, body(random))
    factor = np.ldexp(1, random.integers(-3, 4, len(net.constants["b"]))).astype(np.float32)
    moved = {"w": net.constants["w"] * factor, "b": net.constants["b"] * factor,
             "v": net.constants["v"] / factor[:, None]}  # fmt: skip
    return net, net.copy(constants={**net.constants, **moved})


def split_units(random: Random) -> Pair:
    """Each unit twice, with half the weight."""
    net = headed(random, body(random))
    twice = {"w": np.tile(net.constants["w"], 2), "b": np.tile(net.constants["b"], 2),
             "v": np.tile(net.constants["v"], (2, 1)) / 2}  # fmt: skip
    return net, net.copy(constants={**net.constants, **twice})


def folded_norm(random: Random) -> Pair:
    """A batch normalisation whose roots are rational, and its fold."""
    net = headed(random, body(random))
    width = len(net.constants["b"])
    scale, shift, mean = (numbers(random, width) for _ in range(3))
    variance = random.choice([0.25, 1, 4, 16], width).astype(np.float32)
    nodes = [*net.nodes[:2], helper.make_node("BatchNormalization", ["h", "bs", "bt", "bm", "bv"], ["n"], epsilon=0.0),
             helper.make_node("Relu", ["n"], ["r"]), *net.nodes[3:]]  # fmt: skip
    full = net.copy(nodes=nodes, constants={**net.constants, "bs": scale, "bt": shift, "bm": mean, "bv": variance})
    factor = scale / np.sqrt(variance)
    fold = {"w": net.constants["w"] * factor, "b": (net.constants["b"] - mean) * factor + shift}
    return full, net.copy(constants={**net.constants, **fold})


def turned_units(random: Random) -> Pair:
    """relu(h) is h + relu(-h)."""
    net = headed(random, body(random))
    nodes = [*net.nodes[:2], node("Neg", ["h"], ["m"]), node("Relu", ["m"], ["q"]), node("Add", ["h", "q"], ["r"]),
             *net.nodes[3:]]  # fmt: skip
    return net, net.copy(nodes=nodes)


def identity_layer(random: Random) -> Pair:
    net = headed(random, body(random))
    nodes = [*net.nodes[:3], node("MatMul", ["r", "eye"], ["q"]), node("MatMul", ["q", "v"], ["o"]), *net.nodes[4:]]
    return net, net.copy(nodes=nodes, constants={**net.constants, "eye": np.eye(len(net.constants["b"]), dtype="f")})


def spelled_softmax(random: Random) -> Pair:
    net = body(random)
    ways: list[list[onnx.NodeProto]] = [
        [node("Softmax", ["z"], ["y"], axis=1)],
        [node("Softmax", ["z"], ["y"], axis=-1)],
        [node("Exp", ["z"], ["e"]), node("Normalizer", ["e"], ["y"], domain=ML, norm="L1")],
        [node("LogSoftmax", ["z"], ["l"], axis=1), node("Exp", ["l"], ["y"])],
        [node("Softmax", ["z"], ["p"], axis=1), node("Normalizer", ["p"], ["y"], domain=ML, norm="L1")],
        [node("Exp", ["z"], ["e"]), node("ReduceSum", ["e", "one"], ["t"]), node("Div", ["e", "t"], ["y"])],
    ]
    net.constants["one"] = np.array([1])
    pair = random.choice(len(ways), 2, replace=False)
    return net.copy(head=ways[pair[0]]), net.copy(head=ways[pair[1]])


def softmax_of_two_versions(random: Random) -> Pair:
    """On a matrix, the versions mean the same."""
    net = body(random)
    net.head = [node("Softmax", ["z"], ["y"], axis=1)]
    return net.copy(opset=int(random.choice([9, 11, 12]))), net


def choices_under_any_scores(random: Random) -> Pair:
    """An arg max of scores is that of the logits."""
    net = body(random).copy(dtype=TensorProto.INT64)
    scores = str(random.choice(["Sigmoid", "Softmax", "Exp"]))
    plain = [node("ArgMax", ["z"], ["y"], axis=1)]
    return net.copy(head=plain), net.copy(head=[node(scores, ["z"], ["p"]), node("ArgMax", ["p"], ["y"], axis=1)])


def shifted_under_softmax(random: Random) -> Pair:
    """One constant added to all logits of a Softmax changes no output, but every logit."""
    net = body(random).copy(head=[node("Softmax", ["z"], ["y"], axis=1)])
    return net, net.copy(constants={**net.constants, "c": net.constants["c"] + np.float32(1)})


def two_inputs(random: Random, names: Sequence[str]) -> Net:
    nodes = [node("Mul", ["a", "k"], ["m"]), node("Sub", ["m", "b"], ["h"]), node("Relu", ["h"], ["z"])]
    return Net({name: (1, 3) for name in names}, nodes, {"k": np.array(3, np.float32)})


def inputs_in_another_order(random: Random) -> Pair:
    net = headed(random, two_inputs(random, ["a", "b"]))
    return net, net.copy(inputs={"b": (1, 3), "a": (1, 3)})


def axes_of_length_one(random: Random) -> Pair:
    net = body(random)
    return net, body_with(net, {"s": np.array([3])})


def body_with(net: Net, constants: Mapping[str, AnyArray]) -> Net:
    return net.copy(constants={**net.constants, **constants})


# Different by construction.


def another_constant(random: Random) -> Pair:
    net = headed(random, body(random))
    other = net.constants["c"].copy()
    other[random.integers(len(other))] += np.float32(2.0**-10)
    return net, body_with(net, {"c": other})


def head_or_none(random: Random) -> Pair:
    net = body(random)
    op = str(random.choice(["Softmax", "Sigmoid", "Tanh", "LogSoftmax", "Exp"]))
    return net, net.copy(head=[node(op, ["z"], ["y"])])


def two_heads(random: Random) -> Pair:
    net = body(random)
    pair = random.choice(["Softmax", "Sigmoid", "Tanh", "LogSoftmax", "Exp", "Softplus"], 2, replace=False)
    first, second = (net.copy(head=[node(str(op), ["z"], ["y"])]) for op in pair)
    return first, second


def constants_above_a_head(random: Random) -> Pair:
    net = body_with(body(random), {"one": np.array(0.5, np.float32), "two": np.array(0.75, np.float32)})
    op = str(random.choice(["Softmax", "Sigmoid", "Exp"]))
    tails = [[node(op, ["z"], ["p"]), node("Add", ["p", name], ["y"])] for name in ("one", "two")]
    return net.copy(head=tails[0]), net.copy(head=tails[1])


def norms(random: Random) -> Pair:
    net = body(random)
    first, second = (
        net.copy(head=[node("Sigmoid", ["z"], ["p"]), node("Normalizer", ["p"], ["y"], domain=ML, norm=norm)])
        for norm in ("L1", "MAX")
    )
    return first, second


def axes_of_softmax(random: Random) -> Pair:
    net = body(random, (1, 3, 3))
    first, second = (net.copy(head=[node("Softmax", ["z"], ["y"], axis=axis)]) for axis in (1, 2))
    return first, second


def transposed_before_softmax(random: Random) -> Pair:
    net = body(random, (1, 3, 3))
    turned = [node("Transpose", ["z"], ["t"], perm=[0, 2, 1]), node("Softmax", ["t"], ["y"], axis=2)]
    return net.copy(head=[node("Softmax", ["z"], ["y"], axis=1)]), net.copy(head=turned)


def versions_of_softmax(random: Random) -> Pair:
    net = body(random, (1, 2, 3)).copy(head=[node("Softmax", ["z"], ["y"], axis=1)])
    return net.copy(opset=int(random.choice([9, 11, 12]))), net.copy(opset=int(random.choice([13, 17, 20])))


def labels(random: Random) -> Pair:
    net = body(random).copy(dtype=TensorProto.STRING)
    net.head = [node("ArgMax", ["z"], ["k"], axis=1, keepdims=0), node("Gather", ["names", "k"], ["y"])]
    names = np.array(["a", "b", "c"])
    other = random.permutation(names)
    while np.array_equal(other, names):
        other = random.permutation(names)
    return body_with(net, {"names": names}), body_with(net, {"names": other})


def tie_rules(random: Random) -> Pair:
    """The first two logits are equal everywhere, the third is smaller."""
    net = body(random).copy(dtype=TensorProto.INT64)
    v, c = net.constants["v"].copy(), net.constants["c"].copy()
    v[:, 1], c[1], v[:, 2], c[2] = v[:, 0], c[0], v[:, 0], c[0] - 1
    net = body_with(net, {"v": v, "c": c})
    first, second = (net.copy(head=[node("ArgMax", ["z"], ["y"], axis=1, select_last_index=last)]) for last in (0, 1))
    return first, second


def shapes_of_inputs(random: Random) -> Pair:
    nodes = [node("Reshape", ["x", "s"], ["f"]), node("MatMul", ["f", "w"], ["z"])]
    net = Net({"x": (1, 2, 3)}, nodes, {"w": numbers(random, 6, 3), "s": np.array([1, 6])})
    net = headed(random, net)
    return net, net.copy(inputs={"x": (1, 3, 2)})


def inputs_of_other_names(random: Random) -> Pair:
    """a and b in one order of places, but each of them as the other."""
    net = headed(random, two_inputs(random, ["a", "b"]))
    swapped = [node("Mul", ["b", "k"], ["m"]), node("Sub", ["m", "a"], ["h"]), node("Relu", ["h"], ["z"])]
    return net, net.copy(nodes=swapped, inputs={"b": (1, 3), "a": (1, 3)})


def permuted_outputs(random: Random) -> Pair:
    net = headed(random, body(random))
    return net, body_with(net, {"v": net.constants["v"][:, [1, 2, 0]], "c": net.constants["c"][[1, 2, 0]]})


def forgotten_unit(random: Random) -> Pair:
    """A unit that is on somewhere is left out of all logits but the first."""
    net = headed(random, body(random))
    other = net.constants["v"].copy()
    other[0, 1:] = 0
    return net, body_with(net, {"v": other})


def shapes_of_outputs(random: Random) -> Pair:
    net = body(random, (2, 3))
    return net, body_with(net, {"s": np.array([3, 2])})


def keys_of_maps(random: Random) -> Pair:
    net = body(random)
    nets: list[Net] = []
    for names in (["a", "b", "c"], ["a", "b", "d"]):
        keyed = node("ZipMap", ["p"], ["y"], domain=ML, classlabels_strings=names)
        nets.append(net.copy(head=[node("Softmax", ["z"], ["p"]), keyed]))
    return nets[0], nets[1]


Kind = Callable[[Random], Pair]

EQUAL: tuple[Kind, ...] = (
    renamed, permuted_units, scaled_units, split_units, folded_norm, turned_units, identity_layer, spelled_softmax,
    softmax_of_two_versions, choices_under_any_scores, inputs_in_another_order, axes_of_length_one,
)  # fmt: skip

HARD: tuple[Kind, ...] = (shifted_under_softmax,)
"""Equal outputs that need not be proved."""

DIFFERENT: tuple[Kind, ...] = (
    another_constant, head_or_none, two_heads, constants_above_a_head, norms, axes_of_softmax,
    transposed_before_softmax, versions_of_softmax, labels, tie_rules, shapes_of_inputs, inputs_of_other_names,
    permuted_outputs, forgotten_unit, shapes_of_outputs, keys_of_maps,
)  # fmt: skip
