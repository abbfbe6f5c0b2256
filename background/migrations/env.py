"""What Alembic runs. The connection comes from `background.migrations`, which holds the lock."""

from alembic import context

import background.canvas.models
import background.jobs.models
import background.streams.models
import background.workers.models  # noqa: F401  (they fill the metadata)
from background.database import get_engine, metadata

connection = context.config.attributes.get("connection") or get_engine().connect()
context.configure(
    connection=connection, target_metadata=metadata, compare_server_default=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
