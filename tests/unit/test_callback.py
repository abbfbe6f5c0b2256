"""Callbacks: their signature is that of Standard Webhooks, and no name leads to a private address."""

import asyncio
import socket
from typing import Any

import pytest
from pydantic import SecretStr

from background.base.signatures import signed
from background.jobs import callback
from background.jobs.policy import MOST_SECONDS, NoRetry
from background.settings import Settings, get_settings
from background.testing.alone import run_pipeline
from tests.acceptance.callbacks import Stub


def test_the_example_of_the_specification() -> None:
    headers = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        at=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With a secret, and no private addresses."""
    settings = get_settings().model_copy(update={"callback_secret": SecretStr("x" * 16)})
    monkeypatch.setattr(callback, "get_settings", lambda: settings)
    return settings


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name does."""

    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


PRIVATE = """
127.0.0.1 10.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
::1 fe80::1%eth0 fd00::1 ::ffff:10.0.0.1 2002:0a00:0001:: 64:ff9b::7f00:1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_a_name_that_leads_to_a_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    leads_to(monkeypatch, "93.184.216.34", address)
    with pytest.raises(NoRetry, match=r"example\.com is a private address"):
        asyncio.run(callback._addresses("example.com", 443))


def test_an_address_of_the_public_internet_is_taken() -> None:
    assert callback.refused("https://example.com/x") is None
    assert "private" in str(callback.refused("https://[fd00::1]/x"))


@pytest.mark.parametrize("secret", ["short", "whsec_c2hvcnQ=", "whsec_no base64 at all"])
def test_a_secret_that_cannot_be(secret: str) -> None:
    with pytest.raises(ValueError, match="16 bytes or more"):
        Settings(callback_secret=SecretStr(secret))


ENDED = {
    "id": 7,
    "task_id": "05b903fa-ae4b-47cf-ba6a-cf7372ca684a",
    "pipeline": "demo",
    "status": "COMPLETED",
    "params": {},
    "result": None,
    "error": None,
    "attempt": 1,
    "created_at": "2026-11-26T20:37:10Z",
    "finished_at": "2026-11-26T20:37:10Z",
}
BUSY_FOR = 30


def test_where_a_name_leads_to_several_addresses_the_one_that_answers_is_called(
    secret: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `localhost` does in most places, to ::1 first."""
    monkeypatch.setattr(secret, "callback_private", True)
    with Stub() as stub:
        leads_to(monkeypatch, "::1", "127.0.0.1")
        url = f"http://hooks.example.com:{stub.server_port}/200"
        run = run_pipeline(callback.callback, {**ENDED, "url": url})
    assert (run.status, run.attempts, len(stub.got["/200"])) == ("COMPLETED", 1, 1)
    assert stub.got["/200"][0][0]["host"] == f"hooks.example.com:{stub.server_port}"


@pytest.mark.parametrize(
    ("after", "least", "most"),
    [
        ("0", 12 * 3600, 30 * 3600),
        ("86400", BUSY_FOR * 86_400, (BUSY_FOR + 1) * 86_400),
        ("Tue, 15 Nov 1994 08:12:31 GMT", 12 * 3600, 30 * 3600),
        ("Fri, 06 Nov 2099 08:49:37 GMT", BUSY_FOR * MOST_SECONDS, (BUSY_FOR + 1) * MOST_SECONDS),
    ],
)
def test_whoever_is_busy_is_called_when_it_says_but_not_all_the_time(
    secret: Settings, monkeypatch: pytest.MonkeyPatch, after: str, least: float, most: float
) -> None:
    monkeypatch.setattr(secret, "callback_private", True)
    with Stub() as stub:
        url = f"{stub.url}/{'429-' * BUSY_FOR}200?{after.replace(' ', '%20')}"
        run = run_pipeline(callback.callback, {**ENDED, "url": url})
    assert (run.status, run.failures, run.attempts) == ("COMPLETED", 0, BUSY_FOR + 1)
    assert least <= run.seconds <= most
