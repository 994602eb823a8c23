"""A file of all regions: Parquet, CSV or JSON, written whole or not at all."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from exactbox.enumerating import Enumerated
from exactbox.files import check_writable, write_whole
from exactbox.polytope.errors import InputError
from exactbox.rounding import exact_text
from exactbox.verify.tree_certificate import pattern_line

PARQUET = ".parquet"
ROW_GROUP = 10_000

Record = dict[str, Any]


def check_table(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Raises:
        InputError: another ending, no such folder, or pyarrow is missing for Parquet.
    """
    check_writable(path, *WRITERS)
    if path.suffix.lower() == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"{path}: writing Parquet needs pyarrow; install exactbox[parquet], or name a .csv, .json or .jsonl file"
        )


def write_regions(found: Enumerated, path: Path) -> str:
    """Write one row a region; returns the path.

    Columns: ``region`` (a number), ``class_at_witness``, ``witness`` (exact numbers as text; s and t on a line or
    plane, whose input x stands in ``input``), ``pattern`` (as in the certificate's hash), and what was asked for:
    ``facets``, ``neighbors`` (numbers), ``linear_region`` (a number).

    Raises:
        InputError: another ending, the file cannot be written, or pyarrow is missing for Parquet.
    """
    check_table(path)
    write = WRITERS[path.suffix.lower()]
    write_whole(path, lambda temporary: write(found, temporary))
    return str(path)


def columns(found: Enumerated) -> tuple[str, ...]:
    """Return the names of the columns."""
    decided = ("class_at_witness",) if found.plan.rule != "none" else ()
    more = () if found.hanging is None else ("facets", "neighbors", "linear_region")
    lifted = () if found.model.slice is None else ("input",)
    return ("region", *decided, "witness", *lifted, "pattern", *more)


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


def _csv(found: Enumerated, path: Path) -> None:
    """Write lists as numbers with spaces between them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns(found))
        for record in records(found):
            cells = record.values()
            writer.writerow(" ".join(map(str, cell)) if isinstance(cell, list) else cell for cell in cells)


def _json_lines(found: Enumerated, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records(found))


def _json(found: Enumerated, path: Path) -> None:
    """Write one list with a region a line."""
    with path.open("w", encoding="utf-8") as file:
        before = "[\n"
        for record in records(found):
            file.write(before + json.dumps(record, ensure_ascii=False))
            before = ",\n"
        file.write("\n]\n" if len(found) else "[]\n")


def _parquet(found: Enumerated, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = {"region": pyarrow.int64(), "class_at_witness": pyarrow.string(),
             "witness": pyarrow.list_(pyarrow.string()), "input": pyarrow.list_(pyarrow.string()),
             "pattern": pyarrow.string(), "facets": pyarrow.int32(),
             "neighbors": pyarrow.list_(pyarrow.int64()), "linear_region": pyarrow.int64()}  # fmt: skip
    schema = pyarrow.schema([(name, kinds[name]) for name in columns(found)])
    rows: list[Record] = []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for record in records(found):
            rows.append(record)
            if len(rows) == ROW_GROUP:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pyarrow.Table.from_pylist(rows, schema))


WRITERS: dict[str, Callable[[Enumerated, Path], None]] = {
    PARQUET: _parquet, ".csv": _csv, ".json": _json, ".jsonl": _json_lines,
}  # fmt: skip
