"""What do certificates of large inputs, many outputs and awkward images cost?

    python benchmarks/bench_size.py [--only TEXT ...] [--options "..."]

Builds each model, runs ``exactbox certify`` and ``exactbox check`` on it as a user would, each in a process of its own
and on one thread, and prints seconds and peak memory of both.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.float32]
Image = Callable[[Sequence[int]], Array]
WALL = 600


@dataclass
class Net:
    """A model that grows node by node; each layer reads the last tensor and returns the net."""

    shape: tuple[int, ...]
    seed: int = 0
    bias: float = 0.1
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    weights: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    last: str = "x"

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    @property
    def parameters(self) -> int:
        """The number of constants."""
        return sum(numpy_helper.to_array(weight).size for weight in self.weights)

    def add(self, op: str, *constants: npt.NDArray[np.generic], **attributes: Any) -> Net:
        """Append a node."""
        names = [f"c{len(self.weights) + i}" for i in range(len(constants))]
        self.weights += [numpy_helper.from_array(value, name) for value, name in zip(constants, names, strict=True)]
        made = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.last, *names], [made], name=f"{op.lower()}{len(self.nodes)}",
                                           **attributes))  # fmt: skip
        self.last = made
        return self

    def normal(self, *shape: int, fan: int) -> Array:
        """Return Gaussian weights (He, 2015)."""
        weights: Array = (self.random.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32)
        return weights

    def offsets(self, size: int) -> Array:
        """Return small biases."""
        return (self.bias * self.random.standard_normal(size)).astype(np.float32)

    def conv(self, source: int, target: int, kernel: int = 3, stride: int = 1, axes: int = 2) -> Net:
        """Append a padded convolution."""
        weight = self.normal(target, source, *[kernel] * axes, fan=source * kernel**axes)
        return self.add("Conv", weight, self.offsets(target), kernel_shape=[kernel] * axes, strides=[stride] * axes,
                        pads=[kernel // 2] * 2 * axes)  # fmt: skip

    def up(self, source: int, target: int) -> Net:
        """Append a transposed convolution that doubles height and width."""
        weight = self.normal(source, target, 2, 2, fan=source)
        return self.add("ConvTranspose", weight, self.offsets(target), kernel_shape=[2, 2], strides=[2, 2])

    def norm(self, channels: int) -> Net:
        """Append a batch normalisation."""
        spread = self.random.uniform(0.5, 2, channels).astype(np.float32)
        gain = self.random.uniform(0.5, 1.5, channels).astype(np.float32)
        parts = (gain, self.offsets(channels), self.offsets(channels), spread)
        return self.add("BatchNormalization", *parts)

    def pool(self, axes: int = 2) -> Net:
        """Append a max-pool that halves every axis."""
        return self.add("MaxPool", kernel_shape=[2] * axes, strides=[2] * axes)

    def relu(self) -> Net:
        """Append a Relu."""
        return self.add("Relu")

    def dense(self, source: int, target: int) -> Net:
        """Append a fully connected layer."""
        return self.add("Gemm", self.normal(source, target, fan=source), self.offsets(target))

    def block(self, source: int, target: int) -> Net:
        """Append convolution, batch normalisation, Relu and max-pool."""
        return self.conv(source, target).norm(target).relu().pool()

    def model(self, *output: int) -> onnx.ModelProto:
        """Return the model; ``output`` is the output's shape."""
        rim = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape))
               for name, shape in (("x", self.shape), (self.last, output))]  # fmt: skip
        graph = helper.make_graph(self.nodes, "net", rim[:1], rim[1:], self.weights)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def cnn(side: int = 256, bias: float = 0.1, classes: int = 10) -> onnx.ModelProto:
    """Return a CNN of about 28 000 parameters with batch normalisation and max-pool."""
    net = Net((1, 3, side, side), bias=bias).block(3, 16).block(16, 24).block(24, 32).block(32, 48)
    return net.add("GlobalAveragePool").add("Flatten").dense(48, classes).model(1, classes)


def dead_cnn(side: int = 64) -> onnx.ModelProto:
    """Return a CNN most of whose units are dead wherever the image is dark."""
    net = Net((1, 3, side, side), bias=-0.5).block(3, 16).block(16, 24)
    return net.add("GlobalMaxPool").add("Flatten").dense(24, 10).model(1, 10)


