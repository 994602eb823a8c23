"""What other programs answer to "how many regions has this net?", each asked through its public interface.

Run by the interpreter that they are installed for, one process a question, with the layers on standard input:

    peers/bin/python benchmarks/peers.py affinitree < layers.json

The last line of the output is the answer. Layers are ``[[W, b], ...]``, as lists; ReLU stands between them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Layers = list[tuple[Array, Array]]


def affinitree(layers: Layers) -> Callable[[], int]:
    """Terminals of the decision tree on the box [-1, 1]^d: paths that it finds feasible."""
    from affinitree import AffFunc, AffTree, Architecture, Polytope, builder  # type: ignore[import-not-found]

    size = layers[0][0].shape[1]

    def run() -> int:
        net = Architecture(size)
        for depth, (weight, bias) in enumerate(layers):
            net.linear(AffFunc.from_mats(weight, bias))
            if depth + 1 < len(layers):
                net.relu()
        bounds = Polytope.hyperrectangle(size, [(-1.0, 1.0)] * size)
        tree = builder.from_layers(net, AffTree.from_poly(bounds, AffFunc.identity(size)))
        return int(tree.num_terminals())

    return run


def regioncam(layers: Layers) -> Callable[[], int]:
    """Faces of the square [-1, 1]^2 after the last ReLU; float32."""
    from regioncam import Regioncam  # type: ignore[import-not-found]

    def run() -> int:
        view = Regioncam(size=1.0)
        for depth, (weight, bias) in enumerate(layers):
            view.linear(np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32))
            if depth + 1 < len(layers):
                view.relu()
        return int(view.num_faces)

    return run


def relucent(layers: Layers) -> Callable[[], int]:
    """Activation regions of all of R^d by breadth-first search over facets, from a random point.

    Its own choice, the origin, is refused where a hyperplane passes through it.
    """
    from relucent import Complex  # type: ignore[import-not-found]

    net = _torch_net(layers)
    start = np.random.default_rng(0).uniform(-1, 1, (1, layers[0][0].shape[1]))

    def run() -> int:
        regions = Complex(net)
        done = regions.bfs(start, nworkers=1, verbose=0)
        if not done.complete:
            raise RuntimeError(f"stopped incomplete after {len(regions)} regions")
        return len(regions)

    return run


def parx(layers: Layers) -> Callable[[], int]:
    """Activation regions of all of R^d by its Python method, started from 500 points of the box.

    parx asks for a program called julia when it is imported; this method never starts it, so that an empty one will do.
    """
    folder = Path(tempfile.mkdtemp())
    (folder / "julia").write_text("#!/bin/sh\nexit 1\n")
    (folder / "julia").chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    from parx import compute_partition  # type: ignore[import-not-found]

    net = _torch_net(layers)
    points = np.random.default_rng(0).uniform(-1, 1, (500, layers[0][0].shape[1]))
    return lambda: len(compute_partition(net, points, method="exact_python"))


def _torch_net(layers: Layers) -> Any:
    import torch  # pyright: ignore[reportMissingImports]

    parts: list[Any] = []
    for weight, bias in layers:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        parts += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


PEERS: dict[str, Callable[[Layers], Callable[[], int]]] = {
    "affinitree": affinitree, "regioncam": regioncam, "relucent": relucent, "parx": parx,
}


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    layers = [(np.array(weight, dtype=np.float64), np.array(bias, dtype=np.float64)) for weight, bias in asked]
    print(PEERS[sys.argv[1]](layers)())


if __name__ == "__main__":
    main()
