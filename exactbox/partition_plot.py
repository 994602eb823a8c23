"""Pictures of regions as PNG or SVG; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from exactbox.drawing import Drawing
from exactbox.files import write_whole
from exactbox.plots import plain, require_matplotlib

MOST_VECTORS = 20_000
"""Beyond so many regions an SVG file holds an image of them, so that it stays small enough to open."""
MOST_IN_LEGEND = 12
LINE = "#1a1a1a"
TIES = "#7a0000"
DASHES = (0, (2, 1.5))


def draw_partition(drawing: Drawing, path: Path) -> None:
    """Write a picture as .png or .svg, whole or not at all; equal pictures are equal files.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    require_matplotlib()
    figure = _plane_figure(drawing) if len(drawing.names) == 2 else _line_figure(drawing)
    kind = path.suffix.lower().lstrip(".")
    metadata = {"Date": None} if kind == "svg" else {}
    write_whole(path, lambda to: figure.savefig(to, format=kind, dpi=180, metadata=metadata))


def line_width(count: int) -> float:
    """Return a width of lines between so many regions, thinner where they are many.

    >>> line_width(10), line_width(100_000)
    (0.9, 0.05)
    """
    return float(min(0.9, max(0.05, 12 / max(count, 1) ** 0.5)))


def _figure(width: float, height: float, drawing: Drawing) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(fill(plain(drawing.title), 70), fontsize=12, fontweight="bold")
    axes = figure.subplots()
    axes.set_title(fill(plain(drawing.caption), 112), fontsize=7.5, color="#444444", pad=12 if drawing.marks else 6)
    return figure, axes


def _plane_figure(drawing: Drawing) -> Any:
    (left, right), (low, high) = drawing.frame
    ratio = (high - low) / (right - left)
    square = 1 / 4 <= ratio <= 4
    figure, axes = _figure(8.0, 1.6 + 6.4 * (min(max(ratio, 0.4), 1.3) if square else 0.9), drawing)
    _fill(axes, drawing)
    _edges(axes, drawing)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    if square:
        axes.set_aspect("equal")
    axes.set_xlabel(plain(drawing.names[0]))
    axes.set_ylabel(plain(drawing.names[1]))
    for name, place in drawing.marks:
        axes.plot(*place, marker="o", color="white", markeredgecolor=LINE, markersize=7, zorder=6, clip_on=False)
        axes.annotate(plain(name), place, xytext=(7, 7), textcoords="offset points", fontsize=10, fontweight="bold",
                      bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
                      zorder=7)  # fmt: skip
    _finish(figure, _handles(drawing))
    return figure


def _fill(axes: Any, drawing: Drawing) -> None:
    """Fill the parts; their own thin rim in the same colour closes the seams that antialiasing leaves."""
    from matplotlib.collections import PolyCollection

    colours = [tile.colour for tile in drawing.tiles]
    many = len(drawing.outlines) > MOST_VECTORS
    filled = PolyCollection([tile.corners for tile in drawing.tiles], facecolors=colours, edgecolors=colours,
                            linewidths=0.2, zorder=1, rasterized=many)  # fmt: skip
    axes.add_collection(filled, autolim=False)
    tied = [tile.corners for tile in drawing.tiles if tile.tie]
    if tied:
        hatched = PolyCollection(tied, facecolors="none", edgecolors=TIES, linewidths=0, hatch="////", zorder=2)
        hatched.set_hatch_linewidth(0.5)
        axes.add_collection(hatched, autolim=False)
    if not drawing.complete:
        axes.patch.set_facecolor("#f2f2f2")
        axes.patch.set_hatch("..")
        axes.patch.set_edgecolor("#9a9a9a")


def _edges(axes: Any, drawing: Drawing) -> None:
    """Draw every region's rim, which also shows regions thinner than a pixel, and the decision boundary on top."""
    from matplotlib.collections import LineCollection, PolyCollection

    outlines = list(drawing.outlines.values())
    rims = PolyCollection(outlines, facecolors="none", edgecolors=LINE, linewidths=line_width(len(outlines)), zorder=3,
                          alpha=0.75, rasterized=len(outlines) > MOST_VECTORS)  # fmt: skip
    axes.add_collection(rims, autolim=False)
    for changes, style, width in ((True, "solid", 2.2), (False, DASHES, 1.6)):
        lines = [corners for corners, own in drawing.boundary if own == changes]
        if lines:
            drawn = LineCollection(lines, colors="black", linewidths=width, linestyles=[style], zorder=4,
                                   capstyle="round" if changes else "butt")  # fmt: skip
            axes.add_collection(drawn, autolim=False)


