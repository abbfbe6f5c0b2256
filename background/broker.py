"""The broker as the API sees it: asked with a short limit before anything is published, so that no request hangs.

Limits are set on the process that publishes only. A worker waits for its broker as long as it takes.
"""

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from uuid import uuid4

import redis
from kombu import Connection, Producer, Queue
from kombu.exceptions import KombuError
from kombu.pools import producers

from background import redis_url
from background.celery import PRIORITIES, PRIORITY_SEPARATOR, QUEUE, celery_app
from background.errors import Unavailable
from background.settings import get_settings

PROBE_KEY = "playground.probe"
EPOCH_KEY = "playground.epoch"
PUBLISHED_KEY = "playground.published"
PUBLISHED_SECONDS = 7 * 24 * 3600
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 1.0
# How long a queue lives after the last message to it (0: for ever) comes last.
_PUSH = """
local now = redis.call('TIME')
if now[1] + now[2] / 1e6 > tonumber(ARGV[1]) then return 0 end
local waiting = redis.call('LLEN', KEYS[1])
local number = math.max(math.min(#ARGV - 5, ARGV[2] - waiting), tonumber(ARGV[3]))
number = math.min(number, #ARGV - 5, ARGV[4] - waiting)
for place = 1, number do redis.call('LPUSH', KEYS[1], ARGV[place + 5]) end
if tonumber(ARGV[5]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return math.max(number, 0)
"""
CLOCK_SECONDS = 10.0
"""For so long clocks run alike."""
# Surplus ones go where they are next; ARGV[3] is what tells them from others.
_SETTLE = """
local function is_one(message) return message and string.find(message, ARGV[3], 1, true) end
local waiting, wanted, kept = redis.call('LLEN', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2])
while waiting > math.max(wanted, kept) and is_one(redis.call('LINDEX', KEYS[1], -1)) do
    redis.call('RPOP', KEYS[1])
    waiting = waiting - 1
end
if wanted == 0 then return end
local found = waiting >= wanted
if found then
    found = false
    for _, message in ipairs(redis.call('LRANGE', KEYS[1], 0, 19)) do found = found or is_one(message) end
end
if not found then redis.call('LPUSH', KEYS[1], ARGV[5]) end
if tonumber(ARGV[4]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
"""
LIMITS = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS, "max_retries": 0}


def unavailable(error: BaseException) -> Unavailable:
    """The error for one of Redis or kombu, with Redis' own words where it has said any."""
    code = getattr(error, "status_code", None)
    if code is None and not isinstance(error, redis.ResponseError):
        if error.__cause__ is not None:
            return unavailable(error.__cause__)
        return Unavailable("The broker (Redis) cannot be reached or does not answer.", code="broker_down")
    # Before the words of Redis redis-py puts the command, where that was one of several.
    words = str(error).rpartition(" of pipeline caused error: ")[2]
    words = f"{code} {words}" if code else words
    return Unavailable(f"The broker (Redis) says: {words}", code="broker_refuses", words=words)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        redis_url.for_redis_py(get_settings().broker_url),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=None,
        health_check_interval=0,
        # Protocol 3 begins with a question that a server that wants a password answers with a lecture.
        protocol=2,
    )


def require_broker() -> None:
    """Raise `Unavailable` within about a second unless the broker answers and takes what is written."""
    try:
        _client().set(PROBE_KEY, 1)
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def clock(*, at: float) -> float:
    """The broker's own time in seconds when `time.monotonic` shows this. Raises `Unavailable`."""
    return at + _ahead(int(time.monotonic() / CLOCK_SECONDS))


@lru_cache(maxsize=1)
def _ahead(_: int) -> float:
    try:
        seconds, microseconds = _client().time()
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    return float(seconds) + microseconds / 1e6 - time.monotonic()


@dataclass(frozen=True)
class BrokerServer:
    """What Redis says of itself: its name and version, its clock (Unix time), and what it does without memory."""

    version: str
    clock: float
    eviction: str


def server() -> BrokerServer:
    """What the broker says of itself. Raises `Unavailable`."""
    try:
        info: Any = _client().info()
        seconds, microseconds = _client().time()
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = f"{name} {info.get('valkey_version', info['redis_version'])}"
    return BrokerServer(version, seconds + microseconds / 1e6, info["maxmemory_policy"])


def epoch(*, new: str) -> str:
    """A value that stays the same until the broker is emptied or replaced; then it becomes `new`.

    Raises `Unavailable`.
    """
    try:
        with _client().pipeline(transaction=False) as pipeline:
            pipeline.set(EPOCH_KEY, new, nx=True)
            pipeline.get(EPOCH_KEY)
            _, found = pipeline.execute()
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    return found.decode() if isinstance(found, bytes) else new


def note_published(name: str) -> None:
    """Let `published` know that the messages of this run are in the broker's hands. Raises `Unavailable`."""
    try:
        _client().set(f"{PUBLISHED_KEY}.{name}", 1, ex=PUBLISHED_SECONDS)
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def published(names: Sequence[str]) -> set[str]:
    """Those of these runs of which all messages reached the broker. Raises `Unavailable`."""
    try:
        found: Any = _client().mget([f"{PUBLISHED_KEY}.{name}" for name in names]) if names else ()
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    return {name for name, value in zip(names, found, strict=True) if value is not None}


