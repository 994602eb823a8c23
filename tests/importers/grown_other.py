"""Nodes of constants, monotone tails and scikit-learn's operators for graphs that grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.importers.grown import Grown, step, tail
from tests.importers.onnx_models import ML


def whole(g: Grown, low: int = -5, high: int = 6) -> str:
    """Draw whole numbers."""
    return g.constant(g.random.integers(low, high, (2, 3)))


@step("And", "Or", "Xor", "Not")
def logic(g: Grown, name: str, op: str) -> str:
    """Of constants."""
    parts = [g.constant(g.random.integers(0, 2, shape).astype(bool)) for shape in ((2, 3), (3,))]
    return g.absorb(name, g.add(op, parts[: 1 if op == "Not" else 2]))


@step("BitwiseAnd", "BitwiseOr", "Mod")
def whole_numbers(g: Grown, name: str, op: str) -> str:
    """Of whole constants, of either sign."""
    more = {"fmod": g.integer(0, 2)} if op == "Mod" else {}
    low = 1 if op == "Mod" else -5
    return g.absorb(name, g.add(op, [whole(g), whole(g, low)], **more))


@step("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def compared(g: Grown, name: str, op: str) -> str:
    """Of constants; of data only where that makes a continuous function, see Where."""
    parts = g.pick([whole(g), whole(g)], [g.floats((2, 3)), g.floats((3,))])
    return g.absorb(name, g.add(op, parts))


@step("Ceil", "Floor", "Round", "Sign", "Sqrt", "Reciprocal")
def of_constants(g: Grown, name: str, op: str) -> str:
    """Functions that are not piecewise linear, of constants."""
    low = 1 if op in ("Sqrt", "Reciprocal") else -7
    return g.absorb(name, g.add(op, [g.floats((2, 3), low, 8)]))


@step("NonZero")
def places(g: Grown, name: str, op: str) -> str:
    """Of constants."""
    entries = g.random.integers(-1, 2, (2, 3))
    entries[0, 0] = 1
    return g.absorb(name, g.add(op, [g.constant(entries)]))


@step("Range")
def counted(g: Grown, name: str, op: str) -> str:
    """Whole numbers or floats, up or down."""
    if g.chance():
        return g.absorb(name, g.add(op, [g.constant(np.int64(value)) for value in (g.integer(-3, 3), 7, 2)]))
    return g.absorb(name, g.add(op, [g.constant(np.float64(value)) for value in (5, g.integer(-3, 3), -0.75)]))


@step("ReduceProd")
def multiplied(g: Grown, name: str, op: str) -> str:
    """Of whole constants."""
    return g.absorb(name, g.add(op, [whole(g, -2, 4), g.ints(g.integer(0, 2))], keepdims=g.integer(0, 2)))


@step("Shape", "Size")
def sizes(g: Grown, name: str, op: str) -> str:
    """Of data: a constant."""
    more = {"start": g.integer(-2, 2)} if op == "Shape" else {}
    return g.absorb(name, g.add(op, [name], **more))


@step("Constant", "ConstantOfShape")
def made(g: Grown, name: str, op: str) -> str:
    """In several of its attributes."""
    if op == "ConstantOfShape":
        value = numpy_helper.from_array(np.array([g.integer(-2, 3)], np.float64))
        return str(g.add("Add", [name, g.add(op, [g.ints(*g.of(name).shape)], value=value)]))
    given: dict[str, Any] = g.pick(
        {"value": numpy_helper.from_array(np.array([1.5, -2]))}, {"value_float": 0.25}, {"value_int": 3},
        {"value_ints": [1, -2]}, {"value_floats": [0.5, 2.0]},
    )  # fmt: skip
    return g.absorb(name, g.add(op, [], **given))


@step("Swish")
def swished(g: Grown, name: str, op: str) -> str:
    """Of constants."""
    return g.absorb(name, g.add(op, [g.floats((2, 3))], alpha=g.fractions(1)[0]))


@step("SwiGLU")
def gated(g: Grown, name: str, op: str) -> str:
    """Data and a gate of constants."""
    return str(g.add(op, [g.floats(g.of(name).shape), name], alpha=g.fractions(1)[0]))


@step("EyeLike")
def diagonal(g: Grown, name: str, op: str) -> str:
    """Of the shape of data."""
    return g.absorb(name, g.add(op, [g.shaped(name, (2, 3))], k=g.integer(-1, 3)))


@step("DequantizeLinear")
def dequantized(g: Grown, name: str, op: str) -> str:
    """Whole numbers of one byte, with a scale for all or one a column."""
    count = g.pick((), (3,))
    scale = g.constant(g.random.integers(1, 9, count) / 4, np.float32)
    steps, zero = (g.constant(g.random.integers(-9, 9, shape), np.int8) for shape in ((2, 3), count))
    return g.absorb(name, g.add(op, [steps, scale, zero][: g.integer(2, 4)], axis=1))


@step("Scaler", domain=ML)
def scaled(g: Grown, name: str, op: str) -> str:
    """A number a feature, or one for all."""
    data = g.shaped(name, (2, 3))
    count = g.pick(1, 3)
    return str(g.add(op, [data], 1, ML, offset=g.fractions(count), scale=g.fractions(count, positive=True)))


@step("LinearRegressor", domain=ML)
def regressed(g: Grown, name: str, op: str) -> str:
    """One target or two."""
    targets = g.integer(1, 3)
    more = {"intercepts": g.fractions(targets)}
    more["coefficients"] = g.fractions(3 * targets)
    return str(g.add(op, [g.shaped(name, (2, 3))], 1, ML, targets=targets, **more))


@step("SVMRegressor", domain=ML)
def machine(g: Grown, name: str, op: str) -> str:
    """A linear kernel with support vectors."""
    vectors = {"support_vectors": g.fractions(6), "coefficients": g.fractions(2), "n_supports": 2}
    more = {"kernel_type": "LINEAR", "rho": g.fractions(1), "kernel_params": [0.0, 0.0, 3.0]}
    return str(g.add(op, [g.shaped(name, (2, 3))], 1, ML, **vectors, **more))


@step("ArrayFeatureExtractor", domain=ML)
def extracted(g: Grown, name: str, op: str) -> str:
    """Entries of the last axis."""
    places = g.constant(g.random.integers(0, 3, (g.integer(1, 4),)))
    return str(g.add(op, [g.shaped(name, (2, 3)), places], 1, ML))


@step("FeatureVectorizer", domain=ML)
def vectorised(g: Grown, name: str, op: str) -> str:
    """Features side by side."""
    return str(g.add(op, [g.shaped(name, (2, 3)), g.shaped(name, (2, 1))], 1, ML, inputdimensions=[3, 1]))


@step("Imputer", domain=ML)
def imputed(g: Grown, name: str, op: str) -> str:
    """For NaN, which no real number is."""
    more = {"replaced_value_float": float("nan"), "imputed_value_floats": g.fractions(3)}
    return str(g.add(op, [g.shaped(name, (2, 3))], 1, ML, **more))


@step("OneHotEncoder", domain=ML)
def one_hot(g: Grown, name: str, op: str) -> str:
    """Of fixed categories, some unknown."""
    if g.chance():
        column = g.constant(g.random.integers(0, 5, (3, 1)))
        return g.absorb(name, g.add(op, [column], 1, ML, cats_int64s=[1, 2, 3], zeros=1))
    column = g.constant(np.array([["a"], [g.pick("b", "z")]], dtype=object))
    return g.absorb(name, g.add(op, [column], 1, ML, cats_strings=["a", "b"], zeros=1))


@step("LabelEncoder", domain=ML)
def encoded(g: Grown, name: str, op: str) -> str:
    """Of fixed categories, some unknown."""
    column = g.constant(np.array(["a", g.pick("b", "z")], dtype=object))
    values: dict[str, Any] = g.pick(
        {"values_int64s": [5, 7], "default_int64": 2}, {"values_floats": [1.5, -2.0], "default_float": 0.5},
    )  # fmt: skip
    return g.absorb(name, g.add(op, [column], 1, ML, keys_strings=["a", "b"], **values))


@tail("Sigmoid", "Tanh", "Exp", "Softplus")
def entrywise(g: Grown, name: str, op: str) -> str:
    """An increasing function."""
    g.below = name
    return str(g.add(op, [name]))


def rivals(g: Grown, name: str) -> str:
    """Return a tensor whose last axis holds several entries."""
    return name if g.of(name).shape[-1] > 1 else g.shaped(name, (2, 3))


@tail("Log")
def logarithm(g: Grown, name: str, op: str) -> str:
    """Of positive scores."""
    g.below = name
    return str(g.add(op, [g.add(g.pick("Exp", "Sigmoid"), [name])]))


@tail("Softmax", "LogSoftmax")
def shares(g: Grown, name: str, op: str) -> str:
    """Along the last axis."""
    g.below = rivals(g, name)
    return str(g.add(op, [g.below], axis=-1))


@tail("Normalizer", domain=ML)
def normalised(g: Grown, name: str, op: str) -> str:
    """Positive scores by their sum or maximum."""
    g.below = g.shaped(name, (2, 3))
    return str(g.add(op, [g.add("Sigmoid", [g.below])], 1, ML, norm=g.pick("L1", "MAX")))


@tail("ArgMax", "ArgMin")
def extreme(g: Grown, name: str, op: str) -> str:
    """Along the last axis, under a tail or not."""
    g.below = rivals(g, name)
    scores = g.add("Softmax", [g.below], axis=-1) if g.chance() else g.below
    return str(g.add(op, [scores], axis=-1, keepdims=g.integer(0, 2), select_last_index=g.integer(0, 2)))


@tail("LinearClassifier", domain=ML)
def classified(g: Grown, name: str, op: str) -> str:
    """The scores of a linear classifier, plain or as shares."""
    data = g.shaped(name, (2, 3))
    more: dict[str, Any] = {"coefficients": g.fractions(9), "intercepts": g.fractions(3), "classlabels_ints": [0, 1, 2]}
    labels = g.add(op, [data], 2, ML, multi_class=1, post_transform="NONE", **more)
    g.below = labels[1]
    if g.chance():
        return str(labels[1])
    return str(g.add(op, [data], 2, ML, multi_class=1, post_transform="SOFTMAX", **more)[1])


KINDS = {"ArgMax": TensorProto.INT64, "ArgMin": TensorProto.INT64}
"""Element types of outputs that are no floats."""
