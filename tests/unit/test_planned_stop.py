"""The planned stop of a worker: what a thread knows of a signal that the main thread has not handled yet."""

import subprocess
import sys

from tests.support import ROOT

# No signal's handler runs while the main thread is in a function of C that looks for none.
BUSY = """
import hashlib, os, signal, threading, time
from types import SimpleNamespace
from background.upkeep.planned_stop import PlannedStop
stop = PlannedStop(worker_id="", leave=lambda: None)
stop.install(SimpleNamespace(has_stopped=threading.Event()))
def step():
    time.sleep(0.2)
    before = stop.asked_by_now()
    os.kill(os.getpid(), signal.SIGTERM)
    print(before, stop.asked, stop.asked_by_now(), flush=True)
    os._exit(0)
threading.Thread(target=step).start()
while True:
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
"""


def test_a_step_that_failed_of_the_signal_that_stops_its_worker_knows() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
