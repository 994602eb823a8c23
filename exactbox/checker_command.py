"""``exactbox checker``: the trusted base as one file that can be mailed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from exactbox.files import check_writable, write_whole
from exactbox.polytope.printable import printable, printable_json
from exactbox.verify.archive import archive_hash, checker_archive


def run_checker(out: str, as_json: bool) -> int:
    """Write the checker as one file, and say what its hash is and what a receiver needs."""
    path = Path(out)
    check_writable(path)
    archive = checker_archive()
    write_whole(path, lambda to: to.write_bytes(archive))
    os.chmod(path, path.stat().st_mode | (path.stat().st_mode & 0o444) >> 2)
    sha256 = archive_hash(archive)
    if as_json:
        click.echo(printable_json(json.dumps({"exit_code": 0, "written": [str(path)], "sha256": sha256})))
        return 0
    click.echo(f"written: {printable(str(path))}, {len(archive)} bytes, SHA-256 {sha256}")
    click.echo("A receiver needs three files, and Python 3.11 or later without any package:")
    click.echo("  this one, whose hash the README of exactbox states;")
    click.echo("  the certificate;")
    click.echo("  the program file that lies beside the certificate (....program.json).")
    click.echo(f"They check with: python {printable(path.name)} CERTIFICATE")
    return 0
