"""The API over HTTP, in JSON as it comes, for a program that waits for each answer."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from background.client import exchange
from background.client.address import Address, succeeded
from background.client.errors import ClientError
from background.client.events import Parser, ServerEvent
from background.client.exchange import PATIENCE_SECONDS, Patience, Request

if TYPE_CHECKING:
    import httpx2


class Api(Address):
    """The paths of one API, in JSON as it comes; every method raises `ClientError`.

    What cannot be answered now is asked for again during `patience` seconds, where that can do no harm.
    """

    def __init__(self, url: str, api_key: str | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        super().__init__(url, api_key, patience=patience)
        # Not at the top: who shows help does not wait for it.
        import httpx2

        with self._options() as options:
            self._http = httpx2.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self._http.close()

    def send(self, request: Request, *, until: float | None = None) -> "httpx2.Response":
        """The answer to a request, a success; it is not asked for again after `until` (`time.monotonic()`)."""
        patience = Patience(self.patience, until=until)
        while True:
            try:
                with self._failures():
                    answer = self._http.send(self._built(self._http, request, silence=patience.silence))
                return succeeded(answer)
            except ClientError as error:
                time.sleep(patience.pause(error, repeatable=request.repeatable))

    def get(self, path: str, **query: object) -> Any:
        """The JSON of `GET path`; parameters that are `None` are left out."""
        return self._json(self.send(exchange.get(path, query)))

    def post(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of `POST path`, with `body` as JSON where there is one."""
        return self._json(self.send(exchange.post(path, body, headers=headers)))

    def patch(self, path: str, body: object) -> Any:
        """The JSON of `PATCH path`, with `body` as JSON."""
        return self._json(self.send(replace(exchange.post(path, body), method="PATCH")))

    def delete(self, path: str) -> None:
        """`DELETE path`."""
        self.send(Request("DELETE", path))

    def upload(self, path: str, *, name: str, content: bytes) -> Any:
        """The JSON of `POST path` with `content` as the multipart file `name`."""
        return self._json(self.send(exchange.upload(path, name=name, content=content, mark=uuid.uuid4().hex)))

    def download(self, path: str) -> bytes:
        """What `GET path` gives, as it is."""
        return self.send(exchange.get(path)).content

    def follow(
        self,
        path: str,
        *,
        after: str | None = None,
        until: float | None = None,
        opened: Callable[[], None] = lambda: None,
        interrupted: Callable[[str], None] = lambda _reason: None,
    ) -> Iterator[ServerEvent]:
        """The events of a stream to its end, each once, whatever happens to connections and the API meanwhile.

        `after` is the id of an event that was seen before; `until`, a time of `time.monotonic()`, when `WaitTimeout` is
        raised. `opened` is called with each connection before its first event, `interrupted` with the reason when none
        can be had. Raises `ClientError` when the API was away for longer than its patience.
        """
        following = self._following(path, after=after, until=until)
        while True:
            request, silence = following.request()
            failure: ClientError | None = None
            try:
                with self._stream(request, silence=silence) as pieces:
                    if pieces is None:
                        return
                    opened()
                    following.connected()
                    parser = Parser()
                    for piece in pieces:
                        yield from filter(following.takes, parser.feed(piece))
                        if following.overdue:
                            break
            except ClientError as error:
                failure = error
            pause = following.pause(failure)
            if pause and not following.told:
                interrupted(str(failure or "The stream was cut."))
                following.told = True
            time.sleep(pause)

    @contextlib.contextmanager
    def _stream(self, request: Request, *, silence: float) -> Iterator[Iterator[bytes] | None]:
        """The pieces of an open stream; `None` where it has ended."""
        with self._failures():
            answer = self._http.send(self._built(self._http, request, silence=silence), stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                yield answer.iter_bytes() if self._is_stream(succeeded(answer)) else None
            finally:
                answer.close()
