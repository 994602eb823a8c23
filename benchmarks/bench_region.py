"""How fast is an exact region beside float64 numpy and naive fractions, and what do its certificates cost?

    python benchmarks/bench_region.py [--models FOLDER]

Everything is timed in this one process, warm, and the median of several runs is printed. FOLDER is the optional
collection of third-party models; without it the rows on ACAS Xu and resnet_2b are left out, and said so.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from exactbox.polytope import exact
from exactbox.polytope.domain import Domain, box
from exactbox.polytope.pattern import winning
from exactbox.polytope.program import MatMul, Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.rational import exact as read
from exactbox.polytope.ties import pattern_at
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
    fractions = [[[Fraction(v) for v in row] for row in weight.tolist()] for weight in layers]
    sweep = timed(lambda: float_sweep(layers, masks), 50)
    dense = timed(lambda: float_composition(layers, masks), 20)
    ours = timed(lambda: exact_pattern_and_classifier(program, domain, point), 20)
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


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder of third-party models")
    parser.parse_args()
    classifier_table([784, 256, 256, 10])


if __name__ == "__main__":
    main()
