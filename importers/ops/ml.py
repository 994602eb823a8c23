"""Operators of the domain ai.onnx.ml that scikit-learn's exporters write."""

from __future__ import annotations

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import constant_of
from exactbox.importers.ops.head import class_names
from exactbox.importers.ops.linear import product
from exactbox.importers.ops.shape import cast_constant, cast_data
from exactbox.importers.registry import ML, heads, lowers, refuses
from exactbox.importers.tails import fibres, recorded, step_of, tail_of
from exactbox.importers.values import INTEGER_TYPES, Choice, Constant, Data, Scores, Tensor, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import Rationals, exact
from exactbox.polytope.wording import counted

refuses("Binarizer", domain=ML, why="data-dependent comparison: continuity not shown")
refuses("Normalizer", domain=ML, why="divides by a norm of the data: not piecewise linear")
refuses("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", domain=ML, why="trees jump: not continuous")


@lowers("Scaler", domain=ML)
def scaler(call: Call) -> Data:
    """(x - offset) * scale."""
    data = features(call)
    offset, scale = (_vector(call, name) for name in ("offset", "scale"))
    result = data
    if offset is not None:
        result = call.builder.shift(result, -offset)
    return result if scale is None else call.builder.scale(result, scale)


def _vector(call: Call, name: str) -> Rationals | None:
    """Return a float attribute that fits the last axis, or None where it is absent."""
    values = call.node.numbers(name)
    if not values:
        return None
    width = call.value(0).shape[-1] if call.value(0).shape else 1
    if len(values) not in (1, width):
        call.refuse(f"{name}: expected {counted(width, 'value')}, got {len(values)}")
    return exact(np.array(values)) if len(values) > 1 else exact(np.array(values)).reshape()


@lowers("LinearRegressor", domain=ML)
def linear_regressor(call: Call) -> Data:
    """One affine function for each target."""
    if call.node.text("post_transform", "NONE") != "NONE":
        call.refuse(f"post_transform {call.node.text('post_transform', 'NONE')} is not lowered")
    return _linear(call, call.node.integer("targets", 1))


@heads("LinearClassifier", domain=ML)
def linear_classifier(call: Call) -> list[Tensor | None]:
    """Linear scores, perhaps under Softmax or the logistic function, and the label of the largest."""
    names = class_names(call, "classlabels_strings", "classlabels_ints")
    transform = call.node.text("post_transform", "NONE")
    rows = len(call.node.numbers("intercepts") or ()) or len(names)
    if rows != len(names) or rows < 2:
        call.refuse(f"{counted(rows, 'row')} of coefficients for {len(names)} classes")
    data = _linear(call, rows)
    origin = ((call.node.name, call.node.op),)
    tail = {"NONE": "", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}.get(transform)
    if tail is None:
        call.refuse(f"post_transform {transform} is not lowered")
    fibre = fibres(data.shape, (len(data.shape) - 1,)) if tail == "Softmax" else None
    own = (tail_of(call, f"post_transform={transform}", fibre=fibre, op=tail),) if tail else ()
    scores = Scores(data, own, True, origin)
    if tail and len(call.node.outputs) > 1 and call.node.outputs[1]:
        call.bare.append((call.node.outputs[1], data))
    steps = (*recorded(scores)[0], step_of(call))
    kind = "string" if call.node.texts("classlabels_strings") else "int64"
    label = Choice(data, "argmax", "first", data.shape[:-1], steps, origin, names, kind)
    return [label, scores if tail else data]


def features(call: Call, place: int = 0) -> Data:
    """Return the features, floats or whole numbers, as float32, the float type that this domain's results have."""
    found = call.value(place)
    if isinstance(found, Data) and found.dtype in INTEGER_TYPES:
        return cast_data(call, found, "float32")
    if isinstance(found, Constant) and found.dtype in INTEGER_TYPES:
        return call.builder.data(cast_constant(call, found, "float32"))
    return cast_data(call, call.data(place), "float32")


def samples(call: Call) -> Data:
    """Return the features with an axis of samples."""
    data = features(call)
    return data.moved(lambda array: array[None, :]) if len(data.shape) == 1 else data


def _linear(call: Call, rows: int) -> Data:
    data = samples(call)
    coefficients = call.node.numbers("coefficients") or ()
    intercepts = call.node.numbers("intercepts") or (0.0,) * rows
    width = data.shape[-1]
    if len(coefficients) != rows * width or len(intercepts) != rows or len(data.shape) != 2:
        call.refuse(f"{counted(len(coefficients), 'coefficient')} for {counted(rows, 'row')} of {width} features")
    weight = constant_of(np.array(coefficients).reshape(rows, width).T)
    bias = np.array(intercepts)
    rounding = Rounding(terms=2, magnitude=np.abs(bias))
    return call.builder.shift(product(call, data, weight, True, rounding), exact(bias))


@lowers("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(call: Call) -> Value:
    """Select entries of the last axis."""
    value = call.value(0)
    places = call.integers(1, "the index")
    width = value.shape[-1] if value.shape else 0
    if any(not 0 <= place < width for place in places):
        call.refuse(f"indices {places} leave an axis of length {width}")
    picked = value.moved(lambda array: array[..., places])
    return picked if len(value.shape) > 1 else picked.moved(lambda array: array[None, :])


@lowers("Imputer", domain=ML)
def imputer(call: Call) -> Data:
    """Replaces NaN, which no real number is: the identity."""
    replaced = call.node.number("replaced_value_float", 0.0)
    if not np.isnan(replaced):
        call.refuse("replaces a number of the data: data-dependent comparison: continuity not shown")
    return call.data()


@lowers("FeatureVectorizer", domain=ML)
def feature_vectorizer(call: Call) -> Data:
    """Concatenate features."""
    parts = [features(call, i) for i in range(len(call.inputs))]
    flat = [part.moved(lambda array: array.reshape(array.shape[0] if array.ndim > 1 else 1, -1)) for part in parts]
    given, widths = call.node.integers("inputdimensions"), tuple(part.shape[1] for part in flat)
    if given and given != widths:
        call.refuse(f"inputdimensions {given} are not the widths {widths} of the inputs")
    return call.builder.concatenated(flat, 1)
