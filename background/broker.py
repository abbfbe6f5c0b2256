"""The broker as the API sees it: asked with a short limit before anything is published, so that no request hangs.

Limits are set on the process that publishes only. A worker waits for its broker as long as it takes.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from kombu import Connection, Producer
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
_PUSH = """
local now = redis.call('TIME')
if now[1] + now[2] / 1e6 > tonumber(ARGV[1]) then return 0 end
local messages = tonumber(ARGV[2])
for position = 1, messages do redis.call('LPUSH', KEYS[position], ARGV[position + 2]) end
for position = messages + 1, #KEYS do redis.call('PEXPIRE', KEYS[position], ARGV[position + 2]) end
return 1
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


def clock() -> float:
    """The broker's own time in seconds. Raises `Unavailable` as `require_broker` does."""
    try:
        seconds, microseconds = _client().time()
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    return float(seconds) + microseconds / 1e6


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
        with _client().pipeline(transaction=False) as pipeline:
            for key in _lists(queues or (QUEUE,)):
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


class _Pushes:
    """What kombu takes for a pipeline: its messages are pushed together, in time by the broker's clock or never."""

    def __init__(self, *, until: float) -> None:
        self._until = until
        self._lists: list[str] = []
        self._messages: list[str] = []
        self._lifetimes: dict[str, int] = {}
        self.late = False

    def lpush(self, name: str, message: str) -> None:
        """Keep one."""
        self._lists.append(name)
        self._messages.append(message)

    def pexpire(self, name: str, milliseconds: int) -> None:
        """Keep for how long a list that is pushed to may live; kombu says it of all of an expiring queue."""
        self._lifetimes[name] = milliseconds

    def execute(self) -> None:
        """Push what was kept, or find that it is too late."""
        keys = [*self._lists, *self._lifetimes]
        values: list[float | str] = [self._until, len(self._lists), *self._messages, *self._lifetimes.values()]
        self.late = not _client().eval(_PUSH, len(keys), *keys, *values)

    def reset(self) -> None:
        """Forget what was kept."""
        self._lists, self._messages, self._lifetimes = [], [], {}


@contextmanager
def batch(*, until: float) -> Iterator[Producer]:
    """A producer whose messages reach the queue in one write at the end of the block, by then (see `clock`) or never.

    However late the write arrives: the broker itself looks at its clock. Raises `TimeoutError` when it was too late,
    else what kombu raises when it is unknown whether the messages arrived.
    """
    pushes = _Pushes(until=until)
    found: Any  # kombu's types know no batch
    with producer() as found:
        with found.batch() as collected:
            session = found.channel.create_publish_batch(sys.maxsize)
            session.pipeline = pushes
            collected.state.session = session
            yield found
        if pushes.late:
            raise TimeoutError("The broker was reached too late.")


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
