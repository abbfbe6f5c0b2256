"""A process of the stack, behind proxies of its own."""

import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tests.acceptance.callbacks import SECRET
from tests.acceptance.chaos.proxy import HOST, Proxy
from tests.acceptance.chaos.seams import DIE_FILE, command
from tests.acceptance.releases import FIRST, SECOND
from tests.support import Process

PASSWORD = "chaos"
DATABASE = "chaos"
API = "api"
LATEST_RESTART = 1.5


@dataclass(frozen=True)
class Site:
    """Where a process works: its directory, its lease, and the ports on which it finds the servers."""

    directory: Path
    lease_seconds: int
    postgres: int
    valkey: int

    @property
    def die_file(self) -> Path:
        """While it exists, an API with the seam `die_before_publish` kills itself where it would publish."""
        return self.directory / "die-before-publish"

    def environment(self, user: str) -> dict[str, str]:
        """All settings of a process that logs into PostgreSQL under this name."""
        return {
            "DATABASE_URL": "",
            "CELERY_BROKER_URL": "",
            "CELERY_RESULT_BACKEND": "",
            "API_KEYS": "",
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(self.postgres),
            "POSTGRES_USER": user,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": DATABASE,
            "REDIS_HOST": HOST,
            "REDIS_PORT": str(self.valkey),
            "REDIS_PASSWORD": PASSWORD,
            "DATA_DIR": str(self.directory / "data"),
            "LEASE_SECONDS": str(self.lease_seconds),
            "CALLBACK_SECRET": SECRET,
            "CALLBACK_PRIVATE": "true",
            "LOG_FORMAT": "text",
            DIE_FILE: str(self.die_file),
        }


class Node:
    """The API or a worker: logs into PostgreSQL under its own name, and is started again when it has died.

    A worker comes back under its old node name or under a new one, as `rng` has it.
    """

    def __init__(
        self, site: Site, name: str, *, options: Sequence[str], seams: Sequence[str], rng: random.Random
    ) -> None:
        self.name = name
        self.options = options
        self.seams = seams
        self.postgres = Proxy(target=site.postgres)
        self.valkey = Proxy(target=site.valkey)
        self.process: Process | None = None
        self.log = site.directory / f"{name}.log"
        self.release = FIRST
        """What it is started with next."""
        self._restart_at: float | None = None
        self._site = site
        self._rng = rng
        self._starts = 0
        self._family: list[psutil.Process] = []

    @property
    def alive(self) -> bool:
        """Whether its main process runs."""
        return self.process is not None and self.process.popen.poll() is None

    @property
    def pid(self) -> int:
        """Of its main process."""
        assert self.process is not None
        return self.process.popen.pid

    def children(self) -> list[psutil.Process]:
        """The processes of its pool."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children()
        return []

    def start(self, *, new_name: bool | None = None) -> None:
        """Start it, under another node name or not, and return before it is ready."""
        self._starts += 1
        self._restart_at = None
        if new_name is None:
            new_name = self._rng.random() < 0.5
        node_name = f"{self.name}-{self._starts}" if new_name else self.name
        is_worker = self.name != API
        arguments = [f"--hostname={node_name}@chaos", *self.options] if is_worker else self.options
        self.process = Process(
            command("worker" if is_worker else "api", arguments, seams=self.seams),
            log=self.log,
            env={
                **replace(self._site, postgres=self.postgres.port, valkey=self.valkey.port).environment(self.name),
                "PIPELINES": f"{self.release},tests.acceptance.chaos.steps,background.pipelines",
            },
        )

    def deploy(self, release: str | None = None) -> None:
        """End it as planned, to be started with this release, or else the other one."""
        release = release or (SECOND if self.release == FIRST else FIRST)
        if release != self.release and self.process is not None:
            self.release = release
            self.process.popen.terminate()

    def tend(self) -> None:
        """Start it again a moment after it has died."""
        if self.alive:
            return
        now = time.monotonic()
        if self._restart_at is None:
            self._restart_at = now + self._rng.uniform(0, LATEST_RESTART)
        elif now > self._restart_at:
            self.start()

    def wait_ready(self) -> None:
        """Wait until it does its work, after the first start."""
        assert self.process is not None
        self.process.wait_for_line("Uvicorn running" if self.name == API else "ready.")

    def kill(self) -> None:
        """kill -9 of all its processes."""
        if self.process is not None:
            self.process.kill()

    def kill_main(self) -> None:
        """kill -9 of its main process alone; its children are on their own then."""
        self._family += self.children()
        os.kill(self.pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send this to all its processes; to none where they have gone."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.popen.pid, number)

    def end(self) -> None:
        """Leave nothing of it behind, orphans included."""
        if self.alive:
            self.signal(signal.SIGCONT)
        self.kill()
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
