"""The command line: options and help only, so that ``exactbox --help`` loads nothing but click."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from exactbox import __version__, audit_options
from exactbox.analysis_options import analysis_options
from exactbox.model_options import domain_options, header_option, model_options
from exactbox.outcome import guarded, keep_standard_output
from exactbox.polytope.wording import typed

_F = TypeVar("_F", bound=Callable[..., Any])

EPILOG = """\b
Exit codes: 0 proved or done; 1 refuted, or certificate rejected; 2 undecided, a stated budget was reached
            (audit: nothing can be called proved); 3 usage or bad input; 4 model refused, its nodes are named;
            5 internal error.
"""


class Verbs(click.Group):
    """A group of commands that suggests the nearest name for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones are near."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            ctx.fail(f"no such command {args[0]!r}{hint}; commands: {', '.join(known)}")
        return super().resolve_command(ctx, args)


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Verbs, epilog=EPILOG, context_settings=CONTEXT)
@click.version_option(__version__, "-V", "--version", package_name="exactbox")
def commands() -> None:
    """Exact, certified explanations of piecewise-linear ONNX models.

    \b
    Begin with:
      exactbox demo
      exactbox certify model.onnx --input x.npy --box 0 1 -o x.cert.json
      exactbox check x.cert.json --model model.onnx
    """


def import_options(command: _F) -> _F:
    """Add the options that say how a model is read."""
    for option in reversed([
        click.option("--output", metavar="NAME", help="Output or inner tensor to explain (default: what decides)."),
        click.option("--mean", metavar="M", help="Raw inputs are first mapped to (x - M) / S, exactly: one number, one "
                     "a channel (0.485,0.456,0.406), one an input, or a file. Everything is then said of raw inputs."),
        click.option("--std", metavar="S", help="See --mean."),
        header_option,
        model_options,
        click.option("--runtime/--no-runtime", "runtime", default=True,
                     help="Compare the imported program with onnxruntime (default: compare)."),
    ]):  # fmt: skip
        command = option(command)
    return command


def decision_options(command: _F) -> _F:
    """Add the options that say what is decided and explained."""
    for option in reversed([
        click.option("--decision", type=click.Choice(["argmax", "argmin", "sign", "none"]),
                     help="How the outputs decide; by default the model's own rule, or an assumed one, which is said."),
        click.option("--output-row", type=int, metavar="I", help="Which row of an output such as [2,6] (0-based)."),
        click.option("--class-names", metavar="FILE",
                     help="Names in the order of the outputs: text, one a line, or .csv or .json with one list."),
        click.option("--target", metavar="K", help="The explained logit, by index or class name; by default the "
                     "decided one."),
    ]):  # fmt: skip
        command = option(command)
    return command


def json_option(command: _F) -> _F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")(command)


@commands.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("-i", "--input", "inputs", multiple=True, required=True, metavar="X",
              help="A .npy, .npz or .csv file, file:row, or numbers such as \"-0.1,1/3\"; with several inputs "
              "name=file, repeated, or a table whose columns have their names. An array must have the input's shape, "
              "with or without a leading 1, or be one-dimensional with as many entries (C order); axes are never "
              "swapped. A CSV header names the features.")
@click.option("--row", type=int, metavar="I", help="Which sample of a file with several (0-based).")
@click.option("--exact-input", is_flag=True, help="Keep numbers such as 1/3 instead of rounding to the input's type.")
@decision_options
@domain_options
@click.option("--eps", metavar="R", help="Stay within L-infinity distance R of the input, and within the box if given.")
@click.option("--minimal/--no-minimal", default=None,
              help="Which rows of the region are facets, with evidence; by default where it is cheap.")
@click.option("--distances/--no-distances", "measure", default=None,
              help="Exact distances to the boundaries; by default where it is cheap.")
@click.option("--opinion-seconds", type=float, default=3.0, show_default=True, metavar="T",
              help="Time for the second opinion by cvxpy; 0 for none.")
