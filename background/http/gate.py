"""Nothing of another origin comes in."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from background.http.origins import refusal
from background.http.problems import problem
from background.http.requests import refuse


class OwnOrigin:
    """ASGI middleware: 400 for a name that is not ours, 403 for a write from a page of another origin."""

    def __init__(self, app: ASGIApp, *, names: Sequence[str] | None) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from our own page, or from no page."""
        found = refusal(scope["method"], Headers(scope=scope), self.names) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
        else:
            await refuse(problem(found.status, found.detail, code=found.code), receive, send)
