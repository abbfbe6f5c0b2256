"""What one process at a time does: PostgreSQL's advisory locks, each held until the transaction ends."""

from enum import IntEnum

from sqlalchemy import Connection

from background.storage.prepared import Prepared


class Lock(IntEnum):
    """Every number that we use: others may have locks of their own in the same database."""

    MIGRATION = 5_820_117
    SWEEP = 5_820_119
    RETENTION = 5_820_120
    HISTORY = 5_820_121
    ADMISSION = 5_820_122
    REWINDING = 5_820_123


_TRY = Prepared("try_lock", "SELECT pg_try_advisory_xact_lock(:key) AS mine")


def try_lock(connection: Connection, lock: Lock) -> bool:
    """Whether this transaction has the lock now; nobody waits."""
    return bool(_TRY(connection, {"key": int(lock)})[0]["mine"])
