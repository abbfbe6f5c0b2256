"""All of it through a PgBouncer in transaction mode, where each transaction may find another server connection."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812  (a class with the name of a function)

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.event_streams import events_of, read
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_durability import in_step
from tests.acceptance.test_jobs import ended, submit
from tests.conftest import PASSWORD
from tests.pgbouncer import needs_pgbouncer, running_pgbouncer
from tests.support import ROOT, Process, running_api, running_worker, transaction, wait_for

pytestmark = needs_pgbouncer

SESSION_SETTINGS = ("timezone", "synchronous_commit", "idle_in_transaction_session_timeout", "plan_cache_mode")
LISTENERS = "SELECT count(*) FROM event_listeners WHERE until > now()"


@pytest.fixture(scope="module")
def pooled(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What a process is told so that it goes through PgBouncer, where four connections serve all of them."""
    with running_pgbouncer(
        tmp_path_factory.mktemp("pooled"),
        postgres=postgres.port,
        database=postgres.database,
        users={postgres.user: PASSWORD},
        pool_size=4,
    ) as port:
        yield {"POSTGRES_PORT": str(port), "LEASE_SECONDS": "2"}


@pytest.fixture(scope="module")
def api(pooled: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API behind it."""
    with running_api(tmp_path_factory.mktemp("api") / "api.log", env=pooled) as client:
        yield client


@pytest.fixture
def worker(pooled: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """A worker behind it."""
    with running_worker(tmp_path / "worker.log", env=pooled) as process:
        yield process


def connect(pooled: dict[str, str]) -> Connection:
    """A plain connection through the pooler."""
    return psycopg2.connect(
        host="127.0.0.1",
        port=pooled["POSTGRES_PORT"],
        user=os.environ["POSTGRES_USER"],
        password=PASSWORD,
        dbname=os.environ["POSTGRES_DB"],
    )


def listeners() -> int:
    """How many feeds want to be notified."""
    with transaction() as connection:
        return int(connection.exec_driver_sql(LISTENERS).scalar_one())


SHOW = """
from background.storage import database, pools, prepared
names = ("timezone", "synchronous_commit", "idle_in_transaction_session_timeout")
sql = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in names)
with database.transaction() as connection:
    print(connection.exec_driver_sql(sql).mappings().all())
with pools.recording(seconds=4) as connection:
    print(connection.exec_driver_sql(sql).mappings().all())
    print(prepared.Prepared("show", sql + " WHERE :percent = '%'")(connection, {"percent": "%"}))
"""


def test_transactions_and_records_have_the_same_settings_as_without(
    pooled: dict[str, str], postgres: EmbeddedPostgres
) -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SHOW],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in ({}, pooled)
    ]
    assert outputs[0] == outputs[1]
    assert "'UTC', 'synchronous_commit': 'on', 'idle_in_transaction_session_timeout': '4s'" in outputs[0]
    assert outputs[0].count("'synchronous_commit': 'off'") == 2


def test_a_killed_workers_job_goes_on_elsewhere(api: httpx.Client, pooled: dict[str, str], tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", env=pooled) as first:
        job_id = submit(api, params={"step_seconds": 1})
        wait_for(lambda: in_step(api, job_id, 2), what="step 2")
        first.kill()
    with running_worker(tmp_path / "second.log", env=pooled):
        job = ended(api, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 2)
    assert [step["attempt"] for step in job["steps"]] == [1, 2, 2]


def test_canvases_run_and_are_recorded(api: httpx.Client, worker: Process) -> None:
    ids = [
        start(api, path)["task_id"] for path in ("/chain", "/group", "/chord", "/documents/report") for _ in range(5)
    ]
    for task_id in ids:
        outcome = finished(api, task_id)
        assert outcome["successful"], outcome
        assert {node["state"] for node in outcome["graph"]["nodes"]} == {"SUCCESS"}
    assert "could not be recorded" not in worker.output


def test_nothing_of_ours_stays_on_a_shared_connection(
    api: httpx.Client, worker: Process, pooled: dict[str, str], postgres: EmbeddedPostgres
) -> None:
    finished(api, start(api, "/chord")["task_id"])
    ended(api, submit(api, params={"step_seconds": 0}))
    connections = [connect(pooled) for _ in range(4)]
    try:
        seen = set()
        for connection in connections:
            # Each keeps its transaction, and with it a server connection: all four are looked at.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid(), count(*) FROM pg_prepared_statements")
                row = cursor.fetchone()
                assert row is not None
                assert row[1] == 0
                seen.add(row[0])
                for name in SESSION_SETTINGS:
                    cursor.execute("SELECT setting, source FROM pg_settings WHERE lower(name) = %s", [name])
                    found = cursor.fetchone()
                    assert found is not None
                    assert found[1] != "session", (name, found)
    finally:
        for connection in connections:
            connection.close()
    assert len(seen) > 1


def test_streams_are_read_though_nothing_can_be_heard(api: httpx.Client, worker: Process) -> None:
    with api.stream("GET", "/events") as response:
        events = events_of(response.iter_lines())
        job_id = submit(api, params={"step_seconds": 0.5})
        kinds = [event["kind"] for event in read(api, f"/jobs/{job_id}/events")]
        assert kinds[-1] == "completed"
        of_job = (event for event in events if event["data"]["id"] == job_id)
        assert [next(of_job)["kind"] for _ in range(2)] == ["created", "started"]
        assert listeners() == 0


def test_a_direct_connection_hears_where_one_is_named(
    pooled: dict[str, str], worker: Process, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    address = f"{postgres.user}:{quote(PASSWORD)}@127.0.0.1:{postgres.port}/{postgres.database}"
    with running_api(tmp_path / "api.log", env={**pooled, "DATABASE_LISTEN_URL": f"postgresql://{address}"}) as api:
        job_id = submit(api, params={"step_seconds": 1})
        with api.stream("GET", f"/jobs/{job_id}/events") as response:
            events = events_of(response.iter_lines())
            next(events)
            wait_for(lambda: listeners() == 1, what="the feed has signed in")
            assert [event["kind"] for event in events][-1] == "completed"


def test_many_migrate_a_new_database_at_once(pooled: dict[str, str], tmp_path: Path) -> None:
    environment = {**pooled, "POSTGRES_DB": "migrated"}
    argv = [sys.executable, "-m", "background", "migrate"]
    processes = [Process(argv, log=tmp_path / f"migrate-{number}.log", env=environment) for number in range(3)]
    try:
        assert [process.popen.wait(60) for process in processes] == [0, 0, 0], [each.output for each in processes]
    finally:
        for process in processes:
            process.kill()


def test_a_schedule_that_nobody_is_told_of_is_found(api: httpx.Client, worker: Process) -> None:
    body = {"name": "pooled", "pipeline": "demo", "params": {"step_seconds": 0}, "every_seconds": 1}
    address = f"/schedules/{api.post('/schedules', json=body).raise_for_status().json()['id']}"
    job_id = wait_for(lambda: api.get(address).json()["last_job_id"], what="its first job")
    api.delete(address).raise_for_status()
    assert ended(api, job_id)["status"] == "COMPLETED"
