"""HTTP/1 as uvicorn has it with httptools, less what that parser takes and RFC 9112, or our memory, does not allow."""

from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from background.http.problems import problem

HEAD_BYTES = 64 * 1024
"""How much may come that is neither a whole head nor part of a body: heads, trailers, extensions of chunks."""
AHEAD = 100
"""How many requests may wait for the answers to those before them."""


class Http1(HttpToolsProtocol):
    """A connection."""

    _unparsed = 0
    _answering: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse it; what is no HTTP, or too long a head, ends in a problem."""
        self._unset_keepalive_if_required()
        self._unparsed += len(data)
        try:
            self.parser.feed_data(data)
            if self._unparsed > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Begin the request again: behind the head of an upgrade, the parser takes a body for another protocol."""
        line = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        fields = b"".join(b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"%b %b HTTP/%b\r\n" % line + fields + b"\r\n" + rest)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._unparsed = 0
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        if (
            version not in ("1.0", "1.1")
            or self.url[:1] not in (b"/", b"*")
            or len(hosts) > 1
            or (not hosts and version == "1.1")
            or any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers)
            or len(self.pipeline) >= AHEAD
        ):
            raise httptools.HttpParserError
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if version == "1.0":
                self.cycle.__class__ = Unchunked
            # Trailers go there, and not to what the request began with.
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Keep it for the application."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Let the application know that the body ends, unless the request begins again."""
        self._unparsed = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the application know: uvicorn tells only the newest of several requests."""
        if self._answering is not None:
            self._answering.disconnected = not self._answering.response_complete
            self._answering.message_event.set()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say so as a problem, unless that would come within or before the answer to another request."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.logger.warning(msg)
        answer = problem(HTTPStatus.BAD_REQUEST, msg, code="no_http", headers={"Connection": "close"})
        head = b"".join(b"%b: %b\r\n" % each for each in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%b\r\n%b" % (head, bytes(answer.body)))
        self.transport.close()


class Unchunked(RequestResponseCycle):
    """The answer to HTTP/1.0, which knows no chunks: the end of the connection is that of the body."""

    async def send(self, message: Any) -> None:
        """Send it; a length that is given is not compared with what comes."""
        self.chunked_encoding = False
        self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
