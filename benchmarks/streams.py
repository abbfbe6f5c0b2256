"""What open event streams cost, and how long an event takes from its commit to the client."""

import asyncio
import contextlib
import os
import resource
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from background.jobs import creation
from background.jobs.schemas import JobRequest
from background.storage import database
from benchmarks.measure import cpu_of, process_at
from tests.support import running_api

STREAMS = 500
IDLE_SECONDS = 60
EVENTS = 1000
PER_SECOND = 50

_EVENT = text("""
WITH job AS (UPDATE jobs SET event_count = event_count + 1 WHERE id = :id RETURNING id, event_count)
INSERT INTO job_events (job_id, number, kind, attempt) SELECT id, event_count, 'progress', 0 FROM job
""")


def main(scratch: Path) -> None:
    """Print the cost of idle streams on one API process, and the latency under steady events."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    jobs = [asyncio.run(creation.create_job(JobRequest(delay_seconds=86400)))[0].id for _ in range(STREAMS)]
    # The limits count, as ever, but nobody reaches them.
    env = {"MAX_STREAMS": str(2 * STREAMS), "REQUESTS_PER_MINUTE": str(10**9)}
    with running_api(scratch / "api-streams.log", env=env) as client:
        port = client.base_url.port or 0
        client.get("/ready").raise_for_status()
        print(f"streams     {STREAMS} idle streams on one API process, CPU seconds per minute")
        print_cost("0 streams", port)
        with opened([f"/jobs/{job}/events" for job in jobs], port):
            print_cost(f"{STREAMS} streams", port)
            print_latency(f"/events beside {STREAMS} streams", "/events", jobs[0], port)
        print_latency("/events alone", "/events", jobs[0], port)
        print_latency("one job alone", f"/jobs/{jobs[0]}/events", jobs[0], port)


def print_cost(name: str, port: int) -> None:
    """CPU of the API and of PostgreSQL over a minute in which nothing happens, and the API's memory."""
    api, server = process_at(port), process_at(int(os.environ["POSTGRES_PORT"]))
    before = cpu_of(api), cpu_of(server)
    time.sleep(IDLE_SECONDS)
    mine, theirs = (now - then for now, then in zip((cpu_of(api), cpu_of(server)), before, strict=True))
    memory = api.memory_info().rss / 2**20
    print(f"  {name:24} API {mine:5.2f} s   PostgreSQL {theirs:5.2f} s   memory of the API {memory:4.0f} MiB")


def print_latency(name: str, path: str, job_id: int, port: int) -> None:
    """From just before the commit until the event has arrived."""
    arrived: list[float] = []
    with opened([path], port) as (stream,):
        stream.settimeout(30)
        reader = threading.Thread(target=read, args=(stream, arrived))
        reader.start()
        written = []
        for _ in range(EVENTS):
            time.sleep(1 / PER_SECOND)
            with database.transaction() as connection:
                connection.execute(_EVENT, {"id": job_id})
                written.append(time.monotonic())
        reader.join(60)
    # A job's stream begins with its present state.
    taken = [1000 * (end - begin) for begin, end in zip(written, arrived[-EVENTS:], strict=True)]
    p95 = statistics.quantiles(taken, n=20)[-1]
    print(f"  {name:24} latency at {PER_SECOND} events/s: median {statistics.median(taken):.0f} ms, 95 % {p95:.0f} ms")


def read(stream: socket.socket, arrived: list[float]) -> None:
    """Note when each event came, until all have."""
    wanted = EVENTS
    with contextlib.suppress(TimeoutError), stream.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"id: "):
                arrived.append(time.monotonic())
                # The present state of a job that nothing has happened to yet in this stream.
                wanted += len(arrived) == 1 and not line.count(b"-")
                if len(arrived) == wanted:
                    return


@contextlib.contextmanager
def opened(paths: list[str], port: int) -> Iterator[list[socket.socket]]:
    """A client for each path, whose stream has begun; what they are sent in between is thrown away."""
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        found = []
        for path in paths:
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            stream.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            answer = stream.recv(1000)
            assert b" 200 " in answer, answer.decode()
            found.append(stream)
        reader = threading.Thread(target=throw_away, args=(found, done))
        if len(found) > 1:
            reader.start()
            stack.callback(reader.join)
        stack.callback(done.set)
        yield found


def throw_away(streams: list[socket.socket], done: threading.Event) -> None:
    """Read what comes until told that all is done."""
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while not done.is_set():
            for key, _ in selector.select(0.5):
                key.fileobj.recv(65536)  # type: ignore[union-attr]
