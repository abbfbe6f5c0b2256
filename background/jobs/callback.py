"""How a job's end is told to the address that its client gave: signed, and sent again until it is taken."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from background.base import jsontext
from background.base.signatures import signed
from background.jobs.pipeline import EndedJob, Pipeline, StepContext
from background.jobs.policy import MOST_SECONDS, NoRetry, RetryLater, exponential
from background.settings import get_settings

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
ANSWER_SECONDS = 15.0
"""How long the other side may take to answer."""
GONE = 410
BUSY = (429, 503)
PAUSES = exponential(2, factor=3, most=3600)
UNSIGNED = "There is no CALLBACK_SECRET to sign a callback with."
PRIVATE = "{host} is a private address, and CALLBACK_PRIVATE does not allow those."


class Delivery(EndedJob):
    """The end of a job, and the address that is told."""

    url: str


callback = Pipeline("callback_url", Delivery, "Tells the address that a job was given how it has ended.")


@callback.step(max_attempts=20, backoff=PAUSES)
async def deliver(context: StepContext, end: Delivery) -> dict[str, int]:
    """Send it, and give the status of the answer. Tried for about ten hours, unless the answer is 410 Gone."""
    secret = get_settings().callback_secret
    if secret is None:
        raise RuntimeError(UNSIGNED)
    body = jsontext.dumps(
        {
            "type": f"job.{end.status.lower()}",
            "timestamp": end.finished_at.isoformat(),
            "data": end.model_dump(mode="json", exclude={"url"}),
        }
    ).encode()
    status, headers = await _post(
        end.url, body, signed(context.key, body, at=int(time.time()), secret=secret.get_secret_value())
    )
    if 200 <= status < 300:
        return {"status": status}
    said = f"{_host(end.url)} answered {status}"
    if status == GONE:
        raise NoRetry(f"{said}: it wants no more callbacks.")
    if status in BUSY and (seconds := _seconds(headers.get("retry-after", ""))) is not None:
        # Whoever says 0, or 1, again and again is not called a thousand times on end, and given up then.
        raise RetryLater(min(max(seconds, PAUSES.seconds(context.attempt)), MOST_SECONDS), said)
    raise RuntimeError(f"{said}; a redirect is not followed." if 300 <= status < 400 else f"{said}.")


def _seconds(after: str) -> float | None:
    """What `Retry-After` asks for, which is seconds or a time (RFC 9110, 10.2.3); `None`: neither."""
    if after.isascii() and after.isdecimal():
        return float(after)
    try:
        at = parsedate_to_datetime(after)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - time.time())


def refused(url: str) -> str | None:
    """Why this address is not taken, as a sentence; `None` if it is. What its name leads to is seen at the call."""
    settings = get_settings()
    if settings.callback_secret is None:
        return UNSIGNED
    host = _host(url)
    if not settings.callback_private and (host == "localhost" or (_is_address(host) and _is_private(host))):
        return PRIVATE.format(host=host)
    return None


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    """The status and headers of the answer. The addresses that were looked at are called, until one takes the call."""
    import httpx2  # the API never sends one

    parts = urlsplit(url)
    left = await _addresses(parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
    said = {"host": parts.netloc, "content-type": "application/json", "user-agent": "celery-playground", **headers}
    own = {"sni_hostname": parts.hostname}
    async with (
        asyncio.timeout(2 * ANSWER_SECONDS),
        httpx2.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False) as client,
    ):
        while True:
            target = httpx2.URL(url).copy_with(host=left.pop(0))
            try:
                async with client.stream("POST", target, content=body, headers=said, extensions=own) as answer:
                    return answer.status_code, answer.headers
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if not left:
                    raise


async def _addresses(host: str, port: int) -> list[str]:
    """All that it leads to. Raises `NoRetry` where one of them is private, and `OSError` where there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not get_settings().callback_private and any(map(_is_private, addresses)):
        raise NoRetry(PRIVATE.format(host=host))
    return addresses


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_private(address: str) -> bool:
    """Whether it is not one of the public internet; an IPv4 address in an IPv6 one counts as itself."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if found in NAT64:
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return not found.is_global or found.is_multicast or (inner is not None and not inner.is_global)
