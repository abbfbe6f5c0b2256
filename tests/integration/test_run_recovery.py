"""What recovery makes of tasks that are recorded as waiting or running: it asks Celery's results, and believes them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.worker import state as celery_state
from sqlalchemy import text

from background.broker import marks, queues, server
from background.canvas import judge, results, service
from background.canvas.judge import Judgement
from background.canvas.recorder import acknowledged
from background.canvas.spec import chain, task
from background.canvas.spec import group as group_of
from background.canvas.sql import reads, recovery, tasks
from background.celery import celery_app
from background.storage import pools
from background.storage.locks import Lock, try_lock
from background.task_names import TaskName
from background.upkeep import letting_go, sweeping
from background.upkeep.sql import presence
from tests.support import end, record_only, transaction, wait_for

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
AGO = text("""
WITH run AS (UPDATE runs SET updated_at = now() - :run * interval '1 second' WHERE id = :id RETURNING id)
UPDATE run_tasks SET started_at = now() - interval '1 minute' FROM run WHERE run_id = run.id AND state = 'STARTED'
""")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep is not given up where the machine is slow: there is no next one here."""
    monkeypatch.setattr(sweeping, "RECORD_SECONDS", 60)


@pytest.fixture
def group() -> Iterator[list[str]]:
    """The ids of a run and of its two tasks, which run on a worker that nobody has heard of."""
    members = [task(TaskName.ECHO, 1), task(TaskName.ECHO, 2)]
    ids = record_only(group_of(members), epoch=marks.epoch(new=str(uuid4())))
    with transaction() as connection:
        for each in ids[1:]:
            tasks.started_first(connection, task_id=each, worker="gone@h", worker_id=str(uuid4()))
    yield ids
    celery_app.control.purge()
    with transaction() as connection:
        connection.execute(text("DELETE FROM runs WHERE status = 'PENDING' OR task_id = :id"), {"id": ids[0]})


def past(run: str, *, seconds: int) -> None:
    """The run's last change was so long ago, the starts of its tasks longer; and recovery has rested since."""
    rested()
    with transaction() as connection:
        connection.execute(AGO, {"id": reads.number_of(connection, run), "run": seconds})


def look(run: str) -> tuple[str, list[tuple[str, Any, Any]]]:
    """The run's status, and the state, the result and the kind of error of each task."""
    with transaction() as connection:
        row = reads.get(connection, run, patience=60)
    assert row is not None
    tasks = row.tasks
    return row.status, [(each.state, each.result, (each.error or {}).get("type")) for each in tasks]


@pytest.mark.parametrize("ahead", [False, True])
def test_of_a_lost_workers_tasks_those_that_had_succeeded_are_not_lost(group: list[str], *, ahead: bool) -> None:
    """Also of those that it has begun `ahead`, before the clock was set back."""
    run, first, _ = group
    celery_app.backend.store_result(first, 7, "SUCCESS")
    past(run, seconds=0)  # Something else in this run has just moved: it is not quiet.
    if ahead:
        with transaction() as connection:
            connection.execute(text("UPDATE run_tasks SET started_at = started_at + interval '1 hour'"))
    sweeping.sweep()
    assert look(run) == ("FAILURE", [("SUCCESS", "7", None), ("FAILURE", None, "Lost")])


def test_what_failed_runs_again_under_new_ids(group: list[str]) -> None:
    """So nothing that Celery or a worker remembers of the last time can pass for what becomes of it now."""
    run, first, second = group
    celery_app.backend.store_result(first, ValueError("of last time"), "FAILURE")
    celery_app.backend.store_result(second, 8, "SUCCESS")
    past(run, seconds=60)
    sweeping.sweep()
    assert look(run) == ("FAILURE", [("FAILURE", None, "ValueError"), ("SUCCESS", "8", None)])
    service.retry(UUID(run))
    past(run, seconds=60)
    sweeping.sweep()
    assert look(run) == ("PENDING", [("PENDING", None, None), ("SUCCESS", "8", None)])
    with transaction() as connection:
        again = reads.get(connection, first, patience=60)
        assert again is not None
        assert again.tasks[0].id == str(again.asked)
        assert not {task.id for task in again.tasks} & set(group)
        assert str(again.task_id) not in group


