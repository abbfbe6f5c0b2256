"""kombu's Redis transport for a Redis that may hold anything under the names that kombu uses.

What it cannot read, or what raises an error on its way to whoever consumes it, is dropped: else it would end the
process, or be handed out again and again. Errors of the connection and refusals of the server stay what they are.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

import redis
from kombu.exceptions import InconsistencyError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str

from background.intake.messages import described, dropped, fault_of_envelope, fault_of_text

SCHEMES = ("redis", "rediss")
_REMOVE_OTHERS = """
local removed = {}
for position, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= ARGV[position] then
        redis.call('UNLINK', key)
        table.insert(removed, key)
        table.insert(removed, kind)
    end
end
return removed
"""
_NEVER = -1
# The published types know little of what is overridden here.
_QoS: Any = kombu_redis.QoS
_Channel: Any = kombu_redis.Channel
_Transport: Any = kombu_redis.Transport
# A connection that is lost, a server that refuses. kombu counts KeyError among them.
NOT_THE_MESSAGES = (redis.RedisError, OSError, InconsistencyError)


class Clock:
    """Redis's time, by which kombu tells here for how long a message is held.

    By the workers' own clocks one that is ahead would hand out again what others are at work on.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        """Unix time."""
        return time.time() + self._ahead

    def set(self, client: Any) -> None:
        """Go by this server."""
        seconds, microseconds = client.time()
        self._ahead = seconds + microseconds / 1e6 - time.time()


clock = Clock()


def register() -> None:
    """Make it what kombu uses for the URL of a Redis in this process."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:Transport"))
    kombu_redis.time = clock  # type: ignore[attr-defined]


class Client(redis.Redis):
    """A client whose `BRPOP` gives nothing where it found what is no JSON."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """What the server answers."""
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name == "BRPOP" and answer and (fault := fault_of_text(answer[1])):
            dropped(bytes_to_str(answer[0]), fault)
            return None
        return answer


class QoS(_QoS):  # type: ignore[misc]
    """What was handed out and is not acknowledged yet."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Keep a message until it is acknowledged."""
        self.channel.mended(super().append, message, delivery_tag)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Hand out again what was held for too long."""
        with self.channel.conn_or_acquire() as client:
            clock.set(client)
            if client.ttl(self.unacked_mutex_key) == _NEVER:
                # kombu's own ends by itself. This one would keep everybody from ever restoring anything.
                client.delete(self.unacked_mutex_key)
                dropped(self.unacked_mutex_key, "a lock without an end")
        self.channel.mended(super().restore_visible, *args, **kwargs)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Hand out one of them again."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except NOT_THE_MESSAGES:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it would be wrong each time
            dropped(self.unacked_key, described(error))
            self._remove_from_indices(tag).execute()


class Channel(_Channel):  # type: ignore[misc]
    """A channel that hands on only what can be worked with."""

    QoS = QoS
    _kept: redis.Redis | None = None

    def mended(self, call: Callable[..., Any], *args: Any, queues: tuple[str, ...] = (), **kwargs: Any) -> Any:
        """`call`, once more where a key had another type than kombu gives it; what was there is gone then.

        `queues` are those that it is about, besides those that are consumed from.
        """
        try:
            return call(*args, **kwargs)
        except redis.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            self._remove_others(queues)
            return call(*args, **kwargs)

    def basic_consume(self, queue: str, no_ack: bool, callback: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
        """Consume from `queue`; a message on which `callback` raises an error is dropped."""

        def guarded(message: Any) -> None:
            try:
                callback(message)
            except NOT_THE_MESSAGES:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the process
                dropped(queue, described(error))
                if not no_ack and not message.acknowledged:
                    message.reject()

        with self.conn_or_acquire() as client:
            clock.set(client)
        return super().basic_consume(queue, no_ack, guarded, *args, **kwargs)

    def get_table(self, exchange: str) -> Any:
        """The queues of an exchange, without what is none."""
        return self.mended(self._get_table, exchange)

    def _get_table(self, exchange: str) -> Any:
        found = []
        key = self.keyprefix_queue % exchange
        with self.conn_or_acquire() as client:
            for member in client.smembers(key):
                row = tuple(member.decode(errors="replace").split(self.sep))
                if len(row) == 3 and "\N{REPLACEMENT CHARACTER}" not in row:
                    found.append(row)
                else:
                    client.srem(key, member)
                    dropped(key, "it binds no queue")
        return found

    def _queue_bind(self, *args: Any) -> None:
        self.mended(super()._queue_bind, *args)

    def _size(self, queue: str) -> Any:
        return self.mended(super()._size, queue, queues=(queue,))

    def _create_client(self, asynchronous: bool = False) -> Any:
        """kombu makes one for each command that is not its own loop's; making it takes longer than most commands."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept

    def _get_client(self) -> type[redis.Redis]:
        super()._get_client()  # it looks at the version
        return Client

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except redis.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
        # The answer is read: another look would wait for one to a question that nobody has asked.
        self._remove_others()
        raise Empty

    def settle(self) -> None:
        """Read what Redis still answers to whoever waited for a message; with the connection it would be gone."""
        if self._in_poll:
            with suppress(Empty):
                self._brpop_read()

    def held(self) -> list[Any]:
        """The messages that were handed out and are not acknowledged."""
        return [message for message in list(self.qos._delivered.values()) if not message.acknowledged]

    def _handle_message(self, client: Any, response: Any) -> dict[str, Any]:
        found: dict[str, Any] = super()._handle_message(client, response)
        if bytes_to_str(found["type"]).endswith("message"):
            channel = found["channel"].decode(errors="replace")
            if fault := fault_of_text(found["data"]) or fault_of_text(b'"' + found["channel"] + b'"'):
                dropped(channel, fault)
                found["data"] = None
                found["channel"] = channel
        return found

    def _do_restore_message(
        self, payload: Any, exchange: Any, routing_key: Any, pipe: Any, leftmost: bool = False
    ) -> None:
        fault = fault_of_envelope(payload)
        if fault or not (isinstance(exchange, str) and isinstance(routing_key, str)):
            dropped(self.unacked_key, fault or "it names no queue")
        else:
            super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)

    def _remove_others(self, queues: tuple[str, ...] = ()) -> None:
        """Remove what has another type than kombu gives it."""
        all_queues = {*self._active_queues, *queues}
        kinds = {self._q_for_pri(queue, priority): "list" for queue in all_queues for priority in self.priority_steps}
        kinds |= {self.unacked_key: "hash", self.unacked_index_key: "zset"}
        for exchange in self.state.exchanges:
            kinds |= {self.keyprefix_queue % exchange: "set", self.keyprefix_binding_permanent % exchange: "set"}
        kinds[self.keyprefix_binding_deadlines] = "zset"
        with self.conn_or_acquire() as client:
            removed: Any = client.eval(_REMOVE_OTHERS, len(kinds), *kinds, *kinds.values())
        for key, kind in zip(removed[::2], removed[1::2], strict=True):
            dropped(bytes_to_str(key), f"a {bytes_to_str(kind)}, which is not what stands there")


class Transport(_Transport):  # type: ignore[misc]
    """The transport whose channels are these."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        """Hand a message on to whoever consumes this queue."""
        if fault := fault_of_envelope(message):
            dropped(queue, fault)
            return
        try:
            super()._deliver(message, queue)
        except NOT_THE_MESSAGES:
            raise
        except Exception as error:  # noqa: BLE001 - nobody has taken it yet
            dropped(queue, described(error))
