"""What no page may do: log an error, break its own Content-Security-Policy, ask another host for anything."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

LISTEN = """
addEventListener("securitypolicyviolation", (event) =>
  reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


class Watch:
    """Collects what the pages of its contexts did wrong."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        """Complaints in which this regular expression is found are part of the test."""
        self._allowed.append(pattern)

    def allow_unreachable(self) -> None:
        """The server goes away in this test; the browser itself logs every request that fails."""
        self.allow(r"net::ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET|NETWORK)")

    def complaints(self) -> list[str]:
        """What was seen and not allowed."""
        return [each for each in self._seen if not any(re.search(pattern, each) for pattern in self._allowed)]

    def follow(self, context: BrowserContext, *, base_url: str) -> None:
        """Watch every page of the context; requests may go to the host and port of `base_url` alone."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self._seen.append(f"uncaught: {error.error}"))
        context.on("request", lambda request: self._request(request, home=urlsplit(base_url).netloc))
        context.expose_function("reportViolation", lambda found: self._seen.append(f"policy: {found}"))
        context.add_init_script(LISTEN)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._seen.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request, *, home: str) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != home:
            self._seen.append(f"another host: {request.url}")
