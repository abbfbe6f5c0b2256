"""The small tasks that canvases are made of. (No tests: pytest looks in `tests/` alone.)"""

import hashlib
import json
import time
from typing import Any

from celery.utils.log import get_task_logger

from background.canvas.recorder import RecordedTask
from background.celery import celery_app
from background.task_names import Number, TaskName

logger = get_task_logger(__name__)

FLAKY_RETRY_SECONDS = 0.1


@celery_app.task(name=TaskName.ADD, base=RecordedTask)
def add(x: Number, y: Number) -> Number:
    """x + y."""
    return x + y


@celery_app.task(name=TaskName.MULTIPLY, base=RecordedTask)
def multiply(x: Number, y: Number) -> Number:
    """x times y."""
    return x * y


@celery_app.task(name=TaskName.XSUM, base=RecordedTask)
def xsum(values: list[Number]) -> Number:
    """The sum of a list, such as a group's results."""
    return sum(values)


@celery_app.task(name=TaskName.FINALIZE, base=RecordedTask)
def finalize(value: Any) -> str:
    """A last word about whatever came before."""
    return f"Final result: {value}"


@celery_app.task(name=TaskName.ECHO, base=RecordedTask)
def echo(value: Any) -> Any:
    """The value itself."""
    return value


@celery_app.task(name=TaskName.REQUEST_INFO, base=RecordedTask, bind=True)
def request_info(self: RecordedTask, data: Any) -> dict[str, Any]:
    """What `bind=True` gives a task: `self.request`, and four things it is good for.

    A log line that can be found by id, progress under the task's own id, a cache key that is the same for the
    same work, and a file name that no other task uses.
    """
    request = self.request
    logger.info("request_info %s: attempt %s on %s", request.id, request.retries + 1, request.hostname)
    self.update_state(state="PROGRESS", meta={"done": 1, "of": 2})
    digest = hashlib.sha256(json.dumps([request.args, request.kwargs], sort_keys=True).encode()).hexdigest()
    return {
        "data": data,
        "task_id": request.id,
        "task_name": self.name,
        "retries": request.retries,
        "args": list(request.args or ()),
        "kwargs": dict(request.kwargs or {}),
        "group": request.group,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "hostname": request.hostname,
        "delivery_info": request.delivery_info,
        "cache_key": f"{self.name}:{digest[:16]}",
        "file_name": f"request-info-{request.id}.json",
    }


@celery_app.task(name=TaskName.SLEEP, base=RecordedTask)
def sleep(seconds: float) -> float:
    """Take that long; gives the seconds."""
    time.sleep(seconds)
    return seconds


@celery_app.task(name=TaskName.FAIL, base=RecordedTask)
def fail(message: str) -> None:
    """Always raises RuntimeError with the message."""
    raise RuntimeError(message)


@celery_app.task(name=TaskName.FLAKY, base=RecordedTask, bind=True, max_retries=None)
def flaky(self: RecordedTask, times: int) -> int:
    """Fail `times` times, a tenth of a second apart, then succeed; gives the number of tries."""
    tries = self.request.retries
    if tries < times:
        error = RuntimeError(f"try {tries + 1} fails")
        raise self.retry(exc=error, countdown=FLAKY_RETRY_SECONDS)
    return int(tries) + 1
