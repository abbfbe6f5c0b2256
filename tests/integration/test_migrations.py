"""Models and migrations agree; up, down and up again works; many may migrate at once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, text

from background import migrations
from background.canvas import runs
from background.canvas.built import Built
from background.canvas.spec import from_text
from background.settings import get_settings
from background.storage import connections, database, schema
from background.storage.locks import Lock
from tests.support import ROOT, wait_for

CANVAS = {"runs", "run_tasks", "run_events", "run_aliases", "sweeps"}


@pytest.fixture
def empty(postgres: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of a database of its own, not made yet, which the whole application uses meanwhile."""
    monkeypatch.setenv("POSTGRES_DB", "migrations: a%20test")
    get_settings.cache_clear()
    connections.get_engine.cache_clear()
    engine = connections.get_engine()
    yield engine
    engine.dispose()
    monkeypatch.undo()
    get_settings.cache_clear()
    connections.get_engine.cache_clear()
    admin = create_engine(get_settings().sqlalchemy_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text('DROP DATABASE IF EXISTS "migrations\\: a%20test" WITH (FORCE)'))
    admin.dispose()


def tables(engine: Engine) -> set[str]:
    """The names of the tables there."""
    return set(inspect(engine).get_table_names())


def migrate(*options: str) -> subprocess.CompletedProcess[str]:
    """The command, with what it prints."""
    argv = [sys.executable, "-m", "background", "migrate", *options]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def differences(engine: Engine) -> list[Any]:
    """What the database has not, or has otherwise than the models."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))


def found(engine: Engine) -> migrations.Schema:
    """Where the database is."""
    with engine.connect() as connection:
        return migrations.schema(connection)


def has_canvas(engine: Engine) -> bool:
    """What a process would find that looks now."""
    with engine.connect() as connection:
        connection.info.pop("has_canvas", None)
        return database.has_canvas(connection)


def one_history(engine: Engine, revision: str, canvas: str) -> None:
    """A database of a release that knew no branches: its revision stands for both."""
    migrations.upgrade(canvas)
    migrations.upgrade(revision)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def test_up_down_and_up_again(empty: Engine) -> None:
    migrations.upgrade()
    assert differences(empty) == []
    assert found(empty).found == found(empty).newest
    before = tables(empty)
    assert {"jobs", "job_steps", "job_events", *CANVAS} <= before
    migrations.downgrade("base")
    assert tables(empty) <= {"alembic_version"}
    migrations.upgrade()
    assert tables(empty) == before


def test_canvas_may_be_left_out_and_come_later(empty: Engine) -> None:
    done = migrate("--without", "canvas")
    assert done.returncode == 0, done.stderr
    without = tables(empty)
    assert {"jobs", "job_steps", "job_events", "workers", "event_listeners"} <= without
    assert not without & CANVAS
    assert found(empty).found == found(empty).newest
    migrations.upgrade("canvas_0008")
    assert not has_canvas(empty), "one that is under way is no reason to ask for its tables"
    migrations.upgrade()
    assert has_canvas(empty)
    assert tables(empty) == without | CANVAS
    assert differences(empty) == []
    migrations.downgrade("canvas@base")
    assert tables(empty) == without
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE runs (miles int)"))
    with pytest.raises(SystemExit, match=r'^A name of our tables is taken: relation "runs" already exists [^\n]+$'):
        migrations.upgrade()
    refused = migrate("--without", "jobs")
    assert refused.returncode == 2
    assert "--without" in refused.stderr


def test_a_revision_of_canvases_may_depend_on_the_newest_of_jobs(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ScriptDirectory.from_config(migrations.config())
    jobs, canvas = (str(known.get_revision(f"{branch}@head").revision) for branch in ("jobs", "canvas"))
    lines = f"""
revision = "canvas_next"
down_revision = "{canvas}"
depends_on = "{jobs}"
def upgrade():
    pass
