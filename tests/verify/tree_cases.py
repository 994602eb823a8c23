"""Certificates of enumerations to check and to damage, as lines of text."""

from __future__ import annotations

import copy
import functools
import gzip
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exactbox.polytope.canonical import program_text
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.domain_rows import domain_from_rows
from exactbox.polytope.program import Max, Port, Program
from exactbox.verify.tree_certificate import write_enumeration
from tests.nets import BATTERY, random_mlp
from tests.verify.cases import Outcome, convolution, run


@dataclass(frozen=True)
class Tree:
    """A certificate of an enumeration: its first line as a JSON value, the other lines, and the program's text."""

    head: Any
    lines: tuple[str, ...]
    program: bytes

    def packed(self) -> bytes:
        """Return the file."""
        return gzip.compress("".join(f"{line}\n" for line in (json.dumps(self.head), *self.lines)).encode(), 1)

    def outcome(self) -> Outcome:
        """Check it."""
        return run(self.packed(), self.program)

    def with_lines(self, lines: Sequence[str]) -> Tree:
        """Replace the tree."""
        return Tree(self.head, tuple(lines), self.program)

    def stating(self, change: Callable[[Any], None]) -> Tree:
        """Change the statement."""
        head = copy.deepcopy(self.head)
        change(head["statement"])
        return Tree(head, self.lines, self.program)

    def bounded(self, side: str, coordinate: int, value: str | None) -> Tree:
        """Change one bound of the domain."""

        def change(statement: Any) -> None:
            statement["domain"][side][coordinate] = value

        return self.stating(change)

    def claiming(self, patterns: str) -> Tree:
        """State another hash of the patterns."""
        return self.stating(lambda statement: statement.update(patterns=patterns))

    def about(self, program: bytes) -> Tree:
        """Let it speak of another program."""
        head = copy.deepcopy(self.head)
        head["program"]["sha256"] = hashlib.sha256(program).hexdigest()
        return Tree(head, self.lines, program)

    def listing(self, patterns: Sequence[Any]) -> Tree:
        """State these patterns."""

        def change(statement: Any) -> None:
            texts = [json.dumps(pattern, separators=(",", ":")) + "\n" for pattern in patterns]
            statement["regions"] = len(texts)
            statement["patterns"] = hashlib.sha256("".join(texts).encode()).hexdigest()

        return self.stating(change)


def read(packed: bytes, program: bytes) -> Tree:
    """Read a file that was written."""
    first, *lines = gzip.decompress(packed).decode().splitlines()
    return Tree(json.loads(first), tuple(lines), program)


def certified(program: Program, domain: Domain) -> Tree:
    """Enumerate, write and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "regions.certificate"
        write_enumeration(path, program, domain, {"model": "none"})
        return read(path.read_bytes(), program_text(program).encode())


def max_pools() -> Program:
    """Return max-pools of four, three, two and one candidates above a layer."""
    base = random_mlp([2, 6], 5)
    groups = np.array([[0, 1, 2, -1], [3, 4, 5, -2], [5, 0, -2, -2], [2, -2, -2, -2]], dtype=np.int64)
    return Program(base.inputs, (*base.instructions, Max(2, groups)), Port("y", (1, 4)))


def domains() -> Mapping[str, Domain]:
    """Return domains of the plane of every kind."""
    return {
        "half-bounded": box([0, None], [None, 1]),
        "flat": box([-1, "1/3"], [1, "1/3"]),
        "a point": box([0, "1/3"], [0, "1/3"]),
        "a segment": domain_from_rows([0, 0], [None, None], [[1, 1], [-1, -1], [1, -3]], [1, -1, 1]),
        "a triangle": domain_from_rows([0, 0], [None, 2], [[2, 1], [1, 1]], [2, 5], [], []),
        "a line": domain_from_rows([None, None], [None, None], [], [], [[1, 2]], [1]),
    }


@functools.cache
def battery() -> Mapping[str, Tree]:
    """Return true certificates by name, to damage."""
    square = box([-1, -1], [1, 1])
    return {
        "max-pools": certified(max_pools(), square),
        "dead": certified(BATTERY["max over dead units"](), square),
        "duplicated, everywhere": certified(BATTERY["duplicated"](), everything(2)),
        "integer, a segment": certified(BATTERY["integer"](), domains()["a segment"]),
        "every instruction": certified(convolution(), box([-1, 0, -1], [1, 1, 2])),
        "space": certified(random_mlp([3, 4, 3, 1], 2), box([-1] * 3, [1] * 3)),
    }
