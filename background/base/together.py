"""What threads, or coroutines, of one process want to be written at the same moment is written by one statement
(group commit)."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from background.base.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


Write = Callable[[Sequence[Item]], Sequence[Answer]]
"""Gives an answer for each item. Where it raises for several, each is written by itself: only the culprit's caller gets
the error. `Unavailable` is nobody's fault, and everybody's error."""


class _Asked(Generic[Item, Answer]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.answer: Answer
        self.error: BaseException | None = None

    def told(self) -> Answer:
        if self.error is not None:
            raise self.error
        return self.answer


class _Waiting(_Asked[Item, Answer]):
    def __init__(self, item: Item) -> None:
        super().__init__(item)
        self.turn = threading.Event()
        self.leads = False


class Together(Generic[Item, Answer]):
    """Calls `write` with the items of all threads that came while the last call was under way."""

    def __init__(self, write: "Write[Item, Answer]") -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Item, Answer]] = []
        self._busy = False

    def __call__(self, item: Item) -> Answer:
        """Have it written, by this thread or another one; gives its answer."""
        own: _Waiting[Item, Answer] = _Waiting(item)
        with self._lock:
            self._waiting.append(own)
            own.leads, self._busy = not self._busy, True
        if not own.leads:
            own.turn.wait()
        if own.leads:
            self._lead()
        return own.told()

    def _lead(self) -> None:
        """Write what waits, then let the first of those that came meanwhile lead."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        try:
            _settle(self._write, taken)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
                if following is not None:
                    following.leads = True
            for each in (*taken, *([following] if following else [])):
                each.turn.set()


class Gathered(Generic[Item, Answer]):
    """The same for coroutines: a thread calls `write` with what all of them wanted while it was at the last call.

    Each event loop has its own, and its own thread, which waits for no other work. Who is cancelled while it waits
    does not hear the answer.
    """

    def __init__(self, write: "Write[Item, Answer]") -> None:
        self._write = write
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line[Item, Answer]] = WeakKeyDictionary()

    async def __call__(self, item: Item) -> Answer:
        """Have it written; gives its answer."""
        loop = asyncio.get_running_loop()
        line = self._loops.get(loop)
        if line is None:
            line = self._loops[loop] = _Line(self._write)
        return await line.join(item)


class _Line(Generic[Item, Answer]):
    """What waits in one event loop."""

    def __init__(self, write: "Write[Item, Answer]") -> None:
        self._write = write
        self._thread = CapacityLimiter(1)
        self._waiting: list[tuple[_Asked[Item, Answer], asyncio.Future[None]]] = []
        self._leader: asyncio.Task[None] | None = None

    async def join(self, item: Item) -> Answer:
        loop = asyncio.get_running_loop()
        own: _Asked[Item, Answer] = _Asked(item)
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((own, done))
        if self._leader is None:
            # It works for all of them: what is logged there has the ids of none.
            self._leader = loop.create_task(self._lead(), context=Context())
        await done
        return own.told()

    async def _lead(self) -> None:
        taken: list[tuple[_Asked[Item, Answer], asyncio.Future[None]]] = []
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                asked = [each for each, _ in taken]
                try:
                    await run_sync(_settle, self._write, asked, limiter=self._thread)
                except Exception as error:  # noqa: BLE001  (there is no thread)
                    for each in asked:
                        each.error = error
                _tell(taken)
        except BaseException:  # somebody cancels all tasks; nobody would ever hear of it
            taken, self._waiting = [*taken, *self._waiting], []
            for each, _ in taken:
                each.error = Unavailable("Whoever was to write it was stopped. It may have been written.")
            _tell(taken)
            raise
        finally:
            self._leader = None


def _tell(taken: "Sequence[tuple[_Asked[Item, Answer], asyncio.Future[None]]]") -> None:
    """Tell those who still wait that it has been settled."""
    for _, done in taken:
        if not done.done():
            done.set_result(None)


def _settle(write: "Write[Item, Answer]", taken: Sequence[_Asked[Item, Answer]]) -> None:
    try:
        for each, answer in zip(taken, write([each.item for each in taken]), strict=True):
            each.answer = answer
    except BaseException as error:  # noqa: BLE001  (it is raised where it belongs)
        if len(taken) == 1 or not isinstance(error, Exception) or isinstance(error, Unavailable):
            for each in taken:
                each.error = error
            return
        for each in taken:
            _settle(write, [each])
