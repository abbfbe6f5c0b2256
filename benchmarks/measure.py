"""How benchmarks measure processes and the database, and what they print: medians of rounds, with min and max."""

import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from background.storage.deadlines import time_limit
from benchmarks.peers import servers

LOCK = Path(__file__).parent / "requirements-peers.lock"


class Table:
    """The samples of one question: of each row and column as many as there were rounds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: str, **values: float) -> None:
        """Add one round's values to a row; `_` in the name of a column is a space."""
        for name, value in values.items():
            self.samples[row][name.replace("_", " ")].append(value)

    def text(self) -> str:
        """The table as Markdown, which reads well as it is."""
        columns = list(dict.fromkeys(name for row in self.samples.values() for name in row))
        lines = [["", *columns]] + [
            [name, *(_summary(row.get(column, [])) for column in columns)] for name, row in self.samples.items()
        ]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        rows = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
        rows.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
        return "\n".join([f"**{self.title}**", "", *rows, ""])


def _summary(values: list[float]) -> str:
    if not values:
        return ""
    least, middle, most = map(_rounded, (min(values), statistics.median(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_json(path: Path, tables: list[Table]) -> None:
    """All samples, and what they were taken on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine(), "tables": {table.title: table.samples for table in tables}}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False))


def machine() -> dict[str, str]:
    """What figures depend on."""
    with Database() as database:
        postgres = database.value("SHOW server_version")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)  # noqa: S607
    packages = ("celery", "fastapi", "psycopg2-binary", "redis", "sqlalchemy", "uvicorn")
    return {
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": str(postgres),
        "commit": commit.stdout.strip(),
        **{name: version(name) for name in packages},
        **dict(re.findall(r"^(absurd-sdk|dbos|pgqueuer|procrastinate)==(\S+)", LOCK.read_text(), re.MULTILINE)),
    }


class Database:
    """A look from outside: its own connection, whose own statements are not counted."""

    def __enter__(self) -> "Database":
        self._connection = psycopg2.connect(servers.postgres())
        self._connection.autocommit = True
        self._asked = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run(self, statement: str) -> None:
        """Only run it, however long it takes."""
        self._asked += 1
        with time_limit(3600), self._connection.cursor() as cursor:
            cursor.execute(statement)

    def row(self, statement: str) -> Any:
        """The first row that a statement gives."""
        self._asked += 1
        with time_limit(60), self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()

    def value(self, statement: str) -> Any:
        """The one value that a statement gives."""
        return self.row(statement)[0]

    def transactions_ended(self) -> int:
        """How many transactions others have ended; a session that is busy tells once a second."""
        self.run("SELECT pg_stat_force_next_flush()")
        asked = self._asked
        ended = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        return int(self.value(ended)) - asked

    def transactions(self) -> int:
        """How many transactions have ever written something."""
        return int(self.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))

    def wal_bytes(self) -> int:
        """How much was ever written to the log."""
        return int(self.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))


def process_at(port: int) -> psutil.Process:
    """The process that listens on this port of 127.0.0.1."""
    for connection in psutil.net_connections("tcp4"):
        address: Any = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise LookupError(port)


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process with its children, those that have ended included."""
    times = process.cpu_times()
    total: float = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:2])
    return total


def memory_of(process: psutil.Process) -> float:
    """Megabytes that a process and its children have to themselves."""
    return sum(float(each.memory_full_info().uss) for each in (process, *process.children())) / 1e6


def postgres_cpu() -> float:
    """CPU seconds of the whole server."""
    return cpu_of(process_at(int(os.environ["POSTGRES_PORT"])))
