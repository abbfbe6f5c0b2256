"""Of the jobs of a pipeline with a unique key one at a time has not ended, whoever stores them at whatever moment."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import NullPool, create_engine, text

from background.base.errors import Conflict, Unavailable
from background.jobs import creation, enqueue, new_job, registry, service
from background.jobs.actions import act
from background.jobs.filters import ActionRequest
from background.jobs.pipeline import Params, Pipeline, StepContext
from background.jobs.schemas import JobRequest, RetryRequest
from background.jobs.sql import control, unique
from background.jobs.sql.control import Stored
from background.settings import get_settings
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres", "valkey")


class Order(Params):
    """Parameters of a pipeline that declares what is unique."""

    customer: int
    note: str = ""


def nothing(context: StepContext, params: Params) -> None:
    """A step."""


@pytest.fixture
def key() -> str:
    """One that nobody has had."""
    return uuid4().hex


def asked(key: str | None, **fields: Any) -> JobRequest:
    """A job that nobody runs."""
    return JobRequest(unique_key=key, delay_seconds=3600, **fields)


def made(request: JobRequest) -> tuple[int, bool]:
    """The id of the job that is given, and whether it is new."""
    job, new = asyncio.run(creation.create_job(request))
    assert getattr(job, "duplicate", False) is not new
    return job.id, new


def row(job_id: int) -> Any:
    """What is stored."""
    with transaction() as connection:
        return connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job_id}).one_or_none()


def test_of_twenty_at_once_one_is_made(key: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: made(asked(key)), range(60)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1


def test_a_key_is_free_again_at_the_end_and_is_of_its_pipeline(key: str) -> None:
    first, _ = made(asked(key))
    assert made(asked(key)) == (first, False)
    service.cancel_job(first)
    second, new = made(asked(key))
    assert new
    assert second != first


def test_within_so_many_seconds_one_that_has_ended_counts(key: str) -> None:
    first, _ = made(asked(key))
    service.cancel_job(first)
    assert made(asked(key, unique_seconds=60)) == (first, False)
    with transaction() as connection:
        earlier = "UPDATE jobs SET created_at = created_at - interval '61 s' WHERE id = :id"
        connection.execute(text(earlier), {"id": first})
    assert made(asked(key, unique_seconds=60))[1]


def test_one_that_was_made_and_ended_just_before_ours_was_stored_counts(key: str) -> None:
    other: list[int] = []
    job = {**new_job.as_row(asked(key, unique_seconds=60)), "task_id": str(uuid4())}

    def create(rows: Any) -> list[Stored]:
        other.append(made(asked(key))[0])
        service.cancel_job(other[0])
        return control.create(connection, rows, actor=None)

    with transaction() as connection:
        found = unique.store(connection, [job], create)[job["task_id"]]
    assert (found.id, found.duplicate) == (other[0], True)
    with transaction() as connection:
        count = "SELECT count(*) FROM jobs WHERE unique_key = :key"
        assert connection.scalar(text(count), {"key": key}) == 1


def test_an_idempotency_key_decides_first(key: str) -> None:
    other, _ = made(asked(key))
    _, new = asyncio.run(creation.create_job(asked(None, priority=1), key=key))
    assert new
    with pytest.raises(Conflict, match="used before"):
        asyncio.run(creation.create_job(asked(key, priority=1), key=key))
    # Nothing is remembered of one that made nothing.
    same, new = asyncio.run(creation.create_job(asked(key), key=f"{key}-2"))
    assert (same.id, new) == (other, False)
    service.cancel_job(other)
    second, new = asyncio.run(creation.create_job(asked(key), key=f"{key}-2"))
    assert new
    again, new = asyncio.run(creation.create_job(asked(key), key=f"{key}-2"))
    assert (again.id, new, isinstance(again, Stored)) == (second.id, False, False)


def test_zeros_that_are_stored_alike_are_one_request(key: str) -> None:
    asked = [JobRequest(params={"step_seconds": zero}, delay_seconds=zero) for zero in (0, 0.0, -0.0)]
    answers = [asyncio.run(creation.create_job(each, key=key)) for each in asked]
    assert [new for _, new in answers] == [True, False, False]
    assert len({each.id for each, _ in answers}) == 1


class Moment(BaseModel):
    """When it was."""

    longer: float = Field(default_factory=time.monotonic)
    at: float = Field(default_factory=time.monotonic)


class Drawn(Params):
    """What nobody gives is another value each time."""

    run: UUID = Field(default_factory=uuid4)
    moment: Moment = Field(default_factory=Moment)
    options: dict[str, Any] = Field(default_factory=lambda: {"longer": 1, "b": 2, "aa": 3})
    days: int = 1


class DrawnLater(Drawn):
    """The same of the next release."""

    region: str = "eu"
    again: UUID = Field(default_factory=uuid4)


def test_what_nobody_gives_is_the_same_request(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def release(model: type[Params]) -> None:
        pipeline = Pipeline("drawn", model)
        pipeline.step(nothing)
        monkeypatch.setitem(registry.pipelines(), "drawn", pipeline)

    def create(**params: Any) -> tuple[int, bool]:
        job, new = asyncio.run(creation.create_job(asked(None, pipeline="drawn", params=params), key=key))
        return job.id, new

    release(Drawn)
    first, _ = create(days=2)
    assert create(days=2) == (first, False)
    stored = row(first).params
    for other in ({"days": 1}, {"days": 2, "run": str(uuid4())}):
        with pytest.raises(Conflict, match="used before"):
            create(**other)
    assert create(days=2) == (first, False)
    assert row(first).params == stored

    release(DrawnLater)
    settings = get_settings().model_copy(update={"max_attempts": 7})
    monkeypatch.setattr("background.settings.get_settings", lambda: settings)
    assert create(days=2) == (first, False)
    for other in ({"days": 1}, {"days": 2, "region": "us"}):
        with pytest.raises(Conflict, match="used before"):
            create(**other)


def test_a_key_that_somebody_s_transaction_has_holds_up_one_connection(key: str) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    waiting: list[int] = []

    async def create(wanted: str) -> Any:
        try:
            return (await creation.create_job(asked(wanted)))[1]
        except Unavailable as error:
            return error.code

    async def all_of_them() -> Any:
        same = asyncio.gather(*(create(key) for _ in range(30)))
        while not same.done():
            with transaction() as connection:
                waiting.append(connection.scalar(text(waits)))
            assert await create(uuid4().hex), "others go on"
        return await same

    engine = create_engine(get_settings().sqlalchemy_url, poolclass=NullPool)
    with engine.begin() as theirs:
        enqueue(theirs, "demo", unique_key=key, delay_seconds=3600)
        assert {*asyncio.run(all_of_them())} == {"database_refuses"}
        with pytest.raises(Unavailable, match="another transaction has what this one needs"):
            creation.create_jobs([asked(key)])
    assert max(waiting) == 1
    assert asyncio.run(create(key)) is False


def test_a_batch_makes_one_for_a_key(key: str) -> None:
    there, _ = made(asked(key))
    jobs = creation.create_jobs([asked(f"{key}-new"), asked(key), asked(None), asked(f"{key}-new")])
    assert [job.duplicate for job in jobs] == [False, True, False, True]
    assert jobs[0].id == jobs[3].id
    assert jobs[1].id == there
    assert made(asked(f"{key}-new")) == (jobs[0].id, False)


def test_batches_with_the_same_keys_in_another_order_do_not_hold_each_other_up(key: str) -> None:
    def store(number: int) -> set[int]:
        keys = [f"{key}-{each}" for each in range(20)]
        return {job.id for job in creation.create_jobs([asked(each) for each in keys[:: -1 if number % 2 else 1]])}

    with ThreadPoolExecutor(8) as pool:
        (ids,) = {frozenset(found) for found in pool.map(store, range(24))}
    assert len(ids) == 20


def test_in_the_callers_transaction(key: str) -> None:
    with transaction() as connection:
        first = enqueue(connection, "demo", {"step_seconds": 0}, delay_seconds=3600, unique_key=key)
        again = enqueue(connection, "demo", {"step_seconds": 0}, delay_seconds=3600, unique_key=key)
        assert (again.id, first.duplicate, again.duplicate) == (first.id, False, True)
        connection.rollback()
    second, new = made(asked(key))
    assert new
    assert second != first.id


def test_a_retry_does_not_take_a_key_that_another_has(key: str) -> None:
    first, _ = made(asked(key))
    service.cancel_job(first)
    second, _ = made(asked(key))
    before = row(first)
    with pytest.raises(Conflict, match="unique key has not ended"):
        service.retry_job(first, RetryRequest())
    assert row(first) == before
    service.cancel_job(second)
    service.retry_job(first, RetryRequest())
    assert row(first).status == "PENDING"


def test_of_many_that_are_retried_one_gets_a_key(key: str) -> None:
    ended = []
    for _ in range(3):
        ended.append(made(asked(key, tags=[key]))[0])
        service.cancel_job(ended[-1])
    request = ActionRequest.model_validate({"action": "retry", "filter": {"tag": key}})
    assert act(request).model_dump() == {"matched": 3, "done": 1, "refused": 2, "before": None}
    assert [row(job_id).status for job_id in ended] == ["PENDING", "CANCELLED", "CANCELLED"]


def test_twenty_retries_at_once(key: str) -> None:
    ended = []
    for _ in range(20):
        ended.append(made(asked(key))[0])
        service.cancel_job(ended[-1])

    def retry(job_id: int) -> bool:
        try:
            service.retry_job(job_id, RetryRequest())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(retry, ended)).count(True) == 1


def test_a_pipeline_declares_what_is_unique(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = Pipeline(f"orders-{key}", Order, unique=["customer"])

    @orders.step
    def ship(_: Any, __: Order) -> None: ...

    monkeypatch.setitem(registry.pipelines(), orders.name, orders)
    fields = {"pipeline": orders.name}
    first, _ = made(asked(None, params={"customer": 7}, **fields))
    assert row(first).unique_key == '{"customer":7}'
    assert made(asked(None, params={"customer": 7, "note": "again"}, **fields)) == (first, False)
    assert made(asked(None, params={"customer": 8}, **fields))[1]
    assert made(asked("own", params={"customer": 7}, **fields))[1]
    job, new = asyncio.run(creation.create_job(asked(None, params={"customer": 9}, **fields), key=key))
    assert new
    # The request is the same for a release that declared nothing yet.
    assert row(job.id).request_digest == new_job.digest(
        {**new_job.as_row(asked(None, params={"customer": 9}, **fields)), "unique_key": None}
    )
