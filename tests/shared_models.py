"""The optional folder ``shared/`` beside the checkout: models and nets that are too large to be part of the project."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


def shared_folder(name: str) -> Path:
    """Return ``shared/<name>``, or skip the test where the checkout has no such folder beside it."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the optional folder shared/{name} is not beside this checkout")
    return folder


def shared_model(relative: str) -> Path:
    """Return a model of ``shared/models``; skip where the folder is absent, fail where only the file is."""
    path = shared_folder("models") / relative
    if not path.is_file():
        pytest.fail(f"shared/models exists but holds no {relative}")
    return path
