"""What jobs are found by, beside the same in Python; and what is done to all that are found."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from background.base import jsontext
from background.base.errors import Conflict, NotFound
from background.broker import queues
from background.jobs import actions, creation, registry, service
from background.jobs.actions import act, matching
from background.jobs.filters import ActionRequest, JobFilter
from background.jobs.pipeline import Params, Pipeline, StepContext
from background.jobs.schemas import JobRequest, RetryRequest
from background.jobs.sql import finding
from background.storage import deadlines
from tests.support import transaction, wait_for

pytestmark = pytest.mark.usefixtures("postgres", "valkey")

START = datetime(2026, 3, 1, tzinfo=UTC)
_FILL = text("""
INSERT INTO jobs (task_id, pipeline, step_names, params, status, max_attempts, error, queue, tags, schedule_id,
                  created_at, lease_until)
SELECT gen_random_uuid(), pipeline, '{one}', params, status, 3, error, queue, tags, schedule_id, created_at,
    CASE status WHEN 'IN_PROGRESS' THEN now() + interval '1 hour' END
FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS job(place int, pipeline text, params jsonb, status text, error text,
    queue text, tags text[], schedule_id bigint, created_at timestamptz)
ORDER BY place RETURNING id
""")


def some_jobs(number: int) -> list[dict[str, Any]]:
    """Jobs of all kinds, as rows, the oldest first."""
    chance = random.Random(19)
    jobs = []
    for place in range(number):
        status = chance.choice(["PENDING", "IN_PROGRESS", "COMPLETED", "COMPLETED", "FAILED", "FAILED", "CANCELLED"])
        customer: Any = chance.choice([7, "7", 7.0, 8, True, None, "seven", {"id": 7}, [7]])
        jobs.append(
            {
                "place": place,
                "pipeline": chance.choice(["found", "found-too"]),
                "params": {"customer": customer, "address": {"city": chance.choice(["Seoul", "Busan"])}, "one": 1},
                "status": status,
                "error": chance.choice(["ValueError: boom", "100%_sure"]) if status == "FAILED" else None,
                "queue": chance.choice(["celery", "reports"]),
                "tags": chance.sample(["nightly", "large", "é"], chance.randrange(4)),
                "schedule_id": chance.choice([None, 3]),
                "created_at": (START + timedelta(minutes=place)).isoformat(),
            }
        )
    return jobs


@pytest.fixture(scope="module")
def jobs(postgres: object) -> Iterator[list[dict[str, Any]]]:
    """Rows of some jobs, newest first, beside which there are no others."""
    rows = some_jobs(400)
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs"))
        ids = connection.execute(_FILL, {"jobs": jsontext.dumps(rows)}).scalars().all()
        connection.execute(text("ANALYZE jobs"))
    yield [{**row, "id": job_id} for row, job_id in zip(rows, ids, strict=True)][::-1]
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs"))


def is_meant(value: Any, asked: str) -> bool:
    """Whether a JSON value is what this text says."""
    spelled = {"7": 7, "true": True, "null": None, "1": 1}
    return any(type(value) in (type(each), float) and value == each for each in (asked, spelled.get(asked, asked)))


CASES: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda _: True),
    ({"status": "FAILED"}, lambda job: job["status"] == "FAILED"),
    ({"status": ["FAILED", "PENDING"]}, lambda job: job["status"] in ("FAILED", "PENDING")),
    (
        {"status": ["PENDING"], "pipeline": "found"},
        lambda job: (job["status"], job["pipeline"]) == ("PENDING", "found"),
    ),
    ({"tag": "nightly"}, lambda job: "nightly" in job["tags"]),
    ({"tag": ["nightly", "é"]}, lambda job: {"nightly", "é"} <= {*job["tags"]}),
    ({"tag": "large", "status": "COMPLETED"}, lambda job: "large" in job["tags"] and job["status"] == "COMPLETED"),
    ({"tag": "none"}, lambda _: False),
    ({"queue": "reports"}, lambda job: job["queue"] == "reports"),
    ({"queue": "celery", "schedule_id": 3}, lambda job: job["queue"] == "celery" and job["schedule_id"] == 3),
    ({"param.customer": 7}, lambda job: is_meant(job["params"]["customer"], "7")),
    (
        {"param.customer": "7", "status": "FAILED"},
        lambda job: is_meant(job["params"]["customer"], "7") and job["error"],
    ),
    (
        {"param.customer": [7, 8]},
        lambda job: is_meant(job["params"]["customer"], "7") or job["params"]["customer"] == 8,
    ),
    ({"param.customer": True}, lambda job: job["params"]["customer"] is True),
    ({"param.customer": None}, lambda job: job["params"]["customer"] is None),
    ({"param.customer": "1e999"}, lambda _: False),
    ({"param.customer.id": 7}, lambda job: job["params"]["customer"] == {"id": 7}),
    (
        {"param.address.city": "Seoul", "param.customer": "seven", "pipeline": "found-too"},
        lambda job: (
            job["pipeline"] == "found-too"
            and job["params"]["customer"] == "seven"
            and job["params"]["address"]["city"] == "Seoul"
        ),
    ),
    ({"param.one": 1}, lambda _: True),
    ({"param.customer'); DROP TABLE jobs; --": "x"}, lambda _: False),
    ({"error": "BOOM"}, lambda job: job["error"] == "ValueError: boom"),
    ({"error": "100%_"}, lambda job: job["error"] == "100%_sure"),
    (
        {"error": "boom", "param.customer": 7, "queue": "celery"},
        lambda job: (
            job["error"] == "ValueError: boom" and is_meant(job["params"]["customer"], "7") and job["queue"] == "celery"
        ),
    ),
    ({"error": "boom", "status": "COMPLETED"}, lambda _: False),
    (
        {"created_after": "2026-03-01T10:00:00+09:00", "created_before": "2026-03-01T02:00:00Z"},
        lambda job: (
            START + timedelta(hours=1) <= datetime.fromisoformat(job["created_at"]) < START + timedelta(hours=2)
        ),
    ),
    ({"created_before": "0001-01-01T00:00:00Z"}, lambda _: False),
    ({"created_before": "2020-01-01T00:00:00-23:59"}, lambda _: False),
    ({"created_after": "9999-12-31T23:59:59Z"}, lambda _: False),
]


@pytest.mark.parametrize("probed", [10, 10_000])
def test_what_is_found_is_what_is_meant(
    jobs: list[dict[str, Any]], probed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether walked to or collected; in pages, too."""
    monkeypatch.setattr(finding, "PROBED", probed)
    for asked, holds in CASES:
        wanted = JobFilter.model_validate(asked)
        expected = [job["id"] for job in jobs if holds(job)]
        for limit in (7, 1000):
            with transaction() as connection:
                assert finding.ids(connection, wanted, limit=limit) == expected[:limit], asked
                assert finding.count(connection, wanted, most=limit) == min(limit, len(expected)), asked
                assert finding.still(connection, wanted, [job["id"] for job in jobs]) == {*expected}, asked
            assert [job.id for job in service.find_jobs(wanted, limit=limit)] == expected[:limit], asked
        if len(expected) > 3:
            rest = JobFilter.model_validate({**asked, "before": expected[2]})
            assert [job.id for job in service.find_jobs(rest, limit=5)] == expected[3:8], asked


