"""Pictures of an exact local classifier: bars for tabular inputs, heat maps for images; needs matplotlib."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.across import shared_words
from exactbox.certifying import Certified
from exactbox.files import write_whole
from exactbox.findings import logit_words
from exactbox.polytope.errors import InputError
from exactbox.polytope.printable import printable
from exactbox.polytope.program import Port
from exactbox.polytope.wording import counted

Floats = npt.NDArray[np.float64]

MOST_BARS = 20
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
DIVERGING = "RdBu_r"


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn; floats are the correctly rounded views of exact numbers.

    Args:
        title: over everything.
        caption: under everything.
        names: one an input.
        values: shape (d,), the input.
        weights: shape (d,), the exact local weights of the explained output.
        contributions: shape (d,), weight times value.
        image: (channels, height, width, whether channels come last), or None for bars.
    """

    title: str
    caption: str
    names: tuple[str, ...]
    values: Floats
    weights: Floats
    contributions: Floats
    image: tuple[int, int, int, bool] | None = None


def image_layout(port: Port, wanted: str | None) -> tuple[int, int, int, bool] | None:
    """Say how an input is an image: by the user's "8x8", or by a shape that only images have; else None.

    Raises:
        InputError: the user's size does not fit the input.

    >>> image_layout(Port("x", (1, 3, 32, 32)), None), image_layout(Port("x", (1, 64)), "8x8")
    ((3, 32, 32, False), (1, 8, 8, False))
    """
    if wanted is not None:
        match = re.fullmatch(r"(\d+)x(\d+)", wanted.strip().lower())
        if not match:
            raise InputError(f"image {wanted}: expected height and width such as 28x28")
        height, width = int(match[1]), int(match[2])
        channels, rest = divmod(port.size, max(height * width, 1))
        if rest or channels not in (1, 3):
            expected = f"expected {height * width} or 3 times that"
            raise InputError(f"image {wanted}: the input has {counted(port.size, 'entry', 'entries')}, {expected}")
        return channels, height, width, False
    shape = port.shape[1:] if len(port.shape) > 2 and port.shape[0] == 1 else port.shape
    if len(shape) == 2 and min(shape) > 1:
        return 1, shape[0], shape[1], False
    if len(shape) == 3 and min(shape[1:]) > 1 and shape[0] in (1, 3):
        return shape[0], shape[1], shape[2], False
    if len(shape) == 3 and min(shape[:2]) > 1 and shape[2] in (1, 3):
        return shape[2], shape[0], shape[1], True
    return None


def picture_of(found: Certified, wanted: str | None = None) -> Picture:
    """Return the picture of a result.

    Args:
        wanted: the size of an image such as "8x8", where the input's shape does not say it.

    Raises:
        InputError: no output is explained, or the size does not fit.
    """
    explained = found.plan.name(found.target or 0)
    decided = f" (decided: {found.class_name})" if found.class_name not in (None, explained) else ""
    words = f"{explained}: {logit_words(found)}; computed exactly, drawn rounded"
    origin = "; ".join(Path(part).name for part in found.input.origin.split("; "))
    ports = found.program.inputs
    return Picture(
        f"{explained}{decided}: {Path(found.model.path).name} at {origin}",
        "\n".join(filter(None, (words, shared_words(found)))),
        found.input_names,
        found.input.point.to_float(),
        found.weights.to_float(),
        found.contributions.to_float(),
        image_layout(ports[0], wanted) if len(ports) == 1 else None,
    )


