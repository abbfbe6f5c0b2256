"""The URL of a Redis in the one spelling that Celery, kombu and redis-py all take.

`redis://user:password@host:6379/0`, `rediss://…` (TLS), or `redis+socket:///path?virtual_host=0` (a Unix socket, with
a login `redis+socket://user:password@/path`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from background.base.hosts import host

SCHEMES: Final = ("redis", "rediss", "redis+socket")
REQUIREMENTS: Final = ("required", "optional", "none")
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def normalized(value: str) -> str:
    """`value` in that spelling; over TLS the server's certificate is `required` unless it says otherwise.

    Raises `ValueError`, whose text shows no secret, for what none of them could use.
    """
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        raise ValueError("has no usable host and port; an IPv6 address stands in brackets, as in [::1]") from None
    if url.scheme not in SCHEMES:
        raise ValueError("must be a Redis URL such as redis://localhost:6379/0")
    if url.fragment:
        raise ValueError("has a #, which is written %23 in a password")
    if url.hostname is not None:
        host(url.hostname)
    query = dict(parse_qsl(url.query))
    database = query.get("virtual_host", "") if url.scheme == "redis+socket" else unquote(url.path).strip("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("the database of Redis must be a number, as in redis://localhost:6379/0")
    if url.scheme == "redis+socket" and (url.hostname is not None or not url.path.strip("/")):
        raise ValueError("has no path of a socket, as in redis+socket:///run/redis.sock")
    query |= _checked_tls(url.scheme, query)
    # Not geturl: it leaves out the // of a socket's URL without a login.
    options = f"?{urlencode(query, safe='/')}" if query else ""
    return f"{url.scheme}://{url.netloc}{url.path}{options}"


def _checked_tls(scheme: str, query: Mapping[str, str]) -> dict[str, str]:
    """What the query says of TLS, in one spelling. Raises `ValueError`."""
    if scheme != "rediss":
        if any(name.startswith("ssl_") for name in query):
            raise ValueError("has ssl_ options, which go with rediss://")
        return {}
    requirement = query.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if requirement not in REQUIREMENTS:
        raise ValueError(f"ssl_cert_reqs must be one of {', '.join(REQUIREMENTS)}")
    for name in _FILES:
        if name in query and not Path(query[name]).is_file():
            raise ValueError(f"{name} names no file: {query[name]}")
    return {"ssl_cert_reqs": requirement}


def tls_options(url: str) -> dict[str, Any]:
    """What a normalized URL says of TLS, for what does not read it there; empty without TLS."""
    found = dict(parse_qsl(urlsplit(url).query)) if url.startswith("rediss://") else {}
    return {name: value for name, value in found.items() if name.startswith("ssl_")}


def for_redis_py(url: str) -> str:
    """A normalized URL as redis-py itself wants it."""
    if url.startswith("redis+socket://"):
        return url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    return url
