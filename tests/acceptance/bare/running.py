"""Bare Celery as tests use it: a worker of its own, and canvases run through a process in which nothing of ours is."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support import ROOT, Process

DATABASE = 9
"""The same Redis as the playground's, another database: neither sees a key or a message of the other."""


def bare_environment() -> dict[str, str]:
    """What a process of the bare application needs to find its Redis."""
    password, host, port = (os.environ[f"REDIS_{name}"] for name in ("PASSWORD", "HOST", "PORT"))
    return {"BARE_URL": f"redis://:{quote(password, safe='')}@{host}:{port}/{DATABASE}"}


@contextlib.contextmanager
def running_bare_worker(log: Path) -> Iterator[Process]:
    """A worker of the bare application. Prefork: under threads `join_native`, which chords need, hangs at times."""
    celery = [sys.executable, "-m", "celery", "-A", "tests.acceptance.bare.app", "worker", "--loglevel=INFO"]
    pool = ["--pool=prefork", "--concurrency=2", f"--hostname={log.stem}@%h"]
    process = Process([*celery, *pool], log=log, env=bare_environment())
    try:
        process.wait_for_line("ready.")
        yield process
    finally:
        process.stop()


def run_bare(canvases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of each under bare Celery, whose worker must be running."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.bare"],
        cwd=ROOT,
        env=os.environ | bare_environment(),
        input=json.dumps(canvases),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found
