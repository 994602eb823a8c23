"""Output files: written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from exactbox.polytope.errors import InputError


def check_writable(path: Path, *endings: str) -> None:
    """Refuse a path that cannot be written, before any work is done for it.

    Raises:
        InputError: a wrong ending, a missing folder, or a folder that does not let us write; the message says which.
    """
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{path}: expected a name ending in {' or '.join(endings)}")
    if path.is_dir():
        raise InputError(f"{path}: expected a file name, got a folder")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist; create it first")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{path}: the folder {folder} is not writable: {error.strerror}") from None


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it; on failure nothing is left.

    Raises:
        InputError: the file system refuses.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: not writable: {error.strerror}") from None
    temporary = Path(name)
    try:
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: not writable: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
