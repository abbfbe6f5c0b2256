"""Whose connections are watched."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from background.http import connections


@pytest.fixture
def frozen() -> Iterator[uvicorn.Config]:
    """The configuration of a server that was there when everything was frozen."""
    server = uvicorn.Server(uvicorn.Config("main:app"))
    gc.freeze()
    yield server.config
    gc.unfreeze()


def test_a_server_is_watched_that_was_there_when_everything_was_frozen(frozen: uvicorn.Config) -> None:
    async def protocol() -> Any:
        async with connections.watched():
            return frozen.http_protocol_class

    assert getattr(asyncio.run(protocol()), "func", None) is connections.Watched
