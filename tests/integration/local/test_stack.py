"""The whole system that the pytest plugin starts ends with the process that started it."""

import subprocess
import sys

import psutil
import pytest

from tests.support import ROOT

STARTS = """
import sys
from background.testing.stack import running
with running():
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
@pytest.mark.timeout(300)
def test_a_killed_process_leaves_nothing_of_its_stack() -> None:
    argv = [sys.executable, "-c", STARTS]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, left = psutil.wait_procs(started, timeout=60)
    for each in left:
        each.kill()
    assert started
    assert left == []
