"""What do a state that survives kills, and sharing among processes, cost and gain in time and memory?

Each measurement is a process of its own, on random nets of the given sizes over [-1, 1]^d. "cpu s" counts all
processes; "peak MB" is that of the process that collects. Regions are written to a Parquet file in every case. The
last column says whether the file is byte for byte that of the first line. Example:

    python benchmarks/bench_long_runs.py 4-16-16-2 3-64-64-2
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WAYS: dict[str, list[str]] = {"in memory": [], "with a state": ["state"], "2 workers": ["state", "2"],
                              "4 workers": ["state", "4"]}  # fmt: skip


def write_net(sizes: list[int], path: Path) -> None:
    """Write a random ReLU net (He, 2015)."""
    rng = np.random.default_rng(0)
    nodes, tensors, source = [], [], "x"
    for depth, (width, height) in enumerate(pairwise(sizes)):
        weight = (rng.standard_normal((width, height)) * np.sqrt(2 / width)).astype(np.float32)
        bias = (0.1 * rng.standard_normal(height)).astype(np.float32)
        tensors += [numpy_helper.from_array(weight, f"w{depth}"), numpy_helper.from_array(bias, f"b{depth}")]
        last = depth + 2 == len(sizes)
        nodes.append(helper.make_node("Gemm", [source, f"w{depth}", f"b{depth}"], ["y" if last else f"h{depth}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"h{depth}"], [f"r{depth}"]))
        source = f"r{depth}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
            for name, size in (("x", sizes[0]), ("y", sizes[-1]))]  # fmt: skip
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def measure(net: str, out: str, words: list[str]) -> dict[str, float]:
    """Enumerate and write in this process."""
    from exactbox.enumerating import prepare
    from exactbox.long_runs import Limits
    from exactbox.region_table import column_names
    from exactbox.run_results import Ways, long_run
    from exactbox.tables import write_table

    began, used = time.monotonic(), time.process_time()
    state = Path(f"{out}.state") if "state" in words else None
    ways = Ways(workers=int(words[1]) if len(words) > 1 else 1, state=state, keep=False)
    with long_run(prepare(net, box=(-1, 1)), ways, Limits()) as found:
        seconds = time.monotonic() - began
        write_table(Path(out), column_names(True, False, False), found.records())
        regions = len(found)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - used + children.ru_utime + children.ru_stime
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    whole = time.monotonic() - began
    return {"regions": regions, "seconds": seconds, "table": whole - seconds, "cpu": cpu, "megabytes": peak}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["4-16-16-2", "3-64-64-2"])
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], arguments.one[1], arguments.one[2:])))
        return
    print(f"{'net':12} {'way':13} {'regions':>8} {'run s':>7} {'table s':>8} {'cpu s':>7} {'peak MB':>8}  same file")
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder:
            net, first = Path(folder) / "net.onnx", ""
            write_net([int(size) for size in name.split("-")], net)
            for number, (way, words) in enumerate(WAYS.items()):
                out = Path(folder) / f"{number}.parquet"
                command = [sys.executable, __file__, "--one", str(net), str(out), *words]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                got = json.loads(done.stdout.splitlines()[-1])
                digest = hashlib.sha256(out.read_bytes()).hexdigest()
                first = first or digest
                print(
                    f"{name:12} {way:13} {got['regions']:8} {got['seconds']:7.1f} {got['table']:8.1f} {got['cpu']:7.1f}"
                    f" {got['megabytes']:8.0f}  {'yes' if digest == first else 'NO'}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
