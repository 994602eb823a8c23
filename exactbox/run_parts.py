"""Parquet files of finished regions, a row group a task: what a long enumeration keeps out of memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exactbox.files import sync_folder, write_whole
from exactbox.polytope.borders import FacetTable
from exactbox.polytope.tasks import Keys
from exactbox.run_rows import Rows

KEY, WITNESS, CLASS, INPUT, FACETS, BEYOND = "key", "witness", "class_at_witness", "input", "facets", "beyond"


def write_parts(path: Path, parts: Sequence[Rows]) -> None:
    """Write regions, each of ``parts`` as a row group, so that they survive the machine's end.

    Raises:
        InputError: the file system refuses.
    """
    write_whole(path, lambda temporary: _write(temporary, parts))
    sync_folder(path.parent)


def read_rows(path: Path, group: int, no_rows: Rows, columns: Sequence[str] | None = None) -> Rows:
    """Read a row group.

    Args:
        no_rows: no regions, as the run makes them.
        columns: which to read beside the keys; by default all.

    Raises:
        OSError, ValueError: the file is damaged.
    """
    import pyarrow.parquet

    wanted = None if columns is None else [KEY, *columns]
    with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
        if group >= file.num_row_groups:
            raise ValueError(f"{path.name} has {file.num_row_groups} row groups, expected {group + 1} or more")
        table: dict[str, list[Any]] = file.read_row_group(group, columns=wanted).to_pydict()
    dtype = no_rows.keys.dtype
    facets = None
    if FACETS in table:
        degrees = np.array([len(keys) // dtype.itemsize for keys in table[BEYOND]], dtype=np.int64)
        facets = FacetTable(np.array(table[FACETS], dtype=np.int64), degrees, _keys(table[BEYOND], dtype))
    return Rows(
        _keys(table[KEY], dtype), table.get(WITNESS, []), table.get(CLASS, []), table.get(INPUT, []), facets
    )


def _write(path: Path, parts: Sequence[Rows]) -> None:
    import pyarrow
    import pyarrow.parquet

    tables = [pyarrow.table(_columns(rows)) for rows in parts]
    options = {"compression": "zstd", "write_page_checksum": True}
    with pyarrow.parquet.ParquetWriter(path, tables[0].schema, **options) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _columns(rows: Rows) -> dict[str, Any]:
    import pyarrow

    texts = pyarrow.list_(pyarrow.string())
    columns: dict[str, Any] = {
        KEY: pyarrow.array(_pieces(rows.keys, np.ones(len(rows), dtype=np.int64)), pyarrow.binary()),
        WITNESS: pyarrow.array(rows.witnesses, texts),
    }
    if rows.classes:
        columns[CLASS] = pyarrow.array(rows.classes, pyarrow.string())
    if rows.inputs:
        columns[INPUT] = pyarrow.array(rows.inputs, texts)
    if rows.facets is not None:
        columns[FACETS] = pyarrow.array(rows.facets.counts, pyarrow.int32())
        columns[BEYOND] = pyarrow.array(_pieces(rows.facets.beyond, rows.facets.degrees), pyarrow.binary())
    return columns


def _pieces(keys: Keys, counts: np.ndarray[Any, np.dtype[np.int64]]) -> list[bytes]:
    """Cut keys into so many a region."""
    content, size = keys.tobytes(), keys.dtype.itemsize
    ends = np.cumsum(counts) * size
    return [content[end - count * size : end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]


def _keys(pieces: Sequence[bytes], dtype: np.dtype[np.bytes_]) -> Keys:
    return np.frombuffer(b"".join(pieces), dtype=dtype)
