"""How many regions have nets with few-bit, duplicated, pruned or missing numbers? Ours, the peers', and the truth.

Three independent answers: the enumeration, whose certificate ``verify/check.py`` checks; polygons cut in fractions,
from the tests; and each peer, in a process of its own with a time limit. Peers are compared on the domain they count
on: the square [-1, 1]^2 (affinitree, regioncam) or the plane (relucent, parx). All count full-dimensional activation
regions: on generic nets all of them agree. The nets are made here, from seeds; every weight is a float32 number.

    python -m venv peers && peers/bin/pip install affinitree regioncam relucent[torch] parx
    python benchmarks/bench_low_bit.py --peers peers/bin/python

What does not install by pip is not asked: SplineCam, nnenum and edge subdivision are no packages; pysyrenn is the
client of a server that is to be built from its source.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enumeration import enumerate_regions
from exactbox.polytope.program import Program
from exactbox.verify.tree_certificate import write_enumeration

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.nets import mlp
from tests.polytope.region_oracle import Point, area, clip

Layers = list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
Part = tuple[list[Point], list[tuple[int, int, int]]]
ROOT = Path(__file__).resolve().parent.parent
SQUARE, PLANE = "[-1,1]^2", "R^2"
ASKED = {SQUARE: ("affinitree", "regioncam"), PLANE: ("relucent", "parx")}
WIDE = 1 << 200
"""Half the side of a square with all vertices of the nets below inside: it shows the regions of the whole plane."""


def few_bits(sizes: Sequence[int], largest: int, den: int, seed: int, bias: bool = True) -> Layers:
    """Return a net whose weights are ``k / den`` with ``abs(k) <= largest``."""
    rng = np.random.default_rng(seed)
    layers: Layers = []
    for width, height in pairwise(sizes):
        weight = rng.integers(-largest, largest + 1, (height, width)) / den
        layers.append((weight, rng.integers(-largest, largest + 1, height) / den * bias))
    return layers


def twins(seed: int) -> Layers:
    """Return 2-24-24-2 where the second half of each hidden layer is the first half times 1 + 2**-22, exactly."""
    rng = np.random.default_rng(seed)
    values = np.array([k / 8 for k in (-8, -6, -4, -3, -2, -1, 1, 2, 3, 4, 6, 8)])
    layers: Layers = []
    for width in (2, 24):
        weight, bias = rng.choice(values, (12, width)), rng.choice(values, 12)
        factor = 1 + 2.0**-22
        layers.append((np.concatenate([weight, factor * weight]), np.concatenate([bias, factor * bias])))
    return [*layers, (rng.choice(values, (2, 24)), rng.choice(values, 2))]


def copies(seed: int) -> Layers:
    """Return 2-16-16-2 whose neurons 8 to 15 are copies, negatives and doubles of the first ones, float32 weights."""
    rng = np.random.default_rng(seed)
    layers: Layers = []
    for width in (2, 16):
        weight = rng.standard_normal((16, width)).astype(np.float32).astype(np.float64)
        bias = (0.1 * rng.standard_normal(16)).astype(np.float32).astype(np.float64)
        factors = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 2.0, 2.0])
        weight[8:], bias[8:] = factors[:, None] * weight[:8], factors * bias[:8]
        layers.append((weight, bias))
    return [*layers, (np.ones((2, 16)), np.zeros(2))]


def pruned(seed: int) -> Layers:
    """Return 2-16-16-2, weights k/8, with a third of the neurons and half of the other weights set to zero."""
    rng = np.random.default_rng(seed)
    layers: Layers = []
    for weight, bias in few_bits([2, 16, 16], 8, 8, seed):
        dead = np.arange(16) % 3 == 0
        weight = np.where(dead[:, None] | (rng.random(weight.shape) < 0.5), 0.0, weight)
        layers.append((weight, np.where(np.arange(16) % 6 == 0, 0.0, bias)))
    return [*layers, (np.ones((2, 16)), np.zeros(2))]


NETS: dict[str, Callable[[], Layers]] = {
    "2-32-32-32-2, k/8": lambda: few_bits([2, 32, 32, 32, 2], 8, 8, 0),
    "2-16-16-16-2, k/4": lambda: few_bits([2, 16, 16, 16, 2], 4, 4, 0),
    "2-24-24-2, twins 1+2^-22": lambda: twins(0),
    "2-32-32-32-2, bias-free": lambda: few_bits([2, 32, 32, 32, 2], 8, 8, 0, bias=False),
    "2-6-6-2, {-1,0,1}": lambda: few_bits([2, 6, 6, 2], 1, 1, 10, bias=False),
    "2-16-16-2, copies": lambda: copies(0),
    "2-16-16-2, pruned": lambda: pruned(0),
}


def cut_polygons(layers: Layers, half: int) -> int:
    """Count regions by cutting the square ``[-half, half]^2`` unit by unit: corners in fractions, units in integers.

    Every layer is multiplied by the common denominator of its numbers, which moves no boundary.
    """
    side, scale = Fraction(half), 1
    cells: list[Part] = [([(-side, -side), (side, -side), (side, side), (-side, side)], [(1, 0, 0), (0, 1, 0)])]
    for weight, bias in layers[:-1]:
        numbers = [[Fraction(v) for v in row] for row in np.column_stack([weight, bias]).tolist()]
        den = math.lcm(*(v.denominator for row in numbers for v in row))
        for *row, constant in ([int(v * den) for v in row] for row in numbers):
            cells = [part for cell in cells for part in _halves(cell, row, constant * scale)]
        cells = [(polygon, known[-len(bias) :]) for polygon, known in cells]
        scale *= den
    return len(cells)


def _halves(cell: Part, row: list[int], constant: int) -> list[Part]:
    """Cut a polygon by a unit of the vector at the front of ``known``, and append what the unit is to each half."""
    polygon, known = cell
    x, y, c = (sum(w * form[k] for w, form in zip(row, known, strict=False)) for k in range(3))
    unit = (x, y, c + constant)
    if not x and not y:
        return [(polygon, [*known, unit if unit[2] > 0 else (0, 0, 0)])]
    above, below = ((Fraction(sign * x), Fraction(sign * y), Fraction(sign * unit[2])) for sign in (1, -1))
    halves: list[Part] = [(clip(polygon, above), [*known, unit]), (clip(polygon, below), [*known, (0, 0, 0)])]
    return [half for half in halves if area(half[0]) > 0]


class Ours(NamedTuple):
    """Regions, seconds without a certificate, bytes of the certificate, and what the checker said of it."""

    regions: int
    seconds: float
    size: int
    verdict: str


def enumerated(program: Program, domain: Domain) -> Ours:
    """Count, and let the checker, an isolated process, judge the certificate of a second run."""
    began = time.process_time()
    count = sum(len(cells.filled) for cells in enumerate_regions(program, domain).batches())
    seconds = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "regions.cert"
        proved = write_enumeration(path, program, domain)
        command = [sys.executable, "-I", str(ROOT / "verify" / "check.py"), str(path)]
        code = subprocess.run(command, capture_output=True, check=False).returncode
        verdict = "proved" if code == 0 and proved == count else f"NOT PROVED ({code})"
        return Ours(count, seconds, path.stat().st_size, verdict)


def asked(peer: str, layers: Layers, python: str, limit: float) -> int | str:
    """Return a peer's count, or why there is none."""
    text = json.dumps([[weight.tolist(), bias.tolist()] for weight, bias in layers])
    command = [python, "-W", "ignore", str(ROOT / "benchmarks" / "peers.py"), peer]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {limit:.0f} s"
    if done.returncode == 0:
        return int(done.stdout.split()[-1])
    lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"ended with {done.returncode}"]
    own = [line for line in lines if not line.startswith(" ") and ":" in line]
    return (own or lines)[-1].strip()


