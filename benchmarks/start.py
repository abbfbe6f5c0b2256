"""How long `run.py demo` takes once everything is installed: servers, API, worker, a job and four canvases."""

import os
import subprocess
import sys
import time

from benchmarks.measure import Table
from benchmarks.options import Options
from tests.support import ROOT

OURS = ("POSTGRES_", "REDIS_", "DATA_DIR")


def measure(options: Options) -> Table:
    """Run it, the first time without looking at the clock."""
    table = Table("start: run.py demo, not the first time")
    for number in range(options.rounds + 1):
        taken = _demo()
        if number:
            table.add("run.py demo", seconds=taken)
    return table


def _demo() -> float:
    """Seconds of one, with servers of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "demo"], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began
