"""What torch's two exporters and skl2onnx write by default imports without surgery."""

from __future__ import annotations

from pathlib import Path

import pytest

from exactbox.importers.onnx_model import Model, load
from exactbox.polytope.errors import UnsupportedModelError
from tests.shared_models import REPOSITORY

MODELS = REPOSITORY / "tests" / "models"
BUNDLED = REPOSITORY / "exactbox" / "data"
TORCH = sorted(path.name for path in (MODELS / "torch").glob("*.onnx"))
SKLEARN = sorted(path.name for path in (MODELS / "sklearn").glob("*.onnx"))

# Soft shrinkage by the sign of the data, which jumps.
REFUSED = {"function_softshrink.dynamo.onnx": {"Sign"}}

# Head operators, rule and class names of what scikit-learn's exporter writes.
CLASSIFIERS = {
    "logistic_binary.onnx": (("Sigmoid", "ZipMap"), ("0", "1")),
    "logistic_one_vs_rest.onnx": (("Sigmoid", "Normalizer", "ZipMap"), ("0", "1", "2")),
    "logistic_string_labels.onnx": (("Softmax", "Normalizer", "ZipMap"), ("setosa", "versicolor", "virginica")),
    "linear_svc.onnx": ((), ("0", "1", "2")),
    "mlp_binary.onnx": (("Sigmoid", "ZipMap"), ("0", "1")),
    "mlp_binary_strings.onnx": (("Sigmoid", "ZipMap"), ("other", "versicolor")),
    "mlp_double.onnx": (("Softmax",), ("0", "1", "2")),
    "mlp_no_zipmap.onnx": (("Softmax",), ("0", "1", "2")),
    "mlp_string_labels.onnx": (("Softmax", "ZipMap"), ("setosa", "versicolor", "virginica")),
    "mlp_zipmap_columns.onnx": (("Softmax", "ArgMax", "ArrayFeatureExtractor"), ("0", "1", "2")),
}


def confirmed(path: Path) -> Model:
    """Import a model that the runtime must confirm."""
    model = load(path)
    assert model.confirmation.status == "confirmed"
    return model


@pytest.mark.parametrize("name", [name for name in TORCH if name not in REFUSED])
def test_torch(name: str) -> None:
    model = confirmed(MODELS / "torch" / name)
    assert model.program.unit_count > 0 or name.startswith("function_")


@pytest.mark.parametrize("name", [name for name in TORCH if name in REFUSED])
def test_torch_functions_by_comparison_are_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load(MODELS / "torch" / name)
    assert {refusal.op for refusal in caught.value.refusals} == REFUSED[name]


def test_both_exporters_of_torch_agree_on_the_number_of_units() -> None:
    names = [name for name in TORCH if name.endswith(".dynamo.onnx")]
    names = [name for name in names if not {name, name.replace("dynamo", "torchscript")} & set(REFUSED)]
    counts = {
        name: [
            load(MODELS / "torch" / each, verify=False).program.unit_count
            for each in (name, name.replace("dynamo", "torchscript"))
        ]
        for name in names
    }
    assert counts
    assert all(one == other for one, other in counts.values()), counts


@pytest.mark.parametrize("name", SKLEARN)
def test_sklearn(name: str) -> None:
    model = confirmed(MODELS / "sklearn" / name)
    assert model.program.inputs[0].shape[0] == 1
    if name in CLASSIFIERS:
        head = model.program.head
        assert (head.ops, head.labels) == CLASSIFIERS[name]
        assert head.rule == "argmax"


def test_a_pipeline_explains_scores_and_takes_the_decision_from_the_label() -> None:
    model = load(MODELS / "sklearn" / "mlp_no_zipmap.onnx")
    assert model.output_choice == "output 'probabilities' chosen (assumed): logits under Softmax"
    assert "the decision (argmax) is the one that the model's output 'label' makes" in model.notes


def test_a_doubles_zip_map_is_not_confirmed_but_imports() -> None:
    model = load(MODELS / "sklearn" / "unrunnable" / "mlp_double.onnx")
    assert model.confirmation.status == "not confirmed"
    assert model.program.head.labels == ("0", "1", "2")


def test_a_file_with_too_few_class_names_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="ZipMap 'ZipMap': names 2 classes for 4 scores"):
        load(MODELS / "sklearn" / "unrunnable" / "mlp_multilabel.onnx")


@pytest.mark.parametrize("name", ["digits_cnn.onnx", "digits_mlp.onnx", "iris_pipeline.onnx"])
def test_the_bundled_models(name: str) -> None:
    model = confirmed(BUNDLED / name)
    assert model.program.unit_count > 0
