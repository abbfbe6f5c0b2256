"""What Celery's result backend keeps of canvas tasks, besides what is recorded in PostgreSQL."""

from collections.abc import Iterator
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


def joins_itself() -> bool:
    """Whether a chord's body is called by whoever ends its header, not by a task that looks again and again."""
    return bool(celery_app.backend.supports_native_join)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, SQLAlchemyError, OSError) as error:
        raise Unavailable("The result backend does not answer.", code="result_backend_down") from error
