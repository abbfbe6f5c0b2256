"""Servers that answer, but do not take what is written: a clear answer in their own words; all is well afterwards."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import httpx2 as httpx
import psycopg2
import pytest
import redis

from background.local.permissions import account_for, open_way
from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_durability import kinds
from tests.acceptance.test_jobs import ended, submit
from tests.acceptance.test_outages import is_ready
from tests.conftest import HOME, PASSWORD
from tests.support import Process, running_api, running_worker, wait_for

NO_SPACE = "No space left on device"


def execute(*statements: str, database: str | None = None) -> None:
    """Run each of these by itself, past the application."""
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=os.environ["POSTGRES_PORT"],
        user=os.environ["POSTGRES_USER"],
        password=PASSWORD,
        dbname=database or os.environ["POSTGRES_DB"],
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


@contextmanager
def told_to_all() -> Iterator[None]:
    """The server only reads, at once and in every session."""
    execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


@contextmanager
def told_to_new_sessions() -> Iterator[None]:
    """As after a failover: sessions that begin now only read, also after the server takes writes again."""
    database = os.environ["POSTGRES_DB"]
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{}'"
    execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on", others.format(database))
    try:
        yield
    finally:
        execute(f"ALTER DATABASE {database} RESET default_transaction_read_only", database="postgres")


@pytest.mark.parametrize("reading", [told_to_all, told_to_new_sessions])
def test_a_postgresql_that_only_reads(
    client: httpx.Client, worker: Process, reading: Callable[[], AbstractContextManager[None]]
) -> None:
    job_id = submit(client, params={"step_seconds": 2})
    wait_for(lambda: client.get(f"/jobs/{job_id}").json()["steps"], what="the first step")
    with reading():
        # The first one may be that of a session that has just been ended.
        wait_for(lambda: "in a read-only transaction" in (refusal(client) or {}).get("detail", ""), what="a refusal")
        assert_problem(client.post("/chord", timeout=5), 503)
        readiness = client.get("/ready", timeout=5)
        assert (readiness.status_code, readiness.json()["broker"]) == (503, "ok")
        assert "in a read-only transaction" in readiness.json()["database"]
        assert client.get(f"/jobs/{job_id}", timeout=5).json()["id"] == job_id
    wait_for(lambda: is_ready(client), what="readiness")
    job = ended(client, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 1)
    assert ended(client, submit(client))["status"] == "COMPLETED"
    assert finished(client, start(client, "/chord")["task_id"])["successful"]


def refusal(client: httpx.Client) -> dict[str, str] | None:
    """What `POST /jobs` says when it is refused; a job that it takes is no harm."""
    response = client.post("/jobs", json={"params": {"step_seconds": 0}}, timeout=5)
    if response.status_code == 201:
        return None
    assert_problem(response, 503)
    return dict(response.json())


@pytest.fixture
def small_disk(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> Iterator[Path]:
    """A file system of 64 MB, on which the database `small` lies."""
    directory = HOME / "small-disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(directory)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        account = account_for(HOME / "postgres")
        space = directory / "space"
        space.mkdir()
        if account:
            os.chown(space, account.uid, account.gid)
            open_way(account, to=[directory], programs=[])
        execute(f"CREATE TABLESPACE small LOCATION '{space}'", "CREATE DATABASE small TABLESPACE small")
        yield directory
        execute("DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
    finally:
        unmount = ["umount", "--lazy", str(directory)]
        subprocess.run(unmount, check=False)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Nothing is left there for the block."""
    filler = directory / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    env = {"POSTGRES_DB": "small", "LEASE_SECONDS": "2"}
    migration = Process([sys.executable, "-m", "background", "migrate"], log=tmp_path / "migrate.log", env=env)
    assert migration.popen.wait(60) == 0, migration.output
    accepted = []
    with running_api(tmp_path / "api.log", env=env) as api, running_worker(tmp_path / "worker.log", env=env) as worker:
        running = submit(api, params={"step_seconds": 2})
        wait_for(lambda: api.get(f"/jobs/{running}").json()["steps"], what="the first step")
        # Due when nothing is left, so that the worker has more to write then than there is room for in what is there.
        jobs = {"jobs": [{"params": {"step_seconds": 0}, "delay_seconds": 3}] * 50}
        for _ in range(8):
            accepted += [job["job_id"] for job in api.post("/jobs/batch", json=jobs).json()]
        with full(small_disk):
            for _ in range(100):
                response = api.post("/jobs/batch", json=jobs, timeout=5)
                if response.status_code != 201:
                    break
                accepted += [job["job_id"] for job in response.json()]
            assert_problem(response, 503)
            assert NO_SPACE in response.json()["detail"]
            readiness = api.get("/ready", timeout=5)
            assert readiness.status_code == 503
            assert NO_SPACE in readiness.json()["database"]
            wait_for(lambda: NO_SPACE in worker.output, what="that the worker notices")
        wait_for(lambda: is_ready(api), what="readiness")
        for job_id in [running, *accepted]:
            job = ended(api, job_id)
            assert job["status"] == "COMPLETED"
            assert "step_failed" not in kinds(job)


