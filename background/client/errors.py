"""What may go wrong between a client and the API: one tree, below `ClientError`."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from background.base.errors import FieldError


class ClientError(Exception):
    """Base of all errors of a client. Its text is one sentence."""


class Unusable(ClientError, ValueError):
    """What the program gave cannot be sent: an address, a header, something that is not JSON. Nothing was sent."""


class Unreachable(ClientError):
    """The API did not answer; `sent` says whether it may have got the request all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class NotTheApi(ClientError):
    """Somebody else answers at this address."""


class WaitTimeout(ClientError, TimeoutError):
    """What was waited for has not ended in time; it goes on."""


MOST_SAID = 5
"""Of how many fields the text of an error says what is wrong."""


class Refused(ClientError):
    """The API does not do what it was asked for: its problem (RFC 9457). `status` is that of HTTP.

    `code` and `values` are the `detail` as facts, `errors` names the fields of a request that cannot be used. `code` is
    empty where a proxy, say, has answered in the API's place.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        values: Mapping[str, Any] | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.values = dict(values or {})
        self.errors = tuple(errors)
        self.retry_after = retry_after

    def __str__(self) -> str:
        """The `detail`, and what it does not say of fields: in a log there is only this."""
        said = [
            f"{'.'.join(map(str, each.loc[1:])) or 'body'}: {each.msg}"
            for each in self.errors[:MOST_SAID]
            if each.msg not in self.detail
        ]
        return " ".join(filter(None, [self.detail, "; ".join(said)]))


class Invalid(Refused):
    """400, 413, 415, 422, …: the request cannot be used; `errors` says which fields."""


class NotAllowed(Refused):
    """401, 403: the API key is missing or unknown, or may not do this."""


class NotFound(Refused):
    """404: what was named does not exist."""


class Conflict(Refused):
    """409: its present state does not allow this."""


class TooMany(Refused):
    """429: more than one client may ask for at once."""


class Unavailable(Refused):
    """502, 503, 504: not now; asking again later may help."""


OF_STATUS: Mapping[int, type[Refused]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: TooMany,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refused(status: int, content: bytes, *, retry_after: str | None) -> ClientError:
    """The error for an answer that is no success, with what its problem says."""
    kind = OF_STATUS.get(status, Invalid if 400 <= status < 500 else Refused)
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    try:
        problem = json.loads(content)
        return kind(
            status,
            str(problem["detail"]),
            code=str(problem.get("code") or ""),
            values=problem.get("values"),
            errors=[_field(each) for each in problem.get("errors") or ()],
            retry_after=seconds,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        detail = f"It was answered with {status}, {_meaning(status)}, and not by the API."
    if status // 100 in (4, 5) and kind not in (NotFound, Conflict):
        return kind(status, detail, retry_after=seconds)
    return NotTheApi(detail)


def _field(told: Mapping[str, Any]) -> FieldError:
    return FieldError(tuple(told["loc"]), str(told["msg"]), str(told.get("type", "")), told.get("values") or {})


def _meaning(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no known status"
