"""Scikit-learn's linear classifiers and machines, as skl2onnx writes them: certified, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import helper
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import PassiveAggressiveClassifier, Perceptron, RidgeClassifier, SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

from exactbox.certifying import certify
from exactbox.checking import check
from exactbox.importers.onnx_model import load
from exactbox.polytope import exact
from exactbox.polytope.errors import UnsupportedModelError
from exactbox.polytope.rational import exact as exact_numbers
from tests.importers.onnx_models import ML, build, save

Floats = npt.NDArray[np.float32]
SEED = 1
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning")


def flowers() -> tuple[Floats, Any]:
    """Return iris with its three species."""
    features, species = load_iris(return_X_y=True)
    return features.astype(np.float32), species


def two_flowers() -> tuple[Floats, Any]:
    """Return the two species of iris that are hard to tell apart."""
    features, species = flowers()
    return features[50:], species[50:]


def far_flowers() -> tuple[Floats, Any]:
    """Return the two species of iris that are far apart."""
    features, species = flowers()
    return features[:100], species[:100]


def tumours() -> tuple[Floats, Any]:
    """Return the breast cancer data, two classes."""
    features, benign = load_breast_cancer(return_X_y=True)
    return features.astype(np.float32), benign


CLASSIFIERS: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Floats, Any]], str]] = {
    "svc": (lambda: SVC(kernel="linear"), two_flowers, "argmin"),
    "svc far apart": (lambda: SVC(kernel="linear"), far_flowers, "argmin"),
    "svc, scaled": (lambda: make_pipeline(StandardScaler(), SVC(kernel="linear")), tumours, "argmin"),
    "nu svc": (lambda: NuSVC(kernel="linear"), two_flowers, "argmin"),
    "sgd, hinge": (lambda: SGDClassifier(random_state=SEED), flowers, "argmax"),
    "sgd, hinge, two": (lambda: SGDClassifier(random_state=SEED), tumours, "argmax"),
    "sgd, logarithmic": (lambda: SGDClassifier(loss="log_loss", random_state=SEED), flowers, "argmax"),
    "sgd, logarithmic, scaled": (
        lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=SEED)), flowers, "argmax"),
    "sgd, logarithmic, two": (lambda: SGDClassifier(loss="log_loss", random_state=SEED), two_flowers, "argmax"),
    "sgd, huber, two": (lambda: SGDClassifier(loss="modified_huber", random_state=SEED), tumours, "argmax"),
    "ridge": (RidgeClassifier, flowers, "argmax"),
    "perceptron": (Perceptron, flowers, "argmax"),
    "perceptron, two": (Perceptron, two_flowers, "argmax"),
    "passive aggressive": (lambda: PassiveAggressiveClassifier(random_state=SEED), flowers, "argmax"),
    "linear svc": (lambda: LinearSVC(random_state=SEED), flowers, "argmax"),
}  # fmt: skip


def exported(model: Any, data: Callable[[], tuple[Floats, Any]], folder: Path) -> tuple[Path, Floats]:
    """Fit and export a model; returns its file and the data."""
    features, target = data()
    proto: onnx.ModelProto = to_onnx(model.fit(features, target), features[:1])
    return save(proto, folder), features


def runtime_label(path: Path, features: Floats) -> list[int]:
    """Return what onnxruntime decides, sample by sample."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = next(item.name for item in session.get_outputs() if "label" in item.name)
    return [int(value) for value in np.ravel(session.run([name], {"X": features})[0])]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_decide_as_the_runtime(name: str, tmp_path: Path) -> None:
    make, data, rule = CLASSIFIERS[name]
    path, features = exported(make(), data, tmp_path)
    model = load(path)
    assert model.confirmation.status == "confirmed"
    assert model.program.head.rule == rule
    chosen = features[::7]
    logits = exact.forward(model.program, exact_numbers(chosen.T)).to_float()
    best = logits.argmax(axis=0) if rule == "argmax" else logits.argmin(axis=0)
    ordered = np.sort(logits, axis=0)
    clear = (ordered[-1] - ordered[-2] > 1e-3) if rule == "argmax" else (ordered[1] - ordered[0] > 1e-3)
    found = [int(model.program.head.labels[i]) for i in best]
    pairs = [(a, b) for a, b, far in zip(found, runtime_label(path, chosen), clear, strict=True) if far]
    assert len(pairs) > len(chosen) // 2
    assert [a for a, _ in pairs] == [b for _, b in pairs]


