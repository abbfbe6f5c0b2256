"""What Alembic runs for the shop's own table, with a history apart from that of the jobs."""

from alembic import context

from background.migrations.tables import include_name
from shop.tables import Base, engine

with engine.begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table="shop_version",
        include_name=include_name,
    )
    with context.begin_transaction():
        context.run_migrations()
