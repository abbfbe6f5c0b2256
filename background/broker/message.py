"""One message that is published again and again: a wake-up."""

import json
import re
import sys
from typing import Any
from uuid import uuid4

from kombu import Queue

from background.broker.publishing import producer
from background.broker.server import get_client, translated
from background.celery import celery_app

# `lives`: for how many milliseconds the queue does after its last message, 0: for ever. The messages come behind that.
_PUSH = """
local till, fill, at_least, most, lives = unpack(ARGV, 1, 5)
local now = redis.call('TIME')
if now[1] + now[2] / 1e6 > tonumber(till) then return 0 end
local waiting, given = redis.call('LLEN', KEYS[1]), #ARGV - 5
local number = math.max(math.min(given, fill - waiting), tonumber(at_least))
number = math.min(number, given, most - waiting)
for place = 1, number do redis.call('LPUSH', KEYS[1], ARGV[place + 5]) end
if tonumber(lives) > 0 then redis.call('PEXPIRE', KEYS[1], lives) end
return math.max(number, 0)
"""
# Those that are too many are taken away where they are next to be received; the `task` tells them from other messages.
_SETTLE = """
local wanted, kept, task, lives, new = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local waiting = redis.call('LLEN', KEYS[1])
local function is_one(message) return message and string.find(message, task, 1, true) end
while waiting > math.max(wanted, kept) and is_one(redis.call('LINDEX', KEYS[1], -1)) do
    redis.call('RPOP', KEYS[1])
    waiting = waiting - 1
end
if wanted == 0 then return end
local found = waiting >= wanted
if found then
    found = false
    for _, message in ipairs(redis.call('LRANGE', KEYS[1], 0, 19)) do found = found or is_one(message) end
end
if not found then redis.call('LPUSH', KEYS[1], new) end
if tonumber(lives) > 0 then redis.call('PEXPIRE', KEYS[1], lives) end
"""


class _Kept:
    """What kombu takes for a pipeline: the messages that it would push."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def lpush(self, _: str, message: str) -> None:
        """Keep one."""
        self.messages.append(message)

    def pexpire(self, _: str, __: int) -> None:
        """Nothing: for how long a queue lives says who pushes."""

    def execute(self) -> None:
        """Push nothing."""

    def reset(self) -> None:
        """Nothing: it is not used again."""


class Message:
    """One message that can be published again and again: what kombu makes of it once, each time under ids of its own.

    `expires` is for how many seconds its queue lives without another one, if not for ever.
    """

    def __init__(self, task: str, queue: Queue, *, expires: float | None) -> None:
        """What Celery would send for a call of this task without arguments. Raises as kombu does."""
        task_id, kept = str(uuid4()), _Kept()
        found: Any  # kombu's types know no batch
        with producer() as found, found.batch() as collected:
            session = found.channel.create_publish_batch(sys.maxsize)
            session.pipeline = kept
            collected.state.session = session
            celery_app.send_task(task, task_id=task_id, ignore_result=True, queue=queue, producer=found)  # type: ignore[arg-type]
        (message,) = kept.messages
        tag = json.loads(message)["properties"]["delivery_tag"]
        self._list, self._task = queue.name, task
        self._milliseconds = int((expires or 0) * 1000)
        self._parts = re.split(f"({re.escape(task_id)}|{re.escape(tag)})", message)
        self._ids = {task_id: 0, tag: 1}

    def _text(self) -> str:
        new = (str(uuid4()), str(uuid4()))
        return "".join(new[self._ids[part]] if part in self._ids else part for part in self._parts)

    def push(self, number: int, *, fill: int, at_least: int = 0, most: int, until: float) -> int:
        """Publish it up to `number` times, as long as fewer than `fill` wait in its queue; gives how often it was.

        But `at_least` so often, unless `most` wait there then. By then (`until`, see `clock`) or never, however late
        that arrives: the broker itself looks at its clock. Raises `Unavailable`.
        """
        texts = [self._text() for _ in range(min(max(at_least, min(number, fill)), number, most))]
        values: list[Any] = [until, fill, at_least, most, self._milliseconds, *texts]
        with translated():
            return int(get_client().eval(_PUSH, 1, self._list, *values))

    def settle(self, wanted: int, *, kept: int) -> None:
        """Publish it once more, as long as fewer than `wanted` wait in its queue, or none of the last that do is one.

        And take away what is too many, but for `kept`: whoever has published them a moment ago is not known here.
        Raises `Unavailable`.
        """
        with translated():
            get_client().eval(_SETTLE, 1, self._list, wanted, kept, self._task, self._milliseconds, self._text())
