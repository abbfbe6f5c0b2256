"""The statements of recorded runs against a real PostgreSQL: counters, numbers, what a failure leaves behind."""

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from background.base.errors import Unavailable
from background.canvas import judge
from background.canvas.spec import chord as chord_of
from background.canvas.spec import group as group_of
from background.canvas.spec import task
from background.canvas.sql import reads, recovery, tasks
from background.storage import connections, pools
from background.task_names import TaskName
from background.workers import sql as workers
from tests.support import end, record_only, transaction, wait_for

pytestmark = pytest.mark.usefixtures("postgres")
Found = TypeVar("Found")
LOST = '{"type": "Lost", "message": "gone"}'
ERROR = '{"type": "RuntimeError", "message": "no"}'


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection that commits each statement."""
    with connections.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        yield opened


@pytest.fixture
def chord() -> list[str]:
    """The ids of a chord's two header tasks and of its body, which is the run's."""
    header = [task(TaskName.ECHO, 1), task(TaskName.ECHO, 2)]
    return record_only(chord_of(header, task(TaskName.ECHO)), epoch="one")[1:]


def create_group(number: int) -> list[str]:
    """The ids of a group and of its tasks."""
    return record_only(group_of([task(TaskName.ECHO, each) for each in range(number)]), epoch="one")


def start(connection: Connection, task_id: str) -> Any:
    """A worker begins it."""
    found = tasks.started(connection, task_id=task_id, worker="w@h", worker_id=str(uuid4()))
    if found is not None and found.revived is not None:
        with transaction() as judging:
            judge.judge(judging, found.revived)
    return found


def settle(connection: Connection, task_id: str, state: str, error: str | None = None) -> None:
    """It ends, and nothing more comes of it."""
    end(connection, task_id, state, error)
    for run_id in tasks.closed(connection, closed=[task_id]):
        with transaction() as judging:
            judge.judge(judging, run_id)


def look(connection: Connection, chord: list[str]) -> tuple[str, list[str]]:
    """The status of the run and the states of its tasks."""
    row = reads.get(connection, chord[2], patience=60)
    assert row is not None
    return row.status, [task.state for task in row.tasks]


def events(connection: Connection, chord: list[str]) -> list[str]:
    """The kinds of the run's events, which must be numbered 1, 2, 3 …"""
    statement = text("""
        SELECT number, kind FROM run_events JOIN runs ON runs.id = run_id WHERE runs.task_id = :id ORDER BY number
    """)
    rows = connection.execute(statement, {"id": chord[2]}).all()
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [kind for _, kind in rows]


def test_a_chord_succeeds(connection: Connection, chord: list[str]) -> None:
    for task_id in chord:
        assert start(connection, task_id).state == "STARTED"
        settle(connection, task_id, "SUCCESS")
    assert look(connection, chord) == ("SUCCESS", ["SUCCESS"] * 3)
    assert events(connection, chord) == ["created", *["started", "success"] * 3]
    assert start(connection, chord[0]) == tasks.Started("SUCCESS", deliveries=0, result="1", error=None, closed=True)


def begin(connection: Connection, task_id: str) -> bool:
    """A worker begins it for the first time."""
    return tasks.started_first(connection, task_id=task_id, worker="w@h", worker_id=str(uuid4()))


def test_what_runs_is_of_the_worker_that_began_it_not_of_one_of_its_name(
    connection: Connection, chord: list[str]
) -> None:
    lost, alive = str(uuid4()), str(uuid4())
    known = text("""
        INSERT INTO workers (id, name, host, pid, pool, concurrency, started_at, seen_at)
        VALUES (:lost, 'w@h', 'h', 1, 'prefork', 1, now() - interval '9 s', now() - interval '8 s'),
               (:alive, 'w@h', 'h', 2, 'prefork', 1, now() - interval '5 s', now())
    """)
    connection.execute(known, {"lost": lost, "alive": alive})
    assert tasks.started_first(connection, task_id=chord[0], worker="w@h", worker_id=alive)
    running = {str(each.id): [work["id"] for work in each.tasks] for each in workers.find(connection, patience=7)}
    assert (running[lost], running[alive]) == ([], [chord[0]])
    workers.forget(connection, lost)
    workers.forget(connection, alive)


