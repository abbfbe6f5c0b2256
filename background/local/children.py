"""Child processes that are stopped whole and that do not outlive this one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import psutil

from background.base.escapes import indented

LAUNCHER = Path(__file__).with_name("launcher.py")
GUARD = Path(__file__).with_name("orphans.py")
GONE_SECONDS = 5.0
KEYS = "API_KEYS"
"""How the names of the variables begin that have the API's keys."""


class LocalError(Exception):
    """Something on this machine is in the way. Its text is what the user reads: one line, perhaps a log's tail."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system user that a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to start and how: `env` is the whole environment, `death_signal` what it gets when this process dies."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGTERM

    @property
    def launched(self) -> list[str]:
        """The words that start it so that it gets `death_signal`, under the account that is wanted."""
        account = f"{self.account.uid}:{self.account.gid}" if self.account else "-"
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        return [*launcher, str(os.getpid()), str(int(self.death_signal)), account, *self.argv]


class Child:
    """A running program, leader of a session of its own, so that a Ctrl-C in the terminal does not reach it.

    Start it from the main thread: the kernel sends `death_signal` when the thread that started it ends.
    """

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._is_gone = False

    @classmethod
    def start(
        cls,
        program: Program,
        *,
        output: int | IO[bytes] | None = None,
        stdin: IO[bytes] | None = None,
        keep: Sequence[int] = (),
    ) -> Self:
        """Starts `program` with standard output and error to `output`; descriptors in `keep` stay open in it."""
        popen = subprocess.Popen(
            program.launched,
            cwd=program.cwd,
            env=program.env,
            stdin=stdin or subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            start_new_session=True,
            pass_fds=keep,
        )
        return cls(popen)

    @property
    def pid(self) -> int:
        """The process id, which is that of its group as well."""
        return self._popen.pid

    @property
    def output(self) -> IO[bytes] | None:
        """The reading end where it was started with `subprocess.PIPE`."""
        return self._popen.stdout

    def poll(self) -> int | None:
        """The exit code, negative for a signal; `None` while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, or `None` where it has not ended within `timeout` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Signals the leader alone: Celery's pool processes and PostgreSQL's backends are their parent's to end."""
        self._popen.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Signals the group and all descendants, also those in groups of their own (PostgreSQL's backends)."""
        family = [] if self.poll() is not None else descendants(self.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Ends it and everything it started, and waits until that is gone.

        To be called soon after it ended by itself, too, for the sake of what it may have left; once is enough.
        """
        if self._is_gone:
            # By now its number may be that of somebody else's group.
            return
        self._is_gone = True
        family = []
        if self.poll() is None:
            # Stopped first, so that it starts no new child while its children are being collected.
            self.send(signal.SIGSTOP)
            family = descendants(self.pid)
            self.send_all(signal.SIGKILL)
            self._popen.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + GONE_SECONDS
        while any(lives(pid) for pid in family) and time.monotonic() < deadline:
            time.sleep(0.01)


class Guard:
    """A helper that outlives this process when it is killed, and then ends the groups it knows of."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD)], env=passed_on(), stdin=subprocess.PIPE, start_new_session=True
        )

    def add(self, child: Child) -> None:
        """From now on `child` must not outlive this process."""
        self._tell(f"+{child.pid}\n")

    def remove(self, child: Child) -> None:
        """`child` has ended, and its number may be given to another process."""
        self._tell(f"-{child.pid}\n")

    def close(self) -> None:
        """Lets the helper go, which ends at once when all its groups were removed."""
        if self._popen.stdin and not self._popen.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        self._popen.wait()

    def _tell(self, line: str) -> None:
        # Without its helper a supervisor still works.
        with contextlib.suppress(BrokenPipeError):
            if self._popen.stdin:
                self._popen.stdin.write(line.encode())
                self._popen.stdin.flush()


def descendants(pid: int) -> list[int]:
    """The process ids of all children of `pid` and of theirs."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def lives(pid: int) -> bool:
    """Whether that process runs; one that merely waits for its parent to notice its end does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def working_in(directory: Path, executable: str) -> list[psutil.Process]:
    """The processes named `executable` whose working directory is `directory`: a server and its children."""
    return [
        process
        for process in psutil.process_iter(["name", "cwd", "ppid"])
        if process.info["name"] == executable and process.info["cwd"] == str(directory)
    ]


def end(processes: Sequence[psutil.Process], *, number: signal.Signals, patience: float) -> None:
    """Signals processes that are not our children, waits up to `patience` seconds, then kills what is left."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=patience)


def passed_on(*, without: str | None = None, **extra: str) -> dict[str, str]:
    """The environment that a child inherits, with `extra` on top; nothing is read from it here.

    `without` leaves out the names that begin so: PostgreSQL takes PGPORT, PGDATESTYLE and others for settings. The
    API's keys are never inherited: only the API is given them.
    """
    dropped = (KEYS, without) if without else (KEYS,)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **extra}


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented and with escapes; empty where there is none."""
    try:
        text = path.read_bytes()[-16_384:].decode(errors="replace")
    except OSError:
        return ""
    return indented("\n".join(text.splitlines()[-lines:]))
