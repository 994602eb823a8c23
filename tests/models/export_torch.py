"""Export torch models by both exporters' defaults: ``python tests/models/export_torch.py [FOLDER]`` (needs torch).

Each net is written twice: ``NAME.dynamo.onnx`` by ``torch.onnx.export(net, args)``, and ``NAME.torchscript.onnx`` by
the older exporter, ``dynamo=False``. Nets are seeded and in evaluation mode; their batch-norms have running statistics
that are not the initial zeros and ones. ``README.md`` says what each file exercises.
"""

# torch is optional: the checks must pass with it and without it, where nn.Module has the type Any.
# mypy: disable-error-code="no-any-return, no-untyped-call"
# mypy: disallow-subclassing-any=False
# Without it pyright takes the folder of exports beside this script, which has the same name, for the package.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportAttributeAccessIssue=false

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx.external_data_helper import uses_external_data
from sklearn.datasets import load_digits
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, Python looks beside the script only

from tests.models.model_files import run_once, serialized, write_whole  # noqa: E402

SEED = 0
RECURRENT_STEPS = 300


class Residual(nn.Module):
    """A residual block: conv, batch-norm, ReLU, conv, batch-norm, the 1x1 shortcut added, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class PreActivation(nn.Module):
    """A residual block with its batch-norms before the convolutions, where no exporter can fold them away."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))
        return x + self.conv2(F.relu(self.bn2(y)))


class Reshaped(nn.Module):
    """Convolutional features flattened by ``x.view(x.size(0), -1)``, which may become a chain of shape nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Linear(36, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(x)
        return self.classifier(y.view(y.size(0), -1))


class Recurrent(nn.Module):
    """A ReLU recurrent classifier that reads an 8x8 digit row by row and answers after the last row."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(8, 16, nonlinearity="relu", batch_first=True)
        self.classifier = nn.Linear(16, 10)

    def forward(self, rows: Tensor) -> Tensor:
        states, _ = self.rnn(rows)
        return self.classifier(states[:, -1])


class Unrolled(nn.Module):
    """The recurrence h = relu(A x + B h) as a Python loop over the rows of a 4x4 image."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.RNNCell(4, 6, nonlinearity="relu")
        self.classifier = nn.Linear(6, 3)

    def forward(self, rows: Tensor) -> Tensor:
        state = rows.new_zeros(rows.shape[0], 6)
        for step in range(4):
            state = self.cell(rows[:, step], state)
        return self.classifier(state)


class TwoInputs(nn.Module):
    """Two inputs through layers of their own, joined by a concatenation; two outputs, the second a difference."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(2, 4)
        self.join = nn.Linear(8, 3)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        left, right = F.relu(self.left(a)), F.relu(self.right(b))
        return self.join(torch.cat([left, right], dim=1)), left - right


class Applied(nn.Module):
    """One layer and then one function: Linear(4, 4) on vectors, Conv1d or Conv2d with two channels on images."""

    def __init__(self, function: Callable[[Tensor], Tensor], dimensions: int) -> None:
        super().__init__()
        self.layer = (nn.Linear(4, 4), nn.Conv1d(2, 2, 3), nn.Conv2d(2, 2, 3))[dimensions]
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer(x))


def sigmoid_tail() -> nn.Module:
    """Return a binary classifier that ends in a Sigmoid."""
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1), nn.Sigmoid())


def mlp() -> nn.Module:
    """Return 4-8-8-3 with ReLU."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def mlp_batchnorm() -> nn.Module:
    """Return an MLP with a BatchNorm1d before a ReLU and another after one, and Dropout."""
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.BatchNorm1d(6),
        nn.Linear(6, 3), nn.LogSoftmax(dim=1),
    )  # fmt: skip


def cnn() -> nn.Module:
    """Return convolutions with BatchNorm2d, MaxPool2d, AdaptiveAvgPool2d to 2x2, Flatten and Dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d((2, 2)),
        nn.Flatten(), nn.Dropout(), nn.Linear(24, 10),
    )  # fmt: skip


def residual() -> nn.Module:
    """Return two residual blocks, the second with stride 2, averaged to 1x1."""
    return nn.Sequential(Residual(1, 4, 1), Residual(4, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))


