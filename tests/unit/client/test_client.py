"""What needs no server: both clients are one, and know what the API knows; and what is asked for again."""

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import Field, SecretStr

from background.base.strict import read
from background.client import AsyncClient, Client, NotTheApi, Refused, Unusable, errors, exchange, operations
from background.client.errors import Conflict, Invalid, NotAllowed, NotFound, TooMany, Unavailable, Unreachable
from background.client.events import Following
from background.client.exchange import Patience
from background.client.operations import JobFilters, JobOptions, NewJob
from background.jobs.filters import ActionRequest
from background.jobs.pipeline import Params
from background.jobs.schemas import JobRequest
from background.jobs.states import JobStatus
from tests.support import ROOT

SERVERS = {"sqlalchemy", "celery", "kombu", "redis", "fastapi", "starlette", "pydantic_settings"}
JOB: dict[str, Any] = {
    "id": 2**63 - 1,
    "task_id": "05b903fa-ae4b-47cf-ba6a-cf7372ca684a",
    "status": "PENDING",
    "created_at": "2026-11-26T10:00:00Z",
    "updated_at": "2026-11-26T10:00:00Z",
    "pipeline": "demo",
    "params": {"large": 12345678901234567890123, "small": 0.1},
    "priority": 0,
    "attempt": 1,
    "max_attempts": 3,
    "run_at": "2026-11-26T10:00:00Z",
    "started_at": None,
    "finished_at": None,
    "running_seconds": None,
    "worker": None,
    "result": None,
    "error": None,
    "waiting_for": "Because.",
    "waiting": {"code": "no_worker"},
    "step_names": [],
    "queue": "celery",
    "tags": [],
    "unique_key": None,
    "schedule_id": None,
    "steps": [],
}


