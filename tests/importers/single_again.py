"""Old versions said again in the words of operator set 13: a third opinion where nobody runs the old words."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tests.importers.onnx_models import AnyArray
from tests.importers.single import Draw

MODERN = 13
_LISTS = {
    "Pad": (("pads", "paddings"), ("value",)),
    "Slice": (("starts",), ("ends",), ("axes",)),
    "Clip": (("min",), ("max",)),
    "Split": (("split",),),
    "Reshape": (("shape",),),
    **dict.fromkeys(("ReduceSum", "Squeeze", "Unsqueeze"), (("axes",),)),
}
"""Attributes that became inputs, in their order."""
_HINTS = ("consumed_inputs", "is_test", "output_sequence", "broadcast", "axis", "spatial")


def again(draw: Draw) -> AnyArray:
    """Return the output at the model's own point, as onnxruntime computes it from the newer words."""
    if draw.op == "LinearRegressor":
        return _regressed(draw)
    model = onnx.ModelProto()
    model.CopyFrom(draw.model())
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", MODERN))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        model.graph.node.extend(_restated(draw, node, model.graph))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([draw.output], draw.varying)[0])


def _regressed(draw: Draw) -> AnyArray:
    """Return a linear regression in numpy: the runtime has it for float32 only."""
    given = {item.name: helper.get_attribute_value(item) for item in draw.nodes[0].attribute}
    targets = given.get("targets", 1)
    weight = np.array(given["coefficients"]).reshape(targets, -1)
    found: AnyArray = draw.varying["x0"] @ weight.T + np.array(given.get("intercepts", [0.0] * targets))
    return found


def _restated(draw: Draw, node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    given = {item.name: _plain(helper.get_attribute_value(item)) for item in node.attribute}
    op = {"Scatter": "ScatterElements", "Upsample": "Resize"}.get(node.op_type, node.op_type)
    inputs, before = list(node.input), list[onnx.NodeProto]()
    for graph_attribute in [item.g for item in node.attribute if item.HasField("g")]:
        _restate_body(graph_attribute)
    if op == "Cast" and isinstance(given["to"], bytes):
        given["to"] = TensorProto.DataType.Value(given["to"].decode())
    if op == "Resize":
        return [helper.make_node(op, [inputs[0], "", inputs[1]], node.output, mode=given.get("mode", b"nearest"),
                                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")]  # fmt: skip
    if op == "BatchNormalization" and not given.get("spatial", 1):
        return _apart(inputs, node.output[0], given.get("epsilon", 1e-5), graph)
    if op == "BatchNormalization":
        del node.output[1:]
    if op in ("Dropout", "Optional", "OptionalGetElement"):
        return [helper.make_node("Identity", inputs, node.output[:1])]
    if op == "RNN" and given.pop("layout", 0):
        return _batch_second(inputs, list(node.output), given)
    if op == "PRelu" or "broadcast" in given:
        left, right = (_shape(draw, name) for name in inputs[:2])
        dims = _slope(left, right) if op == "PRelu" else _run(left, right, given.get("axis"))
        if op != "Gemm" and dims is not None:  # the run of axes that Gemm's bias may be is what newer sets take too
            inputs[1], name = f"{inputs[1]}_again", inputs[1]
            graph.initializer.append(numpy_helper.from_array(np.array(dims, np.int64), f"{name}_dims"))
            before = [helper.make_node("Reshape", [name, f"{name}_dims"], [inputs[1]])]
    if op == "Concat":
        given.setdefault("axis", 1)
    for names in _LISTS.get(op, ()):
        value = next((given.pop(name) for name in names if name in given), None)
        inputs.append("" if value is None else f"{node.name}_{names[0]}")
        if value is not None:
            kind = np.float32 if isinstance(value, float) else np.int64
            graph.initializer.append(numpy_helper.from_array(np.array(value, kind), inputs[-1]))
    kept = {"axis"} if op in ("Concat", "Split", "Softmax", "ArgMax", "ScatterElements", "Gather", "Flatten") else set()
    rest = {name: value for name, value in given.items() if name not in _HINTS or name in kept}
    return [*before, helper.make_node(op, inputs, node.output, **rest)]


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, np.floating) else value


def _apart(inputs: list[str], output: str, epsilon: float, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Say a normalisation entry by entry in arithmetic."""
    x, scale, bias, mean, variance = inputs
    graph.initializer.append(numpy_helper.from_array(np.array(epsilon, np.float32), "epsilon"))
    steps = [("Sub", x, mean), ("Add", variance, "epsilon"), ("Sqrt", "s1"), ("Div", "s0", "s2"), ("Mul", "s3", scale)]
    made = [helper.make_node(op, list(names), [f"s{place}"]) for place, (op, *names) in enumerate(steps)]
    return [*made, helper.make_node("Add", ["s4", bias], [output])]


def _restate_body(body: onnx.GraphProto) -> None:
    for node in body.node:
        for item in [item for item in node.attribute if item.name in _HINTS]:
            node.attribute.remove(item)


def _batch_second(inputs: list[str], outputs: list[str], given: dict[str, Any]) -> list[onnx.NodeProto]:
    """Turn a recurrence whose tensors have the batch first."""
    data, state = inputs[0], inputs[5] if len(inputs) > 5 else ""
    before = [helper.make_node("Transpose", [name], [f"{name}_t"], perm=[1, 0, 2]) for name in (data, state) if name]
    turned = [f"{data}_t", *inputs[1:5], *([f"{state}_t"] if state else [])]
    main = helper.make_node("RNN", turned, [f"{name}_t" if name else "" for name in outputs], **given)
    orders = ([2, 0, 1, 3], [1, 0, 2])
    after = [helper.make_node("Transpose", [f"{n}_t"], [n], perm=p) for n, p in zip(outputs, orders, strict=False) if n]
    return [*before, main, *after]


def _shape(draw: Draw, name: str) -> tuple[int, ...]:
    found: dict[str, Any] = {**draw.constants, **draw.varying}
    return found[name].shape if name in found else ()


def _run(left: tuple[int, ...], right: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """Return where a run of axes lies: ones behind it."""
    if int(np.prod(right)) == 1 or axis is None:
        return right if axis is None and int(np.prod(right)) != 1 else (1,)
    return right + (1,) * (len(left) - axis - len(right))


def _slope(data: tuple[int, ...], slope: tuple[int, ...]) -> tuple[int, ...] | None:
    return (*slope, *(1 for _ in data[2:])) if int(np.prod(slope)) != 1 else None
