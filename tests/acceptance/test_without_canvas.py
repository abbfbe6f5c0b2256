"""A database that has the tables of jobs alone: all that concerns jobs works, and nothing asks for the others."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import psycopg2
from celery import Celery

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from background.task_names import TaskName
from tests.acceptance.event_streams import read
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_jobs import ended, submit
from tests.support import ROOT, running_api, running_worker, wait_for

DATABASE = "without_canvas"


def run(environment: dict[str, str], *words: str) -> str:
    """One of our commands on that database; gives what it prints."""
    argv = [sys.executable, "-m", "background", *words]
    env = {**os.environ, **environment}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


def grow_old(job_id: int) -> None:
    """Let the job have ended long ago."""
    url = get_settings().sqlalchemy_url.set(drivername="postgresql", database=DATABASE)
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET finished_at = now() - interval '2 days' WHERE id = %s", [job_id])
    connection.close()


def test_jobs_need_no_tables_of_canvases_until_a_migration_adds_them(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    broker = get_settings().broker_url.removesuffix("/0") + "/1"
    environment = {"POSTGRES_DB": DATABASE, "CELERY_BROKER_URL": broker, "RETENTION_DAYS": "1", "LEASE_SECONDS": "3"}
    said_before = len(postgres.log.read_text())
    run(environment, "migrate", "--without", "canvas")
    with (
        running_api(tmp_path / "api.log", env=environment) as api,
        running_worker(tmp_path / "stays.log", env=environment) as stays,
    ):
        with running_worker(tmp_path / "goes.log", "--pool=threads", env=environment) as goes:
            assert api.get("/ready").json()["status"] == "ok"
            running = submit(api, params={"step_seconds": 60})
            wait_for(
                lambda: [work["id"] for each in api.get("/workers").json() for work in each["running"]] == [running],
                what="the job in the list of workers",
            )
            api.post(f"/jobs/{running}/cancel")
            assert ended(api, running)["status"] == "CANCELLED"
            job = ended(api, submit(api))
            assert job["status"] == "COMPLETED"
            assert api.get(f"/result/{job['task_id']}").json()["status"] == "SUCCESS"
            assert read(api, f"/result/{job['task_id']}/events")[-1]["data"]["ready"]
            assert_problem(api.get(f"/result/{UUID(int=1)}"), 404)
            plain = Celery(broker=broker, backend=broker).send_task(TaskName.ADD.value, (2, 3))
            assert plain.get(timeout=30) == 5
            grow_old(job["id"])
            wait_for(lambda: api.get(f"/jobs/{job['id']}").status_code == 404, what="the end of retention")
            assert goes.stop() == 0
        assert "schema: 0" in (told := run(environment, "doctor"))
        assert "; without canvas\n" in told
        for process in (stays, goes):
            assert "schema" not in process.output
            assert "could not be" not in process.output
        assert 'relation "' not in postgres.log.read_text()[said_before:]
        assert "background migrate" in assert_problem(api.post("/add", json={"x": 2, "y": 3}), 503)["detail"]
        assert 'relation "' in postgres.log.read_text()[said_before:], "PostgreSQL says who asks for what is not there"

        run(environment, "migrate")
        canvas = finished(api, start(api, "/chord")["task_id"])
        assert canvas["result"] == "Final result: [5, 6]"
        assert {node["worker"].partition("@")[0] for node in canvas["graph"]["nodes"]} == {"stays"}