def main() -> None:
    """Print one table, and below it the messages of peers that refused or crashed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter that the peers are installed for")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that each peer has for each net")
    arguments = parser.parse_args()
    domains = {SQUARE: (box([-1, -1], [1, 1]), 1), PLANE: (everything(2), WIDE)}
    print(f"{'net':25} {'domain':9} {'fractions':>9} {'exactbox':>8} {'CPU s':>7} {'certificate':>16}  peers")
    notes: list[str] = []
    for name, make in NETS.items():
        layers = make()
        program = mlp([(weight.tolist(), bias.tolist()) for weight, bias in layers])
        for domain, (region, half) in domains.items():
            truth, ours = cut_polygons(layers, half), enumerated(program, region)
            cells: list[str] = []
            for peer in ASKED[domain] if arguments.peers else ():
                answer = asked(peer, layers, arguments.peers, arguments.limit)
                if isinstance(answer, str) and not answer.startswith("no answer"):
                    notes.append(answer)
                    answer = f"refused [{len(notes)}]"
                verdict = "" if isinstance(answer, str) else " right" if answer == truth else " WRONG"
                cells.append(f"{peer} {answer}{verdict}")
            mark = "" if ours.regions == truth else " WRONG"
            proof = f"{ours.verdict}, {ours.size / 1024:.0f} kB"
            print(
                f"{name:25} {domain:9} {truth:9} {ours.regions:8}{mark} {ours.seconds:7.3f} {proof:>16}  "
                + "; ".join(cells), flush=True,
            )
    for number, note in enumerate(notes, 1):
        print(f"[{number}] {note[:160]}")


if __name__ == "__main__":
    main()
