"""What waits in the queues, and how much."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from background.base.queue_names import QUEUE
from background.broker.server import get_client, translated
from background.celery import PRIORITIES, PRIORITY_SEPARATOR

UNACKED_KEY = "unacked"
"""Where kombu keeps what a worker has taken and not acknowledged."""
PAGE = 200
"""So many messages are read by one command, 0.5 ms of Redis."""
PAGES = 5
"""So many pages are read each time."""
MOST_KNOWN = 50_000
"""With more messages than this it is not said whose they are."""
AGAIN_SECONDS = 1.0
"""So long after a round has ended the next one begins."""
# The body is in base64, so no other id stands under that name.
_IDS = """
local messages
local next = '0'
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
    local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
    next, messages = page[1], page[2]
else
    local from = tonumber(ARGV[1])
    messages = redis.call('LRANGE', KEYS[1], from, from + ARGV[2] - 1)
    if #messages == tonumber(ARGV[2]) then next = tostring(from + #messages) end
end
local ids = {}
for _, message in ipairs(messages) do
    local _, place = string.find(message, '"id": "', 1, true)
    if place then table.insert(ids, string.match(message, '^[^"]+', place + 1)) end
end
return {next, ids}
"""


def queue_length(*queues: str) -> int:
    """How many messages wait in these queues, or the usual one, over all their priority lists.

    What a worker has reserved is not in them. Raises `Unavailable`.
    """
    with translated():
        keys = _lists(queues or (QUEUE,))
        if not get_client().exists(*keys):  # one command, where nothing waits
            return 0
        with get_client().pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.llen(key)
            return sum(pipeline.execute())


@dataclass
class _Round:
    """One round through some queues: the ids of the tasks whose messages lie there or are with a worker, so far.

    What is with a worker is read first and last, and a queue from where messages come to where they go: so one that
    moves on meanwhile is still ahead. Only one that is taken and given back in the meantime may be missed.
    """

    queues: frozenset[str]
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    ids: set[str] = field(default_factory=set)
    keys: list[str] = field(init=False)
    place: str = "0"

    def __post_init__(self) -> None:
        self.keys = [UNACKED_KEY, *_lists(self.queues), UNACKED_KEY]

    def go_on(self) -> None:
        """Read some pages more. Raises `Unavailable`."""
        room = PAGES * PAGE
        with translated():
            while self.keys and room > 0:
                page: Any = get_client().eval(_IDS, 1, self.keys[0], self.place, PAGE)
                self.place, ids = page[0].decode(), page[1]
                self.ids.update(each.decode(errors="replace") for each in ids)
                room -= len(ids)
                if self.place == "0":
                    del self.keys[0]
        if not self.keys:
            self.ended = time.monotonic()


class Inventory:
    """What messages there are, found in rounds of pages: a queue may be long, and never drain.

    Nobody is held up by that, and what is not said of a task today is said later.
    """

    def __init__(self) -> None:
        self._ended: deque[_Round] = deque(maxlen=2)
        self._now: _Round | None = None

    def go_on(self, *queues: str) -> None:
        """Read on, in these queues beside the usual one from the next beginning on. Raises `Unavailable`."""
        if self._now is None:
            if self._ended and time.monotonic() - (self._ended[-1].ended or 0) < AGAIN_SECONDS:
                return
            self._now = _Round(frozenset({QUEUE, *queues}))
        self._now.go_on()
        if len(self._now.ids) > MOST_KNOWN:
            self._ended.clear()
            self._now = None
        elif self._now.ended is not None:
            self._ended.append(self._now)
            self._now = None

    def lacks(self, ids: Iterable[str], *queues: str, since: float) -> bool:
        """Whether two rounds were made since that time (`time.monotonic`), and none of these tasks was found.

        Once is not enough: a message that a worker is just taking is nowhere for a moment.
        """
        wanted = set(ids)
        return len(self._ended) == self._ended.maxlen and all(
            each.began >= since and each.queues.issuperset(queues) and each.ids.isdisjoint(wanted)
            for each in self._ended
        )


def empty(*queues: str) -> None:
    """Throw away what waits in these queues. Raises `Unavailable`."""
    with translated():
        get_client().delete(*_lists(queues))


def _lists(queues: Iterable[str]) -> list[str]:
    """The Redis keys of these queues: a list for each priority."""
    return [
        f"{queue}{PRIORITY_SEPARATOR}{priority}" if priority else queue for queue in queues for priority in PRIORITIES
    ]
