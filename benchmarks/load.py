"""The same request over and over, on several connections that are kept: a client that costs little itself."""

import asyncio
import time


def load(port: int, request: bytes, *, connections: int, seconds: float) -> tuple[int, float, float]:
    """Ask for so long, and until what was asked is answered; gives how many answers, seconds, and own CPU seconds."""
    began, before = time.perf_counter(), time.process_time()
    answers = asyncio.run(_load(port, request, connections, seconds))
    return answers, time.perf_counter() - began, time.process_time() - before


def post(path: str, body: bytes = b"") -> bytes:
    """A request as it is sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def _load(port: int, request: bytes, connections: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    clients = [_Client(request, until, loop) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.ended for client in clients))
    return sum(client.answers for client in clients)


class _Client(asyncio.Protocol):
    """One connection: it asks again as soon as an answer is complete."""

    def __init__(self, request: bytes, until: float, loop: asyncio.AbstractEventLoop) -> None:
        self.answers = 0
        self.ended: asyncio.Future[None] = loop.create_future()
        self._request, self._until, self._loop, self._got = request, until, loop, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self.ended.set_exception(AssertionError(self._got[:500].decode()))
            self._transport.close()
            return
        self.answers += 1
        self._got = b""
        if self._loop.time() < self._until:
            self._transport.write(self._request)
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or AssertionError("the connection was closed"))