@pytest.mark.parametrize("name", ["svc", "sgd, logarithmic"])
def test_classifiers_are_certified(name: str, tmp_path: Path) -> None:
    make, data, _ = CLASSIFIERS[name]
    path, features = exported(make(), data, tmp_path)
    found = certify(path, features[3], box=(0, 10), opinion_seconds=0)
    assert found.class_name == str(runtime_label(path, features[3:4])[0])
    (written, _) = found.save(tmp_path / "a.cert.json")
    assert check(written, path).accepted


@pytest.mark.parametrize(
    "make", [lambda: SVR(kernel="linear"), lambda: NuSVR(kernel="linear"), LinearSVR, SGDRegressor,
             lambda: OneClassSVM(kernel="linear")],
    ids=["svr", "nu svr", "linear svr", "sgd", "one class"],
)  # fmt: skip
def test_regressors_give_the_runtimes_numbers(make: Callable[[], Any], tmp_path: Path) -> None:
    path, features = exported(make(), flowers, tmp_path)
    model = load(path)
    assert model.confirmation.status == "confirmed"
    assert model.confirmation.max_difference <= model.confirmation.bound
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run([model.program.output.name], {"X": features[:9]})
    found = exact.forward(model.program, exact_numbers(features[:9].T)).to_float()
    assert found.ravel() == pytest.approx(expected.ravel(), rel=1e-4, abs=4 * model.confirmation.bound)


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        pytest.param(SVC(), two_flowers, "SVMClassifier .*: kernel RBF: not piecewise linear", id="curved kernel"),
        pytest.param(SVC(kernel="linear"), flowers, "SVMClassifier .*: more than two classes: the label counts votes",
                     id="votes"),
        pytest.param(SVC(kernel="linear", decision_function_shape="ovo"), flowers, "more than two classes",
                     id="scores of pairs"),
        pytest.param(SVR(kernel="poly"), flowers, "SVMRegressor .*: kernel POLY", id="polynomial"),
        pytest.param(SGDClassifier(loss="modified_huber", random_state=SEED), flowers,
                     "Div 'Div1': division by data", id="clipped shares"),
    ],
)  # fmt: skip
def test_others_are_refused_by_name(
    model: Any, data: Callable[[], tuple[Floats, Any]], reason: str, tmp_path: Path
) -> None:
    path, _ = exported(model, data, tmp_path)
    with pytest.raises(UnsupportedModelError, match=reason):
        load(path)


def test_fitted_probabilities_are_refused_and_the_label_is_certified(tmp_path: Path) -> None:
    path, features = exported(SVC(kernel="linear"), two_flowers, tmp_path)
    proto = onnx.load(path)
    fit = {"prob_a": [-2.0], "prob_b": [0.25]}  # as scikit-learn fits them with probability=True
    proto.graph.node[0].attribute.extend(helper.make_attribute(name, value) for name, value in fit.items())
    path = save(proto, tmp_path)
    with pytest.raises(UnsupportedModelError, match="fitted apart from its label; choose the label as output"):
        load(path, output="output_probability")
    model = load(path)
    assert "assumed, as 'output_probability' is not piecewise linear" in model.output_choice
    assert model.confirmation.status == "confirmed"
    found = certify(path, features[3], box=(0, 10), opinion_seconds=0)
    assert found.class_name == str(runtime_label(path, features[3:4])[0])


