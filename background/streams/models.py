"""The table of the processes that listen for events."""

from sqlalchemy import Column, DateTime, Table, Uuid

from background.storage.schema import metadata

# Writers look here before they notify. It may be lost: listeners sign in every few seconds.
event_listeners = Table(
    "event_listeners",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("until", DateTime(timezone=True), nullable=False),
    prefixes=["UNLOGGED"],
)
