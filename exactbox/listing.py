"""``exactbox show``: the program that a model is lowered to, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from exactbox.commands import ImportOptions, to_json
from exactbox.documents import model_document
from exactbox.inputs import read_inputs
from exactbox.loading import Model
from exactbox.polytope.canonical import program_hash
from exactbox.polytope.domain import everything
from exactbox.polytope.errors import BudgetError
from exactbox.polytope.program import (
    CONSTANT_ZERO,
    NO_CANDIDATE,
    Add,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import region_at
from exactbox.polytope.wording import counted
from exactbox.progress import Stages
from exactbox.report import confirmation_words, print_blocks
from exactbox.sources import Given

MOST_UNITS = 64
MOST_INPUTS = 16


@dataclass(frozen=True, kw_only=True)
class ShowOptions(ImportOptions):
    """The options of ``exactbox show``."""

    region: str | None = None
    exact_input: bool = False


def run_show(options: ShowOptions, as_json: bool) -> int:
    """List a program, and on request the rows of one of its regions."""
    region = None
    with Stages(2) as stages:
        stages.begin("reading the model")
        model = options.load()
        stages.begin("region")
        if options.region is not None:
            given = Given(options.region, options.header)
            region = region_lines(
                model.program, read_inputs(model.program, given, exact_input=options.exact_input).point
            )
    if as_json:
        click.echo(to_json({"exit_code": 0, **show_document(model), "region": region}))
        return 0
    program = model.program
    blocks = [
        ("model", [model.path, f"sha256 {model.sha256}", confirmation_words(model.source), *model.source.notes]),
        ("program", [f"sha256 {program_hash(program)}", counts(program)]),
        ("inputs", [port_words(port) for port in program.inputs]),
        ("output", [port_words(program.output), model.source.output_choice]),
        ("steps", listing(program)),
    ]
    print_blocks(blocks, "The exact program of a model")
    if region is not None:
        print_blocks([("rows", region["rows"]), ("outputs", region["outputs"])], "\nThe region and its classifier")
    return 0


def listing(program: Program) -> list[str]:
    """Return one line an instruction: position, kind, size, details, and the model's node.

    >>> from exactbox.polytope.program import Shift
    >>> from exactbox.polytope.rational import exact
    >>> code = (Input(2), Shift(0, exact([1, 2])))
    >>> listing(Program((Port("x", (1, 2)),), code, Port("y", (1, 2))))
    ['  0  input         2', '  1  shift         2  of 0']
    """
    lines: list[str] = []
    for position, instruction in enumerate(program.instructions):
        node = program.provenance[position].node if program.provenance else ""
        columns = [f"{position:3}", f"{kind(instruction):8}{program.sizes[position]:7}", details(instruction), node]
        lines.append("  ".join(column for column in columns if column))
    return lines


def show_document(model: Model) -> dict[str, Any]:
    """Return a program's listing as data."""
    program = model.program
    steps = [
        {
            "position": position,
            "kind": kind(instruction),
            "size": program.sizes[position],
            "details": details(instruction),
            "node": program.provenance[position].node if program.provenance else "",
        }
        for position, instruction in enumerate(program.instructions)
    ]
    return {
        "model": model_document(model),
        "program_sha256": program_hash(program),
        "units": program.unit_count,
        "inputs": program.input_size,
        "outputs": program.output_size,
        "steps": steps,
    }


def counts(program: Program) -> str:
    """Say how large a program is."""
    numbers = sum(step.weight.size for step in program.instructions if isinstance(step, MatMul))
    return (
        f"{counted(len(program.instructions), 'instruction')}, {counted(program.input_size, 'input')}, "
        f"{counted(program.unit_count, 'unit')}, "
        f"{counted(program.output_size, 'output')}, {counted(numbers, 'weight')}"
    )


def port_words(port: Port) -> str:
    """Say what a port holds."""
    return f"{port.name} {list(port.shape)} {port.dtype}"


def kind(instruction: Instruction) -> str:
    """Return an instruction's name in lower case."""
    return type(instruction).__name__.lower()


def details(instruction: Instruction) -> str:
    """Say what an instruction reads and how it is made."""
    match instruction:
        case Input():
            return ""
        case Gather(srcs, index):
            zeros = int((index < 0).sum())
            return f"of {_joined(srcs)}" + (f", {zeros} zeros" if zeros else "")
        case MatMul(src, weight, rows):
            groups, height, width = weight.shape
            shared = f", shared by {counted(rows, 'row')}" if rows > 1 else ""
            return f"of {src}, {f'{groups} of ' if groups > 1 else ''}{height}x{width}{shared}"
        case Scale(src, _) | Shift(src, _):
            return f"of {src}"
        case Add(left, right):
            return f"of {left} and {right}"
        case Max(src, groups):
            widths = (groups != NO_CANDIDATE).sum(axis=1)
            least = f"{widths.min()} to " if len(np.unique(widths)) > 1 else ""
            constant = " with the constant 0" if bool((groups == CONSTANT_ZERO).any()) else ""
            return f"of {src}, {least}{counted(int(widths.max()), 'candidate')}{constant}"


def region_lines(program: Program, point: Rationals) -> dict[str, list[str]]:
    """Return the region around a point (d,) of R^d symbolically: its rows, and the outputs on it.

    Raises:
        BudgetError: the program is too large to be read by people.
    """
    from exactbox.polytope import symbolic

    if program.unit_count > MOST_UNITS or program.input_size > MOST_INPUTS:
        size = f"{counted(program.unit_count, 'unit')} and {counted(program.input_size, 'input')}"
        raise BudgetError(f"--region: expected at most {MOST_UNITS} units and {MOST_INPUTS} inputs, got {size}")
    region = region_at(program, point, everything(program.input_size))
    names = [program.input_name(i) for i in range(program.input_size)]
    variables = symbolic.variables(program)
    outputs = symbolic.affine(program, region.pattern, variables)
    meaning = [f"{variable} is {name}" for variable, name in zip(variables, names, strict=True)]
    rows = [str(row) for row in symbolic.inequalities(program, region.pattern)]
    return {
        "rows": [*meaning, *(rows or ["no row: one affine map holds on all of R^d"])],
        "outputs": [f"{program.output.name}[{i}] = {value}" for i, value in enumerate(outputs)],
    }


def _joined(positions: Sequence[int]) -> str:
    return " and ".join(str(position) for position in positions)
