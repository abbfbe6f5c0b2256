"""What waits in the queues, and how much."""

from collections.abc import Iterable
from typing import Any

import redis

from background.base.queue_names import QUEUE
from background.broker.server import get_client, unavailable
from background.celery import PRIORITIES, PRIORITY_SEPARATOR

UNACKED_KEY = "unacked"
"""Where kombu keeps what a worker has taken and not acknowledged."""
MOST_READ = 200
"""With more messages than this it is not said whose they are."""
# The body is in base64, so no other id stands under that name. All at once: what is handed out again goes from one key
# to another.
_HELD = """
local number = redis.call('HLEN', KEYS[1])
for place = 2, #KEYS do number = number + redis.call('LLEN', KEYS[place]) end
if number > tonumber(ARGV[1]) then return false end
local ids = {}
local function note(messages)
    for _, message in ipairs(messages) do
        local _, place = string.find(message, '"id": "', 1, true)
        if place then table.insert(ids, string.match(message, '^[^"]+', place + 1)) end
    end
end
note(redis.call('HVALS', KEYS[1]))
for place = 2, #KEYS do note(redis.call('LRANGE', KEYS[place], 0, -1)) end
return ids
"""


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


def held(*queues: str) -> set[str] | None:
    """The ids of the tasks whose messages wait in these queues or the usual one, or are with a worker.

    `None` where they are too many to look at. A message that a worker is just taking is in neither place for a moment.
    Raises `Unavailable`.
    """
    keys = [UNACKED_KEY, *_lists({QUEUE, *queues})]
    try:
        found: Any = get_client().eval(_HELD, len(keys), *keys, MOST_READ)
    except (redis.RedisError, OSError) as error:
        raise unavailable(error) from error
    return None if found is None else {each.decode(errors="replace") for each in found}


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
