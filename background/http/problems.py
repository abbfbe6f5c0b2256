"""Errors as RFC 9457 `application/problem+json`, and the one table from error to HTTP status."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from background.base.errors import (
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PlaygroundError,
    TooLarge,
    TooMany,
    Unavailable,
    UnsupportedType,
    plain,
    said,
)
from background.http.request_id import of_answer

logger = logging.getLogger(__name__)

_TAG = re.compile("<[a-z]+>")
"""The name of a member of a union."""
_NO_OBJECT = ("model_attributes_type", "model_type", "dict_type")
MEDIA_TYPE = "application/problem+json"

STATUS_OF: dict[type[PlaygroundError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
COME_AGAIN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


class ProblemField(BaseModel):
    """One field that cannot be used; `loc` is its path, `type` and `values` are `msg` as facts."""

    loc: list[str | int]
    msg: str
    type: str
    values: dict[str, Any]


class Problem(BaseModel):
    """RFC 9457. `type` is `about:blank`: the status says what kind of problem it is; `code` and `values` are `detail`
    as facts."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    values: dict[str, Any]
    errors: list[ProblemField] | None = None


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can answer with these problems (422 and 503 are always among them)."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, HTTPStatus.UNPROCESSABLE_ENTITY.value, HTTPStatus.SERVICE_UNAVAILABLE.value})
    }


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    code: str | None = None,
    values: Mapping[str, Any] | None = None,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """One answer of this kind."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code or status.name.lower(),
        "values": values or {},
    }
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        body["errors"] = [asdict(error) for error in errors]
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


async def _expected(_: Request, error: PlaygroundError) -> JSONResponse:
    status = STATUS_OF[type(error)]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        logger.warning("503: %s (%r)", error, error.__cause__)
    return problem(
        status,
        str(error),
        code=error.code,
        values=error.values,
        errors=error.errors if isinstance(error, Invalid) else (),
        headers={"Retry-After": "1"} if status in COME_AGAIN else None,
    )


def _place(loc: tuple[str | int, ...], body: Any) -> tuple[str | int, ...]:
    """The path as the client wrote it.

    pydantic puts more into it: which member of a union it tried, and a place in a list where one thing is taken for a
    list of one.
    """
    if not isinstance(body, dict | list):
        return loc
    found: list[str | int] = [*loc[:1]]
    part: Any = body
    for step in loc[1:]:
        places = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        if step in places:
            part = part[step]
            found.append(step)
        elif isinstance(part, dict) and step is loc[-1] and not _TAG.fullmatch(str(step)):  # it is missing
            found.append(step)
    return tuple(found)


def _said(each: Mapping[str, Any], request: Request, body: Any) -> str:
    """What is wrong with a field. pydantic's words for what is no object are about Python."""
    if tuple(each["loc"]) == ("body",) and isinstance(body, bytes) and body:
        given = request.headers.get("Content-Type") or "missing"
        return f"It is not read as JSON unless Content-Type is application/json; it is {given[:100]}"
    return "It must be a JSON object" if each["type"] in _NO_OBJECT else said(each)


async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
    """The answer to a request whose fields cannot be used."""
    found = [
        FieldError(
            _place(each["loc"], error.body), _said(each, request, error.body), each["type"], plain(each.get("ctx"))
        )
        for each in error.errors()
    ]
    fields = ", ".join(".".join(map(str, each.loc)) for each in found[:5])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"Not valid: {fields}.", code=Invalid.code, errors=found[:100])


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods_of(request)):
        headers["Allow"] = ", ".join(methods)
    return problem(HTTPStatus(error.status_code), str(error.detail), headers=headers)


def _methods_of(request: Request) -> list[str]:
    """All that the path takes: each route knows only its own. None for what is mounted, which decides by itself."""
    found = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
            if not isinstance(route, Mount)
        )
    ]
    return [*found, "HEAD"] if "GET" in found else found


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "Something failed here; the log has the details."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, headers=of_answer())


def answer_expected(app: FastAPI) -> None:
    """Have `app` answer our own errors as problems, and give its OpenAPI document their schema."""
    app.add_exception_handler(PlaygroundError, _expected)  # type: ignore[arg-type]
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update({**schema.pop("$defs", {}), "Problem": schema})
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def answer_all(app: FastAPI) -> None:
    """Have `app` answer as problems whatever else goes wrong."""
    app.add_exception_handler(RequestValidationError, malformed)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _unexpected)
