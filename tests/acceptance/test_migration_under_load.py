"""The schema moves while an old and a new release work: expand, migrate, contract; nobody is kept waiting."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg2.extensions import connection

from tests.acceptance.chaos.node import API
from tests.acceptance.chaos.stack import OWNER, Stack
from tests.support import Process, wait_for

JOBS = 500
BATCH = 20
EARLIER = 3000
"""Jobs that ended before."""
THREADS = ("--pool=threads", "--concurrency=4")
KEPT_WAITING = "Trying again in"
"""What a worker says when PostgreSQL did not answer it in time."""

pytestmark = pytest.mark.timeout(300)


@contextmanager
def migrating(stack: Stack, revision: str) -> Iterator[Process]:
    """The migration to this revision, while it is under way."""
    argv = [sys.executable, "-m", "tests.acceptance.next_release", revision]
    process = Process(argv, log=stack.directory / "migrate.log", env=stack.site.environment(OWNER))
    try:
        yield process
    finally:
        process.stop()


def has_size(stack: Stack) -> bool:
    """Whether jobs have the new column."""
    query = "SELECT FROM information_schema.columns WHERE table_name = 'jobs' AND column_name = 'size'"
    return bool(stack.select(query))


@contextmanager
def reading_jobs(stack: Stack) -> Iterator[connection]:
    """Somebody has read jobs, and has not ended the transaction."""
    reader = stack.connect()
    try:
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs")
        yield reader
    finally:
        reader.close()


def test_an_old_and_a_new_release_work_while_the_schema_moves(stack: Stack) -> None:
    client = stack.add_api()
    (old,) = stack.add_workers("old", options=THREADS)
    stack.select(
        """
        SET LOCAL session_replication_role = replica;  -- nobody audits them
        WITH made AS (
            INSERT INTO jobs (task_id, pipeline, step_names, params, status, failures, max_attempts,
                              finished_at)
            SELECT gen_random_uuid(), 'demo', '{a,b,c}', '{}', 'FAILED', 3, 3, now() FROM generate_series(1, %s)
            RETURNING id
        ) SELECT count(*) FROM made
        """,
        EARLIER,
    )
    made: list[int] = []

    def submit() -> None:
        body = {"jobs": [{"params": {"step_seconds": 0.1}, "max_attempts": 1}] * BATCH}
        made.extend(job["job_id"] for job in client.post("/jobs/batch", json=body).raise_for_status().json())

    with reading_jobs(stack) as reader, migrating(stack, "next_2") as migration:
        submit()
        migration.wait_for_line("Held up by a lock")
        assert not has_size(stack)
        reader.rollback()
        wait_for(lambda: has_size(stack), what="the new column")
        (new,) = stack.add_workers("new", options=THREADS, seams=["next_release"])
        while migration.popen.poll() is None:
            if len(made) < JOBS:
                submit()
            wait_for(lambda: stack.waiting() < BATCH or migration.popen.poll() is not None, what="room")
        assert migration.popen.wait() == 0, migration.output
    while len(made) < JOBS:
        submit()
    assert stack.wait_all_ended(seconds=60) is not None
    assert stack.violations(accepted=made) == []
    ended = "SELECT status, attempt, failures, count(*)::int FROM jobs WHERE id = ANY(%s) GROUP BY 1, 2, 3"
    assert stack.select(ended, made) == [("COMPLETED", 1, 0, JOBS)]
    assert len(stack.select("SELECT DISTINCT worker FROM jobs WHERE id = ANY(%s)", made)) == 2
    for node in (stack.nodes[API], old, new):
        assert KEPT_WAITING not in node.log.read_text()
    assert "so far" in migration.output
    stack.remove(old)
    submit()
    with migrating(stack, "next_3") as contract:
        assert contract.popen.wait(60) == 0, contract.output
    submit()
    assert stack.wait_all_ended(seconds=60) is not None
    assert stack.violations(accepted=made) == []
    assert stack.select("SELECT count(*)::int FROM jobs WHERE size IS NULL") == [(0,)]
