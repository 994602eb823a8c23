"""How fast are all regions of a small net enumerated, next to affinitree and regioncam?

Each measurement is a process of its own; the peers are tried with the interpreter that ``--peers`` names. Times are CPU
seconds after a warm-up on a tiny net (compilation is cached; what a first start costs is the column "start").

Nets are files with arrays ``W0, b0, W1, b1, ...`` (see ``--nets``), or random ones of the given sizes. Example:

    python benchmarks/bench_enumerate.py --nets ../shared/nets --peers peers/bin/python 2-64-64-2 3-16-16-2
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Layers = list[tuple[Any, Any]]
SIZES = "2-16-16-2 2-64-64-2 3-16-16-2 3-32-32-2 4-16-16-2 5-12-12-2 6-10-10-2 8-8-8-2 10-10-10-2".split()


def load(name: str, folder: Path | None) -> Layers:
    """Read a net, or make a random one of the same shape."""
    path = folder / f"{name}.npz" if folder else None
    if path is not None and path.is_file():
        arrays = np.load(path)
        return [(arrays[f"W{i}"], arrays[f"b{i}"]) for i in range(sum(key.startswith("W") for key in arrays))]
    sizes, rng = [int(v) for v in name.split("-")], np.random.default_rng(0)
    weights = [rng.standard_normal((m, k)) * np.sqrt(2 / k) for k, m in pairwise(sizes)]
    return [(w.astype(np.float32), (0.1 * rng.standard_normal(len(w))).astype(np.float32)) for w in weights]


def with_exactbox(layers: Layers) -> Callable[[], int]:
    """Prepare the enumeration of this project: exact, with witnesses."""
    from exactbox.polytope.domain import box
    from exactbox.polytope.enumeration import enumerate_regions
    from exactbox.polytope.program import CONSTANT_ZERO, Input, Instruction, MatMul, Max, Port, Program, Shift
    from exactbox.polytope.rational import exact

    size = layers[0][0].shape[1]
    code: list[Instruction] = [Input(size)]
    for depth, (weight, bias) in enumerate(layers):
        code.append(MatMul(len(code) - 1, exact(weight).reshape(1, *weight.shape), 1))
        code.append(Shift(len(code) - 1, exact(bias)))
        if depth + 1 < len(layers):
            groups = np.stack([np.full(len(bias), CONSTANT_ZERO), np.arange(len(bias))], axis=1).astype(np.int64)
            code.append(Max(len(code) - 1, groups))
    program = Program((Port("x", (size,)),), tuple(code), Port("y", (len(layers[-1][1]),)))

    def run() -> int:
        return sum(len(cells.filled) for cells in enumerate_regions(program, box([-1] * size, [1] * size)).batches())

    return run


def with_affinitree(layers: Layers) -> Callable[[], int]:
    """Prepare affinitree's distillation."""
    from affinitree import AffFunc, AffTree, Architecture, Polytope, builder  # type: ignore[import-not-found]

    size = layers[0][0].shape[1]

    def run() -> int:
        net = Architecture(size)
        for depth, (weight, bias) in enumerate(layers):
            net.linear(AffFunc.from_mats(weight.astype(np.float64), bias.astype(np.float64)))
            if depth + 1 < len(layers):
                net.relu()
        bounds = Polytope.hyperrectangle(size, [(-1.0, 1.0)] * size)
        tree = builder.from_layers(net, AffTree.from_poly(bounds, AffFunc.identity(size)))
        return int(tree.num_terminals())

    return run


def with_regioncam(layers: Layers) -> Callable[[], int]:
    """Prepare regioncam's map of the square."""
    from regioncam import Regioncam  # type: ignore[import-not-found]

    def run() -> int:
        view = Regioncam(size=1.0)
        for depth, (weight, bias) in enumerate(layers):
            view.linear(np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32))
            if depth + 1 < len(layers):
                view.relu()
        return int(view.num_faces)

    return run


ENGINES = {"exactbox": with_exactbox, "affinitree": with_affinitree, "regioncam": with_regioncam}


def measure(engine: str, name: str, folder: Path | None) -> dict[str, float]:
    """Run one engine on one net in this process."""
    began = time.process_time()
    ENGINES[engine](load("2-3-3-2", None))()
    start = time.process_time() - began
    run = ENGINES[engine](load(name, folder))
    times: list[float] = []
    regions = 0
    for _ in range(3 if engine != "affinitree" else 1):
        before = time.process_time()
        regions = run()
        times.append(time.process_time() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"regions": regions, "seconds": min(times), "start": start, "megabytes": peak}


def spawn(engine: str, name: str, arguments: argparse.Namespace) -> dict[str, float] | None:
    """Run one measurement in a process of its own; None where the engine is not installed or not for this net."""
    if engine == "regioncam" and not name.startswith("2-"):
        return None
    python = sys.executable if engine == "exactbox" else arguments.peers
    command = [python, "-W", "ignore", __file__, "--one", engine, name]
    command += ["--nets", str(arguments.nets)] if arguments.nets else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else None


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=SIZES)
    parser.add_argument("--nets", type=Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--one", choices=ENGINES)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.names[0], arguments.nets)))
        return
    print(f"{'net':12} {'engine':11} {'regions':>8} {'CPU s':>9} {'regions/s':>10} {'start s':>8} {'peak MB':>8}")
    for name in arguments.names:
        for engine in ENGINES:
            got = spawn(engine, name, arguments)
            if got is not None:
                rate = got["regions"] / max(got["seconds"], 2.0**-20)
                print(
                    f"{name:12} {engine:11} {int(got['regions']):8} {got['seconds']:9.4f} {rate:10.0f}"
                    f" {got['start']:8.2f} {got['megabytes']:8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
