"""``exactbox check``: kept apart from the other commands, so that checking loads nothing but the checker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from exactbox.checking import CheckReport, ModelOptions, check
from exactbox.polytope.errors import ExactboxError
from exactbox.polytope.printable import printable, printable_json
from exactbox.progress import Stages


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """The options of ``exactbox check``."""

    certificate: str
    program: str | None = None
    model: str | None = None
    output: str | None = None
    mean: str | None = None
    std: str | None = None
    dim: Sequence[str] = ()
    fix: Sequence[str] = ()
    limit: Sequence[str] = ()
    header: bool | None = None
    runtime: bool = True


def run_check(options: CheckOptions, as_json: bool) -> int:
    """Check a certificate, print what is proved, and return 0 where it is accepted and 1 where it is rejected."""
    chosen = ModelOptions()
    if options.model is not None:
        from exactbox.fixing import parse_fixes
        from exactbox.loading import parse_dims, parse_limits
        from exactbox.sources import given

        chosen = ModelOptions(
            options.output, parse_dims(options.dim) or None, parse_fixes(options.fix) or None,
            parse_limits(options.limit), given(options.mean, options.header), given(options.std, options.header),
            options.runtime,
        )  # fmt: skip
    program = None if options.program is None else Path(options.program)
    with Stages(1) as stages:
        stages.begin("checking")
        try:
            report = check(options.certificate, options.model, program=program, options=chosen)
        except ExactboxError:
            if not as_json:
                click.echo(f"NOT CHECKED: {printable(options.certificate)}\nnothing is proved")
            raise
    if as_json:
        click.echo(printable_json(json.dumps(report.as_dict(), ensure_ascii=False)))
    else:
        print_report(report)
    return report.exit_code


def print_report(report: CheckReport) -> None:
    """Print what a check gave; text from files is escaped."""
    path = printable(report.path)
    if not report.accepted:
        click.echo(f"REJECTED: {path}: {printable(report.reason)}")
        click.echo("nothing is proved")
        return
    click.echo(f"ACCEPTED: {path}")
    click.echo(f"of the program with SHA-256 {report.program_sha256} is proved, in exact arithmetic:")
    for line in report.lines:
        click.echo(f"  {printable(line)}")
    click.echo(printable(report.binding))
    click.echo(f"statement SHA-256 {report.statement_sha256}")
