"""The API over HTTP, with the standard library alone."""

import contextlib
import http.client
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from background.cli.errors import CommandFailed, ExitCode, code_of, invalid

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 45.0
"""A stream that says nothing for so long is dead: the API sends a comment every 15 s."""


@dataclass(frozen=True)
class Client:
    """One API. Every method raises `CommandFailed`, with the API's own words where it has answered.

    No redirect is followed, so that the key goes nowhere else. A proxy of the environment is used, but never for this
    machine.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    _opener: OpenerDirector = field(init=False, repr=False)

    def __post_init__(self) -> None:
        url = self.url if "://" in self.url else f"http://{self.url}"
        parts = _checked(url)
        opener = OpenerDirector()
        for handler in (ProxyHandler({} if _is_here(parts) else None), HTTPHandler(), HTTPSHandler()):
            opener.add_handler(handler)
        object.__setattr__(self, "url", url.rstrip("/"))
        object.__setattr__(self, "_opener", opener)

    def get(self, path: str, **query: object) -> Any:
        """The JSON of `GET path`; parameters that are `None` are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._json(self._request("GET", f"{path}?{urlencode(given)}" if given else path))

    def post(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of `POST path`, with `body` as JSON where there is one."""
        request = self._request("POST", path, data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        return self._json(request)

    def delete(self, path: str) -> None:
        """`DELETE path`."""
        self._read(self._request("DELETE", path))

    def upload(self, path: str, *, name: str, content: bytes) -> Any:
        """The JSON of `POST path` with `content` as the multipart file `name`."""
        mark = uuid.uuid4().hex
        # As browsers do it (WHATWG HTML, multipart form data).
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
        data = b"".join([head.encode(errors="surrogateescape"), content, f"\r\n--{mark}--\r\n".encode()])
        request = self._request("POST", path, data=data)
        request.add_header("Content-Type", f"multipart/form-data; boundary={mark}")
        return self._json(request)

    def download(self, path: str) -> bytes:
        """What `GET path` gives, as it is."""
        return self._read(self._request("GET", path))

    @contextlib.contextmanager
    def stream(self, path: str, *, after: str | None) -> Iterator[Iterable[bytes] | None]:
        """The lines of an event stream as they come in, from behind the event `after`; `None` when it has ended."""
        request = self._request("GET", path)
        request.add_header("Accept", "text/event-stream")
        if after is not None:
            request.add_header("Last-Event-ID", after)
        with self._answer(request, seconds=SILENCE_SECONDS) as answer:
            if answer.status == http.client.NO_CONTENT:
                yield None
            elif answer.headers.get_content_type() == "text/event-stream":
                yield answer
            else:
                raise self._stranger()

    def _request(self, method: str, path: str, *, data: bytes | None = None) -> Request:
        headers = {} if self.api_key is None else {"X-API-Key": self.api_key}
        return Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310 - http or https, see _checked

    def _json(self, request: Request) -> Any:
        content = self._read(request)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._stranger() from None

    def _stranger(self) -> CommandFailed:
        return CommandFailed(f"What answers at {self.url} is not the API.", ExitCode.UNAVAILABLE)

    def _read(self, request: Request) -> bytes:
        with self._answer(request, seconds=ANSWER_SECONDS) as answer:
            return answer.read()

    @contextlib.contextmanager
    def _answer(self, request: Request, *, seconds: float) -> Iterator[http.client.HTTPResponse]:
        for name, value in request.header_items():
            if not (value.isascii() and value.isprintable()):
                raise invalid(f"{name.title()} may have printable ASCII characters only.")
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                if answer.status // 100 != 2:
                    raise _refused(answer.status, answer.read())
                yield answer
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            cause = getattr(error, "reason", error)
            reason = getattr(cause, "strerror", None) or cause
            raise CommandFailed(f"{self.url} cannot be reached: {reason}", ExitCode.UNAVAILABLE) from None


def quoted(name: str) -> str:
    """Any text as one segment of a path."""
    return quote(name, safe="", errors="surrogateescape")


def _checked(url: str) -> SplitResult:
    """Raises `CommandFailed` for what is no address of an API."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment or not url.isascii():
        raise invalid("--url must be an address such as http://127.0.0.1:8000")
    return parts


def _is_here(parts: SplitResult) -> bool:
    """Whether the address is this machine's own."""
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _refused(status: int, content: bytes) -> CommandFailed:
    """What the API says (RFC 9457); without a problem in the body somebody else has answered."""
    code = code_of(status)
    try:
        problem = json.loads(content)
        detail = str(problem["detail"])
        fields = [(".".join(map(str, each["loc"])), each["msg"]) for each in problem.get("errors") or ()]
    except (ValueError, TypeError, KeyError, AttributeError):
        meaning = http.client.responses.get(status, "no known status")
        code = ExitCode.UNAVAILABLE if code is ExitCode.NOT_POSSIBLE else code
        return CommandFailed(f"It was answered with {status}, {meaning}, and not by the API.", code)
    return CommandFailed(detail, code, details=[f"{name}: {message}" for name, message in fields])
