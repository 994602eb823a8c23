"""Fixtures and settings for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.shared_models import shared_folder

# No example is judged by the clock, and a run in CI is the same run every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder ``shared/models`` beside the checkout; the test is skipped where it is absent."""
    return shared_folder("models")


@pytest.fixture(scope="session")
def shared_nets() -> Path:
    """The folder ``shared/nets`` beside the checkout; the test is skipped where it is absent."""
    return shared_folder("nets")
