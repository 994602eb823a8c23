"""Options of every verb that imports a model: click only, so that help loads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def model_options(command: _F) -> _F:
    """Add the options that fix what a model leaves open, and those that raise limits."""
    for option in reversed([
        click.option("--dim", multiple=True, metavar="NAME=N",
                     help="Fix a dimension that the file leaves open (a leading batch dimension is 1)."),
        click.option("--fix", multiple=True, metavar="COLUMN=VALUE",
                     help="Make an input (city=Rome) or one entry of it (X[2]=1.5) a constant; encoders of categories "
                     "need that. Rounded to the input's type, which is said. Repeated for several."),
        click.option("--limit", multiple=True, metavar="NAME=N",
                     help="Raise a limit on what a model may cost: file_bytes, nodes, tensor_elements, total_elements, "
                     "unrolled_nodes; the error that names one says how far."),
    ]):  # fmt: skip
        command = option(command)
    return command