def preactivation() -> nn.Module:
    """Return a pre-activation block between a convolution and a linear classifier with Softmax."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2), PreActivation(3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 3), nn.Softmax(1)
    )


def activations() -> nn.Module:
    """Return linear layers with ReLU6, Hardtanh, PReLU (one slope and one a channel) and LeakyReLU between them."""
    return nn.Sequential(
        nn.Linear(4, 6), nn.ReLU6(), nn.Linear(6, 6), nn.Hardtanh(-2.0, 1.5), nn.Linear(6, 6), nn.PReLU(),
        nn.Linear(6, 6), nn.PReLU(6), nn.Linear(6, 6), nn.LeakyReLU(0.1), nn.Linear(6, 3),
    )  # fmt: skip


def activations_conv() -> nn.Module:
    """Return convolutions with a PReLU slope for each channel, ReLU6 and Hardtanh."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.PReLU(4), nn.Conv2d(4, 4, 3, groups=2), nn.ReLU6(),
        nn.Conv2d(4, 4, 2, groups=4, dilation=2), nn.Hardtanh(), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


def external() -> nn.Module:
    """Return 64-64-10, whose weights lie in a file of their own."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def recurrent() -> nn.Module:
    """Train the recurrent classifier on scikit-learn's digits, all of them in each of a few hundred Adam steps."""
    images, labels = load_digits(return_X_y=True)
    rows = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 8, 8)
    target = torch.tensor(labels)
    net = Recurrent()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(RECURRENT_STEPS):
        optimiser.zero_grad()
        F.cross_entropy(net(rows), target).backward()
        optimiser.step()
    accuracy = (net(rows).argmax(dim=1) == target).float().mean().item()
    print(f"recurrent: training accuracy {accuracy:.4f}")
    return net


Shape = tuple[int, ...]

NETS: dict[str, tuple[Callable[[], nn.Module], list[Shape]]] = {
    "mlp": (mlp, [(1, 4)]),
    "mlp_batchnorm": (mlp_batchnorm, [(1, 4)]),
    "mlp_sigmoid": (sigmoid_tail, [(1, 4)]),
    "cnn": (cnn, [(1, 1, 8, 8)]),
    "reshaped": (Reshaped, [(1, 1, 8, 8)]),
    "residual": (residual, [(1, 1, 8, 8)]),
    "preactivation": (preactivation, [(1, 1, 8, 8)]),
    "activations": (activations, [(1, 4)]),
    "activations_conv": (activations_conv, [(1, 1, 8, 8)]),
    "two_inputs": (TwoInputs, [(1, 3), (1, 2)]),
    "external": (external, [(1, 1, 8, 8)]),
    "recurrent": (recurrent, [(1, 8, 8)]),
    "unrolled": (Unrolled, [(1, 4, 4)]),
}
# Exported once more with a batch size that is left open.
OPEN_BATCH = ("mlp", "cnn", "reshaped", "recurrent")

VECTOR, SEQUENCE, IMAGE = (1, 4), (1, 2, 9), (1, 2, 8, 8)

# Functions that are continuous and piecewise linear, after one layer on an input of the shape beside them.
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Shape]] = {
    "threshold": (lambda z: F.threshold(z, 0.0, 0.0), VECTOR),
    "softshrink": (lambda z: F.softshrink(z, 0.25), VECTOR),
    "hardsigmoid": (F.hardsigmoid, VECTOR),
    "leaky_relu": (lambda z: F.leaky_relu(z, 0.2), VECTOR),
    "clamp": (lambda z: torch.clamp(z, -0.5, 0.75), VECTOR),
    "clamp_min": (lambda z: torch.clamp(z, min=0.1), VECTOR),
    "where": (lambda z: torch.where(z > 0, z, 0.1 * z), VECTOR),
    "abs": (torch.abs, VECTOR),
    "maximum": (lambda z: torch.maximum(z, 1.0 - z) + torch.minimum(z, z.flip(1)), VECTOR),
    "normalise": (lambda z: (z - torch.tensor([0.5, 0.25, 0.0, 1.0])) / torch.tensor([0.3, 0.5, 2.0, 7.0]), VECTOR),
    "chunk": (lambda z: F.relu(torch.cat(torch.chunk(z, 2, dim=1)[::-1], dim=1)), VECTOR),
    "amax": (lambda z: z.amax(dim=(2, 3)), IMAGE),
    "mean": (lambda z: F.relu(z).mean(dim=(2, 3)), IMAGE),
    "mean_keepdim": (lambda z: z - z.mean(dim=1, keepdim=True), IMAGE),
    "sum": (lambda z: F.relu(z).sum(dim=1), IMAGE),
    "flatten": (lambda z: torch.flatten(F.relu(z), 1), IMAGE),
    "permute": (lambda z: F.relu(z).permute(0, 2, 3, 1).unsqueeze(1).squeeze(0), IMAGE),
    "slice": (lambda z: F.relu(z[:, :, 1:-1:2, ::3]), IMAGE),
    "maxpool_ceil": (lambda z: F.max_pool2d(z, 3, stride=2, ceil_mode=True), IMAGE),
    "maxpool_dilated": (lambda z: F.max_pool2d(z, 2, stride=1, padding=1, dilation=2), IMAGE),
    "maxpool_1d": (lambda z: F.max_pool1d(z, 2, padding=1), SEQUENCE),
    "avgpool_ceil": (lambda z: F.avg_pool2d(z, 3, stride=2, padding=1, ceil_mode=True), IMAGE),
    "avgpool_include_pad": (lambda z: F.avg_pool2d(z, 3, stride=2, padding=1), IMAGE),
    "avgpool_exclude_pad": (lambda z: F.avg_pool2d(z, 3, stride=2, padding=1, count_include_pad=False), IMAGE),
    "avgpool_1d": (lambda z: F.avg_pool1d(z, 3), SEQUENCE),
    "pad_constant": (lambda z: F.pad(F.relu(z), (1, 0, 0, 2), value=0.5), IMAGE),
    "pad_reflect": (lambda z: F.pad(F.relu(z), (1, 2, 2, 1), mode="reflect"), IMAGE),
    "pad_replicate": (lambda z: F.pad(F.relu(z), (1, 2, 0, 1), mode="replicate"), IMAGE),
    "pad_crop": (lambda z: F.pad(F.relu(z), (-1, 1, 0, -2)), IMAGE),
}


