"""Writes the certificate of an enumeration, its split tree, as it runs; section 7 of FORMAT.md says what is in it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from exactbox.polytope.canonical import hex_texts, program_hash, program_pieces
from exactbox.polytope.domain import Domain
from exactbox.polytope.enumeration import Cell, Space
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.split_tree import Leaf, Lost, Node, Step, UnitRow, row_of, split_tree
from exactbox.verify.certificate import (
    CERTIFICATE_FORMAT,
    Info,
    domain_statement,
    given_evidence,
    given_statement,
    info_fields,
    program_file,
    write_all,
)
from exactbox.verify.limits import CERTIFICATE, PROGRAM, refuse_large_vectors, refuse_long_line, within

_PIECE = 1 << 20


def write_enumeration(
    path: str | os.PathLike[str], program: Program, domain: Domain, info: Info | None = None
) -> int:
    """Enumerate all regions, write the certificate that they are all and, beside it, the program file.

    Returns:
        the number of regions.

    Raises:
        InputError: the domain has another number of coordinates than the program, or a file cannot be written.
        BudgetError: a number has more digits than the format allows.
    """
    return sum(1 for _ in certified_regions(path, Space(program, domain, recording=True), info))


def certified_regions(
    path: str | os.PathLike[str], space: Space, info: Info | None = None, steps: Iterator[Step] | None = None
) -> Generator[Cell, None, None]:
    """Yield all regions in the order of the tree; the two files appear once the last one was taken.

    The tree is compressed into an unnamed file as it grows, so that memory holds no more than the enumeration's.

    Args:
        space: made with ``recording=True``.
        info: strings and lists of strings to keep with it.
        steps: those of an enumeration that was done before; by default it is done here.

    Raises:
        InputError: a file cannot be written.
        BudgetError: a number has more digits than the format allows.
    """
    target, regions, patterns = Path(path), 0, hashlib.sha256()
    numbers = RowNumbers(space)
    try:
        with tempfile.TemporaryFile(dir=target.parent) as body:
            with gzip.GzipFile("", "wb", 6, body, 0) as packed, io.BufferedWriter(packed, _PIECE) as lines:
                for item in split_tree(space, steps):
                    if isinstance(item, Node):
                        lines.write(numbers.line(item))
                        continue
                    lines.write(_witness(item))
                    patterns.update(pattern_line(item.cell))
                    regions += 1
                    yield item.cell
            body.seek(0)
            _finish(target, space, info, (regions, patterns.hexdigest()), body)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


def pattern_line(cell: Cell) -> bytes:
    """Return a pattern as the statement's hash takes it.

    >>> import numpy as np
    >>> from exactbox.polytope.pattern import Pattern
    >>> from exactbox.polytope.rational import exact
    >>> pattern_line(Cell(Pattern((np.array([1, 0]), np.array([2]))), exact([0])))
    b'[[1,0],[2]]\\n'
    """
    parts = [winners.tolist() for winners in cell.pattern.winners]
    return f"{parts}\n".replace(" ", "").encode("ascii")


class RowNumbers:
    """The numbers by which the format calls the rows that the engine names.

    Args:
        space: the program on its domain.
    """

    def __init__(self, space: Space) -> None:
        domain = space.domain
        open_ends = [i for i in range(domain.size) if not domain.fixed[i]]
        own = [(source.kind, source.index) for source in domain.rows.sources]
        own += [("lower", i) for i in open_ends if domain.lower[i] is not None]
        own += [("upper", i) for i in open_ends if domain.upper[i] is not None]
        self._own = {name: number for number, name in enumerate(own)}
        self._first: list[int] = []
        first = len(own)
        for width in (int(width) for layer in space.layers for width in layer.widths):
            self._first.append(first)
            first += width
        self._space = space
        self._texts: dict[int, str] = {}

    def line(self, node: Node) -> bytes:
        """Return the line of a node: its omitted candidates and the rows that prove it."""
        lost = node.lost if len(node.lost) < 2 else sorted(node.lost)
        return f"{';'.join(map(self._item, lost))}\n".encode("ascii")

    def _item(self, lost: Lost) -> str:
        candidate, rival, names = lost
        try:
            return " ".join([str(candidate), str(rival), *[self._texts[name] for name in names]])
        except KeyError:
            self._texts.update((name, self._text(name)) for name in names)
            return self._item(lost)

    def _text(self, name: int) -> str:
        row = row_of(self._space, name)
        return str(self._first[row.unit] + row.rival if isinstance(row, UnitRow) else self._own[row.kind, row.index])


def _witness(leaf: Leaf) -> bytes:
    return f"{' '.join(hex_texts(leaf.cell.witness))}\n".encode("ascii")


def _finish(target: Path, space: Space, info: Info | None, found: tuple[int, str], body: IO[bytes]) -> None:
    """Put the first line in front of the tree, and write both files."""
    program, domain = space.program, space.domain
    sha256 = program_hash(program)
    content = {
        "format": CERTIFICATE_FORMAT,
        "kind": "enumeration",
        "program": {"sha256": sha256, "file": program_file(sha256)},
        "info": info_fields(info),
        "statement": {
            "domain": domain_statement(domain),
            "given": given_statement(domain),
            "regions": found[0],
            "patterns": found[1],
        },
        "evidence": {"given": given_evidence(domain)},
    }
    line = json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"
    refuse_long_line(len(line))
    refuse_large_vectors(program)
    first = gzip.compress(line, mtime=0)
    beside = target.parent / program_file(sha256)
    pieces = iter(lambda: body.read(_PIECE), b"")
    text = within((piece.encode("ascii") for piece in program_pieces(program)), PROGRAM)
    write_all({beside: text, target: within(chain([first], pieces), CERTIFICATE)})
