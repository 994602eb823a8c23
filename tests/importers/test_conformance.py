"""The standard's own node cases: none wrong, and what is refused is refused for a reviewed reason."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import pytest

from tests.importers.conformance import Outcome, cases, run

# Cases whose expected numbers are not those of the standard's text.
REVIEWED = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad": "the expected numbers are rounded to four digits",
}

# Affine or piecewise linear in some input, and not lowered: the full list.
NOT_LOWERED = {
    "NegativeLogLikelihoodLoss",
    "OptionalGetElement", "Resize", "Scan", "Split",
    "Reshape", "DequantizeLinear", "CausalConvWithState", "LinearAttention", "TopK",
}  # fmt: skip

# Curved, jumping or random, whatever is constant.
NEVER = {
    "Acos", "Acosh", "Adagrad", "Adam", "Asin", "Asinh", "Atan", "Atanh", "Attention", "BatchNormalization",
    "Bernoulli", "Binarizer", "Ceil", "Celu", "Cos", "Cosh", "CumProd", "DFT", "Det", "Dropout",
    "DynamicQuantizeLinear", "Elu", "Erf", "Exp", "FlexAttention", "Floor", "GRU", "Gelu",
    "GroupNormalization", "HardSwish", "Hardmax", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization",
    "Log", "LpNormalization", "LpPool", "MeanVarianceNormalization", "MelWeightMatrix", "Mish", "Mod",
    "Momentum", "OneHot", "Pow", "RMSNormalization", "RNN", "RandomUniformLike", "Range", "Reciprocal",
    "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "ReduceSumSquare", "Round", "STFT", "Selu",
    "Shrink", "Sign", "Sin", "Sinh", "Softmax", "SoftmaxCrossEntropyLoss", "Softsign", "Sqrt", "SwiGLU",
    "Swish", "Tan", "Tanh", "ThresholdedRelu", "TreeEnsemble", "Unique", "Equal", "Less", "Greater", "Mul",
    "Div", "Add", "Sigmoid", "Softplus", "ReduceMax", "LogSoftmax", "Conv", "Where",
}  # fmt: skip


# The main list, which is lowered whatever the attributes are.
WHOLE = {
    "MatMul", "Gemm", "MaxPool", "AveragePool", "Relu", "LeakyRelu", "PRelu", "Clip", "Abs", "Max", "Min",
    "HardSigmoid", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice", "Gather", "Pad", "Shape",
    "Identity", "Expand", "ReduceMean", "ReduceSum", "GatherND", "Neg", "Sum", "Mean", "Tile", "Einsum",
    "CumSum", "ConvTranspose", "DepthToSpace", "SpaceToDepth", "Trilu",
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Run every case once."""
    folder: Path = tmp_path_factory.mktemp("conformance")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases' own generators overflow on purpose
        return [run(case, folder) for case in cases()]


def test_no_case_is_wrong(outcomes: list[Outcome]) -> None:
    assert {item.case for item in outcomes if item.status == "wrong"} == set(REVIEWED), outcomes


def test_most_cases_agree(outcomes: list[Outcome]) -> None:
    counts = Counter(item.status for item in outcomes)
    assert counts["agree"] >= 488
    assert counts["head"] >= 30


def test_every_refusal_names_a_reviewed_operator(outcomes: list[Outcome]) -> None:
    refused = [item for item in outcomes if item.status == "refused" and "at least one entry" not in item.detail]
    unexpected = [item for item in refused if not set(item.detail.split()) & (NOT_LOWERED | NEVER)]
    assert unexpected == []


def test_operators_that_are_lowered_are_not_refused(outcomes: list[Outcome]) -> None:
    """Whatever their attributes are; attention multiplies its state by its input in every turn."""
    plain = [item for item in outcomes if item.status == "refused" and "attention" not in item.case]
    refused = {op for item in plain for op in item.detail.split()}
    assert not WHOLE & refused
