"""What PostgreSQL reads for a transition and for counts, where many jobs are that do not matter for it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event, text

from background.jobs.filters import JobFilter
from background.jobs.sql import control, effects, logs, reads, transitions, work
from background.jobs.states import JobStatus
from background.storage import pools
from background.storage.prepared import Prepared
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres")
PIPELINE = "of-many"
CHILDREN = (
    ("job_steps (job_id, step_number, name, status, message, attempt)", "1, 'one', 'COMPLETED', '', 1"),
    ("job_events (job_id, number, kind, attempt)", "1, 'made', 0"),
    ("job_logs (job_id, attempt, last, step, length, lines)", "1, 1, 1, 1, '[]'"),
    ("job_effects (job_id, step, name, result)", "'one', 'charge', '1'"),
)
"""What a job leaves, one row for each."""
MAKE = text("""
INSERT INTO jobs (task_id, pipeline, step_names, params, max_attempts, status, lease_until, claim_token, attempt,
    current_step)
SELECT gen_random_uuid(), :pipeline, '{one,two}', '{}', 3, :status,
    CASE :status WHEN 'IN_PROGRESS' THEN now() END, gen_random_uuid(), 1, 1
FROM generate_series(1, :number) RETURNING id
""")


def make(connection: Connection, number: int, status: JobStatus, *, pipeline: str = PIPELINE) -> int:
    """Store so many jobs; gives the id of one."""
    values = {"pipeline": pipeline, "status": status, "number": number}
    return int(connection.execute(MAKE, values).scalars().all()[0])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan, from its top."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Of each node of a plan what it is, and how many rows it looked at in each of its rounds."""
    for node in nodes(plan):
        yield node.get("Index Name", node["Node Type"]), node["Actual Rows"] + node.get("Rows Removed by Filter", 0)


def looked_at(plan: dict[str, Any]) -> Iterator[float]:
    """How many rows each node of a plan gave in all its rounds."""
    for node in nodes(plan):
        yield node["Actual Rows"] * node["Actual Loops"]


