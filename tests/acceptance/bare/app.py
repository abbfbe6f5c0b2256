"""A Celery application as anybody would write it, with the tasks of the catalogue under their short names.

Its broker and results are in the database that `BARE_URL` names; every run of a task leaves a line in the list `LOG`.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import redis
from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry
from celery.signals import task_postrun

LOG = "bare.log"
"""Redis list: one JSON object for each time a task has run."""
RETRIES_HEADER = "bare_retries"
"""Message header: how often a task is tried again when it fails."""
RETRY_SECONDS = 0.1

app = Celery("bare", broker=os.environ["BARE_URL"], backend=os.environ["BARE_URL"])
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_track_started=True,
    broker_connection_retry_on_startup=True,
)
log = redis.Redis.from_url(os.environ["BARE_URL"], socket_timeout=None)


class Retried(Task):  # type: ignore[type-arg]
    """A task that is tried again as often as its message says."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; where it fails, Celery's own `retry` decides."""
        if self.request.called_directly:
            return self.run(*args, **kwargs)
        try:
            return self.run(*args, **kwargs)
        except (Retry, Ignore, Reject):
            raise
        except Exception as error:
            allowed = int(self.request.get(RETRIES_HEADER) or 0)
            if self.request.retries >= allowed:
                raise
            headers = {RETRIES_HEADER: str(allowed)}
            raise self.retry(exc=error, countdown=RETRY_SECONDS, max_retries=allowed, headers=headers) from error


@task_postrun.connect
def _ended(task_id: str, task: Task[Any, Any], retval: Any, state: str | None, **_: Any) -> None:
    failed = isinstance(retval, BaseException)
    line = {
        "id": task_id,
        "state": state,
        "tries": task.request.retries + 1,
        "value": None if failed else retval,
        "error": f"{type(retval).__name__}: {retval}" if failed else None,
    }
    log.rpush(LOG, json.dumps(line, default=repr))


def number(value: Any) -> float:
    """The value itself. Raises `TypeError` for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


@app.task(name="add", base=Retried)
def add(x: float, y: float) -> float:
    """x + y."""
    return number(x) + number(y)


@app.task(name="multiply", base=Retried)
def multiply(x: float, y: float) -> float:
    """x times y."""
    return number(x) * number(y)


@app.task(name="xsum", base=Retried)
def xsum(values: list[float]) -> float:
    """The sum of a list."""
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return sum(map(number, values))


@app.task(name="finalize", base=Retried)
def finalize(value: Any) -> str:
    """A last word."""
    return f"Final result: {value}"


@app.task(name="echo", base=Retried)
def echo(value: Any) -> Any:
    """The value itself."""
    return value


@app.task(name="sleep", base=Retried)
def sleep(seconds: float) -> float:
    """Take that long."""
    if not 0 <= number(seconds) <= 30:
        raise ValueError(f"{seconds!r} is no time to sleep")
    time.sleep(seconds)
    return seconds


@app.task(name="fail", base=Retried)
def fail(message: str) -> None:
    """Always fails."""
    if not isinstance(message, str):
        raise TypeError(f"{message!r} is no text")
    raise RuntimeError(message)


@app.task(name="flaky", base=Retried, bind=True, max_retries=None)
def flaky(self: Task[Any, Any], times: Any) -> int:
    """Fail so many times, then succeed; gives the number of tries."""
    if isinstance(times, bool) or not isinstance(times, int) or not 0 <= times <= 100:
        raise TypeError(f"{times!r} is no number of times")
    tries = int(self.request.retries)
    if tries < times:
        raise self.retry(exc=RuntimeError(f"try {tries + 1} fails"), countdown=RETRY_SECONDS)
    return tries + 1