def _handles(drawing: Drawing) -> list[Any]:
    """Return what the legend lists: only what is in the picture."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(facecolor=colour, label=_short(name)) for name, colour in drawing.classes]
    if len(handles) > MOST_IN_LEGEND:
        rest = len(handles) - MOST_IN_LEGEND + 1
        handles = [*handles[: MOST_IN_LEGEND - 1], Patch(facecolor="none", label=f"and {rest} more classes")]
    kinds = {changes for _, changes in drawing.boundary}
    if True in kinds:
        handles.append(Line2D([], [], color="black", linewidth=2.2, label="decision boundary"))
    if False in kinds:
        handles.append(Line2D([], [], color="black", linewidth=1.6, linestyle=DASHES, label="tie, same decision"))
    if any(tile.tie for tile in drawing.tiles):
        handles.append(Patch(facecolor="none", edgecolor=TIES, hatch="////", linewidth=0, label="tie everywhere"))
    if not drawing.complete:
        handles.append(Patch(facecolor="#f2f2f2", edgecolor="#9a9a9a", hatch="..", linewidth=0, label="not enumerated"))
    return handles


def _finish(figure: Any, handles: list[Any]) -> None:
    """Add the legend below the axes."""
    if handles:
        columns = min(len(handles), 4)
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _line_figure(drawing: Drawing) -> Any:
    """The compared outputs along the line, exact at every breakpoint, over the regions coloured as they decide."""
    figure, axes = _figure(9.0, 5.4, drawing)
    (left, right) = drawing.frame[0]
    for tile in drawing.tiles:
        low, high = np.sort(tile.corners[:, 0])
        axes.axvspan(low, high, ymin=0, ymax=0.06, color=tile.colour, linewidth=0, zorder=1)
        axes.axvspan(low, high, ymin=0.06, ymax=1, color=tile.colour, alpha=0.16, linewidth=0, zorder=0)
    ends = np.unique(np.concatenate([corners[:, 0] for corners in drawing.outlines.values()]))
    width = line_width(len(ends))
    axes.vlines(ends, 0, 0.06, transform=axes.get_xaxis_transform(), colors=LINE, linewidth=max(width, 0.3), zorder=3)
    for name, colour, points in drawing.curves[:MOST_IN_LEGEND]:
        marker = {"marker": "o", "markersize": 2.6} if len(ends) <= 80 else {}
        axes.plot(points[:, 0], points[:, 1], color=colour, linewidth=1.8, zorder=4, label=_short(name), **marker)
    if drawing.level:
        axes.axhline(0, color="#777777", linewidth=0.8, zorder=2)
    for corners, changes in drawing.boundary:
        axes.axvline(corners[0, 0], color="black", linewidth=1.6, linestyle="-" if changes else ":", zorder=2)
    for name, place in drawing.marks:
        axes.annotate(plain(name), (place[0], 1), xycoords=axes.get_xaxis_transform(), xytext=(0, 3), fontsize=10,
                      textcoords="offset points", ha="center", fontweight="bold", annotation_clip=False)  # fmt: skip
    axes.set_xlim(left, right)
    axes.margins(y=0.1)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.08 * (high - low), high)
    axes.set_xlabel(plain(drawing.names[0]))
    axes.set_ylabel("output")
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    _finish(figure, [*axes.get_lines()[: len(drawing.curves[:MOST_IN_LEGEND])], *_line_handles(drawing)])
    return figure


def _line_handles(drawing: Drawing) -> list[Any]:
    from matplotlib.patches import Patch

    decided = [Patch(facecolor=colour, label=f"decided: {_short(name)}") for name, colour in drawing.classes]
    rest = [handle for handle in _handles(drawing) if handle.get_label() not in {_short(n) for n, _ in drawing.classes}]
    return [*decided[:MOST_IN_LEGEND], *rest]


def _short(name: str, limit: int = 26) -> str:
    return plain(name if len(name) <= limit else f"{name[: limit - 1]}…")

