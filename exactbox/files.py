"""Output files: written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

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


def check_apart(options: object, outputs: Mapping[str, str]) -> None:
    """Refuse options that name one file for two outputs, or for an output what is also read.

    Args:
        options: an object whose attributes are the options; a text may be ``file``, ``name=file`` or ``file:row``.
        outputs: the attributes that name files to be written, and how users call them.

    Raises:
        InputError: which file, and what else it is.
    """
    texts = {name: list(_texts(value)) for name, value in vars(options).items()}
    read = {path for name, some in texts.items() if name not in outputs for text in some for path in _named(text)}
    written: dict[Path, str] = {}
    for name, shown in outputs.items():
        for text in texts[name]:
            path = Path(text).resolve()
            if path in read:
                raise InputError(f"{text}: {shown} would overwrite this file, which is read; give {shown} another name")
            if path in written:
                raise InputError(f"{text}: both {written[path]} and {shown} name this file; give them different names")
            written[path] = shown


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in cast(Iterable[object], value):
            yield from _texts(one)


def _named(text: str) -> Iterator[Path]:
    """Yield the file that a text names, if it does."""
    for name in (text, text.partition("=")[2], text.rpartition(":")[0]):
        if os.path.isfile(name):
            yield Path(name).resolve()


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


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder outlive the machine's end, where the system lets folders be opened.

    Raises:
        OSError: the file system refuses.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
