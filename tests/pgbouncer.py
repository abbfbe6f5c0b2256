"""A real PgBouncer in transaction mode, from the machine's package."""

import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from background.local.permissions import account_for, make_private, open_way
from tests.support import Process, free_port, wait_for

HOST = "127.0.0.1"
PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer on PATH (apt install pgbouncer)")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@contextmanager
def running_pgbouncer(
    directory: Path,
    *,
    postgres: int,
    database: str,
    users: Mapping[str, str],
    pool_size: int = 20,
    mode: str = "transaction",
) -> Iterator[int]:
    """A pooler before the PostgreSQL at this port of 127.0.0.1, for `users` (name to password); gives its own port."""
    account = account_for(directory)
    home = directory / "pgbouncer"
    open_way(account, to=[directory], programs=[])
    make_private(home, account)
    port = free_port()
    (home / "users.txt").write_text("".join(f"{_quoted(name)} {_quoted(key)}\n" for name, key in users.items()))
    (home / "pgbouncer.ini").write_text(
        f"""
[databases]
* = host={HOST} port={postgres}
[pgbouncer]
listen_addr = {HOST}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {home / "users.txt"}
pool_mode = {mode}
max_client_conn = 500
default_pool_size = {pool_size}
server_login_retry = 1
"""
    )
    as_user = ["-u", pwd.getpwuid(account.uid).pw_name] if account else []
    process = Process([str(PROGRAM), *as_user, str(home / "pgbouncer.ini")], log=directory / "pgbouncer.log")
    (user, password), *_ = users.items()

    def is_up() -> bool:
        assert process.popen.poll() is None, process.output
        try:
            psycopg2.connect(host=HOST, port=port, user=user, password=password, dbname=database).close()
        except psycopg2.OperationalError:
            return False
        return True

    try:
        wait_for(is_up, what="PgBouncer")
        yield port
    finally:
        process.kill()