def settle(net: nn.Module) -> nn.Module:
    """Give every batch-norm seeded weights and statistics, and return the net in evaluation mode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            statistics = dict(module.named_buffers())
            with torch.no_grad():
                module.weight.uniform_(-1.5, 1.5)
                module.bias.normal_(0.0, 0.3)
                statistics["running_mean"].normal_(0.0, 0.5)
                statistics["running_var"].uniform_(0.2, 3.0)
    return net.eval()


def nodes_below(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes of a graph and of the graphs in its nodes' attributes."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for attribute in node.attribute:
            nodes += nodes_below(attribute.g)
    return nodes


def cleaned(path: Path) -> bytes:
    """Return an export's bytes without stack traces (they name this machine's folders and this script's lines)."""
    model = onnx.load(path, load_external_data=False)
    for node in nodes_below(model.graph):
        kept = [entry for entry in node.metadata_props if not entry.key.endswith("stack_trace")]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    return serialized(model)


def keep(exported: Path, folder: Path) -> None:
    """Move an export to ``folder`` after running it: first the file of external weights, if any tensor is in it."""
    data = exported.with_name(exported.name + ".data")
    initializers = onnx.load(exported, load_external_data=False).graph.initializer
    if any(uses_external_data(tensor) for tensor in initializers):
        write_whole(folder / data.name, data.read_bytes())
    write_whole(folder / exported.name, cleaned(exported))
    run_once(folder / exported.name)


def export(name: str, net: nn.Module, shapes: list[Shape], folder: Path, open_batch: bool = False) -> None:
    """Write a net by both exporters, with their default options except for an open batch size where asked for."""
    inputs = tuple(torch.randn(shape) for shape in shapes)
    dynamic: dict[str, Any] = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if open_batch else {}
    scripted: dict[str, Any] = {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]} if open_batch else {}
    with tempfile.TemporaryDirectory() as scratch:
        dynamo = Path(scratch) / f"{name}.dynamo.onnx"
        torch.onnx.export(net, inputs, dynamo, verbose=False, **dynamic)
        keep(dynamo, folder)
        torchscript = Path(scratch) / f"{name}.torchscript.onnx"
        torch.onnx.export(net, inputs, torchscript, dynamo=False, **scripted)
        if name == "external":  # this exporter has weights outside only above two GiB; onnx writes them so on request
            onnx.save_model(onnx.load(torchscript), torchscript, save_as_external_data=True,
                            location=f"{torchscript.name}.data", size_threshold=0)  # fmt: skip
        keep(torchscript, folder)


def main(arguments: list[str]) -> int:
    """Write every export to the folder given, by default ``torch`` beside this script."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent / "torch"
    warnings.simplefilter("ignore")  # the exporters warn of their own internals
    torch.set_num_threads(1)  # sums in a fixed order
    for name, (make, shapes) in NETS.items():
        torch.manual_seed(SEED)
        net = settle(make())
        export(name, net, shapes, folder)
        if name in OPEN_BATCH:
            export(f"{name}_open_batch", net, [(2, *shape[1:]) for shape in shapes], folder, open_batch=True)
    for name, (function, shape) in FUNCTIONS.items():
        torch.manual_seed(SEED)
        export(f"function_{name}", settle(Applied(function, len(shape) - 2)), [shape], folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
