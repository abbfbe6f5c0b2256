"""The event loop of a process, in a thread of its own, in which async steps run; and who looks after them there.

A step that waits cannot look whether its job is to be cancelled, or is somebody else's by now. So one statement looks
for all steps of the process, twice a second, and writes what they have reported.

A step that does not wait, but blocks, holds up all others of its loop, and nothing can interrupt a thread. Who guards
the loop says so, with the place, and gives those that come after it another loop. The held-up ones go on when the loop
turns again; what `upkeep.leases` finds late until then is handed back, and the step that blocks has timed out.
"""

import asyncio
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from background.base import forks
from background.base.errors import Unavailable
from background.jobs.pipeline import Cancelled, NotOurs
from background.jobs.sql import transitions
from background.storage import pools

if TYPE_CHECKING:
    from background.jobs.attempt import Attempt

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
BLOCKED_LOOKS = 6
"""After so many looks in a row, in which it has not turned, a loop is blocked."""
MOST_LOOPS = 10
"""Steps that come when so many are blocked wait in the last one."""
FRAMES = 10
"""How much is told of the place at which a loop is blocked."""
WRITERS = 20
"""How many threads write for the steps; what they want at the same time is written together."""
Answer = TypeVar("Answer")


class Block(NamedTuple):
    """What blocks a loop: the step of this attempt, as far as that is known, at this place."""

    by: "Attempt | None"
    where: str


_attempt: ContextVar["Attempt | None"] = ContextVar("async_step", default=None)
_attempts: WeakKeyDictionary[asyncio.Task[Any], "Attempt"] = WeakKeyDictionary()
"""Whose step has started which task."""


def _task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context: Context | None = options.get("context")
    attempt = _attempt.get() if context is None else context.get(_attempt)
    if attempt is not None:
        _attempts[task] = attempt
    return task