def test_errors_are_grouped(jobs: list[dict[str, Any]]) -> None:
    found = matching(JobFilter.model_validate({"queue": "reports"}))
    wanted = [job for job in jobs if job["queue"] == "reports"]
    assert (found.number, found.more) == (len(wanted), False)
    numbers = {each.error: each.number for each in found.errors}
    assert numbers == {
        error: sum(job["error"] == error for job in wanted) for error in ("ValueError: boom", "100%_sure")
    }
    assert [each.number for each in found.errors] == sorted(numbers.values(), reverse=True)
    assert matching(JobFilter.model_validate({"status": "COMPLETED"})).errors == []


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "RUNNING"},
        {"status": []},
        {"tag": []},
        {"tag": ""},
        {"tag": "x" * 65},
        {"tag": ["x"] * 11},
        {"tag": "a\x00"},
        {"error": ""},
        {"error": "\x00"},
        {"param.": 1},
        {"param.a..b": 1},
        {"param.a\x00": 1},
        {"param.a": "\x00"},
        {"param.a": "x" * 1001},
        {"param.a": {"b": 1}},
        {"param.a": []},
        {"param.a": [[1]]},
        {f"param.{'a.' * 20}b": 1},
        {f"param.n{number}": 1 for number in range(11)},
        {"param": {"a": 1}},
        {"params": {"a": ["1"]}},
        {"unknown": 1},
        {"created_after": "yesterday"},
        {"created_after": "2026-01-01"},
        {"created_after": "2026-01-01T00:00:00"},
        {"created_after": "0001-01-01T00:00:00+09:00"},
        {"created_after": "2026-13-01T00:00:00Z"},
        {"created_after": 1767225600},
        {"before": 0},
        {"before": "7"},
        {"schedule_id": 2**63},
        {"limit": 5},
        [],
        "FAILED",
    ],
    ids=lambda asked: str(asked)[:40],
)
def test_a_filter_that_means_nothing(asked: Any) -> None:
    with pytest.raises(ValidationError):
        ActionRequest.model_validate({"action": "cancel", "filter": asked})


def stored(number: int, tag: str) -> list[int]:
    """Jobs that nobody runs."""
    return [job.id for job in creation.create_jobs([JobRequest(delay_seconds=3600, tags=[tag])] * number)]


def done(action: str, tag: str, **fields: Any) -> dict[str, Any]:
    """What an action comes to."""
    request = {"action": action, "filter": {"tag": tag, **fields.pop("also", {})}, **fields}
    return act(ActionRequest.model_validate(request)).model_dump()