def test_what_celery_never_calls_is_lost_in_the_end(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.ECHO)), epoch=marks.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        end(connection, first, "SUCCESS")
    assert judged(run).awaited == {second}
    past(run, seconds=10)
    sweeping.sweep()
    assert look(run)[0] == "STARTED"
    past(run, seconds=60)
    wait_for(lambda: swept(run)[0] != "STARTED", what="the end")
    assert look(run) == ("FAILURE", [("SUCCESS", "1", None), ("FAILURE", None, "Lost")])


def test_all_that_has_ended_is_found_at_once(valkey: object) -> None:
    steps = [task(TaskName.ECHO, 1), *[task(TaskName.ECHO)] * 3]
    run, *ids = record_only(chain(*steps), epoch=marks.epoch(new=str(uuid4())))
    with transaction() as connection:
        end(connection, ids[0], "SUCCESS")
    for each in ids[1:]:
        celery_app.backend.store_result(each, 1, "SUCCESS")
    past(run, seconds=10)
    looked_into(run)
    assert look(run) == ("SUCCESS", [("SUCCESS", "1", None)] * 4)


def test_an_error_callback_that_has_run_is_found_though_nobody_knows_that_it_was_called(valkey: object) -> None:
    """Celery's results say FAILURE of what comes behind a failure, too: that is no word of it."""
    callback = task(TaskName.FINALIZE)
    first = task(TaskName.FAIL, "no", link_error=[callback])
    run, *ids = record_only(chain(first, task(TaskName.ECHO)), epoch=marks.epoch(new=str(uuid4())))
    for each in (ids[0], ids[2]):
        celery_app.backend.store_result(each, RuntimeError("no"), "FAILURE")
    celery_app.backend.store_result(ids[1], "Final result: no", "SUCCESS")
    past(run, seconds=10)
    looked_into(run)
    found = [("FAILURE", None, "RuntimeError"), ("SUCCESS", '"Final result: no"', None), ("SKIPPED", None, None)]
    assert look(run) == ("FAILURE", found)


def test_what_waits_behind_others_after_a_retry_is_not_lost(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.FAIL)), epoch=marks.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        for each, state in ((first, "SUCCESS"), (second, "FAILURE")):
            end(connection, each, state)
    assert judged(run).ended
    service.retry(UUID(run))
    waits = ("PENDING", [("SUCCESS", "1", None), ("PENDING", None, None)])
    for seconds in (60, 600):
        past(run, seconds=seconds)
        read_queue()
        looked_into(run)
        assert look(run) == waits
    celery_app.control.purge()
    read_queue()
    looked_into(run)
    assert look(run) == waits
    read_queue()
    looked_into(run)
    assert look(run) == ("FAILURE", [("SUCCESS", "1", None), ("FAILURE", None, "Lost")])


def test_a_run_of_which_all_has_ended_is_closed_though_nobody_said_so(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.ECHO)), epoch=marks.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        for each in (first, second):
            end(connection, each, "SUCCESS", is_open=True)
    past(run, seconds=60)
    sweeping.sweep()
    assert look(run) == ("SUCCESS", [("SUCCESS", "1", None)] * 2)


@pytest.fixture
def alone(valkey: object) -> Iterator[None]:
    """No other run has a turn, now or on the way."""
    with transaction() as connection:
        connection.execute(text("DELETE FROM runs"))
    rested()
    yield
    with transaction() as connection:
        connection.execute(text("DELETE FROM runs"))


def rested() -> None:
    """Recovery has rested from its last turn."""
    with transaction() as connection:
        connection.execute(text("UPDATE sweeps SET rest_until = now()"))


def waiting(number: int, *, epoch: str | None = None) -> list[list[str]]:
    """So many runs of a published task that waits for long; of each its id and its task's."""
    made = [record_only(task(TaskName.ECHO, 1), epoch=epoch or marks.epoch(new=str(uuid4()))) for _ in range(number)]
    for run, _ in made:
        marks.note_published(run)
        past(run, seconds=60)
    return made


def turn() -> list[str]:
    """The ids of the runs that recovery looks at next."""
    rested()
    with transaction() as connection:
        rows = recovery.next_still(connection, epoch="", patience=1e9, silence=1e9, unpublished=1e9, known=1e9)
    return [row.task_id for row in rows]


@pytest.mark.usefixtures("alone")
def test_all_runs_get_their_turn_a_few_at_a_time() -> None:
    runs = [run for run, _ in waiting(recovery.RUNS + 2)]
    assert turn() == runs[:-2]
    assert turn() == runs[-2:]
    assert turn() == runs[:-2]


