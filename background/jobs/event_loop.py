"""The one event loop of a process, in a thread of its own, in which async steps run; and who looks after them there.

A step that waits cannot look whether its job is to be cancelled, or is somebody else's by now. So one statement looks
for all steps of the process, twice a second, and writes what they have reported.
"""

import asyncio
import logging
import math
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from background.base.errors import Unavailable
from background.jobs.pipeline import Cancelled, NotOurs
from background.jobs.sql import transitions
from background.storage import lanes

if TYPE_CHECKING:
    from background.jobs.attempt import Attempt

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
WRITERS = 20
"""How many threads write for the steps; what they want at the same time is written together."""
Answer = TypeVar("Answer")


class _Home:
    """Where the steps of this process run; another one is made in a process that is forked."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="async-steps-writer")
        self.watched: set[Attempt] = set()
        self.watcher: asyncio.Task[None] | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, args=(self._loop,), name="async-steps", daemon=True).start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                loop.run_forever()
            except BaseException:
                # A task that a step has started may call `sys.exit()`, which leaves the loop; other steps wait in it.
                logger.exception("The loop of async steps was left, and goes on.")


_home = _Home()


def _begin_anew() -> None:
    global _home  # noqa: PLW0603  (the threads of the old one are not in this process)
    _home = _Home()


os.register_at_fork(after_in_child=_begin_anew)


def start(coroutine: Coroutine[Any, Any, Answer]) -> "Any":
    """Begin it in the loop, with the context of the caller; gives its future (`concurrent.futures`)."""
    return asyncio.run_coroutine_threadsafe(coroutine, _home.loop())


def wait_for(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """What it gives; this thread waits for it. Not to be called in the loop."""
    future = start(coroutine)
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
    home = _home
    home.watched.add(attempt)
    if home.watcher is None or home.watcher.done():
        home.watcher = asyncio.ensure_future(_watch(home))
    try:
        yield
    finally:
        home.watched.discard(attempt)


def stop(attempts: Sequence["Attempt"], reason: BaseException) -> None:
    """Let these stop where they wait."""
    for attempt in attempts:
        if attempt.stop is not None and not attempt.stop.done():
            attempt.stop.set_result(reason)


def stop_all() -> None:
    """Let all stop that run in this process, from any thread: their jobs were handed back."""
    home = _home
    if home.watched:
        home.loop().call_soon_threadsafe(lambda: stop(list(home.watched), NotOurs()))


async def _watch(home: _Home) -> None:
    while home.watched:
        await asyncio.sleep(LOOK_SECONDS)
        here = list(home.watched)
        with suppress(Unavailable):  # a look that PostgreSQL misses is no loss
            held = await write(lambda: _look(here))  # noqa: B023  (it is awaited)
            stop([each for each in here if each.job_id not in held], NotOurs())
            stop([each for each in here if held.get(each.job_id)], Cancelled())


def _look(attempts: Sequence["Attempt"]) -> dict[int, bool]:
    """Write what these have reported; gives whether a cancel is asked for, of each that is still ours, by job."""
    for attempt in attempts:
        reported, attempt.reported = attempt.reported, None
        if reported is not None:
            attempt.reported_at = -math.inf  # how often is decided here
            with suppress(Cancelled, NotOurs):  # found again below
                attempt.report(*reported)
    with lanes.working(seconds=1) as connection:
        return transitions.held(connection, [(each.job_id, each.number) for each in attempts])