class _Threads(ThreadPoolExecutor):
    """The threads of `asyncio.to_thread`."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> "Future[Any]":
        """Have a thread call the function; a child that is forked in it would wait for more."""
        return super().submit(_call, function, *args, **named)


def _call(function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    with forks.kept_in():
        return function(*args, **named)


class _Loop:
    """One loop, which runs in its thread until it has been left and nothing is in it any more."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Threads(thread_name_prefix="async-steps-thread"))
        self.loop.set_task_factory(_task)
        self.members: set[Attempt] = set()
        self.watched: set[Attempt] = set()
        self.watcher: asyncio.Task[None] | None = None
        self.block: Block | None = None
        self._turned = True
        self._missed = 0
        self._left = False
        self._thread = threading.Thread(target=self._run, name="async-steps", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._left:
            try:
                with forks.kept_in():
                    self.loop.run_forever()
            except BaseException:
                # A task that a step has started may call `sys.exit()`, which leaves the loop; other steps wait in it.
                logger.exception("The loop of async steps was left, and goes on.")
        self.loop.close()

    def forked(self) -> None:
        """Let it not go on in a child that a step has forked: its steps, and those of others, are in this process."""
        self.loop.stop()

    def tell(self, callback: Callable[..., object], *args: Any) -> None:
        """Have it called in the loop, if that has not ended."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args)

    def look(self) -> bool:
        """Whether it is blocked since this look."""
        if self._turned:
            self._missed, self.block = 0, None
            if self.members:
                self._turned = False
                self.tell(self._turn)
            return False
        self._missed += 1
        if self._missed != BLOCKED_LOOKS:
            return False
        task = asyncio.current_task(self.loop)
        frame = sys._current_frames().get(self._thread.ident or 0)
        where = traceback.format_stack(frame, None)[-FRAMES:] if frame else []
        self.block = Block(None if task is None else _attempts.get(task), "".join(where))
        return True

    def _turn(self) -> None:
        self._turned = True

    def leave(self) -> None:
        """Let it end with the last task in it."""
        self.tell(lambda: self.loop.create_task(self._end(), context=Context()))

    async def _end(self) -> None:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        self._left = True
        self.loop.stop()

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self._left


class _Home:
    """Where the steps of this process run; another one is made in a process that is forked."""

    def __init__(self) -> None:
        self._choosing = threading.Lock()
        self._loops: list[_Loop] = []
        self._guard: threading.Thread | None = None
        self.writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="async-steps-writer")

    @property
    def loops(self) -> list[_Loop]:
        """Those in which steps are; the last one takes in what comes."""
        return list(self._loops)

    def start(self, attempt: "Attempt", coroutine: Coroutine[Any, Any, Answer]) -> "Future[Answer]":
        """Begin it in the last loop."""
        with self._choosing:
            if not self._loops:
                self._loops.append(_Loop())
            if self._guard is None:
                self._guard = threading.Thread(target=self._keep_guard, name="async-steps-guard", daemon=True)
                self._guard.start()
            place = self._loops[-1]
            place.members.add(attempt)
            future = asyncio.run_coroutine_threadsafe(coroutine, place.loop)
        future.add_done_callback(lambda _: place.members.discard(attempt))
        return future

    def here(self) -> _Loop:
        """The one that runs this."""
        loop = asyncio.get_running_loop()
        return next(each for each in self.loops if each.loop is loop)

    def _keep_guard(self) -> None:
        while True:
            # Looks are counted, not seconds: a process that was stopped, or a machine that slept, has blocked nothing.
            time.sleep(LOOK_SECONDS)
            for each in self.loops:
                if each.ended:
                    self._loops.remove(each)
                elif each.look() and each.block is not None:
                    self._blocked(each, each.block)

    def _blocked(self, loop: _Loop, block: Block) -> None:
        with self._choosing:
            if loop is self._loops[-1] and len(self._loops) < MOST_LOOPS:
                self._loops.append(_Loop())
                loop.leave()
        try:
            if block.by is not None:
                block.by.is_blocking(block.where)
            else:
                logger.warning("The event loop of async steps is blocked.\n%s", block.where)
        except Exception:
            logger.exception("What blocks the event loop of async steps could not be told.")


_home = _Home()


def _begin_anew() -> None:
    global _home  # noqa: PLW0603  (the threads of the old one are not in this process)
    for each in _home.loops:
        each.forked()
    _home = _Home()


os.register_at_fork(after_in_child=_begin_anew)


def start(attempt: "Attempt", coroutine: Coroutine[Any, Any, Answer]) -> "Future[Answer]":
    """Begin it in the loop, for this attempt and with the context of the caller; gives its future."""
    token = _attempt.set(attempt)
    try:
        return _home.start(attempt, coroutine)
    finally:
        _attempt.reset(token)


def wait_for(attempt: "Attempt", coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """What it gives; this thread waits for it. Not to be called in the loop."""
    future = start(attempt, coroutine)
    try:
        answer: Answer = future.result()
    except BaseException:
        future.cancel()  # no harm where it has ended; a signal may have come
        raise
    return answer


async def write(statement: Callable[[], Answer]) -> Answer:
    """Have it done by a thread, since it waits for PostgreSQL."""
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_home.writers, lambda: context.run(statement))


@contextmanager
def watched(attempt: "Attempt") -> Iterator[None]:
    """A block in which an attempt at an async step learns, by its `stop`, that it is to stop."""
    here = _home.here()
    here.watched.add(attempt)
    if here.watcher is None or here.watcher.done():
        here.watcher = asyncio.get_running_loop().create_task(_watch(here), context=Context())
    try:
        yield
    finally:
        here.watched.discard(attempt)


def stop(attempts: Sequence["Attempt"], reason: BaseException) -> None:
    """Let these stop where they wait."""
    for attempt in attempts:
        if attempt.stop is not None and not attempt.stop.done():
            attempt.stop.set_result(reason)


def stop_all() -> None:
    """Let all stop that run in this process, from any thread: their jobs were handed back."""
    for each in _home.loops:
        if each.watched:
            each.tell(lambda there=each: stop(list(there.watched), NotOurs()))


def block_of(token: str) -> Block | None:
    """What blocks the loop in which the attempt of this claim is, if anything does."""
    return next((each.block for each, _ in _places(token)), None)


def lose(token: str) -> None:
    """Let the attempt of this claim stop, from any thread: its job was handed back while its loop was blocked."""
    for place, attempt in _places(token):
        attempt.is_lost = True
        place.tell(stop, [attempt], NotOurs())


def _places(token: str) -> list[tuple[_Loop, "Attempt"]]:
    return [(place, attempt) for place in _home.loops for attempt in list(place.members) if attempt.token == token]


async def _watch(place: _Loop) -> None:
    while place.watched:
        await asyncio.sleep(LOOK_SECONDS)
        here = list(place.watched)
        with suppress(Unavailable):  # a look that PostgreSQL misses is no loss
            held = await write(lambda: _look(here))  # noqa: B023  (it is awaited)
            stop([each for each in here if each.token not in held], NotOurs())
            stop([each for each in here if held.get(each.token)], Cancelled())


def _look(attempts: Sequence["Attempt"]) -> dict[str, bool]:
    """Write what these have reported; gives whether a cancel is asked for, of each that is still ours, by token."""
    for attempt in attempts:
        reported, attempt.reported = attempt.reported, None
        if reported is not None:
            attempt.reported_at = -math.inf  # how often is decided here
            with suppress(Cancelled, NotOurs):  # found again below
                attempt.report(*reported)
    with pools.working(seconds=1) as connection:
        return transitions.held(connection, [(each.job_id, each.token) for each in attempts])