def methods(kind: type) -> dict[str, list[tuple[str, Any]]]:
    """The public methods, and what each takes."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {
        name.removeprefix("a") if name == "aclose" else name: [
            (each.name, each.default) for each in inspect.signature(function).parameters.values()
        ]
        for name, function in found
        if not name.startswith("_")
    }


def test_both_clients_offer_the_same() -> None:
    assert methods(Client) == methods(AsyncClient)


def test_a_client_can_say_what_the_api_takes() -> None:
    assert set(NewJob.__annotations__) == set(JobRequest.model_fields)
    assert set(JobOptions.__annotations__) == set(JobRequest.model_fields) - {"pipeline"}
    import main

    parameters = main.app.openapi()["paths"]["/jobs"]["get"]["parameters"]
    assert set(JobFilters.__annotations__) == {"param", *(each["name"] for each in parameters)} - {"limit"}


def test_filters_are_sent_under_the_names_of_the_api() -> None:
    seoul = timezone(timedelta(hours=9))
    filters: JobFilters = {
        "status": ["FAILED", JobStatus.PENDING],
        "tag": "a&b",
        "param": {"customer": 7, "address.city": ["Seoul", None], "paid": Decimal("1.50")},
        "created_after": datetime(2026, 1, 1, tzinfo=seoul),
    }
    query = parse_qs(urlsplit(operations.find(filters, limit=5).path).query)
    assert query == {
        "status": ["FAILED", "PENDING"],
        "tag": ["a&b"],
        "param.customer": ["7"],
        "param.address.city": ["Seoul", "null"],
        "param.paid": ["1.50"],
        "created_after": ["2026-01-01T00:00:00+09:00"],
        "limit": ["5"],
    }
    sent = json.loads(operations.act("retry", filters, limit=9).content or b"")
    params = {"customer": ["7"], "address.city": ["Seoul", "null"], "paid": ["1.50"]}
    assert ActionRequest.model_validate(sent).filter.params == params
    with pytest.raises(Unusable, match="created_before"):
        operations.find({"created_before": datetime(2026, 1, 1)}, limit=None)  # noqa: DTZ001
    with pytest.raises(Unusable, match="There is no filter 'state'; there are status, tag, pipeline"):
        operations.find({"state": "FAILED"}, limit=None)  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize("filters", [{"status": []}, {"tag": ()}, {"status": set()}, {"param": {"customer": []}}])
def test_a_filter_that_came_out_empty_does_not_mean_all_jobs(filters: JobFilters) -> None:
    with pytest.raises(Unusable, match="names none"):
        operations.find(filters, limit=None)
    with pytest.raises(Unusable, match="names none"):
        operations.act("delete", filters, limit=9)


def test_a_client_imports_nothing_of_a_server() -> None:
    code = "import sys, background.client as c; c.Client('http://x'); print({n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not SERVERS & {name.strip("{}' \n") for name in done.stdout.split(",")}


def test_what_only_a_newer_api_says_is_no_obstacle() -> None:
    newer = {**JOB, "status": "PAUSED", "colour": "red", "waiting": {"code": "queue_paused", "queue": "slow"}}
    job = operations.told(operations.JOB, json.dumps(newer))
    assert (job.status, job.waiting and job.waiting.code) == ("PAUSED", "queue_paused")
    assert (job.id, job.params) == (JOB["id"], JOB["params"])
    for wrong in ("{", "[]", json.dumps({**JOB, "id": "x"}), json.dumps({**JOB, "status": 7})):
        with pytest.raises(NotTheApi):
            operations.told(operations.JOB, wrong)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((401, NotAllowed), (403, NotAllowed), (404, NotFound), (409, Conflict), (413, Invalid), (422, Invalid)),
        *((429, TooMany), (500, Refused), (502, Unavailable), (503, Unavailable)),
    ],
)
def test_a_problem_is_an_error_with_all_that_it_says(status: int, kind: type[Refused]) -> None:
    field = {"loc": ["body", "jobs", 3], "msg": "No.", "type": "no", "values": {"a": 1}}
    problem = {"detail": "So it is.", "code": "so", "values": {"id": 7}, "errors": [field], "more": 1}
    error = errors.refused(status, json.dumps(problem).encode(), retry_after="2")
    assert type(error) is kind
    assert (error.status, error.detail, error.code, error.values) == (status, "So it is.", "so", {"id": 7})
    assert str(error) == "So it is. jobs.3: No."
    assert (error.errors[0].loc, error.errors[0].values, error.retry_after) == (("body", "jobs", 3), {"a": 1}, 2)


@pytest.mark.parametrize(
    ("status", "kind"), [(302, NotTheApi), (404, NotTheApi), (403, NotAllowed), (502, Unavailable), (599, Refused)]
)
@pytest.mark.parametrize("content", [b"", b"<p>", b"[]", b"{}", b'{"detail": 1, "errors": 7}', b"\xff"])
def test_an_answer_of_somebody_else_is_told_from_the_apis(status: int, kind: type, content: bytes) -> None:
    error = errors.refused(status, content, retry_after="soon")
    assert type(error) is kind
    assert "not by the API" in str(error)


AWAY, CUT = Unreachable("It is away.", sent=False), Unreachable("It was cut.", sent=True)


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (AWAY, True, True),
        (AWAY, False, True),
        (CUT, True, True),
        (CUT, False, False),
        (Unavailable(503, ""), True, True),
        (Unavailable(503, ""), False, False),
        (TooMany(429, ""), True, True),
        (NotFound(404, ""), True, False),
        (NotTheApi(""), True, False),
    ],
)
def test_only_what_may_help_and_can_do_no_harm_is_asked_again(
    error: errors.ClientError, repeatable: bool, again: bool
) -> None:
    patience = Patience(60)
    if again:
        assert patience.pause(error, repeatable=repeatable) == 0
        assert patience.pause(error, repeatable=repeatable) > 0
    else:
        with pytest.raises(type(error)):
            patience.pause(error, repeatable=repeatable)
    with pytest.raises(type(error)):
        Patience(0).pause(error, repeatable=repeatable)


def test_the_api_says_when_to_come_again_and_nobody_waits_for_ever() -> None:
    assert Patience(60).pause(Unavailable(503, "", retry_after=7)) == 7
    with pytest.raises(Unavailable):
        Patience(60).pause(Unavailable(503, "", retry_after=61))
    pauses = exchange.pauses()
    assert next(pauses) == 0
    assert max(next(pauses) for _ in range(2000)) <= exchange.LONGEST_PAUSE_SECONDS


def test_only_a_submit_that_carries_a_key_is_repeatable() -> None:
    one, two = (operations.submit("demo", {}, key=None) for _ in range(2))
    assert one.repeatable
    assert one.headers["Idempotency-Key"] != two.headers["Idempotency-Key"]
    assert not operations.submit_many([{}]).repeatable
    assert not operations.cancel(1).repeatable
    assert not operations.retry(1, from_step=None, params=None, replan=False).repeatable
    assert not operations.delete(1).repeatable


def test_comments_of_the_api_do_not_hide_the_end_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("background.client.events.time.monotonic", lambda: clock[-1])
    following = Following("/events", patience=0, until=120)
    found = []
    for now in (100.0, 111.0, 115.0):
        clock.append(now)
        found.append((following.overdue, following.request()[1], following.overdue))
    assert found == [(False, 20.0, False), (True, 9.0, False), (True, 5.0, False)]
    clock.append(120.0)
    with pytest.raises(errors.WaitTimeout):
        following.request()


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "http://", "http://x:99999", "http://a:b@x", "http://x?a", "http://x#a", "http://한", "http://x y"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Unusable, match="url must be an address"):
        Client(url)


@pytest.mark.parametrize("key", ["키", "a\nb", "a\r\nX-Other: 1"])
def test_a_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with pytest.raises(Unusable, match="printable ASCII"):
        Client("http://127.0.0.1", key)


@pytest.mark.parametrize("key", [" ", " hidden-key", "hidden-key "])
def test_a_key_with_spaces_at_its_ends_is_refused_without_being_said(key: str) -> None:
    with pytest.raises(Unusable, match="may not begin or end with a space") as refused:
        Client("http://127.0.0.1", key)
    assert "hidden-key" not in str(refused.value)


def test_the_key_is_in_no_log_and_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client("http://127.0.0.1:9", "hidden-key", patience=0)
    with pytest.raises(Unreachable) as failed:
        client.get(1)
    assert "hidden-key" not in caplog.text + repr(client) + repr(client.api) + repr(failed.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(Unusable, match="proxy of the environment"):
        Client("http://example.org")
    Client("http://127.0.0.1")


def test_names_stay_within_their_place_in_a_path() -> None:
    assert [exchange.quoted(name) for name in ("..", ".", "a/b", "?#%", "한")] == [
        "%2E%2E", "%2E", "a%2Fb", "%3F%23%25", "%ED%95%9C",
    ]  # fmt: skip


def test_what_is_not_json_is_not_sent() -> None:
    with pytest.raises(Unusable, match="not JSON"):
        Client("http://127.0.0.1:9").submit(params={"x": float("nan")})
    with pytest.raises(Unusable, match="not JSON"):
        Client("http://127.0.0.1:9").submit(params={"x": object()})
    with pytest.raises(Unusable, match="SecretStr has no form in it"):
        Client("http://127.0.0.1:9").submit(params={"x": SecretStr("hidden")})


class Order(Params):
    """Params as a pipeline declares them."""

    price: Decimal = Field(alias="cents")
    at: datetime


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("params", [Order(price=Decimal("1.50"), at=NOON), {"price": Decimal("1.50"), "at": NOON}])
def test_params_are_sent_as_python_has_them(params: Order | dict[str, Any]) -> None:
    stored = {"price": "1.50", "at": "2026-01-01T12:00:00Z"}
    options: JobOptions = {"params": params}
    sent = operations.submit("order", options, key=None).content or b""
    again = operations.retry(1, from_step=None, params=params, replan=False).content or b""
    many = operations.submit_many([{"pipeline": "order", **options}]).content or b""
    assert [json.loads(sent)["params"], json.loads(again)["params"]] == [stored, stored]
    assert json.loads(many)["jobs"][0]["params"] == stored
    assert read(Order, stored) == Order(price=Decimal("1.50"), at=NOON)


@pytest.mark.parametrize("given", [float("nan"), float("inf"), -1, -0.001, True, "5", 10**400, None])
def test_what_are_no_seconds_is_refused_at_once(given: Any) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=r"^patience takes seconds, 0 or more; .* are none\.$"):
            kind("http://127.0.0.1:9", patience=given)
    if given is None:
        return  # as long as it takes
    with pytest.raises(ValueError, match="timeout takes seconds, 0 or more"):
        Client("http://127.0.0.1:9", patience=0).wait(1, timeout=given)
    with pytest.raises(Unusable, match="timeout takes seconds, 0 or more"):
        asyncio.run(AsyncClient("http://127.0.0.1:9", patience=0).wait(1, timeout=given))


@pytest.mark.parametrize("given", [float("nan"), float("inf"), -1, True, "5", 2.0])
def test_a_limit_is_a_whole_number(given: Any) -> None:
    client = Client("http://127.0.0.1:9", patience=0)
    for find in (client.find, client.schedules.find):
        with pytest.raises(Unusable, match="limit takes a whole number, 0 or more"):
            list(find(limit=given))


def test_no_job_is_looked_for_by_what_is_no_json() -> None:
    with pytest.raises(Unusable, match="param: nan is not JSON"):
        operations.find({"param": {"x": float("nan")}}, limit=None)
    with pytest.raises(Unusable, match="Last-Event-ID takes text; 5 is none"):
        next(Client("http://127.0.0.1:9", patience=0).events(after=5))  # type: ignore[arg-type]
