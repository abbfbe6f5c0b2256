"""The prefix under which a proxy offers this application."""

import os
import re
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from background.http.headers import header
from background.http.options import option

PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
MOST = 200


class ForwardedPrefix:
    """ASGI middleware: takes `X-Forwarded-Prefix` of a trusted proxy for the `root_path`, as `--root-path` does.

    The proxy has taken the prefix off the path. Trusted are those that uvicorn trusts: it may have put the address that
    a proxy forwards in the place of the proxy's own by now, with the port 0, which no connection has.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        self.app = app
        # The one that reads such a list as uvicorn does.
        self.trusted = ProxyHeadersMiddleware(app, trusted).trusted_hosts  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its prefix."""
        if scope["type"] == "http":
            _check_client(scope)
            prefix = header(scope, b"x-forwarded-prefix").rstrip("/")
            if prefix and PREFIX.fullmatch(prefix) and len(prefix) <= MOST and self._is_trusted(scope):
                scope = {**scope, "root_path": prefix + scope["root_path"], "path": prefix + scope["path"]}
        await self.app(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        host, port = scope.get("client") or (None, None)
        return port == 0 or host in self.trusted


def _check_client(scope: Scope) -> None:
    """What a proxy forwards as an address stands in the log: only an address may."""
    host, port = scope.get("client") or ("", None)
    if port == 0:
        try:
            ip_address(host)
        except ValueError:
            # In place: the server logs what this very scope says.
            scope["client"] = ("no-address", 0)


def trusted_proxies() -> str:
    """Whom uvicorn trusts."""
    return option("--forwarded-allow-ips") or os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
