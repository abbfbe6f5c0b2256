"""Where the servers of these tests keep their data."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory of our own in place of pytest's.

    Each pytest of the same user closes the parent of pytest's directories to all others when it starts. A
    PostgreSQL that runs for root, as somebody else, would lose its data in the middle of a test.
    """
    with tempfile.TemporaryDirectory(prefix="playground-local-", ignore_cleanup_errors=True) as directory:
        yield Path(directory).resolve()
