"""How many activation regions do published models have in a stated domain, and what does it cost to find them all?

The folder holds the models as the competitions name them (see ``MODELS``). Each model runs in a process of its own;
seconds are wall time of the enumeration after the import, the peak is that of the whole process. Example:

    python benchmarks/bench_real_models.py ../shared/models --time-limit 600
    python benchmarks/bench_real_models.py ../shared/models --certify cartpole tllBench ACASXU_1_1
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exactbox import enumerate as all_regions
from exactbox import load
from exactbox.boxes import DomainRead, box_between
from exactbox.checking import check
from exactbox.domain_files import domain_from_vnnlib
from exactbox.loading import Model

VNNCOMP = "vnncomp2022"


@dataclass(frozen=True)
class Case:
    """A model, and where it is enumerated.

    Args:
        file: the model, in the folder.
        domain: makes the domain of the model's inputs.
        words: the domain for people.
        plane: how many random inputs in [0, 1] span the part that is enumerated, 0 for all of the domain.
    """

    file: str
    domain: Callable[[Model, Path], DomainRead]
    words: str
    plane: int = 0


def between(low: object, high: object) -> Callable[[Model, Path], DomainRead]:
    """Return the maker of a box with the same bounds for every input."""
    return lambda model, _: box_between(model.program, low, high)


def vnnlib(name: str) -> Callable[[Model, Path], DomainRead]:
    """Return the maker of the inputs of a property."""
    return lambda model, folder: domain_from_vnnlib(model.program, folder / name)


CARTPOLE = f"{VNNCOMP}/rl_benchmarks/vnnlib/cartpole_case_safe_82.vnnlib"
TLL_MODEL = "tllBench_n=2_N=M=8_m=1_instance_0_0.onnx"
TLL = f"{VNNCOMP}/tllverifybench/vnnlib/property_N=8_0.vnnlib"
MODELS: dict[str, Case] = {
    "cartpole": Case(f"{VNNCOMP}/rl_benchmarks/onnx/cartpole.onnx", vnnlib(CARTPOLE), "its VNN-LIB box (safe_82)"),
    "tllBench": Case(f"{VNNCOMP}/tllverifybench/onnx/{TLL_MODEL}", vnnlib(TLL), "its VNN-LIB box (N=8_0)"),
    "ACASXU_1_1": Case("marabou/acasxu/ACASXU_experimental_v2a_1_1.onnx", between("-0.02", "0.02"), "[-0.02, 0.02]^5"),
    "KJ_TinyTaxiNet": Case("marabou/KJ_TinyTaxiNet.onnx", between(0, 1), "a plane through 3 inputs, in [0, 1]^128", 3),
    "gcas": Case(f"{VNNCOMP}/reach_prob_density/onnx/gcas.onnx", between(-1, 1), "[-1, 1]^14"),
}


def points(model: Model, count: int) -> list[Any]:
    """Return reproducible inputs with entries in [0, 1]."""
    rng = np.random.default_rng(0)
    return [rng.random(model.program.input_size).astype(np.float32) for _ in range(count)]


def measure(name: str, folder: Path, limit: float | None, certify: bool) -> dict[str, Any]:
    """Enumerate one model in this process."""
    case = MODELS[name]
    model = load(folder / case.file, verify=False)
    domain = case.domain(model, folder)
    plane = points(model, case.plane) if case.plane else None
    all_regions(model, domain=domain, plane=plane, max_regions=1)
    found: dict[str, Any] = {"inputs": model.program.input_size, "units": model.program.unit_count}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "regions.cert" if certify else None
        began = time.monotonic()
        regions = all_regions(model, domain=domain, plane=plane, time_limit=limit, certificate=path)
        found["seconds"] = time.monotonic() - began
        found["regions"], found["complete"], found["reason"] = len(regions), regions.complete, regions.reason
        found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if path is not None and regions.complete:
            began = time.monotonic()
            report = check(path, folder / case.file)
            found["accepted"], found["check_seconds"] = report.accepted, time.monotonic() - began
            found["certificate_kilobytes"] = path.stat().st_size / 1024
    return found


def spawn(name: str, arguments: argparse.Namespace) -> dict[str, Any] | str:
    """Run one measurement in a process of its own; its last words where it fails."""
    command = [sys.executable, "-W", "ignore", __file__, str(arguments.folder), "--one", name]
    command += [] if arguments.time_limit is None else ["--time-limit", str(arguments.time_limit)]
    command += ["--certify"] if arguments.certify else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    return (done.stderr.strip().splitlines() or ["no output"])[-1]


def words(name: str, found: dict[str, Any]) -> str:
    """Return one line of the table."""
    state = "complete" if found["complete"] else found["reason"]
    if "accepted" in found:
        verdict = "accepted" if found["accepted"] else "REJECTED"
        kilobytes = found["certificate_kilobytes"]
        state += f"; certificate of {kilobytes:.0f} kB {verdict} in {found['check_seconds']:.1f} s"
    size = f"{found['inputs']}/{found['units']}"
    numbers = f"{found['regions']:>8} {found['seconds']:>8.2f} {found['megabytes']:>8.0f}"
    return f"{name:15} {MODELS[name].words:40} {size:>8} {numbers}  {state}"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(MODELS), metavar="NAME")
    parser.add_argument("--time-limit", type=float)
    parser.add_argument("--certify", action="store_true", help="write each certificate, and check it with the model")
    parser.add_argument("--one", choices=MODELS)
    arguments = parser.parse_intermixed_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.folder, arguments.time_limit, arguments.certify)))
        return
    print(f"{'model':15} {'domain':40} {'in/units':>8} {'regions':>8} {'seconds':>8} {'peak MB':>8}")
    for name in arguments.names:
        found = spawn(name, arguments)
        print(f"{name:15} failed: {found}" if isinstance(found, str) else words(name, found), flush=True)


if __name__ == "__main__":
    main()
