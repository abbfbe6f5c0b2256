"""The browser of the tests, and what becomes of them without it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# The same engine without the parts that nobody looks at takes half the CPU.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
NO_CHROMIUM = "There is no Chromium here, so the web page is not tried; on Debian: apt install chromium-headless-shell"


class Untried(pytest.Directory):
    """A directory whose tests are skipped as one."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Skip; nothing in the directory is looked at."""
        pytest.skip(NO_CHROMIUM)


def collect(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The collector of `tests/browser` where it cannot be tried; under CI its tests fail instead."""
    if CHROMIUM or os.environ.get("CI") or path != Path(__file__).parent:
        return None
    untried: pytest.Collector = Untried.from_parent(parent, path=path)
    return untried
