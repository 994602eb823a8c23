"""Random small models whose float execution is hard to bound, with inputs where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.importers.onnx_models import build

Random = np.random.Generator
WIDTH = 4
BITS = np.float32


@dataclass(eq=False)
class Sketch:
    """A graph from ``x`` of shape (N, 4) under construction.

    Args:
        steps: inputs near which the graph's own choices change.
    """

    random: Random
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    steps: list[float] = field(default_factory=lambda: [0.0])

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Add an initializer."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.clip(np.asarray(value), -3e38, 3e38).astype(dtype)
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns its output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], f"{op.lower()}{name}", **attributes))
        return name

    def pick(self, *choices: float) -> float:
        """Choose one number."""
        return float(self.random.choice(np.array(choices)))


def chosen_by_comparison(s: Sketch, x: str) -> str:
    """where(d > 0, m d + r, r) for a d that is computed with rounding."""
    large, slope = s.pick(1000, -3e6, 2.0**24, 1e30, 0.1), s.pick(1, -2, 0.5, 3, -0.25)
    edge = s.pick(0, 0.5, -3)
    moved = s.node("Add", s.node("Mul", x, s.constant(slope)), s.constant(large))
    level = s.constant(BITS(large) + BITS(slope) * BITS(edge))
    exactly = float(np.float64(s.constants[level]) - np.float64(BITS(large))) / slope
    s.steps.append(exactly)
    if BITS(exactly) != exactly:
        return s.node("Relu", s.node("Sub", moved, level))
    compared = s.node(str(s.random.choice(["Greater", "GreaterOrEqual"])), moved, level)
    steep = s.pick(1, -1, 4, 1024, -0.125)
    branch = s.node("Mul", s.node("Sub", x, s.constant(exactly)), s.constant(steep))
    if s.random.random() < 0.3:
        return s.node("Mul", branch, s.node("Cast", compared, to=TensorProto.FLOAT))
    return s.node("Where", compared, branch, s.constant(0))


def folded(s: Sketch) -> str:
    """A float constant that the model computes."""
    one, other = s.constant(s.pick(0.7, 0.1, 1e-3, 3.3, 7)), s.constant(s.pick(10, 3, 0.3, 1000, 0.5))
    made = s.node(str(s.random.choice(["Mul", "Div", "Add", "Sub"])), one, other)
    for _ in range(int(s.random.integers(3))):
        op = str(s.random.choice(["Mul", "Sqrt", "Add", "Exp", "Reciprocal", "Neg", "Min", "Clip", "ReduceSum"]))
        if op in ("Mul", "Add", "Min"):
            made = s.node(op, made, s.constant(s.pick(0.1, 3, -0.7, 10)))
        elif op == "Sqrt":
            made = s.node(op, s.node("Abs", made))
        elif op == "Exp":
            made = s.node(op, s.node("Mul", made, s.constant(1e-4)))
        elif op == "Clip":
            made = s.node(op, made, s.constant(-0.3), s.node("Mul", s.constant(0.7), s.constant(10)))
        elif op == "ReduceSum":
            made = s.node(op, s.node("Concat", *(s.node("Unsqueeze", made, s.constant([0], np.int64)),) * 3, axis=0),
                          keepdims=0)  # fmt: skip
        else:
            made = s.node(op, made)
    return made


def stepped(s: Sketch, made: str) -> str:
    """A step function of a computed constant, as a float."""
    op = str(s.random.choice(["Floor", "Ceil", "Round", "Sign", "Cast", "Greater", "Equal", "Range", "none"]))
    if op in ("Floor", "Ceil", "Round", "Sign"):
        return s.node(op, made)
    if op == "Cast":
        return s.node("Cast", s.node("Cast", made, to=TensorProto.INT64), to=TensorProto.FLOAT)
    if op in ("Greater", "Equal"):
        truth = s.node(op, made, s.constant(s.pick(7, 1, 0.3, 3, 2)))
        return s.node("Where", truth, s.constant(2), s.constant(-1))
    if op == "Range":
        bound = s.node("Clip", s.node("Abs", made), s.constant(0.2), s.constant(20))
        numbers = s.node("Range", s.constant(0), bound, s.constant(s.pick(0.1, 0.25, 1)))
        return s.node("ReduceSum", numbers, keepdims=0)
    return made


def constants_of_floats(s: Sketch, x: str) -> str:
    """A product, a sum, a bound or a quotient with computed constants."""
    made = stepped(s, folded(s))
    op = str(s.random.choice(["Mul", "Add", "Max", "Div", "Sub"]))
    if op == "Div":
        made = s.node("Add", s.node("Abs", made), s.constant(0.1))
    return s.node(op, x, made)


def reduced(s: Sketch, x: str) -> str:
    """Means and sums whose partial sums are larger than they are."""
    op = str(s.random.choice(["ReduceMean", "GlobalAveragePool", "AveragePool", "ReduceSum", "ReduceL1", "CumSum"]))
    if op in ("ReduceMean", "ReduceSum", "ReduceL1"):
        axes = s.constant([1], np.int64)
        found = s.node(op, x, axes, keepdims=1) if op == "ReduceSum" else s.node(op, x, axes=[1], keepdims=1)
        return s.node("Mul", found, s.constant(np.ones((1, WIDTH))))
    if op == "CumSum":
        return s.node(op, x, s.constant(1, np.int64))
    image = s.node("Unsqueeze", x, s.constant([1], np.int64))
    if op == "GlobalAveragePool":
        found = s.node("Squeeze", s.node(op, image), s.constant([1], np.int64))
        return s.node("Mul", found, s.constant(np.ones((1, WIDTH))))
    padded = int(s.random.integers(2))
    pooled = s.node(op, image, kernel_shape=[3], pads=[1, 1], count_include_pad=padded)
    return s.node("Squeeze", pooled, s.constant([1], np.int64))


def scaled(s: Sketch, x: str) -> str:
    """Products that are scaled late, and normalisations with large or tiny parameters."""
    if s.random.random() < 0.5:
        weight = s.random.standard_normal((WIDTH, WIDTH)) * s.pick(1, 1e20, 1e-20)
        bias = s.constant(s.random.standard_normal(WIDTH) * s.pick(0, 1, 1e30))
        alpha, beta = s.pick(1, 0.01, 1e-20, 1e20, 1e-35), s.pick(1, 0.3, 1e-10)
        return s.node("Gemm", x, s.constant(weight), bias, alpha=alpha, beta=beta)
    sizes = [s.pick(1, 1e-30, 1e30, 1e38), s.pick(1, 0, 1e30), s.pick(0, 1, 1e20), s.pick(1, 1e-38, 1e-44, 1e30, 3e38)]
    parts = [s.constant(np.abs(s.random.standard_normal(WIDTH) + 0.5) * size) for size in sizes]
    return s.node("BatchNormalization", x, *parts, epsilon=s.pick(1e-5, 1e-12, 1e30))


def layered(s: Sketch, x: str) -> str:
    """A layer with cancelling weights and an activation."""
    weight = s.random.standard_normal((WIDTH, WIDTH)) * s.pick(1, 100)
    weight[1] = -weight[0] * (1 + s.pick(0, 2.0**-20))
    moved = s.node("Add", s.node("MatMul", x, s.constant(weight)), s.constant(s.random.standard_normal(WIDTH)))
    op = str(s.random.choice(["Relu", "LeakyRelu", "HardSigmoid", "Abs", "Clip", "ThresholdedRelu"]))
    attributes = {"LeakyRelu": {"alpha": s.pick(0.01, 3)}, "ThresholdedRelu": {"alpha": 0.0}}.get(op, {})
    limits = (s.constant(-1), s.constant(s.pick(1, 6))) if op == "Clip" else ()
    return s.node(op, moved, *limits, **attributes)


PARTS: tuple[Callable[[Sketch, str], str], ...] = (
    chosen_by_comparison, constants_of_floats, reduced, scaled, layered, chosen_by_comparison, constants_of_floats,
)  # fmt: skip


def random_model(random: Random) -> tuple[onnx.ModelProto, Sketch]:
    """Return a model of one to three parts; the last class is a constant near the others."""
    s = Sketch(random)
    x = "x"
    for _ in range(int(random.integers(1, 4))):
        x = PARTS[int(random.integers(len(PARTS)))](s, x)
    level = s.node("Add", s.node("Mul", "x", s.constant(0)), s.constant(s.pick(1e-5, 0, 1e-3, 1, 1e-30, 1e30)))
    s.nodes.append(helper.make_node("Concat", [x, level], ["y"], "outputs", axis=1))
    return build(s.nodes, {"x": ("N", WIDTH)}, ["y"], s.constants, opset=17), s


def adversarial(s: Sketch, count: int) -> Any:
    """Return float32 inputs (count, 4): near the steps, huge, tiny, and plain."""
    rows = s.random.standard_normal((count, WIDTH))
    for row in rows:
        kind = int(s.random.integers(6))
        if kind < 3:
            row[:] = float(s.random.choice(np.array(s.steps))) + row * s.pick(1e-5, 1e-3, 1e-7, 1e-4, 3e-2)
        elif kind == 3:
            row[:] *= s.pick(1e10, 1e30, 1e38, 2.0**24)
        elif kind == 4:
            row[:] *= s.pick(1e-38, 1e-42, 1e-20, 1e-10)
    return np.clip(rows, -3e38, 3e38).astype(np.float32)
