"""The broker may hold anything: what cannot be used is dropped with one line, and the worker goes on working.

The table has what is known to have ended a worker, or made it spin, or filled its log; hypothesis adds what nobody
thought of.
"""

import base64
import copy
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.utils.encoding import bytes_to_str

from background.base.queue_names import QUEUE
from background.celery import PRIORITIES, PRIORITY_SEPARATOR
from background.local.valkey import EmbeddedValkey
from tests.conftest import PASSWORD
from tests.support import Process, running_worker, wait_for

ADD = "background.task.test_tasks.add"
JOB = "tasks.process_job"
POOLS = {"prefork": ("--pool=prefork", "--concurrency=2"), "threads": ("--pool=threads",), "solo": ("--pool=solo",)}
BOMB = base64.b64encode(zlib.compress(b" " * (300 * 1024 * 1024))).decode()
DEEP = "[" * 100_000 + "]" * 100_000
LIMIT = 400


def body(args: Any = (2, 3), kwargs: Any = None, embed: Any = None) -> str:
    """Of protocol 2, in base64."""
    return base64.b64encode(json.dumps([args, kwargs or {}, embed or {}]).encode()).decode()


def message(*, task: str = ADD, **changes: Any) -> dict[str, Any]:
    """One that is right, with `changes` by the path of what they change: `headers__id=5`."""
    found: dict[str, Any] = {
        "body": body([7_000_000_000]) if task == JOB else body(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": task, "id": str(uuid4()), "retries": 0},
        "properties": {
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_tag": str(uuid4()),
            "body_encoding": "base64",
        },
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place = found
        for name in way:
            place = place[name]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return found


def old(**changes: Any) -> dict[str, Any]:
    """Of protocol 1: all of it is in the body."""
    content = {"task": ADD, "id": str(uuid4()), "args": [2, 3], "kwargs": {}, **changes}
    return message(headers={}, body=base64.b64encode(json.dumps(content).encode()).decode())


WRONG: list[Any] = [5, "x", [], ["x"], {"a": 1}, True, 1e308, -1, "\ud800", "a\nb", "x" * 5000]
RAW = [
    b"",
    b"not json",
    b"\xff\xfe",
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b"{}",
    DEEP.encode(),
    b'{"properties": ' + DEEP.encode() + b"}",
    b'{"__type__": "datetime", "__value__": 5}',
    b'{"__type__": "unknown", "__value__": 5}',
    b"9" * 5000,
]
PLACES = [
    "properties", "headers", "body", "properties__delivery_info", "properties__delivery_tag",
    "properties__body_encoding",
    "properties__delivery_info__exchange", "properties__delivery_info__routing_key", "content-type", "content-encoding",
    "headers__task", "headers__id", "headers__root_id", "headers__parent_id", "headers__group", "headers__retries",
    "headers__eta", "headers__expires", "headers__timelimit", "headers__argsrepr", "headers__stamps",
    "headers__stamped_headers", "headers__ignore_result", "headers__compression", "headers__clock",
    "properties__reply_to", "properties__correlation_id", "properties__priority", "headers__playground_retries",
]  # fmt: skip
NO_SIGNATURES: list[Any] = [5, "x", [5], [{}], {"a": 1}, {"task": 5}]
LIMITS: list[Any] = [[1], [1, 2, 3], ["a", "b"], [-1, None], [float("nan"), None]]
ETAS: list[Any] = ["tomorrow", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 5, []]
CLOCKS: list[Any] = ["x", [], 1e400, -1]
BODIES = [
    "!!! not base64",
    "AAA",
    base64.b64encode(b"not json").decode(),
    base64.b64encode(b"\xff\xfe\x00").decode(),
    base64.b64encode(DEEP.encode()).decode(),
    base64.b64encode(b"null").decode(),
    base64.b64encode(b"[]").decode(),
    base64.b64encode(b'{"a": 1, "b": 2, "c": 3}').decode(),
    base64.b64encode(b"[[], {}]").decode(),
    base64.b64encode(b'["args", {}, {}]').decode(),
    body("no list"),
    body({"a": 1}),
    base64.b64encode(b"[[2, 3], [1], {}]").decode(),
    base64.b64encode(b"[[2, 3], {}, [1]]").decode(),
    *(body(embed={name: value}) for name in ("callbacks", "errbacks", "chain") for value in NO_SIGNATURES),
    *(body(embed={"chord": value}) for value in (*NO_SIGNATURES, {"task": ADD, "args": 5})),
]
DROPPED: list[Any] = [
    *RAW,
    *(message(**dict[str, Any]({place: ...})) for place in PLACES[:8] if place != "headers"),
    *(message(body=each) for each in BODIES),
    *(
        message(**{"content-type": kind})
        for kind in ("application/x-python-serialize", "application/x-yaml", "text/plain", "")
    ),
    *(message(**{"content-encoding": kind}) for kind in ("rot13", "zlib", "no-such", "utf-16")),
    *(message(headers__compression=kind, body=BOMB) for kind in ("zlib", "bzip2", "no-such")),
    *(message(headers__timelimit=each) for each in LIMITS),
    *(message(headers__eta=each) for each in ETAS),
    *(message(headers__expires=each) for each in ETAS),
    message(task="no.such.task"),
    message(headers__id=...),
    old(task="no.such.task"),
    old(id=5),
    old(args=5),
    old(kwargs=[1]),
    old(callbacks=5),
    old(chord="x"),
    old(eta={}),
    old(timelimit="soon"),
]
MAYBE: list[Any] = [message(**{place: copy.deepcopy(value)}) for place in PLACES for value in WRONG]


def text(junk: Any) -> bytes:
    return junk if isinstance(junk, bytes) else json.dumps(junk).encode()


@pytest.fixture(scope="module")
def broker(valkey: EmbeddedValkey) -> "redis.Redis":
    return redis.Redis(port=int(os.environ["REDIS_PORT"]), password=PASSWORD)


@pytest.fixture(scope="module", params=POOLS)
def own_worker(
    request: pytest.FixtureRequest,
    client: httpx.Client,
    broker: "redis.Redis",
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Process]:
    """Of each pool one, which sees all of it."""
    log = tmp_path_factory.mktemp("junk") / f"{request.param}.log"
    with running_worker(log, *POOLS[request.param]) as process:
        yield process


def keys(name: str = QUEUE) -> list[str]:
    return [f"{name}{PRIORITY_SEPARATOR}{priority}" if priority else name for priority in PRIORITIES]


def is_at_work(client: httpx.Client, worker: Process) -> None:
    """It runs a task and a job after all that it was sent, and nothing is left."""
    response = client.post("/add", json={"x": 2, "y": 3})
    assert response.status_code == 202, response.text
    run = response.json()
    job = client.post("/jobs", json={"params": {"step_seconds": 0}}).json()

    def done() -> bool:
        assert worker.popen.poll() is None, worker.output[-3000:]
        states = [client.get(f"/result/{run['task_id']}").json(), client.get(f"/jobs/{job['job_id']}").json()]
        return [state["status"] for state in states] == ["SUCCESS", "COMPLETED"]

    wait_for(done, seconds=60, what="the work after the junk")


def lines(worker: Process, since: int) -> list[str]:
    return [line for line in worker.output[since:].splitlines() if "Dropped what came from" in line]


def check_log(worker: Process, since: int) -> None:
    """No page about any of it, and no line without a bound. What is a message after all fails as any task does."""
    output = worker.output[since:]
    pages = output.split("Traceback")
    others = [before for before in pages[:-1] if "raised unexpected: InvalidArgument" not in before.splitlines()[-2]]
    assert not others, others[0][-500:]
    assert max(map(len, lines(worker, since)), default=0) < LIMIT


def test_what_cannot_be_used_is_dropped_with_one_line(
    client: httpx.Client, broker: "redis.Redis", own_worker: Process
) -> None:
    since = len(own_worker.output)
    for number, junk in enumerate(DROPPED):
        broker.lpush(keys()[number % len(PRIORITIES)], text(junk))
    wait_for(lambda: len(lines(own_worker, since)) >= len(DROPPED), seconds=90, what="the end of the junk")
    is_at_work(client, own_worker)
    is_empty(broker)
    assert len(lines(own_worker, since)) == len(DROPPED)
    check_log(own_worker, since)


def is_empty(broker: "redis.Redis") -> None:
    """Nothing waits, and nothing will be handed out again."""
    wait_for(lambda: not broker.exists(*keys(), "unacked", "unacked_index"), what="an empty broker")


def test_any_value_in_any_place(client: httpx.Client, broker: "redis.Redis", own_worker: Process) -> None:
    """Some of it is right, and is run; the rest is dropped."""
    since = len(own_worker.output)
    broker.lpush(QUEUE, *(text(junk) for junk in MAYBE))
    is_at_work(client, own_worker)
    is_empty(broker)
    check_log(own_worker, since)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EMBED = st.dictionaries(st.sampled_from(["callbacks", "errbacks", "chain", "chord"]), JSON)
GENERATED = (
    st.binary(max_size=50)
    | JSON
    | st.builds(lambda place, value: message(**{place: value}), st.sampled_from(PLACES), JSON)
    | st.builds(lambda content: message(body=base64.b64encode(json.dumps(content).encode()).decode()), JSON)
    | st.builds(lambda kwargs, embed: message(body=body([2, 3], embed=embed, kwargs=kwargs)), st.just({}), EMBED)
    | st.builds(lambda fields: old(**fields), st.dictionaries(st.sampled_from(["id", "task", "eta", "retries"]), JSON))
)


def test_what_nobody_thought_of(client: httpx.Client, broker: "redis.Redis", own_worker: Process) -> None:
    since = len(own_worker.output)

    @settings(max_examples=300, database=None)
    @given(GENERATED)
    def push(junk: Any) -> None:
        broker.lpush(QUEUE, text(junk))

    push()
    is_at_work(client, own_worker)
    is_empty(broker)
    check_log(own_worker, since)


@pytest.mark.parametrize(
    "args", [[], [0], [-1], [True], [2**70], [1.5], ["1"], [None], [[1]], [{"a": 1}], [1, 2], ["7; DROP TABLE jobs"]]
)
def test_a_job_that_is_none(client: httpx.Client, broker: "redis.Redis", own_worker: Process, args: list[Any]) -> None:
    since = len(own_worker.output)
    broker.lpush(QUEUE, text(message(task=JOB, body=body(args))), text(message(task=JOB, body=body([], {"job": 1}))))
    is_at_work(client, own_worker)
    check_log(own_worker, since)


def test_what_was_never_handed_out_is_not_handed_out_again(
    client: httpx.Client, broker: "redis.Redis", own_worker: Process
) -> None:
    """In the hash of what is not acknowledged, and in the index of when it was taken."""
    since = len(own_worker.output)
    right = [message(), "", QUEUE]
    junk = [b"", b"x", b"\xff", b"5", b"[]", b"[1, 2]", DEEP.encode(), *map(text, [
        [5, "", QUEUE], [{}, "", QUEUE], [message(), 5, QUEUE], [message(), "", None], [message(), [], {}],
        [message(headers="x"), "", QUEUE], [message(properties=5), "", QUEUE], [*right, 4],
    ])]  # fmt: skip
    for number, each in enumerate(junk):
        broker.hset("unacked", f"junk {number}", each)
        broker.zadd("unacked_index", {f"junk {number}": 1.0})
    broker.hset("unacked", "right", text(right))
    broker.zadd("unacked_index", {b"\xff": 2.0, b"none": 3.0, b"right": 0.5})
    broker.set("unacked_mutex", "for ever")
    is_empty(broker)
    is_at_work(client, own_worker)
    assert len(lines(own_worker, since)) == len(junk)  # an empty one goes without a word, and the lock with one
    check_log(own_worker, since)


def test_keys_of_another_type(client: httpx.Client, broker: "redis.Redis", own_worker: Process) -> None:
    since = len(own_worker.output)
    broker.sadd(keys()[3], "x")
    broker.set(keys()[4], "x")
    for name in ("unacked", "unacked_index"):
        broker.set(name, "x")
    is_at_work(client, own_worker)
    is_empty(broker)
    check_log(own_worker, since)


def test_bindings_that_bind_nothing(client: httpx.Client, broker: "redis.Redis", own_worker: Process) -> None:
    since = len(own_worker.output)
    for exchange in (QUEUE, "celery.pidbox", "reply.celery.pidbox", "celeryev"):
        broker.sadd(f"_kombu.binding.{exchange}", "x", b"\xff\x06\x16\x06\x16a", b"a\x06\x16b\x06\x16c\x06\x16d")
    is_at_work(client, own_worker)
    check_log(own_worker, since)


def test_what_is_said_on_the_channels(client: httpx.Client, broker: "redis.Redis", own_worker: Process) -> None:
    """Remote control, and what workers tell each other."""
    since = len(own_worker.output)
    commands: list[Any] = [
        5, [], {}, {"method": 5}, {"method": "no_such"}, {"method": "rate_limit"}, {"method": "revoke", "arguments": 5},
        {"method": "revoke", "arguments": {"x": 1}}, {"method": "ping", "reply_to": 5, "ticket": "t"},
        {"method": "ping", "reply_to": {"exchange": "x"}}, {"method": "ping", "destination": 5},
        {"method": "ping", "pattern": "[", "matcher": "pcre"}, {"method": "ping", "pattern": "x", "matcher": "no such"},
    ]  # fmt: skip
    encoded = [
        text(message(headers={}, body=base64.b64encode(json.dumps(each).encode()).decode())) for each in commands
    ]
    wrong = [text(message(headers={"clock": clock}, body=body())) for clock in CLOCKS]
    channels = {bytes_to_str(channel) for channel in broker.pubsub_channels()}
    patterns = ["/0.celery.pidbox", "/0.celeryev/worker.heartbeat", "/0.celeryev/worker.online", "/0.celeryev/worker.x"]
    heard = 0
    for channel in {*channels, *patterns}:
        for junk in (*RAW, *encoded, *wrong, *map(text, MAYBE[::7])):
            heard += broker.publish(channel, junk)
    assert heard > 0
    is_at_work(client, own_worker)
    assert len(lines(own_worker, since)) > len(RAW)
    check_log(own_worker, since)


@pytest.mark.parametrize(
    "junk", [b"", b"x", b"\xff", b"5", b"[]", b"{}", b'{"status": 5, "result": []}', DEEP.encode(), None]
)
def test_results_of_others(
    client: httpx.Client, broker: "redis.Redis", own_worker: Process, junk: bytes | None
) -> None:
    """Under the key of a task's result, whose task and run are known."""
    run = client.post("/canvas", json={"task": "sleep", "args": [1]}).json()["task_id"]
    key = f"celery-task-meta-{run}"
    if junk is None:
        # The worker may have said there that it has begun.
        with broker.pipeline() as both:
            both.delete(key)
            both.sadd(key, "x")
            both.execute()
    else:
        broker.set(key, junk)
    assert client.get(f"/result/{run}").status_code == 200
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="its end")
    if junk is not None:
        broker.set(key, junk)
        broker.set(f"celery-task-meta-{uuid4()}", junk)
    assert client.get(f"/result/{run}").json()["status"] in ("SUCCESS", "FAILURE")
    is_at_work(client, own_worker)
