"""Event streams as a client sees them: reading, staying with one, and events written as the application does."""

import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
from sqlalchemy import text

from tests.support import Process, free_port, transaction, wait_for


def blocks_of(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The blocks of a stream as the standard reads them (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    One that has an `id` alone only says where a client goes on from.
    """
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The events of a stream, that is its blocks with data."""
    for block in blocks_of(lines):
        if "data" in block:
            yield {"id": block.get("id"), "kind": block.get("event"), "data": json.loads(block["data"])}


def read(client: httpx.Client, path: str, *, last: str | None = None) -> list[dict[str, Any]]:
    """All events of a stream that ends."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events_of(response.iter_lines()))


class Api:
    """A bare `uvicorn main:app` that can be started again on the same port."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.process: Process | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(self.port), "--log-level", "warning"]
        self.process = Process(argv, log=self.log)

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for(answers)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        return self.process.stop(seconds=8)


class Reader(threading.Thread):
    """Follows a stream: cut off at random, it goes on behind `last`, the id that it got last, of an event or alone."""

    def __init__(self, apis: list[Api], *, cuts: int = 0, path: str = "/events") -> None:
        super().__init__(daemon=True)
        self.apis = apis
        self.path = path
        self.cuts = cuts
        self.last: str | None = None
        self.ids: list[str] = []
        self.done = threading.Event()
        self.random = random.Random(7)

    def has(self, number: int) -> bool:
        """Whether it has got so many."""
        return len(self.ids) >= number

    def run(self) -> None:
        """Read until told that all is done."""
        while not self.done.is_set():
            url = f"http://127.0.0.1:{self.random.choice(self.apis).port}{self.path}"
            headers = {} if self.last is None else {"Last-Event-ID": self.last}
            patience = self.random.randrange(5, 40) if self.cuts else 0
            with contextlib.suppress(httpx.HTTPError), httpx.stream("GET", url, headers=headers, timeout=20) as stream:
                for number, block in enumerate(blocks_of(stream.iter_lines()), start=1):
                    self.last = block["id"]
                    if "data" in block:
                        self.ids.append(self.last)
                    if self.done.is_set():
                        return
                    if number == patience:
                        self.cuts -= 1
                        break
            time.sleep(0.01)


def make_job(connection: Any, *, characters: int = 0) -> int:
    """A job that nobody will run; so many `characters` in the outputs of its steps, none of which is large."""
    statement = text("""
        INSERT INTO jobs (task_id, pipeline, step_names, step_timeouts, params, priority, max_attempts, run_at,
                          event_count)
        VALUES (gen_random_uuid(), 'demo', '{a}', '{NULL}', '{"fail_times": 0}', 0, 3, now() + interval '1 day',
                0)
        RETURNING id
    """)
    job_id = int(connection.execute(statement).scalar_one())
    steps = text("""
        INSERT INTO job_steps (job_id, step_number, name, status, message, attempt, output)
        SELECT :id, n, 'a', 'COMPLETED', '', 1, to_jsonb(repeat('x', 16000)) FROM generate_series(1, :steps) AS n
    """)
    connection.execute(steps, {"id": job_id, "steps": characters // 16_000})
    return job_id


def write_event(connection: Any, job_id: int, *, status: str = "PENDING") -> None:
    """One more event, numbered as the application does it."""
    connection.execute(
        text("""
            WITH job AS (UPDATE jobs SET event_count = event_count + 1, updated_at = now(), status = :status
                         WHERE id = :id RETURNING id, event_count)
            INSERT INTO job_events (job_id, number, kind, attempt) SELECT id, event_count, 'progress', 0 FROM job
        """),
        {"id": job_id, "status": status},
    )


def written(job_ids: list[int]) -> list[str]:
    """The ids of all events of these jobs as `/events` gives them, in its order."""
    statement = text("""
        SELECT xid || '-' || job_id || '-' || number FROM job_events WHERE job_id = ANY(:ids)
        ORDER BY xid, job_id, number
    """)
    with transaction() as connection:
        return [*connection.execute(statement, {"ids": job_ids}).scalars()]


def listeners() -> list[int]:
    """The process ids of the connections on which some API listens for events."""
    statement = text(
        "SELECT pid FROM pg_stat_activity WHERE query ILIKE 'LISTEN events%' AND datname = current_database()"
    )
    with transaction() as connection:
        return [*connection.execute(statement).scalars()]