def test_an_action_is_done_to_all_that_can_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "BATCH", 3)
    ids = stored(10, "acted")
    service.cancel_job(ids[0])
    assert done("cancel", "acted") == {"matched": 10, "done": 9, "refused": 1, "before": None}
    queues.empty("celery")
    assert done("retry", "acted", limit=4) == {"matched": 4, "done": 4, "refused": 0, "before": ids[6]}
    assert queues.queue_length() > 0
    assert done("retry", "acted", also={"before": ids[6]})["done"] == 6
    assert done("delete", "acted") == {"matched": 10, "done": 0, "refused": 10, "before": None}
    assert done("cancel", "acted", also={"status": "PENDING"}, limit=5)["done"] == 5
    assert done("delete", "acted") == {"matched": 10, "done": 5, "refused": 5, "before": None}
    with transaction() as connection:
        kinds = "SELECT array_agg(kind ORDER BY number) FROM job_events WHERE job_id = :id"
        assert connection.scalar(text(kinds), {"id": ids[1]}) == ["created", "cancelled", "retried"]
        connection.execute(text("DELETE FROM jobs"))
    assert done("cancel", "acted") == {"matched": 0, "done": 0, "refused": 0, "before": None}


def test_one_that_somebody_holds_has_its_turn_after_the_others() -> None:
    ids = stored(5, "held")
    answer: list[dict[str, Any]] = []
    with transaction() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": ids[2]})
        asking = threading.Thread(target=lambda: answer.append(done("cancel", "held")))
        asking.start()
        ended = text("SELECT count(*) FROM jobs WHERE id = ANY(:ids) AND status = 'CANCELLED'")
        while connection.scalar(ended, {"ids": ids}) < 4:
            assert asking.is_alive()
        connection.execute(text("UPDATE jobs SET priority = 5 WHERE id = :id"), {"id": ids[2]})
    asking.join(30)
    assert answer == [{"matched": 5, "done": 5, "refused": 0, "before": None}]


def changed_meanwhile(job_id: int, status: str, ask: Callable[[], Any]) -> Any:
    """What somebody is answered who asks while the job gets this status, and waits for it."""
    with ThreadPoolExecutor(1) as asking, transaction() as connection:
        lease = "now() + interval '1 hour'" if status == "IN_PROGRESS" else "NULL"
        changing = text(f"UPDATE jobs SET status = :status, lease_until = {lease} WHERE id = :id")  # noqa: S608
        connection.execute(changing, {"status": status, "id": job_id})
        answer = asking.submit(ask)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        wait_for(lambda: connection.scalar(waiting) or answer.done(), what="somebody who waits")
        connection.commit()
        return answer.result(30)


@pytest.mark.parametrize("action", ["cancel", "delete", "retry"])
def test_what_does_not_match_any_more_is_let_be(action: str) -> None:
    before, after = ("PENDING", "IN_PROGRESS") if action == "cancel" else ("CANCELLED", "FAILED")
    ids = stored(3, f"changing {action}")
    if before == "CANCELLED":
        done("cancel", f"changing {action}")
    answer = changed_meanwhile(ids[1], after, lambda: done(action, f"changing {action}", also={"status": before}))
    assert answer == {"matched": 3, "done": 2, "refused": 1, "before": None}
    with transaction() as connection:
        find = text("SELECT status, cancel_requested FROM jobs WHERE id = :id")
        assert tuple(connection.execute(find, {"id": ids[1]}).one()) == (after, False)


def test_what_is_cancelled_just_after_a_retry() -> None:
    (job_id,) = stored(1, "retried")
    service.cancel_job(job_id)
    changed_meanwhile(job_id, "PENDING", lambda: service.cancel_job(job_id))
    with pytest.raises(Conflict, match="is CANCELLED; it cannot be cancelled any more"):
        service.cancel_job(job_id)


def test_a_check_of_new_params_that_takes_its_time_holds_up_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    class Checked(Params):
        number: int = 1

        def check(self) -> None:
            time.sleep(deadlines.ANSWER_SECONDS + 0.5)

    def step(context: StepContext, params: Params) -> None:
        """A step."""

    pipeline = Pipeline("checked", Checked)
    pipeline.step(step)
    monkeypatch.setitem(registry.runnable(), "checked", pipeline)
    monkeypatch.setitem(registry.pipelines(), "checked", pipeline)
    job, _ = asyncio.run(creation.create_job(JobRequest(pipeline="checked", delay_seconds=3600)))
    service.cancel_job(job.id)
    service.retry_job(job.id, RetryRequest(params={"number": 2}))
    assert service.get_job(job.id).params == {"number": 2}


def test_what_is_deleted_just_after_its_end() -> None:
    (job_id,) = stored(1, "ended")
    changed_meanwhile(job_id, "CANCELLED", lambda: service.delete_job(job_id))
    with pytest.raises(NotFound):
        service.get_job(job_id, events_before=None)