"""
    (tmp_path / "canvas_next.py").write_text(lines)
    settings = migrations.config()
    settings.set_main_option("path_separator", "newline")
    ours = f"{settings.get_main_option('script_location')}/versions"
    settings.set_main_option("version_locations", f"{ours}\n{tmp_path}")
    monkeypatch.setattr(migrations, "config", lambda: settings)
    migrations.upgrade(migrations.WITHOUT_CANVAS)
    assert found(empty).found == found(empty).newest == jobs
    migrations.upgrade()
    assert found(empty).found == found(empty).newest == "canvas_next"


@pytest.mark.parametrize(
    ("revision", "canvas"),
    [("0004", "canvas_0004"), ("0010", "canvas_0008"), ("0014", "canvas_0011")],
)
def test_a_database_of_one_history_goes_on_in_both_branches(empty: Engine, revision: str, canvas: str) -> None:
    one_history(empty, revision, canvas)
    migrations.upgrade(migrations.WITHOUT_CANVAS)
    assert canvas in str(found(empty).found), "what is there stays there"
    migrations.upgrade()
    assert found(empty).found == found(empty).newest
    assert differences(empty) == []


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
    one_history(empty, "0005", "canvas_0005")
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
        run = runs.run_in(connection, UUID(IDS[4]))
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
    migrations.downgrade("canvas_0005")
    migrations.upgrade()


def test_many_at_once(empty: Engine) -> None:
    argv = [sys.executable, "-m", "background", "migrate"]
    running = [subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert "jobs" in tables(empty)


def test_one_that_waits_for_another_holds_up_none_of_its_indexes(empty: Engine) -> None:
    """An index that is made concurrently waits for transactions that have begun before."""
    argv = [sys.executable, "-m", "background", "migrate"]
    states = text("SELECT state FROM pg_stat_activity WHERE application_name = :name AND datname = current_database()")
    names = {"name": migrations.APPLICATION}
    one_history(empty, "0005", "canvas_0005")
    looking = empty.execution_options(isolation_level="AUTOCOMMIT")
    with empty.connect() as other, looking.connect() as connection:
        other.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": Lock.MIGRATION.value})
        with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert next(line for line in process.stderr if "Another migration" in line)
            wait_for(
                lambda: list(connection.execute(states, names).scalars()) == ["idle"], what="a wait in no transaction"
            )
            other.rollback()
            process.stderr.read()
            assert process.wait(60) == 0
    assert "run_aliases" in tables(empty)


def test_one_that_waits_or_is_cut_off_says_so(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a lock that somebody holds, and who that is; the next one goes on where it was."""
    one_history(empty, "0005", "canvas_0005")
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


@pytest.mark.parametrize(("branch", "revision"), [("0%", "9999"), ("canvas%", "what is this")])
def test_a_newer_schema_is_left_alone(empty: Engine, branch: str, revision: str) -> None:
    """As when an older release comes back: old and new may run side by side."""
    migrations.upgrade()
    with empty.begin() as connection:
        statement = text("UPDATE alembic_version SET version_num = :revision WHERE version_num LIKE :branch")
        assert connection.execute(statement, {"revision": revision, "branch": branch}).rowcount == 1
    done = migrate()
    assert done.stderr.count("\n") == 1, done.stderr
    line = done.stderr
    assert "The schema is newer than this release; nothing to do" in line
    assert revision in line
    newest = ScriptDirectory.from_config(migrations.config()).get_revision("jobs@head")
    assert newest is not None
    assert newest.revision in line
    assert done.returncode == 0


def test_the_version_table_of_another_program_is_left_alone(empty: Engine) -> None:
    migrations.upgrade("0001")
    migrations.downgrade("base")
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('a1b2c3')"))
    done = migrate()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "alembic_version is another program's: it is at a1b2c3" in done.stderr
    assert tables(empty) == {"alembic_version"}


def scripts() -> list[Script]:
    """All revisions of this release."""
    return list(ScriptDirectory.from_config(migrations.config()).walk_revisions())


def test_unreachable_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "WAIT_SECONDS", 0.1)
    monkeypatch.setenv("POSTGRES_PORT", "1")
    get_settings.cache_clear()
    connections.get_engine.cache_clear()
    try:
        with pytest.raises(SystemExit, match=r"^PostgreSQL cannot be reached: [^\n]+$"):
            migrations.upgrade()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
        connections.get_engine.cache_clear()