@click.option("--plot", metavar="FILE", help="Draw the weights and contributions: .png or .svg (needs matplotlib).")
@click.option("--image", metavar="HxW", help="Draw a flat input as an image of this size.")
@import_options
@click.option("-o", "--out", metavar="CERT.json", help="Write the certificate here and the program beside it.")
@json_option
def certify(model: str, as_json: bool, **options: Any) -> int:
    """Find and certify the exact region and classifier around one input.

    \b
    Examples:
      exactbox certify model.onnx --input x.npy --box 0 1 -o x.cert.json
      exactbox certify model.onnx --input samples.csv --row 3 --box-from samples.csv
      exactbox certify model.onnx --input "-0.1,1/3" --exact-input --decision sign
      exactbox certify cnn.onnx --input photo.npy --box 0 255 --mean 127.5 --std 127.5 --plot why.png
      exactbox certify two.onnx --input left=a.npy --input right=b.npy --eps 1/100
    """
    from exactbox.commands import CertifyOptions, run_certify

    return run_certify(CertifyOptions(model=model, **options), as_json)


@commands.command()
@click.argument("certificate", metavar="CERT.json")
@click.option("--program", metavar="FILE", help="The program file, where it does not lie beside the certificate.")
@click.option("--model", metavar="MODEL.onnx", help="Lower this model again and compare it with the program.")
@import_options
@json_option
def check(certificate: str, as_json: bool, **options: Any) -> int:
    """Check a certificate with the small independent checker.

    Without --model, nothing is said about any ONNX file: the certificate speaks of its program file alone. With it,
    --output, --mean, --std, --dim and --fix are as the certificate says, unless they are given.

    \b
    Examples:
      exactbox check x.cert.json
      exactbox check x.cert.json --model model.onnx
    """
    from exactbox.check_command import CheckOptions, run_check

    return run_check(CheckOptions(certificate=certificate, **options), as_json)


@commands.command()
@click.option("-o", "--out", required=True, metavar="CHECK.pyz", help="Write the checker here.")
@json_option
def checker(out: str, as_json: bool) -> int:
    """Write the small independent checker as one file, for somebody who trusts nothing else.

    It needs Python's standard library alone. Its bytes are the same wherever they are written, and its hash is printed;
    the README states it too. Beside it a receiver needs the certificate and the program file.

    \b
    Example:
      exactbox checker -o check.pyz && python check.pyz x.cert.json
    """
    from exactbox.checker_command import run_checker

    return run_checker(out, as_json)


@commands.command("enumerate")
@click.argument("model", metavar="MODEL.onnx")
@domain_options
@click.option("--plane", nargs=3, metavar="X1 X2 X3", help="Restrict the model exactly to the plane x1 + s (x2 - x1) + "
              "t (x3 - x1) through three inputs, each a file, file:row, or numbers \"-0.1,1/3\"; the box cuts x.")
@click.option("--line", nargs=2, metavar="X1 X2", help="The same on the line x1 + s (x2 - x1).")
@click.option("--plane-box", "slice_range", nargs=2, metavar="LO HI",
              help="Bounds of s and t (default: -1/2 3/2, the points with a margin; -inf inf for none).")
@click.option("--exact-input", is_flag=True, help="Keep numbers of X1, X2, X3 such as 1/3 instead of rounding them.")
@click.option("--neighbors", is_flag=True, help="Also find the facets of each region and which regions share one.")
@click.option("--merge", is_flag=True, help="Also count linear regions: neighbours with equal affine maps are one.")
@click.option("--max-regions", type=click.IntRange(1), metavar="N", help="Stop after N regions; the exit code is 2.")
@click.option("--time-limit", type=click.FloatRange(0), metavar="T", help="Stop after T seconds; the exit code is 2.")
@decision_options
@import_options
@click.option("--certificate", metavar="CERT", help="Write the proof that these are all regions here (compressed), and "
              "the program beside it; check it with exactbox check.")
@click.option("-o", "--out", metavar="FILE", help="Write one row a region: .parquet (needs pyarrow), .csv, .json or "
              ".jsonl, with exact witness, pattern, and what was asked for.")
@click.option("--resume", is_flag=True, help="Go on from the state of an earlier run of the same command, if there is "
              "one: after a limit, Ctrl-C or a kill; the result is the same.")
@click.option("--state", metavar="FOLDER", help="Keep the state of the run here (needs pyarrow), also once it is done; "
              "by default beside FILE of -o, as FILE.state, until it is done.")
@click.option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Share the work among N processes; the "
              "result is the same.")
@click.option("--scheduler", metavar="ADDRESS", help="Share the work among the workers of a Dask cluster, such as "
              "tcp://10.0.0.1:8786; needs exactbox[dask] here and there.")
