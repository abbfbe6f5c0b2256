"""The table of schedules. `background/migrations` builds it; a test holds the two together."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Float, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from background.storage.schema import metadata, now_column, time_column

schedules = Table(
    "schedules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # The job that it makes, as it was checked: what `jobs.new_job.as_row` gives.
    Column("job", JSONB, nullable=False),
    Column("cron", Text),
    Column("every_seconds", Float),
    Column("timezone", Text, nullable=False),
    Column("catch_up", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    # Where its pipeline declares it; NULL of those that clients have made.
    Column("module", Text),
    # From which an interval counts.
    Column("anchor", DateTime(timezone=True), nullable=False),
    # NULL while it is paused, and where no time follows.
    time_column("next_at"),
    time_column("last_at"),
    Column("last_job_id", BigInteger),
    # Why nothing follows, or a time made no job.
    Column("last_error", Text),
    now_column("created_at"),
    now_column("updated_at"),
    CheckConstraint("(cron IS NULL) <> (every_seconds IS NULL)", name="times"),
    CheckConstraint("NOT paused OR next_at IS NULL", name="paused"),
    Index("ix_schedules_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
)
