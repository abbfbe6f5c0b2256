"""What tests share: real servers and processes on free ports, and polling with a deadline."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2 as httpx
from sqlalchemy import Connection, text

from background.base.ports import OF_SERVERS, free_ports
from background.local.children import Program

ROOT = Path(__file__).parent.parent
Found = TypeVar("Found")


# Of those that run at once each takes every eighth.
_ports = free_ports(among=OF_SERVERS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8 :: 8])


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other test has been given."""
    return next(_ports)


def is_served(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(probe: Callable[[], Found | None], *, seconds: float = 30, what: str = "it") -> Found:
    """Poll until `probe` gives something true, which is returned; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
    return found


def nested(levels: int) -> Any:
    """Lists in lists, so many levels deep."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


@contextlib.contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction of a test's own, which keeps no client waiting: a slow machine gets a minute."""
    # Not at the top: settings are read once, and this module is there before they are.
    from background.storage import database

    with database.transaction(seconds=60) as connection:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        yield connection


def store_job(connection: Connection, *, step_names: Sequence[str], **more: Any) -> int:
    """A fresh PENDING job with these steps, as the API stores one, and whatever `more` says of it; gives its id."""
    from background.jobs.sql import control

    usual = {"pipeline": "demo", "params": {}, "priority": 0, "delay_seconds": 0, "max_attempts": 3}
    job = {**usual, "task_id": str(uuid4()), "step_names": list(step_names), **more}
    return control.create(connection, [job], actor=None)[0].id


@contextlib.contextmanager
def no_schedules() -> Iterator[None]:
    """No schedule, and no job of one, at the beginning of the block and after it."""

    def clear() -> None:
        with transaction() as connection:
            connection.execute(text("DELETE FROM schedules"))
            connection.execute(text("DELETE FROM jobs WHERE schedule_id IS NOT NULL"))

    clear()
    try:
        yield
    finally:
        clear()


def record_only(spec: Any, *, epoch: str | None = None) -> list[str]:
    """The record of a run of this canvas that nobody publishes; gives the run's id and those of its tasks."""
    from background.canvas.built import Built
    from background.canvas.sql import runs

    built = Built.of(spec)
    with transaction() as connection:
        runs.create(connection, {**built.run_row(spec), "type": "canvas"}, built.task_rows(), epoch=epoch)
    return [built.plan.task_id, *built.plan.nodes]


def end(connection: Connection, task_id: str, state: str, error: str | None = None, *, is_open: bool = False) -> None:
    """Record that a task has ended in this state, a success with 1."""
    from background.canvas.sql import tasks

    tasks.changed(
        connection,
        task_ids=[task_id],
        kinds=[state.lower()],
        results=["1" if state == "SUCCESS" else error],
        ages=[0.0],
        are_open=[is_open],
    )


class Process:
    """A child in a process group of its own, with its output in a file; it does not outlive the tests.

    To be started from the main thread, see `background.local.children.Child`.
    """

    def __init__(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        program = Program(argv, {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}, ROOT)
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                program.launched,
                cwd=program.cwd,
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for_line(self, text: str, *, seconds: float = 30) -> None:
        """Wait until it has printed `text`; fails at once when it ends."""

        def found() -> bool:
            assert self.popen.poll() is None or text in self.output, self.output[-3000:]
            return text in self.output

        wait_for(found, seconds=seconds, what=f"{text!r} in {self.log.name}")

    def stop(self, *, seconds: float = 20) -> int:
        """SIGTERM, then a kill of the whole group; gives the exit code."""
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        self.kill()
        return self.popen.returncode

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@contextlib.contextmanager
def running_api(log: Path, *, env: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """A real API process on a free port; gives a client for it."""
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--timeout-graceful-shutdown", "3"]
    # Longer than any pause of a test: a connection that is closed just when it is used again is no answer.
    argv += ["--timeout-keep-alive", "120"]
    process = Process(argv, log=log, env=env)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            process.wait_for_line("Uvicorn running")
            yield client
    finally:
        process.stop()


@contextlib.contextmanager
def running_worker(
    log: Path, *options: str, env: Mapping[str, str] | None = None, module: str = "celery"
) -> Iterator[Process]:
    """A real worker process, ready for tasks; prefork with two children unless told otherwise.

    `module` may name one that changes something and then does what `python -m celery` does.
    """
    pool = options or ("--pool=prefork", "--concurrency=2")
    celery = [sys.executable, "-m", module, "-A", "background.celery.celery_app", "worker", "--loglevel=INFO"]
    process = Process([*celery, f"--hostname={log.stem}@%h", *pool], log=log, env=env)
    try:
        process.wait_for_line("ready.")
        yield process
    finally:
        process.stop()
