"""What tests start does not outlive them."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT, wait_for

STARTS = """
import sys, time
from pathlib import Path
from tests.support import Process
print(Process([sys.executable, "-c", "import time; time.sleep(60)"], log=Path(sys.argv[1])).popen.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_a_process_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STARTS, str(tmp_path / "log")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        child = psutil.Process(int(tests.stdout.readline()))
        tests.kill()

    def is_gone() -> bool:
        try:
            return child.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_for(is_gone, what="its end")
