"""What limits and pauses hold back, in the statements themselves: nothing begins that was not let in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from background.jobs import actions, admission, new_job, registry, service
from background.jobs import limits as of_limits
from background.jobs.filters import ActionRequest
from background.jobs.limits import Declared, Lane, Limit, Rate
from background.jobs.pipeline import Params, Pipeline
from background.jobs.schemas import RetryRequest
from background.jobs.sql import control, limits, work
from background.jobs.sql.work import Claim, Claimed, Lacking
from background.jobs.states import JobStatus
from background.settings import get_settings
from background.storage import connections
from background.storage.locks import Lock
from background.upkeep import rekeying, rewinding
from background.upkeep.retention import Retention
from background.upkeep.sql import presence
from background.workers import sql as workers
from background.workers.identity import Identity
from tests.integration.test_job_queries import (
    ABILITIES,
    STEPS,
    TRUSTED,
    create,
    finish,
    give_back,
    known,
    state,
    worker,
)
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
LIMITED = replace(worker(), limited=["demo"])
AHEAD = """
WITH begun AS (
    INSERT INTO job_begins (job_id, at, queue, pipeline, limit_key)
    VALUES (0, now() + interval '59 minutes', 'celery', 'demo', '')
), worker AS (
    UPDATE workers SET seen_at = seen_at + interval '1 hour'
)
UPDATE jobs SET run_at = run_at + interval '1 hour', started_at = started_at + interval '1 hour',
    claimed_at = claimed_at + interval '1 hour', admitted_at = admitted_at + interval '1 hour',
    lease_until = lease_until + interval '1 hour', updated_at = updated_at + interval '1 hour'
"""
"""All was written before the clock was set back by an hour."""


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection that commits each statement, no job, and nothing that is set."""
    with connections.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        opened.execute(text("DELETE FROM jobs"))
        yield opened
        opened.execute(text("DELETE FROM job_controls"))
        opened.execute(text("DELETE FROM jobs"))


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each customer."""
    declared = {"demo": Declared([Limit(1, key="customer")], ["customer"])}
    monkeypatch.setattr(admission, "declared", lambda: declared)


def claim(connection: Connection, *, by: work.Worker = LIMITED) -> Any:
    """What the next claim gives."""
    return known(next(iter(work.work(connection, by, claims=[Claim(str(uuid4()), "wake-up")], trusted=TRUSTED)), None))


def claimed(connection: Connection) -> list[int]:
    """What claims give until there is none."""
    found = []
    while (row := claim(connection)) is not None:
        found += [row.id] if isinstance(row, Claimed) else []
    return found


@pytest.mark.usefixtures("one_at_once")
def test_a_job_that_nobody_has_let_in_is_held_by_the_claim_itself(connection: Connection) -> None:
    old = create(connection)  # as a release stores it that knows no limits
    assert claim(connection) == Lacking(old)
    assert claim(connection) is None
    admission.admit()
    row = claim(connection)
    assert (row.id, row.lane) == (old, ["celery", "demo", ""])


def test_who_does_not_know_a_pipeline_lets_none_of_it_in(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limits stand in code that is not here: of a release to come, or of another module in `PIPELINES`."""
    monkeypatch.setattr(admission, "FEW", 2)
    monkeypatch.setattr(admission, "LANES", 2)
    others = [create(connection, held=True, pipeline="another", limit_key=f'["{number}"]') for number in range(5)]
    own = create(connection, held=True)
    admission.admit()
    assert [state(connection, each)["held"] for each in (*others, own)] == [True] * 5 + [False]


@pytest.mark.usefixtures("one_at_once")
def test_a_permit_is_for_one_attempt(connection: Connection) -> None:
    first, second = (create(connection, held=True, limit_key='["1"]') for _ in range(2))
    admission.admit()
    admission.admit()
    assert claimed(connection) == [first]
    give_back(connection, first)
    assert claimed(connection) == []
    admission.admit(left=Lane("celery", "demo", '["1"]'))
    assert claimed(connection) == [second]  # it has waited for longer
    control.cancel(connection, [first], actor=None)
    again: dict[str, Any] = {"from_step": None, "params": None, "limit_keys": {first: '["2"]'}, "limited": ["demo"]}
    control.retry(connection, [first], **again, actor=None)
    admission.admit()
    assert claimed(connection) == [first]