def detector(side: int = 320) -> onnx.ModelProto:
    """Return a fully convolutional net with tens of thousands of outputs."""
    net = Net((1, 3, side, side)).conv(3, 8, stride=2).norm(8).relu().pool().conv(8, 16, stride=2).norm(16).relu()
    net.conv(16, 24).norm(24).relu().conv(24, 27, kernel=1)
    cells = (side // 8) ** 2
    return net.add("Reshape", np.array([1, 27, cells])).model(1, 27, cells)


def autoencoder(side: int = 64) -> onnx.ModelProto:
    """Return an autoencoder of convolutions and transposed convolutions."""
    net = Net((1, 3, side, side)).conv(3, 16, stride=2).relu().conv(16, 32, stride=2).relu().conv(32, 16).relu()
    return net.up(16, 16).relu().up(16, 3).model(1, 3, side, side)


def encoder(side: int = 224, outputs: int = 96) -> onnx.ModelProto:
    """Return an encoder of an image into a vector."""
    net = Net((1, 3, side, side)).conv(3, 16, stride=2).relu().pool().conv(16, 32, stride=2).relu().conv(32, 32)
    return net.relu().add("GlobalAveragePool").add("Flatten").dense(32, outputs).model(1, outputs)


def mobile(side: int = 96) -> onnx.ModelProto:
    """Return a net of strided and global convolutions whose first dense layer is wide."""
    net = Net((1, 3, side, side)).conv(3, 16, stride=2).norm(16).relu().pool().conv(16, 32, stride=2).norm(32).relu()
    size = 32 * (side // 8) ** 2
    return net.add("Flatten").dense(size, 64).relu().dense(64, 10).model(1, 10)


def segmenter(side: int = 64) -> onnx.ModelProto:
    """Return a segmentation net with 21 classes a pixel."""
    net = Net((1, 3, side, side)).conv(3, 16).relu().pool().conv(16, 24).relu().up(24, 16).relu().conv(16, 21, kernel=1)
    return net.model(1, 21, side, side)


def signal(length: int = 16000) -> onnx.ModelProto:
    """Return a one-dimensional CNN over a long signal."""
    net = Net((1, 1, length)).conv(1, 16, kernel=9, stride=4, axes=1).norm(16).relu().pool(1)
    net.conv(16, 32, kernel=9, stride=4, axes=1).norm(32).relu().pool(1)
    return net.add("GlobalAveragePool").add("Flatten").dense(32, 10).model(1, 10)


def dense(*sizes: int) -> onnx.ModelProto:
    """Return a fully connected net."""
    net = Net((1, sizes[0]))
    for source, target in pairwise(sizes[:-1]):
        net.dense(source, target).relu()
    return net.dense(sizes[-2], sizes[-1]).model(1, sizes[-1])


def one_relu() -> onnx.ModelProto:
    """Return a Relu alone on an image of the usual size."""
    return Net((1, 3, 224, 224)).relu().model(1, 3, 224, 224)


def noise(shape: Sequence[int]) -> Array:
    """Return an image without structure."""
    return np.random.default_rng(1).random(tuple(shape)).astype(np.float32)


def flat(value: float) -> Image:
    """Return images of one value."""
    return lambda shape: np.full(tuple(shape), value, dtype=np.float32)


def framed(shape: Sequence[int]) -> Array:
    """Return noise in the middle of a white image."""
    image = np.ones(tuple(shape), dtype=np.float32)
    quarter = [slice(None) if n <= 3 else slice(n // 4, 3 * n // 4) for n in shape]
    image[tuple(quarter)] = noise(image[tuple(quarter)].shape)
    return image


CASES: dict[str, tuple[Callable[[], onnx.ModelProto], Image, str]] = {
    "CNN 256x256": (cnn, noise, ""),
    "CNN 256x256 white": (cnn, flat(1.0), ""),
    "CNN 256x256 black": (cnn, flat(0.0), ""),
    "CNN 256x256 framed": (cnn, framed, ""),
    "CNN 256x256 black, no biases": (lambda: cnn(bias=0.0), flat(0.0), ""),
    "CNN 256x256 in a box": (cnn, framed, "--box 0,1"),
    "CNN 128x128, 1000 classes": (lambda: cnn(128, classes=1000), noise, ""),
    "CNN 64x64 dead": (dead_cnn, flat(0.0), ""),
    "detector 320x320": (detector, noise, ""),
    "detector 320x320, target": (detector, framed, "--target 5"),
    "autoencoder 64x64": (autoencoder, noise, ""),
    "autoencoder 64x64, target": (autoencoder, noise, "--target 7"),
    "Relu 224x224": (one_relu, noise, ""),
    "Relu 224x224 black": (one_relu, flat(0.0), ""),
    "encoder 224x224": (encoder, noise, ""),
    "mobile 96x96": (mobile, noise, ""),
    "segmenter 64x64": (segmenter, noise, ""),
    "signal 16000": (signal, noise, ""),
    "MLP 3072-1024-1024-10": (lambda: dense(3072, 1024, 1024, 10), noise, ""),
    "linear 12288-2": (lambda: dense(12288, 2), noise, ""),
    "linear 12288-2 in a box": (lambda: dense(12288, 2), noise, "--box 0,1"),
    "wide 4-200000": (lambda: dense(4, 200_000), noise, ""),
}


def run(*words: str) -> tuple[int, float, float, str]:
    """Run exactbox; return its exit code, seconds, GiB of peak memory, and the end of what it says where it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen([sys.executable, "-m", "exactbox", *words], stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    why = lines[-1] if lines and child.returncode else ""
    return child.returncode, time.perf_counter() - start, usage.ru_maxrss / (1 << 20), why


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[""], help="cases whose name holds one of these texts")
    parser.add_argument("--options", default="", help="more options for certify")
    arguments = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    print(f"{'':32} {'certify: exit':>13} {'s':>7} {'GiB':>6} {'check: exit':>12} {'s':>7} {'GiB':>6} {'MB':>7}")
    for name, (build, image, options) in CASES.items():
        if not any(text in name for text in arguments.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            net, data, written = (str(Path(folder) / file) for file in ("net.onnx", "x.npy", "x.cert.json"))
            model = build()
            onnx.save_model(model, net)
            np.save(data, image([d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]))
            words = shlex.split(f"{options} {arguments.options}")
            code, seconds, memory, why = run("certify", net, "-i", data, "-o", written, *words)
            line = f"{name:32} {code:13} {seconds:7.1f} {memory:6.2f}"
            if Path(written).exists():
                code, seconds, memory, why = run("check", written)
                size = Path(written).stat().st_size / 1e6
                line += f" {code:12} {seconds:7.1f} {memory:6.2f} {size:7.1f}"
            print(line, why, flush=True)


if __name__ == "__main__":
    main()
