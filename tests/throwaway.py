"""Servers of one's own for a program that is no test: PostgreSQL and Valkey on free ports, gone when it ends."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import free_port

PASSWORD = "throw-away"


@contextmanager
def throwaway_servers() -> Iterator[Path]:
    """Start both, with the newest schema, and name them in the environment; gives a directory for other files.

    Settings are read once: nothing that reads them may be imported before.
    """
    # A plain SIGTERM would leave the servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="throwaway-", ignore_cleanup_errors=True) as scratch:
        home = Path(scratch)
        postgres_port, valkey_port = free_port(), free_port()
        os.environ |= {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(postgres_port),
            "POSTGRES_USER": "playground",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": "playground",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(valkey_port),
            "REDIS_PASSWORD": PASSWORD,
            "DATA_DIR": str(home / "data"),
        }
        from background import migrations
        from background.local.postgres import EmbeddedPostgres
        from background.local.valkey import EmbeddedValkey

        postgres = EmbeddedPostgres(
            home / "postgres", postgres_port, user="playground", password=PASSWORD, database="playground"
        )
        with postgres, EmbeddedValkey(home / "valkey", valkey_port, password=PASSWORD):
            migrations.upgrade()
            yield home
