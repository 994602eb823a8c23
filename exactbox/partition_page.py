"""An interactive page of regions in a plane or on a line, in one file that needs no network; needs bokeh."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exactbox.drawing import Drawing, Floats
from exactbox.files import check_writable, write_whole
from exactbox.partition_plot import line_width
from exactbox.polytope.errors import InputError
from exactbox.polytope.printable import printable
from exactbox.polytope.region import Region
from exactbox.polytope.wording import counted, spelled
from exactbox.region_colours import hexadecimal
from exactbox.rounding import decimal_text

if TYPE_CHECKING:
    from exactbox.enumerating import Enumerated

MOST_REGIONS = 20_000
MOST_CURVES = 12
CHOSEN = "#b2182b"
WIDTH, HEIGHT, LOW_HEIGHT = 860, 780, 460
MOST_OUTPUTS = 12
"""Outputs, and inputs of each, shown of a region's affine map."""
MOST_ENTRIES = 64
"""Units shown of a pattern."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:"
)
"""What a browser lets the page do: nothing is fetched, whatever names a model has."""

Columns = dict[str, list[Any]]

# A tap selects one tile; its region's rim is drawn bold, its neighbours' dashed.
TAP = """
const chosen = tiles.selected.indices;
const xs = [], ys = [], near_x = [], near_y = [];
let words = hint;
if (chosen.length) {
  const region = tiles.data.region[chosen[0]];
  const rows = new Map(rims.data.region.map((number, row) => [number, row]));
  const own = rows.get(region);
  xs.push(rims.data.xs[own]); ys.push(rims.data.ys[own]);
  const listed = rims.data.near[own];
  for (const other of listed) {
    const row = rows.get(other);
    if (row !== undefined) { near_x.push(rims.data.xs[row]); near_y.push(rims.data.ys[row]); }
  }
  words = "<b>region " + region + "</b>: " + listed.length + " neighbours: " + listed.join(", ");
}
picked.data = {xs: xs, ys: ys};
near.data = {xs: near_x, ys: near_y};
text.text = words;
"""
HINT = "Click a region to see its neighbours; drag to move, turn the wheel to zoom."
NO_NEIGHBOURS = "Drag to move, turn the wheel to zoom."


def check_page(path: Path) -> None:
    """Refuse a page that cannot be written, before any work is done for it.

    Raises:
        InputError: another ending, no such folder, or bokeh is not installed.
    """
    check_writable(path, ".html")
    require_bokeh()


def require_bokeh() -> Any:
    """Return bokeh.

    Raises:
        InputError: it is not installed; the message says how to get it.
    """
    try:
        import bokeh
    except ModuleNotFoundError:
        raise InputError("a page needs bokeh, which is not installed: pip install 'exactbox[page]'") from None
    return bokeh


def write_page(found: Enumerated, drawing: Drawing, path: Path) -> None:
    """Write one .html file with all it needs, whole or not at all.

    Raises:
        InputError: too many regions, bokeh is not installed, or the file cannot be written.
    """
    if len(drawing.outlines) > MOST_REGIONS:
        raise InputError(
            f"page: {counted(len(drawing.outlines), 'region')} are more than a browser moves smoothly "
            f"({MOST_REGIONS}); show "
            f"fewer with a narrower {spelled('view', '--view')}, a smaller box or "
            f"{spelled('max_regions=N', '--max-regions')}, or draw all of them ({spelled('plot', '--plot')})"
        )
    require_bokeh()
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    text = file_html(_layout(found, drawing), INLINE, title=printable(drawing.title))
    text = text.replace("<head>", f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)
    write_whole(path, lambda to: to.write_text(text, encoding="utf-8"))


def _layout(found: Enumerated, drawing: Drawing) -> Any:
    from bokeh.layouts import column
    from bokeh.models import CustomJS, TapTool
    from bokeh.models.widgets import Div

    tiles, rims, near, picked = _sources(found, drawing)
    hint = HINT if found.hanging is not None else NO_NEIGHBOURS
    title, caption = html.escape(printable(drawing.title)), html.escape(printable(drawing.caption))
    words = f"<b style='font-size: 16px'>{title}</b><br>{caption}"
    note, below = Div(text=words, disable_math=True, width=WIDTH), Div(text=hint, disable_math=True, width=WIDTH)
    note.styles, below.styles = {"color": "#333", "font-size": "12px"}, {"font-size": "13px"}
    figure = _figure(drawing, tiles, rims, near, picked)
    if found.hanging is not None:
        figure.add_tools(TapTool(renderers=[figure.select_one({"name": "tiles"})]))
        arguments = {"tiles": tiles, "rims": rims, "near": near, "picked": picked, "text": below, "hint": hint}
        tiles.selected.js_on_change("indices", CustomJS(args=arguments, code=TAP))
    return column(note, figure, below)


def _sources(found: Enumerated, drawing: Drawing) -> tuple[Any, Any, Any, Any]:
    """Return what is drawn as columns: tiles, rims of regions, rims of neighbours, the rim of the chosen region."""
    from bokeh.models import ColumnDataSource

    heights = _heights(drawing)
    words = {i: _affine_words(found, found[i]) for i in drawing.outlines}
    patterns = {i: pattern_words(found, i) for i in drawing.outlines}
    tiles: Columns = {name: [] for name in ("xs", "ys", "colour", "region", "decided", "map", "pattern")}
    for tile in drawing.tiles:
        xs, ys = _ring(tile.corners, heights)
        decided = printable(tile.name) + (" (several classes tie)" if tile.tie else "")
        for name, value in zip(tiles, (xs, ys, hexadecimal(tile.colour), tile.region, decided, words[tile.region],
                                       patterns[tile.region]), strict=True):  # fmt: skip
            tiles[name].append(value)
    rims: Columns = {"xs": [], "ys": [], "region": [], "near": []}
    for i, corners in drawing.outlines.items():
        xs, ys = _ring(corners, heights)
        rims["xs"].append([*xs, xs[0]])
        rims["ys"].append([*ys, ys[0]])
        rims["region"].append(i)
        rims["near"].append(list(found.neighbors[i]) if found.hanging is not None else [])
    nothing: Columns = {"xs": [], "ys": []}
    whole, edges, near, picked = (ColumnDataSource(data) for data in (tiles, rims, nothing, dict(nothing)))
    return whole, edges, near, picked


def _heights(drawing: Drawing) -> tuple[float, float]:
    """Return the ends of the vertical axis: the second input's, or the outputs' range with a margin."""
    if len(drawing.names) == 2:
        return drawing.frame[1]
    values = [float(v) for _, _, points in drawing.curves for v in points[:, 1]] or [0.0]
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _ring(corners: Floats, heights: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Return the corners of a polygon; an interval becomes a strip of full height."""
    if corners.shape[1] == 2:
        return corners[:, 0].tolist(), corners[:, 1].tolist()
    left, right = sorted(corners[:, 0].tolist())
    low, high = heights
    return [left, right, right, left], [low, low, high, high]


