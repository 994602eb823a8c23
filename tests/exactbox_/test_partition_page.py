"""The interactive page: one file that fetches nothing, with all regions, their words and their neighbours."""

from __future__ import annotations

import builtins
import html
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exactbox.drawing import Drawing, drawing_of
from exactbox.enumerating import Enumerated
from exactbox.partition_page import MOST_REGIONS, POLICY, check_page, pattern_words, write_page
from exactbox.polytope.errors import InputError
from tests.exactbox_.enumerated import enumerated
from tests.nets import BATTERY, random_mlp


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def found() -> Enumerated:
    return enumerated(BATTERY["integer"](), neighbors=True)


@pytest.fixture(scope="module")
def page(found: Enumerated, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "regions.html"
    write_page(found, drawing_of(found), path)
    assert [one.name for one in path.parent.iterdir()] == ["regions.html"]
    return path.read_text(encoding="utf-8")


def models(text: str) -> list[dict[str, Any]]:
    """Return all objects of the page's document that say what they are."""
    (document,) = re.findall(r'<script type="application/json"[^>]*>\s*(\{.*?\})\s*</script>', text, re.DOTALL)
    listed: list[dict[str, Any]] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "name" in part and part.get("type") == "object":
                listed.append(part)
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(json.loads(document))
    return listed


def columns(text: str) -> list[dict[str, Any]]:
    """Return the data of all sources."""
    sources = [one for one in models(text) if one["name"] == "ColumnDataSource"]
    return [dict(one["attributes"]["data"]["entries"]) for one in sources]


def test_nothing_is_fetched(page: str) -> None:
    tags = Tags(page).found
    assert not [attributes for _, attributes in tags if {"src", "href"} & set(attributes)]
    assert {tag for tag, _ in tags} & {"link", "img", "iframe"} == set()
    policies = [a["content"] for tag, a in tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [POLICY] and "default-src 'none'" in POLICY and "http" not in POLICY


def test_all_regions_and_their_words_are_there(page: str, found: Enumerated) -> None:
    drawing = drawing_of(found)
    tiles = next(data for data in columns(page) if "pattern" in data)
    assert tiles["region"] == [tile.region for tile in drawing.tiles]
    assert tiles["xs"] == [tile.corners[:, 0].tolist() for tile in drawing.tiles]
    for region, words, pattern, decided in zip(
        tiles["region"], tiles["map"], tiles["pattern"], tiles["decided"], strict=True
    ):
        coef, intercept = found[region].affine
        assert pattern == pattern_words(found, region) and decided.startswith("output ")
        lines = words.split("\n")
        assert len(lines) == 2 and lines[0].startswith("output 0 = ")
        assert (" x[0]" in lines[0]) == (coef.item(0, 0) != 0) and str(intercept.item(0)) in lines[0]
    assert any("several classes tie" in text for text in tiles["decided"])


def test_a_tap_knows_the_neighbours(page: str, found: Enumerated) -> None:
    rims = next(data for data in columns(page) if "near" in data)
    assert [tuple(own) for own in rims["near"]] == [found.neighbors[i] for i in rims["region"]]
    code = [one["attributes"]["code"] for one in models(page) if one["name"] == "CustomJS"]
    assert len(code) == 1 and "rims.data.near" in code[0]
    assert any(one["name"] == "TapTool" for one in models(page))
    legend = [one["attributes"]["label"]["value"] for one in models(page) if one["name"] == "LegendItem"]
    assert legend == ["decision boundary", "tie, same decision", "output 0", "output 1"]


def test_without_neighbours_there_is_no_tap(tmp_path: Path) -> None:
    plain = enumerated(BATTERY["integer"]())
    write_page(plain, drawing_of(plain), tmp_path / "p.html")
    names = {one["name"] for one in models((tmp_path / "p.html").read_text(encoding="utf-8"))}
    assert "HoverTool" in names and not {"TapTool", "CustomJS"} & names


def test_a_line(tmp_path: Path) -> None:
    line = enumerated(random_mlp([1, 6, 4, 3], 2), neighbors=True)
    write_page(line, drawing_of(line), tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    tiles = next(data for data in columns(text) if "pattern" in data)
    assert all(len(xs) == 4 and len(set(ys)) == 2 for xs, ys in zip(tiles["xs"], tiles["ys"], strict=True))
    legend = [one["attributes"]["label"]["value"] for one in models(text) if one["name"] == "LegendItem"]
    assert {"output 0", "output 1", "output 2"} <= set(legend)


def test_marks_are_shown(found: Enumerated, tmp_path: Path) -> None:
    marked = replace(drawing_of(found), marks=(("x1", np.zeros(2)), ("x2", np.ones(2))))
    write_page(found, marked, tmp_path / "p.html")
    assert '["x1","x2"]' in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_names_are_not_markup(found: Enumerated, tmp_path: Path) -> None:
    nasty = replace(drawing_of(found), title="<img src=x>", caption="</script><b>", names=("$$x$$", "<i>"))
    write_page(found, nasty, tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert {tag for tag, _ in Tags(text).found} & {"img", "b", "i"} == set()
    plain = [html.unescape(one["attributes"]["text"]) for one in models(text) if one["name"] == "PlainText"]
    assert sorted(plain) == ["$$x$$", "<i>"]


def test_too_many_regions_are_refused(found: Enumerated, tmp_path: Path) -> None:
    drawing: Drawing = drawing_of(found)
    corners = drawing.outlines[0]
    many = replace(drawing, outlines=dict.fromkeys(range(MOST_REGIONS + 1), corners))
    with pytest.raises(InputError, match=rf"{MOST_REGIONS + 1} regions are more than a browser"):
        write_page(found, many, tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []


def test_patterns_are_short() -> None:
    wide = enumerated(random_mlp([1, 80, 2], 1), max_regions=1)
    assert pattern_words(wide, 0).endswith("… (80 units)") and len(pattern_words(wide, 0)) < 80
    pooled = enumerated(BATTERY["max over dead units"]())
    assert pattern_words(pooled, 0).count(" ") == 0 and len(pattern_words(pooled, 0)) == 2


def test_paths_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ending in \.html"):
        check_page(tmp_path / "page.pdf")
    check_page(tmp_path / "page.html")


def test_without_bokeh_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "bokeh":
            raise ModuleNotFoundError("No module named 'bokeh'")
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "bokeh", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"pip install 'exactbox\[page\]'"):
        check_page(tmp_path / "page.html")
