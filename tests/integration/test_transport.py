"""What is mended of kombu's Redis transport. Each test says what kombu itself does: it tells when that can go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import redis as kombu_redis

from background.intake import transport
from background.settings import get_settings

pytestmark = pytest.mark.usefixtures("valkey")


@contextmanager
def channel_of(kind: Any) -> Iterator[Any]:
    """A channel of this transport."""
    with Connection(get_settings().broker_url, transport=kind) as connection, connection.channel() as channel:
        yield channel


def test_a_channel_keeps_the_client_of_its_commands() -> None:
    with channel_of(kombu_redis.Transport) as own, own.conn_or_acquire() as first, own.conn_or_acquire() as second:
        assert first is not second
    with channel_of(transport.Transport) as channel:
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        assert channel.client is not first  # it has a connection of its own, for what blocks
        channel._disconnect_pools()  # as when the connection was lost
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()
