"""Whatever goes wrong once a job is stored, whoever submitted it hears that it is; and how many messages there are."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
import redis

from background.base.errors import Unavailable
from background.base.together import Gathered
from background.broker import message, queues
from background.jobs import creation, dispatch, new_job, registry, service
from background.jobs.pipeline import Params, Pipeline
from background.jobs.schemas import JobRequest
from background.jobs.sql import control
from background.jobs.states import WAKE_SECONDS
from background.settings import get_settings

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
ODD = [RuntimeError("nobody expects this"), KeyError("task"), OSError("broken pipe"), Unavailable("away")]


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    """Nothing waits in the queue."""
    with redis.Redis.from_url(get_settings().broker_url) as client:
        client.delete("celery")
        yield
        client.delete("celery")


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_any_error_while_publishing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(message.Message, "push", fail)
    job, new = asyncio.run(creation.create_job(JobRequest()))
    assert (job.status, new) == ("PENDING", True)
    service.cancel_job(job.id)


def test_a_broker_that_does_not_answer_keeps_one_waiting_and_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def keep_waiting(*_: object, **__: object) -> None:
        waited.append(threading.Event().wait(2 * dispatch.LONG_SECONDS))
        raise Unavailable("silent")

    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "SILENT_SECONDS", 3600)
        patched.setattr(dispatch, "_left_alone_until", time.monotonic())
        patched.setattr(message.Message, "push", keep_waiting)
        for queue in ("celery", "reports", "celery"):
            dispatch.wake_for([1], since=time.monotonic(), queue=queue)
        assert len(waited) == 1
    assert dispatch.wake(1) == 1


class Asking(Params):
    """What asks somebody who takes his time."""

    def check(self) -> None:
        """Ask."""
        asked.set()
        assert answered.wait(10)


asked, answered = threading.Event(), threading.Event()


def test_params_whose_check_takes_its_time_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Pipeline("slow-to-check", Asking)

    @slow.step
    def work(_: object, __: Asking) -> None: ...

    monkeypatch.setitem(registry.pipelines(), slow.name, slow)

    async def both() -> list[int]:
        waits = asyncio.create_task(creation.create_job(JobRequest(pipeline=slow.name)))
        assert await asyncio.to_thread(asked.wait, 10)
        quick, _ = await creation.create_job(JobRequest())
        assert not waits.done()
        answered.set()
        return [quick.id, (await waits)[0].id]

    for job_id in asyncio.run(both()):
        service.cancel_job(job_id)


def test_a_large_job_is_stored_beside_those_that_are_stored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def keep(wanted: Sequence[creation._Wanted]) -> list[control.Stored]:
        begun.set()
        assert go_on.wait(10)
        return creation._store_together(wanted)

    monkeypatch.setattr(creation, "_store", Gathered(keep))
    usual = len(json.dumps(new_job.as_row(JobRequest())["params"]))
    monkeypatch.setattr(creation, "LARGE_BYTES", usual)

    async def both() -> list[int]:
        waits = asyncio.create_task(creation.create_job(JobRequest()))
        assert await asyncio.to_thread(begun.wait, 10)
        large, new = await creation.create_job(JobRequest(params={"step_seconds": 0.1234567890123}))
        assert new
        assert not waits.done()
        go_on.set()
        return [large.id, (await waits)[0].id]

    for job_id in asyncio.run(both()):
        service.cancel_job(job_id)


def test_a_late_publisher_hands_nothing_over() -> None:
    assert dispatch.wake(1, since=time.monotonic() - WAKE_SECONDS - 0.1) == 0
    assert queues.queue_length() == 0
    assert dispatch.wake(1, since=time.monotonic()) == 1
    assert queues.queue_length() == 1


def test_there_are_as_many_messages_as_the_first_few_jobs_then_one_for_ten() -> None:
    since = time.monotonic()
    for number in range(1, 8):
        dispatch.wake_for([number], since=since)
    assert queues.queue_length() == 7
    dispatch.wake_for(range(8, 1001), since=since)
    assert queues.queue_length() == 7 + 100
    dispatch.wake_for([1001], since=since)
    assert queues.queue_length() == 107
    dispatch.wake_for([1010], since=since)
    assert queues.queue_length() == 108
    dispatch.wake_for(range(10_000, 100_000), since=since)
    assert queues.queue_length() == dispatch.MOST


def test_recovery_fills_up_what_is_missing() -> None:
    assert [dispatch.wanted(due) for due in (0, 1, 10, 19, 20, 1000, 10**6)] == [0, 1, 10, 10, 11, 109, 1000]
    assert dispatch.wake(5) == 5
    assert dispatch.wake(5) == 0
    assert dispatch.wake(100) == 14
    assert queues.queue_length() == dispatch.wanted(100)


def test_another_slot_is_woken_where_nothing_waits_and_a_turn_is_handed_on_in_any_case() -> None:
    for length in (1, 1):
        dispatch.wake_another()
        assert queues.queue_length() == length
    dispatch.hand_on(1)
    assert queues.queue_length() == 1
    dispatch.hand_on(2)
    assert queues.queue_length() == 2


def test_a_turn_is_handed_on_behind_others_that_are_no_wake_ups() -> None:
    with redis.Redis.from_url(get_settings().broker_url) as client:
        client.lpush("celery", *(f"a canvas {number}" for number in range(50)))
        dispatch.hand_on(5)
        dispatch.hand_on(5)
        assert queues.queue_length() == 51
        assert b"run_job" in client.lindex("celery", 0)


def test_messages_that_are_not_wanted_any_more_go_up_to_the_next_other_one() -> None:
    dispatch.wake(1000)
    with redis.Redis.from_url(get_settings().broker_url) as client:
        client.lpush("celery", "a canvas")
        dispatch.wake_for(range(10_000, 10_300), since=time.monotonic())
        assert queues.queue_length() == 109 + 1 + 30
        dispatch.hand_on(500)  # as good as all that are ever counted
        assert queues.queue_length() == 109
        dispatch.hand_on(0)
        assert queues.queue_length() == 31
        assert client.lindex("celery", -1) == b"a canvas"
        client.rpop("celery")
        dispatch.hand_on(0)
        assert queues.queue_length() == dispatch.FEW


def test_each_message_is_one_of_its_own() -> None:
    dispatch.wake(3)
    with redis.Redis.from_url(get_settings().broker_url) as client:
        assert len(set(client.lrange("celery", 0, -1))) == 3
