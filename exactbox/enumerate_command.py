"""``exactbox enumerate``: it reads options, calls the library, and prints."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from exactbox.analysis_command import AnalysisOptions, Answers, answer, check_asked, check_fits
from exactbox.commands import BoxOptions, stated_box, to_json
from exactbox.enumerating import Enumerated, checked_limits, enumerate_at_once, in_memory, prepare, write_certificate
from exactbox.enumerating_report import blocks, document
from exactbox.files import check_apart, check_writable
from exactbox.interrupting import Interrupt
from exactbox.long_runs import Limits
from exactbox.polytope.canonical import program_hash
from exactbox.polytope.enumeration import Progress
from exactbox.polytope.errors import InputError
from exactbox.polytope.wording import counted
from exactbox.progress import Stages
from exactbox.region_counts import Counts
from exactbox.region_table import column_names
from exactbox.report import print_blocks
from exactbox.run_results import Found, Prepared, Ways, long_run
from exactbox.sources import Given
from exactbox.tables import check_table, write_table
from exactbox.verify.certificate import program_file

STAGES = 3
STOPPED = 2
OUTPUTS = {"out": "-o", "certificate": "--certificate", "boundary": "--boundary", "plot": "--plot", "page": "--page"}


@dataclass(frozen=True, kw_only=True)
class EnumerateOptions(BoxOptions, AnalysisOptions):
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
    state: str | None = None
    resume: bool = False
    workers: int = 1
    scheduler: str | None = None


def run_enumerate(options: EnumerateOptions, as_json: bool) -> int:
    """Enumerate all regions, print what was found, and write what was asked for.

    Returns:
        0, or 2 where a limit or Ctrl-C ended the run before all regions were found.
    """
    began = time.monotonic()
    _check_outputs(options)
    ways = _ways(options)
    interrupt = Interrupt()
    with Stages(STAGES) as stages:

        def heard(progress: Progress) -> bool:
            stages.describe(progress_words(progress))
            return interrupt.asked

        def writing() -> None:
            interrupt.end()
            stages.begin("writing")

        stages.begin("reading the model")
        prepared = _prepared(options)
        check_fits(options, prepared)
        limits = checked_limits(options.max_regions, options.time_limit, heard, began)
        stages.begin("enumerating")
        with interrupt:
            found, answers, written = _found(prepared, options, ways, limits, interrupt, writing)
    code = 0 if found.complete and not answers.missed else STOPPED
    if as_json:
        click.echo(to_json({"exit_code": code, **document(found), **answers.documents, "written": written}))
        return code
    notes = _notes(found, options, ways)
    hint = "nothing: -o FILE writes the regions, --certificate CERT the proof that they are all"
    last = ("written", [*written, *notes, *answers.missed] or [hint])
    print_blocks([*blocks(found), *answers.blocks, last], "All regions of the model")
    return code


def _prepared(options: EnumerateOptions) -> Prepared:
    model = options.load()
    prepared = prepare(
        model,
        domain=stated_box(model, options),
        plane=_points(options.plane, options.header),
        line=_points(options.line, options.header),
        slice_range=options.slice_range,
        exact_input=options.exact_input,
        decision=options.decision,
        output_row=options.output_row,
        target=options.target,
    )
    if options.target is not None and prepared.plan.rule != "sign":
        raise InputError(f"--target: chooses the output whose sign decides, and needs --decision sign; the rule is "
                         f"{prepared.plan.text}")  # fmt: skip
    return prepared


def _points(texts: Sequence[str] | None, header: bool | None) -> list[Given] | None:
    return None if texts is None else [Given(text, header) for text in texts]


def _found(
    prepared: Prepared,
    options: EnumerateOptions,
    ways: Ways,
    limits: Limits,
    interrupt: Interrupt,
    writing: Callable[[], None],
) -> tuple[Counts, Answers, list[str]]:
    """Enumerate and write; returns the counts, what else was asked for, and the files."""
    hanging = options.neighbors or options.merge or options.needs_neighbors
    if ways.plain and options.out is None:
        at_once = enumerate_at_once(prepared, limits, hanging, options.certificate)
        writing()
        answers = _answers(lambda: at_once, options, interrupt)
        return at_once.counts, answers, [*_certificate_files(at_once.counts), *answers.written]
    recording = options.certificate is not None
    with long_run(prepared, ways, limits, hanging=hanging, recording=recording) as found:
        writing()
        certificate = None
        if options.certificate is not None:
            certificate = write_certificate(found, Path(options.certificate))
        table = [] if options.out is None else [_write_table(found, Path(options.out))]
        answers = _answers(lambda: in_memory(found, certificate), options, interrupt)
        counts = found.counts(certificate)
        return counts, answers, [*_certificate_files(counts), *table, *answers.written]


def _answers(found: Callable[[], Enumerated], options: EnumerateOptions, interrupt: Interrupt) -> Answers:
    """Return what else was asked for; nothing after Ctrl-C, because it may take long."""
    if not options.asks:
        return Answers()
    if interrupt.asked:
        return Answers(missed=["analyses, samples and pictures: left out because of Ctrl-C"])
    return answer(found(), options)


def _write_table(found: Found, path: Path) -> str:
    model, plan = found.prepared.model, found.prepared.plan
    names = column_names(plan.rule != "none", model.slice is not None, found.hanging is not None)
    return write_table(path, names, found.records())


def _ways(options: EnumerateOptions) -> Ways:
    """Return how the run is done: its state lies beside the file of regions, unless it is named or cannot be kept."""
    state = None if options.state is None else Path(options.state)
    if state is None and options.out is not None and (options.resume or importlib.util.find_spec("pyarrow")):
        state = Path(f"{options.out}.state")
    return Ways(options.workers, options.scheduler, state, options.resume, keep=options.state is not None)


def _notes(found: Counts, options: EnumerateOptions, ways: Ways) -> list[str]:
    """Say what a stopped run did not write, and how to go on."""
    if found.complete:
        return []
    notes: list[str] = []
    if options.certificate is not None:
        notes.append(f"no certificate: it would say that these are all regions ({found.reason})")
    if ways.state is not None:
        notes.append(f"{ways.state}: what is left to do; the same command with --resume goes on from here")
    return notes


def progress_words(progress: Progress) -> str:
    """Say how far an enumeration is.

    >>> progress_words(Progress(1200, 2.0, 35))
    '1200 regions, 600/s, 35 cells waiting'
    """
    rate = progress.regions / max(progress.seconds, 2.0**-20)
    return f"{counted(progress.regions, 'region')}, {rate:.0f}/s, {counted(progress.frontier, 'cell')} waiting"


def _certificate_files(found: Counts) -> list[str]:
    if found.certificate is None:
        return []
    return [found.certificate, str(Path(found.certificate).parent / program_file(program_hash(found.model.program)))]


def _check_outputs(options: EnumerateOptions) -> None:
    """Refuse output paths before any work is done for them."""
    check_asked(options)
    if options.certificate is not None:
        check_writable(Path(options.certificate))
    if options.out is not None:
        check_table(Path(options.out))
    check_apart(options, OUTPUTS)
