"""What real processes log: whole lines of their own alone, each with the ids of what it is about."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest
import sqlalchemy as sa

from tests.acceptance.test_canvas import finished
from tests.acceptance.test_jobs import ended
from tests.support import Process, free_port, running_api, running_worker, transaction, wait_for
from tests.unit.test_logs import FORGED, LINE

TALKING = "tests.acceptance.talking"
FORGING = f"first\n{FORGED}\r{FORGED}\u2028{FORGED}\x85{FORGED}\x1b[2J\x9b2J\u202e"
POOLS = ["prefork", "threads", "solo"]


def lines_of(process_or_path: Process | Path) -> list[str]:
    """What was logged, split wherever any reader of lines may do so."""
    path = process_or_path.log if isinstance(process_or_path, Process) else process_or_path
    whole, end, _ = path.read_text(errors="strict").rpartition("\n")  # the last line may still be written
    return (whole + end).splitlines()


def assert_honest(lines: list[str]) -> None:
    """No line is what somebody else made of it, and no terminal obeys one."""
    assert lines
    for line in lines:
        assert line.isprintable(), repr(line)
        assert not line.startswith(FORGED[:10]), line


def records(path: Path, text: str) -> list[dict[str, Any]]:
    """The JSON records whose message has this text."""
    found = [json.loads(line) for line in lines_of(path) if line.startswith("{")]
    return [record for record in found if text in record["message"]]


@pytest.fixture
def api(client: httpx.Client, tmp_path: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """An API with keys, and a path that fails; it logs JSON."""
    port = free_port()
    env = {
        "LOG_FORMAT": "json",
        "PIPELINES": f"{TALKING},background.pipelines",
        "API_KEYS": "ops:write:a-key-for-a-test",
    }
    process = Process(
        [sys.executable, "-m", "uvicorn", f"{TALKING}:app", "--port", str(port)], log=tmp_path / "api.log", env=env
    )
    try:
        process.wait_for_line("Uvicorn running")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as own:
            own.headers["X-API-Key"] = "a-key-for-a-test"
            yield own, process.log
    finally:
        process.stop()


ANSWERS = [
    ("GET", "/", 200), ("GET", "/jobs", 200), ("GET", "/nothing", 404), ("PUT", "/jobs", 405), ("POST", "/add", 422),
    ("GET", "/ui/", 200), ("GET", "/ui/nothing", 404), ("GET", "/docs", 200), ("GET", "/fails?text=x", 500),
]  # fmt: skip


@pytest.mark.parametrize("given", ["a" * 128, "9f.-_Z", None, "", "a" * 129, "two words", "a\tb", "é", "a;b"])
def test_every_answer_has_the_id_of_its_request(api: tuple[httpx.Client, Path], given: str | None) -> None:
    client, log = api
    headers = {} if given is None else {b"X-Request-ID": given.encode("latin-1")}
    kept = given is not None and given.replace(".", "").replace("-", "").replace("_", "").isalnum()
    kept = kept and given is not None and given.isascii() and len(given) <= 128
    made = set()
    for method, path, status in ANSWERS:
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == status, path
        ids = answer.headers.get_list("x-request-id")
        assert len(ids) == 1, path
        made.add(ids[0])
        assert ids[0].isascii()
        assert 1 <= len(ids[0]) <= 128
        wait_for(lambda ids=ids, path=path: [r for r in records(log, path) if r.get("request_id") == ids[0]])  # type: ignore[misc]
    assert made == {given} if kept else len(made) == len(ANSWERS)
    assert_honest(lines_of(log))


def test_refusals_and_streams_have_an_id_too(api: tuple[httpx.Client, Path]) -> None:
    client, log = api
    assert client.get("/jobs", headers={"X-API-Key": "another", "X-Request-ID": "r-401"}).status_code == 401
    large = b'{"params": "' + b"x" * 5_000_000 + b'"}'
    assert client.post("/jobs", content=large, headers={"X-Request-ID": "r-413"}).status_code == 413
    job = client.post("/jobs", json={"delay_seconds": 3600}, headers={"X-Request-ID": "r-201"}).headers["location"]
    assert client.post(f"{job}/cancel").status_code == 202
    stream = client.get(f"{job}/events", headers={"X-Request-ID": "r-stream"})
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["x-request-id"] == "r-stream"
    for request_id, actor in (("r-401", None), ("r-413", "ops"), ("r-201", "ops"), ("r-stream", "ops")):
        (line,) = [r for r in records(log, "HTTP/1.1") if r.get("request_id") == request_id]
        assert (line["logger"], line.get("actor")) == ("uvicorn.access", actor)
    assert "a-key-for-a-test" not in log.read_text()


def test_an_error_of_ours_is_logged_with_the_id_of_its_request(api: tuple[httpx.Client, Path]) -> None:
    client, log = api
    answer = client.get("/fails", params={"text": FORGING}, headers={"X-Request-ID": "r-500"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-500")
    for text in ("GET /fails failed", "Exception in ASGI application"):
        (line,) = wait_for(lambda text=text: records(log, text), what=text)  # type: ignore[misc]
        assert line["request_id"] == "r-500"
        assert FORGING in line["exception"]
    assert_honest(lines_of(log))


def test_a_client_cannot_write_lines_into_the_log(client: httpx.Client, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with running_api(log) as own:
        port = int(own.base_url.port or 0)
        for head in (
            f"GET /%0a{FORGED.replace(' ', '%20')} HTTP/1.1\r\nHost: localhost",
            f"GET /?q=\x1b[2J{FORGED.replace(' ', '+')} HTTP/1.1\r\nHost: localhost",
            f"GET /\x85\x9b2J HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\x85{FORGED}",
            f"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: a\x1b[2J\x85{FORGED}",
            f"GET\x85{FORGED} / HTTP/1.1\r\nHost: localhost",
            f"\x1b[2J\n{FORGED}",
        ):
            with socket.create_connection(("127.0.0.1", port), 20) as raw:
                raw.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode("latin-1"))
                while raw.recv(65536):
                    pass
        assert own.get("/").status_code == 200
        assert own.get("/fails", params={"x": FORGING}).status_code == 404
    assert_honest(lines_of(log))
    assert all(LINE.match(line) for line in lines_of(log) if not line.startswith("    "))
    assert [line for line in lines_of(log) if "[request_id=" in line and '"GET / HTTP/1.1" 200' in line]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_task_says_stays_one_line_with_its_ids(
    client: httpx.Client, tmp_path: Path, pool: str, form: str
) -> None:
    env = {"LOG_FORMAT": form, "PIPELINES": f"{TALKING},background.pipelines"}
    log = tmp_path / f"{pool}.log"
    with running_api(tmp_path / "api.log", env=env) as own:
        with running_worker(log, f"--pool={pool}", "--concurrency=2", env=env):
            params = {"says": FORGING, "fails": FORGING}
            body, headers = {"pipeline": "talking", "params": params}, {"X-Request-ID": "r-7"}
            asked = own.post("/jobs", json=body, headers=headers).json()
            assert ended(own, asked["job_id"])["status"] == "FAILED"
            run = own.post("/canvas", json={"task": "fail", "args": [FORGING]}).json()["task_id"]
            assert finished(own, run)["status"] == "FAILURE"
            info = own.post("/test-request-info", params={"message": "hello"}).json()["task_id"]
            assert finished(own, info)["status"] == "SUCCESS"
        expected = {"request_id": "r-7", "job_id": asked["job_id"], "attempt": 1, "task_id": asked["task_id"]}
    logged = [line for line in lines_of(log) if not line.startswith("    ") and "| " not in line[:12]]
    assert_honest(lines_of(log))
    if form == "text":
        ids = "[request_id={request_id} job_id={job_id} attempt={attempt} step={step} task_id={task_id}]: "
        for text, step in (("said: first", 1), ("said again: first", 2), ("it failed: first", 2), ("step 2 failed", 2)):
            (line,) = [each for each in logged if text in each and LINE.match(each)]
            assert ids.format(**expected, step=step) in line
        return
    for text, step in (("said: first", 1), ("said again: first", 2), ("it failed: first", 2), ("step 2 failed", 2)):
        (record,) = records(log, text)
        assert {**record, **expected, "step": step} == record
    (asked_for,) = records(log, f"request_info {info}")
    assert asked_for["task_id"] == info
    for record in records(log, run):
        assert record["task_id"] == run


LATER = {"delay_seconds": 3600}


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/jobs", LATER, {}),
        ("/jobs", LATER, {"Idempotency-Key": "a-request"}),
        ("/jobs", {**LATER, "unique_key": "a-request"}, {}),
        ("/jobs/batch", {"jobs": [LATER, {**LATER, "unique_key": "a-batch"}]}, {}),
    ],
)
def test_a_job_knows_the_request_that_made_it(
    client: httpx.Client, path: str, body: dict[str, Any], key: dict[str, str]
) -> None:
    there: set[int] = set()
    for request_id in ("r-first", "r-again"):
        made = client.post(path, json=body, headers={**key, "X-Request-ID": request_id}).json()
        known = [client.get(f"/jobs/{each['job_id']}").json() for each in (made if path == "/jobs/batch" else [made])]
        for job in known:
            assert job["request_id"] == ("r-first" if job["id"] in there else request_id), "not one that has found it"
        there |= {job["id"] for job in known}
    for job_id in there:
        assert client.post(f"/jobs/{job_id}/cancel").status_code == 202


def woken_by(job_id: int) -> str:
    """The message that woke the worker which has claimed this job."""
    with transaction() as connection:
        return str(connection.execute(sa.text("SELECT wake_up FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one())


@pytest.mark.parametrize("kind", ["job", "canvas"])
def test_what_is_said_of_a_killed_process_has_the_id_of_its_task(
    client: httpx.Client, tmp_path: Path, kind: str
) -> None:
    log = tmp_path / "worker.log"
    with running_worker(log, "--pool=prefork", "--concurrency=1", env={"LOG_FORMAT": "json"}) as worker:
        if kind == "job":
            asked = client.post("/jobs", json={"params": {"step_seconds": 60}}).json()
            wait_for(lambda: client.get(f"/jobs/{asked['job_id']}").json()["steps"])
        else:
            asked = client.post("/canvas", json={"task": "sleep", "args": [30]}).json()
            wait_for(lambda: client.get(f"/result/{asked['task_id']}").json()["status"] == "STARTED")
        for child in psutil.Process(worker.popen.pid).children():
            child.kill()
        said = wait_for(lambda: records(log, "Task handler raised error"))
        assert said[0]["task_id"] == (woken_by(asked["job_id"]) if kind == "job" else asked["task_id"])
    if kind == "job":
        client.post(f"/jobs/{asked['job_id']}/cancel")
    else:
        client.post(f"/result/{asked['task_id']}/cancel")


def test_flower_logs_as_all_do(client: httpx.Client, tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "celery", "-A", "background.celery.celery_app", "flower", f"--port={port}"]
    process = Process([*argv, "--address=127.0.0.1"], log=tmp_path / "flower.log")
    try:
        process.wait_for_line("Registered tasks")
        flower = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        wait_for(lambda: flower.get("/healthcheck").status_code == 200)
        for path in ("/task/%0a%1b[2J", "/api/task/info/%0a", "/worker/x%0a2026%1b[2J"):
            flower.get(path)
        with socket.create_connection(("127.0.0.1", port), 20) as raw:
            raw.sendall(f"GET\x1b[2J{FORGED} \x85\r\n\r\n".encode("latin-1"))
            while raw.recv(65536):
                pass
        flower.close()
    finally:
        process.stop()
    assert_honest(lines_of(process))
    assert all(LINE.match(line) for line in lines_of(process) if not line.startswith("    "))


def test_what_works_for_all_streams_carries_the_id_of_none(client: httpx.Client, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    env = {"LOG_FORMAT": "json", "DATABASE_LISTEN_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    with running_api(log, env=env) as own, own.stream("GET", "/events", headers={"X-Request-ID": "r-first"}) as stream:
        assert stream.headers["x-request-id"] == "r-first"
        waits = wait_for(lambda: records(log, "Event streams wait"))
        assert not [record for record in waits if "request_id" in record]
