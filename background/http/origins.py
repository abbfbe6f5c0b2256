"""Pages of other origins: a browser lets them send requests here, also in the name of this machine.

A write that such a page sends is refused by what the browser says of it (`Sec-Fetch-Site`, else `Origin`:
https://owasp.org/www-community/attacks/csrf, "Fetch Metadata"). A page whose own name was turned to this address (DNS
rebinding) looks like ours to the browser; its requests carry that name as `Host`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

from background.settings import Settings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_SITE = ("same-origin", "none")
LOOPBACK_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: HTTPStatus
    code: str
    detail: str


def names_of(settings: Settings, *, has_keys: bool, listens_on: str | None = None) -> Sequence[str] | None:
    """The names that are answered, in lower case; `None` for any. `listens_on` is where uvicorn was told to listen."""
    if settings.allowed_hosts is None and has_keys:
        return None
    own = settings.allowed_hosts.split(",") if settings.allowed_hosts else [settings.api_host, listens_on or ""]
    return (*LOOPBACK_NAMES, *(name.strip().strip("[]").lower() for name in own if name))


def refusal(method: str, headers: Mapping[str, str], names: Sequence[str] | None) -> Refusal | None:
    """Why a request with these headers (in lower case) is not answered, if it is not."""
    host = headers.get("host", "")
    if names is not None and not _is_known(host, names):
        detail = f"This does not answer to the name {host[:100]!r}; ALLOWED_HOSTS can allow it."
        return Refusal(HTTPStatus.BAD_REQUEST, "foreign_host", detail)
    if method not in SAFE_METHODS and _is_foreign(headers, host):
        return Refusal(HTTPStatus.FORBIDDEN, "foreign_origin", "A page of another origin may not change anything here.")
    return None


@lru_cache(maxsize=16)  # every request of a client has the same one
def _is_known(host: str, names: Sequence[str]) -> bool:
    name = (_parts(f"//{host}")[0] or "").rstrip(".")
    return any(fnmatchcase(name, each) for each in names)


def _is_foreign(headers: Mapping[str, str], host: str) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site not in OWN_SITE
    origin = headers.get("origin")
    return origin is not None and _parts(origin) != _parts(f"{origin.partition('://')[0]}://{host}")


def _parts(url: str) -> tuple[str | None, int | None]:
    """Host and port. The scheme is not compared: what ends TLS before us is not always known."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None, None