def queue_length(*queues: str) -> int:
    """How many messages wait in these queues, or the usual one, over all their priority lists.

    What a worker has reserved is not in them. Raises `Unavailable`.
    """
    try:
        keys = _lists(queues or (QUEUE,))
        if not _client().exists(*keys):  # one command, where nothing waits
            return 0
        with _client().pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.llen(key)
            return sum(pipeline.execute())
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def empty(*queues: str) -> None:
    """Throw away what waits in these queues. Raises `Unavailable`."""
    try:
        _client().delete(*_lists(queues))
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def _lists(queues: Iterable[str]) -> list[str]:
    """The Redis keys of these queues: a list for each priority."""
    return [
        f"{queue}{PRIORITY_SEPARATOR}{priority}" if priority else queue for queue in queues for priority in PRIORITIES
    ]


@cache
def _connection() -> Connection:
    return celery_app.connection_for_write(connect_timeout=ANSWER_SECONDS, transport_options=LIMITS)


@contextmanager
def producer() -> Iterator[Producer]:
    """A producer that gives up soon, also in a worker, whose other connections wait as long as it takes."""
    with producers[_connection()].acquire(block=True, timeout=ANSWER_SECONDS) as found:
        yield found


class _Kept:
    """What kombu takes for a pipeline: the messages that it would push."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def lpush(self, _: str, message: str) -> None:
        """Keep one."""
        self.messages.append(message)

    def pexpire(self, _: str, __: int) -> None:
        """For how long a queue lives says who pushes."""

    def execute(self) -> None:
        """Push nothing."""

    def reset(self) -> None:
        """It is not used again."""


class Message:
    """One message that can be published again and again: what kombu makes of it once, each time under ids of its own.

    `expires` is for how many seconds its queue lives without another one, if not for ever.
    """

    def __init__(self, task: str, queue: Queue, *, expires: float | None) -> None:
        """What Celery would send for a call of this task without arguments. Raises as kombu does."""
        task_id, kept = str(uuid4()), _Kept()
        found: Any  # kombu's types know no batch
        with producer() as found, found.batch() as collected:
            session = found.channel.create_publish_batch(sys.maxsize)
            session.pipeline = kept
            collected.state.session = session
            celery_app.send_task(task, task_id=task_id, ignore_result=True, queue=queue, producer=found)  # type: ignore[arg-type]
        (message,) = kept.messages
        tag = json.loads(message)["properties"]["delivery_tag"]
        self._list, self._task = queue.name, task
        self._milliseconds = int((expires or 0) * 1000)
        self._parts = re.split(f"({re.escape(task_id)}|{re.escape(tag)})", message)
        self._ids = {task_id: 0, tag: 1}

    def _text(self) -> str:
        new = (str(uuid4()), str(uuid4()))
        return "".join(new[self._ids[part]] if part in self._ids else part for part in self._parts)

    def push(self, number: int, *, fill: int, at_least: int = 0, most: int, until: float) -> int:
        """Publish it up to `number` times, as long as fewer than `fill` wait in its queue; gives how often it was.

        But `at_least` so often, unless `most` wait there then. By then (`until`, see `clock`) or never, however late
        that arrives: the broker itself looks at its clock. Raises `Unavailable`.
        """
        texts = [self._text() for _ in range(min(max(at_least, min(number, fill)), number, most))]
        values: list[Any] = [until, fill, at_least, most, self._milliseconds, *texts]
        try:
            return int(_client().eval(_PUSH, 1, self._list, *values))
        except (redis.RedisError, OSError) as error:
            raise unavailable(error) from error

    def settle(self, wanted: int, *, kept: int) -> None:
        """Publish it once more, as long as fewer than `wanted` wait in its queue, or none of the last that do is one.

        And take away what is too many, but for `kept`: whoever has published them a moment ago is not known here.
        Raises `Unavailable`.
        """
        try:
            _client().eval(_SETTLE, 1, self._list, wanted, kept, self._task, self._milliseconds, self._text())
        except (redis.RedisError, OSError) as error:
            raise unavailable(error) from error


def broadcast(command: str, arguments: dict[str, Any]) -> None:
    """Tell all workers to do something (a remote control command). Raises `Unavailable`."""
    try:
        with producer() as found:
            celery_app.control.broadcast(command, arguments=arguments, connection=found.connection)
    except (KombuError, redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def limit_publisher() -> None:
    """Make publishing in this process fail fast: to be called once by a process that is no worker.

    Measured with the broker refusing or frozen: 0.7 s and 1.6 s, instead of 1.3 s and more than 40 s.
    """
    conf = celery_app.conf
    conf.task_publish_retry = False
    conf.broker_connection_timeout = ANSWER_SECONDS
    conf.broker_transport_options = {**conf.broker_transport_options, **LIMITS}
    conf.redis_socket_timeout = ANSWER_SECONDS
    conf.redis_socket_connect_timeout = CONNECT_SECONDS
    conf.redis_retry_on_timeout = False
    conf.result_backend_transport_options = {
        **conf.result_backend_transport_options,
        "retry_policy": {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    }
