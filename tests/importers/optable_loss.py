"""Rows of the negative log-likelihood, of Dropout in training where it drops nothing, and of scaled whole numbers."""

from __future__ import annotations

import numpy as np

from tests.importers.optable import Row, ints, numbers, scalar

_LOGS = (2, 3, 2)
_LABELS = np.array([[0, 2], [1, 1]])
_WEIGHTS = numbers(2, -1, 3)

LOSS = [
    Row("nll_none", "NegativeLogLikelihoodLoss", [(3, 4), ints(0, 3, 1)], {"reduction": "none"}),
    Row("nll_sum", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS], {"reduction": "sum"}),
    Row("nll_mean", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS]),
    Row("nll_mean_thirds", "NegativeLogLikelihoodLoss", [(3, 4), ints(0, 3, 1)], exact=False),
    Row("nll_weighted_none", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS, _WEIGHTS], {"reduction": "none"}),
    Row("nll_weighted_sum", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS, _WEIGHTS], {"reduction": "sum"}),
    Row("nll_weighted_mean", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS, _WEIGHTS], exact=False),
    Row(
        "nll_ignore_none", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS],
        {"reduction": "none", "ignore_index": 1},
    ),
    Row("nll_ignore_mean", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS], {"ignore_index": 1}),
    Row(
        "nll_ignore_beyond", "NegativeLogLikelihoodLoss", [_LOGS, np.array([[0, -7], [9, 1]]).clip(-7, 2)],
        {"reduction": "sum", "ignore_index": -7},
    ),
    Row(
        "nll_ignore_weighted", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS, _WEIGHTS],
        {"ignore_index": 0}, exact=False,
    ),
    Row("nll_old", "NegativeLogLikelihoodLoss", [_LOGS, _LABELS], {"reduction": "sum"}, opset=12),
    Row("nll_one_sample", "NegativeLogLikelihoodLoss", [(1, 3), ints(2)]),
]  # fmt: skip

DROPOUT = [
    Row("dropout_training_none", "Dropout", [(2, 3), scalar(0.0), np.array(True)]),
    Row("dropout_ratio_none", "Dropout", [(2, 3), scalar(0.0)]),
]

_STEPS = np.array([[-5, 7, 3], [2, 0, -128]], np.int8)

QUANTIZED = [
    Row("dequantize_by_data", "DequantizeLinear", [_STEPS, ()]),
    Row("dequantize_by_data_zero", "DequantizeLinear", [_STEPS, (1,), np.array([3], np.int8)]),
    Row("dequantize_columns", "DequantizeLinear", [_STEPS, (3,), np.array([1, -2, 127], np.int8)]),
    Row("dequantize_rows", "DequantizeLinear", [_STEPS, (2,), np.array([1, -2], np.int8)], {"axis": -2}),
    Row("dequantize_unsigned", "DequantizeLinear", [np.array([0, 255], np.uint8), (), np.array(255, np.uint8)]),
    Row("dequantize_old", "DequantizeLinear", [_STEPS, ()], opset=10, reference=False),
    Row(
        "dequantize_blocks", "DequantizeLinear", [_STEPS, (2, 2), np.array([[1, 2], [3, 4]], np.int8)],
        {"axis": 1, "block_size": 2}, opset=21,
    ),
]  # fmt: skip

LOSS_ROWS = [*LOSS, *DROPOUT, *QUANTIZED]
