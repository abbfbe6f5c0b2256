"""The table of workers: one row for each start of a worker, which it keeps fresh while it lives."""

from sqlalchemy import ARRAY, Column, DateTime, Integer, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from background.storage.schema import metadata

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The Celery node name. A worker that is started again may have the name of its predecessor, never its id.
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pool", Text, nullable=False),
    Column("concurrency", Integer, nullable=False),
    # What it can run (`registry.abilities`), and the digest of that.
    Column("abilities", JSONB),
    Column("release", Text),
    # The queues whose jobs it runs; NULL of a release that knows one alone.
    Column("queues", ARRAY(Text)),
    # How many messages it last saw waiting in its queues; NULL while the broker does not answer it.
    Column("queue_length", Integer),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
