"""Scikit-learn pipelines over columns of several kinds, as skl2onnx writes them: one input a column, or one for all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

Rows = npt.NDArray[Any]

CITIES, SIZES, CLASSES = ("Bern", "Oslo", "Rome"), ("L", "M", "S"), (1, 2, 3)
KINDS = {
    "age": FloatTensorType([None, 1]),
    "fare": FloatTensorType([None, 1]),
    "city": StringTensorType([None, 1]),
    "size": StringTensorType([None, 1]),
    "klass": Int64TensorType([None, 1]),
}


@cache
def passengers(count: int = 120) -> tuple[Rows, Rows]:
    """Return rows of age, fare, city, size and class, and a label that depends on all of them but size."""
    random = np.random.default_rng(0)
    age, fare = random.uniform(18, 80, count).astype(np.float32), random.exponential(30, count).astype(np.float32)
    columns = [age, fare, random.choice(CITIES, count), random.choice(SIZES, count), random.choice(CLASSES, count)]
    rows = np.empty((count, 5), dtype=object)
    for place, column in enumerate(columns):
        rows[:, place] = column
    return rows, ((age > 40) ^ (columns[2] == "Rome") ^ (columns[4] == 3)).astype(int)


def scaled(*encoders: Any) -> Any:
    """Return a transformer that scales age and fare and encodes other columns."""
    return ColumnTransformer([("numbers", StandardScaler(), [0, 1]), *encoders])


def network() -> Any:
    """Return an unfitted small network."""
    return MLPClassifier((6,), max_iter=60, random_state=0)


PIPELINES: Mapping[str, Callable[[], Any]] = {
    "one-hot, logistic": lambda: make_pipeline(
        scaled(("text", OneHotEncoder(handle_unknown="ignore"), [2, 3]), ("class", OneHotEncoder(), [4])),
        LogisticRegression(),
    ),
    "one-hot, network": lambda: make_pipeline(
        scaled(("all", OneHotEncoder(drop="first"), [2, 3, 4])), network()
    ),
    "ordinal, network": lambda: make_pipeline(
        scaled(("all", OrdinalEncoder(), [2, 3, 4])), network()
    ),
    "ordinal with a code for the unknown": lambda: make_pipeline(
        scaled(
            ("text", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [2, 3]),
            ("class", OneHotEncoder(), [4]),
        ),
        network(),
    ),
}  # fmt: skip


@cache
def pipeline(name: str) -> ModelProto:
    """Fit and export a pipeline over five columns."""
    rows, labels = passengers()
    return _exported(PIPELINES[name](), rows, labels, list(KINDS.items()))


@cache
def one_input(encoder: str) -> ModelProto:
    """Fit and export a pipeline that reads age, fare and class as one float input ``X``."""
    rows, labels = passengers()
    chosen = OneHotEncoder(handle_unknown="ignore") if encoder == "one-hot" else OrdinalEncoder()
    model = make_pipeline(scaled(("class", chosen, [2])), network())
    return _exported(model, rows[:, [0, 1, 4]].astype(np.float32), labels, [("X", FloatTensorType([None, 3]))])


@cache
def text_beside_numbers() -> ModelProto:
    """Fit and export a pipeline that reads city and size as one text input ``S`` beside age and fare."""
    rows, labels = passengers()
    kinds = [("age", KINDS["age"]), ("fare", KINDS["fare"]), ("S", StringTensorType([None, 2]))]
    return _exported(make_pipeline(scaled(("text", OneHotEncoder(), [2, 3])), network()), rows[:, :4], labels, kinds)


def _exported(model: Any, rows: Rows, labels: Rows, kinds: list[tuple[str, Any]]) -> ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the graph is what counts, not the fit
        exported: ModelProto = convert_sklearn(model.fit(rows, labels), initial_types=kinds)
    return exported


def written(model: ModelProto, folder: Path) -> Path:
    """Write a model."""
    path = folder / "columns.onnx"
    path.write_bytes(model.SerializeToString())
    return path
