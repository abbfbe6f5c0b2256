"""Connections that cost others something: silent ones, half-sent ones, and those whose clients do not read.

uvicorn waits for the head of a request, and for a client that takes nothing, without end, and accepts until the
process has no descriptor left. `watched` gives its servers, before they listen, a protocol whose connections are
counted, and looked at every second.
"""

import asyncio
import contextlib
import ctypes
import gc
import logging
import time
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

import uvicorn

from background.http.http1 import Http1

logger = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
"""How long the head of a request may take, from the connection or from its first byte."""
STUCK_SECONDS = 15.0
"""How long a client may take nothing of what waits for it."""
WAITING_BYTES = 64 * 1024 * 1024
"""How much may wait for all clients together; then those go that have taken nothing for longest."""
BUFFER_BYTES = 16 * 1024
"""How much is written ahead to one client."""
BACKLOG = 128
"""How many connections are accepted at once, and so may come before one is counted."""
SPARE_DESCRIPTORS = 256
"""For databases, files and children, beside those that `BACKLOG` may take."""
MOST_DESCRIPTORS = 65_536
TRIM_SECONDS = 20.0
LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0


class Watch:
    """The connections of this process, of which it holds at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: dict[Any, Connection] = {}
        self._closed = 0
        self._told = -TELL_SECONDS
        self._trimmed_at = time.monotonic()

    def came(self, protocol: Any) -> None:
        """A new connection. Beyond the most, the one that has been silent for longest makes room, or it goes itself."""
        new = self._connections[protocol] = Connection(protocol)
        if len(self._connections) > self._most:
            silent = (each for each in self._connections.values() if each.is_silent)
            self._close(min(silent, key=lambda each: each.silent_since, default=new))

    def went(self, protocol: Any) -> None:
        """Forget a connection that is closed."""
        self._connections.pop(protocol, None)

    async def look(self) -> None:
        """Look at all of them, again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for each in tuple(self._connections.values()):
                each.look()
                if each.is_overdue:
                    self._close(each)
            self._make_room()
            self._tell()
            await self._give_back_memory()

    def _make_room(self) -> None:
        waiting = sum(each.waiting for each in self._connections.values())
        for each in sorted(self._connections.values(), key=lambda each: each.stuck_since):
            if waiting <= WAITING_BYTES:
                break
            waiting -= each.waiting
            self._close(each)

    async def _give_back_memory(self) -> None:
        """The C library would keep what a crowd, or something large, took."""
        if time.monotonic() - self._trimmed_at >= TRIM_SECONDS:
            self._trimmed_at = time.monotonic()
            await asyncio.to_thread(_trim)

    def _close(self, connection: "Connection") -> None:
        transport = connection.protocol.transport
        if connection.waiting:
            transport.abort()
        else:
            transport.close()
        self.went(connection.protocol)
        self._closed += 1

    def _tell(self) -> None:
        """One line for however many there were."""
        if self._closed and time.monotonic() - self._told >= TELL_SECONDS:
            logger.warning("Closed %s connections that sent no request in time or did not read.", self._closed)
            self._closed = 0
            self._told = time.monotonic()


class Connection:
    """What is known of one."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.waiting = 0
        self.silent_since = self.stuck_since = time.monotonic()

    @property
    def is_silent(self) -> bool:
        """Whether no request is being answered."""
        cycle = self.protocol.cycle
        return cycle is None or cycle.response_complete

    @property
    def is_overdue(self) -> bool:
        """Whether the client has had its time."""
        now = time.monotonic()
        return now - self.silent_since > HEAD_SECONDS or now - self.stuck_since > STUCK_SECONDS

    def look(self) -> None:
        """See whether it is silent, and whether its client has taken anything."""
        now = time.monotonic()
        # uvicorn itself ends those that stay open for another request.
        if not self.is_silent or self.protocol.timeout_keep_alive_task is not None:
            self.silent_since = now
        waiting = self.protocol.transport.get_write_buffer_size()
        if waiting == 0 or waiting < self.waiting:
            self.stuck_since = now
        self.waiting = waiting


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Watch the connections of all uvicorn servers of this process, which must not listen yet.

    To be entered while the application starts: only then are its servers there, and wait for it.
    """
    descriptors = _allow_descriptors()
    watch = Watch(max(descriptors - SPARE_DESCRIPTORS - BACKLOG, descriptors // 2))
    for config in _configurations():
        config.backlog = min(config.backlog, BACKLOG)
        config.http_protocol_class = partial(Watched, watch)
    look = asyncio.create_task(watch.look())
    try:
        yield
    finally:
        look.cancel()


def _configurations() -> Iterable[Any]:
    gc.unfreeze()  # what is frozen is not among all objects
    # No isinstance: it would wake lazy proxies.
    return [each.config for each in gc.get_objects() if issubclass(type(each), uvicorn.Server)]


class Watched(Http1):
    """A connection that tells `watch` of itself."""

    def __init__(self, watch: Watch, **given: Any) -> None:
        super().__init__(**given)
        self._watch = watch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count a new connection."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._watch.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._watch.went(self)
        super().connection_lost(exc)


def _allow_descriptors() -> int:
    """Take what the system allows; gives how many that are."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def _trim() -> None:
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
