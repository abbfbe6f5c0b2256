"""Back up under running jobs and restore elsewhere, by the very scripts of docs/operations.md."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import create_engine, text

from background.local.postgres import EmbeddedPostgres, postgres_programs
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from tests.acceptance.test_durability import in_step
from tests.acceptance.test_jobs import ended, submit
from tests.documentation import blocks
from tests.support import ROOT, free_port, running_api, running_worker, wait_for

BACKUP, RESTORE = blocks(ROOT / "docs" / "operations.md", "sh")
DOCUMENT = b"# Kept\n\nIt must be there afterwards.\n"
MANY_TRANSACTIONS = "DO $$ BEGIN FOR n IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
STEPS = text("SELECT job_id, step_number, attempt, completed_at FROM job_steps WHERE status = 'COMPLETED'")
JOBS = text("SELECT id, status, attempt FROM jobs ORDER BY id")
OF_LATER = text("SELECT count(*) FROM job_events WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())")


@pytest.fixture
def elsewhere() -> Iterator[EmbeddedPostgres]:
    """Another server, with an empty database; its files may be passed to PostgreSQL's own account."""
    with tempfile.TemporaryDirectory(prefix="playground-restore-", ignore_cleanup_errors=True) as directory:
        settings = get_settings()
        server = EmbeddedPostgres(
            Path(directory).resolve() / "postgres",
            free_port(),
            user=settings.postgres_user,
            password=settings.postgres_password.get_secret_value(),
            database="restored",
            flush=False,
        )
        with server:
            yield server


def run(script: str, directory: Path, *, port: int, database: str, data: Path) -> None:
    settings = get_settings()
    env = {
        **os.environ,
        "PATH": f"{postgres_programs() / 'bin'}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": settings.postgres_user,
        "PGPASSWORD": settings.postgres_password.get_secret_value(),
        "PGDATABASE": database,
        "DATA_DIR": str(data),
    }
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", directory], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(180)
def test_what_was_backed_up_under_way_goes_on_elsewhere(
    client: httpx.Client, postgres: EmbeddedPostgres, elsewhere: EmbeddedPostgres, tmp_path: Path
) -> None:
    settings = get_settings()
    # So many that the other server's numbers of transactions are all lower.
    with create_engine(settings.sqlalchemy_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("TRUNCATE jobs, runs, workers CASCADE")
        connection.exec_driver_sql(MANY_TRANSACTIONS)
    assert client.post("/documents", files={"file": ("kept.md", DOCUMENT)}).status_code in (201, 409)
    with running_worker(tmp_path / "old.log"):
        over = ended(client, submit(client, params={"step_seconds": 0}))
        under_way = [submit(client, params={"step_seconds": 2}) for _ in range(2)]
        waiting = [submit(client, params={"step_seconds": 0.1}) for _ in range(20)]
        wait_for(lambda: all(in_step(client, number, 2) for number in under_way), what="their second steps")
        run(BACKUP, tmp_path / "backup", port=postgres.port, database=postgres.database, data=settings.data_dir)

    data = tmp_path / "restored-data"
    run(RESTORE, tmp_path / "backup", port=elsewhere.port, database=elsewhere.database, data=data)
    engine = create_engine(settings.sqlalchemy_url.set(port=elsewhere.port, database=elsewhere.database))

    def rows(statement: Any) -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    done, jobs = rows(STEPS), {number: (status, attempt) for number, status, attempt in rows(JOBS)}
    assert jobs[over["id"]] == ("COMPLETED", 1)
    assert {jobs[number] for number in under_way} == {("IN_PROGRESS", 1)}
    assert {jobs[number] for number in waiting} == {("PENDING", 0)}
    assert rows(OF_LATER) == [(0,)]

    with EmbeddedValkey(tmp_path / "valkey", free_port(), flush=False) as broker:
        env = {"POSTGRES_PORT": str(elsewhere.port), "POSTGRES_DB": elsewhere.database, "DATA_DIR": str(data)}
        env |= {"REDIS_PORT": str(broker.port), "REDIS_PASSWORD": "", "LEASE_SECONDS": "2"}
        new_worker = running_worker(tmp_path / "new.log", env=env)
        with running_api(tmp_path / "new-api.log", env=env) as api, new_worker:
            for number in jobs:
                assert ended(api, number)["status"] == "COMPLETED"
            assert api.get("/documents/kept.md").content == DOCUMENT
            assert ended(api, submit(api, params={"step_seconds": 0}))["status"] == "COMPLETED"
    # What was COMPLETED in the backup has not been run again.
    assert set(done) <= set(rows(STEPS))
    engine.dispose()
