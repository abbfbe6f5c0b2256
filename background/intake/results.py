"""Celery's result backend on a Redis that may hold anything under the name of a task's result."""

from typing import Any

import redis
from celery import states
from celery.app.backends import BACKEND_ALIASES
from celery.backends.redis import RedisBackend
from kombu.utils.encoding import bytes_to_str

from background.intake.messages import described, dropped

SCHEMES = ("redis", "rediss")


def register() -> None:
    """Make it what Celery uses for the URL of a Redis in this process."""
    BACKEND_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:Backend"))


# The published types know little of what is overridden here.
_RedisBackend: Any = RedisBackend


class Backend(_RedisBackend):  # type: ignore[misc]
    """A backend that takes what is no result for none."""

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        try:
            meta: dict[str, Any] = super()._get_task_meta_for(task_id)
            if isinstance(meta["status"], str) and "result" in meta:  # a task may have states of its own
                return meta
            reason = "it is no result"
        except redis.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            reason = described(error)
        except (redis.RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody could ever read it
            reason = described(error)
        key = self.get_key_for_task(task_id)
        self.delete(key)
        dropped(bytes_to_str(key), reason)
        return {"status": states.PENDING, "result": None}
