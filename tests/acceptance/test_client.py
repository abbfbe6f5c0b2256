"""`Client` and `AsyncClient` against a real API with a real worker, and what is between them."""

import asyncio
import inspect
import itertools
import operator
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psutil
import pytest

from background.client import (
    AsyncClient,
    Client,
    Conflict,
    EventKind,
    Invalid,
    JobStatus,
    NewJob,
    NotFound,
    Unreachable,
    WaitTimeout,
)
from tests.acceptance.chaos.proxy import Fate, Proxy
from tests.acceptance.event_streams import Api
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("worker")

NEVER = 3600.0
WAITS = 200


@pytest.fixture(scope="module")
def api(postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that may be killed."""
    api = Api(tmp_path_factory.mktemp("client") / "api.log")
    api.start()
    yield api
    api.stop()


@pytest.fixture
def url(api: Api) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{api.port}"


@pytest.fixture
def jobs(url: str) -> Iterator[Client]:
    """Its jobs."""
    with Client(url) as client:
        yield client


@pytest.fixture
def proxy(api: Api) -> Iterator[Proxy]:
    """A way to it that can lose things."""
    with Proxy(target=api.port) as proxy:
        yield proxy


Ask = Callable[[str, Callable[[Any], Any]], Any]


def waiting(url: str, question: Callable[[Any], Any]) -> Any:
    """What a `Client` is told."""
    with Client(url) as client:
        answer = question(client)
        return list(answer) if inspect.isgenerator(answer) else answer


def awaiting(url: str, question: Callable[[Any], Any]) -> Any:
    """What an `AsyncClient` is told."""

    async def ask() -> Any:
        async with AsyncClient(url) as client:
            answer = question(client)
            return [each async for each in answer] if inspect.isasyncgen(answer) else await answer

    return asyncio.run(ask())


EACH: tuple[Ask, Ask] = (waiting, awaiting)
both = pytest.mark.parametrize("ask", EACH)


@both
def test_jobs_are_found_and_all_of_them_cancelled(url: str, ask: Ask) -> None:
    tag = uuid4().hex
    for number in range(3):
        options = {"params": {"step_seconds": number}, "delay_seconds": 3600, "tags": [tag]}
        made = ask(url, operator.methodcaller("submit", "demo", unique_key=f"{tag}{number % 2}", **options))
    assert made.duplicate
    found = ask(url, lambda client: client.find(tag=[tag], param={"step_seconds": 1}, status=["PENDING"]))
    assert [job.params for job in found] == [{"step_seconds": 1, "fail_at_step": None, "fail_times": 1}]
    outcome = ask(url, lambda client: client.act("cancel", tag=tag, limit=1))
    assert (outcome.matched, outcome.done, outcome.before) == (1, 1, found[0].id)
    assert ask(url, lambda client: client.act("cancel", tag=tag, before=outcome.before)).done == 1


def kill(api: Api) -> None:
    """SIGKILL: it says nothing to anybody."""
    assert api.process is not None
    api.process.popen.kill()
    api.process.popen.wait()


def connections(api: Api) -> list[Any]:
    """Those of this process to the API."""
    found = psutil.Process().net_connections("tcp4")
    return [each for each in found if each.status == "ESTABLISHED" and each.raddr.port == api.port]


@both
def test_a_job_goes_through_all_that_can_be_asked(url: str, ask: Ask) -> None:
    params = {"step_seconds": 0, "fail_at_step": 2}
    made = ask(url, lambda client: client.submit("demo", params=params, max_attempts=1, priority=9))
    failed = ask(url, lambda client: client.wait(made.job_id, timeout=60))
    assert (failed.id, failed.task_id, failed.status, failed.priority) == (made.job_id, made.task_id, "FAILED", 9)
    assert failed.events[-1].kind is EventKind.FAILED
    again = ask(url, lambda client: client.retry(made.job_id, params={"step_seconds": 0.2}, replan=True))
    assert again.params == {"step_seconds": 0.2, "fail_at_step": None, "fail_times": 1}
    assert ask(url, lambda client: client.wait(made.job_id)).status is JobStatus.COMPLETED
    assert ask(url, lambda client: client.wait(made.job_id, timeout=0)).status is JobStatus.COMPLETED
    ask(url, lambda client: client.retry(made.job_id, from_step=3))
    events = ask(url, lambda client: client.events(made.job_id, after="1"))
    assert [int(event.id) for event in events] == list(range(2, 2 + len(events)))
    assert ask(url, lambda client: client.get(made.job_id, events_before=2)).events[0].kind is EventKind.CREATED
    ask(url, lambda client: client.delete(made.job_id))
    with pytest.raises(NotFound) as gone:
        ask(url, lambda client: client.get(made.job_id))
    assert (gone.value.status, gone.value.code, gone.value.values["id"]) == (404, "not_found", made.job_id)
    with pytest.raises(NotFound):
        ask(url, lambda client: client.wait(made.job_id))


@both
def test_jobs_are_found_page_after_page(url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("background.client.operations.PAGE", 2)
    wanted: list[NewJob] = [{"delay_seconds": NEVER, "params": {"step_seconds": number}} for number in range(5)]
    made = [each.job_id for each in ask(url, lambda client: client.submit_many(wanted))]
    found = ask(url, lambda client: client.find(limit=5, status=JobStatus.PENDING, pipeline="demo"))
    assert [job.id for job in found] == made[::-1]
    assert [job.params["step_seconds"] for job in found if job.params] == [4, 3, 2, 1, 0]
    cancelled = [ask(url, operator.methodcaller("cancel", job_id)) for job_id in made]
    assert {job.status for job in cancelled} == {JobStatus.CANCELLED}
    assert ask(url, lambda client: client.find(pipeline="nothing")) == []


@both
def test_a_schedule_goes_through_all_that_can_be_asked(url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("background.client.schedules.PAGE", 1)
    name = uuid4().hex
    made = ask(url, lambda client: client.schedules.create(name, "demo", cron="0 3 * * *", params={"step_seconds": 0}))
    assert (made.name, made.cron, made.paused, len(made.next_runs)) == (name, "0 3 * * *", False, 5)
    other = ask(url, lambda client: client.schedules.create(f"{name}2", "demo", every_seconds=3600, tags=["a"]))
    with pytest.raises(Conflict):
        ask(url, lambda client: client.schedules.create(name, "demo", every_seconds=60))
    found = ask(url, lambda client: client.schedules.find(pipeline="demo"))
    assert [each.id for each in found] == [made.id, other.id]
    assert [each.id for each in ask(url, lambda client: client.schedules.find(limit=1))] == [made.id]
    assert ask(url, lambda client: client.schedules.find(pipeline="nothing")) == []
    changed = ask(url, lambda client: client.schedules.change(made.id, every_seconds=60, paused=True))
    assert (changed.cron, changed.every_seconds, changed.next_runs) == (None, 60, [])
    job = ask(url, lambda client: client.schedules.run(made.id))
    assert ask(url, lambda client: client.get(job.job_id)).schedule_id == made.id
    assert ask(url, lambda client: client.schedules.get(made.id)).last_job_id == job.job_id
    for each in (made, other):
        ask(url, lambda client, given=each.id: client.schedules.delete(given))  # type: ignore[misc]
    with pytest.raises(NotFound):
        ask(url, lambda client: client.schedules.get(made.id))


@both
def test_what_cannot_be_used_changes_nothing(url: str, ask: Ask) -> None:
    with pytest.raises(Invalid) as wrong:
        ask(url, lambda client: client.submit("demo", params={"step_seconds": "soon"}))
    (field,) = wrong.value.errors
    assert (wrong.value.status, field.loc, field.type) == (422, ("body", "params", "step_seconds"), "float_type")
    key = str(uuid4())
    made = ask(url, lambda client: client.submit(delay_seconds=NEVER, idempotency_key=key))
    assert ask(url, lambda client: client.submit(delay_seconds=NEVER, idempotency_key=key)).job_id == made.job_id
    with pytest.raises(Conflict):
        ask(url, lambda client: client.submit(delay_seconds=1, idempotency_key=key))
    with pytest.raises(WaitTimeout, match=f"Job {made.job_id} has not ended within 0.3 s"):
        ask(url, lambda client: client.wait(made.job_id, timeout=0.3))
    ask(url, lambda client: client.cancel(made.job_id))
    with pytest.raises(Conflict, match="cannot be cancelled"):
        ask(url, lambda client: client.cancel(made.job_id))


@both
@pytest.mark.parametrize("fate", [Fate.LOSE, Fate.LOSE_ANSWER])
def test_a_job_is_there_once_whatever_is_lost_on_the_way(proxy: Proxy, jobs: Client, ask: Ask, fate: Fate) -> None:
    before = jobs.submit(delay_seconds=NEVER).job_id
    sprung = proxy.lay_trap(fate, b"POST /jobs ")
    made = ask(f"http://127.0.0.1:{proxy.port}", lambda client: client.submit(delay_seconds=NEVER))
    assert sprung.is_set()
    assert [job.id for job in jobs.find(limit=5) if job.id > before] == [made.job_id]


@both
def test_what_might_be_done_twice_is_not_sent_twice(proxy: Proxy, jobs: Client, ask: Ask) -> None:
    made = jobs.submit(delay_seconds=NEVER)
    sprung = proxy.lay_trap(Fate.LOSE_ANSWER, b"/cancel ")
    with pytest.raises(Unreachable) as lost:
        ask(f"http://127.0.0.1:{proxy.port}", lambda client: client.cancel(made.job_id))
    assert sprung.is_set()
    assert lost.value.sent
    assert jobs.get(made.job_id).status is JobStatus.CANCELLED


def test_nobody_notices_that_the_api_is_killed(api: Api, url: str, jobs: Client) -> None:
    """Nor is anything lost or told twice: to who waits, submits, or watches one job or all."""
    first = jobs.submit(delay_seconds=NEVER)
    every = jobs.events()
    one = jobs.events(first.job_id)
    assert next(one).kind is EventKind.CREATED
    with ThreadPoolExecutor() as pool:
        beginning = pool.submit(next, every)

        def submit_and_look() -> bool:
            # Where the stream of all begins is not for the test to say.
            jobs.submit(delay_seconds=NEVER)
            return beginning.done()

        wait_for(submit_and_look, what="the stream")
        waits = [pool.submit(ask, url, lambda client: client.wait(first.job_id, timeout=90)) for ask in EACH]
        wait_for(lambda: len(connections(api)) == 4, what="the streams")
        kill(api)
        submits = [pool.submit(ask, url, lambda client: client.submit(params={"step_seconds": 0})) for ask in EACH]
        api.start()
        for made in submits:
            assert jobs.wait(made.result(90).job_id, timeout=90).status is JobStatus.COMPLETED
        jobs.cancel(first.job_id)
        assert [wait.result(90).status for wait in waits] == [JobStatus.CANCELLED] * 2
    assert [event.id for event in one] == ["2"]
    events = [beginning.result(), *itertools.takewhile(lambda event: event.kind != "cancelled", every)]
    created = [event.job.id for event in events if event.kind == "created"]
    # Of those that were stored at one moment the one may be seen before the other.
    assert sorted(created) == list(range(min(created), max(made.result().job_id for made in submits) + 1))
    assert next(jobs.events(after=events[-1].id)).job.id == first.job_id


def test_one_event_loop_waits_for_200_jobs_across_a_restart(api: Api, url: str, jobs: Client) -> None:
    made = [each.job_id for each in jobs.submit_many([{"delay_seconds": NEVER}] * WAITS)]

    async def wait_for_all() -> set[JobStatus]:
        before = threading.active_count()
        async with AsyncClient(url) as client:
            waits = [asyncio.create_task(client.wait(job_id, timeout=100)) for job_id in made]
            await asyncio.to_thread(wait_for, lambda: len(connections(api)) >= WAITS, what="the streams")
            assert threading.active_count() <= before + 1
            await asyncio.to_thread(kill, api)
            await asyncio.to_thread(api.start)
            for job_id in made:
                await client.cancel(job_id)
            return {job.status for job in await asyncio.gather(*waits)}

    assert asyncio.run(wait_for_all()) == {JobStatus.CANCELLED}
