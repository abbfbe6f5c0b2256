"""All tables of this package, for Alembic: for our own history, and for one that keeps other tables beside them."""

from collections.abc import Mapping
from typing import Any

import background.canvas.models
import background.jobs.models
import background.schedules.models
import background.streams.models
import background.workers.models  # noqa: F401  (they fill the metadata)
from background.storage.schema import metadata

NAMES = frozenset({*metadata.tables, "alembic_version"})
"""What they are called, made or not, and the table in which Alembic keeps where our history is."""


def include_name(
    name: str | None,
    type_: str,
    parent_names: Mapping[Any, str | None],
) -> bool:
    """Whether Alembic is to look at this name: not at our tables in the default schema.

    For `context.configure` in an environment of one's own, whose `--autogenerate` would drop them else.
    """
    return not (type_ == "table" and name in NAMES and parent_names.get("schema_name") is None)
