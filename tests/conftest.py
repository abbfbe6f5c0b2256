"""Real PostgreSQL and Valkey for all tests, on free ports, in a directory that goes away.

The environment is set before anything of the application is imported: settings are read once.
"""

import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import redis
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from tests.browser.chromium import collect as pytest_collect_directory  # noqa: F401  (a hook)
from tests.support import Process, free_port, running_api, running_worker, transaction

pytest_plugins = ["background.testing.plugin"]

PASSWORD = "a password: with / @ % signs"
SCRATCH = tempfile.TemporaryDirectory(prefix="playground-", ignore_cleanup_errors=True)
HOME = Path(SCRATCH.name)
shared: set[str] = set()
"""Which of the servers of all tests have been started."""

# A shell starts what runs in the background with SIGINT ignored, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "FLOWER_BASIC_AUTH", "REMAP_SIGTERM"):
    os.environ.pop(name, None)
os.environ |= {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_PORT": str(free_port()),
    "POSTGRES_USER": "playground",
    "POSTGRES_PASSWORD": PASSWORD,
    "POSTGRES_DB": "playground",
    "REDIS_HOST": "127.0.0.1",
    "REDIS_PORT": str(free_port()),
    "REDIS_PASSWORD": PASSWORD,
    "DATA_DIR": str(HOME / "data"),
    "STEP_SECONDS": "0.2",
    "LOG_FORMAT": "text",
}

from background import migrations  # noqa: E402
from background.local.children import tail  # noqa: E402
from background.local.postgres import EmbeddedPostgres  # noqa: E402
from background.local.valkey import EmbeddedValkey  # noqa: E402

# How long an example takes is no matter of the test: the machine may be busy.
settings.register_profile("patient", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, shows the last lines of what the processes around the test have logged.

    Logs lie at the top of a directory; below, a server that still runs may be deleting files.
    """
    report = yield
    if report.failed:
        directories = {HOME, getattr(item, "funcargs", {}).get("tmp_path", HOME)}
        logs = sorted(log for directory in directories for log in directory.glob("*.log"))
        report.sections += [(f"end of {log.name}", tail(log, lines=40)) for log in logs]
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL that `POSTGRES_*` names, with the newest schema."""
    server = EmbeddedPostgres(
        HOME / "postgres",
        int(os.environ["POSTGRES_PORT"]),
        user=os.environ["POSTGRES_USER"],
        password=PASSWORD,
        database=os.environ["POSTGRES_DB"],
        flush=False,
        superuser=True,
    )
    with server:
        migrations.upgrade()
        shared.add("postgres")
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    """The broker that `REDIS_*` names."""
    with EmbeddedValkey(HOME / "valkey", int(os.environ["REDIS_PORT"]), password=PASSWORD, flush=False) as server:
        shared.add("valkey")
        yield server


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    """What a module leaves is gone after it: no worker of the next one takes it, and nobody finds it in a list.

    Also what a worker that was killed had taken, of which the broker hands out the message again much later.
    """
    yield
    if "postgres" in shared:
        with transaction() as connection:
            for table in ("schedules", "jobs", "runs", "workers", "job_begins", "job_controls"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    if "valkey" in shared:
        with redis.Redis(port=int(os.environ["REDIS_PORT"]), password=PASSWORD) as broker:
            broker.flushdb()


@pytest.fixture(scope="session")
def client(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> Iterator[httpx.Client]:
    """A client of a real API process."""
    with running_api(HOME / "api.log") as api:
        yield api


@pytest.fixture(scope="module")
def worker(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> Iterator[Process]:
    """A real prefork worker; only for the module that asks for it, since others are about workers of their own."""
    with running_worker(HOME / "worker.log") as process:
        yield process
