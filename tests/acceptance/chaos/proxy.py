"""A TCP proxy that can be cut, frozen, or told to lose one particular statement or its answer."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

HOST = "127.0.0.1"
CHUNK = 65_536


class Fate(Enum):
    """What happens when a trap springs."""

    LOSE = "the connection is cut, and the text never arrives"
    LOSE_ANSWER = "the text arrives, and the connection is cut when its answer comes"
    FREEZE = "the text is held back, and so is all that comes after it on any connection"


@dataclass
class Trap:
    """Waits for these texts, in this order on one connection, and springs at the last of them."""

    texts: tuple[bytes, ...]
    fate: Fate
    sprung: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class Link:
    """One connection from a client to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    texts_seen: int = 0
    deaf: bool = False

    def abort(self) -> None:
        """Close both ends at once."""
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """A way to the server on port `target` of this machine, through `port`."""

    def __init__(self, *, target: int) -> None:
        self.target = target
        self.port = 0
        self._links: set[Link] = set()
        self._trap: Trap | None = None
        self._server: asyncio.Server
        self._loop = asyncio.new_event_loop()
        self._thawed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy to {target}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """Close all connections; new ones are let through."""
        self._do(self._abort)

    def freeze(self) -> None:
        """Hold everything back, without closing anything, until `thaw`."""
        self._do(self._thawed.clear)

    def thaw(self) -> None:
        """Let everything through again, what was held back first."""
        self._do(self._thawed.set)

    def lay_trap(self, fate: Fate, *texts: bytes) -> threading.Event:
        """The next time a client sends these, one after the other, `fate` strikes; set when it has happened."""
        trap = Trap(texts, fate)
        self._do(lambda: setattr(self, "_trap", trap))
        return trap.sprung

    def _abort(self) -> None:
        for link in self._links:
            link.abort()

    def _do(self, action: Callable[[], object]) -> None:
        async def call() -> None:
            action()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._thawed.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        self._abort()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, to_server)
        self._links.add(link)
        ways = [asyncio.create_task(self._ask(link, reader)), asyncio.create_task(self._answer(link, from_server))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.abort()
            for way in ways:
                way.cancel()

    async def _ask(self, link: Link, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                fate = self._spring(link, data)
                if fate is Fate.LOSE:
                    return
                if fate is Fate.FREEZE:
                    self._thawed.clear()
                link.deaf = fate is Fate.LOSE_ANSWER
                await self._thawed.wait()
                link.server.write(data)
                await link.server.drain()

    async def _answer(self, link: Link, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._thawed.wait()
                if link.deaf:
                    return
                link.client.write(data)
                await link.client.drain()

    def _spring(self, link: Link, data: bytes) -> Fate | None:
        trap = self._trap
        if trap is None or trap.texts[link.texts_seen] not in data:
            return None
        link.texts_seen += 1
        if link.texts_seen < len(trap.texts):
            return None
        self._trap = None
        link.texts_seen = 0
        trap.sprung.set()
        return trap.fate