def change(connection: Connection, *changes: tuple[str, str], is_open: bool = False) -> list[int]:
    """Ids and kinds of what happened a second apart, the last one now; gives the runs that may have to be judged."""
    found = tasks.changed(
        connection,
        task_ids=[task_id for task_id, _ in changes],
        kinds=[kind for _, kind in changes],
        results=["1" if kind == "success" else None for _, kind in changes],
        ages=[float(age) for age in reversed(range(len(changes)))],
        are_open=[is_open for _ in changes],
    )
    for number in tasks.to_judge(connection, found):
        with transaction() as judging:
            judge.judge(judging, number)
    return found


def test_what_happens_together_is_numbered_in_order(connection: Connection, chord: list[str]) -> None:
    run, *other = create_group(3)
    for task_id in [*chord[:2], *other]:
        assert begin(connection, task_id)
    connection.execute(text("UPDATE run_tasks SET started_at = started_at - interval '1 minute'"))
    change(connection, (chord[0], "started"), (chord[0], "success"), (chord[1], "started"))
    assert look(connection, chord) == ("STARTED", ["SUCCESS", "STARTED", "PENDING"])
    settle(connection, other[1], "FAILURE", ERROR)
    change(
        connection,
        *((task_id, "started") for task_id in other[:2]),
        (other[0], "success"),
        (str(uuid4()), "success"),
        (other[1], "success"),
        (chord[1], "success"),
        (chord[1], "success"),
        (other[2], "started"),
        (other[2], "success"),
    )
    assert look(connection, chord) == ("STARTED", ["SUCCESS", "SUCCESS", "PENDING"])
    assert events(connection, chord) == ["created", "started", "success", "started", "success"]
    row = reads.get(connection, run, patience=60)
    assert row is not None
    assert [task.state for task in row.tasks] == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert (row.status, row.succeeded, row.event_count) == ("FAILURE", 2, 8)
    first, failed, last = row.tasks
    assert (first.result, failed.result) == ("1", None)
    assert last.finished_at
    assert first.finished_at
    between = datetime.fromisoformat(last.finished_at) - datetime.fromisoformat(first.finished_at)
    assert between == timedelta(seconds=6)
    change(connection, (chord[2], "success"), (chord[0], "success"), (other[0], "started"))
    assert look(connection, chord) == ("SUCCESS", ["SUCCESS"] * 3)
    assert events(connection, chord)[5:] == ["success"]
    row = reads.get(connection, run, patience=60)
    assert row is not None
    assert row.status == "FAILURE"


def test_a_run_is_not_over_while_celery_has_something_to_call(connection: Connection) -> None:
    run, member = create_group(1)
    assert begin(connection, member)
    assert change(connection, (member, "started"), (member, "success"), is_open=True) == []
    row = reads.get(connection, run, patience=60)
    assert row is not None
    assert (row.status, row.tasks[0].state) == ("STARTED", "SUCCESS")
    (number,) = tasks.closed(connection, closed=[member])
    assert tasks.to_judge(connection, [number]) == [number]


def test_only_the_first_start_is_light(connection: Connection, chord: list[str]) -> None:
    assert begin(connection, chord[0])
    assert not begin(connection, chord[0])
    assert start(connection, chord[0]).deliveries == 2
    assert judge.cancel(connection, chord[2])
    assert not begin(connection, chord[1])
    assert not begin(connection, str(uuid4()))
    assert look(connection, chord)[1] == ["STARTED", "REVOKED", "REVOKED"]


def late(connection: Connection, task_id: str, worker_id: str) -> Any:
    """A worker tells that it began the task a minute ago, which may be known."""
    return tasks.started(connection, task_id=task_id, worker="w@h", worker_id=worker_id, age=60, may_be_known=True)


@pytest.mark.parametrize("known", ["nothing", "the start", "both"])
def test_a_start_that_is_told_late_counts_once(connection: Connection, chord: list[str], known: str) -> None:
    """Whatever of it was recorded by then."""
    worker = str(uuid4())
    if known != "nothing":
        assert tasks.started_first(connection, task_id=chord[0], worker="w@h", worker_id=worker)
    if known == "both":
        change(connection, (chord[0], "started"))
    for _ in range(2):
        assert late(connection, chord[0], worker).state == "STARTED"
    row = reads.get(connection, chord[2], patience=60)
    assert row is not None
    (begun, *_) = row.tasks
    assert (begun.starts, begun.worker_id) == (1, worker)
    assert begun.started_at
    assert row.seen_at - datetime.fromisoformat(begun.started_at) > timedelta(seconds=50)
    assert events(connection, chord) == ["created", "started"]
    # On another worker it is another start.
    assert late(connection, chord[0], str(uuid4())).deliveries == 2
    assert events(connection, chord) == ["created", "started", "started"]


