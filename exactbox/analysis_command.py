"""What ``exactbox enumerate`` does with the regions that it found: analyses, samples, pictures, a page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from exactbox.analysis_report import (
    analysis_blocks,
    analysis_document,
    located_block,
    located_document,
    write_boundary,
)
from exactbox.analyzing import SECONDS, analyze
from exactbox.datasets import read_dataset, split_data
from exactbox.documents import Document
from exactbox.drawing import drawing_of, viewed
from exactbox.files import check_writable
from exactbox.partition_page import check_page, write_page
from exactbox.partition_plot import draw_partition
from exactbox.plots import require_matplotlib
from exactbox.polytope.errors import BudgetError, InputError
from exactbox.region_colours import By
from exactbox.report import Block

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated
    from exactbox.run_results import Prepared


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """The options that ask for more than the regions."""

    analyze: bool = False
    analysis_seconds: float = SECONDS
    locate: Sequence[str] = ()
    boundary: str | None = None
    plot: str | None = None
    page: str | None = None
    colour: By | None = None
    view: tuple[str, str] | None = None
    header: bool | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is asked for that needs the regions in memory."""
        return self.analyze or bool(self.locate) or bool(self.files)

    @property
    def files(self) -> list[str]:
        """The files that are asked for."""
        return [path for path in (self.boundary, self.plot, self.page) if path is not None]

    @property
    def needs_neighbors(self) -> bool:
        """Whether something is asked for that shows neighbours."""
        return self.analyze or self.page is not None


@dataclass(frozen=True)
class Answers:
    """What was found out.

    Args:
        blocks: for people.
        documents: for JSON.
        written: files.
        missed: files that were asked for and could not be made of these regions, with the reason.
    """

    blocks: list[Block] = field(default_factory=list)
    documents: Document = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def check_asked(options: AnalysisOptions) -> None:
    """Refuse what cannot be written before any work is done for it.

    Raises:
        InputError: a wrong ending, no such folder, a library that is missing, or an option without what it is about.
    """
    if options.boundary is not None:
        check_writable(Path(options.boundary), ".json")
    if options.plot is not None:
        require_matplotlib()
        check_writable(Path(options.plot), ".png", ".svg")
    if options.page is not None:
        check_page(Path(options.page))
    if options.plot is None and options.page is None and (options.colour is not None or options.view is not None):
        raise InputError("--color and --view say how --plot and --page draw; give one of them too")


def check_fits(options: AnalysisOptions, prepared: Prepared) -> None:
    """Refuse what does not fit the model before the regions are enumerated.

    Raises:
        InputError: samples that are not the model's, pictures of other dimensions than one and two or of nothing, or
            what needs a decision where nothing is decided.
    """
    if options.locate:
        model = prepared.model
        read_dataset(model.program, split_data(options.locate, options.header), model.fixed)
    dimension = prepared.domain.domain.dimension
    if (options.plot is not None or options.page is not None) and dimension not in (1, 2):
        asked = " and ".join(name for name, value in (("--plot", options.plot), ("--page", options.page)) if value)
        raise InputError(
            f"{asked}: a picture shows one or two dimensions, and the domain has {dimension}; give --plane X1 X2 X3 "
            "or --line X1 X2"
        )
    if options.view is not None:
        viewed(prepared.domain, options.view)
    if prepared.plan.rule == "none" and (options.boundary is not None or options.colour == "class"):
        asked = "--boundary" if options.boundary is not None else "--color class"
        raise InputError(f"{asked}: nothing is decided ({prepared.plan.text}); state a rule with --decision")


def answer(found: Enumerated, options: AnalysisOptions) -> Answers:
    """Compute and write what is asked for; a file that cannot be made of these regions is missed, with the reason."""
    answers = Answers()
    if options.analyze:
        analysis = analyze(found, options.analysis_seconds)
        answers.blocks.extend(analysis_blocks(analysis))
        if not found.complete:
            answers.blocks.append(("incomplete", [f"the analyses are of the regions found alone ({found.reason})"]))
        answers.documents["analysis"] = {**analysis_document(analysis), "of_all_regions": found.complete}
    if options.locate:
        located = found.locate(split_data(options.locate, options.header))
        answers.blocks.append(located_block(located))
        answers.documents["located"] = located_document(located)
    for path, write in _writers(found, options):
        try:
            write(Path(path))
            answers.written.append(path)
        except (InputError, BudgetError) as error:
            answers.missed.append(f"{path}: not written: {error}")
    if answers.missed:
        answers.documents["not_written"] = answers.missed
    return answers


def _writers(found: Enumerated, options: AnalysisOptions) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Yield the files that are asked for and what writes them."""
    drawing = functools.cache(lambda: drawing_of(found, colour=options.colour, view=options.view))
    if options.boundary is not None:
        yield options.boundary, lambda path: write_boundary(found, found.boundary(options.analysis_seconds), path)
    if options.plot is not None:
        yield options.plot, lambda path: draw_partition(drawing(), path)
    if options.page is not None:
        yield options.page, lambda path: write_page(found, drawing(), path)