@pytest.mark.usefixtures("alone")
def test_large_runs_are_looked_at_one_at_a_time() -> None:
    members = [task(TaskName.ECHO, 1)] * recovery.TASKS
    runs = [record_only(group_of(members), epoch="one")[0] for _ in range(2)]
    for run in runs:
        past(run, seconds=60)
    assert [turn(), turn(), turn()] == [[runs[0]], [runs[1]], [runs[0]]]


@pytest.mark.usefixtures("alone")
def test_recovery_rests_from_what_it_has_looked_at() -> None:
    ((run, _),) = waiting(1)
    rested()
    # In one transaction no time passes for PostgreSQL.
    with transaction() as connection:
        for found in ([run], []):
            rows = recovery.next_still(connection, epoch="", patience=1e9, silence=1e9, unpublished=1e9, known=1e9)
            assert [row.task_id for row in rows] == found


@pytest.mark.usefixtures("alone")
def test_runs_that_only_wait_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = waiting(3)
    celery_app.backend.store_result(runs[1][1], 7, "SUCCESS")
    looked: list[int] = []
    look_into = sweeping._look_into

    def note(run_id: int, *, epoch: str) -> None:
        looked.append(run_id)
        look_into(run_id, epoch=epoch)

    monkeypatch.setattr(sweeping, "_look_into", note)
    sweeping.sweep()
    assert len(looked) == 1
    assert [look(run)[0] for run, _ in runs] == ["PENDING", "SUCCESS", "PENDING"]


@pytest.mark.usefixtures("alone")
def test_a_worker_sees_with_what_else_there_is_to_do_whether_runs_wait() -> None:
    def seen() -> bool:
        with pools.working() as connection:
            return presence.look(connection, None, queues=[], queue_length=None, patience=15).runs

    assert not seen()
    ((run, _),) = waiting(1)
    assert seen()
    server.get_client().delete(f"{marks.PUBLISHED_KEY}.{run}")
    sweeping.sweep()
    assert not seen()


@pytest.mark.usefixtures("alone")
def test_what_another_broker_took_is_lost_whoevers_turn_it_is() -> None:
    members = [task(TaskName.ECHO, 1), task(TaskName.ECHO, 2)]
    run = record_only(group_of(members), epoch="another")[0]
    past(run, seconds=6)
    with transaction() as connection:
        connection.execute(text("UPDATE sweeps SET rest_until = now() + interval '30 seconds'"))
    sweeping.sweep()
    assert look(run) == ("FAILURE", [("FAILURE", None, "Lost")] * 2)


@pytest.mark.usefixtures("alone")
def test_what_nobody_published_is_lost() -> None:
    (run, _), (other, _) = waiting(2)
    server.get_client().delete(f"{marks.PUBLISHED_KEY}.{run}")
    with transaction() as connection:  # as after the clock was set back in a rest
        connection.execute(text("UPDATE sweeps SET rest_until = now() + interval '1 hour'"))
    sweeping.sweep()
    assert look(run) == ("FAILURE", [("FAILURE", None, "Lost")])
    assert look(other)[0] == "PENDING"


@pytest.fixture
def called(alone: None) -> Iterator[list[str]]:
    """The ids of a run and of its task, published long ago; of its message there is none in the broker."""
    server.get_client().delete("celery", "elsewhere", queues.UNACKED_KEY)
    sweeping._messages = queues.Inventory()
    (ids,) = waiting(1)
    past(ids[0], seconds=600)
    yield ids
    server.get_client().delete("celery", "elsewhere", queues.UNACKED_KEY)


def looked_twice(run: str, *, passes: int = 1) -> tuple[str, list[tuple[str, Any, Any]]]:
    """The run after two looks of so many passes each that are far enough apart, and one that takes notice."""
    long_after()
    for _ in range(2):
        for _ in range(passes):
            rested()
            swept(run)
        long_after()
    return swept(run)


def message(task_id: str, queue: str = "celery") -> None:
    """A message of the task, in this queue."""
    celery_app.signature(TaskName.ECHO.value, args=(1,), task_id=task_id, queue=queue).apply_async()


PENDING = ("PENDING", [("PENDING", None, None)])
GONE = ("FAILURE", [("FAILURE", None, "Lost")])


def test_a_called_task_whose_message_is_gone_is_lost(called: list[str]) -> None:
    assert swept(called[0]) == PENDING  # one look is none: a worker may just have taken it
    assert looked_twice(called[0]) == GONE


def test_a_called_task_whose_message_waits_is_not_lost(called: list[str]) -> None:
    message(called[1])
    assert looked_twice(called[0]) == PENDING


