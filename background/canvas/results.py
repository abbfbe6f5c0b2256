"""What Celery's result backend keeps of canvas tasks, besides what is recorded in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery.backends.redis import RedisBackend
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from background.base.errors import Unavailable
from background.canvas.states import TaskState
from background.celery import celery_app


def outcome(task_id: str) -> dict[str, Any]:
    """What it knows of a task: `status`, `result`, …. Raises `Unavailable`."""
    with _translated():
        # Not get_task_meta: that waits as long as the backend is away.
        return dict(celery_app.backend._get_task_meta_for(task_id))  # type: ignore[attr-defined]


def ends(task_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What it knows of those of these tasks that have ended, by id. Raises `Unavailable`."""
    backend: Any = celery_app.backend
    with _translated():
        if isinstance(backend, RedisBackend):
            found = backend.mget([backend.get_key_for_task(each) for each in task_ids]) if task_ids else []
            known = [backend.decode_result(each) if each is not None else {} for each in found]
        else:
            known = [backend._get_task_meta_for(each) for each in task_ids]
    ended = (TaskState.SUCCESS, TaskState.FAILURE)
    return {id_: each for id_, each in zip(task_ids, known, strict=True) if each.get("status") in ended}


def joins_itself() -> bool:
    """Whether a chord's body is called by whoever ends its header, not by a task that looks again and again."""
    return bool(celery_app.backend.supports_native_join)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, SQLAlchemyError, OSError) as error:
        raise Unavailable("The result backend does not answer.", code="result_backend_down") from error
