"""How fast is an exact region beside float64 numpy and naive fractions, and what do its certificates cost?

    python benchmarks/bench_region.py [--models FOLDER]

Everything is timed in this one process, warm, on one thread of BLAS for us and for numpy, and the median of several
runs is printed. FOLDER is the optional
collection of third-party models; without it the rows on ACAS Xu and resnet_2b are left out, and said so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from exactbox.certifying import certify
from exactbox.checking import check
from exactbox.loading import Model, load
from exactbox.polytope import exact
from exactbox.polytope.domain import Domain, box
from exactbox.polytope.opinion import opinion
from exactbox.polytope.pattern import winning
from exactbox.polytope.program import MatMul, Program, Shift
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as read
from exactbox.polytope.ties import pattern_at

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.nets import random_mlp

FloatArray = npt.NDArray[np.float64]


def timed(run: Callable[[], object], repeats: int) -> float:
    """Return the median of several warm runs, in seconds."""
    run()
    samples: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def float_layers(program: Program) -> list[FloatArray]:
    """Return the float64 weight matrices of a fully connected program."""
    return [item.weight[0].to_float() for item in program.instructions if isinstance(item, MatMul)]


def exact_pattern_and_classifier(program: Program, domain: Domain, point: Rationals) -> tuple[Rationals, Rationals]:
    """Return (W, c) at a point, ties decided."""
    winners = winning(program, pattern_at(program, point, domain).pattern)
    identity = read(np.eye(program.output_size, dtype=np.int64))
    return exact.pullback(program, winners, {len(program.instructions) - 1: identity})


def float_sweep(layers: list[FloatArray], masks: list[FloatArray]) -> FloatArray:
    """Return the Jacobian by a backward sweep: from the outputs, one thin product a layer."""
    jacobian = layers[-1]
    for weight, mask in zip(layers[-2::-1], masks[::-1], strict=True):
        jacobian = (jacobian * mask) @ weight
    return jacobian


def float_composition(layers: list[FloatArray], masks: list[FloatArray]) -> FloatArray:
    """Return the Jacobian by dense composition: from the inputs, every hidden row along."""
    jacobian = layers[0]
    for weight, mask in zip(layers[1:], masks, strict=True):
        jacobian = weight @ (mask[:, None] * jacobian)
    return jacobian


def fraction_sweep(layers: list[list[list[Fraction]]], masks: list[FloatArray], row: int) -> list[Fraction]:
    """Return one row of the Jacobian with ``fractions.Fraction``, skipping dead units."""
    current = layers[-1][row]
    for weight, mask in zip(layers[-2::-1], masks[::-1], strict=True):
        alive = [i for i in range(len(weight)) if mask[i]]
        current = [sum((current[i] * weight[i][k] for i in alive), Fraction(0)) for k in range(len(weight[0]))]
    return current


def classifier_table(sizes: list[int]) -> None:
    """Print the exact classifier beside float64 and fractions."""
    program = random_mlp(sizes, seed=0)
    point = read(np.random.default_rng(1).random(sizes[0]).astype(np.float32))
    domain = box([0] * sizes[0], [1] * sizes[0])
    layers = float_layers(program)
    trace = exact.trace(program, point.reshape(-1, 1))
    masks = [(trace[i].num[:, 0] > 0).astype(np.float64) for i in program.max_positions]
    sweep = timed(lambda: float_sweep(layers, masks), 50)
    dense = timed(lambda: float_composition(layers, masks), 20)
    ours = timed(lambda: exact_pattern_and_classifier(program, domain, point), 20)
    fractions = [[[Fraction(v) for v in row] for row in weight.tolist()] for weight in layers]
    start = time.perf_counter()
    naive_row = fraction_sweep(fractions, masks, 0)
    naive = (time.perf_counter() - start) * sizes[-1]
    gradients, _ = exact_pattern_and_classifier(program, domain, point)
    if gradients[:, 0].fractions() != naive_row:
        raise SystemExit("the exact classifier and fractions.Fraction disagree")
    name = "-".join(map(str, sizes))
    print(f"{name}: exact pattern and classifier {1e3 * ours:9.2f} ms")
    for what, seconds in (
        ("float64 backward sweep", sweep),
        ("float64 dense composition", dense),
        (f"fractions.Fraction, one row measured, times {sizes[-1]}", naive),
    ):
        print(f"  {what:52s} {1e3 * seconds:10.2f} ms   exact / this = {ours / seconds:8.3f}")


def onnx_mlp(program: Program, path: Path) -> None:
    """Write a fully connected program as an ONNX file of Gemm and Relu."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    pairs = [
        (item.weight[0].to_float(), shift.offset.to_float())
        for item, shift in pairwise(program.instructions)
        if isinstance(item, MatMul) and isinstance(shift, Shift)
    ]
    name = "x"
    for depth, (weight, bias) in enumerate(pairs):
        constants.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"w{depth}"))
        constants.append(onnx.numpy_helper.from_array(bias.astype(np.float32), f"b{depth}"))
        nodes.append(helper.make_node("Gemm", [name, f"w{depth}", f"b{depth}"], [f"z{depth}"], transB=1))
        name = f"z{depth}"
        if depth + 1 < len(pairs):
            nodes.append(helper.make_node("Relu", [name], [f"h{depth}"]))
            name = f"h{depth}"
    rim = [
        helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, [1, size])
        for tensor, size in (("x", program.input_size), (name, program.output_size))
    ]
    graph = helper.make_graph(nodes, "mlp", rim[:1], rim[1:], constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save_model(model, str(path))


def certificate_row(name: str, path: Path, bounds: tuple[float, float], minimal: bool, limits: str) -> None:
    """Certify one input of a model in a child process and print what each step took."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=certificate_figures, args=(path, bounds, minimal, sender))
    child.start()
    figures: dict[str, float] = receiver.recv()
    child.join()
    text = ", ".join(f"{what} {value:.2f} {'MB' if 'size' in what else 'GiB' if 'memory' in what else 's'}"
                     for what, value in figures.items())  # fmt: skip
    print(f"{name}: {text}\n  wanted: {limits}")


def certificate_figures(path: Path, bounds: tuple[float, float], minimal: bool, sender: Connection) -> None:
    """Send the seconds of each step of one certificate, its size, and the peak memory; warm, on the second input."""
    model = load(path)
    rng = np.random.default_rng(1)
    warm, point = rng.uniform(*bounds, (2, *model.program.inputs[0].shape)).astype(np.float32)
    certificate_once(model, warm, bounds, minimal)
    sender.send(certificate_once(model, point, bounds, minimal))


def certificate_once(
    model: Model, point: npt.NDArray[np.float32], bounds: tuple[float, float], minimal: bool
) -> dict[str, float]:
    """Certify, write and check once, and return what each step took."""
    start = time.perf_counter()
    found = certify(model, point, box=bounds, minimal=minimal, measure=False, opinion_seconds=0)
    middle = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        paths = found.save(Path(folder) / "x.cert.json")
        saved = time.perf_counter()
        report = check(paths[0])
        end = time.perf_counter()
        size = Path(paths[0]).stat().st_size
    if not report.accepted or (found.minimal is not None and found.minimal.undecided):
        raise SystemExit(f"{model.source.path}: the certificate was rejected or is incomplete: {report.reason}")
    figures = {
        "minimal H-representation" if minimal else "region": middle - start,
        "writing": saved - middle,
        "checking in plain Python": end - saved,
        "size of the certificate": size / 1e6,
        "peak memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20),
    }
    if minimal:
        opinion(found.region.facets, seconds=5.0)
        figures["cvxpy's opinion, apart"] = time.perf_counter() - end
    return figures


def main() -> None:
    """Print all tables."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # BLAS reads it when numpy is imported
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder of third-party models")
    models: Path | None = parser.parse_args().models
    classifier_table([784, 256, 256, 10])
    with tempfile.TemporaryDirectory() as folder:
        for sizes, minimal, limits in (
            ([784, 256, 256, 10], False, "region and writing under 0.5 s, checking under 5 s"),
            ([64, 64, 32, 10], True, "under 1 s"),
            ([784, 32, 32, 10], True, "under 3 s, 5 MB, checking under 10 s"),
        ):
            name = "-".join(map(str, sizes))
            path = Path(folder) / f"{name}.onnx"
            onnx_mlp(random_mlp(sizes, seed=0), path)
            certificate_row(f"{name} in [0, 1]^{sizes[0]}", path, (0.0, 1.0), minimal, limits)
    if models is None:
        print("ACAS Xu and resnet_2b: left out, no --models")
        return
    acas = models / "marabou" / "acasxu" / "ACASXU_experimental_v2a_1_1.onnx"
    certificate_row("ACAS Xu 1_1 in [-1/2, 1/2]^5", acas, (-0.5, 0.5), True, "under 1 s")
    resnet = models / "vnncomp2021" / "cifar10_resnet" / "onnx" / "resnet_2b.onnx"
    certificate_row("resnet_2b in [0, 1]^3072", resnet, (0.0, 1.0), False, "region and writing under 5 s, 2 GiB")


if __name__ == "__main__":
    main()
