"""Tails, losses, recurrences, subgraphs, sequences and the operators of ai.onnx.ml, drawn in every version."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.importers.onnx_models import ML
from tests.importers.single import Draw, makes

_INFO = helper.make_tensor_value_info


@makes("Sigmoid", "Tanh", "Exp", "Softplus", "Log", "Softmax", "LogSoftmax")
def tails(d: Draw) -> object:
    shape = d.dims(2, 3, empty=False)
    if d.op in ("Sigmoid", "Tanh", "Exp") and d.chance(4):
        return d.absorb(d.add([d.floats((3,))]))
    data = d.data(shape)
    if d.op == "Log":
        data = d.add([data], 1, "Exp")
    d.head = True
    given: dict[str, Any] = {}
    if "Softmax" in d.op:
        low = -len(shape) if d.version >= 11 else 0
        given = d.some(axis=d.integer(low, len(shape)))
        axis = given.get("axis", 1 if d.version < 13 else -1) % len(shape)
        d.asked = axis == len(shape) - 1 and d.version >= 13  # else the logits are turned, and so is their order
    elif d.version < 6:
        given = {"consumed_inputs": [0]} if d.op not in ("Softplus", "Log") and d.chance() else {}
    return d.add([data], **given)


@makes("ArgMax", "ArgMin")
def choice(d: Draw) -> object:
    shape = d.dims(2, 3, empty=False)
    given = d.some(keepdims=d.integer(0, 2)) | (d.some(select_last_index=1) if d.version >= 12 else {})
    d.head, d.kind = True, TensorProto.INT64
    return d.add([d.data(shape)], axis=len(shape) - 1, **given)


@makes("NegativeLogLikelihoodLoss")
def loss(d: Draw) -> object:
    shape = d.pick((3, 4), (2, 3, 2))
    target = d.random.integers(0, shape[1], (shape[0], *shape[2:]))
    rest = [d.constant(np.abs(d.numbers(shape[1:2])) + 0.5)] if d.chance() else []
    given = d.some(ignore_index=int(target.ravel()[0]), reduction=d.pick("none", "sum", "mean"))
    return d.add([d.data(shape), d.constant(target), *rest], **given)


@makes("RNN")
def recurrent(d: Draw) -> object:
    way = d.pick("forward", "reverse", "bidirectional")
    count, late = 1 + (way == "bidirectional"), d.version >= 14 and d.chance()
    steps, batch, width, hidden = 2, d.integer(1, 3), 2, 2
    names = [d.pick("Relu", "Relu", "LeakyRelu", "Affine", "HardSigmoid") for _ in range(count)]
    given: dict[str, Any] = {"direction": way, "hidden_size": hidden, "activations": names} | (
        {"layout": 1} if late else {}
    )
    if "Affine" in names:
        given |= {"activation_alpha": [0.5] * count, "activation_beta": [0.25] * count}
    data = d.data((batch, steps, width) if late else (steps, batch, width))
    rest = [d.floats((count, hidden, width)), d.floats((count, hidden, hidden)), d.floats((count, 2 * hidden))]
    lengths = d.constant(np.array([2, 1][:batch]), np.int32) if d.chance() else ""
    start = [lengths, d.floats((batch, count, hidden) if late else (count, batch, hidden))][: d.integer(0, 3)]
    given |= d.some(output_sequence=1) if d.version < 7 else {}
    return d.add([data, *rest, *start], outputs=d.pick(["y", "h"], ["", "h"], ["y"]), **given)


@makes("If")
def branch(d: Draw) -> object:
    data, condition = d.data((2,)), d.constant(np.array([d.chance()]), np.bool_)
    bodies = [
        helper.make_graph([helper.make_node(op, [data], ["b"])], op, [], [_INFO("b", 1, None)])
        for op in ("Relu", "Neg")
    ]
    return d.add([condition], then_branch=bodies[0], else_branch=bodies[1])


@makes("Loop")
def loop(d: Draw) -> object:
    body = helper.make_graph(
        [helper.make_node("Sum", ["v", "x0"], ["w"]), helper.make_node("Relu", ["w"], ["o"]),
         helper.make_node("Identity", ["c"], ["k"])],
        "body",
        [_INFO("i", TensorProto.INT64, []), _INFO("c", TensorProto.BOOL, []), _INFO("v", 1, (2,))],
        [_INFO("k", TensorProto.BOOL, []), _INFO("w", 1, (2,)), _INFO("o", 1, (2,))],
    )  # fmt: skip
    d.data((2,))
    condition = d.pick("", d.constant(np.array(True)))
    return d.add(
        [d.constant(np.int64(d.integer(1, 4))), condition, d.floats((2,))],
        outputs=d.pick(["y", "z"], ["v", "y"]),
        body=body,
    )


@makes("Scan")
def scan(d: Draw) -> object:
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "e"], ["t"]), helper.make_node("Relu", ["t"], ["o"])], "body",
        [_INFO("s", 1, (2,)), _INFO("e", 1, (2,))], [_INFO("t", 1, (2,)), _INFO("o", 1, (2,))],
    )  # fmt: skip
    outputs = d.pick(["y", "z"], ["f", "y"])
    if d.version < 9:
        lengths = [d.constant(np.array([3, 2]))] if d.chance() else [""]
        given = d.some(directions=[d.integer(0, 2)])
        return d.add(
            [*lengths, d.floats((2, 2)), d.data((2, 3, 2))], outputs=outputs, body=body, num_scan_inputs=1, **given
        )
    axis = d.integer(0, 2)
    given = {"scan_input_axes": [axis]} if axis or d.chance() else {}
    given |= d.some(scan_input_directions=[1], scan_output_directions=[1], scan_output_axes=[d.integer(0, 2)])
    shape = (3, 2) if axis == 0 else (2, 3)
    return d.add([d.floats((2,)), d.data(shape)], outputs=outputs, body=body, num_scan_inputs=1, **given)


@makes(
    "SequenceConstruct", "SequenceAt", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceLength",
    "ConcatFromSequence", "SplitToSequence", "SequenceMap",
)  # fmt: skip
def sequence(d: Draw) -> object:
    parts = [d.data((2, 2)), d.floats((2, 2)), d.data((2, 2))]
    if d.op == "SplitToSequence":
        given = d.some(axis=d.integer(-2, 2), keepdims=0)
        sizes = d.pick([], [d.ints(1, 1)], [d.constant(np.int64(1))])
        made = d.add([parts[0], *sizes], **given)
    elif d.op == "SequenceEmpty":
        made = d.add([], **d.some(dtype=1))
        made = d.add([made, parts[0]], 1, "SequenceInsert")
    else:
        made = d.add(parts, 1, "SequenceConstruct")
    place = d.constant(np.int64(d.integer(-2, 2)))
    if d.op == "SequenceLength":
        return d.absorb(d.add([made]))
    if d.op == "ConcatFromSequence":
        return d.add([made], axis=d.integer(-2, 2), **d.some(new_axis=1))
    if d.op == "SequenceInsert":
        made = d.add([made, parts[1], place][: d.integer(2, 4)])
    if d.op == "SequenceErase":
        made = d.add([made, place][: d.integer(1, 3)])
    if d.op == "SequenceMap":
        body = helper.make_graph(
            [helper.make_node("Relu", ["e"], ["r"])], "body", [_INFO("e", 1, (2, 2))], [_INFO("r", 1, (2, 2))]
        )
        made = d.add([made], body=body)
    return d.add(
        [made, d.constant(np.int64(0 if d.op == "SequenceEmpty" else d.integer(-1, 1)))],
        1,
        "SequenceAt",
    )


@makes("Optional", "OptionalGetElement", "OptionalHasElement")
def optional(d: Draw) -> object:
    made = d.add([d.data((2,))], 1, "Optional")
    if d.op == "OptionalHasElement":
        return d.absorb(d.add([made]))
    return d.add([made], 1, "OptionalGetElement")


@makes("Scaler", "LinearRegressor", "FeatureVectorizer", "Imputer", "ArrayFeatureExtractor", domain=ML)
def features(d: Draw) -> object:
    kind = d.pick(np.float32, np.float32, np.float64, np.int64, np.int32)
    rows = d.integer(1, 3)
    data = d.data((), d.numbers((rows, 3)).astype(kind))
    if d.op == "Scaler":
        size = d.pick(1, 3)
        return d.add([data], **d.some(offset=d.numbers((size,)).tolist(), scale=d.numbers((size,)).tolist()))
    if d.op == "LinearRegressor":
        targets = d.integer(1, 3)
        given: dict[str, Any] = {"targets": targets} if targets > 1 or d.chance() else {}
        given |= d.some(intercepts=d.numbers((targets,)).tolist(), post_transform=d.pick("NONE", "SOFTMAX"))
        return d.add([data], coefficients=d.numbers((3 * targets,)).tolist(), **given)
    if d.op == "FeatureVectorizer":
        return d.add([data, d.data((rows, 2))], inputdimensions=[3, 2])
    if d.op == "Imputer":
        old = d.pick(float("nan"), 0.0)
        return d.add([data], imputed_value_floats=[1.5], replaced_value_float=old)
    d.kind = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    return d.add([data, d.ints(*d.random.integers(0, 3, d.integer(1, 4)).tolist())])


@makes("LinearClassifier", "SVMClassifier", domain=ML)
def classifiers(d: Draw) -> object:
    names = d.pick({"classlabels_ints": [3, 1, 2]}, {"classlabels_strings": ["b", "a", "c"]})
    d.data((2, 3))
    d.head = True
    transform = d.some(post_transform=d.pick("NONE", "SOFTMAX", "LOGISTIC", "PROBIT"))
    if d.op == "LinearClassifier":
        given = {"coefficients": d.numbers((9,)).tolist(), "intercepts": d.numbers((3,)).tolist()}
        d.add(["x0"], outputs=["label", "y"], **names, **given, **transform)
        d.output = "y"
        return None
    two = not d.chance(4)
    names = {name: values[:2] if two else values for name, values in names.items()}
    size, pairs = (3, 1) if two else (8, 3)
    vectors = d.numbers((3 if two else 4, 3)).ravel().tolist()
    d.add(["x0"], outputs=["label", "y"], **names, coefficients=d.numbers((size,)).tolist(), support_vectors=vectors,
          vectors_per_class=[2, 1] if two else [2, 1, 1], rho=d.numbers((pairs,)).tolist(),
          kernel_type=d.pick("LINEAR", "LINEAR", "RBF"), kernel_params=[0.5, 0.0, 3.0], **transform)  # fmt: skip
    d.output = "y"
    return None


@makes("SVMRegressor", domain=ML)
def machine(d: Draw) -> object:
    given = d.some(kernel_type=d.pick("LINEAR", "LINEAR", "POLY"), post_transform="NONE", one_class=1)
    return d.add([d.data((2, 3))], coefficients=d.numbers((2,)).tolist(), support_vectors=d.numbers((6,)).tolist(),
          n_supports=2, rho=[0.5], kernel_params=[0.5, 0.0, 3.0], **given)  # fmt: skip


@makes("Normalizer", domain=ML)
def shares(d: Draw) -> object:
    made = d.add([d.data((2, 3))], 1, "Sigmoid")
    d.head = True
    return d.add([made], norm=d.pick("L1", "MAX", "L2"))


@makes("ZipMap", domain=ML)
def named(d: Draw) -> object:
    made = d.add([d.data((2, 3))], 1, "Softmax")
    d.kind = 0
    return d.add([made], **d.pick({"classlabels_int64s": [2, 0, 1]}, {"classlabels_strings": ["b", "a", "c"]}))


@makes("OneHotEncoder", "CategoryMapper", "LabelEncoder", domain=ML)
def categories(d: Draw) -> object:
    texts, whole = ["a", "b", "c"], [4, 7, 9]
    column = d.constant(np.array(d.pick(["b"], ["a"], ["z"]), object))
    number = d.constant(np.array(d.pick([7], [4], [5])))
    forward = d.chance()
    if d.op == "OneHotEncoder":
        given: dict[str, Any] = {"cats_strings": texts} if forward else {"cats_int64s": whole}
        return d.absorb(d.add([column if forward else number], **given, **d.some(zeros=d.integer(0, 2))))
    if d.op == "CategoryMapper":
        made = d.add([column], cats_strings=texts, cats_int64s=whole, **d.some(default_int64=-7))
        return d.absorb(made)
    if d.version < 2:
        return d.absorb(d.add([column], classes_strings=texts, **d.some(default_int64=-7)))
    if d.version >= 4 and d.chance():
        tables = {
            "keys_tensor": numpy_helper.from_array(np.array(whole)),
            "values_tensor": numpy_helper.from_array(d.numbers((3,))),
        }
        return d.absorb(d.add([number], **tables, default_tensor=numpy_helper.from_array(np.array([0.5], np.float32))))
    values = d.pick({"values_floats": [0.5, 1.5, -2.0]}, {"values_int64s": [3, 1, 2]})
    keys = {"keys_strings": texts} if forward else {"keys_int64s": whole}
    return d.absorb(
        d.add([column if forward else number], **keys, **values, **d.some(default_int64=5, default_float=0.25))
    )
