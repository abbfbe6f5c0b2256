"""Who is measured: this project, the usual design, a bare loop, and peers, which get an environment of their own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from benchmarks.measure import LOCK
from benchmarks.peers import servers
from tests.support import ROOT, Process

VENV = ROOT / ".venv-bench"
VENV_PYTHON = VENV / "bin" / "python"


class Contestant(NamedTuple):
    """One design, with the module in `peers` that does it, and SQL that counts the jobs it has done."""

    name: str
    module: str
    done: str
    is_peer: bool = True
    processes: int = 2
    celery: tuple[str, ...] = ()
    """What starts a worker of it, where Celery does."""

    @property
    def python(self) -> str:
        """The interpreter that has what it needs."""
        return str(VENV_PYTHON) if self.is_peer else sys.executable

    def argv(self, what: str) -> list[str]:
        """The command that does this of it."""
        return [self.python, "-m", "benchmarks.peers", self.module, what]

    def worker(self, number: int) -> list[str]:
        """The command that starts one of its workers."""
        if not self.celery:
            return self.argv("work")
        return [self.python, "-m", "celery", *self.celery, f"--hostname=bench{number}@%h"]

    def prepare(self) -> None:
        """Leave it nothing to do, and nothing that it has done."""
        with redis.Redis.from_url(servers.redis()) as broker:
            broker.flushall()
        subprocess.run(self.argv("prepare"), cwd=ROOT, check=True)

    @contextmanager
    def working(self, scratch: Path) -> Iterator[list[Process]]:
        """Its workers, from their start on."""
        with ExitStack() as stack:
            found = []
            for number in range(self.processes):
                found.append(Process(self.worker(number), log=scratch / f"{self.name}-{number}.log"))
                stack.callback(found[-1].stop, seconds=5)
            yield found
            for each in found:  # all at once, before each is waited for
                each.popen.terminate()


@contextmanager
def standing_still(workers: list[Process]) -> Iterator[None]:
    """Within this block these workers are stopped, with all their children."""
    for each in workers:
        os.killpg(each.popen.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in workers:
            os.killpg(each.popen.pid, signal.SIGCONT)


class Submitter:
    """A process that submits jobs, so many as it is told."""

    def __init__(self, contestant: Contestant) -> None:
        argv = contestant.argv("submit")
        self._process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Submitter":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def submit(self, number: int) -> None:
        """Submit so many; returns when they are."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line == "submitted\n":
                return
        raise AssertionError(f"{' '.join(map(str, self._process.args))} has ended")  # type: ignore[arg-type]


_HERE = ("-A", "background.celery.celery_app", "worker")
_COMPLETED = "SELECT count(*) FROM {} WHERE status = 'COMPLETED'"
# By an index: whoever looks how far a backlog of 100,000 is must not read all of it, again and again.
_ENDED = "SELECT count(*) FROM jobs WHERE finished_at >= '-infinity'"

CONTESTANTS = (
    Contestant(
        "threads",
        "playground",
        _ENDED,
        is_peer=False,
        celery=(*_HERE, "--pool=threads", "--concurrency=8"),
    ),
    Contestant(
        "prefork",
        "playground",
        _ENDED,
        is_peer=False,
        processes=1,
        celery=(*_HERE, "--pool=prefork", "--concurrency=2"),
    ),
    Contestant(
        "usual",
        "usual",
        _COMPLETED.format("usual_jobs"),
        is_peer=False,
        processes=1,
        celery=("-A", "benchmarks.peers.usual", "worker", "--pool=prefork", "--concurrency=2"),
    ),
    Contestant("bare", "bare", _COMPLETED.format("bare_jobs"), is_peer=False),
    Contestant(
        "procrastinate",
        "procrastinate",
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded' AND task_name = 'third'",
    ),
    Contestant(
        "pgqueuer",
        "pgqueuer",
        "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful' AND entrypoint = 'third'",
    ),
    Contestant("absurd", "absurd", "SELECT count(*) FROM absurd.t_default WHERE state = 'completed'"),
    Contestant("dbos", "dbos", "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"),
)
BY_NAME = {each.name: each for each in CONTESTANTS}


def install_peers() -> bool:
    """Bring `.venv-bench` to what its lock says; gives whether it is there then."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    exactly = ["--require-hashes", "--only-binary", ":all:", "--python", str(VENV_PYTHON), str(LOCK)]
    try:
        if not VENV_PYTHON.exists():
            subprocess.run([*uv, "venv", "--python", sys.executable, str(VENV)], check=True)
        subprocess.run([*uv, "pip", "sync", *exactly], check=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(VENV, ignore_errors=True)
        return False
    return True