@pytest.mark.usefixtures("one_at_once")
def test_what_waits_and_runs_goes_back_with_the_clock(connection: Connection) -> None:
    """Once, whoever sees it: its pauses and limits go on as if the clock had not been set back."""
    pausing = create(connection, pipeline="other")
    lost, let_in, ended = (create(connection, held=True, limit_key=f'["{customer}"]') for customer in "123")
    admission.admit()
    assert claimed(connection) == [pausing, lost, let_in, ended]
    end(connection, ended)
    assert give_back(connection, pausing) == give_back(connection, let_in) == "PENDING"
    admission.admit()
    due = create(connection, pipeline="other")
    connection.execute(text("UPDATE jobs SET run_at = run_at + interval '50 s' WHERE id = :id"), {"id": pausing})
    own = Identity(str(uuid4()), "w1", "host", 1, "solo", 1, ABILITIES, "release")
    look: dict[str, Any] = {"queues": ["celery"], "queue_length": 0, "patience": 15}
    presence.look(connection, own, **look)
    connection.execute(text(AHEAD))
    later = create(connection, pipeline="other", delay_seconds=70)
    assert claimed(connection) == []
    assert state(connection, lost)["running_seconds"] == 0
    assert [presence.look(connection, own, **look).ahead > 3500 for _ in "12"] == [True, True]
    for _ in "12":
        rewinding.rewind()
    assert presence.look(connection, own, **look).ahead < 1
    assert [0 < state(connection, each)["seconds_until_due"] - more <= 50 for each, more in ((pausing, 0), (later, 20))]
    assert 0 <= state(connection, lost)["running_seconds"] < 1800
    begun = "SELECT count(*) FROM jobs WHERE greatest(claimed_at, admitted_at) > now()"
    assert connection.execute(text(begun)).scalar_one() == 0
    assert connection.execute(text("SELECT at < now() FROM job_begins WHERE job_id = 0")).scalar_one()
    connection.execute(text("DELETE FROM job_begins WHERE job_id = 0"))
    left = "SELECT extract(epoch FROM lease_until - now()) FROM jobs WHERE id = :id"
    assert 0 < connection.execute(text(left), {"id": lost}).scalar_one() <= 15
    assert claimed(connection) == [let_in, due]
    workers.forget(connection, own.id)


def test_as_many_are_let_in_as_there_is_room_for_whatever_was_planned(connection: Connection) -> None:
    """For an empty table PostgreSQL joins the other way round, and may pick again for each row."""
    own = Lane("celery", "demo", '["1"]')
    connection.execute(text("VACUUM jobs"))
    planning = {"plan_cache_mode": "force_generic_plan"}
    planning |= {f"enable_{way}": "off" for way in ("seqscan", "hashjoin", "mergejoin")}
    for name, value in planning.items():
        connection.execute(text(f"SET {name} = {value}"))
    try:
        assert limits.admit(connection, {own: 1}) == {}
        jobs = [create(connection, held=True, limit_key='["1"]') for _ in "1234567"]
        assert limits.admit(connection, {own: 2}) == {"celery": 2}
        assert [each for each in jobs if not state(connection, each)["held"]] == jobs[:2]
    finally:
        for name in planning:  # the connection has other settings, which those after this test rely on
            connection.execute(text(f"RESET {name}"))


