"""The picture of an audit: each sample's margin against the rigorous bound of the float error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exactbox.auditing import Audit
from exactbox.files import write_whole
from exactbox.plots import require_matplotlib
from exactbox.polytope.errors import InputError
from exactbox.rounding import near_float

Bools = npt.NDArray[np.bool_]

PROVED, SEEN, FLIPPED = "#2166ac", "#e08214", "#b2182b"


def draw_audit(found: Audit, path: Path) -> None:
    """Write the picture as .png or .svg, whole or not at all.

    Raises:
        InputError: nothing is decided, matplotlib is not installed, or the file cannot be written.
    """
    if not found.decides:
        raise InputError("--plot: shows margins, but nothing is decided; state a rule with --decision")
    figure = _figure(found)
    kind = path.suffix.lower().lstrip(".")
    metadata = {"Date": None} if kind == "svg" else {}
    write_whole(path, lambda to: figure.savefig(to, format=kind, dpi=150, metadata=metadata))


def _figure(found: Audit) -> Any:
    require_matplotlib()
    from matplotlib.figure import Figure

    margins = np.array([np.nan if m is None else near_float(m) for m in found.found.margins])
    bounds = found.found.bound
    shown = np.isfinite(bounds) & np.isfinite(margins) & (bounds > 0)
    positive = shown & (margins > 0)
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    low_x, high_x = _span(bounds[shown])
    low_y, high_y = _span(np.concatenate([margins[positive], 2 * bounds[shown]]))
    line = np.array([low_x, high_x])
    axes.fill_between(line, 2 * line, low_y, color="#f4f4f4", zorder=0)
    axes.plot(line, 2 * line, color="#333333", linewidth=1.1, zorder=1)
    _points(axes, found, bounds, np.where(margins > 0, margins, low_y), shown)
    axes.set_xlim(low_x, high_x)
    axes.set_ylim(low_y, high_y)
    axes.annotate("margin = 2 bounds", (low_x, 2 * low_x), xytext=(8, -3), textcoords="offset points", fontsize=9,
                  color="#333333", ha="left", va="top")  # fmt: skip
    axes.set_xlabel("rigorous bound of the float error of the outputs, node by node")
    axes.set_ylabel("exact margin of the decision")
    axes.grid(which="major", color="#e2e2e2", linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    axes.legend(loc="best", frameon=True, framealpha=0.9, fontsize=9)
    figure.suptitle(f"{Path(found.inventory.file.path).name}: {found.count} samples", fontsize=12, fontweight="bold")
    caption = _caption(int((~shown).sum()), int((shown & (margins == 0)).sum()))
    figure.supxlabel(caption, fontsize=8, color="#444444")
    return figure


def _points(axes: Any, found: Audit, bounds: npt.NDArray[np.float64], heights: Any, shown: Bools) -> None:
    """Draw the three kinds of samples, the worrying ones on top."""
    holds, flipped = found.found.holds, found.flipped
    kinds = (
        ("decision proved to hold", holds & ~flipped, PROVED, "o", 16, 0.55),
        ("same decision observed, not proved", ~holds & ~flipped, SEEN, "D", 26, 0.9),
        ("decided otherwise by the runtime", flipped, FLIPPED, "X", 60, 1.0),
    )
    for depth, (text, which, colour, marker, size, alpha) in enumerate(kinds, 2):
        part = which & shown
        axes.scatter(bounds[part], heights[part], s=size, c=colour, marker=marker, alpha=alpha, linewidths=0.4,
                     edgecolors="white", zorder=depth, label=f"{text}: {int(which.sum())}")  # fmt: skip


def _span(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return limits around positive values with some air, at least a factor of two on each side."""
    known = values[values > 0]
    if not known.size:
        return 0.1, 10.0
    low, high = float(known.min()), float(known.max())
    air = max((high / low) ** 0.06, 1.6)
    return low / air, high * air


def _caption(left_out: int, ties: int) -> str:
    parts = ["above the line the deployed logits decide as the exact ones, in any order of summation"]
    if ties:
        parts.append(f"{ties} exact ties are drawn at the lower rim")
    if left_out:
        parts.append(f"{left_out} samples without a finite bound are left out")
    return "; ".join(parts)
