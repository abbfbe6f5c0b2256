"""What Alembic runs. The connection comes from `background.migrations`, which holds the lock."""

from alembic import context

import background.migrations.tables  # noqa: F401  (it fills the metadata)
from background.storage.connections import get_engine
from background.storage.schema import metadata

connection = context.config.attributes.get("connection") or get_engine().connect()
context.configure(
    connection=connection, target_metadata=metadata, compare_server_default=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
