"""The check of `origins` for Flower, which has none of its own: its pages show what tasks were called with."""

from typing import Any

from flower.app import Flower
from tornado.httputil import HTTPServerRequest
from tornado.web import ErrorHandler

from background.http.origins import names_of, refusal
from background.settings import get_settings


def guard() -> None:
    """Have every Flower of this process refuse foreign names and writes from pages of other origins.

    With a login any name will do, as with the API's keys.
    """
    find_handler = Flower.find_handler

    def checked(self: Any, request: HTTPServerRequest, **more: Any) -> Any:
        has_login = bool(self.options.basic_auth or self.options.auth)
        names = names_of(get_settings(), has_keys=has_login, listens_on=self.options.address)
        headers = {name.lower(): value for name, value in request.headers.items()}
        found = refusal(request.method or "", headers, names)
        if found is None:
            return find_handler(self, request, **more)
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": found.status.value})

    Flower.find_handler = checked
