"""A file of all regions: one row a region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exactbox.enumerating import Enumerated
from exactbox.rounding import exact_text
from exactbox.tables import Columns, Record, write_table
from exactbox.verify.tree_certificate import pattern_line


def write_regions(found: Enumerated, path: Path) -> str:
    """Write one row a region; returns the path.

    Columns: ``region`` (a number), ``class_at_witness``, ``witness`` (exact numbers as text; s and t on a line or
    plane, whose input x stands in ``input``), ``pattern`` (as in the certificate's hash), and what was asked for:
    ``facets``, ``neighbors`` (numbers), ``linear_region`` (a number).

    Raises:
        InputError: another ending, the file cannot be written, or pyarrow is missing for Parquet.
    """
    return write_table(path, columns(found), records(found))


def columns(found: Enumerated) -> Columns:
    """Return the names of the columns and what they hold."""
    return column_names(found.plan.rule != "none", found.model.slice is not None, found.hanging is not None)


def column_names(decided: bool, lifted: bool, hanging: bool) -> Columns:
    """Return the columns of regions with classes, on a line or plane, with neighbours, and what they hold."""
    every: Columns = {
        "region": "number", "class_at_witness": "text", "witness": "texts", "input": "texts", "pattern": "text",
        "facets": "number", "neighbors": "numbers", "linear_region": "number",
    }  # fmt: skip
    asked = {"class_at_witness": decided, "input": lifted, "facets": hanging, "neighbors": hanging,
             "linear_region": hanging}  # fmt: skip
    return {name: kind for name, kind in every.items() if asked.get(name, True)}


def records(found: Enumerated) -> Iterator[Record]:
    """Yield the regions in order, as data."""
    whole = found.hanging
    group = {} if whole is None else {i: k for k, part in _numbered(whole.linear_regions) for i in part}
    for i, cell in _numbered(found.cells):
        record: Record = {"region": i}
        if found.classes:
            record["class_at_witness"] = found.classes[i]
        record["witness"] = [exact_text(value) for value in cell.witness.fractions()]
        if found.model.slice is not None:
            record["input"] = [exact_text(value) for value in found.input_at(i).fractions()]
        record["pattern"] = pattern_line(cell).decode("ascii").rstrip("\n")
        if whole is not None:
            more = {"facets": whole.facet_counts[i], "neighbors": list(whole.neighbors[i]), "linear_region": group[i]}
            record.update(more)
        yield record


def _numbered(items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return zip(range(len(items)), items, strict=True)
