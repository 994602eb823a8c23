"""What the tests of long runs share."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from exactbox.enumerating import Enumerated, prepare
from exactbox.loading import Model
from exactbox.region_table import records
from exactbox.run_rows import Job, Workshop
from exactbox.run_state import DATABASE

UNIT = (-1, 1)


def same(found: Enumerated, expected: Enumerated) -> None:
    """Assert that two runs found the same, in the same order, with the same witnesses."""
    assert found.complete and found.reason == expected.reason
    assert list(records(found)) == list(records(expected))
    assert (found.hanging is None) == (expected.hanging is None)
    if found.hanging is not None:
        assert found.borders == expected.borders and found.linear_regions == expected.linear_regions


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def workshop_of(model: Model, hanging: bool = True) -> Workshop:
    prepared = prepare(model, box=UNIT)
    return Workshop(Job(model.program, prepared.domain.domain, prepared.plan, None, hanging))


def kept(folder: Path) -> int:
    """Return how many regions a state has that no process uses."""
    if not (folder / DATABASE).is_file():
        return 0
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        if not list(database.execute("select 1 from sqlite_master where name = 'segments'")):
            return 0
        return int(database.execute("select total(regions) from segments").fetchone()[0])
