"""Train the models in ``exactbox/data/`` and write them there: ``python tests/models/train_bundled.py [FOLDER]``.

Everything is seeded. scikit-learn adds in another order on another processor, so weights made elsewhere may differ in
their last bits from the committed ones; the files made twice on one machine are the same bytes.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, Python looks beside the script only

from tests.models.model_files import open_session, write_model, write_whole  # noqa: E402

FloatArray = npt.NDArray[np.float64]

SEED = 0
SAMPLES_PER_DIGIT = 4
CONV_CHANNELS = (8, 24)
EPSILON = 1e-5  # BatchNormalization's default


class Split(NamedTuple):
    """Features (n, d) and labels (n,) to train on and to test on."""

    train: FloatArray
    test: FloatArray
    train_labels: npt.NDArray[Any]
    test_labels: npt.NDArray[Any]


def digits() -> Split:
    """Return scikit-learn's 8x8 digits, flattened row by row, divided by 16 (exact: the pixels are 0 to 16)."""
    images, labels = load_digits(return_X_y=True)
    return Split(*train_test_split(images / 16, labels, test_size=0.25, stratify=labels, random_state=SEED))


def iris() -> Split:
    """Return the iris measurements in centimetres with the species' names as labels."""
    data = load_iris()
    names = data.target_names[data.target]
    return Split(*train_test_split(data.data, names, test_size=0.2, stratify=names, random_state=SEED))


def digits_mlp() -> ModelProto:
    """Train 64-64-32-10 with ReLU on the digits; input ``pixels``, outputs ``label`` and ``probabilities``."""
    split = digits()
    classifier = MLPClassifier((64, 32), max_iter=400, random_state=SEED).fit(split.train, split.train_labels)
    print(f"digits_mlp: test accuracy {classifier.score(split.test, split.test_labels):.4f}")
    pixels = FloatTensorType([None, 64])
    model: ModelProto = to_onnx(classifier, initial_types=[("pixels", pixels)], options={"zipmap": False})
    return model


class Filters(NamedTuple):
    """A convolution's weights (out, in, 3, 3) and the batch-norm after it: scale, shift, mean, variance."""

    weights: npt.NDArray[np.float32]
    norm: tuple[npt.NDArray[np.float32], ...]


def random_filters(generator: np.random.Generator, channels: int, outputs: int) -> Filters:
    """Draw seeded 3x3 filters, and a batch-norm that changes nothing until its statistics are measured."""
    weights = generator.standard_normal((outputs, channels, 3, 3)) / np.sqrt(9 * channels)
    scale = generator.uniform(0.5, 1.5, outputs)
    shift = generator.normal(0, 0.2, outputs)
    norm = (scale, shift, np.zeros(outputs), np.ones(outputs))
    return Filters(weights.astype(np.float32), tuple(part.astype(np.float32) for part in norm))


def with_statistics(filters: Filters, responses: npt.NDArray[np.float32]) -> Filters:
    """Give the batch-norm the mean and variance of the convolution's responses (n, out, height, width)."""
    exact = responses.astype(np.float64)
    statistics = (exact.mean((0, 2, 3)), exact.var((0, 2, 3)))
    return Filters(filters.weights, (*filters.norm[:2], *(part.astype(np.float32) for part in statistics)))