def test_a_start_of_which_the_retry_before_it_was_not_recorded_counts(connection: Connection, chord: list[str]) -> None:
    worker = str(uuid4())
    assert tasks.started_first(connection, task_id=chord[0], worker="w@h", worker_id=worker)
    change(connection, (chord[0], "started"))
    for _ in range(2):
        tasks.started(connection, task_id=chord[0], worker="w@h", worker_id=worker, retries=1, age=1, may_be_known=True)
    row = reads.get(connection, chord[2], patience=60)
    assert row is not None
    assert (row.tasks[0].starts, row.tasks[0].retries) == (2, 1)
    assert events(connection, chord) == ["created", "started", "started"]


def test_a_start_that_waited_for_the_end_knows_of_it(connection: Connection, chord: list[str]) -> None:
    """It had been read as running before the wait: the task would be run once more."""
    assert begin(connection, chord[0])
    known = second_waits(
        connection, lambda first: end(first, chord[0], "SUCCESS"), lambda second: start(second, chord[0])
    )
    assert known == tasks.Started("SUCCESS", deliveries=0, result="1", error=None, closed=True)


def test_a_run_is_found_by_the_status_it_shows(connection: Connection, chord: list[str]) -> None:
    """Also while it was not told yet that its first task has begun."""
    filters = ("PENDING", "STARTED", "FAILURE")
    assert found(connection, chord, *filters) == ["PENDING"]
    assert begin(connection, chord[0])
    assert found(connection, chord, *filters) == ["STARTED"]
    change(connection, (chord[0], "started"))
    assert found(connection, chord, *filters) == ["STARTED"]
    settle(connection, chord[0], "FAILURE", ERROR)
    settle(connection, chord[1], "SUCCESS")
    assert found(connection, chord, *filters) == ["FAILURE"]


def found(connection: Connection, chord: list[str], *filters: str) -> list[str]:
    """Those filters by status with which the run is in the list, after a look whether it then shows that status."""
    shown = []
    for status in filters:
        rows = reads.find(connection, run_type="canvas", statuses=[status], limit=500, patience=60)
        assert {row.status for row in rows} <= {status}
        shown += [status for row in rows if str(row.task_id) == chord[2]]
    return shown


def test_a_start_or_retry_and_a_cancellation_at_once_agree(connection: Connection, chord: list[str]) -> None:
    started = second_waits(
        connection, lambda first: judge.cancel(first, chord[2]), lambda second: begin(second, chord[0])
    )
    assert started is False
    assert look(connection, chord) == ("REVOKED", ["REVOKED"] * 3)
    again = create_group(2)

    def cancelled_meanwhile(first: Callable[[Connection], object]) -> tuple[list[str], str]:
        assert second_waits(connection, first, lambda second: judge.cancel(second, again[0]))
        row = reads.get(connection, again[0], patience=60)
        assert row is not None
        return [task.state for task in row.tasks], row.status

    assert cancelled_meanwhile(lambda first: begin(first, again[1])) == (["STARTED", "REVOKED"], "STARTED")
    retried = cancelled_meanwhile(lambda first: tasks.retried(first, task_id=again[1], retries=1, error=ERROR))
    assert retried == (["REVOKED", "REVOKED"], "REVOKED")


def second_waits(
    connection: Connection, first: Callable[[Connection], object], second: Callable[[Connection], Found]
) -> Found:
    """What the second statement gives that comes while the first one's transaction is open, and waits for its end."""
    with ThreadPoolExecutor() as threads:
        with transaction() as opened:
            first(opened)
            waiting = threads.submit(with_a_connection, second)
            wait_for(lambda: is_waiting(connection), what="the second to wait")
        return waiting.result()


def with_a_connection(statement: Callable[[Connection], Found]) -> Found:
    """Execute it on a connection of its own, and commit."""
    with transaction() as connection:
        return statement(connection)


def is_waiting(connection: Connection) -> bool:
    """Whether a transaction waits for a lock."""
    return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def test_a_failure_skips_the_body(connection: Connection, chord: list[str]) -> None:
    start(connection, chord[0])
    settle(connection, chord[0], "FAILURE", ERROR)
    assert look(connection, chord) == ("STARTED", ["FAILURE", "PENDING", "SKIPPED"])
    start(connection, chord[1])
    settle(connection, chord[1], "SUCCESS")
    assert look(connection, chord) == ("FAILURE", ["FAILURE", "SUCCESS", "SKIPPED"])


