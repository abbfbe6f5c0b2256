"""How many messages wait in the queues."""

from collections.abc import Iterable

import redis

from background.base.queue_names import QUEUE
from background.broker.server import get_client, unavailable
from background.celery import PRIORITIES, PRIORITY_SEPARATOR


def queue_length(*queues: str) -> int:
    """How many messages wait in these queues, or the usual one, over all their priority lists.

    What a worker has reserved is not in them. Raises `Unavailable`.
    """
    try:
        keys = _lists(queues or (QUEUE,))
        if not get_client().exists(*keys):  # one command, where nothing waits
            return 0
        with get_client().pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.llen(key)
            return sum(pipeline.execute())
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def empty(*queues: str) -> None:
    """Throw away what waits in these queues. Raises `Unavailable`."""
    try:
        get_client().delete(*_lists(queues))
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error


def _lists(queues: Iterable[str]) -> list[str]:
    """The Redis keys of these queues: a list for each priority."""
    return [
        f"{queue}{PRIORITY_SEPARATOR}{priority}" if priority else queue for queue in queues for priority in PRIORITIES
    ]
