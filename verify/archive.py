"""The trusted base as one file: a program that Python runs as it is, with the same bytes wherever it is written."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

FIRST_LINE = b"#!/usr/bin/env python3\n"
MAIN = b"import sys\n\nfrom exactbox.verify.check import main\n\nsys.exit(main(sys.argv[1:]))\n"


def checker_archive() -> bytes:
    """Return the checker as one executable archive: check.py and all check_*.py, nothing else of this package.

    The archive is a zip file behind a first line that names the interpreter, as ``zipapp`` makes them. The members are
    stored, in order, with the earliest date that the format knows: no clock, zone, platform or compressor has a part.

    Raises:
        FileNotFoundError: a file of the checker is missing.
    """
    folder = Path(__file__).parent
    sources = {f"exactbox/verify/{path.name}": path.read_bytes() for path in sorted(folder.glob("check*.py"))}
    members = {"__main__.py": MAIN, "exactbox/__init__.py": b"", "exactbox/verify/__init__.py": b"", **sources}
    packed = io.BytesIO()
    packed.write(FIRST_LINE)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def archive_hash(archive: bytes) -> str:
    """Return the SHA-256 of an archive, in hexadecimal."""
    return hashlib.sha256(archive).hexdigest()