def test_a_called_task_that_a_worker_holds_is_not_lost(called: list[str]) -> None:
    message(called[1])
    text_of: Any = server.get_client().rpop("celery")
    server.get_client().hset(queues.UNACKED_KEY, "tag", f'[{text_of.decode()}, "", "celery"]')
    assert looked_twice(called[0]) == PENDING
    with transaction() as connection:
        tasks.started(connection, task_id=called[1], worker="w@h", worker_id=str(uuid4()))
        tasks.retried(connection, task_id=called[1], retries=1, error='{"type": "E", "message": ""}')
    past(called[0], seconds=600)
    assert looked_twice(called[0]) == ("RETRY", [("RETRY", None, "E")])
    server.get_client().delete(queues.UNACKED_KEY)
    assert looked_twice(called[0]) == GONE


def test_a_called_task_in_a_queue_that_nobody_serves_is_not_lost(called: list[str]) -> None:
    with transaction() as connection:
        tasks.closed(connection, called={called[1]: tasks.Call(queue="elsewhere")})
    message(called[1], "elsewhere")
    assert looked_twice(called[0]) == PENDING


def test_a_long_queue_is_looked_through_in_pages(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "PAGE", 2)
    monkeypatch.setattr(queues, "PAGES", 2)
    for _ in range(13):
        message(str(uuid4()))
    assert looked_twice(called[0], passes=3) == PENDING
    assert looked_twice(called[0], passes=8) == GONE


def test_of_a_long_queue_the_oldest_message_is_found(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "PAGE", 2)
    monkeypatch.setattr(queues, "PAGES", 2)
    message(called[1])
    for _ in range(12):
        message(str(uuid4()))
    rested()
    swept(called[0])
    for _ in range(3):  # which come while it is looked at
        message(str(uuid4()))
    assert looked_twice(called[0], passes=8) == PENDING


