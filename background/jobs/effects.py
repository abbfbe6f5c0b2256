"""Outside effects that a step has once, however often it is run: `context.once`.

Between the effect and its record a worker may die. Only the outside can close that gap, by the key that it is given.
"""

import asyncio
import inspect
import json
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from background.base import forks
from background.jobs import event_loop
from background.jobs.outputs import Codec, NotStorable
from background.jobs.policy import NoRetry
from background.jobs.sql import effects
from background.settings import get_settings

NAME_CHARACTERS = 100
Persist = Callable[[Callable[[Connection], Any]], Any]
_within: ContextVar[tuple[str, ...]] = ContextVar("within_effects", default=())
"""The names under which an async function is being awaited here: one may call itself."""


@dataclass(slots=True)
class Effects:
    """Those of one step, under the claim of this `token`; `persist` executes what must be answered.

    Raises `lost` without the job.
    """

    job_id: int
    token: str
    step: str
    persist: Persist
    lost: type[BaseException]
    _turns: dict[str, threading.RLock] = field(default_factory=dict, init=False)
    _async_turns: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        """What the function gives, or has given when it was called under this name before.

        Threads of the step that ask for the same name at the same time have their turns one after the other.
        """
        codec = _codec(name, function)
        with self._turns.setdefault(name, threading.RLock()):
            found = self._find(name)
            if found is not None:
                return codec.loads(found.result)
            with forks.kept_in():
                result = function()
            _require_called(name, result, "once")
            return codec.loads(self._record(name, codec, result))

    async def aonce(self, name: str, function: Callable[[], Awaitable[Any]]) -> Any:
        """The same for a function that is async, and for tasks of the step."""
        codec = _codec(name, function)
        if name in _within.get():
            return await self._aonce(name, codec, function)
        async with self._async_turns.setdefault(name, asyncio.Lock()):
            before = _within.set((*_within.get(), name))
            try:
                return await self._aonce(name, codec, function)
            finally:
                _within.reset(before)

    async def _aonce(self, name: str, codec: Codec, function: Callable[[], Awaitable[Any]]) -> Any:
        found = await event_loop.write(partial(self._find, name))
        if found is not None:
            return codec.loads(found.result)
        with forks.kept_in():
            result = function()
            # The effect of a plain function is there by now, and must not be had again.
            if inspect.isawaitable(result):
                result = await result
        _require_called(name, result, "aonce")
        recording = asyncio.ensure_future(event_loop.write(partial(self._record, name, codec, result)))
        try:
            stored = await asyncio.shield(recording)
        except asyncio.CancelledError:
            await recording  # the effect is there
            raise
        return codec.loads(stored)

    def _find(self, name: str) -> effects.Effect | None:
        found: effects.Effect | None = self.persist(
            partial(effects.find, job_id=self.job_id, step=self.step, name=name)
        )
        return found

    def _record(self, name: str, codec: Codec, result: Any) -> Any:
        """Record it; gives it as it is stored. What cannot be is not tried again: the effect is there."""
        try:
            text = codec.dumps(result)
        except NotStorable as error:
            raise NoRetry(f"What once({name!r}) gave cannot be stored, and it has happened. {error}") from None
        size, limit = len(text.encode()), get_settings().max_output_bytes
        if size > limit:
            what = f"What once({name!r}) gave has {size} bytes as JSON"
            raise NoRetry(f"{what}; MAX_OUTPUT_BYTES allows {limit}. It has happened.")
        self._write(name, text)
        return json.loads(text)

    def _write(self, name: str, text: str) -> None:
        ours = partial(effects.record, job_id=self.job_id, token=self.token, step=self.step)
        if not self.persist(partial(ours, name=name, result=text)):
            raise self.lost


def _require_called(name: str, result: Any, how: str) -> None:
    """Raise for what a call has only prepared: nothing has happened, and to try again would be the same."""
    if inspect.iscoroutine(result):
        result.close()
        what = "a function that is async: in an async step, await context.aonce"
    elif inspect.isgenerator(result) or inspect.isasyncgen(result):
        what = "a generator, of which nobody would take what it yields"
    else:
        return
    raise NoRetry(f"{how}({name!r}, …) was given {what}. Nothing has happened.")


def _codec(name: Any, function: Any) -> Codec:
    """How it is stored. Raises what a step is not tried again for, before anything has happened."""
    if not (isinstance(name, str) and 0 < len(name) <= NAME_CHARACTERS and name.isprintable()):
        raise NoRetry(f"once takes a name of 1 to {NAME_CHARACTERS} printable characters; {name!r:.200} is not.")
    if not callable(function):
        raise NoRetry(f"once({name!r}, …) takes a function, which it calls without arguments.")
    try:
        return Codec(function)
    except NotStorable as error:
        raise NoRetry(f"once({name!r}, …): {error}") from None
