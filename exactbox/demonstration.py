"""``exactbox demo``: one prediction of a bundled digits classifier, certified, checked, and said in words."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import click

from exactbox.certifying import Certified, certify
from exactbox.commands import to_json
from exactbox.documents import document
from exactbox.loading import load
from exactbox.polytope.errors import InputError
from exactbox.polytope.wording import counted
from exactbox.progress import Stages
from exactbox.report import print_blocks, summary
from exactbox.rounding import decimal_text

MODEL, SAMPLES = "digits_mlp.onnx", "digits_samples.npz"
CERTIFICATE = "digits.cert.json"
SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Checked:
    """What the checker, run as a program of its own, printed and returned."""

    code: int
    text: str


def run_demo(row: int, out: str | None, as_json: bool) -> int:
    """Certify a bundled prediction, check the certificate, and print both.

    Args:
        row: which sample.
        out: a folder that keeps the files; a temporary one by default.

    Returns:
        0, or the checker's exit code.
    """
    with as_file(files("exactbox") / "data") as data, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary if out is None else out)
        _make(folder)
        with Stages(6) as stages:
            stages.begin("reading the model")
            found = certify(load(data / MODEL), data / SAMPLES, row=row, box=(0, 1), opinion_seconds=2, watcher=stages)
            written = found.save(folder / CERTIFICATE)
        checked = check_apart(folder / CERTIFICATE)
        if as_json:
            result = {**document(found), "checker": {"exit_code": checked.code, "output": checked.text}}
            click.echo(to_json({"exit_code": checked.code, **result, "written": [] if out is None else written}))
        else:
            _tell(found, checked, data, out, row)
    return checked.code


def check_apart(certificate: Path) -> Checked:
    """Run the checker in a process of its own, without this package."""
    from exactbox.verify import check as checker

    command = [sys.executable, "-I", "-S", checker.__file__, str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Checked(done.returncode, done.stdout + done.stderr)


def picture_in_text(values: list[float], width: int) -> list[str]:
    """Draw an image of values from 0 to 1 in characters, two for each entry.

    >>> picture_in_text([0.0, 1.0, 0.5, 0.0], 2)
    ['  @@', '++  ']
    """
    shades = [SHADES[min(max(int(value * len(SHADES)), 0), len(SHADES) - 1)] * 2 for value in values]
    return ["".join(shades[i : i + width]) for i in range(0, len(shades), width)]


def proved(found: Certified) -> list[str]:
    """Say in words what the certificate proves."""
    lines = [
        f"On the whole region around this image, all {found.program.unit_count} Relu units do what they do at it, so "
        f"that the network is one affine map there: its {counted(found.program.output_size, 'row')} of "
        f"{found.program.input_size} weights are in the certificate, as fractions.",
        f"At the image the class is {found.class_name}: its logit exceeds every other by {_margin(found)} or more.",
    ]
    if found.distances is not None and found.distances.decision:
        value = found.distances.decision["linf"].value
        if value is not None:
            limit = decimal_text(value)
            lines.append(f"No change of all pixels by less than {limit} within [0, 1] changes the class.")
    if found.minimal is not None and not found.minimal.undecided:
        count = len(found.minimal.facets)
        lines.append(
            f"The region has exactly {counted(count, 'facet')}; each row comes with evidence that it is one, or "
            "is none."
        )
    return lines


def _margin(found: Certified) -> str:
    return "0" if found.margin is None else decimal_text(found.margin)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from None


def _tell(found: Certified, checked: Checked, data: Path, out: str | None, row: int) -> None:
    click.echo(f"Sample {row} of the bundled digits, as the classifier sees it:\n")
    click.echo("\n".join(f"    {line}" for line in picture_in_text(found.input.point.to_float().tolist(), 8)))
    click.echo()
    print_blocks(summary(found), "The exact region and classifier around it")
    click.echo("\nThe checker, which needs the standard library alone, run as a program of its own, says:\n")
    click.echo("\n".join(f"    {line}" for line in checked.text.splitlines()))
    click.echo("\nSo this is proved:\n")
    for line in proved(found):
        click.echo(textwrap.fill(line, 100, initial_indent="  - ", subsequent_indent="    "))
    where = "" if out is None else f"\nThe certificate and the program lie in {out}.\n"
    click.echo(f"""{where}
Next:
  MODEL={data / MODEL}
  exactbox certify $MODEL --input {data / SAMPLES} --row {row} --box 0 1 -o x.cert.json
  exactbox check x.cert.json --model $MODEL
  exactbox certify YOUR.onnx --input YOUR.npy -o your.cert.json""")
