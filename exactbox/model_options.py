"""Options of every verb that imports a model: click only, so that help loads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def header_option(command: _F) -> _F:
    """Add --header/--no-header."""
    return click.option(
        "--header/--no-header", "header", default=None,
        help="Whether the first line of each CSV file that is read names columns; by default it does where none of its "
        "cells is a number, and a line of both is an error.",
    )(command)  # fmt: skip


def domain_options(command: _F) -> _F:
    """Add the options that say where statements are meant: a box, a polytope, or all of R^d."""
    for option in reversed([
        click.option("--box", nargs=2, metavar="LO HI",
                     help="The same bounds for every input, such as 0 1 or -1/2 1/2; without a domain, all of R^d."),
        click.option("--box-file", metavar="FILE",
                     help="Bounds by input: a CSV with columns lower,upper or name,lower,upper."),
        click.option("--box-from", metavar="DATA",
                     help="The smallest box around the samples of a .npy, .npz or .csv file."),
        click.option("--domain", metavar="FILE", help="A polytope: a CSV with rows a1,...,ad,b (a . x <= b), or a JSON "
                     "object with rows, equations, lower, upper."),
        click.option("--vnnlib", metavar="FILE", help="The inputs of a VNN-LIB property; what it asks of outputs is "
                     "not read."),
        click.option("--vnnlib-case", type=int, metavar="I",
                     help="Which of the sets that its disjunctions give (0-based)."),
    ]):  # fmt: skip
        command = option(command)
    return command


def model_options(command: _F) -> _F:
    """Add the options that fix what a model leaves open, and those that raise limits."""
    for option in reversed([
        click.option("--dim", multiple=True, metavar="NAME=N",
                     help="Fix a dimension that the file leaves open (a leading batch dimension is 1)."),
        click.option("--fix", multiple=True, metavar="COLUMN=VALUE",
                     help="Make an input (city=Rome) or one entry of it (X[2]=1.5) a constant; encoders of categories "
                     "need that. Rounded to the input's type, which is said. Repeated for several."),
        click.option("--limit", multiple=True, metavar="NAME=N",
                     help="Raise (or lower) a limit on what reading a model may cost: file_bytes, nodes, "
                     "tensor_elements, total_elements, unrolled_nodes. An error at a limit says which, and the number "
                     "needed."),
    ]):  # fmt: skip
        command = option(command)
    return command
