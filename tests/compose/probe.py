"""Uses a running compose project as a client does, through its published ports; exit code 0 only if all is right.

    docker compose up -d --build --scale worker=2 && python3 tests/compose/probe.py

Standard library only, because it runs on the host.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

API = f"http://127.0.0.1:{os.environ.get('API_PORT') or 8000}"
FLOWER = f"http://127.0.0.1:{os.environ.get('FLOWER_PORT') or 5555}"
JOBS = 24
WORKERS = 2
PATIENCE = 120.0


def call(method: str, url: str, body: object = None) -> Any:
    """One request; gives the parsed answer, or its text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        text = answer.read().decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


def until(look: Callable[[], Any], what: str) -> Any:
    """Poll until `look` gives something true."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if found := look():
                return found
        except OSError as error:
            print(f"{what}: {error}")
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not happen within {PATIENCE:.0f} s")
        time.sleep(0.5)


def run_jobs() -> str:
    """Submit jobs until every worker has had one; gives a summary."""
    ids = [call("POST", f"{API}/jobs", {"params": {"step_seconds": 0.3}})["job_id"] for _ in range(JOBS)]

    def ended() -> list[dict[str, Any]] | None:
        jobs = [call("GET", f"{API}/jobs/{job_id}") for job_id in ids]
        return jobs if all(job["status"] in ("COMPLETED", "FAILED") for job in jobs) else None

    jobs = until(ended, "the end of all jobs")
    assert all(job["status"] == "COMPLETED" and len(job["steps"]) == 3 for job in jobs), jobs
    workers = {job["worker"] for job in jobs}
    assert len(workers) == WORKERS, workers
    return f"{JOBS} COMPLETED by {len(workers)} workers"


def run_canvas(path: str, body: object = None) -> Any:
    """Start a canvas; gives its result."""
    task_id = call("POST", f"{API}{path}", body)["task_id"]

    def ready() -> dict[str, Any] | None:
        run: dict[str, Any] = call("GET", f"{API}/result/{task_id}")
        return run if run["ready"] else None

    run = until(ready, f"the end of {path}")
    assert run["successful"], run
    return run["result"]


def exchange(port: str, default: int, sent: bytes) -> bytes:
    """What a server on this machine answers to whoever says this first."""
    with socket.create_connection(("127.0.0.1", int(os.environ.get(port) or default)), timeout=10) as connection:
        connection.sendall(sent)
        return connection.recv(1000)


def refuse_strangers() -> None:
    """Neither server does anything for somebody without the password."""
    assert exchange("REDIS_PORT", 6379, b"PING\r\n").startswith(b"-NOAUTH")
    user = os.environ.get("POSTGRES_USER") or "postgres"
    words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", user, ""))
    answer = exchange("POSTGRES_PORT", 5432, struct.pack("!II", len(words) + 8, 196608) + words)
    # https://www.postgresql.org/docs/current/protocol-message-formats.html: 10 asks for SCRAM, 0 would be a welcome.
    assert answer[:1] == b"R", answer
    assert struct.unpack("!I", answer[5:9])[0] == 10, answer


def inside(service: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container of this service."""
    return subprocess.run(
        ["docker", "compose", "exec", "-T", service, *command],  # noqa: S607 - as a user would call it
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def be_confined(service: str) -> None:
    """A process in there has no privileges, writes nowhere, and shows no secret in its environment."""
    status = dict(line.split(":", 1) for line in inside(service, "cat", "/proc/1/status").stdout.splitlines())
    capabilities = {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert not any(capabilities.values()), capabilities
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["Uid"].split()[1]) != 0
    refused = inside(service, "sh", "-c", "echo > /written")
    assert refused.returncode != 0, refused
    assert "Read-only file system" in refused.stderr, refused
    names = {line.partition("=")[0] for line in inside(service, "env").stdout.splitlines()}
    assert not names & {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "REDISCLI_AUTH", "API_KEYS", "FLOWER_BASIC_AUTH"}, names


def reaches(service: str, host: str, port: int) -> bool:
    """Whether that service can connect there."""
    code = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
    return inside(service, "python", "-c", code).returncode == 0


def be_apart() -> None:
    """Each reaches what it needs, and has the secrets that it needs."""
    assert reaches("worker", "postgres", 5432)
    assert reaches("flower", "redis", 6379)
    assert not reaches("flower", "postgres", 5432)
    assert not reaches("flower", "api", 8000)
    secrets = {
        name: set(inside(name, "ls", "/secrets").stdout.split()) for name in ("api", "worker", "flower", "redis")
    }
    assert secrets == {
        "api": {"api", "postgres", "redis"},
        "worker": {"postgres", "redis"},
        "flower": {"flower", "redis"},
        "redis": {"redis"},
    }, secrets


def main() -> None:
    """Everything, one line each."""
    for service in ("api", "worker", "flower", "redis", "postgres"):
        be_confined(service)
    print("containers           without capabilities, file systems read-only, no secret in an environment")
    refuse_strangers()
    print("strangers            refused by PostgreSQL and Redis")
    be_apart()
    print("networks, secrets    apart")
    until(lambda: call("GET", f"{API}/ready")["status"] == "ok", "readiness")
    print("jobs                ", run_jobs())
    for path, body, expected in (
        ("/add", {"x": 2, "y": 3}, 5),
        ("/chain", None, "Final result: 50"),
        ("/group", None, [5, 6]),
        ("/chord", None, "Final result: [5, 6]"),
    ):
        result = run_canvas(path, body)
        assert result == expected, result
        print(f"{path:20}", result)
    print("/test-request-info  ", run_canvas("/test-request-info?message=Hello")["data"])
    names = [document["name"] for document in call("GET", f"{API}/documents")]
    assert len(names) >= 5, names
    print("analyze one         ", run_canvas(f"/documents/{names[0]}/analyze")["documents"])
    print("analyze all         ", len(run_canvas("/documents/analyze")), "documents")
    assert run_canvas("/documents/report")["documents"] == names
    print("report on all       ", names)
    job_id = call("POST", f"{API}/jobs", {"params": {"step_seconds": 0.3}})["job_id"]
    assert "event: completed" in call("GET", f"{API}/jobs/{job_id}/events")
    print("event stream         followed to the end")
    assert "<title>Celery Playground</title>" in call("GET", f"{API}/ui/")
    assert call("GET", f"{API}/ui/config.json")["flower"].rstrip("/") == FLOWER.replace("127.0.0.1", "localhost")
    print("web page             OK")
    assert call("GET", f"{FLOWER}/healthcheck") == "OK"
    print("Flower              ", "OK")


if __name__ == "__main__":
    main()
