"""Who a worker is, and what the live ones know together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

WORKER_ID = str(uuid4())
"""This worker's identity: new at each start, whatever its node name. Forked children share it."""


@dataclass(frozen=True)
class Identity:
    """What a worker says of itself; `id` is a UUID that is new at each start.

    `abilities` (JSON text) is what it can run, and `release` the digest of that.
    """

    id: str
    name: str
    host: str
    pid: int
    pool: str
    concurrency: int
    abilities: str
    release: str


@dataclass(frozen=True)
class Crew:
    """The live workers of one release, which can run its `abilities` (see `jobs.registry`), of the `queues` they serve.

    `id` is another one as soon as one of them starts or ends: what a crew has refused, the next one is asked again.
    """

    id: str
    release: str
    abilities: Mapping[str, Any]
    queues: frozenset[str]


@dataclass(frozen=True)
class Served:
    """How many live workers serve a queue, and the `length` of all that they serve; `None`: they reach no broker."""

    workers: int
    length: int | None


@dataclass(frozen=True)
class Snapshot:
    """What the live workers know together: which queues are served, by name."""

    live: int
    queues: Mapping[str, Served]
    crews: Sequence[Crew]

    def of(self, queue: str) -> Served:
        """How this queue is served."""
        return self.queues.get(queue, Served(0, None))
