"""``exactbox enumerate``: it reads options, calls the library, and prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from exactbox.commands import BoxOptions, stated_box, to_json
from exactbox.enumerating import Enumerated, enumerate
from exactbox.enumerating_report import blocks, document
from exactbox.files import check_writable
from exactbox.polytope.canonical import program_hash
from exactbox.polytope.enumeration import Progress
from exactbox.polytope.errors import InputError
from exactbox.progress import Stages
from exactbox.report import print_blocks
from exactbox.tables import check_table
from exactbox.verify.certificate import program_file

STAGES = 3
STOPPED = 2


@dataclass(frozen=True, kw_only=True)
class EnumerateOptions(BoxOptions):
    """The options of ``exactbox enumerate``."""

    target: str | None = None
    plane: Sequence[str] | None = None
    line: Sequence[str] | None = None
    slice_range: tuple[str, str] | None = None
    exact_input: bool = False
    neighbors: bool = False
    merge: bool = False
    max_regions: int | None = None
    time_limit: float | None = None
    certificate: str | None = None
    out: str | None = None


def run_enumerate(options: EnumerateOptions, as_json: bool) -> int:
    """Enumerate all regions, print what was found, and write what was asked for.

    Returns:
        0, or 2 where a limit ended the run before all regions were found.
    """
    _check_outputs(options)
    with Stages(STAGES) as stages:
        stages.begin("reading the model")
        model = options.load()
        domain = stated_box(model, options)
        stages.begin("enumerating")
        found = enumerate(
            model,
            domain=domain,
            neighbors=options.neighbors,
            merge=options.merge,
            plane=options.plane,
            line=options.line,
            slice_range=options.slice_range,
            exact_input=options.exact_input,
            max_regions=options.max_regions,
            time_limit=options.time_limit,
            certificate=options.certificate,
            decision=options.decision,
            output_row=options.output_row,
            target=options.target,
            progress=lambda progress: stages.describe(progress_words(progress)),
        )
        stages.begin("writing")
        written = [] if found.certificate is None else [found.certificate, _program_beside(found.certificate, found)]
        if options.out is not None:
            written.append(found.save(options.out))
    code = 0 if found.complete else STOPPED
    if as_json:
        click.echo(to_json({"exit_code": code, **document(found), "written": written}))
        return code
    hint = ["nothing: -o FILE writes the regions, --certificate CERT the proof that they are all"]
    if options.certificate is not None and found.certificate is None:
        hint = ["nothing"]
        written = [*written, f"no certificate: it would say that these are all regions ({found.reason})"]
    print_blocks([*blocks(found), ("written", written or hint)], "All regions of the model")
    return code


def progress_words(progress: Progress) -> str:
    """Say how far an enumeration is.

    >>> progress_words(Progress(1200, 2.0, 35))
    '1200 regions, 600/s, 35 cells wait'
    """
    rate = progress.regions / max(progress.seconds, 2.0**-20)
    return f"{progress.regions} regions, {rate:.0f}/s, {progress.frontier} cells wait"


def _program_beside(certificate: str, found: Enumerated) -> str:
    return str(Path(certificate).parent / program_file(program_hash(found.model.program)))


def _check_outputs(options: EnumerateOptions) -> None:
    """Refuse output paths before any work is done for them."""
    if options.certificate is not None:
        check_writable(Path(options.certificate))
    if options.out is None:
        return
    check_table(Path(options.out))
    if options.certificate is not None and Path(options.out).absolute() == Path(options.certificate).absolute():
        raise InputError(f"{options.out}: both -o and --certificate name this file; give them different names")
