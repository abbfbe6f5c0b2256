"""What the tests of readers share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from background.documents.extraction import ExtractedText
from background.documents.extraction.extract import extract

Read = Callable[[bytes, str], ExtractedText]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What is found in these bytes as a file of this type."""

    def read(content: bytes, media_type: str) -> ExtractedText:
        path = tmp_path / "content"
        path.write_bytes(content)
        return extract(path, media_type)

    return read
