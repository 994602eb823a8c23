"""What the commands do: they read options, call the library, and print."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from exactbox.boxes import DomainRead, box_between, box_from_data, box_from_file, everywhere
from exactbox.categories import load_for
from exactbox.certifying import OPINION_SECONDS, Certified, certify
from exactbox.documents import document
from exactbox.domain_files import domain_from_file, domain_from_vnnlib
from exactbox.files import check_apart, check_writable
from exactbox.fixing import parse_fixes
from exactbox.inputs import split_specs
from exactbox.loading import Model, parse_dims, parse_limits
from exactbox.plots import draw, image_layout, picture_of, require_matplotlib
from exactbox.polytope.errors import InputError
from exactbox.polytope.printable import printable, printable_json
from exactbox.progress import Stages
from exactbox.report import print_blocks, summary
from exactbox.sources import given

STAGES = 6


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The options that say how a model is read."""

    model: str
    output: str | None = None
    output_row: int | None = None
    decision: Any = None
    class_names: str | None = None
    mean: str | None = None
    std: str | None = None
    dim: Sequence[str] = ()
    fix: Sequence[str] = ()
    limit: Sequence[str] = ()
    header: bool | None = None
    runtime: bool = True

    def load(self, data: object = None, row: int | None = None) -> Model:
        """Import the model as the options say, with the categories of a sample as constants where it reads some."""
        return load_for(
            self.model,
            data,
            row,
            output=self.output,
            dims=parse_dims(self.dim),
            fix=parse_fixes(self.fix),
            mean=given(self.mean, self.header),
            std=given(self.std, self.header),
            class_names=given(self.class_names, self.header),
            verify=self.runtime,
            limits=parse_limits(self.limit),
        )


@dataclass(frozen=True, kw_only=True)
class BoxOptions(ImportOptions):
    """The options that say how a model is read and in which box statements are meant."""

    box: tuple[str, str] | None = None
    box_file: str | None = None
    box_from: str | None = None
    domain: str | None = None
    vnnlib: str | None = None
    vnnlib_case: int | None = None


@dataclass(frozen=True, kw_only=True)
class CertifyOptions(BoxOptions):
    """The options of ``exactbox certify``."""

    inputs: Sequence[str]
    row: int | None = None
    exact_input: bool = False
    target: str | None = None
    eps: str | None = None
    minimal: bool | None = None
    measure: bool | None = None
    opinion_seconds: float = OPINION_SECONDS
    plot: str | None = None
    image: str | None = None
    out: str | None = None


def run_certify(options: CertifyOptions, as_json: bool) -> int:
    """Certify one input, print what was found, and write what was asked for.

    Returns:
        0, or 2 where facets were asked for and a budget left a row undecided.
    """
    _check_outputs(options)
    with Stages(STAGES) as stages:
        stages.begin("reading the model")
        specs = split_specs(options.inputs, options.header)
        model = options.load(specs, options.row)
        if options.plot is not None:
            image_layout(model.program.inputs[0], options.image)
        found = _certified(model, options, specs, stages)
        stages.begin("writing")
        written = [] if options.out is None else found.save(options.out)
        if options.plot is not None:
            draw(picture_of(found, options.image), Path(options.plot))
            written.append(options.plot)
    show_result(found, as_json, written)
    return 2 if options.minimal and found.minimal is not None and found.minimal.undecided else 0


def show_result(found: Certified, as_json: bool, written: Sequence[str]) -> None:
    """Print a result as one JSON object, or as a summary for people."""
    if as_json:
        for warning in found.model.source.warnings:
            click.echo(f"warning: {printable(warning)}", err=True)
        click.echo(to_json({"exit_code": 0, **document(found), "written": list(written)}))
        return
    blocks = [*summary(found), ("written", list(written) or ["nothing: -o FILE writes the certificate"])]
    print_blocks(blocks, "The exact region and classifier around one input")


def to_json(content: Mapping[str, Any]) -> str:
    """Return one JSON object as text."""
    return printable_json(json.dumps(content, ensure_ascii=False, allow_nan=False))


def _certified(model: Model, options: CertifyOptions, specs: object, stages: Stages) -> Certified:
    return certify(
        model,
        specs,
        target=options.target,
        domain=_domain(model, options, specs),
        eps=options.eps,
        row=options.row,
        exact_input=options.exact_input,
        decision=options.decision,
        output_row=options.output_row,
        minimal=options.minimal,
        measure=options.measure,
        opinion_seconds=options.opinion_seconds,
        watcher=stages,
    )


def _domain(model: Model, options: CertifyOptions, specs: object) -> DomainRead:
    def columns() -> Sequence[str]:
        return model.read(specs, row=options.row, exact_input=True).columns

    return stated_box(model, options, columns, exact_input=options.exact_input)


def stated_box(
    model: Model, options: BoxOptions, columns: Callable[[], Sequence[str]] = tuple, *, exact_input: bool = False
) -> DomainRead:
    """Return the domain that was stated by one of the options, or R^d where none is given.

    Args:
        columns: gives the names of the inputs' columns, asked only for a file that may name them.

    Raises:
        InputError: several domains, or one that does not fit the model.
    """
    boxes = {"--box": options.box, "--box-file": options.box_file, "--box-from": options.box_from,
             "--domain": options.domain, "--vnnlib": options.vnnlib}  # fmt: skip
    stated = [name for name, value in boxes.items() if value is not None]
    if len(stated) > 1:
        raise InputError(f"{' and '.join(stated)}: give one domain")
    if options.vnnlib is None and options.vnnlib_case is not None:
        raise InputError("--vnnlib-case: chooses a case of --vnnlib FILE; give it too")
    if options.domain is not None:
        return domain_from_file(model.program, Path(options.domain), model.input_names(columns()), options.header)
    if options.vnnlib is not None:
        return domain_from_vnnlib(model.program, Path(options.vnnlib), options.vnnlib_case)
    if options.box is not None:
        return box_between(model.program, *options.box)
    if options.box_file is not None:
        return box_from_file(model.program, Path(options.box_file), model.input_names(columns()))
    if options.box_from is not None:
        path = Path(options.box_from)
        return box_from_data(model.program, path, exact_input=exact_input, header=options.header)
    return everywhere(model.program)


def _check_outputs(options: CertifyOptions) -> None:
    """Refuse output paths before any work is done for them."""
    if options.out is not None:
        check_writable(Path(options.out), ".json")
    if options.plot is not None:
        require_matplotlib()
        check_writable(Path(options.plot), ".png", ".svg")
    elif options.image is not None:
        raise InputError("--image: says how --plot draws; give --plot FILE too")
    check_apart(options, {"out": "-o", "plot": "--plot"})