def _figure(drawing: Drawing, tiles: Any, rims: Any, near: Any, picked: Any) -> Any:
    from bokeh.models import HoverTool, PlainText, Range1d
    from bokeh.plotting import figure

    flat = len(drawing.names) == 1
    (left, right), (low, high) = drawing.frame[0], _heights(drawing)
    square = not flat and 1 / 4 <= (high - low) / (right - left) <= 4
    plot = figure(
        width=WIDTH, height=LOW_HEIGHT if flat else HEIGHT,
        x_range=Range1d(start=left, end=right), y_range=Range1d(start=low, end=high),
        tools="pan,wheel_zoom,box_zoom,reset,save", active_scroll="wheel_zoom", match_aspect=square,
        x_axis_label=PlainText(text=printable(drawing.names[0])),
        y_axis_label=PlainText(text="output" if flat else printable(drawing.names[1])),
    )  # fmt: skip
    plot.grid.visible = False
    filled = plot.patches("xs", "ys", source=tiles, fill_color="colour", line_color="colour", line_width=0.3,
                          fill_alpha=0.35 if flat else 1.0, nonselection_fill_alpha=0.2 if flat else 0.6,
                          name="tiles")  # fmt: skip
    plot.multi_line("xs", "ys", source=rims, line_color="#1a1a1a", line_width=line_width(len(drawing.outlines)))
    _lines(plot, drawing)
    plot.multi_line("xs", "ys", source=near, line_color=CHOSEN, line_width=2.4, line_dash="dashed")
    plot.multi_line("xs", "ys", source=picked, line_color=CHOSEN, line_width=4)
    for name, colour in drawing.classes:
        plot.scatter([math.nan], [math.nan], marker="square", size=14, fill_color=hexadecimal(colour), line_color=None,
                     legend_label=f"decided: {printable(name)}" if flat else printable(name))  # fmt: skip
    _marks(plot, drawing)
    plot.add_tools(HoverTool(renderers=[filled], tooltips=_tooltips(drawing), point_policy="follow_mouse"))
    _legend(plot)
    return plot