@contextmanager
def replica(client: redis.Redis) -> Iterator[None]:
    """The server follows one that is not there, as after a failover that forgot this application."""
    client.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def out_of_memory(client: redis.Redis) -> Iterator[None]:
    """The server is at `maxmemory`, and may throw nothing away."""
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("refusing", "words"),
    [
        (replica, "READONLY You can't write against a read only replica."),
        (out_of_memory, "OOM command not allowed when used memory > 'maxmemory'."),
    ],
)
def test_a_redis_that_takes_nothing(
    client: httpx.Client,
    worker: Process,
    valkey: EmbeddedValkey,
    refusing: Callable[[redis.Redis], AbstractContextManager[None]],
    words: str,
) -> None:
    running = submit(client, params={"step_seconds": 1})
    wait_for(lambda: client.get(f"/jobs/{running}").json()["steps"], what="the first step")
    with redis.Redis(port=valkey.port, password=PASSWORD) as admin, refusing(admin):
        created = client.post("/jobs", timeout=2)
        assert created.status_code == 201
        for path in ("/chain", "/group", "/chord", "/documents/report"):
            response = client.post(path, timeout=2)
            assert_problem(response, 503)
            assert words in response.json()["detail"]
        readiness = client.get("/ready", timeout=5)
        assert (readiness.status_code, readiness.json()["database"]) == (503, "ok")
        assert words in readiness.json()["broker"]
        assert ended(client, running)["status"] == "COMPLETED"
    wait_for(lambda: is_ready(client), what="readiness")
    assert ended(client, created.json()["job_id"])["status"] == "COMPLETED"
    assert finished(client, start(client, "/chord")["task_id"])["successful"]
    assert worker.popen.poll() is None


@pytest.mark.parametrize(
    ("secret", "words"),
    [("", "NOAUTH Authentication required."), ("wrong", "WRONGPASS invalid username-password pair")],
)
def test_a_redis_that_wants_a_password(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path, secret: str, words: str
) -> None:
    with running_api(tmp_path / "api.log", env={"REDIS_PASSWORD": secret}) as api:
        assert words in api.get("/ready", timeout=5).json()["broker"]
        assert api.post("/jobs", timeout=5).status_code == 201
        assert_problem(api.post("/chord", timeout=5), 503)


def test_a_redis_that_is_loading(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    words = "LOADING Redis is loading the dataset in memory"

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while connection.recv(65536):
                connection.sendall(f"-{words}\r\n".encode())

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=[listener], daemon=True).start()
        environment = {"REDIS_PORT": str(listener.getsockname()[1]), "REDIS_PASSWORD": ""}
        with running_api(tmp_path / "api.log", env=environment) as api:
            assert words in api.get("/ready", timeout=5).json()["broker"]
            assert_problem(api.post("/chord", timeout=5), 503)
        listener.shutdown(socket.SHUT_RDWR)
