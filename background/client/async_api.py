"""The API over HTTP, in JSON as it comes, for a program with an event loop."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from background.client import exchange
from background.client.address import Address, succeeded
from background.client.errors import ClientError
from background.client.events import Parser, ServerEvent
from background.client.exchange import PATIENCE_SECONDS, Patience, Request

if TYPE_CHECKING:
    import httpx2


class AsyncApi(Address):
    """The paths of one API, in JSON as it comes; every method raises `ClientError`.

    What cannot be answered now is asked for again during `patience` seconds, where that can do no harm.
    """

    def __init__(self, url: str, api_key: str | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        super().__init__(url, api_key, patience=patience)
        # Not at the top: who shows help does not wait for it.
        import httpx2

        with self._options() as options:
            self._http = httpx2.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give all connections back."""
        await self._http.aclose()

    async def send(self, request: Request, *, until: float | None = None) -> "httpx2.Response":
        """The answer to a request, a success; it is not asked for again after `until` (`time.monotonic()`)."""
        patience = Patience(self.patience, until=until)
        while True:
            try:
                with self._failures():
                    answer = await self._http.send(self._built(self._http, request, silence=patience.silence))
                return succeeded(answer)
            except ClientError as error:
                await asyncio.sleep(patience.pause(error, repeatable=request.repeatable))

    async def get(self, path: str, **query: object) -> Any:
        """The JSON of `GET path`; parameters that are `None` are left out."""
        return self._json(await self.send(exchange.get(path, query)))

    async def post(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of `POST path`, with `body` as JSON where there is one."""
        return self._json(await self.send(exchange.post(path, body, headers=headers)))

    async def delete(self, path: str) -> None:
        """`DELETE path`."""
        await self.send(Request("DELETE", path))

    async def upload(self, path: str, *, name: str, content: bytes) -> Any:
        """The JSON of `POST path` with `content` as the multipart file `name`."""
        return self._json(await self.send(exchange.upload(path, name=name, content=content, mark=uuid.uuid4().hex)))

    async def download(self, path: str) -> bytes:
        """What `GET path` gives, as it is."""
        return (await self.send(exchange.get(path))).content

    async def follow(self, path: str, *, after: str | None = None) -> AsyncGenerator[ServerEvent]:
        """The events of a stream to its end, each once, whatever happens to connections and the API meanwhile.

        `after` is the id of an event that was seen before. Raises `ClientError` when the API was away for longer than
        its patience.
        """
        following = self._following(path, after=after)
        while True:
            request, silence = following.request()
            failure: ClientError | None = None
            try:
                async with self._stream(request, silence=silence) as pieces:
                    if pieces is None:
                        return
                    following.connected()
                    parser = Parser()
                    async for piece in pieces:
                        for event in filter(following.takes, parser.feed(piece)):
                            yield event
            except ClientError as error:
                failure = error
            await asyncio.sleep(following.pause(failure))

    @contextlib.asynccontextmanager
    async def _stream(self, request: Request, *, silence: float) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """The pieces of an open stream; `None` where it has ended."""
        with self._failures():
            answer = await self._http.send(self._built(self._http, request, silence=silence), stream=True)
            try:
                if not answer.is_success:
                    await answer.aread()
                yield answer.aiter_bytes() if self._is_stream(succeeded(answer)) else None
            finally:
                await answer.aclose()