def draw(picture: Picture, path: Path) -> None:
    """Write a picture as .png or .svg, whole or not at all.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    figure = _image_figure(picture) if picture.image else _bar_figure(picture)
    kind = path.suffix.lower().lstrip(".")
    metadata = {"Date": None} if kind == "svg" else {}
    write_whole(path, lambda to: figure.savefig(to, format=kind, dpi=150, metadata=metadata))


def require_matplotlib() -> Any:
    """Return matplotlib, set so that equal pictures are equal files.

    Raises:
        InputError: it is not installed; the message says how to get it.
    """
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise InputError("a picture needs matplotlib, which is not installed: pip install 'exactbox[plots]'") from None
    matplotlib.rcParams["svg.hashsalt"] = "exactbox"
    return matplotlib


def plain(text: str) -> str:
    r"""Return a text that matplotlib draws as it is: no formulas, and escapes for what is not printable.

    >>> print(plain("cost in $ per $\\frac{\n"))
    cost in \$ per \$\frac{\n
    """
    return printable(text).replace("$", r"\$")


def _figure(width: float, height: float, picture: Picture) -> Any:
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(plain(picture.title), fontsize=12, fontweight="bold")
    figure.supxlabel(plain(picture.caption), fontsize=8, color="#444444")
    return figure


def _bar_figure(picture: Picture) -> Any:
    """Two columns of bars that share their labels, the largest contributions on top."""
    order = np.lexsort((-np.abs(picture.weights), -np.abs(picture.contributions)))[:MOST_BARS][::-1]
    figure = _figure(10, 1.9 + 0.32 * len(order), picture)
    left, right = figure.subplots(1, 2, sharey=True)
    labels = [f"{plain(_short(picture.names[i]))} = {picture.values[i]:.4g}" for i in order]
    for axes, numbers, title in ((left, picture.weights, "exact local weight"),
                                 (right, picture.contributions, "contribution: weight times input")):  # fmt: skip
        _bars(axes, [float(numbers[i]) for i in order], labels, title)
    if len(order) < len(picture.values):
        right.set_xlabel(f"the {len(order)} largest of {counted(len(picture.values), 'input')}", fontsize=8)
    return figure


def _bars(axes: Any, numbers: Sequence[float], labels: Sequence[str], title: str) -> None:
    places = np.arange(len(numbers))
    axes.barh(places, numbers, color=[POSITIVE if value > 0 else NEGATIVE for value in numbers], height=0.7)
    axes.set_yticks(places, labels, fontsize=9)
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.18)
    for place, value in zip(places, numbers, strict=True):
        side = -1 if value < 0 else 1
        axes.annotate(f"{value:.4g}", (value, place), xytext=(3 * side, 0), textcoords="offset points",
                      ha="right" if value < 0 else "left", va="center", fontsize=8)  # fmt: skip
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _image_figure(picture: Picture) -> Any:
    """The input, its weights and its contributions side by side; channels of the latter two are added up."""
    channels, height, width, last = picture.image or (1, 1, 1, False)
    figure = _figure(11, 1.1 + 3.0 * min(max(height / width, 0.3), 2.0), picture)
    panels = figure.subplots(1, 3)
    colours = _planes(picture.values, channels, height, width, last)
    low, high = float(colours.min()), float(colours.max())
    span = high - low or 1.0
    if channels == 3:
        panels[0].imshow((colours - low) / span)
    else:
        shown = panels[0].imshow(colours[:, :, 0], cmap="gray_r", vmin=low, vmax=low + span)
        figure.colorbar(shown, ax=panels[0], shrink=0.75)
    panels[0].set_title("input", fontsize=10)
    added = ", channels added" if channels == 3 else ""
    for axes, numbers, title in ((panels[1], picture.weights, "exact local weights"),
                                 (panels[2], picture.contributions, "contributions: weight times input")):  # fmt: skip
        plane = _planes(numbers, channels, height, width, last).sum(axis=2)
        peak = float(np.abs(plane).max()) or 1.0
        shown = axes.imshow(plane, cmap=DIVERGING, vmin=-peak, vmax=peak)
        axes.set_title(title + added, fontsize=10)
        figure.colorbar(shown, ax=axes, shrink=0.75)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _planes(values: Floats, channels: int, height: int, width: int, last: bool) -> Floats:
    """Return an array (height, width, channels)."""
    if last:
        return values.reshape(height, width, channels)
    return np.moveaxis(values.reshape(channels, height, width), 0, 2)


def _short(name: str, limit: int = 28) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
