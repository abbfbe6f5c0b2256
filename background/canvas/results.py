"""What Celery's result backend keeps of canvas tasks, besides what is recorded in PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from celery.backends.redis import RedisBackend
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from background.base import exact
from background.base.errors import Unavailable
from background.broker import marks
from background.canvas.recording import describe
from background.canvas.states import TaskState
from background.celery import celery_app


def outcome(task_id: str) -> dict[str, Any]:
    """What it knows of a task: `status`, `result`, …. Raises `Unavailable`."""
    with _translated():
        # Not get_task_meta: that waits as long as the backend is away.
        return dict(celery_app.backend._get_task_meta_for(task_id))  # type: ignore[attr-defined]


class End(NamedTuple):
    """SUCCESS or another state in which a task has ended, and its result or error as JSON text."""

    state: TaskState
    text: str | None


def ends(task_ids: Sequence[str], *, uncalled: Collection[str] = ()) -> dict[str, End]:
    """How those of these tasks have ended of which it knows that, by id. Raises `Unavailable`.

    So do ends of which it keeps nothing, and which could not be recorded yet (`recording.secure`). That those which are
    `uncalled`, for all we know, have failed is not believed: Celery says so of all that comes behind a failure.
    """
    backend: Any = celery_app.backend
    with _translated():
        if isinstance(backend, RedisBackend):
            found = backend.mget([backend.get_key_for_task(each) for each in task_ids]) if task_ids else []
            known = [backend.decode_result(each) if each is not None else {} for each in found]
        else:
            known = [backend._get_task_meta_for(each) for each in task_ids]
    kept = {id_: End(TaskState(kind.upper()), text) for id_, (kind, text) in marks.kept_ends(task_ids).items()}
    told = {id_: end for id_, each in zip(task_ids, known, strict=True) if (end := _end(each)) is not None}
    return kept | {id_: end for id_, end in told.items() if end.state == TaskState.SUCCESS or id_ not in uncalled}


def _end(known: Mapping[str, Any]) -> End | None:
    match known.get("status"):
        case TaskState.SUCCESS:
            return End(TaskState.SUCCESS, exact.dumps(known["result"]))
        case TaskState.FAILURE:
            return End(TaskState.FAILURE, describe(known["result"]))
    return None


def joins_itself() -> bool:
    """Whether a chord's body is called by whoever ends its header, not by a task that looks again and again."""
    return bool(celery_app.backend.supports_native_join)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, SQLAlchemyError, OSError) as error:
        raise Unavailable("The result backend does not answer.", code="result_backend_down") from error
