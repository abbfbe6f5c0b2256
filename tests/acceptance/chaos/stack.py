"""A stack of its own to break: PostgreSQL, Valkey, one API, and workers, each process behind proxies of its own."""

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
import psycopg2
import redis
from celery import Celery
from psycopg2.extensions import connection as Connection  # noqa: N812  (a class with the name of a function)
from psycopg2.sql import SQL, Identifier, Literal
from sqlalchemy import Engine, NullPool, create_engine

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from background.task_names import TaskName
from tests.acceptance.chaos import audit
from tests.acceptance.chaos.node import API, DATABASE, PASSWORD, Node, Site
from tests.acceptance.chaos.proxy import HOST
from tests.acceptance.chaos.steps import SECOND_QUEUE
from tests.pgbouncer import running_pgbouncer
from tests.support import Process, free_port, wait_for

LEASE_SECONDS = 3
OWNER = "owner"
POOLS = {
    "prefork1": ("--pool=prefork", "--concurrency=2"),
    "prefork2": ("--pool=prefork", "--concurrency=2", "-Q", f"celery,{SECOND_QUEUE}"),
    "threads": ("--pool=threads", "--concurrency=2", "-Q", f"celery,{SECOND_QUEUE}"),
    "solo": ("--pool=solo",),
}


# A disk that can be full, without one: what writes fails as on such.
DISK = """
CREATE TABLE disk (is_full boolean);
INSERT INTO disk VALUES (false);
CREATE FUNCTION write_to_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT is_full FROM disk) THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NULL;
END $$;
"""
WRITTEN = ("jobs", "job_steps", "job_events", "workers")


