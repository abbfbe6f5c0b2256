"""The broker (Redis) as this project asks it: with a short limit, so that no request hangs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import redis
from kombu.exceptions import KombuError

from background.base import redis_url
from background.base.errors import Unavailable
from background.settings import get_settings

PROBE_KEY = "playground.probe"
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 1.0
CLOCK_SECONDS = 10.0
"""Seconds for which two clocks are taken to run alike."""
LIMITS = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS, "max_retries": 0}


def _unavailable(error: BaseException) -> Unavailable:
    """The error for one of Redis or kombu, with Redis' own words where it has said any."""
    code = getattr(error, "status_code", None)
    if code is None and not isinstance(error, redis.ResponseError):
        if error.__cause__ is not None:
            return _unavailable(error.__cause__)
        return Unavailable("The broker (Redis) cannot be reached or does not answer.", code="broker_down")
    # Before the words of Redis redis-py puts the command, where that was one of several.
    words = str(error).rpartition(" of pipeline caused error: ")[2]
    words = f"{code} {words}" if code else words
    return Unavailable(f"The broker (Redis) says: {words}", code="broker_refuses", words=words)


@contextmanager
def translated() -> Iterator[None]:
    """A block in which what keeps the broker from doing its part becomes `Unavailable`."""
    try:
        yield
    except (KombuError, redis.RedisError, OSError) as error:
        raise _unavailable(error) from error


@cache
def get_client() -> redis.Redis:
    """The client of this process, which gives up soon."""
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
    with translated():
        get_client().set(PROBE_KEY, 1)


def clock(*, at: float) -> float:
    """The broker's own time in seconds when `time.monotonic` shows this. Raises `Unavailable`."""
    return at + _ahead(int(time.monotonic() / CLOCK_SECONDS))


@lru_cache(maxsize=1)
def _ahead(_: int) -> float:
    with translated():
        seconds, microseconds = get_client().time()
    return float(seconds) + microseconds / 1e6 - time.monotonic()


@dataclass(frozen=True)
class BrokerServer:
    """What Redis says of itself: its name and version, its clock (Unix time), and what it does without memory."""

    version: str
    clock: float
    eviction: str


def describe() -> BrokerServer:
    """What the broker says of itself. Raises `Unavailable`."""
    with translated():
        info: Any = get_client().info()
        seconds, microseconds = get_client().time()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = f"{name} {info.get('valkey_version', info['redis_version'])}"
    return BrokerServer(version, seconds + microseconds / 1e6, info["maxmemory_policy"])
