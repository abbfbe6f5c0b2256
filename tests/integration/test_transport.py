"""What is mended of kombu's Redis transport. Each test says what kombu itself does: it tells when that can go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import Connection, Producer, Queue
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


def is_handed_out_again(kind: Any) -> bool:
    """Whether a worker whose clock is ahead hands out what another one is at work on."""
    with channel_of(kind) as channel, pytest.MonkeyPatch.context() as patch:
        queue = Queue("clocks")(channel)
        queue.declare()
        Producer(channel).publish({}, routing_key="clocks")
        held = queue.get()
        assert held is not None
        real = time.time
        patch.setattr(time, "time", lambda: real() + 24 * 3600)
        if vars(kombu_redis)["time"] is real:
            patch.setattr(kombu_redis, "time", time.time)
        channel.qos.restore_visible(interval=1)
        again = queue.get()
        for message in (held, again):
            if message is not None:
                message.ack()
    return again is not None


def test_what_a_worker_holds_is_not_handed_out_by_one_whose_clock_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    transport.register()
    with monkeypatch.context() as patch:
        patch.setattr(kombu_redis, "time", time.time)
        assert is_handed_out_again(kombu_redis.Transport)
    assert not is_handed_out_again(transport.Transport)
