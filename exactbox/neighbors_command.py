"""``exactbox neighbors``: it reads options, calls the library, and prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from exactbox.commands import BoxOptions, stated_box, to_json
from exactbox.files import check_apart
from exactbox.inputs import split_specs
from exactbox.neighborhood import neighbors
from exactbox.neighborhood_report import blocks, document
from exactbox.polytope.wording import counted
from exactbox.progress import Stages
from exactbox.report import print_blocks
from exactbox.tables import check_table

STAGES = 3
STOPPED = 2


@dataclass(frozen=True, kw_only=True)
class NeighborsOptions(BoxOptions):
    """The options of ``exactbox neighbors``."""

    inputs: Sequence[str]
    row: int | None = None
    exact_input: bool = False
    depth: int = 1
    eps: str | None = None
    target: str | None = None
    max_regions: int | None = None
    time_limit: float | None = None
    out: str | None = None


def run_neighbors(options: NeighborsOptions, as_json: bool) -> int:
    """Walk over the facets around one input, print what was found, and write what was asked for.

    Returns:
        0, or 2 where a limit ended the walk or left rows open.
    """
    if options.out is not None:
        check_table(Path(options.out))
    check_apart(options, {"out": "-o"})
    with Stages(STAGES) as stages:
        stages.begin("reading the model")
        given = split_specs(options.inputs, options.header)
        model = options.load(given, options.row)

        def columns() -> Sequence[str]:
            return model.read(given, row=options.row, exact_input=True).columns

        domain = stated_box(model, options, columns, exact_input=options.exact_input)
        stages.begin("crossing facets")
        found = neighbors(
            model,
            given,
            options.depth,
            domain=domain,
            eps=options.eps,
            row=options.row,
            exact_input=options.exact_input,
            decision=options.decision,
            output_row=options.output_row,
            target=options.target,
            max_regions=options.max_regions,
            time_limit=options.time_limit,
            progress=lambda regions, looked: stages.describe(f"{counted(regions, 'region')}, {looked} looked at"),
        )
        stages.begin("writing")
        written = [] if options.out is None else [found.save(options.out)]
    code = 0 if found.complete else STOPPED
    if as_json:
        click.echo(to_json({"exit_code": code, **document(found), "written": written}))
        return code
    listed = written or ["nothing: -o FILE writes a row for each facet that was crossed"]
    print_blocks([*blocks(found), ("written", listed)], "The regions around one input")
    return code
