"""The whole system for the tests of one's own product: PostgreSQL, Valkey, API and worker on free ports."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from background.base.ports import free_ports
from background.client import Client

LAUNCHER = Path(__file__).parents[1] / "local" / "launcher.py"
"""A script, as `background.local` is a program here: neither is imported."""
START_SECONDS = 120.0
OTHERS = ("POSTGRES_HOST", "DATABASE_URL", "DATABASE_LISTEN_URL", "REDIS_HOST", "CELERY_BROKER_URL")
"""What would name servers that are somebody's."""
PORTS = ("API_PORT", "FLOWER_PORT", "POSTGRES_PORT", "REDIS_PORT")


@dataclass(frozen=True)
class Stack:
    """Where the application answers, and what a process beside it needs as environment.

    `http` asks for its paths, `client` for its jobs, below the prefix where our routes are.
    """

    url: str
    http: httpx2.Client
    client: Client
    env: dict[str, str]


@contextmanager
def running(
    *, app: str | None = None, prefix: str = "", env: Mapping[str, str] | None = None, pipelines: str | None = None
) -> Iterator[Stack]:
    """The system, ready; it ends with the block, and leaves nothing.

    `app` names an application of one's own to serve, such as `shop.app:app`; `env` goes to all processes. Servers and
    settings that the environment or an `.env` name are left alone. Raises `RuntimeError` with what it has said when it
    does not start.
    """
    with tempfile.TemporaryDirectory(prefix="playground-", ignore_cleanup_errors=True) as place:
        home = Path(place)
        told = _environment(home, pipelines=pipelines) | dict(env or {})
        # It ends where this process is killed, too.
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM)), "-"]
        up = [*launched, sys.executable, "-m", "background.local", "up", "--home", str(home / "local")]
        said = home / "said.log"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*up, *(["--app", app] if app else [])], cwd=home, env=told, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            _wait(process, said)
            url = f"http://127.0.0.1:{told['API_PORT']}"
            with httpx2.Client(base_url=url, timeout=30) as http, Client(f"{url}{prefix}") as client:
                yield Stack(url, http, client, _named(told))
        finally:
            process.terminate()
            process.wait()


def _environment(home: Path, *, pipelines: str | None) -> dict[str, str]:
    paths = [os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])]  # noqa: PTH109  (it is text)
    given = {name: value for name, value in os.environ.items() if name not in OTHERS}
    own = {
        "PYTHONPATH": os.pathsep.join(paths),
        "DATA_DIR": str(home / "data"),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(),
        "REDIS_PASSWORD": secrets.token_urlsafe(),
    }
    wanted = {} if pipelines is None else {"PIPELINES": pipelines}
    return {**given, **own, **wanted, **dict(zip(PORTS, map(str, free_ports()), strict=False))}


def _named(env: dict[str, str]) -> dict[str, str]:
    """With the servers named, so that a process beside takes them and starts none."""
    return {**env, "POSTGRES_HOST": "127.0.0.1", "REDIS_HOST": "127.0.0.1"}


def _wait(process: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Ready." not in (text := said.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The system did not start:\n{text}")
        time.sleep(0.1)
