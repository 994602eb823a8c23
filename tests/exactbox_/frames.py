"""Data frames of three kinds: a plain stand-in for what pandas offers, pandas where it is installed, and pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

Columns = Mapping[Any, Sequence[Any]]


class Frame:
    """Named columns, as far as a data frame is looked at."""

    def __init__(self, columns: Columns) -> None:
        self._columns = dict(columns)
        self.columns = list(columns)

    def __getitem__(self, name: object) -> Any:
        values = self._columns[name]
        kinds = {type(value) for value in values}
        return np.array(values, dtype=object if len(kinds) > 1 or str in kinds else None)

    def __len__(self) -> int:
        return max(map(len, self._columns.values()), default=0)


def _pandas(columns: Columns) -> Any:
    return pytest.importorskip("pandas").DataFrame(dict(columns))


def _pyarrow(columns: Columns) -> Any:
    return pytest.importorskip("pyarrow").table({str(name): list(values) for name, values in columns.items()})


FRAMES: dict[str, Callable[[Columns], Any]] = {"stand-in": Frame, "pandas": _pandas, "pyarrow": _pyarrow}
