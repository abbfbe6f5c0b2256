"""Ends what a killed supervisor left behind; a script of its own, so that it survives that one.

It reads `+NUMBER` and `-NUMBER` lines from standard input: process groups that run, and that have ended. The
input ends with the supervisor. By then the kernel has told every process on Linux; what is not gone a while
later, a worker that waits for its lost database, say, is killed.
"""

import contextlib
import os
import signal
import sys
import time

PATIENCE = 8.0


def alive(group: int) -> bool:
    """Whether a process of that group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def main() -> None:
    """Returns when nothing is left of the groups."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line))
        else:
            groups.discard(-int(line))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE
    while any(alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.1)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