def test_while_too_many_messages_wait_none_is_missed(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    message(str(uuid4()))
    message(str(uuid4()))
    monkeypatch.setattr(queues, "MOST_KNOWN", 1)
    assert looked_twice(called[0]) == PENDING
    monkeypatch.setattr(queues, "MOST_KNOWN", 2)
    assert looked_twice(called[0]) == GONE


def test_a_task_that_begins_while_it_is_looked_for_is_not_lost(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_queue()
    read_queue()
    ends = results.ends

    def begin_meanwhile(ids: list[str], **more: Any) -> Any:
        with transaction() as connection:
            tasks.started_first(connection, task_id=called[1], worker="w@h", worker_id=str(uuid4()))
        return ends(ids, **more)

    monkeypatch.setattr(results, "ends", begin_meanwhile)
    looked_into(called[0])
    assert look(called[0]) == ("STARTED", [("STARTED", None, None)])


class Taken:
    """What a worker's main process knows of a message that it has taken."""

    def __init__(self, task_id: str, parent_id: str | None = None) -> None:
        self.id, self.parent_id = task_id, parent_id


@pytest.fixture
def idle(called: list[str]) -> Iterator[tuple[list[str], letting_go.Letting]]:
    """The ids of a run and of its task, which a worker has begun; and what lets go of those that it does not run."""
    worker_id = str(uuid4())
    with transaction() as connection:
        tasks.started_first(connection, task_id=called[1], worker="w@h", worker_id=worker_id)
    yield called, letting_go.Letting(worker_id)
    celery_state.active_requests.clear()


def test_what_a_living_worker_does_not_run_any_more_is_let_go(idle: tuple[list[str], letting_go.Letting]) -> None:
    (run, _), letting = idle
    letting.look()
    assert look(run)[1][0][0] == "STARTED"  # its end may be on the way
    letting.look()
    assert look(run)[1][0][0] == "PENDING"
    past(run, seconds=600)
    assert looked_twice(run) == ("FAILURE", [("FAILURE", None, "Lost")])


@pytest.mark.parametrize("runs", [False, True])
def test_what_has_ended_is_closed_once_its_message_is_acknowledged(
    idle: tuple[list[str], letting_go.Letting], *, runs: bool
) -> None:
    """Its process was killed before it could say that nothing more comes; the run waited for three minutes."""
    (run, task_id), letting = idle
    with transaction() as connection:
        end(connection, task_id, "FAILURE", '{"type": "RuntimeError", "message": "no"}', is_open=True)
    taken: Any = Taken(task_id)
    if runs:  # an early acknowledgement
        celery_state.active_requests.add(taken)
    open_still = ("STARTED", [("FAILURE", None, "RuntimeError")])
    for acknowledgements in ([], [(task_id, "None")]):
        acknowledged.extend(acknowledgements)
        letting.look()
        assert look(run) == open_still
    if runs:
        letting.look()
        assert look(run) == open_still
        celery_state.active_requests.clear()
    letting.look()
    wait_for(lambda: look(run)[0] == "FAILURE", what="the end")


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("lives", [False, True])
def test_what_a_dead_worker_has_ended_is_closed_once_the_broker_has_not_its_message(*, lives: bool) -> None:
    """Nobody else can say that nothing more comes of it. While it is held it is handed out again, and goes on."""
    worker_id = str(uuid4())
    canvas = chain(task(TaskName.FAIL, "no"), task(TaskName.ECHO))
    run, first, _ = record_only(canvas, epoch=marks.epoch(new=str(uuid4())))
    with transaction() as connection:
        if lives:
            row = "INSERT INTO workers (id, name, host, pid, pool, concurrency) VALUES (:id, 'w@h', 'h', 1, 'p', 1)"
            connection.execute(text(row), {"id": worker_id})
        tasks.started_first(connection, task_id=first, worker="w@h", worker_id=worker_id)
        end(connection, first, "FAILURE", '{"type": "RuntimeError", "message": "no"}', is_open=True)
    message(first)
    past(run, seconds=20)
    assert looked_twice(run)[0] == "STARTED"
    server.get_client().delete("celery")
    past(run, seconds=20)
    assert looked_twice(run)[0] == ("STARTED" if lives else "FAILURE")
    with transaction() as connection:
        connection.execute(text("DELETE FROM workers WHERE id = :id"), {"id": worker_id})


@pytest.mark.parametrize("shared", [False, True])
def test_what_it_runs_is_not_let_go(idle: tuple[list[str], letting_go.Letting], *, shared: bool) -> None:
    (run, task_id), letting = idle
    message_id = str(uuid4()) if shared else task_id
    if shared:  # several calls of a task have one id, under which the record has none of them
        statement = "INSERT INTO run_aliases SELECT CAST(:id AS uuid), run_id, id FROM run_tasks WHERE id = :task"
        with transaction() as connection:
            connection.execute(text(statement), {"id": message_id, "task": task_id})
    taken: Any = Taken(message_id)
    celery_state.active_requests.add(taken)
    for _ in range(3):
        letting.look()
    assert look(run)[1][0][0] == "STARTED"


def test_an_end_that_could_be_recorded_nowhere_but_in_the_broker_is_found(
    idle: tuple[list[str], letting_go.Letting],
) -> None:
    (run, task_id), _ = idle
    marks.keep_end([task_id], "success", '{"a": 1e22}')
    past(run, seconds=60)
    assert swept(run) == ("SUCCESS", [("SUCCESS", '{"a": 1e22}', None)])
    assert marks.kept_ends([task_id]) == {}


def test_what_waits_longer_than_it_is_known_to_be_published_is_not_lost(called: list[str]) -> None:
    message(called[1])
    server.get_client().delete(f"{marks.PUBLISHED_KEY}.{called[0]}")
    past(called[0], seconds=marks.PUBLISHED_SECONDS + 60)
    assert looked_twice(called[0]) == PENDING


@pytest.mark.usefixtures("alone")
def test_one_worker_looks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(1, epoch="another")
    with transaction() as connection:
        assert try_lock(connection, Lock.SWEEP)
        monkeypatch.setattr(sweeping, "marks", None)
        sweeping.sweep()


def long_after() -> None:
    """The next look counts as another one."""
    for each in sweeping._messages._ended:
        each.ended = 0.0


def read_queue() -> None:
    """What messages there are is read once more."""
    long_after()
    sweeping._messages.go_on()


def looked_into(run: str) -> None:
    """Another look at this run, which stands still."""
    with transaction() as connection:
        number = reads.number_of(connection, run)
    assert number is not None
    sweeping._look_into(number, epoch=marks.epoch(new=str(uuid4())))


def swept(run: str) -> tuple[str, list[tuple[str, Any, Any]]]:
    """The run after another look at some that stand still."""
    sweeping.sweep()
    return look(run)


def judged(run: str) -> Judgement:
    """What is said of the run now."""
    with transaction() as connection:
        number = reads.number_of(connection, run)
        assert number is not None
        return judge.judge(connection, number)
