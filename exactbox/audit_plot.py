"""The picture of an audit: each sample's margin, or its difference, against the rigorous bound of the float error."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.auditing import Audit
from exactbox.files import write_whole
from exactbox.plots import plain, require_matplotlib
from exactbox.polytope.wording import counted
from exactbox.rounding import near_float

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

PROVED, SEEN, FLIPPED = "#2166ac", "#e08214", "#b2182b"


@dataclass(frozen=True, eq=False)
class _Kind:
    """Samples that are drawn alike."""

    text: str
    which: Bools
    colour: str
    marker: str
    size: int
    alpha: float


@dataclass(frozen=True, eq=False)
class _View:
    """What is drawn.

    Args:
        heights: by sample; NaN where there is none.
        factor: the line is where a height is this many bounds.
        kinds: the worrying ones last, so that they lie on top.
    """

    heights: Floats
    factor: int
    line: str
    label: str
    caption: str
    kinds: tuple[_Kind, ...]


def draw_audit(found: Audit, path: Path) -> None:
    """Write the picture as .png or .svg, whole or not at all.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    figure = _figure(found, _margins(found) if found.decides else _differences(found))
    kind = path.suffix.lower().lstrip(".")
    metadata = {"Date": None} if kind == "svg" else {}
    write_whole(path, lambda to: figure.savefig(to, format=kind, dpi=150, metadata=metadata))


def _margins(found: Audit) -> _View:
    holds, flipped = found.found.holds, found.flipped
    proof = "logits decide alike, proved" if not found.bench.exact_tail else "decision proved to hold"
    above = "above the line the deployed logits decide as the exact ones, in any order of summation"
    return _View(
        np.array([np.nan if m is None else near_float(m) for m in found.found.margins]),
        2,
        "margin = 2 bounds",
        "exact margin of the decision",
        "nothing is proved: the bound was exceeded" if found.unproved else above,
        (
            _Kind(proof, holds & ~flipped, PROVED, "o", 16, 0.55),
            _Kind("same decision observed, not proved", ~holds & ~flipped, SEEN, "D", 26, 0.9),
            _Kind("decided otherwise by the runtime", flipped, FLIPPED, "X", 60, 1.0),
        ),
    )


def _differences(found: Audit) -> _View:
    differences = found.differences
    bounds = found.found.bound
    within = np.isfinite(bounds) & (differences * (1 - 2.0**-50) <= bounds)
    beyond = differences * (1 - 2.0**-50) > bounds
    below = "below the line, run node by node, every difference lies, in any order of summation"
    return _View(
        differences,
        1,
        "difference = bound",
        "largest difference that was measured",
        f"nothing is decided; {'nothing is proved: see the findings' if found.unproved else below}",
        (
            _Kind("within the bound", within, PROVED, "o", 16, 0.55),
            _Kind("beyond the bound", beyond, FLIPPED, "X", 60, 1.0),
        ),
    )


def _figure(found: Audit, view: _View) -> Any:
    require_matplotlib()
    from matplotlib.figure import Figure

    heights, bounds = view.heights, found.found.bound
    shown = np.isfinite(bounds) & np.isfinite(heights) & (bounds > 0)
    positive = shown & (heights > 0)
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    low_x, high_x = _span(bounds[shown])
    low_y, high_y = _span(np.concatenate([heights[positive], view.factor * bounds[shown]]))
    line = np.array([low_x, high_x])
    axes.fill_between(line, view.factor * line, low_y, color="#f4f4f4", zorder=0)
    axes.plot(line, view.factor * line, color="#333333", linewidth=1.1, zorder=1)
    _points(axes, view, bounds, np.where(heights > 0, heights, low_y), shown)
    axes.set_xlim(low_x, high_x)
    axes.set_ylim(low_y, high_y)
    axes.annotate(view.line, (low_x, view.factor * low_x), xytext=(8, -3 if found.decides else 16), fontsize=9,
                  textcoords="offset points", color="#333333", ha="left",
                  va="top" if found.decides else "bottom")  # fmt: skip
    axes.set_xlabel("rigorous bound of the float error of the outputs, node by node")
    axes.set_ylabel(view.label)
    axes.grid(which="major", color="#e2e2e2", linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    axes.legend(loc="best", frameon=True, framealpha=0.9, fontsize=9)
    name = plain(Path(found.inventory.file.path).name)
    figure.suptitle(f"{name}: {counted(found.count, 'sample')}", fontsize=12, fontweight="bold")
    zeros = f"{{}} {'exact ties' if found.decides else 'samples without a difference'} are drawn at the lower rim"
    caption = _caption(view.caption, zeros, int((~shown).sum()), int((shown & (heights == 0)).sum()))
    figure.supxlabel(caption, fontsize=8, color="#444444")
    return figure


def _points(axes: Any, view: _View, bounds: Floats, heights: Floats, shown: Bools) -> None:
    """Draw the kinds of samples, the worrying ones on top."""
    for depth, kind in enumerate(view.kinds, 2):
        part = kind.which & shown
        axes.scatter(bounds[part], heights[part], s=kind.size, c=kind.colour, marker=kind.marker, alpha=kind.alpha,
                     linewidths=0.4, edgecolors="white", zorder=depth,
                     label=f"{kind.text}: {int(kind.which.sum())}")  # fmt: skip


def _span(values: Floats) -> tuple[float, float]:
    """Return limits around positive values with some air, at least a factor of two on each side."""
    known = values[values > 0]
    if not known.size:
        return 0.1, 10.0
    low, high = float(known.min()), float(known.max())
    air = max((high / low) ** 0.06, 1.6)
    return low / air, high * air


def _caption(first: str, zeros: str, left_out: int, at_rim: int) -> str:
    parts = [first]
    if at_rim:
        parts.append(zeros.format(at_rim))
    if left_out:
        parts.append(f"left out, without a finite bound: {counted(left_out, 'sample')}")
    return "\n".join(textwrap.wrap("; ".join(parts), 110))
