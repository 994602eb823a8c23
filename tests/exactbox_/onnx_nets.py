"""ONNX files on which exact and float execution part, and copies of models with one constant moved by a last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.importers.onnx_models import build, save

FAR = np.array([2.0**24, 0.0], dtype=np.float32)
"""Adding this rounds the first entry to even whole numbers."""


def far_and_back(folder: Path, *, relu: bool = False) -> Path:
    """Write y = (x + far) - far, which is x; float32 loses what is smaller than 1 in the first entry."""
    tail = "z" if relu else "y"
    nodes = [helper.make_node("Add", ["x", "far"], ["a"], "add"), helper.make_node("Sub", ["a", "far"], [tail], "sub")]
    if relu:
        nodes.append(helper.make_node("Relu", ["z"], ["y"], "relu"))
    return save(build(nodes, {"x": ("N", 2)}, ["y"], {"far": FAR}), folder, "far.onnx")


def saturated(folder: Path) -> Path:
    """Write y = argmax(sigmoid(x)), whose float tail says 0 where two logits are large."""
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"], "sigmoid"),
        helper.make_node("ArgMax", ["s"], ["y"], "argmax", axis=1, keepdims=0),
    ]
    declared = [helper.make_tensor_value_info("y", TensorProto.INT64, None)]
    return save(build(nodes, {"x": ("N", 2)}, declared), folder, "saturated.onnx")


def scalar_sign(folder: Path) -> Path:
    """Write y = x0 - x1, one logit."""
    weight = np.array([[1.0], [-1.0]], dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    return save(build(nodes, {"x": ("N", 2)}, ["y"], {"w": weight}), folder, "sign.onnx")


def beyond_floats(folder: Path) -> Path:
    """Write a net of two inputs whose finite weights lead to outputs that no float can hold."""
    weight = np.array([[1e300, -1e300], [2.0, 1e300]])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], "first"),
        helper.make_node("Relu", ["z"], ["a"], "relu"),
        helper.make_node("MatMul", ["a", "w"], ["y"], "second"),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.DOUBLE, (1, 2))],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, (1, 2))], [numpy_helper.from_array(weight, "w")],
    )
    return save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder, "far.onnx")


def fixed_batch(folder: Path) -> Path:
    """Write a Relu on an input whose batch is fixed at one."""
    return save(build([helper.make_node("Relu", ["x"], ["y"], "relu")], {"x": (1, 2)}), folder, "fixed.onnx")


def planted(source: Path, folder: Path, tensor: str, entry: int) -> Path:
    """Write a copy of a model with one float moved to the next larger number."""
    model = onnx.load(source)
    for stored in model.graph.initializer:
        if stored.name == tensor:
            values = numpy_helper.to_array(stored).copy()
            values.flat[entry] = np.nextafter(values.flat[entry], np.asarray(np.inf, values.dtype))
            stored.CopyFrom(numpy_helper.from_array(values, tensor))
    return save(model, folder, "planted.onnx")
