"""Export fitted scikit-learn models by skl2onnx's defaults: ``python tests/models/export_sklearn.py [FOLDER]``.

The names of the files tell what they hold; ``README.md`` says what each of them exercises. Every model is small, seeded
and fitted on a data set that comes with scikit-learn.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_linnerud
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, Python looks beside the script only

from tests.models.model_files import serialized, write_model, write_whole  # noqa: E402

SEED = 0

Labels = npt.NDArray[Any]


def export(
    model: Any,
    features: npt.NDArray[np.float64],
    labels: Labels,
    dtype: type[np.floating[Any]] = np.float32,
    **more: Any,
) -> ModelProto:
    """Fit a model and export it for inputs of ``dtype``; ``more`` goes to skl2onnx (by default nothing)."""
    exported: ModelProto = to_onnx(model.fit(features, labels), features[:1].astype(dtype), **more)
    return exported


def network(*hidden: int) -> Any:
    """Return an unfitted pipeline of a StandardScaler and an MLPClassifier with ReLU."""
    return make_pipeline(StandardScaler(), MLPClassifier(hidden, max_iter=300, random_state=SEED))


def regressor(*hidden: int) -> Any:
    """Return an unfitted pipeline of a StandardScaler and an MLPRegressor with ReLU."""
    return make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=hidden, solver="lbfgs", max_iter=100, random_state=SEED)
    )


def several_labels(labels: Labels) -> Labels:
    """Return two columns of 0 and 1 for iris: is it a versicolor; is it not a setosa."""
    return np.stack([labels == 1, labels > 0], axis=1).astype(np.int64)


def cases() -> dict[str, Callable[[], ModelProto]]:
    """Return the function that makes each file, by the file's name without its ending."""
    flowers, species = load_iris(return_X_y=True)
    names = load_iris().target_names[species]
    tumours, benign = load_breast_cancer(return_X_y=True)
    patients, progress = load_diabetes(return_X_y=True)
    exercises, bodies = load_linnerud(return_X_y=True)
    return {
        "mlp_binary": lambda: export(network(8), tumours, benign),
        "mlp_binary_strings": lambda: export(network(6), flowers, np.where(species == 1, "versicolor", "other")),
        "mlp_three_classes": lambda: export(network(8, 6), flowers, species),
        "mlp_string_labels": lambda: export(network(8), flowers, names),
        "mlp_unscaled": lambda: export(MLPClassifier((8,), max_iter=300, random_state=SEED), flowers, species),
        "mlp_minmax": lambda: export(make_pipeline(MinMaxScaler(), *network(8)[1:]), flowers, species),
        "mlp_double": lambda: export(network(8), flowers, species, np.float64, options={"zipmap": False}),
        "mlp_no_zipmap": lambda: export(network(8), flowers, species, options={"zipmap": False}),
        "mlp_zipmap_columns": lambda: export(network(8), flowers, species, options={"zipmap": "columns"}),
        "mlp_multilabel": lambda: export(network(8), flowers, several_labels(species), options={"zipmap": False}),
        "regressor_one_target": lambda: export(regressor(8), patients, progress),
        "regressor_two_targets": lambda: export(regressor(6), exercises, bodies[:, :2]),
        "regressor_double": lambda: export(regressor(8), patients, progress, np.float64),
        "logistic_binary": lambda: export(LogisticRegression(max_iter=5000), tumours, benign),
        "logistic_three_classes": lambda: export(LogisticRegression(max_iter=1000), flowers, species),
        "logistic_string_labels": lambda: export(LogisticRegression(max_iter=1000), flowers, names),
        "logistic_one_vs_rest": lambda: export(
            OneVsRestClassifier(LogisticRegression(max_iter=1000)), flowers, species
        ),
        "logistic_scaled": lambda: export(make_pipeline(StandardScaler(), LogisticRegression()), flowers, species),
        "linear_svc": lambda: export(LinearSVC(random_state=SEED), flowers, species),
        "linear_regression_one_target": lambda: export(LinearRegression(), patients, progress),
        "linear_regression_two_targets": lambda: export(LinearRegression(), exercises, bodies[:, :2]),
    }


def unrunnable_cases() -> dict[str, Callable[[], ModelProto]]:
    """Return like ``cases`` what skl2onnx writes by default although onnxruntime does not run it: a wrong ZipMap."""
    flowers, species = load_iris(return_X_y=True)
    return {
        "mlp_double": lambda: export(network(8), flowers, species, np.float64),
        "mlp_multilabel": lambda: export(network(8), flowers, several_labels(species)),
    }


def main(arguments: list[str]) -> int:
    """Write every export to the folder given, by default ``sklearn`` beside this script."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent / "sklearn"
    warnings.simplefilter("ignore", ConvergenceWarning)  # the graph is what counts, not the fit
    for name, make in cases().items():
        write_model(folder / f"{name}.onnx", make())
    for name, make in unrunnable_cases().items():
        write_whole(folder / "unrunnable" / f"{name}.onnx", serialized(make()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
