"""Small ONNX models for tests, and the independent ways to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

IR_VERSION = 10
OPSET = 20
ML = "ai.onnx.ml"

AnyArray = npt.NDArray[Any]
Shape = Sequence[int | str | None]


def tensor_info(name: str, shape: Shape | None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Declare an input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape | None],
    outputs: Sequence[str] | Sequence[onnx.ValueInfoProto] = ("y",),
    constants: Mapping[str, AnyArray] | None = None,
    *,
    opset: int = OPSET,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Make a model of float inputs and outputs; outputs given by name declare no shape."""
    declared = [item if isinstance(item, onnx.ValueInfoProto) else tensor_info(item, None, dtype) for item in outputs]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        list(nodes), "test", [tensor_info(n, s, dtype) for n, s in inputs.items()], declared, initializers
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3)]
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=imports)


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model into a test's folder."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def reference(model: onnx.ModelProto, feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
    """Run a model in onnx's own reference implementation, which shares no code with onnxruntime."""
    found = ReferenceEvaluator(model).run(None, dict(feeds))
    return [np.asarray(value) for value in found]


def mlp(seed: int = 0, sizes: Sequence[int] = (3, 4, 2), **extra: Any) -> onnx.ModelProto:
    """Make a small Relu network with Gemm layers, input ``x`` and output ``y``."""
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, AnyArray] = {}
    current = "x"
    for i, (rows, columns) in enumerate(zip(sizes[1:], sizes[:-1], strict=True)):
        constants[f"w{i}"] = random.integers(-4, 5, (rows, columns)).astype(np.float32)
        constants[f"b{i}"] = random.integers(-4, 5, rows).astype(np.float32)
        last = i == len(sizes) - 2
        nodes.append(
            helper.make_node("Gemm", [current, f"w{i}", f"b{i}"], ["y" if last else f"z{i}"], f"gemm{i}", transB=1)
        )
        if not last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i}"], f"relu{i}"))
            current = f"h{i}"
    return build(nodes, {"x": (1, sizes[0])}, ["y"], constants, **extra)


def with_functions(model: onnx.ModelProto, bodies: Mapping[str, Sequence[onnx.NodeProto]]) -> onnx.ModelProto:
    """Add functions of the domain ``own`` from ``v`` to ``r`` to a model."""
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
    for name, nodes in bodies.items():
        model.functions.append(helper.make_function("own", name, ["v"], ["r"], list(nodes), imports))
    if all(item.domain != "own" for item in model.opset_import):
        model.opset_import.append(helper.make_opsetid("own", 1))
    return model
