"""Models and migrations agree; up, down and up again works; many may migrate at once."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from background import database, migrations
from background.settings import get_settings
from tests.support import ROOT


@pytest.fixture
def empty(postgres: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of a database of its own, not made yet, which the whole application uses meanwhile."""
    monkeypatch.setenv("POSTGRES_DB", "migrations: a%20test")
    get_settings.cache_clear()
    database.get_engine.cache_clear()
    engine = database.get_engine()
    yield engine
    engine.dispose()
    monkeypatch.undo()
    get_settings.cache_clear()
    database.get_engine.cache_clear()
    admin = create_engine(get_settings().sqlalchemy_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text('DROP DATABASE IF EXISTS "migrations\\: a%20test" WITH (FORCE)'))
    admin.dispose()


def tables(engine: Engine) -> set[str]:
    """The names of the tables there."""
    return set(inspect(engine).get_table_names())


def test_up_down_and_up_again(empty: Engine) -> None:
    migrations.upgrade()
    with empty.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.metadata) == []
    before = tables(empty)
    assert {"jobs", "job_steps", "job_events", "runs", "run_tasks"} <= before
    migrations.downgrade("base")
    assert tables(empty) <= {"alembic_version"}
    migrations.upgrade()
    assert tables(empty) == before


def test_many_at_once(empty: Engine) -> None:
    argv = [sys.executable, "-m", "background", "migrate"]
    running = [subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert "jobs" in tables(empty)


def test_unreachable_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "WAIT_SECONDS", 0.1)
    monkeypatch.setenv("POSTGRES_PORT", "1")
    get_settings.cache_clear()
    database.get_engine.cache_clear()
    try:
        with pytest.raises(SystemExit, match=r"^PostgreSQL cannot be reached: [^\n]+$"):
            migrations.upgrade()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
        database.get_engine.cache_clear()
