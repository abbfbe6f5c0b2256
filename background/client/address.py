"""Where the API is, and what sending by `httpx2` has in common, whether one waits for it or awaits it."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from background.base.version import version
from background.client import exchange
from background.client.errors import ClientError, NotTheApi, Unreachable, Unusable, refused
from background.client.events import Following
from background.client.exchange import ANSWER_SECONDS, PATIENCE_SECONDS, Request

if TYPE_CHECKING:
    import httpx2

IDLE_SECONDS = 2.0
"""How long a connection is kept for the next request: less than any server waits for one, so that none is lost."""


class Address:
    """Where the API is, and how it is asked.

    No redirect is followed, so that the key goes nowhere else. A proxy of the environment is used, but never for this
    machine.
    """

    def __init__(self, url: str, api_key: str | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        self.url, parts = exchange.checked_url(url)
        self.patience: float = exchange.checked_seconds("patience", patience)
        self._secure = parts.scheme == "https"
        self._here = exchange.is_here(parts)
        self._headers = {"User-Agent": f"celery-playground/{version()}"}
        if api_key is not None:
            self._headers |= exchange.checked_headers({"X-API-Key": api_key})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @contextlib.contextmanager
    def _options(self) -> Iterator[dict[str, Any]]:
        """What `httpx2.Client` and `httpx2.AsyncClient` are made with. Raises `Unusable` for a proxy that is none."""
        import httpx2

        options = {
            "headers": self._headers,
            "timeout": ANSWER_SECONDS,
            "limits": httpx2.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS),
            "trust_env": not self._here,
            # Certificates take a tenth of a second to read.
            "verify": httpx2.create_ssl_context() if self._secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        }
        try:
            yield options
        except (ValueError, ImportError, httpx2.InvalidURL) as error:
            raise Unusable(f"The proxy of the environment cannot be used: {error}") from None

    def _built(self, client: Any, request: Request, *, silence: float = ANSWER_SECONDS) -> "httpx2.Request":
        """The request of httpx2. Raises `Unusable`."""
        import httpx2

        headers = exchange.checked_headers(request.headers)
        timeout = httpx2.Timeout(min(silence, ANSWER_SECONDS), read=silence)
        url = f"{self.url}{request.path}"
        try:
            built: httpx2.Request = client.build_request(
                request.method, url, content=request.content, headers=headers, timeout=timeout
            )
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise Unusable(f"It cannot be an address: {error}.") from None
        return built

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """A block in which a request is sent and its answer read; what fails in it is a `ClientError`."""
        import httpx2

        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise self._unreachable(error, sent=False) from None
        except httpx2.DecodingError:
            raise exchange.stranger(self.url) from None
        except httpx2.TransportError as error:
            raise self._unreachable(error, sent=True) from None

    def _unreachable(self, error: BaseException, *, sent: bool) -> ClientError:
        cause = _cause(error)
        reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        if isinstance(cause, ConnectionError) and cause.errno:
            reason = os.strerror(cause.errno)  # asyncio has words of its own
        message = f"{self.url} cannot be reached: {reason}"
        # Who shows another certificate now will do so again.
        return NotTheApi(message) if isinstance(cause, ssl.SSLError) else Unreachable(message, sent=sent)

    def _following(self, path: str, *, after: str | None, until: float | None = None) -> Following:
        return Following(path, last=after, patience=self.patience, until=until)

    def _json(self, answer: "httpx2.Response") -> Any:
        return exchange.as_json(answer.content, url=self.url)

    def _is_stream(self, answer: "httpx2.Response") -> bool:
        """Whether there are events; not where the stream has ended. Raises `NotTheApi`."""
        if answer.status_code == 204:
            return False
        if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "text/event-stream":
            raise exchange.stranger(self.url)
        return True


def succeeded(answer: "httpx2.Response") -> "httpx2.Response":
    """The same answer. Raises what the API says where it is no success."""
    if answer.is_success:
        return answer
    raise refused(answer.status_code, answer.content, retry_after=answer.headers.get("Retry-After"))


def _cause(error: BaseException) -> BaseException:
    """What the operating system has said, where it has."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found
        found = found.__cause__ or found.__context__
    return error
