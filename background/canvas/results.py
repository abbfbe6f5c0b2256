"""What Celery's result backend keeps of canvas tasks, besides what is recorded in PostgreSQL."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from background.celery import celery_app
from background.errors import Unavailable


def outcome(task_id: str) -> dict[str, Any]:
    """What it knows of a task: `status`, `result`, …. Raises `Unavailable`."""
    with _translated():
        # Not get_task_meta: that waits as long as the backend is away.
        return dict(celery_app.backend._get_task_meta_for(task_id))  # type: ignore[attr-defined]


def forget(task_ids: Iterable[str]) -> None:
    """Let it know nothing of these tasks. Raises `Unavailable`."""
    with _translated():
        for task_id in task_ids:
            celery_app.backend.forget(task_id)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, SQLAlchemyError, OSError) as error:
        raise Unavailable("The result backend does not answer.") from error
