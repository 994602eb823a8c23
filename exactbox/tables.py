"""Tables as files: Parquet, CSV or JSON, written row by row, whole or not at all."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from exactbox.files import check_writable, write_whole
from exactbox.polytope.errors import InputError

PARQUET = ".parquet"
ROW_GROUP = 10_000

Record = dict[str, Any]
Kind = Literal["number", "text", "numbers", "texts"]
Columns = Mapping[str, Kind]


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


def write_table(path: Path, columns: Columns, records: Iterable[Record]) -> str:
    """Write records to a .parquet, .csv, .json or .jsonl file; returns the path.

    Args:
        columns: the kinds of all columns; each record has these keys in this order.

    Raises:
        InputError: another ending, the file cannot be written, or pyarrow is missing for Parquet.
    """
    check_table(path)
    write = WRITERS[path.suffix.lower()]
    write_whole(path, lambda temporary: write(temporary, columns, records))
    return str(path)


def _csv(path: Path, columns: Columns, records: Iterable[Record]) -> None:
    """Write lists as numbers with spaces between them, lists of text with semicolons where they hold spaces."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            writer.writerow(_cell(value) if isinstance(value, list) else value for value in record.values())


def _cell(values: list[Any]) -> str:
    texts = [str(value) for value in values]
    return ("; " if any(" " in text for text in texts) else " ").join(texts)


def _json_lines(path: Path, columns: Columns, records: Iterable[Record]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _json(path: Path, columns: Columns, records: Iterable[Record]) -> None:
    """Write one list with a record a line."""
    with path.open("w", encoding="utf-8") as file:
        before = "[\n"
        for record in records:
            file.write(before + json.dumps(record, ensure_ascii=False))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")


def _parquet(path: Path, columns: Columns, records: Iterable[Record]) -> None:
    import pyarrow
    import pyarrow.parquet

    types = {"number": pyarrow.int64(), "text": pyarrow.string(), "numbers": pyarrow.list_(pyarrow.int64()),
             "texts": pyarrow.list_(pyarrow.string())}  # fmt: skip
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    rows: list[Record] = []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for record in records:
            rows.append(record)
            if len(rows) == ROW_GROUP:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pyarrow.Table.from_pylist(rows, schema))


WRITERS: dict[str, Callable[[Path, Columns, Iterable[Record]], None]] = {
    PARQUET: _parquet, ".csv": _csv, ".json": _json, ".jsonl": _json_lines,
}  # fmt: skip
