"""Models and migrations agree; up, down and up again works; many may migrate at once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, text

from background import database, migrations
from background.canvas import outcomes
from background.canvas.built import Built
from background.canvas.spec import from_text
from background.settings import get_settings
from tests.support import ROOT, wait_for


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


def test_tables_are_vacuumed_soon_and_jobs_have_room_to_change(empty: Engine) -> None:
    migrations.upgrade()
    statement = text("SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL AND relkind = 'r'")
    with empty.connect() as connection:
        found = {name: set(options) for name, options in connection.execute(statement).all()}
    assert found["jobs"] == {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"}
    for table in ("job_steps", "job_events", "runs", "run_tasks", "run_events"):
        assert "autovacuum_vacuum_scale_factor=0.02" in found[table]


IDS = [str(UUID(int=number)) for number in range(1, 7)]
ECHO = "background.task.test_tasks.echo"


def earlier(number: int, *args: Any, **more: Any) -> dict[str, Any]:
    """A task as revision 0005 stored it."""
    known = {"immutable": False, "countdown": None, "retries": 0, "ignore_result": False}
    return {"task": ECHO, "args": list(args), **known, "id": IDS[number], "on_success": None, "on_error": None, **more}


def test_runs_that_were_recorded_before_are_still_told_and_retried(empty: Engine) -> None:
    migrations.upgrade("0005")
    header = [earlier(0, 1), earlier(1, 2, on_error=earlier(2))]
    canvas = {"header": header, "body": {"chain": [earlier(3), earlier(4)]}}
    with empty.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO runs (task_id, type, status, code, canvas, epoch, edges, result_ids, total, settled, failed)
                VALUES (:id, 'canvas', 'FAILURE', 'c', CAST(:canvas AS jsonb), 'e', '[]', to_jsonb(CAST(:id AS text)),
                        5, 5, 1)
            """),
            {"id": IDS[4], "canvas": json.dumps(canvas)},
        )
        for number, state in enumerate(["SUCCESS", "FAILURE", "SUCCESS", "SKIPPED", "SKIPPED"]):
            connection.execute(
                text("""
                    INSERT INTO run_tasks (id, run_id, position, task, args, next, state, result)
                    SELECT :id, id, :number, :task, '[]', '{}', :state, CAST(:result AS jsonb) FROM runs
                """),
                {"id": IDS[number], "number": number, "task": ECHO, "state": state, "result": '{"b": 1, "aa": 2}'},
            )
    migrations.upgrade()
    with empty.begin() as connection:
        run = outcomes.run_in(connection, UUID(IDS[4]))
        assert run.graph is not None
        assert run.graph.tree == {
            "chord": {
                "header": [{"task": IDS[0]}, {"task": IDS[1], "link_error": [{"task": IDS[2]}]}],
                "body": {"chain": [{"task": IDS[3]}, {"task": IDS[4]}]},
            }
        }
        assert (run.graph.nodes[0].result, run.progress.total) == ({"b": 1, "aa": 2}, 5)
        assert run.canvas["chord"]["header"][1] == {
            "task": "echo", "args": [2], "link_error": [{"task": "echo", "args": []}],
        }  # fmt: skip
        stored = connection.execute(text("SELECT canvas, ids FROM runs")).one()
        assert list(Built.of(from_text(stored.canvas), [str(each) for each in stored.ids]).plan.nodes) == IDS[:5]
    migrations.downgrade("0005")
    migrations.upgrade()


def test_many_at_once(empty: Engine) -> None:
    argv = [sys.executable, "-m", "background", "migrate"]
    running = [subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert "jobs" in tables(empty)


def test_one_that_waits_or_is_cut_off_says_so(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a lock that somebody holds, and who that is; the next one goes on where it was."""
    migrations.upgrade("0005")
    monkeypatch.setenv("LOG_FORMAT", "text")
    argv = [sys.executable, "-m", "background", "migrate"]
    holder = create_engine(
        get_settings().sqlalchemy_url, poolclass=NullPool, connect_args={"application_name": "a report"}
    )
    with holder.connect() as holding, subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        pid = holding.execute(text("LOCK TABLE runs; SELECT pg_backend_pid()")).scalar_one()
        assert process.stderr is not None
        said = next(line for line in process.stderr if "Held up" in line)
        assert "lock timeout" in said
        assert f"process {pid} (a report, user playground), for " in said
        with holder.connect() as other:
            for _ in range(3):
                wait_for_another_try(other)
            other.execute(
                text("""
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'celery-playground-migration'
                """)
            )
        *between, last = process.stderr.read().splitlines()
        assert process.wait(30) == 1
        assert last.startswith("The migration was cut off; run it again: ")
        assert all("Held up" in line for line in between), between
        assert len(between) < 3, "what is tried again is said again only now and then"
    migrations.upgrade()
    assert "run_aliases" in tables(empty)


def wait_for_another_try(connection: Connection) -> None:
    """Until a migration waits for a lock that it did not wait for when it was asked first."""
    statement = text("""
        SELECT max(query_start) FROM pg_stat_activity, pg_stat_clear_snapshot()
        WHERE application_name = 'celery-playground-migration' AND wait_event_type = 'Lock'
    """)
    with connection.begin_nested():
        first = wait_for(lambda: connection.execute(statement).scalar(), what="a migration that waits")
        wait_for(lambda: connection.execute(statement).scalar() not in (None, first), what="another try")


@pytest.mark.parametrize("revision", ["9999", "what is this"])
def test_a_newer_schema_is_left_alone(empty: Engine, revision: str) -> None:
    """As when an older release comes back: old and new may run side by side."""
    migrations.upgrade()
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    argv = [sys.executable, "-m", "background", "migrate"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.count("\n") == 1, done.stderr
    line = done.stderr
    assert "The schema is newer than this release; nothing to do" in line
    assert revision in line
    assert max(str(script.revision) for script in scripts()) in line
    assert done.returncode == 0


def scripts() -> list[Script]:
    """All revisions of this release."""
    return list(ScriptDirectory.from_config(migrations.config()).walk_revisions())


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
