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


@dataclass(eq=False)
class Sketch:
    """A graph from ``x`` of shape (N, 4) under construction.

    Args:
        dtype: element type of the input and of all float constants.
        alone: whether the file takes one sample at a time.
        steps: inputs near which the graph's own choices change.
    """

    random: Random
    dtype: str = "float32"
    alone: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    steps: list[float] = field(default_factory=lambda: [0.0])

    def constant(self, value: object, dtype: type | None = None) -> str:
        """Add an initializer, of the graph's own type where none is given."""
        name = f"c{len(self.constants)}"
        wanted = self.dtype if dtype is None else dtype
        self.constants[name] = np.clip(np.asarray(value), -self.largest, self.largest).astype(wanted)
        return name

    @property
    def largest(self) -> float:
        """The largest number that is used."""
        return {"float16": 6e4, "float32": 3e38, "float64": 1e300}[self.dtype]

    @property
    def element(self) -> int:
        """The type as ONNX numbers it."""
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)))

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
    far = s.constants[s.constant(large)]
    level = s.constant(float(far) + slope * edge)
    exactly = float(np.float64(s.constants[level]) - np.float64(far)) / slope
    s.steps.append(exactly)
    if float(s.constants[s.constant(exactly)]) != exactly or slope == 3:
        return s.node("Relu", s.node("Sub", moved, level))
    compared = s.node(str(s.random.choice(["Greater", "GreaterOrEqual"])), moved, level)
    steep = s.pick(1, -1, 4, 1024, -0.125)
    branch = s.node("Mul", s.node("Sub", x, s.constant(exactly)), s.constant(steep))
    if s.random.random() < 0.3:
        return s.node("Mul", branch, s.node("Cast", compared, to=s.element))
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
        return s.node("Cast", s.node("Cast", made, to=TensorProto.INT64), to=s.element)
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
        found = s.node(op, x, axes, keepdims=1)
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


def windowed(s: Sketch, x: str) -> str:
    """Convolutions, also transposed, with a bias that may come first in the sum."""
    image = s.node("Unsqueeze", x, s.constant([1], np.int64))
    weight = s.constant(s.random.standard_normal((1, 1, 3)) * s.pick(1, 1e20, 1e-20))
    bias = s.constant([s.pick(0, 1, -1e30, 1e-3)])
    op = str(s.random.choice(["Conv", "ConvTranspose"]))
    return s.node("Squeeze", s.node(op, image, weight, bias, pads=[1, 1]), s.constant([1], np.int64))


def unrolled(s: Sketch, x: str) -> str:
    """A recurrence over the four entries."""
    sequence = s.node("Unsqueeze", s.node("Transpose", x, perm=[1, 0]), s.constant([2], np.int64))
    weights = (s.constant(s.random.standard_normal((1, 1, 1)) * s.pick(1, 1e20)), s.constant([[[s.pick(1, -1, 1e5)]]]))
    bias = s.constant([[s.pick(0, 1, 1e30), s.pick(0, -1, -1e30)]])
    whole = s.node("RNN", sequence, *weights, bias, hidden_size=1, activations=["Relu"])
    return s.node("Transpose", s.node("Squeeze", whole, s.constant([1, 3], np.int64)), perm=[1, 0])


def combined(s: Sketch, x: str) -> str:
    """Variadic sums, contractions, interpolation, slopes, updates in place, and changes of type."""
    op = str(s.random.choice(["Sum", "Mean", "Einsum", "Resize", "PRelu", "Cast", "Pad", "ScatterElements"]))
    if op in ("Sum", "Mean"):
        return s.node(op, x, s.constant(s.pick(1e30, 1, -1000)), x, s.constant(-s.pick(1e30, 1, 1000)))
    if op == "Einsum":
        weight = s.constant(s.random.standard_normal((WIDTH, WIDTH)) * s.pick(1, 1e30))
        return s.node(op, x, weight, equation="bi,ij->bj")
    if op == "Resize":
        image = s.node("Unsqueeze", x, s.constant([1], np.int64))
        wide = s.node(op, image, "", s.constant([1, 1, s.pick(1.5, 2, 1.25)], np.float32), mode="linear")
        return first(s, s.node("Squeeze", wide, s.constant([1], np.int64)))
    if op == "PRelu":
        slopes = s.constant(np.full(WIDTH, s.pick(0.3, 10)))
        return s.node(op, x, s.node("Mul", s.constant(s.pick(0.1, 3, -0.7)), slopes))
    if op == "Cast":
        other = {"float16": TensorProto.FLOAT, "float32": TensorProto.FLOAT16, "float64": TensorProto.FLOAT}[s.dtype]
        return s.node(op, s.node(op, x, to=other), to=s.element)
    if op == "Pad":
        fill = s.node("Mul", s.constant(0.7), s.constant(10))
        return first(s, s.node(op, x, s.constant([0, 1, 0, 0], np.int64), fill))
    s.alone = True  # the updates are those of one sample
    update, kind = s.constant([[s.pick(1e30, 1e-30, 0.1), s.pick(1e-30, 1e30, 3)]]), s.random.choice(["add", "mul"])
    return s.node(op, x, s.constant([[1, 1]], np.int64), update, axis=1, reduction=str(kind))


def first(s: Sketch, x: str) -> str:
    """The first entries of a longer row."""
    return s.node("Slice", x, *(s.constant([number], np.int64) for number in (0, WIDTH, 1)))


PARTS: tuple[Callable[[Sketch, str], str], ...] = (
    chosen_by_comparison, constants_of_floats, reduced, scaled, layered, chosen_by_comparison, constants_of_floats,
    windowed, combined, unrolled, combined,
)  # fmt: skip


def random_model(random: Random) -> tuple[onnx.ModelProto, Sketch]:
    """Return a model of one to three parts; the last class is a constant near the others."""
    s = Sketch(random, str(random.choice(["float32"] * 6 + ["float64", "float16"])))
    x = "x"
    for _ in range(int(random.integers(1, 4))):
        x = PARTS[int(random.integers(len(PARTS)))](s, x)
    level = s.node("Add", s.node("Mul", "x", s.constant(0)), s.constant(s.pick(1e-5, 0, 1e-3, 1, 1e-30, 1e30)))
    s.nodes.append(helper.make_node("Concat", [x, level], ["y"], "outputs", axis=1))
    return build(s.nodes, {"x": (1 if s.alone else "N", WIDTH)}, ["y"], s.constants, opset=18, dtype=s.element), s


def adversarial(s: Sketch, count: int) -> Any:
    """Return inputs (count, 4): near the steps, huge, tiny, and plain."""
    rows = s.random.standard_normal((count, WIDTH))
    for row in rows:
        kind = int(s.random.integers(6))
        if kind < 3:
            row[:] = float(s.random.choice(np.array(s.steps))) + row * s.pick(1e-5, 1e-3, 1e-7, 1e-4, 3e-2)
        elif kind == 3:
            row[:] *= s.pick(1e10, 1e30, 1e38, 2.0**24)
        elif kind == 4:
            row[:] *= s.pick(1e-38, 1e-42, 1e-20, 1e-10)
    return np.clip(rows, -s.largest, s.largest).astype(s.dtype)
