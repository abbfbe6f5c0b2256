"""API keys: who may ask, and who may change something. Without `API_KEYS` and `API_KEYS_FILE` everybody may."""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from background.base import log_context
from background.base.api_keys import ApiKey, digest_of
from background.http.headers import header
from background.http.options import option
from background.http.origins import LOOPBACK_NAMES, SAFE_METHODS
from background.http.problems import problem, responses
from background.http.requests import refuse
from background.settings import get_key_settings, read_api_keys

logger = logging.getLogger(__name__)

PUBLIC_PATHS = ("/", "/ready")
PAGE = "/ui"
CHANGES_NOTHING = ("/canvas/preview",)
"""Paths that take a POST and change nothing."""
SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}


class Keys:
    """The keys of this process: those it was started with, or what SIGHUP had it read from `API_KEYS_FILE` since."""

    def __init__(self) -> None:
        self.known = read_api_keys()

    def read_again_on_hangup(self) -> None:
        """From now on SIGHUP reads the file again, and never ends the process. To be called in its event loop."""
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.read_again)

    def read_again(self) -> None:
        """Take what the file has now; of one that cannot be used nothing. Says on one line what was done."""
        if get_key_settings().api_keys_file is None:
            logger.info("SIGHUP: API_KEYS_FILE is not set, so there are no keys to read again.")
            return
        try:
            self.known = read_api_keys()
        except SystemExit as error:
            logger.error("SIGHUP: %s. The keys stay as they were.", error)
        else:
            logger.info("SIGHUP: API_KEYS_FILE has %s keys now.", len(self.known))


class RequireKey:
    """ASGI middleware: 401 without a key of `keys`, 403 for one that may only read and wants to write.

    The key comes as `X-API-Key`, or as a Bearer token.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, answer the rest with a problem."""
        refusal = None
        if self.keys.known and scope["type"] == "http" and not is_public(path := get_route_path(scope)):
            key = self._find(_given(scope))
            if key is not None:
                log_context.bind(actor=key.name)
            if key is None:
                refusal = problem(
                    HTTPStatus.UNAUTHORIZED,
                    "This needs an API key: as X-API-Key, or as a Bearer token.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            elif key.role == "read" and scope["method"] not in SAFE_METHODS and path not in CHANGES_NOTHING:
                refusal = problem(HTTPStatus.FORBIDDEN, f"The key {key.name!r} may only read.")
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refuse(refusal, receive, send)

    def _find(self, given: bytes) -> ApiKey | None:
        """Every key is compared, and each in constant time, so that no duration tells how close a guess was."""
        found, digest = None, digest_of(given)
        for key in self.keys.known:
            if key.is_that_of(digest):
                found = key
        return found


def is_public(path: str) -> bool:
    """Whether anybody may have this: the signs of life, and the files of the page."""
    return path in PUBLIC_PATHS or path == PAGE or path.startswith(f"{PAGE}/")


def _given(scope: Scope) -> bytes:
    key = header(scope, b"x-api-key")
    if not key:
        scheme, _, token = header(scope, b"authorization").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else ""
    return key.encode("latin-1")


def warn_if_open(keys: Keys) -> None:
    """Say so where uvicorn lets other machines in, and there are no keys."""
    host = option("--host") or LOOPBACK_NAMES[0]
    if not keys.known and not _is_loopback(host):
        logger.warning("The API is open to everybody who reaches %s: API_KEYS is not set.", host)


def _is_loopback(host: str) -> bool:
    try:
        return host in LOOPBACK_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


def describe(app: FastAPI) -> None:
    """Put the keys, and what stands before the routes and may refuse, into the OpenAPI document."""
    generate = app.openapi
    refusals = {str(status): responses(status)[status] for status in (400, 401, 403, 408, 413, 429)}

    def openapi() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {})["securitySchemes"] = SCHEMES
        for path, method, operation in _operations(document):
            before = {"400", "429"}
            if method.upper() not in SAFE_METHODS:
                before |= {"403", "408", "413"}
            if not is_public(path):
                before.add("401")
                # An empty requirement: none is needed where there are no keys.
                operation["security"] = [{name: []} for name in SCHEMES] + [{}]
            operation["responses"] |= {name: refusals[name] for name in sorted(before)}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