@analysis_options
@json_option
def enumerate_regions(model: str, as_json: bool, **options: Any) -> int:
    """Find all full-dimensional activation regions of a small model in a box, or in all of R^d.

    The class of a region is the one at its witness, a point inside; a region may hold several classes.

    A long run that writes a file with -o keeps its state in a folder beside it. At a limit or Ctrl-C it ends with exit
    code 2, and the file holds the regions so far; with --resume it goes on, also after a kill.

    \b
    Examples:
      exactbox enumerate model.onnx --box -1 1
      exactbox enumerate model.onnx --box -1 1 --neighbors --merge -o regions.parquet
      exactbox enumerate model.onnx --box -1 1 --workers 4 --time-limit 3600 -o regions.parquet
      exactbox enumerate model.onnx --box -1 1 --workers 4 --resume -o regions.parquet
      exactbox enumerate cnn.onnx --plane digits.npy:0 digits.npy:1 digits.npy:2 --box 0 1
      exactbox enumerate model.onnx --box-from data.csv --certificate regions.cert.gz --max-regions 100000
      exactbox enumerate small.onnx --box -1 1 --analyze --locate data.csv --plot regions.png --page regions.html
    """
    from exactbox.enumerate_command import EnumerateOptions, run_enumerate

    return run_enumerate(EnumerateOptions(model=model, **options), as_json)


@commands.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("-i", "--input", "inputs", multiple=True, required=True, metavar="X",
              help="A .npy, .npz or .csv file, or numbers \"-0.1,1/3\"; with several inputs name=file, repeated.")
@click.option("--row", type=int, metavar="I", help="Which sample of a file with several (0-based).")
@click.option("--exact-input", is_flag=True, help="Keep numbers such as 1/3 instead of rounding to the input's type.")
@click.option("--depth", type=click.IntRange(0), default=1, show_default=True, metavar="K",
              help="How many facets away from the input's region.")
@domain_options
@click.option("--eps", metavar="R", help="Stay within L-infinity distance R of the input, and within the box if given.")
@click.option("--max-regions", type=click.IntRange(1), metavar="N", help="Stop after N regions; the exit code is 2.")
@click.option("--time-limit", type=click.FloatRange(0), metavar="T", help="Stop after T seconds; the exit code is 2.")
@decision_options
@import_options
@click.option("-o", "--out", metavar="FILE", help="Write one row a facet that was crossed: .parquet (needs pyarrow), "
              ".csv, .json or .jsonl.")
@json_option
def neighbors(model: str, as_json: bool, **options: Any) -> int:
    """Walk from the region of one input across facets, without enumerating the rest.

    For each facet: which units flip, coincident ones too, how the weights and the class change beyond it, and an exact
    point on it.

    \b
    Examples:
      exactbox neighbors model.onnx --input x.npy
      exactbox neighbors model.onnx --input 1/2,-1/4 --depth 3 --box -1 1 --json
      exactbox neighbors cnn.onnx --input photo.npy --box 0 1 --max-regions 100 -o facets.csv
    """
    from exactbox.neighbors_command import NeighborsOptions, run_neighbors

    return run_neighbors(NeighborsOptions(model=model, **options), as_json)


@commands.command()
@click.argument("model", metavar="MODEL.onnx")
@import_options
@click.option("--region", metavar="X", help="Print the rows of the region around this input symbolically (small nets).")
@click.option("--exact-input", is_flag=True, help="Do not round the numbers of --region to the input's type.")
@json_option
def show(model: str, as_json: bool, **options: Any) -> int:
    """List the program that a model is lowered to: instructions, sizes, and the nodes they come from.

    \b
    Examples:
      exactbox show model.onnx
      exactbox show small.onnx --region 1,-1/2
    """
    from exactbox.listing import ShowOptions, run_show

    return run_show(ShowOptions(model=model, **options), as_json)


@commands.command()
@click.option("--row", type=int, default=0, show_default=True, metavar="I", help="Which of the bundled samples.")
@click.option("-o", "--out", metavar="FOLDER", help="Keep the certificate and the program in this folder.")
@json_option
def demo(row: int, out: str | None, as_json: bool) -> int:
    """Certify one prediction of a bundled digits classifier, check it, and say what was proved.

    \b
    Examples:
      exactbox demo
      exactbox demo --row 7 --out folder
    """
    from exactbox.demonstration import run_demo

    return run_demo(row, out, as_json)


for _command in audit_options.COMMANDS:
    commands.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    words = list(arguments)
    as_json = "--json" in words
    with typed():
        return guarded(lambda: commands.main(words, "exactbox", standalone_mode=False), as_json=as_json)


def main() -> None:
    """Run the command line of this process and exit."""
    keep_standard_output()
    sys.exit(run(sys.argv[1:]))
