"""Connections to PostgreSQL, as the processes of a worker make them."""

import subprocess
import sys

from background.local.postgres import EmbeddedPostgres
from tests.support import ROOT

# Threads of a worker's main process connect whenever they like, also while it forks a child in place of a dead one.
CODE = """
import os, signal, threading
from sqlalchemy.pool import NullPool
from background.storage.connections import SETTINGS, make_engine

engine = make_engine(SETTINGS, "parent", poolclass=NullPool)

def connects():
    while True:
        engine.connect().close()

threading.Thread(target=connects, daemon=True).start()
for number in range(60):
    child = os.fork()
    if not child:
        signal.alarm(20)
        make_engine(SETTINGS, "child").connect()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"child {number}: {os.waitstatus_to_exitcode(status)}"
os._exit(0)
"""


def test_a_child_connects_though_it_was_forked_while_a_thread_did(postgres: EmbeddedPostgres) -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
