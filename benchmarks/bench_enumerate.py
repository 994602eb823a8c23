"""How fast are all regions of a small net enumerated, next to affinitree and regioncam?

Each measurement is a process of its own on one thread; the peers are tried with the interpreter that ``--peers`` names.
Times are CPU seconds after a warm-up on a tiny net: imports and a first run are the column "start", where compiled code
is found on disk; compiling it, once after installation, takes half a minute. "certified" also writes the certificate
that no region is missing. Memory is the whole process, with all that it imports.

Nets are files with arrays ``W0, b0, W1, b1, ...`` (see ``--nets``), or random ones of the given sizes. Example:

    python benchmarks/bench_enumerate.py --nets ../shared/nets --peers peers/bin/python 2-64-64-2 3-16-16-2
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import PEERS

Layers = list[tuple[Any, Any]]
ROOT = Path(__file__).resolve().parent.parent
REPEATS, ENOUGH = 15, 3.0
"""Each measurement is the least of several runs, until so many or so many seconds."""

SIZES = "2-16-16-2 2-64-64-2 3-16-16-2 3-32-32-2 4-16-16-2 5-12-12-2 6-10-10-2 8-8-8-2 10-10-10-2".split()


def load(name: str, folder: Path | None) -> Layers:
    """Read a net, or make a random one of the same shape."""
    path = folder / f"{name}.npz" if folder else None
    if path is not None and path.is_file():
        arrays = np.load(path)
        count = sum(key.startswith("W") for key in arrays)
        return [(arrays[f"W{i}"].astype(np.float64), arrays[f"b{i}"].astype(np.float64)) for i in range(count)]
    sizes, rng = [int(v) for v in name.split("-")], np.random.default_rng(0)
    weights = [rng.standard_normal((m, k)) * np.sqrt(2 / k) for k, m in pairwise(sizes)]
    return [(w, 0.1 * rng.standard_normal(len(w))) for w in weights]


def program_of(layers: Layers) -> tuple[Any, Any]:
    """Return the net as a program, and the box [-1, 1]^d."""
    from exactbox.polytope.domain import box
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
    return program, box([-1] * size, [1] * size)


def exactbox(layers: Layers) -> Callable[[], int]:
    """All regions of this project: exact, with witnesses."""
    from exactbox.polytope.enumeration import enumerate_regions

    program, domain = program_of(layers)
    return lambda: sum(len(cells.filled) for cells in enumerate_regions(program, domain).batches())


def certified(layers: Layers) -> Callable[[], int]:
    """The same, and the certificate that they are all, written to a file."""
    from exactbox.verify.tree_certificate import write_enumeration

    program, domain = program_of(layers)
    folder = tempfile.mkdtemp()
    return lambda: write_enumeration(Path(folder) / "regions.cert", program, domain)


ENGINES: dict[str, Callable[[Layers], Callable[[], int]]] = {
    "exactbox": exactbox, "certified": certified, "affinitree": PEERS["affinitree"], "regioncam": PEERS["regioncam"],
}


def measure(engine: str, name: str, folder: Path | None) -> dict[str, float]:
    """Run one engine on one net in this process."""
    began = time.process_time()
    ENGINES[engine](load("2-3-3-2", None))()
    start = time.process_time() - began
    run = ENGINES[engine](load(name, folder))
    times: list[float] = []
    regions = 0
    while not times or (sum(times) < ENOUGH and len(times) < REPEATS):
        before = time.process_time()
        regions = run()
        times.append(time.process_time() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"regions": regions, "seconds": min(times), "start": start, "megabytes": peak}


def spawn(engine: str, name: str, arguments: argparse.Namespace) -> dict[str, float] | str:
    """Run one measurement in a process of its own with one thread; the last line of its error where it fails."""
    python = sys.executable if engine in ("exactbox", "certified") else arguments.peers
    command = [python, "-W", "ignore", "-m", "benchmarks.bench_enumerate", "--one", engine, name]
    command += ["--nets", str(arguments.nets.resolve())] if arguments.nets else []
    alone = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "RAYON")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **alone},
    )
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    return (done.stderr.strip() or "no message").splitlines()[-1]


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
            if engine == "regioncam" and not name.startswith("2-"):
                continue
            got = spawn(engine, name, arguments)
            if isinstance(got, str):
                print(f"{name:12} {engine:11} {got}", flush=True)
                continue
            rate = got["regions"] / max(got["seconds"], 2.0**-20)
            print(
                f"{name:12} {engine:11} {int(got['regions']):8} {got['seconds']:9.4f} {rate:10.0f}"
                f" {got['start']:8.2f} {got['megabytes']:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
