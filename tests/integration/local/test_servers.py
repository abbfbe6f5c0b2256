"""The embedded servers: they keep their data, whatever ends them, and nothing of them is left."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from background.local.children import Account, Child, LocalError, Program, descendants, lives, passed_on, working_in
from background.local.permissions import account_for, kept_secret, open_way
from background.local.postgres import SUPERUSER, EmbeddedPostgres, postgres_files
from background.local.server import open_log
from background.local.valkey import EmbeddedValkey
from tests.support import ROOT, free_port, wait_for

ODD_PASSWORD = "p'w\n\\ \"é"
AS_ROOT = os.geteuid() == 0


def make_postgres(
    home: Path,
    *,
    user: str = "po\"st'gres",
    password: str = ODD_PASSWORD,
    database: str = "my db",
    flush: bool = True,
) -> EmbeddedPostgres:
    directory = home / "a b é" / "postgres"
    return EmbeddedPostgres(directory, free_port(), user=user, password=password, database=database, flush=flush)


def query(server: EmbeddedPostgres, sql: str, password: str = ODD_PASSWORD) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=server.user, password=password, dbname=server.database
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with one row in it, in a directory with a space and an accent."""
    server = make_postgres(tmp_path)
    try:
        server.start()
        server.wait_ready()
        query(server, "CREATE TABLE kept AS SELECT 1 AS one")
        yield server
    finally:
        server.kill()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A running Valkey with one key in it."""
    server = EmbeddedValkey(tmp_path / "a b é" / "valkey", free_port(), password=ODD_PASSWORD)
    try:
        server.start()
        server.wait_ready()
        client(server).set("kept", "1")
        yield server
    finally:
        server.kill()


def client(server: EmbeddedValkey, password: str | None = ODD_PASSWORD) -> "redis.Redis":
    return redis.Redis("127.0.0.1", server.port, password=password, socket_timeout=2, retry=Retry(NoBackoff(), 0))


def family(child: Child | None) -> list[int]:
    assert child is not None
    return [child.pid, *descendants(child.pid)]


def still_running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if lives(pid)]


def test_its_user_owns_the_database_and_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert query(postgres, rights) == [(False, False, False)]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert query(postgres, owner) == [(postgres.user,)]
    for forbidden in ("COPY (SELECT 1) TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/passwd')", "CREATE ROLE more"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(postgres, forbidden)


def test_nobody_can_log_in_as_its_superuser(postgres: EmbeddedPostgres) -> None:
    for password in ("", "postgres", ODD_PASSWORD):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host="127.0.0.1", port=postgres.port, user=SUPERUSER, password=password, dbname="my db")


def test_a_cluster_of_an_earlier_version_loses_its_superusers_and_keeps_its_data(tmp_path: Path) -> None:
    """It was made for `postgres`, with a password that everybody knows, and further users became superusers as well."""
    server = make_postgres(tmp_path, user="postgres", password="new", database="celery_jobs")
    old = server.directory
    old.parent.mkdir(parents=True)
    open_way(account_for(old), to=[old.parent], programs=postgres_files())
    server._make(user="postgres")
    server._alone("postgres", "ALTER ROLE postgres PASSWORD 'postgres'", "CREATE DATABASE celery_jobs OWNER postgres")
    server._alone("postgres", "CREATE ROLE other SUPERUSER LOGIN PASSWORD 'postgres'")
    server._alone(
        "celery_jobs", "CREATE TABLE kept (id serial PRIMARY KEY, one int)", "INSERT INTO kept (one) VALUES (1)"
    )
    server._alone("celery_jobs", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with server:
        assert query(server, "SELECT rolname FROM pg_roles WHERE rolsuper", password="new") == [(SUPERUSER,)]
        query(server, "INSERT INTO kept (one) VALUES (2); ALTER TABLE kept ADD two int", password="new")
        assert query(server, "SELECT one FROM kept ORDER BY id", password="new") == [(1,), (2,)]
        query(server, "DROP FUNCTION one(); DROP TABLE kept", password="new")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            query(server, "SELECT 1", password="postgres")


@pytest.mark.parametrize("end", ["fast", "immediate", "kill"])
def test_postgres_keeps_its_data_whatever_ends_it(postgres: EmbeddedPostgres, end: str) -> None:
    port, processes = postgres.port, family(postgres.child)
    if end == "kill":
        postgres.kill()
    else:
        postgres.stop("immediate" if end == "immediate" else "fast")
    assert still_running(processes) == []
    postgres.start()
    postgres.wait_ready()
    assert postgres.port == port
    assert query(postgres, "SELECT one FROM kept") == [(1,)]


def test_without_waiting_for_the_disk_a_kill_loses_nothing_either(tmp_path: Path) -> None:
    postgres = make_postgres(tmp_path, flush=False)
    valkey = EmbeddedValkey(tmp_path / "valkey", free_port(), password=ODD_PASSWORD, flush=False)
    with postgres, valkey:
        query(postgres, "CREATE TABLE kept AS SELECT 1 AS one")
        client(valkey).set("kept", "1")
        for server in (postgres, valkey):
            server.kill()
            server.start()
            server.wait_ready()
        assert query(postgres, "SELECT one FROM kept") == [(1,)]
        assert client(valkey).get("kept") == b"1"
        assert waits_for_the_disk(postgres, valkey) == [False, False]


def test_users_data_is_on_the_disk(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    assert waits_for_the_disk(postgres, valkey) == [True, True]


def waits_for_the_disk(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> list[bool]:
    return [
        query(postgres, "SHOW fsync") == [("on",)],
        client(valkey).config_get("appendfsync") == {"appendfsync": "everysec"},
    ]


def test_postgres_wants_a_password_and_offers_no_socket_file(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(postgres, "SELECT 1", password="wrong")
    sockets, addresses = (postgres.directory / "postmaster.pid").read_text().splitlines()[4:6]
    assert (sockets, addresses) == ("", "127.0.0.1")


def test_no_password_is_left_in_a_log_or_in_the_arguments(postgres: EmbeddedPostgres) -> None:
    assert postgres.child is not None
    assert ODD_PASSWORD not in " ".join(psutil.Process(postgres.child.pid).cmdline())
    assert ODD_PASSWORD not in postgres.log.read_text()


def test_another_password_user_and_database_are_made_valid(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.stop()
    changed = make_postgres(tmp_path, user="second", password="new", database="other")
    try:
        changed.start()
        changed.wait_ready()
        assert query(changed, "SELECT current_user", password="new") == [("second",)]
    finally:
        changed.stop()


def test_a_paused_postgres_answers_nothing_and_goes_on(postgres: EmbeddedPostgres) -> None:
    postgres.pause()
    assert not postgres.is_ready()
    postgres.resume()
    postgres.wait_ready(10)


def test_a_paused_postgres_can_be_stopped(postgres: EmbeddedPostgres) -> None:
    processes = family(postgres.child)
    postgres.pause()
    postgres.stop()
    assert still_running(processes) == []


def test_a_stale_pid_file_prevents_nothing(postgres: EmbeddedPostgres) -> None:
    """After a reboot the number in it may belong to any process, here to this one."""
    postgres.kill()
    pid_file = postgres.directory / "postmaster.pid"
    pid_file.write_text("\n".join([str(os.getpid()), *pid_file.read_text().splitlines()[1:]]))
    postgres.start()
    postgres.wait_ready()
    assert psutil.pid_exists(os.getpid())


def test_a_server_left_behind_is_stopped_first(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    left = family(postgres.child)
    second = make_postgres(tmp_path)
    try:
        second.start()
        second.wait_ready()
        assert postgres.child is not None
        assert postgres.child.wait(5) is not None
        assert still_running(left) == []
        assert query(second, "SELECT one FROM kept") == [(1,)]
    finally:
        second.stop()


def test_an_interrupted_making_is_begun_again(tmp_path: Path) -> None:
    server = make_postgres(tmp_path)
    half = server.directory.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with server:
        assert query(server, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    server = make_postgres(tmp_path)
    server.directory.mkdir(parents=True)
    (server.directory / "mine.txt").write_text("mine")
    with pytest.raises(LocalError, match="neither empty nor a PostgreSQL data directory"):
        server.start()
    assert (server.directory / "mine.txt").read_text() == "mine"


def test_a_taken_port_is_reported_with_the_end_of_the_log(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    other = make_postgres(tmp_path / "other")
    other.port = postgres.port
    other.start()
    with pytest.raises(LocalError, match=r"postgres ended with exit code 1:(?s:.*)could not bind"):
        other.wait_ready(20)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_valkey_keeps_its_data_whatever_ends_it(valkey: EmbeddedValkey, end: str) -> None:
    processes = family(valkey.child)
    # Each second the file is synced; a kill of the process alone loses nothing that was written to it.
    getattr(valkey, end)()
    assert still_running(processes) == []
    valkey.start()
    valkey.wait_ready()
    assert client(valkey).get("kept") == b"1"


def test_valkey_wants_its_password_and_hides_it(valkey: EmbeddedValkey) -> None:
    with pytest.raises(redis.AuthenticationError):
        client(valkey, password=None).ping()
    assert stat.S_IMODE((valkey.directory / "valkey.conf").stat().st_mode) == 0o600
    assert valkey.child is not None
    assert ODD_PASSWORD not in " ".join(psutil.Process(valkey.child.pid).cmdline())


def test_a_paused_valkey_answers_nothing_and_goes_on(valkey: EmbeddedValkey) -> None:
    valkey.pause()
    assert not valkey.is_ready()
    valkey.resume()
    valkey.wait_ready(10)


def test_a_valkey_left_behind_is_stopped_first(valkey: EmbeddedValkey) -> None:
    second = EmbeddedValkey(valkey.directory, free_port(), password=ODD_PASSWORD)
    with second:
        assert client(second).get("kept") == b"1"
        assert valkey.child is not None
        assert valkey.child.wait(5) is not None


def test_a_process_that_merely_works_there_is_not_a_server(tmp_path: Path) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        assert working_in(tmp_path, "postgres") == []
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to change the account")
def test_as_root_it_runs_as_nobody_and_opens_no_more_than_the_way(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with make_postgres(closed) as server:
        assert server.child is not None
        assert psutil.Process(server.child.pid).username() == "nobody"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o701
        assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
        account = account_for(server.directory)
        assert account is not None
        assert account.uid == server.directory.stat().st_uid


@pytest.mark.skipif(not AS_ROOT, reason="only root has to change the account")
def test_what_a_strict_umask_closed_is_opened_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = tmp_path / "closed" / "programs"
    (programs / "bin").mkdir(parents=True)
    for name in ("bin/postgres", "share"):
        (programs / name).write_text("")
    (programs / "bin" / "postgres").chmod(0o700)
    (programs / "share").chmod(0o600)
    for folder in (programs / "bin", programs, programs.parent):
        folder.chmod(0o700)
    for _ in range(2):
        open_way(Account(uid=65534, gid=65534), to=[], programs=[programs])
    modes = [stat.S_IMODE((programs / name).stat().st_mode) for name in ("bin", "bin/postgres", "share", "..")]
    assert modes == [0o705, 0o705, 0o604, 0o701]
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.skipif(not AS_ROOT, reason="anyone else is an ordinary user already")
def test_an_ordinary_user_needs_no_other_account(tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o711)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    try:
        subprocess.run([sys.executable, "-c", "import psycopg2"], user=65534, group=65534, cwd="/", env={}, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("this Python lies where only root may read it")
    script = (
        "import sys; from pathlib import Path; from background.local.postgres import EmbeddedPostgres\n"
        "login = dict(user='me', password='pw', database='db')\n"
        "with EmbeddedPostgres(Path(sys.argv[1]), int(sys.argv[2]), **login) as server: print(server.is_ready())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, home / "postgres", str(free_port())],
        cwd=ROOT, env={"PYTHONDONTWRITEBYTECODE": "1"}, user=65534, group=65534, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout == "True\n", ended.stderr


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "secrets" / "one"
    first = kept_secret(path)
    assert len(first) >= 32
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]
    path.chmod(0o644)
    path.parent.chmod(0o755)
    assert kept_secret(path) == first
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]
    assert kept_secret(path.with_name("other")) != first


def test_an_overlong_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("background.local.server.LOG_LIMIT", 10)
    log = tmp_path / "logs" / "a.log"
    for text in (b"first, and long", b"second"):
        with open_log(log) as handle:
            handle.write(text)
    assert log.read_bytes() == b"second"
    assert (tmp_path / "logs" / "a.log.1").read_bytes() == b"first, and long"


def test_a_program_that_does_not_exist_ends_with_127(tmp_path: Path) -> None:
    child = Child.start(Program(argv=["/does/not/exist"], env=passed_on(), cwd=tmp_path), output=subprocess.PIPE)
    assert child.output is not None
    with child.output as output:
        assert b"No such file or directory" in output.read()
    assert child.wait(5) == 127


def test_a_child_takes_signals_even_where_its_parent_ignores_them(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
        child = Child.start(
            Program(argv=[sys.executable, "-c", code], env=passed_on(), cwd=tmp_path), output=subprocess.PIPE
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.output is not None
    with child.output as output:
        assert output.read() == b"True\n"
    assert wait_for(lambda: child.poll() is not None, seconds=5)
