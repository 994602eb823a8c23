"""The options of ``exactbox enumerate`` that ask for more than the regions; only click is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def analysis_options(command: _F) -> _F:
    """Add the options for analyses, samples and pictures."""
    for option in reversed([
        click.option("--analyze", is_flag=True, help="Also print which classes the regions hold, their volumes (up to "
                     "three dimensions), the decision boundary, the dual graph, the largest and smallest regions."),
        click.option("--analysis-seconds", type=click.FloatRange(0), default=60.0, show_default=True, metavar="T",
                     help="Time for each analysis that takes a linear program a region."),
        click.option("--locate", multiple=True, metavar="DATA", help="List the regions that contain each sample of a "
                     ".npy, .npz or .csv file; with several inputs name=file, repeated. On a plane or "
                     "line, of s and t."),
        click.option("--boundary", metavar="FILE.json", help="Write the decision boundary: exact polytopes on which "
                     "several classes attain the maximum."),
        click.option("--plot", metavar="FILE", help="Draw the regions of a domain of one or two dimensions: .png or "
                     ".svg (needs matplotlib)."),
        click.option("--page", metavar="FILE.html", help="Write an interactive page of them that needs no network "
                     "(needs bokeh)."),
        click.option("--color", "colour", type=click.Choice(["class", "region", "map"]), help="What colours stand for: "
                     "the class (default), the activation pattern, or the affine map; equal in every run."),
        click.option("--view", nargs=2, metavar="LO HI", help="Draw only this interval of each coordinate."),
    ]):  # fmt: skip
        command = option(command)
    return command