class Stack:
    """Servers with an audited database, and the nodes that were added. Use as a context manager.

    Nodes get `lease_seconds` as it is when they start. `pooled`: they reach PostgreSQL through PgBouncer.
    """

    def __init__(self, directory: Path, *, rng: random.Random | None = None, pooled: bool = False) -> None:
        self.directory = directory
        self.pooled = pooled
        self.rng = rng or random.Random(0)
        self.nodes: dict[str, Node] = {}
        self.lease_seconds = LEASE_SECONDS
        self.postgres = EmbeddedPostgres(
            directory / "postgres",
            free_port(),
            user=OWNER,
            password=PASSWORD,
            database=DATABASE,
            flush=False,
            superuser=True,
        )
        self.valkey = EmbeddedValkey(directory / "valkey", free_port(), password=PASSWORD, flush=False)
        self._api_port = free_port()
        self._database_port = self.postgres.port
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exit_stack:
            exit_stack.enter_context(self.postgres)
            exit_stack.enter_context(self.valkey)
            if self.pooled:
                users = dict.fromkeys((OWNER, API, *POOLS), PASSWORD)
                pooler = running_pgbouncer(self.directory, postgres=self.postgres.port, database=DATABASE, users=users)
                self._database_port = exit_stack.enter_context(pooler)
            self._migrate()
            self._audit()
            self.execute(DISK)
            for table in WRITTEN:
                self.execute(f"CREATE TRIGGER disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION write_to_disk()")
            self._exit = exit_stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def site(self) -> Site:
        """What a process that is started now is told."""
        return Site(self.directory, self.lease_seconds, postgres=self._database_port, valkey=self.valkey.port)

    @property
    def workers(self) -> list[Node]:
        """All nodes but the API."""
        return [node for node in self.nodes.values() if node.name != API]

    def add_api(self, *, seams: Sequence[str] = ("die_before_publish",)) -> httpx.Client:
        """Start the API; gives a client for it."""
        options = ["--port", str(self._api_port), "--timeout-graceful-shutdown", "3"]
        self._add(API, options=options, seams=seams)
        self.nodes[API].wait_ready()
        return self.client()

    def client(self) -> httpx.Client:
        """Another client of the API."""
        return self._exit.enter_context(httpx.Client(base_url=f"http://{HOST}:{self._api_port}", timeout=10))

    def add_workers(self, *names: str, seams: Sequence[str] = (), options: Sequence[str] = ()) -> list[Node]:
        """Start workers, with the pools of `POOLS` unless `options` say otherwise; gives them when all are ready."""
        added = [self._add(name, options=options or POOLS[name], seams=seams) for name in names]
        for node in added:
            node.wait_ready()
        return added

    def remove(self, *nodes: Node) -> None:
        """End these for good."""
        for node in nodes:
            node.end()
            node.postgres.cut()
            node.postgres.thaw()
            node.log.unlink()
            del self.nodes[node.name]

    def tend(self) -> None:
        """Start again what has died."""
        for node in self.nodes.values():
            node.tend()

    def connect(self) -> Connection:
        """A connection to PostgreSQL that no fault touches but those of the server itself."""
        return psycopg2.connect(
            host=HOST,
            port=self.postgres.port,
            user=OWNER,
            password=PASSWORD,
            dbname=DATABASE,
            connect_timeout=5,
            options="-c statement_timeout=60000",
        )

    def engine(self) -> Engine:
        """The same for SQLAlchemy."""
        return create_engine("postgresql+psycopg2://", creator=self.connect, poolclass=NullPool)

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of this query."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def execute(self, *statements: str) -> None:
        """Run each of these by itself, also on a server that only reads."""
        connection = self.connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def holder(self, job_id: int, *, attempt: int, seconds: float = 30) -> Node:
        """The worker that has made this claim, once there is one; fails after `seconds`."""
        query = "SELECT writer FROM transitions WHERE job_id = %s AND attempt = %s AND attempt_before < attempt"
        ((writer,),) = wait_for(lambda: self.select(query, job_id, attempt), seconds=seconds, what=f"attempt {attempt}")
        return self.nodes[writer]

    def violations(self, **known: Any) -> list[audit.Violation]:
        """What the audit finds in all jobs of this stack; `known` is what clients know, see `audit.check`."""
        connection = self.connect()
        try:
            return audit.check(connection, **known)
        finally:
            connection.close()

    def waiting(self) -> int:
        """How many jobs have not ended."""
        query = "SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'IN_PROGRESS')"
        return int(self.select(query)[0][0])

    def wait_all_ended(self, *, seconds: float) -> float | None:
        """Tend until every job has ended; gives how long that took, `None` when it has not come to that in time."""
        return self.tend_until(lambda: self.waiting() == 0, seconds=seconds)

    def tend_until(self, probe: Callable[[], bool], *, seconds: float) -> float | None:
        """Tend until this is so; gives how long that took, `None` when it has not come to that in time."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self.tend()
            if probe():
                return passed
            time.sleep(0.1)
        return None

    def flush(self) -> None:
        """Empty Valkey."""
        self.command("FLUSHALL")

    def command(self, *words: str | int) -> None:
        """Give Valkey this command, past all faults."""
        with redis.Redis(HOST, self.valkey.port, password=PASSWORD, socket_timeout=5) as client:
            client.execute_command(*words)

    def send_message(self, job_id: int) -> None:
        """Put one more message for this job into the queue, whether or not there is such a job."""
        with Celery(broker=f"redis://:{PASSWORD}@{HOST}:{self.valkey.port}/0") as sender:
            sender.send_task(TaskName.RUN_JOB, args=[job_id], ignore_result=True, retry=False)

    def messages(self) -> int:
        """How many messages there are in the queue, and in those of releases."""
        with redis.Redis(HOST, self.valkey.port, password=PASSWORD, socket_timeout=5) as client:
            return sum(int(client.llen(key)) for key in client.scan_iter("celery*", _type="list"))

    def reset(self) -> None:
        """End all nodes and forget all jobs and messages, so that one stack can serve several tests."""
        self.remove(*list(self.nodes.values()))
        self.select("WITH gone AS (DELETE FROM jobs RETURNING id) SELECT count(*) FROM gone")
        for table in ("schedules", "audit", "rolled_back", "paused", "told"):
            self.execute(f"DELETE FROM {table}")  # noqa: S608
        self.flush()

    def _add(self, name: str, *, options: Sequence[str], seams: Sequence[str]) -> Node:
        self._create_role(name)
        node = Node(self.site, name, options=options, seams=seams, rng=self.rng)
        self._exit.enter_context(node.postgres)
        self._exit.enter_context(node.valkey)
        self._exit.callback(node.end)
        self.nodes[name] = node
        node.start(new_name=False)
        return node

    def _create_role(self, name: str) -> None:
        role = SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(Identifier(name), Literal(PASSWORD))
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateObject):
                cursor.execute(role)
        finally:
            connection.close()

    def _audit(self) -> None:
        connection = self.connect()
        try:
            audit.install(connection)
        finally:
            connection.close()

    def _migrate(self) -> None:
        argv = [sys.executable, "-m", "background", "migrate"]
        process = Process(argv, log=self.directory / "migrate.log", env=self.site.environment(OWNER))
        assert process.popen.wait(60) == 0, process.output
