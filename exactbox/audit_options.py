"""The options of ``inventory``, ``audit`` and ``compare``: click only, so that help loads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from exactbox.model_options import header_option, model_options

_F = TypeVar("_F", bound=Callable[..., Any])


def _shared(command: _F) -> _F:
    """Add the options that say how a model is read and how results are printed."""
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
    return model_options(as_json(command))


@click.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("--output", metavar="NAME", help="Output or inner tensor to explain (default: what decides).")
@_shared
def inventory(model: str, as_json: bool, **options: Any) -> int:
    """List what a model holds: operators and their class, units, constants, and what exact work costs.

    A model that cannot be lowered exactly is listed too, with every node that stands in the way.

    \b
    Examples:
      exactbox inventory model.onnx
      exactbox inventory model.onnx --json
    """
    from exactbox.audit_command import run_inventory

    return run_inventory(model, as_json, **options)


@click.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("-d", "--data", multiple=True, required=True, metavar="X",
              help="Samples as the runtime is fed with them, or raw ones with --mean, --std: .npy, .npz or .csv, the "
              "first axis counts them; with several inputs name=file, repeated, or a table with their names.")
@click.option("--mean", metavar="M", help="The data are raw: the exact function is that of (x - M) / S, exactly; the "
              "runtime is fed with these numbers rounded. One number, one a channel, one an input, or a file.")
@click.option("--std", metavar="S", help="See --mean.")
@click.option("--labels", metavar="Y", help="One class a sample, by name or position: .npy, .npz or a one-column .csv.")
@click.option("--output", metavar="NAME", help="Output or inner tensor to look at (default: what decides).")
@click.option("--output-row", type=int, metavar="I", help="Which row of an output such as [2,6] (0-based).")
@click.option("--decision", type=click.Choice(["argmax", "argmin", "sign", "none"]),
              help="How the outputs decide; by default the model's own rule, or an assumed one, which is said.")
@click.option("--target", metavar="K", help="Which output decides by its sign: with --decision sign only.")
@click.option("--class-names", metavar="FILE", help="Names in the order of the outputs: text, .csv or .json.")
@header_option
@click.option("--box", nargs=2, metavar="LO HI", help="Bounds of every input: regions and distances are meant inside.")
@click.option("--distances/--no-distances", default=None,
              help="Exact L-infinity distances to the decision boundary inside each region; by default where cheap.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes; by default one for each core.")
@click.option("--fail-on-flip", is_flag=True, help="Exit with 1 where a deployed decision is not the exact one.")
@click.option("--plot", metavar="FILE", help="Draw margins, or where nothing is decided differences, against float "
              "bounds: .png or .svg (needs matplotlib).")
@click.option("-o", "--out", metavar="AUDIT.json", help="Write every sample here.")
@_shared
def audit(model: str, as_json: bool, **options: Any) -> int:
    """Compare exact arithmetic with the deployed float execution, sample by sample.

    Exit codes: 0 done; 1 a decision flips and --fail-on-flip counts it; 2 nothing is proved: a measured difference
    exceeds its bound, or no bound can be stated (the runtime reads the model otherwise, or rounding may settle a step).

    \b
    Examples:
      exactbox audit model.onnx --data X.npy
      exactbox audit model.onnx --data X.npy --labels y.npy -o audit.json --plot audit.png
      exactbox audit two.onnx --data left=a.npy --data right=b.npy
    """
    from exactbox.audit_command import AuditOptions, run_audit

    return run_audit(AuditOptions(model=model, **options), as_json)


@click.command()
@click.argument("left", metavar="A.onnx")
@click.argument("right", metavar="B.onnx")
@click.option("--box", nargs=2, metavar="LO HI", help="Where a differing point is looked for: bounds of every input.")
@click.option("-d", "--data", multiple=True, metavar="X", help="Samples to try as well: .npy, .npz or .csv.")
@header_option
@click.option("--outputs", nargs=2, metavar="NAME NAME", help="Which output of each; by default the one that decides.")
@click.option("--points", type=click.IntRange(1), default=4096, show_default=True, metavar="N",
              help="How many points are evaluated exactly at most.")
@_shared
def compare(left: str, right: str, as_json: bool, **options: Any) -> int:
    """Decide whether two exports are the same function: proved (0), refuted with a point (1), or undecided (2).

    \b
    Examples:
      exactbox compare raw.onnx simplified.onnx
      exactbox compare before.onnx after.onnx --box 0 1 --json
    """
    from exactbox.audit_command import run_compare

    return run_compare(left, right, as_json, **options)


COMMANDS: tuple[click.Command, ...] = (inventory, audit, compare)