@pytest.mark.parametrize(("other", "body"), [("SUCCESS", "PENDING"), ("FAILURE", "SKIPPED")])
def test_a_lost_task_that_comes_frees_what_it_held_up(
    connection: Connection, chord: list[str], other: str, body: str
) -> None:
    settle(connection, chord[0], "FAILURE", LOST)
    settle(connection, chord[1], other, ERROR if other == "FAILURE" else None)
    assert look(connection, chord)[0] == "FAILURE"
    assert start(connection, chord[0]).state == "STARTED"
    assert look(connection, chord) == ("STARTED", ["STARTED", other, body])


def test_a_cancelled_run_ends_with_what_runs(connection: Connection, chord: list[str]) -> None:
    start(connection, chord[0])
    assert judge.cancel(connection, chord[2])
    assert look(connection, chord) == ("STARTED", ["STARTED", "REVOKED", "REVOKED"])
    settle(connection, chord[0], "SUCCESS")
    assert look(connection, chord) == ("REVOKED", ["SUCCESS", "REVOKED", "REVOKED"])
    assert not judge.cancel(connection, chord[2])
    assert start(connection, chord[1]).state == "REVOKED"


def test_a_run_that_was_cancelled_is_revoked_though_all_of_it_succeeds(
    connection: Connection, chord: list[str]
) -> None:
    for task_id in chord:
        begin(connection, task_id)
    assert judge.cancel(connection, chord[2])
    for task_id in chord:
        change(connection, (task_id, "success"))
    assert look(connection, chord) == ("REVOKED", ["SUCCESS"] * 3)


def test_a_task_that_is_stopped_between_two_tries_keeps_its_last_error(
    connection: Connection, chord: list[str]
) -> None:
    for task_id in chord[:2]:
        start(connection, task_id)
        tasks.retried(connection, task_id=task_id, retries=1, error=ERROR)
    start(connection, chord[1])
    for task_id in chord[:2]:
        settle(connection, task_id, "REVOKED", '{"type": "TaskExpired", "message": ""}')
    row = reads.get(connection, chord[0], patience=60)
    assert row is not None
    assert [(task.error or {}).get("last") for task in row.tasks] == [json.loads(ERROR), None, None]


def test_a_transition_reads_no_other_run(connection: Connection, chord: list[str]) -> None:
    many = text("""
        INSERT INTO run_tasks (id, run_id, position, task, args)
        SELECT gen_random_uuid(), (SELECT max(id) FROM runs), 1000 + n, 'echo', '[]' FROM generate_series(1, 20000) AS n
    """)
    create_group(1)
    connection.execute(many)
    connection.execute(text("ANALYZE run_tasks"))
    # Tests before this one may have stopped the server that the idle connections lead to.
    with contextlib.suppress(Unavailable), pools.recording(seconds=4) as recorder:
        recorder.execute(text("SELECT 1"))
    with pools.recording(seconds=4) as recorder:
        for task_id in chord:
            start(recorder, task_id)
            settle(recorder, task_id, "SUCCESS")
        begin(recorder, chord[0])
        change(recorder, *((task_id, "success") for task_id in chord))
        tasks.closed(recorder, closed=chord, called=dict.fromkeys(chord, tasks.Call()))
        recovery.lost_with_worker(recorder, patience=1e9)
        recovery.left_behind(recorder, epoch="one")
        recovery.next_still(recorder, epoch="one", patience=1e9, silence=1e9, unpublished=1e9, known=1e9)
        prepared = recorder.execute(text("SELECT name, cardinality(parameter_types) FROM pg_prepared_statements")).all()
        assert {name for name, _ in prepared} == {
            "run_task_started_first",
            "run_task_started",
            "run_tasks_changed",
            "run_tasks_closed",
            "run_tasks_lost",
            "run_to_judge",
            "runs_left_behind",
            "runs_next",
        }
        for name, parameters in prepared:
            nothing = ", ".join(["NULL"] * parameters)
            plan = recorder.exec_driver_sql(f"EXPLAIN EXECUTE {name} ({nothing})").scalars().all()
            assert "Index Scan" in "".join(plan)
            assert [line for line in plan if "Seq Scan on run_tasks" in line] == []


def test_a_run_is_read_whatever_columns_the_next_release_adds(chord: list[str]) -> None:
    with connections.get_engine().connect() as connection, connection.begin() as undone:
        connection.execute(text("ALTER TABLE run_tasks ADD COLUMN of_the_next_release integer"))
        row = reads.get(connection, chord[0], patience=60)
        (listed, *_) = reads.find(connection, limit=1, patience=60)
        undone.rollback()
    assert row is not None
    assert [task.state for task in row.tasks] == ["PENDING"] * 3
    assert listed.tasks
