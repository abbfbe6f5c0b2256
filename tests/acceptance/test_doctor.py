"""`python -m background doctor`: one line for each look, what is wrong and what to do, and the exit code."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_refusing_servers import execute, told_to_all
from tests.conftest import PASSWORD
from tests.pgbouncer import needs_pgbouncer, running_pgbouncer
from tests.support import ROOT, free_port

pytestmark = pytest.mark.usefixtures("postgres", "valkey")


def doctor(**environment: str) -> tuple[int, list[str]]:
    """Its exit code and its lines."""
    done = subprocess.run(
        [sys.executable, "-m", "background", "doctor"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert PASSWORD not in done.stdout
    return done.returncode, done.stdout.splitlines()


def wrong(lines: list[str]) -> list[str]:
    """Those that say that something is."""
    return [line for line in lines if not line.startswith("ok ")]


def test_all_is_well() -> None:
    code, lines = doctor()
    assert (code, wrong(lines)) == (0, [])
    subjects = {line.split(maxsplit=1)[1].partition(":")[0] for line in lines}
    assert subjects >= {
        "settings", "Python", "Celery", "pipelines", "PostgreSQL", "PostgreSQL's clock", "pooler", "schema",
        "PostgreSQL's disk",
        "Redis", "Redis' clock", "Redis' eviction policy", "Redis' memory and disk", "result backend", "DATA_DIR",
    }  # fmt: skip


@pytest.fixture
def modules(tmp_path: Path) -> str:
    """A directory with modules of pipelines that are wrong."""
    twin = "from background.jobs.pipeline import Params, Pipeline\n\ndemo = Pipeline('demo', Params)\n"
    (tmp_path / "declared_twice.py").write_text(twin)
    (tmp_path / "broken.py").write_text("raise RuntimeError('this cannot be\\nat all')\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"API_PORT": "eighty"}, "settings: API_PORT: "),
        ({"CELERY_RESULT_BACKEND": "nothing://here"}, "settings: CELERY_RESULT_BACKEND: "),
        ({"POSTGRES_PORT": "{free}"}, r"PostgreSQL: .*Connection refused.* To do: .*POSTGRES_HOST"),
        ({"POSTGRES_PASSWORD": "not this"}, "PostgreSQL: .*password authentication failed.* To do: set POSTGRES_USER"),
        ({"POSTGRES_USER": "nobody"}, "PostgreSQL: .* To do: set POSTGRES_USER and POSTGRES_PASSWORD"),
        ({"POSTGRES_DB": "missing"}, 'PostgreSQL: .*"missing" does not exist.* To do: python -m background migrate'),
        ({"POSTGRES_DB": "postgres"}, "schema: none.* To do: python -m background migrate"),
        ({"REDIS_PORT": "{free}"}, r"Redis: .*Connection refused.* To do: .*REDIS_HOST"),
        ({"REDIS_PASSWORD": "not this"}, "Redis: .*WRONGPASS.* To do: set REDIS_PASSWORD"),
        ({"REDIS_PASSWORD": ""}, "Redis: .*NOAUTH.* To do: set REDIS_PASSWORD"),
        ({"CELERY_RESULT_BACKEND": "redis://127.0.0.1:{redis}"}, "result backend: .* To do: set the login"),
        ({"PIPELINES": "nothing.here"}, "pipelines: .*No module named 'nothing'.* To do: name modules in PIPELINES"),
        ({"PIPELINES": "background.pipelines,declared_twice"}, "pipelines: .*two pipelines 'demo'"),
        ({"PIPELINES": "broken"}, "pipelines: .*broken: RuntimeError: this cannot be at all.* To do: "),
        ({"DATA_DIR": "/proc/nothing"}, "(settings: )?DATA_DIR: .*/proc"),
    ],
)
def test_what_is_wrong_and_what_to_do(environment: dict[str, str], line: str, modules: str) -> None:
    ports = {"free": free_port(), "redis": os.environ["REDIS_PORT"]}
    code, lines = doctor(PYTHONPATH=modules, **{name: value.format(**ports) for name, value in environment.items()})
    assert code == 1
    assert any(re.match(f"wrong  {line}", each) for each in lines), lines


def test_a_postgresql_that_only_reads() -> None:
    with told_to_all():
        code, lines = doctor()
    assert code == 1
    (line,) = wrong(lines)
    assert (
        "PostgreSQL says: cannot execute SELECT FOR UPDATE in a read-only transaction. To do: name the primary" in line
    )


def test_a_schema_of_another_release() -> None:
    for revision, line in (
        ("0001", "wrong  schema: 0001; .*To do: python -m background migrate"),
        ("9999", "ok     schema: 9999, newer than this release"),
    ):
        execute("CREATE DATABASE other")
        try:
            execute(f"CREATE TABLE alembic_version AS SELECT '{revision}' AS version_num", database="other")
            _, lines = doctor(POSTGRES_DB="other")
        finally:
            execute("DROP DATABASE other WITH (FORCE)")
        assert any(re.match(line, each) for each in lines), lines


@pytest.mark.parametrize(
    ("subject", "variable", "url"),
    [
        ("PostgreSQL", "DATABASE_URL", "postgresql://me@127.0.0.1:{port}/d"),
        ("Redis", "CELERY_BROKER_URL", "redis://127.0.0.1:{port}/0"),
        ("result backend", "CELERY_RESULT_BACKEND", "redis://127.0.0.1:{port}/0"),
    ],
)
def test_a_server_that_never_answers_holds_nothing_up(subject: str, variable: str, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, lines = doctor(**{variable: url.format(port=silent.getsockname()[1])})
    assert code == 1
    assert any(line.startswith(f"wrong  {subject}: ") for line in lines), lines
    assert "ok     DATA_DIR" in lines[-1]


@pytest.fixture
def stranger(valkey: EmbeddedValkey) -> Iterator[str]:
    """The URL of a user of Redis who may do next to nothing."""
    with redis.Redis(port=valkey.port, password=PASSWORD) as client:
        client.execute_command("ACL", "SETUSER", "stranger", "on", ">secret", "+ping")
        yield f"redis://stranger:secret@127.0.0.1:{valkey.port}/0"
        client.execute_command("ACL", "DELUSER", "stranger")


def test_a_user_of_redis_without_rights(stranger: str) -> None:
    _, lines = doctor(CELERY_BROKER_URL=stranger)
    assert any(re.match("wrong  Redis: .*NOPERM.* To do: give this user its rights", line) for line in lines), lines


@contextmanager
def configured(valkey: EmbeddedValkey, name: str, value: str, usual: str) -> Iterator[None]:
    """The setting of Redis has this value for the block."""
    with redis.Redis(port=valkey.port, password=PASSWORD) as client:
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, usual)


@pytest.mark.parametrize(
    ("name", "value", "usual", "line"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "wrong  Redis' eviction policy: allkeys-lru. To do: "),
        ("maxmemory", "1", "0", "wrong  Redis: The broker (Redis) says: OOM command not allowed"),
    ],
)
def test_a_redis_that_loses_or_refuses(valkey: EmbeddedValkey, name: str, value: str, usual: str, line: str) -> None:
    with configured(valkey, name, value, usual):
        code, lines = doctor()
    assert code == 1
    assert any(each.startswith(line) for each in lines), lines


@needs_pgbouncer
def test_a_pooler(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    users = {postgres.user: PASSWORD}
    database = os.environ["POSTGRES_DB"]
    for mode, words in (
        ("transaction", "ok     pooler: transaction mode; event streams look once a second"),
        ("session", "ok     pooler: session mode"),
        ("statement", "wrong  PostgreSQL: .*To do: set pool_mode = transaction"),
    ):
        home = tmp_path / mode
        home.mkdir()
        with running_pgbouncer(home, postgres=postgres.port, database=database, users=users, mode=mode) as port:
            code, lines = doctor(POSTGRES_PORT=str(port))
            assert any(re.match(words, line) for line in lines), lines
            assert code == (1 if mode == "statement" else 0)
            if mode == "transaction":
                address = f"postgresql://{postgres.user}:{quote(PASSWORD)}@127.0.0.1:"
                for listen, heard in ((port, "wrong .*a pooler as well"), (postgres.port, "ok .*it hears")):
                    _, lines = doctor(POSTGRES_PORT=str(port), DATABASE_LISTEN_URL=f"{address}{listen}/{database}")
                    assert any(re.match(heard, line) for line in lines if "DATABASE_LISTEN_URL" in line), lines
