"""One row an operator and attribute that the importer must read right: a new operator adds its rows here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.importers.onnx_models import ML, OPSET, AnyArray, build, tensor_info

Operand = tuple[int, ...] | AnyArray | None


@dataclass(frozen=True)
class Row:
    """One node: operands in order (a shape is data, an array a constant, None an absent input) and attributes.

    Args:
        exact: small whole inputs give whole results, so floats must agree with the program in every bit.
        outputs: how many outputs the node has; each is tried.
        spare: how many outputs it has beyond them, which nobody reads.
        confirmed: whether onnxruntime has a kernel for the case.
        reference: whether onnx's reference implementation agrees with the standard here.
    """

    name: str
    op: str
    operands: Sequence[Operand]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = OPSET
    domain: str = ""
    exact: bool = True
    outputs: int = 1
    spare: int = 0
    confirmed: bool = True
    reference: bool = True
    dtype: int = TensorProto.FLOAT

    def __str__(self) -> str:
        return self.name

    def model(self) -> onnx.ModelProto:
        """Return the model of this one node."""
        names = ["" if operand is None else f"in{i}" for i, operand in enumerate(self.operands)]
        inputs = {n: o for n, o in zip(names, self.operands, strict=True) if isinstance(o, tuple)}
        constants = {n: o for n, o in zip(names, self.operands, strict=True) if isinstance(o, np.ndarray)}
        outputs = [f"out{i}" for i in range(self.outputs)]
        unread = [f"unread{i}" for i in range(self.spare)]
        node = helper.make_node(self.op, names, [*outputs, *unread], "node", domain=self.domain, **self.attributes)
        declared = [tensor_info(name, None, self.dtype) for name in outputs]
        return build([node], inputs, declared, constants, opset=self.opset, dtype=self.dtype)


def whole(*shape: int, seed: int = 1) -> AnyArray:
    """Return small whole numbers as float32, none of them 0."""
    random = np.random.default_rng(seed + sum(shape))
    values: AnyArray = random.integers(1, 4, shape) * random.choice([-1, 1], shape)
    return values.astype(np.float32)


def numbers(*values: float) -> AnyArray:
    """Return float32 constants."""
    return np.array(values, dtype=np.float32)


def ints(*values: int) -> AnyArray:
    """Return int64 constants."""
    return np.array(values, dtype=np.int64)


def scalar(value: float) -> AnyArray:
    """Return a float32 of no axes."""
    return np.array(value, dtype=np.float32)


_INF = float("inf")
_V = (2, 3)
_IMAGE = (1, 2, 5, 6)

ELEMENTWISE = [
    Row("add_constant", "Add", [_V, whole(2, 3)]),
    Row("add_constant_first", "Add", [whole(2, 3), _V]),
    Row("add_row", "Add", [_V, whole(3)]),
    Row("add_column", "Add", [_V, whole(2, 1)]),
    Row("add_widens_data", "Add", [(3,), whole(2, 3)]),
    Row("add_data", "Add", [_V, _V]),
    Row("add_data_broadcast", "Add", [_V, (3,)]),
    Row("add_data_outer", "Add", [(2, 1), (1, 3)]),
    Row("add_scalar", "Add", [_V, scalar(3)]),
    Row("sub_constant", "Sub", [_V, whole(2, 3)]),
    Row("sub_from_constant", "Sub", [whole(2, 3), _V]),
    Row("sub_data", "Sub", [_V, _V]),
    Row("sub_data_broadcast", "Sub", [(3,), _V]),
    Row("mul_constant", "Mul", [_V, whole(3)]),
    Row("mul_constant_first", "Mul", [whole(2, 1), _V]),
    Row("mul_zero", "Mul", [_V, np.zeros(3, np.float32)]),
    Row("div_constant", "Div", [_V, numbers(2, -4, 8)]),
    Row("div_thirds", "Div", [_V, numbers(3, 5, 7)], exact=False),
    Row("neg", "Neg", [_V]),
    Row("sum_of_three", "Sum", [_V, whole(3), _V]),
    Row("sum_of_one", "Sum", [_V]),
    Row("mean_of_two", "Mean", [_V, whole(2, 3)]),
    Row("mean_of_three", "Mean", [_V, _V, whole(3)], exact=False),
    Row("pow_one", "Pow", [_V, scalar(1)]),
    Row(
        "add_legacy_broadcast", "Add", [(2, 3, 2), whole(3)],
        {"broadcast": 1, "axis": 1}, opset=6, confirmed=False, reference=False,
    ),
]  # fmt: skip

PIECEWISE = [
    Row("relu", "Relu", [_V]),
    Row("abs", "Abs", [_V]),
    Row("leaky_relu", "LeakyRelu", [_V], {"alpha": 0.25}),
    Row("leaky_relu_default", "LeakyRelu", [_V], exact=False),
    Row("leaky_relu_zero", "LeakyRelu", [_V], {"alpha": 0.0}),
    Row("leaky_relu_one", "LeakyRelu", [_V], {"alpha": 1.0}),
    Row("leaky_relu_steep", "LeakyRelu", [_V], {"alpha": 2.0}),
    Row("leaky_relu_negative", "LeakyRelu", [_V], {"alpha": -0.5}),
    Row("prelu_shared", "PRelu", [(1, 3, 2), numbers(0.5)]),
    Row("prelu_channels", "PRelu", [(1, 3, 2), numbers(0.5, 2, -1).reshape(3, 1)]),
    Row("prelu_mixed", "PRelu", [(1, 4, 2), numbers(0, 1, 3, -2).reshape(4, 1)]),
    Row("prelu_zero", "PRelu", [_V, numbers(0)]),
    Row("clip", "Clip", [_V, scalar(-1), scalar(2)]),
    Row("clip_low", "Clip", [_V, scalar(0)]),
    Row("clip_high", "Clip", [_V, None, scalar(1)]),
    Row("clip_infinite", "Clip", [_V, scalar(-_INF), scalar(_INF)]),
    Row("clip_crossed", "Clip", [_V, scalar(2), scalar(-1)]),
    Row("clip_none", "Clip", [_V]),
    Row("clip_attributes", "Clip", [_V], {"min": -1.0, "max": 1.0}, opset=6),
    Row("clip_data_bounds", "Clip", [_V, (), ()]),
    Row("hard_sigmoid", "HardSigmoid", [_V], {"alpha": 0.25, "beta": 0.5}),
    Row("hard_sigmoid_default", "HardSigmoid", [_V], exact=False),
    Row("thresholded_relu_zero", "ThresholdedRelu", [_V], {"alpha": 0.0}),
    Row("max_data", "Max", [_V, _V, _V]),
    Row("max_constant", "Max", [_V, whole(3)]),
    Row("max_zero", "Max", [_V, scalar(0)]),
    Row("max_two_constants", "Max", [whole(2, 1), _V, numbers(-_INF, 0, 1)]),
    Row("max_minus_infinity", "Max", [_V, scalar(-_INF)]),
    Row("max_one", "Max", [_V]),
    Row("min_data", "Min", [_V, (3,)]),
    Row("min_constant", "Min", [whole(3), _V]),
    Row("min_plus_infinity", "Min", [_V, numbers(_INF, 1, 0)]),
]

LINEAR = [
    Row("matmul", "MatMul", [_V, whole(3, 4)]),
    Row("matmul_weight_first", "MatMul", [whole(4, 2), _V]),
    Row("matmul_vector", "MatMul", [(3,), whole(3, 4)]),
    Row("matmul_weight_first_vector", "MatMul", [whole(4, 3), (3,)]),
    Row("matmul_by_vector", "MatMul", [_V, whole(3)]),
    Row("matmul_vector_first", "MatMul", [whole(2), _V]),
    Row("matmul_dot", "MatMul", [(3,), whole(3)]),
    Row("matmul_stack", "MatMul", [(2, 2, 3), whole(3, 2)]),
    Row("matmul_stacked_weights", "MatMul", [(2, 2, 3), whole(2, 3, 2)]),
    Row("matmul_broadcast_weights", "MatMul", [(2, 3), whole(4, 3, 2)]),
    Row("matmul_broadcast_outer", "MatMul", [(2, 1, 2, 3), whole(1, 3, 3, 2)]),
    Row("matmul_stacked_weight_first", "MatMul", [whole(2, 4, 3), (2, 3, 2)]),
    Row("gemm", "Gemm", [_V, whole(3, 4), whole(4)]),
    Row("gemm_turned", "Gemm", [(3, 2), whole(4, 3), whole(2, 4)], {"transA": 1, "transB": 1}),
    Row("gemm_scaled", "Gemm", [_V, whole(3, 2), whole(2, 1)], {"alpha": 0.5, "beta": 0.25}),
    Row("gemm_float_scale", "Gemm", [_V, whole(3, 2), whole(2)], {"alpha": 0.1, "beta": 0.3}, exact=False),
    Row("gemm_no_bias", "Gemm", [_V, whole(3, 4)]),
    Row("gemm_beta_zero", "Gemm", [_V, whole(3, 4), whole(4)], {"beta": 0.0}),
    Row("gemm_weight_first", "Gemm", [whole(4, 2), _V, whole(4, 1)], {"alpha": 2.0}),
    Row("gemm_data_bias", "Gemm", [_V, whole(3, 4), (4,)], {"beta": 2.0}),
    Row("gemm_only_bias_is_data", "Gemm", [whole(2, 3), whole(3, 4), (2, 4)]),
]

CONV = [
    Row("conv", "Conv", [_IMAGE, whole(3, 2, 3, 3), whole(3)]),
    Row("conv_no_bias", "Conv", [_IMAGE, whole(3, 2, 3, 3)]),
    Row("conv_pads", "Conv", [_IMAGE, whole(3, 2, 3, 3), whole(3)], {"pads": [1, 0, 2, 1]}),
    Row("conv_strides", "Conv", [_IMAGE, whole(3, 2, 2, 3), whole(3)], {"strides": [2, 1]}),
    Row("conv_dilations", "Conv", [_IMAGE, whole(3, 2, 2, 2), whole(3)], {"dilations": [2, 3]}),
    Row("conv_groups", "Conv", [(2, 4, 4, 4), whole(6, 2, 3, 3), whole(6)], {"group": 2, "pads": [1, 1, 1, 1]}),
    Row("conv_depthwise", "Conv", [(1, 3, 4, 4), whole(3, 1, 2, 2), whole(3)], {"group": 3}),
    Row("conv_same_upper", "Conv", [_IMAGE, whole(2, 2, 2, 4)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    Row("conv_same_lower", "Conv", [_IMAGE, whole(2, 2, 2, 4)], {"auto_pad": "SAME_LOWER"}),
    Row("conv_valid", "Conv", [_IMAGE, whole(2, 2, 3, 2)], {"auto_pad": "VALID"}),
    Row("conv_1d", "Conv", [(1, 2, 7), whole(3, 2, 3), whole(3)], {"pads": [1, 2], "strides": [2]}),
    Row("conv_transpose", "ConvTranspose", [(1, 2, 3, 3), whole(2, 3, 3, 3), whole(3)]),
    Row("conv_transpose_strides", "ConvTranspose", [(1, 2, 3, 3), whole(2, 1, 2, 3)], {"strides": [2, 3]}),
    Row("conv_transpose_pads", "ConvTranspose", [(1, 2, 3, 4), whole(2, 2, 3, 3)], {"pads": [1, 0, 2, 1]}),
    Row(
        "conv_transpose_output_padding", "ConvTranspose", [(1, 1, 3, 3), whole(1, 2, 3, 3)],
        {"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]},
    ),
    Row(
        "conv_transpose_groups", "ConvTranspose", [(1, 4, 3, 3), whole(4, 2, 2, 2), whole(4)],
        {"group": 2}, reference=False,
    ),
    Row("conv_transpose_batch", "ConvTranspose", [(2, 2, 3, 3), whole(2, 2, 2, 2)], reference=False),
    Row("conv_transpose_dilations", "ConvTranspose", [(1, 1, 3, 3), whole(1, 1, 2, 2)], {"dilations": [2, 3]}),
    Row("conv_transpose_1d", "ConvTranspose", [(1, 2, 4), whole(2, 3, 3)], {"strides": [2]}),
    Row(
        "conv_transpose_same", "ConvTranspose", [(1, 1, 3, 3), whole(1, 2, 3, 3)],
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, reference=False,
    ),
    Row(
        "conv_transpose_shape", "ConvTranspose", [(1, 1, 3, 3), whole(1, 2, 3, 3)],
        {"strides": [3, 2], "output_shape": [10, 6]}, reference=False,
    ),
    Row("conv_3d", "Conv", [(1, 2, 3, 3, 3), whole(2, 2, 2, 2, 2), whole(2)], {"dilations": [1, 2, 1]}),
]  # fmt: skip

POOL = [
    Row("max_pool", "MaxPool", [_IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Row("max_pool_pads", "MaxPool", [_IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    Row("max_pool_ceil", "MaxPool", [_IMAGE], {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    Row(
        "max_pool_ceil_pads", "MaxPool",
        [(1, 1, 4, 4)], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1],
        },
    ),
    Row("max_pool_dilations", "MaxPool", [_IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    Row(
        "max_pool_same_upper", "MaxPool", [_IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2],
        "auto_pad": "SAME_UPPER"},
    ),
    Row("max_pool_same_lower", "MaxPool", [_IMAGE], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}),
    Row("max_pool_1d", "MaxPool", [(1, 2, 5)], {"kernel_shape": [2]}),
    Row("max_pool_3d", "MaxPool", [(1, 1, 3, 3, 3)], {"kernel_shape": [2, 2, 2]}),
    Row("global_max_pool", "GlobalMaxPool", [_IMAGE]),
    Row("average_pool", "AveragePool", [_IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Row("average_pool_ninths", "AveragePool", [_IMAGE], {"kernel_shape": [3, 3]}, exact=False),
    Row("average_pool_pads", "AveragePool", [_IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, exact=False),
    Row(
        "average_pool_count_pads", "AveragePool", [_IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
        "count_include_pad": 1}, exact=False,
    ),
    Row(
        "average_pool_ceil", "AveragePool", [(1, 1, 5, 5)], {"kernel_shape": [2, 2], "strides": [2, 2],
        "ceil_mode": 1},
    ),
    Row("average_pool_same", "AveragePool", [_IMAGE], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, exact=False),
    Row("average_pool_dilated", "AveragePool", [_IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 2]}),
    Row("average_pool_1d", "AveragePool", [(1, 2, 6)], {"kernel_shape": [4], "strides": [2]}),
    Row("global_average_pool", "GlobalAveragePool", [(1, 2, 4, 4)]),
    Row("global_average_pool_1d", "GlobalAveragePool", [(1, 2, 3)], exact=False),
]  # fmt: skip

SHAPE = [
    Row("identity", "Identity", [_V]),
    Row("dropout", "Dropout", [_V]),
    Row("dropout_ratio", "Dropout", [_V, scalar(0.5)]),
    Row("dropout_not_training", "Dropout", [_V, scalar(0.5), np.array(False)]),
    Row("dropout_legacy", "Dropout", [_V], {"ratio": 0.5}, opset=11),
    Row("reshape", "Reshape", [_V, ints(3, 2)]),
    Row("reshape_inferred", "Reshape", [(2, 3, 2), ints(-1, 4)]),
    Row("reshape_copied", "Reshape", [(2, 3, 2), ints(0, -1)]),
    Row("flatten", "Flatten", [(2, 3, 2)]),
    Row("flatten_zero", "Flatten", [(2, 3, 2)], {"axis": 0}),
    Row("flatten_negative", "Flatten", [(2, 3, 2)], {"axis": -1}),
    Row("transpose", "Transpose", [(2, 3, 2)]),
    Row("transpose_perm", "Transpose", [(2, 3, 4)], {"perm": [1, 2, 0]}),
    Row("squeeze", "Squeeze", [(1, 3, 1)]),
    Row("squeeze_axes", "Squeeze", [(1, 3, 1), ints(-1)]),
    Row("squeeze_attribute", "Squeeze", [(1, 3, 1)], {"axes": [0]}, opset=11),
    Row("unsqueeze", "Unsqueeze", [_V, ints(0, -1)]),
    Row("unsqueeze_attribute", "Unsqueeze", [_V], {"axes": [1]}, opset=11),
    Row("expand", "Expand", [(3, 1), ints(2, 1, 4)]),
    Row("expand_narrower", "Expand", [(2, 3), ints(1)]),
    Row("tile", "Tile", [_V, ints(2, 1)]),
    Row("cast_same", "Cast", [_V], {"to": TensorProto.FLOAT}),
]

MOVEMENT = [
    Row("concat", "Concat", [_V, whole(2, 2), _V], {"axis": 1}),
    Row("concat_negative", "Concat", [_V, _V], {"axis": -2}),
    Row("split", "Split", [(2, 6), ints(1, 2, 3)], {"axis": 1}, outputs=3),
    Row("split_even", "Split", [(6,)], {"num_outputs": 3}, outputs=3),
    Row("split_uneven", "Split", [(7,)], {"num_outputs": 3}, outputs=3),
    Row("split_attribute", "Split", [(2, 3)], {"axis": 1, "split": [1, 2]}, opset=11, outputs=2),
    Row("slice", "Slice", [(4, 5), ints(1, 0), ints(3, 4)]),
    Row("slice_steps", "Slice", [(4, 5), ints(0, -1), ints(4, -9), ints(0, 1), ints(2, -2)]),
    Row("slice_negative", "Slice", [(4, 5), ints(-2), ints(9223372036854775807), ints(-1)]),
    Row("slice_attribute", "Slice", [(4, 5)], {"starts": [1], "ends": [3], "axes": [1]}, opset=9),
    Row("gather", "Gather", [(3, 4), ints(2, 0, -1)]),
    Row("gather_axis", "Gather", [(3, 4), np.array([[0, 3], [1, -4]])], {"axis": 1}),
    Row("gather_scalar", "Gather", [(3, 4), np.array(1)], {"axis": -1}),
    Row("gather_elements", "GatherElements", [(3, 3), np.array([[0, 2, 1], [1, -1, 0]])], {"axis": 0}),
    Row("gather_nd", "GatherND", [(2, 3, 2), np.array([[0, 1], [1, -1]])]),
    Row("gather_nd_batch", "GatherND", [(2, 3, 2), np.array([[1], [0]])], {"batch_dims": 1}),
    Row("pad", "Pad", [_V, ints(0, 1, 2, 0)]),
    Row("pad_value", "Pad", [_V, ints(1, 0, 0, 1), scalar(3)]),
    Row("pad_axes", "Pad", [_V, ints(1, 2), None, ints(-1)]),
    Row("pad_crop", "Pad", [(4, 4), ints(-1, 1, 0, -2)], reference=False),
    Row("pad_reflect", "Pad", [(3, 4), ints(1, 2, 1, 1)], {"mode": "reflect"}),
    Row("pad_edge", "Pad", [(3, 4), ints(0, 2, 1, 1)], {"mode": "edge"}),
    Row("pad_wrap", "Pad", [(3, 4), ints(0, 2, 1, 1)], {"mode": "wrap"}),
    Row("pad_attribute", "Pad", [_V], {"pads": [0, 1, 0, 1], "value": 2.0}, opset=10),
    Row("pad_data_value", "Pad", [_V, ints(0, 1, 0, 0), ()]),
    Row("where_constant", "Where", [np.array([[True, False, True]]), _V, whole(2, 3)]),
    Row("where_constant_first", "Where", [np.array([[True], [False]]), whole(2, 1), _V]),
    Row("where_data", "Where", [np.array([True, False, True]), _V, _V]),
    Row("where_infinite", "Where", [np.array([True, True, True]), _V, scalar(-_INF)]),
]

REDUCE = [
    Row("reduce_sum", "ReduceSum", [(2, 3, 2), ints(1)]),
    Row("reduce_sum_all", "ReduceSum", [(2, 3)], {"keepdims": 0}),
    Row("reduce_sum_noop", "ReduceSum", [(2, 3)], {"noop_with_empty_axes": 1}),
    Row("reduce_sum_attribute", "ReduceSum", [(2, 3)], {"axes": [-1], "keepdims": 0}, opset=11),
    Row("reduce_mean", "ReduceMean", [(2, 4), ints(1)]),
    Row("reduce_mean_thirds", "ReduceMean", [(2, 3), ints(-1)], {"keepdims": 0}, exact=False),
    Row("reduce_mean_attribute", "ReduceMean", [(1, 2, 4, 4)], {"axes": [2, 3]}, opset=13),
    Row("reduce_max", "ReduceMax", [(2, 3, 2), ints(0, 2)]),
    Row("reduce_max_attribute", "ReduceMax", [(2, 3)], {"axes": [1], "keepdims": 0}, opset=13),
    Row("reduce_min", "ReduceMin", [(2, 3), ints(0)]),
    Row("reduce_l1", "ReduceL1", [(2, 3), ints(1)]),
    Row("reduce_l1_over_no_axes", "ReduceL1", [(2, 3)], {"noop_with_empty_axes": 1}),
]

NORMALIZATION = [
    Row(
        "batch_norm", "BatchNormalization", [(2, 3, 2), whole(3), whole(3, seed=2), whole(3, seed=3), numbers(1, 2, 3)],
        exact=False,
    ),
    Row(
        "batch_norm_rational", "BatchNormalization", [(1, 2, 2, 2), whole(2), whole(2), whole(2), numbers(1, 0.25)],
        {"epsilon": 0.0},
    ),
    Row(
        "batch_norm_flat", "BatchNormalization", [(4, 2), whole(2), whole(2), whole(2), numbers(0.5, 7)],
        {"epsilon": 0.125}, exact=False,
    ),
]  # fmt: skip

RESIZE = [
    Row(
        "resize_nearest", "Resize", [(1, 1, 2, 3), None, numbers(1, 1, 2, 2)],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    Row("resize_nearest_sizes", "Resize", [(1, 1, 4, 4), None, None, ints(1, 1, 2, 8)]),
    Row("resize_linear", "Resize", [(1, 1, 3, 3), None, numbers(1, 1, 2, 2)], {"mode": "linear"}),
    Row(
        "resize_linear_corners", "Resize", [(1, 1, 3, 3), None, None, ints(1, 1, 5, 2)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    Row("resize_cubic", "Resize", [(1, 1, 4, 4), None, numbers(1, 1, 2, 1)], {"mode": "cubic"}),
    Row(
        "resize_cubic_inside", "Resize", [(1, 1, 4, 4), None, numbers(1, 1, 1, 2)],
        {"mode": "cubic", "exclude_outside": 1}, exact=False,
    ),
    Row("upsample", "Upsample", [(1, 1, 2, 2), numbers(1, 1, 2, 3)], opset=9, reference=False),
]  # fmt: skip

CLASSICAL = [
    Row("scaler", "Scaler", [(2, 3)], {"offset": [1.0, 2.0, 3.0], "scale": [0.5, 2.0, 1.0]}, domain=ML),
    Row("scaler_shared", "Scaler", [(2, 3)], {"offset": [1.0], "scale": [0.5]}, domain=ML),
    Row(
        "linear_regressor", "LinearRegressor",
        [(2, 3)], {"coefficients": [1.0, 2.0, 3.0, -1.0, 0.5, 0.0], "intercepts": [1.0, -2.0],
        "targets": 2}, domain=ML,
    ),
    Row("feature_extractor", "ArrayFeatureExtractor", [(2, 4), ints(3, 1)], domain=ML),
    Row(
        "imputer", "Imputer", [(2, 3)], {"imputed_value_floats": [1.0, 2.0, 3.0],
        "replaced_value_float": float("nan")}, domain=ML,
    ),
    Row("feature_vectorizer", "FeatureVectorizer", [(2, 3), (2, 1)], {"inputdimensions": [3, 1]}, domain=ML),
]  # fmt: skip

REARRANGE = [
    Row("depth_to_space", "DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2}),
    Row("depth_to_space_crd", "DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    Row("space_to_depth", "SpaceToDepth", [(1, 2, 4, 6)], {"blocksize": 2}),
    Row("trilu", "Trilu", [(2, 3, 4)]),
    Row("trilu_lower", "Trilu", [(3, 3), np.array(-1)], {"upper": 0}),
    Row("reverse_sequence", "ReverseSequence", [(4, 3), ints(4, 2, 1)], {"time_axis": 0, "batch_axis": 1}),
    Row("reverse_sequence_rows", "ReverseSequence", [(2, 4), ints(3, 1)], {"time_axis": 1, "batch_axis": 0}),
    Row("compress", "Compress", [(3, 4), np.array([True, False, True])], {"axis": 0}),
    Row("compress_flat", "Compress", [(2, 3), np.array([True, False, True, True])]),
    Row("scatter_elements", "ScatterElements", [(3, 3), np.array([[1, -1]]), (1, 2)], {"axis": 1}),
    Row("scatter_constants", "ScatterElements", [(3, 3), np.array([[1, 0, 2]]), whole(1, 3)]),
    Row("scatter_into_constant", "ScatterElements", [whole(3, 3), np.array([[1, 0, 2]]), (1, 3)]),
    Row("scatter_add", "ScatterElements", [(3, 3), np.array([[1, 0, 2]]), (1, 3)], {"reduction": "add"}),
    Row("scatter_nd", "ScatterND", [(4, 2), np.array([[2], [0]]), (2, 2)]),
    Row("scatter_nd_add", "ScatterND", [(4, 2), np.array([[2, 1], [0, 0]]), (2,)], {"reduction": "add"}),
    Row("center_crop", "CenterCropPad", [(5, 4), ints(2, 3)]),
    Row("center_pad", "CenterCropPad", [(2, 3), ints(6)], {"axes": [1]}),
]

CONTRACTION = [
    Row("cumsum", "CumSum", [(2, 4), np.array(1)]),
    Row("cumsum_exclusive", "CumSum", [(3, 2), np.array(0)], {"exclusive": 1}),
    Row("cumsum_reverse", "CumSum", [(2, 4), np.array(-1)], {"reverse": 1}),
    Row("cumsum_both", "CumSum", [(2, 4), np.array(1)], {"reverse": 1, "exclusive": 1}),
    Row("einsum_matmul", "Einsum", [(2, 3), whole(3, 4)], {"equation": "ij,jk->ik"}),
    Row("einsum_constant_first", "Einsum", [whole(3, 4), (2, 4)], {"equation": "ij,kj->ki"}),
    Row("einsum_batch", "Einsum", [(2, 3, 4), whole(2, 4, 5)], {"equation": "bij,bjk->bki"}),
    Row("einsum_ellipsis", "Einsum", [(2, 2, 3), whole(3, 4)], {"equation": "...j,jk->...k"}),
    Row("einsum_outer", "Einsum", [(2,), whole(3)], {"equation": "i,j->ji"}),
    Row("einsum_scale", "Einsum", [(2, 3), whole(3)], {"equation": "ij,j->ij"}),
    Row("einsum_sum", "Einsum", [(2, 3)], {"equation": "ij->j"}),
    Row("einsum_transpose", "Einsum", [(2, 3)], {"equation": "ij->ji"}),
    Row("einsum_diagonal", "Einsum", [(3, 3)], {"equation": "ii->i"}),
    Row("einsum_trace", "Einsum", [(2, 3, 3)], {"equation": "bii->b"}),
    Row("einsum_implicit", "Einsum", [(2, 3), whole(3, 2)], {"equation": "ij,jk"}),
]

_STATES = [whole(1, 4, 3), whole(1, 4, 4), whole(1, 8)]
_BOTH = [whole(2, 4, 3), whole(2, 4, 4), whole(2, 8)]

RECURRENT = [
    Row("rnn", "RNN", [(3, 1, 3), *_STATES], {"hidden_size": 4, "activations": ["Relu"]}, outputs=2, reference=False),
    Row("rnn_no_bias", "RNN", [(2, 1, 3), *_STATES[:2]], {"hidden_size": 4, "activations": ["Relu"]}, reference=False),
    Row(
        "rnn_reverse", "RNN", [(3, 1, 3), *_STATES],
        {"hidden_size": 4, "activations": ["Relu"], "direction": "reverse"}, outputs=2, reference=False,
    ),
    Row(
        "rnn_both", "RNN", [(2, 1, 3), *_BOTH],
        {"hidden_size": 4, "activations": ["Relu", "LeakyRelu"], "activation_alpha": [0.5],
         "direction": "bidirectional"}, outputs=2, reference=False,
    ),
    Row(
        "rnn_lengths", "RNN", [(3, 2, 3), *_STATES, np.array([3, 1], np.int32)],
        {"hidden_size": 4, "activations": ["Relu"]}, outputs=2, reference=False,
    ),
    Row(
        "rnn_reverse_lengths", "RNN", [(3, 2, 3), *_STATES, np.array([3, 1], np.int32)],
        {"hidden_size": 4, "activations": ["Relu"], "direction": "reverse"}, outputs=2, reference=False,
    ),
    Row(
        "rnn_initial", "RNN", [(2, 2, 3), *_STATES, None, (1, 2, 4)], {"hidden_size": 4, "activations": ["Relu"]},
        outputs=2, reference=False,
    ),
    Row(
        "rnn_batch_first", "RNN", [(1, 2, 3), *_STATES], {"hidden_size": 4, "activations": ["Relu"], "layout": 1},
        outputs=2, confirmed=False, reference=False,
    ),
    Row(
        "rnn_hard_sigmoid", "RNN", [(2, 1, 3), *_STATES],
        {"hidden_size": 4, "activations": ["HardSigmoid"], "activation_alpha": [0.25], "activation_beta": [0.5]},
        reference=False,
    ),
    Row(
        "rnn_affine", "RNN", [(2, 1, 3), *_STATES],
        {"hidden_size": 4, "activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [1.0]},
        reference=False,
    ),
]  # fmt: skip

_GRID = np.array([[[[-0.5, 0.25], [0.5, -0.75]], [[1.0, 1.0], [-1.0, 0.0]], [[1.5, 0.0], [0.0, -2.0]]]], np.float32)

PLACES = [
    Row("col2im", "Col2Im", [(1, 5, 5), ints(5, 5), ints(1, 5)]),
    Row("col2im_overlap", "Col2Im", [(1, 8, 9), ints(4, 4), ints(2, 2)], outputs=1),
    Row(
        "col2im_strides_pads", "Col2Im", [(1, 4, 9), ints(4, 4), ints(2, 2)], {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    ),
    Row("max_unpool", "MaxUnpool", [(1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]])],
        {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Row("affine_grid", "AffineGrid", [(1, 2, 3), ints(1, 1, 4, 2)], exact=False),
    Row("affine_grid_corners", "AffineGrid", [(2, 2, 3), ints(2, 1, 3, 3)], {"align_corners": 1}),
    Row("affine_grid_3d", "AffineGrid", [(1, 3, 4), ints(1, 1, 2, 4, 2)], exact=False),
    Row("grid_sample", "GridSample", [(1, 2, 4, 4), _GRID], {"mode": "linear"}),
    Row("grid_sample_corners", "GridSample", [(1, 1, 5, 5), _GRID], {"mode": "linear", "align_corners": 1}),
    Row("grid_sample_border", "GridSample", [(1, 1, 4, 4), _GRID], {"mode": "linear", "padding_mode": "border"}),
    Row("grid_sample_nearest", "GridSample", [(1, 1, 3, 3), _GRID], {"mode": "nearest"}),
    Row("grid_sample_cubic", "GridSample", [(1, 1, 4, 4), _GRID], {"mode": "cubic"}, exact=False),
]  # fmt: skip

ROWS = [
    *ELEMENTWISE, *PIECEWISE, *LINEAR, *CONV, *POOL, *SHAPE, *MOVEMENT, *REDUCE, *NORMALIZATION, *RESIZE, *CLASSICAL,
    *REARRANGE, *CONTRACTION, *RECURRENT, *PLACES,
]  # fmt: skip
