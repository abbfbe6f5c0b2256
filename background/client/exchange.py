"""What is the same however a request is sent: building it, reading what came back, deciding whether to ask again."""

import json
import math
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from background.client.errors import ClientError, NotTheApi, TooMany, Unavailable, Unreachable, Unusable

if TYPE_CHECKING:
    import httpx2

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 45.0
"""A stream that says nothing for so long is dead: the API sends a comment every 10 s."""
PATIENCE_SECONDS = 60.0
"""How long the API may be away before it is given up, unless told otherwise."""
LONGEST_PAUSE_SECONDS = 5.0
NAMED_DEPTH = 8
"""So far down a body what is no number is named."""


@dataclass(frozen=True)
class Request:
    """One request. `repeatable`: sent twice, it does no more than sent once."""

    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False


def get(path: str, query: Mapping[str, object] | None = None) -> Request:
    """`GET path`; parameters that are `None` are left out, a list is one parameter for each of its values."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return Request("GET", f"{path}?{urlencode(given, doseq=True)}" if given else path, repeatable=True)


def post(path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Request:
    """`POST path`, with `body` as JSON where there is one. Repeatable where it carries an Idempotency-Key.

    Raises `Unusable` for what is not JSON.
    """
    found = dict(headers or {})
    if body is None:
        return Request("POST", path, None, found, repeatable="Idempotency-Key" in found)
    try:
        content = json.dumps(body, allow_nan=False, default=_form).encode()
    except (TypeError, ValueError, RecursionError) as error:
        odd = _no_number(body)
        reason = f"{odd} is no number that JSON has" if odd else str(error)
        raise Unusable(f"It is not JSON: {reason}.") from None
    found["Content-Type"] = "application/json"
    return Request("POST", path, content, found, repeatable="Idempotency-Key" in found)


def _no_number(value: Any, where: tuple[str, ...] = ()) -> str | None:
    """Which part of a body is NaN or infinite, by its path, if one is; not far down, since it may have no end."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'.'.join(where) or 'the body'}: {value}"
    members = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    found = (_no_number(each, (*where, str(name))) for name, each in members if len(where) < NAMED_DEPTH)
    return next(filter(None, found), None)


def _form(value: Any) -> Any:
    # Not at the top: who sends JSON alone does not wait for it.
    from background.base.strict import form

    return form(value)


def upload(path: str, *, name: str, content: bytes, mark: str) -> Request:
    """`POST path` with `content` as the multipart file `name`; `mark` must not be in it."""
    # As browsers do it (WHATWG HTML, multipart form data).
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n\r\n'
    data = b"".join([head.encode(errors="surrogateescape"), content, f"\r\n--{mark}--\r\n".encode()])
    return Request("POST", path, data, {"Content-Type": f"multipart/form-data; boundary={mark}"})


def quoted(name: str) -> str:
    """Any text as one segment of a path."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    return quote(name, safe="", errors="surrogateescape")


def as_json(content: bytes, *, url: str) -> Any:
    """What an answer's JSON says. Raises `NotTheApi` where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise stranger(url) from None


def stranger(url: str) -> NotTheApi:
    """The error for a success that the API does not answer with."""
    return NotTheApi(f"What answers at {url} is not the API.")


def checked_url(url: str) -> tuple[str, SplitResult]:
    """An address without a slash at its end, and its parts. Raises `Unusable` for what is no address of an API."""
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not usable or not plain or parts.username is not None or parts.query or parts.fragment:
        raise Unusable("url must be an address such as http://127.0.0.1:8000")
    return url.rstrip("/"), parts


def is_here(parts: SplitResult) -> bool:
    """Whether the address is this machine's own."""
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def checked_seconds(what: str, seconds: Any) -> Any:
    """The same seconds. Raises `Unusable` for what are none, since a comparison with NaN would never end a wait."""
    # Who asks may have no type checker.
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (is_number and 0 <= seconds <= sys.float_info.max):
        raise Unusable(f"{what} takes seconds, 0 or more; {seconds!r:.100} are none.")
    return seconds


def page(limit: Any, *, most: int) -> int:
    """How much to ask for at once where so much is wanted at most. Raises `Unusable` for a limit that is none."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Unusable(f"limit takes a whole number, 0 or more; {limit!r:.100} is none.")
    return most if limit is None else min(limit, most)


def next_page(path: str, answer: "httpx2.Response") -> Request | None:
    """The page of a list after this one, by its `Link`; of which only the query counts: the key goes nowhere else."""
    link = answer.links.get("next")
    return None if link is None else Request("GET", f"{path}?{urlsplit(link['url']).query}", repeatable=True)


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The same headers. Raises `Unusable` for a value that a header cannot have."""
    for name, value in headers.items():
        if not isinstance(value, str):
            raise Unusable(f"{name} takes text; {value!r:.100} is none.")
        if not (value.isascii() and value.isprintable()):
            raise Unusable(f"{name} may have printable ASCII characters only.")
        if value != value.strip():
            # What sends it would say so with the value, which may be a secret.
            raise Unusable(f"{name} may not begin or end with a space.")
    return headers


def pauses() -> Iterator[float]:
    """Seconds before each new try: none at first, then longer ones, of which no two clients have the same."""
    yield 0.0
    pause = 0.25
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class Patience:
    """Whether what did not succeed is tried again, and when: for so many seconds since it was away first.

    It ends at `until` in any case, a time of `time.monotonic()`.
    """

    def __init__(self, seconds: float, *, until: float | None = None) -> None:
        self.seconds = seconds
        self._until = math.inf if until is None else until
        self._since: float | None = None
        self._pauses = pauses()

    @property
    def silence(self) -> float:
        """For how long the next answer may be waited for; one look is always possible."""
        return min(ANSWER_SECONDS, max(self._until - time.monotonic(), 1.0))

    def reached(self) -> None:
        """It is there."""
        self._since = None

    def progressed(self) -> None:
        """The next try comes without a pause."""
        self._pauses = pauses()

    def pause(self, error: ClientError | None, *, repeatable: bool = True) -> float:
        """Seconds until the next try; raises `error` where there is none, since it cannot help or do harm.

        What was never sent can always be sent; what may have been done already only if it is `repeatable`.
        """
        pause = next(self._pauses)
        if error is None:
            return pause
        now = time.monotonic()
        if self._since is None:
            self._since = now
        never_sent = isinstance(error, Unreachable) and not error.sent
        passing = isinstance(error, Unreachable | Unavailable | TooMany)
        if isinstance(error, Unavailable | TooMany):
            pause = max(pause, error.retry_after)
        end = min(self._since + self.seconds, self._until)
        if not passing or not (repeatable or never_sent) or now + pause >= end:
            raise error
        return pause
