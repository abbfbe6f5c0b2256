"""How fast one API process takes jobs, beside the least that an endpoint can do and beside the usual design."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import psutil

from benchmarks.contestants import BY_NAME, VENV_PYTHON
from benchmarks.load import load, post
from benchmarks.measure import Table, cpu_of, postgres_cpu
from benchmarks.options import Options
from tests.support import Process, free_port

CONNECTIONS = 16
BATCH = 1000
JOB = {"params": {"step_seconds": 0}}
LEAST, OWN, USUAL = "benchmarks.peers.api:app", "main:app", "benchmarks.peers.usual_api:app"
DESIGNS = {LEAST: "bare", OWN: "threads", USUAL: "usual"}
"""Whose tables they fill."""


class Endpoint(NamedTuple):
    """One row: what is asked of which application, and how many jobs a request makes, over how many connections."""

    name: str
    app: str
    path: str = "/jobs"
    body: Any = None
    jobs: int = 1
    connections: int = CONNECTIONS


ENDPOINTS = (
    Endpoint("no-op", LEAST, path="/nothing"),
    Endpoint("one insert", LEAST),
    Endpoint("POST /jobs", OWN, body=JOB),
    Endpoint("the usual design", USUAL),
    Endpoint("batch: one insert, one LPUSH", LEAST, "/jobs/batch", {"jobs": [JOB] * BATCH}, BATCH, connections=1),
    Endpoint("POST /jobs/batch", OWN, "/jobs/batch", {"jobs": [JOB] * BATCH}, BATCH, connections=1),
)


def measure(options: Options) -> Table:
    """Ask each endpoint for some seconds, in turns."""
    table = Table(f"submit: one API process, {CONNECTIONS} connections; batches of {BATCH:,} over one")
    with ExitStack() as stack:
        for design in DESIGNS.values():
            BY_NAME[design].prepare()
        endpoints = [each for each in ENDPOINTS if each.app != LEAST or VENV_PYTHON.exists()]
        apps = {app: stack.enter_context(_serving(app, options)) for app in {each.app for each in endpoints}}
        for each in endpoints:
            _ask(each, *apps[each.app], seconds=1)
        for _ in range(options.rounds):
            for each in endpoints:
                table.add(each.name, **_ask(each, *apps[each.app], seconds=options.seconds))
    return table


def _ask(endpoint: Endpoint, port: int, process: psutil.Process, *, seconds: float) -> dict[str, float]:
    request = post(endpoint.path, json.dumps(endpoint.body).encode() if endpoint.body else b"")
    before = cpu_of(process), postgres_cpu()
    answers, taken, client = load(port, request, connections=endpoint.connections, seconds=seconds)
    api, server = (now - then for now, then in zip((cpu_of(process), postgres_cpu()), before, strict=True))
    jobs = answers * endpoint.jobs
    BY_NAME[DESIGNS[endpoint.app]].prepare()
    return {
        "jobs/s": jobs / taken,
        "API CPU ms": 1000 * api / jobs,
        "PostgreSQL CPU ms": 1000 * server / jobs,
        "client CPU ms": 1000 * client / jobs,
    }


@contextmanager
def _serving(app: str, options: Options) -> Iterator[tuple[int, psutil.Process]]:
    """A uvicorn process; gives its port, and the process."""
    port = free_port()
    python = str(VENV_PYTHON) if app == LEAST else sys.executable
    argv = [python, "-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
    log = options.scratch / f"{app.partition(':')[0]}.log"
    # The rate limit counts, as ever, but nobody reaches it.
    process = Process(argv, log=log, env={"REQUESTS_PER_MINUTE": str(10**9)})
    try:
        process.wait_for_line("Uvicorn running")
        yield port, psutil.Process(process.popen.pid)
    finally:
        process.stop()