def test_the_scores_of_a_machine_run_against_its_label(tmp_path: Path) -> None:
    """The runtime writes (-s, s) and answers the first class where s > 0: the smaller score decides."""
    make, data, _ = CLASSIFIERS["svc"]
    path, features = exported(make(), data, tmp_path)
    model = load(path)
    assert "the decision (argmin) is the one that the model's output 'output_label' makes" in model.notes
    first, second = exact.forward(model.program, exact_numbers(features[:1].T)).fractions()
    assert first == -second
    assert runtime_label(path, features[:1]) == [1 if first < second else 2]


MACHINE: dict[str, Any] = {
    "coefficients": [1.0, -2.0], "rho": [0.5], "support_vectors": [1.0, 2.0, 3.0, 4.0], "kernel_type": "LINEAR",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"one_class": 1}, "class of a one-class machine"),
        ({"post_transform": "LOGISTIC"}, "post_transform LOGISTIC is not lowered"),
        ({"coefficients": [1.0]}, "1 coefficient and 4 entries of 2 support vectors"),
        ({"rho": [0.5, 1.0]}, "2 constants"),
        ({"n_targets": 2}, "gives it no attribute n_targets"),
    ],
)
def test_malformed_machines(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    attributes: dict[str, Any] = {**MACHINE, "n_supports": 2, **changes}
    node = helper.make_node("SVMRegressor", ["x"], ["y"], "machine", domain=ML, **attributes)
    with pytest.raises(UnsupportedModelError, match=reason):
        load(save(build([node], {"x": (1, 2)}), tmp_path))


def test_a_machine_by_hand(tmp_path: Path) -> None:
    node = helper.make_node("SVMRegressor", ["x"], ["y"], "machine", domain=ML, n_supports=2, **MACHINE)
    model = load(save(build([node], {"x": (1, 2)}), tmp_path))
    # 1 (x0 + 2 x1) - 2 (3 x0 + 4 x1) + 1/2 at (1, 1)
    assert exact.forward(model.program, exact_numbers([[1], [1]])).item(0, 0) == -10.5


def test_a_machine_of_positive_coefficients_alone(tmp_path: Path) -> None:
    classes = {"vectors_per_class": [1, 1], "classlabels_ints": [0, 1]}
    attributes: dict[str, Any] = {**MACHINE, **classes, "coefficients": [1.0, 2.0]}
    node = helper.make_node("SVMClassifier", ["x"], ["label", "y"], "machine", domain=ML, **attributes)
    with pytest.raises(UnsupportedModelError, match="no negative coefficient"):
        load(save(build([node], {"x": (1, 2)}), tmp_path))


@pytest.mark.parametrize("constants", [(1.0, 1.0), (2.0,)], ids=["one each", "one for all"])
def test_sigmoids_written_out_are_heads(constants: tuple[float, ...], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["n"], "neg"),
        helper.make_node("Exp", ["n"], ["e"], "exp"),
        helper.make_node("Add", ["one", "e"], ["a"], "add"),
        helper.make_node("Reciprocal", ["a"], ["y"], "reciprocal"),
    ]
    model = load(save(build(nodes, {"x": (1, 2)}, constants={"one": np.array(constants, np.float32)}), tmp_path))
    assert model.program.head.ops == ("Exp", "Add", "Reciprocal")
    assert exact.forward(model.program, exact_numbers([[3], [-2]])).fractions() == [3, -2]


def test_constants_that_differ_break_the_order(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Exp", ["x"], ["e"], "exp"),
        helper.make_node("Add", ["e", "c"], ["y"], "add"),
    ]
    with pytest.raises(UnsupportedModelError, match=r"Exp 'exp': .*used by Add 'add'"):
        load(save(build(nodes, {"x": (1, 2)}, constants={"c": np.array([1, 2], np.float32)}), tmp_path))