def explained(connection: Connection, statement: Prepared, values: dict[str, Any]) -> list[tuple[str, float]]:
    """How many rows each part of it looks at."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.execute(statement._prepare.replace(f"PREPARE {statement.name} ", "PREPARE looked_at "))
        execute = statement._execute.replace(f"EXECUTE {statement.name} ", "EXECUTE looked_at ")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {execute}", values)
        ((found,),) = cursor.fetchall()
        cursor.execute("DEALLOCATE looked_at")
    return list(rows_read(found[0]["Plan"]))


def test_a_transition_reads_its_own_rows_alone_however_many_jobs_wait_and_run() -> None:
    """Statistics tell that none does, as they do when a backlog has just come: any index on those looks small."""
    abilities = json.dumps({PIPELINE: {"steps": ["one", "two"], "params": "digest"}})
    with pools.working(seconds=60) as connection:
        connection.exec_driver_sql("BEGIN")
        make(connection, 3_000, JobStatus.COMPLETED)
        connection.exec_driver_sql("DELETE FROM jobs WHERE status IN ('PENDING', 'IN_PROGRESS')")
        connection.exec_driver_sql("ANALYZE jobs")
        waiting = make(connection, 3_000, JobStatus.PENDING)
        running = make(connection, 3_000, JobStatus.IN_PROGRESS)
        values = {
            "job_ids": [running],
            "attempts": [1],
            "holders": [str(uuid4())],
            "steps": [1],
            "outputs": ["null"],
            "yields": [False],
            "wake_ups": ["message"],
            "worker": "w",
            "worker_id": str(uuid4()),
            "release": "release",
            "abilities": abilities,
            "queues": ["celery", "reports"],
            "limited": [],
            "lease": 15,
            "time_limit": 60,
            "trusted": [PIPELINE],
            "peek": False,
            "seen": waiting,
            "events": 1,
            "job_id": running,
            "token": str(uuid4()),
            "status": "PENDING",
            "kind": "step_failed",
            "message": "",
            "error": None,
            "cause": None,
            "failed": 1,
            "counted": 1,
            "waits_for": None,
            "step": 1,
            "name": "effect",
            "result": "1",
            "lasts": [2],
            "lengths": [2],
            "firsts": [1],
            "lines": ["[]"],
            "delay": 0,
            "silent": 0,
        }
        for statement in (
            work._CLAIM_SEEN,
            work._CLAIM,
            work._END,
            work._END_AND_CLAIM,
            transitions._STOP,
            transitions._OWNED,
            transitions._ALL_HELD,
            transitions._COUNTS,
            effects._RECORD,
            effects._FIND,
            logs._ADD,
        ):
            read = explained(connection, statement, {**values, "tokens": [str(uuid4())]})
            assert max(rows for _, rows in read) <= 1_000, (statement.name, read)
        connection.exec_driver_sql("ROLLBACK")


def test_a_list_of_one_status_and_pipeline_reads_no_other_jobs() -> None:
    with transaction() as connection:
        make(connection, 40_000, JobStatus.COMPLETED)
        for status in (JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED):
            make(connection, 3_000, status, pipeline="another")
        connection.exec_driver_sql("ANALYZE jobs")
        asked: list[tuple[str, Any]] = []

        def remember(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", remember)
        for status in (JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED):
            for pipeline, most in ((PIPELINE, 0), ("another", 10)):
                rows = reads.find(connection, JobFilter(status=[status], pipeline=pipeline), limit=10)
                assert len(rows) == most
        event.remove(connection, "before_cursor_execute", remember)
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            assert max(number for _, number in rows_read(plan[0]["Plan"])) <= 1_000, statement
        connection.rollback()


def test_a_key_is_looked_for_among_those_that_jobs_have() -> None:
    size = "SELECT pg_relation_size('ix_jobs_idempotency_key')"
    with pools.working(seconds=60) as connection:
        connection.exec_driver_sql("BEGIN")
        before = connection.exec_driver_sql(size).scalar_one()
        make(connection, 3_000, JobStatus.PENDING)
        assert connection.exec_driver_sql(size).scalar_one() == before
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            cursor.execute(f"PREPARE looked_for AS {control._BY_KEY.text.replace(':key', '$1')}")
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked_for ('key')")
            ((found,),) = cursor.fetchall()
            cursor.execute("DEALLOCATE looked_for")
        assert list(rows_read(found[0]["Plan"])) == [("ix_jobs_idempotency_key", 0)]
        connection.exec_driver_sql("ROLLBACK")


@pytest.mark.parametrize("function", ["delete_with_jobs", "delete_what_steps_left"])
def test_what_goes_with_jobs_is_found_by_the_index_also_where_tables_are_thought_empty(function: str) -> None:
    """As they are thought after a vacuum between a great deletion and the next jobs: joined the other way round, each
    step would be held against each job."""
    with transaction() as connection:
        source, settings = connection.execute(
            text("SELECT prosrc, proconfig FROM pg_proc WHERE proname = :function"), {"function": function}
        ).one()
        make(connection, 2_000, JobStatus.COMPLETED)
        of = {"pipeline": PIPELINE}
        connection.execute(text("CREATE TEMP TABLE gone AS SELECT id FROM jobs WHERE pipeline = :pipeline"), of)
        for columns, values in CHILDREN:
            insert = f"INSERT INTO {columns} SELECT id, {values} FROM gone"  # noqa: S608 - constants of this module
            connection.exec_driver_sql(insert)
        connection.exec_driver_sql("UPDATE pg_class SET relpages = 900, reltuples = 0 WHERE relname ~ '^job_[a-z]+$'")
        for setting in settings:
            connection.exec_driver_sql(f"SET LOCAL {setting}")
        statements = [each for each in source.split(";") if "DELETE" in each]
        assert len(statements) == 2
        for statement in statements:
            delete = statement[statement.index("DELETE") :]
            (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {delete}").scalar_one()
            assert max(looked_at(plan["Plan"])) <= 4_000, plan
        connection.rollback()


def counts(connection: Connection) -> dict[str, tuple[int, bool]]:
    """How many jobs of each status, and whether that is an estimate."""
    rows = reads.counts(connection)
    return {row.status: (row.number, row.estimated) for row in rows if row.pipeline == PIPELINE}


def test_counts_are_exact_up_to_a_limit_and_beyond_it_as_good_as_statistics() -> None:
    with transaction() as connection:
        for status, number in ((JobStatus.COMPLETED, 40), (JobStatus.FAILED, 30), (JobStatus.PENDING, 20)):
            make(connection, number, status)
        exact = {"COMPLETED": (40, False), "FAILED": (30, False), "PENDING": (20, False)}
        found = counts(connection)
        assert {status: found[status] for status in exact} == exact
        assert found["CANCELLED"] == found["IN_PROGRESS"] == (0, False)

        make(connection, reads.COUNTED, JobStatus.COMPLETED)
        connection.exec_driver_sql("ANALYZE jobs")
        found = counts(connection)
        number, estimated = found["COMPLETED"]
        assert estimated
        assert abs(number - reads.COUNTED) < reads.COUNTED / 10
        assert (found["FAILED"], found["PENDING"]) == ((30, False), (20, False))
        connection.rollback()


def test_what_statistics_have_not_met_is_counted() -> None:
    with transaction() as connection:
        make(connection, 3 * reads.COUNTED, JobStatus.COMPLETED, pipeline="another")
        make(connection, reads.COUNTED + 1, JobStatus.FAILED)
        connection.exec_driver_sql("ANALYZE jobs")
        make(connection, 7, JobStatus.COMPLETED)
        assert counts(connection)["COMPLETED"][0] == 7
        make(connection, reads.COUNTED, JobStatus.PENDING)
        assert counts(connection)["COMPLETED"][0] == 7
        connection.rollback()


def test_counts_are_exact_as_long_as_there_are_no_statistics() -> None:
    with transaction() as connection:
        make(connection, reads.COUNTED + 5, JobStatus.COMPLETED)
        connection.exec_driver_sql("DROP STATISTICS jobs_kinds")
        assert counts(connection)["COMPLETED"] == (reads.COUNTED + 5, False)
        connection.rollback()


def test_failed_and_cancelled_jobs_are_counted_once_each_and_without_their_rows() -> None:
    """The index has the expression by which it is asked, and PostgreSQL goes to the table for what that is made of."""
    with transaction() as connection:
        for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
            make(connection, 3_000, status)
        connection.exec_driver_sql("ANALYZE jobs")
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {reads._COUNTS}").scalar_one()
        scans = sorted((node["Index Name"], node["Node Type"]) for node in nodes(plan["Plan"]) if "Index Name" in node)
        assert [each for each in scans if each[0] in {"ix_jobs_failed_of", "ix_jobs_cancelled_of"}] == [
            ("ix_jobs_cancelled_of", "Index Only Scan"),
            ("ix_jobs_failed_of", "Index Only Scan"),
        ]
        connection.rollback()