def _lines(plot: Any, drawing: Drawing) -> None:
    """Draw the decision boundary, and the outputs along a line."""
    heights = _heights(drawing)
    for changes, dash, label in ((True, "solid", "decision boundary"), (False, "dashed", "tie, same decision")):
        ends = [_ends(corners, heights) for corners, own in drawing.boundary if own == changes]
        if ends:
            plot.multi_line([e[0] for e in ends], [e[1] for e in ends], line_color="black", line_width=2.6,
                            line_dash=dash, legend_label=label)  # fmt: skip
    for name, colour, points in drawing.curves[:MOST_CURVES]:
        plot.line(points[:, 0].tolist(), points[:, 1].tolist(), line_color=hexadecimal(colour), line_width=2.4,
                  legend_label=printable(name))  # fmt: skip


def _ends(corners: Floats, heights: tuple[float, float]) -> tuple[list[float], list[float]]:
    if corners.shape[1] == 1:
        return [float(corners[0, 0])] * 2, list(heights)
    return corners[:, 0].tolist(), corners[:, 1].tolist()


def _marks(plot: Any, drawing: Drawing) -> None:
    """Show the inputs that a plane or line goes through."""
    if not drawing.marks:
        return
    xs = [float(place[0]) for _, place in drawing.marks]
    middle = sum(_heights(drawing)) / 2
    ys = [float(place[1]) if len(place) > 1 else middle for _, place in drawing.marks]
    plot.scatter(xs, ys, size=9, fill_color="white", line_color="black")
    names = [printable(name) for name, _ in drawing.marks]
    plot.text(xs, ys, text=names, x_offset=7, y_offset=-7, text_font_style="bold")


def _tooltips(drawing: Drawing) -> str:
    decided = "<div><b>decided:</b> @decided</div>" if any(tile.name for tile in drawing.tiles) else ""
    return (
        '<div style="max-width: 420px; white-space: pre-wrap; overflow-wrap: anywhere"><div><b>region @region</b></div>'
        f"{decided}<div><b>pattern:</b> @pattern</div><div><b>exact affine map, rounded:</b></div><div>@map</div></div>"
    )


def _legend(plot: Any) -> None:
    """Put the legend beside the plot, where it covers nothing."""
    if not plot.legend:
        return
    legend = plot.legend[0]
    plot.add_layout(legend, "below")
    legend.orientation, legend.ncols = "horizontal", 5
    legend.label_text_font_size, legend.border_line_color = "12px", None


def pattern_words(found: Enumerated, region: int) -> str:
    """Write a pattern briefly: the winner's number within each unit, a space between layers."""
    parts = ["".join(str(w) if w < 10 else f"({w})" for w in own.tolist()) for own in
             found.cells[region].pattern.winners]  # fmt: skip
    text = " ".join(parts)
    return text if len(text) <= MOST_ENTRIES else f"{text[:MOST_ENTRIES]}… ({sum(map(len, parts))} units)"


def _affine_words(found: Enumerated, region: Region) -> str:
    """Write the affine map of a region, an output a line."""
    names = [printable(name) for name in found.model.input_names()]
    outputs: Sequence[int] = found.plan.outputs
    coef, intercept = region.affine
    lines: list[str] = []
    for output in outputs[:MOST_OUTPUTS]:
        terms = [f"{decimal_text(w, 4)} {name}" for w, name in zip(coef[output].fractions(), names, strict=True) if w]
        value = " + ".join([*terms[:MOST_OUTPUTS], decimal_text(intercept.item(output), 4)]).replace("+ -", "- ")
        more = f" (and {len(terms) - MOST_OUTPUTS} more inputs)" if len(terms) > MOST_OUTPUTS else ""
        lines.append(f"{printable(found.plan.name(output))} = {value}{more}")
    if len(outputs) > MOST_OUTPUTS:
        lines.append(f"and {len(outputs) - MOST_OUTPUTS} more outputs")
    return "\n".join(lines)