@pytest.mark.usefixtures("one_at_once")
def test_every_lane_has_its_turn_whatever_its_name(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of PostgreSQL's collation is not that of Python."""
    monkeypatch.setattr(admission, "LANES", 2)
    monkeypatch.setattr(admission, "AT_ONCE", 1)
    keys = [f'["{name}"]' for name in ("a", "B", "c", "D", "é", "_", "-")]
    jobs = {create(connection, held=True, limit_key=key) for key in keys for _ in range(2)}
    for _ in keys:
        admission.admit()
    first = claimed(connection)
    assert len(first) == len(keys)
    assert len({state(connection, each)["limit_key"] for each in first}) == len(keys)
    assert jobs > set(first)


def end(connection: Connection, job: int) -> None:
    """The job has run, and those that wait are let in as its worker does it."""
    ended = "UPDATE jobs SET status = 'COMPLETED', lease_until = NULL, finished_at = now() WHERE id = :id"
    connection.execute(text(ended), {"id": job})
    own = state(connection, job)
    admission.admit(left=Lane(own["queue"], own["pipeline"], own["limit_key"]))


def test_a_place_that_lanes_have_in_common_goes_from_one_to_the_other(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two keys the end of a job makes room for whoever has one of them."""
    limited = Declared([Limit(1, key="customer"), Limit(9, key="host")], ["customer", "host"])
    monkeypatch.setattr(admission, "declared", lambda: {"demo": limited})
    many = [create(connection, held=True, limit_key='["1", "a"]') for _ in range(3)]
    admission.admit()
    other = create(connection, held=True, limit_key='["1", "b"]')
    assert claimed(connection) == many[:1]
    for ended, following in ((many[0], other), (other, many[1]), (many[1], many[2])):
        end(connection, ended)
        assert claimed(connection) == [following]


@pytest.mark.usefixtures("one_at_once")
def test_an_end_is_as_cheap_however_many_wait(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no lane comes before one that waits for longer, though not all are let in at once."""
    monkeypatch.setattr(admission, "READY", 4)
    monkeypatch.setattr(of_limits, "READY", 4)
    keys = [f'["{number}"]' for number in range(12)]
    for key in keys * 2:
        create(connection, held=True, limit_key=key)
    admission.admit()
    admission.admit()
    ready = "SELECT count(*) FROM jobs WHERE NOT held AND status = 'PENDING'"
    assert connection.execute(text(ready)).scalar_one() == 4
    turns = []
    while (row := claim(connection)) is not None:
        turns.append(state(connection, row.id)["limit_key"])
        monkeypatch.setattr(admission, "_rests_until", float("-inf"))
        end(connection, row.id)
        assert connection.execute(text(ready)).scalar_one() <= 4
    assert sorted(turns[:12]) == sorted(keys)
    assert sorted(turns) == sorted(keys * 2)


@pytest.mark.usefixtures("one_at_once")
def test_an_end_looks_at_no_other_lanes_where_nothing_waits(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [create(connection, held=True, limit_key='["1"]') for _ in range(3)]
    admission.admit()
    looked: list[Lane] = []
    lanes = limits.lanes

    def look(*given: Any, after: Lane, **how: Any) -> Any:
        looked.append(after)
        return lanes(*given, after=after, **how)

    monkeypatch.setattr(limits, "lanes", look)
    for job_id in jobs:
        monkeypatch.setattr(admission, "_rests_until", float("-inf"))
        assert claimed(connection) == [job_id]
        if job_id == jobs[-1]:
            assert looked == []
            waits = create(connection, held=True, limit_key='["2"]')
        end(connection, job_id)
    assert claimed(connection) == [waits]


def test_a_rate_counts_each_beginning_of_a_job(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Declared([Rate(3, 60), Limit(9, key="customer")], ["customer"])
    monkeypatch.setattr(admission, "declared", lambda: {"demo": limited})
    again = create(connection, held=True, limit_key='["1"]')
    for _ in range(2):
        admission.admit()
        assert claimed(connection) == [again]
        give_back(connection, again)
    control.cancel(connection, [again], actor=None)
    first, _ = (create(connection, held=True, limit_key='["1"]') for _ in range(2))
    for _ in range(2):
        admission.admit()
    assert claimed(connection) == [first]
    end(connection, first)
    assert claimed(connection) == []


def _delete_one(job_id: int) -> None:
    service.delete_job(job_id)


def _delete_all(_: int) -> None:
    assert actions.act(ActionRequest.model_validate({"action": "delete", "filter": {}})).done == 1


def _forget(job_id: int) -> None:
    with transaction() as connection:
        past = "UPDATE jobs SET finished_at = now() - interval '2 days' WHERE id = :job_id"
        connection.execute(text(past), {"job_id": job_id})
    assert Retention().forget() == 1


def _try_again_for_another(job_id: int) -> None:
    service.retry_job(job_id, RetryRequest(params={"customer": "2"}, from_step=1))


class Customers(Params):
    """Whose job it is."""

    customer: str = "1"


@pytest.mark.parametrize("goes", [_delete_one, _delete_all, _forget, _try_again_for_another])
@pytest.mark.parametrize("attempts", [1, 2])
def test_a_rate_counts_what_has_begun_though_the_job_is_gone(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, goes: Callable[[int], None], attempts: int
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "1")
    get_settings.cache_clear()
    limited = Declared([Rate(2, 600, key="customer")], ["customer"])
    monkeypatch.setattr(admission, "declared", lambda: {"demo": limited})
    pipeline = Pipeline("demo", Customers, limits=limited.limits)
    monkeypatch.setattr(registry, "runnable", lambda: {"demo": pipeline})
    try:
        gone = create(connection, held=True, limit_key='["1"]')
        for left in reversed(range(attempts)):
            admission.admit()
            assert claimed(connection) == [gone]
            give_back(connection, gone) if left else end(connection, gone)
        goes(gone)
        later = [create(connection, held=True, limit_key='["1"]') for _ in range(2)]
        admission.admit()
        assert [each for each in claimed(connection) if each in later] == later[: 2 - attempts]
        connection.execute(text("UPDATE job_begins SET at = at - interval '600 seconds'"))
        connection.execute(text("UPDATE jobs SET claimed_at = claimed_at - interval '600 seconds'"))
        admission.admit()
        assert [each for each in claimed(connection) if each in later] == later[2 - attempts :]
    finally:
        connection.execute(text("DELETE FROM job_begins"))
        monkeypatch.undo()
        get_settings.cache_clear()


def cancelled(connection: Connection) -> int:
    """A job that has ended, and that no limit has let in."""
    job_id = create(connection)
    control.cancel(connection, [job_id], actor=None)
    return job_id


def test_what_no_rate_counts_any_more_is_not_kept(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "declared", lambda: {"demo": Declared([Rate(9, 60)], [])})
    for _ in range(2):
        job_id = create(connection, held=True)
        admission.admit()
        assert claimed(connection) == [job_id]
        end(connection, job_id)
        connection.execute(text("UPDATE job_begins SET at = at - interval '60 seconds'"))
        service.delete_job(job_id)
        assert connection.execute(text("SELECT job_id FROM job_begins")).scalars().all() == [job_id]
    # Of the rates of another release, or of other modules, nothing is known here.
    connection.execute(text("UPDATE job_begins SET at = at - interval '60 seconds', pipeline = 'another'"))
    service.delete_job(cancelled(connection))
    assert connection.execute(text("SELECT pipeline FROM job_begins")).scalars().all() == ["another"]
    connection.execute(text("DELETE FROM job_begins"))


@pytest.mark.usefixtures("one_at_once")
def test_what_has_ended_is_not_held(connection: Connection) -> None:
    done, stopped, cancelled, waits = (create(connection, held=True, step_names=STEPS[:1]) for _ in range(4))
    for job_id in (done, stopped, cancelled):
        admission.admit()
        assert claimed(connection) == [job_id]
        if job_id != done:
            control.cancel(connection, [job_id], actor=None)
        if job_id == stopped:
            give_back(connection, job_id)
        else:
            finish(connection, job_id, attempt=1, step=1)
    control.cancel(connection, [waits], actor=None)
    found = connection.execute(text("SELECT status, held FROM jobs ORDER BY id")).all()
    assert [(row.status, row.held) for row in found] == [
        ("COMPLETED", False),
        ("CANCELLED", False),
        ("COMPLETED", False),
        ("CANCELLED", False),
    ]


def test_what_a_full_limit_holds_is_not_looked_at_one_by_one(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = {
        "demo": Declared([Limit(1), Limit(1, key="customer")], ["customer"]),
        "document": Declared([Limit(1)], []),
    }
    monkeypatch.setattr(admission, "declared", lambda: limited)
    monkeypatch.setattr(admission, "FEW", 2)
    monkeypatch.setattr(admission, "LANES", 2)
    looks: list[Lane] = []
    look = limits.lanes

    def counted(connection: Connection, *, after: Lane, **more: Any) -> Any:
        looks.append(after)
        return look(connection, after=after, **more)

    monkeypatch.setattr(limits, "lanes", counted)
    first, *_ = [create(connection, held=True, limit_key=f'["{number}"]') for number in range(60)]
    admission.admit()
    assert claimed(connection) == [first]
    behind = create(connection, held=True, pipeline="document")
    looks.clear()
    admission.admit()
    assert not state(connection, behind)["held"]
    assert len(looks) < 6


def test_a_queue_that_is_paused_is_not_looked_at(connection: Connection) -> None:
    here, there = create(connection), create(connection, queue="reports")
    both = replace(worker(), queues=("celery", "reports"))
    limits.change(connection, "queue", "celery", paused=True, changes={})
    claims = [Claim(str(uuid4()), "wake-up") for _ in range(3)]
    (row,) = work.work(connection, both, claims=claims, trusted=TRUSTED, peek=True)
    assert isinstance(row, Claimed)
    assert (row.id, row.more) == (there, {"celery": 0, "reports": 0})
    limits.change(connection, "queue", "celery", paused=False, changes={})
    assert claim(connection, by=both).id == here


def test_what_a_limit_of_a_queue_holds_is_free_when_that_goes(connection: Connection) -> None:
    jobs = [create(connection) for _ in range(3)]
    limits.change(connection, "queue", "celery", paused=None, changes={"concurrency": (2,)})
    assert limits.hold(connection, "queue", "celery") == 3
    jobs.append(create(connection))
    assert state(connection, jobs[3])["held"]
    admission.admit()
    assert claim(connection, by=worker()).id == jobs[0]
    limits.change(connection, "pipeline", "demo", paused=True, changes={})
    assert claim(connection, by=worker()) == Lacking(jobs[1])  # let in before the pause
    limits.change(connection, "pipeline", "demo", paused=False, changes={"concurrency": None})
    limits.change(connection, "queue", "celery", paused=None, changes={"concurrency": None})
    admission.admit()
    assert [claim(connection, by=worker()).id for _ in range(3)] == jobs[1:]
    assert state(connection, jobs[3])["status"] == JobStatus.IN_PROGRESS


def test_one_thread_of_a_process_waits_for_the_lock(connection: Connection) -> None:
    """While another process has it; the others wait for their turn, without a connection."""
    asking = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'celery-playground-worker' AND state <> 'idle' AND xact_start IS NOT NULL
    """)
    most = 0
    with transaction() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": Lock.ADMISSION.value})
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(admission.admit) for _ in range(24)]
            while not all(each.done() for each in asked):
                most = max(most, connection.execute(asking).scalar_one())
    assert most == 1


class Earlier(Params):
    """Of one release."""

    customer: int


class Later(Earlier):
    """Of the next one."""

    region: str = "eu"


def test_the_next_release_counts_by_its_own_keys_what_was_there_before(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def release(model: type[Params], *keys: str) -> Pipeline:
        pipeline = Pipeline("demo", model, limits=[Limit(1, key=key) for key in keys])
        monkeypatch.setattr(admission, "declared", lambda: {"demo": Declared(pipeline.limits, list(keys))})
        return pipeline

    def key(job_id: int) -> str:
        return str(state(connection, job_id)["limit_key"])

    first = release(Earlier, "customer")
    jobs = [create(connection, params={"customer": n}, limit_key=f"[{n}]", held=True) for n in (7, 7, 8)]
    admission.admit()
    (running,) = work.work(connection, LIMITED, claims=[Claim(str(uuid4()), "m")], trusted=TRUSTED)
    assert isinstance(running, Claimed)
    assert running.id == jobs[0]
    jobs.append(create(connection, params={"customer": 7, "region": "us"}, limit_key='["us", 7]', held=True))
    unlimited = create(connection, params={"customer": 9}, delay_seconds=60)
    ended = create(connection, params={"customer": 7}, limit_key="[7]")
    another = create(connection, params={"customer": 8})
    control.cancel(connection, [ended, another], actor=None)

    later = release(Later, "region", "customer")
    assert rekeying.rekey(later) == 4
    assert [key(each) for each in jobs] == ['["eu", 7]', '["eu", 7]', '["eu", 8]', '["us", 7]']
    assert (key(unlimited), key(ended)) == ('["eu", 9]', "[7]")
    assert rekeying.rekey(later) == 0
    waiting = service.get_job(jobs[1]).waiting
    assert waiting is not None
    assert (waiting.key, waiting.value, waiting.holders) == ("region", "eu", [jobs[0], jobs[2]])

    monkeypatch.setattr(registry, "pipelines", lambda: {"demo": later})
    monkeypatch.setattr(registry, "runnable", lambda: {"demo": later})
    service.retry_job(ended, RetryRequest())
    actions.act(ActionRequest.model_validate({"action": "retry", "filter": {"status": "CANCELLED"}}))
    assert (key(ended), key(another)) == ('["eu", 7]', '["eu", 8]')
    by_schedule = new_job.as_checked({"pipeline": "demo", "params": {"customer": 7}})
    assert by_schedule["limit_key"] == '["eu", 7]'

    assert rekeying.rekey(first) == 7
    assert [key(each) for each in jobs] == ["[7]", "[7]", "[8]", "[7]"]
    assert rekeying.rekey(release(Later)) == 0
