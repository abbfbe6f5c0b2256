"""The page's own modules, by the test runner that comes with Node.js."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

NODE = shutil.which("node")
pytestmark = pytest.mark.timeout(400)
PATIENCE_SECONDS = 300
"""What takes ten seconds of computing takes minutes where twenty others compute."""
TESTS = sorted((ROOT / "tests" / "web").glob("*.test.mjs"))


@pytest.mark.skipif(NODE is None, reason="the page's modules are tested where Node.js 20 or newer is installed")
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_of_the_page(path: Path) -> None:
    assert NODE is not None
    command = [NODE, "--test", "--test-reporter=tap", str(path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^# pass [1-9]", ran.stdout, re.MULTILINE), "no test ran"


@pytest.mark.skipif(NODE is None, reason="the layout is measured where Node.js 20 or newer is installed")
def test_the_layout_can_be_measured() -> None:
    """The benchmark has the canvases of these tests."""
    assert NODE is not None
    command = [NODE, str(ROOT / "benchmarks" / "layout.mjs"), "1"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert ran.returncode == 0, ran.stderr