def convolution_block(
    number: int, source: str, filters: Filters, pool: str
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Return the nodes conv, bn, relu and pool of one block, named by its number, and the tensors that they read."""
    conv, norm, relu, pooled = (f"{kind}{number}" for kind in ("conv", "bn", "relu", "pool"))
    names = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    nodes = [
        helper.make_node("Conv", [source, f"{conv}.weight"], [conv], name=conv, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", [conv, *names], [norm], name=norm, epsilon=EPSILON),
        helper.make_node("Relu", [norm], [relu], name=relu),
        helper.make_node(pool, [relu], [pooled], name=pooled, kernel_shape=[2, 2], strides=[2, 2]),
    ]
    tensors = [numpy_helper.from_array(filters.weights, f"{conv}.weight")]
    tensors += [numpy_helper.from_array(value, name) for name, value in zip(names, filters.norm, strict=True)]
    return nodes, tensors


def cnn_graph(layers: list[Filters], readout: tuple[FloatArray, FloatArray], output: str) -> ModelProto:
    """Build the CNN with ``output`` as its output; ``readout`` is the weight (10, 96) and the bias (10,) of ``fc``."""
    nodes: list[NodeProto] = []
    tensors: list[TensorProto] = []
    source = "image"
    for number, (filters, pool) in enumerate(zip(layers, ("MaxPool", "AveragePool"), strict=True), start=1):
        more_nodes, more_tensors = convolution_block(number, source, filters, pool)
        nodes += more_nodes
        tensors += more_tensors
        source = f"pool{number}"
    for name, value in zip(("fc.weight", "fc.bias"), readout, strict=True):
        tensors.append(numpy_helper.from_array(value.astype(np.float32), name))
    nodes.append(helper.make_node("Flatten", [source], ["features"], name="flatten", axis=1))
    nodes.append(helper.make_node("Gemm", ["features", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1))
    shape: list[int | str] | None = ["N", 10] if output == "logits" else None
    graph = helper.make_graph(
        nodes,
        "digits_cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        tensors,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def run(model: ModelProto, pixels: FloatArray) -> npt.NDArray[np.float32]:
    """Return the only output of a CNN on images (n, 64)."""
    images = pixels.astype(np.float32).reshape(-1, 1, 8, 8)
    values: npt.NDArray[np.float32] = open_session(model.SerializeToString()).run(None, {"image": images})[0]
    return values


def digits_cnn() -> ModelProto:
    """Make a CNN of seeded random filters, batch-norms measured on the digits, and a trained last layer.

    Only the last layer is trained, as in an extreme learning machine, so that the script needs no deep learning
    framework. Input ``image`` (N, 1, 8, 8), output ``logits`` (N, 10).
    """
    split = digits()
    generator = np.random.default_rng(SEED)
    first, second = (random_filters(generator, *pair) for pair in ((1, CONV_CHANNELS[0]), CONV_CHANNELS))
    unread = (np.zeros((10, 4 * CONV_CHANNELS[1])), np.zeros(10))
    first = with_statistics(first, run(cnn_graph([first, second], unread, "conv1"), split.train))
    second = with_statistics(second, run(cnn_graph([first, second], unread, "conv2"), split.train))
    features = run(cnn_graph([first, second], unread, "features"), split.train)
    # Solved to the end: at the default tolerance the place where a solver stops depends on the processor.
    readout = LogisticRegression(C=10, solver="newton-cg", tol=1e-9, max_iter=1000).fit(
        features.astype(np.float64), split.train_labels
    )
    model = cnn_graph([first, second], (readout.coef_, readout.intercept_), "logits")
    accuracy = np.mean(run(model, split.test).argmax(axis=1) == split.test_labels)
    print(f"digits_cnn: test accuracy {accuracy:.4f}")
    return model


def iris_pipeline() -> ModelProto:
    """Train a scaler and a 4-8-3 network on iris and export them with skl2onnx's defaults (a label and a ZipMap)."""
    split = iris()
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=3000, random_state=SEED))
    pipeline.fit(split.train, split.train_labels)
    print(f"iris_pipeline: test accuracy {pipeline.score(split.test, split.test_labels):.4f}")
    model: ModelProto = to_onnx(pipeline, split.train[:1].astype(np.float32))
    return model


def digits_samples() -> bytes:
    """Return an .npz of 40 test digits: ``pixels`` (40, 64) and ``image`` (40, 1, 8, 8) for the inputs; ``label``."""
    split = digits()
    chosen = np.concatenate([np.flatnonzero(split.test_labels == digit)[:SAMPLES_PER_DIGIT] for digit in range(10)])
    pixels = split.test[chosen].astype(np.float32)
    stream = io.BytesIO()
    np.savez(stream, pixels=pixels, image=pixels.reshape(-1, 1, 8, 8), label=split.test_labels[chosen])
    return stream.getvalue()


def iris_samples() -> bytes:
    """Return a CSV of ten test flowers: a header of feature names, then centimetres."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(load_iris().feature_names)
    writer.writerows(iris().test[:10].tolist())
    return stream.getvalue().encode()


MODELS = {
    "digits_mlp.onnx": digits_mlp,
    "digits_cnn.onnx": digits_cnn,
    "iris_pipeline.onnx": iris_pipeline,
}
SAMPLES = {
    "digits_samples.npz": digits_samples,
    "iris_samples.csv": iris_samples,
}


def main(arguments: list[str]) -> int:
    """Write every model and its samples to the folder given, by default the package's data folder."""
    folder = Path(arguments[0]) if arguments else ROOT / "exactbox" / "data"
    for name, train in MODELS.items():
        write_model(folder / name, train())
    for name, collect in SAMPLES.items():
        write_whole(folder / name, collect())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
