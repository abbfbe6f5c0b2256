"""One run in a directory at a time: they would share ports, data and jobs."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from background.local.children import LocalError
from background.local.permissions import close_off

LEFTOVER_SECONDS = 15


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[int]:
    """Holds the lock at `path` and yields its descriptor, which children are to inherit.

    A lock is free when the last process that inherited it has ended. So after a `kill -9` of the supervisor the
    next one waits here until what was left behind is gone. Raises `LocalError` when another run is under way.
    """
    close_off(path.parent, keep_way=True)
    with path.open("a+") as handle:
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not _take(handle.fileno()):
            owner = _owner(path)
            if owner or time.monotonic() > deadline:
                who = f"process {owner}" if owner else "what is left of an earlier run"
                raise LocalError(f"It is running already in this directory ({who}): stop that first.")
            time.sleep(0.1)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        # Passwords and data lie beside it.
        path.with_name(".gitignore").write_text("*\n")
        yield handle.fileno()


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> int | None:
    """The supervisor that wrote its number there, if it is still one."""
    try:
        process = psutil.Process(int(path.read_text()))
        return process.pid if "background.local" in process.cmdline() else None
    except (psutil.Error, ValueError):
        return None
